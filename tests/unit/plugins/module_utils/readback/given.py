# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests as people write them, small enough to see what a test is about."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import ComponentReading, read

IMAGE = "nvcr.io/nvidia/ai-dynamo/runtime:1.5.0"
VLLM = ("python3", "-m", "dynamo.vllm")
SGLANG = ("python3", "-m", "dynamo.sglang")
TRTLLM = ("python3", "-m", "dynamo.trtllm")
SHELL = ("/bin/sh", "-c")
TP16 = ("--tensor-parallel-size", "16")


def engine(
    *args: str, command: Any = VLLM, nodes: int = 2, gpus: Any = 8, main: Any = None, pod: Any = None, **over: Any
) -> dict[str, Any]:
    """A component of v1beta1; ``main`` over its container, ``pod`` over its pod spec, ``over`` over itself."""
    container: dict[str, Any] = {"name": "main", "image": IMAGE}
    if command:
        container["command"] = [*command]
    if args:
        container["args"] = [*args]
    if gpus is not None:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    container.update(main or {})
    found: dict[str, Any] = {"name": "decode", "type": "decode", "replicas": 1}
    if nodes > 1:
        found["multinode"] = {"nodeCount": nodes}
    found["podTemplate"] = {"spec": {"containers": [container], **(pod or {})}}
    found.update(over)
    return found


def dgd(*components: dict[str, Any], name: str = "llama", meta: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name, "namespace": "inference", **(meta or {})},
        "spec": {**spec, "components": list(components)},
    }


def alpha(**services: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "llama"},
        "spec": {"services": services},
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    data = {key.replace("_", "."): text for key, text in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def mounted(name: str, path: str = "/config", **mount: Any) -> dict[str, Any]:
    """``main`` and ``pod`` of a component that mounts a ConfigMap."""
    return {
        "main": {"volumeMounts": [{"name": "c", "mountPath": path, **mount}]},
        "pod": {"volumes": [{"name": "c", "configMap": {"name": name}}]},
    }


def lws(*args: str, size: int = 2, command: Any = ("vllm", "serve"), pod: Any = None, **meta: Any) -> dict[str, Any]:
    container = {
        "name": "engine",
        "command": [*command],
        "args": [*args],
        "resources": {"limits": {"nvidia.com/gpu": 8}, "requests": {"nvidia.com/gpu": 8}},
    }
    template = {"spec": {"containers": [container], "schedulerName": "volcano", **(pod or {})}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "llama-engine", **meta},
        "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": size, "workerTemplate": template}},
    }


def one(
    *args: str, companions: Any = (), provider: str = "grove", version: str | None = None, **over: Any
) -> ComponentReading:
    """The reading of a deployment with this one component."""
    return read(
        dgd(engine(*args, **over)), companions=companions, provider=provider, operator_version=version
    ).components[0]


def findings(*manifests: Any, **options: Any) -> tuple[Finding, ...]:
    return manifest.run(manifest.cases([("", one) for one in manifests], **options))


def ids(*manifests: Any, **options: Any) -> list[str]:
    return [f"{one.severity} {one.id}" for one in findings(*manifests, **options)]
