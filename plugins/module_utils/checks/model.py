# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the model's own numbers allow (stage spec); unchecked, and said to be, where the user gives none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name, flag_value
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model_config import DTYPES, dtype_name

_REDUNDANT = ("--ep-num-redundant-experts", "--num-redundant-experts")
_EPLB = ("--eplb-config", "--eplb-config.num-redundant-experts")


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
    if model.experts and degrees.expert > 1:
        more = redundant_experts(component)
        if more is not None and (model.experts + more) % degrees.expert:
            added = f" and {more} redundant ones" if more else ""
            yield _issue("expert", degrees.expert, f"{model.experts} experts{added}", degrees.expert)
    if model.layers and degrees.pipeline > model.layers:
        message = f"pipeline is {degrees.pipeline}, more stages than the model has layers ({model.layers})"
        yield Issue(("parallelism", "pipeline"), degrees.pipeline, message, "MN-F01")


def _issue(degree: str, value: int, what: str, divisor: int) -> Issue:
    message = f"{degree} is {value}, but the model has {what}, which cannot be divided over {divisor} GPUs"
    return Issue(("parallelism", degree), value, message, "MN-F01")


def redundant_experts(component: Component) -> int | None:
    """Experts that the arguments add to the model's own; None where they say so in a way that is not read."""
    for index, token in enumerate(component.args):
        name = flag_name(token)
        if name in _REDUNDANT or name == _EPLB[1]:
            value = flag_value(component.args, index)
            return int(value) if value.isdecimal() else None
        if name == _EPLB[0]:
            try:
                given = json.loads(flag_value(component.args, index))
            except ValueError:
                return None
            count = given.get("num_redundant_experts", 0) if isinstance(given, Mapping) else None
            return count if isinstance(count, int) else None
    for key in component.engine_config:
        if "redundant" in key or "eplb" in key or "load_balancer" in key:
            return None
    return 0


def unchecked(workload: Workload) -> tuple[str, ...]:
    """What the degrees of this workload depend on and its ``model_config`` does not tell."""
    model = workload.model_config
    found = [component.degrees for component in workload.components if component.degrees is not None]
    if all(degrees.gpus == 1 for degrees in found):
        return ()
    asked = (
        ("attention_heads", model.attention_heads, any(degrees.tensor > 1 for degrees in found)),
        ("kv_heads", model.kv_heads, any(degrees.tensor > 1 for degrees in found)),
        ("experts", model.experts, any(degrees.expert > 1 for degrees in found)),
        ("layers", model.layers, any(degrees.pipeline > 1 for degrees in found)),
        ("parameters_b", model.parameters_b, True),
        ("dtype", model.dtype, True),
    )
    return tuple(name for name, value, needed in asked if needed and value is None)


def weights_gib(workload: Workload, component: Component) -> float | None:
    """GiB of weights on each GPU, at least, or None where it is not known.

    Parameters outside the experts are divided over the GPUs that hold one copy of the attention, routed experts over
    all GPUs that share them. Where the model has experts but nobody told how many parameters are in them
    (``expert_parameters_b``), all of them are taken to be: then this is a lower bound.
    """
    model, degrees = workload.model_config, component.degrees
    size = DTYPES.get(dtype_name(model.dtype or ""))
    if model.parameters_b is None or size is None or degrees is None:
        return None
    experts = model.expert_parameters_b
    if experts is None:
        experts = model.parameters_b if model.experts or degrees.expert > 1 else 0.0
    experts = min(experts, model.parameters_b)
    attention, shared = _shards(degrees)
    each = (model.parameters_b - experts) / attention + experts / shared
    return each * 1e9 * size / 2**30


def _shards(degrees: Degrees) -> tuple[int, int]:
    """Over how many GPUs (attention and dense layers, routed experts) are divided.

    vLLM's data parallel ranks each hold the attention, and share the experts (tensor x data of them, with expert
    parallel or without). Attention data parallel of the others lives inside tensor parallel.
    """
    if degrees.attention_data:
        return max(1, degrees.tensor // degrees.data) * degrees.pipeline, degrees.tensor * degrees.pipeline
    alike = degrees.tensor * degrees.pipeline
    return alike, alike * degrees.data
