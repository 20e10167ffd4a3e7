# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Dynamo operator's target: one DynamoGraphDeployment v1beta1 per workload."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import HTTP_PORT
from ansible_collections.dynamo.multinode.plugins.module_utils.names import COMPONENT_LABEL, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import pod

API_VERSION = "nvidia.com/v1beta1"
ENABLE_GROVE = "nvidia.com/enable-grove"
KAI_QUEUE = "nvidia.com/kai-scheduler-queue"
VOLCANO_QUEUE = "nvidia.com/volcano-queue"
# Both orchestrators' pods carry these two (the operator sets them).
LABEL_DEPLOYMENT = "nvidia.com/dynamo-graph-deployment-name"
LABEL_COMPONENT = "nvidia.com/dynamo-component"
SIDECAR = "sidecar-frontend"
SYSTEM_PORT = 9090
# What the operator's own startup probe allows.
OPERATOR_STARTUP = 7200
_PROBE_PERIOD = 10


def render(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """What the pods need, then the deployment."""
    return [*pod.companions(plan), _deployment(plan)]


def _deployment(plan: WorkloadPlan) -> dict[str, Any]:
    metadata = pod.metadata(plan, plan.name)
    annotations = {**metadata.get("annotations", {}), **_annotations(plan)}
    if annotations:
        metadata["annotations"] = annotations
    spec: dict[str, Any] = {
        "backendFramework": plan.workload.backend,
        "components": [_component(plan, component) for component in plan.components],
    }
    if plan.binding and any(pod.packed_by_binding(plan, component) for component in plan.components):
        # Only the name: each engine that is to be packed says so itself.
        spec["topologyConstraint"] = {"clusterTopologyName": plan.binding.name}
    # The deployment's own field is refused without Grove; there the pods carry it.
    if plan.priority_class and plan.choice.orchestrator == "grove":
        spec["priorityClassName"] = plan.priority_class
    return {"apiVersion": API_VERSION, "kind": "DynamoGraphDeployment", "metadata": metadata, "spec": spec}


def _annotations(plan: WorkloadPlan) -> dict[str, str]:
    choice = plan.choice
    found = {}
    if choice.orchestrator == "lws":
        found[ENABLE_GROVE] = "false"
    if choice.scheduler == "kai" and plan.queue:
        found[KAI_QUEUE] = plan.queue
    if choice.scheduler == "volcano" and choice.orchestrator == "grove" and plan.queue:
        found[VOLCANO_QUEUE] = plan.queue
    return found


def _scheduler(plan: WorkloadPlan) -> str:
    """The schedulerName of every pod alike, or empty where the operator sets it (Grove with KAI: with the queue)."""
    choice = plan.choice
    if choice.scheduler == "volcano":
        return "volcano"
    if choice.orchestrator == "grove":
        return "" if choice.scheduler == "kai" else "default-scheduler"
    return "kai-scheduler" if choice.scheduler == "kai" else ""


def _component(plan: WorkloadPlan, component: ComponentPlan) -> dict[str, Any]:
    workload, source = plan.workload, component.component
    found: dict[str, Any] = {"name": component.name, "type": component.role, "replicas": component.replicas}
    if component.multinode:
        found["multinode"] = {"nodeCount": component.node_count}
    if source.engine:
        found["sharedMemorySize"] = source.shared_memory
    if workload.runtime_version:
        found["runtimeVersionOverride"] = workload.runtime_version
    if source.scaled:
        # An adapter then owns replicas, through which planners and autoscalers set them.
        found["scalingAdapter"] = {}
    if source.min_available is not None:
        found["minAvailable"] = source.min_available
    if plan.binding and pod.packed_by_binding(plan, component):
        found["topologyConstraint"] = {"packDomain": plan.binding.domain}
    if source.engine and picked(plan):
        found["frontendSidecar"] = SIDECAR
    if workload.compilation_cache is not None and source.engine:
        found["compilationCache"] = {
            "pvcName": workload.compilation_cache.claim,
            "mountPath": workload.compilation_cache.mount_path,
        }
    template: dict[str, Any] = {
        # Grove and the operator own the app.kubernetes.io labels of their pods.
        "metadata": {
            "labels": {
                **workload.labels,
                WORKLOAD_LABEL: plan.name,
                COMPONENT_LABEL: component.name,
            }
        },
        "spec": _pod_spec(plan, component),
    }
    annotations = pod.pod_annotations(plan, component)
    if annotations:
        template["metadata"]["annotations"] = annotations
    found["podTemplate"] = template
    return found


def picked(plan: WorkloadPlan) -> bool:
    """Whether a gateway's endpoint picker chooses the worker, so that each has a frontend of its own beside it."""
    return any(component.role == "epp" for component in plan.components)


def launch(plan: WorkloadPlan, component: ComponentPlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(command, args) of the main container; empty for the endpoint picker, whose image the operator starts."""
    source, workload = component.component, plan.workload
    if source.engine:
        found = BACKENDS[workload.backend].dynamo(pod.request(plan, component))
        return found.command, found.args
    if component.role == "epp":
        return source.command, source.args
    if component.role == "planner":
        return source.command or ("python3", "-m", "dynamo.planner"), source.args
    args = ["--http-port", str(HTTP_PORT)]
    if workload.router.mode:
        args += ["--router-mode", workload.router.mode]
    return source.command or ("python3", "-m", "dynamo.frontend"), (*args, *source.args)


def _pod_spec(plan: WorkloadPlan, component: ComponentPlan) -> dict[str, Any]:
    source = component.component
    command, args = launch(plan, component)
    container = pod.main_container(plan, component, command, args, _environment(plan, component))
    if source.engine and source.startup_timeout != OPERATOR_STARTUP:
        container["startupProbe"] = {
            "httpGet": {"path": "/live", "port": SYSTEM_PORT},
            "periodSeconds": _PROBE_PERIOD,
            "timeoutSeconds": 5,
            "failureThreshold": -(-source.startup_timeout // _PROBE_PERIOD),
        }
    selector = {LABEL_DEPLOYMENT: plan.name, LABEL_COMPONENT: component.name}
    spec = pod.pod_spec(plan, component, container, selector)
    if source.engine and picked(plan):
        spec["containers"].append(_sidecar(plan, container))
    scheduler = _scheduler(plan)
    if scheduler:
        spec["schedulerName"] = scheduler
    if plan.priority_class and plan.choice.orchestrator == "lws":
        spec["priorityClassName"] = plan.priority_class
    return pod.patched(spec, source.pod_spec)


def _environment(plan: WorkloadPlan, component: ComponentPlan) -> list[dict[str, str]]:
    """The endpoint picker splits prompts into tokens itself, so it has to know the model's name."""
    if component.role != "epp":
        return []
    return [{"name": "DYN_MODEL_NAME", "value": plan.workload.served_model_name or plan.workload.model}]


def _sidecar(plan: WorkloadPlan, engine: dict[str, Any]) -> dict[str, Any]:
    """The frontend beside an engine: the picker has chosen this very worker already."""
    found: dict[str, Any] = {
        "name": SIDECAR,
        "image": plan.workload.image,
        "command": ["python3", "-m", "dynamo.frontend"],
        "args": ["--router-mode", "direct"],
    }
    # The same credentials and model cache
    for key in ("env", "envFrom", "volumeMounts"):
        if key in engine:
            found[key] = list(engine[key])
    return found
