# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_registry and multinode_proxy as chart values: the keys by which each chart names its images, pull secrets,
proxy and certificates, with their sources; and what a chart has no key for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import (
    CA_KEY,
    ca_of,
    image,
    mirror_of,
    mirrored,
    proxy_env,
    pull_secret_of,
    repository,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

__all__ = [
    "KEYS",
    "Keys",
    "airgap_refusal",
    "ca_config_map",
    "ca_name",
    "image",
    "notes",
    "outside",
    "proxy_env",
    "pull_secrets",
    "repository",
    "values",
]

_GHCR_KAI = "ghcr.io/kai-scheduler/kai-scheduler"
_GHCR_GROVE = "ghcr.io/ai-dynamo/grove"
_NGC = "nvcr.io/nvidia"
_MELLANOX = "nvcr.io/nvidia/mellanox"


@dataclass(frozen=True)
class Keys:
    """The keys of one chart, dotted; an upstream name may hold dots only in the value, never in the key.

    source: chart and file that have them. images: key -> upstream's repository of one image, without tag. prefixes:
    key -> what stands in front of an image's name. names, objects, text: keys of the pull secret, as a list of names,
    a list of ``{name: ...}``, or one name. env: keys that take a list of variables. env_beside: what those lists hold
    besides, because a list of ours takes the place of the chart's. ca: keys that take a ConfigMap's name. flags:
    values that have to go with a mirror. missing: what the chart has no key for, and what to do about it.
    """

    source: str
    images: Mapping[str, str]
    prefixes: Mapping[str, str]
    names: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    ca: tuple[str, ...] = ()
    flags: Mapping[str, Any] | None = None
    missing: tuple[tuple[str, str, str], ...] = ()


# What the GPU operator deploys, with the part in front of each image's name
_GPU_OPERANDS: Mapping[str, str] = {
    "operator": _NGC,
    "validator": _NGC,
    "driver": _NGC,
    "driver.manager": f"{_NGC}/cloud-native",
    "toolkit": f"{_NGC}/k8s",
    "devicePlugin": _NGC,
    "dcgm": f"{_NGC}/cloud-native",
    "dcgmExporter": f"{_NGC}/k8s",
    "gfd": _NGC,
    "migManager": f"{_NGC}/cloud-native",
    "nodeStatusExporter": _NGC,
    "gds": f"{_NGC}/cloud-native",
    "gdrcopy": f"{_NGC}/cloud-native",
    "vgpuManager.driverManager": f"{_NGC}/cloud-native",
    "vgpuDeviceManager": f"{_NGC}/cloud-native",
    "vfioManager": f"{_NGC}/cloud-native",
    "vfioManager.driverManager": f"{_NGC}/cloud-native",
    "sandboxDevicePlugin": _NGC,
    "kataSandboxDevicePlugin": f"{_NGC}/cloud-native",
    "ccManager": f"{_NGC}/cloud-native",
    "draDriver": _NGC,
}
# Init containers, which pull by their pod's secrets
_WITHOUT_SECRETS = ("driver.manager", "vgpuManager.driverManager", "vfioManager.driverManager")
_NO_PROXY_KEY = "multinode_proxy"
_NO_CA_KEY = "multinode_registry.ca_bundle"
_INSIDE_ONLY = "nothing: this operator talks to the API server only"

KEYS: Mapping[str, Keys] = {
    "gpu_operator": Keys(
        source="gpu-operator v26.7.0: deployments/gpu-operator/values.yaml, templates/{operator,clusterpolicy}.yaml",
        images={"node-feature-discovery.image.repository": "registry.k8s.io/nfd/node-feature-discovery"},
        prefixes={f"{name}.repository": prefix for name, prefix in _GPU_OPERANDS.items()},
        names=tuple(
            f"{name}.imagePullSecrets" for name in (*_GPU_OPERANDS, "vgpuManager") if name not in _WITHOUT_SECRETS
        ),
        objects=("node-feature-discovery.imagePullSecrets",),
        env=("operator.env", "driver.env"),
        ca=("driver.certConfig.name",),
    ),
    "network_operator": Keys(
        source="network-operator v26.4.1: deployment/network-operator/values.yaml, templates/operator.yaml",
        images={"node-feature-discovery.image.repository": f"{_MELLANOX}/node-feature-discovery"},
        prefixes={
            "operator.repository": f"{_NGC}/cloud-native",
            "operator.ofedDriver.initContainer.repository": _MELLANOX,
            "maintenance-operator-chart.operator.image.repository": _MELLANOX,
        },
        names=("imagePullSecrets", "sriov-network-operator.imagePullSecrets"),
        objects=("node-feature-discovery.imagePullSecrets", "maintenance-operator-chart.imagePullSecrets"),
        missing=(
            (
                "mirror",
                "the SR-IOV operator's images are whole references with a tag (sriov-network-operator.images.*)",
                "with sriovNetworkOperator.enabled, name them in network_operator_values; artifacts.yml lists them",
            ),
            (
                "proxy",
                "the chart takes no environment for the operator",
                "nothing: the driver container gets it by the NicClusterPolicy",
            ),
            (
                "ca",
                "the chart takes no certificates",
                "nothing: the driver container gets them by the NicClusterPolicy",
            ),
        ),
    ),
    "kai_scheduler": Keys(
        source="KAI-Scheduler v0.17.0: deployments/kai-scheduler/values.yaml, templates/_helpers.tpl",
        images={},
        prefixes={"global.registry": _GHCR_KAI},
        objects=("global.imagePullSecrets",),
        missing=(
            ("proxy", "the chart takes no environment", _INSIDE_ONLY),
            ("ca", "the chart takes no certificates", _INSIDE_ONLY),
        ),
    ),
    "grove": Keys(
        source="grove v0.1.0-alpha.12-rc1: operator/charts/values.yaml, templates/deployment.yaml, "
        ".github/workflows/push-artifacts.yaml",
        images={
            "image.repository": f"{_GHCR_GROVE}/grove-operator",
            "crdInstaller.image.repository": f"{_GHCR_GROVE}/grove-install-crds",
            # Without a tag: the operator appends its own version (podclique/components/pod/initcontainer.go)
            "deployment.env[GROVE_INIT_CONTAINER_IMAGE]": f"{_GHCR_GROVE}/grove-initc",
        },
        prefixes={},
        objects=("imagePullSecrets",),
        missing=(
            ("proxy", "the operator needs none", _INSIDE_ONLY),
            ("ca", "the chart takes no certificates", _INSIDE_ONLY),
        ),
    ),
    "volcano": Keys(
        source="volcano v1.14.1: installer/helm/chart/volcano/values.yaml and templates",
        images={},
        prefixes={"basic.image_registry": "docker.io"},
        text=("basic.image_pull_secret",),
        missing=(
            (
                "mirror",
                "with custom.metrics_enable the chart brings images by fixed names (prom/prometheus, grafana/grafana, "
                "kube-state-metrics)",
                "leave custom.metrics_enable off, or let the nodes' container runtime map docker.io to the mirror",
            ),
            ("proxy", "the chart takes no environment", _INSIDE_ONLY),
            ("ca", "the chart takes no certificates", _INSIDE_ONLY),
        ),
    ),
    "lws": Keys(
        source="lws v0.8.0: charts/lws/values.yaml, templates/manager/deployment.yaml",
        images={"image.manager.repository": "registry.k8s.io/lws/lws"},
        prefixes={},
        objects=("imagePullSecrets",),
        missing=(
            ("proxy", "the chart takes no environment", _INSIDE_ONLY),
            ("ca", "the chart takes no certificates", _INSIDE_ONLY),
        ),
    ),
    "dynamo_platform": Keys(
        source="dynamo: deploy/helm/charts/platform/values.yaml, components/operator/values.yaml and templates",
        images={
            "dynamo-operator.controllerManager.manager.image.repository": f"{_NGC}/ai-dynamo/kubernetes-operator",
            # Gone from 1.4's chart, where the key is ignored
            "dynamo-operator.controllerManager.kubeRbacProxy.image.repository": "gcr.io/kubebuilder/kube-rbac-proxy",
            "nats.container.image.repository": "docker.io/library/nats",
            "nats.reloader.image.repository": "docker.io/natsio/nats-server-config-reloader",
            "nats.promExporter.image.repository": "docker.io/natsio/prometheus-nats-exporter",
            "nats.natsBox.container.image.repository": "docker.io/natsio/nats-box",
            "grove.image.repository": f"{_GHCR_GROVE}/grove-operator",
            "grove.crdInstaller.image.repository": f"{_GHCR_GROVE}/grove-install-crds",
            "grove.deployment.env[GROVE_INIT_CONTAINER_IMAGE]": f"{_GHCR_GROVE}/grove-initc",
        },
        prefixes={"etcd.image.registry": "docker.io", "kai-scheduler.global.registry": _GHCR_KAI},
        names=("nats.global.image.pullSecretNames", "etcd.image.pullSecrets"),
        objects=(
            "dynamo-operator.imagePullSecrets",
            "grove.imagePullSecrets",
            "kai-scheduler.global.imagePullSecrets",
        ),
        # Bitnami's charts refuse images from elsewhere without it.
        flags={"etcd.global.security.allowInsecureImages": True},
        missing=(
            (
                "proxy",
                "the chart's operator takes no environment in the releases that we know",
                "nothing: the operator talks to the API server only, and the engines get it in their own pods",
            ),
            (
                "ca",
                "the chart takes no certificates",
                "nothing: the engines get them in their own pods",
            ),
        ),
    ),
}


def values(component_name: str, registry: Mapping[str, Any], proxy: Mapping[str, Any]) -> dict[str, Any]:
    """The chart values that make a component pull from the mirror, with the pull secret, the proxy and certificates.

    Under the user's own values. Empty without a mirror, secret, proxy or certificates, and for charts unknown here.
    """
    keys = KEYS.get(component_name)
    found: dict[str, Any] = {}
    if keys is None:
        return found
    if mirror_of(registry):
        for key, upstream in keys.images.items():
            _put(found, key, image(upstream, registry))
        for key, upstream in keys.prefixes.items():
            _put(found, key, repository(upstream, registry))
        for key, value in (keys.flags or {}).items():
            _put(found, key, value)
    secret = pull_secret_of(registry)
    if secret:
        for key in keys.names:
            _put(found, key, [secret])
        for key in keys.objects:
            _put(found, key, [{"name": secret}])
        for key in keys.text:
            _put(found, key, secret)
    variables = proxy_env(proxy)
    if variables:
        for key in keys.env:
            _put(found, key, [dict(entry) for entry in variables])
    if ca_of(registry):
        for key in keys.ca:
            _put(found, key, ca_name(component_name, registry))
    return found


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    """``a.b.c`` -> tree["a"]["b"]["c"]; ``a.b[NAME]`` -> an entry {name: NAME, value: value} of the list there."""
    path, bracket, name = key.partition("[")
    *folders, last = path.split(".")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    if bracket:
        tree.setdefault(last, []).append({"name": name.rstrip("]"), "value": value})
    else:
        tree[last] = value


def notes(component_name: str, registry: Mapping[str, Any], proxy: Mapping[str, Any]) -> tuple[Finding, ...]:
    """MN-N20: what was asked for, and this component's chart has no key for. Said, never dropped."""
    keys = KEYS.get(component_name)
    asked = {
        "mirror": bool(mirror_of(registry)),
        "proxy": bool(proxy_env(proxy)),
        "ca": bool(ca_of(registry)),
    }
    if keys is None:
        if not any(asked.values()) and not pull_secret_of(registry):
            return ()
        message = (
            f"the chart of {component_name} is not known here: multinode_registry and multinode_proxy do not reach it"
        )
        return (Finding("MN-N20", "warning", component_name, message, f"set its values in {component_name}_values"),)
    variable = {"mirror": "multinode_registry.mirror", "proxy": _NO_PROXY_KEY, "ca": _NO_CA_KEY}
    return tuple(
        Finding("MN-N20", "note", component_name, f"{variable[what]}: {message}", remedy)
        for what, message, remedy in keys.missing
        if asked[what]
    )


def airgap_refusal(component_name: str, chart: str, version: str) -> Finding:
    """MN-N21: helm would have to download a chart. ``chart``: as it was asked for, no local archive or folder."""
    archive = f"{chart.rstrip('/').rpartition('/')[2] or component_name}-{version}.tgz"
    return Finding(
        "MN-N21",
        "error",
        component_name,
        f"helm would download chart {chart} {version}, and multinode_airgap is on",
        f"download it elsewhere (playbooks/artifacts.yml says how), and name it as {component_name}_chart: "
        f"/path/to/{archive}",
    )


def pull_secrets(registry: Mapping[str, Any]) -> list[str]:
    """For custom resources that list pull secrets by name."""
    secret = pull_secret_of(registry)
    return [secret] if secret else []


def ca_name(component_name: str, registry: Mapping[str, Any]) -> str:
    """The ConfigMap for custom resources that take certificates by name (``certConfig``); "" without any.

    One for each component: two in one namespace come and go on their own.
    """
    return f"dynamo-multinode-ca-{component_name.replace('_', '-')}" if ca_of(registry) else ""


def ca_config_map(component_name: str, namespace: str, registry: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The ConfigMap that ``ca_name`` speaks of, where a component's driver container is to trust the certificates.

    Each key becomes a file in the container's trust store (gpu-operator: driver.certConfig).
    """
    if not ca_of(registry) or component_name not in ("gpu_operator", "network_operator"):
        return ()
    metadata = {"name": ca_name(component_name, registry), "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}
    return ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {CA_KEY: ca_of(registry)}},)


def outside(objects: Any, registry: Mapping[str, Any]) -> list[str]:
    """The images in these rendered objects that the mirror does not serve, each with its place; nothing without one.

    Containers, environment variables that name images for an operator, and repository/image pairs of custom resources.
    """
    if not mirror_of(registry):
        return []
    found = []
    for obj in objects:
        if isinstance(obj, Mapping):
            metadata = obj.get("metadata") or {}
            what = f"{obj.get('kind')} {metadata.get('name')}"
            found += [f"{what}: {name}" for name in dict.fromkeys(named(obj)) if not mirrored(name, registry)]
    return found


def named(obj: Any) -> Iterator[str]:
    """Every image or repository that an object names, in order, also more than once."""
    if isinstance(obj, Mapping):
        source, name = obj.get("repository"), obj.get("image")
        if isinstance(source, str) and source and isinstance(name, str) and name:
            yield _joined(source, name, obj.get("version") or obj.get("tag"))
        elif isinstance(name, str) and name:
            yield name
        variable, value = obj.get("name"), obj.get("value")
        if (
            isinstance(variable, str)
            and isinstance(value, str)
            and value
            and variable.endswith(("_IMAGE", "_REPOSITORY"))
        ):
            yield value
        volume = obj.get("reference")
        if isinstance(volume, str) and volume and set(obj) <= {"reference", "pullPolicy"}:
            yield volume
        for key, below in obj.items():
            # Upstream's own examples, kept in an annotation or a schema, run nothing.
            if key not in ("annotations", "openAPIV3Schema"):
                yield from named(below)
    elif isinstance(obj, (list, tuple)):
        for item in obj:
            yield from named(item)


def _joined(source: str, name: str, version: Any) -> str:
    tag = str(version or "")
    if tag.startswith("sha256:"):
        return f"{source}/{name}@{tag}"
    return f"{source}/{name}:{tag}" if tag else f"{source}/{name}"
