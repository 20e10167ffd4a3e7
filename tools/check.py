# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test`: all stages, fastest first, each to its end, and one summary of what passed, failed and was not run.

What only reads the sources runs two stages at a time, as most of them keep one core busy; what needs labs has the
machine to itself, because it uses workers of its own.

A stage's output goes to .cache/logs/<stage>.log, its results (JUnit XML) to .cache/results/<stage>.xml. A stage that
ran no test has failed, whatever its exit code.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import LOCAL, ROOT
from tools.commands import tool_environment
from tools.results import LOGS, RESULTS, Case, Outcome, read_junit

PYTHON = str(LOCAL / "venv" / "bin" / "python")
HEARTBEAT_SECONDS = 15
LIMIT_SECONDS = 3600
POLL_SECONDS = 0.1
SIDE_BY_SIDE = 2
TAIL_LINES = 40
REASONS_SHOWN = 12
# Where only the end of a log is kept, this is all that one learns
FAILURE_WIDTH = 500


@dataclass(frozen=True)
class Stage:
    """A part of the checks: `words` are the arguments of the environment's Python.

    `shares`: it may run beside another that shares, as it writes nothing that others read.
    """

    name: str
    words: Sequence[str]
    shares: bool = False

    @property
    def pytest(self) -> bool:
        return "pytest" in self.words

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def results(self) -> Path:
        return RESULTS / f"{self.name}.xml"


def pytest_stage(name: str, *options: str, shares: bool = False) -> Stage:
    words = ("-m", "pytest", f"tests/{name}", f"--junitxml={RESULTS / f'{name}.xml'}", *options)
    return Stage(name, words, shares)


STAGES = (
    Stage("lint", ("-m", "tools.lint"), shares=True),
    pytest_stage("unit", "-n", "auto", shares=True),
    # Early, as it is the longest of these; it works on a copy of its own.
    Stage("sanity", ("-m", "tools.sanity"), shares=True),
    Stage("coverage", ("-m", "tools.coverage_gate"), shares=True),
    Stage("missing_checks", ("-m", "tools.missing_checks"), shares=True),
    Stage("docs", ("-m", "tools.docs"), shares=True),
    Stage("importer", ("-m", "tools.importer"), shares=True),
    Stage("lab", ("-m", "tools.lab_programs")),
    # A file at a time, each of the two workers with a lab of its own. A third is hardly faster: both CPUs are busy.
    pytest_stage("integration", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
    Stage("molecule", ("-m", "tools.scenarios")),
)


@dataclass(frozen=True)
class Result:
    """How a stage went: `problem` is what is wrong with the stage itself, beyond its failed tests."""

    stage: str
    cases: tuple[Case, ...]
    seconds: float
    problem: str = ""

    def count(self, outcome: Outcome) -> int:
        return sum(case.outcome == outcome for case in self.cases)

    @property
    def failed(self) -> bool:
        return bool(self.problem) or self.count("failed") > 0


def judge(stage: str, code: int | None, results: Path, seconds: float) -> Result:
    """The result of a stage that ended with `code` (None: stopped at its time limit) and left `results`, or did not."""
    try:
        cases = read_junit(results)
    except (OSError, ET.ParseError):
        cases = ()
    if code is None:
        problem = f"stopped after {clock(seconds)}"
    elif not any(case.outcome != "skipped" for case in cases):
        problem = f"ran no test (exit code {code})"
    elif code != 0 and not any(case.outcome == "failed" for case in cases):
        problem = f"exit code {code}, though no test failed"
    else:
        problem = ""
    return Result(stage, cases, seconds, problem)


def totals(results: Iterable[Result], not_started: int) -> tuple[int, int, int]:
    """Passed, failed, skipped. A broken stage counts as one failure, one that was not started as one skip."""
    results = tuple(results)
    passed = sum(result.count("passed") for result in results)
    failed = sum(result.count("failed") + bool(result.problem) for result in results)
    skipped = sum(result.count("skipped") for result in results) + not_started
    return passed, failed, skipped


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def shorten(text: str, width: int = 160) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def grouped(cases: Iterable[Case]) -> list[tuple[str, list[str]]]:
    """Reason -> the names of the tests with this reason, in the order in which reasons first appear.

    What stands in brackets at a reason's end names the single case, e.g. a file: reasons differ before it.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        reason = case.reason.removeprefix("not run: ")
        groups.setdefault(re.sub(r" \([^()]*\)$", "", reason) or "no reason given", []).append(case)
    return [
        (same[0].reason.removeprefix("not run: ") if len(same) == 1 else reason, [case.name for case in same])
        for reason, same in groups.items()
    ]


def describe(result: Result) -> list[str]:
    """The lines under a stage in the summary: why it failed, which tests failed, what was not run and why, and what
    was measured."""
    lines = [f"    FAILED: {result.problem}"] if result.problem else []
    failures = [case for case in result.cases if case.outcome == "failed"]
    lines += [shorten(f"    FAILED: {case.name}: {case.reason}", FAILURE_WIDTH) for case in failures[:REASONS_SHOWN]]
    if len(failures) > REASONS_SHOWN:
        lines.append(f"    ... and {len(failures) - REASONS_SHOWN} more, in .cache/logs/{result.stage}.log")
    for reason, names in grouped(case for case in result.cases if case.outcome == "skipped"):
        which = names[0] if len(names) == 1 else f"{len(names)} tests"
        lines.append(shorten(f"    not run: {which}: {reason}"))
    return lines + [f"    {line}" for case in result.cases for line in case.measured]


def summary(results: Sequence[Result], not_started: Sequence[str]) -> list[str]:
    """The table that `make test` ends with; its last line counts all tests."""
    lines = ["", f"{'stage':<12}{'passed':>8}{'failed':>8}{'not run':>9}{'time':>8}"]
    for result in results:
        counts = f"{result.count('passed'):>8}{result.count('failed'):>8}{result.count('skipped'):>9}"
        verdict = "FAILED" if result.failed else "ok"
        lines.append(f"{result.stage:<12}{counts}{clock(result.seconds):>8}  {verdict}")
        lines += describe(result)
    lines += [f"{name:<12}{'-':>8}{'-':>8}{'-':>9}{'-':>8}  not run: interrupted" for name in not_started]
    passed, failed, skipped = totals(results, len(not_started))
    return [*lines, "", f"{passed} passed, {failed} failed, {skipped} skipped"]


def last_line(log: Path) -> str:
    """The newest line of a growing log that says something; its end is enough to find it."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 4096))
        lines = stream.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the stage with all it started: asked first, so that it may clean up."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, request)
            process.wait(timeout=20)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def labs() -> set[str]:
    """The names of this clone's labs; that of `make demo` is the user's own."""
    return {path.parent.name for path in (ROOT / ".lab").glob("*/state.json")} - {"demo"}


def take_down(names: Iterable[str]) -> None:
    """Labs outlive who started them, so those of a stage that is stopped are taken down here."""
    for name in sorted(names):
        words = [PYTHON, "-m", "lab", "down", "--name", name, "--purge"]
        subprocess.run(words, cwd=ROOT, env=tool_environment(), stdout=subprocess.DEVNULL, check=False)


class Running:
    """A stage that has been started: `look` at it until it gives a result; `stop` ends it before that."""

    def __init__(self, stage: Stage, title: str, say: Callable[[str], None], limit: float = LIMIT_SECONDS) -> None:
        self.stage, self.title, self.say, self.limit = stage, title, say, limit
        LOGS.mkdir(parents=True, exist_ok=True)
        stage.results.unlink(missing_ok=True)
        self.labs_before = labs()
        self.begin = self.told = time.monotonic()
        say(f"[{title}] {stage.name} ...")
        with stage.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, *stage.words],
                cwd=ROOT,
                # Labs have memory enough: without this, a seventh of an API server's work is to collect garbage
                env={"GOGC": "400", **tool_environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def look(self) -> Result | None:
        """Its result once it has ended or is over its limit; a line every HEARTBEAT_SECONDS that shows where it is."""
        now = time.monotonic()
        code = self.process.poll()
        if code is not None:
            return judge(self.stage.name, code, self.stage.results, now - self.begin)
        if now - self.begin >= self.limit:
            self.stop()
            return judge(self.stage.name, None, self.stage.results, now - self.begin)
        if now - self.told >= HEARTBEAT_SECONDS:
            self.told = now
            elapsed = clock(now - self.begin)
            self.say(f"[{self.title}] {self.stage.name} {elapsed} | {shorten(last_line(self.stage.log), 90)}")
        return None

    def stop(self) -> None:
        if self.process.poll() is None:
            stop_group(self.process)
            take_down(labs() - self.labs_before)


def run_stage(stage: Stage, title: str, say: Callable[[str], None], limit: float = LIMIT_SECONDS) -> Result:
    """Run one stage into its log."""
    running = Running(stage, title, say, limit)
    try:
        while (result := running.look()) is None:
            time.sleep(POLL_SECONDS)
        return result
    finally:
        running.stop()


def report_stage(stage: Stage, result: Result, title: str, say: Callable[[str], None]) -> None:
    """Say how the stage went: pytest's own closing line, and the end of the log where it failed."""
    if result.failed:
        for line in tail(stage.log):
            say(f"    | {line}")
        say(f"    the whole log: {stage.log.relative_to(ROOT)}")
    if stage.pytest and stage.log.exists():
        say(last_line(stage.log))
    counts = ", ".join(f"{result.count(outcome)} {word}" for outcome, word in WORDS)
    say(f"[{title}] {stage.name}: {'FAILED' if result.failed else 'ok'} in {clock(result.seconds)} ({counts})")


WORDS: tuple[tuple[Outcome, str], ...] = (("passed", "passed"), ("failed", "failed"), ("skipped", "not run"))


def may_start(stage: Stage, running: Iterable[Running]) -> bool:
    """Whether it may start beside those that run."""
    beside = [other.stage for other in running]
    return not beside or (len(beside) < SIDE_BY_SIDE and stage.shares and all(other.shares for other in beside))


def run_all(stages: Sequence[Stage], say: Callable[[str], None]) -> int:
    """Run all stages, whatever fails; print the summary even when interrupted. Gives the exit code."""
    results: dict[str, Result] = {}
    waiting = deque(enumerate(stages, start=1))
    running: list[Running] = []
    interrupted = False
    try:
        while waiting or running:
            while waiting and may_start(waiting[0][1], running):
                number, stage = waiting.popleft()
                running.append(Running(stage, f"{number} of {len(stages)}", say))
            for one in tuple(running):
                result = one.look()
                if result is not None:
                    running.remove(one)
                    results[one.stage.name] = result
                    report_stage(one.stage, result, one.title, say)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for one in running:
            one.stop()
    not_ended = [stage.name for stage in stages if stage.name not in results]
    in_order = [results[stage.name] for stage in stages if stage.name in results]
    for line in summary(in_order, not_ended):
        say(line)
    return 1 if interrupted or any(result.failed for result in in_order) else 0


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - {stage.name for stage in STAGES}
    if unknown:
        print(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in STAGES)}")
        return 2
    signal.signal(signal.SIGTERM, interrupt)
    stages = [stage for stage in STAGES if not wanted or stage.name in wanted]
    return run_all(stages, lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
