# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is rendered, before a real API server with the CRDs of Dynamo, Grove and LeaderWorkerSet (schema and CEL)."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import facts
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.rollout import roll_out
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import COMPONENT, WORKLOAD

from lab.handle import Lab
from tests.integration.kube_objects import client, writes
from tests.unit.examples.catalogue import examples
from tests.unit.plugins.module_utils.inputs import component, dynamo, native, objects, workload

UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or Path(__file__).resolve().parents[3] / "shared" / "upstream")
CRDS = (
    "dynamo/nvidia.com_dynamographdeployments.yaml",
    "gpu-operator/resource.nvidia.com_computedomains.yaml",
    "grove/grove.io_clustertopologybindings.yaml",
    "grove/grove.io_podcliquesets.yaml",
    "lws/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
)
NAMESPACE = "inference"
pytestmark = pytest.mark.upstream

FRONTEND = {"name": "frontend", "role": "frontend", "replicas": 2, "resources": {"cpu": "4", "memory": "8Gi"}}
FULL: dict[str, Any] = {
    "queue": "default",
    "model_revision": "main",
    "served_model_name": "model",
    "topology": {"pack": "rack"},
    "extra_resources": {"rdma/ib": 8},
    "env": [{"name": "A", "value": "n"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "env_from_secrets": ["more"],
    "hub_token_secret": "hf-token",
    "image_pull_secrets": ["ngc"],
    "model_cache": {"claim": "models", "create": True, "size": "1Ti", "storage_class": "fast"},
    "compilation_cache": {"claim": "compile"},
    "network": {"socket_interface": "eth0", "attachments": ["fabric"], "fabric": "mnnvl"},
    "compute_domain": {"create": True, "num_nodes": 0},
    "model_config": {"attention_heads": 128, "parameters_b": 405, "dtype": "fp8"},
    "router": {"mode": "kv"},
    "timeouts": {"scheduled": "10m"},
    "replace": "allow",
    "gpu_product": "NVIDIA-H100-80GB-HBM3",
    "labels": {"team": "nlp"},
    "annotations": {"note": "x: y"},
    "node_selector": {"pool": "big"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
}
ENGINE: dict[str, Any] = {
    "args": ["--max-model-len", "32768"],
    "env": {"NCCL_DEBUG": "WARN"},
    "resources": {"cpu": "64", "memory": "512Gi"},
    "shared_memory": "64Gi",
    "command": ["python3", "-m", "mine"],
    "startup_timeout": "4h",
    "autoscaling": {"owner": "hpa"},
    "spread": True,
    "gpu_resource": "nvidia.com/gpu",
    "node_selector": {"disk": "fast"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "pod_spec": {
        "terminationGracePeriodSeconds": 60,
        "containers": [{"name": "main", "imagePullPolicy": "Always"}, {"name": "side", "image": "reg/side:1.0.0"}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}


CONFIG = {
    "vllm": {"max-num-batched-tokens": 8192, "trust-remote-code": True},
    "sglang": {"trust-remote-code": True},
    "trtllm": {"max_batch_size": 4, "kv_cache_config": {"free_gpu_memory_fraction": 0.8}, "stop": ["n", "1e3", ""]},
}
PLANNER = {"name": "planner", "role": "planner", "args": ["--config", '{"environment": "kubernetes"}']}
PICKER = {
    "name": "epp",
    "role": "epp",
    "pod_spec": {"containers": [{"name": "main", "image": "reg/dynamo-frontend:1.5.0"}]},
}
BINDING = {
    "name": "racks",
    "levels": [{"domain": "rack", "key": "topology.kubernetes.io/rack"}],
    "schedulers": [{"scheduler": "kai-scheduler", "reference": "racks"}],
    "in_sync": True,
}
FACTS = {
    "apis": {},
    "nodes": [],
    "components": {name: {"present": True} for name in ("grove", "kai_scheduler", "dynamo_platform")},
    "topology_bindings": [BINDING],
}
GROVE = {"orchestrator": "grove", "scheduler": "kai"}
INPUTS: list[dict[str, Any]] = []


def full(*components: dict[str, Any], **over: Any) -> dict[str, Any]:
    INPUTS.append(workload(*components, **{**FULL, "namespace": NAMESPACE, **over}))
    return INPUTS[-1]


def engines(backend: str, **over: Any) -> dict[str, Any]:
    """One component for each strategy, of several machines and of one."""
    components = [
        component(
            name=f"{strategy.replace('_', '-')[:10]}-{nodes}",
            node_count=nodes,
            parallelism={"strategy": strategy},
            **{**ENGINE, "engine_config": CONFIG[backend]},
        )
        for strategy in ("tensor", "tensor_pipeline", "data")
        for nodes in (1, 2)
    ]
    return full(*components, backend=backend, **over)


DYNAMO = {
    **{
        f"{backend}-{orchestrator}-{scheduler}": dynamo(
            {**engines(backend, priority_class="high"), "components": [FRONTEND, *engines(backend)["components"]]}
            if backend != "trtllm"
            else {
                **{key: value for key, value in engines(backend).items() if key != "model_revision"},
                "components": [FRONTEND, *engines(backend)["components"]],
            },
            orchestrator=orchestrator,
            scheduler=scheduler,
        )
        for backend, orchestrator, scheduler in (
            *((backend, "grove", "kai") for backend in CONFIG),
            *((backend, "lws", "volcano") for backend in CONFIG),
            ("vllm", "grove", "volcano"),
            ("vllm", "grove", "default"),
        )
    },
    "prefill-decode": dynamo(
        full(FRONTEND, component(name="prefill", role="prefill"), component(name="decode", role="decode"))
    ),
    "planner": dynamo(full(FRONTEND, component(autoscaling={"owner": "planner"}), PLANNER)),
    "picker": dynamo(full(component(), PICKER)),
    "min-available": dynamo(full(FRONTEND, component(replicas=3, min_available=2))),
    "binding": dynamo(full(FRONTEND, component(), component(name="single", node_count=1)), facts=FACTS),
    "odd-image": dynamo(full(component(), image="reg/img@sha256:0", runtime_version="1.6.0")),
    "preferred": dynamo(full(component(), topology={"pack": "zone", "required": False})),
}
NATIVE = {
    **{backend: native(engines(backend)) for backend in ("vllm", "sglang")},
    **{
        f"{backend}-grove-{scheduler}": native(
            engines(backend, priority_class="high"), orchestrator="grove", scheduler=scheduler
        )
        for backend, scheduler in (("vllm", "kai"), ("sglang", "kai"), ("vllm", "volcano"), ("vllm", "default"))
    },
    "grove-min-available": native(full(component(replicas=3, min_available=2)), **GROVE),
    "grove-binding": native(full(component()), **GROVE, facts=FACTS),
    "grove-preferred": native(full(component(), topology={"pack": "rack", "required": False}), **GROVE, facts=FACTS),
    "shared-domain": native(full(component(), compute_domain={"create": False, "name": "shared"})),
    "own-choice": native(full(component(), orchestrator="grove", scheduler="kai", workload_api="native")),
    "preferred": native(full(component(), topology={"pack": "zone", "required": False})),
    "nfs": native(full(component(), model_cache={"type": "nfs", "server": "s", "path": "/x"})),
    "host-path": native(full(component(), model_cache={"type": "host_path", "path": "/x"})),
    "roles": native(full(component(leader={"pod_spec": {"hostIPC": True}}, worker={"pod_spec": {"hostIPC": False}}))),
    "default-scheduler": native(full(component()), scheduler="default"),
}
EXAMPLES = {f"example-{one.name}": one.plan() for one in examples()}
CASES = {**DYNAMO, **{f"native-{name}": plan for name, plan in NATIVE.items()}, **EXAMPLES}


@pytest.fixture(scope="module")
def plane() -> Iterator[Lab]:
    """An API server of this module's own, with its own definitions, and nothing that acts on what is written to it."""
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    lab = Lab(f"render-{uuid.uuid4().hex[:8]}", bare=True)
    lab.up()
    yield lab
    lab.down(purge=True)


@pytest.fixture(scope="module")
def api(plane: Lab) -> Client:
    """A control plane with the CRDs and no controllers; only the stored version, as conversion needs the operator."""
    items: list[dict[str, Any]] = []
    for path in CRDS:
        crd = yaml.load((UPSTREAM / "crds" / path).read_text(), yaml.CSafeLoader)
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        items.append(crd)
    # The engine waits until CRDs are Established before it goes on to what comes after them.
    items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    here = client(plane)
    assert {result.action for result in engine.apply(here, items)} == {"created"}
    return here


def dry_run(api: Client, item: dict[str, Any]) -> dict[str, Any]:
    """The API server's answer to a strict server-side dry run; unknown fields are errors."""
    return api.apply(item, dry_run=True)


def assert_within(rendered: Any, answer: Any, path: str = "") -> None:
    """Everything rendered stands in the answer unchanged; defaults may stand beside it."""
    if isinstance(rendered, dict):
        for key, value in rendered.items():
            assert key in answer, f"{path}.{key}"
            assert_within(value, answer[key], f"{path}.{key}")
    elif isinstance(rendered, list):
        assert len(rendered) == len(answer), path
        for index, value in enumerate(rendered):
            assert_within(value, answer[index], f"{path}[{index}]")
    else:
        assert rendered == answer, path


def test_the_pods_are_valid_pods(api: Client) -> None:
    """CRDs do not validate a pod as the API server does: an illegal one would fail only when a controller makes it."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template.get("metadata", {}), "name": f"{name}-{number}", "namespace": NAMESPACE},
            # Admission would look for the class.
            "spec": {key: value for key, value in template["spec"].items() if key != "priorityClassName"},
        }
        for name, plan in CASES.items()
        for number, template in enumerate(template for item in objects(plan) for template in templates(item))
    ]
    assert len(pods) > len(CASES)

    def refusal(pod: dict[str, Any]) -> str:
        try:
            dry_run(api, pod)
        except ApiError as error:
            return f"{pod['metadata']['name']}: {error}"
        return ""

    assert [found for found in api.map(refusal, pods) if found] == []


def templates(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The pod templates of one object."""
    if item["kind"] == "LeaderWorkerSet":
        group = item["spec"]["leaderWorkerTemplate"]
        return [group["leaderTemplate"], group["workerTemplate"]]
    if item["kind"] == "DynamoGraphDeployment":
        return [one["podTemplate"] for one in item["spec"]["components"]]
    if item["kind"] == "PodCliqueSet":
        cliques = item["spec"]["template"]["cliques"]
        return [{"metadata": {"labels": one["labels"]}, "spec": one["spec"]["podSpec"]} for one in cliques]
    return []


def test_what_is_rendered_is_accepted_is_there_and_is_not_written_again(api: Client, plane: Lab) -> None:
    """All cases at once, each in a namespace of its own; unknown fields are errors."""
    items = []
    for name, plan in CASES.items():
        for item in objects(plan):
            items.append({**item, "metadata": {**item["metadata"], "namespace": f"t-{name}"}})
    names = {item["metadata"]["namespace"] for item in items}
    engine.apply(api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(names)])
    first = engine.apply(api, items)
    assert [(result.ref, result.error) for result in first if result.action != "created"] == []
    kinds = {(item["apiVersion"], item["kind"]) for item in items}
    live = {
        (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]): item
        for kind in kinds
        for item in api.list(*kind)
    }
    for item in items:
        assert_within(item, live[(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])])
    mark = plane.mark()
    second = engine.apply(api, items)
    assert {result.action for result in second} == {"unchanged"}
    assert writes(plane, mark) == []


def test_facts_tell_of_topology_bindings(api: Client) -> None:
    spec = {"levels": [{"domain": "rack", "key": "topology.kubernetes.io/rack"}]}
    binding = {"apiVersion": "grove.io/v1alpha1", "kind": "ClusterTopologyBinding", "metadata": {"name": "racks"}}
    engine.apply(api, [{**binding, "spec": spec}])
    expected = {"name": "racks", **spec, "schedulers": [], "in_sync": None, "ours": False}
    assert facts(api)["topology_bindings"] == [expected]


@pytest.mark.parametrize("workload_api", ["dynamo", "native"])
def test_a_binding_that_comes_or_goes_does_not_touch_what_is_served(api: Client, plane: Lab, workload_api: str) -> None:
    given = {
        "workloads": [workload(namespace=f"kept-{workload_api}", topology={"pack": "rack"})],
        "workload_api": workload_api,
        **GROVE,
        "force_conflicts": False,
        "create_namespaces": True,
        "wait": False,
    }
    without, with_binding = ({**given, "cluster": {**FACTS, "topology_bindings": found}} for found in ([], [BINDING]))
    first = roll_out(api, without)
    assert (first.failure, first.result["changed"]) == (None, True)
    mark = plane.mark()
    again = roll_out(api, with_binding)
    assert (again.failure, again.result["changed"], writes(plane, mark)) == (None, False, [])


def test_every_key_of_a_workload_is_rendered_here() -> None:
    """And so accepted: a new key without a case is missed."""
    used = {key for given in INPUTS for key in given}
    # What is absent renders nothing.
    assert {field.name for field in WORKLOAD} - used - {"state"} == set()
    used = {key for given in INPUTS for part in given["components"] for key in part}
    assert {field.name for field in COMPONENT} - used == set()


def test_the_server_does_refuse(api: Client) -> None:
    """The proof that the two tests above can fail."""
    good = objects(DYNAMO["preferred"])[-1]
    worse = json.loads(json.dumps(good))
    worse["spec"]["components"][0]["nodeCount"] = 2
    with pytest.raises(ApiError, match="nodeCount"):
        dry_run(api, worse)
    twin = json.loads(json.dumps(good))
    twin["spec"]["components"].append({**twin["spec"]["components"][0], "name": "ENGINE"})
    with pytest.raises(ApiError, match="unique case-insensitively"):
        dry_run(api, twin)
