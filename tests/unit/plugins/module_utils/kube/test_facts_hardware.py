# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's operators and machines say, out of objects as the API server holds them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_hardware

POLICY = """
apiVersion: v1
kind: Service
---
apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: cluster-policy}
spec: {gdrcopy: {enabled: %s}}
"""


def deployment(name: str, image: str, namespace: str = "gpu-operator", release: str = "") -> dict[str, Any]:
    notes = {"meta.helm.sh/release-name": release} if release else {}
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": notes},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
    }


def secret(revision: int, status: str, enabled: str) -> dict[str, Any]:
    body = {
        "name": "gpu-operator",
        "namespace": "gpu-operator",
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": "gpu-operator", "version": "v26.7.1"}},
        "manifest": POLICY % enabled,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(body).encode()))).decode()
    meta = {"name": f"sh.helm.release.v1.gpu-operator.v{revision}", "namespace": "gpu-operator"}
    return {"type": "helm.sh/release.v1", "metadata": meta, "data": {"release": packed}}


def test_a_cluster_without_nvidia() -> None:
    found = facts_hardware.summary({}, {})
    assert (found["nfd"], found["attachments"], found["cluster_policies"]) == ([], None, [])


def test_a_discovery_is_one_whatever_deployments_it_has() -> None:
    image = "registry.k8s.io/nfd/node-feature-discovery:v0.19.0"
    listed = [
        deployment("gpu-operator-node-feature-discovery-master", image, release="gpu-operator"),
        deployment("gpu-operator-node-feature-discovery-gc", image, release="gpu-operator"),
        deployment("nfd-master", "mirror:5000/nfd/node-feature-discovery@sha256:0", "nfd"),
        deployment("gpu-operator", "nvcr.io/nvidia/gpu-operator:v26.7.1"),
    ]
    assert facts_hardware.discoveries(listed) == [
        {"namespace": "gpu-operator", "release": "gpu-operator"},
        {"namespace": "nfd", "release": ""},
    ]


def test_multus_is_known_by_its_image_in_any_registry() -> None:
    listed = [
        deployment("kube-multus-ds", "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick", "kube-system"),
        deployment("rke2-multus", "mirror:5000/rancher/hardened-multus-cni@sha256:0", "kube-system"),
        deployment("kube-proxy", "registry.k8s.io/kube-proxy:v1.34.1", "kube-system"),
    ]
    assert [item["name"] for item in facts_hardware.multuses(listed)] == ["kube-multus-ds", "rke2-multus"]


def test_policies_in_short_and_what_helm_has_sent() -> None:
    status = {"state": "ready", "conditions": [{"type": "Error"}, {"type": "Ready", "reason": "NoGPUNodes"}]}
    listed = [{"metadata": {"name": "cluster-policy"}, "spec": {"a": 1}, "status": status}]
    secrets = [secret(1, "superseded", "false"), secret(2, "deployed", "true"), secret(3, "failed", "false")]
    found = facts_hardware.summary({"cluster_policies": listed}, {"secrets": secrets})
    assert found["cluster_policies"] == [
        {"name": "cluster-policy", "spec": {"a": 1}, "state": "ready", "reason": "NoGPUNodes", "states": []}
    ]
    assert found["manifest"] == {"name": "cluster-policy", "spec": {"gdrcopy": {"enabled": True}}}


def test_machines_with_a_nic_that_offer_no_rdma() -> None:
    nic = {facts_hardware.NIC: "true"}
    nodes: list[dict[str, Any]] = [
        {"metadata": {"name": "a", "labels": nic}, "status": {"allocatable": {"rdma/ib": "0"}}},
        {"metadata": {"name": "b", "labels": nic}, "status": {"allocatable": {"rdma/ib": "8"}}},
        {"metadata": {"name": "c"}, "status": {}},
    ]
    assert facts_hardware.without_devices(nodes) == ["a"]


def test_devices_as_nfd_tells_them() -> None:
    pci = [{"attributes": {"vendor": "15b3", "device": "1021", "class": "0207"}}, {"attributes": {"class": "0302"}}]
    network = [{"attributes": {"name": "ibs1"}}]
    instances = {"pci.device": {"elements": pci}, "network.device": {"elements": network}}
    features = [{"metadata": {"name": "a"}, "spec": {"features": {"instances": instances}}}]
    expected = [{"vendor": "15b3", "device": "1021", "class": "0207"}, {"interface": "ibs1"}]
    assert facts_hardware.devices(features) == {"a": expected}


def test_attachments_by_namespace_and_name() -> None:
    listed = {"attachments": [{"metadata": {"name": "rails", "namespace": "serving"}}]}
    assert facts_hardware.summary(listed, {})["attachments"] == ["serving/rails"]


def test_a_node_says_its_runtime_and_its_resources() -> None:
    info = {"containerRuntimeVersion": "containerd://2.1.4", "kubeletVersion": "v1.34.1+k3s1"}
    amounts = {"cpu": "8", "nvidia.com/gpu": "8", "rdma/ib": "8", "hugepages-1Gi": "0", "nvidia.com/mig-1g.10gb": "7"}
    assert facts_hardware.node({"status": {"nodeInfo": info, "allocatable": amounts}}) == {
        "runtime": "containerd://2.1.4",
        "kubelet": "v1.34.1+k3s1",
        "resources": {"nvidia.com/mig-1g.10gb": 7, "rdma/ib": 8},
    }
    assert facts_hardware.node({}) == {"runtime": "", "kubelet": "", "resources": {}}
