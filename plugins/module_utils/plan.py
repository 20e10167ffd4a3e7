# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From workloads to decisions: which target, how many nodes and GPUs, which degrees, and whether it fits.

Pure: the cluster, where there is one, comes in as ``facts`` (what cluster_info returns under ``cluster``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks import catalog
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.cluster import dynamo_served, misnamed, present
from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import Fleet
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import Site
from ansible_collections.dynamo.multinode.plugins.module_utils.names import compute_domain_name, engine_config_name
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import (
    Choice,
    ComponentPlan,
    FleetPlan,
    TopologyBinding,
    WorkloadPlan,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Machine, Settings, Workload
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, SpecError

NATIVE_APIS = {"lws": "leaderworkerset", "grove": "podcliqueset"}
DYNAMO_API = "dynamographdeployment"
DEFAULT_QUEUES = {"kai": "dynamo", "volcano": "default"}
KAI_PRIORITY = "inference"


def plan(
    workloads: Sequence[Workload],
    machines: Sequence[Machine],
    settings: Settings,
    facts: Mapping[str, Any] | None = None,
) -> FleetPlan:
    """The whole fleet's plan. Raises SpecError with every open question and everything the targets cannot do.

    Without machines in the inventory the capacity is that of the nodes in ``facts``.
    """
    fleet = Fleet(machines or machines_from_facts(facts))
    problems: list[Problem] = []
    plans: list[WorkloadPlan] = []
    choices: dict[tuple[Any, ...], Choice] = {}
    for workload in workloads:
        if workload.state == "absent":
            continue
        key = (workload.orchestrator, workload.scheduler, workload.workload_api, _needs_dynamo(workload))
        try:
            if key not in choices:
                choices[key] = resolve(settings, facts, workload)
        except SpecError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        plans.append(_workload_plan(workload, choices[key], settings, facts))
    for planned in plans:
        for check in catalog.TARGET_CHECKS:
            for issue in check(planned):
                problems.append(Problem(planned.workload.at(issue.path), issue.value, issue.message, issue.check))
    problems += _collisions(plans)
    if problems:
        raise SpecError(problems)
    demand: dict[str, int] = {}
    for planned in plans:
        if planned.demand:
            product = fleet.product(planned.workload.gpu_product)
            demand[product] = demand.get(product, 0) + planned.demand
    absent = tuple(workload for workload in workloads if workload.state == "absent")
    bare = FleetPlan(tuple(plans), absent, dict(sorted(demand.items())), fleet.capacity())
    return FleetPlan(bare.workloads, absent, bare.demand, bare.capacity, catalog.run(bare, fleet, facts))


def machines_from_facts(facts: Mapping[str, Any] | None) -> tuple[Machine, ...]:
    """The cluster's schedulable GPU nodes as machines."""
    nodes = (facts or {}).get("nodes") or ()
    return tuple(
        Machine(
            name=node["name"],
            gpu_count=int(node.get("gpus") or 0),
            gpu_product=node.get("gpu_product"),
            gpu_memory_gib=node.get("gpu_memory_gib"),
            domains={level: domain for level, domain in (node.get("domains") or {}).items() if domain},
        )
        for node in nodes
        if node.get("schedulable", True)
    )


def resolve(settings: Settings, facts: Mapping[str, Any] | None, workload: Workload | None = None) -> Choice:
    """Which target. ``auto`` reads the cluster and says why; where it cannot know, SpecError holds the question."""
    return _Resolver(settings, facts, workload).choice()


class _Resolver:
    def __init__(self, settings: Settings, facts: Mapping[str, Any] | None, workload: Workload | None) -> None:
        self.settings, self.facts, self.workload = settings, facts, workload
        self.problems: list[Problem] = []
        self.why: list[str] = []

    def choice(self) -> Choice:
        api = self._api()
        orchestrator = self._orchestrator()
        scheduler = self._scheduler(orchestrator)
        if self.problems:
            raise SpecError(self.problems)
        return Choice(orchestrator, scheduler, api, tuple(self.why))

    def _given(self, key: str) -> str:
        own = getattr(self.workload, key, None)
        value = own or getattr(self.settings, key)
        if value == "auto":
            return ""
        self.why.append(f"{key} {value}: set by {'the workload' if own else f'multinode_{key}'}")
        return str(value)

    def _ask(self, key: str, question: str) -> str:
        own = getattr(self.workload, key, None)
        path = self.workload.at((key,)) if own and self.workload else f"multinode_{key}"
        self.problems.append(Problem(path, "auto", f"is auto, and {question}"))
        return ""

    def _because(self, key: str, value: str, reason: str) -> str:
        self.why.append(f"{key} {value}: {reason}")
        return value

    def _api(self) -> str:
        given = self._given("workload_api")
        if given:
            return given
        if self.workload is not None and _needs_dynamo(self.workload):
            return self._because("workload_api", "dynamo", "nothing else can run this backend or these roles")
        if self.facts is None:
            question = "there is no cluster to look at: dynamo (the Dynamo operator runs there) or native?"
            return self._ask("workload_api", question)
        if dynamo_served(self.facts):
            return self._because("workload_api", "dynamo", "the cluster runs the Dynamo operator")
        return self._because("workload_api", "native", "the cluster has no Dynamo operator")

    def _orchestrator(self) -> str:
        given = self._given("orchestrator")
        if given:
            return given
        if self.facts is None:
            return self._ask("orchestrator", "there is no cluster to look at: grove or lws?")
        grove, lws = present(self.facts, "grove"), present(self.facts, "lws")
        if grove and lws:
            return self._ask("orchestrator", "the cluster has both Grove and LeaderWorkerSet: grove or lws?")
        if grove:
            return self._because("orchestrator", "grove", "the cluster has Grove and no LeaderWorkerSet")
        if lws:
            return self._because("orchestrator", "lws", "the cluster has LeaderWorkerSet and no Grove")
        question = "the cluster has neither Grove nor LeaderWorkerSet: say which one it will have, grove or lws"
        return self._ask("orchestrator", question)

    def _scheduler(self, orchestrator: str) -> str:
        given = self._given("scheduler")
        if given or not orchestrator:
            return given
        if orchestrator == "lws":
            return self._because("scheduler", "volcano", "the only one that makes gangs of LeaderWorkerSets")
        if self.facts is None:
            return self._ask("scheduler", "there is no cluster to look at: kai or default (which makes no gangs)?")
        if present(self.facts, "kai_scheduler"):
            return self._because("scheduler", "kai", "the cluster has KAI")
        return self._because("scheduler", "default", "the cluster has no KAI; this makes no gangs")


def _needs_dynamo(workload: Workload) -> bool:
    return workload.backend == "trtllm" or any(component.role == "prefill" for component in workload.components)


def _workload_plan(
    workload: Workload, choice: Choice, settings: Settings, facts: Mapping[str, Any] | None
) -> WorkloadPlan:
    native = choice.workload_api == "native"
    components = tuple(
        ComponentPlan(component, f"{workload.name}-{component.name}" if native else workload.name)
        for component in workload.components
        if component.engine or not native
    )
    priority = workload.priority_class
    if priority is None and choice.scheduler == "kai" and KAI_PRIORITY in ((facts or {}).get("priority_classes") or ()):
        priority = KAI_PRIORITY
    level = workload.topology.pack if workload.topology else None
    return WorkloadPlan(
        workload=workload,
        choice=choice,
        queue=workload.queue or DEFAULT_QUEUES.get(choice.scheduler),
        priority_class=priority,
        api=NATIVE_APIS[choice.orchestrator] if native else DYNAMO_API,
        components=components,
        pack_level=level,
        pack_label=settings.topology_levels[level] if level else None,
        pack_required=workload.topology.required if workload.topology else True,
        binding=_binding(choice, settings.topology_levels[level], facts) if level else None,
        dynamo_version=settings.dynamo_version,
        site=Site(settings.registry, settings.proxy, settings.airgap),
    )


def _binding(choice: Choice, label: str, facts: Mapping[str, Any] | None) -> TopologyBinding | None:
    """The binding to pack by. One that KAI cannot resolve is passed over (F56): affinity needs none."""
    if (choice.orchestrator, choice.scheduler) != ("grove", "kai"):
        return None
    for found in (facts or {}).get("topology_bindings") or ():
        domain = next((level["domain"] for level in found["levels"] if level["key"] == label), None)
        if domain is not None and found.get("in_sync") and not misnamed(found):
            return TopologyBinding(found["name"], domain)
    return None


def _collisions(plans: Sequence[WorkloadPlan]) -> list[Problem]:
    """Objects of two workloads that would have the same name (LWS and Grove make Services of their own)."""
    owners: dict[tuple[str, str, str], str] = {}
    problems = []
    for planned in plans:
        for kind, name, path in _names(planned):
            other = owners.setdefault((kind, planned.namespace, name), planned.workload.path)
            if other != planned.workload.path:
                message = f"makes {kind} {name!r} in namespace {planned.namespace!r}, and so does {other}"
                problems.append(Problem(planned.workload.at(path.split(".")), name, message, "MN-F107"))
    return problems


def _names(planned: WorkloadPlan) -> Iterator[tuple[str, str, str]]:
    """What a workload makes under names that others could choose too: (kind, name, path of what to change)."""
    workload = planned.workload
    if planned.choice.workload_api == "native":
        yield "Service", planned.name, "name"
        for component in planned.components:
            grove = planned.api == NATIVE_APIS["grove"]
            yield "Service", f"{component.object_name}-0" if grove else component.object_name, "name"
    cache = workload.model_cache
    if cache and cache.create and cache.claim:
        yield "PersistentVolumeClaim", cache.claim, "model_cache.claim"
    for part in workload.components:
        if part.engine_config:
            yield "ConfigMap", engine_config_name(workload.name, part.name), "name"
    domain = workload.compute_domain
    if domain is not None and domain.create:
        yield (
            "ComputeDomain",
            domain.name or compute_domain_name(workload.name),
            "compute_domain.name" if domain.name else "name",
        )
