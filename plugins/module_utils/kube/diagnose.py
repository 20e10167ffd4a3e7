# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a workload is not ready: the first cause in one line, and what to do about it.

:func:`explain` is pure; :func:`diagnose_all` reads what it needs, once for all workloads, and calls it. The chain goes
from the workload to its engines, their gang, its pods and their nodes. Conditions and events of the schedulers mislead
(a gang that was just bound emits the warning "0/2 tasks in gang unschedulable: pod group is ready"), so they are quoted
only where nothing else explains the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ansible_collections.dynamo.multinode.plugins.module_utils.causes import (
    creation,
    hanging,
    root,
    scheduling,
    starting,
    words,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Log, Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import LiveEngine, live_engines, lost
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan

__all__ = ["Diagnosis", "diagnose", "diagnose_all", "explain", "explained", "told", "waits"]

# Containers whose logs are read for one diagnosis of a fleet, and seconds that each may take
LOGS = 64
LOG_TIMEOUT = 10.0


class LogReader(live.Reader, Protocol):
    """What is needed of the Kubernetes client."""

    def log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int, timeout: float
    ) -> str: ...


_CHAIN: tuple[Callable[[Case], Diagnosis | None], ...] = (
    creation.not_created,
    creation.not_created_by_grove,
    creation.doubled,
    creation.missing_queue,
    scheduling.lost_machine,
    creation.two_owners,
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
    hanging.wrong_interface,
    hanging.known_hang,
    starting.failing_container,
    starting.starting,
)


def diagnose(client: LogReader, workload: WorkloadPlan, levels: Mapping[str, str] | None = None) -> Diagnosis:
    """One workload. Raises also what spoils the verdict."""
    (found,) = diagnose_all(client, [workload], levels)
    if isinstance(found, Exception):
        raise found
    return found


def diagnose_all(
    client: LogReader, workloads: Sequence[WorkloadPlan], levels: Mapping[str, str] | None = None
) -> list[Diagnosis | Exception]:
    """Read the cluster once for all these workloads and explain each (see explained).

    Raises what the client raises, a forbidden LIST excepted: that is said.
    """
    kinds = live.kinds_of(workloads)
    namespaces = {workload.namespace for workload in workloads}
    seen = live.read(client, namespaces, events=True, components=True, kinds=kinds)
    return explained(client, workloads, seen, levels)


def explained(
    client: LogReader, workloads: Sequence[WorkloadPlan], seen: Snapshot, levels: Mapping[str, str] | None = None
) -> list[Diagnosis | Exception]:
    """What explain() says of each workload, with the logs of those containers that would tell more.

    An object that nobody foresaw spoils the verdict on its own workload alone: that is the exception instead.
    """
    found = [_attempt(workload, seen, levels) for workload in workloads]
    wanted = list(dict.fromkeys(log for one in found if isinstance(one, Diagnosis) for log in one.logs))[:LOGS]
    if not wanted:
        return found
    logs = dict(zip(wanted, client.map(lambda log: _log(client, log), wanted)))
    seen = replace(seen, logs={**seen.logs, **logs})
    return [
        _attempt(workload, seen, levels) if isinstance(one, Diagnosis) and one.logs else one
        for workload, one in zip(workloads, found)
    ]


def _attempt(workload: WorkloadPlan, seen: Snapshot, levels: Mapping[str, str] | None) -> Diagnosis | Exception:
    try:
        return explain(workload, seen, levels)
    except Exception as error:
        return error


def told(error: Exception) -> str:
    """Why there is no diagnosis, for a person; what is ours to mend is said to be."""
    if isinstance(error, KubeError):
        return str(error)
    return f"{type(error).__name__}: {error} (an error of this collection: please report it)"


def _log(client: LogReader, log: Log) -> str:
    """The last lines of a container's log; "" where it may not be read, is gone, or its machine does not answer."""
    attempts = (True, False) if log.previous else (False,)
    for previous in attempts:
        try:
            return client.log(
                log.namespace, log.pod, log.container, previous=previous, lines=words.LINES, timeout=LOG_TIMEOUT
            )
        except ApiError as error:
            if error.status != 400:  # there is no such run, or none yet
                return ""
    return ""


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
        return replace(first, details={**first.details, "waiting": waiting})
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
