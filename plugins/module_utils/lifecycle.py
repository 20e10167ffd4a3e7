# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the versions that run to the versions that are wanted: the steps, their order, and what is refused before the
first of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import steps
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import COMPONENTS
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import comes_back, provisioned

KAI_GROUP, SKIP_PODGROUPER, PODGANG = "pod-group-name", "kai.scheduler/skip-podgrouper", "grove.io/podgang"
# From here on LWS's chart has its definition no longer among its templates (lws #880)
LWS_MOVES_DEFINITION = "0.8.0-0"


@dataclass(frozen=True)
class Step:
    """One component brought from one version to the next. action: upgrade | downgrade | reinstall (uninstall, then
    install: every definition and object stays) | install (a reinstall that was cut off) | finish (it has its version,
    and is no whole release, or not healthy). chart: the archive that is to be used, "" for the component's own
    repository. notes: what is to be known about it. delete: names of definitions that have to go before it."""

    component: str
    here: str
    to: str
    action: str
    chart: str = ""
    notes: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "component": self.component,
            "from": self.here,
            "to": self.to,
            "action": self.action,
            "chart": self.chart,
            "notes": list(self.notes),
            "delete": [
                {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinition",
                    "metadata": {"name": name},
                }
                for name in self.delete
            ],
        }

    def __str__(self) -> str:
        return f"{self.component} {self.here} -> {self.to} ({self.action}){''.join('; ' + note for note in self.notes)}"


@dataclass(frozen=True)
class Path:
    """The steps in order; findings: errors refuse the whole path before its first step."""

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Goal:
    """What is wanted of one component: its version, and charts by version where they are local archives."""

    version: str
    charts: Mapping[str, str] = field(default_factory=dict)

    def chart(self, version: str) -> str:
        """The local chart of this version, "" where none is named."""
        return {versions.plain(name): chart for name, chart in self.charts.items()}.get(version, "")


def plan(
    found: Mapping[str, Mapping[str, Any]],
    goals: Mapping[str, Goal],
    kubernetes: str,
    *,
    replace: bool = False,
    pod_clique_sets: Sequence[Mapping[str, Any]] = (),
    scaled_to_zero: Sequence[str] = (),
) -> Path:
    """The path for all components together.

    found: facts()["components"]. goals: by component; what is not named stays as it is. replace: consent to uninstall
    and install again where upstream knows no other way. pod_clique_sets: live ones. scaled_to_zero: names of
    deployments of Grove with a component at 0.
    """
    findings: list[Finding] = []
    queues: dict[str, list[Step]] = {}
    now = {name: running(entry) for name, entry in found.items() if entry.get("present") and name in COMPONENTS}
    for name in COMPONENTS:
        goal, entry = goals.get(name), found.get(name) or {}
        if goal is None or versions.key(goal.version) is None:
            continue
        if comes_back(entry):
            queues[name] = [_install(name, goal)]
        if not entry.get("present"):
            continue
        here = now[name] = _stands(entry, goal.version)
        if versions.key(here) == versions.key(goal.version):
            if provisioned(entry) and not _whole(entry):
                queues[name] = [_finish(name, entry, here, goal)]
            continue
        refusals = _refusals(name, entry, here, goal.version, replace)
        findings += refusals
        if any(item.severity == "error" for item in refusals) or not provisioned(entry):
            continue
        queues[name], missing = _steps(name, here, goal)
        findings += missing
    if any(step.here != step.to for step in queues.get("grove", ())):
        findings += steps.under_way(pod_clique_sets, scaled_to_zero)
    final = {**now, **{name: queue[-1].to for name, queue in queues.items() if queue}}
    findings += [item for item in versions.pair_findings(final, kubernetes) if item.subject in final]
    for name, queue in queues.items():
        for step in queue:
            verdict = versions.fit(name, step.to, kubernetes)
            known = {(item.id, item.subject) for item in findings}
            if verdict.severity is not None and (verdict.finding, name) not in known:
                source = f" ({verdict.source})" if verdict.source else ""
                findings.append(
                    Finding(verdict.finding, verdict.severity, name, verdict.message + source, verdict.remedy)
                )
    findings += _ill(found, queues, {item.subject for item in findings if item.id == "MN-F64"})
    return Path(tuple(_order(queues, now, kubernetes)), tuple(findings))


def gates(found: Mapping[str, Mapping[str, Any]], way: Sequence[Step]) -> list[list[str]]:
    """For each step, the components that have to be ready before the next one: those that were before the first step,
    and those that were brought to a version since. What was ill before, and is not ours to mend, holds up nothing."""
    well = {name for name, entry in found.items() if entry.get("present") and entry.get("ready") is not False}
    waited = []
    for step in way:
        well.add(step.component)
        waited.append([name for name in COMPONENTS if name in well])
    return waited


def _ill(found: Mapping[str, Mapping[str, Any]], queues: Mapping[str, Sequence[Step]], said: set[str]) -> list[Finding]:
    """MN-F64 about what is not healthy and is not on the path: one of ours refuses it, before its first step."""
    findings = []
    for name in COMPONENTS:
        entry = found.get(name) or {}
        if not entry.get("present") or entry.get("ready") is not False or queues.get(name) or name in said:
            continue
        message = f"{name} {running(entry)} is not healthy: {_problems(entry)}"
        if not provisioned(entry):
            remedy = f"its owner: look at the pods -n {entry.get('namespace')}; no step waits for it"
            findings.append(Finding("MN-F64", "warning", name, message, remedy))
        elif any(queues.values()):
            remedy = "mend it first (the playbook bootstrap waits for it); where it is waived, no step waits for it"
            findings.append(Finding("MN-F64", "error", name, message, remedy))
        else:
            remedy = "mend it; the playbook bootstrap waits for it"
            findings.append(Finding("MN-F64", "warning", name, message, remedy))
    return findings


def _problems(entry: Mapping[str, Any]) -> str:
    return "; ".join(str(item) for item in entry.get("problems") or []) or "no reason given"


def running(entry: Mapping[str, Any]) -> str:
    """The version that an entry of facts()["components"], or a revision of helm's, runs; "" for none."""
    app, chart = str(entry.get("app_version") or ""), str(entry.get("chart_version") or "")
    return versions.plain(app if versions.key(app) else chart)


def _stands(entry: Mapping[str, Any], to: str) -> str:
    """The version from which a path to ``to`` begins: what runs; or, where helm's last run was cut off or failed, what
    was deployed before it. On a way back the newer of the two: part of it may be there."""
    tried = running(entry)
    deployed = [item for item in entry.get("release_secrets") or [] if item.get("status") == "deployed"]
    if str(entry.get("release_status") or "deployed") == "deployed" or not deployed:
        return tried
    stands = running(max(deployed, key=lambda item: int(item.get("revision") or 0)))
    newer = tried if versions.downward(tried, stands) else stands
    return newer if versions.downward(newer, to) else stands


def _whole(entry: Mapping[str, Any]) -> bool:
    """Whether helm's last run came to its end, and what it made is healthy as far as the cluster says."""
    return str(entry.get("release_status") or "deployed") == "deployed" and entry.get("ready") is not False


def _finish(name: str, entry: Mapping[str, Any], here: str, goal: Goal) -> Step:
    """Nothing may follow on what an earlier run left half-way: it is brought to its end, objects included."""
    status = str(entry.get("release_status") or "deployed")
    note = f"not healthy: {_problems(entry)}" if status == "deployed" else f"helm's last run left it {status}"
    return Step(name, here, here, "finish", goal.chart(here), (note,))


def _install(name: str, goal: Goal) -> Step:
    to = versions.plain(goal.version)
    return Step(name, "uninstalled", to, "install", goal.chart(to), ("an earlier run uninstalled it for this",))


def _refusals(name: str, entry: Mapping[str, Any], here: str, to: str, replace: bool) -> list[Finding]:
    if not provisioned(entry):
        where = f"release {entry.get('release')} -n {entry.get('namespace')}" if entry.get("release") else "manifests"
        message = f"{name} {here or 'of an unknown version'} is not ours: it stays, and {to} is its owner's to install"
        return [Finding("MN-F49", "warning", name, message, f"its owner: bring {where} to {to}")]
    found = []
    status = str(entry.get("release_status") or "")
    if status == "deployed" and entry.get("ready") is False:
        message = f"{name} {here} is not healthy, and would be changed: {_problems(entry)}"
        found.append(Finding("MN-F64", "error", name, message, "mend it first; the playbook bootstrap waits for it"))
    for item in steps.no_way_back(name, here, to):
        # KAI is uninstalled and installed again; Grove's old gangs are the consenting user's
        if not replace:
            found.append(item)
        elif name == "grove":
            found.append(Finding(item.id, "warning", item.subject, item.message, item.remedy))
    return found


def _steps(name: str, here: str, goal: Goal) -> tuple[list[Step], list[Finding]]:
    """The versions on the way, one per minor release where upstream demands it."""
    to = versions.plain(goal.version)
    low, high = versions.minor(here), versions.minor(to)
    between: list[tuple[int, int]] = []
    if name in versions.STEPWISE and low and high:
        between = [line for line in versions.STEPWISE[name] if min(low, high) < line < max(low, high)]
    if versions.downward(here, to):
        between.reverse()
    charts = {versions.plain(version): chart for version, chart in goal.charts.items()}
    way, missing = [], []
    for line in between:
        given = sorted(
            (item for item in charts if versions.minor(item) == line), key=lambda item: versions.key(item) or ()
        )
        version = given[-1] if given else versions.PASSING.get(name, {}).get(line, "")
        if version:
            way.append(version)
        else:
            message = f"from {here} to {to} leads through {line[0]}.{line[1]}, of which no release is known here"
            remedy = f'name one: multinode_platform.{name}.charts: {{"{line[0]}.{line[1]}.x": archive or ""}}'
            missing.append(Finding("MN-F101", "error", name, message, remedy))
    queue = []
    for version in [*way, to]:
        action = "upgrade"
        if versions.downward(here, version):
            action = "reinstall" if name == "kai_scheduler" else "downgrade"
        queue.append(Step(name, here, version, action, charts.get(version, ""), _notes(name, here, version)))
        here = version
    return queue, missing


def _notes(name: str, here: str, to: str) -> tuple[str, ...]:
    if name == "lws" and versions.within(here, None, LWS_MOVES_DEFINITION) != versions.within(
        to, None, LWS_MOVES_DEFINITION
    ):
        return (
            "the definition changes its place in the chart; it and every LeaderWorkerSet stay",
            # Seen between the real 0.7.0 and 0.8.0: a new revision of an unchanged LeaderWorkerSet
            "LWS itself restarts every engine once, group after group",
        )
    if name == "grove" and steps.begins_podgroups(here, to):
        return ("gangs that run already are given their PodGroup afterwards (MN-F108)",)
    if name == "kai_scheduler" and versions.downward(here, to):
        return ("nothing is scheduled by KAI in between",)
    return ()


def _order(queues: Mapping[str, Sequence[Step]], now: Mapping[str, str], kubernetes: str) -> list[Step]:
    """One step after the other, such that no pair of versions is wrong in between, where there is such a way.

    What is to be finished comes before everything; upwards in the order of installation, so that what others stand on
    comes first; downwards in reverse.
    """
    left = {name: list(queue) for name, queue in queues.items() if queue}
    state = dict(now)
    ordered: list[Step] = []
    while left:
        half = [name for name in COMPONENTS if name in left and left[name][0].action == "finish"]
        up = [
            name for name in COMPONENTS if name in left and not versions.downward(left[name][0].here, left[name][0].to)
        ]
        down = [name for name in reversed(list(COMPONENTS)) if name in left and name not in up]
        names = [*half, *up, *down]
        before = _wrong(state, kubernetes)
        fine = [name for name in names if _wrong({**state, name: left[name][0].to}, kubernetes) <= before]
        name = (fine or names)[0]
        step = left[name].pop(0)
        state[name] = step.to
        if not fine:
            note = "until the next step it does not fit the others: make no new deployments meanwhile"
            step = Step(step.component, step.here, step.to, step.action, step.chart, (*step.notes, note))
        ordered.append(step)
        if not left[name]:
            del left[name]
    return ordered


def _wrong(state: Mapping[str, str], kubernetes: str) -> set[tuple[str, str]]:
    return {
        (item.id, item.message.split(";")[0])
        for item in versions.pair_findings(state, kubernetes)
        if item.severity == "error"
    }


@dataclass(frozen=True)
class OldGang:
    """A gang of before Grove's upgrade: its pods that nobody told which PodGroup they belong to."""

    namespace: str
    gang: str
    pods: tuple[str, ...]

    def finding(self) -> Finding:
        """MN-F108, with the command that cures it (reference: seen to work within two seconds)."""
        return Finding(
            "MN-F108",
            "warning",
            f"{self.namespace}/{self.gang}",
            f"{len(self.pods)} pods of this gang are older than Grove's upgrade; what is replaced later stays pending",
            f"kubectl annotate pod -n {self.namespace} {' '.join(self.pods)} --overwrite {KAI_GROUP}={self.gang} "
            f"{SKIP_PODGROUPER}=true (multinode_heal_gangs: allow does it)",
        )

    def patches(self) -> list[dict[str, Any]]:
        """The same as partial pods, for the module apply."""
        notes = {KAI_GROUP: self.gang, SKIP_PODGROUPER: "true"}
        return [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": self.namespace, "annotations": dict(notes)},
            }
            for name in self.pods
        ]


def old_gangs(pods: Sequence[Mapping[str, Any]], grove: str) -> tuple[OldGang, ...]:
    """F108: gangs half of whose pods, or all, lack what a Grove that writes PodGroups gives its pods.

    pods: live pods with the label of a PodGang. grove: the version that runs.
    """
    if versions.key(grove) is None or versions.within(grove, None, steps.GROVE_WRITES_PODGROUPS):
        return ()
    gangs: dict[tuple[str, str], list[str]] = {}
    for pod in sorted(pods, key=lambda item: str(item["metadata"]["name"])):
        meta = pod["metadata"]
        gang = (meta.get("labels") or {}).get(PODGANG)
        notes = meta.get("annotations") or {}
        if not gang or meta.get("deletionTimestamp") or (pod.get("spec") or {}).get("schedulerName") != "kai-scheduler":
            continue
        if notes.get(KAI_GROUP) == gang and notes.get(SKIP_PODGROUPER) == "true":
            continue
        gangs.setdefault((str(meta["namespace"]), str(gang)), []).append(str(meta["name"]))
    return tuple(OldGang(*place, tuple(sorted(names))) for place, names in sorted(gangs.items()))


def earlier(revisions: Sequence[Mapping[str, Any]]) -> str:
    """The version to which a release goes back, out of helm's history; "" where there is none.

    revisions: {"revision", "status", "chart_version", "app_version"} in any order. Of a release that was brought back
    already it is the version that runs: a way back that was gone leads nowhere else, and surely not forward again.
    """
    newest = sorted(revisions, key=lambda item: int(item.get("revision") or 0), reverse=True)
    ran = [item for item in newest if item.get("status") in ("deployed", "superseded")]
    if not ran:
        return ""
    here = running(ran[0])
    if versions.downward(running(newest[0]), here):
        return here  # an upgrade that was cut off, or failed: back is what ran before it
    before = newest[newest.index(ran[0]) + 1 :]
    others = [item for item in before if versions.key(running(item)) != versions.key(here)]
    if others and versions.downward(running(others[0]), here):
        older = before[before.index(others[0]) + 1 :]
        if others[0] in ran or any(item in ran and running(item) == here for item in older):
            return here
    return next((running(item) for item in others if item in ran and not versions.downward(running(item), here)), "")
