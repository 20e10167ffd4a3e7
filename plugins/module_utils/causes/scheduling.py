# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was everything scheduled? Gates, machines, room and queues; the scheduler is quoted last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    condition,
    domain_name,
    is_true,
    node_uses,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine
from ansible_collections.dynamo.multinode.plugins.module_utils.shortage import (
    Survey,
    Want,
    counted,
    listed,
    machines,
    survey,
)


def gated(case: Case) -> Diagnosis | None:
    gates = sorted(
        {gate["name"] for pod in case.engine.pods.values() for gate in pod["spec"].get("schedulingGates") or ()}
    )
    if not gates:
        return None
    return case.say(
        "MN-F80",
        f"its pods are held by the scheduling gate {', '.join(gates)}",
        "look at the controller that owns the gate and at its version",
    )


def lost_machine(case: Case) -> Diagnosis | None:
    if not case.seen.knows(live.NODE):
        return None
    for rank, name in sorted(case.engine.bound.items()):
        node = case.seen.find(live.NODE, name)
        if node is None or not is_true(node, "Ready"):
            state = "is gone" if node is None else "is not Ready"
            others = len(case.engine.bound) - 1
            return case.say(
                "MN-F109",
                f"machine {name} of rank {rank} {state}; the other {others} ranks hold their GPUs meanwhile",
                f"bring {name} back, or delete its Node object so that the engine is made again elsewhere",
                node=name,
            )
    return None


def no_room(case: Case) -> Diagnosis | None:
    """The gang waits for GPUs: what it needs, what is free where, and who holds the rest."""
    engine = case.engine
    if len(engine.bound) == engine.size or not case.seen.knows(live.NODE):
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
    key = _affinity_key(spec)
    level = next((name for name, label in case.levels.items() if label == key), key)
    return Want(engine.size, engine.component.gpus_per_node, engine.component.spread, key, level, spec)


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
    schedulers = sorted({str(pod["spec"].get("schedulerName")) for pod in engine.pods.values()})
    if not engine.bound or len(engine.bound) == engine.size or schedulers == ["volcano"] or not case.native:
        return None
    room = no_room(case)
    return case.say(
        "MN-F35",
        f"{', '.join(schedulers)} placed {len(engine.bound)} of {engine.size} ranks, which hold their GPUs in vain: "
        "this is no gang" + (f"; {room.cause.split(': ', 1)[1]}" if room else ""),
        "schedule it with Volcano (multinode_scheduler: volcano) and recreate it",
    )


def queue_is_full(case: Case) -> Diagnosis | None:
    """The queue's capability is used up although machines are free."""
    engine, resource = case.engine, gpu_resource(case.engine)
    queue = case.seen.find(live.VOLCANO_QUEUE, case.queue)
    if engine.bound or not case.volcano or queue is None:
        return None
    capability = ((queue.get("spec") or {}).get("capability") or {}).get(resource)
    if capability is None:
        return None
    used = ((queue.get("status") or {}).get("allocated") or {}).get(resource, 0)
    need = engine.component.total_gpus
    if int(used) + need <= int(capability):
        return None
    return case.say(
        "MN-F34",
        f"needs {need} GPUs, and Volcano queue {case.queue} has {int(capability) - int(used)} of {capability} left",
        f"raise the capability of queue {case.queue}, or stop something in it",
        queue=case.queue,
    )


def unscheduled(case: Case) -> Diagnosis | None:
    """There is room by our count: quote the scheduler, newest word first."""
    engine = case.engine
    if len(engine.bound) == engine.size or not engine.pods:
        return None
    said = _scheduler_says(case)
    rest = engine.size - len(engine.bound)
    return case.say(
        "MN-F83",
        f"{rest} of {engine.size} ranks are not scheduled; the scheduler says: {said or 'nothing'}",
        "look for what the ranks ask besides GPUs (CPU, memory, RDMA, volumes, affinity)",
        scheduler=said,
    )


def _scheduler_says(case: Case) -> str | None:
    pods = [pod for pod in case.engine.pods.values() if not pod["spec"].get("nodeName")]
    said = [str((condition(pod, "PodScheduled") or {}).get("message") or "") for pod in pods]
    if case.group is not None:
        said.append(str((condition(case.group, "Unschedulable") or {}).get("message") or ""))
    names = [pod["metadata"]["name"] for pod in pods]
    said += [str(event.get("message") or "") for event in reversed(case.events(names, ["FailedScheduling"]))]
    # "pod group is ready" is Volcano's warning about a gang that it has just bound.
    said = [text for text in said if text and "pod group is ready" not in text]
    telling = [text for text in said if "nodes are" in text]
    return next(iter(telling or said), None)
