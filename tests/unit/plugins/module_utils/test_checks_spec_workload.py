# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a workload as a whole, and what is said about one, named after the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan

from tests.unit.plugins.module_utils.inputs import (
    KNOWN,
    component,
    dynamo,
    dynamo_problems,
    native,
    only,
    problems,
    workload,
)

AT = "multinode_workloads[0]"
FRONTEND = {"name": "frontend", "role": "frontend"}
PLANNER = {"name": "planner", "role": "planner", "args": ["--config", "{}"]}


def said(plan: FleetPlan, check: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.id == check]


def test_one_planner_of_one_pod() -> None:
    twice = only(dynamo_problems(workload(component(), PLANNER, {**PLANNER, "name": "other"})))
    assert (twice.path, twice.value) == (f"{AT}.components.other.role", "planner")
    assert "is a second planner beside 'planner'" in twice.message
    more = only(dynamo_problems(workload(component(), {**PLANNER, "replicas": 2})))
    assert (more.path, more.value) == (f"{AT}.components.planner.replicas", 2)
    assert "one planner per workload" in more.message


def test_min_available_is_at_most_the_replicas() -> None:
    problem = only(dynamo_problems(workload(component(replicas=2, min_available=3))))
    assert problem.path == f"{AT}.components.engine.min_available"
    assert "is 3, more than there are replicas (2)" in problem.message
    assert only(dynamo_problems(workload(component(min_available=0)))).message.startswith(
        "is 0; a whole number, from 1"
    )
    assert dynamo_problems(workload(component(replicas=2, min_available=2))) == []


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({"num_nodes": 9}, "the engines take 1 x 1 (prefill) + 2 x 4 (decode) = 9 machines"),
        ({"num_nodes": 0}, ""),
        ({}, ""),
    ],
)
def test_a_compute_domain_of_the_engines_own_size(domain: dict[str, Any], words: str) -> None:
    parts = [
        FRONTEND,
        component(name="prefill", role="prefill", node_count=1),
        component(name="decode", role="decode", node_count=4, replicas=2),
    ]
    assert dynamo_problems(workload(*parts, compute_domain=domain)) == []
    if words:
        problem = only(dynamo_problems(workload(*parts, compute_domain={"num_nodes": 8})))
        assert (problem.path, problem.value) == (f"{AT}.compute_domain.num_nodes", 8)
        assert words in problem.message


@pytest.mark.parametrize(
    ("domain", "over", "words"),
    [
        ({"create": False, "num_nodes": 2}, {}, "means something only with create"),
        ({"num_nodes": 2}, {"autoscaling": {"owner": "hpa"}}, "engine is scaled by something else"),
    ],
)
def test_a_compute_domain_whose_size_nobody_knows(domain: dict[str, Any], over: dict[str, Any], words: str) -> None:
    problem = only(dynamo_problems(workload(component(**over), compute_domain=domain)))
    assert problem.path == f"{AT}.compute_domain.num_nodes"
    assert words in problem.message


def test_f55_nvlink_across_machines_needs_a_compute_domain() -> None:
    problem = only(problems(workload(network={"fabric": "mnnvl"})))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.network.fabric", "MN-F55", "mnnvl")
    assert "compute_domain: {create: true}" in problem.message
    assert problems(workload(network={"fabric": "mnnvl"}, compute_domain={})) == []


@pytest.mark.parametrize(
    ("fabric", "extra", "words"),
    [
        ("infiniband", {}, "engine asks for nothing besides GPUs"),
        ("roce", {"vpc.amazonaws.com/efa": 4}, "needs an RDMA resource (rdma/...), but engine asks for vpc.amaz"),
        ("efa", {"rdma/ib": 8}, "needs vpc.amazonaws.com/efa, but engine asks for rdma/ib"),
    ],
)
def test_f99_a_fabric_whose_devices_no_rank_asks_for(fabric: str, extra: dict[str, int], words: str) -> None:
    problem = only(problems(workload(network={"fabric": fabric}, extra_resources=extra)))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.network.fabric", "MN-F99", fabric)
    assert words in problem.message


@pytest.mark.parametrize(
    ("fabric", "extra"),
    [
        ("infiniband", {"rdma/ib": 8}),
        ("roce", {"nvidia.com/sriov-nic": 8}),
        ("efa", {"vpc.amazonaws.com/efa": 32}),
        ("tcp", {}),
        ("auto", {}),
    ],
)
def test_f99_a_fabric_with_its_devices(fabric: str, extra: dict[str, int]) -> None:
    assert problems(workload(network={"fabric": fabric}, extra_resources=extra)) == []


def test_f99_a_privileged_pod_and_a_single_machine_need_no_device() -> None:
    main = {"name": "main", "securityContext": {"privileged": True}}
    assert problems(workload(component(pod_spec={"containers": [main]}), network={"fabric": "infiniband"})) == []
    assert problems(workload(component(node_count=1), network={"fabric": "infiniband"})) == []
    side = {"containers": [{"name": "side", "image": "x:1.0.0"}]}
    assert only(problems(workload(component(pod_spec=side), network={"fabric": "roce"}))).check == "MN-F99"


@pytest.mark.parametrize("key", ["model_cache", "compilation_cache"])
def test_f12_a_cache_at_dev_shm(key: str) -> None:
    problem = only(problems(workload(**{key: {"claim": "c", "mount_path": "/dev/shm/"}})))
    assert (problem.path, problem.check) == (f"{AT}.{key}.mount_path", "MN-F12")
    assert "`shared_memory`" in problem.message


def test_two_caches_at_one_place() -> None:
    caches = {"model_cache": {"claim": "m"}, "compilation_cache": {"claim": "c", "mount_path": "/models/"}}
    problem = only(problems(workload(**caches)))
    assert problem.path == f"{AT}.compilation_cache.mount_path"


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize("key", ["priorityClassName", "kai.scheduler/preemptibility"])
def test_f111_priority_by_labels(where: str, key: str) -> None:
    problem = only(problems(workload(**{where: {key: "inference"}})))
    assert (problem.path, problem.check, problem.value) == (f"{AT}.{where}.{key}", "MN-F111", "inference")
    assert "use `priority_class`" in problem.message


def test_a_queue_by_label() -> None:
    assert "`queue`" in only(problems(workload(labels={"kai.scheduler/queue": "x"}))).message


def test_a_routing_mode_that_nobody_reads_is_said() -> None:
    routed = workload(component(), FRONTEND, router={"mode": "kv"})
    assert said(dynamo(routed), "MN-N04") == []
    assert "the native API has no frontend" in said(native(routed), "MN-N04")[0].message
    alone = said(dynamo(workload(router={"mode": "kv"})), "MN-N04")
    assert [(f.severity, f.subject) for f in alone] == [("note", "inference/llama")]
    assert "router.mode kv has no effect" in alone[0].message
    wrong = only(problems(workload(router={"mode": "kvv"})))
    assert wrong.path == f"{AT}.router.mode"
    assert "did you mean kv?" in wrong.message


def test_a_planner_that_is_not_here_is_said() -> None:
    scaled = component(autoscaling={"owner": "planner"})
    note = said(dynamo(workload(scaled)), "MN-N05")
    assert [(f.severity, f.message.split()[0]) for f in note] == [("note", "engine")]
    assert said(dynamo(workload(scaled, PLANNER)), "MN-N05") == []
    assert said(dynamo(workload(component(autoscaling={"owner": "hpa"}))), "MN-N05") == []


def test_f01_what_the_models_numbers_leave_unchecked_is_said_once() -> None:
    parts = (component(name="a"), component(name="b", parallelism={"strategy": "data"}))
    note = only_finding(native(workload(*parts)))
    assert (note.severity, note.subject, note.stage) == ("note", "inference/llama", "spec")
    assert "model_config has no attention_heads, kv_heads, experts, parameters_b, dtype" in note.message
    assert "model_config.path" in note.remedy
    some = {"attention_heads": 64, "kv_heads": 16, "experts": 64}
    assert "has no parameters_b, dtype" in only_finding(native(workload(*parts, model_config=some))).message
    assert said(native(workload(*parts, model_config=KNOWN)), "MN-N03") == []
    staged = native(workload(component(parallelism={"strategy": "tensor_pipeline"}), model_config=some))
    assert "has no layers, parameters_b, dtype" in only_finding(staged).message
    assert said(native(workload(component(node_count=1, gpus_per_node=1))), "MN-N03") == []


def only_finding(plan: FleetPlan) -> Finding:
    found = said(plan, "MN-N03")
    assert len(found) == 1
    return found[0]
