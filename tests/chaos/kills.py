# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.chaos kills``: playbooks that are killed, each at one request, and what the next run makes of it.

The LWS stack, on a lab of its own. kill -9 reaches everything that ansible-playbook has started, helm included, and
comes when the lab's audit log tells of the request that marks the point, never after a time. After it a second run has
to end well and leave the objects of a run that nobody disturbed, and a third one changes and writes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.handle import CommandFailed, Lab

CLONE = Path(__file__).resolve().parents[2]
OURS = "dynamo-multinode"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
QUESTIONS = ("selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "subjectaccessreviews")
# What the cluster makes and forgets when it likes, and the runs of a release that helm remembers
PASSING = ("events", "leases", "endpointslices", "endpoints", "apiservices", "replicasets", "secrets", "ipaddresses")
HASH = r"(?:[0-9a-f]{8,10}|[bcdfghjklmnpqrstvwxz2456789]{8,10})"
RANDOM = re.compile(rf"-{HASH}(?=-|$)|-[bcdfghjklmnpqrstvwxz2456789]{{5}}$")
# A rack label that no machine has yet, so that the role topology has something to write
RACK = "kills.example.com/rack"
LEVELS = {"zone": "topology.kubernetes.io/zone", "block": "topology.kubernetes.io/block", "rack": RACK}
VARIABLES: dict[str, Any] = {
    "multinode_queues": [{"name": "serving", "gpu": {"limit": 64}}],
    "multinode_topology_write": True,
    "multinode_topology_levels": LEVELS,
    "multinode_remove_crds": True,
}
OTHER_VALUES = {
    "multinode_platform": {
        "volcano": {"chart": "{{ lab_dir }}/charts/volcano-1.14.1.tgz"},
        "lws": {
            "chart": "{{ lab_dir }}/charts/lws-0.8.0.tgz",
            "values": {"resources": {"requests": {"cpu": "250m"}}},
        },
    }
}
# What a removal deletes after helm ran
LAST = (
    ("delete", "configmaps", "dynamo-multinode-lws"),
    ("delete", "customresourcedefinitions", "leaderworkersets.leaderworkerset.x-k8s.io"),
    ("delete", "namespaces", "lws-system"),
)
LIMIT_SECONDS = 900.0

# As a user applies it while the webhook of LWS is registered, and nobody answers for it
ENGINE: dict[str, Any] = {
    "apiVersion": "leaderworkerset.x-k8s.io/v1",
    "kind": "LeaderWorkerSet",
    "metadata": {"name": "early", "namespace": "default"},
    "spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"containers": [{"name": "main", "image": "none"}]}}}},
}

Event = dict[str, Any]


def _target(event: Event) -> tuple[str, str, str]:
    """(verb, resource, name)"""
    ref = event.get("objectRef") or {}
    return event.get("verb", ""), ref.get("resource", ""), ref.get("name", "") or ""


def _helm(event: Event) -> bool:
    return str(event.get("userAgent", "")).lower().startswith("helm")


def _real(event: Event) -> bool:
    return "dryRun=All" not in event.get("requestURI", "") and event.get("responseStatus", {}).get("code", 0) < 300


def _write(event: Event, resource: str, *verbs: str, by_helm: bool = False) -> bool:
    verb, kind, _name = _target(event)
    return kind == resource and verb in (verbs or ("create", "patch")) and _real(event) and _helm(event) == by_helm


def _release(event: Event, release: str, *verbs: str) -> bool:
    _verb, _kind, name = _target(event)
    # The name of what is created stands in the body alone; the namespace tells whose it is
    space = (event.get("objectRef") or {}).get("namespace", "")
    return _write(event, "secrets", *verbs, by_helm=True) and (release in name or space.startswith(release))


@dataclass(frozen=True)
class Point:
    """Where a run is killed: at the ``nth`` event of ours for which ``at`` holds, ``after`` another event was met.

    ``fresh``: what is taken away before, so that the run has it to do. ``leaves``: the status in which the
    ``release`` has to be after the kill. ``still``: the lab's process that is stopped from the beginning until then.
    ``refused``: what must not pass its webhook then.
    """

    name: str
    at: Callable[[Event], bool]
    playbook: str = "site"
    fresh: str = ""
    after: Callable[[Event], bool] | None = None
    nth: int = 1
    leaves: str = ""
    release: str = "lws"
    still: str = ""
    refused: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)


POINTS = (
    Point("before the first write", lambda event: True),
    Point(
        "while verifying",
        lambda event: _target(event)[:2] in (("list", "pods"), ("list", "leaderworkersets")),
        playbook="verify",
    ),
    Point(
        "inside helm upgrade",
        lambda event: _release(event, "lws", "create"),
        leaves="pending-upgrade",
        variables=OTHER_VALUES,
    ),
    Point(
        "while definitions are applied",
        lambda event: _write(event, "customresourcedefinitions"),
        fresh="lws",
    ),
    Point("inside helm install", lambda event: _release(event, "lws", "create"), fresh="lws", leaves="pending-install"),
    Point(
        "between helm and readiness",
        lambda event: _release(event, "lws", "update", "patch"),
        fresh="lws",
        leaves="deployed",
    ),
    Point(
        "while a webhook is not yet answering",
        # The second look: at the first one it was not ready
        lambda event: _target(event)[:2] == ("list", "validatingwebhookconfigurations") and not _helm(event),
        after=lambda event: _release(event, "lws", "update", "patch"),
        nth=2,
        fresh="lws",
        leaves="deployed",
        still="kube-scheduler",
        refused=ENGINE,
    ),
    Point("while queues are applied", lambda event: _write(event, "queues"), fresh="queues"),
    Point("while labels are written", lambda event: _write(event, "nodes"), fresh="labels", nth=2),
    Point("while workloads are applied", lambda event: _write(event, "leaderworkersets"), fresh="workloads"),
    Point(
        "while waiting for workloads",
        lambda event: _target(event)[:2] == ("watch", "leaderworkersets") or _target(event)[:2] == ("list", "pods"),
        after=lambda event: _write(event, "leaderworkersets"),
        fresh="workloads",
        nth=2,
        # Nothing becomes ready before the second look
        still="kwok",
    ),
    Point("while workloads are removed", lambda event: _write(event, "leaderworkersets", "delete"), "teardown"),
    Point(
        "while a release is removed",
        lambda event: _helm(event) and _target(event)[0] == "delete",
        playbook="teardown",
        leaves="uninstalling",
    ),
    # The first of what is deleted after helm: what is left must still be known as ours
    Point(
        "while what helm leaves is removed",
        lambda event: _target(event) in LAST and not _helm(event),
        playbook="teardown",
        leaves="not there",
    ),
)
# The other stack, stand-ins all, on a lab of its own
GROVE = {"lab_stack": "grove", "multinode_remove_crds": True}
GROVE_POINTS = (
    # The Secret that its operator fills is empty then, or not even there
    Point(
        "inside helm install of Grove",
        lambda event: _release(event, "grove", "create"),
        playbook="bootstrap",
        leaves="pending-install",
        release="grove",
    ),
    Point(
        "inside helm install of KAI",
        lambda event: _release(event, "kai-scheduler", "create"),
        playbook="bootstrap",
        fresh="stack",
        leaves="pending-install",
        release="kai-scheduler",
    ),
)
# Of any release: helm writes its own Secret before anything else
PENDING = Point("inside helm", lambda event: _write(event, "secrets", "create", by_helm=True))


@dataclass
class Run:
    """One ansible-playbook: how it ended (None: killed), what it printed and wrote."""

    code: int | None
    output: str
    writes: list[str]
    seconds: float

    @property
    def changed(self) -> int:
        found = re.search(r"^localhost\s+:.*changed=(\d+)", self.output, re.MULTILINE)
        return int(found.group(1)) if found else -1

    @property
    def told(self) -> str:
        """What a failed run said."""
        lines = [line for line in self.output.splitlines() if re.search(r"fatal|FAILED|ERROR|msg:", line)]
        return " | ".join(lines[:3])[:600] or self.output[-400:]


@dataclass
class Verdict:
    """How one point ended; ``wrong`` empty: as it must."""

    point: str
    met: str = ""
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Killer:
    """Plays playbooks on a lab, undisturbed or until a request."""

    def __init__(self, lab: Lab, variables: dict[str, Any] | None = None, namespace: str = "") -> None:
        self.lab = lab
        # Where others use the lab too, what is ours there is in one namespace
        self.where = ("-n", namespace) if namespace else ("-A",)
        self.variables = VARIABLES if variables is None else variables
        self.clean: dict[str, Counter[tuple[str, str, str]]] = {}

    # -- playbooks ---------------------------------------------------------------------------------------------------
    def start(self, words: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
        env = {**os.environ, "LAB_DIR": str(self.lab.root), "ANSIBLE_NOCOLOR": "1"}
        with out.open("wb") as stream:
            return subprocess.Popen(
                [str(Path(sys.executable).parent / "ansible-playbook"), *words],
                cwd=CLONE,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def play(self, playbook: str, variables: dict[str, Any] | None = None, point: Point | None = None) -> Run:
        """One of the collection's playbooks, with the inventory of the lab."""
        given = json.dumps({**self.variables, **(variables or {})})
        return self.ansible([f"playbooks/{playbook}.yml", "-i", "inventories/lab", "-e", given], point)

    def ansible(self, words: Sequence[str], point: Point | None = None) -> Run:
        """Until its end, or until ``point``; a point that never comes leaves a run with an exit code."""
        out = self.lab.root / "play.log"
        begin, mark = time.monotonic(), self.lab.mark()
        process = self.start(words, out)
        try:
            met = self.follow(process, mark, point) if point else None
            if met is None:
                process.wait(LIMIT_SECONDS)
        finally:
            end_tree(process)
        seconds = time.monotonic() - begin
        writes = [
            f"{event['verb']} {event['requestURI']}"
            for event in self.lab.audit(mark, user=OURS, verbs=WRITES)
            if _real(event)
            and _target(event)[1] not in QUESTIONS
            and (event.get("objectRef") or {}).get("subresource") != "token"
        ]
        code = None if met is not None else process.returncode
        return Run(code, met or out.read_text(encoding="utf-8", errors="replace"), writes, seconds)

    def follow(self, process: subprocess.Popen[bytes], mark: int, point: Point) -> str | None:
        """The request at which it was killed, or None when it ended by itself."""
        waiting, left = point.after, point.nth
        for event in self.events(process, mark):
            if waiting is not None:
                waiting = None if waiting(event) else waiting
                continue
            if point.at(event):
                left -= 1
                if not left:
                    end_tree(process)
                    return f"{event['verb']} {event['requestURI'].partition('?')[0]}"
        return None

    def events(self, process: subprocess.Popen[bytes], mark: int) -> Iterator[Event]:
        """The collection's requests, as they are answered, while the playbook runs."""
        deadline = time.monotonic() + LIMIT_SECONDS
        with self.lab.layout.audit_log.open("rb") as stream:
            stream.seek(mark)
            rest = b""
            while process.poll() is None and time.monotonic() < deadline:
                read = stream.read()
                if not read:
                    time.sleep(0.005)
                    continue
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    # A watch is told when it begins, everything else when it has been answered
                    stage = "ResponseStarted" if event.get("verb") == "watch" else "ResponseComplete"
                    if event.get("user", {}).get("username") == OURS and event.get("stage") == stage:
                        yield event

    # -- the cluster -------------------------------------------------------------------------------------------------
    def objects(self) -> Counter[tuple[str, str, str]]:
        """How many there are of each kind, namespace and name, random parts of names aside."""
        scope = () if self.where == ("-A",) else ("--namespaced",)
        kinds = self.lab.kubectl("api-resources", "--verbs=list", "-o", "name", *scope).split()
        wanted = ",".join(kind for kind in kinds if kind.split(".")[0] not in PASSING)
        found: Counter[tuple[str, str, str]] = Counter()
        for item in json.loads(self.lab.kubectl("get", wanted, *self.where, "-o", "json"))["items"]:
            meta = item["metadata"]
            if not meta.get("deletionTimestamp"):
                # Behind a long name the random end comes without a dash
                name = f"{meta['name'][:-5].rstrip('-')}-*" if meta.get("generateName") else meta["name"]
                found[(item["kind"], meta.get("namespace", ""), RANDOM.sub("-*", name))] += 1
        return found

    def releases(self) -> list[str]:
        """Releases that are not as they should be: half-way, or there twice."""
        listed = json.loads(self.lab.helm("list", "-A", "-a", "-o", "json"))
        names = Counter(one["name"] for one in listed)
        return [f"release {one['name']} is {one['status']}" for one in listed if one["status"] != "deployed"] + [
            f"release {name} is there {count} times" for name, count in names.items() if count > 1
        ]

    def status(self, release: str) -> str:
        """What helm says of the release."""
        listed = json.loads(self.lab.helm("list", "-A", "-a", "-o", "json"))
        return next((str(one["status"]) for one in listed if one["name"] == release), "not there")

    def freshen(self, what: str) -> None:
        """Take a part away with the admin's hands, so that the next run has it to make."""
        kubectl = self.lab.kubectl
        if what in ("workloads", "lws"):
            kubectl("delete", "namespace", "inference", "--ignore-not-found")
        if what == "lws":
            self.lab.uninstall("lws")
            kubectl("delete", "namespace", "lws-system", "--ignore-not-found")
            kubectl("delete", "crd", "leaderworkersets.leaderworkerset.x-k8s.io", "--ignore-not-found")
        if what == "stack":
            self.play("teardown")
        if what == "queues":
            kubectl("delete", "queues.scheduling.volcano.sh", "serving", "--ignore-not-found")
        if what == "labels":
            kubectl("label", "nodes", "--all", f"{RACK}-")

    # -- one point ---------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """The cluster as it is now is what a teardown has to lead back to."""
        self.clean["teardown"] = self.objects()

    def serve(self) -> list[str]:
        """Bring all of it to the cluster, undisturbed; what is there then is the measure, unless there is one."""
        runs = [self.play("site")]
        if not runs[0].code and "site" not in self.clean:
            runs.append(self.play("site"))
        failed = next((run for run in runs if run.code), None)
        if failed:
            return [f"it could not be served before: {failed.told}"]
        self.clean.setdefault("site", self.objects())
        return []

    def point(self, point: Point) -> Verdict:
        begin = time.monotonic()
        verdict = Verdict(point.name)
        self.freshen(point.fresh)
        if point.still:
            self.lab.signal(point.still, signal.SIGSTOP)
        try:
            killed = self.play(point.playbook, point.variables, point)
            verdict.wrong += self.proof(point)
        finally:
            if point.still:
                self.lab.signal(point.still, signal.SIGCONT)
        if killed.code is not None:
            verdict.wrong.append(f"the run came to its end ({killed.code}) and never to this point: {killed.told}")
        else:
            verdict.met = killed.output
        if point.name == POINTS[0].name and killed.writes:
            verdict.wrong.append(f"it had written already: {killed.writes[:3]}")
        again = "site" if point.playbook == "verify" else point.playbook
        runs = [self.play(point.playbook, point.variables)]
        if not runs[0].code:
            runs.append(self.play(again, point.variables))
        verdict.wrong += self.judge(again, runs)
        verdict.seconds = time.monotonic() - begin
        return verdict

    def proof(self, point: Point) -> list[str]:
        """Why the kill was not what its name says; empty when it was."""
        wrong = []
        if point.leaves and self.status(point.release) != point.leaves:
            wrong.append(f"it came too late: the release is {self.status(point.release)}, not {point.leaves}")
        if point.refused:
            words = ("create", "--dry-run=server", "-f", "-")
            try:
                told = self.lab.kubectl(*words, stdin=json.dumps(point.refused))
            except CommandFailed as error:
                told = error.output
            if "failed calling webhook" not in told:
                wrong.append(f"it came too late: {told.strip()}")
        return wrong

    def judge(self, playbook: str, runs: list[Run]) -> list[str]:
        for number, run in enumerate(runs, start=2):
            if run.code:
                return [f"run {number} failed: {run.told}"]
        wrong = [f"run 3 changed {runs[-1].changed}: {runs[-1].writes[:5]}"] * bool(runs[-1].changed or runs[-1].writes)
        found = self.settled(playbook)
        # The first run that nobody disturbed is the measure: the one after "before the first write"
        clean = self.clean.setdefault(playbook, found)
        wrong += [f"{' '.join(key)} is there {count} times more" for key, count in sorted((found - clean).items())]
        wrong += [f"{' '.join(key)} is missing {count} times" for key, count in sorted((clean - found).items())]
        return wrong + self.releases()

    def settled(self, playbook: str) -> Counter[tuple[str, str, str]]:
        """The objects, once what runs in the background (pods that go, namespaces) has come to rest."""
        deadline = time.monotonic() + 60
        found = self.objects()
        while found != self.clean.get(playbook, found) and time.monotonic() < deadline:
            time.sleep(1)
            found = self.objects()
        return found


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for it and for all that it has started. They are stopped first, so that none starts another meanwhile."""
    caught: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        main = psutil.Process(process.pid)
        while True:
            new = [one for one in (main, *main.children(recursive=True)) if one.pid not in caught]
            if not new:
                break
            for one in new:
                caught[one.pid] = one
                with contextlib.suppress(psutil.Error):
                    one.suspend()
    for one in caught.values():
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait()


def run(lab: Lab, wanted: Callable[[Point], bool] = lambda point: True, *, tell: bool = True) -> list[Verdict]:
    """The points, in order: each begins with what the one before it left."""
    killer = Killer(lab)
    killer.begin()
    verdicts: list[Verdict] = []
    served = False
    for point in POINTS:
        if not wanted(point):
            continue
        # The first point makes the cluster that the others begin with, and a teardown takes it away
        wrong = killer.serve() if not served and point is not POINTS[0] else []
        verdicts.append(Verdict(point.name, wrong=wrong) if wrong else killer.point(point))
        served = point.playbook != "teardown"
        if tell:
            print(line(verdicts[-1]), flush=True)
    return verdicts


def run_grove(lab: Lab, wanted: Callable[[Point], bool] = lambda point: True) -> list[Verdict]:
    """The points of the other stack, from an empty cluster on."""
    killer = Killer(lab, GROVE)
    verdicts = []
    for point in GROVE_POINTS:
        if wanted(point):
            verdicts.append(killer.point(point))
            print(line(verdicts[-1]), flush=True)
    return verdicts


def line(verdict: Verdict) -> str:
    how = "; ".join(verdict.wrong[:12]) or "the second run converged, the third changed nothing"
    return f"killed {verdict.point} ({verdict.met or 'never'}): {how} [{verdict.seconds:.0f} s]"
