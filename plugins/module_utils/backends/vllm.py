# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vLLM. Operator: internal/dynamo/backend_vllm.go; engine: vllm/config/parallel.py, vllm/entrypoints/cli/serve.py.

The operator reads only long flags with a separate value token, from args.
"""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import (
    HTTP_PORT,
    LWS,
    POD_IP_ENV,
    Backend,
    Launch,
    Request,
    Wiring,
    config_args,
    has_flag,
    with_sum,
)

MASTER_PORT = 29500
RPC_PORT = 13445
CONFIG_FLAG = "--config"

DEGREE_FLAGS = {
    "--tensor-parallel-size": "tensor",
    "-tp": "tensor",
    "--pipeline-parallel-size": "pipeline",
    "-pp": "pipeline",
    "--data-parallel-size": "data",
    "-dp": "data",
    "--enable-expert-parallel": "expert",
    "--no-enable-expert-parallel": "expert",
    "-ep": "expert",
    # Multiplies the world and is read by nobody in the operator.
    "--prefill-context-parallel-size": "tensor",
    "-pcp": "tensor",
}
COORDINATION_FLAGS = frozenset(
    {
        "--distributed-executor-backend",
        "--nnodes",
        "-n",
        "--node-rank",
        "-r",
        "--master-addr",
        "--master-port",
        "--headless",
        "--data-parallel-size-local",
        "-dpl",
        "--data-parallel-start-rank",
        "-dpr",
        "--data-parallel-rank",
        "-dpn",
        "--data-parallel-address",
        "-dpa",
        "--data-parallel-rpc-port",
        "-dpp",
        "--data-parallel-hybrid-lb",
        "-dph",
        "--data-parallel-external-lb",
        "-dpe",
    }
)
IDENTITY_FLAGS = {"--model": "model", "--served-model-name": "served_model_name", "--revision": "model_revision"}


def _degrees(request: Request) -> list[str]:
    degrees = request.degrees
    args = ["--tensor-parallel-size", str(degrees.tensor)]
    if degrees.pipeline > 1:
        args += ["--pipeline-parallel-size", str(degrees.pipeline)]
    if degrees.data > 1:
        args += ["--data-parallel-size", str(degrees.data)]
    if degrees.expert > 1:
        args += ["--enable-expert-parallel"]
    return args + config_args(request, CONFIG_FLAG)


def _identity(request: Request) -> list[str]:
    args = []
    if request.served_model_name:
        args += ["--served-model-name", request.served_model_name]
    if request.model_revision:
        args += ["--revision", request.model_revision]
    return args


def dynamo(request: Request) -> Launch:
    args = ["--model", request.model, *_identity(request), *_degrees(request)]
    if request.disaggregated:
        args += ["--disaggregation-mode", request.disaggregated]
        if not has_flag(request.args, "--kv-transfer-config"):
            args += ["--kv-transfer-config", '{"kv_connector":"NixlConnector","kv_role":"kv_both"}']
    return Launch(request.command or ("python3", "-m", "dynamo.vllm"), (*args, *request.args))


def native(request: Request, leader: bool, wiring: Wiring = LWS) -> Launch:
    """``vllm serve``: the leader has the API server, the other ranks are headless."""
    degrees, nodes = request.degrees, request.node_count
    command = request.command or ("vllm", "serve")
    args = [request.model, *_identity(request), *_degrees(request)]
    env: tuple[dict[str, object], ...] = ()
    rank = wiring.rank(leader)
    if nodes > 1 and degrees.data > 1:
        local = request.gpus_per_node // (degrees.tensor * degrees.pipeline)
        # The leader binds this address, and ZeroMQ binds numbers, not names (kserve #5155).
        address = "$(POD_IP)" if leader else wiring.leader
        env = (dict(POD_IP_ENV),) if leader else ()
        args += ["--data-parallel-size-local", str(local)]
        args += ["--data-parallel-address", address, "--data-parallel-rpc-port", str(RPC_PORT)]
        if not leader:
            args += ["--headless"]
            if local == 1 and rank:
                args += ["--data-parallel-start-rank", rank]
            else:
                command = with_sum(command, "--data-parallel-start-rank", wiring.rank_sum(local))
    elif nodes > 1:
        args += ["--distributed-executor-backend", "mp", "--nnodes", str(nodes)]
        args += ["--master-addr", wiring.leader, "--master-port", str(MASTER_PORT)]
        if rank:
            args += ["--node-rank", rank]
        else:
            command = with_sum(command, "--node-rank", wiring.rank_sum())
        if not leader:
            args += ["--headless"]
    if leader:
        args += ["--host", "0.0.0.0", "--port", str(HTTP_PORT)]
    return Launch(command, (*args, *request.args), env)


BACKEND = Backend(
    name="vllm",
    degree_flags=DEGREE_FLAGS,
    coordination_flags=COORDINATION_FLAGS,
    identity_flags=IDENTITY_FLAGS,
    dynamo=dynamo,
    native=native,
    config_flag=CONFIG_FLAG,
    native_flags=frozenset({"--host", "--port", "--uds"}),
    cache_env={"VLLM_CACHE_ROOT": "vllm", "TORCHINDUCTOR_CACHE_DIR": "torchinductor", "TRITON_CACHE_DIR": "triton"},
)
