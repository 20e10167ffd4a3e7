# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan is: workloads with their targets, in numbers. Made by plan.py; apart, as most readers plan nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import ORDINARY, Site
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload


@dataclass(frozen=True)
class Choice:
    """The target, and in ``why`` one sentence for each of the three decisions."""

    orchestrator: str
    scheduler: str
    workload_api: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentPlan:
    """One component in numbers: ``total_gpus`` per engine, ``demand`` = replicas x total_gpus."""

    component: Component
    object_name: str

    @property
    def name(self) -> str:
        return self.component.name

    @property
    def role(self) -> str:
        return self.component.role

    @property
    def replicas(self) -> int:
        return self.component.replicas

    @property
    def node_count(self) -> int:
        return self.component.node_count

    @property
    def gpus_per_node(self) -> int:
        return self.component.gpus_per_node

    @property
    def total_gpus(self) -> int:
        return self.component.total_gpus

    @property
    def demand(self) -> int:
        return self.replicas * self.total_gpus

    @property
    def degrees(self) -> Degrees | None:
        return self.component.degrees

    @property
    def multinode(self) -> bool:
        return self.component.multinode

    @property
    def spread(self) -> bool:
        return self.component.spread

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "replicas": self.replicas,
            "node_count": self.node_count,
            "gpus_per_node": self.gpus_per_node,
            "total_gpus": self.total_gpus,
            "demand": self.demand,
            "degrees": self.degrees.to_dict() if self.degrees else {},
            "multinode": self.multinode,
            "spread": self.spread,
            "object_name": self.object_name,
        }


@dataclass(frozen=True)
class TopologyBinding:
    """Grove's ClusterTopologyBinding that knows a node label: its ``name``, and what it calls that level."""

    name: str
    domain: str


@dataclass(frozen=True)
class WorkloadPlan:
    """One workload with its target.

    ``pack_label`` is the node label of the topology level to pack into; with a ``binding`` Grove packs, otherwise the
    pods' own affinity does.
    """

    workload: Workload
    choice: Choice
    queue: str | None
    priority_class: str | None
    api: str
    components: tuple[ComponentPlan, ...]
    pack_level: str | None = None
    pack_label: str | None = None
    pack_required: bool = True
    binding: TopologyBinding | None = None
    dynamo_version: str | None = None
    site: Site = ORDINARY

    @property
    def name(self) -> str:
        return self.workload.name

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def demand(self) -> int:
        return sum(component.demand for component in self.components)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "namespace": self.namespace,
            "backend": self.workload.backend,
            "model": self.workload.model,
            "api": self.api,
            "orchestrator": self.choice.orchestrator,
            "scheduler": self.choice.scheduler,
            "workload_api": self.choice.workload_api,
            "why": list(self.choice.why),
            "queue": self.queue or "",
            "priority_class": self.priority_class or "",
            "pack": self.pack_level or "",
            "topology_binding": self.binding.name if self.binding else "",
            "demand": self.demand,
            "components": [component.to_dict() for component in self.components],
        }


@dataclass(frozen=True)
class FleetPlan:
    """All workloads. ``demand`` and ``capacity``: GPU product (or ``any``) -> GPUs."""

    workloads: tuple[WorkloadPlan, ...]
    absent: tuple[Workload, ...]
    demand: Mapping[str, int]
    capacity: Mapping[str, int]
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "workloads": [workload.to_dict() for workload in self.workloads],
            "absent": [{"name": workload.name, "namespace": workload.namespace} for workload in self.absent],
            "demand": dict(self.demand),
            "capacity": dict(self.capacity),
            "findings": [finding.to_dict() for finding in self.findings],
        }
