# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules on a replayed Grove: a workload of our inventory, and the word of the real operators about its like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.rollout import roll_out
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

from lab.handle import Lab
from lab.replay import Replay
from tests.integration.kube_objects import client
from tests.unit.plugins.module_utils.recorded import Row, table

LONG = 60.0
MODULE = "ansible_collections.dynamo.multinode.plugins.modules.workload_info"


def row(name: str) -> Row:
    return next(one for one in table() if str(one) == name)


def inventory(one: Row) -> dict[str, Any]:
    """The recorded workload as our variables say it."""
    component, numbers = one.of.split(", ")[-1].split(" ")
    replicas, node_count, gpus = (int(number) for number in numbers.split("x"))
    workload = {
        "name": one.name,
        "namespace": one.document()["namespace"],
        "backend": "vllm",
        "model": "Qwen/Qwen3-0.6B",
        "image": "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.5.0",
        "topology": {"pack": "rack"} if one.pack else None,
        "components": [
            {"name": "frontend", "role": "frontend"},
            {
                "name": component,
                "role": "worker",
                "replicas": replicas,
                "node_count": node_count,
                "gpus_per_node": gpus,
            },
        ],
    }
    return {"workloads": [workload], "orchestrator": "grove", "scheduler": "kai", "workload_api": "dynamo"}


class Rollout:
    """``roll_out`` in a thread of its own, while the operators' word is replayed."""

    def __init__(self, replay: Replay, one: Row, seconds: int) -> None:
        self.replay, self.one = replay, one
        self.seen = threading.Event()
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        params = {
            **inventory(one),
            "machines": [],
            "dynamo_version": "1.5.0",
            "topology_levels": {},
            "replace": "never",
            "wait": True,
            "wait_timeout": seconds,
            "force_conflicts": False,
            "create_namespaces": True,
        }
        self._thread = threading.Thread(target=self._run, args=[params], daemon=True)
        self._thread.start()

    def _run(self, params: dict[str, Any]) -> None:
        try:
            self.answer = roll_out(client(self.replay.lab), params, on_change=self._note)
        except BaseException as error:
            self.error = error
        self.seen.set()

    def _note(self, _ref: Ref, _verdict: Verdict) -> None:
        self.seen.set()

    def end(self) -> Answer:
        self._thread.join(LONG)
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return self.answer


@pytest.fixture
def start(stage: Replay) -> Iterator[Any]:
    begun: list[Row] = []

    def begin(name: str, seconds: int) -> Rollout:
        one = row(name)
        begun.append(one)
        rollout = Rollout(stage, one, seconds)
        assert rollout.seen.wait(LONG)
        assert rollout.error is None
        here = client(stage.lab)
        made = here.get("nvidia.com/v1beta1", "DynamoGraphDeployment", one.name, one.document()["namespace"])
        assert made is not None
        stage.show(one.objects(), applied=[made])
        return rollout

    yield begin
    stage.clear()
    for one in begun:
        here = client(stage.lab)
        here.delete("nvidia.com/v1beta1", "DynamoGraphDeployment", one.name, one.document()["namespace"])


def info(lab: Lab, one: Row) -> dict[str, Any]:
    """What the module workload_info answers, run as Ansible runs it."""
    given = {**inventory(one), "kubeconfig": str(lab.kubeconfig)}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_workload_of_ours_becomes_ready_and_keeps_its_promises(stage: Replay, start: Any) -> None:
    rollout = start("grove-main/09-topology/013-racked-ready/racked", 60)
    answer = rollout.end()
    assert answer.failure is None
    assert [(one["action"], one["ready"]) for one in answer.result["workloads"]] == [("created", True)]
    report = info(stage.lab, rollout.one)
    assert report["summary"]["verdict"] == "passed"
    engine = report["engines"][0]
    assert [(rank["node"], rank["gpus"]) for rank in engine["ranks"]] == [("gpu-node-0", 8), ("gpu-node-2", 8)]
    assert (engine["gang"]["name"], engine["gang"]["min_member"]) == ("racked-0", 2)
    assert (engine["rack"], engine["topology"]["honoured"], engine["one_rank_per_machine"]) == ("rack-a", True, True)
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []


def test_what_it_waits_for_is_in_the_failure(stage: Replay, start: Any) -> None:
    rollout = start("grove-main/06-compete/004-second-waiting/second", 2)
    answer = rollout.end()
    assert answer.failure is not None
    assert "8 of 32 GPUs are free (by rack: rack-b 8, rack-a 0), held by gm-s06/first 24" in answer.failure
    assert "KAI says: Resources were not found for pod gm-s06/second-0-decode-0-decode-wkr-" in answer.failure
    entry = answer.result["workloads"][0]
    assert (entry["ready"], entry["details"]["id"]) == (False, "MN-F83")
    report = info(stage.lab, rollout.one)
    assert report["summary"]["verdict"] == "failed"
    assert [finding["id"] for finding in report["findings"]][:1] == ["MN-F83"]


def test_a_failure_at_reconcile_is_told_although_all_pods_run(stage: Replay, start: Any) -> None:
    """The old pods run on when node_count was changed: only the deployment's condition says that nothing comes."""
    rollout = start("grove-main/07-update-scale/006-n3-settled/qwen", 2)
    answer = rollout.end()
    assert answer.failure is not None
    assert "its node_count was changed, which cannot be done in place" in answer.failure
    assert answer.result["workloads"][0]["details"]["id"] == "MN-F10"
