# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a removal is, by subject: what progress.Slice has under ``standing`` and ``settled``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import (
    DYNAMO_NAME,
    GROVE_SET_NAME,
    LWS_NAME,
    labels,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import removal_text

# What the pods of a kind carry its name under
POD_LABELS = {"LeaderWorkerSet": LWS_NAME, "PodCliqueSet": GROVE_SET_NAME, "DynamoGraphDeployment": DYNAMO_NAME}

# Subject ("namespace/name" of a workload, or an object's own key) -> what of it goes
Owners = Mapping[str, Sequence[Ref]]


def standing(removal: Removal, owners: Owners, left: Mapping[str, int], total: Mapping[str, int]) -> dict[str, Any]:
    """Those that are not gone yet. ``left``, ``total``: pods by subject, now and when it began, where known."""
    waited = {one.ref: one for one in removal.open}
    found = {}
    for name, refs in owners.items():
        if _over(removal, refs):
            continue
        reasons = {ref: waited[ref].reason for ref in refs if ref in waited}
        found[name] = {
            "text": removal_text(left.get(name), total.get(name), list(reasons.values())),
            "limit": removal.timeout,
            "reason": "; ".join(f"{ref.kind} {ref.name}: {reason}" for ref, reason in list(reasons.items())[:2]),
        }
    return found


def settled(removal: Removal, owners: Owners, remedy: str) -> dict[str, Any]:
    """Those of which all is gone, or given up. What there was nothing of is left out."""
    found = {}
    for name, refs in owners.items():
        if not _over(removal, refs) or not any(ref in removal.ended or removal.made[ref].error for ref in refs):
            continue
        cause = failures([removal.made[ref] for ref in refs]).replace(f"{name}: ", "", 1)
        found[name] = {
            "ready": not cause,
            "text": "; ".join(said for said in (cause, remedy) if said) if cause else "gone",
            "seconds": max((removal.ended.get(ref, 0.0) for ref in refs), default=0.0),
            "answer": {},
        }
    return found


def failures(results: Sequence[Result]) -> str:
    """What went wrong with them, in one line."""
    return "; ".join(f"{result.ref}: {result.error}" for result in results if result.error)


def _over(removal: Removal, refs: Sequence[Ref]) -> bool:
    waiting = {one.ref for one in removal.open} | set(removal.refused)
    return all(ref in removal.made and ref not in waiting for ref in refs)


def pods(client: Client, owners: Owners, *, all_of_them: bool) -> dict[str, int]:
    """Workload -> how many pods it has: all, or only those of the objects that go. One LIST per namespace; nothing
    where pods may not be read."""
    names: dict[str, list[str]] = {}
    for owner in owners:
        namespace, name = owner.split("/", 1)
        names.setdefault(namespace, []).append(name)

    def listed(namespace: str) -> list[dict[str, Any]]:
        selector = f"{WORKLOAD_LABEL} in ({','.join(sorted(names[namespace]))})"
        return client.list("v1", "Pod", namespace, label_selector=selector)

    try:
        found = dict(zip(names, client.map(listed, names)))
    except ApiError as error:
        if error.status != 403:
            raise
        return {}
    return count(owners, found, all_of_them=all_of_them)


def count(owners: Owners, found: Mapping[str, Sequence[Mapping[str, Any]]], *, all_of_them: bool) -> dict[str, int]:
    """Workload -> how many of the pods ``found``, by namespace, are its own."""
    counts = {}
    for owner, refs in owners.items():
        namespace, name = owner.split("/", 1)
        marks = [labels(pod) for pod in found[namespace]]
        own = [one for one in marks if one.get(WORKLOAD_LABEL) == name]
        counts[owner] = sum(1 for one in own if all_of_them or _of(one, refs))
    return counts


def _of(marks: Mapping[str, str], refs: Sequence[Ref]) -> bool:
    return any(ref.kind in POD_LABELS and marks.get(POD_LABELS[ref.kind]) == ref.name for ref in refs)
