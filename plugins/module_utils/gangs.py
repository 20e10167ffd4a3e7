# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was an engine scheduled all or nothing? From the PodGroups of Volcano and KAI. Pure.

A PodGang's phase is of no use: it stays Pending while everything runs (observed.md 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import (
    KAI_POD_GROUP,
    VOLCANO_POD_GROUP,
    Snapshot,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    GROVE_CLIQUE,
    GROVE_GANG,
    condition,
    labels,
)

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine

Object = Mapping[str, Any]

VOLCANO_GROUP = "scheduling.k8s.io/group-name"
KAI_GROUP = "pod-group-name"
KAI_SUBGROUP = "kai.scheduler/subgroup-name"
# Written once a gang was placed, and never taken away
KAI_STARTED = "kai.scheduler/last-start-timestamp"


def schedulers(engine: LiveEngine) -> list[str]:
    """The schedulers that the engine's pods name."""
    return sorted({str(pod["spec"].get("schedulerName")) for pod in engine.pods.values()})


def by_kai(engine: LiveEngine) -> bool:
    """Whether KAI schedules it: as its pods say, else as planned."""
    if engine.pods:
        return schedulers(engine) == ["kai-scheduler"]
    return engine.workload.choice.scheduler == "kai"


def group_names(engine: LiveEngine) -> list[str]:
    """The PodGroups that its pods name; more than one when they were made by different versions of Grove."""
    key = KAI_GROUP if by_kai(engine) else VOLCANO_GROUP
    found = {(pod["metadata"].get("annotations") or {}).get(key) for pod in engine.pods.values()}
    return sorted(str(name) for name in found if name)


def pod_group(engine: LiveEngine, snapshot: Snapshot) -> Object | None:
    """The PodGroup of an engine: the one its pods name, or else the one that belongs to its gang or leader.

    Grove names a PodGroup as its PodGang; before alpha.13 KAI made it, as ``pg-<podgang>-<uid>``.
    """
    kai = by_kai(engine)
    groups = snapshot.get(KAI_POD_GROUP if kai else VOLCANO_POD_GROUP, engine.workload.workload.namespace)
    names = group_names(engine)
    for group in groups:
        if group["metadata"]["name"] in names:
            return group
    gang = {labels(pod).get(GROVE_GANG) for pod in engine.pods.values()} - {None}
    leader = (engine.pods.get(0) or {}).get("metadata", {}).get("uid")
    for group in groups:
        references = group["metadata"].get("ownerReferences") or ()
        if any(ref.get("kind") == "PodGang" and ref.get("name") in gang for ref in references):
            return group
        if leader and any(ref.get("uid") == leader for ref in references):
            return group
    return None


def members(engine: LiveEngine, group: Object) -> int | None:
    """How many pods of this very engine its PodGroup demands at once.

    A group of Grove has a sub-group per clique, and those of other engines and of the frontend besides.
    """
    spec = group.get("spec") or {}
    subgroups = spec.get("subGroups") or ()
    if not subgroups:
        return None if spec.get("minMember") is None else int(spec["minMember"])
    own = {labels(pod).get(KAI_SUBGROUP) or labels(pod).get(GROVE_CLIQUE) for pod in engine.pods.values()}
    return sum(int(one.get("minMember") or 0) for one in subgroups if one.get("name") in own)


def unschedulable(group: Object) -> str | None:
    """Why KAI does not place a gang, in its own words. It stays there when the gang was placed after all."""
    for entry in (group.get("status") or {}).get("schedulingConditions") or ():
        if entry.get("type") == "UnschedulableOnNodePool" and entry.get("status") == "True":
            text = str(entry.get("message") or "").removeprefix("PodSchedulingErrors: ")
            return " ".join(text.split()).rstrip(".")
    return None


def facts(engine: LiveEngine, snapshot: Snapshot) -> dict[str, Any]:
    """{honoured: True, False or None, why, name, min_member, phase, queue}; min_member: of this engine's own pods."""
    found: dict[str, Any] = {"honoured": None, "name": None, "min_member": None, "phase": None, "queue": None}
    group = pod_group(engine, snapshot)
    if group is not None:
        found.update(
            name=group["metadata"]["name"],
            min_member=members(engine, group),
            phase=(group.get("status") or {}).get("phase"),
            queue=(group.get("spec") or {}).get("queue"),
        )
    found["honoured"], found["why"] = _verdict(engine, snapshot, group)
    return found


def _verdict(engine: LiveEngine, snapshot: Snapshot, group: Object | None) -> tuple[bool | None, str]:
    bound = engine.bound
    if engine.size == 1:
        return (True, "one machine, nothing to gang") if bound else (None, "its only rank is not bound yet")
    if not engine.pods:
        return None, "none of its ranks exists"
    named = schedulers(engine)
    if named not in (["volcano"], ["kai-scheduler"]):
        need = {"kai": "kai-scheduler"}.get(engine.workload.choice.scheduler, "volcano")
        if engine.workload.choice.orchestrator == "grove":
            need = "kai-scheduler"
        return False, f"its ranks are scheduled by {', '.join(named)}, which is no gang scheduler: need {need}"
    kind = KAI_POD_GROUP if by_kai(engine) else VOLCANO_POD_GROUP
    if not snapshot.knows(kind):
        return None, snapshot.why_unknown(kind)
    if group is None:
        return (False, "bound without a PodGroup") if bound else (None, "waiting: there is no PodGroup yet")
    return _kai(engine, group) if by_kai(engine) else _volcano(engine, group)


def _kai(engine: LiveEngine, group: Object) -> tuple[bool | None, str]:
    names = group_names(engine)
    if len(names) > 1:
        return None, f"its ranks are in {len(names)} PodGroups: {', '.join(names)}"
    name, bound = group["metadata"]["name"], len(engine.bound)
    member = members(engine, group)
    if len(engine.pods) == engine.size and member != engine.size:
        return False, f"PodGroup {name} asks for {member} of the engine's {engine.size} ranks at once"
    if not bound:
        return None, "waiting: no rank is bound yet"
    if bound < engine.size:
        # A lost rank is replaced by itself, while the others stay where they are (observed.md 27)
        return None, f"{bound} of {engine.size} ranks are bound; PodGroup {name} asks for all of them"
    return True, f"by kai-scheduler, PodGroup {name} asks for all {engine.size} ranks at once"


def _volcano(engine: LiveEngine, group: Object) -> tuple[bool | None, str]:
    bound, member = engine.bound, (group.get("spec") or {}).get("minMember")
    if member != engine.size:
        return False, f"PodGroup {group['metadata']['name']} has minMember {member}, the engine has {engine.size} ranks"
    if not bound:
        return None, "waiting: no rank is bound yet"
    if len(bound) < engine.size:
        return False, f"only {len(bound)} of {engine.size} ranks are bound"
    phase = (group.get("status") or {}).get("phase")
    said = f"by volcano, PodGroup {group['metadata']['name']} with minMember {member}"
    if phase == "Running":
        return True, f"{said}, Running"
    # The phase follows one scheduling cycle after the binding; the condition is written with it.
    scheduled, refused = condition(group, "Scheduled"), condition(group, "Unschedulable")
    if phase == "Inqueue" and scheduled and scheduled.get("status") == "True":
        since = str(scheduled.get("lastTransitionTime") or "")
        if not refused or str(refused.get("lastTransitionTime") or "") <= since:
            return True, f"{said}, Scheduled"
    return None, f"PodGroup {group['metadata']['name']} is {phase or 'without a phase'} although every rank is bound"


def remedy(engine: LiveEngine) -> str:
    """What makes a gang of an engine that is none."""
    if engine.workload.choice.orchestrator == "grove":
        return "let KAI schedule it (multinode_scheduler: kai; the Dynamo operator with its KAI gate on), recreate it"
    if by_kai(engine) and engine.workload.api == "dynamographdeployment":
        return "KAI makes no gangs of Dynamo's LeaderWorkerSets (MN-F35): multinode_scheduler: volcano, or Grove"
    return "let Volcano schedule it (multinode_scheduler: volcano; LWS with schedulerProvider volcano), recreate it"
