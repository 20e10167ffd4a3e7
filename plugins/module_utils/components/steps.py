# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of one step from version to version, whoever makes it: a path, or a run of bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

# From here on Grove writes KAI's PodGroups itself (grove #725)
GROVE_WRITES_PODGROUPS = "0.1.0-alpha.13-0"
# Before it: ClusterTopology; from it on ClusterTopologyBinding. Both are called ``ct`` for short (grove #801)
GROVE_BINDS_TOPOLOGIES = "0.1.0-alpha.9-0"
TOPOLOGIES = (
    ("clustertopologies.grove.io", "ClusterTopology"),
    ("clustertopologybindings.grove.io", "ClusterTopologyBinding"),
)
SHORT_NAME = "ct"
MIGRATING = ("PodGangMigrationInProgress", "LegacyPodGangsPendingMigration")


def no_way_back(name: str, here: str, to: str) -> tuple[Finding, ...]:
    """F72: ways back that upstream does not support; with consent, a path goes them all the same."""
    if name == "kai_scheduler" and versions.downward(here, to):
        message = f"KAI does not support going back: {here} to {to} is an uninstall and a new install"
        remedy = "multinode_replace: allow; until it runs again no pod of its queues is scheduled, running ones stay"
        return (Finding("MN-F72", "error", name, message, remedy),)
    if name == "grove" and begins_podgroups(to, here):
        message = f"Grove {here} writes the PodGroups of gangs, {to} leaves them to KAI: no way back is documented"
        remedy = "make the deployments anew afterwards (multinode_replace: allow), or stay"
        return (Finding("MN-F72", "error", name, message, remedy),)
    return ()


def begins_podgroups(low: str, high: str) -> bool:
    """Whether Grove's own PodGroups begin between the two."""
    first = GROVE_WRITES_PODGROUPS
    return versions.within(low, None, first) and not versions.within(high, None, first)


def under_way(pod_clique_sets: Sequence[Mapping[str, Any]], scaled_to_zero: Sequence[str]) -> tuple[Finding, ...]:
    """F106: what Grove has under way that its upgrade would end for good.

    pod_clique_sets: live ones. scaled_to_zero: what of Grove's has no replicas, as ``namespace/name``.
    """
    found = []
    for item in pod_clique_sets:
        meta = item["metadata"]
        subject = f"{meta.get('namespace')}/{meta['name']}"
        for condition in (item.get("status") or {}).get("conditions") or []:
            if condition.get("type") in MIGRATING and condition.get("status") == "True":
                message = f"{condition['type']}: Grove is upgraded while a migration is pending, and stops for good"
                remedy = "wait until the condition is gone, or delete the deployment"
                found.append(Finding("MN-F106", "error", subject, message, remedy))
    for subject in scaled_to_zero:
        message = "is scaled to zero: Grove's upgrade finds no entries for it, and reconciles it no more"
        found.append(
            Finding("MN-F106", "error", subject, message, "scale it to 1 or more, or delete it, and upgrade then")
        )
    return tuple(found)


def other_topology(to: str) -> tuple[str, str]:
    """The definition that a Grove of this version does not have, and whose short name its own asks for; its kind."""
    return TOPOLOGIES[versions.within(to, None, GROVE_BINDS_TOPOLOGIES)]


def short_name_taken(to: str, definition: str, held: Sequence[str] | None) -> Finding:
    """F61: a definition that a Grove of this version does not have, and that keeps its own from being accepted.

    held: the objects of it; None: they cannot be read.
    """
    has = "whose objects cannot be read" if held is None else f"with {', '.join(held)}"
    if not held and held is not None:
        has = "which has no objects"
    message = f"definition {definition}, {has}, holds the short name {SHORT_NAME}, which one of Grove {to} asks for"
    remedy = f"kubectl delete crd {definition}, once nobody needs its objects: Grove {to} does not read them"
    return Finding("MN-F61", "error", "grove", message, remedy)


def unplanned(name: str, here: str, to: str, live: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What forbids a step that no path planned, or is to be said of it.

    live: of Grove, {"pod_clique_sets": [...], "scaled_to_zero": [...]} as the cluster has them, and ``taken``: the
    definition that holds its short name, with its objects.
    """
    found = []
    for item in no_way_back(name, here, to):
        remedy = "run the playbook upgrade with multinode_replace: allow, or the playbook rollback; or stay"
        found.append(Finding(item.id, item.severity, item.subject, item.message, remedy))
    if name != "grove" or versions.key(here) == versions.key(to):
        return tuple(found)
    sets = live.get("pod_clique_sets") or ()
    found += under_way(sets, live.get("scaled_to_zero") or ())
    if live.get("taken"):
        found.append(short_name_taken(to, *live["taken"]))
    if begins_podgroups(here, to) and (sets or "pod_clique_sets" not in live):
        message = f"gangs that run under Grove {here} are given no PodGroup by {to}: a pod replaced later stays pending"
        remedy = "run the playbook upgrade instead, which names them with what cures them"
        found.append(Finding("MN-F108", "warning", name, message, remedy))
    return tuple(found)
