# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a wait bears from its first request on: a slice that goes on knows that the objects could be read before."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import _Follower


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("status", [403, 401, 0, 503])
def test_a_restarted_api_server_ends_only_a_wait_that_never_read_anything(status: int, resumed: bool) -> None:
    client: Any = None
    key = ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "inference")
    follower = _Follower(client, key, ["llama-worker"], queue.SimpleQueue(), resumed)
    assert follower._bear(ApiError(status, "Reason", "message")) is resumed
