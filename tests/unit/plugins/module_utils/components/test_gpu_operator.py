# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU operator: what its chart is told, and what is wrong with one that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, Wanted, decide, gpu_operator

from tests.unit.plugins.module_utils.components import schemas

OURS = {"present": True, "release": "gpu-operator", "namespace": "gpu-operator", "record": {"origin": "provisioned"}}
THEIRS = {"present": True, "release": "theirs", "namespace": "elsewhere", "record": None}
ABSENT: dict[str, Any] = {"present": False, "record": None}
MINE = {"namespace": "gpu-operator", "release": "gpu-operator"}


def node(name: str = "a", gpus: int = 0, **over: Any) -> dict[str, Any]:
    labels = {"feature.node.kubernetes.io/pci-10de.present": "true", **over.pop("labels", {})}
    return {"name": name, "gpus": gpus, "labels": labels, "runtime": "containerd://2.1.4", "kubelet": "v1.34.1", **over}


def policy(state: str = "ready", **over: Any) -> dict[str, Any]:
    return {"name": "cluster-policy", "spec": {}, "state": state, "reason": "Reconciled", "states": [], **over}


def ask(*nodes: dict[str, Any], settings: dict[str, Any] | None = None, **over: Any) -> Ask:
    facts = {
        "apis": over.pop("apis", {}),
        "nodes": list(nodes),
        "components": over.pop("components", {}),
        "hardware": {"nfd": [MINE], **over.pop("hardware", {})},
    }
    base = Ask(settings=settings or {}, namespace="gpu-operator", release="gpu-operator", version="26.7.1", facts=facts)
    return replace(base, **over)


def findings(about: Ask, found: dict[str, Any], check: str = "") -> list[Finding]:
    listed = [item for rule in gpu_operator.COMPONENT.checks for item in rule(about, found)]
    return [item for item in listed if not check or item.id == check]


def one(about: Ask, found: dict[str, Any], check: str) -> Finding:
    listed = findings(about, found, check)
    assert len(listed) == 1, [str(item) for item in findings(about, found)]
    return listed[0]


def test_defaults_are_open_modules_dma_buf_and_no_upgrade_by_itself() -> None:
    told = gpu_operator.values(ask(node(), hardware={"nfd": []}))
    assert told["driver"] == {
        "enabled": True,
        "rdma": {"enabled": False, "useHostMofed": False},
        "upgradePolicy": {"autoUpgrade": False},
        "kernelModuleType": "open",
    }
    assert told["nfd"] == {"enabled": True}
    assert told["toolkit"] == {"env": []}
    assert told["dcgmExporter"] == {"serviceMonitor": {"enabled": False}}
    assert findings(ask(node()), ABSENT) == []


def test_a_service_monitor_only_where_its_kind_is_served() -> None:
    told = gpu_operator.values(ask(apis={"monitoring.coreos.com": ["v1"]}))
    assert told["dcgmExporter"]["serviceMonitor"]["enabled"] is True


@pytest.mark.parametrize(
    ("kubelet", "containerd", "folder", "drop_in"),
    [
        ("v1.34.1+k3s1", "containerd://2.1.4-k3s1", "k3s", "config-v3.toml.d"),
        ("v1.30.1+k3s1", "containerd://1.7.17-k3s1", "k3s", "config.toml.d"),
        ("v1.34.1+rke2r1", "containerd://2.1.4-k3s1", "rke2", "config-v3.toml.d"),
    ],
)
def test_the_toolkit_writes_where_k3s_and_rke2_read(kubelet: str, containerd: str, folder: str, drop_in: str) -> None:
    told = gpu_operator.values(ask(node(kubelet=kubelet, runtime=containerd)))
    env = {item["name"]: item["value"] for item in told["toolkit"]["env"]}
    assert env == {
        "CONTAINERD_CONFIG": f"/var/lib/rancher/{folder}/agent/etc/containerd/config.toml",
        "CONTAINERD_SOCKET": "/run/k3s/containerd/containerd.sock",
        "RUNTIME_CONFIG_SOURCE": f"file=/var/lib/rancher/{folder}/agent/etc/containerd/config.toml",
        "RUNTIME_DROP_IN_CONFIG": f"/var/lib/rancher/{folder}/agent/etc/containerd/{drop_in}/99-nvidia.toml",
    }


def test_the_runtime_can_be_named_and_crio_needs_nothing() -> None:
    assert gpu_operator.values(ask(node(), settings={"runtime": "rke2"}))["toolkit"]["env"] != []
    assert gpu_operator.values(ask(node(runtime="cri-o://1.33.0")))["toolkit"]["env"] == []


def test_f39_machines_of_several_runtimes_need_a_word() -> None:
    mixed = (node("a"), node("b", kubelet="v1.34.1+k3s1"))
    assert "containerd, k3s" in one(ask(*mixed), ABSENT, "MN-F39").message
    assert findings(ask(*mixed, settings={"runtime": "k3s"}), ABSENT, "MN-F39") == []
    without_gpus = {**node("b", kubelet="v1.34.1+k3s1"), "labels": {}}
    assert findings(ask(node("a"), without_gpus), ABSENT, "MN-F39") == []


def test_f39_machines_of_one_runtime_may_read_different_folders() -> None:
    old, new = (node(name, kubelet="v1.34.1+k3s1", runtime=f"containerd://{version}-k3s1")
                for name, version in (("a", "1.7.17"), ("b", "2.1.4")))  # fmt: skip
    for settings in ({}, {"runtime": "k3s"}):
        said = one(ask(old, new, settings=settings), ABSENT, "MN-F39")
        assert "k3s with containerd 1, k3s with containerd 2" in said.message
    assert findings(ask(new, {**new, "name": "c"}), ABSENT, "MN-F39") == []
    for values in ({"toolkit": {"env": [{"name": "A", "value": "b"}]}}, {"cdi": {"nriPluginEnabled": True}}):
        assert findings(ask(old, new, values=values), ABSENT, "MN-F39") == []
    plain = (node("a", runtime="containerd://1.7.17"), node("b"))
    assert findings(ask(*plain), ABSENT, "MN-F39") == []
    assert findings(ask(old, new), THEIRS, "MN-F39") == []


def test_f39_a_distribution_whose_paths_nobody_knows() -> None:
    said = one(ask(node("w", kubelet="v1.34.1+k0s")), ABSENT, "MN-F39")
    assert (said.severity, "v1.34.1+k0s reads is not known here (w)" in said.message) == ("warning", True)
    known: list[dict[str, Any]] = [
        {"settings": {"runtime": "containerd"}},
        {"values": {"toolkit": {"env": [{"name": "A", "value": "b"}]}}},
    ]
    for over in known:
        assert findings(ask(node(kubelet="v1.34.1+k0s"), **over), ABSENT, "MN-F39") == []
    crio = node(kubelet="v1.32.6+8b7d1a1", runtime="cri-o://1.32.6")
    assert findings(ask(crio), ABSENT, "MN-F39") == []


@pytest.mark.parametrize(
    ("nodes", "brings"),
    [
        ((node(),), True),
        ((), True),
        ((node(gpus=8), node("b")), True),
        ((node(gpus=8),), False),
        ((node(labels={"nvidia.com/gpu.deploy.driver": "pre-installed"}),), False),
        ((node(labels={"nvidia.com/cuda.driver-version.major": "580"}),), False),
    ],
)
def test_a_driver_on_every_machine_is_used(nodes: tuple[dict[str, Any], ...], brings: bool) -> None:
    assert gpu_operator.values(ask(*nodes))["driver"]["enabled"] is brings
    for word, expected in (("operator", True), ("host", False)):
        assert gpu_operator.values(ask(*nodes, settings={"driver": word}))["driver"]["enabled"] is expected


def test_what_the_operator_brought_is_not_the_hosts_own_driver_in_the_second_run() -> None:
    ours = {"gpu_operator": {**OURS, "values": {"driver": {"enabled": True}}}}
    assert gpu_operator.values(ask(node(gpus=8), components=ours))["driver"]["enabled"] is True
    theirs = {"gpu_operator": {**THEIRS, "values": {"driver": {"enabled": True}}}}
    assert gpu_operator.values(ask(node(gpus=8), components=theirs))["driver"]["enabled"] is False


@pytest.mark.parametrize("enabled", [True, False])
def test_what_olms_operator_brought_is_in_our_policy(enabled: bool) -> None:
    """OLM keeps no values, and every machine offers GPUs once the operator's own driver runs."""
    served = {"config.openshift.io": ["v1"]}
    ours = {"gpu_operator": {**OURS, "record": {"origin": "provisioned", "source": "olm"}}}
    live = [policy(name="gpu-cluster-policy", spec={"driver": {"enabled": enabled}})]
    about = ask(node(gpus=8), components=ours, apis=served, hardware={"cluster_policies": live})
    assert gpu_operator.brings_driver(about, "auto") is enabled
    # Killed before the policy, or the policy deleted: GPUs that are offered say nothing about whose driver it is
    gone = ask(
        node(gpus=8), components=ours, apis=served, hardware={"cluster_policies": [policy(spec=live[0]["spec"])]}
    )
    assert gpu_operator.brings_driver(gone, "auto") is True
    assert gpu_operator.brings_driver(ask(node(gpus=8), apis=served), "auto") is False


def test_every_key_that_is_set_is_one_of_the_chart() -> None:
    settings = {
        "driver_crd": True,
        "driver_version": "580.95.05",
        "driver_node_selector": {"pool": "a"},
        "peermem": True,
        "runtime": "k3s",
    }
    path = schemas.ROOT / "lab" / "standins" / "gpu-operator" / "values.yaml"
    assert unknown(gpu_operator.values(ask(settings=settings)), yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def unknown(told: dict[str, Any], chart: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for name, value in told.items():
        if name not in chart:
            found.append(f"{path}{name}")
        elif isinstance(value, dict) and chart[name]:
            found += unknown(value, chart[name], f"{path}{name}.")
    return found


def test_nfd_is_brought_once() -> None:
    other = {"namespace": "node-feature-discovery", "release": "nfd"}
    assert gpu_operator.values(ask(hardware={"nfd": [other]}))["nfd"]["enabled"] is False
    assert gpu_operator.values(ask(hardware={"nfd": [MINE]}))["nfd"]["enabled"] is True
    assert gpu_operator.values(ask(hardware={"nfd": [other]}, settings={"nfd": "true"}))["nfd"]["enabled"] is True
    assert gpu_operator.values(ask(settings={"nfd": False}))["nfd"]["enabled"] is False


def test_f37_two_discoveries_or_none() -> None:
    other = {"namespace": "node-feature-discovery", "release": "nfd"}
    twice = one(ask(hardware={"nfd": [MINE, other]}), OURS, "MN-F37")
    assert twice.severity == "error"
    assert "release gpu-operator in namespace gpu-operator; release nfd in namespace node-feature" in twice.message
    about = ask(hardware={"nfd": [other]}, settings={"nfd": True})
    assert "runs 2 times" in one(about, ABSENT, "MN-F37").message
    none = one(ask(hardware={"nfd": []}), THEIRS, "MN-F37")
    # The network operator, which is decided next, may bring it yet; no setting of ours reaches an adopted one
    assert (none.severity, "nothing runs" in none.message) == ("warning", True)
    assert none.remedy.startswith("its owner: set nfd.enabled=true")
    assert (
        "nothing runs" in one(ask(hardware={"nfd": []}, values={"nfd": {"enabled": False}}), ABSENT, "MN-F37").message
    )
    assert findings(ask(hardware={"nfd": [other]}), OURS, "MN-F37") == []
    assert findings(ask(hardware={"nfd": [other]}), THEIRS, "MN-F37") == []


def test_f40_peermem_without_anybody_who_brings_mofed() -> None:
    waits = one(ask(settings={"peermem": "yes"}), ABSENT, "MN-F40")
    assert (waits.severity, "waits for ever" in waits.message) == ("warning", True)
    for settings in ({"peermem": True, "host_mofed": True}, {"peermem": True, "driver": "host"}):
        assert findings(ask(settings=settings), ABSENT, "MN-F40") == []
    brings = {"nfd": [MINE], "nic_policies": [{"name": "nic-cluster-policy", "spec": {"ofedDriver": {"image": "x"}}}]}
    assert findings(ask(settings={"peermem": True}, hardware=brings), ABSENT, "MN-F40") == []
    two = one(ask(settings={"host_mofed": True}, hardware=brings), ABSENT, "MN-F40")
    assert (two.severity, "of its own" in two.message) == ("error", True)
    by_values = ask(values={"driver": {"rdma": {"enabled": True}}})
    assert one(by_values, ABSENT, "MN-F40").severity == "warning"


def test_f40_of_somebody_else_is_read_from_the_policy_and_has_a_patch() -> None:
    spec = {"driver": {"enabled": True, "rdma": {"enabled": True}}}
    finding = one(ask(hardware={"cluster_policies": [policy(spec=spec)]}), THEIRS, "MN-F40")
    assert finding.remedy.startswith("its owner: ")
    assert findings(ask(hardware={"cluster_policies": []}), THEIRS, "MN-F40") == []


def test_f40_drivers_of_somebody_elses_own_objects_count() -> None:
    listed = [policy(spec={"driver": {"useNvidiaDriverCRD": True}})]
    drivers = [{"name": "pool-a", "spec": {"rdma": {"enabled": True}}}, {"name": "pool-b", "spec": {}}]
    said = one(ask(hardware={"cluster_policies": listed, "nvidia_drivers": drivers}), THEIRS, "MN-F40")
    assert "NVIDIADriver pool-a: rdma.enabled is on" in said.message
    off = [policy(spec={"driver": {"enabled": False, "useNvidiaDriverCRD": True, "rdma": {"enabled": True}}})]
    assert findings(ask(hardware={"cluster_policies": off, "nvidia_drivers": drivers}), THEIRS, "MN-F40") == []
    drivers[1]["spec"] = {"rdma": {"useHostMofed": True}}
    brings = {"nic_policies": [{"name": "nic-cluster-policy", "spec": {"ofedDriver": {"image": "x"}}}]}
    two = one(ask(hardware={"cluster_policies": listed, "nvidia_drivers": drivers, **brings}), THEIRS, "MN-F40")
    assert (two.severity, "NVIDIADriver pool-b: rdma.useHostMofed" in two.message) == ("error", True)
    # Where the policy speaks for the driver, the objects say nothing
    plain = {"cluster_policies": [policy(spec={"driver": {}})], "nvidia_drivers": drivers}
    assert findings(ask(hardware=plain), THEIRS, "MN-F40") == []


def test_f40_proprietary_modules_have_no_dma_buf() -> None:
    assert "no DMA-BUF" in one(ask(settings={"kernel_modules": "proprietary"}), ABSENT, "MN-F40").message
    both = {"kernel_modules": "proprietary", "peermem": True, "host_mofed": True}
    assert findings(ask(settings=both), ABSENT, "MN-F40") == []


def test_f43_ready_with_no_gpu() -> None:
    for reason in ("NoGPUNodes", "NFDLabelsMissing"):
        listed = {"cluster_policies": [policy(reason=reason)]}
        finding = one(ask(hardware=listed), OURS, "MN-F43")
        assert (finding.severity, reason in finding.message) == ("warning", True)
    listed = {"cluster_policies": [policy()]}
    finding = one(ask(node("a", 8), node("b"), hardware=listed), THEIRS, "MN-F43")
    assert (finding.severity, "offer none: b" in finding.message) == ("error", True)
    assert finding.remedy.startswith("its owner: ")
    fine = (node(gpus=8), node("m", resources={"nvidia.com/mig-1g.10gb": 7}), node("down", ready=False))
    kept_out = node("o", labels={"nvidia.com/gpu.deploy.operands": "false"})
    assert findings(ask(*fine, kept_out, hardware=listed), OURS, "MN-F43") == []
    assert findings(ask(node(), hardware={"cluster_policies": [policy("notReady")]}), OURS, "MN-F43") == []
    assert findings(ask(node(), hardware=listed), ABSENT, "MN-F43") == []
    # Whatever it gives as its reason
    plain = node(labels={"feature.node.kubernetes.io/pci-10de.present": "false"})
    for reason in ("", "Reconciled"):
        hardware = {"cluster_policies": [policy(reason=reason)]}
        assert "ready with no GPU machine" in one(ask(plain, hardware=hardware), THEIRS, "MN-F43").message
        assert findings(ask(hardware=hardware), THEIRS, "MN-F43") == []


def test_f43_fields_that_an_old_definition_dropped() -> None:
    sent = {"driver": {"enabled": True, "kernelModuleType": "open"}, "gdrcopy": {"enabled": True}, "psa": {}, "x": None}
    live = {"driver": {"enabled": False, "useOpenKernelModules": True}}
    hardware = {"cluster_policies": [policy(spec=live)], "manifest": {"name": "cluster-policy", "spec": sent}}
    finding = one(ask(node(gpus=8), hardware=hardware), THEIRS, "MN-F43")
    assert "driver.kernelModuleType, gdrcopy" in finding.message
    assert "helm get manifest theirs -n elsewhere" in finding.remedy
    hardware["manifest"] = {"name": "cluster-policy", "spec": {"driver": {"enabled": True}}}
    assert findings(ask(node(gpus=8), hardware=hardware), THEIRS, "MN-F43") == []


SELECTED = {"driver_crd": True, "driver_version": "580.95.05", "driver_node_selector": {"pool": "a"}}


def test_a_node_selector_takes_a_driver_of_our_own() -> None:
    about = ask(node(), settings=SELECTED)
    assert gpu_operator.values(about)["driver"]["nvidiaDriverCRD"] == {"enabled": True, "deployDefaultCR": False}
    (driver,) = gpu_operator.objects(about)
    known = schemas.schema("gpu-operator", "nvidia.com_nvidiadrivers", "v1alpha1")
    assert schemas.problems(known, driver["spec"]) == []
    assert driver["spec"]["nodeSelector"] == {"pool": "a"}
    assert gpu_operator.objects(ask(node(), settings={**SELECTED, "driver": "host"})) == ()
    spelt = ask(node(), settings={**SELECTED, "driver_node_selector": {"pool": True, "rack": 7}})
    assert gpu_operator.objects(spelt)[0]["spec"]["nodeSelector"] == {"pool": "true", "rack": "7"}
    plain = ask(node(), settings={"driver_crd": True})
    assert gpu_operator.values(plain)["driver"]["nvidiaDriverCRD"] == {"enabled": True, "deployDefaultCR": True}
    assert gpu_operator.objects(plain) == ()


EVERYTHING = {
    **SELECTED,
    "driver": "operator",
    "kernel_modules": "proprietary",
    "peermem": "yes",
    "host_mofed": "true",
    "auto_upgrade": 1,
    "gdrcopy": True,
    "nfd": True,
    "runtime": "crio",
}


def test_every_setting_reaches_the_value_that_it_names() -> None:
    assert gpu_operator.values(ask(node(gpus=8), settings=EVERYTHING)) == {
        "nfd": {"enabled": True},
        "operator": {"upgradeCRD": False},
        "driver": {
            "enabled": True,
            "rdma": {"enabled": True, "useHostMofed": True},
            "upgradePolicy": {"autoUpgrade": True},
            "kernelModuleType": "proprietary",
            "version": "580.95.05",
            "nvidiaDriverCRD": {"enabled": True, "deployDefaultCR": False},
        },
        "gdrcopy": {"enabled": True},
        "dcgmExporter": {"serviceMonitor": {"enabled": False}},
        "toolkit": {"env": []},
    }


def test_every_setting_reaches_a_driver_of_our_own() -> None:
    (driver,) = gpu_operator.objects(ask(node(gpus=8), settings=EVERYTHING))
    assert driver == {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "NVIDIADriver",
        "metadata": {"name": "dynamo-multinode"},
        "spec": {
            "driverType": "gpu",
            "repository": "nvcr.io/nvidia",
            "image": "driver",
            "version": "580.95.05",
            "kernelModuleType": "proprietary",
            "nodeSelector": {"pool": "a"},
            "rdma": {"enabled": True, "useHostMofed": True},
            "upgradePolicy": {"autoUpgrade": True},
            "gdrcopy": {
                "enabled": True,
                "repository": "nvcr.io/nvidia/cloud-native",
                "image": "gdrdrv",
                "version": "v2.6",
            },
        },
    }
    without_crd = {**EVERYTHING, "driver_crd": False}
    assert gpu_operator.objects(ask(node(), settings=without_crd)) == ()


def test_a_driver_of_our_own_gets_what_the_chart_would_give_its_own() -> None:
    """The chart's keys for the driver reach the NVIDIADriver that the chart makes, and only that."""
    site: dict[str, Any] = {
        "registry": {"mirror": "reg.example", "pull_secret": "pull", "ca_bundle": "PEM"},
        "proxy": {"https": "http://proxy:3128"},
        "values": {"daemonsets": {"tolerations": [{"key": "team", "operator": "Exists"}]}},
    }
    certificates, driver = gpu_operator.objects(ask(node(), settings={**SELECTED, "gdrcopy": "true"}, **site))
    assert (certificates["kind"], certificates["data"]) == ("ConfigMap", {"ca-bundle.crt": "PEM\n"})
    spec = driver["spec"]
    known = schemas.schema("gpu-operator", "nvidia.com_nvidiadrivers", "v1alpha1")
    assert schemas.problems(known, spec) == []
    assert spec["repository"] == "reg.example/nvidia"
    assert spec["imagePullSecrets"] == ["pull"]
    assert [item["name"] for item in spec["env"]] == ["HTTPS_PROXY", "NO_PROXY"]
    assert spec["certConfig"] == {"name": "dynamo-multinode-ca-gpu-operator"}
    assert spec["tolerations"] == site["values"]["daemonsets"]["tolerations"]
    assert spec["gdrcopy"] == {
        "enabled": True,
        "repository": "reg.example/nvidia/cloud-native",
        "image": "gdrdrv",
        "version": "v2.6",
        "imagePullSecrets": ["pull"],
    }
    (plain,) = gpu_operator.objects(ask(node(), settings=SELECTED))
    assert not {"imagePullSecrets", "env", "certConfig", "tolerations", "gdrcopy"} & set(plain["spec"])
    # Nor where the values say that there is to be none
    assert gpu_operator.objects(ask(node(), settings=SELECTED, values={"driver": {"enabled": False}})) == ()
    word: dict[str, Any] = {
        "repository": "mine.example",
        "usePrecompiled": True,
        "upgradePolicy": {"maxParallelUpgrades": 2},
        "rdma": {"enabled": True},
    }
    (told,) = gpu_operator.objects(ask(node(), settings=SELECTED, values={"driver": word}))
    assert schemas.problems(known, told["spec"]) == []
    assert (told["spec"]["repository"], told["spec"]["usePrecompiled"]) == ("mine.example", True)
    assert told["spec"]["upgradePolicy"] == {"autoUpgrade": False, "maxParallelUpgrades": 2}
    assert told["spec"]["rdma"] == {"enabled": True, "useHostMofed": False}
    assert findings(ask(node(), settings=SELECTED, values={"driver": word}), ABSENT, "MN-N20") == []
    more = {"driver": {**word, "licensingConfig": {"secretName": "x"}}}
    assert (
        "values.driver (licensingConfig)" in one(ask(node(), settings=SELECTED, values=more), ABSENT, "MN-N20").message
    )
    assert findings(ask(node(), values=more), ABSENT, "MN-N20") == []
    # The user's own word for the driver's environment holds, as it does in the chart
    own = {"driver": {"env": [{"name": "A", "value": "b"}]}}
    (told,) = gpu_operator.objects(ask(node(), settings=SELECTED, proxy=site["proxy"], values=own))
    assert told["spec"]["env"] == own["driver"]["env"]


def test_certificates_that_are_renewed_reach_the_driver_without_helm() -> None:
    about: dict[str, Any] = {"name": "gpu_operator", "version": "26.7.0"}
    about |= {"namespace": "gpu-operator", "release": "gpu-operator"}

    def decided(pem: str, found: dict[str, Any]) -> Any:
        named = replace(ask(node(), registry={"ca_bundle": pem}), facts={**ask(node()).facts, "components": {}})
        return decide(Wanted(**about, ask=named), found, "v1.34.4")

    first = decided("OLD", {"present": False, "record": None, "namespace_ours": True})
    release = {"source": "release", "release_status": "deployed", "chart_version": "v26.7.0", "app_version": "v26.7.0"}
    there = {**OURS, **release, "record": first.record, "values": first.values}
    second = decided("NEW", there)
    assert (second.action, second.record_changed) == ("none", False)
    assert [item["data"] for item in second.objects] == [{"ca-bundle.crt": "NEW\n"}]


def test_gdrcopy_of_an_operator_that_nobody_knows_is_to_be_named() -> None:
    about = ask(node(), settings={**SELECTED, "gdrcopy": True}, version="27.1.0")
    assert "values.gdrcopy.version" in one(about, ABSENT, "MN-N40").remedy
    named = replace(about, values={"gdrcopy": {"version": "v3"}})
    assert findings(named, ABSENT, "MN-N40") == []
    assert gpu_operator.objects(named)[0]["spec"]["gdrcopy"]["version"] == "v3"
    assert findings(ask(node(), settings={"gdrcopy": True}, version="27.1.0"), ABSENT, "MN-N40") == []


def test_f73_an_edited_node_selector_stays_and_is_said() -> None:
    live = {"nvidia_drivers": [{"name": "dynamo-multinode", "spec": {"nodeSelector": {"pool": "b"}}}]}
    about = ask(node(), settings=SELECTED, hardware=live)
    (driver,) = gpu_operator.objects(about)
    assert driver["spec"]["nodeSelector"] == {"pool": "b"}
    finding = one(about, OURS, "MN-F73")
    assert "{'pool': 'b'}" in finding.message
    same = ask(node(), settings={**SELECTED, "driver_node_selector": {"pool": "b"}}, hardware=live)
    assert findings(same, OURS, "MN-F73") == []


def test_n40_every_mistake_in_the_settings_at_once() -> None:
    settings = {
        "driver": "sometimes",
        "runtime": "docker",
        "kernel_modules": "shut",
        "peermem": "perhaps",
        "nfd": "two",
        "driver_version": ["1"],
        "driver_node_selector": "pool=a",
    }
    listed = findings(ask(settings=settings), ABSENT, "MN-N40")
    assert sorted(item.message.split(" ")[0].rpartition(".")[2] for item in listed) == sorted(settings)
    assert "multinode_platform.gpu_operator.driver is 'sometimes'" in [item.message for item in listed]
    assert listed[0].remedy == "it has to be: one of auto, operator, host"
    assert findings(ask(settings=settings), THEIRS, "MN-N40") == []
    for half in ({"driver_node_selector": {"a": "b"}}, {"driver_node_selector": {"a": "b"}, "driver_crd": True}):
        assert len(findings(ask(settings=half), ABSENT, "MN-N40")) == 1


def test_auto_installs_nothing_where_gpus_are_offered() -> None:
    assert "a; mode: provision insists" in gpu_operator.skip(ask(node(gpus=8))).replace(")", "")
    assert gpu_operator.skip(ask(node())) == ""


def test_what_the_next_component_sees() -> None:
    about = ask(hardware={"nfd": []}, values={"nfd": {"enabled": True}, "driver": {"rdma": {"enabled": True}}})
    after = gpu_operator.forecast(about, about.facts)
    assert after["hardware"]["nfd"] == [MINE]
    assert after["hardware"]["cluster_policies"][0]["spec"]["driver"] == {"rdma": {"enabled": True}}
    assert about.facts["hardware"]["nfd"] == []
    known = {"hardware": {"cluster_policies": [policy(), policy(name="theirs")]}}
    listed = gpu_operator.forecast(about, known)["hardware"]["cluster_policies"]
    assert [(item["name"], item["state"], item["reason"]) for item in listed] == [
        ("theirs", "ready", "Reconciled"),
        ("cluster-policy", None, ""),
    ]
    # On OpenShift it is the one that we make
    told = {"policy": {"driver": {"rdma": {"enabled": True}}}}
    openshift = ask(settings=told, apis={"config.openshift.io": ["v1"]})
    (ours,) = gpu_operator.forecast(openshift, openshift.facts)["hardware"]["cluster_policies"]
    assert ours["name"] == "gpu-cluster-policy"
    assert ours["spec"]["driver"]["rdma"] == {"enabled": True, "useHostMofed": False}
    assert one(openshift, ABSENT, "MN-F40").severity == "warning"


def test_n40_the_policy_is_the_charts_where_there_is_one() -> None:
    told = {"policy": {"mig": {"strategy": "mixed"}}}
    assert "in values" in one(ask(settings=told), ABSENT, "MN-N40").remedy
    served = {"config.openshift.io": ["v1"]}
    assert one(ask(settings={**told, "olm": False}, apis=served), ABSENT, "MN-N40")
    assert findings(ask(settings=told, apis=served), ABSENT, "MN-N40") == []
    assert one(ask(settings={"policy": "x"}, apis=served), ABSENT, "MN-N40").remedy == "it has to be: a map"


def test_n20_values_reach_nothing_where_olm_brings_the_operator() -> None:
    served = {"config.openshift.io": ["v1"]}
    given = {"devicePlugin": {"config": {"name": "x"}}, "cdi": {}}
    said = one(ask(values=given, apis=served), ABSENT, "MN-N20")
    assert (said.severity, "(cdi, devicePlugin)" in said.message) == ("warning", True)
    assert "spec of the ClusterPolicy" in said.remedy
    assert findings(ask(values=given), ABSENT, "MN-N20") == []
    assert findings(ask(apis=served), ABSENT, "MN-N20") == []
    assert findings(ask(values=given, apis=served), THEIRS, "MN-N20") == []
    assert findings(ask(values=given, apis=served, settings={"olm": "no"}), ABSENT, "MN-N20") == []


def test_the_policy_on_openshift_is_ours_and_valid() -> None:
    about = ask(node(), settings={"driver_version": "580.95.05"}, apis={"config.openshift.io": ["v1"]})
    (found,) = gpu_operator.objects(about)
    known = schemas.schema("gpu-operator", "nvidia.com_clusterpolicies", "v1")
    assert schemas.problems(known, found["spec"]) == []
    assert found["spec"]["driver"]["kernelModuleType"] == "open"
    assert found["spec"] == {
        "operator": {"defaultRuntime": "crio", "use_ocp_driver_toolkit": True},
        "daemonsets": {"updateStrategy": "RollingUpdate"},
        "driver": {
            "enabled": True,
            "useNvidiaDriverCRD": False,
            "kernelModuleType": "open",
            "rdma": {"enabled": False, "useHostMofed": False},
            "upgradePolicy": {"autoUpgrade": False},
            "version": "580.95.05",
        },
        **{name: {"enabled": True} for name in ("toolkit", "devicePlugin", "dcgm", "gfd", "migManager")},
        "dcgmExporter": {"enabled": True, "serviceMonitor": {"enabled": False}},
        "nodeStatusExporter": {"enabled": True},
        "mig": {"strategy": "single"},
        "gdrcopy": {"enabled": False},
    }
    assert (found["kind"], found["metadata"]) == ("ClusterPolicy", {"name": "gpu-cluster-policy"})
    more = {"policy": {"devicePlugin": {"config": {"name": "mine"}}, "mig": {"strategy": "mixed"}}}
    over = replace(about, settings=more, registry={"ca_bundle": "PEM"})
    merged = gpu_operator.objects(over)[1]["spec"]
    assert schemas.problems(known, merged) == []
    assert merged["devicePlugin"] == {"enabled": True, "config": {"name": "mine"}}
    assert merged["mig"] == {"strategy": "mixed"}
    assert merged["driver"]["certConfig"] == {"name": "dynamo-multinode-ca-gpu-operator"}
    assert findings(over, ABSENT) == []
    assert gpu_operator.objects(ask(settings={"olm": "false"}, apis={"config.openshift.io": ["v1"]})) == ()
    assert gpu_operator.values(replace(about, facts={**about.facts, "hardware": {}}))["nfd"]["enabled"] is False
