# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: one dict, and what people and programs read of it (JSON, JUnit, lines for a terminal). Pure.

The page for people is made by report_html. The time is an input: the same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import NODE, POD, Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import GPU, NodeUse, node_uses
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import (
        ComponentPlan,
        FleetPlan,
        WorkloadPlan,
    )

SCHEMA = "dynamo.multinode/report/v1"
Report = dict[str, Any]


@dataclass(frozen=True)
class Promise:
    """One thing that an engine was to have: ``held`` is None where it is not known or was not ``asked`` for."""

    key: str
    title: str
    held: bool | None
    why: str
    asked: bool = True

    @property
    def word(self) -> str:
        """One word for a person."""
        if self.held is None:
            return "not checked" if self.asked else "not asked for"
        if self.key == "ready":
            return "ready" if self.held else "not ready"
        return "held" if self.held else "broken"


def promises(engine: Mapping[str, Any]) -> list[Promise]:
    """The four promises of an engine (a dict of placement())."""
    gang, topology = engine["gang"], engine["topology"]
    single = engine["one_rank_per_machine"]
    spread_why = {
        True: f"{len(engine['ranks'])} ranks on {len(engine['nodes'])} machines",
        False: f"{len(engine['ranks'])} ranks on {len(engine['nodes'])} machines",
        None: "not every rank is bound",
    }[single]
    ready = sum(1 for rank in engine["ranks"] if rank["ready"])
    return [
        Promise("gang", "scheduled as a gang", gang["honoured"], gang["why"]),
        Promise(
            "spread",
            "one rank per machine",
            single if engine["spread"] else None,
            spread_why if engine["spread"] else "ranks may share machines (spread: false)",
            asked=engine["spread"],
        ),
        Promise(
            "topology",
            f"inside one {topology['pack']}" if topology["pack"] else "topology",
            topology["honoured"],
            topology["why"],
            asked=bool(topology["pack"]),
        ),
        Promise("ready", "ready", engine["ready"], f"{ready} of {len(engine['ranks'])} ranks ready"),
    ]


def broken(engine: Mapping[str, Any]) -> list[Promise]:
    """The promises that are known to be broken; a merely preferred topology is none."""
    return [
        promise
        for promise in promises(engine)
        if promise.held is False and (promise.key != "topology" or engine["topology"]["required"])
    ]


# -- the dict --------------------------------------------------------------------------------------------------------


def build(
    plan: FleetPlan,
    snapshot: Snapshot,
    engines: Sequence[Mapping[str, Any]],
    *,
    generated: str,
    findings: Sequence[Mapping[str, str]] = (),
    levels: Mapping[str, str] | None = None,
    server: str | None = None,
    versions: Mapping[str, str] | None = None,
) -> Report:
    """Everything, JSON-able.

    ``engines``: placement()'s. ``findings``: further ones, put before those of the engines; one that has ``workload``
    (namespace/name) is the cause why that workload is not ready. ``generated``: an ISO 8601 time. ``versions``:
    component -> version. ``levels``: topology level -> node label, outermost first.
    """
    named = [{**engine, "code": code} for engine, code in zip(engines, _codes(engines))]
    uses = node_uses(snapshot.get(NODE), snapshot.get(POD), LEVELS if levels is None else levels, _resource(plan))
    nodes = [_node(use, _ranks(named)) for use in uses]
    # That an engine is not ready needs no second line where its workload's cause is told.
    told = {finding.get("workload") for finding in findings}
    every = [
        *findings,
        *(
            problem
            for engine in engines
            for problem in engine["problems"]
            if problem["id"] != "MN-F90" or f"{engine['namespace']}/{engine['workload']}" not in told
        ),
    ]
    return {
        "schema": SCHEMA,
        "generated": generated,
        "cluster": {"server": server},
        "versions": dict(versions or {}),
        "summary": _summary(named, nodes, every),
        "workloads": [_workload(workload) for workload in plan.workloads],
        "engines": named,
        "levels": list(LEVELS if levels is None else levels),
        "nodes": nodes,
        "notes": sorted({*snapshot.unread.values(), *snapshot.partial.values()}),
        "findings": every,
    }


def _codes(engines: Iterable[Mapping[str, Any]]) -> list[str]:
    """A short mark per engine, so that a picture need not rely on colour: a letter per component and the index."""
    letters: dict[tuple[str, str, str], str] = {}
    codes = []
    for engine in engines:
        key = (engine["namespace"], engine["workload"], engine["component"])
        letter = letters.setdefault(key, _letter(len(letters)))
        codes.append(f"{letter}{engine['engine']}")
    return codes


def _letter(index: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    head, tail = divmod(index, 26)
    return (_letter(head - 1) if head else "") + chr(ord("A") + tail)


def _resource(plan: FleetPlan) -> str:
    return next(
        (
            component.component.gpu_resource
            for workload in plan.workloads
            for component in workload.components
            if component.total_gpus
        ),
        GPU,
    )


def _ranks(engines: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, int]]:
    return {
        (engine["namespace"], rank["pod"]): (engine["code"], rank["rank"])
        for engine in engines
        for rank in engine["ranks"]
        if rank["pod"]
    }


def _node(use: NodeUse, ranks: Mapping[tuple[str, str], tuple[str, int]]) -> dict[str, Any]:
    held = []
    for holder in use.holders:
        code, rank = ranks.get((holder.namespace, holder.pod), (None, None))
        held.append({"owner": holder.owner, "pod": holder.pod, "gpus": holder.gpus, "engine": code, "rank": rank})
    return {
        "name": use.name,
        "gpus": use.gpus,
        "free": use.free,
        "product": use.product,
        "ready": use.ready,
        "cordoned": use.cordoned,
        "domains": dict(use.domains),
        "held": held,
    }


def _summary(
    engines: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    every = [promise for engine in engines for promise in promises(engine)]
    ours = sum(held["gpus"] for node in nodes for held in node["held"] if held["engine"])
    held = sum(held["gpus"] for node in nodes for held in node["held"])
    severities = [finding["severity"] for finding in findings]
    if not engines:
        verdict = "empty"
    elif any(broken(engine) for engine in engines) or "error" in severities:
        verdict = "failed"
    elif any(promise.held is None and promise.asked for promise in every):
        verdict = "incomplete"
    else:
        verdict = "passed"
    return {
        "verdict": verdict,
        "workloads": len({(engine["namespace"], engine["workload"]) for engine in engines}),
        "engines": len(engines),
        "broken": sum(len(broken(engine)) for engine in engines),
        "engines_present": sum(1 for engine in engines if any(rank["pod"] for rank in engine["ranks"])),
        "engines_ready": sum(1 for engine in engines if engine["ready"]),
        "gangs_honoured": sum(1 for engine in engines if engine["gang"]["honoured"]),
        "machines": len(nodes),
        "gpus": sum(node["gpus"] for node in nodes),
        "gpus_free": sum(node["free"] for node in nodes),
        "gpus_engines": ours,
        "gpus_others": held - ours,
        "findings": {severity: severities.count(severity) for severity in ("error", "warning", "note")},
    }


def _workload(workload: WorkloadPlan) -> dict[str, Any]:
    inner = workload.workload
    return {
        "name": inner.name,
        "namespace": inner.namespace,
        "backend": inner.backend,
        "model": inner.model,
        "api": workload.api,
        "orchestrator": workload.choice.orchestrator,
        "scheduler": workload.choice.scheduler,
        "why": list(workload.choice.why),
        "queue": workload.queue,
        "topology": {"pack": workload.pack_level, "required": workload.pack_required} if workload.pack_level else None,
        "components": [_component(component) for component in workload.components],
    }


def _component(component: ComponentPlan) -> dict[str, Any]:
    return {
        "name": component.name,
        "role": component.role,
        "replicas": component.replicas,
        "node_count": component.node_count,
        "gpus_per_node": component.gpus_per_node,
        "total_gpus": component.total_gpus,
        "demand": component.demand,
        "arithmetic": arithmetic(component),
    }


def arithmetic(component: ComponentPlan) -> str:
    """The sum that must come out: "2 nodes x 8 GPUs = 16 = TP 16"; degrees inside TP are named behind it."""
    if not component.total_gpus:
        return "no GPUs"
    nodes, gpus = component.node_count, component.gpus_per_node
    text = (
        f"{nodes} node{'' if nodes == 1 else 's'} \u00d7 {gpus} GPU{'' if gpus == 1 else 's'} = {component.total_gpus}"
    )
    if not component.degrees:
        return text
    degrees = component.degrees
    factors = [f"TP {degrees.tensor}"]
    inside: list[str] = []
    if degrees.pipeline > 1:
        factors.append(f"PP {degrees.pipeline}")
    if degrees.data > 1:
        # Attention data parallelism lives inside TP, any other multiplies.
        (inside if degrees.attention_data else factors).append(f"DP {degrees.data}")
    if degrees.expert > 1:
        inside.append(f"EP {degrees.expert}")
    product = _TIMES.join(factors)
    return f"{text} = {product}" + (f" ({', '.join(inside)})" if inside else "")


_TIMES = " \u00d7 "


# -- for programs ----------------------------------------------------------------------------------------------------


def to_json(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


# What XML 1.0 cannot hold, however it is escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: Report) -> str:
    """JUnit XML: a suite per workload, a case per promise per engine; what is not known is skipped with its reason."""
    suites: dict[str, list[Mapping[str, Any]]] = {}
    for engine in report["engines"]:
        suites.setdefault(f"{engine['namespace']}.{engine['workload']}", []).append(engine)
    root = ET.Element("testsuites", name="dynamo.multinode")
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for name, engines in suites.items():
        suite = ET.SubElement(root, "testsuite", name=_xml(name), timestamp=_xml(report["generated"]))
        counts = {"tests": 0, "failures": 0, "skipped": 0}
        for engine in engines:
            for promise in promises(engine):
                counts["tests"] += 1
                case = ET.SubElement(
                    suite,
                    "testcase",
                    classname=_xml(f"{name}.{engine['component']}"),
                    name=_xml(f"engine {engine['engine']}: {promise.title}"),
                )
                if promise.held is None:
                    counts["skipped"] += 1
                    ET.SubElement(case, "skipped", message=_xml(f"{promise.word}: {promise.why}"))
                elif promise.held is False:
                    counts["failures"] += 1
                    ET.SubElement(case, "failure", message=_xml(promise.why), type=promise.key)
        for key, value in counts.items():
            suite.set(key, str(value))
            totals[key] += value
    for key, value in totals.items():
        root.set(key, str(value))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


# -- for a terminal --------------------------------------------------------------------------------------------------

WIDTH = 100
_HEAD = ("WORKLOAD", "ENGINE", "RANKS", "NODES", "GPUS", "RACK", "GANG", "READY")
_NODES = 3


def table(report: Report, width: int = WIDTH) -> list[str]:
    """Aligned lines: a head, a line per engine (more where its nodes need them), and the sum."""
    engines = report["engines"]
    if not engines:
        return ["no engines"]
    several = {(engine["namespace"], engine["workload"]) for engine in engines}
    components = {(engine["namespace"], engine["workload"], engine["component"]) for engine in engines}
    rows = [_row(engine, len(components) > len(several)) for engine in engines]
    widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
    spare = width - (sum(widths) - widths[_NODES] + 2 * (len(_HEAD) - 1))
    widths[_NODES] = max(min(widths[_NODES], spare), len(_HEAD[_NODES]))
    lines = []
    for row in [_HEAD, *rows]:
        cells = _wrap(row[_NODES], widths[_NODES])
        for number, cell in enumerate(cells):
            shown = [*row[:_NODES], cell, *row[_NODES + 1 :]] if number == 0 else [""] * len(row)
            shown[_NODES] = cell
            lines.append("  ".join(text.ljust(size) for text, size in zip(shown, widths)).rstrip())
    return [*lines, "", _sum(report)]


def _row(engine: Mapping[str, Any], with_component: bool) -> tuple[str, ...]:
    topology, gang = engine["topology"], engine["gang"]["honoured"]
    bound = sum(1 for rank in engine["ranks"] if rank["node"])
    values = sorted({rank["domains"]["rack"] for rank in engine["ranks"] if rank["domains"].get("rack")})
    rack = "+".join(values) or "-"
    return (
        f"{engine['namespace']}/{engine['workload']}" + (f" {engine['component']}" if with_component else ""),
        str(engine["engine"]) + ("" if engine["planned"] else "+"),
        f"{bound}/{engine['node_count']}",
        hostlist(engine["nodes"]) or "-",
        f"{engine['node_count']}x{engine['gpus_per_node']}={engine['node_count'] * engine['gpus_per_node']}",
        rack + ("!" if topology["pack"] == "rack" and topology["honoured"] is False else ""),
        {True: "yes", False: "NO", None: "unknown"}[gang],
        "yes" if engine["ready"] else "NO",
    )


def _wrap(text: str, width: int) -> list[str]:
    """Break a list of nodes at its commas (not inside brackets); a single long name is left whole."""
    lines: list[str] = []
    for part in re.split(r",(?![^\[]*\])", text):
        if lines and len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += "," + part
        else:
            lines.append(part)
    return lines


def _sum(report: Report) -> str:
    summary = report["summary"]
    text = f"{summary['engines_ready']} of {summary['engines']} engines ready, "
    text += f"{summary['gangs_honoured']} of {summary['engines']} gangs honoured"
    if report["nodes"]:
        text += f"; {summary['gpus_free']} of {summary['gpus']} GPUs free on {summary['machines']} machines"
    return text


_NUMBERED = re.compile(r"^(.*?)(\d+)$")


def hostlist(names: Iterable[str]) -> str:
    """Names that differ in their last number only, in the usual short form: gpu-a-[001-003,007],login."""
    groups: dict[tuple[str, int], list[int]] = {}
    order: list[tuple[str, int] | str] = []
    for name in dict.fromkeys(names):
        match = _NUMBERED.match(name)
        if not match:
            order.append(name)
            continue
        key = (match.group(1), len(match.group(2)))
        if key not in groups:
            order.append(key)
        groups.setdefault(key, []).append(int(match.group(2)))
    parts = []
    for item in order:
        if isinstance(item, str):
            parts.append(item)
            continue
        prefix, digits = item
        ranges = _ranges(sorted(groups[item]), digits)
        parts.append(prefix + (ranges if len(groups[item]) == 1 else f"[{ranges}]"))
    return ",".join(parts)


def _ranges(numbers: Sequence[int], digits: int) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]:0{digits}d}" if len(run) == 1 else f"{run[0]:0{digits}d}-{run[-1]:0{digits}d}" for run in runs
    )
