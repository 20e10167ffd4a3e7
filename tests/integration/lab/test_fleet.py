# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's machines as nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import fleet
from lab.errors import LabError
from lab.handle import Lab


def inventory(folder: Path, hosts: dict[str, Any], **values: Any) -> Path:
    path = folder / "hosts.yml"
    content = {"all": {"children": {"gpu_nodes": {"hosts": hosts, "vars": values}}}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def machine(**values: Any) -> dict[str, Any]:
    base = {"gpu_count": 8, "gpu_product": "NVIDIA-H100-80GB-HBM3", "gpu_memory_gib": 80, "zone": "z1", "rack": "r1"}
    return {"multinode_node": {**base, **values}}


@pytest.fixture(scope="module")
def fleet_lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab(nodes=0)


def test_nodes_follow_the_inventory(fleet_lab: Lab, tmp_path: Path) -> None:
    path = inventory(
        tmp_path,
        {"one": machine(extra_resources={"rdma/ib": 8}), "two": machine(gpu_count="4", name="second", rack="r2")},
        multinode_topology_levels={"rack": "example.com/rack"},
    )
    fleet_lab.command("up", "--inventory", str(path))
    nodes = {node["metadata"]["name"]: node for node in fleet_lab.get("nodes")}
    assert set(nodes) == {"lab-system-0", "one", "second"}
    labels = nodes["one"]["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert labels["nvidia.com/gpu.memory"] == "81920"
    assert labels["example.com/rack"] == "r1"
    assert labels["topology.kubernetes.io/zone"] == "z1"
    assert labels["feature.node.kubernetes.io/pci-15b3.present"] == "true"
    assert nodes["one"]["status"]["allocatable"]["rdma/ib"] == "8"
    assert nodes["second"]["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert "nvidia.com/gpu" not in nodes["lab-system-0"]["status"]["allocatable"]
    assert not any(node["spec"].get("taints") for node in nodes.values())

    # One machine changes, one goes; a label that somebody else wrote stays.
    fleet_lab.kubectl("label", "node", "one", "example.com/theirs=1")
    path = inventory(tmp_path, {"one": machine(gpu_count=4)})
    assert "1 changed, 1 removed" in fleet_lab.command("up", "--inventory", str(path)).stdout
    nodes = {node["metadata"]["name"]: node for node in fleet_lab.get("nodes")}
    assert set(nodes) == {"lab-system-0", "one"}
    labels = nodes["one"]["metadata"]["labels"]
    assert nodes["one"]["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert "rdma/ib" not in nodes["one"]["status"]["allocatable"]
    assert labels["topology.kubernetes.io/rack"] == "r1"
    assert "example.com/rack" not in labels
    assert labels["example.com/theirs"] == "1"
    assert "(unchanged)" in fleet_lab.command("up", "--inventory", str(path)).stdout


def test_a_pod_runs_on_a_new_node(fleet_lab: Lab) -> None:
    fleet_lab.up()
    containers = [{"name": name, "image": f"example.com/{name}:1"} for name in ("engine", "sidecar")]
    spec = {"containers": containers, "initContainers": [{"name": "first", "image": "example.com/first:1"}]}
    fleet_lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec})
    fleet_lab.kubectl("wait", "pod/probe", "--for=condition=Ready", "--timeout=60s")
    assert fleet_lab.get("pod", "probe")["spec"]["nodeName"] == "lab-system-0"


def test_a_pod_whose_machine_was_lost_for_a_moment_is_ready_again(fleet_lab: Lab) -> None:
    """The controller manager does to pods of a NotReady machine what is done to this one here."""
    container = {"name": "main", "image": "example.com/main:1"}
    meta = {"name": "again", "namespace": "default"}
    fleet_lab.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}})
    fleet_lab.kubectl("wait", "pod/again", "--for=condition=Ready", "--timeout=60s")
    lost = '{"status":{"conditions":[{"type":"Ready","status":"False","reason":"NodeNotReady"}]}}'
    mark = fleet_lab.mark()
    fleet_lab.kubectl("patch", "pod", "again", "--subresource=status", "-p", lost)
    fleet_lab.kubectl("wait", "pod/again", "--for=condition=Ready", "--timeout=60s")
    healed = [event["objectRef"] for event in fleet_lab.audit(mark, user="lab-kwok", verbs=("patch",))]
    assert [target["name"] for target in healed if target["resource"] == "pods"] == ["again"]


def test_more_machines_than_the_inventory_has() -> None:
    found = [{"name": f"n{index}", "gpu_count": 8, "rack": f"r{index // 2}"} for index in range(4)]
    bigger = fleet.resize(found, 9)
    assert bigger[:4] == found
    racks = [node["rack"] for node in bigger]
    assert len({node["name"] for node in bigger}) == 9
    assert [racks.count(rack) for rack in dict.fromkeys(racks)] == [2, 2, 2, 2, 1]
    assert fleet.resize(found, 3) == found[:3]


@pytest.mark.parametrize(
    ("hostvars", "told"),
    [
        ({"a": {"multinode_node": "eight"}}, "host a: multinode_node is 'eight', not a map"),
        ({"a": {"multinode_node": {"rack": "{{ x }}"}}}, "host a: multinode_node.rack is a template"),
        (
            {"a": {"multinode_node": {"name": "n"}}, "b": {"multinode_node": {"name": "n"}}},
            "2 hosts have the node name n",
        ),
        ({}, "no hosts in the group gpu_nodes"),
    ],
)
def test_mistakes_name_host_and_variable(hostvars: dict[str, Any], told: str) -> None:
    listed = {"_meta": {"hostvars": hostvars}, "gpu_nodes": {"hosts": list(hostvars)}}
    with pytest.raises(LabError, match=told):
        fleet.machines(listed, Path("inventories/x"))


def test_group_and_children() -> None:
    listed = {
        "_meta": {"hostvars": {"a": {"multinode_node_group": "machines"}, "b": {}}},
        "machines": {"children": ["rack1"]},
        "rack1": {"hosts": ["a", "b"]},
    }
    found, levels = fleet.machines(listed, Path("x"))
    assert [node["name"] for node in found] == ["a", "b"]
    assert levels["rack"] == "topology.kubernetes.io/rack"


def test_words_for_numbers_are_refused() -> None:
    with pytest.raises(LabError, match=r"host n: multinode_node.gpu_count is 'many'"):
        fleet.gpu_node({"name": "n", "gpu_count": "many"}, fleet.LEVELS)
