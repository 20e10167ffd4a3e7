# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is one object ready, by its own kind's rules? Pure functions of the object as the API server holds it.

A few kinds cannot be judged by themselves: a webhook needs an endpoint, a claim may wait for its first pod. What is
needed of the cluster for them is named by NEEDS and passed in. A PodGang's phase is never looked at: it stays Pending
while everything runs (observed.md 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity
from ansible_collections.dynamo.multinode.plugins.module_utils.names import NAMES_TAKEN

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """``ready``: None when the object says nothing at all about itself yet. ``reason``: one phrase, for ready ones
    too. ``generic``: judged by conditions or mere existence, because the kind has no rule of its own here."""

    ready: bool | None
    reason: str
    generic: bool = False


# (group, kind) -> (apiVersion, kind) of what its rule looks at besides the object
NEEDS: dict[tuple[str, str], tuple[str, str]] = {
    ("", "PersistentVolumeClaim"): ("storage.k8s.io/v1", "StorageClass"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): ("discovery.k8s.io/v1", "EndpointSlice"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): ("discovery.k8s.io/v1", "EndpointSlice"),
}


def ready(obj: Object, around: Sequence[Object] | None = None, *, blind: str = "") -> Verdict:
    """The verdict on one object. One that is being deleted, or whose newest generation its controller has not seen
    yet, is never ready.

    ``around``: the objects that NEEDS names for its kind, None where they were not read; ``blind``: why they never can
    be, which is then said and not held against it.
    """
    meta = obj.get("metadata") or {}
    if meta.get("deletionTimestamp"):
        return Verdict(False, "is being deleted")
    status = obj.get("status") or {}
    observed = status.get("observedGeneration")
    generation = meta.get("generation")
    if observed is not None and generation is not None and int(observed) < int(generation):
        return Verdict(False, f"generation {generation} is not observed yet (last: {observed})")
    key = (str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind")))
    if key in _IN_CONTEXT:
        return _IN_CONTEXT[key](obj, around, blind)
    rule = RULES.get(key)
    return rule(obj) if rule is not None else _generic(obj)


def may_flap(api_version: str, kind: str) -> bool:
    """Whether something of that kind that is ready may cease to be so while it exists."""
    rule = RULES.get((api_version.rpartition("/")[0], kind))
    return rule not in (_exists, _kai_queue)


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
    if have < want:
        return Verdict(False, f"{have} of {want} replicas ready")
    strategy = (obj.get("spec") or {}).get("updateStrategy") or {}
    rolling = strategy.get("type") != "OnDelete" and status.get("currentRevision") != status.get("updateRevision")
    updated, partition = _count(status, "updatedReplicas"), _count(strategy.get("rollingUpdate") or {}, "partition")
    # The replicas below a partition keep their old revision, so that the two stay different
    if rolling and want and (not partition or updated < want - partition):
        return Verdict(False, f"{updated} of {want - partition} replicas updated")
    return Verdict(True, f"{have} of {want} replicas ready")


def _daemon_set(obj: Object) -> Verdict:
    status = obj.get("status") or {}
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by its controller yet")
    want, have = _count(status, "desiredNumberScheduled"), _count(status, "numberReady")
    if have < want:
        return Verdict(False, f"{have} of {want} pods ready")
    # With OnDelete pods stay as they are until somebody deletes them
    on_delete = ((obj.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    if _count(status, "updatedNumberScheduled") < want and not on_delete:
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


def _claim(obj: Object, classes: Sequence[Object] | None, blind: str) -> Verdict:
    phase = (obj.get("status") or {}).get("phase")
    name = (obj.get("spec") or {}).get("storageClassName")
    if phase == "Pending" and name and classes is None and blind:
        return Verdict(True, f"phase Pending; whether StorageClass {name} waits for a pod may not be read: {blind}")
    if phase == "Pending" and name and classes is not None:
        named = next((one for one in classes if one["metadata"]["name"] == name), None)
        if named is None:
            return Verdict(False, f"phase Pending, and StorageClass {name} does not exist")
        if named.get("volumeBindingMode") == "WaitForFirstConsumer":
            return Verdict(True, "waits for its first pod (WaitForFirstConsumer)")
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
    verdict = _needs(obj, "NamesAccepted", "Established")
    if (condition(obj, "NamesAccepted") or {}).get("status") == "False":
        return Verdict(False, f"{verdict.reason} {NAMES_TAKEN}")
    return verdict


def _webhooks(obj: Object, slices: Sequence[Object] | None, blind: str) -> Verdict:
    # A webhook with a CA and nobody behind it refuses every request (KAI PR #1980)
    hooks = [(str(hook.get("name")), hook.get("clientConfig") or {}) for hook in obj.get("webhooks") or []]
    without = [name for name, config in hooks if not config.get("caBundle") and not config.get("url")]
    if without:
        return Verdict(False, f"no caBundle yet in {', '.join(without)}")
    services = {
        (str(one["service"]["namespace"]), str(one["service"]["name"])) for _name, one in hooks if one.get("service")
    }
    if not services:
        return Verdict(True, "every webhook has its CA")
    if slices is None:
        said = "every webhook has its CA; whether their Services have endpoints "
        return Verdict(True, f"{said}may not be read: {blind}") if blind else Verdict(None, f"{said}is not known")
    bare = sorted(f"{space}/{name}" for space, name in services if not _has_endpoint(space, name, slices))
    if bare:
        return Verdict(False, f"no ready endpoint behind Service {', '.join(bare)}")
    return Verdict(True, "every webhook has its CA and an endpoint")


def _has_endpoint(namespace: str, service: str, slices: Sequence[Object]) -> bool:
    for one in slices:
        meta = one.get("metadata") or {}
        if meta.get("namespace") != namespace:
            continue
        if (meta.get("labels") or {}).get("kubernetes.io/service-name") != service:
            continue
        for endpoint in one.get("endpoints") or ():
            # Absent means ready (discovery.k8s.io/v1)
            if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses"):
                return True
    return False


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
    ready_ = condition(obj, "Ready")
    if (obj.get("status") or {}).get("observedGeneration") is None:
        # It says so only once something was made; a failure before that is in the condition alone
        if ready_ is not None and ready_.get("status") == "False":
            return Verdict(False, _why(ready_, "Ready"))
        return Verdict(False, "not seen by the Dynamo operator yet")
    verdict = _needs(obj, "Ready")
    # Scaled up from 0 it says so for its new generation before there is a pod; its numbers are right
    return (verdict.ready and _short_component(obj)) or verdict


def _short_component(obj: Object) -> Verdict | None:
    """The first component of which less is there than is asked for, as far as the operator counts."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    # v1beta1 has a list of components, v1alpha1 services by name
    wanted = {str(one.get("name")): one for one in spec.get("components") or []} or (spec.get("services") or {})
    told = status.get("components") or status.get("services") or {}
    for name, component in wanted.items():
        want, found = _count(component or {}, "replicas", 1), told.get(name) or {}
        counted = [key for key in ("readyReplicas", "availableReplicas") if key in found]
        if counted and _count(found, counted[0]) < want:
            return Verdict(False, f"{name}: {_count(found, counted[0])} of {want} replicas ready")
    return None


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
    if have != want or want == 0:
        return Verdict(have == want, f"{have} of {want} replicas available")
    updated = _count(status, "updatedReplicas", have)
    if updated < want:
        return Verdict(False, f"{updated} of {want} replicas updated")
    return Verdict(True, f"{have} of {want} replicas available")


def _pod_clique(obj: Object) -> Verdict:
    status, want = obj.get("status") or {}, _count(obj.get("spec") or {}, "replicas")
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by Grove yet")
    if _is(obj, "MinAvailableBreached"):
        return Verdict(False, _why(condition(obj, "MinAvailableBreached"), "MinAvailableBreached"))
    have, updated = _count(status, "readyReplicas"), _count(status, "updatedReplicas")
    if have < want or updated < want:
        return Verdict(False, f"{have} of {want} pods ready, {updated} updated")
    return Verdict(True, f"{have} of {want} pods ready")


def _kai_pod_group(obj: Object) -> Verdict:
    # The condition stays when the gang was placed after all (recordings/grove-main/04): what is allocated counts
    status = obj.get("status") or {}
    resources = status.get("resourcesStatus") or {}
    requested, allocated = resources.get("requested") or {}, resources.get("allocated") or {}
    short = [
        f"{key}: {allocated.get(key) or 0} of {value}"
        for key, value in sorted(requested.items())
        if (quantity.parse(allocated.get(key) or 0) or 0) < (quantity.parse(value) or 0)
    ]
    if requested and not short:
        return Verdict(True, "its gang has all that it requested")
    for entry in status.get("schedulingConditions") or ():
        if entry.get("type") == "UnschedulableOnNodePool" and entry.get("status") == "True":
            return Verdict(False, f"UnschedulableOnNodePool: {entry.get('message')}")
    return Verdict(False, f"allocated {', '.join(short)}" if short else "nothing is requested yet")


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


def _cluster_policy(obj: Object) -> Verdict:
    if _is(obj, "Error"):
        return Verdict(False, _why(condition(obj, "Error"), "Error"))
    verdict = _state(obj)
    ready_ = condition(obj, "Ready") or {}
    # It says ready with no GPU node at all (edgelesssys/contrast PR 2599): said, not held against it
    note = str(ready_.get("reason") or "") if ready_.get("reason") in ("NoGPUNodes", "NFDLabelsMissing") else ""
    return Verdict(verdict.ready, f"{verdict.reason} ({note})" if note else verdict.reason)


def _nic_cluster_policy(obj: Object) -> Verdict:
    verdict = _state(obj)
    late = [
        f"{one.get('name')} is {one.get('state')}" + (f" ({one['message']})" if one.get("message") else "")
        for one in (obj.get("status") or {}).get("appliedStates") or ()
        if one.get("state") not in ("ready", "ignore")
    ]
    if late:
        return Verdict(False, f"{verdict.reason}; {', '.join(late)}")
    return verdict


def _kai_operand(obj: Object) -> Verdict:
    for kind in ("Deployed", "Available", "DependenciesFulfilled"):
        found = condition(obj, kind)
        if found is None or found.get("status") != "True":
            return Verdict(False, _why(found, kind))
    return Verdict(True, "Deployed, Available, DependenciesFulfilled")


def _topology_binding(obj: Object) -> Verdict:
    # Reports inSync although scheduling never finds a Topology of another name (observed.md 7)
    name = (obj.get("metadata") or {}).get("name")
    status = obj.get("status") or {}
    for entry in (obj.get("spec") or {}).get("schedulerTopologyBindings") or ():
        if entry.get("topologyReference") != name:
            return Verdict(
                False, f"refers to Topology {entry.get('topologyReference')}: the scheduler looks for {name} (MN-F56)"
            )
    for entry in status.get("schedulerTopologyStatuses") or ():
        if not entry.get("inSync"):
            said = f": {entry['message']}" if entry.get("message") else ""
            return Verdict(False, f"not in sync with {entry.get('schedulerName')}{said}")
    if _is(obj, "SchedulerTopologyDrift"):
        return Verdict(False, _why(condition(obj, "SchedulerTopologyDrift"), "SchedulerTopologyDrift"))
    if status.get("observedGeneration") is None:
        return Verdict(False, "not seen by Grove yet")
    return Verdict(True, "in sync")


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
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): _leader_worker_set,
    ("nvidia.com", "DynamoGraphDeployment"): _dynamo_deployment,
    ("grove.io", "PodCliqueSet"): _pod_clique_set,
    ("grove.io", "PodCliqueScalingGroup"): _scaling_group,
    ("scheduling.volcano.sh", "Queue"): _volcano_queue,
    ("scheduling.volcano.sh", "PodGroup"): _volcano_pod_group,
    ("grove.io", "PodClique"): _pod_clique,
    ("grove.io", "ClusterTopologyBinding"): _topology_binding,
    ("scheduling.run.ai", "Queue"): _kai_queue,
    ("scheduling.run.ai", "PodGroup"): _kai_pod_group,
    ("kai.scheduler", "Config"): _kai_operand,
    ("kai.scheduler", "SchedulingShard"): _kai_operand,
    ("kai.scheduler", "Topology"): _exists,
    # It becomes Ready by the pods that claim its channel, so nobody can wait for it before them
    ("resource.nvidia.com", "ComputeDomain"): _exists,
    ("resource.k8s.io", "ResourceClaimTemplate"): _exists,
    ("nvidia.com", "ClusterPolicy"): _cluster_policy,
    ("nvidia.com", "GPUCluster"): _cluster_policy,
    ("nvidia.com", "NVIDIADriver"): _state,
    ("mellanox.com", "NicClusterPolicy"): _nic_cluster_policy,
    ("mellanox.com", "HostDeviceNetwork"): _state,
    ("mellanox.com", "IPoIBNetwork"): _state,
    ("mellanox.com", "MacvlanNetwork"): _state,
}

_IN_CONTEXT: dict[tuple[str, str], Callable[..., Verdict]] = {
    ("", "PersistentVolumeClaim"): _claim,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
}
