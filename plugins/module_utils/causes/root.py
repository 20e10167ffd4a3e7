# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Did the Dynamo operator accept the deployment? What fails at reconcile is told by its conditions alone. Pure.

Conditions are believed here only where they say that nothing was made; while pods wait their reasons are stale
(observed.md 8), and the truth is in PodGroups, queues and pods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import condition
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import root_of

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan

Object = Mapping[str, Any]

# What the operator and Grove say -> (entry of the catalogue, cause, remedy); groups of the pattern fill the texts.
_WORDS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"queue '([^']+)' not found",
        "MN-F23",
        "KAI queue {0} does not exist",
        "create queue {0} (multinode_queues) or name an existing one in the workload's queue; it heals by itself "
        "within half a minute",
    ),
    (
        r"no KAI queue is configured",
        "MN-F23",
        "no KAI queue is named on its pods",
        "name a queue in the workload's queue",
    ),
    (
        r"minAvailable: Invalid value: \d+: field is immutable|nodeCount: Invalid value: \d+: field is immutable",
        "MN-F10",
        "its node_count was changed, which cannot be done in place; what ran before runs on",
        "set replace: allow on the workload (or multinode_replace), or go back to the old node_count",
    ),
    (
        r"schedulerName: Invalid value: \"([^\"]+)\"",
        "MN-F19",
        "its pods name different schedulers: {0}",
        "name one scheduler for the whole workload (multinode_scheduler), also in pod_spec",
    ),
    (
        r"must be no more than 63|combined .*length|name .*too long|exceeds",
        "MN-F08",
        "a name is longer than a label may be",
        "shorten the workload's or the component's name: <namespace>-<name> and <name>-<component> must fit "
        "63 characters",
    ),
    (
        r"replicas: Invalid value: 0",
        "MN-F106",
        "Grove does not make a multinode component with replicas 0",
        "create it with replicas 1 and scale it down then",
    ),
    (r"container (Command|Args) cannot be (?:nil|empty)", "MN-F13", "LWS needs its {0}", "give command and args"),
    (
        r"backend framework mismatch: (.*)",
        "MN-F02",
        "the operator reads another backend from its command: {0}",
        "let command and backend agree",
    ),
)
_REASONS = {
    "no_multinode_orchestrator_available": (
        "MN-F20",
        "the Dynamo operator knows no multinode orchestrator: no Grove, and not LeaderWorkerSet with Volcano",
        "install Grove, or LWS and Volcano (bootstrap), restart the Dynamo operator, and create the deployment anew",
    ),
    "selected_workload_provider_unavailable": (
        "MN-F102",
        "it was made for an orchestrator that the Dynamo operator no longer uses",
        "enable that orchestrator again, or delete the deployment and create it anew",
    ),
}


def refused(workload: WorkloadPlan, seen: Snapshot) -> Diagnosis | None:
    """Why nothing can come of a DynamoGraphDeployment, whatever its pods do."""
    name = f"{workload.namespace}/{workload.name}"
    if workload.api != "dynamographdeployment" or not seen.knows(live.DYNAMO_DEPLOYMENT):
        return None
    root = root_of(workload, seen)
    if root is None:
        return _say(
            name,
            "MN-F90",
            f"DynamoGraphDeployment {name} does not exist",
            "apply the workload; if it was applied, look who deleted it",
        )
    ready = condition(root, "Ready") or {}
    reason, message = str(ready.get("reason") or ""), str(ready.get("message") or "")
    if reason in _REASONS:
        number, cause, remedy = _REASONS[reason]
        return _say(name, number, cause, remedy, seen=message)
    if (root.get("status") or {}).get("state") == "failed" or reason.startswith("failed_to_reconcile"):
        for pattern, number, cause, remedy in _WORDS:
            found = re.search(pattern, message)
            if found:
                return _say(name, number, cause.format(*found.groups()), remedy.format(*found.groups()), seen=message)
        return _say(
            name,
            "MN-F90",
            f"the Dynamo operator cannot make it: {message or reason}",
            "correct what it names, or look at the log of the operator",
            seen=message,
        )
    return None


def unreported(workload: WorkloadPlan, seen: Snapshot, engines: int) -> Diagnosis | None:
    """Every pod is ready, and what was applied does not say so: a rollout that sticks, or a word that lags behind."""
    name = f"{workload.namespace}/{workload.name}"
    for owner in _roots(workload, seen):
        verdict = readiness.ready(owner)
        if verdict.ready:
            continue
        what = f"{owner['kind']} {owner['metadata']['name']}"
        update = _update(workload, seen)
        if update:
            return _say(
                name,
                "MN-F104",
                f"all {engines} engines are ready, and its rolling update is not over: {update}",
                "a second edit while one is under way sticks; if it stays, delete the deployment and create it anew",
                seen=verdict.reason,
            )
        return _say(
            name,
            None,
            f"all {engines} engines are bound and ready, and {what} does not say so yet: {verdict.reason}",
            "wait; if it stays, look at the log of its operator",
            seen=verdict.reason,
        )
    return None


def _roots(workload: WorkloadPlan, seen: Snapshot) -> list[Object]:
    root = root_of(workload, seen)
    if root is not None:
        return [{"apiVersion": live.DYNAMO_DEPLOYMENT.api_version, "kind": "DynamoGraphDeployment", **root}]
    kind = {"podcliqueset": live.POD_CLIQUE_SET, "leaderworkerset": live.LEADER_WORKER_SET}.get(workload.api)
    if kind is None:
        return []
    found = [seen.find(kind, component.object_name, workload.namespace) for component in workload.components]
    return [{"apiVersion": kind.api_version, "kind": kind.kind, **one} for one in found if one is not None]


def _update(workload: WorkloadPlan, seen: Snapshot) -> str | None:
    """The rolling update of a PodCliqueSet that was begun and is not over."""
    for owner in seen.get(live.POD_CLIQUE_SET, workload.namespace):
        marks = owner["metadata"].get("ownerReferences") or ()
        if owner["metadata"]["name"] != workload.name and not any(one.get("name") == workload.name for one in marks):
            continue
        status = owner.get("status") or {}
        progress = status.get("updateProgress") or status.get("rollingUpdateProgress") or {}
        if progress.get("updateStartedAt") and not progress.get("updateEndedAt"):
            return (
                f"PodCliqueSet {owner['metadata']['name']} began it at {progress['updateStartedAt']} and has updated "
                f"{status.get('updatedReplicas') or 0} of {(owner.get('spec') or {}).get('replicas')} replicas"
            )
    return None


def _say(name: str, number: str | None, cause: str, remedy: str, **details: Any) -> Diagnosis:
    return Diagnosis(
        f"{name}: {cause}" if not cause.startswith("DynamoGraph") else cause, remedy, {"id": number, **details}
    )
