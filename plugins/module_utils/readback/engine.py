# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine will really use, from every place that it looks: command line, configuration file, environment."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name, match_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.command import Engine
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import EngineReading

with contextlib.suppress(ImportError):  # the modules that use this say so
    import yaml

# (degree, what set it, value: None where it cannot be known); the weakest first.
Setting = tuple[str, str, Optional[int]]
# A file by its path in the container: its text, or None where it is not in the manifests.
Files = Mapping[str, Optional[str]]

_CONTEXT = {"--prefill-context-parallel-size": "context", "-pcp": "context"}
_SWITCHES = {
    "--enable-expert-parallel": ("expert", 1),
    "-ep": ("expert", 1),
    "--no-enable-expert-parallel": ("expert", 0),
    "--enable-dp-attention": ("attention", 1),
    "--enable-attention-dp": ("attention", 1),
    "--no-enable-attention-dp": ("attention", 0),
}
_NODES = {"--nnodes": "nodes", "-n": "nodes"}
_FLAGS: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        **{flag: degree for flag, degree in BACKENDS["vllm"].degree_flags.items() if degree != "expert"},
        **_CONTEXT,
        **_NODES,
    },
    "sglang": {
        **{flag: degree for flag, degree in BACKENDS["sglang"].degree_flags.items() if flag != "--enable-dp-attention"},
        "--nnodes": "nodes",
    },
    "trtllm": {
        "--tensor-parallel-size": "tensor",
        "--tp-size": "tensor",
        "--pipeline-parallel-size": "pipeline",
        "--pp-size": "pipeline",
        "--expert-parallel-size": "expert",
        "--ep-size": "expert",
    },
}
_SWITCHES_OF = {
    "vllm": ("--enable-expert-parallel", "-ep", "--no-enable-expert-parallel"),
    "sglang": ("--enable-dp-attention",),
    "trtllm": ("--enable-attention-dp", "--no-enable-attention-dp"),
}
_FILE_FLAGS = {
    "vllm": ("--config",),
    "sglang": ("--config",),
    "trtllm": ("--extra-engine-args", "--extra-llm-api-options", "--config"),
}
_TRTLLM_KEYS = {
    "tensor_parallel_size": "tensor",
    "pipeline_parallel_size": "pipeline",
    "moe_expert_parallel_size": "expert",
    "enable_attention_dp": "attention",
}
_TRTLLM_ENV = {
    "DYN_TRTLLM_TENSOR_PARALLEL_SIZE": "tensor",
    "DYN_TRTLLM_PIPELINE_PARALLEL_SIZE": "pipeline",
    "DYN_TRTLLM_EXPERT_PARALLEL_SIZE": "expert",
    "DYN_TRTLLM_ENABLE_ATTENTION_DP": "attention",
}
_OVERRIDE = "--override-engine-args"


def read(found: Engine, env: Mapping[str, str | None], files: Files) -> EngineReading:
    """The degrees of this command line. The order of precedence is each engine's own."""
    if not found.backend:
        return EngineReading(None, None, None, None, unknown="nothing in it starts an engine that is known here")
    line = list(_command_line(found.backend, found.words))
    if found.backend == "trtllm":
        settings = [*_environment(env), *line, *_trtllm_file(found.words, env, files), *_override(found.words, env)]
    else:
        settings = [*_config_file(found.backend, found.words, files), *line]
    return _combined(found.backend, settings)


def words_with_values(words: Sequence[str], flags: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(flag of ``flags``, as written, value) for each word that an argument parser takes for one of them."""
    for index, word in enumerate(words):
        flag = match_flag(word, dict.fromkeys(flags, ""))
        if not flag:
            continue
        if "=" in word:
            yield flag, word, word.split("=", 1)[1]
            continue
        following = words[index + 1] if index + 1 < len(words) else ""
        value = "" if flag_name(following) else following
        yield flag, f"{word} {value}".strip(), value


def integer(text: Any) -> int | None:
    """A positive whole number, or None."""
    if isinstance(text, bool) or not re.fullmatch(r"\d+", str(text).strip(), re.ASCII):
        return None
    return int(text) or None


def _switch(text: Any) -> int | None:
    """1 or 0 of a boolean in any spelling that YAML or an environment variable has for it."""
    return {"true": 1, "1": 1, "yes": 1, "on": 1, "false": 0, "0": 0, "no": 0, "off": 0}.get(str(text).strip().lower())


def _command_line(backend: str, words: Sequence[str]) -> Iterator[Setting]:
    flags, switches = _FLAGS[backend], _SWITCHES_OF[backend]
    for flag, written, value in words_with_values(words, {**flags, **dict.fromkeys(switches)}):
        if flag in switches:
            degree, on = _SWITCHES[flag]
            yield degree, written.split(" ")[0], on
        else:
            yield flags[flag], written, integer(value)


def _environment(env: Mapping[str, str | None]) -> Iterator[Setting]:
    for name, degree in _TRTLLM_ENV.items():
        if name in env:
            value = env[name]
            yield degree, f"{name}={value or ''}", _switch(value) if degree == "attention" else integer(value)


def _unknown_file(backend: str, path: str) -> Iterator[Setting]:
    """A file that is not among the manifests may set anything."""
    for degree in ("tensor", "pipeline", "data", "expert") if backend != "trtllm" else ("tensor", "pipeline", "expert"):
        yield degree, path, None


def _parsed(text: str) -> Mapping[str, Any] | None:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return data if isinstance(data, Mapping) else {} if data is None else None


def _config_file(backend: str, words: Sequence[str], files: Files) -> Iterator[Setting]:
    """vLLM and SGLang: the file's keys are long flags, and the command line wins."""
    for _flag, _written, path in words_with_values(words, dict.fromkeys(_FILE_FLAGS[backend])):
        text = files.get(path)
        data = None if text is None else _parsed(text)
        if data is None:
            yield from _unknown_file(backend, path)
            continue
        given = []
        for key, value in data.items():
            given += [f"--{key}"] if value is True else [] if value is False else [f"--{key}", str(value)]
        for degree, written, number in _command_line(backend, given):
            yield degree, f"{path}: {written[2:]}", number


def _trtllm_file(words: Sequence[str], env: Mapping[str, str | None], files: Files) -> Iterator[Setting]:
    """TensorRT-LLM: the file wins over the command line."""
    paths = [path for _f, _w, path in words_with_values(words, dict.fromkeys(_FILE_FLAGS["trtllm"]))]
    if not paths and env.get("DYN_TRTLLM_EXTRA_ENGINE_ARGS", ""):
        paths = [str(env["DYN_TRTLLM_EXTRA_ENGINE_ARGS"])]
    for path in paths[-1:]:
        text = files.get(path)
        data = None if text is None else _parsed(text)
        if data is None:
            yield from _unknown_file("trtllm", path)
        else:
            yield from _trtllm_keys(path, data)


def _override(words: Sequence[str], env: Mapping[str, str | None]) -> Iterator[Setting]:
    """The last word: a JSON or Python dictionary."""
    given = [value for _f, _w, value in words_with_values(words, {_OVERRIDE: None})]
    if not given and env.get("DYN_TRTLLM_OVERRIDE_ENGINE_ARGS", ""):
        given = [str(env["DYN_TRTLLM_OVERRIDE_ENGINE_ARGS"])]
    for text in given[-1:]:
        try:
            data = json.loads(text)
        except ValueError:
            try:
                data = ast.literal_eval(text)
            except (ValueError, SyntaxError):
                data = None
        if isinstance(data, Mapping):
            yield from _trtllm_keys(_OVERRIDE, data)
        else:
            yield from _unknown_file("trtllm", _OVERRIDE)


def _trtllm_keys(where: str, data: Mapping[str, Any]) -> Iterator[Setting]:
    for key, degree in _TRTLLM_KEYS.items():
        if key in data and data[key] is not None:
            value = data[key]
            number = _switch(value) if degree == "attention" else integer(value)
            yield degree, f"{where}: {key} {str(value).lower() if isinstance(value, bool) else value}", number


def _combined(backend: str, settings: Sequence[Setting]) -> EngineReading:
    values: dict[str, int | None] = {"tensor": 1, "pipeline": 1, "data": 1, "context": 1}
    sources: dict[str, str] = {}
    every: dict[str, list[tuple[str, int]]] = {}
    for degree, source, value in settings:
        values[degree], sources[degree] = value, source
        if value is not None:
            every.setdefault(degree, []).append((source, value))
    conflicts = {
        degree: tuple(found) for degree, found in every.items() if len({value for _source, value in found}) > 1
    }
    tensor, data = values["tensor"], values["data"]
    attention = bool(values.get("attention"))
    expert = values.get("expert", 1)
    if backend == "vllm":
        expert = 1
        if values.get("expert"):
            expert = tensor * data if tensor is not None and data is not None else None
    elif backend == "trtllm":
        data = tensor if attention else 1
    unknown = [sources[degree] for degree in ("tensor", "pipeline", "data", "expert") if values.get(degree, 1) is None]
    return EngineReading(
        tensor=tensor,
        pipeline=values["pipeline"],
        data=data,
        expert=expert,
        attention_data=attention and (data or 2) > 1,
        context=values["context"],
        nodes=values.get("nodes"),
        sources=sources,
        conflicts=conflicts,
        unknown=f"{unknown[0]} cannot be read from these files" if unknown else "",
    )
