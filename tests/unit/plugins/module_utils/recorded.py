# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots and plans for tests: what the real LWS and Volcano wrote, and objects made by hand."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import explain, waits
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import (
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

TABLE = ROOT / "tests" / "recordings.yml"
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


# -- the table of recordings -------------------------------------------------------------------------------------------

ALL_KINDS = {
    **KINDS,
    "nvidia.com/v1beta1/dynamographdeployments": live.DYNAMO_DEPLOYMENT,
    "grove.io/v1alpha1/podcliquesets": live.POD_CLIQUE_SET,
    "scheduler.grove.io/v1alpha1/podgangs": live.POD_GANG,
    "scheduling.run.ai/v2alpha2/podgroups": live.KAI_POD_GROUP,
    "scheduling.run.ai/v2/queues": live.KAI_QUEUE,
    "apps/v1/deployments": live.DEPLOYMENT,
    "v1/nodes": live.NODE,
}
RACKS = "abab"


@dataclass(frozen=True)
class Row:
    """One line of recordings.yml; ``recording``/``at`` is the snapshot's file."""

    recording: str
    at: str
    name: str
    by: str
    of: str
    ready: bool
    place: list[list[int | None]]
    gang: list[bool | None]
    pack: str | None = None
    nodes: tuple[Any, ...] = (0, 1, 2, 3)
    cause: str | None = None
    says: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.recording}/{self.at}/{self.name[:20]}"

    @property
    def waits(self) -> bool:
        return bool(self.says)

    @property
    def machine(self) -> str:
        return "gpu-" if self.recording.startswith("lws-volcano/") else "gpu-node-"

    def document(self) -> dict[str, Any]:
        """The recorded snapshot. Skips where there are no recordings."""
        folder = UPSTREAM / "recordings" / self.recording
        path = folder / f"{self.at}.json"
        if path.is_file():
            return json.loads(path.read_text())
        objects = {}
        for part in sorted(folder.glob(f"{self.at}-*.json")):  # a recording of plain kubectl lists
            items = json.loads(part.read_text())["items"]
            objects[f"{items[0]['apiVersion']}/{part.stem.removeprefix(self.at + '-').split('.')[0]}"] = items
        if not objects:
            pytest.skip(f"not run: no recording at MULTINODE_UPSTREAM ({self.recording}/{self.at})")
        return {"namespace": next(iter(objects.values()))[0]["metadata"]["namespace"], "objects": objects}

    def objects(self) -> dict[str, list[dict[str, Any]]]:
        """The recorded objects with what the recordings leave out: the machines, and Volcano's own queue."""
        found = dict(self.document()["objects"])
        found["v1/nodes"] = [self._node(str(one)) for one in self.nodes]
        found.setdefault("scheduling.volcano.sh/v1beta1/queues", [_volcano_default()])
        return found

    def _node(self, text: str) -> dict[str, Any]:
        number, _, state = text.partition(" ")
        rack = f"rack-{RACKS[int(number) % 4]}"
        made = node(f"{self.machine}{number}", rack=rack, ready=state != "NotReady")
        if state == "cordoned":
            made["spec"]["unschedulable"] = True
        return made

    def snapshot(self) -> live.Snapshot:
        objects: dict[live.Kind, tuple[Any, ...]] = dict.fromkeys(ALL_KINDS.values(), ())
        objects[live.PRIORITY_CLASS] = ()
        for resource, items in self.objects().items():
            if resource in ALL_KINDS:
                objects[ALL_KINDS[resource]] = tuple(items)
        return live.Snapshot(objects)

    def plan(self) -> WorkloadPlan:
        """The workload as our inventory would have planned it."""
        target = self.by.split()
        native = target[0] == "native"
        orchestrator, scheduler = target[-2:]
        api = {"grove": "podcliqueset", "lws": "leaderworkerset"}[orchestrator] if native else "dynamographdeployment"
        namespace = self.document()["namespace"]
        parts = [_component(text) for text in self.of.split(", ")]
        planned = workload(self.name, namespace=namespace, pack=self.pack, scheduler=scheduler, api=api)
        return dataclasses.replace(
            planned,
            components=tuple(ComponentPlan(one, self.name) for one in parts),
            choice=Choice(orchestrator, scheduler, "native" if native else "dynamo"),
        )

    def places(self) -> list[list[str | None]]:
        """Per engine the machine of each rank, by name."""
        return [[None if rank is None else f"{self.machine}{rank}" for rank in engine] for engine in self.place]


def _component(text: str) -> Component:
    name, numbers = text.rsplit(" ", 1)
    replicas, node_count, gpus = (int(number) for number in numbers.split("x"))
    made = workload(node_count=node_count, gpus=gpus, replicas=replicas, spread=False).components[0].component
    return dataclasses.replace(made, name=name)


def _volcano_default() -> dict[str, Any]:
    made = queue()
    return {**made, "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue"}


@functools.cache
def table() -> list[Row]:
    """Every row of the table, in its order."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed: dict[str, list[dict[str, Any]]] = yaml.load(TABLE.read_text(), Loader=loader)
    return [Row(recording, **_tuples(row)) for recording, rows in listed.items() for row in rows]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if key in ("nodes", "says") else value for key, value in row.items()}


def judge(row: Row, plan: WorkloadPlan, seen: live.Snapshot) -> None:
    """Placement, gangs, topology and diagnosis are what the table says."""
    engines = [one for one in placement(fleet(plan), seen) if any(rank["pod"] for rank in one["ranks"])]
    assert [[rank["node"] for rank in one["ranks"]] for one in engines] == row.places()
    assert [one["gang"]["honoured"] for one in engines] == row.gang, [one["gang"]["why"] for one in engines]
    if row.pack:
        assert [one["topology"]["honoured"] for one in engines] == [
            _in_one_rack(one["nodes"], one["node_count"]) for one in engines
        ]
    assert waits(plan, seen) is row.waits
    found = explain(plan, seen)
    assert found.details["id"] == row.cause, found.cause
    assert [words for words in row.says if words not in found.cause] == [], found.cause
    assert found.remedy
    assert "\n" not in found.cause + found.remedy


def _in_one_rack(nodes: list[str], size: int) -> bool | None:
    """By the racks a, b, a, b ... of the machines."""
    racks = {int(name.rsplit("-", 1)[1]) % 2 for name in nodes}
    if len(racks) > 1:
        return False
    return True if len(nodes) == size else None


# -- objects made by hand ----------------------------------------------------------------------------------------------


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
