# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import progress
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import Progress


def standing(placed: int, ready: int, engines: int = 2, limit: float = 7200, reason: str = "") -> dict[str, Any]:
    return {"text": progress.engines_text(engines, placed, ready), "limit": limit, "reason": reason}


def ended(ready: bool = True, text: str = "ready, 2 engines", seconds: float = 192) -> dict[str, Any]:
    return {"ready": ready, "text": text, "seconds": seconds, "answer": {"ready": ready}}


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (5.9, "0:05"), (130, "2:10"), (7200, "2:00:00")])
def test_a_clock(seconds: float, shown: str) -> None:
    assert progress.clock(seconds) == shown


def test_what_is_said_about_engines() -> None:
    assert progress.engines_text(2, 1, 0) == "1 of 2 engines placed, 0 ready"
    assert progress.engines_text(1, 0, 0) == "0 of 1 engine placed, 0 ready"
    assert progress.engines_text(3, None, 0) == "waiting for 3 engines"


def test_a_line_for_each_change_and_none_without() -> None:
    lines = Progress(30)
    name = "inference/llama-405b"
    assert lines.learn({name: standing(0, 0)}, {}, 1) == [f"{name}: 0 of 2 engines placed, 0 ready (0:01 of 2:00:00)"]
    assert lines.learn({name: standing(0, 0, reason="other")}, {}, 10) == []
    assert lines.learn({name: standing(1, 0)}, {}, 130) == [
        "inference/llama-405b: 1 of 2 engines placed, 0 ready (2:10 of 2:00:00)"
    ]
    assert lines.learn({}, {name: ended()}, 192) == [f"{name}: ready, 2 engines (3:12)"]
    assert lines.learn({}, {name: ended()}, 200) == []


def test_a_failure_is_told_as_it_happens() -> None:
    lines = Progress(30)
    lines.learn({"a/one": standing(0, 0), "a/two": standing(0, 0)}, {}, 0)
    told = lines.learn({"a/one": standing(0, 0)}, {"a/two": ended(False, "not ready after 5 s: no room; wait")}, 5)
    assert told == ["a/two: not ready after 5 s: no room; wait"]


def test_what_was_ready_from_the_start_is_not_told() -> None:
    assert Progress(30).learn({}, {"a/one": ended(seconds=0)}, 0) == []


def test_a_sign_of_life_after_silence() -> None:
    lines = Progress(30)
    waiting = {"a/one": standing(0, 0, limit=60, reason="x: pending"), "a/two": standing(1, 0)}
    lines.learn({**waiting}, {"a/three": ended()}, 2)
    assert lines.learn(waiting, {}, 31) == []
    assert lines.learn(waiting, {}, 32) == [
        "still waiting for 2 of 3 (0:32); a/one: 0 of 2 engines placed, 0 ready: x: pending"
    ]
    assert lines.learn(waiting, {}, 61) == []
    assert lines.learn({**waiting, "a/two": standing(2, 0)}, {}, 62), "a change is a sign of life too"
    assert lines.learn(waiting | {"a/two": standing(2, 0)}, {}, 80) == []


def test_what_is_said_of_a_removal() -> None:
    own, other = "is being deleted, held by foregroundDeletion", "is being deleted, held by a.example/x, b.example/y"
    assert progress.removal_text(3, 8, [own, other]) == "being removed, 3 of 8 pods left"
    assert progress.removal_text(1, 1, []) == "being removed, 1 of 1 pod left"
    assert progress.removal_text(0, 8, [own]) == "being removed, 0 of 8 pods left"
    assert progress.removal_text(0, 8, [other, own]) == (
        "being removed, 0 of 8 pods left, held by a.example/x, b.example/y"
    )
    assert progress.removal_text(9, 8, []) == "being removed, 9 of 9 pods left", "its controller had not heard yet"
    assert progress.removal_text(None, 8, [other]) == "being removed, held by a.example/x, b.example/y"
    assert progress.removal_text(0, 0, ["is being deleted"]) == "being removed", "it never had any"


def test_the_times_of_another_stage_begin_anew() -> None:
    lines = Progress(30)
    going = {"text": "being removed, 3 of 8 pods left", "limit": 600, "reason": ""}
    assert lines.learn({"a/old": going}, {}, 12, "absent") == ["a/old: being removed, 3 of 8 pods left (0:12 of 10:00)"]
    assert lines.learn({"a/old": going}, {}, 42, "absent") == [
        "still waiting (0:42); a/old: being removed, 3 of 8 pods left"
    ]
    gone = {"ready": True, "text": "gone", "seconds": 43.0, "answer": {}}
    assert lines.learn({}, {"a/old": gone}, 43, "absent") == ["a/old: gone (0:43)"]
    assert lines.learn({"a/new": standing(0, 0)}, {"a/old": gone}, 1, "ready") == [
        "a/new: 0 of 2 engines placed, 0 ready (0:01 of 2:00:00)"
    ]
    assert lines.learn({"a/new": standing(0, 0)}, {}, 31, "ready") == [
        "still waiting (0:31); a/new: 0 of 2 engines placed, 0 ready"
    ]


def test_what_is_made_anew_has_states_of_two_stages() -> None:
    lines = Progress(30)
    going = {"text": "being removed, 1 of 2 pods left", "limit": 600, "reason": ""}
    assert len(lines.learn({"a/one": going, "a/two": going}, {}, 2, "replaced")) == 2
    assert lines.learn({"a/one": standing(0, 0)}, {}, 0, "ready") == [
        "a/one: 0 of 2 engines placed, 0 ready (0:00 of 2:00:00)"
    ]
    assert lines.learn({"a/one": standing(0, 0)}, {}, 30, "ready") == [
        "still waiting (0:30); a/one: 0 of 2 engines placed, 0 ready"
    ], "the other one is of the stage that is over"
    assert lines.learn({}, {"a/one": ended(seconds=35)}, 35, "ready") == ["a/one: ready, 2 engines (0:35)"]


def test_a_fleet_of_a_hundred_has_at_most_one_line_per_change() -> None:
    """Each of 100 workloads goes through 0 placed, 1 placed, ready, seen by slices at random moments."""
    chance = random.Random(7)
    names = [f"inference/model-{number}" for number in range(100)]
    state = dict.fromkeys(names, 0)
    lines, said, elapsed, changes, beats = Progress(30), [], 0.0, 0, 0
    seen: dict[str, int] = {}
    while any(step < 2 for step in state.values()) and elapsed < 5000:
        elapsed += chance.choice([0.5, 2, 15])
        for name in chance.sample(names, 3):
            state[name] = min(2, state[name] + 1)
        open_ones = {name: standing(min(step, 1), 0, engines=1) for name, step in state.items() if step < 2}
        done = {name: ended(text="ready, 1 engine") for name, step in state.items() if step == 2}
        told = lines.learn(open_ones, done, elapsed)
        changes += sum(1 for name, step in state.items() if seen.get(name) != step)
        seen = dict(state)
        beats += sum(1 for line in told if line.startswith("still waiting"))
        said += told
    assert all(step == 2 for step in state.values())
    assert len(said) - beats == changes <= 300
    assert beats <= elapsed / 30


def test_slices_grow_with_the_wait() -> None:
    found = [progress.slice_seconds(elapsed) for elapsed in (0, 10, 60, 7200)]
    assert found == [2.0, 2.0, 6.0, 15.0]


def entry(name: str, **more: Any) -> dict[str, Any]:
    base = {"name": name, "namespace": "a", "action": "created", "ready": None, "engines": 1, "total_gpus": 8}
    return {**base, "objects": [], "cause": None, "remedy": None, "details": {}, **more}


def test_the_answer_about_workloads() -> None:
    result: dict[str, Any] = {"workloads": [entry("one"), entry("two")], "plan": {}, "others": []}
    bad = {"ready": False, "cause": "not ready after 5 s: no room", "remedy": "wait", "details": {"id": "MN-F83"}}
    settled = {"a/one": ended(), "a/two": {**ended(False), "answer": bad}}
    assert progress.finish_workloads(result, settled) == (
        "1 of 2 workloads failed:\na/two: not ready after 5 s: no room; wait"
    )
    assert result["lines"] == [
        "a/one: created; 1 engine, 8 GPUs, ready",
        "a/two: created; 1 engine, 8 GPUs, not ready",
    ]
    assert "plan" not in result, "it would bury the message"


def test_what_could_not_be_made_anew_is_corrected_in_the_answer() -> None:
    known = {"kind": "LeaderWorkerSet", "namespace": "a", "name": "one-worker", "action": "replaced", "error": None}
    kept = {"kind": "Service", "namespace": "a", "name": "one", "action": "unchanged", "error": None}
    result: dict[str, Any] = {"workloads": [entry("one", objects=[known, kept])], "plan": {}, "others": []}
    why = "still there after 600 s: is being deleted, held by a.example/x"
    bad = {"action": "failed", "ready": False, "cause": f"LeaderWorkerSet a/one-worker: {why}", "remedy": "run again"}
    objects = {"LeaderWorkerSet a/one-worker": {"action": "failed", "error": why}}
    settled = {"a/one": {**ended(False), "answer": bad, "objects": objects}}
    assert progress.finish_workloads(result, settled) == f"a/one: LeaderWorkerSet a/one-worker: {why}; run again"
    assert [one["action"] for one in result["workloads"][0]["objects"]] == ["failed", "unchanged"]
    assert result["lines"] == ["a/one: failed; 1 engine, 8 GPUs, not ready"]


def test_what_belongs_to_no_workload_fails_too() -> None:
    pruned = {"kind": "Service", "namespace": "a", "name": "old", "action": "failed", "error": "forbidden"}
    result: dict[str, Any] = {"workloads": [entry("one"), entry("two")], "plan": {}, "others": [pruned]}
    assert progress.finish_workloads(result, {}) == "1 of 2 workloads failed:\nService a/old: forbidden"


def test_what_is_pruned_is_told() -> None:
    gone = {"kind": "Service", "namespace": "a", "name": "old", "action": "deleted", "error": None}
    result: dict[str, Any] = {"workloads": [entry("one")], "plan": {}, "others": [gone]}
    assert progress.finish_workloads(result, {}) is None
    assert result["lines"] == ["a/one: created; 1 engine, 8 GPUs", "Service a/old: deleted"]


def thing(name: str, api: str = "v1", **more: Any) -> dict[str, Any]:
    return {"api_version": api, "kind": "Queue", "namespace": None, "name": name, "error": None, "reason": None, **more}


def test_the_answer_about_objects() -> None:
    result = {"objects": [thing("a"), thing("b", error="refused"), thing("c")]}
    late = {**ended(False, seconds=3), "answer": {"ready": False, "reason": "phase unknown", "generic": False}}
    assert progress.finish_objects(result, {"Queue a": ended(), "Queue c": late}) == (
        "2 of 3 objects failed:\nQueue b: refused\nQueue c: not ready after 3 s: phase unknown"
    )
    assert progress.object_keys([thing("x", "k/v1"), thing("x", "v/v1"), thing("y")]) == [
        "Queue x (k/v1)",
        "Queue x (v/v1)",
        "Queue y",
    ]


def test_kinds_without_a_rule_of_their_own_are_named_whatever_is_left_out() -> None:
    result = {"objects": [thing("a", generic=True), thing("b", generic=False), thing("c", "v2", generic=True)]}
    progress.finish_objects(result, {})
    assert result["generic_kinds"] == ["Queue (v1)", "Queue (v2)"]
    plain = {"objects": [thing("a", generic=False)]}
    progress.finish_objects(plain, {})
    assert "generic_kinds" not in plain


def test_long_lists_of_failures_are_cut() -> None:
    said = progress.summary([f"f{number}" for number in range(50)], 60, "objects").splitlines()
    assert (said[0], len(said), said[-1]) == ("50 of 60 objects failed:", 22, "and 30 more")
    assert progress.summary(["only"], 1, "objects") == "only"
