# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rank of which engine runs where, and whether what was asked for is so. Pure.

Verdicts have three values: True, False, and None where it cannot be known; None always comes with a reason and is never
counted as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import (
    LEADER_WORKER_SET,
    NODE,
    POD,
    VOLCANO_POD_GROUP,
    Snapshot,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    DYNAMO_COMPONENT,
    DYNAMO_NAME,
    LWS_GROUP,
    LWS_NAME,
    LWS_RANK,
    condition,
    domain_name,
    domains_of,
    is_true,
    labels,
    pod_gpus,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan import ComponentPlan, FleetPlan, WorkloadPlan

Object = Mapping[str, Any]

GROUP_ANNOTATION = "scheduling.k8s.io/group-name"
_GROVE_CLIQUE = "grove.io/podclique"
_GROVE_SET = "grove.io/podcliqueset-replica-index"
_GROVE_ENGINE = "grove.io/podcliquescalinggroup-replica-index"
_GROVE_POD = "grove.io/podclique-pod-index"


@dataclass(frozen=True)
class LiveEngine:
    """One engine as planned, with the pods that the cluster has for it.

    ``index`` counts from 0 within the component; ``pods`` is rank -> pod; ``owner`` is the LeaderWorkerSet, where there
    is one; ``planned`` is False for engines beyond the planned number (an autoscaler's, or a rollout's surge).
    """

    workload: WorkloadPlan
    component: ComponentPlan
    index: int
    pods: Mapping[int, Object] = field(default_factory=dict)
    owner: Object | None = None
    planned: bool = True

    @property
    def size(self) -> int:
        """Machines, and so ranks, of the engine."""
        return self.component.node_count

    @property
    def name(self) -> str:
        """For a person: namespace/workload component engine n."""
        workload = self.workload.workload
        return f"{workload.namespace}/{workload.name} {self.component.name} engine {self.index}"

    @property
    def bound(self) -> dict[int, str]:
        """Rank -> node, of the ranks that have one."""
        return {rank: pod["spec"]["nodeName"] for rank, pod in self.pods.items() if pod["spec"].get("nodeName")}


def live_engines(workload: WorkloadPlan, snapshot: Snapshot) -> list[LiveEngine]:
    """The engines of a workload in order: every planned one, present or not, then those beyond the plan."""
    found: list[LiveEngine] = []
    for component in workload.components:
        if not component.total_gpus:
            continue
        groups = _groups(workload, component, snapshot)
        owner = snapshot.find(LEADER_WORKER_SET, component.object_name, workload.workload.namespace)
        for index in range(max(component.replicas, len(groups), max(groups, default=-1) + 1)):
            planned = index < component.replicas
            if planned or index in groups:
                found.append(LiveEngine(workload, component, index, groups.get(index, {}), owner, planned))
    return found


def _groups(workload: WorkloadPlan, component: ComponentPlan, snapshot: Snapshot) -> dict[int, dict[int, Object]]:
    """Engine -> rank -> pod, of the pods that the controllers made for a component."""
    name = workload.workload.name
    keyed: dict[tuple[str, int], dict[int, Object]] = {}
    native = workload.api == "leaderworkerset"
    for pod in snapshot.get(POD, workload.workload.namespace):
        marks = labels(pod)
        if native:
            if marks.get(LWS_NAME) != component.object_name:
                continue
        elif marks.get(DYNAMO_NAME) != name or marks.get(DYNAMO_COMPONENT) != component.name:
            continue
        place = _place(marks)
        if place is not None:
            keyed.setdefault(place[:2], {})[place[2]] = pod
    if native:
        return {group: pods for (_name, group), pods in keyed.items()}
    # The Dynamo operator makes one LeaderWorkerSet or scaling group replica per engine: their order is the engines'.
    return dict(enumerate(keyed[key] for key in sorted(keyed)))


def _place(marks: Mapping[str, str]) -> tuple[str, int, int] | None:
    """(set, engine, rank) of a pod, from what LWS or Grove wrote on it."""
    if marks.get(LWS_NAME):
        group, rank = marks.get(LWS_GROUP, ""), marks.get(LWS_RANK, "")
        return (marks[LWS_NAME], int(group), int(rank)) if group.isdigit() and rank.isdigit() else None
    clique = marks.get(_GROVE_CLIQUE)
    if clique:
        index = int(marks.get(_GROVE_POD, "0") or 0)
        # Leader and workers are cliques of one scaling group; a single-node engine is a clique by itself.
        if marks.get(_GROVE_ENGINE):
            place = 0 if clique.endswith("-ldr") else index + 1
            return (marks.get(_GROVE_SET, "0"), int(marks[_GROVE_ENGINE]), place)
        return (marks.get(_GROVE_SET, "0"), index, 0)
    return None


# -- the verdicts ------------------------------------------------------------------------------------------------


def placement(plan: FleetPlan, snapshot: Snapshot, levels: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """One dict per engine of the fleet, in the order of the plan.

    ``levels`` is topology level -> node label, outermost first. Each dict holds: workload, namespace, component,
    backend, engine (index), planned, node_count, gpus_per_node, ranks [{rank, pod, node, gpus, domains, ready,
    scheduler, phase}] (missing ranks have pod None), nodes (names, in rank order, each once), gpus (of the bound
    ranks), domains {level: value, or None where the ranks differ or it is unknown}, rack, gang, topology,
    one_rank_per_machine, spread, ready, problems (findings).
    """
    labels_of = LEVELS if levels is None else levels
    return [
        _engine(engine, snapshot, labels_of)
        for workload in plan.workloads
        for engine in live_engines(workload, snapshot)
    ]


def _engine(engine: LiveEngine, snapshot: Snapshot, levels: Mapping[str, str]) -> dict[str, Any]:
    workload = engine.workload.workload
    ranks = [_rank(rank, engine.pods.get(rank), snapshot, levels) for rank in range(engine.size)]
    bound = [rank for rank in ranks if rank["node"]]
    domains = {level: _common(rank["domains"].get(level) for rank in bound) for level in levels}
    result: dict[str, Any] = {
        "workload": workload.name,
        "namespace": workload.namespace,
        "component": engine.component.name,
        "backend": workload.backend,
        "engine": engine.index,
        "planned": engine.planned,
        "node_count": engine.size,
        "gpus_per_node": engine.component.gpus_per_node,
        "ranks": ranks,
        "nodes": list(dict.fromkeys(rank["node"] for rank in bound)),
        "gpus": sum(rank["gpus"] for rank in bound),
        "domains": domains,
        "rack": domains.get("rack"),
        "gang": _gang(engine, snapshot),
        "topology": _topology(engine, ranks, snapshot, levels),
        "one_rank_per_machine": _one_rank_per_machine(engine),
        "spread": engine.component.spread,
        "ready": len(bound) == engine.size and all(rank["ready"] for rank in ranks),
    }
    result["problems"] = _problems(engine, result)
    return result


def _common(values: Any) -> str | None:
    seen = set(values)
    return seen.pop() if len(seen) == 1 else None


def _rank(rank: int, pod: Object | None, snapshot: Snapshot, levels: Mapping[str, str]) -> dict[str, Any]:
    if pod is None:
        return {
            "rank": rank,
            "pod": None,
            "node": None,
            "gpus": 0,
            "domains": {},
            "ready": False,
            "scheduler": None,
            "phase": "missing",
        }
    name = pod["spec"].get("nodeName")
    node = snapshot.find(NODE, name) if name else None
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    return {
        "rank": rank,
        "pod": pod["metadata"]["name"],
        "node": name,
        "gpus": pod_gpus(pod),
        "domains": domains_of(node, levels) if node else {},
        "ready": is_true(pod, "Ready") and not leaving,
        "scheduler": pod["spec"].get("schedulerName"),
        "phase": "Terminating" if leaving else (pod.get("status") or {}).get("phase", "Unknown"),
    }


def _one_rank_per_machine(engine: LiveEngine) -> bool | None:
    nodes = list(engine.bound.values())
    if len(set(nodes)) < len(nodes):
        return False
    return True if len(nodes) == engine.size else None


def pod_group_of(engine: LiveEngine, snapshot: Snapshot) -> Object | None:
    """The Volcano PodGroup of an engine: the one its pods name, or else the one that its leader owns."""
    groups = snapshot.get(VOLCANO_POD_GROUP, engine.workload.workload.namespace)
    names = {(pod["metadata"].get("annotations") or {}).get(GROUP_ANNOTATION) for pod in engine.pods.values()}
    leader = (engine.pods.get(0) or {}).get("metadata", {}).get("uid")
    for group in groups:
        if group["metadata"]["name"] in names:
            return group
    for group in groups:
        if leader and any(ref.get("uid") == leader for ref in group["metadata"].get("ownerReferences") or ()):
            return group
    return None


def _gang(engine: LiveEngine, snapshot: Snapshot) -> dict[str, Any]:
    """Whether the engine was scheduled all or nothing."""
    facts: dict[str, Any] = {"honoured": None, "name": None, "min_member": None, "phase": None, "queue": None}
    group = pod_group_of(engine, snapshot)
    if group is not None:
        facts.update(
            name=group["metadata"]["name"],
            min_member=(group.get("spec") or {}).get("minMember"),
            phase=(group.get("status") or {}).get("phase"),
            queue=(group.get("spec") or {}).get("queue"),
        )
    facts["honoured"], facts["why"] = _gang_verdict(engine, snapshot, group)
    return facts


def _gang_verdict(engine: LiveEngine, snapshot: Snapshot, group: Object | None) -> tuple[bool | None, str]:
    bound = engine.bound
    if engine.size == 1:
        return (True, "one machine, nothing to gang") if bound else (None, "its only rank is not bound yet")
    if engine.workload.api != "leaderworkerset" and engine.workload.choice.orchestrator != "lws":
        return None, f"gangs of {engine.workload.choice.orchestrator} are not checked by this release"
    schedulers = sorted({str(pod["spec"].get("schedulerName")) for pod in engine.pods.values()})
    if engine.workload.choice.scheduler == "kai" or schedulers == ["kai-scheduler"]:
        return None, "gangs of KAI on LeaderWorkerSets are not checked by this release"
    if not engine.pods:
        return None, "none of its ranks exists"
    if schedulers != ["volcano"]:
        return False, f"its ranks are scheduled by {', '.join(schedulers)}, which is no gang scheduler: need volcano"
    if not snapshot.knows(VOLCANO_POD_GROUP):
        return None, snapshot.why_unknown(VOLCANO_POD_GROUP)
    if group is None:
        return (False, "bound without a PodGroup") if bound else (None, "waiting: there is no PodGroup yet")
    member = (group.get("spec") or {}).get("minMember")
    if member != engine.size:
        return False, f"PodGroup {group['metadata']['name']} has minMember {member}, the engine has {engine.size} ranks"
    if not bound:
        return None, "waiting: no rank is bound yet"
    if len(bound) < engine.size:
        return False, f"only {len(bound)} of {engine.size} ranks are bound"
    return _gang_of_bound(group)


def _gang_of_bound(group: Object) -> tuple[bool | None, str]:
    """All ranks are bound by Volcano under a PodGroup of the right size: does Volcano say the same?"""
    phase = (group.get("status") or {}).get("phase")
    said = f"by volcano, PodGroup {group['metadata']['name']} with minMember {group['spec']['minMember']}"
    if phase == "Running":
        return True, f"{said}, Running"
    # The phase follows one scheduling cycle after the binding; the condition is written with it.
    scheduled, unschedulable = condition(group, "Scheduled"), condition(group, "Unschedulable")
    if phase == "Inqueue" and scheduled and scheduled.get("status") == "True":
        since = str(scheduled.get("lastTransitionTime") or "")
        if not unschedulable or str(unschedulable.get("lastTransitionTime") or "") <= since:
            return True, f"{said}, Scheduled"
    return None, f"PodGroup {group['metadata']['name']} is {phase or 'without a phase'} although every rank is bound"


def _topology(
    engine: LiveEngine, ranks: list[dict[str, Any]], snapshot: Snapshot, levels: Mapping[str, str]
) -> dict[str, Any]:
    """Whether all ranks are in one domain of the level that was asked for."""
    pack = engine.workload.pack_level
    facts: dict[str, Any] = {"honoured": None, "pack": pack, "required": bool(pack and engine.workload.pack_required)}
    facts["honoured"], facts["why"] = _topology_verdict(pack, ranks, snapshot, levels)
    return facts


def _topology_verdict(
    pack: str | None, ranks: list[dict[str, Any]], snapshot: Snapshot, levels: Mapping[str, str]
) -> tuple[bool | None, str]:
    if not pack:
        return None, "no topology was asked for"
    if pack not in levels:
        return None, f"{pack} is no known topology level: one of {', '.join(levels)}"
    bound = [rank for rank in ranks if rank["node"]]
    values = {rank["domains"].get(pack) for rank in bound} - {None}
    if len(values) > 1:
        return False, f"its ranks are in {len(values)} different {pack}s: {', '.join(sorted(values))}"
    if len(bound) < len(ranks):
        return None, f"{len(bound)} of {len(ranks)} ranks are bound"
    if not snapshot.knows(NODE):
        return None, snapshot.why_unknown(NODE)
    bare = sorted({rank["node"] for rank in bound if not rank["domains"].get(pack)})
    if bare:
        return None, f"no label {levels[pack]} on {', '.join(bare)}"
    return True, f"all ranks in {domain_name(pack, values.pop())}"


def _problems(engine: LiveEngine, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []

    def add(number: str, severity: str, message: str, remedy: str) -> None:
        found.append({"id": number, "severity": severity, "subject": engine.name, "message": message, "remedy": remedy})

    gang, topology = facts["gang"], facts["topology"]
    if gang["honoured"] is False:
        add(
            "MN-F82",
            "error",
            f"was not scheduled as a gang: {gang['why']}",
            "let Volcano schedule it (multinode_scheduler: volcano; LWS with schedulerProvider volcano), recreate it",
        )
    if facts["one_rank_per_machine"] is False and facts["spread"]:
        add(
            "MN-F93",
            "error",
            f"two of its ranks run on one machine: {_shared(facts)}",
            "set spread: true and recreate the engine, or spread: false if this is meant",
        )
    if topology["honoured"] is False:
        add(
            "MN-F54",
            "error" if topology["required"] else "warning",
            f"is not inside one {topology['pack']}: {topology['why']}",
            f"recreate the engine when one {topology['pack']} has room for {engine.size} of its ranks",
        )
    if not facts["ready"]:
        add("MN-F90", "error", _unready(facts), "see the cause given for the workload")
    elif gang["honoured"] is None:
        add("MN-F92", "warning", f"whether it is a gang could not be checked: {gang['why']}", "see the reason")
    if facts["ready"] and topology["honoured"] is None and topology["pack"]:
        add("MN-F92", "warning", f"its topology could not be checked: {topology['why']}", "see the reason")
    return found


def leftovers(plan: FleetPlan, snapshot: Snapshot) -> list[dict[str, str]]:
    """Findings about workloads that are to be absent and still have pods or LeaderWorkerSets."""
    found = []
    for workload in plan.absent:
        left = [
            f"{kind.kind} {item['metadata']['name']}"
            for kind in (LEADER_WORKER_SET, POD)
            for item in snapshot.get(kind, workload.namespace)
            if labels(item).get(WORKLOAD_LABEL) == workload.name
        ]
        if left:
            found.append(
                {
                    "id": "MN-F90",
                    "severity": "error",
                    "subject": f"{workload.namespace}/{workload.name}",
                    "message": f"is to be absent and still has {left[0]}"
                    + (f" and {len(left) - 1} more" if len(left) > 1 else ""),
                    "remedy": "run the rollout again; what stays may have a finalizer",
                }
            )
    return found


def _shared(facts: Mapping[str, Any]) -> str:
    by_node: dict[str, list[str]] = {}
    for rank in facts["ranks"]:
        if rank["node"]:
            by_node.setdefault(rank["node"], []).append(str(rank["rank"]))
    return "; ".join(f"ranks {', '.join(ranks)} on {node}" for node, ranks in sorted(by_node.items()) if len(ranks) > 1)


def _unready(facts: Mapping[str, Any]) -> str:
    """Which ranks are missing, unbound or not ready."""
    missing = [str(rank["rank"]) for rank in facts["ranks"] if rank["pod"] is None]
    unbound = [str(rank["rank"]) for rank in facts["ranks"] if rank["pod"] and not rank["node"]]
    waiting = [
        f"{rank['rank']} on {rank['node']} ({rank['phase']})"
        for rank in facts["ranks"]
        if rank["node"] and not rank["ready"]
    ]
    if len(missing) == facts["node_count"]:
        return "does not exist: none of its ranks was created"
    parts = [
        f"{what} {', '.join(which)}"
        for what, which in (
            ("no pod for rank", missing),
            ("no machine for rank", unbound),
            ("not ready: rank", waiting),
        )
        if which
    ]
    return "is not ready: " + "; ".join(parts)
