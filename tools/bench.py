# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks and print their table, for docs/performance.md; arguments name single ones.

A benchmark is a module of tests/benchmarks with a function ``benchmark()`` that gives rows. It fails where a row
misses its goal.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import LOCAL, ROOT

FOLDER = ROOT / "tests" / "benchmarks"


@dataclass(frozen=True)
class Row:
    """One figure: ``goal`` is the most that ``value`` may be, in the same ``unit``; None: nothing was promised."""

    what: str
    value: float
    unit: str = "s"
    goal: float | None = None
    spread: str = ""

    @property
    def missed(self) -> bool:
        return self.goal is not None and self.value > self.goal

    def cells(self) -> tuple[str, ...]:
        goal = "" if self.goal is None else f"{number(self.goal)} {self.unit}"
        verdict = "" if self.goal is None else "missed" if self.missed else "met"
        return self.what, f"{number(self.value)} {self.unit}", self.spread, goal, verdict


def number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def median(
    work: Callable[[], object], runs: int = 7, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, str]:
    """Seconds of the middle one of several runs, after one that warms up, and from which to which they went.

    ``clock``: ``time.process_time`` for what only computes, so that a busy machine does not count.
    """
    work()
    seconds = []
    for _run in range(runs):
        gc.collect()
        begin = clock()
        work()
        seconds.append(clock() - begin)
    return statistics.median(seconds), f"{number(min(seconds))} to {number(max(seconds))}, {runs} runs"


def machine() -> str:
    """What this runs on, in one line."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{cpu}, {os.cpu_count()} CPUs, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load {load:.1f} before the start"
    )


def table(rows: Sequence[Row]) -> list[str]:
    """A Markdown table that is readable as it is."""
    head = ("what", "median", "from, to", "goal", "")
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def known() -> dict[str, str]:
    """Name -> module of what lies in the folder, by name."""
    paths = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
    return {path.stem.removeprefix("bench_"): f"tests.benchmarks.{path.stem}" for path in paths}


def run(names: Iterable[str]) -> list[Row]:
    """The rows of these benchmarks; a module without ``benchmark`` only helps others."""
    sys.path.insert(0, str(LOCAL / "collections"))
    rows: list[Row] = []
    for name in names:
        benchmark = getattr(importlib.import_module(known()[name]), "benchmark", None)
        if benchmark is not None:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += benchmark()
    return rows


def main(wanted: list[str]) -> int:
    there = known()
    unknown = [name for name in wanted if name not in there]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(there)}")
        return 2
    where = machine()
    rows = run(wanted or there)
    print(where, "", *table(rows), sep="\n")
    return 1 if not rows or any(row.missed for row in rows) else 0


if __name__ == "__main__":
    # As a module of its own name, so that benchmarks and this program have the same Row.
    from tools import bench

    sys.exit(bench.main(sys.argv[1:]))
