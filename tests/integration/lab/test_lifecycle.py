# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and down: repeated, side by side, and after every kind of sudden death."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab import ports, processes
from lab.handle import Lab
from lab.layout import CLONE, read_json

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
PATIENCE = 60.0


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another process does; the limit only ends a hopeless wait."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def strays(one: Lab) -> list[psutil.Process]:
    return processes.marked(one.layout.state()["id"])


@pytest.fixture(scope="module")
def small(make_lab: Callable[..., Lab]) -> Lab:
    """A lab of two machines that tests may mistreat; each leaves it running."""
    return make_lab(nodes=2)


def test_up_again_changes_nothing(small: Lab) -> None:
    before = {name: row["pid"] for name, row in small.status().items()}
    output = small.up()
    assert "(unchanged)" in output
    assert {name: row["pid"] for name, row in small.status().items()} == before
    assert set(before) == {"supervisor", *CONTROL_PLANE}
    assert small.command("status").returncode == 0


def test_two_labs_side_by_side(small: Lab, make_lab: Callable[..., Lab]) -> None:
    other = make_lab(nodes=1)
    used = [
        set(one.layout.state()["ports"]["pool"]) | {row["port"] for row in one.status().values()}
        for one in (small, other)
    ]
    assert not used[0] & used[1] - {None}
    uids = [one.get("namespace", "kube-system")["metadata"]["uid"] for one in (small, other)]
    assert uids[0] != uids[1]
    other.down()
    assert all(row["healthy"] for row in small.status().values())


@pytest.mark.parametrize("name", CONTROL_PLANE)
def test_killed_process_comes_back(small: Lab, name: str) -> None:
    small.kubectl("create", "configmap", f"kept-{name}")
    victim = small.status()[name]["pid"]
    os.kill(victim, signal.SIGKILL)
    small.up()
    until(lambda: all(row["healthy"] for row in small.status().values()), f"all healthy after {name} was killed")
    assert small.status()[name]["pid"] != victim
    assert small.get("configmap", f"kept-{name}")["metadata"]["name"] == f"kept-{name}"


def test_killed_supervisor_takes_its_processes_along(small: Lab) -> None:
    small.kubectl("create", "configmap", "kept-supervisor")
    os.kill(small.status()["supervisor"]["pid"], signal.SIGKILL)
    until(lambda: not strays(small), "every process of the lab gone")
    assert small.command("status", check=False).returncode == 1
    small.up()
    assert all(row["healthy"] for row in small.status().values())
    assert small.get("configmap", "kept-supervisor")


@pytest.mark.parametrize("moment", ["state.json", "run.json", "kubeconfig"])
def test_killed_up_is_taken_up_again(make_lab: Callable[..., Lab], moment: str) -> None:
    one = make_lab(nodes=1, start=False)
    argv = [sys.executable, "-m", "lab", "up", "--name", one.name, "--nodes", "1"]
    with subprocess.Popen(argv, cwd=CLONE, stdout=subprocess.DEVNULL) as starting:
        until((one.root / moment).exists, f"{moment} exists")
        starting.kill()
    one.up()
    assert all(row["healthy"] for row in one.status().values())
    one.down(purge=True)
    assert not one.root.exists()


def test_certificates_cut_off_halfway_are_made_anew(make_lab: Callable[..., Lab]) -> None:
    one = make_lab(nodes=1, start=False)
    (one.root / ".certs.1").mkdir(parents=True)
    (one.root / ".certs.1" / "ca.crt").write_text("half", encoding="utf-8")
    one.up()
    assert one.get("nodes")


def test_down_leaves_no_process_and_no_port(make_lab: Callable[..., Lab]) -> None:
    one = make_lab(nodes=1)
    assert len(strays(one)) == 1 + len(CONTROL_PLANE)
    one.down()
    assert not strays(one)
    state = one.layout.state()["ports"]
    assert all(ports.is_free(port) for port in range(state["first"], state["first"] + ports.BLOCK))
    assert not list(Path("/tmp").glob(f"mnlab-*-{one.layout.state()['id'][:10]}"))
    assert one.command("down").returncode == 0
    one.up()
    assert one.layout.state()["ports"] == state


def test_a_taken_port_makes_the_lab_move(make_lab: Callable[..., Lab]) -> None:
    one = make_lab(nodes=1)
    one.down()
    before = one.layout.state()["ports"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", before["kube-apiserver"]))
        taken.listen()
        one.up()
        assert one.layout.state()["ports"]["first"] != before["first"]
        assert one.get("nodes")


def test_a_stale_pid_is_not_trusted(small: Lab) -> None:
    """After a reboot the recorded number may be anybody's."""
    record = read_json(small.layout.run_file)["supervisor"]
    assert processes.alive(record)
    assert not processes.alive({**record, "created": record["created"] - 100})


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["status", "--name", "nowhere"], "no lab named 'nowhere'"),
        (["down", "--name", "nowhere"], "no lab named 'nowhere'"),
        (["logs", "--name", "nowhere"], "no lab named 'nowhere'"),
        (["up", "--name", "Not A Name"], "--name: is 'Not A Name'"),
        (
            ["up", "--name", "t-never", "--inventory", "/no/such/inventory"],
            "--inventory: /no/such/inventory does not exist",
        ),
        (["up", "--name", "t-never", "--nodes", "-1"], "--nodes: is -1"),
    ],
)
def test_mistakes_get_one_line(args: list[str], told: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lab", *args], cwd=CLONE, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (CLONE / ".lab" / "t-never" / "state.json").exists()


def test_logs(small: Lab) -> None:
    assert "etcd: " in small.command("logs").stdout
    assert small.command("logs", "kube-apiserver", "-n", "3").stdout.count("\n") == 3
    failed = small.command("logs", "nothing", check=False)
    assert failed.returncode == 1
    assert "kube-apiserver" in failed.stderr
