# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which answers are worth asking again, and after how long. Pure: the clock and the dice are passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
# How long after a disturbance an API server may still be settling, in seconds
SETTLING_SECONDS = 15.0
# The same where it may not be asked whether it is ready
UNKNOWN_SECONDS = 3.0
TRANSIENT = frozenset({429, 500, 502, 503, 504})

# 500s that say that the object itself is wrong (server-side apply of a field that the schema does not have)
PERMANENT_500 = ("failed to create typed patch object", "field not declared in schema", "failed to convert new object")


def worth_retrying(status: int, body: Mapping[str, Any]) -> bool:
    """Whether the same request may succeed a little later.

    A webhook that cannot be called yet is a 500 ("failed calling webhook"), a request that lost an
    optimistic race inside the API server a 409 without causes ("the object has been modified").
    """
    message = str(body.get("message") or "")
    if status == 409:
        causes = (body.get("details") or {}).get("causes")
        return not causes and "object has been modified" in message
    if status == 500 and any(text in message for text in PERMANENT_500):
        return False
    return status in TRANSIENT


def settling(status: int, body: Mapping[str, Any]) -> bool:
    """Whether an API server that has only just started may answer so for no lasting reason (seen on Kubernetes 1.34):
    it serves before it knows all RBAC rules (403) and all definitions (404 without a Status)."""
    if status == 403:
        return " cannot " in str(body.get("message") or "") and body.get("reason") == "Forbidden"
    return status == 404 and body.get("kind") != "Status"


def delay(attempt: int, retry_after: str | None, dice: Callable[[], float]) -> float:
    """Seconds to wait before attempt ``attempt`` + 1 (attempts count from 1).

    ``retry_after`` is the header's value in whole seconds and is a lower bound; ``dice`` gives [0, 1).
    """
    backoff = min(FIRST_DELAY * 2.0 ** (attempt - 1), LONGEST_DELAY) * (0.5 + dice())
    try:
        asked = float(retry_after) if retry_after else 0.0
    except ValueError:
        asked = 0.0
    return asked + backoff * 0.2 if asked > 0 else backoff
