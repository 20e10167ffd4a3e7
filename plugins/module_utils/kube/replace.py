# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What upstream cannot change in place: such a change means deleting a served model and creating it again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def why_replace(wanted: Object, live: Object) -> str | None:
    """Why ``live`` cannot become ``wanted`` in place, as one phrase; None when it can."""
    rule = {"LeaderWorkerSet": _leader_worker_set, "DynamoGraphDeployment": _dynamo_deployment}.get(wanted["kind"])
    return rule(wanted, live) if rule is not None else None


def _leader_worker_set(wanted: Object, live: Object) -> str | None:
    # Its webhook admits another size, but then one group at a time is torn down and made anew with another gang
    # (a PodGroup's minMember): a served model is lost all the same, half of it at a time
    new, old = (_size(obj) for obj in (wanted, live))
    return f"node_count {old} cannot become {new} in place" if new != old else None


def _size(obj: Object) -> int:
    return int(((obj.get("spec") or {}).get("leaderWorkerTemplate") or {}).get("size") or 1)


def _dynamo_deployment(wanted: Object, live: Object) -> str | None:
    # Refused by Dynamo 1.6; admitted by 1.5 and then refused by Grove, or doubled on LWS (observed.md 2)
    new, old = _node_counts(wanted), _node_counts(live)
    changes = [
        f"{name}: node_count {old[name]} cannot become {new[name]} in place"
        for name in sorted(new)
        if name in old and new[name] != old[name]
    ]
    return "; ".join(changes) or None


def _node_counts(obj: Object) -> dict[str, int]:
    return {
        str(component.get("name")): int((component.get("multinode") or {}).get("nodeCount") or 1)
        for component in (obj.get("spec") or {}).get("components") or []
    }
