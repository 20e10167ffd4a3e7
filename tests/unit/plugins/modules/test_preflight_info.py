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

from tests.unit.plugins.module_utils.readback.given import TP16, config_map, dgd, engine, mounted

MODULE = "ansible_collections.dynamo.multinode.plugins.modules.preflight_info"


def run(check: bool = False, **params: Any) -> dict[str, Any]:
    internal = {"_ansible_check_mode": check, "_ansible_remote_tmp": os.environ.get("TMPDIR", "/tmp")}
    start = (
        "import sys, runpy\n"
        "from ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS = sys.stdin.buffer.read()\n"
        "basic._ANSIBLE_PROFILE = 'legacy'\n"
        f"runpy.run_module('{MODULE}', run_name='__main__')\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", start],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**params, **internal}}),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_objects() -> None:
    told = run(manifests=[{"kind": "List", "items": [dgd(engine("-tp", "16"))]}])
    assert told["changed"] is False
    assert [one["id"] for one in told["findings"]] == ["MN-F02"]
    assert told["failing"][0].startswith("error MN-F02 DynamoGraphDeployment inference/llama component decode: ")
    assert told["components"][0]["engine"]["tensor"] == 16
    assert told["components"][0]["operator"] == {"tensor": 1, "pipeline": 1, "data": 1, "branch": "none"}
    assert told["summary"]["verdict"] == "failed"
    assert told["report"] == {}


def test_files_folders_and_their_order(tmp_path: Path) -> None:
    part = engine("--config", "/config/c.yaml", *TP16, **mounted("engine"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "deploy.yaml").write_text(yaml.safe_dump(dgd(part)), encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(config_map("engine", c_yaml="seed: 1")), encoding="utf-8")
    (tmp_path / "bad.yml").write_text("kind: [\n", encoding="utf-8")
    (tmp_path / "b" / "notes.txt").write_text("kind: [", encoding="utf-8")
    told = run(base_dir=str(tmp_path), paths=["b", str(tmp_path / "a.json"), "bad.yml"])
    assert [(one["id"], one["subject"]) for one in told["findings"]] == [("MN-N11", "bad.yml:2")]
    assert told["components"][0]["object"] == "b/deploy.yaml: DynamoGraphDeployment inference/llama"
    assert run(paths=[str(tmp_path / "b" / "deploy.yaml")])["findings"][0]["id"] == "MN-F92"


def test_provider_version_and_cluster() -> None:
    manifests = [dgd(engine(command=("python3", "-m", "dynamo.vllm")))]
    assert "MN-F13" in [one["id"] for one in run(manifests=manifests, provider="lws")["findings"]]
    cluster = {"components": {"lws": {"present": True}}, "nodes": [{"name": "a", "gpus": 4}]}
    told = run(manifests=manifests, cluster=cluster)
    assert {"MN-F13", "MN-F16"} <= {one["id"] for one in told["findings"]}
    untagged = [dgd(engine(*TP16, main={"image": "r/i:x"}))]
    assert run(manifests=untagged, dynamo_version="1.3.1")["findings"] == []


def test_the_report_is_written_but_not_in_check_mode(tmp_path: Path) -> None:
    given: dict[str, Any] = {"manifests": [dgd(engine("-tp", "16"))], "report_dir": str(tmp_path / "new" / "report")}
    assert run(check=True, **given)["report"] == {}
    assert not (tmp_path / "new").exists()
    told = run(**given, waivers=[{"id": "MN-F02", "reason": "known"}])
    assert sorted(told["report"]) == ["json", "junit"]
    assert json.loads(Path(told["report"]["json"]).read_text(encoding="utf-8"))["findings"][0]["waived"] == "known"
    assert "<testsuites" in Path(told["report"]["junit"]).read_text(encoding="utf-8")
    assert told["failing"] == []


def test_nothing_is_never_reported_as_passed(tmp_path: Path) -> None:
    told = run(paths=[str(tmp_path)])
    assert [(one["id"], one["severity"]) for one in told["findings"]] == [("MN-F92", "warning")]
    assert told["summary"]["verdict"] == "empty"
    assert "nothing to check" in run()["msg"]
    assert run(paths=[str(tmp_path / "none")])["msg"].startswith("paths: ")
    file = tmp_path / "file"
    file.touch()
    assert run(manifests=[dgd()], report_dir=str(file / "below"))["msg"].startswith("report_dir: ")
