# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model's own numbers, from its ``config.json`` as Hugging Face has it. Pure: the text comes in.

Families spell the same number differently, nest the language model in one of several maps, and put the data type of
quantized weights under ``quantization_config``. What a file does not tell stays unknown, and unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Where multimodal models keep the language model's part.
_NESTED = ("text_config", "llm_config", "language_config", "thinker_config", "ffn_config", "attn_config")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "kv_n_heads", "multi_query_group_num"),
    "experts": ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts", "num_moe_experts"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
}
_BYTES = {
    8.0: ("float64", "double", "f64"),
    4.0: ("float32", "float", "fp32", "f32"),
    2.0: ("bfloat16", "bf16", "float16", "half", "fp16", "f16"),
    1.0: (
        *("float8_e4m3fn", "float8_e4m3", "float8_e5m2", "f8_e4m3", "f8_e5m2", "fp8", "fp8_e4m3", "fp8_e5m2"),
        *("mxfp8", "int8", "i8", "w8a8", "w8a16"),
    ),
    0.5: ("fp4", "nvfp4", "mxfp4", "float4_e2m1fn_x2", "int4", "w4a16", "w4a8", "awq"),
}
DTYPES: Mapping[str, float] = {name: size for size, names in _BYTES.items() for name in names}


class NotAModelConfig(ValueError):
    """The text is no ``config.json`` of a model; the message says why."""


def dtype_name(raw: str) -> str:
    """``torch.bfloat16`` and ``BF16`` as DTYPES spells them; an unknown one as it is, in lower case."""
    return raw.strip().lower().removeprefix("torch.").replace("-", "_")


def numbers(text: str) -> dict[str, Any]:
    """The numbers that the file tells, under the keys of ``model_config``. Raises NotAModelConfig."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotAModelConfig(f"is no JSON ({error})") from None
    if not isinstance(raw, Mapping):
        raise NotAModelConfig("holds no map")
    levels = _levels(raw)
    found: dict[str, Any] = {}
    for name, keys in _KEYS.items():
        value = _first(levels, keys)
        if value is not None:
            found[name] = value
    if not found:
        raise NotAModelConfig("has neither heads, layers nor experts: is it a model's config.json?")
    if "kv_heads" not in found and _flag(levels, "multi_query"):
        found["kv_heads"] = 1
    if "kv_heads" not in found and "attention_heads" in found:
        # Absent means that every attention head has its own.
        found["kv_heads"] = found["attention_heads"]
    experts = _expert_parameters(levels, found)
    if experts:
        found["expert_parameters_b"] = experts / 1e9
    dtype = _dtype(levels)
    if dtype:
        found["dtype"] = dtype
    return found


def _levels(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The maps to look into, the language model's own before the file's top, however deep it is nested."""
    inner = [raw[name] for name in _NESTED if isinstance(raw.get(name), Mapping)]
    return [level for item in inner for level in _levels(item)] + [raw]


def _first(levels: list[Mapping[str, Any]], keys: tuple[str, ...]) -> int | None:
    for level in levels:
        for key in keys:
            value = _whole(key, level.get(key))
            if value:
                return value
    return None


def _whole(key: str, value: object) -> int | None:
    """A count; a list of one count per layer counts where all are the same."""
    if isinstance(value, list) and value and all(item == value[0] for item in value):
        value = value[0]
    if value is None or isinstance(value, (list, Mapping)):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise NotAModelConfig(f"has {key} {json.dumps(value)}; a whole number")
    return value


def _flag(levels: list[Mapping[str, Any]], key: str) -> bool:
    return any(level.get(key) is True for level in levels)


def _expert_parameters(levels: list[Mapping[str, Any]], found: Mapping[str, Any]) -> int:
    """Gate, up and down projection of every routed expert, where the file tells their shape; otherwise 0."""
    experts: int | None = found.get("experts")
    layers: int | None = found.get("layers")
    hidden = _first(levels, ("hidden_size",))
    inner = _first(levels, ("moe_intermediate_size", "expert_intermediate_size", "moe_ffn_hidden_size"))
    if inner is None and _first(levels, ("num_local_experts",)):
        inner = _first(levels, ("intermediate_size",))
    if not (experts and layers and hidden and inner):
        return 0
    sparse = layers - (_first(levels, ("first_k_dense_replace",)) or 0)
    step = _first(levels, ("moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step")) or 1
    return max(0, sparse // step) * experts * 3 * hidden * inner


def _dtype(levels: list[Mapping[str, Any]]) -> str | None:
    """The data type of the weights: the quantized one where there is one; None where it is none that we know."""
    for level in reversed(levels):
        quantization = level.get("quantization_config")
        if isinstance(quantization, Mapping):
            return _known(_quantized(quantization))
    for level in levels:
        for key in ("dtype", "torch_dtype"):
            if isinstance(level.get(key), str):
                return _known(level[key])
    return None


def _known(name: str) -> str | None:
    name = dtype_name(name)
    return name if name in DTYPES else None


def _quantized(raw: Mapping[str, Any]) -> str:
    """What ``quantization_config`` makes of the weights, by quantization method."""
    method = str(raw.get("quant_method") or "").lower()
    if method == "modelopt" or "quant_algo" in raw:
        return str(raw.get("quant_algo") or "").split("_", maxsplit=1)[0]
    if method == "compressed-tensors":
        groups = raw.get("config_groups")
        weights = [
            group["weights"]
            for group in (groups.values() if isinstance(groups, Mapping) else ())
            if isinstance(group, Mapping) and isinstance(group.get("weights"), Mapping)
        ]
        if not weights:
            return ""
        kind = "fp" if weights[0].get("type") == "float" else "int"
        return f"{kind}{weights[0].get('num_bits')}"
    if method == "bitsandbytes":
        return "int4" if raw.get("load_in_4bit") else "int8"
    if "bits" in raw:
        return f"int{raw['bits']}"
    return method.removeprefix("fbgemm_")
