# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is and runs, in one concurrent round of O(kinds) requests, and whether its components are ready.

What the credentials may not read is left out and named under ``unreadable``: a tenant gets what a tenant may see.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import (
    facts_dynamo,
    facts_gangs,
    facts_hardware,
    facts_olm,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import problems, webhooks
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.releases import identify, release
from ansible_collections.dynamo.multinode.plugins.module_utils.names import RECORD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import GPU, pod_gpus, whole

LEVELS: Mapping[str, str] = {
    "zone": "topology.kubernetes.io/zone",
    "block": "topology.kubernetes.io/block",
    "rack": "topology.kubernetes.io/rack",
}
GATHER = ("nodes", "components", "queues")

Object = dict[str, Any]


def facts(
    client: Client,
    topology_levels: Mapping[str, str] | None = None,
    gather: Sequence[str] = GATHER,
) -> Object:
    """The cluster as JSON-able data, with values of helm releases that look secret replaced by ``***``.

    topology_levels: domain -> node label. gather: parts of GATHER to read; the others are empty.
    Returns {"kubernetes": "v1.34.4", "apis": {group: [versions]}, "nodes": [...], "components": {name: {...}},
    "queues": {"volcano": [...], "kai": [...]}, "kai": {...}, "topology_bindings": [...], "priority_classes": [names],
    "priorities": {name: value}, "unreadable": [sentences]}.
    Raises ApiError where the cluster cannot be reached at all.
    """
    return published(collect(client, topology_levels, gather))


def published(found: Mapping[str, Any]) -> Object:
    """What collect() found, fit for an answer that is printed and logged."""
    hidden = ("release_objects", "release_hooks", "release_secrets", "release_crds", "release_takes")
    shown = {
        name: {
            key: redacted(value) if key in ("values", "others") else value
            for key, value in entry.items()
            if key not in hidden
        }
        for name, entry in found["components"].items()
    }
    return {**found, "components": shown}


def collect(
    client: Client,
    topology_levels: Mapping[str, str] | None = None,
    gather: Sequence[str] = GATHER,
) -> Object:
    """Like facts(), with the releases' values as they are: for decisions inside a module, never for its answer."""
    read = Reader(client)
    wanted = set(gather)
    jobs: dict[str, Callable[[], Any]] = {"version": client.version, "apis": client.groups}
    if "nodes" in wanted:
        jobs["nodes"] = lambda: read.list("v1", "Node")
        # Finished pods hold nothing; unbound ones hold nothing yet
        jobs["pods"] = lambda: read.list(
            "v1", "Pod", field_selector="spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
        )
    if "components" in wanted:
        # Superseded revisions are most of helm's bytes and say nothing about now
        jobs["secrets"] = lambda: read.list("v1", "Secret", label_selector="owner=helm,status!=superseded")
        jobs["records"] = lambda: read.list("v1", "ConfigMap", label_selector=RECORD_LABEL)
        jobs["deployments"] = lambda: read.list("apps/v1", "Deployment")
        jobs["webhooks"] = lambda: webhooks(read)
    if wanted & {"components", "queues"}:
        jobs["volcano_queues"] = lambda: read.list("scheduling.volcano.sh/v1beta1", "Queue")
    if "queues" in wanted:
        jobs["kai_queues"] = lambda: read.list("scheduling.run.ai/v2", "Queue")
        jobs["topology_bindings"] = lambda: read.list("grove.io/v1alpha1", "ClusterTopologyBinding")
        jobs["priority_classes"] = lambda: read.list("scheduling.k8s.io/v1", "PriorityClass")
    jobs.update(facts_gangs.jobs(read, wanted))
    answers = dict(zip(jobs, client.map(lambda job: job(), list(jobs.values()))))
    apis: Mapping[str, list[str]] = answers["apis"]
    found: Object = {
        "kubernetes": str(answers["version"].get("gitVersion") or ""),
        "apis": {group: list(served) for group, served in apis.items()},
        "nodes": nodes(answers.get("nodes") or [], answers.get("pods") or [], topology_levels or LEVELS),
        "components": {},
        "queues": {
            "volcano": [facts_gangs.volcano_queue(queue) for queue in answers.get("volcano_queues") or []],
            "kai": [facts_gangs.kai_queue(queue) for queue in answers.get("kai_queues") or []],
        },
        "kai": facts_gangs.kai(answers),
        "topology_bindings": [_binding(item) for item in answers.get("topology_bindings") or []],
        "priority_classes": sorted(item["metadata"]["name"] for item in answers.get("priority_classes") or []),
        "priorities": {item["metadata"]["name"]: item.get("value") for item in answers.get("priority_classes") or []},
    }
    if "components" in wanted:
        found["components"] = _components(client, read, answers)
        found.update(facts_olm.read(read, apis))
        found["hardware"] = facts_hardware.collect(client, read, apis, answers)
    found["unreadable"] = sorted(read.unreadable)
    return found


def nodes(listed: Iterable[Object], pods: Iterable[Object], levels: Mapping[str, str]) -> list[Object]:
    """One entry per Node, by name; gpus are counts of nvidia.com/gpu, gpus_free what no pod bound there asks for."""
    used: dict[str, int] = {}
    for pod in pods:
        name = str(pod["spec"].get("nodeName") or "")
        used[name] = used.get(name, 0) + pod_gpus(pod)
    entries = []
    for node in listed:
        meta, status = node["metadata"], node.get("status") or {}
        labels = dict(meta.get("labels") or {})
        gpus = whole((status.get("allocatable") or {}).get(GPU))
        memory = whole(labels.get("nvidia.com/gpu.memory"))
        entries.append(
            {
                "name": meta["name"],
                "ready": any(
                    item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or []
                ),
                "schedulable": not node.get("spec", {}).get("unschedulable", False),
                "taints": list(node.get("spec", {}).get("taints") or []),
                "labels": labels,
                "labels_ours": _labels_ours(meta.get("managedFields") or []),
                "gpus": gpus,
                "gpus_free": max(0, gpus - used.get(meta["name"], 0)),
                "gpu_product": labels.get("nvidia.com/gpu.product"),
                # The label is in MiB, and a little under what the card is sold as
                "gpu_memory_gib": round(memory / 1024) if memory else None,
                **facts_hardware.node(node),
                "domains": {domain: labels[label] for domain, label in levels.items() if label in labels},
            }
        )
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _components(client: Client, read: Reader, answers: Mapping[str, Any]) -> dict[str, Object]:
    releases = [found for found in map(release, answers["secrets"]) if found]
    records = {}
    for item in answers["records"]:
        try:
            record = json.loads((item.get("data") or {}).get("record") or "")
        except ValueError:
            continue
        if isinstance(record, dict):
            records[item["metadata"]["labels"][RECORD_LABEL]] = record
    blind = {"Secret in v1", "ConfigMap in v1", "Deployment in apps/v1"} & read.unreadable
    names = [*components.COMPONENTS, *sorted(set(records) - set(components.COMPONENTS))]
    found = {
        name: identify(components.definition(name), releases, records.get(name), answers["deployments"])
        for name in names
    }
    for entry in found.values():
        entry["unreadable"] = f"not allowed to list {', '.join(sorted(blind))}" if blind else ""
    present = [name for name in names if found[name]["present"] and name in components.COMPONENTS]
    judged = client.map(lambda name: problems(read, found[name], name, answers), present)
    for name, (lacks, details) in zip(present, judged):
        found[name].update(ready=not lacks, problems=lacks, details=details)
    facts_dynamo.add(read, found["dynamo_platform"], answers["apis"])
    return found


def _labels_ours(managed: Iterable[Mapping[str, Any]]) -> list[str]:
    """The labels that our field manager applied."""
    ours: set[str] = set()
    for entry in managed:
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
            ours |= {name[2:] for name in fields if name.startswith("f:")}
    return sorted(ours)


def _binding(item: Object) -> Object:
    """Grove's ClusterTopologyBinding; ``in_sync`` None: Grove has not said yet. Without references it makes KAI's
    Topology itself, under its own name."""
    spec = item.get("spec") or {}
    statuses = (item.get("status") or {}).get("schedulerTopologyStatuses") or []
    return {
        "name": item["metadata"]["name"],
        "levels": [{"domain": level["domain"], "key": level["key"]} for level in spec.get("levels") or []],
        "schedulers": [
            {"scheduler": found["schedulerName"], "reference": found["topologyReference"]}
            for found in (spec.get("schedulerTopologyBindings") or statuses)
        ],
        "ours": facts_gangs.ours(item),
        "in_sync": all(found.get("inSync", False) for found in statuses) if statuses else None,
    }
