# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a workload is not ready: the first cause in one line, and what to do about it.

:func:`explain` is pure; :func:`diagnose` reads what it needs and calls it. The chain goes from the workload to its
engines, their gang, its pods and their nodes. Conditions and events of the schedulers mislead (a gang that was just
bound emits the warning "0/2 tasks in gang unschedulable: pod group is ready"), so they are quoted only where nothing
else explains the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.causes import creation, root, scheduling, starting
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine, live_engines, lost
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan import WorkloadPlan

__all__ = ["Diagnosis", "diagnose", "explain", "waits"]

_CHAIN: tuple[Callable[[Case], Diagnosis | None], ...] = (
    creation.not_created,
    creation.not_created_by_grove,
    creation.doubled,
    creation.missing_queue,
    scheduling.lost_machine,
    creation.volcano_down,
    creation.kai_down,
    creation.deadlock,
    scheduling.gated,
    scheduling.no_gang,
    scheduling.evicted,
    scheduling.no_room,
    scheduling.queue_is_full,
    scheduling.network_topology,
    scheduling.kai_says,
    scheduling.unscheduled,
    starting.leaving,
    starting.failing_container,
    starting.starting,
)


def diagnose(client: live.Reader, workload: WorkloadPlan, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """Read the cluster and explain. Raises what the client raises, a forbidden LIST excepted: that is said."""
    kinds = live.kinds_of([workload])
    seen = live.read(client, [workload.workload.namespace], events=True, components=True, kinds=kinds)
    return explain(workload, seen, levels)


def explain(workload: WorkloadPlan, seen: Snapshot, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """The first cause of a workload that is not ready, judged from recorded or live objects. Pure.

    ``levels`` is topology level -> node label. Where several engines wait for different reasons, the one that hides the
    others comes first: what was never created, then what is not scheduled, then what does not start. Engines come
    before the other components, which are part of the same gang on Grove.
    """
    refused = root.refused(workload, seen)
    if refused is not None:
        return refused
    known = dict(LEVELS if levels is None else levels)
    if workload.pack_level and workload.pack_label:
        known[workload.pack_level] = workload.pack_label
    engines = live_engines(workload, seen)
    found, waiting = _causes(engines, seen, known)
    if not found:
        found, waiting = _causes(live_engines(workload, seen, engines=False), seen, known)
    if found:
        first = min(found, key=lambda item: item[0])[1]
        return Diagnosis(first.cause, first.remedy, {**first.details, "waiting": waiting})
    late = root.unreported(workload, seen, len(engines))
    if late is not None:
        return Diagnosis(late.cause, late.remedy, {**late.details, "waiting": []})
    return Diagnosis(
        f"{workload.namespace}/{workload.name} is ready: every rank of its {len(engines)} engines is bound and ready",
        "nothing to do; it became ready after the deadline, raise timeouts.ready if that is normal",
        {"id": None, "waiting": []},
    )


def waits(workload: WorkloadPlan, seen: Snapshot) -> bool:
    """Whether anything of a workload is not ready: an engine, another component, or what was applied itself."""
    if root.refused(workload, seen) is not None or root.unreported(workload, seen, 0) is not None:
        return True
    every = [*live_engines(workload, seen), *live_engines(workload, seen, engines=False)]
    return not all(_ready(engine, seen) for engine in every)


def _causes(
    engines: Sequence[LiveEngine], seen: Snapshot, levels: Mapping[str, str]
) -> tuple[list[tuple[int, Diagnosis]], list[str]]:
    """Of each engine that is not ready the first cause with its place in the chain; and the names of those engines."""
    found: list[tuple[int, Diagnosis]] = []
    waiting = []
    for engine in engines:
        if _ready(engine, seen):
            continue
        waiting.append(engine.name)
        case = Case(engine, engines, seen, levels)
        for order, check in enumerate(_CHAIN):
            diagnosis = check(case)
            if diagnosis is not None:
                found.append((order, diagnosis))
                break
    return found, waiting


def _ready(engine: LiveEngine, seen: Snapshot) -> bool:
    return len(engine.bound) == engine.size and all(
        is_true(pod, "Ready")
        and not pod["metadata"].get("deletionTimestamp")
        and not lost(str(pod["spec"]["nodeName"]), seen)
        for pod in engine.pods.values()
    )
