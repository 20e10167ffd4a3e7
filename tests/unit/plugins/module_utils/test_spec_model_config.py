# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model's own numbers: from its config.json, and against the degrees and the GPUs' memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.model import redundant_experts, weights_gib
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import ModelConfig
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model_config import (
    DTYPES,
    NotAModelConfig,
    dtype_name,
    numbers,
)

from tests.unit.plugins.module_utils.inputs import component, dynamo, dynamo_problems, native, only, problems, workload

AT = "multinode_workloads[0]"
# Shapes as the hub has them, cut to what is read.
LLAMA = {"num_attention_heads": 128, "num_key_value_heads": 8, "num_hidden_layers": 126, "torch_dtype": "bfloat16"}
DEEPSEEK = {
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "num_hidden_layers": 61,
    "n_routed_experts": 256,
    "hidden_size": 7168,
    "moe_intermediate_size": 2048,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "torch_dtype": "bfloat16",
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}
MIXTRAL = {
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "num_local_experts": 8,
    "hidden_size": 4096,
    "intermediate_size": 14336,
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LLAMA, {"attention_heads": 128, "kv_heads": 8, "layers": 126, "dtype": "bfloat16"}),
        (
            DEEPSEEK,
            {
                "attention_heads": 128,
                "kv_heads": 128,
                "experts": 256,
                "layers": 61,
                # 58 layers x 256 experts x 3 matrices of 7168 x 2048
                "expert_parameters_b": 653.908770816,
                "dtype": "fp8",
            },
        ),
        (
            MIXTRAL,
            {"attention_heads": 32, "kv_heads": 8, "experts": 8, "layers": 32, "expert_parameters_b": 45.097156608},
        ),
        ({"text_config": LLAMA, "vision_config": {"num_attention_heads": 16}}, {"layers": 126, "attention_heads": 128}),
        ({"thinker_config": {"text_config": LLAMA}, "num_attention_heads": 4}, {"attention_heads": 128}),
        ({"n_head": 16, "n_layer": 12}, {"attention_heads": 16, "kv_heads": 16, "layers": 12}),
        ({"num_attention_heads": 71, "multi_query": True}, {"attention_heads": 71, "kv_heads": 1}),
        ({"n_heads": 48, "ffn_config": {"moe_num_experts": 16}, "attn_config": {"kv_n_heads": 8}}, {"kv_heads": 8}),
        ({"num_hidden_layers": 4, "num_experts": [64, 64]}, {"experts": 64, "layers": 4}),
        ({"num_hidden_layers": 4, "num_experts": [64, 32]}, {"layers": 4}),
    ],
)
def test_the_numbers_of_a_model(config: dict[str, Any], expected: dict[str, Any]) -> None:
    found = numbers(json.dumps(config))
    assert {key: found.get(key) for key in expected} == expected
    assert set(found) <= {*expected, "attention_heads", "kv_heads", "layers", "dtype", "experts"}
    ModelConfig(**found)


@pytest.mark.parametrize(
    ("quantization", "dtype"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8_PB_WO"}, "fp8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8",
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int"}}}},
            "int4",
        ),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {}, "h": 1}}, None),
        ({"quant_method": "compressed-tensors"}, None),
        ({"quant_method": "of tomorrow"}, None),
        ({}, None),
    ],
)
def test_the_data_type_of_quantized_weights(quantization: dict[str, Any], dtype: str | None) -> None:
    config = {**LLAMA, "quantization_config": quantization}
    assert numbers(json.dumps(config)).get("dtype") == dtype
    assert numbers(json.dumps({"text_config": LLAMA, "quantization_config": quantization})).get("dtype") == dtype


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "holds no map"),
        ('{"_class_name": "FluxPipeline"}', "is it a model's config.json?"),
        ('{"num_attention_heads": "many"}', 'has num_attention_heads "many"; a whole number'),
        ('{"num_hidden_layers": true}', "has num_hidden_layers true"),
    ],
)
def test_a_file_that_tells_nothing(text: str, words: str) -> None:
    with pytest.raises(NotAModelConfig, match=words.replace("?", r"\?").replace("(", r"\(")):
        numbers(text)


def test_model_config_from_a_file_under_the_numbers_of_the_input(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(DEEPSEEK), encoding="utf-8")
    raw = workload(model_config={"path": str(file), "kv_heads": "32", "parameters_b": 671})
    found = native(raw, machines=[]).workloads[0].workload.model_config
    assert found == ModelConfig(128, 32, 256, 61, 671, 653.908770816, "fp8")
    # Wherever the path is said, and however often.
    bare = workload()
    told = native(bare, machines=[], defaults={"model_config": {"path": f" {file} "}})
    assert told.workloads[0].workload.model_config.layers == 61
    over = native(bare, workload(name="b"), overlays={"llama": {"model_config": {"path": str(file)}}})
    assert [w.workload.model_config.layers for w in over.workloads] == [61, None]


def test_f01_numbers_from_a_file_bound_the_degrees(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**LLAMA, "num_attention_heads": 40}), encoding="utf-8")
    problem = only(problems(workload(model_config={"path": str(file)})))
    assert (problem.path, problem.check) == (f"{AT}.components.engine", "MN-F01")
    assert "40 attention heads" in problem.message


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read on the machine that runs this (No such file"), ("{}", "is it a model's config.json?")],
)
def test_a_model_config_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    problem = only(problems(workload(model_config={"path": str(file)})))
    assert (problem.path, problem.value) == (f"{AT}.model_config.path", str(file))
    assert str(file) in problem.message
    assert words in problem.message
    under = problems(workload(), defaults={"model_config": {"path": str(file)}})
    assert only(under).path == "multinode_workload_defaults.model_config.path"


@pytest.mark.parametrize(
    ("raw", "read"),
    [("torch.bfloat16", "bfloat16"), ("BF16", "bf16"), ("F8-E4M3", "f8_e4m3"), ("NVFP4", "nvfp4"), ("auto", None)],
)
def test_data_types_as_the_hub_spells_them(raw: str, read: str | None) -> None:
    found = native(workload(model_config={"dtype": raw})).workloads[0].workload.model_config.dtype
    assert found == read
    assert found is None or dtype_name(found) in DTYPES


def test_a_data_type_that_nobody_knows() -> None:
    problem = only(problems(workload(model_config={"dtype": "bf17"})))
    assert problem.path == f"{AT}.model_config.dtype"
    assert "did you mean bf16?" in problem.message


GIB = 1e9 / 2**30


@pytest.mark.parametrize(
    ("backend", "pins", "config", "parameters_per_gpu"),
    [
        ("vllm", {}, {}, 672 / 16),
        ("vllm", {"strategy": "tensor_pipeline"}, {}, 672 / 16),
        # A copy of a dense model in every data parallel rank
        ("vllm", {"tensor": 4, "data": 4}, {}, 672 / 4),
        # Experts are shared by the data parallel ranks, with expert parallel or without
        ("vllm", {"strategy": "data"}, {"expert_parameters_b": 640}, 32 + 640 / 16),
        ("vllm", {"strategy": "data", "expert": 1}, {"expert_parameters_b": 640}, 32 + 640 / 16),
        ("vllm", {"tensor": 4, "data": 4}, {"expert_parameters_b": 640}, 32 / 4 + 640 / 16),
        # At least, where nobody said how many parameters are in the experts
        ("vllm", {"strategy": "data"}, {}, 672 / 16),
        ("vllm", {"tensor": 4, "data": 4}, {"experts": 256}, 672 / 16),
        # Attention data parallel: tensor / data GPUs hold one copy of the attention
        ("sglang", {"strategy": "data"}, {"expert_parameters_b": 640}, 32 + 640 / 16),
        ("sglang", {"data": 4}, {"expert_parameters_b": 640}, 32 / 4 + 640 / 16),
        ("trtllm", {"strategy": "data"}, {"expert_parameters_b": 640}, 32 + 640 / 16),
        ("sglang", {}, {"expert_parameters_b": 6400}, 672 / 16),
    ],
)
def test_f84_weights_on_each_gpu(
    backend: str, pins: dict[str, Any], config: dict[str, Any], parameters_per_gpu: float
) -> None:
    given = {"parameters_b": 672, "dtype": "fp8", **config}
    plan = dynamo(workload(component(parallelism=pins), backend=backend, model_config=given))
    one = plan.workloads[0]
    found = weights_gib(one.workload, one.components[0].component)
    assert found == pytest.approx(parameters_per_gpu * GIB)


def test_f84_nothing_is_known_of_a_model_without_numbers() -> None:
    one = dynamo(workload(model_config={"parameters_b": 7})).workloads[0]
    assert weights_gib(one.workload, one.components[0].component) is None


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"args": ["--ep-num-redundant-experts", "12"]}, ""),
        ({"args": ["--ep-num-redundant-experts", "11"]}, "100 experts and 11 redundant ones"),
        ({"args": ["--eplb-config", '{"num_redundant_experts": 12}']}, ""),
        ({"args": ["--eplb-config", "{"]}, ""),
        ({"args": ["--eplb-config.num-redundant-experts", "x"]}, ""),
        ({"engine_config": {"ep-num-redundant-experts": 12}}, ""),
        ({"engine_config": {"seed": 1}}, "has 100 experts, which cannot be divided over 16 GPUs"),
        ({"args": ["--eplb-config", "[1]"]}, ""),
        ({"args": ["--eplb-config", '{"num_redundant_experts": "x"}']}, ""),
    ],
)
def test_f01_redundant_experts_count(over: dict[str, Any], words: str) -> None:
    raw = workload(component(parallelism={"strategy": "data"}, **over), backend="sglang", model_config={"experts": 100})
    found = dynamo_problems(raw)
    assert [words in problem.message for problem in found] == ([True] if words else [])


def test_no_redundant_experts_by_default() -> None:
    assert redundant_experts(dynamo(workload()).workloads[0].components[0].component) == 0
