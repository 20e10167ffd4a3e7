# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine's own configuration file says about the degrees (stage spec).

The operator reads none of these files. vLLM and SGLang let the command line win, on which not every degree stands;
TensorRT-LLM lets the file win (``update_llm_args_with_extra_options``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import match_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import shown

# Multiplies the world, and is no degree of ours.
_CONTEXT = ("context_parallel_size", "prefill-context-parallel-size", "attention-context-parallel-size")


def f02_engine_config(workload: Workload, component: Component) -> Iterator[Issue]:
    """F02: a degree in vLLM's or SGLang's file, which the operator does not read, is another than the plan's."""
    if component.engine_config and workload.backend != "trtllm":
        for key, reason in contradictions(workload, component, component.engine_config):
            value = component.engine_config[key]
            message = f"is {shown(value)} in a file that the operator does not read, but {reason}"
            yield Issue(("engine_config", key), value, message, "MN-F02")


def f04_engine_config(workload: Workload, component: Component) -> Iterator[Issue]:
    """F04: TensorRT-LLM's file says another degree than the command line, and wins."""
    if component.engine_config and workload.backend == "trtllm":
        for key, reason in contradictions(workload, component, component.engine_config):
            value = component.engine_config[key]
            yield Issue(
                ("engine_config", key),
                value,
                f"is {shown(value)} and wins over the command line, but {reason}",
                "MN-F04",
            )


def f05_engine_config(workload: Workload, component: Component) -> Iterator[Issue]:
    """F05: SGLang's file turns attention data parallel on or off against the plan."""
    degrees = component.degrees
    if workload.backend != "sglang" or degrees is None:
        return
    for key, value in component.engine_config.items():
        if _flag(key) == "--enable-dp-attention" and bool(value) != degrees.attention_data:
            if degrees.attention_data:
                reason = f"data {degrees.data} of this engine lives inside tensor parallel and needs it"
            else:
                reason = "the plan has no attention data parallel: use parallelism.strategy data, or pin data"
            yield Issue(("engine_config", key), value, f"is {shown(value)}, but {reason}", "MN-F05")


def f03_engine_config(workload: Workload, component: Component) -> Iterator[Issue]:
    """F03: the file sets what is written for every rank."""
    if workload.backend == "trtllm":
        return
    backend = BACKENDS[workload.backend]
    for key, value in component.engine_config.items():
        if match_flag(_flag(key), backend.coordination_flags) and not match_flag(_flag(key), backend.degree_flags):
            yield Issue(("engine_config", key), value, "is written for each rank already: leave it out", "MN-F03")


def doubled_config(workload: Workload, component: Component) -> Iterator[Issue]:
    """The file sets what a key of the workload writes."""
    names = BACKENDS[workload.backend].identity_flags
    for key, value in component.engine_config.items():
        written = names.get(_flag(key))
        if written:
            yield Issue(("engine_config", key), value, f"is written from `{written}`: set that instead", "")


def contradictions(workload: Workload, component: Component, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key of the file, why it cannot be) for every degree in ``given`` that is not the plan's."""
    degrees = component.degrees
    if degrees is None:
        return
    wanted = _trtllm(component, degrees) if workload.backend == "trtllm" else None
    flags = BACKENDS[workload.backend].degree_flags
    for key, value in given.items():
        if key.replace("_", "-") in _CONTEXT or key in _CONTEXT:
            if not _same(value, 1):
                yield key, "context parallel multiplies the GPUs, and the plan knows nothing of it"
            continue
        if wanted is not None:
            if key in wanted and not _same(value, wanted[key][1]):
                yield key, _reason(component, degrees, *wanted[key])
            continue
        flag = match_flag(_flag(key), flags)
        if not flag or flag == "--enable-dp-attention":
            continue
        degree = flags[flag]
        right: int | bool = degrees.to_dict()[degree]
        if flag in ("--enable-expert-parallel", "--no-enable-expert-parallel", "-ep"):
            right = (degrees.expert > 1) == (flag != "--no-enable-expert-parallel")
        if not _same(value, right):
            yield key, _reason(component, degrees, degree, right)


def _trtllm(component: Component, degrees: Degrees) -> dict[str, tuple[str, int | bool]]:
    """Key of TensorRT-LLM's file -> (our degree, what it must be)."""
    return {
        "tensor_parallel_size": ("tensor", degrees.tensor),
        "pipeline_parallel_size": ("pipeline", degrees.pipeline),
        "moe_expert_parallel_size": ("expert", degrees.expert),
        "moe_tensor_parallel_size": ("expert", degrees.tensor // degrees.expert),
        "enable_attention_dp": ("data", degrees.data > 1),
        "gpus_per_node": ("gpus_per_node", component.gpus_per_node),
    }


def _reason(component: Component, degrees: Degrees, degree: str, right: int | bool) -> str:
    told = str(right).lower()
    if degree == "gpus_per_node":
        return f"each rank takes {told} GPUs (gpus_per_node)"
    return (
        f"the plan has {degrees} for {component.node_count} x {component.gpus_per_node} GPUs, which makes it {told}: "
        f"pin parallelism.{degree}, or leave it out here"
    )


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _same(value: object, right: int | bool) -> bool:
    """Whether the file's value is the plan's, as YAML spells it; null leaves it to the command line."""
    if value is None:
        return True
    return str(value).strip().lower() == str(right).lower()


ENGINE_CONFIG_CHECKS = (f02_engine_config, f03_engine_config, f04_engine_config, f05_engine_config, doubled_config)
