# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was everything created? What never came to be has no condition and no event to tell why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis, Object, when
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    DYNAMO_COMPONENT,
    DYNAMO_NAME,
    LWS_GROUP,
    LWS_NAME,
    condition,
    labels,
)

_REFUSED = ("FailedCreate",)
LWS_KIND = live.LEADER_WORKER_SET.kind
EXCLUSIVE_TOPOLOGY = "leaderworkerset.sigs.k8s.io/exclusive-topology"


def not_created(case: Case) -> Diagnosis | None:
    """Is the LeaderWorkerSet there, ours or the Dynamo operator's, and are its pods?"""
    engine = case.engine
    if not (case.native or _on_lws(case)):
        return None
    if not case.seen.knows(live.LEADER_WORKER_SET):
        if not case.native:
            return None  # its pods may tell all the same
        return case.say(
            "MN-F52", case.seen.why_unknown(live.LEADER_WORKER_SET), "allow it, or run with credentials that may"
        )
    owners = [engine.owner] if engine.owner is not None else _sets_of_dynamo(case)
    if not owners and case.native:
        return case.say(
            "MN-F90",
            f"LeaderWorkerSet {case.namespace}/{engine.component.object_name} does not exist",
            "apply the workload; if it was applied, look who deleted it",
        )
    if not case.seen.knows(live.POD):
        return case.say("MN-F52", case.seen.why_unknown(live.POD), "allow it, or run with credentials that may")
    if not owners and not engine.pods:
        return case.say(
            "MN-F81",
            f"the Dynamo operator has made no LeaderWorkerSet of its component {engine.component.name}: "
            + parts(case, "dynamo"),
            "look at the log of the Dynamo operator's controller manager",
        )
    if len(engine.pods) >= engine.size:
        return None
    for owner in owners:
        said = _pods_refused(case, owner)
        if said:
            return case.say(
                "MN-F51",
                f"pods are refused: {said}",
                "create the ServiceAccount that it names"
                if "service account" in said
                else "raise the quota or the pod security level of the namespace, or ask for less",
            )
    for owner in owners:
        if not engine.pods and not (owner.get("status") or {}).get("conditions"):
            return case.say(
                "MN-F81",
                f"the LWS controller has not acted on LeaderWorkerSet {case.namespace}/{owner['metadata']['name']}",
                "look at the Deployment lws-controller-manager and its log",
            )
    return None


def _on_lws(case: Case) -> bool:
    """Whether the Dynamo operator makes LeaderWorkerSets of it: of engines on several machines."""
    workload = case.engine.workload
    return workload.api == "dynamographdeployment" and not case.grove and case.engine.size > 1


def _sets_of_dynamo(case: Case) -> list[Object]:
    """The LeaderWorkerSets of the engine: that of its pods; else those of its component, first what has no pods."""
    component = case.engine.component.name.lower()
    sets = [
        found
        for found in case.seen.get(live.LEADER_WORKER_SET, case.namespace)
        if labels(found).get(DYNAMO_NAME) == case.engine.workload.name
        and str(labels(found).get(DYNAMO_COMPONENT)).lower() == component
    ]
    own = {_set_of(pod) for pod in case.engine.pods.values()}
    taken = {_set_of(pod) for engine in case.engines for pod in engine.pods.values()}
    if own:
        return [one for one in sets if one["metadata"]["name"] in own]
    return [one for one in sets if one["metadata"]["name"] not in taken] or sets


def _pods_refused(case: Case, owner: Object) -> str | None:
    """Why pods of the engine may not be made: of its leader, or, where that is there, of its workers.

    LWS uses its names again. What was refused before the youngest of the pods was made is over, and where LWS has not
    acted on the set the StatefulSets are those of an earlier one.
    """
    pods = case.engine.pods
    name = str(owner["metadata"]["name"])
    group = next((labels(pod)[LWS_GROUP] for pod in pods.values() if labels(pod).get(LWS_GROUP)), case.engine.index)
    maker = f"{name}-{group}" if 0 in pods else name  # the StatefulSet; LWS names that of the leaders as itself
    makers = {
        str(one["name"]): str(one["uid"])
        for pod in pods.values()
        for one in pod["metadata"].get("ownerReferences") or ()
        if one.get("kind") == "StatefulSet" and one.get("uid")
    }
    found = [one for one in case.events([owner], _REFUSED) if one["involvedObject"].get("kind") == LWS_KIND]
    if pods or (owner.get("status") or {}).get("conditions"):
        by_name = case.events([maker], _REFUSED, uids=makers)
        found += [one for one in by_name if one["involvedObject"].get("kind") != LWS_KIND]
    since = max((_second(one["metadata"].get("creationTimestamp")) for one in pods.values()), default="")
    fresh = [event for event in sorted(found, key=when) if _second(when(event)) >= since]
    return str(fresh[-1].get("message")) if fresh else None


def _second(timestamp: object) -> str:
    """A time to the second; some are written with a fraction."""
    return str(timestamp or "")[:19]


def doubled(case: Case) -> Diagnosis | None:
    """Dynamo 1.5 on LWS answers another node_count with a second LeaderWorkerSet beside the old one."""
    sets = case.engine.sets
    if case.native or case.grove or len(sets) < 2:
        return None
    held = {
        name: sum(1 for engine in case.engines for pod in engine.pods.values() if _set_of(pod) == name) for name in sets
    }
    told = ", ".join(f"{name} with {count} pods" for name, count in held.items())
    return case.say(
        "MN-F10",
        f"its component {case.engine.component.name} has {len(sets)} LeaderWorkerSets side by side ({told}), "
        "which keep the GPUs from each other: node_count was changed in place",
        "set replace: allow on the workload (or multinode_replace), so that it is deleted and made anew",
        sets=list(sets),
    )


def _set_of(pod: Object) -> str | None:
    return labels(pod).get(LWS_NAME)


def missing_queue(case: Case) -> Diagnosis | None:
    """A missing queue leaves the leader pending with no condition and no event; only LWS's log says why."""
    if case.kai:
        return _missing_kai_queue(case)
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


def _missing_kai_queue(case: Case) -> Diagnosis | None:
    if case.engine.bound or not case.seen.knows(live.KAI_QUEUE):
        return None
    queue = case.seen.find(live.KAI_QUEUE, case.queue)
    names = ", ".join(sorted(item["metadata"]["name"] for item in case.seen.get(live.KAI_QUEUE)))
    if queue is None:
        return case.say(
            "MN-F23",
            f"KAI queue {case.queue} does not exist (there is {names or 'none'})",
            f"create queue {case.queue} (multinode_queues), or name an existing one in the workload's queue",
            queue=case.queue,
        )
    children = (queue.get("status") or {}).get("childQueues") or ()
    if children:
        return case.say(
            "MN-F23",
            f"KAI queue {case.queue} has queues below it ({', '.join(sorted(children))}); only a leaf takes workloads",
            "name one of those in the workload's queue",
            queue=case.queue,
        )
    parent = (queue.get("spec") or {}).get("parentQueue")
    if parent and case.seen.find(live.KAI_QUEUE, str(parent)) is None:
        return case.say(
            "MN-F23",
            f"KAI queue {case.queue} names the parent {parent}, which does not exist",
            f"create queue {parent}, or name another queue in the workload's queue",
            queue=case.queue,
        )
    return None


def not_created_by_grove(case: Case) -> Diagnosis | None:
    """Without pods: is the PodCliqueSet there, and does Grove act on it? Nothing on the deployment tells."""
    engine = case.engine
    if not case.grove or not case.seen.knows(live.POD_CLIQUE_SET):
        return None
    if engine.owner is None:
        name = engine.component.object_name
        if engine.workload.api == "podcliqueset":
            return case.say(
                "MN-F90",
                f"PodCliqueSet {case.namespace}/{name} does not exist",
                "apply the workload; if it was applied, look who deleted it",
            )
        return case.say(
            "MN-F81",
            f"the Dynamo operator has made no PodCliqueSet of {case.namespace}/{name}: {parts(case, 'dynamo')}",
            "look at the log of the Dynamo operator's controller manager",
        )
    if engine.pods or not case.seen.knows(live.POD):
        return None
    status = engine.owner.get("status") or {}
    said = [str(one.get("description") or one) for one in status.get("lastErrors") or ()]
    if said or status.get("observedGeneration") is None:
        return case.say(
            "MN-F81",
            f"Grove has made no pods of PodCliqueSet {engine.owner['metadata']['name']}: "
            + (said[-1] if said else parts(case, "grove")),
            "look at the Deployment grove-operator and its log",
        )
    return None


def kai_down(case: Case) -> Diagnosis | None:
    """KAI that is down writes nothing: no PodGroup (its podgrouper), or no word on the pods (its scheduler)."""
    engine, group = case.engine, case.group
    if not case.kai or not case.short or not engine.pods or not case.seen.knows(live.KAI_POD_GROUP):
        return None
    waiting = [pod for pod in engine.pods.values() if not pod["spec"].get("nodeName")]
    if any(pod["spec"].get("schedulingGates") for pod in waiting):
        return None
    if group is None and gangs.group_names(engine):
        return case.say(
            "MN-F88",
            f"its pods name PodGroup {', '.join(gangs.group_names(engine))}, which does not exist",
            "delete the pods of this gang: they come back with a PodGroup; look who deleted it",
        )
    down = _down(case, "kai")
    if not down:
        return None
    untouched = all(
        (condition(pod, "PodScheduled") or {}).get("reason") in (None, "SchedulingGated") for pod in waiting
    )
    if group is None or (untouched and gangs.unschedulable(group) is None):
        return case.say(
            "MN-F81",
            f"KAI has not looked at its gang: {', '.join(down)} not available",
            f"bring {down[0]} back and look at its log",
        )
    return None


def two_owners(case: Case) -> Diagnosis | None:
    """LWS makes the PodGroup of an engine for its leader; one of somebody else, or of an earlier leader, is no use."""
    engine, group = case.engine, case.group
    if not case.volcano or case.grove or not case.short or not engine.pods:
        return None
    names = gangs.group_names(engine)
    if len(names) > 1:
        return case.say(
            "MN-F88",
            f"its ranks name {len(names)} PodGroups ({', '.join(names)}): LWS and Volcano's controller each made one, "
            "and neither is ever complete",
            "use Volcano 1.13 or newer with LWS, which leaves it to LWS; then delete the leader pod, so that the "
            "engine is made anew",
            pod_groups=names,
        )
    leader = ((engine.pods.get(0) or {}).get("metadata") or {}).get("uid")
    references = ((group or {}).get("metadata") or {}).get("ownerReferences") or ()
    if group is None or not leader or not references or any(one.get("uid") == leader for one in references):
        return None
    whose = ", ".join(f"{one.get('kind')} {one.get('name')}" for one in references)
    old = all(one.get("kind") == "Pod" for one in references)
    return case.say(
        "MN-F88",
        _after_eviction(case)
        + f"its PodGroup {group['metadata']['name']} belongs to "
        + (
            f"an earlier {whose}, with which it is about to be deleted; LWS up to 0.10.0 makes none in its place"
            if old
            else f"{whose}, not to its leader pod {engine.pods[0]['metadata']['name']}: two controllers make it"
        ),
        "wait until that PodGroup is gone, then delete the leader pod, so that the engine is made anew"
        if old
        else "use Volcano 1.13 or newer with LWS, and let nothing else make PodGroups of these names",
        pod_groups=names,
    )


def _after_eviction(case: Case) -> str:
    """What came first: the engine that LWS makes anew at once may have no PodGroup."""
    told = case.evicted_by_volcano()
    return f"its gang ran and was evicted at {told[0]} (Volcano says: {told[1]}), and now " if told else ""


def volcano_down(case: Case) -> Diagnosis | None:
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
            "only its leader pod exists, without PodGroup and without workers, and nothing says why: "
            + parts(case, "volcano"),
            "bring volcano-admission back, and let LWS create PodGroups (its ClusterRole); then look at the log of "
            "lws-controller-manager",
        )
    if group is None:
        return case.say(
            "MN-F88",
            _after_eviction(case) + "its pods wait for a PodGroup that does not exist",
            (f"delete its leader pod {leader['metadata']['name']}" if leader else "recreate the LeaderWorkerSet")
            + ": LWS makes the engine anew, with a PodGroup; it must run with schedulerProvider: volcano",
        )
    untouched = not (group.get("status") or {}).get("phase") and not (group.get("status") or {}).get("conditions")
    if untouched and all(condition(pod, "PodScheduled") is None for pod in engine.pods.values()):
        return case.say(
            "MN-F81",
            f"Volcano's scheduler has not looked at PodGroup {group['metadata']['name']}: {parts(case, 'volcano')}",
            "bring volcano-scheduler back and look at its log",
        )
    return None


_IMAGES = {
    "volcano": ("vc-scheduler", "vc-controller-manager", "vc-webhook-manager"),
    "grove": ("grove-operator",),
    "kai": ("kai-scheduler/",),
    "dynamo": ("kubernetes-operator", "dynamo-operator"),
}
_NAMES = {"volcano": "Volcano", "grove": "Grove", "kai": "KAI", "dynamo": "the Dynamo operator"}


def _deployments(case: Case, what: str) -> list[Object]:
    found = []
    for item in case.seen.get(live.DEPLOYMENT):
        images = [str(one.get("image")) for one in _containers(item)]
        own = what == "volcano" and str(labels(item).get("app")).startswith("volcano-")
        if own or any(mark in image for image in images for mark in _IMAGES[what]):
            found.append(item)
    return found


def _containers(deployment: Object) -> list[Mapping[str, Any]]:
    template = (deployment.get("spec") or {}).get("template") or {}
    return list((template.get("spec") or {}).get("containers") or ())


def _down(case: Case, what: str) -> list[str]:
    return sorted(
        f"{part['metadata']['namespace']}/{part['metadata']['name']}"
        for part in _deployments(case, what)
        if not (part.get("status") or {}).get("availableReplicas")
    )


def parts(case: Case, what: str) -> str:
    """What the Deployments of Volcano, Grove, KAI or Dynamo say about themselves."""
    if not case.seen.knows(live.DEPLOYMENT):
        return f"whether {_NAMES[what]} runs could not be read"
    if not _deployments(case, what):
        return f"there are no Deployments of {_NAMES[what]} in the cluster"
    down = _down(case, what)
    return f"{', '.join(down)} not available" if down else f"{_NAMES[what]}'s Deployments say they are available"


def version(case: Case, what: str) -> str:
    """The image tag of a component's first Deployment, or ""."""
    for item in _deployments(case, what):
        for one in _containers(item):
            name, _colon, tag = str(one.get("image")).rpartition(":")
            if any(mark in name for mark in _IMAGES[what]):
                return tag
    return ""


def deadlock(case: Case) -> Diagnosis | None:
    annotations = ((case.engine.owner or {}).get("metadata") or {}).get("annotations") or {}
    if EXCLUSIVE_TOPOLOGY in annotations and case.volcano and len(case.engine.pods) < case.engine.size:
        return case.say(
            "MN-F18",
            f"{EXCLUSIVE_TOPOLOGY} makes its workers wait for the leader, and the gang waits for the workers",
            "remove the annotation; topology: {pack: ...} keeps an engine in one domain by pod affinity",
        )
    return None
