# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bare lab is a stage on which nothing moves, and what is put there is what was recorded."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine

from lab.handle import CommandFailed, Lab
from lab.replay import Replay
from tests.integration.kube_objects import client, widget
from tests.integration.test_wait import reporting_crd

SPACE = "staged"


@pytest.fixture
def replay(bare_lab: Lab) -> Iterator[Replay]:
    one = Replay(bare_lab)
    one.namespace(SPACE)
    yield one
    one.clear()


def pod(name: str = "p", owner: str = "owner") -> dict[str, Any]:
    """As a recording holds it: without kind, with what a server would give anew."""
    return {
        "metadata": {
            "name": name,
            "namespace": SPACE,
            "uid": f"uid-of-{name}",
            "resourceVersion": "77",
            "generation": 4,
            "creationTimestamp": "2020-01-02T03:04:05Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Widget", "name": "one", "uid": owner}],
        },
        "spec": {"containers": [{"name": "main", "image": "x"}], "nodeName": "gone"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        "_managers": ["kubelet"],
    }


def test_it_runs_nothing_but_etcd_and_the_api_server(bare_lab: Lab) -> None:
    assert sorted(bare_lab.status()) == ["etcd", "kube-apiserver", "supervisor"]
    assert all(row["healthy"] for row in bare_lab.status().values())
    with pytest.raises(CommandFailed, match="was made with --bare"):
        bare_lab.command("up")


def test_recorded_objects_are_served_as_they_were(replay: Replay) -> None:
    event = {
        "metadata": {"name": "p.1", "namespace": SPACE, "uid": "e"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "reason": "FailedScheduling",
        "message": "0/4 nodes",
    }
    node = {"metadata": {"name": "n0", "uid": "n"}, "status": {"allocatable": {"nvidia.com/gpu": "8"}}}
    replay.show({"v1/pods": [pod()], "v1/events": [event], "v1/nodes": [node], "v1/secrets": [{"metadata": {}}]})
    here = client(replay.lab)
    found = here.list("v1", "Pod", SPACE)[0]
    assert found["metadata"]["uid"] == "uid-of-p"
    assert found["metadata"]["creationTimestamp"] == "2020-01-02T03:04:05Z"
    assert found["metadata"]["generation"] == 4
    assert found["metadata"]["resourceVersion"] != "77"
    assert found["status"]["phase"] == "Running"
    assert [one["message"] for one in here.list("v1", "Event", SPACE)] == ["0/4 nodes"]
    assert [one["metadata"]["name"] for one in here.list("v1", "Node")] == ["n0"]
    replay.show({"v1/pods": [pod("q")]})
    assert [one["metadata"]["name"] for one in here.list("v1", "Pod", SPACE)] == ["q"]
    assert here.list("v1", "Event", SPACE) == []


def test_what_was_applied_keeps_its_uid_and_gets_the_recorded_word(replay: Replay) -> None:
    group = f"t{uuid.uuid4().hex[:8]}.example.com"
    here = client(replay.lab)
    engine.apply(here, [reporting_crd(group)])
    engine.apply(here, [widget(group, SPACE)])
    ref = engine.apply(here, [widget(group, SPACE, size=2)])[0].ref
    mine = here.get(ref.api_version, ref.kind, ref.name, ref.namespace)
    generation = mine["metadata"]["generation"]
    recorded = {
        **widget(group, SPACE),
        "metadata": {"name": ref.name, "namespace": SPACE, "uid": "recorded", "generation": 7},
        "status": {"observedGeneration": 6, "conditions": [{"type": "Ready", "observedGeneration": 7}]},
    }
    replay.show({f"{ref.api_version}/widgets": [recorded], "v1/pods": [pod(owner="recorded")]}, applied=[mine])
    shown = here.get(ref.api_version, ref.kind, ref.name, ref.namespace)
    assert shown["metadata"]["uid"] == mine["metadata"]["uid"]
    assert shown["status"]["observedGeneration"] == generation - 1
    assert shown["status"]["conditions"][0]["observedGeneration"] == generation
    owner = here.list("v1", "Pod", SPACE)[0]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == mine["metadata"]["uid"]
    replay.lab.kubectl("delete", "crd", f"widgets.{group}", "--wait=false")
