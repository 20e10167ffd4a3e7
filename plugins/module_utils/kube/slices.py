# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting at one go, or in slices between which somebody tells how far it is. Nothing is applied here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness, wait
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

# In a slice: how often it is asked whether to end it, and how long the first change is kept for those that follow it
TICK = 0.25
SETTLE = 0.5
# What was given up between two slices is looked at once more, if the API server answers within this time
LOOK = 10.0


@dataclass
class Waited:
    """One object that is waited for. Times in seconds since the wait began, ``limit`` when it is given up.

    ``written``: the resourceVersion of our own change. ``late``: its time was up. ``uid``: of what is waited for to be
    gone. ``since``: since when it has been ready without a break, while that is not long enough.
    """

    ref: Ref
    limit: float
    written: str | None = None
    ready: bool = False
    late: bool = False
    reason: str = ""
    generic: bool = False
    seconds: float = 0.0
    uid: str | None = None
    since: float | None = None

    @property
    def open(self) -> bool:
        return not (self.ready or self.late)

    @classmethod
    def of(cls, result: Result, limit: float, stable_seconds: float = 0.0) -> Waited:
        """What an apply has just brought about; what its answer showed to be ready is not asked about again, unless it
        has to stay so."""
        found = cls(result.ref, limit, result.written)
        if result.verdict is None or not result.verdict.ready or result.written is not None:
            return found
        if not stable_seconds or not readiness.may_flap(result.api_version, result.kind):
            found.ready, found.reason, found.generic = True, result.verdict.reason, result.verdict.generic
        return found

    def to_state(self) -> list[Any]:
        return [*self.ref, self.limit, self.written, self.ready, self.reason, self.uid, self.since]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> Waited:
        named, (limit, written, ready, reason, uid, since) = Ref(*state[:4]), state[4:]
        return cls(named, float(limit), written, bool(ready), reason=str(reason), uid=uid, since=since)


def watch(
    client: Client,
    objects: Sequence[Waited],
    *,
    elapsed: float = 0.0,
    seconds: float | None = None,
    extend: Callable[[Waited], float | None] | None = None,
    on_change: wait.OnChange | None = None,
    stable_seconds: float = 0.0,
    gone: bool = False,
) -> float:
    """Wait for those that are open, and write into them how it ended; the time since the wait began.

    ``elapsed``: that time before this call. ``seconds``: end this slice after so long, or shortly after something has
    changed; None waits for everything. ``extend``: asked once for an object whose time is up, for a later limit.
    ``gone``: they are waited for to be gone; that is what ``ready`` says of them then.
    """
    started = time.monotonic() - elapsed
    pending = {waited.ref: waited for waited in objects if waited.open}
    end = math.inf if seconds is None else elapsed + seconds
    tick = math.inf if seconds is None else TICK
    news: list[float] = []
    looked: set[Ref] = set()

    def now() -> float:
        return time.monotonic() - started

    def changed(ref: Ref, verdict: Verdict) -> None:
        looked.add(ref)
        if verdict.reason != pending[ref].reason:
            news.append(now())
        pending[ref].reason = verdict.reason
        if on_change is not None:
            on_change(ref, verdict)

    def over() -> bool:
        return now() >= end or (bool(news) and now() >= news[0] + SETTLE)

    def deadline(ref: Ref, _verdict: Verdict) -> float | None:
        waited = pending[ref]
        if elapsed and ref not in looked and now() < elapsed + LOOK:
            return TICK
        if now() >= waited.limit:
            later = extend(waited) if extend is not None else None
            if later is None or later <= now():
                waited.late = True
                news.append(now())
                return None
            waited.limit = later
        if seconds is not None and over():
            return None
        return max(0.01, min(waited.limit - now(), tick))

    # A silent controller has had its time when the grace is over, whatever the number of slices
    old = {} if elapsed >= wait.GRACE else {ref: waited.written for ref, waited in pending.items() if waited.written}
    outcomes = wait.wait(
        client,
        list(pending),
        timeout={ref: max(0.0, min(waited.limit - elapsed, tick)) for ref, waited in pending.items()},
        on_change=changed,
        on_deadline=deadline,
        written=old,
        gone=gone,
        uids={ref: waited.uid for ref, waited in pending.items() if waited.uid},
        stable_seconds=stable_seconds,
        # What happens between two slices, a second or two, is not seen
        since={ref: elapsed - waited.since for ref, waited in pending.items() if waited.since is not None},
        resumed=elapsed > 0,
    )
    for outcome in outcomes:
        waited = pending[outcome.ref]
        waited.ready, waited.generic = outcome.ready, outcome.generic
        waited.reason = outcome.reason if outcome.ref in looked or not waited.reason else waited.reason
        waited.seconds = waited.limit if waited.late else elapsed + outcome.seconds
        waited.since = None if outcome.since is None else elapsed + outcome.seconds - outcome.since
        if waited.late and outcome.since is not None:
            waited.reason += f", but not for {stable_seconds:g} s without a break"
    return now()
