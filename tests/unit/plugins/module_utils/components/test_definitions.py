# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the components are told, the custom resources that come of it are what upstream's definitions know."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import queues, topology
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS, Ask

from tests.unit.plugins.module_utils.components import schemas

FOLDERS = {name: name.replace("_", "-") for name in COMPONENTS} | {"dynamo_platform": "dynamo"}
# No definition of these is among upstream's data; Kubernetes itself knows a ConfigMap
WITHOUT = ("IPPool", "ConfigMap")
REGISTRY = {"mirror": "reg:5000/m", "pull_secret": "pull", "ca_bundle": "PEM"}
PROXY = {"http": "http://p:1", "https": "http://p:1", "no_proxy": "a,b"}
# Each setting with values as people and surveys send them
SETTINGS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "gpu_operator": {
        "driver": ("auto", "operator", "host"),
        "driver_version": ("580.95.05", 580),
        "driver_crd": (True, "true"),
        "driver_node_selector": ({"pool": "a", "gpu": True, "rack": 7},),
        "kernel_modules": ("open", "auto", "proprietary"),
        "runtime": ("auto", "k3s", "rke2", "crio"),
        "peermem": (True, "yes"),
        "host_mofed": (True, "1"),
        "auto_upgrade": (True, "true"),
        "gdrcopy": (True, "true"),
    },
    "network_operator": {
        "mofed": ("operator", "host"),
        "mofed_version": ("doca4", 24),
        "rdma_shared": ([{"resource": "ib", "max": "1000", "link_types": "ether", "device_ids": [1021, "1023"]}],),
        "host_device": (
            [{"name": "h", "resource": "r", "namespace": "s", "ipam": {"type": "static"}, "drivers": "d"}],
        ),
        "ipoib": ([{"name": "i", "master": "ib0"}],),
        "macvlan": ([{"name": "m", "master": "e", "mode": "passthru", "mtu": "9000"}],),
        "sriov": (
            [{"name": "v", "resource": "r", "num_vfs": "8", "link_type": "IB", "device_ids": "1021", "mtu": 4092}],
            [{"name": "v", "resource": "r", "num_vfs": 8, "if_names": ["a", "b"], "rdma": "false", "ipam": "p"}],
            [{"name": "v", "resource": "r", "num_vfs": 8, "root_devices": "0000:01:00.0", "node_selector": {"a": 1}}],
        ),
        "ip_pools": ([{"name": "p", "subnet": "10.0.0.0/8", "per_node_block_size": "64", "gateway": "10.0.0.1"}],),
        "multus": (True, "false", "auto"),
        "node_affinity": (
            {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpu"]}]}]
                }
            },
        ),
    },
}


def asked(name: str) -> Iterator[Ask]:
    """All settings at once and none, on every kind of cluster and site; then some of them, by chance."""
    dice = random.Random(name)
    for round_ in range(60):
        share = {0: 0.0, 1: 1.0}.get(round_, 0.5)
        given = {key: dice.choice(values) for key, values in SETTINGS.get(name, {}).items() if dice.random() < share}
        apis = dice.choice(({}, {"config.openshift.io": ["v1"]}, {"monitoring.coreos.com": ["v1"]}))
        yield Ask(
            settings=given,
            version={"gpu_operator": "26.7.1", "network_operator": "26.4.1", "kai_scheduler": "0.13.4"}.get(name, ""),
            namespace="ours",
            release="ours",
            facts={"apis": apis, "nodes": [], "components": {}, "hardware": {}},
            registry=dice.choice(({}, REGISTRY)),
            proxy=dice.choice(({}, PROXY)),
        )


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_a_components_own_objects_and_probes_are_known_upstream(name: str) -> None:
    made = list(COMPONENTS[name].dry_runs)
    wrong, taken = [], 0
    for ask in asked(name):
        findings = [item for check in COMPONENTS[name].checks for item in check(ask, {"present": False})]
        if not any(item.id == "MN-N40" for item in findings):  # a contradiction gets no further
            taken += 1
            made += [item for item in COMPONENTS[name].objects(ask) if item["kind"] not in WITHOUT]
    assert taken > 15
    for item in made:
        wrong += [f"{item['kind']}: {line}" for line in schemas.of_object(FOLDERS[name], item)]
    assert not set(wrong)


@pytest.mark.parametrize(
    ("scheduler", "folder", "own"),
    [
        (
            "kai",
            "kai-scheduler",
            {"display_name": "D", "preempt_min_runtime": "4m", "reclaim_min_runtime": "4m", "priority": "5"},
        ),
        (
            "volcano",
            "volcano",
            {"capability": {"cpu": 8, "rdma/ib": "8"}, "guarantee": {"cpu": "1"}, "reclaimable": "true"},
        ),
    ],
)
def test_queues_are_known_upstream(scheduler: str, folder: str, own: dict[str, Any]) -> None:
    amounts: tuple[dict[str, Any], ...] = (
        {"quota": "64", "limit": -1},
        {"limit": 1.5},
        {"quota": 0, "weight": "2"},
        {},
    )
    raw: list[dict[str, Any]] = [{"name": "root-of-them"}]
    raw += [
        {
            "name": f"q{index}",
            "parent": "root-of-them",
            "gpu": amount,
            "memory": {"quota": "1Ti"},
            **(own if index else {}),
        }
        for index, amount in enumerate(amounts)
    ]
    made, problems = queues.load(raw, scheduler)
    assert not problems
    for queue in made:
        assert schemas.of_object(folder, queues.objects(queue, scheduler)) == []


def test_topologies_are_known_upstream() -> None:
    facts = {
        "nodes": [{"name": "a", "gpus": 8, "labels": {"t/zone": "1", "t/rack": "2"}}],
        "apis": {"kai.scheduler": ["v1alpha1"], "grove.io": ["v1alpha1"]},
        "components": {"grove": {"details": {"topology_aware": True}}},
    }
    made = topology.gangs({"zone": "t/zone", "rack": "t/rack"}, facts, name="ours").objects
    folders = {"Topology": "kai-scheduler", "ClusterTopologyBinding": "grove"}
    assert {item["kind"] for item in made} == set(folders)
    for item in made:
        assert schemas.of_object(folders[item["kind"]], item) == []
