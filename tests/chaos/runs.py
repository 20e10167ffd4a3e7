# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One chaos run: a fleet that stands, foreign hands on it, then its next generation under faults, and the verdict."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import applyset, ownership
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client

from lab.handle import Lab
from tests.chaos.faults import Plan
from tests.chaos.fleet import ROBOT, Object, generations
from tests.chaos.proxy import Proxy, kill

CLONE = Path(__file__).resolve().parents[2]
UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or CLONE.parent / "shared" / "upstream")
CRDS = (
    "dynamo/nvidia.com_dynamographdeployments.yaml",
    "lws/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
)
PATIENCE = 8.0  # seconds; what hangs in the proxy hangs longer
PAUSE_SECONDS = 2.5
FURTHER_RUNS = 2
READY_SECONDS = 120.0
FOREIGN = {"metadata": {"labels": {"robot.example.com/owner": "robot"}, "annotations": {"robot.example.com/note": "n"}}}


@dataclass
class Verdict:
    """How one run ended. ``wrong``: what is not as it must be; [] is success. ``runs``: until nothing failed."""

    seed: int
    objects: int
    killed: bool
    event: str
    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    runs: int = 0
    foreign: int = 0


def prepare(lab: Lab) -> bool:
    """Install the custom resources, stored version only (conversion needs their operator); False: no upstream data."""
    if not UPSTREAM.is_dir():
        return False
    definitions = []
    for path in CRDS:
        crd = yaml.load((UPSTREAM / "crds" / path).read_text(), yaml.CSafeLoader)
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        definitions.append(crd)
    results = engine.apply(Client.from_params({"kubeconfig": str(lab.admin_kubeconfig)}), definitions)
    failed = [result.error for result in results if result.error]
    if failed:
        raise RuntimeError(f"the custom resources cannot be installed: {failed}")
    return True


class Runner:
    """Runs one seed after the other, on a lab that others may share; not for several threads."""

    def __init__(self, lab: Lab, folder: Path, *, custom: bool) -> None:
        self.lab = lab
        self.custom = custom
        self.admin = Client.from_params({"kubeconfig": str(lab.admin_kubeconfig)})
        self.direct = Client.from_params({"kubeconfig": str(lab.kubeconfig)})
        self.proxy = Proxy(self.direct.transport.connection)
        self.kubeconfig = folder / f"kubeconfig-{uuid.uuid4().hex[:8]}"
        server = {"clusters": [{"name": "c", "cluster": {"server": self.proxy.url}}]}
        users = {"users": [{"name": "u", "user": {}}]}
        context = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
        config = {"apiVersion": "v1", "kind": "Config", **server, **users, **context}
        self.kubeconfig.write_text(json.dumps(config))
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        argv = [sys.executable, "-m", "tests.chaos.worker"]
        self.worker = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=CLONE
        )
        self.pid = 0

    def close(self) -> None:
        if self.worker.stdin:
            self.worker.stdin.close()
        self.worker.wait()
        self.proxy.close()

    def module(self, objects: list[Object], namespace: str, patience: float | None = None) -> dict[str, Any]:
        """One run of the module through the proxy."""
        job = {
            "kubeconfig": str(self.kubeconfig),
            "objects": objects,
            "namespace": namespace,
            "patience": patience,
        }
        if self.worker.stdin is None or self.worker.stdout is None:
            raise RuntimeError("the worker has no pipes")
        self.worker.stdin.write(json.dumps(job) + "\n")
        self.worker.stdin.flush()
        self.pid = int(json.loads(self.worker.stdout.readline())["pid"])
        answer: dict[str, Any] = json.loads(self.worker.stdout.readline())
        return answer

    def run(self, seed: int, event: str = "") -> Verdict:
        """``event``: restart or pause the API server at a random request, besides; or nothing."""
        namespace = f"chaos-{seed}-{uuid.uuid4().hex[:4]}"
        dice = random.Random(f"{seed}|run")
        before, after = generations(str(seed), namespace, custom=self.custom)
        verdict = Verdict(seed, len(after), killed=False, event=event)
        self.proxy.calm()
        self.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        start = self.module(before, namespace)
        if start.get("failed"):
            verdict.wrong.append(f"the start failed without any fault: {start['failed'][:3]}")
            return verdict
        foreign = [self._mark(obj) for obj in before]
        lost: set[tuple[str, str]] = set()

        def hand(fault: str, path: str) -> None:
            name, kind = path.rsplit("/", 1)[1], path.rsplit("/", 2)[1]
            if name == "fleet":
                return
            if fault == "hand-delete":
                lost.add((kind, name))
                self.admin.request("DELETE", path, body={"propagationPolicy": "Background"})
            else:
                body = {"metadata": {"labels": {"generation": "by-hand"}}}
                query = {"fieldManager": "kubectl-edit"}
                kind_of = "application/merge-patch+json"
                self.admin.request("PATCH", path, query=query, body=body, content_type=kind_of)

        for number in range(1 + FURTHER_RUNS):
            self.proxy.calm()
            self.proxy.hand = hand
            self.proxy.plan = Plan(f"{seed}|{number}")
            self._until_ready()
            if number == 0:
                self.proxy.at = dice.randint(1, len(after))
                self.proxy.act = self._at_random_request(event)
            done = self.module(after, namespace, PATIENCE)
            verdict.killed = verdict.killed or bool(done.get("killed"))
            verdict.faults += self.proxy.plan.counts
            verdict.requests += self.proxy.requests
            if not done.get("killed") and not done["failed"] and not verdict.runs:
                verdict.runs = number + 1
        self.proxy.calm()
        verdict.foreign = len(foreign)
        different = self._differences(before, after, namespace, lost)
        if different:
            verdict.wrong += [*different, f"the last faulty run said: {done.get('failed')}"]
        last = self.module(after, namespace)
        if last.get("failed") or last.get("changed"):
            verdict.wrong.append(f"a further run is not free: {last}")
        with contextlib.suppress(ApiError):
            self.admin.delete("v1", "Namespace", namespace)
        return verdict

    def _at_random_request(self, event: str) -> Any:
        def act() -> None:
            if event == "restart":
                kill(self._api_server())
            elif event == "pause":
                pid = self._api_server()
                os.kill(pid, signal.SIGSTOP)
                threading.Timer(PAUSE_SECONDS, os.kill, (pid, signal.SIGCONT)).start()
            else:
                kill(self.pid)

        return act

    def _until_ready(self) -> None:
        """Nobody runs a module again while the API server is known to be down; restarts of other seeds count too.

        That it answers an admin is enough: whether it knows its rules and kinds by then is the module's own matter.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(ApiError):
                self.admin.version()
                return

    def _api_server(self) -> int:
        return int(self.lab.status()["kube-apiserver"]["pid"])

    def _mark(self, obj: Object) -> Object:
        """Another manager adds fields of its own."""
        meta = obj["metadata"]
        body: Object = json.loads(json.dumps(FOREIGN))
        if obj["kind"] == "ConfigMap":
            body["data"] = {"foreign": "kept"}
        path = self.admin.resource(obj["apiVersion"], obj["kind"]).path(meta["name"], meta["namespace"])
        kind = "application/merge-patch+json"
        return self.admin.request("PATCH", path, query={"fieldManager": ROBOT}, body=body, content_type=kind)

    def _differences(
        self, before: list[Object], after: list[Object], namespace: str, lost: set[tuple[str, str]]
    ) -> list[str]:
        """Compared with the rendered set field by field, not with what the engine thinks of it."""
        wrong = []
        wanted = {(obj["kind"], obj["metadata"]["name"]): obj for obj in after}
        old = {(obj["kind"], obj["metadata"]["name"]) for obj in before}
        kinds = sorted({(obj["apiVersion"], obj["kind"]) for obj in before + after})
        found: dict[tuple[str, str], Object] = {}
        part_of = f"{applyset.PART_OF}={applyset.Parent('fleet', namespace).id}"
        for api_version, kind in kinds:
            for obj in self.admin.list(api_version, kind, namespace, label_selector=part_of):
                found[(kind, obj["metadata"]["name"])] = obj
        for kind, name in sorted(found.keys() - wanted.keys()):
            wrong.append(f"{kind} {name} is left over")
        for kind, name in sorted(wanted.keys() - found.keys()):
            wrong.append(f"{kind} {name} is missing")
        for key in sorted(wanted.keys() & found.keys()):
            live = found[key]
            wrong += [f"{key[0]} {key[1]}: {path}" for path in missing(ownership.normalise(wanted[key]), live)]
            plural = self.admin.resource(live["apiVersion"], key[0]).plural
            if key in old and (plural, key[1]) not in lost:
                body = {**FOREIGN, "data": {"foreign": "kept"}} if key[0] == "ConfigMap" else FOREIGN
                wrong += [f"{key[0]} {key[1]}: foreign {path}" for path in missing(body, live)]
        return wrong


def missing(wanted: Any, live: Any, path: str = "") -> list[str]:
    """Paths at which ``live`` does not hold what is wanted."""
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return [f"{path} is {live!r}"]
        return [one for key in wanted for one in missing(wanted[key], live.get(key), f"{path}.{key}")]
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) != len(wanted):
            return [f"{path} is {live!r}"]
        return [one for place, item in enumerate(wanted) for one in missing(item, live[place], f"{path}[{place}]")]
    return [] if wanted == live else [f"{path} is {live!r}, not {wanted!r}"]
