# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as Ansible runs it: a process that is given its parameters and answers in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.unit.plugins.module_utils.inputs import component, machines, workload

MODULE = "ansible_collections.dynamo.multinode.plugins.modules.workload_plan"


def run(*workloads: dict[str, Any], check: bool = False, **params: Any) -> dict[str, Any]:
    given = {
        "workloads": list(workloads),
        "machines": machines(),
        "orchestrator": "lws",
        "workload_api": "native",
        **params,
    }
    internal = {
        "_ansible_check_mode": check,
        "_ansible_diff": True,
        "_ansible_remote_tmp": os.environ.get("TMPDIR", "/tmp"),
    }
    # What ansible-core 2.19 and newer hand over besides the parameters.
    start = (
        "import json, sys, runpy\n"
        "from ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS = sys.stdin.buffer.read()\n"
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
        f"runpy.run_module('{MODULE}', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**given, **internal}}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_it_plans_without_a_cluster() -> None:
    told = run(workload(component(replicas=2)))
    assert told["changed"] is False
    assert told["plan"]["workloads"][0]["components"][0]["total_gpus"] == 16
    assert [item["kind"] for item in told["manifests"]] == ["Service", "LeaderWorkerSet"]
    assert told["table"][0].startswith("workload")
    assert [finding["id"] for finding in told["findings"]] == ["MN-N03"]
    assert "files" not in told


def test_bad_input_is_every_problem_with_its_path() -> None:
    told = run(workload(component(parallelism={"tensor": 12})), workload(name="b", backend="vlm"))
    assert told["failed"] is True
    assert [problem["path"] for problem in told["problems"]] == [
        "multinode_workloads[0].components.engine.parallelism.tensor",
        "multinode_workloads[1].backend",
    ]
    assert len(told["msg"].splitlines()) == 2


def test_no_workloads_are_an_error() -> None:
    assert "multinode_workloads: is an empty list" in run()["msg"]


def test_manifests_are_written_kept_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    both = [workload(), workload(name="other")]
    foreign = folder / "inference.mine.yaml"
    planned = run(*both, render_dir=str(folder), check=True)
    assert (planned["changed"], folder.exists()) == (True, False)

    told = run(*both, render_dir=str(folder))
    assert [Path(item["path"]).name for item in told["files"]] == ["inference.llama.yaml", "inference.other.yaml"]
    assert planned["files"] == told["files"]
    assert told["diff"][0]["before"] == ""
    written = list(yaml.safe_load_all((folder / "inference.llama.yaml").read_text()))
    assert written == [
        item for item in told["manifests"] if item["metadata"]["labels"]["dynamo.multinode/workload"] == "llama"
    ]

    foreign.write_text("kind: Mine\n")
    before = (folder / "inference.llama.yaml").read_bytes()
    again = run(*both, render_dir=str(folder))
    assert (again["changed"], again["files"], again["diff"]) == (False, [], [])
    assert (folder / "inference.llama.yaml").read_bytes() == before

    fewer = run(workload(), render_dir=str(folder))
    assert [(Path(item["path"]).name, item["action"]) for item in fewer["files"]] == [
        ("inference.other.yaml", "removed")
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["inference.llama.yaml", "inference.mine.yaml"]


def test_a_renamed_workload_has_one_file(tmp_path: Path) -> None:
    run(workload(), render_dir=str(tmp_path))
    told = run(workload(name="renamed"), render_dir=str(tmp_path))
    assert [(Path(item["path"]).name, item["action"]) for item in told["files"]] == [
        ("inference.llama.yaml", "removed"),
        ("inference.renamed.yaml", "written"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["inference.renamed.yaml"]
    moved = run(workload(name="renamed", namespace="other"), render_dir=str(tmp_path))
    assert moved["changed"] and [path.name for path in tmp_path.iterdir()] == ["other.renamed.yaml"]
    # The last one goes with the workload
    run({"name": "renamed", "namespace": "other", "state": "absent"}, render_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_file_is_not_overwritten(tmp_path: Path) -> None:
    foreign = tmp_path / "inference.llama.yaml"
    foreign.write_text("kind: Mine\n")
    for check in (True, False):
        told = run(workload(), workload(name="other"), render_dir=str(tmp_path), check=check)
        assert told["failed"] is True
        assert "inference.llama.yaml" in told["msg"] and "is not of our making" in told["msg"]
    assert foreign.read_text() == "kind: Mine\n"
    assert [path.name for path in tmp_path.iterdir()] == ["inference.llama.yaml"]


def test_a_cluster_answers_what_auto_asks() -> None:
    facts = {"components": {"lws": {"present": True}, "volcano": {"present": True}}, "apis": {}, "nodes": []}
    told = run(workload(), orchestrator="auto", workload_api="auto", cluster=facts)
    assert told["plan"]["workloads"][0]["orchestrator"] == "lws"
    assert "multinode_orchestrator: is auto" in run(workload(), orchestrator="auto")["msg"]
