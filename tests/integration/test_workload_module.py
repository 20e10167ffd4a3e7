# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads on the real LWS and Volcano: the whole life of one, and what a user is told when it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.rollout import roll_out

from lab.handle import Lab
from tests.integration.kube_objects import Object, client, writes

PRODUCT = "NVIDIA-H100-80GB-HBM3"
PATIENCE = 180.0


@pytest.fixture
def fresh(lab: Lab) -> Iterator[str]:
    """The name of a namespace that does not exist; its workloads' GPUs are free again after the test."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield name
    kinds = "leaderworkerset,dynamographdeployment" if "dynamographdeployments" in served(lab) else "leaderworkerset"
    if lab.kubectl("get", "namespace", name, "--ignore-not-found"):
        if "leaderworkersets" in served(lab):
            lab.kubectl("delete", "-n", name, kinds, "--all", "--cascade=foreground")
        lab.kubectl("delete", "namespace", name, "--wait=false")


def served(lab: Lab) -> str:
    return lab.kubectl("api-resources", "-o", "name")


def workload(namespace: str, name: str = "llama", replicas: int = 1, node_count: int = 2, **more: Any) -> Object:
    """vLLM with tensor parallelism over all GPUs; ``gpus_per_node`` among ``more`` is the component's."""
    component = {
        "name": "worker",
        "role": "worker",
        "replicas": replicas,
        "node_count": node_count,
        "gpus_per_node": more.pop("gpus_per_node", 1),
    }
    return {
        "name": name,
        "namespace": namespace,
        "backend": "vllm",
        "model": "example/model",
        "image": "example.com/vllm:0.20.1",
        "components": [component],
        "timeouts": {"scheduled": "60s", "ready": "90s"},
        **more,
    }


def absent(namespace: str, name: str = "llama") -> Object:
    return {"name": name, "namespace": namespace, "state": "absent"}


def roll(lab: Lab, *workloads: Object, check: bool = False, **options: Any) -> Answer:
    """What the module does with these workloads on the native path."""
    params = {
        "workloads": list(workloads),
        "defaults": {},
        "overlays": {},
        "machines": [{"name": f"m{number}", "gpu_count": 8, "gpu_product": PRODUCT} for number in range(8)],
        "orchestrator": "lws",
        "scheduler": "volcano",
        "workload_api": "native",
        "dynamo_version": None,
        "topology_levels": {},
        "replace": "never",
        "wait": True,
        "wait_timeout": None,
        "force_conflicts": False,
        "create_namespaces": True,
        **options,
    }
    answer = roll_out(client(lab), params, check=check)
    json.dumps(answer.result)  # Ansible must be able to send it
    return answer


def pods(lab: Lab, namespace: str) -> list[Any]:
    found: list[Any] = lab.get("-n", namespace, "pods")
    return found


def until_refused(lab: Lab, namespace: str, name: str, ranks: int) -> None:
    """All ranks are there, and the scheduler has said no: then a short timeout is enough to know all of it."""
    deadline = time.monotonic() + PATIENCE
    refused = 0
    while refused < ranks:
        assert time.monotonic() < deadline, f"{refused} of {ranks} pods of {name} were refused"
        listed = lab.get("-n", namespace, "pods", "-l", f"dynamo.multinode/workload={name}")
        said = [one for pod in listed for one in pod["status"].get("conditions", []) if one["type"] == "PodScheduled"]
        refused = sum(one["status"] == "False" for one in said)


def test_the_life_of_a_workload(gang_lab: Lab, fresh: str) -> None:
    planned = roll(gang_lab, workload(fresh), check=True)
    assert planned.failure is None
    assert planned.result["workloads"][0]["action"] == "would_create"
    assert not gang_lab.kubectl("get", "namespace", fresh, "--ignore-not-found")

    first = roll(gang_lab, workload(fresh))
    entry = first.result["workloads"][0]
    assert (first.failure, entry["action"], entry["ready"]) == (None, "created", True)
    assert (entry["engines"], entry["total_gpus"]) == (1, 2)
    assert {pod["spec"]["schedulerName"] for pod in pods(gang_lab, fresh)} == {"volcano"}
    assert all(pod["spec"].get("nodeName") for pod in pods(gang_lab, fresh))

    mark = gang_lab.mark()
    second = roll(gang_lab, workload(fresh))
    assert (second.result["changed"], second.result["workloads"][0]["ready"]) == (False, True)
    assert writes(gang_lab, mark, fresh) == []
    assert second.result["requests"] <= 4, "two kinds in one namespace, and the discovery of two API versions"

    changed = roll(gang_lab, workload(fresh, env={"NCCL_DEBUG": "WARN"}))
    assert (changed.result["workloads"][0]["action"], changed.result["workloads"][0]["ready"]) == ("changed", True)
    seen = [[one["name"] for one in pod["spec"]["containers"][0]["env"]] for pod in pods(gang_lab, fresh)]
    assert all("NCCL_DEBUG" in names for names in seen), "ready was said while old pods were still there"

    wider = roll(gang_lab, workload(fresh, replicas=2, env={"NCCL_DEBUG": "WARN"}))
    assert wider.result["workloads"][0]["ready"]
    assert len(pods(gang_lab, fresh)) == 4

    gone = roll(gang_lab, absent(fresh))
    assert (gone.result["changed"], gone.result["workloads"][0]["action"]) == (True, "deleted")
    assert pods(gang_lab, fresh) == []
    assert gang_lab.get("-n", fresh, "leaderworkerset,service") == []
    assert roll(gang_lab, absent(fresh)).result["changed"] is False


def test_only_an_empty_namespace_of_ours_goes_with_its_last_workload(gang_lab: Lab, fresh: str) -> None:
    roll(gang_lab, workload(fresh), workload(fresh, "other"))
    gang_lab.kubectl("create", "-n", fresh, "configmap", "somebodys")

    def remaining(*workloads: Object, check: bool = False) -> str:
        answer = roll(gang_lab, *workloads, check=check, remove_namespaces=True)
        assert answer.failure is None
        return gang_lab.kubectl("get", "namespace", fresh, "--ignore-not-found", "-o", "name").strip()

    assert remaining(absent(fresh)), "another workload is still in it"
    assert remaining(absent(fresh, "other")), "it holds what somebody else made"
    gang_lab.kubectl("delete", "-n", fresh, "configmap", "somebodys")
    assert remaining(absent(fresh), check=True)
    assert not remaining(absent(fresh))


def test_a_namespace_of_somebody_else_and_claims_stay(lab: Lab, gang_lab: Lab, namespace: str) -> None:
    cache = {"type": "pvc", "claim": "models", "create": True, "size": "1Gi"}
    roll(gang_lab, workload(namespace, model_cache=cache, timeouts={"scheduled": "1s", "ready": "1s"}))
    gone = roll(gang_lab, absent(namespace), remove_namespaces=True)
    assert gone.failure is None
    assert [claim["metadata"]["name"] for claim in gang_lab.get("-n", namespace, "persistentvolumeclaims")] == [
        "models"
    ]
    assert gang_lab.kubectl("get", "namespace", namespace)


def test_check_mode_can_be_told_what_the_cluster_will_be(gang_lab: Lab, fresh: str) -> None:
    empty: Object = {"components": {}, "queues": {"volcano": [], "kai": []}}
    lacking = roll(gang_lab, workload(fresh), check=True, cluster=empty)
    assert lacking.failure is not None
    assert "MN-F20" in lacking.failure
    there = {"present": True, "details": {"scheduler_provider": "volcano"}}
    queues = {"volcano": [{"name": "default", "state": "Open"}], "kai": []}
    told = {"components": {"lws": there, "volcano": there}, "queues": queues}
    assert roll(gang_lab, workload(fresh), check=True, cluster=told).failure is None


def test_a_component_that_is_gone_from_the_inventory_is_told_and_goes_with_consent(gang_lab: Lab, fresh: str) -> None:
    roll(gang_lab, workload(fresh))
    renamed = workload(fresh)
    renamed["components"][0]["name"] = "engine"
    kept = roll(gang_lab, renamed)
    assert kept.failure is None
    assert any("LeaderWorkerSet" in line and "llama-worker" in line for line in kept.warnings), kept.warnings

    def sets() -> list[str]:
        return [item["metadata"]["name"] for item in gang_lab.get("-n", fresh, "leaderworkersets")]

    assert sets() == ["llama-engine", "llama-worker"]
    assert roll(gang_lab, renamed, check=True, replace="allow").result["changed"]
    assert sets() == ["llama-engine", "llama-worker"]
    cleared = roll(gang_lab, renamed, replace="allow")
    assert (cleared.failure, cleared.result["changed"]) == (None, True)
    assert sets() == ["llama-engine"]
    assert roll(gang_lab, renamed, replace="allow").result["changed"] is False


def test_another_number_of_machines_needs_consent(gang_lab: Lab, fresh: str) -> None:
    roll(gang_lab, workload(fresh))
    uid = gang_lab.get("-n", fresh, "leaderworkerset", "llama-worker")["metadata"]["uid"]
    mark = gang_lab.mark()
    refused = roll(gang_lab, workload(fresh, node_count=3, labels={"team": "blue"}))
    assert refused.failure is not None
    assert f"{fresh}/llama: LeaderWorkerSet {fresh}/llama-worker: node_count 2 cannot become 3" in refused.failure
    assert "replace: allow" in refused.failure
    assert writes(gang_lab, mark, fresh) == [], "the Service of that workload must not be written either"

    planned = roll(gang_lab, workload(fresh, node_count=3), check=True, replace="allow")
    assert planned.result["workloads"][0]["action"] == "replaced"
    assert gang_lab.get("-n", fresh, "leaderworkerset", "llama-worker")["metadata"]["uid"] == uid

    mark = gang_lab.mark()
    replaced = roll(gang_lab, workload(fresh, node_count=3), replace="allow")
    assert (replaced.result["workloads"][0]["action"], replaced.result["workloads"][0]["ready"]) == ("replaced", True)
    assert gang_lab.get("-n", fresh, "leaderworkerset", "llama-worker")["metadata"]["uid"] != uid
    assert len(pods(gang_lab, fresh)) == 3
    events = [event for event in gang_lab.audit(mark) if event.get("objectRef", {}).get("namespace") == fresh]
    written = [f"{event['verb']} {event['objectRef']['resource']}" for event in events]
    last_gone = max(number for number, what in enumerate(written) if what == "delete pods")
    assert last_gone < written.index("patch leaderworkersets"), "it was made again before it was really gone"


def test_too_few_gpus_are_named_and_nothing_is_bound(gang_lab: Lab, fresh: str) -> None:
    """A fleet in one call: the one that fits is served, the other is given up when its own deadline passes."""
    big = workload(fresh, "big", node_count=40, gpus_per_node=8, timeouts={"scheduled": "3s", "ready": "1h"})
    # No machines are given, so that no check stops it before the apply
    roll(gang_lab, workload(fresh, "small"), big, machines=[], wait=False)
    until_refused(gang_lab, fresh, "big", 40)
    answer = roll(gang_lab, workload(fresh, "small"), big, machines=[])
    entries = {entry["name"]: entry for entry in answer.result["workloads"]}
    assert (entries["small"]["ready"], entries["big"]["ready"]) == (True, False)
    assert answer.failure is not None
    assert answer.failure.startswith(f"1 of 2 workloads failed:\n{fresh}/big: not ready after 3 s")
    assert "320" in answer.failure, "how many GPUs it needs"
    assert "free" in answer.failure
    assert entries["big"]["remedy"]
    bound = [
        pod
        for pod in pods(gang_lab, fresh)
        if pod["metadata"]["name"].startswith("big-") and pod["spec"].get("nodeName")
    ]
    assert bound == []


def test_mistakes_of_all_workloads_before_anything_is_asked(gang_lab: Lab, fresh: str) -> None:
    misspelt = {**workload(fresh, "one"), "modle": "x"}
    no_number = workload(fresh, "two", gpus_per_node="eight")
    answer = roll(gang_lab, misspelt, no_number)
    assert answer.failure is not None
    assert "multinode_workloads[0].modle" in answer.failure
    assert "multinode_workloads[1].components.worker.gpus_per_node" in answer.failure
    assert answer.result["requests"] == 0


def test_an_error_finding_stops_before_any_write(gang_lab: Lab, fresh: str) -> None:
    """Left to the cluster (auto), its facts are read, and with them the missing queue is seen."""
    mark = gang_lab.mark()
    answer = roll(gang_lab, workload(fresh, queue="nobody"), orchestrator="auto", scheduler="auto", workload_api="auto")
    assert answer.failure is not None
    assert "nobody" in answer.failure
    assert [finding["severity"] for finding in answer.result["findings"]].count("error") == 1
    assert writes(gang_lab, mark, fresh) == []


def test_one_refused_workload_does_not_stop_the_others(gang_lab: Lab, fresh: str) -> None:
    refused = workload(fresh, "refused")
    refused["components"][0]["pod_spec"] = {"noSuchField": True}
    answer = roll(gang_lab, refused, workload(fresh, "fine"))
    entries = {entry["name"]: entry for entry in answer.result["workloads"]}
    assert (entries["refused"]["action"], entries["refused"]["ready"]) == ("failed", False)
    assert (entries["fine"]["action"], entries["fine"]["ready"]) == ("created", True)
    assert answer.failure is not None
    assert f"{fresh}/refused: LeaderWorkerSet" in answer.failure
    assert "noSuchField" in answer.failure
    assert f"{fresh}/fine" not in answer.failure


def test_check_mode_without_the_platform(lab: Lab, fresh: str) -> None:
    """The Dynamo operator is not there, as before the first run of site.yml."""
    assert "dynamographdeployments" not in served(lab)
    answer = roll(lab, workload(fresh), check=True, workload_api="dynamo")
    assert answer.failure is None
    objects = answer.result["workloads"][0]["objects"]
    assert ("DynamoGraphDeployment", "would_create", False) in [
        (entry["kind"], entry["action"], entry["validated"]) for entry in objects
    ]
    real = roll(lab, workload(fresh), workload_api="dynamo")
    assert real.failure is not None
    assert "does not serve DynamoGraphDeployment" in real.failure


def test_the_module(gang_lab: Lab, fresh: str) -> None:
    options = {
        "workloads": [workload(fresh)],
        "orchestrator": "lws",
        "workload_api": "native",
        "machines": [{"name": "m0", "gpu_count": 8}],
    }
    argv = [sys.executable, "-m", "ansible", "adhoc", "-i", "localhost,", "-c", "local"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    argv += ["-m", "dynamo.multinode.workload", "-a", json.dumps(options), "localhost"]
    env = {**gang_lab.env(), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
    env["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert " => " in done.stdout, done.stdout + done.stderr
    found = json.JSONDecoder().raw_decode(done.stdout.split(" => ", 1)[1])[0]
    assert [(entry["action"], entry["ready"]) for entry in found["workloads"]] == [("created", True)], found
    assert found["plan"]["workloads"][0]["demand"] == 2
