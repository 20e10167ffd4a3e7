# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a pod that are the same on every target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS, Request
from ansible_collections.dynamo.multinode.plugins.module_utils.names import (
    COMPONENT_LABEL,
    MANAGED_BY,
    MANAGER,
    WORKLOAD_LABEL,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render.merge import strategic

LABEL_PART_OF = "app.kubernetes.io/part-of"
GROUP_KEY = "leaderworkerset.sigs.k8s.io/group-key"
GROVE_ENGINE_KEY = "grove.io/podcliquescalinggroup-replica-index"
HOSTNAME = "kubernetes.io/hostname"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
GPU_PRODUCT_LABEL = "nvidia.com/gpu.product"
CLAIM_MODES = ["ReadWriteMany"]


def own_labels(plan: WorkloadPlan, component: ComponentPlan | None = None) -> dict[str, str]:
    """The labels by which everything of ours is found."""
    labels = {
        MANAGED_BY: MANAGER,
        LABEL_PART_OF: plan.name,
        WORKLOAD_LABEL: plan.name,
    }
    if component is not None:
        labels[COMPONENT_LABEL] = component.name
    return labels


def metadata(plan: WorkloadPlan, name: str, component: ComponentPlan | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "namespace": plan.namespace,
        "labels": {**plan.workload.labels, **own_labels(plan, component)},
    }
    if plan.workload.annotations:
        found["annotations"] = dict(plan.workload.annotations)
    return found


def pod_annotations(plan: WorkloadPlan) -> dict[str, str]:
    annotations = dict(plan.workload.annotations)
    if plan.workload.network.attachments:
        annotations[NETWORKS] = ",".join(plan.workload.network.attachments)
    return annotations


def request(plan: WorkloadPlan, component: ComponentPlan) -> Request:
    """What the backend needs to know about one engine."""
    workload, spec = plan.workload, component.component
    if spec.degrees is None:
        raise ValueError(f"{spec.path} has no degrees")
    roles = {other.role for other in workload.components}
    disaggregated = spec.role if spec.role in ("prefill", "decode") and {"prefill", "decode"} <= roles else ""
    return Request(
        model=workload.model,
        degrees=spec.degrees,
        node_count=spec.node_count,
        gpus_per_node=spec.gpus_per_node,
        served_model_name=workload.served_model_name,
        model_revision=workload.model_revision,
        disaggregated=disaggregated,
        args=spec.args,
        command=spec.command,
    )


def environment(
    plan: WorkloadPlan, component: ComponentPlan, launch_env: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Ours, then the workload's, then the component's; the later wins, and keeps its place in the order."""
    workload = plan.workload
    derived: list[Mapping[str, Any]] = [*launch_env]
    if workload.hub_token_secret:
        reference = {"secretKeyRef": {"name": workload.hub_token_secret, "key": "HF_TOKEN"}}
        derived.append({"name": "HF_TOKEN", "valueFrom": reference})
    cache = workload.model_cache
    if cache is not None and not workload.model.startswith("/"):
        derived.append({"name": "HF_HOME", "value": cache.mount_path})
        if cache.read_only:
            # The hub client writes locks and references into its cache unless it is offline.
            derived.append({"name": "HF_HUB_OFFLINE", "value": "1"})
    if workload.compilation_cache is not None and component.component.engine:
        for name, folder in BACKENDS[workload.backend].cache_env.items():
            derived.append({"name": name, "value": f"{workload.compilation_cache.mount_path}/{folder}"})
    if workload.network.socket_interface:
        for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
            derived.append({"name": name, "value": workload.network.socket_interface})
    found: dict[str, dict[str, Any]] = {}
    for entry in (*derived, *workload.env, *component.component.env):
        found.pop(entry["name"], None)
        found[entry["name"]] = dict(entry)
    return list(found.values())


def resources(component: ComponentPlan) -> dict[str, Any]:
    """GPUs (and other extended resources) as requests and limits: Volcano sums up only requests."""
    spec = component.component
    extended: dict[str, str] = {}
    if spec.gpus_per_node:
        extended[spec.gpu_resource] = str(spec.gpus_per_node)
    extended.update({name: str(count) for name, count in spec.extra_resources.items() if count})
    requests, limits = dict(extended), dict(extended)
    if spec.resources.cpu:
        requests["cpu"] = spec.resources.cpu
    if spec.resources.memory:
        requests["memory"] = limits["memory"] = spec.resources.memory
    found = {}
    if limits:
        found["limits"] = limits
    if requests:
        found["requests"] = requests
    return found


def volumes(plan: WorkloadPlan, component: ComponentPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(volumes, mounts) of the model cache; the same in every component."""
    cache = plan.workload.model_cache
    if cache is None:
        return [], []
    volume: dict[str, Any] = {"name": "model-cache"}
    if cache.type == "pvc":
        volume["persistentVolumeClaim"] = {"claimName": cache.claim}
    elif cache.type == "nfs":
        volume["nfs"] = {"server": cache.server, "path": cache.path}
        if cache.read_only:
            volume["nfs"]["readOnly"] = True
    else:
        volume["hostPath"] = {"path": cache.path, "type": "Directory"}
    mount: dict[str, Any] = {"name": "model-cache", "mountPath": cache.mount_path}
    if cache.read_only:
        mount["readOnly"] = True
    return [volume], [mount]


def claims(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """The claims that the workload asks us to create."""
    cache = plan.workload.model_cache
    if cache is None or not cache.create or cache.type != "pvc":
        return []
    spec: dict[str, Any] = {
        "accessModes": list(CLAIM_MODES),
        "resources": {"requests": {"storage": cache.size}},
    }
    if cache.storage_class:
        spec["storageClassName"] = cache.storage_class
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(plan, cache.claim or ""),
            "spec": spec,
        }
    ]


def main_container(
    plan: WorkloadPlan,
    component: ComponentPlan,
    command: Sequence[str],
    args: Sequence[str],
    launch_env: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The container named main, as far as it does not depend on the target."""
    container: dict[str, Any] = {
        "name": "main",
        "image": plan.workload.image,
        "command": list(command),
        "args": list(args),
    }
    env = environment(plan, component, launch_env)
    if env:
        container["env"] = env
    if plan.workload.env_from_secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in plan.workload.env_from_secrets]
    amounts = resources(component)
    if amounts:
        container["resources"] = amounts
    if any(name.startswith("rdma/") for name in component.component.extra_resources):
        container["securityContext"] = {"capabilities": {"add": ["IPC_LOCK"]}}
    mounts = volumes(plan, component)[1]
    if mounts:
        container["volumeMounts"] = mounts
    return container


def pod_spec(
    plan: WorkloadPlan, component: ComponentPlan, container: Mapping[str, Any], selector: Mapping[str, str]
) -> dict[str, Any]:
    """The pod around the main container. ``selector``: labels that all pods of this component carry."""
    workload, spec = plan.workload, component.component
    found: dict[str, Any] = {"containers": [dict(container)]}
    selected = {**workload.node_selector, **spec.node_selector}
    if component.gpus_per_node and workload.gpu_product:
        selected.setdefault(GPU_PRODUCT_LABEL, workload.gpu_product)
    if selected:
        found["nodeSelector"] = selected
    tolerations = [dict(item) for item in (*workload.tolerations, *spec.tolerations)]
    if tolerations:
        found["tolerations"] = tolerations
    terms = affinity(plan, component, selector)
    if terms:
        found["affinity"] = terms
    if workload.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": name} for name in workload.image_pull_secrets]
    disks = volumes(plan, component)[0]
    if disks:
        found["volumes"] = disks
    return found


def affinity(plan: WorkloadPlan, component: ComponentPlan, selector: Mapping[str, str]) -> dict[str, Any]:
    """One rank per machine, and one topology domain per engine, engine by engine.

    A key of matchLabelKeys that a pod lacks is ignored, so the same terms work under LWS and Grove. The selector must
    match the pod itself: a required affinity that matches no pod blocks the first one for ever.
    """
    found: dict[str, Any] = {}
    if not component.multinode:
        return found

    def term(key: str) -> dict[str, Any]:
        return {
            "labelSelector": {"matchLabels": dict(selector)},
            "matchLabelKeys": [GROUP_KEY] if plan.choice.workload_api == "native" else [GROUP_KEY, GROVE_ENGINE_KEY],
            "topologyKey": key,
        }

    if plan.pack_label:
        if plan.pack_required:
            found["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term(plan.pack_label)]}
        else:
            weighted = {"weight": 100, "podAffinityTerm": term(plan.pack_label)}
            found["podAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}
    if component.spread:
        found["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term(HOSTNAME)]}
    return found


def patched(spec: Mapping[str, Any], *patches: Mapping[str, Any]) -> dict[str, Any]:
    """The user's pod_spec over ours, last."""
    found = dict(spec)
    for patch in patches:
        found = strategic(found, patch)
    return found
