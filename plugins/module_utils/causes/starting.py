# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Did everything start? Images, configuration, volumes, crashes, and what hangs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.causes import words
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis, Object
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Log
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.shortage import listed

Status = Mapping[str, Any]

# What a kubelet says of a container before its volumes are mounted and its sandbox stands
_NOT_BEGUN = ("", "ContainerCreating", "PodInitializing")
_MOUNTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
# Ranks of one engine whose logs are asked for: they wait for each other, and mostly say the same
_RANKS = 4


def failing_container(case: Case) -> Diagnosis | None:
    """A rank whose image, configuration, volume or process fails: which one, where, and its last words.

    What is wrong now comes before what was wrong once: a rank that was restarted and loads again may be well.
    """
    late = _late(case)
    for rank, pod in late:
        for status in _statuses(pod):
            trouble = _trouble(case, pod, status)
            if trouble is not None:
                return _failing(case, rank, pod, *trouble)
        refused = _refused(pod)
        if refused is not None:
            return _failing(case, rank, pod, *refused)
        mounts = case.events([pod], _MOUNTS)
        if mounts and pod["spec"].get("nodeName") and not _begun(pod):
            return _failing(
                case,
                rank,
                pod,
                str(mounts[-1].get("message")),
                "see that the claim, Secret or network that it names exists in this namespace and on this machine",
            )
    for rank, pod in late:
        for status in _statuses(pod):
            ended = _ended(status, "lastState")
            if _wrong(ended) and not status.get("ready") and not _ended(status, "state"):
                return _failing(case, rank, pod, *_crashed(case, pod, status, ended, previous=True))
    return None


def _late(case: Case) -> list[tuple[int, Object]]:
    return [(rank, pod) for rank, pod in sorted(case.engine.pods.items()) if not is_true(pod, "Ready")]


def _statuses(pod: Object) -> list[Status]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _ended(status: Status, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (status.get(key) or {}).get("terminated") or {}
    return found


def _wrong(ended: Mapping[str, Any]) -> bool:
    return bool(ended.get("exitCode")) or ended.get("reason") == "OOMKilled"


def _waiting(status: Status) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (status.get("state") or {}).get("waiting") or {}
    return found


def _runs(status: Status) -> bool:
    return (status.get("state") or {}).get("running") is not None


def _begun(pod: Object) -> bool:
    """Whether a container of the pod has run: then its volumes are there, whatever an old event says."""
    return any(
        _runs(one)
        or _ended(one, "state")
        or _ended(one, "lastState")
        or (_waiting(one).get("reason") or "") not in _NOT_BEGUN
        for one in _statuses(pod)
    )


def _failing(case: Case, rank: int, pod: Object, what: str, remedy: str, log: Log | None = None) -> Diagnosis:
    node = pod["spec"].get("nodeName")
    return case.say(
        "MN-F84",
        f"rank {rank} ({pod['metadata']['name']} on {node}): {what}",
        remedy,
        rank=rank,
        pod=pod["metadata"]["name"],
        node=node,
    ).asking(case.seen, [log] if log is not None else [])


def _trouble(case: Case, pod: Object, status: Status) -> tuple[str, str, Log | None] | None:
    """(what, remedy, its log) of a container that will not come up by itself."""
    waiting, ended = _waiting(status), _ended(status, "state")
    name, reason = status.get("name"), str(waiting.get("reason") or "")
    if "Image" in reason:
        message = f": {waiting['message']}" if waiting.get("message") else ""
        return (
            f"image {status.get('image')} cannot be pulled ({reason}{message})",
            "check the image's name and tag, image_pull_secrets, and that the machine reaches the registry",
            None,
        )
    if reason == "CrashLoopBackOff":
        return _crashed(case, pod, status, _ended(status, "lastState"), previous=True)
    if _wrong(ended):
        return _crashed(case, pod, status, ended, previous=False)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return (
            f"container {name} cannot be created ({reason}: {waiting.get('message')})",
            "create the Secret or ConfigMap that it names, or correct the container's settings",
            None,
        )
    return None


def _crashed(
    case: Case, pod: Object, status: Status, ended: Mapping[str, Any], *, previous: bool
) -> tuple[str, str, Log | None]:
    name = str(status.get("name"))
    log = Log(case.namespace, str(pod["metadata"]["name"]), name, previous)
    said = words.last(str(ended.get("message") or "")) or words.last(case.seen.logs.get(log, ""))
    last = f": {said}" if said else ""
    if ended.get("reason") == "OOMKilled":
        return (
            f"container {name} was killed for lack of memory{last}",
            "raise resources.memory or shared_memory",
            log,
        )
    code, restarts = ended.get("exitCode", "?"), status.get("restartCount", 0)
    before = "--previous " if previous else ""
    return (
        f"container {name} exits with code {code}, {restarts} restarts{last}",
        f"read its log: kubectl logs -n {log.namespace} {log.pod} {before}-c {name}",
        log,
    )


def _refused(pod: Object) -> tuple[str, str] | None:
    """A pod that its machine turned away or threw out; it stays as it is, and nothing runs in it."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    message = f": {status['message']}" if status.get("message") else ""
    if status["reason"] == "Evicted":
        remedy = "free what the machine ran out of, or raise the pod's requests for it; then delete the pod"
    else:
        remedy = "look at what the machine really has (its GPUs and their device plugin); then delete the pod"
    return f"the pod has failed ({status['reason']}{message})", remedy


def leaving(case: Case) -> Diagnosis | None:
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


def starting(case: Case) -> Diagnosis | None:
    """Bound and running, and nothing is wrong that the cluster could tell."""
    slow = [f"{rank} ({pod['metadata']['name']} on {pod['spec'].get('nodeName')})" for rank, pod in _late(case)]
    if not slow:
        return case.say(
            "MN-F90",
            f"{len(case.engine.pods)} of {case.engine.size} ranks exist",
            "look at the events of the PodCliqueSet and at the log of grove-operator"
            if case.grove
            else "look at the events of the LeaderWorkerSet and at the log of lws-controller-manager",
        )
    probes = case.events(case.engine.pods.values(), ["Unhealthy"])
    said = f"; its probe says: {probes[-1].get('message')}" if probes else ""
    logs = running(case)
    spoken = next(filter(None, (words.latest(case.seen.logs.get(log, "")) for log in logs)), "")
    if spoken:
        said += f"; its log ends: {spoken}"
    return case.say(
        "MN-F100",
        f"rank {listed(slow)} is bound and not ready yet{said}",
        "read its log; if it is still loading the model, raise timeouts.ready and startup_timeout",
    ).asking(case.seen, logs)


def running(case: Case) -> list[Log]:
    """The logs of the containers that run and are not ready, of the first ranks."""
    return [
        Log(case.namespace, str(pod["metadata"]["name"]), str(status.get("name")))
        for _rank, pod in _late(case)[:_RANKS]
        for status in _statuses(pod)
        if _runs(status) and not status.get("ready")
    ]
