# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TensorRT-LLM. Operator: internal/dynamo/backend_trtllm.go (MPI over ssh, so there is no native launch)."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import (
    Backend,
    Launch,
    Request,
    config_args,
)

# What this file says wins over the command line (update_llm_args_with_extra_options).
CONFIG_FLAG = "--extra-engine-args"

DEGREE_FLAGS = {
    "--tensor-parallel-size": "tensor",
    "--pipeline-parallel-size": "pipeline",
    "--expert-parallel-size": "expert",
    "--enable-attention-dp": "data",
    "--gpus-per-node": "tensor",
}
COORDINATION_FLAGS: frozenset[str] = frozenset()
IDENTITY_FLAGS = {"--model-path": "model", "--model": "model", "--served-model-name": "served_model_name"}


def dynamo(request: Request) -> Launch:
    degrees = request.degrees
    args = ["--model-path", request.model]
    if request.served_model_name:
        args += ["--served-model-name", request.served_model_name]
    args += ["--tensor-parallel-size", str(degrees.tensor)]
    if degrees.pipeline > 1:
        args += ["--pipeline-parallel-size", str(degrees.pipeline)]
    if degrees.expert > 1:
        args += ["--expert-parallel-size", str(degrees.expert)]
    if degrees.data > 1:
        args += ["--enable-attention-dp"]
    args += ["--gpus-per-node", str(request.gpus_per_node)]
    if request.disaggregated:
        args += ["--disaggregation-mode", request.disaggregated]
    args += config_args(request, CONFIG_FLAG)
    return Launch(request.command or ("python3", "-m", "dynamo.trtllm"), (*args, *request.args))


BACKEND = Backend(
    name="trtllm",
    degree_flags=DEGREE_FLAGS,
    coordination_flags=COORDINATION_FLAGS,
    identity_flags=IDENTITY_FLAGS,
    dynamo=dynamo,
    native=None,
    config_flag=CONFIG_FLAG,
    cache_env={"TORCHINDUCTOR_CACHE_DIR": "torchinductor", "TRITON_CACHE_DIR": "triton"},
)
