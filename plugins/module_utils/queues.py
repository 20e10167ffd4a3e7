# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_queues as KAI's or Volcano's Queue objects. Pure; what the cluster says to them is in queue_plan.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, nearest, shown
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import GPU_RESOURCE, Field
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_values import Reader

VARIABLE = "multinode_queues"
KAI, VOLCANO = "kai", "volcano"
API = {KAI: ("scheduling.run.ai/v2", "Queue"), VOLCANO: ("scheduling.volcano.sh/v1beta1", "Queue")}
# What the schedulers and the Dynamo chart make themselves. They are used, never owned (MN-F68).
PLATFORM = {
    KAI: ("dynamo", "dynamo-default", "default-queue", "default-parent-queue"),
    VOLCANO: ("default", "root"),
}
# Those of them into which pods go: with a queue below it, such a one would take no more
_LEAVES = {KAI: ("dynamo", "default-queue"), VOLCANO: ("default",)}
NOT_OURS = {name: scheduler for scheduler, names in PLATFORM.items() for name in names}
# KAI's node pools: what its chart takes where global.nodePoolLabelKey is empty
NODE_POOL = "kai.scheduler/node-pool"
UNLIMITED = -1

_RESOURCES = ("gpu", "cpu", "memory")
_VOLCANO_NAMES = {"gpu": GPU_RESOURCE, "cpu": "cpu", "memory": "memory"}
# KAI counts millicores and megabytes (scheduling.run.ai_queues.yaml)
_KAI_UNIT = {"gpu": Fraction(1), "cpu": Fraction(1000), "memory": Fraction(1, 10**6)}

QUEUE = (
    Field("name", "dns_name", "Name of the queue.", required=True),
    Field("state", "choice", "Whether it is to be there.", "present", choices=("present", "absent")),
    Field("parent", "dns_name", "The queue above it."),
    Field("priority", "int", "Order among its siblings."),
    Field("weight", "int", "Its share of what nobody has a quota for, against its siblings.", minimum=1, maximum=65535),
    *(Field(name, "object", "quota, limit and weight; -1 is unlimited.") for name in _RESOURCES),
    Field("display_name", "string", "KAI: what its reports call it."),
    Field("node_pool", "label_value", "KAI: the node pool (scheduling shard) to which it belongs."),
    Field("preempt_min_runtime", "string", "KAI: how long a workload runs before it may be preempted."),
    Field("reclaim_min_runtime", "string", "KAI: how long a workload runs before it may be reclaimed."),
    Field("capability", "object", "Volcano: the most that its pods may ask for, by resource."),
    Field("deserved", "object", "Volcano: what it gets before it is reclaimed from, by resource."),
    Field("guarantee", "object", "Volcano: what is kept for it alone, by resource."),
    Field("reclaimable", "bool", "Volcano: whether others may take back what it has over its share."),
)
_ONLY = {
    KAI: ("display_name", "node_pool", "preempt_min_runtime", "reclaim_min_runtime"),
    VOLCANO: ("capability", "deserved", "guarantee", "reclaimable"),
}
_AMOUNTS = ("quota", "limit", "weight")


@dataclass(frozen=True)
class Queue:
    """One queue as the user asks for it. ``path``: where in the input; ``spec``: as the scheduler's Queue has it;
    ``quota``, ``limit``: of GPUs, -1 unlimited, None not said."""

    path: str
    name: str
    state: str
    parent: str | None = None
    node_pool: str | None = None
    quota: float | None = None
    limit: float | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


def load(raw: object, scheduler: str) -> tuple[tuple[Queue, ...], tuple[Problem, ...]]:
    """The queues, and everything that is wrong with them by themselves; ``scheduler``: kai or volcano."""
    if isinstance(raw, (str, Mapping)) or not isinstance(raw, Sequence):
        return (), (Problem(VARIABLE, raw, f"is {shown(raw)}; a list of queues"),)
    reader = Reader()
    queues = [_queue(reader, item, index, scheduler) for index, item in enumerate(raw)]
    named = [queue for queue in queues if queue.name]
    return tuple(named), (*reader.problems(), *_together(named, scheduler))


def objects(queue: Queue, scheduler: str, node_pool_key: str = NODE_POOL) -> dict[str, Any]:
    """The queue's object for our field manager; the label is what later says that it is ours."""
    api_version, kind = API[scheduler]
    labels = {MANAGED_BY: MANAGER}
    if queue.node_pool:
        labels[node_pool_key] = queue.node_pool
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": queue.name, "labels": labels},
        "spec": dict(queue.spec),
    }


def reference(name: str, scheduler: str) -> dict[str, Any]:
    api_version, kind = API[scheduler]
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


# -- one queue ----------------------------------------------------------------------------------------------------


def _queue(reader: Reader, raw: object, index: int, scheduler: str) -> Queue:
    path = (VARIABLE, index)
    values = reader.fields(QUEUE, raw, path)
    name = str(values["name"] or "")
    where = f"{VARIABLE}[{index}]"
    if name in NOT_OURS:
        owner = {KAI: "KAI or the Dynamo platform", VOLCANO: "Volcano"}[NOT_OURS[name]]
        message = (
            f"is {shown(name)}, which {owner} makes itself: name workloads' `queue` after it, or another queue here"
        )
        reader.add((*path, "name"), name, message, "MN-F68")
    if values["state"] == "absent":
        return Queue(where, name, "absent")
    other = VOLCANO if scheduler == KAI else KAI
    for key in _ONLY[other]:
        if values[key] is not None:
            reader.add(
                (*path, key), values[key], f"is a key of {_spelt(other)}'s queues; these are {_spelt(scheduler)}'s"
            )
    amounts = {resource: _amounts(reader, values[resource], resource, (*path, resource)) for resource in _RESOURCES}
    spec = (_kai if scheduler == KAI else _volcano)(reader, values, amounts, path)
    gpu = amounts["gpu"]
    return Queue(
        where,
        name,
        "present",
        values["parent"],
        values["node_pool"],
        _plain(gpu.get("quota")),
        _plain(gpu.get("limit")),
        spec,
    )


def _spelt(scheduler: str) -> str:
    return {KAI: "KAI", VOLCANO: "Volcano"}[scheduler]


def _amounts(
    reader: Reader, raw: Mapping[str, Any] | None, resource: str, path: tuple[str | int, ...]
) -> dict[str, Fraction]:
    """quota, limit and weight of one resource, in its own unit: GPUs, cores, bytes."""
    if raw is None:
        return {}
    found = {}
    example = {"gpu": "64", "cpu": "512 or 500m", "memory": "4Ti"}[resource]
    for key, value in raw.items():
        if key not in _AMOUNTS:
            reader.add((*path, str(key)), value, f"is not a known key{nearest(key, _AMOUNTS)}; quota, limit, weight")
            continue
        number = quantity.parse(value)
        wanted = "a number from 0" if key == "weight" else f"an amount such as {example}, or -1 for unlimited"
        if number is None or (number < 0 and (key == "weight" or number != UNLIMITED)):
            reader.add((*path, str(key)), value, f"is {shown(value)}; {wanted}")
            continue
        found[str(key)] = number
    quota, limit = found.get("quota"), found.get("limit")
    if quota is not None and limit is not None and limit >= 0 and (quota > limit or quota == UNLIMITED):
        said = "unlimited" if quota == UNLIMITED else _plain(quota)
        reader.add((*path, "quota"), raw["quota"], f"is {said}, which is more than its limit {_plain(limit)}")
    return found


def _plain(number: Fraction | None) -> float | None:
    if number is None:
        return None
    return int(number) if number.denominator == 1 else float(number)


def _kai(
    reader: Reader,
    values: Mapping[str, Any],
    amounts: Mapping[str, Mapping[str, Fraction]],
    path: tuple[str | int, ...],
) -> dict[str, Any]:
    # A quota that is not said would be 0, and non-preemptible pods would never be scheduled by it (MN-F25)
    weight = values["weight"] or 1
    resources: dict[str, Any] = {}
    for name in _RESOURCES:
        given = amounts[name]
        resources[name] = {
            "quota": _kai_amount(name, given.get("quota", Fraction(UNLIMITED))),
            "limit": _kai_amount(name, given.get("limit", Fraction(UNLIMITED))),
            "overQuotaWeight": _plain(given.get("weight", Fraction(weight))),
        }
        # An unlimited quota under a limit means all of the limit
        if given.get("limit", Fraction(UNLIMITED)) >= 0 and "quota" not in given:
            resources[name]["quota"] = resources[name]["limit"]
    spec: dict[str, Any] = {"resources": resources}
    if values["parent"]:
        spec["parentQueue"] = values["parent"]
    for key, kai in (
        ("priority", "priority"),
        ("display_name", "displayName"),
        ("preempt_min_runtime", "preemptMinRuntime"),
        ("reclaim_min_runtime", "reclaimMinRuntime"),
    ):
        if values[key] is not None:
            spec[kai] = values[key]
    return spec


def _kai_amount(resource: str, number: Fraction) -> float | None:
    return UNLIMITED if number == UNLIMITED else _plain(number * _KAI_UNIT[resource])


def _volcano(
    reader: Reader,
    values: Mapping[str, Any],
    amounts: Mapping[str, Mapping[str, Fraction]],
    path: tuple[str | int, ...],
) -> dict[str, Any]:
    capability = _resources(reader, values["capability"], (*path, "capability"))
    deserved = _resources(reader, values["deserved"], (*path, "deserved"))
    guarantee = _resources(reader, values["guarantee"], (*path, "guarantee"))
    weights = {amount["weight"] for amount in amounts.values() if "weight" in amount}
    if values["weight"] is not None:
        weights.add(Fraction(values["weight"]))
    if len(weights) > 1 or any(weight.denominator != 1 or not 1 <= weight <= 65535 for weight in weights):
        message = f"gives the weights {', '.join(str(_plain(w)) for w in sorted(weights))}; a Volcano queue has one, a "
        reader.add((*path, "weight"), values["weight"], message + "whole number from 1 to 65535")
    for name in _RESOURCES:
        for key, into in (("limit", capability), ("quota", deserved)):
            number = amounts[name].get(key)
            if number is None or number < 0:
                continue
            resource = _VOLCANO_NAMES[name]
            if resource in into:
                twin = "capability" if key == "limit" else "deserved"
                reader.add((*path, name, key), str(_plain(number)), f"is given by {twin} too; say it once")
            into[resource] = str(_plain(number)) if number.denominator == 1 else str(float(number))
    spec: dict[str, Any] = {}
    if weights:
        spec["weight"] = int(min(weights))
    for key in ("parent", "priority", "reclaimable"):
        if values[key] is not None:
            spec[key] = values[key]
    if capability:
        spec["capability"] = capability
    if deserved:
        spec["deserved"] = deserved
    if guarantee:
        spec["guarantee"] = {"resource": guarantee}
    return spec


def _resources(reader: Reader, raw: Mapping[str, Any] | None, path: tuple[str | int, ...]) -> dict[str, str]:
    found = {}
    for name, value in (raw or {}).items():
        number = quantity.parse(value)
        if number is None or number < 0:
            reader.add((*path, str(name)), value, f"is {shown(value)}; an amount such as 64, 500m or 4Ti")
        else:
            found[str(name)] = str(value)
    return found


# -- all of them together -----------------------------------------------------------------------------------------


def _together(queues: Sequence[Queue], scheduler: str) -> list[Problem]:
    problems = []
    first: dict[str, Queue] = {}
    for queue in queues:
        if queue.name in first:
            message = f"is {shown(queue.name)}, which {first[queue.name].path} has already; each queue once"
            problems.append(Problem(f"{queue.path}.name", queue.name, message))
        first.setdefault(queue.name, queue)
    for queue in queues:
        if queue.state == "absent":
            continue
        parent = first.get(queue.parent or "")
        path = f"{queue.path}.parent"
        if queue.parent == queue.name:
            problems.append(Problem(path, queue.parent, "is the queue itself; name the queue above it"))
        elif queue.parent in _LEAVES[scheduler]:
            problems.append(
                Problem(
                    path, queue.parent, "is a leaf of the platform's, whose pods would have no queue any more", "MN-F68"
                )
            )
        elif parent is not None and parent.state == "absent":
            problems.append(Problem(path, queue.parent, f"is to be absent ({parent.path}); keep it, or name another"))
        elif parent is not None and (parent.node_pool or "") != (queue.node_pool or ""):
            message = (
                f"is {shown(queue.parent)} of node pool {shown(parent.node_pool)}, and this queue is of "
                f"{shown(queue.node_pool)}: KAI's shards would each see one of them; give both the same node_pool"
            )
            problems.append(Problem(path, queue.parent, message, "MN-F24"))
    problems += _circles(first)
    parents = {queue.parent for queue in queues if queue.state == "present"}
    if scheduler == KAI:
        problems += [
            Problem(
                queue.path, queue.name, f"{queue.name} has no parent and none below it: KAI's leaves need one", "MN-F23"
            )
            for queue in queues
            if queue.state == "present" and not queue.parent and queue.name not in parents
        ]
    return problems


def _circles(queues: Mapping[str, Queue]) -> list[Problem]:
    problems = []
    told: set[str] = set()
    for queue in queues.values():
        way: list[str] = []
        at: Queue | None = queue
        while at is not None and at.name not in way:
            way.append(at.name)
            at = queues.get(at.parent or "") if at.parent != at.name else None
        if at is None or at.name != queue.name or at.name in told:
            continue
        told |= set(way)
        problems.append(
            Problem(
                f"{queue.path}.parent",
                queue.parent,
                f"is a circle: {' -> '.join([*way, queue.name])}; one has no parent",
            )
        )
    return problems
