# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the read-back takes and gives: containers and components without their manifest's version, and readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True)
class Container:
    """A container as the manifest has it. ``env``: name -> literal value, None for one that is drawn from elsewhere."""

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    image: str = ""
    probes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One component of a manifest, whatever its kind. ``path``: where it stands in the object.

    ``role``: the operator's component type (``worker``, ``frontend``, ...), or ``worker`` for a native engine.
    ``template`` is what is run on rank 0; ``worker`` what on the others, where the manifest tells them apart.
    ``pod_spec`` of rank 0, ``worker_pod_spec`` of the others. ``gpus``: per pod, None where it is no whole number.
    ``annotations``: of the pods, those that the operator passes on from the deployment included.
    """

    name: str
    path: tuple[str | int, ...]
    role: str
    replicas: int
    node_count: int
    multinode: bool
    template: Container
    gpus: int | None
    pod_spec: Mapping[str, Any]
    annotations: Mapping[str, str]
    backend_framework: str = ""
    native: bool = False
    worker: Container | None = None
    worker_pod_spec: Mapping[str, Any] = field(default_factory=dict)
    role_templates: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Launched:
    """A main container as it reaches the pod. ``added``: the flags that were put in, split at spaces."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    probes: tuple[str, ...] = ()
    init_containers: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperatorReading:
    """What the operator understands: degrees as it reads them, and the branch that it takes.

    ``branch``: none, mp, ray, elastic, data (vLLM), always (SGLang), mpi (TensorRT-LLM), roles (1.6 templates).
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    branch: str = "none"


@dataclass(frozen=True)
class EngineReading:
    """What the engine will use; None where nothing in the files tells. ``sources``: degree -> what set it.

    ``context``: prefill context parallel, which multiplies vLLM's world and is read by nobody else. ``nodes``: what
    the command itself says (``--nnodes``). ``conflicts``: degree -> every (source, value), where they differ.
    """

    tensor: int | None = 1
    pipeline: int | None = 1
    data: int | None = 1
    expert: int | None = 1
    attention_data: bool = False
    context: int | None = 1
    nodes: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    unknown: str = ""

    @property
    def degrees(self) -> Degrees | None:
        """All of them as the plan has them, or None where one is not known."""
        if self.tensor is None or self.pipeline is None or self.data is None or self.expert is None:
            return None
        if self.context is None:
            return None
        return Degrees(self.tensor * self.context, self.pipeline, self.data, self.expert, self.attention_data)


@dataclass(frozen=True)
class ComponentReading:
    """One component: what it asks for, what the operator makes of it, and what the engine will do.

    ``leader`` is rank 0 (or the only one), ``worker`` every other rank; both None where the operator refuses it, with
    its words in ``errors``.
    """

    name: str
    role: str
    backend: str
    node_count: int
    gpus_per_node: int
    replicas: int
    operator: OperatorReading
    engine: EngineReading
    part: Part
    leader: Launched | None = None
    worker: Launched | None = None
    errors: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def total_gpus(self) -> int:
        """GPUs of one engine."""
        return self.node_count * self.gpus_per_node

    @property
    def is_engine(self) -> bool:
        """Whether it runs a model."""
        return bool(self.backend)

    @property
    def injected_leader(self) -> tuple[str, ...]:
        """The flags that the operator adds on rank 0."""
        return self.leader.added if self.leader else ()

    @property
    def injected_worker(self) -> tuple[str, ...]:
        """The flags that the operator adds on the other ranks."""
        return self.worker.added if self.worker else ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the module's answer."""
        engine = self.engine
        return {
            "name": self.name,
            "role": self.role,
            "backend": self.backend,
            "node_count": self.node_count,
            "gpus_per_node": self.gpus_per_node,
            "total_gpus": self.total_gpus,
            "replicas": self.replicas,
            "engine": {
                "tensor": engine.tensor,
                "pipeline": engine.pipeline,
                "data": engine.data,
                "expert": engine.expert,
            },
            "operator": {
                "tensor": self.operator.tensor,
                "pipeline": self.operator.pipeline,
                "data": self.operator.data,
                "branch": self.operator.branch,
            },
            "errors": list(self.errors),
        }


@dataclass(frozen=True)
class Readback:
    """One object: kind, name, namespace, the way it takes (grove or lws), and its components."""

    kind: str
    name: str
    namespace: str
    provider: str
    components: tuple[ComponentReading, ...] = ()
    errors: tuple[str, ...] = ()
