# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both native targets have in common: pods that run the engine's own server, and a Service before the leaders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS, Wiring
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import HTTP_PORT
from ansible_collections.dynamo.multinode.plugins.module_utils.names import COMPONENT_LABEL, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import pod

_PROBE_PERIOD = 10


def service(plan: WorkloadPlan, leaders: Mapping[str, str]) -> dict[str, Any]:
    """``leaders``: the label that only leaders carry."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": pod.metadata(plan, plan.name),
        "spec": {
            "type": "ClusterIP",
            "selector": {WORKLOAD_LABEL: plan.name, **leaders},
            "ports": [{"name": "http", "port": HTTP_PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def pod_spec(plan: WorkloadPlan, component: ComponentPlan, leader: bool, wiring: Wiring) -> dict[str, Any]:
    """One role's pods, the user's pod_spec merged in; schedulerName and priority are the orchestrator's business."""
    native = BACKENDS[plan.workload.backend].native
    if native is None:
        raise ValueError(f"{plan.workload.backend} has no native launch")
    launch = native(pod.request(plan, component), leader, wiring)
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
    return spec


def patched(component: ComponentPlan, leader: bool, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The user's own pod_spec over it, the role's last."""
    source = component.component
    return pod.patched(spec, source.pod_spec, source.leader_pod_spec if leader else source.worker_pod_spec)


def _probes(startup_timeout: int) -> dict[str, Any]:
    """Only rank 0 has a server. A failed liveness restarts the whole group, so it is slow to judge."""
    check = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": _PROBE_PERIOD, "timeoutSeconds": 5}
    return {
        "startupProbe": {**check, "failureThreshold": -(-startup_timeout // _PROBE_PERIOD)},
        "readinessProbe": {**check, "failureThreshold": 3},
        "livenessProbe": {**check, "failureThreshold": 6},
    }
