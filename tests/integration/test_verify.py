# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement and diagnosis on what the real LWS and Volcano do. Engines are small: the shared lab is everybody's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import Diagnosis, diagnose
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load

from lab.handle import Lab

MODULE = "ansible_collections.dynamo.multinode.plugins.modules.workload_info"
SECONDS = 60.0


def params(namespace: str, **workload: Any) -> dict[str, Any]:
    component = {"name": "worker", "role": "worker", "node_count": 2, "gpus_per_node": 1}
    component.update(workload.pop("component", {}))
    one = {
        "name": "llama",
        "namespace": namespace,
        "backend": "vllm",
        "model": "org/model",
        "image": "example.org/vllm:1.0.0",
        "components": [component],
        **workload,
    }
    return {"workloads": [one], "orchestrator": "lws", "workload_api": "native"}


def rollout(lab: Lab, arguments: dict[str, Any]) -> None:
    plan = load(arguments)
    lab.apply(*(item for workload in plan.workloads for item in render(workload)))


def info(lab: Lab, arguments: dict[str, Any], kubeconfig: Path | None = None, **more: Any) -> dict[str, Any]:
    """What the module answers, run as Ansible runs it."""
    given = {**arguments, "kubeconfig": str(kubeconfig or lab.kubeconfig), **more}
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


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """The first answer that is good; the last one when time is up, for the assertion to show."""
    deadline = time.monotonic() + SECONDS
    while True:
        answer = ask()
        if good(answer) or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def cause(lab: Lab, arguments: dict[str, Any], number: str) -> Diagnosis:
    """The diagnosis, once the controllers have come as far as they will."""
    client = Client.from_params({"kubeconfig": str(lab.kubeconfig)})
    plan = load(arguments).workloads[0]
    found: Diagnosis = until(lambda: diagnose(client, plan), lambda one: one.details["id"] == number)
    return found


def ready(lab: Lab, namespace: str, name: str = "llama-worker") -> None:
    lab.kubectl("wait", "-n", namespace, f"lws/{name}", "--for=condition=Available", f"--timeout={SECONDS:.0f}s")


def read(lab: Lab, since: int) -> Counter[tuple[str, str]]:
    """What was asked for since a mark, and how often: not what the API server can do, which depends on the clock."""
    events = lab.audit(since, user="dynamo-multinode", verbs=("get", "list"))
    targets = [(event["verb"], event["requestURI"], event.get("objectRef") or {}) for event in events]
    return Counter((verb, uri) for verb, uri, target in targets if target.get("resource"))


def test_engines_are_gangs_bound_by_volcano_one_rank_per_machine_in_one_rack(
    gang_lab: Lab, namespace: str, tmp_path: Path
) -> None:
    arguments = params(namespace, topology={"pack": "rack"}, component={"replicas": 2})
    rollout(gang_lab, arguments)
    ready(gang_lab, namespace)
    before = gang_lab.mark()
    found = info(gang_lab, arguments, report_dir=str(tmp_path / "deep" / "report"))
    asked = read(gang_lab, before)
    assert found["failures"] == []
    assert found["summary"]["verdict"] == "passed"
    assert [engine["engine"] for engine in found["engines"]] == [0, 1]
    for engine in found["engines"]:
        assert len(set(engine["nodes"])) == 2
        assert engine["rack"] in ("rack-a", "rack-b")
        assert (engine["gang"]["honoured"], engine["gang"]["min_member"]) == (True, 2)
        assert {rank["scheduler"] for rank in engine["ranks"]} == {"volcano"}
    bound = {
        event["involvedObject"]["name"]: event.get("reportingComponent") or event["source"]["component"]
        for event in gang_lab.get(
            "events", "-n", namespace, "--field-selector", "reason=Scheduled,involvedObject.kind=Pod"
        )
    }
    pods = {rank["pod"]: "volcano" for engine in found["engines"] for rank in engine["ranks"]}
    assert bound == pods
    assert found["changed"] is False
    written = gang_lab.audit(before, user="dynamo-multinode", verbs=("create", "update", "patch", "delete"))
    assert [event for event in written if event["objectRef"].get("namespace") == namespace] == []
    another = params(namespace, name="other", component={"replicas": 3})
    rollout(gang_lab, another)
    ready(gang_lab, namespace, "other-worker")
    before = gang_lab.mark()
    both = info(gang_lab, {**arguments, "workloads": [*arguments["workloads"], *another["workloads"]]})
    assert (both["failures"], len(both["engines"])) == ([], 5)
    assert read(gang_lab, before) == asked, "one request for each kind, whatever the number of engines"

    folder = tmp_path / "deep" / "report"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.xml"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert json.loads((folder / "report.json").read_text())["summary"] == found["summary"]
    suites = ET.parse(folder / "report.xml").getroot()
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("8", "0", "0")


def test_check_mode_writes_no_report(gang_lab: Lab, namespace: str, tmp_path: Path) -> None:
    found = info(gang_lab, params(namespace), report_dir=str(tmp_path / "report"), _ansible_check_mode=True)
    assert found["report"] == {}
    assert not (tmp_path / "report").exists()


def test_what_was_never_applied_is_missing_not_forgotten(gang_lab: Lab, namespace: str) -> None:
    found = info(gang_lab, params(namespace))
    assert found["summary"]["engines_present"] == 0
    assert [rank["phase"] for rank in found["engines"][0]["ranks"]] == ["missing", "missing"]
    assert found["failures"] == [
        f"error MN-F90 {namespace}/llama worker engine 0: LeaderWorkerSet {namespace}/llama-worker does not exist; "
        "apply the workload; if it was applied, look who deleted it"
    ]


def test_f83_an_engine_without_room_is_not_bound_and_the_numbers_are_said(gang_lab: Lab, namespace: str) -> None:
    arguments = params(namespace, component={"node_count": 9, "gpus_per_node": 1})
    rollout(gang_lab, arguments)
    found = cause(gang_lab, arguments, "MN-F83")
    assert "needs 1 engine x 9 machines x 1 = 9 GPUs, 0 of 1 placed" in found.cause
    assert "of 64 GPUs are free (by rack: " in found.cause
    assert found.remedy.startswith("even empty, the cluster holds at most 8 such machines")
    pods = until(lambda: gang_lab.get("pods", "-n", namespace), lambda found: len(found) == 9)
    assert [pod["spec"].get("nodeName") for pod in pods] == [None] * 9
    failures = info(gang_lab, arguments)["failures"]
    assert len(failures) == 1
    assert failures[0].startswith(f"error MN-F83 {namespace}/llama worker engine 0: needs 1 engine")


def test_f83_a_rack_is_too_small_although_the_cluster_is_not(gang_lab: Lab, namespace: str) -> None:
    arguments = params(namespace, topology={"pack": "rack"}, component={"node_count": 5})
    rollout(gang_lab, arguments)
    found = cause(gang_lab, arguments, "MN-F83")
    assert "the next wants 5 machines with 1 free GPU each in one rack; rack-a has " in found.cause
    assert found.remedy.startswith("even empty, one rack holds at most 4 such machines")


def test_f34_a_queue_that_is_missing(gang_lab: Lab, namespace: str) -> None:
    arguments = params(namespace, queue=f"q-{namespace}")
    rollout(gang_lab, arguments)
    found = cause(gang_lab, arguments, "MN-F34")
    assert f"Volcano queue q-{namespace} does not exist (there is " in found.cause


def test_f82_the_default_scheduler_makes_no_gang(gang_lab: Lab, namespace: str) -> None:
    arguments = params(namespace, scheduler="default")
    rollout(gang_lab, arguments)
    ready(gang_lab, namespace)
    found = info(gang_lab, arguments)
    assert found["engines"][0]["gang"]["honoured"] is False
    assert found["engines"][0]["ready"] is True
    assert [line.split()[1] for line in found["failures"]] == ["MN-F82"]


def test_f93_ranks_that_share_a_machine(gang_lab: Lab, namespace: str) -> None:
    """Applied without spread, verified with it: what runs is judged, not what was rendered."""
    machine = {"nodeSelector": {"kubernetes.io/hostname": "gpu-a-1"}}
    apart = params(namespace, component={"spread": False, "pod_spec": machine})
    rollout(gang_lab, apart)
    ready(gang_lab, namespace)
    assert info(gang_lab, apart)["failures"] == []
    found = info(gang_lab, params(namespace))
    assert [line.split()[1] for line in found["failures"]] == ["MN-F93"]


def test_f92_a_tenant_sees_its_pods_and_no_verdict_that_it_cannot_know(
    gang_lab: Lab, namespace: str, tmp_path: Path
) -> None:
    arguments = params(namespace, topology={"pack": "rack"})
    rollout(gang_lab, arguments)
    ready(gang_lab, namespace)
    tenant = tmp_path / "tenant.kubeconfig"
    tenant.write_text(gang_lab.kubeconfig.read_text())
    rules = [
        {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]},
        {"apiGroups": ["leaderworkerset.x-k8s.io"], "resources": ["leaderworkersets"], "verbs": ["list"]},
    ]
    meta = {"name": "tenant", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    gang_lab.apply(
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "tenant"},
            "subjects": [{"kind": "User", "name": f"tenant-{namespace}", "apiGroup": group}],
        },
    )
    found = info(gang_lab, arguments, tenant, impersonate_user=f"tenant-{namespace}")
    engine = found["engines"][0]
    assert engine["ready"] is True
    assert engine["gang"]["honoured"] is None
    assert "PodGroup objects may not be listed" in engine["gang"]["why"]
    assert engine["topology"]["honoured"] is None
    assert "Node objects may not be listed" in engine["topology"]["why"]
    assert found["summary"]["verdict"] == "incomplete"
    assert found["failures"] == []
    assert [line.split()[1] for line in found["lines"] if line.startswith("warning")] == ["MN-F92", "MN-F92"]


def test_f81_volcano_is_down_and_nothing_in_the_cluster_says_so(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    lab.install_gang_stack()
    lab.kubectl("create", "namespace", "down")
    arguments = params("down")

    def scale(count: int, *parts: str) -> None:
        names = [f"deployment/volcano-{part}" for part in parts]
        lab.kubectl("-n", "volcano-system", "scale", f"--replicas={count}", *names)
        for name in names:
            state = f"--for=jsonpath={{.status.replicas}}={count}" if count else "--for=delete"
            what = [name] if count else ["pod", "-l", f"app={name.split('/')[1].replace('controllers', 'controller')}"]
            lab.kubectl("-n", "volcano-system", "wait", *what, state, "--timeout=60s")

    scale(0, "admission", "controllers", "scheduler")
    rollout(lab, arguments)
    found = until(lambda: cause(lab, arguments, "MN-F81"), lambda one: "leader pod" in one.cause)
    assert "only its leader pod exists, without PodGroup and without workers" in found.cause
    assert "volcano-system/volcano-admission" in found.cause
    scale(1, "admission", "controllers")
    found = until(lambda: cause(lab, arguments, "MN-F81"), lambda one: "has not looked" in one.cause)
    assert "Volcano's scheduler has not looked at PodGroup llama-worker-0-" in found.cause
    assert "volcano-system/volcano-scheduler not available" in found.cause
    scale(1, "scheduler")
    ready(lab, "down")
    assert info(lab, arguments)["failures"] == []
