# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is there room for an engine, and if not, what is missing where and who holds it. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import NodeUse, labels, refusal


@dataclass(frozen=True)
class Want:
    """What one engine asks for: ``machines`` times ``gpus``, on machines of its own if ``spread``.

    ``domain`` is the node label that all ranks must share, None where they need not; ``level`` is its short name.
    """

    machines: int
    gpus: int
    spread: bool
    domain: str | None
    level: str | None
    pod_spec: Mapping[str, Any]


@dataclass(frozen=True)
class Room:
    """What one topology domain (or, without one, the cluster) has for such ranks.

    ``slots``: ranks that fit now; ``slots_empty``: ranks that would fit if nothing else ran; GPUs of admitted nodes.
    """

    domain: str
    slots: int
    slots_empty: int
    free_gpus: int
    gpus: int


@dataclass(frozen=True)
class Survey:
    """All domains, the best first, the nodes that refuse such pods, and who holds GPUs on the others."""

    rooms: tuple[Room, ...]
    refused: Mapping[str, tuple[str, ...]]
    holders: tuple[tuple[str, int], ...]

    @property
    def slots(self) -> int:
        """Ranks that fit in the best domain."""
        return max((room.slots for room in self.rooms), default=0)

    @property
    def slots_empty(self) -> int:
        """Ranks that the largest domain would take if it were empty."""
        return max((room.slots_empty for room in self.rooms), default=0)

    @property
    def free_gpus(self) -> int:
        """Free GPUs of all admitted nodes."""
        return sum(room.free_gpus for room in self.rooms)

    @property
    def gpus(self) -> int:
        """GPUs of all admitted nodes."""
        return sum(room.gpus for room in self.rooms)

    def engines_empty(self, machines: int) -> int:
        """Engines of so many ranks that the nodes would take if nothing else ran."""
        return sum(room.slots_empty // machines for room in self.rooms)


def survey(uses: Iterable[NodeUse], want: Want) -> Survey:
    """Count, per domain, the ranks that fit."""
    groups: dict[str, list[NodeUse]] = {}
    refused: dict[str, list[str]] = {}
    for use in uses:
        reason = refusal(use, want.pod_spec)
        if reason is None and want.domain and not labels(use.node).get(want.domain):
            reason = f"lacks the label {want.domain}"
        if reason is None:
            groups.setdefault(labels(use.node)[want.domain] if want.domain else "", []).append(use)
        elif use.gpus >= want.gpus:
            refused.setdefault(reason, []).append(use.name)
    rooms = [
        Room(
            domain=domain,
            slots=sum(_slots(use.free, want) for use in nodes),
            slots_empty=sum(_slots(use.gpus, want) for use in nodes),
            free_gpus=sum(use.free for use in nodes),
            gpus=sum(use.gpus for use in nodes),
        )
        for domain, nodes in groups.items()
    ]
    held: dict[str, int] = {}
    for nodes in groups.values():
        for use in nodes:
            for holder in use.holders:
                held[holder.owner] = held.get(holder.owner, 0) + holder.gpus
    return Survey(
        rooms=tuple(sorted(rooms, key=lambda room: (-room.slots, -room.slots_empty, room.domain))),
        refused={reason: tuple(names) for reason, names in sorted(refused.items())},
        holders=tuple(sorted(held.items(), key=lambda item: (-item[1], item[0]))),
    )


def _slots(gpus: int, want: Want) -> int:
    fit = gpus // want.gpus if want.gpus else 0
    return min(fit, 1) if want.spread else fit


def machines(count: int, gpus: int, *, free: bool = True) -> str:
    """For a sentence: "2 machines with 8 free GPUs each"."""
    each = " each" if count > 1 else ""
    return f"{counted(count, 'machine')} with {counted(gpus, 'free GPU' if free else 'GPU')}{each}"


def counted(count: int, noun: str) -> str:
    """ "1 engine", "2 engines"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(items: Sequence[str], limit: int = 4) -> str:
    """The first few, and how many more."""
    shown = ", ".join(items[:limit])
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown
