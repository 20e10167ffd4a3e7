# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machines and their networks say against the plan, named after the catalogue."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks import hardware

from tests.unit.plugins.module_utils.inputs import PRODUCT, component, machines, native, workload
from tests.unit.plugins.module_utils.test_checks_plan import cluster, found, one

IB = {"rdma/ib": 8}
WITH_IB = machines(extra_resources=IB)


def nodes(count: int = 8, **over: Any) -> list[dict[str, Any]]:
    base = {"gpus": 8, "gpus_free": 8, "gpu_product": PRODUCT, "schedulable": True, "ready": True, "labels": {}}
    return [{**base, "name": f"n{index}", "resources": dict(IB), "domains": {}, **over} for index in range(count)]


def policy(config: Any, **over: Any) -> dict[str, Any]:
    text = config if isinstance(config, str) else json.dumps({"configList": config})
    return {"name": "nic-cluster-policy", "spec": {"rdmaSharedDevicePlugin": {"config": text}}, "states": [], **over}


def facts(listed: list[dict[str, Any]], **known: Any) -> dict[str, Any]:
    return cluster(nodes=listed, hardware={"nfd": [], "attachments": [], "nic_policies": [], **known})


def test_f41_no_machine_offers_what_every_rank_asks_for() -> None:
    finding = one(native(workload(), machines=WITH_IB, facts=facts(nodes(resources={"rdma/ib": 0}))), "MN-F41")
    assert finding.severity == "error"
    assert "rdma/ib, which no machine offers: n0, n1, n2, n3, n4 and 3 more" in finding.message
    assert "no NicClusterPolicy configures rdma/ib" in finding.message
    assert found(native(workload(), machines=WITH_IB, facts=facts(nodes())), "MN-F41") == []
    assert found(native(workload(), facts=facts(nodes(resources={}))), "MN-F41") == []


def test_f41_some_machines_do_not_and_what_the_selector_takes_of_them() -> None:
    listed = nodes()
    listed[3]["resources"] = {}
    wanted = {"vendors": ["15b3"], "deviceIDs": ["1021"], "linkTypes": ["infiniband"]}
    known: dict[str, Any] = {"nic_policies": [policy([{"resourceName": "ib", "selectors": wanted}])]}
    finding = one(native(workload(), machines=WITH_IB, facts=facts(listed, **known)), "MN-F41")
    assert (finding.severity, "some machines do not offer: n3;" in finding.message) == ("warning", True)
    assert "takes deviceIDs 1021, linkTypes infiniband, vendors 15b3, which matches nothing there" in finding.message
    known["devices"] = {"n3": [{"vendor": "15b3", "device": "101d", "class": "0200"}, {"interface": "ens2f0"}]}
    finding = one(native(workload(), machines=WITH_IB, facts=facts(listed, **known)), "MN-F41")
    assert "n3 has 15b3:101d, ens2f0, none of which matches" in finding.message
    known["devices"]["n3"][0]["device"] = "1021"
    finding = one(native(workload(), machines=WITH_IB, facts=facts(listed, **known)), "MN-F41")
    assert "look at drivers and link types" in finding.message


def test_f41_whole_host_devices_and_virtual_functions_too() -> None:
    asks = machines(extra_resources={"nvidia.com/rails": 8})
    plugin = {
        "resourcePrefix": "nvidia.com",
        "resourceName": "rails",
        "selectors": {"devices": ["1021"], "isRdma": True},
    }
    spec = {"sriovDevicePlugin": {"config": json.dumps({"resourceList": [plugin]})}}
    known: dict[str, Any] = {
        "nic_policies": [{"name": "nic-cluster-policy", "spec": spec, "states": []}],
        "devices": {"n0": [{"vendor": "15b3", "device": "101d", "class": "0200"}]},
    }
    finding = one(native(workload(), machines=asks, facts=facts(nodes(), **known)), "MN-F41")
    assert "nvidia.com/rails, which no machine offers" in finding.message
    assert "takes deviceIDs 1021; n0 has 15b3:101d, none of which matches" in finding.message
    offering = nodes(resources={"nvidia.com/rails": 8})
    assert found(native(workload(), machines=asks, facts=facts(offering, **known)), "MN-F41") == []
    several = {**plugin, "resourcePrefix": "", "selectors": [{"devices": ["1"]}]}
    spec["sriovDevicePlugin"]["config"] = json.dumps({"resourceList": [several, "junk"]})
    finding = one(native(workload(), machines=asks, facts=facts(nodes(), **known)), "MN-F41")
    assert "takes any device" in finding.message


def test_f41_fewer_than_a_rank_asks_for_is_not_enough() -> None:
    asks = machines(extra_resources={"nvidia.com/rails": 8})
    listed = nodes(resources={"nvidia.com/rails": 1})
    finding = one(native(workload(), machines=asks, facts=facts(listed)), "MN-F41")
    assert (finding.severity, "ask for no more than they offer" in finding.remedy) == ("error", True)
    assert "asks for 8 nvidia.com/rails per rank, which no machine offers (they have up to 1): n0" in finding.message
    listed[0]["resources"] = {"nvidia.com/rails": 8}
    assert one(native(workload(), machines=asks, facts=facts(listed)), "MN-F41").severity == "warning"
    known: dict[str, Any] = {"nic_policies": [policy([{"resourceName": "ib", "selectors": {}}])]}
    shared = nodes(resources={"rdma/ib": 1})
    few = one(
        native(workload(), machines=machines(extra_resources={"rdma/ib": 2}), facts=facts(shared, **known)), "MN-F41"
    )
    assert "which matches too few there" in few.message


def test_f41_is_not_said_of_what_this_very_run_installs_or_nobody_read() -> None:
    bare = nodes(resources={})
    assert found(native(workload(), machines=WITH_IB, facts=facts(bare, coming=True)), "MN-F41") == []
    for item in bare:
        del item["resources"]
    assert found(native(workload(), machines=WITH_IB, facts=facts(bare)), "MN-F41") == []
    twice = [workload(name="one"), workload(name="two")]
    assert len(found(native(*twice, machines=WITH_IB, facts=facts(nodes(resources={}))), "MN-F41")) == 1


def test_selectors_are_and_between_kinds_and_or_within_one() -> None:
    devices = [{"vendor": "15b3", "device": "1021"}, {"vendor": "8086", "device": "1"}, {"interface": "ibs1"}]
    assert hardware.matching({}, devices)
    assert hardware.matching({"vendors": ["15b3", "x"], "deviceIDs": ["1021"], "ifNames": ["ibs1"]}, devices)
    assert not hardware.matching({"vendors": ["15b3"], "deviceIDs": ["1"]}, devices)
    assert not hardware.matching({"vendors": ["15b3"], "ifNames": ["ibs2"]}, devices)
    assert list(hardware.configured(policy("{"))) == []
    assert list(hardware.configured(policy("[]"))) == []


def upgrading(state: str, *which: int, count: int = 8) -> dict[str, Any]:
    listed = nodes(count)
    for index in which:
        listed[index]["labels"] = {hardware.UPGRADE: state}
    return facts(listed)


def test_f44_a_driver_upgrade_on_machines_that_the_plan_counts_on() -> None:
    finding = one(native(workload(), facts=upgrading("drain-required", 0)), "MN-F44")
    assert (finding.severity, "n0 (drain-required); the other machines have 56" in finding.message) == ("warning", True)
    full = workload(component(replicas=4))
    assert one(native(full, facts=upgrading("upgrade-failed", 1, 2)), "MN-F44").severity == "error"
    more = workload(component(replicas=5))
    assert one(native(more, facts=upgrading("upgrade-failed", 1)), "MN-F44").severity == "warning"
    assert found(native(full, facts=upgrading("upgrade-done", 1, 2)), "MN-F44") == []
    other = upgrading("upgrade-required", 0)
    other["nodes"][0]["gpu_product"] = "other"
    assert found(native(workload(gpu_product=PRODUCT), facts=other), "MN-F44") == []


def test_f45_a_secondary_network_that_is_not_there() -> None:
    asks = workload(network={"attachments": ["rails", "infra/eth0"]})
    known = {"attachments": ["inference/rails", "infra/eth0"]}
    assert found(native(asks, facts=facts(nodes(), **known)), "MN-F45") == []
    finding = one(native(asks, facts=facts(nodes(), attachments=["default/rails", "infra/eth0"])), "MN-F45")
    assert (finding.severity, finding.subject) == ("error", "inference/llama")
    assert "inference/rails does not exist (there is default/rails)" in finding.message
    assert "no Multus" in one(native(asks, facts=facts(nodes(), attachments=None)), "MN-F45").message
    assert found(native(workload(), facts=facts(nodes(), attachments=None)), "MN-F45") == []
    blind = {**facts(nodes(), attachments=[]), "unreadable": [hardware.ATTACHMENT]}
    assert found(native(asks, facts=blind), "MN-F45") == []
    assert found(native(asks, facts=cluster()), "MN-F45") == []


def test_f45_a_cni_that_is_not_ready() -> None:
    asks = workload(network={"attachments": ["rails"]})
    late = [
        {"name": "state-multus-cni", "state": "notReady", "message": "no binary"},
        {"name": "state-OFED", "state": "notReady"},
        {"name": "state-ipoib-cni", "state": "ignore"},
    ]
    known = {"attachments": ["inference/rails"], "nic_policies": [policy([], states=late)]}
    finding = one(native(asks, facts=facts(nodes(), **known)), "MN-F45")
    assert (finding.severity, "state-multus-cni is notReady (no binary)" in finding.message) == ("warning", True)
    assert "OFED" not in finding.message
