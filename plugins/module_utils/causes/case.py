# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One waiting engine with what is around it, and the verdict on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Log, Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import labels
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine

Object = Mapping[str, Any]

QUEUE_ANNOTATION = "scheduling.volcano.sh/queue-name"
KAI_QUEUE_LABEL = "kai.scheduler/queue"


@dataclass(frozen=True)
class Diagnosis:
    """``cause`` and ``remedy``: one line each. ``details``: JSON-able; ``id`` is the entry of the failure catalogue.

    ``logs``: whose last lines would tell more, where the snapshot does not have them yet.
    """

    cause: str
    remedy: str
    details: dict[str, Any] = field(default_factory=dict)
    logs: tuple[Log, ...] = ()

    def asking(self, seen: Snapshot, logs: Iterable[Log]) -> Diagnosis:
        """The same, with those of the logs that have not been asked for."""
        return replace(self, logs=tuple(log for log in logs if log not in seen.logs))


@dataclass(frozen=True)
class Case:
    """One waiting engine and what is around it."""

    engine: LiveEngine
    engines: Sequence[LiveEngine]
    seen: Snapshot
    levels: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.engine.workload.workload.namespace

    @property
    def native(self) -> bool:
        """Whether the engine is of a LeaderWorkerSet that we made ourselves."""
        return self.engine.workload.api == "leaderworkerset"

    @property
    def grove(self) -> bool:
        return self.engine.workload.choice.orchestrator == "grove"

    @property
    def volcano(self) -> bool:
        if self.engine.pods:
            return all(pod["spec"].get("schedulerName") == "volcano" for pod in self.engine.pods.values())
        return self.engine.workload.choice.scheduler == "volcano"

    @property
    def kai(self) -> bool:
        return gangs.by_kai(self.engine)

    @property
    def group(self) -> Object | None:
        return gangs.pod_group(self.engine, self.seen)

    @property
    def queue(self) -> str:
        """The queue of Volcano or KAI: as the live objects say, else as planned."""
        if self.group is not None and (self.group.get("spec") or {}).get("queue"):
            return str(self.group["spec"]["queue"])
        if self.kai:
            named = {labels(pod).get(KAI_QUEUE_LABEL) for pod in self.engine.pods.values()} - {None}
            return str(next(iter(sorted(named, key=str)), None) or self.engine.workload.queue or "dynamo")
        annotations = ((self.engine.owner or {}).get("metadata") or {}).get("annotations") or {}
        return str(annotations.get(QUEUE_ANNOTATION) or self.engine.workload.queue or "default")

    @property
    def short(self) -> bool:
        """Whether a rank of the engine has no machine."""
        return len(self.engine.bound) < self.engine.size

    def say(self, number: str, cause: str, remedy: str, **details: Any) -> Diagnosis:
        return Diagnosis(
            f"{self.engine.name}: {cause}",
            remedy,
            {
                "id": number,
                "engine": self.engine.name,
                "bound": len(self.engine.bound),
                "ranks": self.engine.size,
                **details,
            },
        )

    def events(
        self, about: Iterable[Object | str], reasons: Iterable[str], *, uids: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Events about these objects, or about whatever bears these names, newest last.

        A name is used again by what is made anew (LWS); ``uids`` (name -> uid) tells the objects of today, where known.
        """
        wanted: dict[str, str | None] = {}
        for one in about:
            if isinstance(one, str):
                wanted[one] = (uids or {}).get(one)
            else:
                wanted[str(one["metadata"]["name"])] = one["metadata"].get("uid")
        why = set(reasons)
        found = []
        for event in self.seen.get(live.EVENT, self.namespace):
            involved = event.get("involvedObject") or {}
            if involved.get("name") in wanted and event.get("reason") in why:
                known = wanted[str(involved["name"])]
                if not known or involved.get("uid", known) == known:
                    found.append(event)
        return sorted(found, key=when)

    def evicted_by_volcano(self) -> tuple[str, str] | None:
        """When Volcano evicted this gang, and its own words; nothing where the gang was placed again since.

        It tells that by events on the pods that it deletes; those that LWS makes in their place bear their names.
        """
        names = [str(pod["metadata"]["name"]) for pod in self.engine.pods.values()]
        told = self.events(names, ["Evict"])
        placed = self.events(names, ["Scheduled"])
        made = str(((self.engine.owner or {}).get("metadata") or {}).get("creationTimestamp") or "")
        if not told or when(told[-1]) < made or (placed and when(placed[-1]) > when(told[-1])):
            return None
        return when(told[-1]), str(told[-1].get("message"))


def when(event: Object) -> str:
    """When an event was last seen: RFC 3339, and so in order as text."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
