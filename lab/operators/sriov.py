# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SR-IOV operator: attachments of its networks, which wait for it when they are deleted (its finalizer)."""

from __future__ import annotations

from lab.operators.cluster import Cluster, Object
from lab.operators.network_operator import NAD, attach

API = "sriovnetwork.openshift.io/v1"
FINALIZER = "netattdef.finalizers.sriovnetwork.openshift.io"
KINDS = {"SriovNetwork": "sriov", "SriovIBNetwork": "ib-sriov"}


def reconcile(cluster: Cluster) -> None:
    """An attachment per network, with its finalizer; both go with the network."""
    for kind, cni in KINDS.items():
        for network in cluster.list(API, kind):
            held = FINALIZER in (network["metadata"].get("finalizers") or [])
            if network["metadata"].get("deletionTimestamp"):
                if held:
                    _detach(cluster, network)
                continue
            if not held:
                cluster.patch(network, {"metadata": {"finalizers": [FINALIZER]}})
            attach(cluster, network, cni)


def _detach(cluster: Cluster, network: Object) -> None:
    about = {"name": network["metadata"]["name"], "namespace": network["spec"].get("networkNamespace") or "default"}
    cluster.delete({"apiVersion": NAD, "kind": "NetworkAttachmentDefinition", "metadata": about})
    cluster.patch(network, {"metadata": {"finalizers": None}})
