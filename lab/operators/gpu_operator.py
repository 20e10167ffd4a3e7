# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU operator: the state of ClusterPolicies and NVIDIADrivers, by its own rules (clusterpolicy_controller.go).

Ready also with no GPU machine, and then says so; not ready while the driver waits for a MOFED driver.
"""

from __future__ import annotations

from typing import Any

from lab.operators.cluster import Cluster, Object, conditions

POLICY, DRIVER = "nvidia.com/v1", "nvidia.com/v1alpha1"
FEATURES, GPU = "feature.node.kubernetes.io/", "feature.node.kubernetes.io/pci-10de.present"


def reconcile(cluster: Cluster) -> None:
    """The oldest ClusterPolicy counts; the others are ignored."""
    policies = sorted(
        cluster.list(POLICY, "ClusterPolicy"), key=lambda item: str(item["metadata"]["creationTimestamp"])
    )
    nodes = cluster.list("v1", "Node") if policies else []
    for index, policy in enumerate(policies):
        if index:
            cluster.patch_status(policy, {"state": "ignored"})
        else:
            cluster.patch_status(policy, _status(cluster, policy, nodes))
    for driver in cluster.list(DRIVER, "NVIDIADriver"):
        cluster.patch_status(driver, {"state": "ready", "namespace": cluster.namespace})


def _status(cluster: Cluster, policy: Object, nodes: list[Object]) -> dict[str, Any]:
    labels = [node["metadata"].get("labels") or {} for node in nodes]
    driver = policy["spec"]["driver"]
    rdma = driver.get("rdma") or {}
    late = driver.get("enabled") and rdma.get("enabled") and not rdma.get("useHostMofed") and not _mofed(cluster)
    if late:
        reason, message = "OperandNotReady", "ClusterPolicy is not ready; states not ready: [state-driver]"
    elif not any(name.startswith(FEATURES) for found in labels for name in found):
        reason, message = "NFDLabelsMissing", "No NFD labels found"
    elif not any(found.get(GPU) == "true" for found in labels):
        reason, message = "NoGPUNodes", "No GPU node found, watching for new nodes to join the cluster."
    else:
        reason, message = "Reconciled", "ClusterPolicy is ready as all resources have been successfully reconciled"
    ready = (not late, reason, "" if late else message)
    error = (bool(late), reason if late else "Ready", message if late else "")
    return {
        "state": "notReady" if late else "ready",
        "namespace": cluster.namespace,
        "conditions": conditions((policy.get("status") or {}).get("conditions"), Ready=ready, Error=error),
    }


def _mofed(cluster: Cluster) -> bool:
    """Whether the network operator's driver is loaded, which the driver's init container waits for."""
    for policy in cluster.list("mellanox.com/v1alpha1", "NicClusterPolicy"):
        for state in (policy.get("status") or {}).get("appliedStates") or []:
            if state["name"] == "state-OFED" and state["state"] == "ready":
                return True
    return False
