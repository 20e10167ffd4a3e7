# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of OpenShift's API as our side of it needs: its kinds without their schemas, written for these tests."""

from __future__ import annotations

from typing import Any

# group, version, kind, plural, namespaced
KINDS = (
    ("config.openshift.io", "v1", "ClusterVersion", "clusterversions", False),
    ("operators.coreos.com", "v1alpha1", "Subscription", "subscriptions", True),
    ("operators.coreos.com", "v1alpha1", "InstallPlan", "installplans", True),
    ("operators.coreos.com", "v1alpha1", "ClusterServiceVersion", "clusterserviceversions", True),
    ("operators.coreos.com", "v1", "OperatorGroup", "operatorgroups", True),
    ("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints", False),
)
# What an operator of OLM brings itself
BROUGHT = {
    "nfd": (("nfd.openshift.io", "v1", "NodeFeatureDiscovery", "nodefeaturediscoveries", True),),
    "gpu-operator-certified": (
        ("nvidia.com", "v1", "ClusterPolicy", "clusterpolicies", False),
        ("nvidia.com", "v1alpha1", "NVIDIADriver", "nvidiadrivers", False),
    ),
    "nvidia-network-operator": (("mellanox.com", "v1alpha1", "NicClusterPolicy", "nicclusterpolicies", False),),
}


def definitions(kinds: Any = KINDS) -> list[dict[str, Any]]:
    return [_definition(*kind) for kind in kinds]


def _definition(group: str, version: str, kind: str, plural: str, namespaced: bool) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
