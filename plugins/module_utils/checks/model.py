# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the model's own numbers allow (stage spec); unchecked where the user gives none."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload

BYTES = {
    "fp32": 4.0,
    "float32": 4.0,
    "bf16": 2.0,
    "bfloat16": 2.0,
    "fp16": 2.0,
    "float16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp8": 1.0,
    "fp4": 0.5,
    "nvfp4": 0.5,
    "mxfp4": 0.5,
    "int4": 0.5,
}


def f01_model_divides(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: heads, experts or layers that the degrees cannot divide."""
    degrees, model = component.degrees, workload.model_config
    if degrees is None:
        return
    # With attention data parallel each group of tensor / data GPUs holds all heads.
    attention = degrees.tensor // degrees.data if degrees.attention_data else degrees.tensor
    if model.attention_heads and model.attention_heads % attention:
        yield _issue("tensor", degrees.tensor, f"{model.attention_heads} attention heads", attention)
    if model.kv_heads and model.kv_heads % attention and attention % model.kv_heads:
        yield _issue("tensor", degrees.tensor, f"{model.kv_heads} key and value heads", attention)
    if model.experts and degrees.expert > 1 and model.experts % degrees.expert:
        yield _issue("expert", degrees.expert, f"{model.experts} experts", degrees.expert)
    if model.layers and degrees.pipeline > model.layers:
        message = f"pipeline is {degrees.pipeline}, more stages than the model has layers ({model.layers})"
        yield Issue(("parallelism", "pipeline"), degrees.pipeline, message, "MN-F01")


def _issue(degree: str, value: int, what: str, divisor: int) -> Issue:
    message = f"{degree} is {value}, but the model has {what}, which cannot be divided over {divisor} GPUs"
    return Issue(("parallelism", degree), value, message, "MN-F01")


def weights_gib(workload: Workload, component: Component) -> float | None:
    """GiB of weights on each GPU: parameters x bytes / (tensor x pipeline), or None where it is not known.

    Data parallel ranks hold copies, except the experts that expert parallel spreads; so this is an upper bound there.
    """
    model, degrees = workload.model_config, component.degrees
    size = BYTES.get((model.dtype or "").lower())
    if model.parameters_b is None or size is None or degrees is None:
        return None
    shards = degrees.tensor * degrees.pipeline
    if degrees.expert > degrees.tensor:
        shards = degrees.expert * degrees.pipeline
    return model.parameters_b * 1e9 * size / shards / 2**30
