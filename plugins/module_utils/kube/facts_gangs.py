# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gang schedulers say of themselves: queues, KAI's shards and topologies, Grove's settings and certificate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.components.gang_pods import no_gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER
from ansible_collections.dynamo.multinode.plugins.module_utils.queues import KAI, NODE_POOL, VOLCANO

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

KAI_API = "kai.scheduler/v1"
STALENESS = "default-staleness-grace-period"
BINDINGS = "clustertopologybindings.grove.io"
GROVE_SECRET = "grove-webhook-server-cert"
_QUEUE_LABEL = "kai.scheduler/queue"

Object = dict[str, Any]
Jobs = dict[str, Callable[[], Any]]


def jobs(read: Reader, wanted: set[str]) -> Jobs:
    """What to ask besides, by the parts that are gathered; each is one LIST, and none where the kind is not served."""
    if not wanted & {"components", "queues"}:
        return {}
    found: Jobs = {
        "kai_configs": lambda: read.list(KAI_API, "Config"),
        "kai_shards": lambda: read.list(KAI_API, "SchedulingShard"),
    }
    if "queues" in wanted:
        found["kai_topologies"] = lambda: read.list("kai.scheduler/v1alpha1", "Topology")
    return found


def kai(answers: Mapping[str, Any]) -> Object:
    """KAI as its own objects describe it: {"node_pool_key", "shards": [{"name", "pool", "staleness"}], "topologies":
    [{"name", "levels": [labels], "ours", "owner"}]}. staleness None: not set, so KAI's own default holds."""
    config: Object = next(iter(answers.get("kai_configs") or []), {})
    key = ((config.get("spec") or {}).get("global") or {}).get("nodePoolLabelKey")
    return {
        "node_pool_key": key or NODE_POOL,
        "shards": [_shard(item) for item in answers.get("kai_shards") or []],
        "topologies": [_topology(item) for item in answers.get("kai_topologies") or []],
    }


def _shard(item: Object) -> Object:
    spec = item.get("spec") or {}
    return {
        "name": item["metadata"]["name"],
        "pool": str(spec.get("partitionLabelValue") or ""),
        "staleness": (spec.get("args") or {}).get(STALENESS),
    }


def _topology(item: Object) -> Object:
    owners = item["metadata"].get("ownerReferences") or []
    return {
        "name": item["metadata"]["name"],
        "levels": [level["nodeLabel"] for level in (item.get("spec") or {}).get("levels") or []],
        "ours": ours(item),
        "owner": f"{owners[0]['kind']} {owners[0]['name']}" if owners else None,
    }


def ours(item: Mapping[str, Any]) -> bool:
    """Whether we made an object: it bears our label."""
    return (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER


def volcano_queue(queue: Object) -> Object:
    spec, status = queue.get("spec") or {}, queue.get("status") or {}
    return {
        "name": queue["metadata"]["name"],
        "state": status.get("state"),
        "parent": spec.get("parent"),
        "capability": spec.get("capability"),
        "ours": ours(queue),
        "held": _some(status.get("allocated")) or any(status.get(key) for key in ("running", "inqueue", "pending")),
    }


def kai_queue(queue: Object) -> Object:
    spec, status = queue.get("spec") or {}, queue.get("status") or {}
    gpu = (spec.get("resources") or {}).get("gpu") or {}
    return {
        "name": queue["metadata"]["name"],
        "parent": spec.get("parentQueue"),
        "quota": gpu.get("quota"),
        "limit": gpu.get("limit"),
        "weight": gpu.get("overQuotaWeight"),
        "labels": dict(queue["metadata"].get("labels") or {}),
        "ours": ours(queue),
        "held": _some(status.get("allocated")) or _some(status.get("requested")),
    }


def _some(amounts: Mapping[str, Any] | None) -> bool:
    return any((quantity.parse(value) or 0) > 0 for value in (amounts or {}).values())


def users(client: Client) -> dict[str, dict[str, list[str]]]:
    """What is in the queues: scheduler -> queue -> ``PodGroup namespace/name``, pods that no PodGroup speaks for too.

    Asked only where queues are to be deleted. What may not be read is no reason to delete: ApiError.
    """
    asked: list[Callable[[], list[Object]]] = [
        lambda: client.list("scheduling.run.ai/v2alpha2", "PodGroup"),
        lambda: client.list("v1", "Pod", label_selector=_QUEUE_LABEL),
        lambda: client.list("scheduling.volcano.sh/v1beta1", "PodGroup"),
    ]
    kai_groups, pods, volcano_groups = client.map(lambda ask: ask(), asked)
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    return {
        KAI: _by_queue(
            [("PodGroup", item, (item.get("spec") or {}).get("queue")) for item in kai_groups]
            + [("Pod", item, item["metadata"]["labels"][_QUEUE_LABEL]) for item in living]
        ),
        VOLCANO: _by_queue(
            ("PodGroup", item, (item.get("spec") or {}).get("queue") or "default") for item in volcano_groups
        ),
    }


def used_queues(client: Client, hooks: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """KAI's queues among what a release's hooks made that cannot go: name -> what is in them, or stays below them."""
    made = {
        str(item["metadata"]["name"])
        for item in hooks
        if item["kind"] == "Queue" and str(item["apiVersion"]).startswith("scheduling.run.ai/")
    }
    if not made:
        return {}
    try:
        inside = users(client)[KAI]
        live = client.list("scheduling.run.ai/v2", "Queue")
    except ApiError as error:
        if error.status != 403:
            raise
        return {name: ["what may not be read"] for name in sorted(made)}
    used = {name: sorted(inside[name]) for name in sorted(made) if inside.get(name)}
    # A parent stays with what stays below it, from the leaves upwards
    for _step in made:
        for queue in live:
            name, parent = queue["metadata"]["name"], (queue.get("spec") or {}).get("parentQueue")
            stays = name not in made or name in used
            if parent in made and stays and f"Queue {name}" not in used.get(parent, []):
                used.setdefault(parent, []).append(f"Queue {name}")
    return {name: sorted(who) for name, who in used.items()}


def packed(client: Client) -> dict[str, list[str]]:
    """What is packed by a topology: its name -> ``Kind namespace/name``. Asked only where topologies are to go."""
    kinds = (
        ("nvidia.com/v1beta1", "DynamoGraphDeployment"),
        ("grove.io/v1alpha1", "PodCliqueSet"),
        ("scheduling.run.ai/v2alpha2", "PodGroup"),
    )
    found: dict[str, list[str]] = {}
    for (_api, kind), items in zip(kinds, client.map(lambda one: client.list(*one), kinds)):
        for item in items:
            for name in sorted(_topologies(item.get("spec"))):
                found.setdefault(name, []).append(f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}")
    return found


def _topologies(value: Any) -> set[str]:
    """The names of topologies in topologyConstraints, wherever they are."""
    if isinstance(value, list):
        return {name for item in value for name in _topologies(item)}
    if not isinstance(value, Mapping):
        return set()
    constraint = value.get("topologyConstraint") or {}
    named = {constraint.get(key) for key in ("clusterTopologyName", "topologyName", "topology")} - {None}
    return {str(name) for name in named} | {name for item in value.values() for name in _topologies(item)}


def _by_queue(items: Iterable[tuple[str, Object, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, item, queue in items:
        found.setdefault(str(queue), []).append(f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}")
    return found


# -- the components -----------------------------------------------------------------------------------------------


def details(read: Reader, name: str, namespace: str, answers: Mapping[str, Any]) -> Object:
    """What the checks of KAI, Grove and LWS look at (components/kai_scheduler.py, grove.py, gang_pods.py)."""
    if name == "kai_scheduler":
        shards = {item["metadata"]["name"]: _shard(item)["staleness"] for item in answers.get("kai_shards") or []}
        return {"staleness": shards, "pod_webhooks": _pod_webhooks(answers.get("webhooks") or [], namespace)}
    if name == "grove":
        return _grove(read, namespace)
    if name == "lws":
        return {"no_gangs": no_gangs(read.list("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"))}
    return {}


def _pod_webhooks(webhooks: Iterable[Object], namespace: str) -> list[Object]:
    """The webhooks of this namespace through which every pod of the cluster passes, and without which there is none."""
    found = []
    for item in webhooks:
        for webhook in item.get("webhooks") or []:
            service = (webhook.get("clientConfig") or {}).get("service") or {}
            pods = any("pods" in (rule.get("resources") or []) for rule in webhook.get("rules") or [])
            scoped = webhook.get("namespaceSelector") or webhook.get("objectSelector")
            if service.get("namespace") == namespace and pods and webhook.get("failurePolicy") != "Ignore":
                entry = {"name": item["metadata"]["name"], "service": service.get("name"), "scoped": bool(scoped)}
                found += [] if entry in found else [entry]
    return found


def _grove(read: Reader, namespace: str) -> Object:
    config: Mapping[str, Any] = {}
    for item in read.list("v1", "ConfigMap", namespace):
        for text in (item.get("data") or {}).values():
            if "operator.config.grove.io" not in text:
                continue
            try:
                body = yaml.safe_load(text)
            except yaml.YAMLError:
                body = None
            config = body if isinstance(body, Mapping) else {}
    scheduler = config.get("scheduler") or {}
    return {
        "topology_aware": (config.get("topologyAwareScheduling") or {}).get("enabled") if config else None,
        "schedulers": [str(profile.get("name")) for profile in scheduler.get("profiles") or []],
        "default_scheduler": scheduler.get("defaultProfileName"),
        "certificate": _certificate(read.client, namespace),
        "binding_problem": _binding_problem(read.client),
    }


def _binding_problem(client: Client) -> str:
    """Why ClusterTopologyBindings are not served although their definition is there; "" otherwise."""
    if client.serves("grove.io/v1alpha1", "ClusterTopologyBinding"):
        return ""
    try:
        found = client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", BINDINGS)
    except ApiError as error:
        if error.status != 403:
            raise
        return ""
    return components.crd_problem(found) if found else ""


def _certificate(client: Client, namespace: str) -> bool | None:
    """Whether Grove's webhooks have a certificate; None where there is no Secret, or it may not be read."""
    try:
        secret = client.get("v1", "Secret", GROVE_SECRET, namespace)
    except ApiError as error:
        if error.status != 403:
            raise
        return None
    return None if secret is None else bool((secret.get("data") or {}).get("tls.crt"))
