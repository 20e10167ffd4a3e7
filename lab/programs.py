# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a chart's container becomes a command line here: its own arguments, with the lab's addresses and ports."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lab.certs import Authority, kubeconfig, pem
from lab.kube import MERGE, Api, ApiError
from lab.layout import CLONE, Layout, write_atomically
from lab.operators import MODULES
from lab.processes import Health

PORTS = ("serve", "health", "metrics")
BINARIES = ("vc-scheduler", "vc-controller-manager", "vc-webhook-manager", "lws")
# The last segments of the images whose pods the lab runs, as a regular expression that Go, jq and Python agree on
IMAGES = "|".join((*BINARIES, *MODULES))
LOUDEST = 3  # Volcano logs every cycle in full above this


class Unsupported(Exception):
    """The lab cannot run what the chart asks for; the pod's status says so."""


@dataclass(frozen=True)
class Launch:
    """One process, and where its container's ports are on this machine. ``argv`` begins with the program."""

    argv: list[str]
    env: dict[str, str]
    health: Health
    container_ports: dict[str, int]


def wanted_ports(program: str) -> tuple[str, ...]:
    """Which ports the program needs here: a stand-in has one for everything."""
    return PORTS if program in BINARIES else PORTS[:1]


def launch(
    program: str,
    container: dict[str, Any],
    *,
    layout: Layout,
    pod: tuple[str, str],
    ports: dict[str, int],
    kubeconfig: Path,
    local: Callable[[str], Path],
) -> Launch:
    """``container`` as a process. ``pod``: its namespace and name. ``local``: a path in it -> the file here."""
    mounts = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", [])]

    def rewrite(text: str) -> str:
        flag, equals, value = text.rpartition("=")
        inside = any(value == mount or value.startswith(mount + "/") for mount in mounts)
        return f"{flag}{equals}{local(value)}" if inside else text

    env = {
        item["name"]: rewrite(str(item.get("value", "")))
        for item in container.get("env", [])
        if "valueFrom" not in item
    }
    env["KUBECONFIG"] = str(kubeconfig)
    args = [rewrite(str(arg)) for arg in container.get("args", []) if not str(arg).startswith("2>")]
    if program in MODULES:
        return _standin(program, args, env, container, layout, pod, ports["serve"])
    binary = str(layout.bin / program)
    if program == "lws":
        older = layout.bin / f"lws-{str(container.get('image', '')).rpartition(':v')[2]}"
        binary = str(older if older.is_file() else layout.bin / program)
        found = _lws(args, env, container, pod[0], ports, local)
    else:
        found = _volcano(program, args, env, ports, kubeconfig)
    return replace(found, argv=[binary, *found.argv])


def _standin(
    program: str,
    args: list[str],
    env: dict[str, str],
    container: dict[str, Any],
    layout: Layout,
    pod: tuple[str, str],
    port: int,
) -> Launch:
    """Everything at one port: health, webhooks, and whatever else the container names."""
    env |= {
        "PYTHONPATH": str(CLONE),
        "PYTHONUNBUFFERED": "1",
        "POD_NAMESPACE": pod[0],
        "POD_NAME": pod[1],
        "LAB_PORT": str(port),
        "LAB_IMAGE": str(container.get("image", "")),
        "LAB_UPSTREAM": str(layout.upstream),
        "LAB_DEFINITIONS": str(layout.root / "definitions.json"),
    }
    named = {str(key): port for item in container.get("ports", []) for key in (item["containerPort"], item.get("name"))}
    argv = [sys.executable, "-m", "lab.operators", program, *args]
    return Launch(argv, env, Health(port, "/readyz", "https"), named)


def _volcano(program: str, args: list[str], env: dict[str, str], ports: dict[str, int], config: Path) -> Launch:
    flags = [_quieter(arg) for arg in args if _flag(arg) not in ("listen-address", "healthz-address", "port")]
    container = {_flag(arg): arg.partition("=")[2] for arg in args}
    flags += [
        f"--kubeconfig={config}",
        "--enable-healthz=true",
        f"--healthz-address=127.0.0.1:{ports['health']}",
    ]
    if program == "vc-webhook-manager":
        flags += ["--listen-address=127.0.0.1", f"--port={ports['serve']}"]
        health = Health(ports["health"], "/healthz", "https", also=ports["serve"])
        return Launch(flags, env, health, {container.get("port", "8443"): ports["serve"]})
    flags.append(f"--listen-address=127.0.0.1:{ports['metrics']}")
    served = {"vc-scheduler": "8080", "vc-controller-manager": "8081"}[program]
    if program == "vc-scheduler":
        # It would dump its cache into a folder that all labs share.
        flags = [flag for flag in flags if _flag(flag) != "cache-dumper"] + ["--cache-dumper=false"]
    health = Health(ports["health"], "/healthz", "http")
    return Launch(flags, env, health, {served: ports["metrics"], "metrics": ports["metrics"]})


def _flag(arg: str) -> str:
    return arg.lstrip("-").partition("=")[0]


def _quieter(arg: str) -> str:
    level = arg.partition("=")[2]
    return f"-v={min(int(level), LOUDEST)}" if _flag(arg) == "v" and level.isdigit() else arg


def _lws(
    args: list[str],
    env: dict[str, str],
    container: dict[str, Any],
    namespace: str,
    ports: dict[str, int],
    local: Callable[[str], Path],
) -> Launch:
    if namespace != "lws-system":
        # Outside a pod the program cannot be told its namespace (pkg/utils: GetOperatorNamespace).
        raise Unsupported(f"the lab runs LWS in the namespace lws-system only, not in {namespace}")
    path = next((Path(arg.partition("=")[2]) for arg in args if _flag(arg) == "config"), None)
    if path is None:
        raise Unsupported("the LWS container has no --config")
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    webhook = config.setdefault("webhook", {})
    inner = int(webhook.get("port", 9443))
    cert_dir = webhook.get("certDir") or "/tmp/k8s-webhook-server/serving-certs"
    webhook.update(host="127.0.0.1", port=ports["serve"], certDir=str(local(cert_dir)))
    config["health"] = {**(config.get("health") or {}), "healthProbeBindAddress": f"127.0.0.1:{ports['health']}"}
    config["metrics"] = {**(config.get("metrics") or {}), "bindAddress": "0"}
    # Elected leaders leave a lease behind when killed, and the next one waits for it; here there is one process.
    config["leaderElection"] = {**(config.get("leaderElection") or {}), "leaderElect": False}
    ours = path.with_name("lab-" + path.name)
    write_atomically(ours, yaml.safe_dump(config))
    args = [f"--config={ours}" if _flag(arg) == "config" else arg for arg in args]
    named = {
        str(port["name"]): ports["serve"]
        for port in container.get("ports", [])
        if port.get("name") and port["containerPort"] == inner
    }
    health = Health(ports["health"], "/readyz", "http", also=ports["serve"])
    return Launch(args, env, health, {str(inner): ports["serve"], **named})


def write_kubeconfig(path: Path, server: str, ca: Path, token_file: Path) -> None:
    """A kubeconfig that reads its token from a file, again and again."""
    text = kubeconfig(server, ca.read_bytes(), {"tokenFile": str(token_file)}, "pod", "lab")
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def is_admission_init(container: dict[str, Any]) -> bool:
    """Whether this is Volcano's container that only makes the webhook's certificates."""
    return any("gen-admission-secret" in str(word) for word in container.get("command", []))


def make_admission_secret(api: Api, namespace: str, container: dict[str, Any]) -> None:
    """What Volcano's gen-admission-secret.sh leaves: a Secret with an authority, and a certificate of the Service."""
    words = [str(word) for word in container["command"]]
    options = dict(zip(words[1::2], words[2::2], strict=False))
    service, namespace = options["--service"], options.get("--namespace", namespace)
    names = (service, f"{service}.{namespace}", f"{service}.{namespace}.svc")
    authority = Authority(names[2])
    cert, key = authority.issue(names[2], dns=names)
    files = {"ca.crt": pem(authority.cert), "tls.crt": cert, "tls.key": key}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    path = f"/api/v1/namespaces/{namespace}/secrets"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": options["--secret"]}, "data": data}
    try:
        api.call("POST", path, {**secret, "type": "Opaque"})
    except ApiError as error:
        if error.status != 409:
            raise
        api.call("PATCH", f"{path}/{options['--secret']}", {"data": data}, content_type=MERGE)
