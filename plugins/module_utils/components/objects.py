# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of ours around a component: its record, its namespace, and what a removal deletes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Decision
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER, RECORD_LABEL


def record_object(record: Mapping[str, Any]) -> dict[str, Any]:
    """The ConfigMap that keeps a record; it has no timestamps, so that writing it again changes nothing."""
    name = str(record["component"])
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"dynamo-multinode-{name.replace('_', '-')}",
            "namespace": record["namespace"],
            "labels": {MANAGED_BY: MANAGER, RECORD_LABEL: name},
        },
        "data": {"record": json.dumps(record, sort_keys=True)},
    }


def namespace_object(name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A namespace of ours; only those are ever deleted."""
    labels = {**(labels or {}), MANAGED_BY: MANAGER}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def reference(item: Mapping[str, Any]) -> dict[str, Any]:
    """What names an object, and no more."""
    about = item["metadata"]
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": metadata(about["name"], about.get("namespace")),
    }


def apply_objects(decision: Decision, labels: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """What a decision has to see applied before helm runs: our namespace with these labels, the record, and more."""
    record = decision.record
    if record is None or (not decision.record_changed and decision.action in ("none", "adopt")):
        return []
    objects = [namespace_object(str(record["namespace"]), labels)] if record["namespace_created"] else []
    return [*objects, record_object(record), *(dict(item) for item in decision.before)]


def delete_objects(decision: Decision, record: Mapping[str, Any] | None) -> list[list[dict[str, Any]]]:
    """References to what a removal deletes after helm ran, in lots, each gone before the next one: leavings, broken
    releases, CRDs, our namespace, and our record.

    What the next run needs to know what is left, should this one be killed, goes last: helm's own record of a broken
    release after what that names; ours after everything, with its namespace where that goes. Where the component comes
    back, ours stays.
    """
    if decision.action != "remove" or not record:
        return []
    left = [dict(item) for item in decision.delete]
    left += [
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": crd}}
        for crd in decision.crds
    ]
    broken = [dict(item) for item in decision.recover]
    if decision.remove_namespace:
        last: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": record["namespace"]}}
        # A removal takes definitions away before namespaces
        lots = [left, [*broken, last]] if broken else [[*left, last]]
    else:
        # A record that is kept says what comes back
        last = reference(record_object(record))
        lots = [left, broken, [last] if decision.record is None else []]
    return [lot for lot in lots if lot]


def metadata(name: str, namespace: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}
