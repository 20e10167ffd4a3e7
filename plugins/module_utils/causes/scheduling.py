# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was everything scheduled? Gates, machines, room and queues; the scheduler is quoted last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.causes import creation
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    GROVE_GANG,
    condition,
    domain_name,
    holds,
    labels,
    node_uses,
    whole,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine, lost
from ansible_collections.dynamo.multinode.plugins.module_utils.shortage import (
    Survey,
    Want,
    counted,
    listed,
    machines,
    survey,
)

GROVE_GATE = "grove.io/podgang-pending-creation"


def gated(case: Case) -> Diagnosis | None:
    """Behind a gate, or released from it and not looked at since: the condition stays SchedulingGated (observed.md 8).

    Judged by the gates themselves, never by that condition or by the PodGang's phase.
    """
    waiting = {rank: pod for rank, pod in case.engine.pods.items() if not pod["spec"].get("nodeName")}
    gates = sorted({gate["name"] for pod in waiting.values() for gate in pod["spec"].get("schedulingGates") or ()})
    if gates:
        return _behind_gate(case, gates)
    stale = [
        pod for pod in waiting.values() if (condition(pod, "PodScheduled") or {}).get("reason") == "SchedulingGated"
    ]
    if not stale:
        return None
    names = gangs.group_names(case.engine)
    if case.kai and len(names) > 1:
        return _split_gang(case, sorted(waiting), names)
    if case.group is not None and gangs.unschedulable(case.group):
        return None  # its PodGroup tells more
    return case.say(
        "MN-F80",
        f"{len(stale)} of {case.engine.size} ranks were released from their scheduling gate and are not looked at yet"
        + (f" (PodGroup {case.group['metadata']['name']})" if case.group is not None else ", and have no PodGroup"),
        "wait a few seconds; if it stays, look at the log of the scheduler (kai-scheduler) and of its podgrouper",
    )


def _behind_gate(case: Case, gates: list[str]) -> Diagnosis:
    marks = [labels(pod) for pod in case.engine.pods.values()]
    gang = next((mark[GROVE_GANG] for mark in marks if mark.get(GROVE_GANG)), None)
    held = f"its pods are held by the scheduling gate {', '.join(gates)}"
    if GROVE_GATE not in gates or gang is None:
        return case.say("MN-F80", held, "look at the controller that owns the gate and at its version")
    tag = creation.version(case, "grove")
    found = case.seen.find(live.POD_GANG, gang, case.namespace) if case.seen.knows(live.POD_GANG) else None
    if found is None:
        state = f"PodGang {gang} does not exist" if case.seen.knows(live.POD_GANG) else f"of PodGang {gang}"
    else:
        told = condition(found, "Initialized") or {}
        state = f"PodGang {gang} is Initialized={told.get('status', 'unknown')}" + (
            f" ({told.get('reason')})" if told.get("reason") else ""
        )
    base = next((mark["grove.io/base-podgang"] for mark in marks if mark.get("grove.io/base-podgang")), None)
    after = f"; it comes after its base gang {base}" if base else ""
    known = (
        " (Grove alpha.12 leaves a deployment that was scaled from 0 gated for ever, MN-F27: upgrade to alpha.13)"
        if "alpha.12" in tag or not tag
        else ""
    )
    return case.say(
        "MN-F80",
        f"{held}; {state}{after}; Grove {tag or 'of unknown version'}",
        f"look at the Deployment grove-operator and its log{known}",
        gates=gates,
        gang=gang,
        grove=tag or None,
    )


def _split_gang(case: Case, ranks: list[int], names: list[str]) -> Diagnosis:
    """An upgraded Grove puts a replaced pod into a PodGroup of its own making; its siblings are in KAI's."""
    pods = case.engine.pods
    wanted = next(iter((pods[rank]["metadata"].get("annotations") or {}).get(gangs.KAI_GROUP) for rank in ranks))
    # The gang is the whole deployment: its frontend waits in the old group too
    gang = {labels(pod).get(GROVE_GANG, "") for pod in pods.values()} - {""}
    others = [pod for pod in case.seen.get(live.POD, case.namespace) if labels(pod).get(GROVE_GANG) in gang]
    old = sorted(
        {
            pod["metadata"]["name"]
            for pod in (*pods.values(), *others)
            if (pod["metadata"].get("annotations") or {}).get(gangs.KAI_GROUP) != wanted
        }
    )
    return case.say(
        "MN-F108",
        f"rank {listed([str(rank) for rank in ranks])} waits in PodGroup {wanted} for siblings that are in "
        f"{', '.join(name for name in names if name != wanted)}: Grove was upgraded under a running gang",
        f"kubectl annotate pod -n {case.namespace} {' '.join(old)} --overwrite {gangs.KAI_GROUP}={wanted} "
        "kai.scheduler/skip-podgrouper=true",
        pods=old,
        pod_group=wanted,
    )


def lost_machine(case: Case) -> Diagnosis | None:
    if not case.seen.knows(live.NODE):
        return None
    for rank, name in sorted(case.engine.bound.items()):
        state = lost(name, case.seen)
        if state:
            others = len(case.engine.bound) - 1
            return case.say(
                "MN-F109",
                f"machine {name} of rank {rank} {state}; the other {others} ranks hold their GPUs meanwhile",
                f"bring {name} back, or delete its Node object so that the rank is made again elsewhere; what the "
                "deployment says of itself is old until then",
                node=name,
            )
    return None


def no_room(case: Case) -> Diagnosis | None:
    """The gang waits for GPUs: what it needs, what is free where, and who holds the rest."""
    engine = case.engine
    if not case.short or not engine.component.gpus_per_node or not case.seen.knows(live.NODE):
        return None
    want = _want(case)
    resource = gpu_resource(engine)
    uses = node_uses(case.seen.get(live.NODE), case.seen.get(live.POD), case.levels, resource)
    if engine.bound:
        # A replaced rank must join its siblings: only what they leave counts.
        missing = engine.size - len(engine.bound)
        taken = set(engine.bound.values()) if want.spread else set()
        uses = [use for use in uses if use.name not in taken]
        want = Want(missing, want.gpus, want.spread, want.domain, want.level, want.pod_spec)
    result = survey(uses, want)
    if result.slots >= want.machines:
        return None
    return _room_diagnosis(case, want, result)


def _want(case: Case) -> Want:
    """What the engine's own pods ask for, else its template."""
    engine = case.engine
    template = ((engine.owner or {}).get("spec") or {}).get("leaderWorkerTemplate") or {}
    specs = [pod["spec"] for pod in engine.pods.values() if not pod["spec"].get("nodeName")]
    spec = specs[0] if specs else (template.get("workerTemplate") or {}).get("spec") or {}
    # Grove's own topology constraint is not in the pods
    planned = engine.workload.pack_label if case.grove and engine.workload.pack_required else None
    key = _affinity_key(spec) or planned
    level = next((name for name, label in case.levels.items() if label == key), key)
    spread = engine.component.spread or _apart(spec)
    return Want(engine.size, engine.component.gpus_per_node, spread, key, level, spec)


def _apart(spec: Mapping[str, Any]) -> bool:
    """Whether required pod anti-affinity keeps the ranks on machines of their own."""
    terms = ((spec.get("affinity") or {}).get("podAntiAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or ()
    return any(term.get("topologyKey") == "kubernetes.io/hostname" for term in terms)


def _affinity_key(spec: Mapping[str, Any]) -> str | None:
    """The node label that required pod affinity binds the ranks to."""
    terms = ((spec.get("affinity") or {}).get("podAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or ()
    return next((str(term["topologyKey"]) for term in terms if term.get("topologyKey")), None)


def gpu_resource(engine: LiveEngine) -> str:
    return engine.component.component.gpu_resource


def _room_diagnosis(case: Case, want: Want, result: Survey) -> Diagnosis:
    engine = case.engine
    component, product = engine.component, engine.workload.workload.gpu_product
    siblings = [one for one in case.engines if one.component.name == component.name]
    placed = sum(1 for one in siblings if len(one.bound) == one.size)
    where = f" in one {want.level}" if want.level and want.machines > 1 else ""
    kind = f" {product}" if product else ""
    need = (
        f"needs {counted(component.replicas, 'engine')} x {counted(engine.size, 'machine')} x "
        f"{component.gpus_per_node} = {component.demand}{kind} GPUs, {placed} of {component.replicas} placed; "
        f"the next wants {machines(want.machines, want.gpus)}{where}"
    )
    if engine.bound:
        more = machines(want.machines, want.gpus)
        need = f"{len(engine.bound)} of {engine.size} ranks are placed, the rest wants {more}"
    rooms = [f"{domain_name(want.level, room.domain)} has {room.slots}" for room in result.rooms] if want.level else []
    have = listed(rooms) if rooms else f"there {'is' if result.slots == 1 else 'are'} {result.slots or 'none'}"
    who = listed([f"{owner} {gpus}" for owner, gpus in result.holders], 3)
    level, places = _free_by_domain(case)
    free = f"{result.free_gpus} of {result.gpus} GPUs are free"
    if len(places) > 1:
        free += f" (by {level}: {listed([f'{domain} {gpus}' for domain, gpus in places])})"
    if who:
        free += f", held by {who}"
    refused = [f"{listed(names, 3)} {reason}" for reason, names in result.refused.items()]
    cause = f"{need}; {have}; {free}" + (f"; not usable: {listed(refused, 2)}" if refused else "")
    if case.seen.partial.get(live.POD):
        cause += " (counting only the pods of this namespace)"
    said = gangs.unschedulable(case.group) if case.group is not None and case.kai else None
    if said:
        cause += f"; KAI says: {said}"
    return case.say(
        "MN-F83",
        cause,
        _room_remedy(component.name, component.replicas, placed, want, result),
        needed={
            "engines": component.replicas,
            "placed": placed,
            "machines": want.machines,
            "gpus_per_machine": want.gpus,
            "gpus": component.demand,
            "domain": want.level,
            "gpu_product": product,
        },
        free={
            "gpus": result.free_gpus,
            "of": result.gpus,
            "rooms": [
                {"domain": room.domain, "machines": room.slots, "free_gpus": room.free_gpus} for room in result.rooms
            ],
        },
        held_by=[{"owner": owner, "gpus": gpus} for owner, gpus in result.holders],
        refused={reason: list(names) for reason, names in result.refused.items()},
        **({"scheduler": said} if said else {}),
    )


def _free_by_domain(case: Case) -> tuple[str, list[tuple[str, int]]]:
    """The innermost topology level that the machines carry, and the free GPUs of each of its domains."""
    uses = node_uses(case.seen.get(live.NODE), case.seen.get(live.POD), case.levels, gpu_resource(case.engine))
    for level in reversed(list(case.levels)):
        found: dict[str, int] = {}
        for use in uses:
            if level in use.domains:
                found[use.domains[level]] = found.get(use.domains[level], 0) + use.free
        if found:
            return level, sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return "", []


def _room_remedy(name: str, replicas: int, placed: int, want: Want, result: Survey) -> str:
    where = f"one {want.level}" if want.level else "the cluster"
    if result.slots_empty < want.machines:
        if result.refused:
            return "make the unusable machines usable (labels, taints, selectors), or add machines"
        return (
            f"even empty, {where} holds at most {result.slots_empty} such machines: lower node_count or gpus_per_node"
            f"{', pack at a wider level' if want.level else ''}, or add machines"
        )
    fits = result.engines_empty(want.machines)
    if fits < replicas:
        return f"even empty, the cluster holds {fits} such engines: set replicas of {name} to {fits}, or add machines"
    short = machines(want.machines - result.slots, want.gpus, free=False)
    less = f"set replicas of {name} to {placed}" if placed else f"make an engine of {name} smaller"
    return f"free {short} in {where} by stopping what holds them, or {less}"


def no_gang(case: Case) -> Diagnosis | None:
    engine = case.engine
    if not engine.bound or not case.short or gangs.facts(engine, case.seen)["honoured"] is not False or case.volcano:
        return None
    room = no_room(case)
    return case.say(
        "MN-F35",
        f"{', '.join(gangs.schedulers(engine))} placed {len(engine.bound)} of {engine.size} ranks, which hold their "
        "GPUs in vain: this is no gang" + (f"; {room.cause.split(': ', 1)[1]}" if room else ""),
        f"{gangs.remedy(engine)}",
    )


def evicted(case: Case) -> Diagnosis | None:
    """A gang that ran, has no rank bound any more, and whose GPUs a gang of higher priority has (observed.md 10)."""
    if case.engine.bound or not case.engine.pods:
        return None
    if case.kai:
        return _evicted_by_kai(case)
    return _evicted_by_volcano(case) if case.volcano else None


def _evicted_by_kai(case: Case) -> Diagnosis | None:
    group = case.group
    started = ((group or {}).get("metadata", {}).get("annotations") or {}).get(gangs.KAI_STARTED)
    if group is None or not started:
        return None
    mine = _priority(case, group)
    above = [
        other
        for other in case.seen.get(live.KAI_POD_GROUP)
        if _priority(case, other) > mine
        and ((other.get("status") or {}).get("resourcesStatus") or {}).get("allocated")
        and str((other["metadata"].get("annotations") or {}).get(gangs.KAI_STARTED) or "") >= str(started)
    ]
    if not above:
        return None
    names = [f"{other['metadata']['namespace']}/{other['metadata']['name']}" for other in above]
    own = (group.get("spec") or {}).get("priorityClassName") or "no priority class"
    theirs = (above[0].get("spec") or {}).get("priorityClassName")
    return case.say(
        "MN-F94",
        f"its whole gang ran since {started} and was evicted for PodGroup {listed(names)}, whose priority class "
        f"{theirs} is above its own ({own})",
        "give the workload a priority_class that is as high (a non-preemptible one, such as inference), "
        "or add machines",
        evicted_by=names,
    )


def _evicted_by_volcano(case: Case) -> Diagnosis | None:
    told = case.evicted_by_volcano()
    if told is None:
        return None
    since, said = told
    cause = f"its gang ran and was evicted at {since}; Volcano says: {said}"
    if "reclaim" in said:
        return case.say(
            "MN-F94",
            f"{cause}: queue {case.queue} had more than it deserves, and another queue took it back",
            f"raise deserved of queue {case.queue}, set reclaimable: false on it, or {_KEPT}",
            evicted_by=[],
        )
    above = _above(case)
    return case.say(
        "MN-F94",
        cause + (f"; gangs of higher priority that run: {listed(above)}" if above else ""),
        f"LWS gives its PodGroups no priority class: {_KEPT}, or add machines",
        evicted_by=above,
    )


_KEPT = 'keep its pods by annotations: {volcano.sh/preemptable: "false"} on the workload'


def _above(case: Case) -> list[str]:
    """The PodGroups of Volcano whose pods run with a priority above the engine's."""
    mine = max(int(pod["spec"].get("priority") or 0) for pod in case.engine.pods.values())
    found = set()
    for pod in case.seen.get(live.POD):
        group = (pod["metadata"].get("annotations") or {}).get(gangs.VOLCANO_GROUP)
        if group and holds(pod) and int(pod["spec"].get("priority") or 0) > mine:
            found.add(f"{pod['metadata']['namespace']}/{group}")
    return sorted(found)


# KAI's own classes, where they may not be read
_CLASSES = {"train": 50, "build-preemptible": 75, "build": 100, "inference": 125}


def _priority(case: Case, group: Mapping[str, Any]) -> int:
    name = str((group.get("spec") or {}).get("priorityClassName") or "train")
    found = case.seen.find(live.PRIORITY_CLASS, name)
    return int(found.get("value") or 0) if found is not None else _CLASSES.get(name, 0)


def queue_is_full(case: Case) -> Diagnosis | None:
    """The queue's capability is used up although machines are free."""
    engine, resource = case.engine, gpu_resource(case.engine)
    queue = case.seen.find(live.VOLCANO_QUEUE, case.queue)
    if engine.bound or not case.volcano or queue is None:
        return None
    capability = ((queue.get("spec") or {}).get("capability") or {}).get(resource)
    if capability is None:
        return None
    used = whole(((queue.get("status") or {}).get("allocated") or {}).get(resource, 0))
    need = engine.component.total_gpus
    left = whole(capability) - used
    if need <= left:
        return None
    return case.say(
        "MN-F34",
        f"needs {need} GPUs, and Volcano queue {case.queue} has {left} of {whole(capability)} left",
        f"raise the capability of queue {case.queue}, or stop something in it",
        queue=case.queue,
    )


def network_topology(case: Case) -> Diagnosis | None:
    """A PodGroup of Volcano that must stay inside one network domain, while the cluster as a whole has room."""
    rule = ((case.group or {}).get("spec") or {}).get("networkTopology") or {}
    if not case.volcano or case.engine.bound or rule.get("mode") != "hard":
        return None
    tier = rule.get("highestTierAllowed", rule.get("highestTierName", 1))
    return case.say(
        "MN-F83",
        f"its PodGroup must stay inside one network domain of tier {tier} (HyperNode), and none has room for "
        + machines(case.engine.size, case.engine.component.gpus_per_node),
        "allow a higher tier, free machines of one domain, or make the engine smaller",
    )


def kai_says(case: Case) -> Diagnosis | None:
    """What KAI writes on the PodGroup, where our own count finds room: topology, queues, affinity, sub-groups."""
    if not case.kai or not case.short or case.group is None:
        return None
    said = gangs.unschedulable(case.group)
    subgroup = _unknown_subgroup(case)
    if subgroup:
        return case.say(
            "MN-F88",
            f"its pods and PodGroup {case.group['metadata']['name']} disagree: {subgroup}",
            "wait a few seconds, KAI's podgrouper may be about to write it; if it stays, the versions of Grove and KAI "
            "do not fit (MN-F26)",
        )
    if not said:
        return None
    for mark, number, remedy in _KAI_WORDS:
        if mark in said:
            return case.say(number, f"KAI does not place its gang: {said}", remedy, scheduler=said)
    return case.say(
        "MN-F83",
        f"{case.engine.size - len(case.engine.bound)} of {case.engine.size} ranks are not scheduled; KAI says: {said}",
        "look for what the ranks ask besides GPUs (CPU, memory, RDMA, volumes, affinity)",
        scheduler=said,
    )


# In this order: a text may hold several, and names of topologies, jobs and pods as well
_KAI_WORDS = (
    (
        "couldn't be satisfied",
        "MN-F83",
        "no domain of that level has what the ranks ask besides GPUs (CPU, memory, RDMA): free it in one domain, ask "
        "for less, or pack into a wider level",
    ),
    (
        "Requested topology",
        "MN-F56",
        "name the ClusterTopologyBinding as the KAI Topology that it refers to (kubectl get topologies.kai.scheduler), "
        "or leave topology to pod affinity",
    ),
    ("QueueDoesNotExist", "MN-F24", "give the queue, the shard and the machines the same node-pool label"),
    ("over quota", "MN-F25", "raise the GPU quota of the queue, or use a preemptible priority_class"),
    ("OverQuota", "MN-F25", "raise the GPU quota of the queue, or use a preemptible priority_class"),
    ("OverLimit", "MN-F25", "raise the GPU limit of the queue, or stop something in it"),
)


def _unknown_subgroup(case: Case) -> str | None:
    for pod in case.engine.pods.values():
        said = str((condition(pod, "PodScheduled") or {}).get("message") or "")
        if not pod["spec"].get("nodeName") and "references subgroup" in said:
            return said
    return None


def unscheduled(case: Case) -> Diagnosis | None:
    """There is room by our count: quote the scheduler, newest word first."""
    engine = case.engine
    if not case.short or not engine.pods:
        return None
    said = _scheduler_says(case)
    rest = engine.size - len(engine.bound)
    return case.say(
        "MN-F83",
        f"{rest} of {engine.size} ranks are not scheduled; the scheduler says: {said or 'nothing'}",
        _where_to_look(case),
        scheduler=said,
    )


def _where_to_look(case: Case) -> str:
    """Without the machines nothing is known of the room for GPUs, so that it is not excluded either."""
    besides = "what the ranks ask besides GPUs (CPU, memory, RDMA, volumes, affinity)"
    if case.seen.knows(live.NODE):
        return f"look for {besides}"
    gpus = case.engine.component.gpus_per_node
    return (
        f"{case.seen.why_unknown(live.NODE)} (MN-F52), so that it is not known where {gpus} GPUs are free; "
        f"have them looked for, and {besides}"
    )


def _scheduler_says(case: Case) -> str | None:
    pods = [pod for pod in case.engine.pods.values() if not pod["spec"].get("nodeName")]
    said = [str((condition(pod, "PodScheduled") or {}).get("message") or "") for pod in pods]
    if case.group is not None and not case.kai:
        said.append(str((condition(case.group, "Unschedulable") or {}).get("message") or ""))
    said += [str(event.get("message") or "") for event in reversed(case.events(pods, ["FailedScheduling"]))]
    # "pod group is ready" is Volcano's warning about a gang that it has just bound.
    said = [text for text in said if text and "pod group is ready" not in text]
    telling = [text for text in said if "nodes are" in text]
    return next(iter(telling or said), None)
