# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From one workload's plan to Kubernetes objects: plain dicts in a fixed order, without nulls."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.plan import WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import dynamo, leaderworkerset, podcliqueset

# Every kind of object that any target renders: where removal and leftovers look.
KINDS = (
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ConfigMap"),
    ("resource.nvidia.com/v1beta1", "ComputeDomain"),
    ("v1", "Service"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ("grove.io/v1alpha1", "PodCliqueSet"),
    ("nvidia.com/v1beta1", "DynamoGraphDeployment"),
)
TARGETS = {
    "leaderworkerset": leaderworkerset.render,
    "podcliqueset": podcliqueset.render,
    "dynamographdeployment": dynamo.render,
}


def render(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """The objects of one workload, ready for server-side apply. No Namespace, no status."""
    return TARGETS[plan.api](plan)


# (apiVersion, kind, namespace, name, path to the number of engines); a map in the path picks a list's item.
Scaled = tuple[str, str, str, str, tuple[Any, ...]]


def scaled(plan: WorkloadPlan) -> list[Scaled]:
    """Where the rendered objects say how many engines there are although something else decides it once they exist.

    DynamoGraphDeployments have a scaling adapter for that; of native objects it is their own scale subresource (on
    Grove that of the scaling group that Grove makes, which reads the set's number at its creation only).
    """
    found: list[Scaled] = []
    for component in plan.components:
        if not component.component.scaled:
            continue
        if plan.api == "dynamographdeployment":
            path: tuple[Any, ...] = ("spec", "components", {"name": component.name}, "replicas")
            found.append((dynamo.API_VERSION, "DynamoGraphDeployment", plan.namespace, plan.name, path))
        elif plan.api == "podcliqueset":
            path = ("spec", "template", "podCliqueScalingGroups", {"name": podcliqueset.GROUP}, "replicas")
            found.append((podcliqueset.API_VERSION, "PodCliqueSet", plan.namespace, component.object_name, path))
        else:
            path = ("spec", "replicas")
            found.append((leaderworkerset.API_VERSION, "LeaderWorkerSet", plan.namespace, component.object_name, path))
    return found


def scale_targets(plan: WorkloadPlan) -> list[tuple[str, str, str, str, int]]:
    """(apiVersion, kind, namespace, name, engines) of what has to be scaled beside the rendered objects.

    Grove reads a PodCliqueSet's number of engines only when it makes the scaling group, so a later change has to be
    made there (operator/internal/controller/podcliqueset/components/podcliquescalinggroup of Grove).
    """
    if plan.api != "podcliqueset":
        return []
    return [
        (podcliqueset.API_VERSION, "PodCliqueScalingGroup", plan.namespace, podcliqueset.group_name(c), c.replicas)
        for c in plan.components
        if not c.component.scaled
    ]
