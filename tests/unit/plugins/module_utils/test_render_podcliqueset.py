# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan

from tests.unit.plugins.module_utils.inputs import by_kind, component, main, native, objects, values, workload

KEY = "grove.io/podcliquescalinggroup-replica-index"
SELECTOR = {"dynamo.multinode/workload": "llama", "dynamo.multinode/component": "engine"}
TERM = {"labelSelector": {"matchLabels": SELECTOR}, "matchLabelKeys": [KEY]}
BINDING = {
    "name": "racks",
    "levels": [{"domain": "cage", "key": "topology.kubernetes.io/rack"}],
    "schedulers": [{"scheduler": "kai-scheduler", "reference": "racks"}],
    "in_sync": True,
}


def grove(*raw: dict[str, Any], **over: Any) -> FleetPlan:
    return native(*raw, **{"orchestrator": "grove", "scheduler": "kai", **over})


def pod_clique_set(*raw: dict[str, Any], **over: Any) -> dict[str, Any]:
    return by_kind(grove(*raw, **over), "PodCliqueSet")


def template(found: dict[str, Any]) -> dict[str, Any]:
    return dict(found["spec"]["template"])


def clique(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in template(found)["cliques"] if item["name"] == name)


def pods(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The clique's pod spec, as ``main`` takes it."""
    return {"spec": clique(found, name)["spec"]["podSpec"]}


def facts(**binding: Any) -> dict[str, Any]:
    names = ("grove", "kai_scheduler")
    components = {name: {"present": True} for name in names}
    return {"apis": {}, "nodes": [], "components": components, "topology_bindings": [{**BINDING, **binding}]}


def test_one_set_per_engine_component_and_a_service_in_front() -> None:
    plan = grove(
        workload(component(replicas=2), component(name="small", node_count=1), {"name": "f", "role": "frontend"})
    )
    assert [(item["kind"], item["metadata"]["name"]) for item in objects(plan)] == [
        ("Service", "llama"),
        ("PodCliqueSet", "llama-engine"),
        ("PodCliqueSet", "llama-small"),
    ]
    assert plan.workloads[0].api == "podcliqueset"


def test_an_engine_is_one_replica_of_a_scaling_group() -> None:
    found = pod_clique_set(workload(component(replicas=3, node_count=4)))
    assert (found["apiVersion"], found["spec"]["replicas"]) == ("grove.io/v1alpha1", 1)
    assert template(found)["podCliqueScalingGroups"] == [
        {"name": "engine", "cliqueNames": ["ldr", "wkr"], "replicas": 3, "minAvailable": 1}
    ]
    assert found["metadata"]["labels"]["dynamo.multinode/component"] == "engine"


def test_the_gang_is_all_ranks_or_none() -> None:
    found = pod_clique_set(workload(component(node_count=4)))
    shape = {name: clique(found, name)["spec"] for name in ("ldr", "wkr")}
    assert {name: (s["replicas"], s["minAvailable"], s["roleName"]) for name, s in shape.items()} == {
        "ldr": (1, 1, "ldr"),
        "wkr": (3, 3, "wkr"),
    }
    # A leader is ready only when its workers have come, so none may wait for it.
    assert template(found)["cliqueStartupType"] == "CliqueStartupTypeAnyOrder"
    assert template(found)["headlessServiceConfig"] == {"publishNotReadyAddresses": True}


def test_an_engine_of_one_machine_has_no_workers() -> None:
    found = pod_clique_set(workload(component(node_count=1)))
    assert [item["name"] for item in template(found)["cliques"]] == ["ldr"]
    assert template(found)["podCliqueScalingGroups"][0]["cliqueNames"] == ["ldr"]
    assert "--nnodes" not in main(pods(found, "ldr"))["args"]


def test_min_available() -> None:
    found = pod_clique_set(workload(component(replicas=3, min_available=2)))
    assert template(found)["podCliqueScalingGroups"][0]["minAvailable"] == 2


def test_the_service_selects_the_leaders() -> None:
    plan = grove(workload())
    selector = by_kind(plan, "Service")["spec"]["selector"]
    assert selector == {"dynamo.multinode/workload": "llama", "dynamo.multinode/rank": "leader"}
    found = by_kind(plan, "PodCliqueSet")
    assert clique(found, "ldr")["labels"].items() >= selector.items()
    assert clique(found, "wkr")["labels"]["dynamo.multinode/rank"] == "worker"
    # Grove sets these on its pods itself.
    assert not [key for key in clique(found, "ldr")["labels"] if key.startswith("app.kubernetes.io/")]


@pytest.mark.parametrize(
    ("scheduler", "name", "queue", "annotations"),
    [
        ("kai", "kai-scheduler", "q", {}),
        ("volcano", "volcano", None, {"scheduling.grove.io/volcano-queue": "q"}),
        ("default", "default-scheduler", None, {}),
    ],
)
def test_f19_all_cliques_have_one_scheduler(
    scheduler: str, name: str, queue: str | None, annotations: dict[str, str]
) -> None:
    found = pod_clique_set(workload(queue="q"), scheduler=scheduler)
    for role in ("ldr", "wkr"):
        assert pods(found, role)["spec"]["schedulerName"] == name
        assert clique(found, role)["labels"].get("kai.scheduler/queue") == queue
    assert found["metadata"].get("annotations", {}) == annotations


def test_priorities_go_to_the_gang() -> None:
    found = pod_clique_set(workload(priority_class="high"))
    assert template(found)["priorityClassName"] == "high"
    assert "priorityClassName" not in pods(found, "ldr")["spec"]
    alone = pod_clique_set(workload(priority_class="high"), scheduler="default")
    assert pods(alone, "wkr")["spec"]["priorityClassName"] == "high"


def test_one_rank_per_machine_and_one_rack_per_engine() -> None:
    found = pod_clique_set(workload(topology={"pack": "rack"}))
    for role in ("ldr", "wkr"):
        assert pods(found, role)["spec"]["affinity"] == {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {**TERM, "topologyKey": "topology.kubernetes.io/rack"}
                ]
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{**TERM, "topologyKey": "kubernetes.io/hostname"}]
            },
        }
        # A selector that does not match the pod itself blocks the first pod for ever.
        assert clique(found, role)["labels"].items() >= SELECTOR.items()


@pytest.mark.parametrize(("required", "level"), [(True, "required"), (False, "preferred")])
def test_where_grove_knows_the_racks_it_packs(required: bool, level: str) -> None:
    found = pod_clique_set(workload(topology={"pack": "rack", "required": required}), facts=facts())
    group = template(found)["podCliqueScalingGroups"][0]
    assert group["topologyConstraint"] == {"topologyName": "racks", "pack": {level: "cage"}}
    assert set(pods(found, "ldr")["spec"]["affinity"]) == {"podAntiAffinity"}


@pytest.mark.parametrize(
    ("binding", "over"),
    [
        ({"schedulers": [{"scheduler": "kai-scheduler", "reference": "other"}]}, {}),
        ({"in_sync": False}, {}),
        ({"in_sync": None}, {}),
        ({"levels": [{"domain": "zone", "key": "topology.kubernetes.io/zone"}]}, {}),
        ({}, {"scheduler": "volcano"}),
    ],
)
def test_f56_a_binding_that_would_not_be_found_is_not_used(binding: dict[str, Any], over: dict[str, Any]) -> None:
    found = pod_clique_set(workload(topology={"pack": "rack"}), facts=facts(**binding), **over)
    assert "topologyConstraint" not in template(found)["podCliqueScalingGroups"][0]
    assert set(pods(found, "ldr")["spec"]["affinity"]) == {"podAffinity", "podAntiAffinity"}


def test_the_ranks_find_each_other() -> None:
    found = pod_clique_set(workload())
    address = "$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-ldr-0.$(GROVE_HEADLESS_SERVICE)"
    leader, worker = main(pods(found, "ldr")), main(pods(found, "wkr"))
    assert values(leader["args"])["--node-rank"] == "0"
    assert values(leader["args"])["--master-addr"] == values(worker["args"])["--master-addr"] == address
    assert worker["command"] == [
        "/bin/sh",
        "-c",
        'exec "$0" "$@" --node-rank "$((GROVE_PCLQ_POD_INDEX + 1))"',
        "vllm",
        "serve",
    ]
    # Grove makes the leader's host name of these two names.
    assert template(found)["cliques"][0]["name"] == "ldr"


def test_only_the_leader_has_a_server_to_ask() -> None:
    found = pod_clique_set(workload())
    assert {"startupProbe", "readinessProbe", "livenessProbe", "ports"} <= set(main(pods(found, "ldr")))
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & set(main(pods(found, "wkr")))


def test_f57_gpus_are_requests_and_limits() -> None:
    found = pod_clique_set(workload(component(gpus_per_node=4)))
    for role in ("ldr", "wkr"):
        assert main(pods(found, role))["resources"] == {
            "limits": {"nvidia.com/gpu": "4"},
            "requests": {"nvidia.com/gpu": "4"},
        }


def test_what_the_user_adds_reaches_the_pods() -> None:
    found = pod_clique_set(
        workload(
            component(
                pod_spec={"hostIPC": True},
                leader={"pod_spec": {"terminationGracePeriodSeconds": 60}},
                worker={"pod_spec": {"dnsPolicy": "Default"}},
                shared_memory="64Gi",
            ),
            labels={"team": "nlp"},
            annotations={"note": "x"},
            network={"attachments": ["fabric"]},
            compilation_cache={"claim": "compile"},
        )
    )
    for role in ("ldr", "wkr"):
        assert clique(found, role)["labels"]["team"] == "nlp"
        assert clique(found, role)["annotations"] == {"note": "x", "k8s.v1.cni.cncf.io/networks": "fabric"}
        spec = pods(found, role)["spec"]
        assert spec["hostIPC"] is True
        assert [volume["name"] for volume in spec["volumes"]] == ["shared-memory", "compilation-cache"]
    assert pods(found, "ldr")["spec"]["terminationGracePeriodSeconds"] == 60
    assert pods(found, "wkr")["spec"]["dnsPolicy"] == "Default"
    assert "terminationGracePeriodSeconds" not in pods(found, "wkr")["spec"]
