# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engines and the operator demand, written again and independently of the code that is tested."""

from __future__ import annotations

Four = tuple[int, int, int, int]


def inside(backend: str, nodes: int, strategy: str) -> bool:
    """Whether data parallel lives inside tensor parallel."""
    return backend == "trtllm" or (backend == "sglang" and (nodes > 1 or strategy == "data"))


def obeys(backend: str, nodes: int, gpus: int, degrees: Four, attention: bool) -> bool:
    tp, pp, dp, ep = degrees
    total = nodes * gpus
    if backend == "vllm":
        if dp == 1:
            shape = nodes == 1 or (tp * pp > gpus and (tp * pp) % nodes == 0)
        else:
            shape = nodes == 1 or (tp * pp <= gpus and gpus % (tp * pp) == 0)
        return tp * pp * dp == total and shape and ep in (1, tp * dp)
    if backend == "sglang" and dp > 1 and not attention:
        return nodes == 1 and tp * pp * dp == total and tp % ep == 0
    if dp > 1 and not attention:
        return False
    return tp * pp == total and (tp % dp == 0 if backend == "sglang" else dp in (1, tp)) and tp % ep == 0


# What the operator writes into every rank of a deployment (internal/dynamo/backend_{vllm,sglang}.go).
INJECTED = frozenset(
    {
        "--nnodes",
        "--node-rank",
        "--master-addr",
        "--master-port",
        "--headless",
        "--distributed-executor-backend",
        "--dist-init-addr",
        "--data-parallel-hybrid-lb",
        "--data-parallel-size-local",
        "--data-parallel-start-rank",
        "--data-parallel-address",
        "--data-parallel-rpc-port",
    }
)


def native_vllm(nodes: int, gpus: int, flags: dict[str, str]) -> bool:
    """vllm/config/parallel.py and vllm/entrypoints/cli/serve.py: one rank's view of its engine."""
    world = int(flags["--tensor-parallel-size"]) * int(flags.get("--pipeline-parallel-size", 1))
    data = int(flags.get("--data-parallel-size", 1))
    if nodes == 1:
        return world * data == gpus and "--nnodes" not in flags and "--data-parallel-size-local" not in flags
    if data == 1:
        # nnodes_within_dp is nnodes; local_world_size = world_size // nnodes_within_dp
        return int(flags["--nnodes"]) == nodes and world % nodes == 0 and world // nodes == gpus
    local = int(flags["--data-parallel-size-local"])
    return "--nnodes" not in flags and local * nodes == data and local * world == gpus


def native_sglang(nodes: int, gpus: int, flags: dict[str, str]) -> bool:
    """sglang/srt/server_args.py: check_server_args, and the GPUs that one node takes."""
    tensor, pipeline = int(flags["--tp-size"]), int(flags.get("--pp-size", 1))
    data, expert = int(flags.get("--dp-size", 1)), int(flags.get("--ep-size", 1))
    attention = "--enable-dp-attention" in flags
    if nodes > 1 and (int(flags["--nnodes"]) != nodes or (data > 1 and not attention)):
        return False
    whole = tensor * pipeline * (1 if attention else data)
    return (
        tensor * pipeline % nodes == 0
        and whole == nodes * gpus
        and tensor % expert == 0
        and (not attention or tensor % data == 0)
    )
