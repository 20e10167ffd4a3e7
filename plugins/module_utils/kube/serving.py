# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until every engine of every workload serves, or say why it does not; in slices where progress is to be told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import spec_args
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import slices
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import Diagnosis, diagnose_all, told
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import POD, Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import OnChange
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import is_true
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import live_engines
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import machines_from_facts
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import engines_text
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import SpecError

_INDEX = re.compile(r"\[(\d+)\]$")
CHOICES = ("orchestrator", "scheduler", "workload_api")


@dataclass
class Pending:
    """One workload that is waited for. Its objects' limit is ``timeouts.scheduled`` at first, and ``ready`` (seconds
    since the wait began) once all its pods are bound. ``replicas``: of components that something else scales."""

    plan: WorkloadPlan
    objects: list[Waited]
    ready: float
    bound: bool = False
    replicas: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.plan.namespace}/{self.plan.name}"

    @property
    def pods(self) -> int:
        return sum(component.replicas * component.node_count for component in self.plan.components)

    @property
    def engines(self) -> int:
        return sum(component.replicas for component in self.plan.components if component.total_gpus)


def limits(plan: WorkloadPlan, wait_timeout: int | None) -> tuple[float, float]:
    """Seconds until all pods must be bound, and until all engines must be ready."""
    timeouts = plan.workload.timeouts
    ready = float(wait_timeout if wait_timeout is not None else timeouts.ready)
    return min(float(timeouts.scheduled), ready), ready


def with_replicas(plan: WorkloadPlan, replicas: Mapping[str, int]) -> WorkloadPlan:
    """The plan with the numbers that an autoscaler has set, by component."""
    if not replicas:
        return plan
    components = tuple(
        replace(part, component=replace(part.component, replicas=replicas.get(part.name, part.replicas)))
        for part in plan.components
    )
    return replace(plan, components=components)


class Serving:
    """The wait for a fleet. ``levels``: topology level -> node label, for the diagnosis."""

    def __init__(
        self,
        client: Client,
        pending: Sequence[Pending],
        *,
        levels: Mapping[str, str] | None = None,
        stable_seconds: float = 0.0,
        elapsed: float = 0.0,
    ) -> None:
        self.client = client
        self.pending = list(pending)
        self.levels = levels
        self.stable_seconds = stable_seconds
        self.elapsed = elapsed

    def wait(self, seconds: float | None = None, on_change: OnChange | None = None) -> dict[str, dict[str, Any]]:
        """One slice (None: to the end). What has ended by workload, as progress.Slice has it under ``settled``."""
        owners = {waited.ref: workload for workload in self.pending for waited in workload.objects}
        self.elapsed = slices.watch(
            self.client,
            [waited for workload in self.pending for waited in workload.objects],
            elapsed=self.elapsed,
            seconds=seconds,
            extend=lambda waited: self._extend(owners[waited.ref]),
            on_change=on_change,
            stable_seconds=self.stable_seconds,
        )
        served = [one for one in self.pending if all(waited.ready for waited in one.objects)]
        late = [one for one in self.pending if any(waited.late for waited in one.objects)]
        self.pending = [one for one in self.pending if one not in served and one not in late]
        ended = {one.name: _ready(one) for one in served}
        ended.update(zip([one.name for one in late], self._explain(late)))
        return ended

    def _extend(self, workload: Pending) -> float | None:
        """All its pods have machines: what is left is to start."""
        if not workload.bound:
            try:
                workload.bound = _bound(self._pods([workload]).get(workload.plan.namespace, [])) >= workload.pods
            except ApiError as error:
                if error.status != 403:
                    raise
                workload.bound = True  # what may not be looked at cannot be found wanting
        return workload.ready if workload.bound else None

    def _pods(self, workloads: Sequence[Pending]) -> dict[str, list[dict[str, Any]]]:
        """Namespace -> the pods of these workloads."""
        names: dict[str, list[str]] = {}
        for workload in workloads:
            names.setdefault(workload.plan.namespace, []).append(workload.plan.name)

        def listed(item: tuple[str, list[str]]) -> list[dict[str, Any]]:
            namespace, wanted = item
            selector = f"{WORKLOAD_LABEL} in ({','.join(sorted(wanted))})"
            return self.client.list("v1", "Pod", namespace, label_selector=selector)

        return dict(zip(names, self.client.map(listed, names.items())))

    def _explain(self, late: Sequence[Pending]) -> list[dict[str, Any]]:
        """Why each of these is late. What cannot be looked up is said there, and loses no other result."""
        if not late:
            return []
        found: Sequence[Diagnosis | Exception]
        try:
            found = diagnose_all(self.client, [one.plan for one in late], self.levels)
        except Exception as error:
            found = [error] * len(late)
        return [_late(workload, diagnosis) for workload, diagnosis in zip(late, found)]

    # -- between slices -----------------------------------------------------------------------------------------

    def standing(self) -> dict[str, dict[str, Any]]:
        """How far each open workload is; one LIST of pods for each of their namespaces."""
        try:
            pods: dict[str, list[dict[str, Any]]] | None = self._pods(self.pending)
        except ApiError as error:
            if error.status != 403:
                raise
            pods = None
        snapshot = Snapshot({POD: tuple(pod for found in (pods or {}).values() for pod in found)})
        return {one.name: _standing(one, snapshot if pods is not None else None) for one in self.pending}

    def to_state(self, params: Mapping[str, Any], fleet: FleetPlan, facts: Mapping[str, Any] | None) -> dict[str, Any]:
        """What resume() needs besides the module's options: the choices that were made, and how far everything is."""
        choices = {_index(plan): [getattr(plan.choice, choice) for choice in CHOICES] for plan in fleet.workloads}
        return self._state({"choices": choices, "machines": None if params.get("machines") else _shapes(facts)})

    def next_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return self._state(state["pins"])

    def _state(self, pins: Mapping[str, Any]) -> dict[str, Any]:
        workloads = [
            {
                "name": one.name,
                "ready": one.ready,
                "bound": one.bound,
                "replicas": one.replicas,
                "objects": [waited.to_state() for waited in one.objects],
            }
            for one in self.pending
        ]
        return {"pins": pins, "workloads": workloads}


def resume(
    client: Client,
    params: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    levels: Mapping[str, str] | None,
    elapsed: float,
) -> Serving:
    """The wait of an earlier call goes on. The plan is made again from the same options, with the choices that were
    made then: nothing is asked of the cluster for it. Raises KubeError when the options are other ones now."""
    pins = state["pins"]
    workloads = [dict(workload) for workload in params["workloads"]]
    for index, choice in pins["choices"].items():
        workloads[int(index)].update(zip(CHOICES, choice))
    machines = params.get("machines") or pins["machines"] or []
    try:
        fleet = spec_args.load({**params, "workloads": workloads, "machines": machines})
    except SpecError as error:
        raise KubeError(f"the wait cannot go on with other workloads: {error}") from None
    plans = {f"{plan.namespace}/{plan.name}": plan for plan in fleet.workloads}
    pending = [
        Pending(
            with_replicas(plans[saved["name"]], saved["replicas"]),
            [Waited.from_state(one) for one in saved["objects"]],
            float(saved["ready"]),
            bool(saved["bound"]),
            dict(saved["replicas"]),
        )
        for saved in state["workloads"]
    ]
    stable = float(params.get("wait_stable_seconds") or 0)
    return Serving(client, pending, levels=levels, stable_seconds=stable, elapsed=elapsed)


def _index(plan: WorkloadPlan) -> str:
    found = _INDEX.search(plan.workload.path)
    return found.group(1) if found else "0"


def _shapes(facts: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """One machine of each kind: defaults follow from what machines agree on, not from their number."""
    kinds = {(one.gpu_count, one.gpu_product, one.gpu_memory_gib) for one in machines_from_facts(facts)}
    return [
        {
            "name": f"kind-{number}",
            "gpu_count": count,
            **({"gpu_product": product} if product else {}),
            **({"gpu_memory_gib": memory} if memory else {}),
        }
        for number, (count, product, memory) in enumerate(sorted(kinds, key=str))
    ]


def _bound(pods: Sequence[Mapping[str, Any]]) -> int:
    return sum(1 for pod in pods if (pod.get("spec") or {}).get("nodeName"))


def _ready(workload: Pending) -> dict[str, Any]:
    noun = "engine" if workload.engines == 1 else "engines"
    text = f"ready, {workload.engines} {noun}" if workload.engines else "ready"
    seconds = max((waited.seconds for waited in workload.objects), default=0.0)
    return {"ready": True, "text": text, "seconds": seconds, "answer": {"ready": True}}


def _late(workload: Pending, diagnosis: Diagnosis | Exception) -> dict[str, Any]:
    late = [waited for waited in workload.objects if not waited.ready]
    seen = "; ".join(f"{waited.ref.kind} {waited.ref.name}: {waited.reason}" for waited in late)
    seconds = max(waited.seconds for waited in late)
    after = f"not ready after {seconds:.0f} s"
    details: dict[str, Any] = {}
    if isinstance(diagnosis, Diagnosis):
        cause, remedy = f"{after}: {diagnosis.cause}", diagnosis.remedy
        details = {**diagnosis.details, "seen": seen}
    else:
        cause, remedy = f"{after}: {seen}", f"the cause could not be looked up: {told(diagnosis)}"
    answer = {"ready": False, "cause": cause, "remedy": remedy, "details": details}
    return {"ready": False, "text": f"{cause}; {remedy}", "seconds": seconds, "answer": answer}


def _standing(workload: Pending, snapshot: Snapshot | None) -> dict[str, Any]:
    placed, serving = None, 0
    if snapshot is not None:
        engines = [engine for engine in live_engines(workload.plan, snapshot) if engine.planned]
        whole = [engine for engine in engines if len(engine.bound) == engine.size]
        placed = len(whole)
        serving = sum(
            1
            for engine in whole
            if all(
                is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp") for pod in engine.pods.values()
            )
        )
    waiting = [waited for waited in workload.objects if not waited.ready]
    return {
        "text": engines_text(workload.engines, placed, serving),
        "limit": workload.ready
        if placed == workload.engines
        else min([workload.ready, *(one.limit for one in waiting)]),
        "reason": "; ".join(f"{waited.ref.kind} {waited.ref.name}: {waited.reason}" for waited in waiting[:2]),
    }
