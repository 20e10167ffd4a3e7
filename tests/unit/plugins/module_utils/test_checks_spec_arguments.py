# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Degrees, arguments and engine configuration that would contradict the plan, named after the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import Problem

from tests.unit.plugins.module_utils.inputs import component, dynamo, dynamo_problems, only, workload

AT = "multinode_workloads[0].components.engine"
FRONTEND = {"name": "frontend", "role": "frontend"}


def refused(backend: str, **over: Any) -> Problem:
    return only(dynamo_problems(workload(component(**over), backend=backend)))


def accepted(backend: str, **over: Any) -> bool:
    return dynamo_problems(workload(component(**over), backend=backend)) == []


@pytest.mark.parametrize(
    ("pins", "degree", "words"),
    [
        ({"data": 5}, "data", "5 does not divide tensor 16"),
        ({"expert": 32}, "expert", "32 does not divide tensor 16"),
        ({"strategy": "data", "expert": 3}, "expert", "3 does not divide tensor 16"),
    ],
)
def test_f05_sglang_degrees_that_do_not_fit_inside_tensor(pins: dict[str, Any], degree: str, words: str) -> None:
    problem = refused("sglang", parallelism=pins)
    assert (problem.path, problem.check, problem.value) == (f"{AT}.parallelism.{degree}", "MN-F05", pins[degree])
    assert words in problem.message
    assert "what works: tensor 16" in problem.message
    assert accepted("sglang", parallelism={"data": 4, "expert": 8})


def test_f05_sglang_data_parallel_without_dp_attention() -> None:
    off = refused("sglang", parallelism={"data": 16}, engine_config={"enable-dp-attention": False})
    assert (off.path, off.check) == (f"{AT}.engine_config.enable-dp-attention", "MN-F05")
    assert "lives inside tensor parallel and needs it" in off.message
    on = refused("sglang", engine_config={"enable_dp_attention": True})
    assert (on.path, on.check) == (f"{AT}.engine_config.enable_dp_attention", "MN-F05")
    assert "use parallelism.strategy data" in on.message
    assert accepted("sglang", parallelism={"data": 16}, engine_config={"enable-dp-attention": True, "dp-size": 16})


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"parallelism": {"data": 12}}, "tensor x pipeline x data = 1 x 1 x 12 = 12, not 16"),
        ({"parallelism": {"tensor": 4, "data": 3}, "gpus_per_node": 6}, "= 4 does not divide 6 GPUs per node"),
    ],
)
def test_f06_vllm_data_parallel_that_wastes_gpus(over: dict[str, Any], words: str) -> None:
    problem = refused("vllm", **over)
    assert (problem.path, problem.check) == (f"{AT}.parallelism.data", "MN-F06")
    assert words in problem.message
    assert "what works: " in problem.message
    assert accepted("vllm", parallelism={"data": 16})
    # One machine wastes nothing quietly: there it is the product that is wrong.
    assert refused("vllm", parallelism={"data": 3}, node_count=1).check == "MN-F01"


@pytest.mark.parametrize(
    ("over", "path", "words"),
    [
        ({"command": ["/bin/bash", "-c"], "args": ["sleep 20 && python3 -m dynamo.trtllm"]}, "command[0]", "the first"),
        ({"command": ["sleep 20 && python3 -m dynamo.trtllm"]}, "command[0]", "init container"),
        ({"command": ["python3"], "args": ["-m", "x", "&&", "y"]}, "args[2]", "'&&'"),
        ({"command": ["trtllm-serve"]}, "command[0]", "drops such a command"),
    ],
)
def test_f07_trtllm_in_shell_form(over: dict[str, Any], path: str, words: str) -> None:
    problem = refused("trtllm", **over)
    assert (problem.path, problem.check) == (f"{AT}.{path}", "MN-F07")
    assert words in problem.message


def test_f07_python_by_any_name_keeps_its_words_apart() -> None:
    assert accepted("trtllm", command=["/opt/venv/bin/python3.12", "-m", "dynamo.trtllm"])
    assert accepted("trtllm", command=["trtllm-serve"], node_count=1)


def test_f02_a_command_line_in_one_word() -> None:
    problem = refused("sglang", command=["python3 -m dynamo.sglang --tp 16"])
    assert (problem.path, problem.check) == (f"{AT}.command[0]", "MN-F02")
    frontend = {**FRONTEND, "command": ["sh", "-c"]}
    assert only(dynamo_problems(workload(component(), frontend, backend="trtllm"))).check == "MN-F02"


@pytest.mark.parametrize(
    ("over", "path", "words"),
    [
        ({"command": [""]}, "command[0]", "a program, or leave it out"),
        ({"args": ["--x", " "]}, "args[1]", "an argument, or leave it out"),
    ],
)
def test_f13_an_empty_command(over: dict[str, Any], path: str, words: str) -> None:
    problem = refused("vllm", **over)
    assert (problem.path, problem.check) == (f"{AT}.{path}", "MN-F13")
    assert words in problem.message


@pytest.mark.parametrize(
    ("backend", "config", "key", "words"),
    [
        ("vllm", {"tensor-parallel-size": 8}, "tensor-parallel-size", "is 8 in a file that the operator does not read"),
        ("vllm", {"pipeline_parallel_size": "2"}, "pipeline_parallel_size", "which makes it 1: pin parallelism.pipel"),
        ("vllm", {"enable-expert-parallel": True}, "enable-expert-parallel", "pin parallelism.expert"),
        ("vllm", {"prefill-context-parallel-size": 2}, "prefill-context-parallel-size", "multiplies the GPUs"),
        ("sglang", {"tp": 8}, "tp", "tensor 16 for 2 x 8 GPUs"),
        ("sglang", {"dp-size": 4}, "dp-size", "pin parallelism.data"),
    ],
)
def test_f02_degrees_in_a_file_that_the_operator_does_not_read(
    backend: str, config: dict[str, Any], key: str, words: str
) -> None:
    problem = refused(backend, engine_config=config)
    assert (problem.path, problem.check) == (f"{AT}.engine_config.{key}", "MN-F02")
    assert problem.value == config[key]
    assert words in problem.message


@pytest.mark.parametrize(
    ("config", "key", "words"),
    [
        ({"tensor_parallel_size": 8}, "tensor_parallel_size", "is 8 and wins over the command line, but the plan has"),
        ({"moe_expert_parallel_size": 4}, "moe_expert_parallel_size", "pin parallelism.expert"),
        ({"moe_tensor_parallel_size": 2}, "moe_tensor_parallel_size", "which makes it 16"),
        ({"enable_attention_dp": True}, "enable_attention_dp", "which makes it false"),
        ({"gpus_per_node": 4}, "gpus_per_node", "each rank takes 8 GPUs"),
        ({"context_parallel_size": 2}, "context_parallel_size", "multiplies the GPUs"),
    ],
)
def test_f04_an_engine_file_that_wins(config: dict[str, Any], key: str, words: str) -> None:
    problem = refused("trtllm", engine_config=config)
    assert (problem.path, problem.check) == (f"{AT}.engine_config.{key}", "MN-F04")
    assert words in problem.message


def test_f04_an_override_that_wins_names_the_plan() -> None:
    args = ["--override-engine-args", '{"tensor_parallel_size": 8, "max_num_tokens": 1}']
    problem = refused("trtllm", args=args)
    assert (problem.path, problem.check) == (f"{AT}.args[0]", "MN-F04")
    assert "sets tensor_parallel_size to 8" in problem.message
    assert accepted("trtllm", args=["--override-engine-args", '{"tensor_parallel_size": 16}'])
    assert accepted("trtllm", args=["--override-engine-args", "[1]"])


@pytest.mark.parametrize(
    ("backend", "config", "pins"),
    [
        ("trtllm", {"tensor_parallel_size": 16, "moe_expert_parallel_size": 16, "moe_tensor_parallel_size": 1}, "data"),
        ("trtllm", {"enable_attention_dp": "true", "gpus_per_node": 8, "context_parallel_size": 1}, "data"),
        ("trtllm", {"max_num_tokens": 8192, "tensor_parallel_size": None, "kv_cache_config": {"a": 1}}, "tensor"),
        ("vllm", {"tensor-parallel-size": "16", "max-model-len": 32768, "no-enable-expert-parallel": True}, "tensor"),
        ("sglang", {"tp-size": 16, "mem-fraction-static": 0.8}, "tensor"),
    ],
)
def test_an_engine_file_that_agrees(backend: str, config: dict[str, Any], pins: str) -> None:
    assert accepted(backend, engine_config=config, parallelism={"strategy": pins})


def test_f01_alone_where_there_are_no_degrees_to_compare_with() -> None:
    found = refused("trtllm", parallelism={"tensor": 12}, engine_config={"tensor_parallel_size": 12})
    assert found.check == "MN-F01"


def test_f03_coordination_in_an_engine_file() -> None:
    problem = refused("sglang", engine_config={"dist-init-addr": "a:1"})
    assert (problem.path, problem.check) == (f"{AT}.engine_config.dist-init-addr", "MN-F03")


def test_f03_the_frontends_port() -> None:
    raw = workload(component(), {**FRONTEND, "args": ["--http-port=9000"]})
    problem = only(dynamo_problems(raw))
    assert (problem.path, problem.check) == ("multinode_workloads[0].components.frontend.args[0]", "MN-F03")
    assert "port 8000" in problem.message


@pytest.mark.parametrize(
    ("backend", "flag"), [("vllm", "--config"), ("sglang", "--config"), ("trtllm", "--extra-engine-args")]
)
def test_an_engine_file_is_named_once(backend: str, flag: str) -> None:
    problem = refused(backend, engine_config={"seed": 1}, args=[flag, "/etc/engine.yaml"])
    assert problem.path == f"{AT}.args[0]"
    assert "written from `engine_config`" in problem.message


def test_an_engine_file_does_not_say_who_the_model_is() -> None:
    problem = refused("vllm", engine_config={"served_model_name": "x"})
    assert problem.path == f"{AT}.engine_config.served_model_name"
    assert "`served_model_name`: set that" in problem.message


def test_the_routing_mode_is_said_once() -> None:
    frontend = {**FRONTEND, "args": ["--router-mode", "kv"]}
    assert "`router.mode`" in only(dynamo_problems(workload(component(), frontend, router={"mode": "kv"}))).message
    assert dynamo_problems(workload(component(), frontend)) == []


@pytest.mark.parametrize(
    ("backend", "flag", "check"), [("trtllm", "--extra-engine-args", "MN-F04"), ("vllm", "--config", "MN-F02")]
)
def test_f04_a_file_that_is_not_read_here_is_said(backend: str, flag: str, check: str) -> None:
    plan = dynamo(workload(component(args=[flag, "/etc/x.yaml"]), backend=backend))
    found = [finding for finding in plan.findings if finding.id == check]
    assert [(f.severity, f.subject, f.stage) for f in found] == [("warning", "inference/llama/engine", "spec")]
    assert "engine_config" in found[0].remedy
