# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure core on a fleet that nobody has: 10,000 machines and 1,000 workloads, and ten times as much."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.plan import plan
from ansible_collections.dynamo.multinode.plugins.module_utils.render.files import texts
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import (
    parse_machines,
    parse_settings,
    parse_workloads,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load

from tools.bench import Row, median

MACHINES, WORKLOADS = 10_000, 1_000
PRODUCTS = ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H200")
BACKENDS = ("vllm", "sglang", "trtllm")
STRATEGIES = ("tensor", "tensor_pipeline", "data")
TARGET = {"orchestrator": "grove", "scheduler": "kai", "workload_api": "dynamo"}


def machine(number: int) -> dict[str, Any]:
    return {
        "name": f"gpu-{number:06}",
        "gpu_count": 8,
        "gpu_product": PRODUCTS[number % 2],
        "gpu_memory_gib": 80,
        "zone": f"z{number // 4000}",
        "block": f"b{number // 400}",
        "rack": f"r{number // 16}",
        "extra_resources": {"rdma/ib": 8},
    }


def workload(number: int) -> dict[str, Any]:
    """Prefill and decode over several machines behind a frontend, no two alike in everything."""
    strategy = {"strategy": STRATEGIES[number % 3]}
    return {
        "name": f"model-{number:05}",
        "namespace": f"team-{number % 20}",
        "backend": BACKENDS[number % 3],
        "model": "org/model",
        "image": "reg/img:1.6.0",
        "gpu_product": PRODUCTS[number % 2],
        "topology": {"pack": "rack"},
        "model_cache": {"claim": "models"},
        "env": {"NCCL_DEBUG": "WARN"},
        "components": [
            {"name": "frontend", "role": "frontend"},
            {"name": "prefill", "role": "prefill", "node_count": 2, "args": ["--max-model-len", "32768"]},
            {
                "name": "decode",
                "role": "decode",
                "node_count": 2 + number % 4,
                "replicas": 1 + number % 5,
                "parallelism": strategy,
            },
        ],
    }


def inventory(times: int) -> dict[str, Any]:
    return {
        "machines": [machine(number) for number in range(MACHINES * times)],
        "workloads": [workload(number) for number in range(WORKLOADS * times)],
        **TARGET,
    }


def benchmark() -> Iterator[Row]:
    whole = {}
    for times, runs in ((1, 9), (10, 5)):
        raw = inventory(times)
        size = f"{MACHINES * times:,} machines, {WORKLOADS * times:,} workloads"
        settings = parse_settings(TARGET)
        machines = parse_machines(raw["machines"])
        workloads = parse_workloads(raw["workloads"], machines=machines, settings=settings)
        whole[times], spread = cpu(partial(load, raw), runs)
        yield Row(
            f"from variables to plan and findings: {size}",
            whole[times],
            goal=0.5 if times == 1 else None,
            spread=spread,
        )
        if times == 1:
            seconds, spread = cpu(partial(plan, workloads, machines, settings), runs)
            yield Row(f"of these, plan and checks: {size}", seconds, spread=spread)
            seconds, spread = cpu(partial(texts, load(raw)), 3)
            yield Row(f"manifests as YAML text: {WORKLOADS:,} workloads", seconds, spread=spread)
    yield Row("ten times as much takes", whole[10] / whole[1], "times as long", 12)


def cpu(work: Callable[[], object], runs: int) -> tuple[float, str]:
    """Nothing here waits: its own CPU seconds are what it takes on a machine that has nothing else to do."""
    return median(work, runs, time.process_time)
