# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import retry

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


def test_what_a_server_says_that_has_only_just_started() -> None:
    forbidden = {"kind": "Status", "reason": "Forbidden", "message": 'User "x" cannot patch resource "pods" in ...'}
    assert retry.settling(403, forbidden)
    assert not retry.settling(403, {**forbidden, "message": "admission webhook denied the request"})
    assert retry.settling(404, {"message": "404 page not found"})
    assert not retry.settling(404, {"kind": "Status", "message": 'pods "x" not found'})
    assert not retry.settling(422, {})
