# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Did everything start? Images, configuration, volumes, crashes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.shortage import listed


def failing_container(case: Case) -> Diagnosis | None:
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
    slow = [
        f"{rank} ({pod['metadata']['name']} on {pod['spec'].get('nodeName')})"
        for rank, pod in sorted(case.engine.pods.items())
        if not is_true(pod, "Ready")
    ]
    if not slow:
        return case.say(
            "MN-F90",
            f"{len(case.engine.pods)} of {case.engine.size} ranks exist",
            "look at the events of the PodCliqueSet and at the log of grove-operator"
            if case.grove
            else "look at the events of the LeaderWorkerSet and at the log of lws-controller-manager",
        )
    probes = case.events([pod["metadata"]["name"] for pod in case.engine.pods.values()], ["Unhealthy"])
    said = f"; its probe says: {probes[-1].get('message')}" if probes else ""
    return case.say(
        "MN-F100",
        f"rank {listed(slow)} is bound and not ready yet{said}",
        "read its log; if it is still loading the model, raise timeouts.ready and startup_timeout",
    )
