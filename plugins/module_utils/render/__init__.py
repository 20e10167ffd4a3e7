# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From one workload's plan to Kubernetes objects: plain dicts in a fixed order, without nulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import TopologyBinding, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import dynamo, leaderworkerset, podcliqueset, site

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
    return [site.placed(item, plan.site.registry) for item in TARGETS[plan.api](plan)]


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


def packed_as_it_is(plan: WorkloadPlan, wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any] | None:
    """``wanted`` anew, packed into its domain in the way in which ``live`` is; None where it already is.

    Upstream fixes an object's topologyConstraint at its creation, and affinity serves as well: a ClusterTopologyBinding
    that comes or goes later is no reason to replace a served model.
    """
    theirs, ours = _constraint(live), _constraint(wanted)
    if theirs == ours or plan.pack_label is None:
        return None
    if theirs and ours and theirs.domain != ours.domain:
        return None  # another level: that is a change of what was asked for
    same = ("apiVersion", "kind")
    for item in render(replace(plan, binding=theirs)):
        if all(item[key] == wanted[key] for key in same) and item["metadata"]["name"] == wanted["metadata"]["name"]:
            return item if _constraint(item) == theirs else None
    return None


def _constraint(obj: Mapping[str, Any]) -> TopologyBinding | None:
    """The binding by which an object's engines are packed."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "DynamoGraphDeployment":
        name = (spec.get("topologyConstraint") or {}).get("clusterTopologyName")
        found = [part["topologyConstraint"] for part in spec.get("components") or () if part.get("topologyConstraint")]
    elif obj["kind"] == "PodCliqueSet":
        groups = spec["template"].get("podCliqueScalingGroups") or ()
        found = [group["topologyConstraint"] for group in groups if group.get("topologyConstraint")]
        name = found[0].get("topologyName") if found else None
    else:
        return None
    if not found or not name:
        return None
    pack = found[0].get("pack") or {}
    return TopologyBinding(name, found[0].get("packDomain") or pack.get("required") or pack.get("preferred") or "")
