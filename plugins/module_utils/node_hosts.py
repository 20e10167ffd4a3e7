# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Kubernetes Nodes to inventory hosts: ``multinode_node`` of each, and what there is to say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import GPU, whole

PRESENT = "nvidia.com/gpu.present"
PRODUCT = "nvidia.com/gpu.product"
COUNT = "nvidia.com/gpu.count"
MEMORY = "nvidia.com/gpu.memory"
SHARING = "nvidia.com/gpu.sharing-strategy"
FABRICS = ("rdma/*", "vpc.amazonaws.com/efa", "nvidia.com/hostdev*")
USE, APART, SKIP = TREATMENTS = ("use", "apart", "skip")
_SHOWN = 8


@dataclass(frozen=True)
class Host:
    """One machine. ``machine``: its ``multinode_node``; ``treatment``: use, apart or skip; ``remark``: (kind, detail).

    ``gpus`` counts what is allocatable; a machine that ought to have GPUs and has none is a GPU machine all the same.
    """

    name: str
    machine: Mapping[str, Any]
    node: Mapping[str, Any]
    gpus: int
    gpu_machine: bool
    treatment: str
    remark: tuple[tuple[str, str], ...] = ()


def reduced(node: Mapping[str, Any]) -> dict[str, Any]:
    """What an inventory needs of a Node, as plain data: this is what is cached."""
    meta, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    return {
        "name": meta["name"],
        "labels": dict(meta.get("labels") or {}),
        "taints": list(spec.get("taints") or ()),
        "ready": conditions.get("Ready") == "True",
        "schedulable": not spec.get("unschedulable", False),
        "allocatable": dict(status.get("allocatable") or {}),
        "capacity": dict(status.get("capacity") or {}),
        "addresses": {item["type"]: item["address"] for item in status.get("addresses") or ()},
    }


def host(
    node: Mapping[str, Any],
    levels: Mapping[str, str],
    *,
    gpu_resource: str = GPU,
    fabrics: Sequence[str] = FABRICS,
    not_ready: str = APART,
    cordoned: str = APART,
) -> Host:
    """One reduced() Node as a host. ``levels``: topology level -> label; ``fabrics``: patterns of extra resources."""
    labels, allocatable = node["labels"], node["allocatable"]
    gpus = whole(allocatable.get(gpu_resource))
    remarks = []
    expected = max(whole(labels.get(COUNT)), whole(node["capacity"].get(gpu_resource)))
    shared = labels.get(SHARING) not in (None, "none")
    if shared:
        remarks.append(("shared", f"{node['name']} ({labels[SHARING]})"))
    elif gpus < expected:
        remarks.append(("fewer", f"{node['name']} ({gpus} of {expected})"))
    elif not gpus and labels.get(PRESENT) == "true":
        remarks.append(("none", str(node["name"])))
    treatment = USE
    for condition, said, chosen in (
        (not node["ready"], "not_ready", not_ready),
        (not node["schedulable"], "cordoned", cordoned),
    ):
        if condition:
            treatment = max(treatment, chosen, key=TREATMENTS.index)
            if chosen != USE:
                remarks.append((said, str(node["name"])))
    gpu_machine = bool(gpus or expected or labels.get(PRESENT) == "true")
    if gpu_machine and not gpus:
        treatment = max(treatment, APART, key=TREATMENTS.index)
    machine: dict[str, Any] = {"name": node["name"], "gpu_count": gpus}
    if labels.get(PRODUCT):
        machine["gpu_product"] = labels[PRODUCT]
    if whole(labels.get(MEMORY)):
        # The label is in MiB, and a little under what the card is sold as
        machine["gpu_memory_gib"] = round(whole(labels[MEMORY]) / 1024)
    machine.update({level: labels[label] for level, label in levels.items() if labels.get(label)})
    extras = {
        name: whole(amount)
        for name, amount in sorted(allocatable.items())
        if whole(amount) and any(fnmatchcase(name, pattern) for pattern in fabrics)
    }
    if extras:
        machine["extra_resources"] = extras
    return Host(str(node["name"]), machine, node, gpus, gpu_machine, treatment, tuple(remarks if gpu_machine else ()))


_SAID = {
    "fewer": "report fewer GPUs than they have; the inventory counts what they report",
    "none": "are labelled as GPU machines and report no GPUs: driver, device plugin, or GPUs given out by DRA",
    "shared": "share their GPUs: what they report are shares, not GPUs",
    "not_ready": "are not Ready and are not planned with (option not_ready)",
    "cordoned": "are cordoned and are not planned with (option cordoned)",
}


def remarks(hosts: Iterable[Host]) -> list[str]:
    """One sentence for each kind of remark, with the machines it is about."""
    found: dict[str, list[str]] = {}
    for one in hosts:
        for kind, detail in one.remark:
            found.setdefault(kind, []).append(detail)
    told = []
    for kind, sentence in _SAID.items():
        names = found.get(kind, [])
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            told.append(f"machines that {sentence}: {', '.join(names[:_SHOWN])}{more}")
    return told
