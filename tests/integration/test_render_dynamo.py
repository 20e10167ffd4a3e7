# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is rendered, before a real API server with the real CRDs of Dynamo and LeaderWorkerSet (schema and CEL)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import FleetPlan

from lab.handle import Lab
from tests.integration.kube_objects import client
from tests.unit.plugins.module_utils.inputs import component, dynamo, native, objects, workload

UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or Path(__file__).resolve().parents[3] / "shared" / "upstream")
CRDS = (
    "dynamo/nvidia.com_dynamographdeployments.yaml",
    "lws/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
)
NAMESPACE = "inference"
pytestmark = pytest.mark.upstream

FRONTEND = {"name": "frontend", "role": "frontend", "replicas": 2, "resources": {"cpu": "4", "memory": "8Gi"}}
FULL: dict[str, Any] = {
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
    "network": {"socket_interface": "eth0", "attachments": ["fabric"]},
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
    "startup_timeout": "4h",
    "pod_spec": {
        "terminationGracePeriodSeconds": 60,
        "containers": [{"name": "main", "imagePullPolicy": "Always"}, {"name": "side", "image": "reg/side:1.0.0"}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}


def full(*components: dict[str, Any], **over: Any) -> dict[str, Any]:
    return workload(*components, **{**FULL, "namespace": NAMESPACE, **over})


def engines(backend: str, **over: Any) -> dict[str, Any]:
    """One component for each strategy, of several machines and of one."""
    components = [
        component(
            name=f"{strategy.replace('_', '-')[:10]}-{nodes}",
            node_count=nodes,
            parallelism={"strategy": strategy},
            **ENGINE,
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
        for backend in ("vllm", "sglang", "trtllm")
        for orchestrator, scheduler in (
            ("grove", "kai"),
            ("grove", "volcano"),
            ("lws", "volcano"),
            ("grove", "default"),
        )
    },
    "prefill-decode": dynamo(
        full(FRONTEND, component(name="prefill", role="prefill"), component(name="decode", role="decode"))
    ),
    "odd-image": dynamo(full(component(), image="reg/img@sha256:0", runtime_version="1.6.0")),
    "preferred": dynamo(full(component(), topology={"pack": "zone", "required": False})),
}
NATIVE = {
    **{backend: native(engines(backend)) for backend in ("vllm", "sglang")},
    "preferred": native(full(component(), topology={"pack": "zone", "required": False})),
    "nfs": native(full(component(), model_cache={"type": "nfs", "server": "s", "path": "/x"})),
    "host-path": native(full(component(), model_cache={"type": "host_path", "path": "/x"})),
    "roles": native(full(component(leader={"pod_spec": {"hostIPC": True}}, worker={"pod_spec": {"hostIPC": False}}))),
    "default-scheduler": native(full(component()), scheduler="default"),
}


@pytest.fixture(scope="module")
def api(make_lab: Callable[..., Lab]) -> Client:
    """A control plane with the CRDs and no controllers; only the stored version, as conversion needs the operator."""
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    lab = make_lab(nodes=1)
    items: list[dict[str, Any]] = []
    for path in CRDS:
        crd = yaml.load((UPSTREAM / "crds" / path).read_text(), yaml.CSafeLoader)
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        items.append(crd)
    # The engine waits until CRDs are Established before it goes on to what comes after them.
    items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    here = client(lab)
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


@pytest.mark.parametrize("plan", [pytest.param(plan, id=name) for name, plan in {**DYNAMO, **NATIVE}.items()])
def test_what_is_rendered_is_accepted_and_comes_back_unchanged(api: Client, plan: FleetPlan) -> None:
    for item in objects(plan):
        assert_within(item, dry_run(api, item))


@pytest.mark.parametrize("plan", [pytest.param(plan, id=name) for name, plan in {**DYNAMO, **NATIVE}.items()])
def test_the_pods_are_valid_pods(api: Client, plan: FleetPlan) -> None:
    """CRDs do not validate a pod as the API server does: an illegal one would fail only when a controller makes it."""
    for item in objects(plan):
        templates = []
        if item["kind"] == "LeaderWorkerSet":
            group = item["spec"]["leaderWorkerTemplate"]
            templates = [group["leaderTemplate"], group["workerTemplate"]]
        elif item["kind"] == "DynamoGraphDeployment":
            templates = [one["podTemplate"] for one in item["spec"]["components"]]
        for template in templates:
            spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
            metadata = {**template["metadata"], "name": "pod", "namespace": NAMESPACE}
            dry_run(api, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


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
