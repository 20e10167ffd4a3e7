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
