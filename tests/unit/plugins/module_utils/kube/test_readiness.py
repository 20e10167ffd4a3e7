# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One table per kind: the object's state, the verdict."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import may_flap, ready


def obj(api: str, kind: str, spec: Any = None, status: Any = None, generation: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "x", "generation": generation},
        "spec": spec or {},
        "status": status or {},
        **more,
    }


def cond(**types: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status} for kind, status in types.items()]}


def kai_group(requested: str, allocated: str | None) -> dict[str, Any]:
    """As KAI's podgroupcontroller writes it (recordings/04-not-enough-gpus)."""
    resources = {"requested": {"nvidia.com/gpu": requested}}
    if allocated:
        resources["allocated"] = {"nvidia.com/gpu": allocated}
    return {"resourcesStatus": resources}


def kai_conditions(observed: int = 2, **other: str) -> list[dict[str, Any]]:
    kinds = {"Deployed": "True", "Available": "True", "DependenciesFulfilled": "True", **other}
    return [{"type": kind, "status": status, "observedGeneration": observed} for kind, status in kinds.items()]


def in_sync(value: bool) -> dict[str, Any]:
    entry = {"schedulerName": "kai-scheduler", "topologyReference": "x", "inSync": value}
    return {"observedGeneration": 2, "schedulerTopologyStatuses": [entry]}


def sts(rolling: dict[str, int], updated: int) -> dict[str, Any]:
    status = {"readyReplicas": 3, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"}
    spec = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    return obj("apps/v1", "StatefulSet", spec, {"observedGeneration": 2, **status})


def daemon_set(strategy: str) -> dict[str, Any]:
    status = {"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 0}
    return obj("apps/v1", "DaemonSet", {"updateStrategy": {"type": strategy}}, {"observedGeneration": 2, **status})


REFUSED = {
    "schedulingConditions": [
        {
            "type": "UnschedulableOnNodePool",
            "status": "True",
            "message": "Resources were not found",
            "nodePool": "default",
        }
    ]
}
ERROR_OFF = [{"type": "Error", "status": "False"}]
DEPLOYED = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
LWS = ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")
GROUPS = {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}

READY = {
    "deployment": obj("apps/v1", "Deployment", {"replicas": 3}, DEPLOYED),
    "deployment scaled to zero": obj("apps/v1", "Deployment", {"replicas": 0}, {"observedGeneration": 2}),
    "statefulset": obj("apps/v1", "StatefulSet", {"replicas": 1}, {"observedGeneration": 2, "readyReplicas": 1}),
    "daemonset": obj(
        "apps/v1",
        "DaemonSet",
        status={"observedGeneration": 2, "desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 2},
    ),
    "job": obj("batch/v1", "Job", status=cond(Complete="True")),
    "pod": obj("v1", "Pod", status={"phase": "Running", **cond(Ready="True")}),
    "finished pod": obj("v1", "Pod", status={"phase": "Succeeded"}),
    "statefulset updated above its partition": sts({"partition": 2}, updated=1),
    "statefulset whose partition holds all back": sts({"partition": 3}, updated=0),
    "daemonset whose pods somebody deletes": daemon_set("OnDelete"),
    "claim": obj("v1", "PersistentVolumeClaim", status={"phase": "Bound"}),
    "service": obj("v1", "Service", {"type": "ClusterIP"}),
    "namespace": obj("v1", "Namespace", status={"phase": "Active"}),
    "crd": obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        status=cond(Established="True", NamesAccepted="True"),
    ),
    "webhooks": obj(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        webhooks=[{"name": "a", "clientConfig": {"caBundle": "Zg=="}}],
    ),
    "lws": obj(*LWS, {"replicas": 2}, {**GROUPS, **cond(Available="True", UpdateInProgress="False")}),
    "lws scaled to zero": obj(*LWS, {"replicas": 0}, cond(Available="False")),
    "dgd": obj("nvidia.com/v1beta1", "DynamoGraphDeployment", status={"observedGeneration": 2, **cond(Ready="True")}),
    "dgd whose operator counts": obj(
        "nvidia.com/v1beta1",
        "DynamoGraphDeployment",
        spec={"components": [{"name": "decode", "replicas": 2}, {"name": "uncounted"}]},
        status={"observedGeneration": 2, "components": {"decode": {"availableReplicas": 2}}, **cond(Ready="True")},
    ),
    "pcs": obj(
        "grove.io/v1alpha1",
        "PodCliqueSet",
        {"replicas": 1},
        {"observedGeneration": 2, "availableReplicas": 1, "updateProgress": {"updateEndedAt": "now"}},
    ),
    "pcsg": obj("grove.io/v1alpha1", "PodCliqueScalingGroup", {"replicas": 2}, {"availableReplicas": 2}),
    "volcano queue": obj("scheduling.volcano.sh/v1beta1", "Queue", status={"state": "Open"}),
    "volcano podgroup": obj("scheduling.volcano.sh/v1beta1", "PodGroup", status={"phase": "Running"}),
    "kai queue": obj("scheduling.run.ai/v2", "Queue"),
    "cluster policy": obj("nvidia.com/v1", "ClusterPolicy", status={"state": "ready"}),
    "cluster policy without a GPU node": obj(
        "nvidia.com/v1",
        "ClusterPolicy",
        status={
            "state": "ready",
            "conditions": [{"type": "Ready", "status": "True", "reason": "NoGPUNodes"}, *ERROR_OFF],
        },
    ),
    "nvidia driver": obj("nvidia.com/v1alpha1", "NVIDIADriver", status={"state": "ready"}),
    "nic cluster policy": obj(
        "mellanox.com/v1alpha1",
        "NicClusterPolicy",
        status={
            "state": "ready",
            "appliedStates": [
                {"name": "state-OFED", "state": "ready"},
                {"name": "state-ib-kubernetes", "state": "ignore"},
            ],
        },
    ),
    "macvlan network": obj("mellanox.com/v1alpha1", "MacvlanNetwork", status={"state": "ready"}),
    "pclq": obj(
        "grove.io/v1alpha1",
        "PodClique",
        {"replicas": 3, "minAvailable": 3},
        {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "scheduledReplicas": 3, "updatedReplicas": 3}
        | cond(MinAvailableBreached="False", PodCliqueScheduled="True"),
    ),
    "pcsg that was updated": obj(
        "grove.io/v1alpha1",
        "PodCliqueScalingGroup",
        {"replicas": 2},
        {"availableReplicas": 2, "updatedReplicas": 2, "scheduledReplicas": 2, **cond(MinAvailableBreached="False")},
    ),
    "kai podgroup": obj("scheduling.run.ai/v2alpha2", "PodGroup", {"minMember": 3}, kai_group("32", "32")),
    "kai podgroup with an old refusal": obj(
        "scheduling.run.ai/v2alpha2", "PodGroup", {"minMember": 3}, {**kai_group("32", "32"), **REFUSED}
    ),
    "kai config": obj("kai.scheduler/v1", "Config", status={"conditions": kai_conditions()}),
    "kai shard": obj("kai.scheduler/v1", "SchedulingShard", status={"conditions": kai_conditions()}),
    "kai topology": obj("kai.scheduler/v1alpha1", "Topology", {"levels": [{"nodeLabel": "rack"}]}),
    "topology binding": obj(
        "grove.io/v1alpha1",
        "ClusterTopologyBinding",
        {"schedulerTopologyBindings": [{"schedulerName": "kai-scheduler", "topologyReference": "x"}]},
        in_sync(True),
    ),
}

NOT_READY = {
    "deployment that its controller has not seen": obj("apps/v1", "Deployment", {"replicas": 0}),
    "deployment of an old generation": obj(
        "apps/v1", "Deployment", {"replicas": 3}, {**DEPLOYED, "observedGeneration": 1}
    ),
    "deployment with an old pod left": obj("apps/v1", "Deployment", {"replicas": 3}, {**DEPLOYED, "replicas": 4}),
    "deployment that is stuck": obj(
        "apps/v1", "Deployment", {"replicas": 0}, {"observedGeneration": 2, **cond(Progressing="False")}
    ),
    "statefulset in an update above its partition": sts({"partition": 2}, updated=0),
    "statefulset in an update": obj(
        "apps/v1",
        "StatefulSet",
        {"replicas": 1},
        {"observedGeneration": 2, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
    ),
    "daemonset in an update": daemon_set("RollingUpdate"),
    "daemonset": obj(
        "apps/v1", "DaemonSet", status={"observedGeneration": 2, "desiredNumberScheduled": 2, "numberReady": 1}
    ),
    "failed job": obj("batch/v1", "Job", status=cond(Failed="True")),
    "running job": obj("batch/v1", "Job", status={"active": 1}),
    "pod": obj("v1", "Pod", status={"phase": "Running", **cond(Ready="False")}),
    "claim": obj("v1", "PersistentVolumeClaim", status={"phase": "Pending"}),
    "load balancer": obj("v1", "Service", {"type": "LoadBalancer"}),
    "namespace": obj("v1", "Namespace", status={"phase": "Terminating"}),
    "crd whose names are taken": obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        status=cond(Established="True", NamesAccepted="False"),
    ),
    "webhooks": obj(
        "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", webhooks=[{"name": "a", "clientConfig": {}}]
    ),
    "lws without status": obj(*LWS, {"replicas": 2}),
    "lws half ready": obj(*LWS, {"replicas": 2}, {**GROUPS, "readyReplicas": 1, **cond(Available="True")}),
    "lws in an update": obj(*LWS, {"replicas": 2}, {**GROUPS, **cond(Available="True", UpdateInProgress="True")}),
    "lws with old groups": obj(*LWS, {"replicas": 2}, {**GROUPS, "updatedReplicas": 1, **cond(Available="True")}),
    "lws not available": obj(*LWS, {"replicas": 2}, {**GROUPS, **cond(Available="False")}),
    "dgd without status": obj("nvidia.com/v1beta1", "DynamoGraphDeployment"),
    "dgd scaled up from 0, ready by its conditions alone": obj(
        "nvidia.com/v1beta1",
        "DynamoGraphDeployment",
        spec={"components": [{"name": "front"}, {"name": "decode", "replicas": 1}]},
        status={
            "observedGeneration": 2,
            "components": {"front": {"readyReplicas": 1}, "decode": {"availableReplicas": 0}},
            **cond(Ready="True"),
        },
    ),
    "dgd of v1alpha1 scaled up": obj(
        "nvidia.com/v1alpha1",
        "DynamoGraphDeployment",
        spec={"services": {"decode": {"replicas": 2}}},
        status={"observedGeneration": 2, "services": {"decode": {"readyReplicas": 1}}, **cond(Ready="True")},
    ),
    "dgd of an old generation": obj(
        "nvidia.com/v1beta1", "DynamoGraphDeployment", status={"observedGeneration": 1, **cond(Ready="True")}
    ),
    "pcs": obj("grove.io/v1alpha1", "PodCliqueSet", {"replicas": 2}, {"observedGeneration": 2, "availableReplicas": 1}),
    "pcs in an update": obj(
        "grove.io/v1alpha1",
        "PodCliqueSet",
        {"replicas": 1},
        {"observedGeneration": 2, "availableReplicas": 1, "updateProgress": {"updateStartedAt": "now"}},
    ),
    "volcano queue": obj("scheduling.volcano.sh/v1beta1", "Queue", status={"state": "Closing"}),
    "volcano podgroup": obj("scheduling.volcano.sh/v1beta1", "PodGroup", status={"phase": "Inqueue"}),
    "cluster policy": obj("nvidia.com/v1", "ClusterPolicy", status={"state": "notReady"}),
    "cluster policy in error": obj("nvidia.com/v1", "ClusterPolicy", status={"state": "ready", **cond(Error="True")}),
    "nvidia driver": obj("nvidia.com/v1alpha1", "NVIDIADriver", status={"state": "notReady"}),
    "nic cluster policy with a late part": obj(
        "mellanox.com/v1alpha1",
        "NicClusterPolicy",
        status={"state": "ready", "appliedStates": [{"name": "state-OFED", "state": "notReady"}]},
    ),
    "nic cluster policy of another name": obj(
        "mellanox.com/v1alpha1", "NicClusterPolicy", status={"state": "ignore", "reason": "only nic-cluster-policy"}
    ),
    "pclq not scheduled": obj(
        "grove.io/v1alpha1",
        "PodClique",
        {"replicas": 3},
        {"observedGeneration": 2, "readyReplicas": 0, "updatedReplicas": 3, **cond(MinAvailableBreached="True")},
    ),
    "pclq that Grove has not seen": obj("grove.io/v1alpha1", "PodClique", {"replicas": 0}),
    "pcsg with old replicas": obj(
        "grove.io/v1alpha1", "PodCliqueScalingGroup", {"replicas": 2}, {"availableReplicas": 2, "updatedReplicas": 1}
    ),
    "kai podgroup": obj(
        "scheduling.run.ai/v2alpha2", "PodGroup", {"minMember": 3}, {**kai_group("32", None), **REFUSED}
    ),
    "kai podgroup half allocated": obj("scheduling.run.ai/v2alpha2", "PodGroup", status=kai_group("32", "16")),
    "kai podgroup without a word": obj("scheduling.run.ai/v2alpha2", "PodGroup"),
    "kai config without its dependencies": obj(
        "kai.scheduler/v1", "Config", status={"conditions": kai_conditions(DependenciesFulfilled="False")}
    ),
    "kai config of an old generation": obj("kai.scheduler/v1", "Config", status={"conditions": kai_conditions(1)}),
    "kai shard": obj("kai.scheduler/v1", "SchedulingShard", status={"conditions": kai_conditions(Available="False")}),
    "topology binding not in sync": obj(
        "grove.io/v1alpha1",
        "ClusterTopologyBinding",
        {"schedulerTopologyBindings": [{"schedulerName": "kai-scheduler", "topologyReference": "x"}]},
        in_sync(False),
    ),
    "topology binding to another name": obj(
        "grove.io/v1alpha1",
        "ClusterTopologyBinding",
        {"schedulerTopologyBindings": [{"schedulerName": "kai-scheduler", "topologyReference": "racks"}]},
        in_sync(True),
    ),
}


@pytest.mark.parametrize("case", READY)
def test_ready(case: str) -> None:
    verdict = ready(READY[case])
    assert verdict.ready is True, verdict.reason
    assert not verdict.generic


@pytest.mark.parametrize("case", NOT_READY)
def test_not_ready(case: str) -> None:
    verdict = ready(NOT_READY[case])
    assert verdict.ready is False
    assert verdict.reason


@pytest.mark.parametrize("case", READY)
def test_what_is_being_deleted_is_never_ready(case: str) -> None:
    dying = {**READY[case], "metadata": {"name": "x", "deletionTimestamp": "now"}}
    assert ready(dying).ready is False


@pytest.mark.parametrize("case", READY)
def test_a_generation_that_is_not_observed_is_never_ready(case: str) -> None:
    status = {**READY[case]["status"], "observedGeneration": 1}
    assert ready({**READY[case], "status": status}).ready is False


def test_f61_names_that_another_definition_holds_are_told_from_those_not_looked_at_yet() -> None:
    taken = ready(NOT_READY["crd whose names are taken"])
    assert taken.reason.startswith("NamesAccepted is False")
    assert "(MN-F61: another definition holds one of its names" in taken.reason
    new = {**NOT_READY["crd whose names are taken"], "status": {}}
    assert ready(new).reason == "no condition NamesAccepted yet"


def test_a_kind_without_a_rule_is_judged_by_its_conditions_and_said_to_be() -> None:
    known = obj("example.com/v1", "Widget", status=cond(Ready="False"))
    assert (ready(known).ready, ready(known).generic) == (False, True)
    silent = obj("example.com/v1", "Widget")
    assert (ready(silent).ready, ready(silent).generic) == (True, True)


def test_a_condition_of_an_older_generation_does_not_count() -> None:
    stale = {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}
    assert ready(obj("example.com/v1", "Widget", status=stale)).ready is False


SERVICE = {"name": "kai", "namespace": "kai-scheduler"}
HOOKS = obj(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    webhooks=[{"name": "a", "clientConfig": {"caBundle": "Zg==", "service": SERVICE}}],
)


def endpoints(*, ready_: bool | None, service: str = "kai", namespace: str = "kai-scheduler") -> dict[str, Any]:
    conditions = {} if ready_ is None else {"ready": ready_}
    labels = {"kubernetes.io/service-name": service}
    return {
        "metadata": {"namespace": namespace, "labels": labels},
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}],
    }


@pytest.mark.parametrize(
    ("slices", "verdict"),
    [
        (None, None),
        ([], False),
        ([endpoints(ready_=False)], False),
        ([endpoints(ready_=True, service="other")], False),
        ([endpoints(ready_=True, namespace="other")], False),
        ([endpoints(ready_=False), endpoints(ready_=True)], True),
        ([endpoints(ready_=None)], True),
    ],
)
def test_a_webhook_needs_an_endpoint_behind_it(slices: list[Any] | None, verdict: bool | None) -> None:
    found = ready(HOOKS, slices)
    assert found.ready is verdict
    if verdict is False:
        assert "no ready endpoint behind Service kai-scheduler/kai" in found.reason


def test_who_may_not_read_endpoints_is_told_so_and_goes_on() -> None:
    found = ready(HOOKS, None, blind="cannot list endpointslices")
    assert (found.ready, "cannot list endpointslices" in found.reason) == (True, True)


def claim(phase: str, name: str | None) -> dict[str, Any]:
    return obj("v1", "PersistentVolumeClaim", {"storageClassName": name} if name else {}, {"phase": phase})


@pytest.mark.parametrize(
    ("phase", "name", "verdict", "said"),
    [
        ("Bound", "local", True, "phase Bound"),
        ("Pending", "local", True, "waits for its first pod (WaitForFirstConsumer)"),
        ("Pending", "fast", False, "phase Pending"),
        ("Pending", "gone", False, "phase Pending, and StorageClass gone does not exist"),
        ("Pending", None, False, "phase Pending"),
        ("Lost", "local", False, "phase Lost"),
    ],
)
def test_a_claim_that_waits_for_its_first_pod_is_ready(phase: str, name: str | None, verdict: bool, said: str) -> None:
    classes = [
        {"metadata": {"name": "local"}, "volumeBindingMode": "WaitForFirstConsumer"},
        {"metadata": {"name": "fast"}, "volumeBindingMode": "Immediate"},
    ]
    found = ready(claim(phase, name), classes)
    assert (found.ready, found.reason) == (verdict, said)
    assert ready(claim("Pending", "local")).ready is False


def test_who_may_not_read_storage_classes_is_told_so_and_goes_on() -> None:
    found = ready(claim("Pending", "local"), None, blind="cannot list storageclasses")
    assert (found.ready, "cannot list storageclasses" in found.reason) == (True, True)
    assert ready(claim("Bound", "local"), None, blind="cannot list storageclasses").reason == "phase Bound"
    assert ready(claim("Lost", "local"), None, blind="cannot list storageclasses").ready is False


def test_what_only_exists_cannot_flap() -> None:
    kinds = [("v1", "ConfigMap"), ("scheduling.run.ai/v2", "Queue"), ("apps/v1", "Deployment"), ("e.com/v1", "Widget")]
    assert [may_flap(*kind) for kind in kinds] == [False, False, True, True]
