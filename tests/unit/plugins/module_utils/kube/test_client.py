# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a client asks, and how often; against a real API server: tests/integration."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

THREADS = 8


class Discovery:
    """A transport that answers once as many threads as possible have come to ask."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.together = threading.Barrier(THREADS)

    def request(self, _method: str, path: str, **_: Any) -> dict[str, Any]:
        self.asked[path] += 1
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait(0.2)
        kind = {"kind": "Widget", "name": "widgets", "namespaced": True, "verbs": ["list"]}
        return {"resources": [kind]}


def test_the_kinds_of_an_api_version_are_asked_for_once_however_many_want_to_know() -> None:
    transport: Any = Discovery()
    client = Client(transport)
    begin = threading.Barrier(THREADS)

    def look(_number: int) -> str:
        begin.wait()
        return client.resource("example.com/v1", "Widget").plural

    assert client.map(look, range(THREADS)) == ["widgets"] * THREADS
    assert transport.asked == {"/apis/example.com/v1": 1}
