# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.chaos --runs 200``: seeded runs against a lab of its own, and what came of them.

``python -m tests.chaos kills``: playbooks that are killed, see kills.py.
``python -m tests.chaos interrupt LAB_DIR WORDS``: one ansible-playbook, killed as soon as helm has begun.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

CLONE = Path(__file__).resolve().parents[2]
for entry in (str(CLONE), str(CLONE / ".cache" / "collections")):
    if entry not in sys.path:
        sys.path.insert(0, entry)

from lab.handle import Lab  # noqa: E402
from lab.layout import Layout  # noqa: E402
from tests.chaos import kills  # noqa: E402
from tests.chaos.faults import RATE  # noqa: E402
from tests.chaos.runs import Runner, Verdict, prepare  # noqa: E402

# Of twenty seeds one restarts the API server and one pauses it; the others kill the module
EVENTS = {7: "restart", 13: "pause"}


def chaos(lab: Lab, seeds: Iterable[int], *, at_once: int = 4, tell: bool = False) -> list[Verdict]:
    """Run the seeds; their verdicts, in order."""
    custom = prepare(lab)
    free: SimpleQueue[Runner] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        runners = [Runner(lab, Path(folder), custom=custom) for _ in range(at_once)]
        for runner in runners:
            free.put(runner)

        def one(seed: int) -> Verdict:
            runner = free.get()
            try:
                verdict = runner.run(seed, EVENTS.get(seed % 20, ""))
            except Exception as error:
                verdict = Verdict(seed, 0, killed=False, event="", wrong=[f"the run itself broke: {error!r}"])
            finally:
                free.put(runner)
            if tell:
                print(line(verdict), flush=True)
            return verdict

        try:
            with ThreadPoolExecutor(at_once) as pool:
                return list(pool.map(one, seeds))
        finally:
            for runner in runners:
                runner.close()


def line(verdict: Verdict) -> str:
    told = "; ".join([*verdict.wrong[:4], *verdict.wrong[4:][-2:]]) or f"converged, clean in run {verdict.runs or '-'}"
    event = verdict.event or ("killed" if verdict.killed else "ran to its end")
    faults = sum(verdict.faults.values())
    met = f"{faults} faults in {verdict.requests} requests"
    return f"seed {verdict.seed}: {verdict.objects} objects, {event}, {met}: {told}"


def summary(verdicts: list[Verdict], seconds: float) -> str:
    """The totals, as the documentation quotes them."""
    faults: Counter[str] = sum((verdict.faults for verdict in verdicts), Counter())
    good = sum(not verdict.wrong for verdict in verdicts)
    objects = sorted(verdict.objects for verdict in verdicts)
    rows = [
        f"{len(verdicts)} runs, {good} converged, {len(verdicts) - good} did not, in {seconds:.0f} s",
        f"objects per run: {objects[0]} to {objects[-1]}; foreign fields checked on "
        f"{sum(verdict.foreign for verdict in verdicts)} objects",
        f"module killed: {sum(verdict.killed for verdict in verdicts)}; API server restarted: "
        f"{sum(verdict.event == 'restart' for verdict in verdicts)}, paused: "
        f"{sum(verdict.event == 'pause' for verdict in verdicts)}",
        f"requests: {sum(verdict.requests for verdict in verdicts)}, faults: {sum(faults.values())} "
        f"({RATE:.0%} asked for)",
        "faults by kind: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())),
        "first clean run: "
        + ", ".join(
            f"{name} {count}"
            for name, count in sorted(Counter(str(verdict.runs or "none") for verdict in verdicts).items())
        ),
    ]
    return "\n".join(rows)


def killed(words: list[str]) -> int:
    """``kills [part of a point's name]``: every point of the playbooks' lives, each stack on a lab."""
    started = time.monotonic()
    verdicts: list[kills.Verdict] = []

    def wanted(point: kills.Point) -> bool:
        return not words or any(word in point.name for word in words)

    for points, play in ((kills.POINTS, kills.run), (kills.GROVE_POINTS, kills.run_grove)):
        if not any(wanted(point) for point in points):
            continue
        lab = Lab(f"kills-{uuid.uuid4().hex[:6]}", CLONE / "inventories" / "lab")
        try:
            lab.up()
            verdicts += play(lab, wanted)
        finally:
            lab.down(purge=True)
    good = sum(not verdict.wrong for verdict in verdicts)
    print(f"{len(verdicts)} points, {good} converged, in {time.monotonic() - started:.0f} s")
    return 0 if verdicts and good == len(verdicts) else 1


def interrupted(folder: str, words: list[str]) -> int:
    """``interrupt LAB_DIR WORDS``: ``ansible-playbook WORDS`` against this lab, killed inside helm, helm included."""
    lab = Lab("interrupted")
    lab.layout = Layout("interrupted", Path(folder))
    run = kills.Killer(lab).ansible(words, kills.PENDING)
    print(run.told if run.code is not None else f"killed at {run.output}")
    return 1 if run.code is not None else 0


def main() -> int:
    if sys.argv[1:2] == ["kills"]:
        return killed(sys.argv[2:])
    if sys.argv[1:2] == ["interrupt"]:
        return interrupted(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.chaos")
    parser.add_argument("--runs", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--at-once", type=int, default=4, help="runs side by side (default 4)")
    options = parser.parse_args()
    lab = Lab(f"chaos-{uuid.uuid4().hex[:6]}", nodes=2)
    started = time.monotonic()
    try:
        lab.up()
        seeds = range(options.first, options.first + options.runs)
        verdicts = chaos(lab, seeds, at_once=options.at_once, tell=True)
    finally:
        lab.down(purge=True)
    print(summary(verdicts, time.monotonic() - started))
    return 1 if any(verdict.wrong for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
