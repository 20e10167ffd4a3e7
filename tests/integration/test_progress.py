# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody sees who runs a playbook and waits: lines, signs of life, and the same answer as without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.handle import Lab
from tests.integration.kube_objects import Object, config_map, deployment, writes
from tests.integration.test_workload_module import fresh, workload

__all__ = ["fresh"]


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Any:
    """``play(module, options, **keywords of the task)``: what was printed, and what was registered."""

    def run(module: str, options: Object, *more: str, **keywords: Any) -> tuple[str, Object]:
        answer = tmp_path / "answer.json"
        tasks = [
            {f"dynamo.multinode.{module}": options, "register": "found", "ignore_errors": True, **keywords},
            {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(answer)}, "check_mode": False},
        ]
        book = tmp_path / "play.yml"
        book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(book), "-i", "localhost,", "-c", "local"]
        argv += ["-e", f"ansible_python_interpreter={sys.executable}", *more]
        env = {**lab.env(), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert answer.is_file(), done.stdout + done.stderr
        return done.stdout, json.loads(answer.read_text())

    return run


def options(*workloads: Object, **more: Any) -> Object:
    machines = [{"name": f"m{number}", "gpu_count": 8} for number in range(8)]
    target = {"orchestrator": "lws", "workload_api": "native", "scheduler": "volcano"}
    return {"workloads": list(workloads), "machines": machines, **target, **more}


def test_lines_for_a_fleet_of_which_one_fails(gang_lab: Lab, fresh: str, play: Any, tmp_path: Path) -> None:
    """One that is served and one that never can be: each change is a line, silence is broken, the file has it all."""
    stuck = workload(fresh, "stuck", timeouts={"scheduled": "12s", "ready": "1h"})
    stuck["components"][0]["node_selector"] = {"pool": "nowhere"}
    file = tmp_path / "reports" / "rollout.json"
    mark = gang_lab.mark()
    # Without machines, so that no check stops it before the apply
    given = options(workload(fresh), stuck, progress=3, result_file=str(file), machines=[])
    printed, found = play("workload", given)
    lines = [line for line in printed.splitlines() if fresh in line]
    assert any(f"{fresh}/llama: ready, 1 engine (0:" in line for line in lines), printed
    assert f"{fresh}/stuck: 0 of 1 engine placed, 0 ready (0:" in printed
    assert " of 0:12)" in printed
    assert "still waiting for " in printed, "three seconds of silence are a sign of life's"
    assert sum(1 for line in lines if line.startswith(f"{fresh}/stuck: not ready after 12 s")) >= 1
    states = [line for line in lines if line.startswith(f"{fresh}/stuck: 0 of 1")]
    assert len(states) == 1, "its state never changed"

    assert found["failed"]
    assert found["msg"].startswith(f"1 of 2 workloads failed:\n{fresh}/stuck: not ready after 12 s")
    entries = {entry["name"]: entry for entry in found["workloads"]}
    assert [(entries[name]["action"], entries[name]["ready"]) for name in ("llama", "stuck")] == [
        ("created", True),
        ("created", False),
    ]
    assert entries["stuck"]["details"]
    assert json.loads(file.read_text())["workloads"] == found["workloads"]
    assert found["result_file"] == str(file)
    # Four objects and a namespace, each written once, whatever the number of slices
    assert len(writes(gang_lab, mark, fresh)) == 5


def test_a_second_run_is_silent_and_check_mode_and_async_are_as_ever(gang_lab: Lab, fresh: str, play: Any) -> None:
    printed, found = play("workload", options(workload(fresh)), **{"async": 300, "poll": 1})
    assert (found["workloads"][0]["ready"], f"{fresh}/llama: " in printed) == (True, False)
    printed, found = play("workload", options(workload(fresh)))
    assert (found["changed"], found["workloads"][0]["ready"]) == (False, True)
    assert f"{fresh}/llama: " not in printed
    printed, found = play("workload", options(workload(fresh, replicas=2)), "--check")
    assert (found["changed"], found["workloads"][0]["ready"], f"{fresh}/llama: " in printed) == (True, None, False)


def test_objects(lab: Lab, namespace: str, play: Any) -> None:
    web, late = deployment(namespace, "web", 1), deployment(namespace, "late", 1)
    late["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "nowhere"}
    given = {"objects": [config_map(namespace), web, late], "wait": True, "wait_timeout": 5}
    printed, found = play("apply", given)
    assert f"Deployment {namespace}/web: ready: 1 of 1 replicas available (0:" in printed
    assert f"Deployment {namespace}/late: not ready: 0 of 1 replicas available" in printed
    assert f"ConfigMap {namespace}" not in printed, "it was not waited for"
    assert found["msg"].startswith(f"1 of 3 objects failed:\nDeployment {namespace}/late: not ready after 5 s")
    assert [entry["ready"] for entry in found["objects"]] == [True, True, False]
    assert found["summary"] == {"created": 3}


def test_a_large_result_is_a_summary_and_a_file(lab: Lab, namespace: str, play: Any, tmp_path: Path) -> None:
    maps = [config_map(namespace, f"m{number}") for number in range(101)]
    _printed, found = play("apply", {"objects": maps})
    assert (found["objects"], found["summary"]) == ([], {"created": 101})
    assert found["left_out"] == "the details of 101 objects are left out: name a result_file to keep them"
    file = tmp_path / "all.json"
    _printed, found = play("apply", {"objects": maps, "result_file": str(file)})
    assert (found["changed"], found["left_out"]) == (False, f"the details of 101 objects are in {file}")
    assert len(json.loads(file.read_text())["objects"]) == 101


def test_prune_needs_to_know_what(play: Any, namespace: str) -> None:
    _printed, found = play("apply", {"objects": [config_map(namespace)], "prune": True})
    assert found["msg"] == "prune: needs applyset, the set to prune within"
    _printed, found = play("workload", options(workload(namespace), prune=True))
    assert found["msg"] == "prune (multinode_prune): needs applyset (multinode_applyset), the set to prune within"
