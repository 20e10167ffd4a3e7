# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check of manifests answers: components in numbers, findings with their waivers, JUnit, lines. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_case import Case
from ansible_collections.dynamo.multinode.plugins.module_utils.components import waived
from ansible_collections.dynamo.multinode.plugins.module_utils.report import _xml

SCHEMA = "dynamo.multinode/manifest-check/v1"
_HEAD = ("  COMPONENT", "BACKEND", "ENGINES", "NODES", "GPUS", "DEGREES", "WIRED", "FINDINGS")
Report = dict[str, Any]


def build(
    cases: Sequence[Case], findings: Sequence[Finding], waivers: Sequence[Mapping[str, Any]], generated: str
) -> Report:
    """Everything, JSON-able. ``generated``: an ISO 8601 time, whose day decides which waivers still hold."""
    told = [
        {**finding.to_dict(), "waived": reason or ""} for finding, reason in waived(findings, waivers, generated[:10])
    ]
    components = [
        {
            **one.to_dict(),
            "subject": f"{case.subject} component {one.name}",
            "object": case.subject,
            "orchestrator": case.back.provider,
        }
        for case in cases
        for one in case.back.components
    ]
    open_ones = [finding for finding in told if not finding["waived"]]
    severities = [finding["severity"] for finding in open_ones]
    return {
        "schema": SCHEMA,
        "generated": generated,
        "summary": {
            "verdict": "failed" if "error" in severities else "passed" if cases else "empty",
            "objects": len(cases),
            "components": len(components),
            "findings": {severity: severities.count(severity) for severity in ("error", "warning", "note")},
            "waived": len(told) - len(open_ones),
        },
        "objects": [case.subject for case in cases],
        "components": components,
        "findings": told,
    }


def failing(report: Report) -> list[str]:
    """The errors that nobody waived, as sentences."""
    return [_sentence(one) for one in report["findings"] if one["severity"] == "error" and not one["waived"]]


def _sentence(finding: Mapping[str, str]) -> str:
    text = f"{finding['severity']} {finding['id']} {finding['subject']}: {finding['message']}; {finding['remedy']}"
    return f"{text} (waived: {finding['waived']})" if finding["waived"] else text


def lines(report: Report) -> list[str]:
    """The objects, each with a line per component, then the findings, the worst first, then the sum."""
    found = report["findings"]
    rows = [_HEAD, *(_row(one, found) for one in report["components"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    said = table[:1] if report["components"] else []
    before = None
    for one, line in zip(report["components"], table[1:]):
        said += [line] if one["object"] == before else [f"{one['object']} ({one['orchestrator']})", line]
        before = one["object"]
    summary = report["summary"]
    counts = ", ".join(f"{count} {name}s" for name, count in summary["findings"].items())
    total = f"{summary['objects']} objects, {summary['components']} components: {counts}, {summary['waived']} waived"
    return [*said, *map(_sentence, found), total]


def _row(one: Mapping[str, Any], findings: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    here = [other["id"] for other in findings if other["subject"] == one["subject"] and other["severity"] != "note"]
    return (
        f"  {one['name']}",
        one["backend"] or "-",
        str(one["replicas"]),
        str(one["node_count"]),
        str(one["gpus_per_node"]),
        _degrees(one),
        one["operator"]["branch"] if one["node_count"] > 1 else "-",
        " ".join(dict.fromkeys(here)) or "-",
    )


def _degrees(one: Mapping[str, Any]) -> str:
    if not one["backend"]:
        return "-"
    letters = {"tensor": "TP", "pipeline": "PP", "data": "DP", "expert": "EP"}
    said = []
    for name, letter in letters.items():
        degree = one["engine"][name]
        if degree is None or degree > 1 or name == "tensor":
            said.append(f"{letter}{'?' if degree is None else degree}")
    return " ".join(said)


def to_junit(report: Report) -> str:
    """JUnit XML: a suite per object, a case for the object and one per component.

    An error fails its case. What is waived, or could not be checked, is skipped with its reason, never passed.
    """
    root = ET.Element("testsuites", name="dynamo.multinode.check_manifest")
    objects = {name: [name] for name in report["objects"]}
    for one in report["components"]:
        objects[one["object"]].append(one["subject"])
    known = {subject for subjects in objects.values() for subject in subjects}
    for finding in report["findings"]:
        # A file that cannot be read is a suite of its own.
        if finding["subject"] not in known:
            objects.setdefault(finding["subject"], [finding["subject"]])
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for name, subjects in objects.items():
        suite = ET.SubElement(root, "testsuite", name=_xml(name), timestamp=report["generated"])
        counts = {"tests": 0, "failures": 0, "skipped": 0}
        for subject in subjects:
            counts["tests"] += 1
            case = ET.SubElement(suite, "testcase", classname=_xml(name), name=_xml(_short(subject, name)))
            outcome = _outcome(case, [one for one in report["findings"] if one["subject"] == subject])
            counts[outcome] = counts.get(outcome, 0) + 1
        for key in totals:
            suite.set(key, str(counts[key]))
            totals[key] += counts[key]
    for key, value in totals.items():
        root.set(key, str(value))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _short(subject: str, name: str) -> str:
    return subject[len(name) + 1 :] if subject != name else "object"


def _outcome(case: ET.Element, findings: Sequence[Mapping[str, str]]) -> str:
    """Writes the findings into the case: ``failures``, ``skipped`` or ``passed``."""
    errors = [one for one in findings if one["severity"] == "error" and not one["waived"]]
    skipped = [one for one in findings if one["waived"] or one["id"] == "MN-F92"]
    for one in errors:
        failure = ET.SubElement(case, "failure", message=_xml(one["message"]), type=one["id"])
        failure.text = _xml(_sentence(one))
    if not errors and skipped:
        ET.SubElement(case, "skipped", message=_xml("; ".join(map(_sentence, skipped))))
    rest = [one for one in findings if one not in errors and one not in skipped]
    if rest or (errors and skipped):
        ET.SubElement(case, "system-out").text = _xml("\n".join(map(_sentence, rest + (skipped if errors else []))))
    return "failures" if errors else "skipped" if skipped else "passed"
