# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role gpu_host on a machine that is a folder, with a systemctl that remembers what it was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.layout import CLONE
from tests.unit.plugins.module_utils.recorded_hosts import Host

DROP_IN = "/etc/systemd/system/containerd.service.d/50-dynamo-multinode-memlock.conf"
# It knows a drop-in once it was told to reload
SYSTEMCTL = """#!/bin/sh
echo "$1" >> "$0.log"
case $1 in
  daemon-reload) if [ -e '{drop_in}' ]; then echo LimitMEMLOCK=infinity > "$0.out"; fi ;;
  show) cat "$0.out" ;;
esac
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path / "host")
    made.containerd(memlock="8388608")
    made.unit_limit("8388608")
    systemctl = made.commands / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(drop_in=made.path(DROP_IN)), encoding="utf-8")
    return made


def reloads(host: Host) -> int:
    return (host.commands / "systemctl.log").read_text(encoding="utf-8").split().count("daemon-reload")


def run(host: Host, folder: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    given = {
        "gpu_host_root": str(host.root),
        "gpu_host_command_path": [str(host.commands)],
        "gpu_host_driver": "operator",
        "gpu_host_fix": {"memlock": True},
        **variables,
    }
    play = folder / "play.yml"
    role = {"role": "dynamo.multinode.gpu_host", "vars": given}
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "roles": [role]}]), encoding="utf-8")
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(play)]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(argv, cwd=CLONE, env=env, capture_output=True, text=True, check=False)


def test_f46_what_is_mended_is_read_by_systemd_although_the_machine_is_refused(host: Host, tmp_path: Path) -> None:
    first = run(host, tmp_path)
    assert first.returncode == 2, first.stdout
    assert "MN-F46" in first.stdout
    assert (host.path(DROP_IN).is_file(), reloads(host)) == (True, 1)
    # The process keeps its old limit until somebody restarts it, and that is said
    second = run(host, tmp_path)
    assert "allows unlimited locked memory; its process, started before that, is limited to 8 MiB" in second.stdout
    assert reloads(host) == 1
    host.containerd()
    third = run(host, tmp_path)
    assert (third.returncode, "changed=0" in third.stdout) == (0, True), third.stdout


def test_f46_a_drop_in_that_systemd_has_never_read_is_read_in_the_next_run(host: Host, tmp_path: Path) -> None:
    """What runs of older versions left."""
    host.write(
        DROP_IN, "# Written by dynamo.multinode.gpu_host: RDMA registers its memory\n[Service]\nLimitMEMLOCK=infinity\n"
    )
    done = run(host, tmp_path)
    assert "systemd had not read our drop-in for containerd.service, and was made to" in done.stdout
    assert reloads(host) == 1
    assert run(host, tmp_path).stdout.count("had not read") == 0


def test_removal_makes_systemd_forget(host: Host, tmp_path: Path) -> None:
    host.write(DROP_IN, "[Service]\nLimitMEMLOCK=infinity\n")
    done = run(host, tmp_path, gpu_host_state="absent")
    assert done.returncode == 0, done.stdout
    assert (host.path(DROP_IN).exists(), reloads(host)) == (False, 1)
