# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.inputs import (
    by_kind,
    component,
    leader,
    machines,
    main,
    native,
    objects,
    worker,
    workload,
)

SELECTOR = {"dynamo.multinode/workload": "llama", "dynamo.multinode/component": "engine"}
LABELS = {
    "app.kubernetes.io/managed-by": "dynamo.multinode",
    "app.kubernetes.io/part-of": "llama",
    "dynamo.multinode/workload": "llama",
}
TERM = {
    "labelSelector": {"matchLabels": SELECTOR},
    "matchLabelKeys": ["leaderworkerset.sigs.k8s.io/group-key"],
}


def test_one_set_per_engine_component_and_a_service_in_front() -> None:
    raw = workload(component(replicas=2), component(name="small", node_count=1), {"name": "f", "role": "frontend"})
    assert [(item["kind"], item["metadata"]["name"]) for item in objects(native(raw))] == [
        ("Service", "llama"),
        ("LeaderWorkerSet", "llama-engine"),
        ("LeaderWorkerSet", "llama-small"),
    ]


def test_the_set() -> None:
    found = by_kind(native(workload(component(replicas=3, node_count=4))), "LeaderWorkerSet")
    assert found["apiVersion"] == "leaderworkerset.x-k8s.io/v1"
    assert found["metadata"] == {
        "name": "llama-engine",
        "namespace": "inference",
        "labels": {**LABELS, "dynamo.multinode/component": "engine"},
        "annotations": {"scheduling.volcano.sh/queue-name": "default"},
    }
    assert (found["spec"]["replicas"], found["spec"]["startupPolicy"]) == (3, "LeaderCreated")
    template = found["spec"]["leaderWorkerTemplate"]
    assert (template["size"], template["restartPolicy"]) == (4, "RecreateGroupOnPodRestart")


def test_the_service_selects_the_leaders() -> None:
    found = by_kind(native(workload()), "Service")
    assert found["metadata"] == {"name": "llama", "namespace": "inference", "labels": LABELS}
    assert found["spec"] == {
        "type": "ClusterIP",
        "selector": {"dynamo.multinode/workload": "llama", "leaderworkerset.sigs.k8s.io/worker-index": "0"},
        "ports": [{"name": "http", "port": 8000, "protocol": "TCP", "targetPort": "http"}],
    }
    pod_labels = leader(native(workload()))["metadata"]["labels"]
    assert pod_labels.items() >= {"dynamo.multinode/workload": "llama"}.items()


def test_f57_gpus_are_requests_and_limits() -> None:
    plan = native(workload(component(gpus_per_node=4, resources={"cpu": 32, "memory": "512Gi"})))
    for template in (leader(plan), worker(plan)):
        assert main(template)["resources"] == {
            "limits": {"nvidia.com/gpu": "4", "memory": "512Gi"},
            "requests": {"nvidia.com/gpu": "4", "cpu": "32", "memory": "512Gi"},
        }
    other = native(workload(component(gpu_resource="amd.com/gpu")))
    assert main(leader(other))["resources"]["requests"] == {"amd.com/gpu": "8"}


def test_f35_the_gang_is_volcanos() -> None:
    plan = native(workload(queue="serving"))
    assert leader(plan)["spec"]["schedulerName"] == worker(plan)["spec"]["schedulerName"] == "volcano"
    annotations = by_kind(plan, "LeaderWorkerSet")["metadata"]["annotations"]
    assert annotations == {"scheduling.volcano.sh/queue-name": "serving"}


def test_the_default_scheduler_is_not_named_and_has_no_queue() -> None:
    plan = native(workload(), scheduler="default")
    assert "schedulerName" not in leader(plan)["spec"]
    assert "annotations" not in by_kind(plan, "LeaderWorkerSet")["metadata"]
    assert leader(native(workload(), scheduler="kai"))["spec"]["schedulerName"] == "kai-scheduler"


def test_one_rank_per_machine() -> None:
    plan = native(workload())
    expected = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{**TERM, "topologyKey": "kubernetes.io/hostname"}]
        }
    }
    for template in (leader(plan), worker(plan)):
        assert template["spec"]["affinity"] == expected
        # A selector that does not match the pod itself blocks the first pod for ever.
        assert template["metadata"]["labels"].items() >= SELECTOR.items()
    assert "affinity" not in leader(native(workload(component(spread=False))))["spec"]
    assert "affinity" not in leader(native(workload(component(node_count=1), topology={"pack": "rack"})))["spec"]


@pytest.mark.parametrize("level", ["zone", "block", "rack"])
def test_one_domain_per_engine(level: str) -> None:
    plan = native(workload(component(spread=False), topology={"pack": level}))
    term = {**TERM, "topologyKey": f"topology.kubernetes.io/{level}"}
    for template in (leader(plan), worker(plan)):
        assert template["spec"]["affinity"] == {
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        }


def test_a_preferred_domain_does_not_block() -> None:
    plan = native(
        workload(component(), topology={"pack": "rack", "required": False}),
        topology_levels={"rack": "example.com/rack"},
    )
    assert leader(plan)["spec"]["affinity"]["podAffinity"] == {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": {**TERM, "topologyKey": "example.com/rack"}}
        ]
    }


def test_probes_only_where_the_server_is() -> None:
    plan = native(workload(component(startup_timeout="95s")))
    container = main(leader(plan))
    assert container["ports"] == [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] == 100
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & set(main(worker(plan)))


def test_shared_memory() -> None:
    template = worker(native(workload(component(shared_memory="64Gi"))))
    assert template["spec"]["volumes"] == [
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}}
    ]
    assert main(template)["volumeMounts"] == [{"name": "shared-memory", "mountPath": "/dev/shm"}]


def test_the_right_to_lock_memory_only_with_rdma() -> None:
    assert "securityContext" not in main(leader(native(workload())))
    plan = native(workload(), machines=machines(extra_resources={"rdma/ib": 8}))
    container = main(leader(plan))
    assert container["securityContext"] == {"capabilities": {"add": ["IPC_LOCK"]}}
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "8", "rdma/ib": "8"}
    efa = native(workload(extra_resources={"vpc.amazonaws.com/efa": 4}))
    assert "securityContext" not in main(worker(efa))
    assert main(worker(efa))["resources"]["requests"]["vpc.amazonaws.com/efa"] == "4"


def test_environment() -> None:
    plan = native(
        workload(
            component(env={"NCCL_DEBUG": "INFO", "MINE": 1}),
            env={"NCCL_DEBUG": "WARN", "HF_HOME": "/elsewhere"},
            hub_token_secret="hf",
            env_from_secrets=["more"],
            model_cache={"claim": "models"},
            compilation_cache={"claim": "compile"},
            network={"socket_interface": "eth0"},
        )
    )
    container = main(worker(plan))
    assert container["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert container["env"] == [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN"}}},
        {"name": "HF_HUB_OFFLINE", "value": "1"},
        {"name": "VLLM_CACHE_ROOT", "value": "/cache/vllm"},
        {"name": "TORCHINDUCTOR_CACHE_DIR", "value": "/cache/torchinductor"},
        {"name": "TRITON_CACHE_DIR", "value": "/cache/triton"},
        {"name": "NCCL_SOCKET_IFNAME", "value": "eth0"},
        {"name": "GLOO_SOCKET_IFNAME", "value": "eth0"},
        {"name": "HF_HOME", "value": "/elsewhere"},
        {"name": "NCCL_DEBUG", "value": "INFO"},
        {"name": "MINE", "value": "1"},
    ]


@pytest.mark.parametrize(
    ("cache", "volume", "read_only"),
    [
        ({"claim": "m"}, {"persistentVolumeClaim": {"claimName": "m"}}, True),
        ({"claim": "m", "read_only": "no"}, {"persistentVolumeClaim": {"claimName": "m"}}, False),
        (
            {"type": "nfs", "server": "s", "path": "/x"},
            {"nfs": {"server": "s", "path": "/x", "readOnly": True}},
            True,
        ),
        ({"type": "host_path", "path": "/x"}, {"hostPath": {"path": "/x", "type": "Directory"}}, True),
    ],
)
def test_the_model_cache(cache: dict[str, Any], volume: dict[str, Any], read_only: bool) -> None:
    template = leader(native(workload(model_cache=cache)))
    assert {"name": "model-cache", **volume} in template["spec"]["volumes"]
    mounts = {mount["mountPath"]: mount for mount in main(template)["volumeMounts"]}
    assert mounts["/models"].get("readOnly", False) is read_only
    offline = {"name": "HF_HUB_OFFLINE", "value": "1"} in main(template)["env"]
    assert offline is read_only


def test_a_model_that_is_a_path_needs_no_hub() -> None:
    template = leader(native(workload(model="/models/llama", model_cache={"claim": "m"})))
    assert "env" not in main(template)
    assert main(template)["args"][0] == "/models/llama"


def test_a_created_claim() -> None:
    raw = workload(model_cache={"claim": "m", "create": "true", "size": "1Ti", "storage_class": "fast"})
    claim = by_kind(native(raw), "PersistentVolumeClaim")
    assert claim["metadata"] == {"name": "m", "namespace": "inference", "labels": LABELS}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Ti"}},
        "storageClassName": "fast",
    }
    mounts = {mount["mountPath"]: mount for mount in main(leader(native(raw)))["volumeMounts"]}
    assert "readOnly" not in mounts["/models"]
    assert objects(native(raw))[0]["kind"] == "PersistentVolumeClaim"


def test_where_the_pods_may_run() -> None:
    plan = native(
        workload(
            component(node_selector={"pool": "big"}, tolerations=[{"key": "b", "operator": "Exists"}]),
            gpu_product="NVIDIA-H100-80GB-HBM3",
            node_selector={"pool": "any", "arch": "amd64"},
            tolerations=[{"key": "a", "operator": "Exists"}],
            image_pull_secrets=["ngc"],
            priority_class="high",
        )
    )
    spec = worker(plan)["spec"]
    assert spec["nodeSelector"] == {"pool": "big", "arch": "amd64", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert [item["key"] for item in spec["tolerations"]] == ["a", "b"]
    assert spec["imagePullSecrets"] == [{"name": "ngc"}]
    assert spec["priorityClassName"] == "high"


def test_labels_annotations_and_networks() -> None:
    plan = native(
        workload(
            labels={"team": "nlp"}, annotations={"note": "x"}, network={"attachments": ["fabric-a", "net/fabric-b"]}
        )
    )
    for item in objects(plan):
        assert item["metadata"]["labels"]["team"] == "nlp"
        assert item["metadata"]["annotations"]["note"] == "x"
    assert worker(plan)["metadata"]["labels"]["team"] == "nlp"
    assert worker(plan)["metadata"]["annotations"] == {
        "note": "x",
        "k8s.v1.cni.cncf.io/networks": "fabric-a,net/fabric-b",
    }


def test_pod_spec_is_merged_last() -> None:
    plan = native(
        workload(
            component(
                env={"A": "1", "B": "2"},
                pod_spec={
                    "hostIPC": True,
                    "containers": [
                        {"name": "main", "imagePullPolicy": "Always", "env": [{"name": "A", "value": "9"}]},
                        {"name": "side", "image": "side:1"},
                    ],
                    "volumes": [{"name": "own", "emptyDir": {}}],
                    "affinity": {"nodeAffinity": {"x": 1}},
                },
                leader={"pod_spec": {"terminationGracePeriodSeconds": 60}},
                worker={"pod_spec": {"hostname": None, "dnsPolicy": "Default"}},
            )
        )
    )
    for template in (leader(plan), worker(plan)):
        assert [item["name"] for item in template["spec"]["containers"]] == ["main", "side"]
        container = main(template)
        assert container["imagePullPolicy"] == "Always"
        assert container["env"] == [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]
        assert container["image"] == "reg/img:1.5.0"
        assert [item["name"] for item in template["spec"]["volumes"]] == ["shared-memory", "own"]
        assert set(template["spec"]["affinity"]) == {"nodeAffinity", "podAntiAffinity"}
        assert template["spec"]["hostIPC"] is True
    assert leader(plan)["spec"]["terminationGracePeriodSeconds"] == 60
    assert "terminationGracePeriodSeconds" not in worker(plan)["spec"]
    assert worker(plan)["spec"]["dnsPolicy"] == "Default"


def test_the_objects_are_plain_and_the_same_every_time() -> None:
    raw = workload(component(env={"A": None}), topology={"pack": "rack"}, model_cache={"claim": "m"})

    def check(data: Any) -> None:
        assert type(data) in (dict, list, str, int, bool)
        for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else []:
            check(item)

    first, second = objects(native(raw)), objects(native(raw))
    check(first)
    assert repr(first) == repr(second)
    # Nothing is shared that one user could change under another.
    first[1]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]["args"].append("x")
    assert objects(native(raw)) == second
