# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a pod that are the same on every target."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS, Request
from ansible_collections.dynamo.multinode.plugins.module_utils.names import (
    COMPONENT_LABEL,
    ENGINE_CONFIG_HASH,
    MANAGED_BY,
    MANAGER,
    WORKLOAD_LABEL,
    ca_bundle_name,
    channel_name,
    compute_domain_name,
    engine_config_name,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import ComponentPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import site
from ansible_collections.dynamo.multinode.plugins.module_utils.render.merge import strategic
from ansible_collections.dynamo.multinode.plugins.module_utils.render.yaml_text import dump

LABEL_PART_OF = "app.kubernetes.io/part-of"
GROUP_KEY = "leaderworkerset.sigs.k8s.io/group-key"
GROVE_ENGINE_KEY = "grove.io/podcliquescalinggroup-replica-index"
HOSTNAME = "kubernetes.io/hostname"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
GPU_PRODUCT_LABEL = "nvidia.com/gpu.product"
CLAIM_MODES = ["ReadWriteMany"]
CONFIG_KEY = "config.yaml"
CONFIG_FOLDER = "/etc/dynamo-multinode/engine"
CONFIG_FILE = f"{CONFIG_FOLDER}/{CONFIG_KEY}"
COMPUTE_DOMAIN_API = "resource.nvidia.com/v1beta1"
CHANNEL = "compute-domain-channel"
CA_VOLUME = "ca-bundle"
# What upstream's recipes set for each fabric (examples/ and recipes/ of ai-dynamo/dynamo); the user's own env wins.
FABRICS: Mapping[str, Mapping[str, str]] = {
    "auto": {},
    "infiniband": {"NCCL_IB_DISABLE": "0"},
    "roce": {"NCCL_IB_DISABLE": "0"},
    "efa": {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1", "FI_EFA_ENABLE_SHM_TRANSFER": "0"},
    "mnnvl": {"NCCL_MNNVL_ENABLE": "1", "NCCL_CUMEM_ENABLE": "1", "UCX_CUDA_IPC_ENABLE_MNNVL": "y"},
    "tcp": {"NCCL_NET": "Socket", "NCCL_IB_DISABLE": "1", "UCX_TLS": "tcp,cuda_copy,cuda_ipc,self"},
}


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


def pod_annotations(plan: WorkloadPlan, component: ComponentPlan) -> dict[str, str]:
    annotations = dict(plan.workload.annotations)
    if plan.workload.network.attachments:
        annotations[NETWORKS] = ",".join(plan.workload.network.attachments)
    if component.component.engine_config:
        text = dump(component.component.engine_config)
        annotations[ENGINE_CONFIG_HASH] = hashlib.sha256(text.encode()).hexdigest()[:12]
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
        engine_config=CONFIG_FILE if spec.engine_config else "",
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
            derived.append(site.OFFLINE)
    derived += site.environment(plan)
    if workload.compilation_cache is not None and component.component.engine:
        for name, folder in BACKENDS[workload.backend].cache_env.items():
            derived.append({"name": name, "value": f"{workload.compilation_cache.mount_path}/{folder}"})
    if component.component.engine:
        derived += [{"name": name, "value": value} for name, value in FABRICS[workload.network.fabric].items()]
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


def claims_channel(plan: WorkloadPlan, component: ComponentPlan) -> bool:
    """Whether the component's pods take part in the workload's ComputeDomain."""
    return plan.workload.compute_domain is not None and component.component.engine


def volumes(plan: WorkloadPlan, component: ComponentPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(volumes, mounts): the model cache, the same in every component, and the component's own configuration file."""
    found, mounts = [], []
    cache = plan.workload.model_cache
    if cache is not None:
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
        found.append(volume)
        mounts.append(mount)
    if site.ca_of(plan.site.registry):
        found.append({"name": CA_VOLUME, "configMap": {"name": ca_bundle_name(plan.name)}})
        mounts.append({"name": CA_VOLUME, "mountPath": site.CA_FOLDER, "readOnly": True})
    if component.component.engine_config:
        name = engine_config_name(plan.name, component.name)
        found.append({"name": "engine-config", "configMap": {"name": name}})
        mounts.append({"name": "engine-config", "mountPath": CONFIG_FOLDER, "readOnly": True})
    return found, mounts


def companions(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """What the pods need beside them: claims, configuration files, the ComputeDomain."""
    return [*_claims(plan), *_config_maps(plan), *_certificates(plan), *_compute_domains(plan)]


def _certificates(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """The certificates that the pods trust, where the site has its own."""
    bundle = site.ca_of(plan.site.registry)
    if not bundle:
        return []
    name = metadata(plan, ca_bundle_name(plan.name))
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": {site.CA_KEY: bundle}}]


def _claims(plan: WorkloadPlan) -> list[dict[str, Any]]:
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


def _config_maps(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """The engines' own configuration files."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(plan, engine_config_name(plan.name, component.name), component),
            "data": {CONFIG_KEY: dump(component.component.engine_config)},
        }
        for component in plan.components
        if component.component.engine_config
    ]


def _compute_domains(plan: WorkloadPlan) -> list[dict[str, Any]]:
    """NVLink across machines: the controller makes the claim template that the pods name."""
    domain = plan.workload.compute_domain
    if domain is None or not domain.create:
        return []
    name = domain.name or compute_domain_name(plan.name)
    template = {"name": channel_name(name)}
    spec = {"numNodes": domain.num_nodes, "channel": {"allocationMode": "Single", "resourceClaimTemplate": template}}
    return [{"apiVersion": COMPUTE_DOMAIN_API, "kind": "ComputeDomain", "metadata": metadata(plan, name), "spec": spec}]


def main_container(
    plan: WorkloadPlan,
    component: ComponentPlan,
    command: Sequence[str],
    args: Sequence[str],
    launch_env: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The container named main, as far as it does not depend on the target."""
    container: dict[str, Any] = {"name": "main", "image": plan.workload.image}
    if command:
        container["command"] = list(command)
    if args:
        container["args"] = list(args)
    env = environment(plan, component, launch_env)
    if env:
        container["env"] = env
    if plan.workload.env_from_secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in plan.workload.env_from_secrets]
    amounts = resources(component)
    if claims_channel(plan, component):
        amounts["claims"] = [{"name": CHANNEL}]
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
    if claims_channel(plan, component) and workload.compute_domain is not None:
        template = channel_name(workload.compute_domain.name or compute_domain_name(plan.name))
        found["resourceClaims"] = [{"name": CHANNEL, "resourceClaimTemplateName": template}]
    disks = volumes(plan, component)[0]
    if disks:
        found["volumes"] = disks
    return found


def packed_by_binding(plan: WorkloadPlan, component: ComponentPlan) -> bool:
    """Whether Grove packs the engine, and the pods need no affinity for it.

    A DynamoGraphDeployment's topologyConstraint is always required; a preference stays with the pods there.
    """
    if plan.binding is None or not component.multinode:
        return False
    return plan.pack_required or plan.choice.workload_api == "native"


def affinity(plan: WorkloadPlan, component: ComponentPlan, selector: Mapping[str, str]) -> dict[str, Any]:
    """One rank per machine, and one topology domain per engine, engine by engine.

    A key of matchLabelKeys that a pod lacks is ignored, so the same terms work under LWS and Grove. The selector must
    match the pod itself: a required affinity that matches no pod blocks the first one for ever.
    """
    found: dict[str, Any] = {}
    if not component.multinode:
        return found
    keys = {"leaderworkerset": [GROUP_KEY], "podcliqueset": [GROVE_ENGINE_KEY]}.get(
        plan.api, [GROUP_KEY, GROVE_ENGINE_KEY]
    )

    def term(key: str) -> dict[str, Any]:
        return {
            "labelSelector": {"matchLabels": dict(selector)},
            "matchLabelKeys": list(keys),
            "topologyKey": key,
        }

    if plan.pack_label and not packed_by_binding(plan, component):
        if plan.pack_required:
            found["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term(plan.pack_label)]}
        else:
            weighted = {"weight": 100, "podAffinityTerm": term(plan.pack_label)}
            found["podAffinity"] = {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}
    if component.spread:
        found["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term(HOSTNAME)]}
    return found


def patched(spec: Mapping[str, Any], *patches: Mapping[str, Any]) -> dict[str, Any]:
    """The user's pod_spec over ours, last; what it limits is requested too."""
    found = dict(spec)
    for patch in patches:
        found = strategic(found, patch)
    return f57_requests(found)


def f57_requests(spec: Mapping[str, Any]) -> dict[str, Any]:
    """F57: every container requests what it is limited to. The API server does so for pods, but schedulers that read
    templates (LWS for Volcano's minResources) would see nothing, and let a hopeless gang in."""
    return {**spec, "containers": [_requesting(container) for container in spec["containers"]]}


def _requesting(container: Mapping[str, Any]) -> dict[str, Any]:
    amounts = container.get("resources") or {}
    limits, requests = amounts.get("limits") or {}, amounts.get("requests") or {}
    missing = {name: amount for name, amount in limits.items() if name not in requests}
    if not missing:
        return dict(container)
    return {**container, "resources": {**amounts, "requests": {**requests, **missing}}}
