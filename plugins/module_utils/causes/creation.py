# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Was everything created? What never came to be has no condition and no event to tell why. Pure."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import condition

EXCLUSIVE_TOPOLOGY = "leaderworkerset.sigs.k8s.io/exclusive-topology"


def not_created(case: Case) -> Diagnosis | None:
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


def missing_queue(case: Case) -> Diagnosis | None:
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


def _parts(case: Case) -> str:
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


def deadlock(case: Case) -> Diagnosis | None:
    annotations = ((case.engine.owner or {}).get("metadata") or {}).get("annotations") or {}
    if EXCLUSIVE_TOPOLOGY in annotations and case.volcano and len(case.engine.pods) < case.engine.size:
        return case.say(
            "MN-F18",
            f"{EXCLUSIVE_TOPOLOGY} makes its workers wait for the leader, and the gang waits for the workers",
            "remove the annotation; topology: {pack: ...} keeps an engine in one domain by pod affinity",
        )
    return None
