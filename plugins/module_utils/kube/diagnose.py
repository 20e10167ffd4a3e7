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

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.causes import creation, scheduling, starting
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine, live_engines
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan import WorkloadPlan

__all__ = ["Diagnosis", "diagnose", "explain"]

_CHAIN: tuple[Callable[[Case], Diagnosis | None], ...] = (
    creation.not_created,
    creation.missing_queue,
    creation.volcano_down,
    creation.deadlock,
    scheduling.gated,
    scheduling.no_gang,
    scheduling.lost_machine,
    scheduling.no_room,
    scheduling.queue_is_full,
    scheduling.unscheduled,
    starting.leaving,
    starting.failing_container,
    starting.starting,
)


def diagnose(client: live.Reader, workload: WorkloadPlan, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """Read the cluster and explain. Raises what the client raises, a forbidden LIST excepted: that is said."""
    seen = live.read(client, [workload.workload.namespace], events=True, components=True)
    return explain(workload, seen, levels)


def explain(workload: WorkloadPlan, seen: Snapshot, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """The first cause of a workload that is not ready, judged from recorded or live objects. Pure.

    ``levels`` is topology level -> node label. Where several engines wait for different reasons, the one that hides the
    others comes first: what was never created, then what is not scheduled, then what does not start.
    """
    found: list[tuple[int, Diagnosis]] = []
    waiting = []
    known = dict(LEVELS if levels is None else levels)
    if workload.pack_level and workload.pack_label:
        known[workload.pack_level] = workload.pack_label
    engines = live_engines(workload, seen)
    for engine in engines:
        if _ready(engine):
            continue
        waiting.append(engine.name)
        case = Case(engine, engines, seen, known)
        for order, check in enumerate(_CHAIN):
            diagnosis = check(case)
            if diagnosis is not None:
                found.append((order, diagnosis))
                break
    name = f"{workload.workload.namespace}/{workload.workload.name}"
    if not found:
        return Diagnosis(
            f"{name} is ready: every rank of its {len(engines)} engines is bound and ready",
            "nothing to do; it became ready after the deadline, raise timeouts.ready if that is normal",
            {"id": None, "waiting": []},
        )
    first = min(found, key=lambda item: item[0])[1]
    details = {**first.details, "waiting": waiting}
    return Diagnosis(first.cause, first.remedy, details)


def _ready(engine: LiveEngine) -> bool:
    return len(engine.bound) == engine.size and all(
        is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp") for pod in engine.pods.values()
    )
