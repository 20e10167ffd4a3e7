# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upstream's shipped examples and the guide: nodes, GPUs and degrees as published, and no false alarm."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import ComponentReading, read

from tests.unit.plugins.module_utils.readback.given import SGLANG, dgd, engine, ids
from tests.unit.plugins.module_utils.readback.test_recorded import upstream
from tests.unit.plugins.module_utils.recorded import UPSTREAM

# component: engines, nodes, GPUs, tensor, pipeline, data, expert, what the operator does
Numbers = dict[str, tuple[int, int, int, int, int, int, int, str]]
TP8: Numbers = {"decode": (1, 2, 4, 8, 1, 1, 1, "always"), "prefill": (1, 2, 4, 8, 1, 1, 1, "always")}
KIMI: Numbers = {"agg": (3, 2, 4, 8, 1, 1, 8, "mpi")}
QWEN: Numbers = {"VllmDecodeWorker": (1, 4, 4, 16, 1, 1, 1, "mp")}
NO_VERSION, SAME_SIZE = ["error MN-F09"], ["note MN-F12"]

EXAMPLES: dict[str, tuple[Numbers, list[str]]] = {
    "examples_backends_sglang_deploy_disagg-multinode.yaml": (TP8, NO_VERSION),
    "examples_backends_trtllm_deploy_disagg-multinode.yaml": (
        {"decode": (1, 2, 4, 8, 1, 1, 1, "mpi"), "prefill": (1, 2, 4, 8, 1, 1, 1, "mpi")},
        NO_VERSION,
    ),
    "examples_backends_vllm_deploy_disagg-multinode.yaml": (
        {"decode": (1, 2, 1, 2, 1, 1, 1, "mp"), "prefill": (1, 2, 1, 2, 1, 1, 1, "mp")},
        NO_VERSION,
    ),
    "recipes_deepseek-r1_sglang_disagg-16gpu_deploy.yaml": (
        {"decode": (1, 2, 8, 16, 1, 16, 16, "always"), "prefill": (1, 2, 8, 16, 1, 1, 16, "always")},
        [],
    ),
    "recipes_deepseek-r1_trtllm_disagg_wide_ep_gb200_deploy.yaml": (
        {"prefill": (1, 1, 4, 4, 1, 4, 4, "none"), "decode": (1, 8, 4, 32, 1, 32, 32, "mpi")},
        [],
    ),
    "recipes_deepseek-r1_vllm_disagg_deploy_hopper_16gpu.yaml": (
        {"decode": (1, 2, 8, 1, 1, 16, 16, "data"), "prefill": (1, 2, 8, 1, 1, 16, 16, "data")},
        [],
    ),
    "recipes_deepseek-v32-fp4_trtllm_agg-round-robin_deploy.yaml": ({"agg": (4, 2, 4, 8, 1, 8, 8, "mpi")}, []),
    "recipes_deepseek-v4_deepseek-v4-pro_sglang_agg-gb200_deploy.yaml": ({"decode": TP8["decode"]}, []),
    "recipes_deepseek-v4_deepseek-v4-pro_sglang_disagg-gb200_deploy.yaml": (TP8, []),
    "recipes_kimi-k2.5_trtllm_agg-eagle-kv-router_deploy.yaml": (KIMI, NO_VERSION),
    "recipes_kimi-k2.5_trtllm_agg-eagle-round-robin_deploy.yaml": (KIMI, NO_VERSION),
    "recipes_kimi-k2.5_trtllm_agg-round-robin_deploy.yaml": (KIMI, NO_VERSION),
    "recipes_qwen3.8-2.4t-a95b-fp8_vllm_agg-gb200-agentic_deploy.yaml": (QWEN, []),
    "recipes_qwen3.8-2.4t-a95b-fp8_vllm_agg-gb200-chat_deploy.yaml": (QWEN, []),
    "recipes_qwen3.8-2.4t-a95b-fp8_vllm_agg-gb300-agentic_deploy.yaml": (QWEN, SAME_SIZE),
    "recipes_qwen3.8-2.4t-a95b-fp8_vllm_agg-gb300-chat_deploy.yaml": (QWEN, SAME_SIZE),
}


def numbers(one: ComponentReading) -> tuple[Any, ...]:
    degrees = one.engine.degrees
    assert degrees is not None, one.engine.unknown
    shape = (one.replicas, one.node_count, one.gpus_per_node)
    return (*shape, degrees.tensor, degrees.pipeline, degrees.data, degrees.expert, one.operator.branch)


@pytest.mark.parametrize("name", EXAMPLES)
def test_numbers(name: str) -> None:
    documents = upstream(f"dynamo-examples/{name}")
    (deployment,) = (one for one in documents if one["kind"] == "DynamoGraphDeployment")
    back = read(deployment, companions=documents)
    assert {one.name: numbers(one) for one in back.components if one.is_engine} == EXAMPLES[name][0]
    for one in back.components:
        if one.node_count > 1:
            assert one.injected_leader and one.injected_worker


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_told_of_each(name: str) -> None:
    sources = [(name, one) for one in upstream(f"dynamo-examples/{name}")]
    assert [f"{one.severity} {one.id}" for one in manifest.run(manifest.cases(sources))] == EXAMPLES[name][1]


def test_every_example_is_here() -> None:
    upstream("dynamo-examples/examples_backends_vllm_deploy_disagg-multinode.yaml")
    assert {path.name for path in (UPSTREAM / "dynamo-examples").iterdir()} == set(EXAMPLES)


@pytest.mark.parametrize(("nodes", "gpus"), [(2, 2), (2, 4), (4, 8)])
def test_the_guides_rule(nodes: int, gpus: int) -> None:
    """Multinode Deployment Guide: the tensor parallelism must match nodeCount x gpu."""
    total = str(nodes * gpus)
    assert ids(dgd(engine("--tp-size", total, command=SGLANG, nodes=nodes, gpus=gpus))) == []
    assert ids(dgd(engine("--tp-size", str(gpus), command=SGLANG, nodes=nodes, gpus=gpus))) == ["error MN-F01"]
