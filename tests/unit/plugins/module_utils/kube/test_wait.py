# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of the watch stream: what ends a wait, and what it lives through. The lab has the real API server."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import wait as waiting
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref, wait

REF = Ref("example.com/v1", "Widget", "here", "one")
LONG = 30.0
Step = Any


def widget(status: str, version: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "one", "namespace": "here", "resourceVersion": str(version)},
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }


class Stream:
    """Events of one watch; ``then``: how it ends (an exception, or None: the server ends it)."""

    def __init__(self, events: list[Any], then: ApiError | None, closed: queue.SimpleQueue[None] | None) -> None:
        self.events, self.then, self.closed = events, then, closed

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from self.events
        if self.then is not None:
            raise self.then
        if self.closed is not None:
            self.closed.get()

    def close(self) -> None:
        if self.closed is not None:
            self.closed.put(None)


class Server:
    """Answers LISTs and watches from a script, one step each; the last step stays open until it is closed.

    ``knows``: whether it has read its rules, so that everybody may ask for its version.
    """

    def __init__(self, *steps: Step, knows: bool = False) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []
        self.knows = knows

    def version(self) -> dict[str, Any]:
        if not self.knows:
            raise ApiError(403, "Forbidden", "no")
        return {}

    def serves(self, *_: Any) -> bool:
        return True

    def _next(self, what: str) -> Step:
        self.asked.append(what)
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def list_at(self, *_: Any, **__: Any) -> tuple[list[dict[str, Any]], str]:
        step = self._next("list")
        if isinstance(step, ApiError):
            raise step
        return [step], "1"

    def watch(self, *_: Any, **__: Any) -> Stream:
        step = self._next("watch")
        if isinstance(step, ApiError):
            raise step
        return Stream(*step)


def opened(*events: Any) -> tuple[list[Any], None, queue.SimpleQueue[None]]:
    return list(events), None, queue.SimpleQueue()


def refused(status: int) -> ApiError:
    return ApiError(status, "Forbidden", "no")


WAITING, READY = widget("False", 1), widget("True", 2)
CUT = ApiError(0, "Disconnected", "the watch was cut off")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RELIST_DELAY", 0.0)


def outcome(server: Server, **options: Any) -> waiting.Outcome:
    return wait(server, [REF], timeout=LONG, **options)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "end",
    [ApiError(410, "Expired", "too old resource version"), CUT, refused(500), refused(503), refused(429), None],
)
def test_a_watch_that_ends_is_taken_up_again(end: ApiError | None) -> None:
    events: tuple[Any, ...] = ([("BOOKMARK", widget("False", 5))], end, None)
    server = Server(WAITING, events, *([READY] if end else [([("MODIFIED", READY)], None, None)]), opened())
    assert outcome(server).ready
    assert server.asked[:3] == ["list", "watch", "list" if end else "watch"]


def test_a_server_that_comes_back_refuses_everybody_for_a_moment() -> None:
    server = Server(WAITING, ([], CUT, None), refused(403), refused(401), refused(403), READY, opened())
    assert outcome(server).ready
    assert server.asked[:6] == ["list", "watch", "list", "list", "list", "list"]


def test_a_refusal_by_a_server_that_knows_its_rules_is_an_error() -> None:
    server = Server(WAITING, ([], CUT, None), refused(403), refused(403), READY, opened(), knows=True)
    with pytest.raises(ApiError) as caught:
        outcome(server)
    assert (caught.value.status, server.asked.count("list")) == (403, 3)


def test_a_refusal_that_lasts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FORGIVEN", 0.0)
    with pytest.raises(ApiError) as caught:
        outcome(Server(WAITING, ([], CUT, None), refused(403)))
    assert caught.value.status == 403


@pytest.mark.parametrize("first", [refused(403), refused(401), CUT, refused(503)])
def test_what_fails_at_the_very_start_is_an_error(first: ApiError) -> None:
    with pytest.raises(ApiError) as caught:
        outcome(Server(first))
    assert caught.value is first


def test_a_refusal_without_a_lost_connection_is_an_error() -> None:
    with pytest.raises(ApiError):
        outcome(Server(WAITING, refused(403)))


def test_an_outage_ends_with_the_deadline_and_the_last_word() -> None:
    server = Server(WAITING, ([], CUT, None), CUT)
    found = wait(server, [REF], timeout=0.05)[0]  # type: ignore[arg-type]
    assert (found.ready, found.reason) == (False, "Ready is False")


def test_an_object_that_is_deleted_and_made_again_is_waited_for() -> None:
    reasons: list[str] = []
    server = Server(WAITING, opened(("DELETED", widget("True", 3)), ("ADDED", READY)))
    found = outcome(server, on_change=lambda _ref, verdict: reasons.append(verdict.reason))
    assert (found.ready, reasons) == (True, ["Ready is False", "does not exist", "Ready is True"])


def flapping(seen: list[Verdict]) -> Callable[[Ref, Verdict], None]:
    return lambda _ref, verdict: seen.append(verdict)


def test_what_flaps_must_stay_ready() -> None:
    """It is ready for a moment, and again, and then no more."""
    seen: list[Verdict] = []
    events = [("MODIFIED", READY), ("MODIFIED", WAITING), ("MODIFIED", READY), ("MODIFIED", WAITING)]
    server = Server(WAITING, opened(*events))
    found = wait(server, [REF], timeout=1.0, stable_seconds=0.5, on_change=flapping(seen))[0]  # type: ignore[arg-type]
    assert found.ready is False
    assert [verdict.ready for verdict in seen] == [False, True, False, True, False]


def test_what_stays_ready_is_taken_for_ready() -> None:
    found = outcome(Server(WAITING, opened(("MODIFIED", READY))), stable_seconds=0.05)
    assert found.ready
    assert found.seconds >= 0.05


def test_what_was_ready_before_this_call_counts_once_it_is_seen_to_be_so_still() -> None:
    still = outcome(Server(READY, opened()), stable_seconds=LONG, since={REF: LONG})
    assert (still.ready, still.seconds < LONG) == (True, True)
    broken = wait(
        Server(WAITING, opened(("MODIFIED", READY))),  # type: ignore[arg-type]
        [REF],
        timeout=0.3,
        stable_seconds=LONG,
        since={REF: LONG},
    )[0]
    assert (broken.ready, broken.since is not None and broken.since < LONG) == (False, True)


def test_what_was_ready_and_is_not_looked_at_is_not_taken_for_ready() -> None:
    found = wait(
        Server(CUT),  # type: ignore[arg-type]
        [REF],
        timeout=0.05,
        stable_seconds=0.01,
        since={REF: 1.0},
        resumed=True,
    )[0]
    assert (found.ready, found.since is not None and found.since > 1.0) == (False, True)


@pytest.mark.parametrize(("uid", "gone"), [("old", True), ("new", False), (None, False)])
def test_another_one_by_its_name_is_not_waited_for_to_go(uid: str | None, gone: bool) -> None:
    there = widget("True", 1)
    there["metadata"]["uid"] = "new"
    uids = {REF: uid} if uid else {}
    found = wait(Server(there, opened()), [REF], timeout=0.05, gone=True, uids=uids)[0]  # type: ignore[arg-type]
    assert found.ready is gone
    assert found.reason == (waiting.ANEW if gone else "is being deleted")


def test_a_namespace_that_hangs_says_what_is_left_in_it() -> None:
    told = {
        "NamespaceContentRemaining": "Some resources are remaining: pods. has 2 resource instances, "
        "widgets.example.com has 1 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: a.b/c in 1 resource "
        "instances",
        "NamespaceDeletionDiscoveryFailure": "Discovery failed for some groups, 1 failing: metrics.k8s.io/v1beta1",
    }
    conditions = [{"type": kind, "status": "True", "message": said} for kind, said in told.items()]
    conditions.append({"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content deleted"})
    space: dict[str, Any] = {"kind": "Namespace", "metadata": {}, "spec": {"finalizers": ["kubernetes"]}}
    assert waiting.going(space) == "is being deleted, held by kubernetes"
    assert waiting.holders({**space, "status": {"conditions": conditions}}) == [
        "pods has 2 resource instances",
        "widgets.example.com has 1 resource instances",
        "a.b/c in 1 resource instances",
        "NamespaceDeletionDiscoveryFailure (Discovery failed for some groups; 1 failing: metrics.k8s.io/v1beta1)",
    ]


def test_without_it_the_first_ready_counts() -> None:
    assert outcome(Server(WAITING, opened(("MODIFIED", READY), ("MODIFIED", WAITING)))).ready
