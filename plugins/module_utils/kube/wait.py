# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until objects are ready, or gone: one LIST and one watch per kind and namespace, whatever their number."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client, Watch
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict

RELIST_DELAY = 1.0  # before a lost watch is taken up again, at most; a kind that is not served is asked for as often
SLICE = 60.0  # seconds after which a watch is renewed anyway: a connection that died silently is not waited for
GRACE = 10.0  # seconds in which a controller without observedGeneration must have noticed our change
# An API server that has just started answers 403 until its RBAC cache is filled: so many seconds are forgiven, and
# only after a connection was lost
FORGIVEN = 15.0
# What is said of an object that is gone, and another one is there by its name
ANEW = "gone, and made anew by somebody"
UNREACHABLE = (0, 429, 500, 502, 503, 504)


# Conditions of a namespace that does not go
_NAMESPACE_HELD = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")
_NAMESPACE_FAILURES = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
)


class Ref(NamedTuple):
    """Names one object. ``namespace`` is None for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Ref:
        meta = obj["metadata"]
        return cls(str(obj["apiVersion"]), str(obj["kind"]), meta.get("namespace"), str(meta["name"]))

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class Outcome:
    """How the wait for one object ended. ``seconds`` from the start to readiness, or to giving up. ``generic``:
    its kind has no readiness rule of its own. ``since``: for how many seconds it has been ready without a break, which
    was not long enough."""

    ref: Ref
    ready: bool
    reason: str
    seconds: float
    generic: bool = False
    since: float | None = None


OnChange = Callable[[Ref, Verdict], None]
# Asked when an object's deadline passes: seconds more, or None to give up
OnDeadline = Callable[[Ref, Verdict], "float | None"]


def wait(
    client: Client,
    refs: Sequence[Ref],
    *,
    timeout: float | Mapping[Ref, float],
    on_change: OnChange | None = None,
    on_deadline: OnDeadline | None = None,
    written: Mapping[Ref, str] | None = None,
    gone: bool = False,
    uids: Mapping[Ref, str] | None = None,
    stable_seconds: float = 0.0,
    since: Mapping[Ref, float] | None = None,
    resumed: bool = False,
) -> list[Outcome]:
    """Wait for all ``refs``, each at most ``timeout`` seconds (one number, or one for each); order kept.

    Returns as soon as the last is ready, or its time is up. ``gone``: wait until they do not exist any more; where
    ``uids`` says which ones are meant, others by the same name are not waited for.
    ``stable_seconds``: how long each must have been ready without a break (kinds that flap; a DynamoGraphDeployment
    that is scaled up says successful before its new pods run). ``since``: Outcome.since of an earlier call.
    ``written``: resourceVersion that our own change gave an object; what its status said up to there is old, unless
    its kind reports observedGeneration (LeaderWorkerSets before 0.10 do not).
    ``resumed``: an earlier call has read the objects; the API server may have gone away since, and be about to return.
    Raises ApiError when the objects may not be read.
    """
    wanted = list(dict.fromkeys(refs))
    state = _State(wanted, timeout, gone, on_change, on_deadline, written or {}, 0.0 if gone else stable_seconds)
    state.uids = uids or {}
    state.before = {ref: state.started - seconds for ref, seconds in (since or {}).items()}
    followers: list[_Follower] = []
    events: queue.SimpleQueue[_News] = queue.SimpleQueue()
    groups: dict[tuple[str, str, str | None], set[str]] = {}
    for ref in wanted:
        groups.setdefault(ref[:3], set()).add(ref.name)
    try:
        for key, names in groups.items():
            follower = _Follower(client, key, names, events, resumed)
            followers.append(follower)
            follower.start()
        while not state.done():
            try:
                news = events.get(timeout=state.until_next_look())
            except queue.Empty:
                state.review()
                state.settle()
                state.expire()
                continue
            if news.error is not None:
                raise news.error
            state.learn(news)
            state.settle()
            state.expire()
    finally:
        for follower in followers:
            follower.stop()
    return [state.outcomes[ref] for ref in refs]


def going(obj: Mapping[str, Any]) -> str:
    """What is said of an object that is on its way out."""
    held = holders(obj)
    return "is being deleted" + (f", held by {', '.join(held)}" if held else "")


def holders(obj: Mapping[str, Any]) -> list[str]:
    """What an object that is being deleted waits for: its finalizers; of a namespace, what is left in it."""
    held = list((obj.get("metadata") or {}).get("finalizers") or [])
    if obj.get("kind") != "Namespace":
        return held
    for kind in _NAMESPACE_HELD:
        told = readiness.condition(obj, kind)
        if told is not None and told.get("status") == "True":
            # "Some resources are remaining: pods. has 2 resource instances, widgets.example.com has 1 ..."
            held += str(told.get("message") or kind).partition(": ")[2].replace(". has", " has").split(", ")
    for kind in _NAMESPACE_FAILURES:
        told = readiness.condition(obj, kind)
        if told is not None and told.get("status") == "True":
            held.append(f"{kind} ({str(told.get('message')).replace(', ', '; ')})")
    return held or list((obj.get("spec") or {}).get("finalizers") or [])


class _News(NamedTuple):
    """What a follower saw. ``obj`` None: it does not exist. ``note`` says why nothing is known."""

    ref: Ref | None
    obj: Mapping[str, Any] | None = None
    error: KubeError | None = None
    note: str = ""
    # What readiness needs of the cluster besides the object, or why it may not be read
    around: Sequence[Mapping[str, Any]] | None = None
    blind: str = ""


class _State:
    """Verdicts and deadlines of one wait; used by one thread only."""

    def __init__(
        self,
        refs: Sequence[Ref],
        timeout: float | Mapping[Ref, float],
        gone: bool,
        on_change: OnChange | None,
        on_deadline: OnDeadline | None,
        written: Mapping[Ref, str],
        stable_seconds: float,
    ) -> None:
        self.started = time.monotonic()
        self.stable_seconds = stable_seconds
        # Since when an object has been ready without a break
        self.since: dict[Ref, float] = {}
        # The same as an earlier call left it: it counts once the object is seen to be ready still
        self.before: dict[Ref, float] = {}
        self.uids: Mapping[Ref, str] = {}
        self.written = written
        # Objects whose status is as old as our change: looked at again when the grace is over
        self.stale: dict[Ref, _News] = {}
        self.gone = gone
        self.on_change = on_change
        self.on_deadline = on_deadline
        self.deadlines = {
            ref: self.started + (timeout[ref] if isinstance(timeout, Mapping) else timeout) for ref in refs
        }
        self.verdicts = {ref: Verdict(None, "nothing is known yet") for ref in refs}
        self.outcomes: dict[Ref, Outcome] = {}

    def done(self) -> bool:
        return len(self.outcomes) == len(self.verdicts)

    def until_next_look(self) -> float:
        nearest = min(when for ref, when in self.deadlines.items() if ref not in self.outcomes)
        if self.stale:
            nearest = min(nearest, self.started + GRACE)
        if self.since:
            nearest = min(nearest, min(self.since.values()) + self.stable_seconds)
        return max(0.0, nearest - time.monotonic())

    def review(self) -> None:
        """Take the status of silent controllers for what it says, once they have had their time."""
        if self.stale and time.monotonic() >= self.started + GRACE:
            silent, self.stale, self.written = list(self.stale.values()), {}, {}
            for news in silent:
                self.learn(news)

    def learn(self, news: _News) -> None:
        ref = news.ref
        if ref is None or ref not in self.verdicts or ref in self.outcomes:
            return
        verdict = self._judge(news)
        self.stale.pop(ref, None)
        if verdict.ready and not self.gone and self._predates_change(ref, news.obj or {}):
            self.stale[ref] = news
            verdict = Verdict(False, "its controller has not reported since the change")
        if verdict != self.verdicts[ref]:
            self.verdicts[ref] = verdict
            if self.on_change is not None:
                self.on_change(ref, verdict)
        before = self.before.pop(ref, None)
        if not verdict.ready:
            self.since.pop(ref, None)
        elif self.stable_seconds:
            self.since.setdefault(ref, time.monotonic() if before is None else before)
        else:
            self._finish(ref, verdict, True)

    def settle(self) -> None:
        """Take for ready what has been so for long enough."""
        now = time.monotonic()
        for ref, since in list(self.since.items()):
            if now >= since + self.stable_seconds:
                self._finish(ref, self.verdicts[ref], True)

    def _judge(self, news: _News) -> Verdict:
        if self.gone:
            if news.obj is None:
                return Verdict(True, "gone")
            meant = news.ref and self.uids.get(news.ref)
            if meant and news.obj["metadata"].get("uid", meant) != meant:
                return Verdict(True, ANEW)
            return Verdict(False, going(news.obj))
        if news.obj is None:
            return Verdict(False, news.note or "does not exist")
        return readiness.ready(news.obj, news.around, blind=news.blind)

    def _predates_change(self, ref: Ref, obj: Mapping[str, Any]) -> bool:
        status = obj.get("status") or {}
        return "observedGeneration" not in status and self.written.get(ref) == obj["metadata"].get("resourceVersion")

    def expire(self) -> None:
        now = time.monotonic()
        for ref, when in self.deadlines.items():
            if when > now or ref in self.outcomes:
                continue
            more = self.on_deadline(ref, self.verdicts[ref]) if self.on_deadline is not None else None
            if more is not None and more > 0:
                self.deadlines[ref] = now + more
            else:
                self._finish(ref, self.verdicts[ref], False)

    def _finish(self, ref: Ref, verdict: Verdict, ready: bool) -> None:
        now = time.monotonic()
        begun = self.since.pop(ref, self.before.get(ref))
        since = None if ready or begun is None else now - begun
        self.outcomes[ref] = Outcome(ref, ready, verdict.reason, now - self.started, verdict.generic, since)


class _Follower(threading.Thread):
    """Reports every state of the named objects of one kind and namespace, until stopped."""

    def __init__(
        self,
        client: Client,
        key: tuple[str, str, str | None],
        names: Iterable[str],
        events: queue.SimpleQueue[_News],
        resumed: bool = False,
    ) -> None:
        super().__init__(daemon=True, name=f"watch {key[1]}")
        self.client = client
        self.key = key
        self.names = sorted(names)
        self.events = events
        self.stopped = threading.Event()
        self.watch: Watch | None = None
        # A single object needs no more than its own events (and no more rights than on its name)
        self.selector = f"metadata.name={self.names[0]}" if len(self.names) == 1 else None
        self.needs = readiness.NEEDS.get((key[0].rpartition("/")[0] if "/" in key[0] else "", key[1]))
        # Whether the objects were listed once, whether the connection was lost since, and when a refusal began
        self.listed = resumed
        self.cut = resumed
        self.refused: float | None = None

    def stop(self) -> None:
        self.stopped.set()
        watch = self.watch
        if watch is not None:
            watch.close()

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                try:
                    self._round()
                    self.cut, self.refused = False, None
                except ApiError as error:
                    if not self._bear(error):
                        raise
                    # 410: too old. 0 and 5xx: cut off. Either way the truth is in a new list
                    self.stopped.wait(RELIST_DELAY * random.random() if error.status != 410 else 0)
        except KubeError as error:
            if not self.stopped.is_set():
                self.events.put(_News(None, error=error))
        except Exception as error:  # a defect must end the wait, not leave it hanging
            self.events.put(_News(None, error=KubeError(f"the wait broke down: {error!r}")))

    def _bear(self, error: ApiError) -> bool:
        """Whether to ask again: yes for what an API server that goes away and comes back answers meanwhile."""
        # 404: the kind was there when its objects were listed, and its definition was deleted meanwhile
        if error.status in (404, 410):
            return True
        if error.status in UNREACHABLE:
            self.cut = True
            return self.listed
        if error.status in (401, 403) and self.cut:
            now = time.monotonic()
            if self.refused is not None and self._answers():
                return False
            self.refused = self.refused or now
            return now - self.refused < FORGIVEN
        return False

    def _answers(self) -> bool:
        """Whether the API server knows its rules again: then a refusal is meant, as after rights were taken away.

        Everybody may read /version, by a ClusterRole that is in the cache with all others.
        """
        try:
            self.client.version()
        except ApiError:
            return False
        return True

    def _round(self) -> None:
        """One list, and its watch until that ends. Raises ApiError for a refusal, and where the connection is lost."""
        if not self.client.serves(self.key[0], self.key[1]):
            self._tell_all(f"the API server does not serve {self.key[1]} in {self.key[0]}")
            self.stopped.wait(RELIST_DELAY)
            return
        version = self._list()
        self.listed = self.listed or bool(version)
        if self.needs is not None:
            # Judged by two kinds of objects at once: looked at again, instead of two watches that would have to agree
            self.stopped.wait(RELIST_DELAY)
        elif version:
            self.cut, self.refused = False, None
            self._follow(version)
        else:
            self.stopped.wait(RELIST_DELAY)

    def _list(self) -> str:
        around, blind = self._around()
        found, version = self.client.list_at(*self.key, field_selector=self.selector)
        objects = {str(obj["metadata"]["name"]): obj for obj in found}
        for name in self.names:
            self.events.put(_News(Ref(*self.key, name), objects.get(name), around=around, blind=blind))
        return version

    def _around(self) -> tuple[Sequence[Mapping[str, Any]] | None, str]:
        if self.needs is None:
            return None, ""
        try:
            return self.client.list(*self.needs), ""
        except ApiError as error:
            if error.status != 403 or self.cut:
                raise
            return None, error.message

    def _tell_all(self, note: str) -> None:
        for name in self.names:
            self.events.put(_News(Ref(*self.key, name), None, note=note))

    def _follow(self, version: str) -> None:
        """Watch from ``version`` on, and again where the server ends it. Raises ApiError when it expired or was cut."""
        while not self.stopped.is_set():
            self.watch = self.client.watch(
                *self.key, resource_version=version, timeout=SLICE, field_selector=self.selector
            )
            if self.stopped.is_set():
                self.watch.close()
            for kind, obj in self.watch:
                version = str(obj["metadata"]["resourceVersion"])
                name = obj["metadata"].get("name")
                if kind != "BOOKMARK" and name in self.names:
                    obj = {"apiVersion": self.key[0], "kind": self.key[1], **obj}
                    self.events.put(_News(Ref(*self.key, name), None if kind == "DELETED" else obj))
