# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Degrees to command and arguments, one module per engine, all with the same functions.

``dynamo(request)`` is what Dynamo's operator takes (it adds the coordination flags itself), ``native(request, leader,
wiring)`` what the pods of a LeaderWorkerSet or PodCliqueSet run on their own. ``DEGREE_FLAGS``, ``COORDINATION_FLAGS``
and ``IDENTITY_FLAGS`` are the flags that we or the operator write, so that nobody else does.
"""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import sglang, trtllm, vllm
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import (
    GROVE,
    LWS,
    Backend,
    Launch,
    Request,
    Wiring,
    flag_name,
    match_flag,
)

BACKENDS: dict[str, Backend] = {"vllm": vllm.BACKEND, "sglang": sglang.BACKEND, "trtllm": trtllm.BACKEND}

__all__ = ["BACKENDS", "GROVE", "LWS", "Backend", "Launch", "Request", "Wiring", "flag_name", "match_flag"]
