# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topology labels: what the inventory says of each machine against what its Node bears; and the topology that gang
schedulers are told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.cluster import KAI, misnamed
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

SUBJECT = "topology"
SHOWN = 8
HOSTNAME = "kubernetes.io/hostname"
BINDING = ("grove.io/v1alpha1", "ClusterTopologyBinding")
TOPOLOGY = ("kai.scheduler/v1alpha1", "Topology")
# Of a ClusterTopologyBinding's levels (its definition)
_DOMAIN = re.compile(r"[a-z][a-z0-9-]*")


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


def with_labels(facts: Mapping[str, Any], made: Labels, levels: Mapping[str, str]) -> dict[str, Any]:
    """Facts with the labels that this run writes, and without those of ours that it takes away."""
    claims = {str(obj["metadata"]["name"]): dict(obj["metadata"].get("labels") or {}) for obj in made.objects}
    nodes = []
    for node in facts.get("nodes") or ():
        if node["name"] in claims:
            ours = set(node.get("labels_ours") or ())
            kept = {label: value for label, value in node["labels"].items() if label not in ours}
            labels_after = {**kept, **claims[node["name"]]}
            domains = {domain: labels_after[label] for domain, label in levels.items() if label in labels_after}
            node = {**node, "labels": labels_after, "labels_ours": sorted(claims[node["name"]]), "domains": domains}
        nodes.append(node)
    return {**facts, "nodes": nodes}


@dataclass(frozen=True)
class Gangs:
    """objects: KAI's Topology and Grove's ClusterTopologyBinding, to be applied and waited for. delete: references to
    those of ours that are to go. findings, why: as in Labels."""

    objects: tuple[Mapping[str, Any], ...] = ()
    delete: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    why: str = ""


def gangs(
    levels: Mapping[str, str],
    facts: Mapping[str, Any],
    *,
    name: str,
    asked: str = "auto",
    state: str = "present",
    users: Mapping[str, Sequence[str]] | None = None,
) -> Gangs:
    """The topology that Grove and KAI pack gangs by, beside the labels.

    Both objects bear ``name``: KAI looks for a Topology of the binding's name (MN-F56). levels: domain -> label,
    outermost first. facts: nodes, apis, components, topology_bindings and kai of cluster_info. asked: ``auto`` makes
    them where both are served, Grove looks at topologies and nobody else's binding knows a label of ours; ``yes``
    insists, ``no`` leaves what is there alone. users: binding -> what is packed by it, for state ``absent``.

    A level is taken only if every GPU node that bears one of the labels bears it: KAI leaves a node out of a Topology
    of which it lacks a label (pkg/scheduler/plugins/topology). Levels cannot be changed later, nor does a binding that
    comes later change a workload that is there: render.packed_as_it_is() keeps how it was packed.
    """
    mine = _mine(facts)
    if state == "absent":
        return _gangs_gone(mine, users or {})
    if asked == "no":
        return Gangs(why="no topology for gangs is asked for")
    why_not = _unserved(facts)
    if why_not:
        return _refused(why_not, asked)
    taken, finding = _common_levels(levels, facts.get("nodes") or ())
    findings = [finding] if finding else []
    if not taken:
        said = "the GPU nodes bear none of the topology labels: there is nothing to pack by"
        return _refused(said, asked, findings)
    theirs = [binding for binding in facts.get("topology_bindings") or () if not binding.get("ours")]
    for binding in theirs:
        known = {level["key"] for level in binding["levels"]}
        if binding["name"] == name:
            return _clash("ClusterTopologyBinding", name, findings)
        if known & set(taken.values()) and not misnamed(binding):
            return Gangs(
                findings=tuple(findings),
                why=f"ClusterTopologyBinding {binding['name']} is there, is somebody else's, and is used",
            )
    wanted = _objects(name, taken)
    for topology in (facts.get("kai") or {}).get("topologies") or ():
        if topology["name"] != name:
            continue
        if not topology["ours"]:
            return _clash("Topology", name, findings)
        new = [level["nodeLabel"] for level in wanted[0]["spec"]["levels"]]
        if topology["levels"] != new:
            findings.append(
                Finding(
                    "MN-F54",
                    "warning",
                    f"{SUBJECT}/{name}",
                    f"Topology {name} has the levels {', '.join(topology['levels'])}; now they would be "
                    f"{', '.join(new)}, and KAI lets nobody change them",
                    "it stays in use as it is; topology_state: absent and then present makes it anew, once no workload "
                    "is packed by it; or give another topology_name",
                )
            )
            return Gangs(findings=tuple(findings), why=f"Topology {name} is ours and stays as it is")
    return Gangs(wanted, (), tuple(findings), f"gangs are packed by {', '.join(taken)} (Topology {name})")


def with_binding(facts: Mapping[str, Any], made: Gangs) -> dict[str, Any]:
    """Facts with the binding that this run makes, or without those that it takes away."""
    gone = {ref["metadata"]["name"] for ref in made.delete}
    bindings = [item for item in facts.get("topology_bindings") or () if item["name"] not in gone]
    there = {item["name"] for item in bindings}
    for obj in made.objects:
        name = obj["metadata"]["name"]
        if obj["kind"] == BINDING[1] and name not in there:
            known = [{"scheduler": KAI, "reference": name}]
            levels = [dict(level) for level in obj["spec"]["levels"]]
            bindings.append({"name": name, "levels": levels, "schedulers": known, "ours": True, "in_sync": True})
    return {**facts, "topology_bindings": bindings}


def _mine(facts: Mapping[str, Any]) -> list[tuple[tuple[str, str], str]]:
    """Objects of ours, the binding before the Topology that it refers to."""
    found = [(BINDING, str(item["name"])) for item in facts.get("topology_bindings") or () if item.get("ours")]
    return found + [
        (TOPOLOGY, str(item["name"])) for item in (facts.get("kai") or {}).get("topologies") or () if item["ours"]
    ]


def _gangs_gone(mine: Sequence[tuple[tuple[str, str], str]], users: Mapping[str, Sequence[str]]) -> Gangs:
    findings: list[Finding] = []
    gone: list[dict[str, Any]] = []
    for kind, name in mine:
        held = users.get(name) or ()
        if not held:
            gone.append({"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": name}})
        elif kind == BINDING or all(other != (BINDING, name) for other in mine):
            more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
            findings.append(
                Finding(
                    "MN-F69",
                    "warning",
                    f"{SUBJECT}/{name}",
                    f"{kind[1]} {name} stays: {', '.join(sorted(held)[:SHOWN])}{more} "
                    f"{'is' if len(held) == 1 else 'are'} packed by it, and new pods of theirs would not be scheduled",
                    "remove these first",
                )
            )
    names = sorted({ref["metadata"]["name"] for ref in gone})
    return Gangs((), tuple(gone), tuple(findings), f"topology for gangs: {', '.join(names) or 'none'} to go")


def _unserved(facts: Mapping[str, Any]) -> str:
    """Why gangs cannot be told of topologies here; "" when they can."""
    apis = facts.get("apis") or {}
    missing = [
        kind[1]
        for kind in (TOPOLOGY, BINDING)
        if kind[0].split("/")[1] not in (apis.get(kind[0].split("/", maxsplit=1)[0]) or ())
    ]
    if missing:
        return f"the cluster does not know {' and '.join(missing)} (Grove with KAI): the pods' affinity packs engines"
    aware = (((facts.get("components") or {}).get("grove") or {}).get("details") or {}).get("topology_aware")
    if not aware:
        said = "is off" if aware is False else "may be off: its configuration was not found"
        return (
            f"Grove's topologyAwareScheduling {said}, so the pods' affinity packs engines; its owner: "
            "config.topologyAwareScheduling.enabled=true in Grove's chart values"
        )
    return ""


def _refused(why: str, asked: str, findings: Sequence[Finding] = ()) -> Gangs:
    if asked != "yes":
        return Gangs(findings=tuple(findings), why=f"no topology for gangs: {why}")
    error = Finding(
        "MN-F54", "error", SUBJECT, f"a topology for gangs is asked for (topology_gangs), and {why}", "see above"
    )
    return Gangs(findings=(*findings, error), why=f"no topology for gangs: {why}")


def _clash(kind: str, name: str, findings: Sequence[Finding]) -> Gangs:
    said = f"{kind} {name} is there and somebody else's: it is not changed"
    error = Finding("MN-F56", "error", f"{SUBJECT}/{name}", said, "give topology_name another value")
    return Gangs(findings=(*findings, error), why=said)


def _common_levels(
    levels: Mapping[str, str], nodes: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, str], Finding | None]:
    """The levels that every labelled GPU node bears, and what to say of the others."""
    wanted = {domain: label for domain, label in levels.items() if label != HOSTNAME}
    labelled = [node for node in nodes if node.get("gpus") and set(wanted.values()) & set(node["labels"])]
    taken, partly = {}, []
    for domain, label in wanted.items():
        lacking = [str(node["name"]) for node in labelled if label not in node["labels"]]
        if not _DOMAIN.fullmatch(domain):
            partly.append(f"{domain} (Grove's names are a-z, 0-9 and -)")
        elif not lacking:
            taken[domain] = label
        elif len(lacking) < len(labelled):
            partly.append(f"{domain} ({', '.join(lacking[:SHOWN])} lack {label})")
    if not labelled:
        return {}, None
    if not partly:
        return taken, None
    return taken, Finding(
        "MN-F54",
        "warning",
        SUBJECT,
        f"levels that the Topology for gangs leaves out: {'; '.join(partly)}",
        "label these nodes (KAI leaves a node out of a Topology of which it lacks a label); until then affinity packs "
        "by these levels",
    )


def _objects(name: str, levels: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    host = "host" if "host" not in levels else "hostname"
    pairs = [*levels.items(), (host, HOSTNAME)]
    labels = {MANAGED_BY: MANAGER}
    return (
        {
            "apiVersion": TOPOLOGY[0],
            "kind": TOPOLOGY[1],
            "metadata": {"name": name, "labels": labels},
            "spec": {"levels": [{"nodeLabel": label} for _domain, label in pairs]},
        },
        {
            "apiVersion": BINDING[0],
            "kind": BINDING[1],
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "levels": [{"domain": domain, "key": label} for domain, label in pairs],
                "schedulerTopologyBindings": [{"schedulerName": KAI, "topologyReference": name}],
            },
        },
    )


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
