# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KAI's operator: conditions of its Config and shards, its default queues, and the webhook of queues.

The webhook begins to answer some seconds after everything else looks ready (K PR#1980).
"""

from __future__ import annotations

import re
import time
from typing import Any

import yaml

from lab.operators.cluster import Cluster, Object, conditions
from lab.operators.webhook import allow, deny

API, QUEUES = "kai.scheduler/v1", "scheduling.run.ai/v2"
# How long the webhook refuses
LATE_SECONDS = 2.0
STALENESS = "default-staleness-grace-period"
# What Go's time.ParseDuration takes, as far as anybody writes it
_DURATION = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+|0")
_STARTED = time.monotonic()
_children: dict[str, list[str]] = {}


def reconcile(cluster: Cluster) -> None:
    """Conditions at once, the webhook late, the queues when it answers."""
    for obj in cluster.list(API, "Config"):
        _report(cluster, obj, "")
    for obj in cluster.list(API, "SchedulingShard"):
        _report(cluster, obj, _dies(obj))
    if time.monotonic() - _STARTED < LATE_SECONDS:
        return
    _answer(cluster)
    _default_queues(cluster)
    _queues(cluster)


def _dies(shard: Object) -> str:
    """Why a shard's scheduler dies at its start (Dynamo #14722)."""
    given = (shard["spec"].get("args") or {}).get(STALENESS)
    if given is None or _DURATION.fullmatch(given):
        return ""
    return f'invalid argument "{given}" for "--{STALENESS}" flag: time: missing unit in duration "{given}"'


def _report(cluster: Cluster, obj: Object, problem: str) -> None:
    before = obj.get("status") or {}
    fine = (True, "available", "")
    available = (False, "not_available", problem) if problem else fine
    wanted = conditions(before.get("conditions"), Deployed=fine, Available=available, DependenciesFulfilled=fine)
    generation = obj["metadata"]["generation"]
    cluster.patch_status(obj, {"conditions": [{**item, "observedGeneration": generation} for item in wanted]})


def _answer(cluster: Cluster) -> None:
    """The queue controller is there: its Service selects this pod."""
    pod = cluster.get("v1", "Pod", cluster.pod, cluster.namespace)
    if pod is not None and pod["metadata"]["labels"].get("app") != "queue-controller":
        cluster.patch(pod, {"metadata": {"labels": {"app": "queue-controller"}}})


def _default_queues(cluster: Cluster) -> None:
    config = cluster.get("v1", "ConfigMap", "default-queues", cluster.namespace)
    there = {item["metadata"]["name"] for item in cluster.list(QUEUES, "Queue")}
    for spec in yaml.safe_load((config or {}).get("data", {}).get("queues") or "[]"):
        name = spec.pop("name")
        if name not in there:
            cluster.create({"apiVersion": QUEUES, "kind": "Queue", "metadata": {"name": name}, "spec": spec})


def _queues(cluster: Cluster) -> None:
    """Each parent says what is below it."""
    queues = cluster.list(QUEUES, "Queue")
    below: dict[str, list[str]] = {}
    for queue in queues:
        below.setdefault(queue["spec"].get("parentQueue") or "", []).append(queue["metadata"]["name"])
    _children.clear()
    _children.update(below)
    for queue in queues:
        wanted = sorted(below.get(queue["metadata"]["name"], []))
        if sorted((queue.get("status") or {}).get("childQueues") or []) != wanted:
            cluster.patch_status(queue, {"childQueues": wanted})


def validate_queue(review: dict[str, Any]) -> dict[str, Any]:
    """As pkg/apis/scheduling/v2 of KAI: resources are required; a parent is not deleted before what is below it."""
    request = review["request"]
    if request["operation"] == "DELETE":
        below = _children.get(request["name"])
        if below:
            return deny(f"cannot delete queue {request['name']}: it has child queues {', '.join(sorted(below))}")
        return allow()
    if not request["object"]["spec"].get("resources"):
        return deny("resources must be specified")
    return allow()


WEBHOOKS = {"/validate-scheduling-run-ai-v2-queue": validate_queue}
