# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a workload is not ready: the first cause in one line, and what to do about it.

:func:`explain` is pure; :func:`diagnose` reads what it needs and calls it. The chain goes from the workload to its
engines, their gang, its pods and their nodes. Conditions and events of the schedulers mislead (a gang that was just
bound emits the warning "0/2 tasks in gang unschedulable: pod group is ready"), so they are quoted only where nothing
else explains the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    condition,
    domain_name,
    is_true,
    node_uses,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import (
    LiveEngine,
    live_engines,
    pod_group_of,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.shortage import (
    Survey,
    Want,
    counted,
    listed,
    machines,
    survey,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan import WorkloadPlan

Object = Mapping[str, Any]

EXCLUSIVE_TOPOLOGY = "leaderworkerset.sigs.k8s.io/exclusive-topology"
QUEUE_ANNOTATION = "scheduling.volcano.sh/queue-name"


@dataclass(frozen=True)
class Diagnosis:
    """``cause`` and ``remedy``: one line each. ``details``: JSON-able; ``id`` is the entry of the failure catalogue."""

    cause: str
    remedy: str
    details: dict[str, Any] = field(default_factory=dict)


def diagnose(client: live.Reader, workload: WorkloadPlan, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """Read the cluster and explain. Raises what the client raises, a forbidden LIST excepted: that is said."""
    seen = live.read(client, [workload.workload.namespace], events=True, components=True)
    return explain(workload, seen, levels)


def explain(workload: WorkloadPlan, seen: Snapshot, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """The first cause of a workload that is not ready, judged from recorded or live objects. Pure.

    ``levels`` is topology level -> node label. Where several engines wait for different reasons, the one that hides the
    others comes first: what was never created, then what is not scheduled, then what does not start.
    """
    found: list[tuple[int, Diagnosis]] = []
    waiting = []
    known = dict(LEVELS if levels is None else levels)
    if workload.pack_level and workload.pack_label:
        known[workload.pack_level] = workload.pack_label
    engines = live_engines(workload, seen)
    for engine in engines:
        if _ready(engine):
            continue
        waiting.append(engine.name)
        case = _Case(engine, engines, seen, known)
        for order, check in enumerate(_CHAIN):
            diagnosis = check(case)
            if diagnosis is not None:
                found.append((order, diagnosis))
                break
    name = f"{workload.workload.namespace}/{workload.workload.name}"
    if not found:
        return Diagnosis(
            f"{name} is ready: every rank of its {len(engines)} engines is bound and ready",
            "nothing to do; it became ready after the deadline, raise timeouts.ready if that is normal",
            {"id": None, "waiting": []},
        )
    first = min(found, key=lambda item: item[0])[1]
    details = {**first.details, "waiting": waiting}
    return Diagnosis(first.cause, first.remedy, details)


def _ready(engine: LiveEngine) -> bool:
    return len(engine.bound) == engine.size and all(
        is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp") for pod in engine.pods.values()
    )


@dataclass(frozen=True)
class _Case:
    """One waiting engine and what is around it."""

    engine: LiveEngine
    engines: Sequence[LiveEngine]
    seen: Snapshot
    levels: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.engine.workload.workload.namespace

    @property
    def native(self) -> bool:
        return self.engine.workload.api == "leaderworkerset"

    @property
    def volcano(self) -> bool:
        if self.engine.pods:
            return all(pod["spec"].get("schedulerName") == "volcano" for pod in self.engine.pods.values())
        return self.engine.workload.choice.scheduler == "volcano"

    @property
    def group(self) -> Object | None:
        return pod_group_of(self.engine, self.seen)

    @property
    def queue(self) -> str:
        """The Volcano queue: as the live objects say, else as planned."""
        if self.group is not None and (self.group.get("spec") or {}).get("queue"):
            return str(self.group["spec"]["queue"])
        annotations = ((self.engine.owner or {}).get("metadata") or {}).get("annotations") or {}
        return str(annotations.get(QUEUE_ANNOTATION) or self.engine.workload.queue or "default")

    def say(self, number: str, cause: str, remedy: str, **details: Any) -> Diagnosis:
        return Diagnosis(
            f"{self.engine.name}: {cause}",
            remedy,
            {
                "id": number,
                "engine": self.engine.name,
                "bound": len(self.engine.bound),
                "ranks": self.engine.size,
                **details,
            },
        )

    def events(self, names: Iterable[str], reasons: Iterable[str]) -> list[Object]:
        """Events about objects of these names, newest last."""
        wanted, why = set(names), set(reasons)
        found = [
            event
            for event in self.seen.get(live.EVENT, self.namespace)
            if (event.get("involvedObject") or {}).get("name") in wanted and event.get("reason") in why
        ]
        return sorted(found, key=_when)


def _when(event: Object) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )


# -- created at all? -----------------------------------------------------------------------------------------------


def _not_created(case: _Case) -> Diagnosis | None:
    engine, name = case.engine, case.engine.component.object_name
    if not case.native:
        return None
    if not case.seen.knows(live.LEADER_WORKER_SET):
        return case.say(
            "MN-F52", case.seen.why_unknown(live.LEADER_WORKER_SET), "allow it, or run with credentials that may"
        )
    if engine.owner is None:
        return case.say(
            "MN-F90",
            f"LeaderWorkerSet {case.namespace}/{name} does not exist",
            "apply the workload; if it was applied, look who deleted it",
        )
    if not case.seen.knows(live.POD):
        return case.say("MN-F52", case.seen.why_unknown(live.POD), "allow it, or run with credentials that may")
    refused = case.events([name, f"{name}-{engine.index}"], ["FailedCreate"])
    if refused and len(engine.pods) < engine.size:
        return case.say(
            "MN-F51",
            f"pods are refused: {refused[-1].get('message')}",
            "raise the quota or the pod security level of the namespace, or ask for less",
        )
    if not engine.pods and not (engine.owner.get("status") or {}).get("conditions"):
        return case.say(
            "MN-F81",
            f"the LWS controller has not acted on LeaderWorkerSet {case.namespace}/{name}",
            "look at the Deployment lws-controller-manager and its log",
        )
    return None


def _queue(case: _Case) -> Diagnosis | None:
    """A missing queue leaves the leader pending with no condition and no event; only LWS's log says why."""
    if not case.volcano or case.engine.bound or not case.seen.knows(live.VOLCANO_QUEUE):
        return None
    queues = case.seen.get(live.VOLCANO_QUEUE)
    queue = case.seen.find(live.VOLCANO_QUEUE, case.queue)
    if queue is None:
        names = ", ".join(sorted(item["metadata"]["name"] for item in queues if item["metadata"]["name"] != "root"))
        return case.say(
            "MN-F34",
            f"Volcano queue {case.queue} does not exist (there is {names or 'none'})",
            f"create queue {case.queue} (multinode_queues), or name an existing one in the workload's queue",
            queue=case.queue,
        )
    state = (queue.get("status") or {}).get("state")
    if state in ("Closed", "Closing"):
        return case.say(
            "MN-F34",
            f"Volcano queue {case.queue} is {state} and admits no gang",
            f"open queue {case.queue}, or name another one in the workload's queue",
            queue=case.queue,
        )
    return None


def _volcano_down(case: _Case) -> Diagnosis | None:
    """Volcano that is down, or refuses, leaves a lonely leader, or pods on which nobody writes a condition."""
    engine, group = case.engine, case.group
    if not case.volcano or engine.bound or not engine.pods or not case.seen.knows(live.VOLCANO_POD_GROUP):
        return None
    leader = engine.pods.get(0)
    if group is None and engine.size == 1:
        return case.say(
            "MN-F88",
            "its PodGroup is gone, and LWS does not make it again for an engine of one machine",
            "change the pod template or recreate the LeaderWorkerSet: a new revision gets a new PodGroup",
        )
    if group is None and leader is not None and len(engine.pods) < engine.size:
        return case.say(
            "MN-F81",
            f"only its leader pod exists, without PodGroup and without workers, and nothing says why: {_parts(case)}",
            "bring volcano-admission back, and let LWS create PodGroups (its ClusterRole); then look at the log of "
            "lws-controller-manager",
        )
    if group is None:
        return case.say(
            "MN-F88",
            "its pods wait for a PodGroup that does not exist",
            "recreate the LeaderWorkerSet; LWS must run with schedulerProvider: volcano",
        )
    untouched = not (group.get("status") or {}).get("phase") and not (group.get("status") or {}).get("conditions")
    if untouched and all(condition(pod, "PodScheduled") is None for pod in engine.pods.values()):
        return case.say(
            "MN-F81",
            f"Volcano's scheduler has not looked at PodGroup {group['metadata']['name']}: {_parts(case)}",
            "bring volcano-scheduler back and look at its log",
        )
    return None


def _parts(case: _Case) -> str:
    """What the Deployments of Volcano say about themselves."""
    if not case.seen.knows(live.DEPLOYMENT):
        return "whether Volcano runs could not be read"
    parts = case.seen.get(live.DEPLOYMENT)
    if not parts:
        return "there are no Deployments of Volcano in the cluster"
    down = sorted(
        f"{part['metadata']['namespace']}/{part['metadata']['name']}"
        for part in parts
        if not (part.get("status") or {}).get("availableReplicas")
    )
    return f"{', '.join(down)} not available" if down else "Volcano's Deployments say they are available"


def _deadlock(case: _Case) -> Diagnosis | None:
    annotations = ((case.engine.owner or {}).get("metadata") or {}).get("annotations") or {}
    if EXCLUSIVE_TOPOLOGY in annotations and case.volcano and len(case.engine.pods) < case.engine.size:
        return case.say(
            "MN-F18",
            f"{EXCLUSIVE_TOPOLOGY} makes its workers wait for the leader, and the gang waits for the workers",
            "remove the annotation; topology: {pack: ...} keeps an engine in one domain by pod affinity",
        )
    return None


# -- scheduled? ----------------------------------------------------------------------------------------------------


def _gated(case: _Case) -> Diagnosis | None:
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


def _lost_machine(case: _Case) -> Diagnosis | None:
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


def _no_room(case: _Case) -> Diagnosis | None:
    """The gang waits for GPUs: what it needs, what is free where, and who holds the rest."""
    engine = case.engine
    if len(engine.bound) == engine.size or not case.seen.knows(live.NODE):
        return None
    want = _want(case)
    resource = _gpu_resource(engine)
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


def _want(case: _Case) -> Want:
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


def _gpu_resource(engine: LiveEngine) -> str:
    return engine.component.component.gpu_resource


def _room_diagnosis(case: _Case, want: Want, result: Survey) -> Diagnosis:
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


def _free_by_domain(case: _Case) -> tuple[str, list[tuple[str, int]]]:
    """The innermost topology level that the machines carry, and the free GPUs of each of its domains."""
    uses = node_uses(case.seen.get(live.NODE), case.seen.get(live.POD), case.levels, _gpu_resource(case.engine))
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


def _no_gang(case: _Case) -> Diagnosis | None:
    engine = case.engine
    schedulers = sorted({str(pod["spec"].get("schedulerName")) for pod in engine.pods.values()})
    if not engine.bound or len(engine.bound) == engine.size or schedulers == ["volcano"] or not case.native:
        return None
    room = _no_room(case)
    return case.say(
        "MN-F35",
        f"{', '.join(schedulers)} placed {len(engine.bound)} of {engine.size} ranks, which hold their GPUs in vain: "
        "this is no gang" + (f"; {room.cause.split(': ', 1)[1]}" if room else ""),
        "schedule it with Volcano (multinode_scheduler: volcano) and recreate it",
    )


def _quota_of_queue(case: _Case) -> Diagnosis | None:
    """The queue's capability is used up although machines are free."""
    engine, resource = case.engine, _gpu_resource(case.engine)
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


def _unscheduled(case: _Case) -> Diagnosis | None:
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


def _scheduler_says(case: _Case) -> str | None:
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


# -- started? ------------------------------------------------------------------------------------------------------


def _container(case: _Case) -> Diagnosis | None:
    """A rank whose image, configuration, volume or process fails: which one, where, and its last words."""
    for rank, pod in sorted(case.engine.pods.items()):
        status = pod.get("status") or {}
        statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        for one in statuses:
            trouble = _trouble(one)
            if trouble:
                what, remedy = trouble
                return case.say(
                    "MN-F84",
                    f"rank {rank} ({pod['metadata']['name']} on {pod['spec'].get('nodeName')}): {what}",
                    remedy,
                    rank=rank,
                    pod=pod["metadata"]["name"],
                    node=pod["spec"].get("nodeName"),
                )
        mounts = case.events([pod["metadata"]["name"]], ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"])
        if mounts and pod["spec"].get("nodeName") and not is_true(pod, "Ready"):
            return case.say(
                "MN-F84",
                f"rank {rank} ({pod['metadata']['name']} on {pod['spec']['nodeName']}): {mounts[-1].get('message')}",
                "see that the claim, Secret or network that it names exists in this namespace and on this machine",
                rank=rank,
                pod=pod["metadata"]["name"],
                node=pod["spec"]["nodeName"],
            )
    return None


def _trouble(status: Mapping[str, Any]) -> tuple[str, str] | None:
    """(what, remedy) of a container that will not come up by itself."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    ended = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    name, reason = status.get("name"), waiting.get("reason") or ""
    if "Image" in reason:
        message = f": {waiting['message']}" if waiting.get("message") else ""
        return (
            f"image {status.get('image')} cannot be pulled ({reason}{message})",
            "check the image's name and tag, image_pull_secrets, and that the machine reaches the registry",
        )
    if ended.get("reason") == "OOMKilled":
        return f"container {name} was killed for lack of memory", "raise resources.memory or shared_memory"
    if reason == "CrashLoopBackOff" or (ended and ended.get("exitCode")):
        words = str(ended.get("message") or "").strip().splitlines()
        last = f": {words[-1]}" if words else ""
        code, restarts = ended.get("exitCode", "?"), status.get("restartCount", 0)
        return (
            f"container {name} exits with code {code}, {restarts} restarts{last}",
            f"read its log: kubectl logs --previous -c {name}",
        )
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "InvalidImageName"):
        return (
            f"container {name} cannot be created ({reason}: {waiting.get('message')})",
            "create the Secret or ConfigMap that it names, or correct the container's settings",
        )
    return None


def _leaving(case: _Case) -> Diagnosis | None:
    going = sorted(
        pod["metadata"]["name"] for pod in case.engine.pods.values() if pod["metadata"].get("deletionTimestamp")
    )
    if not going:
        return None
    return case.say(
        "MN-F109",
        f"{listed(going)} {'is' if len(going) == 1 else 'are'} being deleted",
        "wait until they are gone; if they stay, look at their finalizers and machines",
    )


def _starting(case: _Case) -> Diagnosis | None:
    """Bound and running, and nothing is wrong that the cluster could tell."""
    slow = [
        f"{rank} ({pod['metadata']['name']} on {pod['spec'].get('nodeName')})"
        for rank, pod in sorted(case.engine.pods.items())
        if not is_true(pod, "Ready")
    ]
    if not slow:
        return case.say(
            "MN-F90",
            f"{len(case.engine.pods)} of {case.engine.size} ranks exist",
            "look at the events of the LeaderWorkerSet and at the log of lws-controller-manager",
        )
    probes = case.events([pod["metadata"]["name"] for pod in case.engine.pods.values()], ["Unhealthy"])
    said = f"; its probe says: {probes[-1].get('message')}" if probes else ""
    return case.say(
        "MN-F100",
        f"rank {listed(slow)} is bound and not ready yet{said}",
        "read its log; if it is still loading the model, raise timeouts.ready and startup_timeout",
    )


_CHAIN: tuple[Callable[[_Case], Diagnosis | None], ...] = (
    _not_created,
    _queue,
    _volcano_down,
    _deadlock,
    _gated,
    _no_gang,
    _lost_machine,
    _no_room,
    _quota_of_queue,
    _unscheduled,
    _leaving,
    _container,
    _starting,
)
