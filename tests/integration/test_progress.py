# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody sees who runs a playbook and waits: lines, signs of life, and the same answer as without them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.handle import Lab
from tests.integration.kube_objects import Object, config_map, deployment, writes
from tests.integration.test_workload_module import absent, fresh, roll, workload

__all__ = ["fresh"]

HANGS = 180


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Any:
    """``play(module, options, **keywords of the task)``: what was printed, and what was registered.

    ``seen``: part of a line -> what is done when it is printed.
    """

    def run(
        module: str, options: Object, *more: str, seen: dict[str, Callable[[], object]] | None = None, **keywords: Any
    ) -> tuple[str, Object]:
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
        open_ones, printed = dict(seen or {}), ""
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            guard = threading.Timer(HANGS, process.kill)  # what a line was to release is never released without it
            guard.start()
            for line in process.stdout:
                printed += line
                for part in [part for part in open_ones if part in line]:
                    open_ones.pop(part)()
            guard.cancel()
        assert answer.is_file(), printed
        assert not open_ones, printed
        return printed, json.loads(answer.read_text())

    return run


def options(*workloads: Object, **more: Any) -> Object:
    machines = [{"name": f"m{number}", "gpu_count": 8} for number in range(8)]
    target = {"orchestrator": "lws", "workload_api": "native", "scheduler": "volcano"}
    return {"workloads": list(workloads), "machines": machines, **target, **more}


def test_lines_for_a_fleet_of_which_one_fails(gang_lab: Lab, fresh: str, play: Any, tmp_path: Path) -> None:
    """One that is served and one that never can be: each change is a line, silence is broken, the file has it all."""
    stuck = workload(fresh, "stuck", timeouts={"scheduled": "30s", "ready": "1h"})
    stuck["components"][0]["node_selector"] = {"pool": "nowhere"}
    file = tmp_path / "reports" / "rollout.json"
    mark = gang_lab.mark()
    # Without machines, so that no check stops it before the apply
    given = options(workload(fresh), stuck, progress=3, result_file=str(file), machines=[])
    printed, found = play("workload", given)
    lines = [line for line in printed.splitlines() if fresh in line]
    assert any(f"{fresh}/llama: ready, 1 engine (" in line for line in lines), printed
    assert f"{fresh}/stuck: 0 of 1 engine placed, 0 ready (0:" in printed
    assert " of 0:30)" in printed
    assert "still waiting for " in printed, "three seconds of silence are a sign of life's"
    assert sum(1 for line in lines if line.startswith(f"{fresh}/stuck: not ready after 30 s")) >= 1
    states = [line for line in lines if line.startswith(f"{fresh}/stuck: 0 of 1")]
    assert len(states) == 1, "its state never changed"

    assert found["failed"]
    assert found["msg"].startswith(f"1 of 2 workloads failed:\n{fresh}/stuck: not ready after 30 s")
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


HOLD = "example.com/hold"


@pytest.fixture
def hold(lab: Lab) -> Iterator[Callable[[str, str], Callable[[], None]]]:
    """``hold(namespace, "deployment/web")`` puts a finalizer on it, and gives what takes it away again."""
    held: list[tuple[str, str]] = []

    def release(namespace: str, what: str) -> None:
        found = lab.kubectl("get", "-n", namespace, what, "--ignore-not-found", "-o", "json")
        # foregroundDeletion may be among them by now
        kept = [one for one in json.loads(found or "{}").get("metadata", {}).get("finalizers", []) if one != HOLD]
        if HOLD in found:
            patch = json.dumps({"metadata": {"finalizers": kept or None}})
            lab.kubectl("patch", "-n", namespace, what, "--type=merge", "-p", patch)

    def put(namespace: str, what: str) -> Callable[[], None]:
        patch = json.dumps({"metadata": {"finalizers": [HOLD]}})
        lab.kubectl("patch", "-n", namespace, what, "--type=merge", "-p", patch)
        held.append((namespace, what))
        return lambda: release(namespace, what)

    yield put
    for namespace, what in held:
        release(namespace, what)


def test_what_goes_first_is_told_too(gang_lab: Lab, fresh: str, play: Any, hold: Any) -> None:
    """An absent workload is gone before another is applied, and what is made anew before it is made; a finalizer that
    holds it is named, and the wait goes on from there."""
    assert roll(gang_lab, workload(fresh)).failure is None
    release = hold(fresh, "leaderworkerset/llama-worker")
    during: list[str] = []

    def look() -> None:
        during.extend(item["metadata"]["name"] for item in gang_lab.get("-n", fresh, "leaderworkersets"))
        release()

    held = f"{fresh}/llama: being removed, 0 of 2 pods left, held by {HOLD} ("
    printed, found = play("workload", options(absent(fresh), workload(fresh, "next")), seen={held: look})
    assert during == ["llama-worker"], "the other one was applied while the first still had its GPUs"
    lines = [line.split(" (")[0] for line in printed.splitlines() if line.startswith(f"{fresh}/")]
    assert lines.index(f"{fresh}/llama: gone") < lines.index(f"{fresh}/next: ready, 1 engine")
    assert not found.get("failed"), found
    entries = {entry["name"]: entry for entry in found["workloads"]}
    assert {name: entry["action"] for name, entry in entries.items()} == {"next": "created", "llama": "deleted"}
    assert (found["changed"], entries["next"]["ready"], entries["llama"]["ready"]) == (True, True, None)
    assert {"deleted"} == {one["action"] for one in entries["llama"]["objects"]}

    release = hold(fresh, "leaderworkerset/next-worker")
    wider = options(workload(fresh, "next", node_count=3, replace="allow"))
    held = f"{fresh}/next: being removed, 0 of 2 pods left, held by {HOLD} ("
    mark = gang_lab.mark()
    printed, found = play("workload", wider, seen={held: release})
    assert f"{fresh}/next: ready, 1 engine (" in printed
    assert [(one["action"], one["ready"]) for one in found["workloads"]] == [("replaced", True)]
    # Made once: by us, who deleted it once
    ours = [one for one in writes(gang_lab, mark, fresh) if "leaderworkersets" in str(one)]
    assert len(ours) == 2, ours


def test_objects(lab: Lab, namespace: str, play: Any, hold: Any) -> None:
    web, late = deployment(namespace, "web", 1), deployment(namespace, "late", 1)
    late["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "nowhere"}
    printed, _found = play("apply", {"objects": [config_map(namespace), web], "wait": True})
    assert f"Deployment {namespace}/web: ready: 1 of 1 replicas available (" in printed
    assert f"ConfigMap {namespace}" not in printed, "it was not waited for"
    given = {"objects": [config_map(namespace), web, late], "wait": True, "wait_timeout": 5}
    printed, found = play("apply", given)
    assert f"Deployment {namespace}/late: not ready: 0 of 1 replicas available" in printed
    assert found["msg"].startswith(f"1 of 3 objects failed:\nDeployment {namespace}/late: not ready after 5 s")
    assert [entry["ready"] for entry in found["objects"]] == [True, True, False]
    assert found["summary"] == {"unchanged": 2, "created": 1}

    release = hold(namespace, "deployment/late")
    held = f"Deployment {namespace}/late: being removed, held by {HOLD} ("
    gone = {**given, "state": "absent", "wait_timeout": 60}
    printed, found = play("apply", gone, seen={held: release})
    assert f"Deployment {namespace}/late: gone (" in printed
    assert ([entry["action"] for entry in found["objects"]], found["changed"]) == (["deleted"] * 3, True)
    assert lab.get("-n", namespace, "deployments") == []


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
