# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole life of a cluster with inventories/lab: empty, served behind an air gap, asked for too much, torn down.

One lab lives through it in order (the fixture ``life``); each test judges what one stage printed and left behind.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import registry

from lab.handle import Lab
from tests.integration.gap import air_gap

CLONE = Path(__file__).resolve().parents[2]
OURS = "dynamo-multinode"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
# Asking is not writing, although it is a POST.
QUESTIONS = ("selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "subjectaccessreviews")
# What the cluster forgets when it likes; and definitions, which stay, with the API services behind them.
NOT_OURS = ("events", "leases", "customresourcedefinitions", "apiservices")
VOLCANO_QUEUES = {("Queue", "", "root"), ("Queue", "", "default")}
ENGINE = {"name": "worker", "role": "worker", "node_count": "2", "gpus_per_node": 8}
SOUND = {"backend": "vllm", "model": "example/model", "image": "example.com/vllm:1.0.0", "components": [ENGINE]}
MIRROR = {"mirror": "mirror.example:5000/team", "pull_secret": "mirror-pull"}
MODELS = {"type": "host_path", "path": "/models", "mount_path": "/models"}
BEHIND_THE_GAP: dict[str, Any] = {
    "multinode_airgap": True,
    "multinode_registry": MIRROR,
    "multinode_workload_defaults": {"namespace": "inference", "model_cache": MODELS},
}
MISTAKES = [
    {**SOUND, "name": "a", "nmae": "b"},
    {**SOUND, "name": "b", "backend": "vlm"},
    {**SOUND, "name": "c", "components": [{**ENGINE, "node_count": "two"}]},
    {**SOUND, "name": "d", "components": [{**ENGINE, "parallelism": {"tensor": 12}}]},
    {**SOUND, "name": "d"},
]

Identity = tuple[str, str, str, tuple[tuple[str, str], ...]]


@dataclass
class Run:
    """One ansible-playbook: how it ended and what it printed."""

    code: int
    output: str

    @property
    def recap(self) -> dict[str, int]:
        """{"ok": 30, "changed": 0, ...} of localhost."""
        found = re.search(r"^localhost\s+: (.*)$", self.output, re.MULTILINE)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found.group(1))} if found else {}


@dataclass
class Life:
    """What each stage left behind, by its name."""

    lab: Lab
    runs: dict[str, Run] = field(default_factory=dict)
    objects: dict[str, set[Identity]] = field(default_factory=dict)
    pods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pod_groups: list[dict[str, Any]] = field(default_factory=list)
    writes: dict[str, list[str]] = field(default_factory=dict)
    uids: dict[str, dict[str, str]] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    helm: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def counted_helm(self) -> Path:
        """The lab's helm, which writes down what it was started with."""
        script, log = self.lab.root / "counted-helm", self.lab.root / "helm.log"
        if not script.exists():
            binary = (self.lab.layout.bin / "helm").resolve()
            script.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{binary}" "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        log.write_text("", encoding="utf-8")
        return script

    def play(self, stage: str, playbook: str, *options: str, env: Mapping[str, str] | None = None) -> Run:
        mark = self.lab.mark()
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml"]
        helm = self.counted_helm()
        started = time.monotonic()
        done = subprocess.run(
            [*argv, "-i", "inventories/lab", "-e", f"multinode_helm_binary={helm}", *options],
            cwd=CLONE,
            env={**os.environ, **(env or {}), "LAB_DIR": str(self.lab.root), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.seconds[stage] = time.monotonic() - started
        self.runs[stage] = Run(done.returncode, done.stdout + done.stderr)
        self.helm[stage] = (self.lab.root / "helm.log").read_text(encoding="utf-8").splitlines()
        self.writes[stage] = [
            f"{event['verb']} {event['requestURI']}"
            for event in self.lab.audit(mark, user=OURS, verbs=WRITES)
            if "dryRun=All" not in event["requestURI"]
            and event.get("objectRef", {}).get("resource") not in QUESTIONS
            and event.get("objectRef", {}).get("subresource") != "token"
        ]
        return self.runs[stage]

    def remember(self, stage: str) -> None:
        """Every object that there is: kind, namespace, name and labels."""
        kinds = self.lab.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        wanted = [kind for kind in kinds if kind.split(".")[0] not in NOT_OURS]
        listed = json.loads(self.lab.kubectl("get", ",".join(wanted), "-A", "-o", "json"))["items"]
        self.objects[stage] = {
            (
                item["kind"],
                item["metadata"].get("namespace", ""),
                item["metadata"]["name"],
                tuple(sorted((item["metadata"].get("labels") or {}).items())),
            )
            for item in listed
        }
        self.pods[stage] = [item for item in listed if item["kind"] == "Pod"]
        self.uids[stage] = {item["metadata"]["name"]: item["metadata"]["uid"] for item in self.pods[stage]}

    def told(self, stage: str) -> str:
        """How long the stage took, for the summary of a run of the tests."""
        return f"{self.seconds[stage]:.1f} s, {self.runs[stage].recap['ok']} tasks"

    def assert_order(self, stage: str, order: list[str]) -> None:
        """The first write of each path came after that of the one before it, by the API server's own log."""
        writes = self.writes[stage]
        places = [next((index for index, write in enumerate(writes) if path in write), -1) for path in order]
        assert -1 not in places and places == sorted(places), (list(zip(order, places, strict=True)), writes)


@pytest.fixture(scope="module")
def life(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Life:
    one = Life(make_lab(inventory_path=CLONE / "inventories" / "lab"))
    one.remember("empty")
    one.play("check", "site", "--check", "--diff")
    one.remember("checked")
    one.play("mistakes", "site", "-e", json.dumps({"multinode_workloads": MISTAKES}))
    one.play("misspelt", "site", "-e", json.dumps({"multinode_orchestratr": "grove", "multinode_airgapped": True}))
    gapped = ("-e", json.dumps(BEHIND_THE_GAP))
    with air_gap(tmp_path_factory.mktemp("gap")) as gap:
        one.play("first", "site", *gapped, env=gap.env)
        one.attempts = gap.attempts
    one.remember("served")
    one.pod_groups = one.lab.get("podgroups.scheduling.volcano.sh", "-n", "inference")
    one.play("second", "site", *gapped)
    one.play("too large", "rollout", *gapped, "-e", "lab_show_too_large=true")
    one.remember("crowded")
    one.play("check teardown", "teardown", "--check", "-e", "lab_show_too_large=true")
    one.remember("still there")
    one.play("teardown", "teardown", "-e", "lab_show_too_large=true")
    one.remember("gone")
    one.play("teardown again", "teardown")
    return one


def engine_pods(life: Life, stage: str, workload: str) -> list[dict[str, Any]]:
    return [pod for pod in life.pods[stage] if pod["metadata"]["labels"].get("dynamo.multinode/workload") == workload]


def test_check_mode_on_an_empty_cluster_is_clean_and_writes_nothing(life: Life) -> None:
    run = life.runs["check"]
    assert run.code == 0, run.output
    assert "would create (not validated)" in run.output
    assert life.writes["check"] == []
    assert life.objects["checked"] == life.objects["empty"]


def test_diff_shows_what_would_be_made(life: Life) -> None:
    assert re.search(r"^\+.*kind: LeaderWorkerSet", life.runs["check"].output, re.MULTILINE), life.runs["check"].output


def test_every_mistake_is_told_at_once_before_anything_is_written(life: Life) -> None:
    run = life.runs["mistakes"]
    assert run.code == 2
    for told in (
        "multinode_workloads[0].nmae: is not a known key (did you mean name?)",
        "multinode_workloads[1].backend: is 'vlm'; one of vllm, sglang, trtllm (did you mean vllm?)",
        "multinode_workloads[2].components.worker.node_count: is 'two'; a whole number, from 1 to 10000",
        "multinode_workloads[3].components.worker.parallelism.tensor: is 12; 2 nodes x 8 GPUs = 16 GPUs per engine",
        "multinode_workloads[4].name: is 'd' in namespace 'inference', the same as multinode_workloads[3]",
    ):
        assert told in run.output, run.output
    assert "components.worker.node_count: is '2'" not in run.output
    assert life.writes["mistakes"] == []


def test_a_variable_that_nobody_reads_is_told_before_anything_is_asked(life: Life) -> None:
    run = life.runs["misspelt"]
    assert run.code == 2
    for name, meant in (
        ("multinode_airgapped", "multinode_airgap"),
        ("multinode_orchestratr", "multinode_orchestrator"),
    ):
        assert f"{name}: is not a variable of dynamo.multinode (did you mean {meant}?)" in run.output, run.output
    assert run.recap["ok"] == 0
    assert life.writes["misspelt"] == []


def test_the_first_run_serves(life: Life, record_property: Callable[[str, object], None]) -> None:
    run = life.runs["first"]
    assert run.code == 0, run.output
    assert run.recap["changed"] > 0
    assert run.recap["failed"] == 0
    record_property("site.yml, LWS and Volcano, from an empty cluster", life.told("first"))


def test_everything_comes_in_the_order_of_what_it_needs(life: Life) -> None:
    """Definitions before their controller, Volcano before LWS, which makes gangs by it, workloads last."""
    order = [
        # Volcano's are templates of its chart: helm creates them
        "/customresourcedefinitions?fieldManager=helm",
        "/namespaces/volcano-system/deployments",
        "/customresourcedefinitions/leaderworkersets.leaderworkerset.x-k8s.io",
        "/namespaces/lws-system/deployments",
        "/namespaces/inference/leaderworkersets",
    ]
    life.assert_order("first", order)


def test_engines_are_bound_by_volcano_as_whole_gangs(life: Life) -> None:
    for workload, engines, ranks in (("llama-405b", 2, 2), ("deepseek-r1", 1, 4)):
        pods = engine_pods(life, "served", workload)
        assert len(pods) == engines * ranks
        assert {pod["spec"]["schedulerName"] for pod in pods} == {"volcano"}
        assert all(pod["spec"].get("nodeName") for pod in pods)
        groups = [group for group in life.pod_groups if group["metadata"]["name"].startswith(f"{workload}-worker-")]
        assert [group["spec"]["minMember"] for group in groups] == [ranks] * engines


def test_one_rank_per_machine_and_one_rack_per_packed_engine(life: Life) -> None:
    by_engine: dict[str, list[str]] = {}
    for pod in engine_pods(life, "served", "llama-405b"):
        group = pod["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/group-index"]
        by_engine.setdefault(group, []).append(pod["spec"]["nodeName"])
    assert sorted(by_engine) == ["0", "1"]
    for nodes in by_engine.values():
        assert len(set(nodes)) == 2
        assert len({node.rsplit("-", 1)[0] for node in nodes}) == 1, nodes  # gpu-a-N is in rack-a
    nodes = [pod["spec"]["nodeName"] for pod in engine_pods(life, "served", "deepseek-r1")]
    assert len(set(nodes)) == 4


def test_the_scheduler_that_bound_them_is_volcano(life: Life) -> None:
    bindings = [
        event
        for event in life.lab.audit(verbs=("create",))
        if event.get("objectRef", {}).get("subresource") == "binding"
        and event["objectRef"].get("namespace") == "inference"
    ]
    assert {event["user"]["username"] for event in bindings} == {
        "system:serviceaccount:volcano-system:volcano-scheduler"
    }


def test_the_second_run_changes_and_writes_nothing(life: Life, record_property: Callable[[str, object], None]) -> None:
    run = life.runs["second"]
    assert run.code == 0, run.output
    assert run.recap["changed"] == 0
    assert life.writes["second"] == []
    record_property("site.yml, LWS and Volcano, nothing changed", life.told("second"))


def test_the_second_run_starts_no_helm(life: Life) -> None:
    assert len([line for line in life.helm["first"] if line.startswith("upgrade -i")]) == 2, life.helm["first"]
    assert life.helm["second"] == []


def test_the_second_run_takes_few_tasks(life: Life) -> None:
    """All tasks that were not skipped, those that only say something or check arguments among them."""
    assert life.runs["second"].recap["ok"] <= 25


def test_no_value_is_on_a_command_line_of_helm(life: Life) -> None:
    assert not [line for line in life.helm["first"] if "--set" in line or "schedulerProvider" in line]


def test_the_report_proves_each_engine(life: Life) -> None:
    folder = life.lab.root / "report"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [engine["gang"]["honoured"] for engine in report["engines"]] == [True, True, True]
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    suite = ElementTree.parse(folder / "report.xml").getroot()
    assert not list(suite.iter("failure"))
    assert len(list(suite.iter("testcase"))) >= 9


def test_too_few_gpus_bind_nothing_and_the_play_says_what_is_missing(life: Life) -> None:
    run = life.runs["too large"]
    assert run.code == 2
    assert "inference/too-large" in run.output
    assert "1 engine x 4 machines x 8 = 32 NVIDIA-H100-80GB-HBM3 GPUs, 0 of 1 placed" in run.output
    assert "16 of 32 GPUs are free" in run.output
    pods = engine_pods(life, "crowded", "too-large")
    assert len(pods) == 4
    assert not [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName")]


def test_what_serves_is_left_alone_when_another_workload_fails(life: Life) -> None:
    served = {name: uid for name, uid in life.uids["served"].items() if not name.startswith("too-large")}
    assert served.items() <= life.uids["crowded"].items()


def test_checking_a_teardown_removes_nothing(life: Life) -> None:
    run = life.runs["check teardown"]
    assert run.code == 0, run.output
    assert life.writes["check teardown"] == []
    assert life.objects["still there"] == life.objects["crowded"]


def test_teardown_leaves_what_was_there_before(life: Life) -> None:
    run = life.runs["teardown"]
    assert run.code == 0, run.output
    left = {item for item in life.objects["gone"] - life.objects["empty"] if item[:3] not in VOLCANO_QUEUES}
    assert left == set()
    assert life.objects["empty"] - life.objects["gone"] == set()


def test_teardown_keeps_the_definitions(life: Life) -> None:
    """Without them, and what is made on them: molecule's scenario default, and those after it."""
    kept = life.runs["teardown again"]
    assert kept.code == 0, kept.output
    assert kept.recap["changed"] == 0
    assert life.writes["teardown again"] == []


def test_behind_an_air_gap_nobody_outside_is_asked_for_anything(life: Life) -> None:
    """Charts are local archives; test_airgap.py shows that attempts would be seen."""
    assert life.runs["first"].output.count("TASK [dynamo.multinode.helm_component : Run helm]") == 2
    assert life.attempts == []


def test_behind_an_air_gap_every_image_of_every_pod_comes_from_the_mirror(life: Life) -> None:
    pods = life.pods["served"]
    assert len(pods) == 12
    assert registry.outside(pods, MIRROR) == []
    for pod in pods:
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror-pull"}], pod["metadata"]["name"]
    for pod in engine_pods(life, "served", "llama-405b"):
        offline = {"name": "HF_HUB_OFFLINE", "value": "1"}
        assert all(offline in container["env"] for container in pod["spec"]["containers"])
