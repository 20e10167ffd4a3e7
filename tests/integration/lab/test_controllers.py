# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volcano and LWS from their own charts, by helm alone: the real programs do the work.

The tests of this file run in order on one lab; each leaves both charts installed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.handle import CommandFailed, Lab

PATIENCE = 60.0
DEPLOYMENTS = ("volcano-admission", "volcano-controllers", "volcano-scheduler", "lws-controller-manager")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another process does; the limit only ends a hopeless wait."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


def running(one: Lab) -> dict[str, dict[str, Any]]:
    """Deployment -> its process's row."""
    rows = one.status()
    return {name: row for name in DEPLOYMENTS for process, row in rows.items() if process.startswith(name + "-")}


def engine(name: str, *, size: int, replicas: int = 1, **spec: Any) -> dict[str, Any]:
    """A LeaderWorkerSet whose every pod takes a whole machine."""
    gpus = {"nvidia.com/gpu": "8"}
    container = {"name": "engine", "image": "example.com/engine:1", "resources": {"limits": gpus, "requests": gpus}}
    template = {"spec": {"schedulerName": "volcano", "containers": [container], **spec}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": size, "workerTemplate": template}},
    }


@pytest.fixture(scope="module")
def gangs(make_lab: Callable[..., Lab]) -> Lab:
    one = make_lab(nodes=4)
    one.install_gang_stack()
    return one


def test_the_charts_run_the_real_programs(gangs: Lab) -> None:
    rows = running(gangs)
    assert set(rows) == set(DEPLOYMENTS)
    assert all(row["healthy"] and row["pid"] for row in rows.values())
    queues = {
        queue["metadata"]["name"]: queue["status"].get("state") for queue in gangs.get("queues.scheduling.volcano.sh")
    }
    assert {"root", "default"} <= set(queues)


def test_webhooks_answer_and_refuse(gangs: Lab) -> None:
    """The charts' own webhook configurations, untouched, reach the processes through the egress proxy."""
    wrong = engine("wrong", size=0)
    with pytest.raises(CommandFailed, match=r"vleaderworkerset\.kb\.io|size"):
        gangs.apply(wrong)
    queue = {
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "kind": "Queue",
        "metadata": {"name": "wrong"},
        "spec": {"weight": -1},
    }
    with pytest.raises(CommandFailed, match=r"validatequeue\.volcano\.sh|weight"):
        gangs.apply(queue)
    configurations = gangs.get("validatingwebhookconfigurations", "lws-validating-webhook-configuration")
    assert "service" in configurations["webhooks"][0]["clientConfig"]


def test_gangs_are_bound_by_volcano(gangs: Lab) -> None:
    mark = gangs.mark()
    gangs.apply(engine("pair", size=2, replicas=2))
    gangs.kubectl("wait", "lws/pair", "--for=condition=Available", "--timeout=60s")
    pods = gangs.get("pods", "-l", "leaderworkerset.sigs.k8s.io/name=pair")
    assert len(pods) == 4
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 4
    groups = gangs.get("podgroups.scheduling.volcano.sh")
    assert [group["spec"]["minMember"] for group in groups] == [2, 2]
    bindings = [
        event for event in gangs.audit(mark, verbs=("create",)) if event["objectRef"].get("subresource") == "binding"
    ]
    assert {event["user"]["username"] for event in bindings} == {
        "system:serviceaccount:volcano-system:volcano-scheduler"
    }
    assert {event["objectRef"]["name"] for event in bindings} == {pod["metadata"]["name"] for pod in pods}


def test_a_gang_that_does_not_fit_binds_nothing(gangs: Lab) -> None:
    gangs.apply(engine("late", size=2))

    def waiting() -> bool:
        groups = gangs.get("podgroups.scheduling.volcano.sh")
        late = [group for group in groups if group["metadata"]["name"].startswith("late-")]
        return any(
            c["type"] == "Unschedulable" for group in late for c in group.get("status", {}).get("conditions", [])
        )

    until(waiting, "the PodGroup is said to be unschedulable")
    pods = gangs.get("pods", "-l", "leaderworkerset.sigs.k8s.io/name=late")
    assert pods
    assert not any(pod["spec"].get("nodeName") for pod in pods)
    gangs.kubectl("delete", "lws", "--all", "--wait=true")
    until(lambda: not gangs.get("pods"), "all engines' pods gone")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_killed_controller_comes_back(gangs: Lab, name: str) -> None:
    victim = running(gangs)[name]["pid"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: running(gangs)[name]["healthy"] and running(gangs)[name]["pid"] != victim, f"{name} healthy again")
    gangs.kubectl("wait", "pods", "--all", "-A", "--for=condition=Ready", "--timeout=60s")


def test_everything_killed_at_once_works_again(gangs: Lab) -> None:
    os.kill(gangs.status()["supervisor"]["pid"], signal.SIGKILL)
    gangs.up()
    until(lambda: set(running(gangs)) == set(DEPLOYMENTS), "the controllers' processes run")
    until(lambda: all(row["healthy"] for row in running(gangs).values()), "the controllers are healthy")
    gangs.apply(engine("after", size=4))
    gangs.kubectl("wait", "lws/after", "--for=condition=Available", "--timeout=60s")
    gangs.kubectl("delete", "lws", "after")


def test_restarting_a_deployment_restarts_the_program(gangs: Lab) -> None:
    """New values reach a program as on any cluster: when its pod is replaced, and not before."""
    before = running(gangs)["lws-controller-manager"]["pid"]
    gangs.install("lws", "gangSchedulingManagement.schedulerProvider=volcano", "podAnnotations.restarted=now")
    until(lambda: running(gangs).get("lws-controller-manager", {}).get("pid") not in (None, before), "a new process")
    gangs.kubectl("rollout", "status", "deployment/lws-controller-manager", "-n", "lws-system", "--timeout=60s")
    gangs.apply(engine("again", size=2))
    gangs.kubectl("wait", "lws/again", "--for=condition=Available", "--timeout=60s")
    gangs.kubectl("delete", "lws", "again")


def test_scaled_to_zero_and_back(gangs: Lab) -> None:
    gangs.kubectl("scale", "deployment/volcano-scheduler", "-n", "volcano-system", "--replicas=0")
    until(lambda: "volcano-scheduler" not in running(gangs), "the scheduler's process stopped")
    gangs.kubectl("scale", "deployment/volcano-scheduler", "-n", "volcano-system", "--replicas=1")
    until(lambda: running(gangs).get("volcano-scheduler", {}).get("healthy"), "the scheduler's process back")


def test_uninstalled_and_installed_again(gangs: Lab) -> None:
    for chart in ("lws", "volcano"):
        gangs.uninstall(chart)
    until(lambda: not running(gangs), "the controllers' processes stopped")
    gangs.kubectl("delete", "namespace", "lws-system", "volcano-system", "--timeout=90s")
    gangs.install_gang_stack()
    gangs.apply(engine("anew", size=2))
    gangs.kubectl("wait", "lws/anew", "--for=condition=Available", "--timeout=60s")
