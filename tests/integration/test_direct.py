# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is run without Ansible's packing answers as one that is packed, whatever the task says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from lab.handle import Lab

CLONE = Path(__file__).resolve().parents[2]
PASSWORD = b"of the vault"
WORD = "sesame"
PLAY = """
- hosts: one
  gather_facts: false
  vars: {ansible_remote_tmp: "{{ '~/.ansible/tmp' if packed else '/proc/nowhere' }}"}
  environment:
    K8S_AUTH_KUBECONFIG: "{{ config }}"
  module_defaults:
    dynamo.multinode.workload_plan: {orchestrator: lws}
  tasks:
    - dynamo.multinode.cluster_info:
      register: cluster
    - dynamo.multinode.workload_plan: {workloads: [{name: a, nmae: b}]}
      ignore_errors: true
      register: refused
    - dynamo.multinode.apply:
        objects:
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: direct, namespace: default}, data: {word: "{{ word }}"}}
      check_mode: true
      diff: true
      register: checked
    - dynamo.multinode.apply: {objects: [{apiVersion: example.com/v1, kind: Nothing, metadata: {name: x}}]}
      ignore_errors: true
      register: unknown
    - dynamo.multinode.apply: &waited
        objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: waited, namespace: "{{ space }}"}}]
        wait: true
        result_file: "{{ folder }}/result.json"
    - dynamo.multinode.apply: *waited
      register: stored
    - dynamo.multinode.apply: {objects: [], wait: true, prune: true, result_file: "{{ folder }}/failed.json"}
      ignore_errors: true
      register: failed
    - dynamo.multinode.cluster_info: {gather: [queues]}
      async: 60
      poll: 1
      when: packed
      register: later
    - ansible.builtin.copy:  # what was registered
        content: "{{ dict(names | zip(names | map('extract', vars))) | to_json }}"
        dest: "{{ answer }}"
        mode: "0600"
      vars:
        ansible_remote_tmp: "{{ folder }}/tmp"
        names: [cluster, refused, checked, unknown, stored, failed]
"""
COUNTS = """
import sys
with open({!r}, "a") as stream:
    print(*sys.orig_argv, file=stream)
"""


def answers(lab: Lab, folder: Path, namespace: str, python: str, *, packed: bool) -> dict[str, Any]:
    """What the tasks answered. Where nothing is packed, there is no folder for what is."""
    folder.mkdir()
    vault = VaultLib([("default", VaultSecret(PASSWORD))])
    body = vault.encrypt(WORD).decode().replace("\n", "\n  ")
    files = {"play.yml": PLAY, "vars.yml": f"word: !vault |\n  {body}\n", "password": PASSWORD.decode()}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    given = {
        "ansible_python_interpreter": python,
        "config": str(lab.kubeconfig),
        "answer": str(folder / "answer.json"),
        "folder": str(folder),
        "space": namespace,
        "packed": packed,
    }
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "one,", "-c", "local", "play.yml"]
    argv += ["-e", "@vars.yml", "-e", json.dumps(given), "--vault-password-file", "password"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("K8S_AUTH")}
    (folder / "sitecustomize.py").write_text(COUNTS.format(str(folder / "pythons")), encoding="utf-8")
    env["PYTHONPATH"] = str(folder)
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("answer.json", "result.json")]
    told, stored = (json.loads(text.replace(str(folder), "FOLDER")) for text in texts)
    # Python processes that were started for a module of ours
    pythons = (folder / "pythons").read_text(encoding="utf-8").splitlines()
    ours = ("launch.py", *(f"AnsiballZ_{name}.py" for name in ("apply", "cluster_info", "workload_plan")))
    return {**told, "file": stored, "pythons": [line for line in pythons if any(name in line for name in ours)]}


@pytest.fixture
def still(own_lab: Lab) -> str:
    """A namespace and a node where nothing moves between the two ways, as no controller runs, and no
    definition of another test is still going."""
    name = f"direct-{uuid.uuid4().hex[:8]}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    own_lab.kubectl("create", "namespace", name)
    own_lab.kubectl("create", "-f", "-", stdin=json.dumps(node))
    return name


def test_both_ways_have_the_same_answers(own_lab: Lab, still: str, tmp_path: Path) -> None:
    other = tmp_path / "python"  # of another folder, and so perhaps another Python
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    direct = answers(own_lab, tmp_path / "direct", still, sys.executable, packed=False)
    packed = answers(own_lab, tmp_path / "packed", still, str(other), packed=True)
    started, unpacked = direct.pop("pythons"), packed.pop("pythons")
    if sys.platform.startswith("linux"):  # one for all tasks and slices
        assert ["--serve" in line for line in started] == [True]
    assert len(unpacked) > 8
    assert direct == packed
    assert "nmae: is not a known key" in direct["refused"]["msg"]
    assert WORD in json.dumps(direct["checked"]["diff"])
    assert direct["checked"]["changed"] is True
    assert "example.com/v1" in direct["unknown"]["msg"]
    assert still in [node["name"] for node in direct["cluster"]["cluster"]["nodes"]]
    assert direct["stored"]["result_file"] == "FOLDER/result.json"
    assert [one["ready"] for one in direct["file"]["objects"]] == [True]


def test_a_module_that_breaks_down_is_told_with_what_it_said(tmp_path: Path) -> None:
    """No answer at all, as of a process that was killed: the task fails, and shows what there is."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.exit('no Python today')\n", encoding="utf-8")
    play = [{"hosts": "one", "gather_facts": False, "tasks": [{"dynamo.multinode.cluster_info": {}}]}]
    play[0]["environment"] = {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "one,", "-c", "local", "play.yml"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no Python today" in done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in (CLONE / "plugins" / "action").glob("*.py")))
def test_whatever_has_a_half_on_the_controller_is_a_module(name: str) -> None:
    assert (CLONE / "plugins" / "modules" / f"{name}.py").exists()
