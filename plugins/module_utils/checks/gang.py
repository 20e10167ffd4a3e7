# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the chosen combination is a gang at all (stage preflight, from the plan alone)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan


def f35_no_gang(plan: FleetPlan) -> Iterator[Finding]:
    """F35: pods that are bound one by one, so that two half engines can wait for each other for ever."""
    for workload in plan.workloads:
        choice = workload.choice
        if not any(component.multinode for component in workload.components):
            continue
        subject = f"{workload.workload.namespace}/{workload.workload.name}"
        if (choice.orchestrator, choice.scheduler) == ("lws", "kai"):
            yield Finding(
                "MN-F35",
                "error",
                subject,
                "LeaderWorkerSet with KAI looks like a gang and is none: each engine is bound pod by pod",
                "set multinode_scheduler to volcano, or multinode_orchestrator to grove",
                "spec",
            )
        elif choice.scheduler == "default":
            gang = "volcano" if choice.orchestrator == "lws" else "kai"
            yield Finding(
                "MN-F35",
                "warning",
                subject,
                "the default scheduler knows no gangs: part of an engine can hold GPUs and wait for the rest for ever",
                f"set multinode_scheduler to {gang}",
                "spec",
            )


def f88_single_pod_group(plan: FleetPlan) -> Iterator[Finding]:
    """F88: Volcano loses the PodGroup of a LeaderWorkerSet group of one when its only pod is deleted."""
    for workload in plan.workloads:
        choice = workload.choice
        if (choice.workload_api, choice.orchestrator, choice.scheduler) != ("native", "lws", "volcano"):
            continue
        for component in workload.components:
            if not component.multinode:
                yield Finding(
                    "MN-F88",
                    "note",
                    f"{workload.workload.namespace}/{workload.workload.name}/{component.name}",
                    "engines of one machine are groups of one pod; when that pod is deleted, its PodGroup is lost and "
                    "the new pod stays pending",
                    "delete such a pod only together with its LeaderWorkerSet, or set scheduler to default for it",
                    "spec",
                )


def grove_volcano(plan: FleetPlan) -> Iterator[Finding]:
    """Grove hands gangs to Volcano only where its own configuration names that scheduler; it says so at admission."""
    for workload in plan.workloads:
        choice = workload.choice
        if (choice.orchestrator, choice.scheduler) == ("grove", "volcano"):
            yield Finding(
                "MN-N06",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                "Volcano under Grove is experimental: it is a gang only where Grove's configuration lists the "
                "scheduler volcano (and Dynamo's chart sets global.volcano-scheduler.enabled), with Volcano 1.14 or "
                "newer",
                "prefer multinode_scheduler: kai with Grove",
                "spec",
            )


def dynamo_no_engines(plan: FleetPlan) -> Iterator[Finding]:
    """Dynamo's operator scales an engine to none on Grove, but cannot begin with none."""
    for workload in plan.workloads:
        if (workload.choice.workload_api, workload.choice.orchestrator) != ("dynamo", "grove"):
            continue
        for component in workload.components:
            if component.multinode and component.replicas == 0:
                yield Finding(
                    "MN-N07",
                    "warning",
                    f"{workload.workload.namespace}/{workload.workload.name}/{component.name}",
                    "has replicas 0: Grove lets a deployment that is there be scaled to none, and refuses a new one",
                    "create it with replicas 1, and scale it to 0 after that",
                    "spec",
                )


def native_frontend(plan: FleetPlan) -> Iterator[Finding]:
    """Nothing is rendered for a frontend on the native API, and that is right."""
    for workload in plan.workloads:
        skipped = [c.name for c in workload.workload.components if not c.engine]
        if workload.choice.workload_api == "native" and skipped:
            mode = workload.workload.router.mode
            routing = f"; router.mode {mode} has no effect there, the Service spreads connections" if mode else ""
            yield Finding(
                "MN-N01",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                f"component {', '.join(skipped)} is not rendered: on the native API the leaders answer requests "
                f"themselves, behind the workload's Service{routing}",
                "nothing to do",
                "spec",
            )


def dynamo_frontend(plan: FleetPlan) -> Iterator[Finding]:
    """Without a frontend nothing of this deployment answers requests."""
    for workload in plan.workloads:
        if workload.choice.workload_api == "dynamo" and all(c.engine for c in workload.workload.components):
            yield Finding(
                "MN-N02",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                "has no component with role frontend, so it has no HTTP endpoint of its own",
                "add one, unless a frontend of another deployment serves this one",
                "spec",
            )


PLAN_CHECKS = (f35_no_gang, f88_single_pod_group, grove_volcano, dynamo_no_engines, native_frontend, dynamo_frontend)
