# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Demand against the machines that the inventory (or the cluster) has. Nothing here stops a run but F16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.model import weights_gib
from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import Fleet

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import (
        ComponentPlan,
        FleetPlan,
        WorkloadPlan,
    )

_AUTOSCALER = "add machines, shrink the engine, or leave it to the cluster's autoscaler if it has one"


def _subject(workload: WorkloadPlan, component: ComponentPlan) -> str:
    return f"{workload.workload.namespace}/{workload.workload.name}/{component.name}"


def _engines(plan: FleetPlan) -> Iterator[tuple[WorkloadPlan, ComponentPlan]]:
    for workload in plan.workloads:
        for component in workload.components:
            if component.gpus_per_node and component.replicas:
                yield workload, component


def f16_gpus_per_node(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F16: no matching machine has as many GPUs as one rank asks for."""
    for workload, component in _engines(plan):
        product = workload.workload.gpu_product
        largest = max(fleet.gpu_counts(product), default=0)
        if largest and component.gpus_per_node > largest:
            kind = f" ({product})" if product else ""
            yield Finding(
                "MN-F16",
                "error",
                _subject(workload, component),
                f"asks for {component.gpus_per_node} GPUs on each machine, and no matching machine{kind} has more "
                f"than {largest}",
                f"set gpus_per_node to at most {largest} and raise node_count",
            )


def f29_node_count(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F29: fewer matching machines than ranks: they share machines, or with anti-affinity wait for ever."""
    for workload, component in _engines(plan):
        count, _name = fleet.best_domain(workload.workload.gpu_product, component.gpus_per_node, None)
        if 0 < count < component.node_count:
            fate = "waits for ever" if component.spread else "puts several ranks on one machine"
            yield Finding(
                "MN-F29",
                "warning",
                _subject(workload, component),
                f"needs {component.node_count} machines with {component.gpus_per_node} GPUs each, and there are "
                f"{count}: an engine {fate}",
                f"lower node_count to {count} or less; {_AUTOSCALER}",
            )


def f83_domain(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F83: no topology domain holds one engine whole."""
    for workload, component in _engines(plan):
        level = workload.pack_level
        if level is None or not component.multinode or not workload.pack_required:
            continue
        product = workload.workload.gpu_product
        everywhere, _none = fleet.best_domain(product, component.gpus_per_node, None)
        count, name = fleet.best_domain(product, component.gpus_per_node, level)
        if count < component.node_count <= everywhere:
            best = f"{level} {name} has {count}" if count else f"no machine tells its {level}"
            yield Finding(
                "MN-F83",
                "warning",
                _subject(workload, component),
                f"needs {component.node_count} machines with {component.gpus_per_node} GPUs each in one {level}; "
                f"{best}",
                f"lower node_count, pack at a wider level, or set topology.required to false; {_AUTOSCALER}",
            )


def f83_replicas(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F83: one engine fits, but not all of the component's."""
    for workload, component in _engines(plan):
        level = workload.pack_level if component.multinode and workload.pack_required else None
        fit = fleet.engines_that_fit(
            workload.workload.gpu_product, component.node_count, component.gpus_per_node, level, component.spread
        )
        if 0 < fit < component.replicas:
            where = f", each in one {level}" if level else ""
            yield Finding(
                "MN-F83",
                "warning",
                _subject(workload, component),
                f"wants {component.replicas} engines of {component.node_count} x {component.gpus_per_node} GPUs"
                f"{where}; the empty fleet holds {fit}",
                f"lower replicas to {fit}; {_AUTOSCALER}",
            )


def f83_demand(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F83: all workloads together ask for more GPUs than there are."""
    for product, demand in plan.demand.items():
        capacity = plan.capacity.get(product, 0) if product != "any" else sum(plan.capacity.values())
        if fleet.machines and demand > capacity:
            yield Finding(
                "MN-F83",
                "warning",
                product,
                f"the workloads ask for {demand} GPUs, and the machines have {capacity}",
                f"lower replicas; {_AUTOSCALER}",
            )


def f84_weights(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F84: the weights alone do not fit into the GPUs' memory, where the user gave the model's numbers."""
    for workload, component in _engines(plan):
        needed = weights_gib(workload.workload, component.component)
        memory = fleet.gpu_memory(workload.workload.gpu_product)
        if needed is not None and memory and needed > memory * 0.9:
            yield Finding(
                "MN-F84",
                "warning",
                _subject(workload, component),
                f"the weights take about {needed:.0f} GiB of each GPU's {memory} GiB ({component.degrees}), "
                "which leaves no room for the KV cache",
                "use more GPUs per engine or a smaller data type",
                "spec",
            )


def f100_deadlines(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """F100: we would give up on a model that its own probes still allow to load."""
    for workload, component in _engines(plan):
        allowed, waited = component.component.startup_timeout, workload.workload.timeouts.ready
        if allowed > waited:
            yield Finding(
                "MN-F100",
                "note",
                _subject(workload, component),
                f"may load for {allowed} s (startup_timeout), but the wait ends after {waited} s (timeouts.ready)",
                "raise timeouts.ready or lower startup_timeout",
                "spec",
            )


CAPACITY_CHECKS = (f16_gpus_per_node, f29_node_count, f83_domain, f83_replicas, f83_demand, f84_weights, f100_deadlines)
