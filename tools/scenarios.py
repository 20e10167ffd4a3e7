# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the molecule scenarios in two lanes, each with a lab of its own; arguments name single ones.

A lane takes the next scenario when it has ended its last one. After one that failed its lab is made anew, as nobody
knows what was left on it. With LAB_DIR set, all run in one lane on the lab that it names.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tools.bootstrap import LOCAL, ROOT
from tools.commands import BIN, echoed, tool_environment
from tools.results import Case, finish

LANES = ("a", "b")
# What takes longest begins first, so that the lanes end at about the same time; all others follow by name.
LONGEST_FIRST = ("default", "upgrade", "helm_component")
NEEDS_UPSTREAM = "needs-upstream"
ACTION = re.compile(r"\[(?P<scenario>[\w.-]+) > (?P<action>\w+)\] Executed: (?P<status>[^(\n]*[^(\s])")
# It paints a failure even where no colour is asked for
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What molecule says of an action that it did, of one that went wrong, and (exit code 0) of one without a playbook
DONE, FAILED = "Successful", "Failed"
# With shared state, the scenario `default` makes and removes what all the others use: of a lane, nothing.
SHARED = ("create", "destroy")


def scenarios(folder: Path = ROOT / "molecule") -> list[str]:
    names = (path.parent.name for path in folder.glob("*/molecule.yml"))
    return sorted(names, key=by_length)


def by_length(name: str) -> tuple[int, str]:
    return (LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST), name)


def cannot_run(name: str, folder: Path = ROOT / "molecule", upstream: str | None = None) -> str:
    """Why this scenario cannot run here, or nothing."""
    data = os.environ.get("MULTINODE_UPSTREAM", "") if upstream is None else upstream
    if (folder / name / NEEDS_UPSTREAM).exists() and not (data and Path(data).is_dir()):
        return "MULTINODE_UPSTREAM names no folder with upstream's definitions"
    return ""


def sequence(name: str, folder: Path = ROOT / "molecule") -> list[str]:
    """The actions that `molecule test` goes through, one that comes twice twice; a verify that names its file, too."""
    told = yaml.safe_load((folder / name / "molecule.yml").read_text(encoding="utf-8"))
    listed = [str(step).split()[0] for step in told["scenario"]["test_sequence"]]
    return [action for action in listed if action not in SHARED]


Action = tuple[str, str]  # its name, and its status: Successful, Failed, Missing playbook, ...


def read_actions(lines: Iterable[str]) -> dict[str, list[Action]]:
    """Scenario -> what was done, in order, from molecule's output."""
    actions: dict[str, list[Action]] = {}
    for line in lines:
        match = ACTION.search(COLOUR.sub("", line))
        if match:
            actions.setdefault(match["scenario"], []).append((match["action"], match["status"]))
    return actions


def judge(name: str, wanted: Sequence[str], actions: Sequence[Action], code: int, seconds: float = 0.0) -> Case:
    """The result of a scenario of which molecule told ``actions`` and ended with ``code``.

    It passes over an action without a playbook and ends with 0: each must have been done, as often as it is ``wanted``.
    """
    done = [(action, status) for action, status in actions if action not in SHARED]
    failed = dict.fromkeys(action for action, status in done if status == FAILED)
    if failed:
        return Case(name, "failed", f"failed in {', '.join(failed)}", seconds)
    if code:
        after = ", ".join(dict.fromkeys(action for action, _ in done)) or "nothing"
        return Case(name, "failed", f"molecule ended with {code}, after {after}", seconds)
    often = Counter(action for action, status in done if status == DONE)
    missed = []
    for action, times in Counter(wanted).items():
        if often[action] < times:
            others = [status for told, status in done if told == action and status != DONE]
            missed.append(f"{action} ({', '.join(others) or f'{often[action]} of {times}'})")
    if missed:
        return Case(name, "failed", f"not done: {', '.join(missed)}", seconds)
    return Case(name, "passed", "", seconds)


class Lane:
    """Runs scenarios one after the other, on one lab. ``named``: a lab that somebody else made and looks after."""

    def __init__(self, name: str, named: str = "") -> None:
        self.name = name
        self.lab = f"molecule-{name}"
        self.folder = Path(named) if named else ROOT / ".lab" / self.lab
        self.ours = not named
        self.prefix = f"{name} | "
        self.up = False

    def lab_command(self, *words: str) -> bool:
        command = [str(BIN / "python"), "-m", "lab", *words, "--name", self.lab]
        return echoed(command, ROOT, tool_environment(), self.prefix)[1] == 0

    def prepare(self) -> bool:
        """Its lab is there."""
        if self.ours and not self.up:
            self.up = self.lab_command("up", "--inventory", "inventories/lab")
            return self.up
        return True

    def remove(self) -> None:
        if self.ours and self.folder.exists():
            self.lab_command("down", "--purge")
        self.up = False

    def run(self, scenario: str) -> Case:
        begin = time.monotonic()
        if not self.prepare():
            return Case(scenario, "failed", f"its lab {self.lab} could not be made", time.monotonic() - begin)
        state = LOCAL / "molecule" / self.name
        # The state of the scenario before it, which says that all is prepared already
        shutil.rmtree(state, ignore_errors=True)
        env = {**tool_environment(), "NO_COLOR": "1", "LAB_DIR": str(self.folder)}
        env["MOLECULE_EPHEMERAL_DIRECTORY"] = str(state)
        env.pop("FORCE_COLOR", None)
        # The lab is there: nothing of what `default` would make before each scenario, and remove after it
        words = [str(BIN / "molecule"), "test", "--no-command-borders", "--no-shared-state"]
        lines, code = echoed([*words, "--scenario-name", scenario], ROOT, env, self.prefix)
        done = read_actions(lines).get(scenario, [])
        case = judge(scenario, sequence(scenario), done, code, time.monotonic() - begin)
        print(f"{self.prefix}{scenario}: {case.outcome} in {case.seconds:.0f} s", flush=True)
        if case.outcome == "failed":
            self.remove()
        return case


@dataclass
class Work:
    """The scenarios that wait, and the results of the others; lanes take and put from threads of their own."""

    waiting: deque[str]
    cases: list[Case] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> str | None:
        with self.lock:
            return self.waiting.popleft() if self.waiting else None

    def put(self, case: Case) -> None:
        with self.lock:
            self.cases.append(case)

    def drain(self, run: Callable[[str], Case]) -> None:
        """As a lane does it: until nothing waits. A lane that breaks down fails its scenario, not the others."""
        while (name := self.take()) is not None:
            try:
                self.put(run(name))
            except (OSError, subprocess.SubprocessError) as error:
                self.put(Case(name, "failed", f"the lane broke down: {error!r}"))


def run_lanes(names: Sequence[str], lanes: Sequence[Lane]) -> list[Case]:
    """The results, in the order of ``names``; no lab of ours stays, even when this is interrupted."""
    work = Work(deque(names))
    threads = [threading.Thread(target=work.drain, args=[lane.run], daemon=True) for lane in lanes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        work.waiting.clear()
        for lane in lanes:
            lane.remove()
    return sorted(work.cases, key=lambda case: names.index(case.name))


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(wanted: list[str]) -> int:
    unknown = sorted(set(wanted) - set(scenarios()))
    if unknown:
        print(f"no such scenario: {', '.join(unknown)}; there are {', '.join(scenarios())}")
        return 2
    signal.signal(signal.SIGTERM, interrupt)
    names = [name for name in scenarios() if not wanted or name in wanted]
    reasons = {name: cannot_run(name) for name in names}
    able = [name for name in names if not reasons[name]]
    named = os.environ.get("LAB_DIR", "")
    lanes = [Lane("named", named)] if named else [Lane(name) for name in LANES[: len(able)]]
    cases = run_lanes(able, lanes)
    cases += [Case(name, "skipped", reason) for name, reason in reasons.items() if reason]
    return finish("molecule", cases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
