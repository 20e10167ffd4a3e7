# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod_spec, and a component before it is read, must not say, named after the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.given import is_gpu

from tests.unit.plugins.module_utils.inputs import component, dynamo_problems, machines, only, problems, workload

AT = "multinode_workloads[0].components.engine"


def main(**keys: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", **keys}]}


@pytest.mark.parametrize(
    ("pod_spec", "path", "words"),
    [
        (main(args=[]), "containers[0].args", "takes the derived args away"),
        (main(command=None), "containers[0].command", "LeaderWorkerSet refuses that"),
    ],
)
def test_f13_a_pod_spec_that_empties_the_command(pod_spec: dict[str, Any], path: str, words: str) -> None:
    problem = only(problems(workload(component(pod_spec=pod_spec))))
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.{path}", "MN-F13")
    assert words in problem.message


@pytest.mark.parametrize(
    ("over", "path", "words"),
    [
        ({"strategy": "data"}, "strategy", "it is a key of parallelism of a component"),
        ({"tp": 8}, "tp", "what sets it is tensor, a key of parallelism of a component"),
        ({"queue": "x"}, "queue", "it is a key of a workload"),
        ({"gpus": 8}, "gpus", "did you mean gpus_per_node?"),
        ({"nodeCount": 2}, "nodeCount", "did you mean node_count?"),
        ({"resources": {"limits": {}}}, "resources.limits", "what sets it is gpus_per_node"),
        ({"qeue": "x"}, "qeue", "did you mean queue, a key of a workload?"),
        ({"qqq": "x"}, "qqq", "is not a known key"),
    ],
)
def test_f15_a_key_of_a_component(over: dict[str, Any], path: str, words: str) -> None:
    problem = only(problems(workload(component(**over))))
    assert (problem.path, problem.check) == (f"{AT}.{path}", "MN-F15")
    assert words in problem.message


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"node_count": 2}, "it is a key of a component"),
        ({"pack": "rack"}, "it is a key of topology of a workload"),
        ({"topology_levels": {}}, "it is a key of the cluster (multinode_topology_levels)"),
        ({"gpu_memory_gib": 80}, "it is a key of a machine (multinode_node)"),
        ({"mount_path": "/x"}, "it is a key of model_cache of a workload or of compilation_cache of a workload"),
    ],
)
def test_f15_a_key_of_a_workload(over: dict[str, Any], words: str) -> None:
    problem = only(problems(workload(**over)))
    assert (problem.path, problem.check) == (f"multinode_workloads[0].{next(iter(over))}", "MN-F15")
    assert words in problem.message


@pytest.mark.parametrize(
    ("pod_spec", "path", "words"),
    [
        ({"container": []}, "container", "did you mean containers?"),
        ({"livenessProbe": {}}, "livenessProbe", "of a container: under containers"),
        (main(tolerations=[]), "containers[0].tolerations", "of the pod spec, one level up"),
        (main(volumeMount=[]), "containers[0].volumeMount", "did you mean volumeMounts?"),
    ],
)
def test_f15_a_key_of_a_pod_spec(pod_spec: dict[str, Any], path: str, words: str) -> None:
    problem = only(problems(workload(component(pod_spec=pod_spec))))
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.{path}", "MN-F15")
    assert words in problem.message
    # A later Kubernetes may know keys that are not near to any of today.
    assert problems(workload(component(pod_spec={"quux": 1, "hostIPC": True}))) == []


@pytest.mark.parametrize("value", [0.5, 1.5, 8.0, -1, 0, "0.5", "-2", "0", "8.0"])
def test_f17_gpus_that_are_no_whole_number(value: Any) -> None:
    problem = only(problems(workload(component(gpus_per_node=value))))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.gpus_per_node", "MN-F17", value)
    assert f"is {value!r}: each rank takes whole GPUs, 1 or more" in problem.message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nvidia.com/mig-1g.10gb", "a slice of a GPU (MIG)"),
        ("nvidia.com/gpu.shared", "a share of a GPU"),
        ("aliyun.com/gpu-mem", "a share of a GPU"),
        ("gpu.nvidia.com", "a device class of dynamic resource allocation (DRA)"),
    ],
)
def test_f17_a_resource_that_is_no_whole_gpu(name: str, words: str) -> None:
    problem = only(problems(workload(component(gpu_resource=name))))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.gpu_resource", "MN-F17", name)
    assert words in problem.message
    assert "such as nvidia.com/gpu" in problem.message


def test_f17_whole_gpus_of_any_vendor() -> None:
    assert problems(workload(component(gpu_resource="amd.com/gpu", gpus_per_node="+8"))) == []
    assert [
        is_gpu(name) for name in ("gpu", "amd.com/gpu", "gpu.intel.com/i915", "rdma/ib", "vpc.amazonaws.com/efa")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_f17_gpus_among_the_extra_resources() -> None:
    problem = only(problems(workload(extra_resources={"nvidia.com/gpu": 8})))
    assert (problem.path, problem.check) == ("multinode_workloads[0].extra_resources.nvidia.com/gpu", "MN-F17")
    found = problems(workload(component()), machines=machines(1, 1, extra_resources={"nvidia.com/gpu": 8}))
    assert (found[0].path, found[0].check) == ("multinode_node[gpu-1-1].extra_resources.nvidia.com/gpu", "MN-F17")


@pytest.mark.parametrize(
    ("pod_spec", "path", "words"),
    [
        (
            main(resources={"limits": {"nvidia.com/mig-1g.10gb": 1}, "requests": {"nvidia.com/mig-1g.10gb": 1}}),
            "containers[0].resources.limits.nvidia.com/mig-1g.10gb",
            "a slice of a GPU (MIG)",
        ),
        (
            main(resources={"limits": {"amd.com/gpu": 1}, "requests": {"amd.com/gpu": 1}}),
            "containers[0].resources.limits.amd.com/gpu",
            "another kind of GPU",
        ),
        ({"resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": "t"}]}, "resourceClaims[0]", "through DRA"),
    ],
)
def test_f17_other_gpus_in_a_pod_spec(pod_spec: dict[str, Any], path: str, words: str) -> None:
    problem = problems(workload(component(pod_spec=pod_spec)))[0]
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.{path}", "MN-F17")
    assert words in problem.message


def test_f17_claims_for_something_else_pass() -> None:
    claims = ["x", {"name": "gpu-channel", "resourceClaimTemplateName": "compute-domain"}, {"name": "nic"}]
    assert problems(workload(component(pod_spec={"resourceClaims": claims}))) == []


@pytest.mark.parametrize(
    ("pod_spec", "path"),
    [
        (main(resources=None), "containers[0].resources"),
        (main(resources={"requests": None}), "containers[0].resources.requests"),
        (main(resources={"requests": {"nvidia.com/gpu": None}}), "containers[0].resources.requests.nvidia.com/gpu"),
        (main(resources={"limits": {"rdma/ib": 4}}), "containers[0].resources.limits.rdma/ib"),
        (
            {"containers": [{"name": "side", "image": "x:1.0.0", "resources": {"limits": {"nvidia.com/gpu": 1}}}]},
            "containers[0].resources.limits.nvidia.com/gpu",
        ),
    ],
)
def test_f57_gpus_as_limits_only(pod_spec: dict[str, Any], path: str) -> None:
    problem = only(problems(workload(component(pod_spec=pod_spec))))
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.{path}", "MN-F57")
    assert "leave it out" in problem.message or "requests" in problem.message


def test_f57_limits_that_are_requested_too() -> None:
    both = {"limits": {"rdma/ib": 8, "cpu": 4}, "requests": {"rdma/ib": "8"}}
    assert problems(workload(component(pod_spec=main(resources=both)))) == []
    alike = main(resources={"limits": {"rdma/ib": 8}})
    assert problems(workload(component(pod_spec=alike), extra_resources={"rdma/ib": 8})) == []


@pytest.mark.parametrize(
    ("probe", "allowed"),
    [
        ({"failureThreshold": 60}, "0 + 10 x 60 = 600 s"),
        ({"initialDelaySeconds": 5, "periodSeconds": "x", "failureThreshold": 1}, "5 + 10 x 1 = 15 s"),
    ],
)
def test_f100_a_startup_probe_that_kills_in_mid_load(probe: dict[str, Any], allowed: str) -> None:
    problem = only(problems(workload(component(pod_spec=main(startupProbe=probe)))))
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.containers[0].startupProbe", "MN-F100")
    assert allowed in problem.message
    assert "7200 s (startup_timeout)" in problem.message


def test_f100_a_startup_probe_that_waits_long_enough() -> None:
    patient = main(startupProbe={"periodSeconds": 10, "failureThreshold": 720})
    assert problems(workload(component(pod_spec=patient))) == []
    frontend = {"name": "f", "role": "frontend", "pod_spec": main(startupProbe={"failureThreshold": 3})}
    assert dynamo_problems(workload(component(), frontend)) == []


def test_f111_the_priority_of_one_pod() -> None:
    problem = only(problems(workload(component(pod_spec={"priorityClassName": "high"}))))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.pod_spec.priorityClassName", "MN-F111", "high")
    assert "`priority_class`" in problem.message


def test_f19_the_scheduler_of_a_frontend() -> None:
    frontend = {"name": "f", "role": "frontend", "pod_spec": {"schedulerName": "volcano"}}
    problem = only(dynamo_problems(workload(component(), frontend)))
    assert (problem.path, problem.check) == (
        "multinode_workloads[0].components.f.pod_spec.schedulerName",
        "MN-F19",
    )


def test_a_pod_spec_that_is_not_shaped_as_one_is_left_to_the_cluster() -> None:
    odd = {"containers": [{"name": "main", "volumeMounts": "x", "resources": "y"}], "resourceClaims": "z"}
    assert problems(workload(component(pod_spec=odd))) == []
    assert only(problems(workload(component(pod_spec={"containers": ["x"]})))).path == f"{AT}.pod_spec.containers"


@pytest.mark.parametrize("role", ["frontend", "planner", "epp"])
def test_f14_machines_for_what_is_one_pod(role: str) -> None:
    extra = {"name": "extra", "role": role, "node_count": "2"}
    found = [p for p in dynamo_problems(workload(component(), extra)) if p.check]
    assert (only(found).path, only(found).check) == ("multinode_workloads[0].components.extra.node_count", "MN-F14")
    assert f"role {role} runs on one machine" in found[0].message


def test_gpus_of_a_planner() -> None:
    planner = {"name": "planner", "role": "planner", "node_count": 1, "gpus_per_node": 1, "engine_config": {"a": 1}}
    found = dynamo_problems(workload(component(), planner))
    assert [problem.path.rsplit(".", 1)[1] for problem in found] == ["gpus_per_node", "engine_config"]
    assert "role planner takes no GPUs: only worker, prefill, decode do" in found[0].message
