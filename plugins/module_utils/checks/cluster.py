# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster's own state says against the plan (stage preflight). ``facts`` is what cluster_info returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan

Facts = Mapping[str, Any]

KAI = "kai-scheduler"
SCHEDULERS = {"kai": ("kai_scheduler", "KAI"), "volcano": ("volcano", "Volcano")}
API_GROUPS = {
    "grove": "grove.io",
    "kai_scheduler": "scheduling.run.ai",
    "lws": "leaderworkerset.x-k8s.io",
    "volcano": "scheduling.volcano.sh",
}


def present(facts: Facts | None, component: str) -> bool:
    """Whether the cluster runs a component of ours by that name (``lws``, ``volcano``, ``grove``, ...).

    A tenant may not see what is installed; what the API serves is then the next best answer.
    """
    if not facts:
        return False
    found = _component(facts, component)
    if found.get("unreadable") and not found.get("present"):
        return API_GROUPS.get(component) in (facts.get("apis") or {})
    return bool(found.get("present"))


def _component(facts: Facts, component: str) -> Mapping[str, Any]:
    return (facts.get("components") or {}).get(component) or {}


def dynamo_served(facts: Facts | None) -> bool:
    """Whether DynamoGraphDeployments can be applied (nvidia.com is the GPU operator's API group too)."""
    if not facts:
        return False
    return present(facts, "dynamo_platform") or "v1beta1" in ((facts.get("apis") or {}).get("nvidia.com") or ())


def misnamed(binding: Mapping[str, Any]) -> bool:
    """Whether KAI is to look for a Topology of another name, which it does not find (observed.md 7)."""
    references = [found["reference"] for found in binding.get("schedulers") or () if found["scheduler"] == KAI]
    return any(reference != binding["name"] for reference in references)


def _subject(plan: WorkloadPlan) -> str:
    return f"{plan.workload.namespace}/{plan.workload.name}"


def _multinode(plan: FleetPlan) -> Iterator[WorkloadPlan]:
    for workload in plan.workloads:
        if any(component.multinode for component in workload.components):
            yield workload


def f20_orchestrator(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F20: what holds the engines together is not there."""
    for workload in plan.workloads:
        choice, subject = workload.choice, _subject(workload)
        multinode = any(component.multinode for component in workload.components)
        missing = []
        if choice.workload_api == "dynamo" and not dynamo_served(facts):
            missing.append("the Dynamo operator")
        native = choice.workload_api == "native"
        if choice.orchestrator == "grove" and (multinode or native):
            missing += [] if present(facts, "grove") else ["Grove"]
            # Its admission takes only schedulers that are there.
            scheduler = SCHEDULERS.get(choice.scheduler)
            missing += [scheduler[1]] if scheduler and not present(facts, scheduler[0]) else []
        if choice.orchestrator == "lws" and (multinode or native):
            missing += [] if present(facts, "lws") else ["LeaderWorkerSet"]
            # Dynamo's operator uses LWS only where it sees Volcano's API too.
            needs_volcano = choice.workload_api == "dynamo" or choice.scheduler == "volcano"
            missing += ["Volcano"] if needs_volcano and not present(facts, "volcano") else []
        if missing:
            yield Finding(
                "MN-F20",
                "error",
                subject,
                f"needs {' and '.join(missing)}, which the cluster does not have",
                "run the bootstrap playbook, or choose by multinode_orchestrator what the cluster has",
            )


def f32_lws_provider(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F32: LWS makes no PodGroups."""
    found = _component(facts, "lws")
    if not found.get("present") or found.get("unreadable"):
        return
    details = found.get("details") or {}
    provider = details.get("scheduler_provider")
    if provider == "volcano":
        return
    for workload in _multinode(plan):
        if (workload.choice.orchestrator, workload.choice.scheduler) == ("lws", "volcano"):
            yield Finding(
                "MN-F32",
                "error",
                _subject(workload),
                f"LWS runs with schedulerProvider {provider or 'unset'}, so its pods are scheduled one by one",
                "set gangSchedulingManagement.schedulerProvider: volcano in LWS's chart values",
            )


def f56_topology_binding(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F56: Grove says InSync, and KAI looks for a Topology of another name. We pack by affinity instead."""
    for binding in facts.get("topology_bindings") or ():
        if not misnamed(binding):
            continue
        labels = {level["key"] for level in binding["levels"]}
        for workload in plan.workloads:
            choice = workload.choice
            if (choice.orchestrator, choice.scheduler) == ("grove", "kai") and workload.pack_label in labels:
                yield Finding(
                    "MN-F56",
                    "note" if workload.binding else "warning",
                    _subject(workload),
                    f"ClusterTopologyBinding {binding['name']} refers to a KAI Topology of another name, which KAI "
                    "does not find; it is passed over, and the pods' affinity packs the engines",
                    "name the binding as the Topology that it refers to",
                )


CLUSTER_CHECKS = (f20_orchestrator, f32_lws_provider, f56_topology_binding)
