# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role gpu_host under ``serial``: of machines not read, and of those yet to come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.layout import CLONE
from tests.unit.plugins.module_utils.recorded_hosts import Host

UNREAD = "not checked at all"


def play(folder: Path, serial: list[int], machines: dict[str, dict[str, Any]]) -> str:
    """What was printed, with a heading for each batch."""
    plays = [
        {
            "name": "Machines",
            "hosts": "all",
            "gather_facts": False,
            "serial": serial,
            "roles": [{"role": "dynamo.multinode.gpu_host"}],
        }
    ]
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": machines}}), encoding="utf-8")
    (folder / "play.yml").write_text(json.dumps(plays), encoding="utf-8")
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "inventory.json")]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        [*argv, str(folder / "play.yml")], cwd=CLONE, env=env, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def machine(folder: Path, name: str) -> dict[str, Any]:
    made = Host(folder / name)
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "gpu_host_root": str(made.root),
        "gpu_host_command_path": [str(made.commands)],
        "gpu_host_driver": "operator",
    }


def test_a_machine_whose_batch_is_yet_to_come_is_not_accused(tmp_path: Path) -> None:
    told = play(tmp_path, [1], {name: machine(tmp_path, name) for name in ("one", "two")})
    assert UNREAD not in told, told
    assert told.count("PLAY [Machines]") == 2
    assert "failed=0" in told and "failed=1" not in told


def test_a_machine_that_does_not_answer_is_named_in_its_batch_and_after(tmp_path: Path) -> None:
    nowhere = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=5"}
    told = play(tmp_path, [2, 1], {"one": machine(tmp_path, "one"), "lost": nowhere, "two": machine(tmp_path, "two")})
    first, second = told.split("PLAY [Machines]")[1:]
    assert [f"{name}: {UNREAD}" in first for name in ("one", "lost", "two")] == [False, True, False], told
    assert [f"{name}: {UNREAD}" in second for name in ("one", "lost", "two")] == [False, True, False], told
