# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network operator: what the NicClusterPolicy by its one name applies, and the attachments of its networks."""

from __future__ import annotations

import json
from typing import Any

from lab.operators.cluster import Cluster, Object, owner

API, NAD = "mellanox.com/v1alpha1", "k8s.cni.cncf.io/v1"
CRDS = "apiextensions.k8s.io/v1"
POLICY = "nic-cluster-policy"
# Section of the policy -> the state by which the operator reports it (pkg/state)
STATES = {
    ("ofedDriver",): "state-OFED",
    ("rdmaSharedDevicePlugin",): "state-RDMA-device-plugin",
    ("sriovDevicePlugin",): "state-SRIOV-device-plugin",
    ("secondaryNetwork", "multus"): "state-multus-cni",
    ("secondaryNetwork", "cniPlugins"): "state-container-networking-plugins",
    ("secondaryNetwork", "ipoib"): "state-ipoib-cni",
    ("nvIpam",): "state-nv-ipam-cni",
    ("ibKubernetes",): "state-ib-kubernetes",
}
# Kind -> the CNI that its attachment names, and where its status keeps the attachment's path
NETWORKS = {
    "HostDeviceNetwork": ("host-device", "hostDeviceNetworkAttachmentDef"),
    "IPoIBNetwork": ("ipoib", "ipoibNetworkAttachmentDef"),
    "MacvlanNetwork": ("macvlan", "macvlanNetworkAttachmentDef"),
}


def reconcile(cluster: Cluster) -> None:
    """One policy counts; networks become attachments in the namespaces that they name."""
    for policy in cluster.list(API, "NicClusterPolicy"):
        if policy["metadata"]["name"] == POLICY:
            cluster.patch_status(policy, _apply(cluster, policy))
        else:
            cluster.patch_status(policy, {"state": "ignore", "reason": f"only {POLICY} is acted on"})
    for kind, (cni, place) in NETWORKS.items():
        for network in cluster.list(API, kind):
            problem, path = attach(cluster, network, cni)
            cluster.patch_status(network, {"state": "error" if problem else "ready", "reason": problem, place: path})


def _apply(cluster: Cluster, policy: Object) -> dict[str, Any]:
    states = []
    for path, name in STATES.items():
        found: Any = policy["spec"]
        for step in path:
            found = (found or {}).get(step)
        states.append({"name": name, "state": "ready" if found else "ignore"})
    if "nvIpam" in policy["spec"]:
        for plural, kind in (("ippools", "IPPool"), ("cidrpools", "CIDRPool")):
            if (
                cluster.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.nv-ipam.nvidia.com")
                is None
            ):
                cluster.create(_definition(plural, kind, policy))
    return {"state": "ready", "appliedStates": states}


def attach(cluster: Cluster, network: Object, cni: str) -> tuple[str, str]:
    """(what is wrong, path of the attachment)"""
    spec, name = network["spec"], network["metadata"]["name"]
    namespace = spec.get("networkNamespace") or "default"
    path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/network-attachment-definitions/{name}"
    if cluster.get(NAD, "NetworkAttachmentDefinition", name, namespace) is not None:
        return "", path
    if cluster.get("v1", "Namespace", namespace) is None:
        return f'namespaces "{namespace}" not found', ""
    config = {"cniVersion": "0.3.1", "name": name, "type": cni, "ipam": json.loads(spec.get("ipam") or "{}")}
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if not network["metadata"].get("namespace"):
        metadata["ownerReferences"] = [owner(network)]
    if spec.get("resourceName"):
        metadata["annotations"] = {"k8s.v1.cni.cncf.io/resourceName": f"nvidia.com/{spec['resourceName']}"}
    body = {"apiVersion": NAD, "kind": "NetworkAttachmentDefinition", "metadata": metadata}
    cluster.create({**body, "spec": {"config": json.dumps(config, sort_keys=True)}})
    return "", path


def _definition(plural: str, kind: str, policy: Object) -> Object:
    """nv-ipam's kinds come with the policy (manifests/state-nv-ipam-cni); here with the fields that are set."""
    texts = {"type": "string"}
    spec = {
        "type": "object",
        "required": ["perNodeBlockSize", "subnet"],
        "properties": {"subnet": texts, "gateway": texts, "perNodeBlockSize": {"type": "integer"}},
    }
    schema = {"type": "object", "properties": {"spec": spec}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.nv-ipam.nvidia.com", "ownerReferences": [owner(policy)]},
        "spec": {
            "group": "nv-ipam.nvidia.com",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
