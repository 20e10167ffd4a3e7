# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a lab up and down. Every step looks at what is there first, so that it can be cut off anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from lab import binaries, certs, charts, controlplane, fleet, ports, processes, small_charts
from lab.errors import LabError
from lab.kube import Api, ApiError
from lab.layout import CLONE, Layout, locked, read_json, write_atomically

UP_SECONDS = 120.0
DOWN_SECONDS = 15.0
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "lab:dynamo-multinode"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dynamo-multinode"}],
}


def up_bare(layout: Layout) -> None:
    """An etcd and an API server, running and ready: no controller, no machine, nothing that acts by itself."""
    with locked(layout.lock_file, f"another command works on the lab {layout.name}; waiting for it"):
        programs = binaries.ensure()
        started = time.monotonic()
        state = _start(layout, programs, {}, bare=True)
        api = Api(controlplane.server(state["ports"]), layout.certs, "admin")
        _wait(layout, "kube-apiserver", api.ready, started)
        _bind(api)
    print(f"lab {layout.name}: etcd and API server ready in {time.monotonic() - started:.1f} s; nothing else runs")
    print(f"  kubeconfig {layout.kubeconfig}")


def up(layout: Layout, inventory: Path, nodes: int | None) -> None:
    """Control plane and machines, running and ready."""
    if controlplane.is_bare(layout.state()):
        raise LabError(f"the lab {layout.name} was made with --bare; remove it (down --purge) or give another --name")
    begin = time.monotonic()
    reader = fleet.InventoryReader(inventory)
    with locked(layout.lock_file, f"another command works on the lab {layout.name}; waiting for it"):
        programs = binaries.ensure()
        charted = charts.ensure(programs["helm"])
        started = time.monotonic()
        state = _start(layout, programs, charted)
        api = Api(controlplane.server(state["ports"]), layout.certs, "admin")
        _wait(layout, "kube-apiserver", api.ready, started)
        _standins(layout)
        found, levels = reader.machines()
        if nodes is not None:
            found = fleet.resize(found, nodes)
        wanted = [fleet.system_node(), *(fleet.gpu_node(node, levels) for node in found)]
        _bind(api)
        done = fleet.apply(api, wanted)
        fleet.wait_ready(api, wanted, time.monotonic() + UP_SECONDS)
        _wait_healthy(layout, api, started)
    seconds = time.monotonic() - started
    note = ", ".join(f"{count} {action}" for action, count in done.items() if count) or "unchanged"
    print(f"lab {layout.name}: control plane and {len(wanted)} nodes ready in {seconds:.1f} s ({note})")
    if started - begin > 5:
        print(f"  programs   made ready in {started - begin:.0f} s before that; they are cached for the next time")
    print(
        f"  kubeconfig {layout.kubeconfig} (the collection's own user; {layout.admin_kubeconfig.name} is the admin's)"
    )
    print(f"  export     K8S_AUTH_KUBECONFIG={layout.kubeconfig} PATH={layout.bin}:$PATH")


def _start(
    layout: Layout, programs: dict[str, Path], charted: dict[str, Path], *, bare: bool = False
) -> dict[str, Any]:
    """A supervisor running what is wanted now; the lab's state."""
    layout.root.mkdir(parents=True, exist_ok=True)
    if layout.root.parent == CLONE / ".lab":
        # Whatever the clone ignores: nothing of a lab belongs into a commit.
        write_atomically(layout.root.parent / ".gitignore", "*\n")
    state = layout.state() or {**layout.new_state(), "bare": bare}
    if bare and not controlplane.is_bare(state):
        raise LabError(f"the lab {layout.name} is a whole one; remove it (down --purge) or give another --name")
    running = processes.alive(read_json(layout.run_file).get("supervisor"))
    if not running:
        _sweep(layout, state)
        state["ports"] = ports.ensure(layout.root, state.get("ports"))
    certs.ensure(layout.certs)
    for name, path in programs.items():
        _link(layout.bin / name, path)
    for path in charted.values():
        _link(layout.charts / path.name, path)
    state["name"] = layout.name
    state["version"] = _version(layout, state)
    if running and read_json(layout.run_file).get("version") != state["version"]:
        print(f"lab {layout.name}: its programs or settings have changed; starting it again")
        _stop(layout, state)
        running = False
    layout.save_state(state)
    controlplane.write_configuration(layout, state)
    if not running:
        _spawn_supervisor(layout, state)
    return state


def _standins(layout: Layout) -> None:
    """Charts of ours in place of those that cannot be had, where upstream's definitions are; else none are left."""
    data = small_charts.upstream()
    if data is None:
        layout.upstream.unlink(missing_ok=True)
        return
    _link(layout.upstream, data)
    _link(layout.root / "definitions.json", small_charts.definitions("dynamo"))
    small_charts.ensure(layout.charts)


def _version(layout: Layout, state: dict[str, Any]) -> str:
    """A digest of everything that a running supervisor would have to be started again for."""
    digest = hashlib.sha256()
    for spec in controlplane.specs(layout, state):
        digest.update(repr(spec.argv).encode())
    # Which programs, not where they are: a lab in use is not to be restarted because somebody names another folder.
    digest.update(repr([binaries.cached_path(program).parent.name for program in binaries.PROGRAMS]).encode())
    for text in (controlplane.AUDIT_POLICY, *controlplane.kwok_stages()):
        digest.update(repr(text).encode())
    return digest.hexdigest()[:16]


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _spawn_supervisor(layout: Layout, state: dict[str, Any]) -> None:
    """The daemon, in a session of its own, so that nothing that ends us ends it."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.run_file.unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, [str(CLONE), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path, processes.MARKER: state["id"], "PYTHONUNBUFFERED": "1"}
    with (layout.logs / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, "-m", "lab.supervisor", str(layout.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=layout.root,
            start_new_session=True,
        )
    write_atomically(layout.root / "supervisor.pid", f"{child.pid}\n")


def _wait(layout: Layout, name: str, ready: Any, started: float) -> None:
    while not ready():
        run = read_json(layout.run_file)
        if run and not processes.alive(run.get("supervisor")):
            raise LabError(f"the supervisor ended; see {layout.logs / 'supervisor.log'}")
        if time.monotonic() - started > UP_SECONDS:
            raise LabError(f"{name} was not ready after {UP_SECONDS:.0f} s; {_last_words(layout, name)}")
        time.sleep(0.03)


def _wait_healthy(layout: Layout, api: Api, started: float) -> None:
    """The other processes answer, and pods can be made in the namespace ``default``."""
    checker = processes.Checker(layout.certs)
    for name in ("kube-controller-manager", "kube-scheduler", "kwok"):

        def healthy(name: str = name) -> bool:
            record = read_json(layout.run_file).get("processes", {}).get(name, {})
            return bool(record.get("pid")) and checker.healthy(processes.Health(**record["health"]))

        _wait(layout, name, healthy, started)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    _wait(layout, "kube-controller-manager", lambda: api.find(account) is not None, started)


def _last_words(layout: Layout, name: str) -> str:
    log = layout.logs / f"{name}.log"
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return f"the last line of {log}: {lines[-1][:300]}"
    return f"see {layout.logs}"


def _bind(api: Api) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    if api.find(f"{path}/{BINDING['metadata']['name']}") is None:  # type: ignore[index]
        try:
            api.call("POST", path, BINDING)
        except ApiError as error:
            if error.status != 409:
                raise


def _stop(layout: Layout, state: dict[str, Any]) -> None:
    """End the supervisor and whatever is left of the lab."""
    known = read_json(layout.run_file).get("supervisor")
    if known and processes.alive(known):
        with contextlib.suppress(ProcessLookupError):
            os.kill(known["pid"], signal.SIGTERM)
        with contextlib.suppress(psutil.Error):
            psutil.Process(known["pid"]).wait(DOWN_SECONDS)
    _sweep(layout, state)


def _sweep(layout: Layout, state: dict[str, Any]) -> None:
    processes.kill_marked(str(state["id"]))
    layout.run_file.unlink(missing_ok=True)
    shutil.rmtree(layout.runtime(str(state["id"])), ignore_errors=True)


def down(layout: Layout, *, purge: bool) -> None:
    """No process and no port left; with ``purge`` no folder either."""
    with locked(layout.lock_file, f"another command works on the lab {layout.name}; waiting for it"):
        state = layout.state()
        known = processes.alive(read_json(layout.run_file).get("supervisor"))
        _stop(layout, state)
        if purge:
            shutil.rmtree(layout.root)
            layout.lock_file.unlink(missing_ok=True)
    print(f"lab {layout.name}: {'stopped' if known else 'was not running'}{'; its folder is removed' if purge else ''}")
