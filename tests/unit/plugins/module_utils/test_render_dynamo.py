# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.inputs import by_kind, component, dynamo, main, objects, workload

FRONTEND = {"name": "frontend", "role": "frontend"}


def deployment(*raw: Any, **over: Any) -> dict[str, Any]:
    return by_kind(dynamo(*raw, **over), "DynamoGraphDeployment")


def engine(found: dict[str, Any], name: str = "engine") -> dict[str, Any]:
    return next(item for item in found["spec"]["components"] if item["name"] == name)


def spec(found: dict[str, Any], name: str = "engine") -> dict[str, Any]:
    return dict(engine(found, name)["podTemplate"]["spec"])


def test_the_deployment() -> None:
    found = deployment(workload(FRONTEND, component(replicas=2, role="decode"), component(name="single", node_count=1)))
    assert (found["apiVersion"], found["metadata"]["name"]) == ("nvidia.com/v1beta1", "llama")
    assert found["spec"]["backendFramework"] == "vllm"
    assert [(c["name"], c["type"], c["replicas"], c.get("multinode")) for c in found["spec"]["components"]] == [
        ("frontend", "frontend", 1, None),
        ("engine", "decode", 2, {"nodeCount": 2}),
        ("single", "worker", 1, None),
    ]


def test_the_engines_container() -> None:
    container = main(engine(deployment(workload()))["podTemplate"])
    assert container["command"] == ["python3", "-m", "dynamo.vllm"]
    assert container["args"] == ["--model", "org/model", "--tensor-parallel-size", "16"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}
    assert not {"startupProbe", "readinessProbe", "livenessProbe"} & set(container)


def test_the_frontends_container() -> None:
    found = deployment(workload({**FRONTEND, "args": ["--router-mode", "kv"], "resources": {"cpu": 4}}, component()))
    container = main(engine(found, "frontend")["podTemplate"])
    assert container["command"] == ["python3", "-m", "dynamo.frontend"]
    assert container["args"] == ["--http-port", "8000", "--router-mode", "kv"]
    assert container["resources"] == {"requests": {"cpu": "4"}}
    assert "sharedMemorySize" not in engine(found, "frontend")


def test_shared_memory_is_the_operators_own_field() -> None:
    found = deployment(workload(component(shared_memory="80Gi")))
    assert engine(found)["sharedMemorySize"] == "80Gi"
    assert "volumes" not in spec(found)


def test_one_rank_per_machine_and_one_rack_on_both_stacks() -> None:
    term = {
        "labelSelector": {
            "matchLabels": {
                "nvidia.com/dynamo-graph-deployment-name": "llama",
                "nvidia.com/dynamo-component": "engine",
            }
        },
        "matchLabelKeys": [
            "leaderworkerset.sigs.k8s.io/group-key",
            "grove.io/podcliquescalinggroup-replica-index",
        ],
    }
    raw = workload(FRONTEND, component(), component(name="single", node_count=1), topology={"pack": "rack"})
    for over in ({}, {"orchestrator": "lws", "scheduler": "volcano"}):
        found = deployment(raw, **over)
        assert spec(found)["affinity"] == {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {**term, "topologyKey": "topology.kubernetes.io/rack"}
                ]
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{**term, "topologyKey": "kubernetes.io/hostname"}]
            },
        }
        assert "affinity" not in spec(found, "frontend")
        assert "affinity" not in spec(found, "single")


@pytest.mark.parametrize(
    ("orchestrator", "scheduler", "annotations", "name"),
    [
        ("grove", "kai", {"nvidia.com/kai-scheduler-queue": "q"}, None),
        ("grove", "default", {}, "default-scheduler"),
        ("grove", "volcano", {"nvidia.com/volcano-queue": "q"}, "volcano"),
        ("lws", "default", {"nvidia.com/enable-grove": "false"}, None),
        ("lws", "kai", {"nvidia.com/enable-grove": "false", "nvidia.com/kai-scheduler-queue": "q"}, "kai-scheduler"),
    ],
)
def test_f19_every_pod_has_the_same_scheduler(
    orchestrator: str, scheduler: str, annotations: dict[str, str], name: str | None
) -> None:
    raw = workload(FRONTEND, component(), queue="q", annotations={"note": "x"})
    found = deployment(raw, orchestrator=orchestrator, scheduler=scheduler)
    assert found["metadata"]["annotations"] == {"note": "x", **annotations}
    assert {spec(found, c["name"]).get("schedulerName") for c in found["spec"]["components"]} == {name}


def test_f35_lws_gets_volcano_by_name() -> None:
    found = deployment(workload(FRONTEND, component()), orchestrator="lws", scheduler="volcano")
    assert found["metadata"]["annotations"] == {"nvidia.com/enable-grove": "false"}
    assert {spec(found, name)["schedulerName"] for name in ("frontend", "engine")} == {"volcano"}


def test_priority_classes_go_where_they_are_accepted() -> None:
    raw = workload(priority_class="high")
    grove = deployment(raw)
    assert grove["spec"]["priorityClassName"] == "high"
    assert "priorityClassName" not in spec(grove)
    lws = deployment(raw, orchestrator="lws", scheduler="volcano")
    assert "priorityClassName" not in lws["spec"]
    assert spec(lws)["priorityClassName"] == "high"


def test_pod_labels_do_not_take_over_groves() -> None:
    found = deployment(workload(labels={"team": "nlp"}, network={"attachments": ["fabric"]}))
    assert engine(found)["podTemplate"]["metadata"] == {
        "labels": {"team": "nlp", "dynamo.multinode/workload": "llama", "dynamo.multinode/component": "engine"},
        "annotations": {"k8s.v1.cni.cncf.io/networks": "fabric"},
    }


def test_caches_versions_and_probes() -> None:
    found = deployment(
        workload(
            FRONTEND,
            component(startup_timeout="4h"),
            image="r/i:nightly",
            runtime_version="1.6.0",
            model_cache={"claim": "m", "create": True, "size": "1Ti"},
            compilation_cache={"claim": "c", "mount_path": "/compile"},
        )
    )
    assert {c["runtimeVersionOverride"] for c in found["spec"]["components"]} == {"1.6.0"}
    assert engine(found)["compilationCache"] == {"pvcName": "c", "mountPath": "/compile"}
    assert "compilationCache" not in engine(found, "frontend")
    probe = main(engine(found)["podTemplate"])["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == 4 * 3600
    for name in ("frontend", "engine"):
        assert spec(found, name)["volumes"] == [{"name": "model-cache", "persistentVolumeClaim": {"claimName": "m"}}]
    raw = workload(model_cache={"claim": "m", "create": True, "size": "1Ti"})
    assert [item["kind"] for item in objects(dynamo(raw))] == ["PersistentVolumeClaim", "DynamoGraphDeployment"]


def test_prefill_and_decode() -> None:
    raw = workload(component(name="prefill", role="prefill"), component(name="decode", role="decode"))
    found = deployment(raw)
    for role in ("prefill", "decode"):
        args = main(engine(found, role)["podTemplate"])["args"]
        assert args[args.index("--disaggregation-mode") + 1] == role
    alone = main(engine(deployment(workload(component(role="decode"))))["podTemplate"])["args"]
    assert "--disaggregation-mode" not in alone
