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

from ansible_collections.dynamo.multinode.plugins.module_utils import gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import (
    DYNAMO_DEPLOYMENT,
    LEADER_WORKER_SET,
    NODE,
    POD,
    POD_CLIQUE_SET,
    Snapshot,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    DYNAMO_COMPONENT,
    DYNAMO_NAME,
    GROVE_CLIQUE,
    GROVE_SET_NAME,
    LWS_NAME,
    domain_name,
    domains_of,
    is_true,
    labels,
    place_of,
    pod_gpus,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import (
        ComponentPlan,
        FleetPlan,
        WorkloadPlan,
    )

Object = Mapping[str, Any]


@dataclass(frozen=True)
class LiveEngine:
    """One engine as planned, with the pods that the cluster has for it.

    ``index`` counts from 0 within the component; ``pods`` is rank -> pod; ``owner`` is what the engine was made from
    (LeaderWorkerSet or PodCliqueSet), where there is one; ``planned`` is False for engines beyond the planned number
    (an autoscaler's, or a rollout's surge); ``sets``: the names of all sets that have pods of this component.
    """

    workload: WorkloadPlan
    component: ComponentPlan
    index: int
    pods: Mapping[int, Object] = field(default_factory=dict)
    owner: Object | None = None
    planned: bool = True
    sets: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Machines, and so ranks, of the engine."""
        return self.component.node_count

    @property
    def name(self) -> str:
        """For a person: namespace/workload component engine n."""
        workload = self.workload.workload
        what = "engine" if self.component.total_gpus else "pod"
        return f"{workload.namespace}/{workload.name} {self.component.name} {what} {self.index}"

    @property
    def bound(self) -> dict[int, str]:
        """Rank -> node, of the ranks that have one."""
        return {rank: pod["spec"]["nodeName"] for rank, pod in self.pods.items() if pod["spec"].get("nodeName")}


def live_engines(workload: WorkloadPlan, snapshot: Snapshot, *, engines: bool = True) -> list[LiveEngine]:
    """The engines of a workload in order: every planned one, present or not, then those beyond the plan.

    With ``engines`` False the pods of its other components (frontends, planners), each as if it were an engine of one.
    """
    found: list[LiveEngine] = []
    for component in workload.components:
        if bool(component.total_gpus) is not engines:
            continue
        groups, sets = _groups(workload, component, snapshot)
        owner = _owner(workload, component, snapshot)
        for index in range(max(component.replicas, len(groups), max(groups, default=-1) + 1)):
            planned = index < component.replicas
            if planned or index in groups:
                found.append(LiveEngine(workload, component, index, groups.get(index, {}), owner, planned, sets))
    return found


def root_of(workload: WorkloadPlan, snapshot: Snapshot) -> Object | None:
    """The DynamoGraphDeployment of a workload, None where there is none or it was not asked for."""
    if workload.api != "dynamographdeployment":
        return None
    return snapshot.find(DYNAMO_DEPLOYMENT, workload.workload.name, workload.workload.namespace)


def _owner(workload: WorkloadPlan, component: ComponentPlan, snapshot: Snapshot) -> Object | None:
    namespace = workload.workload.namespace
    if workload.api == "leaderworkerset":
        return snapshot.find(LEADER_WORKER_SET, component.object_name, namespace)
    if workload.api == "podcliqueset":
        return snapshot.find(POD_CLIQUE_SET, component.object_name, namespace)
    # The Dynamo operator's set carries its deployment's name; a long name is shortened, so it is known by its owner
    for found in snapshot.get(POD_CLIQUE_SET, namespace):
        references = found["metadata"].get("ownerReferences") or ()
        if any(one.get("kind") == "DynamoGraphDeployment" and one.get("name") == workload.name for one in references):
            return found
    return None


def _is_of(workload: WorkloadPlan, component: ComponentPlan, marks: Mapping[str, str]) -> bool:
    """Whether a pod with these labels belongs to a component."""
    if workload.api == "leaderworkerset":
        return marks.get(LWS_NAME) == component.object_name
    if workload.api == "podcliqueset":
        return bool(marks.get(GROVE_CLIQUE)) and marks.get(GROVE_SET_NAME) == component.object_name
    # Names of components differ by more than their case (Dynamo's webhook)
    named = str(marks.get(DYNAMO_COMPONENT)).lower() == component.name.lower()
    return named and marks.get(DYNAMO_NAME) == workload.workload.name


def _groups(
    workload: WorkloadPlan, component: ComponentPlan, snapshot: Snapshot
) -> tuple[dict[int, dict[int, Object]], tuple[str, ...]]:
    """Engine -> rank -> pod, of the pods that the controllers made for a component, and the names of their sets."""
    keyed: dict[tuple[str, int], dict[int, Object]] = {}
    plain: list[Object] = []
    for pod in snapshot.get(POD, workload.workload.namespace):
        marks = labels(pod)
        if not _is_of(workload, component, marks):
            continue
        place = place_of(marks)
        if place is not None:
            # Of a rank that is being replaced the pod that stays is the one to look at
            ranks = keyed.setdefault(place[:2], {})
            if place[2] not in ranks or _going(ranks[place[2]]):
                ranks[place[2]] = pod
        elif component.node_count == 1 and not _going(pod):
            plain.append(pod)
    sets = tuple(sorted({name for name, _engine in keyed}))
    if workload.api == "leaderworkerset":
        return {group: pods for (_name, group), pods in keyed.items()}, sets
    if plain and not keyed:
        # A component on one node that the Dynamo operator made a Deployment of: its pods are its engines
        ordered = sorted(plain, key=lambda pod: str(pod["metadata"]["name"]))
        return {index: {0: pod} for index, pod in enumerate(ordered)}, ()
    if len(sets) == 1:
        return {group: pods for (_name, group), pods in keyed.items()}, sets
    # One set per replica of a PodCliqueSet, or several LeaderWorkerSets: their order is the engines'.
    return dict(enumerate(keyed[key] for key in sorted(keyed))), sets


def _going(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or (pod.get("status") or {}).get("phase") == "Failed"


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
        "gang": gangs.facts(engine, snapshot),
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
        # A pod on a machine that is gone says that it is ready until it is collected (observed.md 27)
        "ready": is_true(pod, "Ready") and not leaving and not (name and lost(name, snapshot)),
        "scheduler": pod["spec"].get("schedulerName"),
        "phase": "Terminating" if leaving else (pod.get("status") or {}).get("phase", "Unknown"),
    }


def lost(name: str, snapshot: Snapshot) -> str | None:
    """What is wrong with the machine of a pod, if it is: gone, or not Ready."""
    if not snapshot.knows(NODE):
        return None
    node = snapshot.find(NODE, name)
    if node is None:
        return "is gone"
    return None if is_true(node, "Ready") else "is not Ready"


def _one_rank_per_machine(engine: LiveEngine) -> bool | None:
    nodes = list(engine.bound.values())
    if len(set(nodes)) < len(nodes):
        return False
    return True if len(nodes) == engine.size else None


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
            gangs.remedy(engine),
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
    """Findings about workloads that are to be absent and still have pods or sets of them."""
    found = []
    for workload in plan.absent:
        left = [
            f"{kind.kind} {item['metadata']['name']}"
            for kind in (DYNAMO_DEPLOYMENT, POD_CLIQUE_SET, LEADER_WORKER_SET, POD)
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
