# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError

from tests.unit.plugins.module_utils.recorded import (
    engine_objects,
    event,
    lws,
    node,
    pod,
    queue,
    recorded,
    snapshot,
    workload,
)

NODES = [node(f"n{i}", rack=f"r{i // 2}") for i in range(4)]
RACK = "topology.kubernetes.io/rack"
PACKED = {
    "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": RACK}]}},
}


def waiting(name: str, size: int, **options: Any) -> list[dict[str, Any]]:
    """An engine that Volcano has looked at and not placed."""
    objects = engine_objects(name, [None] * size, phase="Pending", **options)
    for item in objects[:-1]:
        item["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "False", "message": "pod group is not ready"}
        ]
    return [lws(name), *objects]


def holder(name: str, on: str, gpus: int = 8, namespace: str = "other") -> dict[str, Any]:
    return pod(name, namespace=namespace, on=on, gpus=gpus, lws=name)


# -- recordings of the real LWS and Volcano ----------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["03a-gang-size4-2free-limits-only", "03b-gang-size4-2free-requests"])
def test_f83_recording_four_machines_wanted_two_free(scenario: str) -> None:
    namespace = "gang-" + scenario[2]
    plan = workload("big", namespace=namespace, node_count=4, lws_name="big")
    found = explain(plan, recorded(f"{scenario}/003-blocked.json"))
    assert found.details["id"] == "MN-F83"
    assert found.cause == (
        f"{namespace}/big worker engine 0: needs 1 engine x 4 machines x 8 = 32 H100 GPUs, 0 of 1 placed; the next "
        "wants 4 machines with 8 free GPUs each; there are 2; "
        + (
            "16 of 32 GPUs are free (by rack: r0 16, r1 0), "
            if "3a" in scenario
            else "16 of 32 GPUs are free (by rack: r0 8, r1 8), "
        )
        + f"held by {namespace}/holder 16"
    )
    assert found.remedy == (
        "free 2 machines with 8 GPUs each in the cluster by stopping what holds them, "
        "or make an engine of worker smaller"
    )
    assert found.details["free"] == {"gpus": 16, "of": 32, "rooms": [{"domain": "", "machines": 2, "free_gpus": 16}]}
    assert found.details["held_by"] == [{"owner": f"{namespace}/holder", "gpus": 16}]


def test_f35_recording_the_default_scheduler_placed_half() -> None:
    found = explain(
        workload("big", namespace="partial", node_count=4, lws_name="big", scheduler="default"),
        recorded("04a-default-scheduler-partial/003-partial.json"),
    )
    assert found.details["id"] == "MN-F35"
    assert "default-scheduler placed 2 of 4 ranks" in found.cause
    assert "0 of 16 GPUs are free" in found.cause


def test_f81_recording_volcano_is_down_only_a_leader_exists() -> None:
    found = explain(
        workload("x", namespace="voldown", lws_name="x"), recorded("04b-volcano-down/002-volcano-down.json")
    )
    assert found.details["id"] == "MN-F81"
    assert "only its leader pod exists" in found.cause


def test_f81_recording_the_scheduler_alone_is_down() -> None:
    found = explain(
        workload("x", namespace="voldown", lws_name="x"),
        recorded("04b-volcano-down/003-admission-back-scheduler-down.json"),
    )
    assert found.details["id"] == "MN-F81"
    assert "scheduler has not looked at PodGroup x-0-54b84f4895" in found.cause


def test_f34_recording_the_queue_is_missing_and_nothing_says_so() -> None:
    found = explain(workload("nosuch", namespace="qns", lws_name="nosuch"), recorded("05-queue-missing/002-stuck.json"))
    assert found.details["id"] == "MN-F34"
    assert "Volcano queue nosuch does not exist (there is default)" in found.cause


def test_f88_recording_an_engine_of_one_machine_lost_its_pod_group() -> None:
    found = explain(
        workload("sc", namespace="scale", node_count=1, lws_name="sc"),
        recorded("07-scale-2-3-delete/010-pod-deleted.json"),
    )
    assert found.details["id"] == "MN-F88"
    assert "LWS does not make it again for an engine of one machine" in found.cause


def test_f18_recording_exclusive_topology_and_volcano_wait_for_each_other() -> None:
    found = explain(
        workload("excl", namespace="topo", replicas=2, lws_name="excl"),
        recorded("06-hypernode-topology/014-exclusive-topology.json"),
    )
    assert found.details["id"] == "MN-F18"


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("01-lws-volcano-r2s2/003-available.json", {"name": "llm", "namespace": "llm", "replicas": 2}),
        ("04b-volcano-down/004-all-back.json", {"name": "x", "namespace": "voldown"}),
        ("05-queue-missing/005-queue-created.json", {"name": "nosuch", "namespace": "qns"}),
    ],
)
def test_recording_warnings_of_a_gang_that_was_bound_are_no_failure(name: str, plan: dict[str, Any]) -> None:
    found = explain(workload(lws_name=plan["name"], **plan), recorded(name))
    assert (found.details["id"], found.details["waiting"]) == (None, [])


# -- room for a gang ---------------------------------------------------------------------------------------------


def test_f83_a_packed_engine_counts_each_rack() -> None:
    seen = snapshot(
        *NODES,
        queue(),
        *waiting("llama-worker", 2, **PACKED),
        holder("a", "n0"),
        holder("b", "n2", gpus=4),
    )
    found = explain(workload(replicas=2, pack="rack"), seen)
    assert "needs 2 engines x 2 machines x 8 = 32 H100 GPUs, 0 of 2 placed" in found.cause
    assert "the next wants 2 machines with 8 free GPUs each in one rack; rack r0 has 1, rack r1 has 1" in found.cause
    assert "20 of 32 GPUs are free (by rack: r1 12, r0 8), held by other/a 8, other/b 4" in found.cause
    assert found.remedy == (
        "free 1 machine with 8 GPUs in one rack by stopping what holds them, or make an engine of worker smaller"
    )
    assert found.details["needed"]["domain"] == "rack"


def test_f83_what_could_never_fit_is_said() -> None:
    seen = snapshot(*NODES, queue(), *waiting("llama-worker", 3, **PACKED))
    found = explain(workload(node_count=3, pack="rack"), seen)
    assert found.remedy.startswith("even empty, one rack holds at most 2 such machines")
    seen = snapshot(
        *NODES,
        queue(),
        *engine_objects("llama-worker", ["n0", "n1"]),
        *engine_objects("llama-worker", ["n2", "n3"], group=1),
        *waiting("llama-worker", 2, group=2),
    )
    found = explain(workload(replicas=3), seen)
    assert "2 of 3 placed" in found.cause
    assert found.remedy == "even empty, the cluster holds 2 such engines: set replicas of worker to 2, or add machines"
    assert found.details["waiting"] == ["inference/llama worker engine 2"]


def test_f83_two_ranks_may_share_a_machine_where_spread_is_off() -> None:
    seen = snapshot(NODES[0], queue(), *waiting("llama-worker", 2, gpus=4))
    plan = workload(gpus=4, spread=False)
    assert "the scheduler says" in explain(plan, seen).cause
    assert "there is 1; 8 of 8" in explain(workload(gpus=4), seen).cause


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (node("n1", ready=False), "n1 is not Ready"),
        (node("n1", unschedulable=True), "n1 is cordoned"),
        (
            node("n1", taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}]),
            "n1 has the taint team=x:NoSchedule",
        ),
    ],
)
def test_f83_machines_that_refuse_are_named(bad: dict[str, Any], reason: str) -> None:
    found = explain(workload(), snapshot(NODES[0], bad, queue(), *waiting("llama-worker", 2)))
    assert f"not usable: {reason}" in found.cause
    assert found.remedy.startswith("make the unusable machines usable")


def test_selectors_and_tolerations_decide_which_machines_count() -> None:
    tainted = node("n1", taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}])
    tolerant = {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}
    seen = snapshot(NODES[0], tainted, queue(), *waiting("llama-worker", 2, **tolerant))
    assert "the scheduler says" in explain(workload(), seen).cause
    selective = {"nodeSelector": {"nvidia.com/gpu.product": "B200"}}
    seen = snapshot(NODES[0], NODES[1], queue(), *waiting("llama-worker", 2, **selective))
    assert "n0, n1 lacks the label nvidia.com/gpu.product=B200" in explain(workload(), seen).cause


def test_a_tenant_who_may_not_see_other_pods_is_told_what_was_counted() -> None:
    seen = snapshot(*NODES, queue(), *waiting("llama-worker", 5), partial={live.POD: "forbidden"})
    assert "counting only the pods of this namespace" in explain(workload(node_count=5), seen).cause


def test_the_scheduler_is_quoted_where_there_is_room() -> None:
    objects = waiting("llama-worker", 2)
    seen = snapshot(
        *NODES,
        queue(),
        *objects,
        event("llama-worker-0", "FailedScheduling", "0/4 nodes are unavailable: 4 Insufficient memory."),
        event("llama-worker-0", "FailedScheduling", "0/2 tasks in gang unschedulable: pod group is ready"),
    )
    assert "0/4 nodes are unavailable: 4 Insufficient memory." in explain(workload(), seen).cause


def test_the_warning_about_a_gang_that_was_bound_is_never_quoted() -> None:
    objects = waiting("llama-worker", 2)
    for item in objects[1:-1]:
        item["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "message": "0/2 tasks in gang unschedulable: pod group is ready",
            }
        ]
    assert explain(workload(), snapshot(*NODES, queue(), *objects)).cause.endswith("the scheduler says: nothing")


def test_finished_pods_hold_nothing_and_sidecars_do() -> None:
    done = pod("job", namespace="other", on="n0")
    done["status"]["phase"] = "Succeeded"
    helped = pod("helped", namespace="other", on="n1", gpus=1)
    helped["spec"]["initContainers"] = [
        {"name": "sidecar", "restartPolicy": "Always", "resources": {"limits": {"nvidia.com/gpu": "2"}}},
        {"name": "init", "resources": {"limits": {"nvidia.com/gpu": "2"}}},
    ]
    found = explain(workload(), snapshot(NODES[0], NODES[1], queue(), *waiting("llama-worker", 2), done, helped))
    assert "13 of 16 GPUs are free, held by other/helped 3" in found.cause


# -- queues, gates, machines, containers -----------------------------------------------------------------------


def test_f34_a_closed_queue() -> None:
    seen = snapshot(*NODES, queue(state="Closed"), *waiting("llama-worker", 2))
    assert "queue default is Closed" in explain(workload(), seen).cause


def test_f34_a_queue_whose_capability_is_used_up() -> None:
    seen = snapshot(*NODES, queue(capability=24, used=16), *waiting("llama-worker", 2))
    assert "needs 16 GPUs, and Volcano queue default has 8 of 24 left" in explain(workload(), seen).cause


def test_f34_quantities_are_read_as_kubernetes_writes_them() -> None:
    full = queue(capability=2000)
    full["status"]["allocated"] = {"nvidia.com/gpu": "2k"}
    seen = snapshot(*NODES, full, *waiting("llama-worker", 2))
    assert "Volcano queue default has 0 of 2000 left" in explain(workload(), seen).cause
    full["status"]["allocated"] = {"nvidia.com/gpu": "1k"}
    assert explain(workload(), seen).details["id"] == "MN-F83"


def evict(name: str, why: str, at: str) -> dict[str, Any]:
    """As Volcano writes it about a pod that it deletes (pkg/scheduler/cache/cache.go)."""
    made = event(name, "Evict", f"Pod is evicted, because of {why}")
    made["involvedObject"]["uid"] = "of the pod before"
    made["lastTimestamp"] = at
    return made


def bound(at: str) -> dict[str, Any]:
    made = event("llama-worker-0", "Scheduled", "Successfully assigned inference/llama-worker-0 to n0")
    made["lastTimestamp"] = at
    return made


def test_f94_volcano_preempted_the_gang_for_one_of_higher_priority() -> None:
    above = engine_objects("urgent", ["n0", "n1"], namespace="other", priority=1000)
    old = [bound("2026-01-01T00:10:00Z"), evict("llama-worker-0-1", "preempt", "2026-01-01T00:20:00Z")]
    found = explain(workload(), snapshot(*NODES[:2], queue(), *waiting("llama-worker", 2), *above, *old))
    assert found.details["id"] == "MN-F94"
    assert found.cause == (
        "inference/llama worker engine 0: its gang ran and was evicted at 2026-01-01T00:20:00Z; Volcano says: Pod is "
        "evicted, because of preempt; gangs of higher priority that run: other/urgent-0-rev"
    )
    assert found.details["evicted_by"] == ["other/urgent-0-rev"]


def test_f94_another_queue_took_its_share_back() -> None:
    taken = evict("llama-worker-0", "reclaim", "2026-01-01T00:20:00Z")
    found = explain(workload(), snapshot(*NODES, queue(), *waiting("llama-worker", 2), taken))
    assert found.details["id"] == "MN-F94"
    assert "queue default had more than it deserves" in found.cause


@pytest.mark.parametrize("since", ["bound again", "made anew"])
def test_f94_an_eviction_that_is_over_is_no_cause(since: str) -> None:
    objects = waiting("llama-worker", 2)
    if since == "made anew":
        objects[0]["metadata"]["creationTimestamp"] = "2026-01-01T00:30:00Z"
    else:
        objects.append(bound("2026-01-01T00:30:00Z"))
    old = evict("llama-worker-0", "preempt", "2026-01-01T00:20:00Z")
    assert explain(workload(), snapshot(*NODES, queue(), *objects, old)).details["id"] == "MN-F83"


def owned(objects: list[dict[str, Any]], kind: str, name: str, uid: str) -> list[dict[str, Any]]:
    """The engine's PodGroup, with an owner."""
    objects[-1]["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "uid": uid, "controller": True}]
    return objects


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        (("Pod", "llama-worker-0", "before"), "belongs to an earlier Pod llama-worker-0, with which it is about"),
        (("StatefulSet", "llama-worker", "set"), "belongs to StatefulSet llama-worker, not to its leader pod"),
    ],
)
def test_f88_a_pod_group_that_is_not_the_leaders(owner: tuple[str, str, str], said: str) -> None:
    found = explain(workload(), snapshot(*NODES, queue(), *owned(waiting("llama-worker", 2), *owner)))
    assert (found.details["id"], said in found.cause) == ("MN-F88", True), found.cause


@pytest.mark.parametrize("left", ["the earlier leader's", "none"])
def test_f88_what_was_evicted_and_came_back_without_its_pod_group(left: str) -> None:
    objects = owned(waiting("llama-worker", 2), "Pod", "llama-worker-0", "before")
    if left == "none":
        objects.pop()
    old = evict("llama-worker-0", "preempt", "2026-01-01T00:20:00Z")
    found = explain(workload(), snapshot(*NODES, queue(), *objects, old))
    assert found.details["id"] == "MN-F88"
    assert "its gang ran and was evicted at 2026-01-01T00:20:00Z (Volcano says: Pod is evicted" in found.cause
    assert ("wait for a PodGroup that does not exist" in found.cause) == (left == "none")
    assert ("delete its leader pod llama-worker-0: LWS makes" in found.remedy) == (left == "none")


def test_f88_two_pod_groups_for_one_engine() -> None:
    objects = waiting("llama-worker", 2)
    objects[2]["metadata"]["annotations"]["scheduling.k8s.io/group-name"] = "podgroup-1234"
    found = explain(workload(), snapshot(*NODES, queue(), *objects))
    assert found.details["id"] == "MN-F88"
    assert "its ranks name 2 PodGroups (llama-worker-0-rev, podgroup-1234)" in found.cause


def test_f88_the_leaders_own_pod_group_is_as_it_should_be() -> None:
    mine = owned(waiting("llama-worker", 2), "Pod", "llama-worker-0", "uid-llama-worker-0")
    assert explain(workload(), snapshot(*NODES, queue(), *mine)).details["id"] == "MN-F83"


def test_f80_scheduling_gates() -> None:
    gated = waiting("llama-worker", 2, schedulingGates=[{"name": "example.org/hold"}])
    found = explain(workload(), snapshot(*NODES, queue(), *gated))
    assert (found.details["id"], "example.org/hold" in found.cause) == ("MN-F80", True)


def test_f90_nothing_was_applied() -> None:
    found = explain(workload(), snapshot(*NODES, queue()))
    assert "LeaderWorkerSet inference/llama-worker does not exist" in found.cause


def test_f51_a_quota_refuses_the_pods() -> None:
    refused = event("llama-worker", "FailedCreate", "pods is forbidden: exceeded quota: gpus")
    found = explain(workload(), snapshot(*NODES, queue(), lws("llama-worker"), refused))
    assert (found.details["id"], "exceeded quota: gpus" in found.cause) == ("MN-F51", True)


def lonely_leader(**meta: Any) -> dict[str, Any]:
    """Volcano is down: LWS's leader alone is there."""
    made = pod("llama-worker-0", lws="llama-worker", ready=False)
    made["metadata"].update(meta)
    return made


def test_f81_what_was_refused_before_hides_nothing() -> None:
    """LWS uses its names again, and events stay for an hour."""
    made = "2026-01-01T02:00:00Z"
    old = event("llama-worker", "FailedCreate", "exceeded quota: gpus")
    workers = event("llama-worker-0", "FailedCreate", "exceeded quota: gpus")
    for lone, refused in (
        (lonely_leader(), old),  # its leader was made all the same
        (lonely_leader(creationTimestamp=made), workers),  # the workers' StatefulSet of an earlier leader
    ):
        found = explain(workload(), snapshot(*NODES, queue(), lws("llama-worker"), lone, refused))
        assert found.details["id"] == "MN-F81", found.cause
    owner = {**lws("llama-worker"), "status": {}}
    owner["metadata"]["creationTimestamp"] = made
    found = explain(workload(), snapshot(*NODES, queue(), owner, old))
    assert "the LWS controller has not acted on LeaderWorkerSet inference/llama-worker" in found.cause


def test_f51_the_events_of_another_stateful_set_of_that_name_do_not_count() -> None:
    worker = pod("llama-worker-0-2", lws="llama-worker", rank=2, ready=False)
    worker["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "llama-worker-0", "uid": "new"}]
    refused = event("llama-worker-0", "FailedCreate", "exceeded quota: gpus")
    for uid, number in (("old", "MN-F81"), ("new", "MN-F51")):
        refused["involvedObject"].update(kind="StatefulSet", uid=uid)
        seen = snapshot(*NODES, queue(), lws("llama-worker"), lonely_leader(), worker, refused)
        assert explain(workload(node_count=3), seen).details["id"] == number


def test_f51_the_workers_of_a_leader_are_refused() -> None:
    refused = event("llama-worker-0", "FailedCreate", "exceeded quota: gpus")
    refused["metadata"]["creationTimestamp"] = "2026-01-01T02:00:00.123456Z"
    lone = lonely_leader(creationTimestamp="2026-01-01T02:00:00Z")
    found = explain(workload(), snapshot(*NODES, queue(), lws("llama-worker"), lone, refused))
    assert found.details["id"] == "MN-F51"


# -- the Dynamo operator on LWS ----------------------------------------------------------------------------------


def dynamo(*objects: dict[str, Any], replicas: int = 1) -> Diagnosis:
    """The verdict on a DynamoGraphDeployment whose operator makes LeaderWorkerSets."""
    plan = workload(api="dynamographdeployment", replicas=replicas)
    root = {
        "metadata": {"name": "llama", "namespace": "inference", "generation": 1},
        "status": {"state": "pending", "conditions": [{"type": "Ready", "status": "False", "reason": "not_ready"}]},
    }
    seen = snapshot(*NODES, queue(), *objects)
    return explain(plan, dataclasses.replace(seen, objects={**seen.objects, live.DYNAMO_DEPLOYMENT: (root,)}))


def operators_set(**status: Any) -> dict[str, Any]:
    made = lws("llama-worker-7013b678-0")
    made["metadata"]["labels"] = dict(DYNAMO_MARKS)
    made["status"] = status
    return made


DYNAMO_MARKS = {"nvidia.com/dynamo-graph-deployment-name": "llama", "nvidia.com/dynamo-component": "worker"}


def test_f81_the_dynamo_operator_made_no_set() -> None:
    found = dynamo()
    assert found.details["id"] == "MN-F81"
    assert "the Dynamo operator has made no LeaderWorkerSet of its component worker" in found.cause


def test_f81_lws_does_not_act_on_the_operators_set() -> None:
    found = dynamo(operators_set())
    assert found.details["id"] == "MN-F81"
    assert "has not acted on LeaderWorkerSet inference/llama-worker-7013b678-0" in found.cause


def test_f51_the_pods_of_the_operators_set_are_refused() -> None:
    """Of the first engine, and of a second one beside the first."""
    refused = event("llama-worker-7013b678-0", "FailedCreate", "pods is forbidden: exceeded quota: gpus")
    acted = operators_set(conditions=[{"type": "Progressing", "status": "True"}])
    found = dynamo(acted, refused)
    assert (found.details["id"], "exceeded quota: gpus" in found.cause) == ("MN-F51", True)
    first = engine_objects("llama-worker-7013b678-0", ["n0", "n1"])
    for one in first[:-1]:
        one["metadata"]["labels"].update(DYNAMO_MARKS)
    found = dynamo(acted, refused, *first, replicas=2)
    assert (found.details["id"], found.details["engine"]) == ("MN-F51", "inference/llama worker engine 1")


@pytest.mark.parametrize("gone", [True, False])
def test_f109_a_lost_machine(gone: bool) -> None:
    nodes = [NODES[0], *([] if gone else [node("n1", ready=False)])]
    objects = engine_objects("llama-worker", ["n0", "n1"], ready=False)
    found = explain(workload(), snapshot(*nodes, queue(), lws("llama-worker"), *objects))
    assert found.details["id"] == "MN-F109"
    assert f"machine n1 of rank 1 is {'gone' if gone else 'not Ready'}" in found.cause


def test_what_hides_the_rest_comes_first() -> None:
    """Engine 0 is only starting; engine 1 has no room: that is the cause to name."""
    seen = snapshot(
        NODES[0],
        NODES[1],
        queue(),
        lws("llama-worker"),
        *engine_objects("llama-worker", ["n0", "n1"], ready=False),
        *waiting("llama-worker", 2, group=1),
    )
    found = explain(workload(replicas=2), seen)
    assert (found.details["id"], found.details["engine"]) == ("MN-F83", "inference/llama worker engine 1")
    assert len(found.details["waiting"]) == 2


# -- reading -----------------------------------------------------------------------------------------------------


class FakeReader:
    """Answers LISTs from a table; a namespace of None is the whole cluster."""

    def __init__(self, forbidden: set[tuple[str, str | None]]) -> None:
        self.forbidden = forbidden
        self.asked: list[tuple[str, str | None]] = []

    def map(self, fn: Any, items: Any) -> list[Any]:
        return [fn(item) for item in items]

    def list(self, api_version: str, kind: str, namespace: str | None = None, **_: Any) -> list[dict[str, Any]]:
        self.asked.append((kind, namespace))
        if (kind, namespace) in self.forbidden:
            raise ApiError(403, "Forbidden", f"cannot list {kind}")
        return [{"metadata": {"name": "x", "namespace": namespace}}]


def test_one_list_per_kind() -> None:
    reader = FakeReader(set())
    seen = live.read(reader, ["b", "a", "a"])
    assert sorted(reader.asked) == [
        (kind, None) for kind in ("Event", "LeaderWorkerSet", "Node", "Pod", "PodGroup", "Queue")
    ]
    assert not seen.unread
    assert not seen.partial


def test_a_tenant_reads_its_own_namespaces_and_the_rest_is_unknown() -> None:
    reader = FakeReader({("Node", None), ("Queue", None), ("Pod", None)})
    seen = live.read(reader, ["a"])
    assert set(seen.unread) == {live.NODE, live.VOLCANO_QUEUE}
    assert set(seen.partial) == {live.POD}
    assert len(seen.get(live.POD, "a")) == 1
    assert not seen.knows(live.NODE)
    assert "cannot list Node" in seen.why_unknown(live.NODE)


def test_any_other_error_is_raised() -> None:
    class Broken(FakeReader):
        def list(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            raise ApiError(500, "InternalError", "etcd is gone")

    with pytest.raises(ApiError):
        live.read(Broken(set()), ["a"])
