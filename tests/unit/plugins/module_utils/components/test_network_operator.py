# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network operator: its policy, networks and pools out of settings, and what is wrong with one that is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, network_images, network_operator

from tests.unit.plugins.module_utils.components import schemas

OURS = {"present": True, "namespace": "nvidia-network-operator", "record": {"origin": "provisioned"}}
THEIRS = {"present": True, "release": "theirs", "namespace": "elsewhere", "record": None}
ABSENT: dict[str, Any] = {"present": False, "record": None}
NAME = "nic-cluster-policy"
NAMESPACE = "nvidia-network-operator"
NIC = {"feature.node.kubernetes.io/pci-15b3.present": "true"}
ALL: dict[str, Any] = {
    "mofed": "operator",
    "rdma_shared": [{"resource": "ib", "link_types": ["infiniband"], "device_ids": ["1021"]}],
    "host_device": [{"name": "rails", "resource": "hostdev", "namespace": "serving", "ipam": "rails"}],
    "ipoib": [{"name": "ibs0", "master": "ibs1f0", "ipam": "rails"}],
    "macvlan": [{"name": "eth0", "master": "ens2f0", "mtu": "9000", "ipam": {"type": "static"}}],
    "sriov": [{"name": "vfs", "resource": "vfs", "num_vfs": 8, "link_type": "ib", "device_ids": "1021", "mtu": 4092}],
    "ip_pools": [{"name": "rails", "subnet": "192.168.0.0/16", "per_node_block_size": 64, "gateway": "192.168.0.1"}],
    "node_affinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpu"]}]}]
        }
    },
}


def live(name: str = NAME, **spec: Any) -> dict[str, Any]:
    return {"name": name, "spec": spec, "state": "ready", "reason": "", "states": []}


def node(**over: Any) -> dict[str, Any]:
    base = {"name": "a", "gpus": 8, "labels": dict(NIC), "runtime": "containerd://2.1.4", "kubelet": "v1.34.1"}
    return {**base, "resources": {}, **over}


def ask(*nodes: dict[str, Any], settings: dict[str, Any] | None = None, **over: Any) -> Ask:
    facts = {
        "apis": over.pop("apis", {}),
        "nodes": list(nodes),
        "components": over.pop("components", {"gpu_operator": {"present": True}}),
        "hardware": {"nfd": [{"namespace": "gpu-operator", "release": "gpu-operator"}], **over.pop("hardware", {})},
    }
    named: dict[str, Any] = {"namespace": "nvidia-network-operator", "release": "network-operator"}
    return replace(Ask(settings=settings or {}, version="26.4.1", facts=facts, **named), **over)


def findings(about: Ask, found: dict[str, Any], check: str = "") -> list[Finding]:
    listed = [item for rule in network_operator.COMPONENT.checks for item in rule(about, found)]
    return [item for item in listed if not check or item.id == check]


def one(about: Ask, found: dict[str, Any], check: str) -> Finding:
    listed = findings(about, found, check)
    assert len(listed) == 1, [str(item) for item in findings(about, found)]
    return listed[0]


def spec(about: Ask) -> dict[str, Any]:
    found: dict[str, Any] = network_operator.nic_cluster_policy(about)["spec"]
    return found


def test_the_chart_owns_no_second_discovery_and_brings_the_rules() -> None:
    told = network_operator.values(ask(node()))
    assert told == {
        "nfd": {"enabled": False, "deployNodeFeatureRules": True},
        "upgradeCRDs": False,
        "sriovNetworkOperator": {"enabled": False},
    }
    alone = ask(node(), hardware={"nfd": []}, components={})
    assert network_operator.values(alone)["nfd"]["enabled"] is True
    assert network_operator.values(ask(settings=ALL))["sriovNetworkOperator"]["enabled"] is True


def test_k3s_has_its_cni_elsewhere() -> None:
    told = network_operator.values(ask(node(kubelet="v1.34.1+k3s1")))
    assert told["operator"] == {
        "cniBinDirectory": "/var/lib/rancher/k3s/data/cni",
        "cniNetworkDirectory": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    }
    path = schemas.ROOT / "lab" / "standins" / "network-operator" / "values.yaml"
    chart = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in told.items():
        assert key in chart
        assert not isinstance(value, dict) or set(value) <= set(chart[key])


def test_without_a_word_one_shared_resource_of_all_nvidia_nics() -> None:
    found = spec(ask(node()))
    assert set(found) == {"rdmaSharedDevicePlugin"}
    plugin = found["rdmaSharedDevicePlugin"]
    assert (plugin["repository"], plugin["image"]) == ("nvcr.io/nvidia/mellanox", "k8s-rdma-shared-dev-plugin")
    assert plugin["version"] == "network-operator-v26.4.1"
    assert json.loads(plugin["config"]) == {
        "configList": [{"resourceName": "rdma_shared_device_a", "rdmaHcaMax": 63, "selectors": {"vendors": ["15b3"]}}]
    }
    assert findings(ask(node()), ABSENT) == []


def test_everything_asked_for_is_in_the_policy_and_valid() -> None:
    about = ask(node(), settings=ALL, proxy={"https": "http://proxy:3128"})
    found = spec(about)
    known = schemas.schema("network-operator", "mellanox.com_nicclusterpolicies", "v1alpha1")
    assert schemas.problems(known, found) == []
    assert found["ofedDriver"]["version"] == "doca3.4.1-26.04-1.1.0.0-1"
    assert found["ofedDriver"]["upgradePolicy"] == {"autoUpgrade": False}
    assert {item["name"] for item in found["ofedDriver"]["env"]} == {"HTTPS_PROXY", "NO_PROXY"}
    assert set(found["secondaryNetwork"]) == {"cniPlugins", "multus", "ipoib"}
    assert found["nodeAffinity"] == ALL["node_affinity"]
    assert json.loads(found["rdmaSharedDevicePlugin"]["config"])["configList"] == [
        {
            "resourceName": "ib",
            "rdmaHcaMax": 63,
            "selectors": {"vendors": ["15b3"], "deviceIDs": ["1021"], "linkTypes": ["infiniband"]},
        }
    ]
    assert json.loads(found["sriovDevicePlugin"]["config"])["resourceList"] == [
        {
            "resourcePrefix": "nvidia.com",
            "resourceName": "hostdev",
            "selectors": {"vendors": ["15b3"], "isRdma": True},
        }
    ]
    assert findings(about, ABSENT) == []


def test_the_policy_word_for_word() -> None:
    settings = {**ALL, "mofed_version": "doca4", "node_affinity": {}, "rdma_shared": [], "host_device": []}
    about = ask(settings=settings, registry={"ca_bundle": "PEM"}, components={"network_operator": {"present": True}})

    def image(name: str, tag: str = "network-operator-v26.4.1") -> dict[str, Any]:
        return {"image": name, "repository": "nvcr.io/nvidia/mellanox", "version": tag}

    assert network_operator.nic_cluster_policy(about) == {
        "apiVersion": "mellanox.com/v1alpha1",
        "kind": "NicClusterPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "ofedDriver": {
                **image("doca-driver", "doca4"),
                "upgradePolicy": {"autoUpgrade": False},
                "startupProbe": {"initialDelaySeconds": 10, "periodSeconds": 10},
                "livenessProbe": {"initialDelaySeconds": 30, "periodSeconds": 30},
                "readinessProbe": {"initialDelaySeconds": 10, "periodSeconds": 30},
                "certConfig": {"name": "dynamo-multinode-ca-network-operator"},
            },
            "secondaryNetwork": {
                "cniPlugins": image("plugins"),
                "multus": image("multus-cni"),
                "ipoib": image("ipoib-cni"),
            },
            "nvIpam": {**image("nvidia-k8s-ipam"), "enableWebhook": False},
        },
    }


def test_what_comes_after_it_sees_the_policy_and_the_attachments() -> None:
    about = ask(node(), settings={"ipoib": ALL["ipoib"], "ip_pools": ALL["ip_pools"], "mofed": "operator"})
    before = {"hardware": {"attachments": ["a/b"], "nic_policies": [live(old=True), live("other")]}}
    hardware = network_operator.forecast(about, before)["hardware"]
    assert hardware["attachments"] == ["a/b", "default/ibs0"]
    assert hardware["coming"] is True
    assert [item["name"] for item in hardware["nic_policies"]] == ["other", NAME]
    assert hardware["nic_policies"][1] == {
        "name": NAME,
        "spec": network_operator.nic_cluster_policy(about)["spec"],
        "state": None,
        "reason": "",
        "states": [],
    }


def test_networks_make_attachments_where_their_pods_are() -> None:
    found = network_operator.objects(ask(node(), settings=ALL))
    kinds = [item["kind"] for item in found]
    assert kinds == [
        "NicClusterPolicy",
        "IPPool",
        "SriovNetworkNodePolicy",
        "SriovIBNetwork",
        "HostDeviceNetwork",
        "IPoIBNetwork",
        "MacvlanNetwork",
    ]
    for item in found[2:]:
        group, _slash, version = item["apiVersion"].partition("/")
        known = schemas.schema(
            "network-operator", f"{group}_{item['kind'].lower()}s".replace("policys", "policies"), version
        )
        assert schemas.problems(known, item["spec"]) == []
    by_kind = {item["kind"]: item for item in found}
    assert by_kind["HostDeviceNetwork"]["spec"]["networkNamespace"] == "serving"
    assert json.loads(by_kind["HostDeviceNetwork"]["spec"]["ipam"]) == {"type": "nv-ipam", "poolName": "rails"}
    assert by_kind["IPoIBNetwork"]["spec"]["networkNamespace"] == "default"
    assert json.loads(by_kind["MacvlanNetwork"]["spec"]["ipam"]) == {"type": "static"}
    assert by_kind["MacvlanNetwork"]["spec"]["mtu"] == 9000
    assert "ipam" not in by_kind["SriovIBNetwork"]["spec"]
    assert by_kind["SriovNetworkNodePolicy"]["spec"]["nicSelector"] == {"vendor": "15b3", "deviceID": "1021"}
    assert by_kind["IPPool"]["metadata"]["namespace"] == "nvidia-network-operator"
    after = network_operator.forecast(ask(node(), settings=ALL), ask().facts)
    assert after["hardware"]["attachments"] == ["default/eth0", "default/ibs0", "default/vfs", "serving/rails"]


def test_networks_word_for_word() -> None:
    settings = {
        "ip_pools": [
            {"name": "p", "subnet": "10.0.0.0/8", "per_node_block_size": 64},
            {"name": "q", "subnet": "10.0.0.0/8", "per_node_block_size": 8, "gateway": "10.0.0.1"},
        ],
        "sriov": [
            {
                "name": "e",
                "resource": "r",
                "num_vfs": 4,
                "if_names": "a",
                "root_devices": "b",
                "rdma": False,
                "mtu": 9000,
            },
            {"name": "i", "resource": "s", "num_vfs": 8, "link_type": "ib", "device_ids": "1021", "ipam": "p"},
        ],
        "host_device": [{"name": "h", "resource": "t"}],
        "ipoib": [{"name": "o", "master": "ib0", "namespace": "n"}],
        "macvlan": [{"name": "m", "master": "eth0"}, {"name": "w", "master": "eth1", "mode": "private", "mtu": 9000}],
    }
    nics = {"feature.node.kubernetes.io/pci-15b3.present": "true"}
    policy = {"deviceType": "netdevice", "nodeSelector": nics}
    ours = "nvidia-network-operator"
    ipam, sriov, mellanox = "nv-ipam.nvidia.com/v1alpha1", "sriovnetwork.openshift.io/v1", "mellanox.com/v1alpha1"
    made = [
        (item["apiVersion"], item["kind"], item["metadata"]["name"], item["metadata"].get("namespace"), item["spec"])
        for item in network_operator.objects(ask(node(), settings=settings))[1:]
    ]
    assert made == [
        (ipam, "IPPool", "p", ours, {"subnet": "10.0.0.0/8", "perNodeBlockSize": 64}),
        (ipam, "IPPool", "q", ours, {"subnet": "10.0.0.0/8", "perNodeBlockSize": 8, "gateway": "10.0.0.1"}),
        (
            sriov,
            "SriovNetworkNodePolicy",
            "e",
            ours,
            {
                **policy,
                "resourceName": "r",
                "numVfs": 4,
                "nicSelector": {"vendor": "15b3", "pfNames": ["a"], "rootDevices": ["b"]},
                "linkType": "eth",
                "isRdma": False,
                "mtu": 9000,
            },
        ),
        (
            sriov,
            "SriovNetworkNodePolicy",
            "i",
            ours,
            {
                **policy,
                "resourceName": "s",
                "numVfs": 8,
                "nicSelector": {"vendor": "15b3", "deviceID": "1021"},
                "linkType": "ib",
                "isRdma": True,
            },
        ),
        (sriov, "SriovNetwork", "e", ours, {"resourceName": "r", "networkNamespace": "default"}),
        (
            sriov,
            "SriovIBNetwork",
            "i",
            ours,
            {"resourceName": "s", "networkNamespace": "default", "ipam": '{"poolName": "p", "type": "nv-ipam"}'},
        ),
        (mellanox, "HostDeviceNetwork", "h", None, {"resourceName": "t", "networkNamespace": "default"}),
        (mellanox, "IPoIBNetwork", "o", None, {"master": "ib0", "networkNamespace": "n"}),
        (mellanox, "MacvlanNetwork", "m", None, {"master": "eth0", "mode": "bridge", "networkNamespace": "default"}),
        (
            mellanox,
            "MacvlanNetwork",
            "w",
            None,
            {"master": "eth1", "mode": "private", "networkNamespace": "default", "mtu": 9000},
        ),
    ]


def test_the_drivers_certificates_are_kept_as_they_are_asked_for() -> None:
    (certificates, *_) = network_operator.objects(ask(node(), registry={"ca_bundle": "PEM"}))
    assert (certificates["kind"], certificates["metadata"]["name"]) == (
        "ConfigMap",
        "dynamo-multinode-ca-network-operator",
    )
    assert (certificates["metadata"]["namespace"], certificates["data"]) == (
        "nvidia-network-operator",
        {"ca-bundle.crt": "PEM\n"},
    )


def test_labels_are_text_whatever_yaml_made_of_them() -> None:
    sriov = {**ALL["sriov"][0], "node_selector": {"gpu": True, "rack": 7}}
    found = network_operator.objects(ask(node(), settings={"sriov": [sriov]}))
    assert found[1]["spec"]["nodeSelector"] == {"gpu": "true", "rack": "7"}


def test_images_come_from_the_mirror_with_its_secret() -> None:
    about = ask(settings=ALL, registry={"mirror": "reg.example:5000/m", "pull_secret": "pull"})
    found = spec(about)
    for part in (found["ofedDriver"], found["nvIpam"], found["secondaryNetwork"]["multus"]):
        assert part["repository"] == "reg.example:5000/m/nvidia/mellanox"
        assert part["imagePullSecrets"] == ["pull"]


def test_multus_is_brought_where_nobody_else_does() -> None:
    served = {"k8s.cni.cncf.io": ["v1"]}

    def multus(**over: Any) -> bool:
        return "multus" in spec(ask(settings=over.pop("settings", ALL), **over))["secondaryNetwork"]

    assert multus(components={})
    assert not multus(components={}, apis=served)
    ours = {"network_operator": {"present": True}}
    assert multus(components=ours, apis=served)
    as_it_is = {"nic_policies": [live(secondaryNetwork={"cniPlugins": {}})]}
    assert not multus(components=ours, apis=served, hardware=as_it_is)
    assert multus(components=ours, apis=served, hardware=as_it_is, settings={**ALL, "multus": "true"})
    assert not multus(components={}, settings={**ALL, "multus": False})
    assert not multus(components={}, apis={"config.openshift.io": ["v1"]})
    # The first network that is to be attached comes later, beside a Multus of somebody else
    theirs = {"multus": [{"namespace": "kube-system", "name": "kube-multus-ds"}]}
    assert not multus(components=ours, apis=served, hardware=theirs)
    assert not multus(components=ours, apis=served, hardware={**theirs, "nic_policies": [live()]})
    # Ours, or a definition that was left behind by one that is gone
    assert multus(
        components=ours, apis=served, hardware={"multus": [{"namespace": NAMESPACE, "name": "kube-multus-ds"}]}
    )
    assert multus(components={}, apis=served, hardware={"multus": []})


def test_what_else_the_policy_is_to_say_is_merged_over_it() -> None:
    extra = {"policy": {"rdmaSharedDevicePlugin": {"useCdi": True}, "nicFeatureDiscovery": {"image": "x"}}}
    found = spec(ask(settings=extra))
    assert found["rdmaSharedDevicePlugin"]["useCdi"] is True
    assert found["rdmaSharedDevicePlugin"]["image"] == "k8s-rdma-shared-dev-plugin"
    assert found["nicFeatureDiscovery"] == {"image": "x"}


def test_n40_every_mistake_in_the_settings_at_once() -> None:
    settings = {
        "mofed": "perhaps",
        "multus": "two",
        "nfd": "three",
        "runtime": "docker",
        "rdma_shared": [{"max": 1}, "ib", {"resource": "x", "if_nams": ["a"]}],
        "host_device": {"name": "x"},
        "ipoib": [{"name": "a", "master": "m", "ipam": "nowhere"}, {"name": "a", "master": "m"}],
        "macvlan": [{"name": "b", "master": "m", "mode": "open"}],
        "sriov": [
            {"name": "c", "resource": "r", "num_vfs": 1, "link_type": "wifi"},
            {"name": "d", "resource": "r", "num_vfs": 1, "device_ids": ["1021", "1023"]},
        ],
        "ip_pools": [{"name": "p", "subnet": "10.0.0.0/8", "per_node_block_size": "many"}],
        "node_affinity": "x",
    }
    messages = [item.message for item in findings(ask(settings=settings), ABSENT, "MN-N40")]
    listed = {text.removeprefix("multinode_platform.network_operator.").partition(" is ")[0] for text in messages}
    assert listed == {
        "mofed",
        "multus",
        "nfd",
        "runtime",
        "rdma_shared[0].resource",
        "rdma_shared[1]",
        "rdma_shared[2].if_nams",
        "host_device",
        "ipoib[0].ipam",
        "ipoib[1].name",
        "macvlan[0].mode",
        "sriov[0].link_type",
        "sriov[0]",
        "sriov[1].device_ids",
        "ip_pools[0].per_node_block_size",
        "node_affinity",
    }
    assert findings(ask(settings=settings, hardware={"nic_policies": [live()]}), THEIRS) == []


def wrong(**settings: Any) -> dict[str, str]:
    """Path -> what would be right, of these settings alone."""
    listed = findings(ask(settings=settings), ABSENT, "MN-N40")
    at = "multinode_platform.network_operator."
    return {item.message.removeprefix(at).partition(" is ")[0]: item.remedy for item in listed}


@pytest.mark.parametrize(
    ("key", "name", "taken"),
    [
        ("rdma_shared", "ib-0_a.b", True),
        ("rdma_shared", "ib-", False),
        ("host_device", "rails_0.a", True),
        ("host_device", "rails-0", False),
        ("sriov", "vfs_0", True),
        ("sriov", "vfs.0", False),
    ],
)
def test_n40_resources_that_a_device_plugin_passes_over(key: str, name: str, taken: bool) -> None:
    needed: dict[str, dict[str, Any]] = {
        "rdma_shared": {},
        "host_device": {"name": "n"},
        "sriov": {"name": "n", "num_vfs": 1, "if_names": "a"},
    }
    told = wrong(**{key: [{"resource": name, **needed[key]}]})
    assert (f"{key}[0].resource" in told) is not taken
    assert len(told) == (not taken)


def test_n40_one_resource_is_one_pool() -> None:
    twice = [{"resource": "ib", "if_names": "a"}, {"resource": "ib", "if_names": "b"}]
    assert "a name of its own" in wrong(rdma_shared=twice)["rdma_shared[1].resource"]
    one = {"name": "a", "resource": "rails", "if_names": ["x"]}
    assert wrong(host_device=[one, {**one, "name": "b"}]) == {}
    other = wrong(host_device=[one, {**one, "name": "b", "drivers": "mlx5_core"}])
    assert "with the selectors of the entry before" in other["host_device[1].resource"]
    policies = [{"name": name, "resource": "r", "num_vfs": 1, "if_names": name} for name in "ab"]
    assert wrong(sriov=policies) == {}


def test_n40_one_attachment_has_one_network() -> None:
    both = {"ipoib": [{"name": "a", "master": "m"}], "macvlan": [{"name": "a", "master": "m"}]}
    assert "the entry of ipoib by this name makes the attachment default/a" in wrong(**both)["macvlan[0].name"]
    both["macvlan"][0]["namespace"] = "elsewhere"
    assert wrong(**both) == {}


def test_n40_links_are_spelt_as_the_kernel_spells_them() -> None:
    assert wrong(rdma_shared=[{"resource": "ib", "link_types": ["infiniband", "IB"]}]) == {
        "rdma_shared[0].link_types": "it has to be: ether or infiniband"
    }
    assert wrong(rdma_shared=[{"resource": "a", "link_types": ["ether", "infiniband"]}]) == {}


def test_every_selector_reaches_the_plugins_by_the_plugins_names() -> None:
    chosen = {"vendors": "1", "device_ids": "2", "drivers": "3", "if_names": "4", "link_types": "ether"}
    settings = {
        "rdma_shared": [{"resource": "r", **chosen}],
        "host_device": [{"name": "n", "resource": "h", **chosen}],
    }
    found = spec(ask(settings=settings))
    assert json.loads(found["rdmaSharedDevicePlugin"]["config"])["configList"][0]["selectors"] == {
        "vendors": ["1"],
        "deviceIDs": ["2"],
        "drivers": ["3"],
        "ifNames": ["4"],
        "linkTypes": ["ether"],
    }
    assert json.loads(found["sriovDevicePlugin"]["config"])["resourceList"][0]["selectors"] == {
        "vendors": ["1"],
        "devices": ["2"],
        "drivers": ["3"],
        "pfNames": ["4"],
        "linkTypes": ["ether"],
        "isRdma": True,
    }


def test_images_of_versions_that_the_table_does_not_know() -> None:
    new = ask(settings={"mofed": "operator"}, version="26.10.0")
    assert "doca-driver image" in one(new, ABSENT, "MN-N40").remedy
    assert findings(replace(new, settings={"mofed": "operator", "mofed_version": "doca4"}), ABSENT) == []
    assert "25.7.0 or newer" in one(ask(version="25.4.0"), ABSENT, "MN-N40").remedy
    assert network_images.driver("v26.4.1") == "doca3.4.1-26.04-1.1.0.0-1"


def test_n20_values_reach_nothing_where_olm_brings_the_operator() -> None:
    about = ask(node(), apis={"config.openshift.io": ["v1"]}, values={"operator": {}})
    assert "NicClusterPolicy" in one(about, ABSENT, "MN-N20").remedy
    assert findings(replace(about, values={}), ABSENT, "MN-N20") == []


def test_f37_is_said_once() -> None:
    twice = {"nfd": [{"namespace": "a", "release": ""}, {"namespace": "b", "release": "nfd"}]}
    assert findings(ask(hardware=twice), ABSENT, "MN-F37") == []
    assert (
        "namespace a; release nfd in namespace b" in one(ask(hardware=twice, components={}), ABSENT, "MN-F37").message
    )
    off = ask(hardware={"nfd": []}, components={}, settings={"nfd": "false"})
    assert "nothing runs" in one(off, ABSENT, "MN-F37").message
    assert findings(ask(hardware={"nfd": []}, components={}), ABSENT, "MN-F37") == []
    # Beside a GPU operator of somebody else, which brings none: ours does, or it is an error now
    adopted = {"gpu_operator": {"present": True, "record": {"origin": "adopted"}}}
    assert findings(ask(hardware={"nfd": []}, components=adopted), ABSENT, "MN-F37") == []
    off = ask(hardware={"nfd": []}, components=adopted, settings={"nfd": False})
    assert one(off, ABSENT, "MN-F37").severity == "error"


def cluster_policy(**rdma: bool) -> dict[str, Any]:
    return {"cluster_policies": [{"name": "cluster-policy", "spec": {"driver": {"rdma": rdma}}}]}


@pytest.mark.parametrize(
    ("rdma", "mofed", "severity"),
    [
        ({"enabled": True}, "host", "error"),
        ({"enabled": True}, "operator", None),
        ({"enabled": True, "useHostMofed": True}, "host", None),
        ({"enabled": True, "useHostMofed": True}, "operator", "error"),
        ({"enabled": False}, "host", None),
    ],
)
def test_f40_the_gpu_operator_gets_the_mofed_driver_that_it_waits_for(
    rdma: dict[str, bool], mofed: str, severity: str | None
) -> None:
    about = ask(settings={"mofed": mofed}, hardware=cluster_policy(**rdma))
    listed = findings(about, ABSENT, "MN-F40")
    assert [item.severity for item in listed] == ([severity] if severity else [])


def test_f40_with_a_network_operator_of_somebody_else() -> None:
    policies = {**cluster_policy(enabled=True), "nic_policies": [live()]}
    assert one(ask(hardware=policies), THEIRS, "MN-F40").severity == "error"
    policies["nic_policies"] = [live(ofedDriver={"image": "x"})]
    assert findings(ask(hardware=policies), THEIRS, "MN-F40") == []


def test_f40_reads_the_drivers_own_objects_where_their_policy_leaves_it_to_them() -> None:
    policies = [{"name": "cluster-policy", "spec": {"driver": {"useNvidiaDriverCRD": True}}}]
    waits = {"cluster_policies": policies, "nvidia_drivers": [{"name": "a", "spec": {"rdma": {"enabled": True}}}]}
    said = one(ask(hardware=waits), ABSENT, "MN-F40")
    assert "NVIDIADriver a has rdma.enabled and waits" in said.message
    assert findings(ask(settings={"mofed": "operator"}, hardware=waits), ABSENT, "MN-F40") == []


def test_f42_no_policy_or_one_that_is_ignored() -> None:
    nothing = one(ask(), THEIRS, "MN-F42")
    assert (nothing.severity, nothing.remedy.startswith("its owner: apply")) == ("error", True)
    other = {**live("mine"), "state": "ignore"}
    ignored = one(ask(hardware={"nic_policies": [live(), other]}), THEIRS, "MN-F42")
    assert (ignored.severity, ignored.subject) == ("warning", "NicClusterPolicy mine")
    assert "state ignore" in ignored.message
    assert len(findings(ask(hardware={"nic_policies": [other]}), THEIRS, "MN-F42")) == 2
    assert findings(ask(), ABSENT, "MN-F42") == []
    assert findings(ask(), OURS, "MN-F42") == []


def test_f73_an_edited_affinity_stays_and_is_said() -> None:
    edited: dict[str, Any] = {"preferredDuringSchedulingIgnoredDuringExecution": []}
    about = ask(settings=ALL, hardware={"nic_policies": [live(nodeAffinity=edited)]})
    assert spec(about)["nodeAffinity"] == edited
    assert "it stays" in one(about, OURS, "MN-F73").message
    taken_out = ask(settings=ALL, hardware={"nic_policies": [live()]})
    assert "nodeAffinity" not in spec(taken_out)
    assert len(findings(taken_out, OURS, "MN-F73")) == 1
    same = ask(settings=ALL, hardware={"nic_policies": [live(nodeAffinity=ALL["node_affinity"])]})
    assert findings(same, OURS, "MN-F73") == []


def test_auto_installs_nothing_where_nobody_asks() -> None:
    assert "offered already" in network_operator.skip(ask(node(resources={"rdma/ib": 8})))
    unseen = network_operator.skip(ask(node(labels={})))
    assert "no machine shows" in unseen
    assert "the next run looks again" in unseen
    seen = network_operator.skip(ask(node(labels={"feature.node.kubernetes.io/cpu-model.id": "1"})))
    assert "no machine shows" in seen
    assert "looks again" not in seen
    assert network_operator.skip(ask(node())) == ""
    assert network_operator.skip(ask(node(labels={}), settings={"mofed": "operator"})) == ""
    assert network_operator.skip(ask(node(resources={"rdma/ib": 8}), settings={"ipoib": ALL["ipoib"]})) == ""
    assert network_operator.skip(ask()) == ""
