# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Causes on Grove and KAI that no recording shows: a recorded moment with one thing changed."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Workload

from tests.unit.plugins.module_utils.recorded import Row, fleet, table

WAITING = "06-compete/004-second-waiting/second"
READY = "01-vllm-tp16-v1beta1/004-ready/qwen-tp16"
SCALED = "grove-main/07-update-scale/013-r2-ready/qwen2"
NATIVE = "grove-main/25-native-podcliqueset/002-ready/llm"
KINDS = {
    "pods": live.POD,
    "groups": live.KAI_POD_GROUP,
    "queues": live.KAI_QUEUE,
    "gangs": live.POD_GANG,
    "sets": live.POD_CLIQUE_SET,
    "roots": live.DYNAMO_DEPLOYMENT,
    "parts": live.DEPLOYMENT,
    "nodes": live.NODE,
    "classes": live.PRIORITY_CLASS,
}


class Moment:
    """A recorded snapshot whose objects may be changed before it is explained."""

    def __init__(self, name: str) -> None:
        self.row: Row = next(row for row in table() if str(row) == name)
        seen = self.row.snapshot()
        self.objects: dict[live.Kind, list[Any]] = {
            kind: copy.deepcopy(list(items)) for kind, items in seen.objects.items()
        }
        self.plan = self.row.plan()

    def __getattr__(self, name: str) -> list[Any]:
        return self.objects[KINDS[name]]

    def of(self, name: str, part: str = "") -> list[Any]:
        """The objects of a kind whose names have a part."""
        return [item for item in self.objects[KINDS[name]] if part in item["metadata"]["name"]]

    def seen(self) -> live.Snapshot:
        return live.Snapshot({kind: tuple(items) for kind, items in self.objects.items()})

    def cause(self) -> Diagnosis:
        return explain(self.plan, self.seen())


def running(name: str, image: str, available: int | None) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "system"},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
        "status": {"availableReplicas": available} if available else {},
    }


GROVE = "ghcr.io/ai-dynamo/grove/grove-operator:v0.1.0-alpha.12"
KAI = "ghcr.io/kai-scheduler/kai-scheduler/scheduler:v0.17.0"


def unplaced(moment: Moment) -> None:
    """As if nobody had looked at the pods yet."""
    for pod in moment.of("pods", "second"):
        pod["status"]["conditions"][0].update(reason="SchedulingGated", message="")
    for group in moment.of("groups", "second"):
        group["status"].pop("schedulingConditions")


def test_f80_a_gate_names_gang_condition_and_version() -> None:
    moment = Moment(WAITING)
    unplaced(moment)
    for pod in moment.of("pods", "second-0-decode"):
        pod["spec"]["schedulingGates"] = [{"name": "grove.io/podgang-pending-creation"}]
    moment.parts.append(running("grove-operator", GROVE, 1))
    found = moment.cause()
    assert found.details["id"] == "MN-F80"
    assert "gate grove.io/podgang-pending-creation; PodGang second-0 is Initialized=True" in found.cause
    assert found.cause.endswith("Grove v0.1.0-alpha.12")
    assert "MN-F27" in found.remedy


def test_f80_a_gang_that_was_never_made() -> None:
    moment = Moment(WAITING)
    moment.objects[live.POD_GANG] = []
    moment.parts.append(running("grove-operator", GROVE.replace("12", "14"), 1))
    for pod in moment.of("pods", "second-0-decode"):
        pod["spec"]["schedulingGates"] = [{"name": "grove.io/podgang-pending-creation"}]
        pod["metadata"]["labels"]["grove.io/base-podgang"] = "base-0"
    found = moment.cause()
    assert "PodGang second-0 does not exist; it comes after its base gang base-0; Grove v0.1.0-alpha.14" in found.cause
    assert "MN-F27" not in found.remedy


def test_f81_kai_is_down_and_nothing_says_so() -> None:
    moment = Moment(WAITING)
    unplaced(moment)
    moment.parts.append(running("kai-scheduler-default", KAI, None))
    found = moment.cause()
    assert (found.details["id"], "system/kai-scheduler-default not available" in found.cause) == ("MN-F81", True)


def test_f81_kai_that_wrote_why_is_not_blamed() -> None:
    moment = Moment(WAITING)
    moment.parts.append(running("kai-scheduler-default", KAI, None))
    assert moment.cause().details["id"] == "MN-F83"


def test_f81_the_operator_made_nothing() -> None:
    moment = Moment(READY)
    moment.objects[live.POD_CLIQUE_SET] = []
    moment.objects[live.POD] = []
    moment.roots[0]["status"] = {}
    moment.parts.append(running("dynamo-operator", "nvcr.io/nvidia/ai-dynamo/kubernetes-operator:1.5.0", None))
    found = moment.cause()
    assert found.details["id"] == "MN-F81"
    assert "the Dynamo operator has made no PodCliqueSet of s01/qwen-tp16: system/dynamo-operator not available" in (
        found.cause
    )


def test_f81_grove_made_no_pods() -> None:
    moment = Moment(READY)
    moment.objects[live.POD] = []
    moment.roots[0]["status"]["conditions"][0]["status"] = "False"
    moment.sets[0]["status"] = {"lastErrors": [{"description": "cannot create PodClique: quota"}]}
    found = moment.cause()
    assert (found.details["id"], "cannot create PodClique: quota" in found.cause) == ("MN-F81", True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda queues: queues.clear(), "KAI queue dynamo does not exist (there is none)"),
        (
            lambda queues: queues[0]["status"].update(childQueues=["a", "b"]),
            "KAI queue dynamo has queues below it (a, b)",
        ),
        (lambda queues: queues.pop(), "KAI queue dynamo names the parent dynamo-default, which does not exist"),
    ],
)
def test_f23_queues_that_take_no_gang(change: Any, said: str) -> None:
    moment = Moment(WAITING)
    change(moment.queues)
    found = moment.cause()
    assert (found.details["id"], said in found.cause) == ("MN-F23", True), found.cause


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("QueueDoesNotExist: queue dynamo is not in node pool default", "MN-F24"),
        ("NonPreemptibleOverQuota: workload requested 16 GPUs, but dynamo quota is 0 GPUs", "MN-F25"),
        ("OverLimit: dynamo quota has reached the allowable limit of GPUs", "MN-F25"),
        ("no nodes with enough resources were found: 4 node(s) didn't have enough resources: memory", "MN-F83"),
        (
            "topology racks, requirement topology.kubernetes.io/rack couldn't be satisfied for job <s06/second>, "
            "subgroup second-0-decode-0: 4 node(s) didn't have enough resources: memory",
            "MN-F83",
        ),
        ("Resources were not found for pod s06/topology-test-0-decode due to: 4 node(s) didn't match", "MN-F83"),
        ("Requested topology racks-ext does not exist", "MN-F56"),
    ],
)
def test_what_kai_says_where_machines_are_free(said: str, number: str) -> None:
    moment = Moment(WAITING)
    moment.objects[live.POD] = moment.of("pods", "second")
    moment.of("groups", "second")[0]["status"]["schedulingConditions"][0]["message"] = f"PodSchedulingErrors: {said}."
    found = moment.cause()
    assert (found.details["id"], said in found.cause) == (number, True), found.cause


def test_f83_a_domain_without_memory_is_no_matter_of_the_binding() -> None:
    moment = Moment(WAITING)
    moment.objects[live.POD] = moment.of("pods", "second")
    said = "topology racks, requirement rack couldn't be satisfied for job <s06/second>: 4 node(s) lack memory"
    moment.of("groups", "second")[0]["status"]["schedulingConditions"][0]["message"] = f"PodSchedulingErrors: {said}."
    assert moment.cause().remedy.startswith("no domain of that level has what the ranks ask besides GPUs")


def evicted() -> Moment:
    """``second`` ran before ``first`` came with a higher class."""
    moment = Moment(WAITING)
    first, second = moment.of("groups", "first")[0], moment.of("groups", "second")[0]
    second["metadata"]["annotations"]["kai.scheduler/last-start-timestamp"] = "2026-11-23T14:00:00Z"
    first["spec"]["priorityClassName"] = "inference"
    return moment


def test_f94_a_higher_priority_took_the_whole_gang_away() -> None:
    found = evicted().cause()
    assert found.details["id"] == "MN-F94"
    assert "ran since 2026-11-23T14:00:00Z and was evicted for PodGroup s06/pg-first-0-" in found.cause
    assert "priority class inference is above its own (train)" in found.cause


def test_f94_values_of_classes_are_the_clusters_own() -> None:
    moment = evicted()
    moment.classes.extend(
        {"metadata": {"name": name}, "value": value} for name, value in (("inference", 10), ("train", 50))
    )
    assert moment.cause().details["id"] == "MN-F83"


def test_f94_a_gang_that_never_ran_was_not_evicted() -> None:
    moment = evicted()
    del moment.of("groups", "second")[0]["metadata"]["annotations"]["kai.scheduler/last-start-timestamp"]
    assert moment.cause().details["id"] == "MN-F83"


def test_f88_a_pod_group_that_vanished() -> None:
    moment = Moment(WAITING)
    moment.objects[live.KAI_POD_GROUP] = []
    found = moment.cause()
    assert found.details["id"] == "MN-F88"
    assert "name PodGroup pg-second-0-" in found.cause
    assert found.cause.endswith("which does not exist")


def test_f104_a_rolling_update_that_sticks() -> None:
    moment = Moment(READY)
    moment.roots[0]["status"]["conditions"][0].update(status="False", reason="updating", message="decode: updated=0")
    moment.sets[0]["status"].update(updateProgress={"updateStartedAt": "2026-11-23T15:00:00Z"}, updatedReplicas=0)
    found = moment.cause()
    assert found.details["id"] == "MN-F104"
    assert "began it at 2026-11-23T15:00:00Z and has updated 0 of 1 replicas" in found.cause


@pytest.mark.parametrize(
    ("reason", "message", "number"),
    [
        ("selected_workload_provider_unavailable", "grove is disabled", "MN-F102"),
        ("failed_to_reconcile_the_resources", "container Args cannot be empty for LWS pod", "MN-F13"),
        ("failed_to_reconcile_the_resources", "something that nobody has met yet", "MN-F90"),
        (
            "failed_to_reconcile_the_resources",
            "denied: spec.components[1].multinode.nodeCount: Invalid value: 3: field is immutable",
            "MN-F10",
        ),
    ],
)
def test_what_the_operator_refuses(reason: str, message: str, number: str) -> None:
    moment = Moment(READY)
    moment.roots[0]["status"].update(
        state="failed", conditions=[{"type": "Ready", "status": "False", "reason": reason, "message": message}]
    )
    found = moment.cause()
    assert found.details["id"] == number
    assert found.details["seen"] == message


def test_f90_a_deployment_that_was_never_applied() -> None:
    moment = Moment(READY)
    moment.objects[live.DYNAMO_DEPLOYMENT] = []
    assert moment.cause().cause == "DynamoGraphDeployment s01/qwen-tp16 does not exist"


def test_f84_a_frontend_that_does_not_come_up() -> None:
    moment = Moment(READY)
    moment.roots[0]["status"]["conditions"][0]["status"] = "False"
    frontend = moment.of("pods", "frontend")[0]
    frontend["status"].update(
        conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[{"name": "main", "image": "x:1", "state": {"waiting": {"reason": "ErrImagePull"}}}],
    )
    found = moment.cause()
    assert found.details["id"] == "MN-F84"
    assert found.cause.startswith("s01/qwen-tp16 Frontend pod 0: rank 0 (qwen-tp16-0-frontend-")
    assert "image x:1 cannot be pulled" in found.cause


def test_an_engine_that_waits_hides_its_frontend() -> None:
    """On Grove the gang is the whole deployment: the frontend waits because the workers do (observed.md 9)."""
    found = Moment(WAITING).cause()
    assert found.details["waiting"] == ["s06/second decode engine 0"]


def test_a_set_that_was_scaled_has_a_gang_per_further_engine() -> None:
    moment = Moment(SCALED)
    engines = placement(fleet(moment.plan), moment.seen())
    assert [one["gang"]["name"] for one in engines] == ["qwen2-0", "qwen2-0-decode-0"]
    assert [one["gang"]["min_member"] for one in engines] == [2, 2]


def test_f82_a_gang_that_asks_for_a_part_of_the_engine() -> None:
    """Dynamo before 1.1 made worker cliques with minAvailable 1 (dynamo #7811)."""
    moment = Moment("grove-main/04-not-enough-gpus/007-four-nodes/qwen-tp32")
    for part in moment.groups[0]["spec"]["subGroups"]:
        part["minMember"] = 1
    engine = placement(fleet(moment.plan), moment.seen())[0]
    assert engine["gang"]["honoured"] is False
    assert "asks for 2 of the engine's 4 ranks at once" in engine["gang"]["why"]
    assert [problem["id"] for problem in engine["problems"]] == ["MN-F82"]


def test_f108_ranks_in_two_pod_groups_are_no_proof_of_a_gang() -> None:
    moment = Moment("grove-main/00b-upgrade-workaround/006-stuck/up")
    moment.of("pods", "wkr")[0]["spec"]["nodeName"] = "gpu-node-1"
    gang = placement(fleet(moment.plan), moment.seen())[0]["gang"]
    assert gang["honoured"] is None
    assert gang["why"].startswith("its ranks are in 2 PodGroups: pg-up-0-")


@pytest.mark.parametrize(
    ("at", "old"),
    [
        ("00-upgrade-in-place/008-old-worker-replaced", "up-0-decode-0-decode-ldr-2jntg up-0-frontend-29g29"),
        ("00b-upgrade-workaround/006-stuck", "up-0-decode-0-decode-ldr-plktc up-0-frontend-24rs7"),
    ],
)
def test_f108_the_cure_names_every_old_pod_of_the_gang(at: str, old: str) -> None:
    """The frontend's too, and none of an engine that came after the upgrade: word for word the recorded command."""
    moment = Moment(f"grove-main/{at}/up")
    told = moment.cause()
    assert told.details["id"] == "MN-F108"
    assert f" {old} --overwrite pod-group-name=up-0 kai.scheduler/skip-podgrouper=true" in told.remedy


@pytest.mark.parametrize("first", [True, False])
def test_a_rank_that_is_replaced_is_the_pod_that_stays(first: bool) -> None:
    moment = Moment(READY)
    old = copy.deepcopy(moment.of("pods", "wkr")[0])
    old["metadata"].update(name="old-wkr", deletionTimestamp="2026-11-23T15:00:00Z")
    moment.pods.insert(0 if first else len(moment.pods), old)
    engine = placement(fleet(moment.plan), moment.seen())[0]
    assert engine["ready"] is True
    assert [rank["phase"] for rank in engine["ranks"]] == ["Running", "Running"]


def test_f92_pod_groups_that_may_not_be_read() -> None:
    moment = Moment(READY)
    del moment.objects[live.KAI_POD_GROUP]
    engine = placement(fleet(moment.plan), moment.seen())[0]
    assert (engine["gang"]["honoured"], engine["gang"]["why"]) == (None, "PodGroup objects were not read")


def test_f109_ready_pods_of_a_machine_that_is_gone_are_not_ready() -> None:
    moment = Moment(READY)
    moment.nodes.pop(1)
    engine = placement(fleet(moment.plan), moment.seen())[0]
    assert engine["ready"] is False
    assert moment.cause().details["id"] == "MN-F109"


def test_native_pod_clique_set_that_does_not_exist() -> None:
    moment = Moment(NATIVE)
    moment.objects[live.POD_CLIQUE_SET] = []
    moment.objects[live.POD] = []
    assert moment.cause().cause.endswith("PodCliqueSet exp3/llm does not exist")


def test_native_pod_clique_set_says_when_it_is_late() -> None:
    moment = Moment(NATIVE)
    moment.sets[0]["status"]["availableReplicas"] = 0
    found = moment.cause()
    assert found.details["id"] is None
    assert "PodCliqueSet llm does not say so yet: 0 of 1 replicas available" in found.cause


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (READY, {"DynamoGraphDeployment", "PodCliqueSet", "PodGang", "PodGroup", "Queue"}),
        (NATIVE, {"PodCliqueSet", "PodGang", "PodGroup", "Queue"}),
        (
            "10c-lws-volcano-scheduler/003-ready/vol-tp16",
            {"DynamoGraphDeployment", "LeaderWorkerSet", "PodGroup", "Queue"},
        ),
    ],
)
def test_only_what_tells_about_the_target_is_read(name: str, kinds: set[str]) -> None:
    plan = Moment(name).plan
    assert isinstance(plan.workload, Workload)
    found = live.kinds_of([plan, dataclasses.replace(plan)])
    assert {kind.kind for kind in found} == kinds
    groups = {kind.api_version.split("/")[0] for kind in found if kind.kind == "PodGroup"}
    assert groups == ({"scheduling.volcano.sh"} if "lws" in name else {"scheduling.run.ai"})
