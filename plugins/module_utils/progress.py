# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told while something is waited for: one line per change of a subject's state, and a sign of life. Pure.

A module that waits in slices answers each of them with a ``Slice`` as a dict:

``state``    what its next slice needs to go on; None when there is nothing left to wait for
``elapsed``  seconds since the wait began
``standing`` subject -> {"text": its state, "limit": seconds it is given, "reason": what it waits for}
``settled``  subject -> {"ready": bool, "text": how it ended, "seconds": after how long, "answer": for the result}
``stage``    (optional) what is waited for; the times of another stage begin anew
``partial``  (optional) whether the module's result is not there yet: something has to go before anything is applied
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Standing = Mapping[str, Mapping[str, Any]]
SHOWN_FAILURES = 20
HELD_BY = ", held by "


def clock(seconds: float) -> str:
    """A duration as a clock shows it: ``0:05``, ``2:10``, ``2:00:00``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def engines_text(engines: int, placed: int | None, ready: int) -> str:
    """``1 of 2 engines placed, 0 ready``; ``placed`` is None where the pods may not be read."""
    noun = "engine" if engines == 1 else "engines"
    if placed is None:
        return f"waiting for {engines} {noun}"
    return f"{placed} of {engines} {noun} placed, {ready} ready"


def removal_text(left: int | None, total: int | None, reasons: Sequence[str]) -> str:
    """``being removed, 3 of 8 pods left``; when there are none, what else holds it. None: pods were not counted."""
    text = "being removed"
    if left is not None and total:
        # Others may come while a controller does not know yet that its set goes
        text += f", {left} of {max(left, total)} {'pod' if max(left, total) == 1 else 'pods'} left"
        if left:
            return text
    # What waits for its own pods and other dependents says nothing new
    holders = {one for reason in reasons for one in reason.partition(HELD_BY)[2].split(", ") if one}
    shown = sorted(holders - {"foregroundDeletion"})
    return text + (HELD_BY + ", ".join(shown) if shown else "")


def slice_seconds(elapsed: float) -> float:
    """How long the next slice may take when nothing changes: a long wait need not be told as finely as a short one."""
    return min(15.0, max(2.0, elapsed / 10))


class Progress:
    """The lines for one wait. ``interval``: seconds of silence after which a sign of life is due."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.standing: dict[str, Mapping[str, Any]] = {}
        self.settled: dict[str, Mapping[str, Any]] = {}
        self.last = 0.0
        self.stage = ""
        # how many had ended before this stage
        self.before = 0

    def learn(self, standing: Standing, settled: Standing, elapsed: float, stage: str = "") -> list[str]:
        """The lines about what changed: at most one for each subject, what ended first."""
        if stage != self.stage:
            self.stage, self.before = stage, len(self.settled)
            self.standing.clear()
        lines = []
        for subject, end in settled.items():
            if subject not in self.settled:
                self.settled[subject] = end
                self.standing.pop(subject, None)
                if not end["ready"]:
                    lines.append(f"{subject}: {end['text']}")
                elif end["seconds"]:  # what was ready from the start was not waited for
                    lines.append(f"{subject}: {end['text']} ({clock(end['seconds'])})")
        for subject, now in standing.items():
            known = self.standing.get(subject)
            self.standing[subject] = now
            if known is None or known["text"] != now["text"]:
                lines.append(f"{subject}: {now['text']} ({clock(elapsed)} of {clock(now['limit'])})")
        if lines:
            self.last = elapsed
            return lines
        return self._beat(elapsed)

    def _beat(self, elapsed: float) -> list[str]:
        if not self.standing or elapsed - self.last < self.interval:
            return []
        self.last = elapsed
        total = len(self.standing) + len(self.settled) - self.before
        # The one whose time is up first
        subject, now = min(self.standing.items(), key=lambda item: item[1]["limit"])
        waiting = f"still waiting for {len(self.standing)} of {total}" if total > 1 else "still waiting"
        reason = f": {now['reason']}" if now.get("reason") else ""
        return [f"{waiting} ({clock(elapsed)}); {subject}: {now['text']}{reason}"]


# -- the answer ---------------------------------------------------------------------------------------------------


def summary(failures: list[str], total: int, noun: str) -> str:
    """One line per failure under one line that counts them; long lists are cut (all are in the return value)."""
    shown = list(failures[:SHOWN_FAILURES])
    if len(failures) > SHOWN_FAILURES:
        shown.append(f"and {len(failures) - SHOWN_FAILURES} more")
    if total == 1 and len(shown) == 1:
        return shown[0]
    return "\n".join([f"{len(failures)} of {total} {noun} failed:", *shown])


def finish_workloads(result: dict[str, Any], settled: Standing) -> str | None:
    """Write how the wait ended into the module's result; what it fails with, if it does."""
    entries = result["workloads"]
    for entry in entries:
        end = settled.get(workload_key(entry))
        if end is not None:
            entry.update(end["answer"])
            for one in entry["objects"]:
                one.update(end.get("objects", {}).get(object_key(one), {}))
    others = result.get("others", [])
    result["lines"] = [workload_line(entry) for entry in entries]
    result["lines"] += [f"{object_key(one)}: {one['action']}" for one in others if one["action"] in ("deleted", "kept")]
    failures = [
        f"{workload_key(entry)}: {entry['cause']}" + (f"; {entry['remedy']}" if entry["remedy"] else "")
        for entry in entries
        if entry["cause"]
    ]
    failures += [f"{object_key(one)}: {one['error']}" for one in others if one["error"]]
    if not failures:
        return None
    # Ansible prints all of a failure's result: the plan would bury the message
    result.pop("plan", None)
    return summary(failures, len(entries), "workloads")


def workload_key(entry: Mapping[str, Any]) -> str:
    return f"{entry['namespace']}/{entry['name']}"


def workload_line(entry: Mapping[str, Any]) -> str:
    """What became of one workload, in a sentence: ``inference/llama: created; 2 engines, 32 GPUs, ready``."""
    unseen = [f"{item['kind']} {item['name']}" for item in entry["objects"] if item["action"] == "would_create"]
    said = f"would create (not validated): {', '.join(unseen)}" if unseen else str(entry["action"])
    if entry["engines"]:
        engines = "1 engine" if entry["engines"] == 1 else f"{entry['engines']} engines"
        said += f"; {engines}, {entry['total_gpus']} GPUs"
    if entry["ready"] is not None:
        said += ", ready" if entry["ready"] else ", not ready"
    return f"{workload_key(entry)}: {said}"


def finish_objects(result: dict[str, Any], settled: Standing) -> str | None:
    """The same for single objects. ``generic_kinds`` outlives what large results leave out."""
    failures = []
    for key, entry in zip(object_keys(result["objects"]), result["objects"]):
        end = settled.get(key)
        if end is not None:
            entry.update(end["answer"])
        if entry["error"]:
            failures.append(f"{key}: {entry['error']}")
        elif end is not None and not end["ready"]:
            failures.append(f"{key}: not ready after {end['seconds']:.0f} s: {entry['reason']}")
    generic = {f"{entry['kind']} ({entry['api_version']})" for entry in result["objects"] if entry.get("generic")}
    if generic:
        result["generic_kinds"] = sorted(generic)
    return summary(failures, len(result["objects"]), "objects") if failures else None


def object_keys(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each is called; with the apiVersion where two would be called the same (queues of KAI and Volcano)."""
    keys = [object_key(entry) for entry in entries]
    number = Counter(keys)
    return [key if number[key] == 1 else f"{key} ({entry['api_version']})" for key, entry in zip(keys, entries)]


def object_key(entry: Mapping[str, Any]) -> str:
    space = f"{entry['namespace']}/" if entry["namespace"] else ""
    return f"{entry['kind']} {space}{entry['name']}"
