# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind that is rendered for the platform, really applied on upstream's definitions: a second run sends nothing.

No operator runs here. OLM's kinds, NFD's on OpenShift and IPPool, which come from elsewhere, have definitions of ours
without schemas.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import queues, topology
from ansible_collections.dynamo.multinode.plugins.module_utils.components import (
    Ask,
    gpu_operator,
    kai_scheduler,
    network_operator,
    openshift,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine

from lab.handle import Lab
from tests.integration import openshift_kinds
from tests.integration.kube_objects import Object, client
from tests.integration.test_hardware import FILES, NETWORKS, ask
from tests.integration.test_render_dynamo import UPSTREAM
from tests.integration.test_second_run import Counting

pytestmark = pytest.mark.upstream

DEFINITIONS = (
    *FILES,
    "kai-scheduler/kai.scheduler_schedulingshards",
    "kai-scheduler/kai.scheduler_topologies",
    "kai-scheduler/scheduling.run.ai_queues",
    "volcano/scheduling.volcano.sh_queues",
    "grove/grove.io_clustertopologybindings",
)
IP_POOL = ("nv-ipam.nvidia.com", "v1alpha1", "IPPool", "ippools", True)
KINDS = {
    *("ClusterPolicy", "NVIDIADriver", "NicClusterPolicy", "HostDeviceNetwork", "IPoIBNetwork", "MacvlanNetwork"),
    *("SriovNetworkNodePolicy", "SriovNetwork", "SriovIBNetwork", "IPPool", "SchedulingShard", "Queue"),
    *("Topology", "ClusterTopologyBinding", "Node", "OperatorGroup", "Subscription", "NodeFeatureDiscovery"),
    *("SecurityContextConstraints", "ClusterRole", "RoleBinding"),
}
QUEUES = {
    queues.KAI: [
        {"name": "root-serving", "gpu": {"quota": 16, "limit": "16"}, "cpu": {"quota": "1500m", "limit": 64}},
        {"name": "serving", "parent": "root-serving", "gpu": {"quota": 8, "weight": 2}, "memory": {"quota": "1000Gi"}},
    ],
    queues.VOLCANO: [
        {"name": "serving", "gpu": {"quota": 8, "limit": 16}, "cpu": {"quota": "1500m"}, "memory": {"limit": "1024Gi"}}
    ],
}


def definition(path: str) -> Object:
    crd: Object = yaml.load((UPSTREAM / "crds" / f"{path}.yaml").read_text(), yaml.CSafeLoader)
    crd["spec"].pop("conversion", None)
    return crd


def rendered() -> list[Object]:
    facts: dict[str, Any] = {"apis": {"config.openshift.io": ["v1"]}}
    driver = {"driver_crd": True, "driver_version": "580.95.05", "driver_node_selector": {"pool": "a"}}
    networks = ask(NETWORKS, {})
    found = [
        *network_operator.objects(networks),
        *openshift.rdma_objects(["inference"]),
        *gpu_operator.objects(ask(driver, facts)),
    ]
    found += [obj for name in openshift.PACKAGES for obj in openshift.olm_objects(name, ask({}, facts))]
    found += [obj for name in openshift.PACKAGES for obj in openshift.late_objects(name, networks)]
    found += kai_scheduler._objects(Ask(version="v0.14.0"))
    for scheduler, raw in QUEUES.items():
        wanted, problems = queues.load(raw, scheduler)
        assert problems == ()
        found += [queues.objects(queue, scheduler) for queue in wanted]
    found += topology._objects("racks", {"block": "example.com/block", "rack": "example.com/rack"})
    found.append(topology._node({"name": "gpu-1"}, {"example.com/rack": "r1"}))
    unique = {(obj["apiVersion"], obj["kind"], str(obj["metadata"])): copy.deepcopy(dict(obj)) for obj in found}
    return list(unique.values())


def test_every_kind_of_the_platform_is_recognised_as_unchanged(own_lab: Lab) -> None:
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    elsewhere = [*openshift_kinds.KINDS, *openshift_kinds.BROUGHT["nfd"], IP_POOL]
    objects = rendered()
    assert {obj["kind"] for obj in objects} - {"Namespace", "ConfigMap"} == KINDS
    wanted = [definition(path) for path in DEFINITIONS] + openshift_kinds.definitions(elsewhere) + objects
    here = Counting(client(own_lab).transport)
    applyset = {"name": "platform", "namespace": "inference"}
    first = engine.apply(here, wanted, create_namespaces=True, applyset=applyset, prune=True)
    assert [(str(result.ref), result.error) for result in first if result.action != "created"] == []
    here.written.clear()
    second = engine.apply(here, wanted, create_namespaces=True, applyset=applyset, prune=True)
    assert here.written == []
    assert {result.action for result in second} == {"unchanged"}
