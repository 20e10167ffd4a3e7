# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of checks as JUnit XML: what every stage of `make test` leaves behind, and what the summary is read from."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.bootstrap import LOCAL, ROOT

__all__ = ["LOCAL", "LOGS", "RESULTS", "ROOT", "Case", "Outcome", "finish", "read_junit", "write_junit"]

RESULTS = LOCAL / "results"
LOGS = LOCAL / "logs"
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Case:
    """One test: `reason` is why it failed or was not run, in one line; `measured`, what it recorded as properties."""

    name: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    measured: tuple[str, ...] = ()


def write_junit(path: Path, suite: str, cases: Sequence[Case]) -> None:
    counts = {outcome: sum(case.outcome == outcome for case in cases) for outcome in ("failed", "skipped")}
    root = ET.Element("testsuites")
    node = ET.SubElement(
        root,
        "testsuite",
        name=suite,
        tests=str(len(cases)),
        failures=str(counts["failed"]),
        errors="0",
        skipped=str(counts["skipped"]),
    )
    for case in cases:
        child = ET.SubElement(node, "testcase", classname=suite, name=case.name, time=f"{case.seconds:.3f}")
        if case.outcome != "passed":
            ET.SubElement(child, "failure" if case.outcome == "failed" else "skipped", message=case.reason)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def read_junit(path: Path) -> tuple[Case, ...]:
    """The tests of a JUnit file by us or by pytest, in its order. An error counts as failed.

    pytest writes a test whose teardown failed twice: both are kept, as it counts them. Raises OSError, ET.ParseError.
    """
    return tuple(read_case(node) for node in ET.parse(path).getroot().iter("testcase"))


def read_case(node: ET.Element) -> Case:
    name = "::".join(part for part in (node.get("classname"), node.get("name")) if part)
    seconds = float(node.get("time") or 0)
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = node.find(tag)
        if found is not None:
            reason = first_line(found.get("message") or "")
            if not reason or reason.endswith(":"):
                reason = f"{reason} {first_line(found.text or '')}".strip()
            reason = failed_task(found.get("message") or "") or reason
            return Case(name, "failed" if outcome == "failed" else "skipped", reason, seconds)
    measured = tuple(f"{one.get('name')}: {one.get('value')}" for one in node.iterfind("properties/property"))
    return Case(name, "passed", "", seconds, measured)


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def failed_task(text: str) -> str:
    """Where a test shows the output of a play that failed, the task and what it said: "" elsewhere.

    Of several the first that was not ignored.
    """
    task, fatal = "", ""
    for line in text.splitlines():
        if line.startswith("TASK [") and not fatal:
            task = line.strip(" *")
        elif line.startswith("...ignoring"):
            fatal = ""
        elif line.startswith(("fatal: [", "failed: [", "[ERROR]: Task failed")) and not fatal:
            fatal = line
    if not fatal:
        return ""
    said = re.search(r'"msg": "((?:[^"\\]|\\.)*)"', fatal)
    return f"{task} {said[1] if said else fatal}".strip()


def finish(suite: str, cases: Sequence[Case]) -> int:
    """End a stage: results to .cache/results, a line per test that did not pass, the counts. Gives the exit code."""
    write_junit(RESULTS / f"{suite}.xml", suite, cases)
    for case in cases:
        if case.outcome != "passed":
            print(f"{suite}: {'FAILED' if case.outcome == 'failed' else 'not run'}: {case.name}: {case.reason}")
    counts = {outcome: sum(case.outcome == outcome for case in cases) for outcome in ("passed", "failed", "skipped")}
    print(f"{suite}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()), flush=True)
    return 0 if cases and not counts["failed"] else 1
