# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stage that is a list of commands: each is one test, and all are run whatever the others say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.results import LOCAL, ROOT, Case, finish

BIN = LOCAL / "venv" / "bin"


@dataclass(frozen=True)
class Command:
    """`words[0]` is a program of the development environment; `folder` is where it runs."""

    name: str
    words: Sequence[str]
    folder: Path = ROOT
    extra: Mapping[str, str] = field(default_factory=dict)


def tool_environment() -> dict[str, str]:
    """The environment for the tools: this clone's collections and programs, whatever the caller had."""
    env = dict(os.environ)
    env["PATH"] = f"{BIN}{os.pathsep}{env.get('PATH', '')}"
    env["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    env["ANSIBLE_COLLECTIONS_PATH"] = str(LOCAL / "collections")
    env["MYPYPATH"] = str(LOCAL / "collections")
    if not sys.stdout.isatty():
        env.pop("FORCE_COLOR", None)
        env.update(NO_COLOR="1", ANSIBLE_NOCOLOR="1", TERM="dumb")
    return env


def echoed(words: Sequence[str], folder: Path, env: Mapping[str, str], prefix: str = "") -> tuple[list[str], int]:
    """Run a program that asks nothing, show what it prints as it comes; its lines and its exit code.

    ``prefix`` goes before each line that is shown: whose it is, where several run at once.
    """
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout or ():
        # In one write, so that the lines of others come before or after it
        sys.stdout.write(prefix + line)
        sys.stdout.flush()
        lines.append(line)
    return lines, process.wait()


def run_commands(suite: str, commands: Sequence[Command]) -> int:
    """Run all, their output as it comes; write the results; the exit code of the stage."""
    cases = []
    for command in commands:
        print(f"== {command.name}", flush=True)
        begin = time.monotonic()
        code = subprocess.run(
            [str(BIN / command.words[0]), *command.words[1:]],
            cwd=command.folder,
            env={**tool_environment(), **command.extra},
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
        reason = f"exit code {code}" if code else ""
        cases.append(Case(command.name, "failed" if code else "passed", reason, time.monotonic() - begin))
    return finish(suite, cases)
