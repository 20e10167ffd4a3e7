# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a removal that is under way: of a workload, whose objects go one group after the other."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import removal_lines
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL

LWS = "leaderworkerset.x-k8s.io/v1"
OWNERS = {
    "a/one": [Ref(LWS, "LeaderWorkerSet", "a", "one-worker"), Ref("v1", "Service", "a", "one")],
    "a/two": [Ref(LWS, "LeaderWorkerSet", "a", "two-worker")],
    "a/never": [Ref(LWS, "LeaderWorkerSet", "a", "never-worker")],
}
OWN, OTHER = "is being deleted, held by foregroundDeletion", "is being deleted, held by a.example/x"
NOBODY: Any = None  # a client that must not be asked


def removal(**more: Any) -> Removal:
    """Both sets were asked to go, the third was not there; the Service's turn has not come."""
    one, two, never = (refs[0] for refs in OWNERS.values())
    state = {
        "timeout": 600.0,
        "phase": 4,
        "until": 0.0,
        "refs": [list(ref) for refs in OWNERS.values() for ref in refs],
        "made": [[*one, "deleted", None, []], [*two, "deleted", None, []], [*never, "unchanged", None, []]],
        "ended": [[*two, 7.0]],
        "open": [[*one, 600.0, None, False, OTHER, "uid-1", None]],
        "refused": [],
    }
    return Removal.from_state(NOBODY, json.loads(json.dumps({**state, **more})), 12.0)


def test_a_workload_stands_until_all_of_it_is_gone() -> None:
    found = removal_lines.standing(removal(), OWNERS, {"a/one": 0}, {"a/one": 8})
    assert found == {
        "a/one": {
            "text": "being removed, 0 of 8 pods left, held by a.example/x",
            "limit": 600.0,
            "reason": f"LeaderWorkerSet one-worker: {OTHER}",
        }
    }
    between = removal_lines.standing(removal(open=[]), OWNERS, {}, {})
    assert between["a/one"] == {"text": "being removed", "limit": 600.0, "reason": ""}, "its Service is still to go"


def test_what_is_gone_is_told_with_its_time_and_what_was_not_there_is_not() -> None:
    gone = {"ready": True, "text": "gone", "seconds": 7.0, "answer": {}}
    assert removal_lines.settled(removal(), OWNERS, "look") == {"a/two": gone}


def test_what_is_not_gone_in_time_fails_with_its_remedy() -> None:
    one = OWNERS["a/two"][0]
    late = removal(made=[[*one, "failed", f"still there after 600 s: {OTHER}", []]], ended=[[*one, 600.0]], open=[])
    found = removal_lines.settled(late, {"a/two": [one], str(one): [one]}, "look")
    assert found["a/two"]["text"] == f"{one}: still there after 600 s: {OTHER}; look"
    assert found[str(one)]["text"] == f"still there after 600 s: {OTHER}; look", "its name stands before it already"
    assert (found["a/two"]["ready"], found["a/two"]["seconds"]) == (False, 600.0)


def test_what_is_refused_for_now_stands() -> None:
    one = OWNERS["a/two"][0]
    asked_again = removal(made=[[*one, "failed", "it has children", []]], ended=[], open=[], refused=[list(one)])
    assert removal_lines.settled(asked_again, {"a/two": [one]}, "look") == {}
    assert list(removal_lines.standing(asked_again, {"a/two": [one]}, {}, {})) == ["a/two"]


def test_a_removal_goes_on_as_it_was_left() -> None:
    known = removal()
    assert removal().to_state() == json.loads(json.dumps(known.to_state()))
    assert [result.action for result in known.results()] == ["deleted", "deleted", "unchanged"]
    assert (known.over, known.elapsed, known.open[0].reason) == (False, 12.0, OTHER)


def test_pods_of_a_workload_and_of_what_goes_of_it() -> None:
    pods = [
        {"metadata": {"labels": {WORKLOAD_LABEL: owner, removal_lines.LWS_NAME: name}}}
        for owner, name in (("one", "one-worker"), ("one", "one-prefill"), ("two", "two-worker"), ("other", "x"))
    ]
    owners = {name: OWNERS[name] for name in ("a/one", "a/two")}
    assert removal_lines.count(owners, {"a": pods}, all_of_them=True) == {"a/one": 2, "a/two": 1}
    stays = "the other set of the first stays"
    assert removal_lines.count(owners, {"a": pods}, all_of_them=False) == {"a/one": 1, "a/two": 1}, stays
