# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recordings replayed on a real API server: our client reads, waits, diagnoses and places what the operators did.

The unit tests judge every recorded snapshot; here are, of every recording, what waits and one that does not, and the
waits themselves, on the recorded watch streams.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import path, readiness
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import diagnose
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref, wait

from lab.replay import ROOTS, Replay
from tests.integration.kube_objects import client
from tests.unit.plugins.module_utils.recorded import UPSTREAM, Row, judge, table

TABLE = table()
LONG = 60.0
BOUND = "received-resource-type"


def sample() -> list[Row]:
    """Of every recording the last row that waits, or else its last."""
    return [([row for row in rows if row.waits] or rows)[-1] for rows in _by_recording()]


def _by_recording() -> list[list[Row]]:
    names = dict.fromkeys(row.recording for row in TABLE)
    return [[row for row in TABLE if row.recording == name] for name in names]


@pytest.fixture
def empty(stage: Replay) -> Iterator[Replay]:
    yield stage
    stage.clear()


def root_of(row: Row) -> tuple[str, dict[str, Any]]:
    """The plural and the recorded object that somebody had applied."""
    for resource, items in row.objects().items():
        plural = resource.rsplit("/", 1)[1]
        for item in items:
            if plural in ROOTS and item["metadata"]["name"] == row.name:
                return plural, item
    raise AssertionError(f"no workload in {row}")


def apply_like(replay: Replay, recorded: dict[str, Any]) -> tuple[Ref, dict[str, Any]]:
    """The object as our engine applies it: what the recorded one had been asked for."""
    meta = recorded["metadata"]
    replay.namespace(meta["namespace"])
    wanted = {
        "apiVersion": recorded["apiVersion"],
        "kind": recorded["kind"],
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "annotations": {key: value for key, value in (meta.get("annotations") or {}).items() if len(value) < 100},
        },
        "spec": recorded["spec"],
    }
    result = engine.apply(client(replay.lab), [wanted])[0]
    assert result.error is None
    assert result.action == "created"
    found = client(replay.lab).get(result.api_version, result.kind, result.name, result.namespace)
    assert found is not None
    return result.ref, found


def forget(replay: Replay, ref: Ref) -> None:
    client(replay.lab).delete(ref.api_version, ref.kind, ref.name, ref.namespace)


@pytest.mark.parametrize("row", sample(), ids=str)
def test_snapshot(empty: Replay, row: Row) -> None:
    _plural, recorded = root_of(row)
    ref, applied = apply_like(empty, recorded)
    try:
        empty.show(row.objects(), applied=[applied])
        here = client(empty.lab)
        shown = here.get(ref.api_version, ref.kind, ref.name, ref.namespace)
        assert shown["metadata"]["uid"] == applied["metadata"]["uid"] != recorded["metadata"]["uid"]
        assert readiness.ready(shown).ready is row.ready
        plan = row.plan()
        before = here.requests
        seen = live.read(here, [plan.namespace], components=True, kinds=live.kinds_of([plan]))
        assert not seen.unread
        assert here.requests - before < 25
        judge(row, plan, seen)
        assert diagnose(here, plan).details["id"] == row.cause
    finally:
        forget(empty, ref)


def test_f108_the_cure_is_the_recorded_one(empty: Replay) -> None:
    """A pod of an old gang waits for its siblings: named with the command that was seen to cure it."""
    row = next(one for one in TABLE if one.cause == "MN-F108" and "workaround" in one.recording)
    recording = UPSTREAM / "recordings" / row.recording
    _plural, recorded = root_of(row)
    ref, applied = apply_like(empty, recorded)
    try:
        empty.show(row.objects(), applied=[applied])
        here = client(empty.lab)
        told = diagnose(here, row.plan())
        assert told.details["id"] == "MN-F108"
        (_kubectl, cure) = json.loads((recording / "008-annotate-old-pods.json").read_text())["cmd"].split(" -n ")
        namespace, _, words = cure.partition(" annotate pod ")
        assert f"kubectl annotate pod -n {namespace} {words}" in told.remedy
        (gang,) = lifecycle.old_gangs(path.gang_pods(Reader(here)), "0.1.0-alpha.13")
        assert [result.error for result in engine.apply(here, gang.patches(), force=True)] == [None, None]
        assert lifecycle.old_gangs(path.gang_pods(Reader(here)), "0.1.0-alpha.13") == ()
        later = json.loads((recording / "009-annotated.json").read_text())["objects"]["v1/pods"]
        for pod in later:
            now = here.get("v1", "Pod", pod["metadata"]["name"], namespace)
            # A pod that waited gets its binder's word when KAI binds it, which nobody does here
            here_now, cured = ({**item["metadata"]["annotations"], BOUND: ""} for item in (now, pod))
            assert here_now == cured
    finally:
        forget(empty, ref)


# -- waiting on the recorded watch streams ---------------------------------------------------------------------------


class Stream:
    """What was recorded of one workload from its last apply to one snapshot."""

    def __init__(self, row: Row, plural: str) -> None:
        timeline = UPSTREAM / "recordings" / row.recording / "timeline.jsonl"
        events = [json.loads(line) for line in timeline.read_text().splitlines()]
        end = next(n for n, event in enumerate(events) if event.get("file") == f"{row.at}.json")
        begin = max(n for n, event in enumerate(events[:end]) if _is_change(event, plural, row.name))
        self.before, self.after = events[:begin], events[begin : end + 1]
        files = {event.get("file") for event in self.after}
        # It may have been ready in between, and a wait ends there
        self.ready = any(
            one.ready and f"{one.at}.json" in files
            for one in TABLE
            if (one.recording, one.name) == (row.recording, row.name)
        )


def _is_change(event: dict[str, Any], plural: str, name: str) -> bool:
    """Somebody, not a controller, changed what the workload is to be."""
    changed = event["ev"] in ("ADDED", "MODIFIED") and "spec" in event
    return changed and (event["res"], event["name"]) == (plural, name)


BOTH = ("03-queue-missing", "04-not-enough-gpus", "06-compete", "grove-main/04-not-enough-gpus")


def streams() -> list[Row]:
    """Of every recording that begins with an apply the first row that waits, else the first; of some of them both."""
    found: list[Row] = []
    for rows in _by_recording():
        # One that is about to be ready is so by the time at which its snapshot was noted
        waiting = [row for row in rows if row.cause and not row.ready][:1]
        ready = [row for row in rows if row.ready][:1]
        # One ends with nothing to wait for, the other was recorded without its watch stream
        if rows[0].recording.endswith(("11-delete", "25-native-podcliqueset")):
            continue
        found += waiting + ready if rows[0].recording in BOTH else waiting or ready
    return found


@pytest.mark.parametrize("row", streams(), ids=str)
def test_wait(empty: Replay, row: Row) -> None:
    plural, recorded = root_of(row)
    stream = Stream(row, plural)
    namespace = recorded["metadata"]["namespace"]
    api_version = str(recorded["apiVersion"])
    empty.namespace(namespace)
    empty.play(stream.before, namespace, root=(plural, row.name), report=False)
    change = stream.after[0]
    ref, _applied = apply_like(empty, {**recorded, "spec": change["spec"]})
    failures: list[BaseException] = []

    def play() -> None:
        try:
            empty.play(stream.after, namespace, root=(plural, row.name))
        except BaseException as error:
            failures.append(error)

    player = threading.Thread(target=play)
    here = client(empty.lab)

    def more(_ref: Ref, verdict: Verdict) -> float | None:
        """Go on until the stream is over and its last word has come."""
        if player.is_alive():
            return 0.1
        last = readiness.ready(here.get(*ref[:2], ref.name, namespace))
        return None if failures or verdict.reason == last.reason else 0.1

    player.start()
    try:
        outcome = wait(here, [ref], timeout=0.3, on_deadline=more)[0]
    finally:
        player.join()
        forget(empty, ref)
    assert not failures
    assert outcome.ready is stream.ready, outcome.reason
    assert not outcome.generic
    assert api_version == ref.api_version
