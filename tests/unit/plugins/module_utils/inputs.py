# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inputs as an inventory gives them, for the tests of the pure core."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import Problem, SpecError
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load

PRODUCT = "NVIDIA-H100-80GB-HBM3"
# A model about which everything is known, so that nothing is said to be unchecked.
KNOWN = {
    "attention_heads": 128,
    "kv_heads": 16,
    "experts": 256,
    "layers": 64,
    "parameters_b": 70,
    "dtype": "fp8",
}


def machine(name: str, rack: str = "r1", **over: Any) -> dict[str, Any]:
    base = {"name": name, "gpu_count": 8, "gpu_product": PRODUCT, "gpu_memory_gib": 80, "zone": "z1", "block": "b1"}
    return {**base, "rack": rack, **over}


def machines(racks: int = 2, each: int = 4, **over: Any) -> list[dict[str, Any]]:
    return [machine(f"gpu-{r}-{i}", f"r{r}", **over) for r in range(1, racks + 1) for i in range(1, each + 1)]


def component(**over: Any) -> dict[str, Any]:
    return {"name": "engine", "node_count": 2, "gpus_per_node": 8, **over}


def workload(*components: dict[str, Any], **over: Any) -> dict[str, Any]:
    base = {
        "name": "llama",
        "namespace": "inference",
        "backend": "vllm",
        "model": "org/model",
        "image": "reg/img:1.5.0",
    }
    return {**base, "components": list(components) or [component()], **over}


def native(*workloads: dict[str, Any], **over: Any) -> FleetPlan:
    return fleet(*workloads, **{"orchestrator": "lws", "workload_api": "native", **over})


def dynamo(*workloads: dict[str, Any], **over: Any) -> FleetPlan:
    return fleet(*workloads, **{"orchestrator": "grove", "scheduler": "kai", "workload_api": "dynamo", **over})


def fleet(*workloads: Any, facts: dict[str, Any] | None = None, **over: Any) -> FleetPlan:
    return load({"workloads": list(workloads), "machines": machines(), **over}, facts)


def problems(*workloads: Any, **over: Any) -> list[Problem]:
    """What is wrong; a plan that is accepted has nothing wrong with it."""
    try:
        native(*workloads, **over)
    except SpecError as error:
        return list(error.problems)
    return []


def dynamo_problems(*workloads: Any, **over: Any) -> list[Problem]:
    try:
        dynamo(*workloads, **over)
    except SpecError as error:
        return list(error.problems)
    return []


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def objects(plan: FleetPlan) -> list[dict[str, Any]]:
    return [item for one in plan.workloads for item in render(one)]


def by_kind(plan: FleetPlan | WorkloadPlan, kind: str) -> dict[str, Any]:
    rendered = objects(plan) if isinstance(plan, FleetPlan) else render(plan)
    found = [item for item in rendered if item["kind"] == kind]
    assert len(found) == 1, [item["kind"] for item in rendered]
    return found[0]


def leader(plan: FleetPlan) -> dict[str, Any]:
    """The leader's pod template."""
    return dict(by_kind(plan, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]["leaderTemplate"])


def worker(plan: FleetPlan) -> dict[str, Any]:
    return dict(by_kind(plan, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]["workerTemplate"])


def main(template: dict[str, Any]) -> dict[str, Any]:
    found = [item for item in template["spec"]["containers"] if item["name"] == "main"]
    assert len(found) == 1
    return dict(found[0])


def values(tokens: list[str]) -> dict[str, str | None]:
    """Arguments as flag to value (None for a switch)."""
    found: dict[str, str | None] = {}
    for index, token in enumerate(tokens):
        if token.startswith("--"):
            following = tokens[index + 1] if index + 1 < len(tokens) else "--"
            found[token] = None if following.startswith("--") else following
    return found
