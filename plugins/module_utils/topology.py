# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topology labels: what the inventory says of each machine against what its Node bears. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

SUBJECT = "topology"
SHOWN = 8


@dataclass(frozen=True)
class Labels:
    """objects: partial Nodes to be applied by our field manager, which then owns exactly what they name. findings: what
    is not as it should be. written: how many labels are new. why: all of it in a sentence."""

    objects: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    written: int
    why: str


def labels(
    machines: Sequence[Mapping[str, Any]],
    nodes: Sequence[Mapping[str, Any]],
    levels: Mapping[str, str],
    *,
    write: bool,
    state: str = "present",
) -> Labels:
    """What to write, and what to say.

    machines: the multinode_node of each host, with ``name`` and the domains it names. nodes: facts()["nodes"].
    levels: domain -> label. write: labels may be written, and only where a Node has none, or where ours is there.
    state ``absent``: whatever we wrote goes, whoever else's label stays.
    """
    if state == "absent":
        # An empty claim gives up what we own; the API server then removes it
        gone = tuple(_node(node, {}) for node in nodes if node.get("labels_ours"))
        return Labels(gone, (), 0, f"our labels go from {len(gone)} nodes" if gone else "no node bears labels of ours")
    live = {str(node["name"]): node for node in nodes}
    unknown, lacking, differing = [], [], []
    objects = []
    written = 0
    for machine in machines:
        node = live.get(str(machine["name"]))
        if node is None:
            unknown.append(str(machine["name"]))
            continue
        ours = set(node.get("labels_ours") or ())
        claim: dict[str, str] = {}
        for domain, label in levels.items():
            wanted, there = machine.get(domain), node["labels"].get(label)
            if wanted is None:
                continue
            if write and (there is None or label in ours):
                claim[label] = str(wanted)
                written += there != str(wanted)
            elif there is None:
                lacking.append(f"{node['name']} ({label}={wanted})")
            elif there != str(wanted):
                differing.append(f"{node['name']} ({label}={there}, the inventory says {wanted})")
        if write and {label: node["labels"].get(label) for label in ours} != claim:
            objects.append(_node(node, claim))
    known = {str(machine["name"]): machine for machine in machines}
    used = [(domain, label) for domain, label in levels.items() if any(label in node["labels"] for node in nodes)]
    unlabelled = [
        f"{name} ({label})"
        for name, node in sorted(live.items())
        for domain, label in used
        # A machine without GPUs takes no part in an engine
        if node.get("gpus") and label not in node["labels"] and known.get(name, {}).get(domain) is None
    ]
    findings = [
        _finding(
            "error", unknown, "machines of the inventory are no Nodes of the cluster", "correct multinode_node.name"
        ),
        _finding(
            "warning",
            lacking,
            "Nodes lack topology labels that the inventory knows",
            "let who runs the cluster set them, or set multinode_topology_write: true",
        ),
        _finding(
            "warning",
            differing,
            "Nodes bear another topology label than the inventory says; it is not overwritten",
            "correct the inventory, or the label",
        ),
        _finding(
            "warning",
            unlabelled,
            "Nodes lack a topology label that other Nodes bear",
            "label them, or name their domains in the inventory",
        ),
    ]
    said = tuple(finding for finding in findings if finding is not None)
    why = f"{written} labels are to be written" if written else "no label is to be written"
    return Labels(tuple(objects), said, written, why)


def _node(node: Mapping[str, Any], claim: Mapping[str, str]) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": node["name"]}
    if claim:
        meta["labels"] = dict(claim)
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta}


def _finding(severity: str, names: Sequence[str], message: str, remedy: str) -> Finding | None:
    if not names:
        return None
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Finding("MN-F54", severity, SUBJECT, f"{message}: {', '.join(names[:SHOWN])}{more}", remedy)
