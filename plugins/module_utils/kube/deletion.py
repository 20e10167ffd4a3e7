# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete objects and wait until each is gone with everything that it owns: at one go, or in slices."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import slices
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.conflicts import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, NoSuchKind
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import PHASES, Result, phase_of
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import ANEW, Ref, going

# How long what was refused because of others is asked for again, once they are gone
RELEASED_TIMEOUT = 10.0
PAUSE = 0.25

# Asked right before an object is deleted: the uid of the one that is meant, or what has become of it without us
Look = Callable[[Ref], "str | Result"]


def remove(
    client: Client,
    targets: Sequence[Ref | Mapping[str, Any]],
    *,
    check: bool = False,
    wait_timeout: float = 300.0,
    wait_gone: bool = True,
    look: Look | None = None,
) -> list[Result]:
    """Delete all at one go; one Result each, in their order."""
    removal = Removal(client, targets, check=check, timeout=wait_timeout, wait_gone=wait_gone, look=look)
    removal.wait()
    return removal.results()


def group_of(kind: str) -> int:
    """Position in the order of deletion, 0 last: that of writing, but definitions go before namespaces. These may hold
    what the next run has to know of all the others (our record of a component), should this one be killed."""
    phase = phase_of(kind)
    return {0: 1, 1: 0}.get(phase, phase)


def deleted(ref: Ref) -> Result:
    before = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
    return Result(*ref, "deleted", diff={"before": before, "after": {}})


class Removal:
    """Deletes in the reverse order of writing, group after group, and waits until each is gone with all it owns.

    What is not there is ``unchanged``. Foreground deletion: an object stays until its dependents (the pods of a
    LeaderWorkerSet) are gone. ``elapsed``: seconds since it began; between two slices the caller sets it. ``on_gone``
    hears of each object at once, when there is nothing in the way of another one of its name. ``look`` may leave an
    object alone; it is not kept between slices.
    """

    def __init__(
        self,
        client: Client,
        targets: Iterable[Ref | Mapping[str, Any]],
        *,
        timeout: float = 300.0,
        check: bool = False,
        wait_gone: bool = True,
        on_gone: Callable[[Ref], None] | None = None,
        look: Look | None = None,
    ) -> None:
        self.client = client
        self.on_gone = on_gone
        self.look = look
        self.timeout = timeout
        self.check = check
        self.wait_gone = wait_gone
        self.elapsed = 0.0
        self.refs = [_placed(client, target if isinstance(target, Ref) else Ref.of(target)) for target in targets]
        self.made: dict[Ref, Result] = {}
        # after how many seconds it was gone, or given up
        self.ended: dict[Ref, float] = {}
        self.open: list[Waited] = []
        # what was refused, and until when it is asked for again
        self.refused: list[Ref] = []
        self.until = 0.0
        # the group whose deletion was asked for last; none yet
        self.phase = len(PHASES) + 1

    @property
    def over(self) -> bool:
        return not self.phase and not self.open and not self.refused

    def wait(self, seconds: float | None = None) -> bool:
        """Go on, for one slice (None: to the end); whether it is over."""
        started = time.monotonic() - self.elapsed
        end = math.inf if seconds is None else self.elapsed + seconds
        while not self.over:
            self.elapsed = time.monotonic() - started
            if self.open:
                self._outlast(end)
                if self.open:
                    return False
                if self.refused and not self.until:
                    # A webhook may refuse what the others hung on (a queue that has children), and hear of their end
                    # a little later
                    self.until = min(self.timeout, self.elapsed + RELEASED_TIMEOUT)
            elif self.refused and self.elapsed < self.until:
                if self.elapsed >= end:
                    return False
                time.sleep(PAUSE)
                self._delete(self.refused)
            else:
                self._next()
        return True

    def results(self) -> list[Result]:
        """What has become of each so far, in their order; what was not reached yet is left out."""
        return [self.made[ref] for ref in self.refs if ref in self.made]

    # -- steps --------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """The next group. What was refused to the end has failed."""
        self.refused, self.until = [], 0.0
        while self.phase:
            self.phase -= 1
            batch = [ref for ref in dict.fromkeys(self.refs) if group_of(ref.kind) == self.phase]
            if batch:
                self._delete(batch)
                if not self.open:
                    self.refused = []  # by nothing that goes: asking again would not help
                return

    def _delete(self, batch: Sequence[Ref]) -> None:
        for ref, (made, answer) in zip(batch, self.client.map(self._ask, batch)):
            self.made[ref] = made
            if made.action == "deleted" and self.wait_gone and not self.check:
                # The answer is the object as it goes, so that what holds it is no news later
                limit = max(self.timeout, self.elapsed + 1.0)
                self.open.append(Waited(ref, limit, reason=going(answer), uid=_uid(answer)))
            elif made.action == "unchanged" and self.on_gone is not None:
                self.on_gone(ref)
        self.refused = [ref for ref in batch if self.made[ref].error]

    def _ask(self, ref: Ref) -> tuple[Result, Mapping[str, Any]]:
        """What became of it, and the answer to its deletion."""
        try:
            uid = None if self.look is None else self.look(ref)
            if isinstance(uid, Result):
                return uid, {}
            try:
                answer = self._send(ref, uid)
            except ApiError as error:
                if error.status != 409 or self.look is None:
                    raise
                uid = self.look(ref)  # another one has its name by now
                if isinstance(uid, Result):
                    return uid, {}
                answer = self._send(ref, uid)
        except ApiError as error:
            if error.status in (0, 401):
                raise
            return Result(*ref, "failed", error=explain(error, ref.kind)), {}
        return (Result(*ref, "unchanged"), {}) if answer is None else (deleted(ref), answer)

    def _send(self, ref: Ref, uid: str | None) -> dict[str, Any] | None:
        return self.client.delete(
            ref.api_version, ref.kind, ref.name, ref.namespace, dry_run=self.check, propagation="Foreground", uid=uid
        )

    def _outlast(self, end: float) -> None:
        def changed(ref: Ref, verdict: Verdict) -> None:
            if verdict.ready and self.on_gone is not None:
                self.on_gone(ref)

        self.elapsed = slices.watch(
            self.client,
            self.open,
            elapsed=self.elapsed,
            seconds=None if end == math.inf else max(0.0, end - self.elapsed),
            on_change=changed,
            gone=True,
        )
        for waited in self.open:
            if waited.open:
                continue
            self.ended[waited.ref] = waited.seconds
            made = self.made[waited.ref]
            if waited.reason == ANEW:
                made.warnings.append(f"is {ANEW}")
            if waited.late:
                made.action, made.error = "failed", f"still there after {self.timeout:g} s: {waited.reason}"
        self.open = [waited for waited in self.open if waited.open]

    # -- between slices -----------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        return {
            "timeout": self.timeout,
            "phase": self.phase,
            "until": self.until,
            "refs": [list(ref) for ref in self.refs],
            "made": [[*made.ref, made.action, made.error, made.warnings] for made in self.made.values()],
            "ended": [[*ref, seconds] for ref, seconds in self.ended.items()],
            "open": [waited.to_state() for waited in self.open],
            "refused": [list(ref) for ref in self.refused],
        }

    @classmethod
    def from_state(
        cls,
        client: Client,
        state: Mapping[str, Any],
        elapsed: float = 0.0,
        on_gone: Callable[[Ref], None] | None = None,
    ) -> Removal:
        found = cls(client, (), timeout=float(state["timeout"]), on_gone=on_gone)
        found.refs = [Ref(*ref) for ref in state["refs"]]
        for *name, action, error, warnings in state["made"]:
            ref = Ref(*name)
            made = found.made[ref] = deleted(ref) if action == "deleted" else Result(*ref, action, error=error)
            made.warnings = list(warnings)
        found.ended = {Ref(*name): float(seconds) for *name, seconds in state["ended"]}
        found.open = [Waited.from_state(one) for one in state["open"]]
        found.refused = [Ref(*ref) for ref in state["refused"]]
        found.phase, found.until, found.elapsed = int(state["phase"]), float(state["until"]), elapsed
        return found


def _uid(answer: Mapping[str, Any]) -> str | None:
    """Of what was deleted: the object as it goes, or a Status that tells of one that is gone."""
    found = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid")
    return str(found) if found else None


def _placed(client: Client, ref: Ref) -> Ref:
    try:
        namespaced = client.resource(ref.api_version, ref.kind).namespaced
    except NoSuchKind:
        return ref
    return ref._replace(namespace=(ref.namespace or "default") if namespaced else None)
