# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is one object ready, by its own kind's rules? Pure functions of the object as the API server holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """``ready``: None when the object says nothing at all about itself yet. ``reason``: one phrase, for ready ones
    too. ``generic``: judged by conditions or mere existence, because the kind has no rule of its own here."""

    ready: bool | None
    reason: str
    generic: bool = False


def ready(obj: Object) -> Verdict:
    """The verdict on one object. One that is being deleted, or whose newest generation its controller has not seen
    yet, is never ready."""
    meta = obj.get("metadata") or {}
    if meta.get("deletionTimestamp"):
        return Verdict(False, "is being deleted")
    status = obj.get("status") or {}
    observed = status.get("observedGeneration")
    generation = meta.get("generation")
    if observed is not None and generation is not None and int(observed) < int(generation):
        return Verdict(False, f"generation {generation} is not observed yet (last: {observed})")
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    rule = RULES.get((group, str(obj.get("kind"))))
    return rule(obj) if rule is not None else _generic(obj)


# -- helpers ----------------------------------------------------------------------------------------------------


def condition(obj: Object, kind: str) -> Mapping[str, Any] | None:
    """The condition of that type; one that speaks of an older generation does not count."""
    generation = (obj.get("metadata") or {}).get("generation")
    for entry in (obj.get("status") or {}).get("conditions") or []:
        if entry.get("type") == kind:
            observed = entry.get("observedGeneration")
            stale = observed is not None and generation is not None and int(observed) < int(generation)
            return None if stale else dict(entry)
    return None


def _is(obj: Object, kind: str, value: str = "True") -> bool:
    found = condition(obj, kind)
    return found is not None and found.get("status") == value


def _why(found: Mapping[str, Any] | None, kind: str) -> str:
    if found is None:
        return f"no condition {kind} yet"
    parts = [f"{kind} is {found.get('status')}", str(found.get("reason") or ""), str(found.get("message") or "")]
    return ": ".join(part for part in parts if part)


def _needs(obj: Object, *kinds: str) -> Verdict:
    for kind in kinds:
        if not _is(obj, kind):
            return Verdict(False, _why(condition(obj, kind), kind))
    return Verdict(True, ", ".join(kinds))


def _count(source: Mapping[str, Any], key: str, default: int = 0) -> int:
    value = source.get(key)
    return default if value is None else int(value)


# -- rules ------------------------------------------------------------------------------------------------------


def _deployment(obj: Object) -> Verdict:
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas", 1)
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by its controller yet")
    stuck = condition(obj, "Progressing")
    if stuck is not None and stuck.get("status") == "False":
        return Verdict(False, _why(stuck, "Progressing"))
    updated, available = _count(status, "updatedReplicas"), _count(status, "availableReplicas")
    total = _count(status, "replicas")
    if updated < want or available < want or total > updated:
        return Verdict(False, f"{available} of {want} replicas available, {updated} updated, {total} in all")
    return Verdict(True, f"{available} of {want} replicas available")


def _stateful_set(obj: Object) -> Verdict:
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas", 1)
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by its controller yet")
    have = _count(status, "readyReplicas")
    on_delete = ((obj.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    if have < want:
        return Verdict(False, f"{have} of {want} replicas ready")
    if not on_delete and status.get("currentRevision") != status.get("updateRevision") and want:
        return Verdict(False, f"{_count(status, 'updatedReplicas')} of {want} replicas updated")
    return Verdict(True, f"{have} of {want} replicas ready")


def _daemon_set(obj: Object) -> Verdict:
    status = obj.get("status") or {}
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by its controller yet")
    want, have = _count(status, "desiredNumberScheduled"), _count(status, "numberReady")
    if have < want:
        return Verdict(False, f"{have} of {want} pods ready")
    if _count(status, "updatedNumberScheduled") < want:
        return Verdict(False, f"{_count(status, 'updatedNumberScheduled')} of {want} pods updated")
    return Verdict(True, f"{have} of {want} pods ready" if want else "no node wants it")


def _job(obj: Object) -> Verdict:
    if _is(obj, "Failed"):
        return Verdict(False, _why(condition(obj, "Failed"), "Failed"))
    if (obj.get("spec") or {}).get("suspend"):
        return Verdict(False, "is suspended")
    if _is(obj, "Complete"):
        return Verdict(True, "complete")
    return Verdict(False, f"{_count(obj.get('status') or {}, 'active')} pods active")


def _pod(obj: Object) -> Verdict:
    phase = (obj.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return Verdict(True, "succeeded")
    return _needs(obj, "Ready") if phase == "Running" else Verdict(False, f"phase {phase or 'unknown'}")


def _claim(obj: Object) -> Verdict:
    phase = (obj.get("status") or {}).get("phase")
    return Verdict(phase == "Bound", f"phase {phase or 'unknown'}")


def _service(obj: Object) -> Verdict:
    spec = obj.get("spec") or {}
    if spec.get("type") == "LoadBalancer":
        given = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        return Verdict(bool(given), "has an address" if given else "waits for its load balancer")
    return Verdict(True, "exists")


def _namespace(obj: Object) -> Verdict:
    phase = (obj.get("status") or {}).get("phase")
    return Verdict(phase == "Active", f"phase {phase or 'unknown'}")


def _crd(obj: Object) -> Verdict:
    # NamesAccepted is what tells that another CRD holds a short name (grove #801)
    return _needs(obj, "NamesAccepted", "Established")


def _webhooks(obj: Object) -> Verdict:
    without = [
        str(hook.get("name"))
        for hook in obj.get("webhooks") or []
        if not (hook.get("clientConfig") or {}).get("caBundle") and not (hook.get("clientConfig") or {}).get("url")
    ]
    return Verdict(not without, f"no caBundle yet in {', '.join(without)}" if without else "every webhook has its CA")


def _leader_worker_set(obj: Object) -> Verdict:
    # lws v0.8.0 has no observedGeneration; UpdateInProgress and the counts say that a rollout is under way
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas", 1)
    have, updated = _count(status, "readyReplicas"), _count(status, "updatedReplicas")
    if have != want:
        return Verdict(False, f"{have} of {want} engines ready")
    if updated < want or _is(obj, "UpdateInProgress"):
        return Verdict(False, f"{updated} of {want} engines updated")
    if want == 0:
        return Verdict(True, "scaled to zero")
    verdict = _needs(obj, "Available")
    return Verdict(True, f"{have} of {want} engines ready") if verdict.ready else verdict


def _dynamo_deployment(obj: Object) -> Verdict:
    status = obj.get("status") or {}
    if status.get("observedGeneration") is None and condition(obj, "Ready") is None:
        return Verdict(False, "not seen by the Dynamo operator yet")
    return _needs(obj, "Ready")


def _pod_clique_set(obj: Object) -> Verdict:
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas")
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by Grove yet")
    have = _count(status, "availableReplicas")
    if _is(obj, "MinAvailableBreached"):
        return Verdict(False, _why(condition(obj, "MinAvailableBreached"), "MinAvailableBreached"))
    if have != want:
        return Verdict(False, f"{have} of {want} replicas available")
    progress = status.get("updateProgress") or status.get("rollingUpdateProgress")
    if progress and not progress.get("updateEndedAt"):
        return Verdict(False, "an update is under way")
    return Verdict(True, f"{have} of {want} replicas available")


def _scaling_group(obj: Object) -> Verdict:
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas", 1)
    have = _count(status, "availableReplicas")
    if _is(obj, "MinAvailableBreached"):
        return Verdict(False, _why(condition(obj, "MinAvailableBreached"), "MinAvailableBreached"))
    return Verdict(have == want, f"{have} of {want} replicas available")


def _volcano_queue(obj: Object) -> Verdict:
    state = (obj.get("status") or {}).get("state")
    return Verdict(state == "Open", f"state {state or 'unknown'}")


def _volcano_pod_group(obj: Object) -> Verdict:
    phase = (obj.get("status") or {}).get("phase")
    return Verdict(phase in ("Running", "Completed"), f"phase {phase or 'unknown'}")


def _kai_queue(obj: Object) -> Verdict:
    return Verdict(True, "exists (KAI queues have no readiness of their own)")


def _state(obj: Object) -> Verdict:
    # The NVIDIA operators' custom resources: one word
    status = obj.get("status") or {}
    state = status.get("state")
    reason = f"state {state or 'unknown'}" + (f": {status['reason']}" if status.get("reason") else "")
    return Verdict(str(state).lower() == "ready", reason)


def _exists(obj: Object) -> Verdict:
    return Verdict(True, "exists")


def _generic(obj: Object) -> Verdict:
    for kind in ("Ready", "Available"):
        found = condition(obj, kind)
        if found is not None:
            return Verdict(found.get("status") == "True", _why(found, kind), generic=True)
    # A controller that reports conditions, but not these yet, or only for an older generation
    if (obj.get("status") or {}).get("conditions"):
        listed = {entry.get("type") for entry in obj["status"]["conditions"]}
        if listed & {"Ready", "Available"}:
            return Verdict(False, "its conditions are of an older generation", generic=True)
    return Verdict(True, "exists (no readiness rule is known for this kind)", generic=True)


RULES: dict[tuple[str, str], Callable[[Object], Verdict]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "ConfigMap"): _exists,
    ("", "LimitRange"): _exists,
    ("", "ResourceQuota"): _exists,
    ("", "Secret"): _exists,
    ("", "ServiceAccount"): _exists,
    ("networking.k8s.io", "NetworkPolicy"): _exists,
    ("rbac.authorization.k8s.io", "ClusterRole"): _exists,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _exists,
    ("rbac.authorization.k8s.io", "Role"): _exists,
    ("rbac.authorization.k8s.io", "RoleBinding"): _exists,
    ("scheduling.k8s.io", "PriorityClass"): _exists,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): _leader_worker_set,
    ("nvidia.com", "DynamoGraphDeployment"): _dynamo_deployment,
    ("grove.io", "PodCliqueSet"): _pod_clique_set,
    ("grove.io", "PodCliqueScalingGroup"): _scaling_group,
    ("scheduling.volcano.sh", "Queue"): _volcano_queue,
    ("scheduling.volcano.sh", "PodGroup"): _volcano_pod_group,
    ("scheduling.run.ai", "Queue"): _kai_queue,
    ("nvidia.com", "ClusterPolicy"): _state,
    ("nvidia.com", "NVIDIADriver"): _state,
    ("mellanox.com", "NicClusterPolicy"): _state,
}
