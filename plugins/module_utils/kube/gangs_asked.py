# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of cluster_info about queues and topology: what is read besides, and what the pure rules make of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components, queue_plan, topology
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

QUEUES: dict[str, Any] = {
    "list": {"type": "list", "elements": "dict", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "remove_used": {"type": "bool", "default": False},
}
TOPOLOGY: dict[str, Any] = {
    "machines": {"type": "list", "elements": "dict", "default": []},
    "write": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "gangs": {"type": "str", "choices": ["auto", "yes", "no"], "default": "no"},
    "name": {"type": "str", "default": "dynamo-multinode"},
}

Facts = Mapping[str, Any]


def gather(params: Mapping[str, Any]) -> set[str]:
    """The parts of the cluster that these answers need."""
    found: set[str] = set()
    if params["queues"] is not None:
        found |= {"queues"}
    if params["topology"] is not None:
        found.add("nodes")
        if params["topology"]["state"] == "absent":
            found.add("queues")
        elif params["topology"]["gangs"] != "no":
            found |= {"components", "queues"}
    return found


def queues(
    client: Client, params: Mapping[str, Any], facts: Facts, orchestrator: str, *, check: bool
) -> tuple[dict[str, Any], Facts]:
    """(the answer, facts with the queues as it leaves them). Raises SpecError with everything that is wrong.

    check: in check mode the scheduler may be missing that this run would have installed before.
    """
    asked = params["queues"]
    users = facts_gangs.users(client) if queue_plan.removes(asked["list"], asked["state"]) else None
    answer = queue_plan.plan(
        asked["list"],
        facts,
        scheduler=params["scheduler"],
        orchestrator=orchestrator,
        state=asked["state"],
        remove_used=asked["remove_used"],
        users=users,
        check=check,
    )
    shown = answer.to_dict()
    shown.update(_judged(answer.why, answer.findings, params["waivers"]))
    return shown, queue_plan.after(facts, answer)


def topologies(client: Client, params: Mapping[str, Any], facts: Facts) -> tuple[dict[str, Any], Facts]:
    """(the answer, facts with the labels and the binding as it leaves them)."""
    asked, levels = params["topology"], params["topology_levels"]
    labels = topology.labels(asked["machines"], facts["nodes"], levels, write=asked["write"], state=asked["state"])
    # Levels cannot be changed later: what is being labelled counts as labelled
    facts = topology.with_labels(facts, labels, levels)
    made = topology.Gangs()
    if asked["gangs"] != "no" or asked["state"] == "absent":
        users = facts_gangs.packed(client) if asked["state"] == "absent" else None
        made = topology.gangs(
            levels, facts, name=asked["name"], asked=asked["gangs"], state=asked["state"], users=users
        )
    why = "; ".join(word for word in (labels.why, made.why) if word)
    shown = {
        "objects": list(labels.objects),
        "written": labels.written,
        "gang_objects": list(made.objects),
        "gang_delete": list(made.delete),
        **_judged(why, (*labels.findings, *made.findings), params["waivers"]),
    }
    # Labels are compared and said; they stop nobody
    shown["failing"] = _judged("", made.findings, params["waivers"])["failing"]
    return shown, topology.with_binding(facts, made)


def _judged(why: str, findings: Sequence[Finding], waivers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    judged = components.waived(findings, waivers, datetime.date.today().isoformat())
    return {
        "findings": [{**finding.to_dict(), "waived": reason} for finding, reason in judged],
        "lines": [why, *[f"{f'waived ({reason}) ' if reason else ''}{finding}" for finding, reason in judged]],
        "failing": [
            f"{finding.id} {finding.message}. {finding.remedy}"
            for finding, reason in judged
            if finding.severity == "error" and reason is None
        ],
    }
