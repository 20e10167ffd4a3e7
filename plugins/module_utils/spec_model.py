# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What spec.py produces: plain frozen values, fields named as the keys of the inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import spec_merge
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import format_path
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import ENGINE_ROLES, LEVELS


@dataclass(frozen=True)
class Machine:
    """One GPU machine. ``domains``: topology level -> domain. ``gpu_memory_gib``: GiB of one GPU."""

    name: str
    gpu_count: int
    gpu_product: str | None = None
    gpu_memory_gib: int | None = None
    domains: Mapping[str, str] = field(default_factory=dict)
    extra_resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """The cluster's choices. ``topology_levels``: level -> node label, outermost first."""

    orchestrator: str = "auto"
    scheduler: str = "auto"
    workload_api: str = "auto"
    dynamo_version: str | None = None
    topology_levels: Mapping[str, str] = field(default_factory=lambda: dict(LEVELS))
    replace: str = "never"
    registry: Mapping[str, Any] = field(default_factory=dict)
    proxy: Mapping[str, Any] = field(default_factory=dict)
    airgap: bool = False


@dataclass(frozen=True)
class Parallelism:
    """What the user pinned; the solved degrees are ``Component.degrees``."""

    strategy: str = "tensor"
    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    expert: int | None = None


@dataclass(frozen=True)
class Resources:
    cpu: str | None = None
    memory: str | None = None


@dataclass(frozen=True)
class Topology:
    """``pack``: a level of Settings.topology_levels."""

    pack: str
    required: bool = True


@dataclass(frozen=True)
class ModelConfig:
    """What bounds the degrees and fills the memory; None is unknown, and unchecked. Parameters in billions."""

    attention_heads: int | None = None
    kv_heads: int | None = None
    experts: int | None = None
    layers: int | None = None
    parameters_b: float | None = None
    expert_parameters_b: float | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class ModelCache:
    type: str
    mount_path: str
    read_only: bool
    claim: str | None = None
    create: bool = False
    size: str | None = None
    storage_class: str | None = None
    server: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class CompilationCache:
    claim: str
    mount_path: str


@dataclass(frozen=True)
class Network:
    """``fabric``: what NCCL and UCX are to use; ``auto`` leaves it to them and to the extra resources."""

    socket_interface: str | None = None
    attachments: tuple[str, ...] = ()
    fabric: str = "auto"


@dataclass(frozen=True)
class ComputeDomain:
    """NVLink across machines: a ComputeDomain whose channel every engine's pod claims.

    ``create`` false: the claim template ``<name>-channel`` is there already. ``num_nodes`` as upstream has it: 0 lets
    the domain follow the pods. ``name``: of the ComputeDomain, by default ``<workload>-compute-domain``.
    """

    create: bool = True
    num_nodes: int = 0
    name: str | None = None


@dataclass(frozen=True)
class Router:
    """``mode``: as ``dynamo.frontend --router-mode`` spells it."""

    mode: str | None = None


@dataclass(frozen=True)
class Autoscaling:
    """``owner``: who sets ``replicas`` after the first apply."""

    owner: str = "none"


@dataclass(frozen=True)
class Timeouts:
    """Seconds."""

    scheduled: int = 600
    ready: int = 7200


@dataclass(frozen=True)
class Component:
    """One component. ``path`` is where it stands in the input; ``startup_timeout`` in seconds.

    ``gpus_per_node`` is 0 and ``degrees`` None for what takes no GPUs. ``extra_resources`` are per rank.
    """

    path: str
    name: str
    role: str
    replicas: int
    node_count: int
    gpus_per_node: int
    gpu_resource: str
    parallelism: Parallelism
    degrees: Degrees | None
    spread: bool
    args: tuple[str, ...]
    command: tuple[str, ...]
    env: tuple[Mapping[str, Any], ...]
    resources: Resources
    shared_memory: str
    startup_timeout: int
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]
    pod_spec: Mapping[str, Any]
    leader_pod_spec: Mapping[str, Any]
    worker_pod_spec: Mapping[str, Any]
    extra_resources: Mapping[str, int]
    engine_config: Mapping[str, Any] = field(default_factory=dict)
    autoscaling: Autoscaling = field(default_factory=Autoscaling)
    min_available: int | None = None

    @property
    def scaled(self) -> bool:
        """Whether something else owns ``replicas`` once the object exists."""
        return self.autoscaling.owner != "none"

    @property
    def engine(self) -> bool:
        """Whether it runs the model (and takes GPUs)."""
        return self.role in ENGINE_ROLES

    @property
    def multinode(self) -> bool:
        return self.node_count > 1

    @property
    def total_gpus(self) -> int:
        """GPUs of one engine."""
        return self.node_count * self.gpus_per_node


@dataclass(frozen=True)
class Workload:
    """One workload. With ``state`` absent only name, namespace and path mean anything.

    ``sources``: the maps that it was merged from, for ``at``.
    """

    path: str
    name: str
    namespace: str
    state: str = "present"
    backend: str = ""
    model: str = ""
    image: str = ""
    model_revision: str | None = None
    served_model_name: str | None = None
    runtime_version: str | None = None
    orchestrator: str | None = None
    scheduler: str | None = None
    workload_api: str | None = None
    gpu_product: str | None = None
    queue: str | None = None
    priority_class: str | None = None
    topology: Topology | None = None
    model_config: ModelConfig = field(default_factory=ModelConfig)
    model_cache: ModelCache | None = None
    compilation_cache: CompilationCache | None = None
    hub_token_secret: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    env: tuple[Mapping[str, Any], ...] = ()
    env_from_secrets: tuple[str, ...] = ()
    network: Network = field(default_factory=Network)
    compute_domain: ComputeDomain | None = None
    router: Router = field(default_factory=Router)
    timeouts: Timeouts = field(default_factory=Timeouts)
    replace: str = "never"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    components: tuple[Component, ...] = ()
    sources: spec_merge.Sources = field(default=(), repr=False, compare=False)

    def at(self, path: Sequence[str | int]) -> str:
        """Where in the input the value at ``path`` of this workload came from: overlay, own or defaults.

        A component is addressed by its name: ``("components", "decode", "args", 0)``.
        """
        if not self.sources:
            return f"{self.path}.{format_path(path)}" if path else self.path
        return spec_merge.place(self.sources, path)
