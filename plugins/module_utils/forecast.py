# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as it will be once what was decided about its components is done. Pure.

Preflight judges workloads against this: what this very run is about to install is not missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Volcano's scheduler makes these when it starts (reference: volcano pkg/scheduler/cache/cache.go).
VOLCANO_QUEUES = ("root", "default")


def after(facts: Mapping[str, Any], decided: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Facts (as cluster_info returns them under ``cluster``) with each component as its decision leaves it.

    decided: component name -> (action of the decision, the chart values that are asked for).
    """
    components = {name: dict(entry) for name, entry in (facts.get("components") or {}).items()}
    queues = dict(facts.get("queues") or {})
    for name, (action, values) in decided.items():
        entry = components.setdefault(name, {})
        if action == "remove":
            entry["present"] = False
        if action not in ("install", "upgrade"):
            continue
        entry["present"] = True
        if name == "lws":
            provider = (values.get("gangSchedulingManagement") or {}).get("schedulerProvider")
            entry["details"] = {**(entry.get("details") or {}), "scheduler_provider": provider}
        if name == "volcano":
            there = {queue["name"] for queue in queues.get("volcano") or []}
            made = [{"name": queue, "state": "Open"} for queue in VOLCANO_QUEUES if queue not in there]
            queues["volcano"] = [*(queues.get("volcano") or []), *made]
    return {**facts, "components": components, "queues": queues}
