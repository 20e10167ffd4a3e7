# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we send to NVIDIA's operators, and what we read of them, on an API server with their own definitions."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, gpu_operator, network_operator
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import collect

from lab.handle import Lab

ROOT = Path(__file__).resolve().parents[2]
CRDS = Path(os.environ.get("MULTINODE_UPSTREAM") or ROOT.parent / "shared" / "upstream") / "crds"
NAMESPACE = "nvidia-network-operator"
FILES = (
    "gpu-operator/nvidia.com_clusterpolicies",
    "gpu-operator/nvidia.com_nvidiadrivers",
    "network-operator/mellanox.com_nicclusterpolicies",
    "network-operator/mellanox.com_hostdevicenetworks",
    "network-operator/mellanox.com_ipoibnetworks",
    "network-operator/mellanox.com_macvlannetworks",
    "network-operator/sriovnetwork.openshift.io_sriovnetworknodepolicies",
    "network-operator/sriovnetwork.openshift.io_sriovnetworks",
    "network-operator/sriovnetwork.openshift.io_sriovibnetworks",
)
NETWORKS = {
    "mofed": "operator",
    "rdma_shared": [{"resource": "ib", "device_ids": ["1021"], "link_types": ["infiniband"]}],
    "host_device": [{"name": "rails", "resource": "hostdev", "ipam": {"type": "static"}}],
    "ipoib": [{"name": "ibs0", "master": "ibs1f0"}],
    "macvlan": [{"name": "eth0", "master": "ens2f0", "mtu": 9000}],
    "sriov": [
        {"name": "vfs", "resource": "vfs", "num_vfs": 8, "device_ids": ["1021"]},
        {"name": "ibvfs", "resource": "ibvfs", "num_vfs": 8, "link_type": "ib", "if_names": ["ibs1f0"]},
    ],
    "ip_pools": [{"name": "rails", "subnet": "192.168.0.0/16", "per_node_block_size": 64}],
}

pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="not run: no upstream data (MULTINODE_UPSTREAM)")


def definition(name: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load((CRDS / f"{name}.yaml").read_text(encoding="utf-8"), Loader=loader)
    return found


def served(*items: dict[str, Any]) -> list[str]:
    return [f"crd/{item['metadata']['name']}" for item in items]


@pytest.fixture(scope="module")
def client(bare_lab: Lab) -> Iterator[Client]:
    items = [definition(name) for name in FILES]
    bare_lab.apply(*items)
    bare_lab.kubectl("wait", "--for=condition=Established", "--timeout=30s", *served(*items))
    bare_lab.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield Client.from_params({"kubeconfig": str(bare_lab.admin_kubeconfig)})
    bare_lab.kubectl("delete", "--wait=false", *served(*items))


def ask(settings: dict[str, Any], facts: dict[str, Any]) -> Ask:
    return Ask(
        settings=settings,
        facts={"apis": {}, "nodes": [], "components": {}, **facts},
        namespace=NAMESPACE,
        release="network-operator",
        version="26.4.1",
    )


def test_everything_that_is_rendered_is_accepted(client: Client) -> None:
    driver = {"driver_crd": True, "driver_version": "580.95.05", "driver_node_selector": {"pool": "a"}}
    openshift = {"apis": {"config.openshift.io": ["v1"]}}
    found = [*network_operator.objects(ask(NETWORKS, {})), *gpu_operator.objects(ask(driver, openshift))]
    kinds = {item["kind"] for item in found}
    assert len(kinds) == 10
    for item in found:
        if item["kind"] != "IPPool":  # defined by the operator itself, once the policy asks for it
            client.apply(item, dry_run=True)
    wrong = copy.deepcopy(dict(found[0]))
    wrong["spec"]["rdmaShardDevicePlugin"] = {}
    with pytest.raises(ApiError, match="rdmaShardDevicePlugin"):
        client.apply(wrong, dry_run=True)


def remove(client: Client, item: dict[str, Any]) -> None:
    meta = item["metadata"]
    client.delete(item["apiVersion"], item["kind"], meta["name"], meta.get("namespace"))


def release(manifest: dict[str, Any]) -> dict[str, Any]:
    body = {
        "name": "theirs",
        "namespace": NAMESPACE,
        "version": 1,
        "info": {"status": "deployed"},
        "chart": {"metadata": {"name": "gpu-operator", "version": "v26.7.1", "appVersion": "v26.7.1"}},
        "manifest": yaml.safe_dump(manifest),
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(body).encode()))).decode()
    meta = {"name": "sh.helm.release.v1.theirs.v1", "namespace": NAMESPACE, "labels": {"owner": "helm"}}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1"}
    return {**kind, "metadata": meta, "data": {"release": packed}}


def test_f43_an_old_definition_drops_fields_and_the_policy_says_ready(client: Client, bare_lab: Lab) -> None:
    manifest = dict(gpu_operator.cluster_policy(ask({"gdrcopy": True}, {})))
    old = definition(FILES[0])
    spec = old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["gdrcopy"], spec["properties"]["driver"]["properties"]["kernelModuleType"]
    bare_lab.apply(old)
    secret = release(manifest)
    client.create(secret)
    try:
        # The API server takes a changed definition into use a moment later
        deadline = time.monotonic() + 120
        while "gdrcopy" in client.create(manifest, dry_run=True)["spec"] and time.monotonic() < deadline:
            pass
        # As helm sends it: nobody says that anything is lost
        assert "gdrcopy" not in client.create(manifest)["spec"]
        client.request(
            "PATCH",
            "/apis/nvidia.com/v1/clusterpolicies/gpu-cluster-policy/status",
            body={"status": {"state": "ready"}},
            content_type="application/merge-patch+json",
        )
        facts = collect(client)
        found = facts["components"]["gpu_operator"]
        assert found["present"]
        listed = list(gpu_operator.f43_ready_for_nothing(ask({}, facts), found))
        assert [item.id for item in listed] == ["MN-F43"]
        assert "lacks what helm has sent" in listed[0].message
        assert "driver.kernelModuleType" in listed[0].message
        assert "gdrcopy" in listed[0].message
    finally:
        remove(client, manifest)
        remove(client, secret)
        bare_lab.apply(definition(FILES[0]))


def test_f42_and_f73_are_read_from_what_is_there(client: Client) -> None:
    theirs = {"present": True, "record": None}
    facts = collect(client)
    listed = list(network_operator.f42_policy(ask({}, facts), theirs))
    assert [(item.id, item.severity) for item in listed] == [("MN-F42", "error")]
    wanted = ask({**NETWORKS, "node_affinity": affinity("a")}, {})
    mine = dict(network_operator.nic_cluster_policy(wanted))
    other = {**mine, "metadata": {"name": "other"}}
    client.apply(mine)
    client.apply(other)
    try:
        edited = {"apiVersion": mine["apiVersion"], "kind": mine["kind"], "spec": {"nodeAffinity": affinity("b")}}
        path = "/apis/mellanox.com/v1alpha1/nicclusterpolicies/nic-cluster-policy"
        client.request("PATCH", path, body=edited, content_type="application/merge-patch+json")
        facts = collect(client)
        listed = list(network_operator.f42_policy(ask({}, facts), theirs))
        assert [(item.subject, item.severity) for item in listed] == [("NicClusterPolicy other", "warning")]
        again = replace(wanted, facts={**wanted.facts, "hardware": facts["hardware"]})
        ours = {"present": True, "record": {"origin": "provisioned"}}
        assert [item.id for item in network_operator.f73_node_affinity(again, ours)] == ["MN-F73"]
        before = client.get(mine["apiVersion"], mine["kind"], "nic-cluster-policy")
        after = client.apply(network_operator.nic_cluster_policy(again))
        assert before
        assert after["spec"] == before["spec"]
    finally:
        remove(client, mine)
        remove(client, other)


def affinity(pool: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": [pool]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
