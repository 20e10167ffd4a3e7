# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volcano and LWS through the roles, with their real charts: killed in the middle, adopted, refused, removed.

One small lab goes through it in the order of this file; each test leaves what the next one names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab

CLONE = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
# No machine bears it: the Job of Volcano's hook stays pending, and helm waits for it until it is killed
HANGS = {"custom": {"admission_ns": {"no-such": "machine"}}}
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: "dynamo.multinode.{{ item }}"}
      loop: "{{ these }}"
"""


class Platform:
    """A lab, and runs of this collection's roles against it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.client = Client.from_params({"kubeconfig": str(lab.admin_kubeconfig)})
        self.play = folder / "play.yml"
        self.play.write_text(PLAY, encoding="utf-8")

    def argv(self, these: tuple[str, ...], variables: dict[str, Any]) -> list[str]:
        given = {
            "these": list(these),
            "ansible_python_interpreter": sys.executable,
            "multinode_auth": {"kubeconfig": str(self.lab.kubeconfig)},
            "multinode_helm_binary": str(self.lab.layout.bin / "helm"),
            "multinode_platform": {name: {"chart": str(self.lab.chart(name))} for name in ("volcano", "lws")},
            **variables,
        }
        return [str(Path(sys.executable).parent / "ansible-playbook"), str(self.play), "-e", json.dumps(given)]

    def run(self, *these: str, ok: bool = True, **variables: Any) -> str:
        """The output of a run of these roles."""
        done = subprocess.run(self.argv(these, variables), cwd=CLONE, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kill(self, *these: str, when: Callable[[], bool], **variables: Any) -> None:
        """Start a run, and kill -9 it with all its children as soon as ``when`` holds."""
        started = subprocess.Popen(
            self.argv(these, variables),
            cwd=CLONE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not when():
            assert started.poll() is None, "the run ended by itself"
            assert time.monotonic() < deadline, "the moment to kill it never came"
            time.sleep(0.05)
        # Ansible's workers have sessions of their own, so that no process group holds them all
        root = psutil.Process(started.pid)
        for process in [root, *root.children(recursive=True)]:
            process.kill()
        started.wait()

    def status(self, release: str) -> str:
        """What helm's newest record of a release says."""
        found = self.client.list("v1", "Secret", label_selector=f"owner=helm,name={release}")
        newest = max(found, key=lambda item: int(item["metadata"]["labels"]["version"]), default=None)
        return str(newest["metadata"]["labels"]["status"]) if newest else "none"

    def record(self, component: str) -> dict[str, Any] | None:
        found = self.lab.get("configmaps", "--all-namespaces", "-l", f"dynamo.multinode/record={component}")
        return json.loads(found[0]["data"]["record"]) if found else None

    def definitions(self) -> set[str]:
        found = self.lab.get("customresourcedefinitions")
        return {item["metadata"]["name"] for item in found if "volcano" in item["metadata"]["name"]}


PAIRS = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: dynamo.multinode.helm_component}
      vars: {helm_component_name: grove, helm_component_given: {decisions: {grove: "{{ decision }}"}}}
"""


@pytest.mark.parametrize(
    ("action", "judge", "refused"), [("install", True, True), ("install", False, False), ("none", True, False)]
)
def test_f26_a_role_used_alone_refuses_what_does_not_go_with_the_rest(
    tmp_path: Path, action: str, judge: bool, refused: bool
) -> None:
    """As decided before; the role touches no cluster until it has refused, or has nothing to do."""
    pair = {"line": "error MN-F26 kai_scheduler: too old", "failing": "MN-F26 too old"}
    stop = ["that is all"] if action == "install" and not refused else []
    decision = {"action": action, "lines": ["why"], "failing": stop, "pairs": [pair], "apply": [], "stale": []}
    (tmp_path / "play.yml").write_text(PAIRS, encoding="utf-8")
    given = {"decision": {**decision, "objects_differ": False}, "helm_component_judge_pairs": judge}
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(tmp_path / "play.yml"), "-e", json.dumps(given)]
    done = subprocess.run(argv, cwd=CLONE, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == (refused or bool(stop)), done.stdout + done.stderr
    assert ("msg: MN-F26 too old" in done.stdout) == refused
    assert ("error MN-F26 kai_scheduler: too old" in done.stdout) == judge


@pytest.fixture(scope="module")
def platform(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(make_lab(nodes=1), tmp_path_factory.mktemp("platform"))


def test_f63_killed_inside_helm_install_and_removed(platform: Platform) -> None:
    before = set(platform.lab.kubectl("get", "all,configmaps,secrets,namespaces", "-A", "-o", "name").split())
    platform.kill("volcano", when=lambda: platform.status("volcano") == "pending-install", volcano_values=HANGS)
    assert platform.record("volcano")["origin"] == "provisioned", "it is ours before helm begins"
    platform.run("volcano", volcano_state="absent")
    assert platform.record("volcano") is None
    assert set(platform.lab.kubectl("get", "all,configmaps,secrets,namespaces", "-A", "-o", "name").split()) == before


def test_f63_killed_inside_helm_upgrade_and_run_again(platform: Platform) -> None:
    """Inside helm install: the scenario interrupted."""
    platform.run("volcano")
    queue = {"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": {"name": "mine"}}
    platform.lab.apply({**queue, "spec": {"weight": 1}})
    uid = platform.lab.get("queue", "mine")["metadata"]["uid"]
    platform.kill("volcano", when=lambda: platform.status("volcano") == "pending-upgrade", volcano_values=HANGS)
    platform.run("volcano")
    assert platform.status("volcano") == "deployed"
    assert platform.lab.get("queue", "mine")["metadata"]["uid"] == uid


def test_f66_a_release_that_somebody_upgraded_by_hand_is_not_removed(platform: Platform) -> None:
    """helm would take the definitions along; the remedy that is told mends it."""
    definitions = platform.definitions()
    by_hand = ("upgrade", "volcano", str(platform.lab.chart("volcano")), "-n", "volcano-system", "--reuse-values")
    platform.lab.helm(*by_hand)
    output = platform.run("volcano", ok=False, volcano_state="absent")
    assert "MN-F66" in output
    assert "--post-renderer-args roles/helm_component/files/keep_crds.py" in " ".join(output.split())
    assert platform.status("volcano") == "deployed"
    assert platform.definitions() == definitions
    marks = CLONE / "roles" / "helm_component" / "files" / "keep_crds.py"
    platform.lab.helm(*by_hand, "--post-renderer", sys.executable, "--post-renderer-args", str(marks))


def test_f66_teardown_keeps_definitions_and_a_reinstall_takes_them_up(platform: Platform) -> None:
    """What plain helm does instead: test_adopted.py."""
    definitions = platform.definitions()
    uid = platform.lab.get("queue", "mine")["metadata"]["uid"]
    assert len(definitions) == 11
    assert "note MN-F66 volcano: the deployed chart brings" in platform.run("volcano", volcano_state="absent")
    assert platform.status("volcano") == "none"
    assert platform.definitions() == definitions
    assert platform.lab.get("queue", "mine")["metadata"]["uid"] == uid
    assert "volcano-system" not in platform.lab.kubectl("get", "namespaces", "-o", "name")
    platform.run("volcano")
    assert platform.lab.get("queue", "mine")["metadata"]["uid"] == uid


def test_a_namespace_with_something_of_others_stays(platform: Platform) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "volcano-system"}}
    platform.lab.apply(theirs)
    output = platform.run("volcano", volcano_state="absent", multinode_remove_crds=True)
    assert "ConfigMap/theirs" in output
    assert platform.lab.get("configmap", "theirs", "-n", "volcano-system")
    assert platform.definitions() == set()
    platform.lab.kubectl("delete", "namespace", "volcano-system")


def test_what_cannot_run_here_is_refused_before_anything_is_written(platform: Platform) -> None:
    mark = platform.lab.mark()
    output = platform.run("volcano", ok=False, volcano_version="1.12.2", volcano_chart="volcano")
    assert "MN-F27" in output
    assert "volcano PR #4478" in output
    writes = platform.lab.audit(mark, user="dynamo-multinode", verbs=("create", "patch", "update", "delete"))
    assert [event["requestURI"] for event in writes] == []


def test_an_lws_of_somebody_else_that_makes_no_gangs(platform: Platform) -> None:
    platform.run("volcano")
    platform.lab.install("lws")  # without the scheduler provider
    deployment = ("deployment", "lws-controller-manager", "-n", "lws-system")
    version = platform.lab.get(*deployment)["metadata"]["resourceVersion"]
    output = platform.run("lws", ok=False)
    assert "MN-F32" in output
    assert "helm upgrade lws <chart> -n lws-system --reuse-values --set gangSchedulingManagement" in output
    refused = platform.run("lws", ok=False, lws_mode="provision")
    assert "MN-F49" in refused
    assert platform.record("lws") is None
    waived = platform.run("lws", multinode_waivers=[{"id": "MN-F32", "reason": "its owner was told"}])
    assert "waived (its owner was told)" in waived
    assert platform.record("lws")["origin"] == "adopted"
    platform.run("lws", lws_state="absent", multinode_remove_crds=True)
    assert platform.record("lws") is None
    assert platform.status("lws") == "deployed"
    assert platform.lab.get(*deployment)["metadata"]["resourceVersion"] == version


def test_an_lws_whose_owner_followed_the_patch_is_adopted(platform: Platform) -> None:
    platform.lab.install("lws", "gangSchedulingManagement.schedulerProvider=volcano")
    platform.run("lws")
    assert platform.record("lws")["origin"] == "adopted"
    assert "changed=0" in platform.run("volcano", "lws")
