# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The native target on Grove: a PodCliqueSet per engine component, and a Service in front of the leaders.

A scaling group ``engine`` holds the cliques ``ldr`` and ``wkr``; each of its replicas is one engine and one gang.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import GROVE
from ansible_collections.dynamo.multinode.plugins.module_utils.names import (
    COMPONENT_LABEL,
    RANK_LABEL,
    WORKLOAD_LABEL,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import native, pod

API_VERSION = "grove.io/v1alpha1"
GROUP, LEADER, WORKER = "engine", "ldr", "wkr"
KAI_QUEUE = "kai.scheduler/queue"
VOLCANO_QUEUE = "scheduling.grove.io/volcano-queue"
SCHEDULERS = {"kai": "kai-scheduler", "volcano": "volcano", "default": "default-scheduler"}


def render(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """What the pods need, the Service, then one PodCliqueSet per component."""
    sets = [_pod_clique_set(plan, component) for component in plan.components]
    return [*pod.companions(plan), native.service(plan, {RANK_LABEL: "leader"}), *sets]


def group_name(component: ComponentPlan) -> str:
    """The PodCliqueScalingGroup that Grove makes; its replicas are the engines that run."""
    return f"{component.object_name}-0-{GROUP}"


def _pod_clique_set(plan: WorkloadPlan, component: ComponentPlan) -> dict[str, Any]:
    metadata = pod.metadata(plan, component.object_name, component)
    if plan.choice.scheduler == "volcano" and plan.queue:
        metadata["annotations"] = {**metadata.get("annotations", {}), VOLCANO_QUEUE: plan.queue}
    cliques = [_clique(plan, component, leader=True)]
    if component.multinode:
        cliques.append(_clique(plan, component, leader=False))
    group: dict[str, Any] = {
        "name": GROUP,
        "cliqueNames": [clique["name"] for clique in cliques],
        "replicas": component.replicas,
        # Engines of one base gang; each further one is a gang of its own. Immutable.
        "minAvailable": component.component.min_available or 1,
    }
    if pod.packed_by_binding(plan, component) and plan.binding:
        level = "required" if plan.pack_required else "preferred"
        group["topologyConstraint"] = {"topologyName": plan.binding.name, "pack": {level: plan.binding.domain}}
    template: dict[str, Any] = {
        # Waiting for a ready leader would wait for ever: it is ready only when all ranks have met. The engines' own
        # rendezvous waits instead, and no init image is pulled in.
        "cliqueStartupType": "CliqueStartupTypeAnyOrder",
        # The leader's name must resolve before it is ready.
        "headlessServiceConfig": {"publishNotReadyAddresses": True},
        "cliques": cliques,
        "podCliqueScalingGroups": [group],
    }
    if plan.priority_class:
        template["priorityClassName"] = plan.priority_class
    return {
        "apiVersion": API_VERSION,
        "kind": "PodCliqueSet",
        "metadata": metadata,
        "spec": {"replicas": 1, "template": template},
    }


def _clique(plan: WorkloadPlan, component: ComponentPlan, leader: bool) -> dict[str, Any]:
    replicas = 1 if leader else component.node_count - 1
    name = LEADER if leader else WORKER
    spec = native.pod_spec(plan, component, leader, GROVE)
    # Grove refuses cliques of one set with different schedulers, and fills in its own default where none is named.
    spec["schedulerName"] = SCHEDULERS[plan.choice.scheduler]
    if plan.priority_class and plan.choice.scheduler == "default":
        spec["priorityClassName"] = plan.priority_class
    # Grove owns the app.kubernetes.io labels of its pods.
    labels = {
        **plan.workload.labels,
        WORKLOAD_LABEL: plan.name,
        COMPONENT_LABEL: component.name,
        RANK_LABEL: "leader" if leader else "worker",
    }
    if plan.choice.scheduler == "kai" and plan.queue:
        labels[KAI_QUEUE] = plan.queue
    found: dict[str, Any] = {"name": name, "labels": labels}
    annotations = pod.pod_annotations(plan, component)
    if annotations:
        found["annotations"] = annotations
    found["spec"] = {
        "roleName": name,
        "replicas": replicas,
        # All ranks or none.
        "minAvailable": replicas,
        "podSpec": native.patched(component, leader, spec),
    }
    return found
