# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images and which chart each component's version consists of, with the sources: for a mirror.

Where a version is not among those that were looked up, the images that follow the component's own version are exact,
and the others are those of the nearest version, marked so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components import network_images

Block = Mapping[str, Any]
_NGC = "nvcr.io/nvidia"
_NATIVE = f"{_NGC}/cloud-native"
_K8S = f"{_NGC}/k8s"
_MELLANOX = f"{_NGC}/mellanox"
_KAI = "ghcr.io/kai-scheduler/kai-scheduler"
_GROVE = "ghcr.io/ai-dynamo/grove"
_GPU = "gpu-operator v26.7.0: deployments/gpu-operator/values.yaml"
_GPU_CSV = "gpu-operator v26.7.0: bundle/manifests, relatedImages"
_NETWORK = "network-operator v26.4.1: hack/release.yaml, deployment/network-operator/values.yaml"
_DYNAMO = "dynamo: deploy/helm/charts/platform/values.yaml"


@dataclass(frozen=True)
class Image:
    """One image. ``when``: the setting without which it is not pulled, "" for always. ``os``: that a node's operating
    system (and architecture) belong to the tag. ``exact``: whether it was looked up for this very version."""

    reference: str
    source: str
    digest: str = ""
    when: str = ""
    exact: bool = True


@dataclass(frozen=True)
class Chart:
    """A chart as helm pulls it. ``repository`` "": ``reference`` is ``oci://``. ``version``: as upstream spells it."""

    name: str
    reference: str
    repository: str
    version: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.tgz"


# How upstream spells a chart's version where it was published (OCI tags are taken as they are)
_CHARTS: Mapping[str, tuple[str, str, str, str]] = {
    "gpu_operator": ("gpu-operator", "gpu-operator", "https://helm.ngc.nvidia.com/nvidia", "v{version}"),
    "network_operator": ("network-operator", "network-operator", "https://helm.ngc.nvidia.com/nvidia", "{version}"),
    "kai_scheduler": ("kai-scheduler", f"oci://{_KAI}/kai-scheduler", "", "v{version}"),
    "grove": ("grove-charts", f"oci://{_GROVE}/grove-charts", "", "v{version}"),
    "volcano": ("volcano", "volcano", "https://volcano-sh.github.io/helm-charts", "{version}"),
    "lws": ("lws", "oci://registry.k8s.io/lws/charts/lws", "", "{version}"),
    "dynamo_platform": (
        "dynamo-platform",
        "dynamo-platform",
        "https://helm.ngc.nvidia.com/nvidia/ai-dynamo",
        "{version}",
    ),
}
# (image without registry, tag, digest, when): tags that do not follow the operator's own version
_GPU_OPERANDS: tuple[tuple[str, str, str, str], ...] = (
    (
        f"{_K8S}/container-toolkit",
        "v1.20.0",
        "sha256:f8c647d581f7c8b178efdb7e6c94f5fb6eb12ebc05e2157fa314d327560fcb7a",
        "",
    ),
    (
        f"{_NGC}/k8s-device-plugin",
        "v0.20.0",
        "sha256:a61ba9fd8efb82f3a79f877f7580e02c1e8e7593f62473644bc9c79e315c3312",
        "",
    ),
    (
        f"{_K8S}/dcgm-exporter",
        "4.6.0-4.8.3-distroless",
        "sha256:613ab03c11d442fd960ff515f547e9921537454a712d08160bc8f677f89f1c35",
        "",
    ),
    (
        f"{_NATIVE}/k8s-mig-manager",
        "v0.15.0",
        "sha256:cab2cf9deafc9602da69d0832a82958a7687f22f4a2f19674099dc9a5c4ea8e2",
        "",
    ),
    (
        f"{_NATIVE}/k8s-driver-manager",
        "v0.12.0",
        "sha256:7d98d08a751cc528d1c8c8bdc2f9d9fcd59714b158a3985a5a0262f1620098e4",
        "",
    ),
    (f"{_NATIVE}/dcgm", "4.6.0-1-ubuntu24.04", "", "dcgm.enabled"),
    (
        f"{_NGC}/dra-driver-nvidia-gpu",
        "v0.5.0",
        "sha256:9b46984c0eb18def60e2b9817b874275f4b5b08d12d491de4f1a7b91b51d706c",
        "gpuCluster.deployCR",
    ),
    (f"{_NATIVE}/nvidia-fs", "2.29.4-{os}", "", "gds.enabled"),
    (f"{_NATIVE}/gdrdrv", "v2.6-{os}", "", "gdrcopy.enabled"),
    (
        f"{_NATIVE}/k8s-cc-manager",
        "v0.4.3",
        "sha256:61fe0f5c45f240094667d2e63e770710450fd2fd768745ab899531284d197a65",
        "sandboxWorkloads.enabled",
    ),
    (
        f"{_NGC}/kubevirt-gpu-device-plugin",
        "v1.6.0",
        "sha256:367c597799aa6925f5bd2bc4bcdc45c26f018d13cdc2ce9aaf1ca07c492c6d9e",
        "sandboxWorkloads.enabled",
    ),
    (
        f"{_NATIVE}/nvidia-sandbox-device-plugin",
        "v0.0.5",
        "sha256:5b59e2e534c804381eb0055f7e2511eea812bae33f1ea67e306dab64870454bb",
        "sandboxWorkloads.enabled",
    ),
    (
        f"{_NATIVE}/vgpu-device-manager",
        "v0.5.0",
        "sha256:9fb8872029840d5bd5bcbf4cec63cb0c233d38fe73f7077affa6546d313c2fe6",
        "sandboxWorkloads.enabled",
    ),
)
_GPU_DRIVER = "595.91.07"
# Tagged network-operator-v<version>; when: "" for what the role network_operator asks for
_NETWORK_OWN: Mapping[str, str] = {
    "network-operator-init-container": "",
    "k8s-rdma-shared-dev-plugin": "",
    "sriov-network-device-plugin": "",
    "plugins": "",
    "multus-cni": "",
    "ipoib-cni": "",
    "nvidia-k8s-ipam": "",
    "nic-feature-discovery": "nicFeatureDiscovery",
    "ib-kubernetes": "ibKubernetes",
    "nic-configuration-operator": "nicConfigurationOperator",
    "nic-configuration-operator-daemon": "nicConfigurationOperator",
    "node-feature-discovery": "nfd.enabled",
    "sriov-network-operator": "sriovNetworkOperator.enabled",
    "sriov-network-operator-webhook": "sriovNetworkOperator.enabled",
    "sriov-network-operator-config-daemon": "sriovNetworkOperator.enabled",
    "sriov-cni": "sriovNetworkOperator.enabled",
    "ib-sriov-cni": "sriovNetworkOperator.enabled",
    "ovs-cni-plugin": "sriovNetworkOperator.enabled",
    "rdma-cni": "sriovNetworkOperator.enabled",
    "dra-driver-sriov": "sriovNetworkOperator.enabled",
    "maintenance-operator": "maintenanceOperator.enabled",
}
_KAI_IMAGES: Mapping[str, str] = {
    "operator": "",
    "podgrouper": "",
    "podgroupcontroller": "",
    "binder": "",
    "resourcereservation": "",
    "scheduler": "",
    "queuecontroller": "",
    "admission": "",
    "crd-upgrader": "",
    "nodescaleadjuster": "global.clusterAutoscaling",
    "scalingpod": "global.clusterAutoscaling",
    "numa-placement-exporter": "numaPlacementExporter",
}


def chart(component: str, version: str) -> Chart:
    """The chart of a component's version. Raises KeyError for a component that has none here."""
    name, reference, repository, spelled = _CHARTS[component]
    return Chart(name, reference, repository, spelled.format(version=versions.plain(version)))


def images(
    component: str, version: str, systems: tuple[str, ...] = (), block: Mapping[str, Any] | None = None
) -> tuple[Image, ...]:
    """The images of a component's version. ``systems``: operating systems of the GPU machines (``ubuntu24.04``), which
    the driver images' tags name. ``block``: the component's block in multinode_platform, which may name a driver."""
    rule = _RULES.get(component)
    return tuple(rule(versions.plain(version), systems, block or {})) if rule else ()


def _gpu_operator(version: str, systems: tuple[str, ...], block: Block) -> Iterator[Image]:
    exact = version == "26.7.0"
    yield Image(f"{_NGC}/gpu-operator:v{version}", _GPU)
    yield Image(
        "registry.k8s.io/nfd/node-feature-discovery:v0.19.0", f"{_GPU}: charts/node-feature-discovery", exact=exact
    )
    for name, tag, digest, when in _GPU_OPERANDS:
        for system in systems if "{os}" in tag else ("",):
            source = f"{_GPU}; {_GPU_CSV}" if digest else _GPU
            # A digest is one of name and tag, whichever version asks for them
            yield Image(f"{name}:{tag.format(os=system)}", source, digest, when, exact)
    values = (block.get("values") or {}).get("driver") or {}
    named = str(values.get("version") or block.get("driver_version") or "")
    for system in systems:
        source = "the inventory: driver_version" if named else _GPU
        yield Image(f"{_NGC}/driver:{named or _GPU_DRIVER}-{system}", source, exact=exact or bool(named))


def _network_operator(version: str, systems: tuple[str, ...], block: Block) -> Iterator[Image]:
    exact = version == "26.4.1"
    yield Image(f"{_NATIVE}/network-operator:v{version}", _NETWORK)
    for name, when in _NETWORK_OWN.items():
        yield Image(f"{_MELLANOX}/{name}:network-operator-v{version}", _NETWORK, when=when)
    for name in (
        "ghcr.io/k8snetworkplumbingwg/network-resources-injector:v1.7.0",
        "quay.io/brancz/kube-rbac-proxy:v0.21.2",
    ):
        yield Image(name, _NETWORK, when="sriovNetworkOperator.enabled", exact=exact)
    yield Image(f"{_NGC}/doca/doca_telemetry:1.25.5-doca3.4.0-host", _NETWORK, when="docaTelemetryService", exact=exact)
    # <version>-<os>-<architecture> (pkg/state/state_ofed.go)
    own = str(block.get("mofed_version") or network_images.driver(version))
    driver = own or list(network_images.DRIVERS.values())[-1]
    for system in systems:
        for machine in ("amd64", "arm64"):
            reference = f"{_MELLANOX}/doca-driver:{driver}-{system}-{machine}"
            yield Image(reference, _NETWORK, when="ofedDriver", exact=bool(own))


def _kai(version: str, _systems: tuple[str, ...], _block: Block) -> Iterator[Image]:
    exact = versions.minor(version) == (0, 17)
    for name, when in _KAI_IMAGES.items():
        yield Image(f"{_KAI}/{name}:v{version}", "KAI-Scheduler v0.17.0: values.yaml", when=when, exact=exact)


def _grove(version: str, _systems: tuple[str, ...], _block: Block) -> Iterator[Image]:
    source = "grove: .github/workflows/push-artifacts.yaml; podclique/components/pod/initcontainer.go"
    yield Image(f"{_GROVE}/grove-operator:v{version}", source)
    yield Image(f"{_GROVE}/grove-initc:v{version}", source)
    yield Image(f"{_GROVE}/grove-install-crds:v{version}", source, when="crdInstaller.enabled")


def _volcano(version: str, _systems: tuple[str, ...], _block: Block) -> Iterator[Image]:
    source = "volcano v1.14.1: installer/helm/chart/volcano"
    for name in ("vc-controller-manager", "vc-scheduler", "vc-webhook-manager"):
        yield Image(f"docker.io/volcanosh/{name}:v{version}", source)
    yield Image(f"docker.io/volcanosh/vc-agent:v{version}", source, when="custom.colocation_enable")
    yield Image(f"docker.io/volcanosh/vc-agent-scheduler:v{version}", source, when="custom.agent_scheduler_enable")


def _lws(version: str, _systems: tuple[str, ...], _block: Block) -> Iterator[Image]:
    yield Image(f"registry.k8s.io/lws/lws:v{version}", "lws v0.8.0: charts/lws")


def _dynamo(version: str, _systems: tuple[str, ...], _block: Block) -> Iterator[Image]:
    yield Image(f"{_NGC}/ai-dynamo/kubernetes-operator:{version}", _DYNAMO)
    if (versions.minor(version) or (0, 0)) < (1, 4):
        yield Image("gcr.io/kubebuilder/kube-rbac-proxy:v0.15.0", _DYNAMO)
    # Those charts bring NATS by default, and the role lets them (components/dynamo_platform.py)
    nats = "" if versions.within(version, "1.1.0-0", "1.4.0-0") else "global.nats.install"
    for name in ("library/nats:2.10.21-alpine", "natsio/nats-server-config-reloader:0.16.0", "natsio/nats-box:0.16.0"):
        yield Image(f"docker.io/{name}", _DYNAMO, when=nats, exact=False)
    yield Image("docker.io/bitnamilegacy/etcd:3.5.18-debian-12-r5", _DYNAMO, when="global.etcd.install", exact=False)


_RULES = {
    "gpu_operator": _gpu_operator,
    "network_operator": _network_operator,
    "kai_scheduler": _kai,
    "grove": _grove,
    "volcano": _volcano,
    "lws": _lws,
    "dynamo_platform": _dynamo,
}
