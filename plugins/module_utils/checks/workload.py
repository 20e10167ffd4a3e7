# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a workload as a whole, whatever it is rendered to (stage spec)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.given import gpu_slice, is_gpu
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Settings, Workload

EXCLUSIVE_TOPOLOGY = "leaderworkerset.sigs.k8s.io/exclusive-topology"
HOSTNAME = "kubernetes.io/hostname"
SHM = "/dev/shm"
RESERVED = ("dynamo.multinode/", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of")
EFA = "vpc.amazonaws.com/efa"
# How device plugins call what carries RDMA (the Network Operator's, SR-IOV and host device ones).
_RDMA = ("rdma", "sriov", "hostdev", "mlnx", "infiniband", "roce")
PRIORITY = ("priorityClassName", "kai.scheduler/preemptibility")
DERIVED = {
    "nvidia.com/enable-grove": "orchestrator",
    "nvidia.com/kai-scheduler-queue": "queue",
    "nvidia.com/volcano-queue": "queue",
    "scheduling.volcano.sh/queue-name": "queue",
    "kai.scheduler/queue": "queue",
    "k8s.v1.cni.cncf.io/networks": "network.attachments",
}


def roles_complete(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """Something has to run the model, and prefill hands over to decode."""
    roles = {component.role for component in workload.components}
    if not any(component.engine for component in workload.components):
        yield Issue(("components",), None, "have no worker, prefill or decode: nothing would run the model", "")
    if "prefill" in roles and "decode" not in roles:
        yield Issue(("components",), None, "have prefill without decode: nothing would take over from it", "")


def single_roles(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """One endpoint picker and one planner, of one pod each: the operator refuses more, or they fight each other."""
    for role in ("epp", "planner"):
        found = [component for component in workload.components if component.role == role]
        for component in found[1:]:
            message = f"is a second {role} beside {found[0].name!r}; a workload takes one"
            yield Issue(("components", component.name, "role"), role, message, "")
        for component in found:
            if component.replicas > 1:
                message = f"is {component.replicas}; 1, for there is one {role} per workload"
                yield Issue(("components", component.name, "replicas"), component.replicas, message, "")


def min_available(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """A gang of more engines than there are waits for ever."""
    for component in workload.components:
        least = component.min_available
        if least is not None and least > component.replicas:
            message = f"is {least}, more than there are replicas ({component.replicas})"
            yield Issue(("components", component.name, "min_available"), least, message, "")


def compute_domain_nodes(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """A domain of another number of machines than its pods take never reports ready."""
    domain = workload.compute_domain
    if domain is None or not domain.num_nodes:
        return
    path, given = ("compute_domain", "num_nodes"), domain.num_nodes
    if not domain.create:
        yield Issue(path, given, "means something only with create", "")
        return
    engines = [component for component in workload.components if component.engine]
    scaled = [component.name for component in engines if component.scaled]
    if scaled:
        message = f"is {given}, but {', '.join(scaled)} is scaled by something else, so that the sum changes: 0"
        yield Issue(path, given, message, "")
        return
    total = sum(component.replicas * component.node_count for component in engines)
    if given != total:
        terms = " + ".join(f"{c.replicas} x {c.node_count} ({c.name})" for c in engines)
        message = f"is {given}, but the engines take {terms} = {total} machines: {total}, or 0 to let the driver count"
        yield Issue(path, given, message, "")


def f55_fabric_domain(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F55: NVLink across machines needs a ComputeDomain, whose channel the pods claim."""
    if workload.network.fabric == "mnnvl" and workload.compute_domain is None:
        message = "is 'mnnvl', NVLink across machines, which needs a ComputeDomain: add compute_domain: {create: true}"
        yield Issue(("network", "fabric"), "mnnvl", message, "MN-F55")


def f99_fabric_resource(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F99: a fabric whose devices no rank asks for: NCCL and NIXL would quietly use TCP."""
    fabric = workload.network.fabric
    if fabric not in ("infiniband", "roce", "efa"):
        return
    for component in workload.components:
        if not component.multinode or _sees_host_devices(component.pod_spec):
            continue
        names = [name for name, count in component.extra_resources.items() if count]
        if fabric == "efa":
            there, needed = EFA in names, EFA
        else:
            there, needed = any(word in name.lower() for name in names for word in _RDMA), "an RDMA resource (rdma/...)"
        if not there:
            asked = ", ".join(names) or "nothing besides GPUs"
            message = (
                f"is {fabric!r}, which needs {needed}, but {component.name} asks for {asked} and would quietly talk "
                "over TCP: set extra_resources (or those of the machines, for ranks that take whole ones)"
            )
            yield Issue(("network", "fabric"), fabric, message, "MN-F99")
            return


def _sees_host_devices(pod_spec: Mapping[str, Any]) -> bool:
    """Whether the pod was made privileged by hand, so that it needs no device plugin."""
    for item in pod_spec.get("containers") or ():
        context = item.get("securityContext") if isinstance(item, Mapping) else None
        if isinstance(context, Mapping) and context.get("privileged"):
            return True
    return False


def f17_extra_resources(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F17: GPUs, or slices of them, on top of those that are counted."""
    names = {name: count for c in workload.components for name, count in c.extra_resources.items()}
    for name, count in names.items():
        if is_gpu(name):
            kind = gpu_slice(name) or "a GPU"
            message = f"is {kind}, which would come on top of gpus_per_node: use gpus_per_node and gpu_resource"
            yield Issue(("extra_resources", name), count, message, "MN-F17")


def f12_cache_mounts(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F12: the operator replaces any mount at /dev/shm; and of two mounts at one place Kubernetes refuses both."""
    model, compiled = workload.model_cache, workload.compilation_cache
    for key, cache in (("model_cache", model), ("compilation_cache", compiled)):
        if cache is not None and cache.mount_path.rstrip("/") == SHM:
            message = "is /dev/shm, which is made from `shared_memory` (the operator replaces any other): another path"
            yield Issue((key, "mount_path"), cache.mount_path, message, "MN-F12")
    if model and compiled and model.mount_path.rstrip("/") == compiled.mount_path.rstrip("/"):
        message = f"is {compiled.mount_path!r}, where the model cache is mounted: another path"
        yield Issue(("compilation_cache", "mount_path"), compiled.mount_path, message, "")


def f111_priority_labels(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F111: priority by labels, which Grove from alpha.13 does not carry to the gang."""
    for where, given in (("labels", workload.labels), ("annotations", workload.annotations)):
        for key, value in given.items():
            if key in PRIORITY:
                message = f"is {value!r}, which does not reach the gang with newer Grove: use `priority_class`"
                yield Issue((where, key), value, message, "MN-F111")


def derived_metadata(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """Labels and annotations that are written from other keys, or by which our objects are found."""
    for where, given in (("labels", workload.labels), ("annotations", workload.annotations)):
        for key, value in given.items():
            if key in DERIVED:
                message = f"is written from `{DERIVED[key]}`: set that instead"
                yield Issue((where, key), value, message, "")
            elif where == "labels" and key.startswith(RESERVED):
                yield Issue((where, key), value, "is how this collection finds its own objects; another key", "")


def f18_exclusive_topology(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F18: with Volcano the workers wait for the leader, and the gang for the workers."""
    if EXCLUSIVE_TOPOLOGY in workload.annotations:
        message = "deadlocks with gang scheduling: use topology.pack"
        value = workload.annotations[EXCLUSIVE_TOPOLOGY]
        yield Issue(("annotations", EXCLUSIVE_TOPOLOGY), value, message, "MN-F18")


def f54_host_level(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F54: packing into one host contradicts one rank per machine."""
    topology = workload.topology
    if topology is None or settings.topology_levels.get(topology.pack) != HOSTNAME:
        return
    if any(component.multinode for component in workload.components):
        message = f"is {topology.pack!r}, a single machine: an engine of several machines cannot be packed into it"
        yield Issue(("topology", "pack"), topology.pack, message, "MN-F54")


def revision_supported(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """dynamo.trtllm has no flag for a revision; leaving it out quietly would serve another model."""
    if workload.backend == "trtllm" and workload.model_revision:
        message = "cannot be passed to TensorRT-LLM: put that revision into the model cache, and its path as model"
        yield Issue(("model_revision",), workload.model_revision, message, "")


WORKLOAD_CHECKS = (
    roles_complete,
    single_roles,
    min_available,
    compute_domain_nodes,
    derived_metadata,
    f12_cache_mounts,
    f17_extra_resources,
    f18_exclusive_topology,
    f54_host_level,
    f55_fabric_domain,
    f99_fabric_resource,
    f111_priority_labels,
    revision_supported,
)
