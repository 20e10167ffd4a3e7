# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shapes of manifests: anything may be missing or of the wrong kind."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import read
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import gpu_amounts, number

from tests.unit.plugins.module_utils.readback.given import TP16, dgd, engine, lws, one


def test_another_kind_has_no_components() -> None:
    assert read({"apiVersion": "v1", "kind": "ConfigMap"}).components == ()
    assert read({"apiVersion": "other/v1", "kind": "LeaderWorkerSet"}).components == ()


@pytest.mark.parametrize("spec", [None, {}, {"components": None}, {"components": [None, 1]}, {"components": "x"}, []])
def test_broken_deployments_have_no_components(spec: Any) -> None:
    manifest = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": spec}
    assert read(manifest).components == ()


@pytest.mark.parametrize("template", [None, {}, {"spec": {"containers": []}}, {"spec": {"containers": "main"}}])
def test_broken_components_are_read_as_far_as_they_go(template: Any) -> None:
    manifest = dgd({"name": "x", "type": "worker", "multinode": {}, "podTemplate": template})
    (found,) = read(manifest).components
    assert (found.node_count, found.gpus_per_node, found.backend) == (2, 0, "")


@pytest.mark.parametrize(("value", "found"), [(3, 3), ("3", 3), (True, 7), ("x", 7), (None, 7), (-1, 7), (1.5, 7)])
def test_numbers(value: Any, found: int) -> None:
    assert number(value, 7) == found


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({"limits": {"nvidia.com/gpu": 8}, "requests": {"nvidia.com/gpu": 4}}, {"nvidia.com/gpu": 8}),
        ({"requests": {"nvidia.com/gpu": 4}}, {"nvidia.com/gpu": 4}),
        ({"limits": {"nvidia.com/mig-1g.10gb": 1}}, {"nvidia.com/mig-1g.10gb": 1}),
        ({"limits": {"gpu": 1}}, {"gpu": 1}),
        ({"limits": {"gpu.intel.com/i915": 1}}, {"gpu.intel.com/i915": 1}),
        ({"limits": {"cpu": 1, "rdma/ib": 8, "nvidia.com/gpu": 0}}, {}),
        ({"limits": None}, {}),
    ],
)
def test_gpu_resources(resources: Any, found: dict[str, Any]) -> None:
    assert gpu_amounts(resources) == found


def test_gpus_that_are_no_number_are_unknown() -> None:
    assert one(*TP16, gpus="half").part.gpus is None
    assert one(*TP16, gpus="half").gpus_per_node == 0


def test_gpus_by_dra_claims() -> None:
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "gpus"},
        "spec": {
            "spec": {
                "devices": {
                    "requests": [
                        {"name": "g", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 8}},
                        {"name": "h", "deviceClassName": "gpu.nvidia.com"},
                        {"name": "c", "exactly": {"deviceClassName": "compute-domain-default-channel.nvidia.com"}},
                    ]
                }
            }
        },
    }
    claims = [{"name": "g", "resourceClaimTemplateName": "gpus"}, {"name": "x", "resourceClaimTemplateName": "none"}]
    main = {"resources": {"claims": [{"name": "g"}]}}
    found = one(*TP16, gpus=None, main=main, pod={"resourceClaims": claims}, companions=[template])
    assert found.gpus_per_node == 9
    unused = one(*TP16, gpus=None, pod={"resourceClaims": claims}, companions=[template])
    assert unused.gpus_per_node == 0


def test_the_main_container_is_found_by_name_then_by_gpus() -> None:
    part = engine(*TP16)
    part["podTemplate"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "x"})
    (found,) = read(dgd(part)).components
    assert found.operator.tensor == 16
    template = lws("-tp", "16")["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    template["spec"]["containers"].insert(0, {"name": "sidecar"})
    manifest = lws("-tp", "16")
    manifest["spec"]["leaderWorkerTemplate"]["workerTemplate"] = template
    assert read(manifest).components[0].engine.tensor == 16


def test_leader_worker_set() -> None:
    manifest = lws("Q", "-tp", "16", "--nnodes", "2")
    back = read(manifest)
    (found,) = back.components
    assert back.provider == "lws"
    assert (found.replicas, found.node_count, found.gpus_per_node, found.engine.nodes) == (2, 2, 8, 2)
    assert found.backend == "vllm"
    leader = {"metadata": {"annotations": {"a": 1}}, "spec": {"containers": [{"name": "l", "command": ["x"]}]}}
    manifest["spec"]["leaderWorkerTemplate"]["leaderTemplate"] = leader
    (own,) = read(manifest).components
    assert own.leader.command == ("x",)
    assert own.worker.command == ("vllm", "serve")
    assert own.part.annotations == {"a": "1"}
    assert read(lws(size=1)).components[0].worker is None


def test_pod_clique_set() -> None:
    def clique(name: str, replicas: Any = None) -> dict[str, Any]:
        container = {"name": "main", "command": ["vllm", "serve"], "resources": {"limits": {"nvidia.com/gpu": 4}}}
        return {"name": name, "spec": {"replicas": replicas, "podSpec": {"containers": [container]}}}

    manifest = {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": "llm"},
        "spec": {
            "replicas": 2,
            "template": {
                "cliques": [clique("ldr"), clique("wkr", 3), clique("router", 2)],
                "podCliqueScalingGroups": [
                    {"name": "engine", "cliqueNames": ["ldr", "wkr"], "replicas": 2},
                    {"name": "empty", "cliqueNames": ["none"]},
                ],
            },
        },
    }
    group, router = read(manifest).components
    assert (group.name, group.replicas, group.node_count, group.gpus_per_node) == ("engine", 4, 4, 4)
    assert (router.name, router.replicas, router.node_count) == ("router", 4, 1)
    assert group.to_dict()["total_gpus"] == 16


def test_component_deployment_in_both_versions() -> None:
    beta = {"type": "decode", **engine(*TP16)}
    manifest = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoComponentDeployment", "spec": beta}
    assert read(manifest).components[0].operator.branch == "mp"
    spec = {"componentType": "worker", "serviceName": "VllmWorker"}
    old = {"apiVersion": "nvidia.com/v1alpha1", "kind": "DynamoComponentDeployment", "spec": spec}
    assert read(old).components[0].name == "VllmWorker"
    assert read({**old, "metadata": {"name": "x"}, "spec": {}}).components[0].name == "x"
