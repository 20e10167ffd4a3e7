# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The native target: a LeaderWorkerSet per engine component, and a Service in front of the leaders."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import LWS
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import native, pod

API_VERSION = "leaderworkerset.x-k8s.io/v1"
QUEUE = "scheduling.volcano.sh/queue-name"
WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"


def render(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """What the pods need, the Service, then one LeaderWorkerSet per component."""
    sets = [_leader_worker_set(plan, component) for component in plan.components]
    return [*pod.companions(plan), native.service(plan, {WORKER_INDEX: "0"}), *sets]


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
    spec = native.pod_spec(plan, component, leader, LWS)
    if plan.choice.scheduler != "default":
        spec["schedulerName"] = {"volcano": "volcano", "kai": "kai-scheduler"}[plan.choice.scheduler]
    if plan.priority_class:
        spec["priorityClassName"] = plan.priority_class
    metadata: dict[str, Any] = {"labels": {**plan.workload.labels, **pod.own_labels(plan, component)}}
    annotations = pod.pod_annotations(plan, component)
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": native.patched(component, leader, spec)}
