# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots and plans for tests: what the real LWS and Volcano wrote, and objects made by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import (
    Choice,
    ComponentPlan,
    FleetPlan,
    WorkloadPlan,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import (
    Component,
    Parallelism,
    Resources,
    Topology,
    Workload,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

ROOT = Path(__file__).resolve().parents[4]
UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or ROOT.parent / "shared" / "upstream")

KINDS = {
    "leaderworkerset.x-k8s.io/v1/leaderworkersets": live.LEADER_WORKER_SET,
    "scheduling.volcano.sh/v1beta1/podgroups": live.VOLCANO_POD_GROUP,
    "scheduling.volcano.sh/v1beta1/queues": live.VOLCANO_QUEUE,
    "v1/pods": live.POD,
    "v1/events": live.EVENT,
}


def recorded(name: str, *, nodes: list[dict[str, Any]] | None = None) -> live.Snapshot:
    """A snapshot of recordings/lws-volcano; the recordings hold no nodes, so the lab's four are added."""
    path = UPSTREAM / "recordings" / "lws-volcano" / name
    if not path.is_file():
        pytest.skip(f"not run: no recording at MULTINODE_UPSTREAM ({name})")
    objects: dict[live.Kind, tuple[Any, ...]] = dict.fromkeys(KINDS.values(), ())
    for resource, items in json.loads(path.read_text())["objects"].items():
        if resource in KINDS:
            objects[KINDS[resource]] = tuple(items)
    fleet = [node(f"gpu-{n}", rack=f"r{n // 2}") for n in range(4)] if nodes is None else nodes
    return live.Snapshot({**objects, live.NODE: tuple(fleet), live.DEPLOYMENT: ()})


def node(name: str, *, rack: str | None = "r0", gpus: int = 8, ready: bool = True, **spec: Any) -> dict[str, Any]:
    marks = {"kubernetes.io/hostname": name, "nvidia.com/gpu.product": "H100"}
    if rack:
        marks["topology.kubernetes.io/rack"] = rack
    return {
        "metadata": {"name": name, "labels": marks},
        "spec": spec,
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def pod(
    name: str,
    *,
    namespace: str = "inference",
    on: str | None = None,
    gpus: int = 8,
    lws: str | None = None,
    group: int = 0,
    rank: int = 0,
    ready: bool = True,
    scheduler: str = "volcano",
    pod_group: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    marks = {}
    if lws:
        marks = {
            "leaderworkerset.sigs.k8s.io/name": lws,
            "leaderworkerset.sigs.k8s.io/group-index": str(group),
            "leaderworkerset.sigs.k8s.io/worker-index": str(rank),
        }
    conditions = [{"type": "Ready", "status": "True"}] if ready and on else []
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": marks,
            "annotations": {"scheduling.k8s.io/group-name": pod_group} if pod_group else {},
        },
        "spec": {
            "schedulerName": scheduler,
            "containers": [{"name": "main", "resources": {"requests": {"nvidia.com/gpu": str(gpus)}}}],
            **({"nodeName": on} if on else {}),
            **spec,
        },
        "status": {"phase": "Running" if on else "Pending", "conditions": conditions},
    }


def pod_group(name: str, *, member: int, phase: str = "Running", namespace: str = "inference") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"minMember": member, "queue": "default"},
        "status": {"phase": phase},
    }


def lws(name: str, *, namespace: str = "inference", **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {}}}},
        "status": {"conditions": [{"type": "Progressing", "status": "True"}]},
    }


def engine_objects(
    name: str, nodes: list[str | None], *, group: int = 0, namespace: str = "inference", **options: Any
) -> list[dict[str, Any]]:
    """A whole engine: its pods on those nodes and its PodGroup. None: not bound."""
    member = options.pop("member", len(nodes))
    phase = options.pop("phase", "Running")
    gang = f"{name}-{group}-rev"
    pods = [
        pod(
            f"{name}-{group}" + (f"-{rank}" if rank else ""),
            namespace=namespace,
            on=on,
            lws=name,
            group=group,
            rank=rank,
            pod_group=gang,
            **options,
        )
        for rank, on in enumerate(nodes)
    ]
    return [*pods, pod_group(gang, member=member, phase=phase, namespace=namespace)]


def snapshot(*objects: dict[str, Any], **fields: Any) -> live.Snapshot:
    """Sort objects made by the helpers above into their kinds."""
    sorted_out: dict[live.Kind, list[Any]] = {kind: [] for kind in (*KINDS.values(), live.NODE, live.DEPLOYMENT)}
    for item in objects:
        spec = item.get("spec") or {}
        if "minMember" in spec:
            kind = live.VOLCANO_POD_GROUP
        elif "leaderWorkerTemplate" in spec:
            kind = live.LEADER_WORKER_SET
        elif "containers" in spec:
            kind = live.POD
        elif "involvedObject" in item:
            kind = live.EVENT
        elif "namespace" not in item["metadata"] and "allocatable" not in item.get("status", {}):
            kind = live.VOLCANO_QUEUE
        elif "namespace" in item["metadata"]:
            kind = live.DEPLOYMENT
        else:
            kind = live.NODE
        sorted_out[kind].append(item)
    unread = fields.get("unread", {})
    return live.Snapshot({kind: tuple(items) for kind, items in sorted_out.items() if kind not in unread}, **fields)


def queue(
    name: str = "default", *, state: str = "Open", capability: int | None = None, used: int = 0
) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"capability": {"nvidia.com/gpu": str(capability)}} if capability is not None else {},
        "status": {"state": state, "allocated": {"nvidia.com/gpu": str(used)}},
    }


def event(name: str, reason: str, message: str, namespace: str = "inference") -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}.1", "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": name, "namespace": namespace},
        "reason": reason,
        "message": message,
        "type": "Warning",
    }


def workload(
    name: str = "llama",
    *,
    namespace: str = "inference",
    replicas: int = 1,
    node_count: int = 2,
    gpus: int = 8,
    lws_name: str | None = None,
    pack: str | None = None,
    required: bool = True,
    spread: bool | None = None,
    scheduler: str = "volcano",
    orchestrator: str = "lws",
    api: str = "leaderworkerset",
    queue: str | None = None,
    backend: str = "vllm",
    degrees: Degrees | None = None,
    levels: Mapping[str, str] = LEVELS,
) -> WorkloadPlan:
    """A planned workload of one component; ``lws_name``: where a recording calls its LeaderWorkerSet otherwise."""
    component = Component(
        path="multinode_workloads[0].components[0]",
        name="worker",
        role="worker",
        replicas=replicas,
        node_count=node_count,
        gpus_per_node=gpus,
        gpu_resource="nvidia.com/gpu",
        parallelism=Parallelism(),
        degrees=degrees or Degrees(node_count * gpus),
        spread=node_count > 1 if spread is None else spread,
        args=(),
        command=(),
        env=(),
        resources=Resources(),
        shared_memory="64Gi",
        startup_timeout=7200,
        node_selector={},
        tolerations=(),
        pod_spec={},
        leader_pod_spec={},
        worker_pod_spec={},
        extra_resources={},
    )
    return WorkloadPlan(
        workload=Workload(
            path="multinode_workloads[0]",
            name=name,
            namespace=namespace,
            backend=backend,
            model="org/model",
            image="example.org/vllm:1.0.0",
            gpu_product="H100",
            topology=Topology(pack, required) if pack else None,
            components=(component,),
        ),
        choice=Choice(orchestrator, scheduler, "native" if api == "leaderworkerset" else "dynamo"),
        queue=queue,
        priority_class=None,
        api=api,
        components=(ComponentPlan(component, lws_name or f"{name}-worker"),),
        pack_level=pack,
        pack_label=levels[pack] if pack else None,
        pack_required=required,
    )


def fleet(*workloads: WorkloadPlan) -> FleetPlan:
    return FleetPlan(workloads, (), {}, {})
