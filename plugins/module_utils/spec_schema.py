# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workload interface as one table: what spec.py accepts, and what the reference docs are generated from.

A key that is not here is refused. A key that is here is rendered or checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import BACKENDS, STRATEGIES

ORCHESTRATORS = ("grove", "lws")
SCHEDULERS = ("kai", "volcano", "default")
WORKLOAD_APIS = ("dynamo", "native")
ROLES = ("frontend", "worker", "prefill", "decode", "planner", "epp")
ENGINE_ROLES = ("worker", "prefill", "decode")
REPLACE = ("never", "allow")
CACHE_TYPES = ("pvc", "nfs", "host_path")
FABRICS = ("auto", "infiniband", "roce", "efa", "mnnvl", "tcp")
SCALERS = ("none", "planner", "hpa")
# As dynamo.frontend has them (components/src/dynamo/frontend/frontend_args.py).
ROUTER_MODES = ("round-robin", "random", "power-of-two", "kv", "direct", "least-loaded", "device-aware-weighted")
GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True)
class Field:
    """One key. ``kind`` names the reader in spec_values.py; ``default`` is what an absent key means."""

    name: str
    kind: str
    doc: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 1_000_000
    fields: tuple[Field, ...] = ()
    default_doc: str = ""


# By identity: hashing a nested table costs more than building the answer. The table is kept, so its id stays its own.
_TABLES: dict[int, tuple[tuple[Field, ...], Mapping[str, Field]]] = {}


def by_name(fields: tuple[Field, ...]) -> Mapping[str, Field]:
    known = _TABLES.get(id(fields))
    if known is None:
        known = _TABLES[id(fields)] = (fields, {entry.name: entry for entry in fields})
    return known[1]


PARALLELISM = (
    Field(
        "strategy",
        "choice",
        "Which degree takes up the engine's GPUs: V(tensor) over all of them, V(tensor_pipeline) tensor inside a node "
        "and pipeline across nodes, V(data) attention data parallel with expert parallel.",
        "tensor",
        choices=STRATEGIES,
    ),
    Field("tensor", "int", "Tensor parallel degree; pinned where given.", minimum=1),
    Field("pipeline", "int", "Pipeline parallel degree; pinned where given.", minimum=1),
    Field(
        "data",
        "int",
        "Data parallel degree. vLLM: multiplies. SGLang and TensorRT-LLM: attention data parallel inside tensor.",
        minimum=1,
    ),
    Field("expert", "int", "Expert parallel degree; never adds GPUs. 1 turns it off.", minimum=1),
)

AUTOSCALING = (
    Field(
        "owner",
        "choice",
        "Who sets V(replicas) after the first apply; other than V(none), they are not sent again.",
        "none",
        choices=SCALERS,
    ),
)

ROLE_TEMPLATE = (Field("pod_spec", "object", "Merged into this role's pod spec, after the component's own."),)

COMPONENT = (
    Field("name", "dns_label", "Name, unique in the workload.", required=True),
    Field(
        "role",
        "choice",
        "What it does; V(worker), V(prefill) and V(decode) run the model, the others take no GPUs.",
        "worker",
        choices=ROLES,
    ),
    Field("replicas", "int", "Engines (or frontends).", 1, maximum=10_000),
    Field("node_count", "int", "Machines per engine.", 1, minimum=1, maximum=10_000),
    Field(
        "gpus_per_node",
        "int",
        "GPUs that each rank takes.",
        minimum=1,
        maximum=1024,
        default_doc="the GPU count on which all matching machines agree",
    ),
    Field("gpu_resource", "resource_name", "Extended resource that counts as a GPU.", GPU_RESOURCE),
    Field("parallelism", "map", "Degrees of each engine.", {}, fields=PARALLELISM),
    Field("spread", "bool", "One rank per machine.", default_doc="true where node_count is more than 1"),
    Field(
        "engine_config",
        "object",
        "The backend's own configuration file; what it says about the degrees must agree with C(parallelism).",
        {},
    ),
    Field("args", "strings", "Added after the arguments that are derived.", ()),
    Field(
        "command",
        "strings",
        "Program to start instead of the backend's own; a program, not a shell.",
        (),
        default_doc="C(python3 -m dynamo.<backend>), and on the native API the engine's own server",
    ),
    Field("env", "env", "Environment, over the workload's.", ()),
    Field(
        "resources",
        "map",
        "Besides GPUs: cpu is requested, memory is requested and limited.",
        {},
        fields=(
            Field("cpu", "quantity", "CPUs per rank."),
            Field("memory", "quantity", "Memory per rank."),
        ),
    ),
    Field("shared_memory", "quantity", "Size of /dev/shm in every rank.", "16Gi"),
    Field("startup_timeout", "duration", "How long a model may load before its probes give up.", 7200, minimum=1),
    Field("autoscaling", "map", "Whether something else scales it.", {}, fields=AUTOSCALING),
    Field("min_available", "int", "Engines that are scheduled as one gang (Grove only).", minimum=1, maximum=10_000),
    Field("node_selector", "labels", "Node labels, over the workload's.", {}),
    Field("tolerations", "objects", "Tolerations, after the workload's.", ()),
    Field("pod_spec", "object", "Strategic merge into the pod spec, last: containers, env and volumes by name.", {}),
    Field("leader", "map", "Only for the leader, on targets that can tell them apart.", {}, fields=ROLE_TEMPLATE),
    Field("worker", "map", "Only for the other ranks, on targets that can tell them apart.", {}, fields=ROLE_TEMPLATE),
)

MODEL_CONFIG = (
    Field(
        "path",
        "string",
        "The model's C(config.json), as Hugging Face has it, on the machine that runs the module; numbers given "
        "beside it win.",
    ),
    Field("attention_heads", "int", "Attention heads.", minimum=1),
    Field("kv_heads", "int", "Key and value heads.", minimum=1),
    Field("experts", "int", "Routed experts of a mixture-of-experts model.", minimum=1),
    Field("layers", "int", "Transformer layers.", minimum=1),
    Field("parameters_b", "number", "Parameters, in billions."),
    Field("expert_parameters_b", "number", "Those of them that are in routed experts, in billions."),
    Field("dtype", "dtype", "Data type of the weights, for the memory estimate.", default_doc="unchecked"),
)

MODEL_CACHE = (
    Field("type", "choice", "Where the weights are.", "pvc", choices=CACHE_TYPES),
    Field("claim", "dns_name", "PersistentVolumeClaim (type pvc)."),
    Field("create", "bool", "Create the claim (type pvc).", False),
    Field("size", "quantity", "Size of a created claim."),
    Field("storage_class", "dns_name", "Storage class of a created claim.", default_doc="the cluster's default"),
    Field("server", "string", "NFS server (type nfs)."),
    Field("path", "string", "Exported path (type nfs) or path on the machine (type host_path)."),
    Field("mount_path", "abs_path", "Where it is mounted.", "/models"),
    Field("read_only", "bool", "Mount it read-only.", default_doc="true unless the claim is created"),
)

COMPILATION_CACHE = (
    Field("claim", "dns_name", "PersistentVolumeClaim.", required=True),
    Field("mount_path", "abs_path", "Where it is mounted.", "/cache"),
)

NETWORK = (
    Field("socket_interface", "string", "NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME."),
    Field("attachments", "networks", "Secondary networks, as name or namespace/name.", ()),
    Field(
        "fabric",
        "choice",
        "What the engines talk over: V(infiniband) and V(roce) need an RDMA resource, V(efa) its own, V(mnnvl) a "
        "C(compute_domain). V(auto) leaves it to NCCL and UCX.",
        "auto",
        choices=FABRICS,
    ),
)

COMPUTE_DOMAIN = (
    Field("create", "bool", "Create it; otherwise its claim template C(<name>-channel) is there already.", True),
    Field(
        "num_nodes",
        "int",
        "Machines in the domain: the sum of replicas x node_count, or 0 where the driver counts the pods itself.",
        0,
        maximum=1000,
    ),
    Field("name", "dns_label", "Its name.", default_doc="C(<workload>-compute-domain)"),
)

ROUTER = (
    Field(
        "mode",
        "choice",
        "How the frontend picks a worker.",
        choices=ROUTER_MODES,
        default_doc="Dynamo's own, V(round-robin)",
    ),
)

TOPOLOGY = (
    Field("pack", "string", "Topology level (zone, block, rack, ...) that holds each engine whole.", required=True),
    Field("required", "bool", "Whether an engine waits until one domain can hold it.", True),
)

TIMEOUTS = (
    Field("scheduled", "duration", "From applied until all ranks are bound.", 600, minimum=1),
    Field("ready", "duration", "From applied until ready.", 7200, minimum=1),
)

WORKLOAD = (
    Field("name", "dns_label", "Name, unique with namespace.", required=True),
    Field("namespace", "dns_label", "Namespace.", "default"),
    Field("state", "choice", "V(absent) needs only name and namespace.", "present", choices=("present", "absent")),
    Field("backend", "choice", "Engine.", required=True, choices=BACKENDS),
    Field("model", "string", "Hub name, or absolute path in the model cache.", required=True),
    Field("model_revision", "string", "Revision on the hub."),
    Field("served_model_name", "string", "Name in the API.", default_doc="the model's"),
    Field("image", "image", "Runtime image.", required=True),
    Field("runtime_version", "version", "Dynamo version of an image whose tag is no version."),
    Field("orchestrator", "choice", "Over C(multinode_orchestrator).", choices=("auto", *ORCHESTRATORS)),
    Field("scheduler", "choice", "Over C(multinode_scheduler).", choices=("auto", *SCHEDULERS)),
    Field("workload_api", "choice", "Over C(multinode_workload_api).", choices=("auto", *WORKLOAD_APIS)),
    Field("gpu_product", "label_value", "Which machines, in a mixed fleet."),
    Field("queue", "dns_name", "Scheduler queue.", default_doc="V(dynamo) on KAI, V(default) on Volcano"),
    Field(
        "priority_class",
        "dns_name",
        "Priority class of the pods.",
        default_doc="KAI's V(inference) where it exists",
    ),
    Field("topology", "map", "Where each engine is packed.", fields=TOPOLOGY),
    Field("model_config", "map", "Numbers that bound the degrees; unchecked where absent.", {}, fields=MODEL_CONFIG),
    Field("model_cache", "map", "The model's weights.", fields=MODEL_CACHE),
    Field("compilation_cache", "map", "Compiled kernels.", fields=COMPILATION_CACHE),
    Field("hub_token_secret", "dns_name", "Secret with key HF_TOKEN."),
    Field("image_pull_secrets", "dns_names", "Secrets for the registry.", ()),
    Field("env", "env", "Environment: a map, or a list with valueFrom.", ()),
    Field("env_from_secrets", "dns_names", "Secrets whose keys become environment.", ()),
    Field("network", "map", "Fabric, interfaces and secondary networks.", {}, fields=NETWORK),
    Field(
        "extra_resources",
        "counts",
        "What each rank asks for besides GPUs.",
        default_doc="the machines' own, for a rank that takes all GPUs of its machine",
    ),
    Field("compute_domain", "map", "NVLink across machines (GB200-class).", fields=COMPUTE_DOMAIN),
    Field("router", "map", "Frontend routing.", {}, fields=ROUTER),
    Field("timeouts", "map", "Deadlines.", {}, fields=TIMEOUTS),
    Field("replace", "choice", "Over C(multinode_replace).", choices=REPLACE),
    Field("labels", "labels", "On every object and pod.", {}),
    Field("annotations", "annotations", "On every object and pod.", {}),
    Field("node_selector", "labels", "Node labels.", {}),
    Field("tolerations", "objects", "Tolerations.", ()),
    Field("components", "list", "What the workload consists of.", required=True, fields=COMPONENT),
)

LEVELS: Mapping[str, str] = {
    "zone": "topology.kubernetes.io/zone",
    "block": "topology.kubernetes.io/block",
    "rack": "topology.kubernetes.io/rack",
}

REGISTRY = (
    Field("mirror", "string", "Address that takes the place of every image's registry, C(registry.example:5000/team)."),
    Field("pull_secret", "dns_name", "Secret by which its images are pulled; it has to be in every namespace."),
    Field("ca_bundle", "certificates", "Certificates (PEM) that containers which get outside are to trust."),
)

PROXY = (
    Field("http", "string", "Proxy for http."),
    Field("https", "string", "Proxy for https."),
    Field(
        "no_proxy", "strings", "Besides the cluster's services: what is reached directly, the pods' network too.", ()
    ),
)

SETTINGS = (
    Field("orchestrator", "choice", "What holds an engine together.", "auto", choices=("auto", *ORCHESTRATORS)),
    Field("scheduler", "choice", "What binds the pods.", "auto", choices=("auto", *SCHEDULERS)),
    Field(
        "workload_api",
        "choice",
        "Dynamo's operator, or the orchestrator's own objects.",
        "auto",
        choices=("auto", *WORKLOAD_APIS),
    ),
    Field("dynamo_version", "version", "Dynamo's version."),
    Field("topology_levels", "levels", "Topology level to node label, outermost first.", LEVELS),
    Field("replace", "choice", "Consent to delete and recreate.", "never", choices=REPLACE),
    Field("registry", "map", "The mirror from which every image comes.", {}, fields=REGISTRY),
    Field("proxy", "map", "By what way containers get outside.", {}, fields=PROXY),
    Field("airgap", "bool", "Nothing is downloaded: charts are local archives, engines do not ask a model hub.", False),
)

MACHINE = (
    Field("name", "dns_name", "Kubernetes node name.", required=True),
    Field("gpu_count", "int", "GPUs.", required=True, maximum=1024),
    Field("gpu_product", "label_value", "As the label nvidia.com/gpu.product spells it."),
    Field("gpu_memory_gib", "int", "Memory of one GPU, in GiB.", minimum=1),
    Field("extra_resources", "counts", "What a pod that takes the whole machine asks for besides GPUs.", {}),
)
