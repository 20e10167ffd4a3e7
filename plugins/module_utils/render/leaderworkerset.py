# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The native target: a LeaderWorkerSet per engine component, and a Service in front of the leaders."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import HTTP_PORT
from ansible_collections.dynamo.multinode.plugins.module_utils.names import COMPONENT_LABEL, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import pod

API_VERSION = "leaderworkerset.x-k8s.io/v1"
QUEUE = "scheduling.volcano.sh/queue-name"
WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
_PROBE_PERIOD = 10


def render(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """Claims, the Service, then one LeaderWorkerSet per component."""
    sets = [_leader_worker_set(plan, component) for component in plan.components]
    return [*pod.claims(plan), _service(plan), *sets]


def _service(plan: WorkloadPlan) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": pod.metadata(plan, plan.name),
        "spec": {
            "type": "ClusterIP",
            "selector": {WORKLOAD_LABEL: plan.name, WORKER_INDEX: "0"},
            "ports": [{"name": "http", "port": HTTP_PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def _leader_worker_set(plan: WorkloadPlan, component: ComponentPlan) -> dict[str, Any]:
    metadata = pod.metadata(plan, component.object_name, component)
    if plan.choice.scheduler == "volcano" and plan.queue:
        metadata["annotations"] = {**metadata.get("annotations", {}), QUEUE: plan.queue}
    templates: dict[str, Any] = {
        "size": component.node_count,
        "restartPolicy": "RecreateGroupOnPodRestart",
        "leaderTemplate": _template(plan, component, leader=True),
        "workerTemplate": _template(plan, component, leader=False),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "LeaderWorkerSet",
        "metadata": metadata,
        "spec": {
            "replicas": component.replicas,
            # With LeaderReady the gang would be the leader alone (minMember 1).
            "startupPolicy": "LeaderCreated",
            "leaderWorkerTemplate": templates,
        },
    }


def _template(plan: WorkloadPlan, component: ComponentPlan, leader: bool) -> dict[str, Any]:
    native = BACKENDS[plan.workload.backend].native
    if native is None:
        raise ValueError(f"{plan.workload.backend} has no native launch")
    launch = native(pod.request(plan, component), leader)
    container = pod.main_container(plan, component, launch.command, launch.args, launch.env)
    container["volumeMounts"] = [*container.get("volumeMounts", ()), {"name": "shared-memory", "mountPath": "/dev/shm"}]
    if leader:
        container["ports"] = [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}]
        container.update(_probes(component.component.startup_timeout))
    selector = {WORKLOAD_LABEL: plan.name, COMPONENT_LABEL: component.name}
    spec = pod.pod_spec(plan, component, container, selector)
    shared = {"medium": "Memory", "sizeLimit": component.component.shared_memory}
    spec["volumes"] = [*spec.get("volumes", ()), {"name": "shared-memory", "emptyDir": shared}]
    cache = plan.workload.compilation_cache
    if cache is not None:
        spec["volumes"].append({"name": "compilation-cache", "persistentVolumeClaim": {"claimName": cache.claim}})
        main = spec["containers"][0]
        main["volumeMounts"] = [*main["volumeMounts"], {"name": "compilation-cache", "mountPath": cache.mount_path}]
    if plan.choice.scheduler != "default":
        spec["schedulerName"] = {"volcano": "volcano", "kai": "kai-scheduler"}[plan.choice.scheduler]
    if plan.priority_class:
        spec["priorityClassName"] = plan.priority_class
    own = component.component.leader_pod_spec if leader else component.component.worker_pod_spec
    metadata: dict[str, Any] = {"labels": {**plan.workload.labels, **pod.own_labels(plan, component)}}
    annotations = pod.pod_annotations(plan)
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": pod.patched(spec, component.component.pod_spec, own)}


def _probes(startup_timeout: int) -> dict[str, Any]:
    """Only rank 0 has a server. A failed liveness restarts the whole group, so it is slow to judge."""
    check = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": _PROBE_PERIOD, "timeoutSeconds": 5}
    return {
        "startupProbe": {**check, "failureThreshold": -(-startup_timeout // _PROBE_PERIOD)},
        "readinessProbe": {**check, "failureThreshold": 3},
        "livenessProbe": {**check, "failureThreshold": 6},
    }
