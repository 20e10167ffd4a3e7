# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One small function per known failure, imported by name, so that each can be removed and missed by its test.

``GIVEN_CHECKS`` (a component before it is read), ``COMPONENT_CHECKS`` and ``WORKLOAD_CHECKS`` look at the input alone
and become problems with a path, ``TARGET_CHECKS`` at what the chosen target can do; ``run`` answers with findings
about the plan, the machines and the cluster (``NOTES``: what the variables alone say).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks import (
    arguments,
    capacity,
    cluster,
    engine_config,
    gang,
    given,
    hardware,
    model,
    notes,
    openshift,
    pod_spec,
    queues,
    target,
    workload,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import SEVERITIES, Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import Fleet

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan

GIVEN_CHECKS = given.GIVEN_CHECKS
COMPONENT_CHECKS = (
    *arguments.ARGUMENT_CHECKS,
    *engine_config.ENGINE_CONFIG_CHECKS,
    *pod_spec.POD_SPEC_CHECKS,
    model.f01_model_divides,
)
WORKLOAD_CHECKS = workload.WORKLOAD_CHECKS
# Nothing to say about a component that has no pod_spec, or no engine_config: most of a fleet.
POD_SPEC_CHECKS = frozenset(pod_spec.POD_SPEC_CHECKS)
ENGINE_CONFIG_CHECKS = frozenset(engine_config.ENGINE_CONFIG_CHECKS)
TARGET_CHECKS = target.TARGET_CHECKS
NOTES = notes.NOTES
CLUSTER_CHECKS = (
    *cluster.CLUSTER_CHECKS,
    *queues.QUEUE_CHECKS,
    *hardware.HARDWARE_CHECKS,
    *openshift.OPENSHIFT_CHECKS,
)

__all__ = [
    "CLUSTER_CHECKS",
    "COMPONENT_CHECKS",
    "ENGINE_CONFIG_CHECKS",
    "GIVEN_CHECKS",
    "NOTES",
    "POD_SPEC_CHECKS",
    "TARGET_CHECKS",
    "WORKLOAD_CHECKS",
    "run",
]


def run(plan: FleetPlan, fleet: Fleet, facts: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """Every finding, the worst first, otherwise in the order of the checks and workloads."""
    found: list[Finding] = []
    for plan_check in (*gang.PLAN_CHECKS, *NOTES):
        found += plan_check(plan)
    for capacity_check in capacity.CAPACITY_CHECKS:
        found += capacity_check(plan, fleet)
    if facts:
        for cluster_check in CLUSTER_CHECKS:
            found += cluster_check(plan, facts)
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
