# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as a table of text lines, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import ANY_PRODUCT
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, FleetPlan

_HEAD = ("workload", "component", "target", "engines", "nodes", "GPUs/node", "GPUs/engine", "GPUs", "degrees")


def plan_table(plan: FleetPlan) -> list[str]:
    """Engines in numbers, then demand against capacity for each GPU product, then what there is to know."""
    rows = [_HEAD]
    for workload in plan.workloads:
        target = f"{workload.choice.workload_api}/{workload.choice.orchestrator}/{workload.choice.scheduler}"
        for component in workload.components:
            rows.append(
                (
                    f"{workload.namespace}/{workload.name}",
                    component.name,
                    target,
                    _engines(component),
                    str(component.node_count),
                    str(component.gpus_per_node),
                    str(component.total_gpus),
                    str(component.demand),
                    _short(component.degrees.to_dict() if component.degrees else {}),
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [_capacity(plan, product) for product in sorted({*plan.demand, *plan.capacity})]
    for workload_absent in plan.absent:
        lines.append(f"{workload_absent.namespace}/{workload_absent.name}: absent")
    return lines + [str(finding) for finding in plan.findings]


def _engines(component: ComponentPlan) -> str:
    """Where something else scales it, what is planned is only the beginning."""
    scaling = component.component.autoscaling
    return f"{component.replicas} ({scaling.owner})" if component.component.scaled else str(component.replicas)


def _capacity(plan: FleetPlan, product: str) -> str:
    """One product: wanted, there, left. Who asks for no product takes from all of them."""
    wanted = plan.demand.get(product, 0)
    if not plan.capacity:
        return f"{product}: {wanted} GPUs wanted, no machines are known"
    there, taken = plan.capacity.get(product, 0), wanted
    if product == ANY_PRODUCT:
        there, taken = sum(plan.capacity.values()), sum(plan.demand.values())
    left = f"{there - taken} left" if there >= taken else f"{taken - there} short"
    return f"{product}: {wanted} GPUs wanted, {there} in the fleet, {left}"


def _short(degrees: Mapping[str, int]) -> str:
    """``TP16``, ``TP8,PP2``: a line has to fit a terminal, and single blanks are where YAML would break it."""
    letters = {"tensor": "TP", "pipeline": "PP", "data": "DP", "expert": "EP"}
    said = [f"{letters[name]}{degree}" for name, degree in degrees.items() if degree > 1 or name == "tensor"]
    return ",".join(said) or "-"
