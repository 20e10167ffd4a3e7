# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine will use, from every place that it looks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import EngineReading

from tests.unit.plugins.module_utils.readback.given import (
    SGLANG,
    SHELL,
    TRTLLM,
    VLLM,
    config_map,
    mounted,
    one,
)


def degrees(found: EngineReading) -> tuple[int | None, ...]:
    return found.tensor, found.pipeline, found.data, found.expert


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("-tp", "16"), (16, 1, 1, 1)),
        (("-tp=16",), (16, 1, 1, 1)),
        (("--tensor_parallel_size=8", "-pp", "2"), (8, 2, 1, 1)),
        (("--tensor-parallel", "8", "--pipeline-parallel-size", "2"), (8, 2, 1, 1)),
        (("-tp", "8", "-tp", "16"), (16, 1, 1, 1)),
        (("-tp", "8", "-dp", "2", "--enable-expert-parallel"), (8, 1, 2, 16)),
        (("-ep", "--no-enable-expert-parallel"), (1, 1, 1, 1)),
        (("-tp", "$(TP)"), (16, 1, 1, 1)),
        (("-tp", "$(NONE)"), (None, 1, 1, 1)),
        (("-tp", "$(NONE)", "--enable-expert-parallel"), (None, 1, 1, None)),
        (("-tp",), (None, 1, 1, 1)),
        (("--model", "-tp"), (None, 1, 1, 1)),
    ],
)
def test_vllm_spellings(args: tuple[str, ...], found: tuple[int | None, ...]) -> None:
    env = {"env": [{"name": "TP", "value": "16"}, {"name": "SECRET", "valueFrom": {}}]}
    assert degrees(one("--model", "Q", *args, main=env).engine) == found


@pytest.mark.parametrize(
    "script",
    [
        'exec python3 -m dynamo.vllm --model Q \\\n  --hf-overrides \'{"a": ["b"]}\' \\\n  --tensor-parallel-size 16',
        "ulimit -l unlimited && python3.11 -m dynamo.vllm -tp 16 | tee log",
        "export T=16\nHF_HOME=/x python -m dynamo.vllm -tp $T",
        "T=16; exec vllm serve Q -tp ${T}",
        "python3 -m vllm.entrypoints.openai.api_server -tp 16",
        "bash -c 'python3 -m dynamo.vllm -tp 16'",
    ],
)
def test_shell_strings(script: str) -> None:
    assert degrees(one(script, command=("/bin/bash", "-lc")).engine) == (16, 1, 1, 1)


@pytest.mark.parametrize("script", ["python3 -c 'import vllm'", "python3 server.py", "sleep 5", "/run.sh", ""])
def test_what_starts_no_known_engine(script: str) -> None:
    found = one(*([script] if script else []), command=SHELL).engine
    assert degrees(found) == (None, None, None, None)
    assert found.degrees is None
    assert "nothing" in found.unknown


@pytest.mark.parametrize("command", [("/entrypoint.sh",), ("sh", "/run.sh"), ("sh", "-e"), ("sh", "-x", "-c")])
def test_commands_that_are_no_script(command: tuple[str, ...]) -> None:
    assert one(command=command).engine.degrees is None


def test_the_mpi_launcher_is_looked_through() -> None:
    script = "trtllm-llmapi-launch python3 -m dynamo.trtllm --tensor-parallel-size 16"
    assert degrees(one(script, command=SHELL).engine) == (16, 1, 1, 1)


def test_a_script_that_passes_its_arguments_on() -> None:
    command = ("/bin/sh", "-c", 'exec "$0" "$@" --node-rank "$((GROVE_PCLQ_POD_INDEX + 1))"', *VLLM)
    assert degrees(one("-tp", "16", command=command).engine) == (16, 1, 1, 1)


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("--tp", "16", "--dp", "16", "--enable-dp-attention", "--ep-size", "16"), (16, 1, 16, 16)),
        (("--tensor-parallel-size=8", "--pp-size", "2"), (8, 2, 1, 1)),
        (("--tp-size", "16", "--expert-parallel-size", "8"), (16, 1, 1, 8)),
    ],
)
def test_sglang_spellings(args: tuple[str, ...], found: tuple[int, ...]) -> None:
    assert degrees(one(*args, command=SGLANG).engine) == found


def test_attention_data_parallel_adds_no_gpus() -> None:
    assert one("--tp", "16", "--dp", "4", "--enable-dp-attention", command=SGLANG).engine.degrees.gpus == 16
    assert one("--tp", "16", "--dp", "1", "--enable-dp-attention", command=SGLANG).engine.attention_data is False


def test_prefill_context_parallel_multiplies() -> None:
    assert one("-tp", "8", "-pcp", "2").engine.degrees.gpus == 16
    assert one("-tp", "8", "-pcp", "$(X)").engine.degrees is None


@pytest.mark.parametrize("command", [VLLM, SGLANG])
def test_a_configuration_file_is_read_and_the_command_line_wins(command: tuple[str, ...]) -> None:
    file = config_map("engine", c_yaml="tensor-parallel-size: 8\npipeline_parallel_size: 2\ntrust: true\nx: false\n")
    given: dict[str, Any] = {"command": command, **mounted("engine")}
    found = one("--config", "/config/c.yaml", companions=[file], **given).engine
    assert degrees(found) == (8, 2, 1, 1)
    assert found.sources["tensor"] == "/config/c.yaml: tensor-parallel-size 8"
    flag = "--tensor-parallel-size"
    assert one("--config", "/config/c.yaml", flag, "4", companions=[file], **given).engine.tensor == 4


@pytest.mark.parametrize("text", ["a: [", "- 1", "just text"])
def test_a_file_that_cannot_be_read_makes_unknown_what_it_may_set(text: str) -> None:
    file = config_map("engine", c_yaml=text)
    found = one("--config", "/config/c.yaml", "-tp", "16", companions=[file], **mounted("engine")).engine
    assert (found.tensor, found.pipeline) == (16, None)
    assert found.unknown == "/config/c.yaml cannot be read from these files"


def test_an_empty_file_sets_nothing() -> None:
    found = one("--config", "/config/c.yaml", companions=[config_map("engine", c_yaml="")], **mounted("engine"))
    assert degrees(found.engine) == (1, 1, 1, 1)


YAML = (
    "tensor_parallel_size: 16\nmoe_expert_parallel_size: 8\nenable_attention_dp: true\npipeline_parallel_size: null\n"
)


def test_trtllm_takes_its_file_over_the_command_line() -> None:
    args = ("--tensor-parallel-size", "8", "--extra-engine-args", "/config/c.yaml")
    found = one(*args, command=TRTLLM, companions=[config_map("engine", c_yaml=YAML)], **mounted("engine")).engine
    assert degrees(found) == (16, 1, 16, 8)
    assert found.attention_data
    assert found.conflicts == {
        "tensor": (("--tensor-parallel-size 8", 8), ("/config/c.yaml: tensor_parallel_size 16", 16))
    }


def test_trtllm_without_its_file_is_unknown() -> None:
    found = one("--tensor-parallel-size", "16", "--extra-engine-args", "/models/x.yaml", command=TRTLLM).engine
    assert degrees(found) == (None, None, 1, None)


@pytest.mark.parametrize("text", ['{"tensor_parallel_size": 16}', "{'tensor_parallel_size': 16}"])
def test_an_override_has_the_last_word(text: str) -> None:
    args = ("--tensor-parallel-size", "8", "--override-engine-args", text)
    assert one(*args, command=TRTLLM).engine.tensor == 16


@pytest.mark.parametrize("text", ["$(X)", "[1]"])
def test_an_override_that_is_no_dictionary_makes_it_unknown(text: str) -> None:
    assert one("--override-engine-args", text, command=TRTLLM).engine.degrees is None


def test_trtllm_environment() -> None:
    env = {
        "DYN_TRTLLM_TENSOR_PARALLEL_SIZE": "8",
        "DYN_TRTLLM_ENABLE_ATTENTION_DP": "true",
        "DYN_TRTLLM_EXTRA_ENGINE_ARGS": "/config/c.yaml",
        "DYN_TRTLLM_OVERRIDE_ENGINE_ARGS": '{"enable_attention_dp": false}',
    }
    main = {**mounted("engine")["main"], "env": [{"name": name, "value": value} for name, value in env.items()]}
    given: dict[str, Any] = {"command": TRTLLM, "pod": mounted("engine")["pod"], "main": main}
    file = config_map("engine", c_yaml="tensor_parallel_size: 16\n")
    assert degrees(one("--no-enable-attention-dp", companions=[file], **given).engine) == (16, 1, 1, 1)
    assert one("--enable-attention-dp", command=TRTLLM).engine.data == 1


def test_files_by_items_and_by_sub_path() -> None:
    file = config_map("engine", a_yaml="tensor-parallel-size: 16")
    volume = {"name": "c", "configMap": {"name": "engine", "items": [{"key": "a.yaml", "path": "b.yaml"}]}}
    main = {"volumeMounts": [{"name": "c", "mountPath": "/config"}, {"name": "none", "mountPath": "/x"}]}
    given: dict[str, Any] = {"companions": [file, {"kind": "Secret"}], "main": main, "pod": {"volumes": [volume]}}
    assert one("--config", "/config/b.yaml", **given).engine.tensor == 16
    assert one("--config", "/config/a.yaml", **given).engine.tensor is None
    single = mounted("engine", "/etc/engine.yaml", subPath="a.yaml")
    assert one("--config", "/etc/engine.yaml", companions=[file], **single).engine.tensor == 16
    other = mounted("engine", "/etc/engine.yaml", subPath="b.yaml")
    assert one("--config", "/etc/engine.yaml", companions=[file], **other).engine.tensor is None
