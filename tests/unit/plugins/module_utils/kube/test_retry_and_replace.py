# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import retry
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.replace import why_replace

WEBHOOK = 'Internal error occurred: failed calling webhook "a.b": dial tcp 10.0.0.1:443: connect: connection refused'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {}),
        (503, {}),
        (500, {"message": WEBHOOK}),
        (409, {"message": "Operation cannot be fulfilled: the object has been modified"}),
    ],
)
def test_asked_again(status: int, body: dict[str, Any]) -> None:
    assert retry.worth_retrying(status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {}),
        (401, {}),
        (403, {}),
        (404, {}),
        (422, {}),
        (500, {"message": "failed to create typed patch object (/a; /v1): .foo: field not declared in schema"}),
        (409, {"message": "conflict", "details": {"causes": [{"reason": "FieldManagerConflict"}]}}),
    ],
)
def test_not_asked_again(status: int, body: dict[str, Any]) -> None:
    assert not retry.worth_retrying(status, body)


def test_delays_grow_up_to_a_limit() -> None:
    delays = [retry.delay(attempt, None, lambda: 0.5) for attempt in range(1, 12)]
    assert delays == sorted(delays)
    assert delays[0] == retry.FIRST_DELAY
    assert delays[-1] == retry.LONGEST_DELAY


def test_retry_after_is_a_lower_bound() -> None:
    assert retry.delay(1, "7", lambda: 0.0) >= 7
    assert retry.delay(1, "soon", lambda: 0.0) < 1


def lws(size: int) -> dict[str, Any]:
    return {"kind": "LeaderWorkerSet", "spec": {"leaderWorkerTemplate": {"size": size}}}


def dgd(**counts: int) -> dict[str, Any]:
    components = [{"name": name, "multinode": {"nodeCount": count}} for name, count in counts.items()]
    return {"kind": "DynamoGraphDeployment", "spec": {"components": components}}


def test_another_number_of_nodes_means_replacing() -> None:
    assert why_replace(lws(4), lws(2)) == "node_count 2 cannot become 4 in place"
    assert why_replace(lws(2), lws(2)) is None
    assert (
        why_replace(dgd(decode=4, prefill=2), dgd(decode=2, prefill=2))
        == "decode: node_count 2 cannot become 4 in place"
    )
    assert why_replace(dgd(decode=2, prefill=2), dgd(decode=2)) is None
    assert why_replace({"kind": "Service"}, {"kind": "Service"}) is None
