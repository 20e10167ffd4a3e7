# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What we render against its plan: read back, it must say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.names import COMPONENT_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import objects
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import ComponentReading
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.reader import read

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan


def compare(plan: WorkloadPlan, rendered: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Every difference between a plan and what its rendered objects mean; nothing when all is well."""
    readings: dict[str, ComponentReading] = {}
    for manifest in rendered:
        if objects.is_ours(manifest):
            back = read(
                manifest,
                companions=rendered,
                provider=plan.choice.orchestrator,
                operator_version=plan.dynamo_version,
            )
            readings.update({_component_name(manifest, one): one for one in back.components})
    found = []
    for component in plan.components:
        subject = f"{plan.namespace}/{plan.name}/{component.name}"
        one = readings.get(component.name)
        if one is None:
            found.append(_finding(subject, "is in the plan and in none of the rendered objects"))
            continue
        found += [_finding(subject, text) for text in _differences(plan, component, one)]
    extra = sorted(set(readings) - {component.name for component in plan.components})
    return (*found, *(_finding(f"{plan.namespace}/{plan.name}/{name}", "is rendered and in no plan") for name in extra))


def _finding(subject: str, message: str) -> Finding:
    remedy = "this is a mistake of the collection: please report it with the workload's variables"
    return Finding("MN-F02", "error", subject, message, remedy, "spec")


def _component_name(manifest: Mapping[str, Any], one: ComponentReading) -> str:
    """A native object carries one component, and its label."""
    labels = objects.mapping(objects.mapping(manifest.get("metadata")).get("labels"))
    return str(labels.get(COMPONENT_LABEL) or one.name) if one.part.native else one.name


def _differences(plan: WorkloadPlan, wanted: ComponentPlan, one: ComponentReading) -> Iterator[str]:
    yield from one.errors
    numbers = [
        ("node_count", wanted.node_count, one.node_count),
        ("gpus_per_node", wanted.gpus_per_node, one.gpus_per_node),
    ]
    # Something else sets the replicas of what is scaled.
    if not wanted.component.scaled:
        numbers.append(("replicas", wanted.replicas, one.replicas))
    for name, planned, rendered in numbers:
        if planned != rendered:
            yield f"{name} is {planned} in the plan and {rendered} as rendered"
    if not one.part.native and wanted.role != one.role:
        yield f"role is {wanted.role} in the plan and {one.role} as rendered"
    degrees = wanted.degrees
    if degrees is None:
        return
    if one.backend != plan.workload.backend:
        yield f"backend is {plan.workload.backend} in the plan and {one.backend or 'not recognised'} as rendered"
    if one.engine.degrees != degrees:
        actual = one.engine.degrees or one.engine.unknown
        yield f"degrees are {degrees} in the plan, and the engine will use {actual}"
    yield from _wiring(wanted, one)


def _wiring(wanted: ComponentPlan, one: ComponentReading) -> Iterator[str]:
    """Whether the ranks will find each other."""
    if not wanted.multinode:
        return
    if one.part.native:
        if one.engine.nodes not in (None, wanted.node_count):
            yield f"node_count is {wanted.node_count} in the plan and --nnodes is {one.engine.nodes}"
        return
    if one.backend == "vllm" and wanted.degrees is not None:
        planned = (wanted.degrees.tensor, wanted.degrees.pipeline, wanted.degrees.data)
        heard = (one.operator.tensor, one.operator.pipeline, one.operator.data)
        if planned != heard:
            yield f"degrees are {wanted.degrees} in the plan, and the operator reads {heard} (tensor, pipeline, data)"
    if not one.injected_leader or not one.injected_worker:
        yield "the operator injects nothing: every machine would start an engine of its own"
