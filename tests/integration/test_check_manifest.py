# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/check_manifest.yml as a pipeline runs it: without a lab, judged by its exit code and its JUnit file."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import yaml

from tests.unit.plugins.module_utils.readback.given import TP16, dgd, engine
from tools.bootstrap import LOCAL

CLONE = Path(__file__).resolve().parents[2]


def play(folder: Path, **variables: object) -> tuple[int, str]:
    """Started in ``folder``, as a person or a pipeline would."""
    done = subprocess.run(
        [
            str(LOCAL / "venv" / "bin" / "ansible-playbook"),
            str(CLONE / "playbooks" / "check_manifest.yml"),
            "-e",
            json.dumps(variables),
        ],
        cwd=folder,
        env={**os.environ, "ANSIBLE_CONFIG": str(CLONE / "ansible.cfg"), "PWD": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def write(file: Path, *manifests: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")


def outcomes(folder: Path) -> dict[str, list[str]]:
    root = ElementTree.parse(folder / "manifests.xml").getroot()
    return {f"{case.get('classname')} {case.get('name')}": [one.tag for one in case] for case in root.iter("testcase")}


def test_good_manifests_pass(tmp_path: Path) -> None:
    write(tmp_path / "deploy" / "a.yaml", dgd(engine(*TP16)), dgd(engine(*TP16), name="other"))
    code, said = play(tmp_path, multinode_manifests="deploy", multinode_report_dir=str(tmp_path / "report"))
    assert code == 0, said
    assert "changed=0" in said and "2 objects, 2 components: 0 errors" in said
    where = "deploy/a.yaml: DynamoGraphDeployment inference"
    assert outcomes(tmp_path / "report") == {
        f"{where}/llama object": [],
        f"{where}/llama component decode": [],
        f"{where}/other object": [],
        f"{where}/other component decode": [],
    }


def test_bad_manifests_fail_with_everything_at_once_and_waivers_are_visible(tmp_path: Path) -> None:
    write(tmp_path / "deploy" / "a.yaml", dgd(engine("-tp", "16"), name="unread"))
    write(tmp_path / "deploy" / "b.yaml", dgd(engine(*TP16, main={"image": "r/i:latest"}), name="untagged"))
    (tmp_path / "deploy" / "c.yaml").write_text("kind: [\n", encoding="utf-8")
    variables = {"multinode_manifests": ["deploy/"], "multinode_report_dir": str(tmp_path / "report")}
    code, said = play(tmp_path, **variables)
    assert code == 2
    for told in ("error MN-F02 deploy/a.yaml", "error MN-F09 deploy/b.yaml", "error MN-N11 deploy/c.yaml:2"):
        assert told in said
    assert outcomes(tmp_path / "report") == {
        "deploy/a.yaml: DynamoGraphDeployment inference/unread object": [],
        "deploy/a.yaml: DynamoGraphDeployment inference/unread component decode": ["failure"],
        "deploy/b.yaml: DynamoGraphDeployment inference/untagged object": ["failure"],
        "deploy/b.yaml: DynamoGraphDeployment inference/untagged component decode": [],
        "deploy/c.yaml:2 object": ["failure"],
    }
    waivers = [{"id": id, "reason": "our registry retags"} for id in ("MN-F02", "MN-F09", "MN-N11")]
    code, said = play(tmp_path, **variables, multinode_waivers=waivers)
    assert code == 0, said
    assert "(waived: our registry retags)" in " ".join(said.split())
    assert sum(kinds == ["skipped"] for kinds in outcomes(tmp_path / "report").values()) == 3


def test_without_manifests_it_asks(tmp_path: Path) -> None:
    code, said = play(tmp_path)
    assert code == 2
    assert "multinode_manifests: name the files or folders to check" in said
