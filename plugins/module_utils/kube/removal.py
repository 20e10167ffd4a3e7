# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take absent workloads away, and the namespaces that held nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.apply import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import namespace_contents
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import KINDS

OWN = f"{MANAGED_BY}={FIELD_MANAGER}"
# What is not deleted with a workload: somebody's data
KEPT = "PersistentVolumeClaim"
TIMEOUT = 600.0


def labelled(client: Client, kind: tuple[str, str], namespace: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """What we made for workloads of these names."""
    selector = f"{OWN},{WORKLOAD_LABEL} in ({','.join(sorted(set(names)))})"
    return client.list(*kind, namespace, label_selector=selector)


def remove(client: Client, fleet: FleetPlan, *, check: bool, wait: bool) -> tuple[list[dict[str, Any]], list[Result]]:
    """Delete what carries the labels of the absent workloads; one LIST per kind and namespace."""
    names: dict[str, list[str]] = {}
    for workload in fleet.absent:
        names.setdefault(workload.namespace, []).append(workload.name)
    found: dict[tuple[str, str], list[Ref]] = {}

    def listed(work: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        return labelled(client, *work, names[work[1]])

    kinds = [kind for kind in KINDS if kind[1] != KEPT]
    for objects in client.map(listed, [(kind, namespace) for namespace in sorted(names) for kind in kinds]):
        for obj in objects:
            meta = obj["metadata"]
            found.setdefault((meta["namespace"], meta["labels"][WORKLOAD_LABEL]), []).append(Ref.of(obj))
    results = {
        result.ref: result
        for result in engine.remove(
            client,
            [ref for refs in found.values() for ref in refs],
            check=check,
            wait_timeout=TIMEOUT,
            wait_gone=wait,
        )
    }
    entries: list[dict[str, Any]] = []
    for workload in fleet.absent:
        own = [results[ref] for ref in found.get((workload.namespace, workload.name), [])]
        failures = [f"{result.ref}: {result.error}" for result in own if result.error]
        entries.append(
            {
                "name": workload.name,
                "namespace": workload.namespace,
                "api": None,
                "action": "failed" if failures else "deleted" if own else "unchanged",
                "ready": None,
                "engines": 0,
                "total_gpus": 0,
                "objects": [result.to_dict() for result in own],
                "cause": "; ".join(failures) or None,
                "remedy": "look at what holds the objects (finalizers, owners) and run again" if failures else None,
                "details": {},
            }
        )
    return entries, list(results.values())


def remove_namespaces(
    client: Client, fleet: FleetPlan, removed: Sequence[Result], *, check: bool, wait: bool
) -> list[Result]:
    """Delete the namespaces of absent workloads that we made and that hold nothing else any more."""
    kept = {workload.namespace for workload in fleet.workloads}
    going = {(result.kind, result.name, result.namespace) for result in removed}
    empty = []
    for name in sorted({workload.namespace for workload in fleet.absent} - kept):
        namespace = client.get("v1", "Namespace", name)
        labels = (namespace or {}).get("metadata", {}).get("labels") or {}
        if labels.get(MANAGED_BY) != FIELD_MANAGER:
            continue

        def expected(item: Mapping[str, Any], name: str = name) -> bool:
            return (item["kind"], item["metadata"]["name"], name) in going

        if not namespace_contents(client, name, expected):
            empty.append(Ref("v1", "Namespace", None, name))
    return engine.remove(client, empty, check=check, wait_timeout=TIMEOUT, wait_gone=wait)
