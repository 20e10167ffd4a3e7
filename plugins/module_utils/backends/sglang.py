# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SGLang. Operator: internal/dynamo/backend_sglang.go; engine: sglang/srt/server_args.py."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import (
    HTTP_PORT,
    LWS,
    Backend,
    Launch,
    Request,
    Wiring,
    config_args,
    has_flag,
    with_sum,
)

DIST_PORT = 29500
BOOTSTRAP_PORT = 30001
CONFIG_FLAG = "--config"

DEGREE_FLAGS = {
    "--tp-size": "tensor",
    "--tp": "tensor",
    "--tensor-parallel-size": "tensor",
    "--pp-size": "pipeline",
    "--pp": "pipeline",
    "--pipeline-parallel-size": "pipeline",
    "--dp-size": "data",
    "--dp": "data",
    "--data-parallel-size": "data",
    "--enable-dp-attention": "data",
    "--ep-size": "expert",
    "--ep": "expert",
    "--expert-parallel-size": "expert",
}
COORDINATION_FLAGS = frozenset({"--dist-init-addr", "--nccl-init-addr", "--nnodes", "--node-rank"})
IDENTITY_FLAGS = {
    "--model-path": "model",
    "--model": "model",
    "--served-model-name": "served_model_name",
    "--revision": "model_revision",
}


def _common(request: Request) -> list[str]:
    args = ["--model-path", request.model]
    if request.served_model_name:
        args += ["--served-model-name", request.served_model_name]
    if request.model_revision:
        args += ["--revision", request.model_revision]
    degrees = request.degrees
    args += ["--tp-size", str(degrees.tensor)]
    if degrees.pipeline > 1:
        args += ["--pp-size", str(degrees.pipeline)]
    if degrees.data > 1:
        args += ["--dp-size", str(degrees.data)]
        if degrees.attention_data:
            args += ["--enable-dp-attention"]
    if degrees.expert > 1:
        args += ["--ep-size", str(degrees.expert)]
    return args + config_args(request, CONFIG_FLAG)


def dynamo(request: Request) -> Launch:
    args = _common(request)
    if request.disaggregated:
        args += ["--disaggregation-mode", request.disaggregated]
        if not has_flag(request.args, "--disaggregation-transfer-backend"):
            args += ["--disaggregation-transfer-backend", "nixl"]
        if not has_flag(request.args, "--disaggregation-bootstrap-port"):
            args += ["--disaggregation-bootstrap-port", str(BOOTSTRAP_PORT)]
    if not has_flag(request.args, "--host"):
        args += ["--host", "0.0.0.0"]
    return Launch(request.command or ("python3", "-m", "dynamo.sglang"), (*args, *request.args))


def native(request: Request, leader: bool, wiring: Wiring = LWS) -> Launch:
    """``sglang.launch_server`` on every rank; only rank 0 answers requests."""
    args = _common(request)
    command = request.command or ("python3", "-m", "sglang.launch_server")
    if request.node_count > 1:
        args += ["--dist-init-addr", f"{wiring.leader}:{DIST_PORT}", "--nnodes", str(request.node_count)]
        rank = wiring.rank(leader)
        if rank:
            args += ["--node-rank", rank]
        else:
            command = with_sum(command, "--node-rank", wiring.rank_sum())
    args += ["--host", "0.0.0.0", "--port", str(HTTP_PORT)]
    return Launch(command, (*args, *request.args))


BACKEND = Backend(
    name="sglang",
    degree_flags=DEGREE_FLAGS,
    coordination_flags=COORDINATION_FLAGS,
    identity_flags=IDENTITY_FLAGS,
    dynamo=dynamo,
    native=native,
    config_flag=CONFIG_FLAG,
    native_flags=frozenset({"--host", "--port"}),
    cache_env={"TORCHINDUCTOR_CACHE_DIR": "torchinductor", "TRITON_CACHE_DIR": "triton"},
)
