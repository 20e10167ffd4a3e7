# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.render import packed_as_it_is, scale_targets, scaled
from ansible_collections.dynamo.multinode.plugins.module_utils.render.pod import f57_requests

from tests.unit.plugins.module_utils.inputs import by_kind, component, dynamo, main, native, objects, values, workload

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


def test_the_routing_mode_is_the_frontends() -> None:
    found = deployment(workload({**FRONTEND, "args": ["--x"]}, component(), router={"mode": "kv"}))
    assert main(engine(found, "frontend")["podTemplate"])["args"] == [
        "--http-port",
        "8000",
        "--router-mode",
        "kv",
        "--x",
    ]
    assert "--router-mode" not in main(engine(found)["podTemplate"])["args"]


def test_the_planner() -> None:
    planner = {"name": "planner", "role": "planner", "args": ["--config", "{}"]}
    found = deployment(workload(FRONTEND, component(), planner))
    container = main(engine(found, "planner")["podTemplate"])
    assert engine(found, "planner")["type"] == "planner"
    assert container["command"] == ["python3", "-m", "dynamo.planner"]
    assert container["args"] == ["--config", "{}"]
    own = deployment(workload(FRONTEND, component(), {**planner, "command": ["/mine"]}))
    assert main(engine(own, "planner")["podTemplate"])["command"] == ["/mine"]


PICKER = {
    "name": "epp",
    "role": "epp",
    "env": {"DYN_KV_CACHE_BLOCK_SIZE": "16"},
    "pod_spec": {"containers": [{"name": "main", "image": "reg/dynamo-frontend:1.5.0"}]},
}


def test_the_endpoint_picker_and_the_frontends_beside_the_engines() -> None:
    found = deployment(workload(component(), PICKER, hub_token_secret="hf", served_model_name="served"))
    picker = main(engine(found, "epp")["podTemplate"])
    assert picker["image"] == "reg/dynamo-frontend:1.5.0"
    # The operator starts it; its own configuration is forbidden since 1.5.
    assert not {"command", "args"} & set(picker)
    assert "eppConfig" not in engine(found, "epp")
    assert {"name": "DYN_MODEL_NAME", "value": "served"} in picker["env"]
    assert {"name": "DYN_KV_CACHE_BLOCK_SIZE", "value": "16"} in picker["env"]
    assert engine(found)["frontendSidecar"] == "sidecar-frontend"
    sidecar = next(c for c in spec(found)["containers"] if c["name"] == "sidecar-frontend")
    assert (sidecar["command"], sidecar["args"]) == (["python3", "-m", "dynamo.frontend"], ["--router-mode", "direct"])
    assert sidecar["env"] == main(engine(found)["podTemplate"])["env"]
    assert "resources" not in sidecar
    bare = deployment(workload(component(), PICKER))
    assert "env" not in next(c for c in spec(bare)["containers"] if c["name"] == "sidecar-frontend")
    plain = deployment(workload(component(), FRONTEND))
    assert "frontendSidecar" not in engine(plain)
    assert len(spec(plain)["containers"]) == 1


def test_an_autoscaler_gets_an_adapter() -> None:
    raw = workload(FRONTEND, component(replicas=2, autoscaling={"owner": "hpa"}), component(name="other"))
    found = deployment(raw)
    assert engine(found)["scalingAdapter"] == {}
    assert engine(found)["replicas"] == 2
    assert "scalingAdapter" not in engine(found, "other")
    plan = dynamo(raw).workloads[0]
    path = ("spec", "components", {"name": "engine"}, "replicas")
    assert scaled(plan) == [("nvidia.com/v1beta1", "DynamoGraphDeployment", "inference", "llama", path)]
    assert scale_targets(plan) == []


def test_what_scales_native_engines() -> None:
    raw = workload(component(replicas=2, autoscaling={"owner": "hpa"}), component(name="other", replicas=3))
    lws = native(raw).workloads[0]
    path = ("spec", "replicas")
    assert scaled(lws) == [("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "inference", "llama-engine", path)]
    assert scale_targets(lws) == []
    grove = native(raw, orchestrator="grove", scheduler="kai").workloads[0]
    group = ("spec", "template", "podCliqueScalingGroups", {"name": "engine"}, "replicas")
    assert scaled(grove) == [("grove.io/v1alpha1", "PodCliqueSet", "inference", "llama-engine", group)]
    # Grove reads the set's number once; what nobody else scales is scaled in the group that it made.
    assert scale_targets(grove) == [
        ("grove.io/v1alpha1", "PodCliqueScalingGroup", "inference", "llama-other-0-engine", 3)
    ]


def test_min_available() -> None:
    found = deployment(workload(FRONTEND, component(replicas=3, min_available=2)))
    assert engine(found)["minAvailable"] == 2
    assert "minAvailable" not in engine(found, "frontend")


def bindings(*labels: str) -> dict[str, Any]:
    components = {name: {"present": True} for name in ("grove", "kai_scheduler", "dynamo_platform")}
    levels = [{"domain": f"d{index}", "key": label} for index, label in enumerate(labels)]
    binding = {"name": "b", "levels": levels, "schedulers": [], "in_sync": True}
    return {"apis": {}, "nodes": [], "components": components, "topology_bindings": [binding]}


def test_where_grove_knows_the_racks_it_packs() -> None:
    raw = workload(FRONTEND, component(), component(name="single", node_count=1), topology={"pack": "rack"})
    facts = bindings("topology.kubernetes.io/zone", "topology.kubernetes.io/rack")
    found = deployment(raw, facts=facts)
    assert found["spec"]["topologyConstraint"] == {"clusterTopologyName": "b"}
    assert [c.get("topologyConstraint") for c in found["spec"]["components"]] == [None, {"packDomain": "d1"}, None]
    assert set(spec(found)["affinity"]) == {"podAntiAffinity"}
    # On LeaderWorkerSets, and where a binding does not know the label, affinity packs.
    for other in (
        deployment(raw, facts=facts, orchestrator="lws", scheduler="volcano"),
        deployment(raw, facts=bindings("topology.kubernetes.io/zone")),
    ):
        assert "topologyConstraint" not in other["spec"]
        assert "podAffinity" in spec(other)["affinity"]


def test_a_preferred_rack_stays_with_the_pods() -> None:
    """A deployment's topologyConstraint is always required."""
    facts = bindings("topology.kubernetes.io/rack")
    found = deployment(workload(component(), topology={"pack": "rack", "required": False}), facts=facts)
    assert "topologyConstraint" not in found["spec"]
    assert "podAffinity" in spec(found)["affinity"]


@pytest.mark.parametrize("target", ["lws", "grove", "dynamo"])
def test_the_engines_own_configuration_file(target: str) -> None:
    raw = workload(component(engine_config={"max-num-seqs": 512, "nested": {"on": "n"}}), component(name="plain"))
    plan = {
        "lws": lambda: native(raw),
        "grove": lambda: native(raw, orchestrator="grove", scheduler="kai"),
        "dynamo": lambda: dynamo(raw),
    }[target]()
    config = by_kind(plan, "ConfigMap")
    assert config["metadata"]["name"] == "llama-engine-engine"
    assert config["metadata"]["labels"]["dynamo.multinode/workload"] == "llama"
    assert config["data"] == {"config.yaml": 'max-num-seqs: 512\nnested:\n  "on": "n"\n'}
    assert [item["kind"] for item in objects(plan)].index("ConfigMap") == 0
    for metadata, pod in templates(plan, "engine"):
        assert values(main({"spec": pod})["args"])["--config"] == "/etc/dynamo-multinode/engine/config.yaml"
        assert {"name": "engine-config", "configMap": {"name": "llama-engine-engine"}} in pod["volumes"]
        mount = {"name": "engine-config", "mountPath": "/etc/dynamo-multinode/engine", "readOnly": True}
        assert mount in main({"spec": pod})["volumeMounts"]
        # sha256 of the text above: another text, other pods.
        assert metadata["annotations"]["dynamo.multinode/engine-config"] == "c6a4881a6d77"
    for metadata, pod in templates(plan, "plain"):
        assert "--config" not in main({"spec": pod})["args"]
        assert "dynamo.multinode/engine-config" not in metadata.get("annotations", {})


def templates(plan: Any, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(metadata, pod spec) of every pod template of one component, on any target."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for item in objects(plan):
        if item["kind"] == "DynamoGraphDeployment":
            template = engine(item, name)["podTemplate"]
            found.append((template["metadata"], template["spec"]))
        elif item["metadata"]["labels"].get("dynamo.multinode/component") != name:
            continue
        elif item["kind"] == "LeaderWorkerSet":
            group = item["spec"]["leaderWorkerTemplate"]
            found += [(group[key]["metadata"], group[key]["spec"]) for key in ("leaderTemplate", "workerTemplate")]
        elif item["kind"] == "PodCliqueSet":
            found += [(clique, clique["spec"]["podSpec"]) for clique in item["spec"]["template"]["cliques"]]
    assert found
    return found


@pytest.mark.parametrize("target", ["lws", "grove", "dynamo"])
def test_nvlink_across_machines(target: str) -> None:
    raw = workload(component(), FRONTEND, compute_domain={"create": True})
    plan = {
        "lws": lambda: native(raw),
        "grove": lambda: native(raw, orchestrator="grove", scheduler="kai"),
        "dynamo": lambda: dynamo(raw),
    }[target]()
    domain = by_kind(plan, "ComputeDomain")
    assert (domain["apiVersion"], domain["metadata"]["name"]) == (
        "resource.nvidia.com/v1beta1",
        "llama-compute-domain",
    )
    assert domain["spec"] == {
        "numNodes": 0,
        "channel": {
            "allocationMode": "Single",
            "resourceClaimTemplate": {"name": "llama-compute-domain-channel"},
        },
    }
    for _metadata, pod in templates(plan, "engine"):
        assert pod["resourceClaims"] == [
            {"name": "compute-domain-channel", "resourceClaimTemplateName": "llama-compute-domain-channel"}
        ]
        assert main({"spec": pod})["resources"]["claims"] == [{"name": "compute-domain-channel"}]
    if target == "dynamo":
        assert "resourceClaims" not in spec(by_kind(plan, "DynamoGraphDeployment"), "frontend")


def test_a_compute_domain_that_is_there_already() -> None:
    plan = dynamo(workload(compute_domain={"create": False, "name": "shared"}))
    assert [item["kind"] for item in objects(plan)] == ["DynamoGraphDeployment"]
    claim = spec(by_kind(plan, "DynamoGraphDeployment"))["resourceClaims"][0]
    assert claim["resourceClaimTemplateName"] == "shared-channel"


@pytest.mark.parametrize(
    ("fabric", "expected"),
    [
        ("auto", {}),
        ("infiniband", {"NCCL_IB_DISABLE": "0"}),
        ("roce", {"NCCL_IB_DISABLE": "0"}),
        ("efa", {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1", "FI_EFA_ENABLE_SHM_TRANSFER": "0"}),
        ("mnnvl", {"NCCL_MNNVL_ENABLE": "1", "NCCL_CUMEM_ENABLE": "1", "UCX_CUDA_IPC_ENABLE_MNNVL": "y"}),
        ("tcp", {"NCCL_NET": "Socket", "NCCL_IB_DISABLE": "1", "UCX_TLS": "tcp,cuda_copy,cuda_ipc,self"}),
    ],
)
def test_the_fabric_is_environment_that_the_user_can_overrule(fabric: str, expected: dict[str, str]) -> None:
    extra = {"extra_resources": {"rdma/ib": 8}} if fabric in ("infiniband", "roce") else {}
    if fabric == "efa":
        extra = {"extra_resources": {"vpc.amazonaws.com/efa": 16}}
    if fabric == "mnnvl":
        extra = {"compute_domain": {"create": True}}
    raw = workload(FRONTEND, component(), network={"fabric": fabric}, **extra)
    found = deployment(raw)
    env = {item["name"]: item["value"] for item in main(engine(found)["podTemplate"]).get("env", [])}
    assert env == expected
    assert "env" not in main(engine(found, "frontend")["podTemplate"])
    if expected:
        name = next(iter(expected))
        over = deployment({**raw, "env": {name: "mine"}})
        env = {item["name"]: item["value"] for item in main(engine(over)["podTemplate"])["env"]}
        assert env[name] == "mine"


def test_f57_whatever_is_limited_is_requested() -> None:
    pod_spec = {
        "containers": [
            {"name": "main", "resources": {"limits": {"hugepages-2Mi": "1Gi"}}},
            {
                "name": "side",
                "image": "reg/side:1.0.0",
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}},
            },
            {"name": "bare", "image": "reg/side:1.0.0"},
        ]
    }
    found = deployment(workload(component(pod_spec=pod_spec)))
    first, side, bare = spec(found)["containers"]
    assert first["resources"]["requests"] == {"nvidia.com/gpu": "8", "hugepages-2Mi": "1Gi"}
    assert side["resources"]["requests"] == {"cpu": "500m"}
    assert "resources" not in bare
    removed = {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": None}}]}
    assert f57_requests(removed)["containers"][0]["resources"]["requests"] == {"nvidia.com/gpu": "8"}


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_f13_no_engine_without_command_and_arguments(backend: str) -> None:
    found = deployment(workload(backend=backend), orchestrator="lws", scheduler="volcano")
    container = main(engine(found)["podTemplate"])
    assert container["command"]
    assert container["args"]


@pytest.mark.parametrize("kind", ["DynamoGraphDeployment", "PodCliqueSet"])
def test_a_served_engine_keeps_the_way_in_which_it_is_packed(kind: str) -> None:
    """Upstream fixes it at creation; a binding that comes or goes later must not cost a served model."""
    raw = workload(component(), topology={"pack": "rack"})
    facts = bindings("topology.kubernetes.io/rack")

    def planned(*given: dict[str, Any], **over: Any) -> Any:
        if kind == "DynamoGraphDeployment":
            return dynamo(*given, **over)
        return native(*given, orchestrator="grove", scheduler="kai", **over)

    bound, free, loose = planned(raw, facts=facts), planned(raw), planned(workload(component()))
    with_binding, with_affinity, unpacked = (by_kind(plan, kind) for plan in (bound, free, loose))
    assert with_binding != with_affinity
    plan = bound.workloads[0]
    assert packed_as_it_is(plan, with_binding, with_affinity) == with_affinity
    assert packed_as_it_is(plan, with_binding, with_binding) is None
    assert packed_as_it_is(free.workloads[0], with_affinity, with_binding) == with_binding
    assert packed_as_it_is(free.workloads[0], with_affinity, with_affinity) is None
    # Nor does a second binding that knows the same level; another level is a change of what was asked for.
    other = {**facts, "topology_bindings": [{**facts["topology_bindings"][0], "name": "a"}]}
    second = planned(raw, facts=other)
    assert packed_as_it_is(second.workloads[0], by_kind(second, kind), with_binding) == with_binding
    wider = bindings("topology.kubernetes.io/zone", "topology.kubernetes.io/rack")
    zoned = planned(workload(component(), topology={"pack": "zone"}), facts=wider)
    racked = by_kind(planned(raw, facts=wider), kind)
    assert packed_as_it_is(zoned.workloads[0], by_kind(zoned, kind), racked) is None
    # Who wants no packing any more, or did not have it before, changes something.
    assert packed_as_it_is(loose.workloads[0], unpacked, with_binding) is None


def test_what_has_no_such_field_is_left_alone() -> None:
    plan = native(workload(topology={"pack": "rack"}))
    found = by_kind(plan, "LeaderWorkerSet")
    assert packed_as_it_is(plan.workloads[0], found, found) is None


def test_a_preference_cannot_be_kept_by_a_deployments_constraint() -> None:
    facts = bindings("topology.kubernetes.io/rack")
    bound = deployment(workload(component(), topology={"pack": "rack"}), facts=facts)
    plan = dynamo(workload(component(), topology={"pack": "rack", "required": False}), facts=facts)
    wanted = by_kind(plan, "DynamoGraphDeployment")
    assert packed_as_it_is(plan.workloads[0], wanted, bound) is None


@pytest.mark.parametrize("backend", ["sglang", "trtllm"])
def test_min_available_and_adapters_have_nothing_to_do_with_the_engine(backend: str) -> None:
    found = deployment(workload(component(replicas=2, min_available=2, autoscaling={"owner": "hpa"}), backend=backend))
    assert (engine(found)["minAvailable"], engine(found)["scalingAdapter"]) == (2, {})
