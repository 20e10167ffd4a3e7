# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What we render, read back, is what was planned; and a difference is told."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import compare

from tests.unit.plugins.module_utils.inputs import component, dynamo, fleet, native, objects, workload

DISAGGREGATED = (
    component(name="frontend", role="frontend", node_count=1, gpus_per_node=None),
    component(name="prefill", role="prefill", node_count=1),
    component(name="decode", role="decode", replicas=3),
)


def differences(plan: FleetPlan, rendered: list[dict[str, Any]] | None = None) -> list[str]:
    made = objects(plan) if rendered is None else rendered
    return [str(found) for one in plan.workloads for found in compare(one, made)]


@pytest.mark.parametrize("strategy", ["tensor", "tensor_pipeline", "data"])
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
def test_dynamo_deployments_are_what_was_planned(orchestrator: str, backend: str, strategy: str) -> None:
    parts = [{**one} for one in DISAGGREGATED]
    for one in parts[1:]:
        one["parallelism"] = {"strategy": strategy}
    parts[0].pop("gpus_per_node")
    scheduler = {"grove": "kai", "lws": "volcano"}[orchestrator]
    plan = dynamo(workload(*parts, backend=backend), orchestrator=orchestrator, scheduler=scheduler)
    assert differences(plan) == []


@pytest.mark.parametrize("version", ["1.5.0", "1.6.1"])
def test_of_either_wiring(version: str) -> None:
    assert differences(dynamo(workload(component()), dynamo_version=version)) == []


@pytest.mark.parametrize("strategy", ["tensor", "tensor_pipeline", "data"])
@pytest.mark.parametrize("backend", ["vllm", "sglang"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_native_engines_are_what_was_planned(nodes: int, backend: str, strategy: str) -> None:
    part = component(node_count=nodes, parallelism={"strategy": strategy}, replicas=2)
    assert differences(native(workload(part, backend=backend))) == []


@pytest.mark.parametrize("strategy", ["tensor", "tensor_pipeline", "data"])
@pytest.mark.parametrize("backend", ["vllm", "sglang"])
@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_native_engines_on_grove_are_what_was_planned(nodes: int, backend: str, strategy: str) -> None:
    part = component(node_count=nodes, parallelism={"strategy": strategy}, replicas=2)
    plan = native(workload(part, backend=backend), orchestrator="grove", scheduler="kai")
    assert [one["kind"] for one in objects(plan)][-1] == "PodCliqueSet"
    assert differences(plan) == []


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_an_engine_configuration_is_found_in_its_config_map(backend: str) -> None:
    part = component(engine_config={"max_num_tokens": 8192, "trust": True})
    plan = dynamo(workload(part, backend=backend))
    assert "ConfigMap" in [one["kind"] for one in objects(plan)]
    assert differences(plan) == []


def changed(plan: FleetPlan, change: Any) -> list[str]:
    made = copy.deepcopy(objects(plan))
    target = next(one for one in made if one["kind"] in ("DynamoGraphDeployment", "LeaderWorkerSet"))
    change(target["spec"])
    return differences(plan, made)


def main(spec: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["components"][0]["podTemplate"]["spec"]["containers"][0]
    return container


def test_every_difference_is_told() -> None:
    plan = dynamo(workload(component()))

    def told(change: Any) -> str:
        return " ".join(changed(plan, change))

    assert "node_count is 2 in the plan and 3 as rendered" in told(
        lambda spec: spec["components"][0].update(multinode={"nodeCount": 3})
    )
    assert "replicas is 1 in the plan and 2" in told(lambda spec: spec["components"][0].update(replicas=2))
    assert "role is worker in the plan and decode" in told(lambda spec: spec["components"][0].update(type="decode"))
    assert "gpus_per_node is 8 in the plan and 4" in told(
        lambda spec: main(spec).update(resources={"limits": {"nvidia.com/gpu": 4}})
    )
    assert "degrees are tensor 16 in the plan, and the engine will use tensor 8" in told(
        lambda spec: main(spec).update(args=["--tensor-parallel-size", "8"])
    )
    unread = told(lambda spec: main(spec).update(args=["-tp", "16"]))
    assert "the operator reads (1, 1, 1)" in unread
    assert "injects nothing" in unread
    assert "backend is vllm in the plan and not recognised" in told(
        lambda spec: (main(spec).update(command=["/run.sh"]), spec.pop("backendFramework"))
    )
    assert "backend framework mismatch" in told(lambda spec: spec.update(backendFramework="sglang"))
    assert "is in the plan and in none" in told(lambda spec: spec["components"].clear())
    assert "is rendered and in no plan" in told(
        lambda spec: spec["components"].append({"name": "extra", "type": "frontend"})
    )


def test_a_native_engine_counts_its_own_nodes() -> None:
    plan = native(workload(component()))

    def change(spec: dict[str, Any]) -> None:
        args = spec["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]["args"]
        args[args.index("--nnodes") + 1] = "3"

    assert changed(plan, change) == [
        "error MN-F02 inference/llama/engine: node_count is 2 in the plan and --nnodes is 3; this is a mistake of the "
        "collection: please report it with the workload's variables"
    ]


def test_replicas_of_what_something_else_scales_are_not_compared() -> None:
    plan = fleet(
        workload(component(autoscaling={"owner": "hpa"})), orchestrator="grove", scheduler="kai", workload_api="dynamo"
    )
    assert changed(plan, lambda spec: spec["components"][0].update(replicas=9)) == []
