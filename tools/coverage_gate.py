# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the arithmetic and of what reads and writes manifests the unit tests run: lines and branches.

Prints a table; fails where a part has less than what is asked of it.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

from tools.bootstrap import LOCAL, ROOT
from tools.results import Case, finish

CODE = ROOT / "plugins" / "module_utils"
TESTS = ROOT / "tests" / "unit" / "plugins"
# Part -> the least percentage of its lines and branches together, and its files.
PARTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "parallelism": (100, ("parallelism.py",)),
    "backends": (100, ("backends/*.py",)),
    "readback": (100, ("readback/*.py",)),
    "spec": (95, ("spec*.py",)),
}
# Exhaustive or random: they prove more and run no other line, at many times the cost under measurement.
LEFT_OUT = "not small_engine and not whatever and not same_bytes and not every_key and not any_length and not same_rule"


@dataclass(frozen=True)
class Part:
    """One row: ``missing`` names lines, and branches as from->to, by file."""

    name: str
    wanted: int
    there: int
    run: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        return 100 * self.run / self.there if self.there else 0.0

    @property
    def short(self) -> bool:
        return self.percent < self.wanted


def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in CODE.glob(pattern)})


def telling() -> list[str]:
    """The files of tests that could run a line of these parts, or of what calls them."""
    words = re.compile("readback|backends|parallelism|spec|inputs import")
    return [str(path) for path in sorted(TESTS.rglob("test_*.py")) if words.search(path.read_text(encoding="utf-8"))]


def measure() -> tuple[dict[str, Any], int]:
    """Runs the unit tests under measurement, in this process: coverage's report by file, and pytest's exit code."""
    measured = [str(path) for _wanted, patterns in PARTS.values() for path in files(patterns)]
    # The tests import the same files through the link in .cache; coverage knows them by their real path.
    found = coverage.Coverage(data_file=None, branch=True, include=measured, config_file=False)
    found.start()
    code = pytest.main(["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-k", LEFT_OUT, *telling()])
    found.stop()
    report = LOCAL / "results" / "coverage.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    found.json_report(outfile=str(report))
    told = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {str((ROOT / name).resolve()): one for name, one in told.items()}, int(code)


def part(measured: dict[str, Any], name: str) -> Part:
    wanted, patterns = PARTS[name]
    there = run = 0
    missing: list[str] = []
    for path in files(patterns):
        found = measured[str(path.resolve())]
        numbers = found["summary"]
        there += numbers["num_statements"] + numbers["num_branches"]
        run += numbers["covered_lines"] + numbers["covered_branches"]
        places = [*map(str, found["missing_lines"]), *(f"{here}->{to}" for here, to in found["missing_branches"])]
        if places:
            missing.append(f"{path.relative_to(CODE)}: {', '.join(places)}")
    return Part(name, wanted, there, run, tuple(missing))


def main() -> int:
    sys.path.insert(0, str(LOCAL / "collections"))
    measured, code = measure()
    parts = [part(measured, name) for name in PARTS]
    print(f"{'part':<14}{'lines and branches':>20}{'run':>8}{'asked':>8}")
    for one in parts:
        print(
            f"{one.name:<14}{one.there:>20}{one.percent:>7.1f}%{one.wanted:>7}%  {'TOO LITTLE' if one.short else 'ok'}"
        )
        for line in one.missing:
            print(f"    {line}")
    cases = [
        Case(one.name, "failed" if one.short else "passed", f"{one.percent:.1f} %, asked {one.wanted} %" * one.short)
        for one in parts
    ]
    if code:
        cases.append(Case("unit tests", "failed", f"pytest ended with {code}: what was not run may be theirs"))
    return finish("coverage", cases)


if __name__ == "__main__":
    sys.exit(main())
