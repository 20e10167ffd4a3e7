# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LeaderWorkerSets, whoever made them, that look like gangs and are none (MN-F35)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask, Object

VOLCANO, KAI = "volcano", "kai-scheduler"
# The Dynamo operator writes it on what it makes
_DYNAMO = "nvidia.com/"
_SHOWN = 5


def no_gangs(sets: Iterable[Object]) -> dict[str, list[str]]:
    """{"unscheduled": names of sets over several machines whose pods name no gang scheduler, "kai": those of Dynamo's
    that name KAI}. KAI makes gangs of native sets, and of Dynamo's none (observed.md 5)."""
    found: dict[str, list[str]] = {"unscheduled": [], "kai": []}
    for item in sets:
        template = (item.get("spec") or {}).get("leaderWorkerTemplate") or {}
        if int(template.get("size") or 1) < 2:
            continue
        pods = [template.get("workerTemplate") or {}, template.get("leaderTemplate") or template.get("workerTemplate")]
        names = {str(((pod or {}).get("spec") or {}).get("schedulerName") or "") for pod in pods}
        marks = (
            item["metadata"].get("labels") or {},
            *[(pod or {}).get("metadata", {}).get("labels") or {} for pod in pods],
        )
        dynamo = any(key.startswith(_DYNAMO) for labels in marks for key in labels)
        name = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if names & {"", "default-scheduler"}:
            found["unscheduled"].append(name)
        elif KAI in names and dynamo:
            found["kai"].append(name)
    return found


def f35_pods(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F35: LWS makes them a PodGroup each, and nobody waits for it."""
    sets = (found.get("details") or {}).get("no_gangs") or {}
    for kind, message in (
        ("unscheduled", "name no gang scheduler, so their pods are bound one by one"),
        ("kai", "are Dynamo's and name KAI, which makes no gang of them: their pods are bound one by one"),
    ):
        names = sorted(sets.get(kind) or ())
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield Finding(
                "MN-F35",
                "warning",
                "lws",
                f"LeaderWorkerSets {', '.join(names[:_SHOWN])}{more} {message}",
                f"their owners: schedulerName: {VOLCANO} in the pod templates of leader and workers",
            )
