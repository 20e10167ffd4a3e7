# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's own command line, out of a container or a script: what its argument parser is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename

from ansible_collections.dynamo.multinode.plugins.module_utils.readback import shell

SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")
_MODULES = {
    "dynamo.vllm": "vllm",
    "dynamo.sglang": "sglang",
    "dynamo.trtllm": "trtllm",
    "vllm.entrypoints.openai.api_server": "vllm",
    "vllm.entrypoints.cli.main": "vllm",
    "sglang.launch_server": "sglang",
}
_PROGRAMS = {"vllm": "vllm", "trtllm-serve": "trtllm"}


@dataclass(frozen=True)
class Script:
    """A shell's script and what stands behind it as ``$0``, ``$1`` ..."""

    text: str
    positional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """``words`` behind the program; ``backend`` empty where nothing in the container starts a known engine.

    ``first``: whether it is the first command of its script (or no script at all).
    """

    backend: str = ""
    words: tuple[str, ...] = ()
    first: bool = True


def script(words: Sequence[str]) -> Script | None:
    """The script of ``sh -c``, ``bash -lc``, ``sh -e -c``; None where the words are no such thing."""
    if not words or basename(words[0]) not in SHELLS:
        return None
    for index, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-zA-Z]*c", word):
            rest = words[index + 1 :]
            return Script(rest[0], tuple(rest[1:])) if rest else Script("")
        if not word.startswith(("-", "+")):
            return None
    return None


def engine(words: Sequence[str], env: Mapping[str, str | None]) -> Engine:
    """What starts the model in ``command`` + ``args``; of several commands the last one."""
    literal = {name: value for name, value in env.items() if value is not None}
    expanded = [shell.expand(word, literal) for word in words]
    found = script(expanded)
    if found is None:
        return Engine(*_program(expanded))
    answer = Engine()
    for position, one in enumerate(shell.commands(found.text, literal, found.positional)):
        words = _stripped(one)
        inner = engine(words, env) if script(words) is not None else Engine(*_program(words))
        if inner.backend:
            answer = Engine(inner.backend, tuple(inner.words), position == 0 and words == one)
    return answer


def _stripped(command: Sequence[str]) -> list[str]:
    """Without what may stand before a program: assignments, ``exec``, ``nohup``, ``env``."""
    words = list(command)
    while words and (words[0] in ("exec", "nohup", "env", "time") or re.match(r"\w+=", words[0])):
        words.pop(0)
    return words


def _program(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """(backend, arguments)."""
    if not words:
        return "", ()
    name = basename(words[0])
    if re.fullmatch(r"python\d*(\.\d+)*", name):
        for index, word in enumerate(words[:-1]):
            if word == "-m":
                return _MODULES.get(words[index + 1], ""), tuple(words[index + 2 :])
            if word == "-c":
                break
        return "", ()
    if name == "trtllm-llmapi-launch":
        return _program(words[1:])
    return _PROGRAMS.get(name, ""), tuple(words[1:])
