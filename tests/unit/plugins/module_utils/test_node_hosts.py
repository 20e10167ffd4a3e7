# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import node_hosts
from ansible_collections.dynamo.multinode.plugins.module_utils.node_hosts import Host, host, reduced, remarks
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import parse_machines
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS


def node(
    name: str = "a",
    gpus: int = 8,
    ready: str = "True",
    capacity: int | None = None,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    known = {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    known |= {"nvidia.com/gpu.memory": "81559", "topology.kubernetes.io/rack": "r1"}
    amounts = {"cpu": "192", "nvidia.com/gpu": str(gpus), "rdma/ib": "8", "rdma/off": "0", "vpc.amazonaws.com/efa": "4"}
    return {
        "metadata": {"name": name, "labels": known | (labels or {})},
        "spec": {},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "allocatable": amounts,
            "capacity": {**amounts, "nvidia.com/gpu": str(gpus if capacity is None else capacity)},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        },
    }


def made(found: dict[str, Any], **over: Any) -> Host:
    return host(reduced(found), LEVELS, **over)


def test_a_machine_is_what_its_labels_and_its_allocatable_say() -> None:
    one = made(node())
    assert one.machine == {
        "name": "a",
        "gpu_count": 8,
        "gpu_product": "NVIDIA-H100-80GB-HBM3",
        "gpu_memory_gib": 80,
        "rack": "r1",
        "extra_resources": {"rdma/ib": 8, "vpc.amazonaws.com/efa": 4},
    }
    assert (one.treatment, one.remark, one.gpu_machine) == ("use", (), True)
    assert one.node["addresses"] == {"InternalIP": "10.0.0.1"}
    # The spec reads it as it reads a written one
    assert parse_machines([one.machine])[0].domains == {"rack": "r1"}


def test_only_the_resources_asked_for_come_along() -> None:
    assert made(node(), fabrics=["rdma/*"]).machine["extra_resources"] == {"rdma/ib": 8}
    assert "extra_resources" not in made(node(), fabrics=[]).machine


def test_f30_a_machine_with_seven_of_eight_counts_seven_and_is_named() -> None:
    one = made(node(gpus=7, capacity=8))
    assert one.machine["gpu_count"] == 7
    assert remarks([one, made(node("b"))]) == [
        "machines that report fewer GPUs than they have; the inventory counts what they report: a (7 of 8)"
    ]
    assert made(node(gpus=7, labels={"nvidia.com/gpu.count": "8"})).remark == (("fewer", "a (7 of 8)"),)


def test_a_gpu_machine_without_gpus_is_set_apart() -> None:
    one = made(node(gpus=0))
    assert (one.gpu_machine, one.treatment, one.remark) == (True, "apart", (("none", "a"),))


def test_shares_of_a_gpu_are_no_gpus() -> None:
    one = made(node(gpus=32, labels={"nvidia.com/gpu.sharing-strategy": "time-slicing", "nvidia.com/gpu.count": "8"}))
    assert one.remark == (("shared", "a (time-slicing)"),)


def test_a_machine_without_gpus_is_none_of_ours() -> None:
    plain = node(gpus=0, ready="False")
    plain["metadata"]["labels"] = {}
    one = made(plain)
    assert (one.gpu_machine, one.remark) == (False, ())


@pytest.mark.parametrize("chosen", node_hosts.TREATMENTS)
def test_machines_that_are_not_ready_or_cordoned(chosen: str) -> None:
    cordoned = node()
    cordoned["spec"]["unschedulable"] = True
    for found, option in ((node(ready="Unknown"), "not_ready"), (cordoned, "cordoned")):
        one = made(found, **{option: chosen})
        assert (one.treatment, [kind for kind, _name in one.remark]) == (chosen, [] if chosen == "use" else [option])
    # Both: the stricter one holds
    cordoned["status"]["conditions"] = []
    assert made(cordoned, not_ready="use", cordoned=chosen).treatment == chosen
    assert made(cordoned, not_ready="skip", cordoned=chosen).treatment == "skip"


def test_many_names_are_counted() -> None:
    told = remarks([made(node(f"n{i}", ready="False")) for i in range(20)])
    assert len(told) == 1 and told[0].endswith("n7 and 12 more")
