# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readiness that must last, in slices: they stay short, and what was seen before counts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited, watch
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

from tests.unit.plugins.module_utils.kube.memory import Quiet

DEPLOYMENT = Ref("apps/v1", "Deployment", "here", "a")


class Silent:
    """An API server with one Deployment, to which nothing happens. ``available``: how many of its one replica."""

    def __init__(self, available: int) -> None:
        counts = {"updatedReplicas": 1, "availableReplicas": available, "replicas": 1}
        self.obj = {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "metadata": {"name": "a", "namespace": "here", "generation": 1, "resourceVersion": "5"},
            "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, **counts},
        }

    def serves(self, *_: Any) -> bool:
        return True

    def list_at(self, *_: Any, **__: Any) -> tuple[list[dict[str, Any]], str]:
        return [self.obj], "1"

    def watch(self, *_: Any, **__: Any) -> Quiet:
        return Quiet()


def sliced(waited: Waited, available: int, elapsed: float, seconds: float = 0.2) -> float:
    client: Any = Silent(available)
    return watch(client, [waited], elapsed=elapsed, seconds=seconds, stable_seconds=60.0)


def test_a_slice_is_as_short_as_it_is_to_be_whatever_the_window() -> None:
    waited = Waited(DEPLOYMENT, 600.0)
    for elapsed, available in ((0.0, 0), (10.0, 1)):
        after = sliced(waited, available, elapsed)
        assert (waited.open, waited.late) == (True, False)
        assert after < elapsed + 60
    assert waited.since is not None
    assert 10.0 <= waited.since <= after


def test_the_window_goes_on_from_slice_to_slice() -> None:
    waited = Waited(DEPLOYMENT, 600.0)
    sliced(waited, 1, 10.0)
    for elapsed, there, open_ in ((40.0, 1, True), (69.0, 1, True), (71.0, 1, False)):
        waited = Waited.from_state(waited.to_state())
        sliced(waited, there, elapsed)
        assert waited.open is open_
    assert (waited.ready, waited.since) == (True, None)


def test_a_break_begins_the_window_anew() -> None:
    waited = Waited(DEPLOYMENT, 600.0)
    for elapsed, there in ((10.0, 1), (40.0, 0), (75.0, 1)):
        sliced(waited, there, elapsed)
        assert waited.open
    assert waited.since is not None
    assert waited.since >= 75.0


def test_what_was_not_ready_for_long_enough_says_so() -> None:
    waited = Waited(DEPLOYMENT, 30.0)
    sliced(waited, 1, 29.9, 5.0)
    assert (waited.late, waited.reason) == (
        True,
        "1 of 1 replicas available, but not for 60 s without a break",
    )


@pytest.mark.parametrize(
    ("kind", "stable", "asked"),
    [("Deployment", 0.0, False), ("Deployment", 60.0, True), ("ConfigMap", 60.0, False)],
)
def test_what_may_flap_and_is_to_last_is_asked_about_though_it_was_ready(kind: str, stable: float, asked: bool) -> None:
    api = "apps/v1" if kind == "Deployment" else "v1"
    seen = Result(api, kind, "here", "a", "unchanged", verdict=Verdict(True, "fine"))
    assert Waited.of(seen, 60.0, stable).open is asked
