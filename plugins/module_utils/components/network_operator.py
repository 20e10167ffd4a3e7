# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA network operator: identity, readiness, installation.

Keys of the chart that are set here (a key that the chart does not have is ignored by helm without a word):

===============================  ==========================================  =======================================
key                              from                                        source (network-operator v26.4.1)
===============================  ==========================================  =======================================
nfd.enabled                      nfd (auto: only where no other NFD runs)    deployment/network-operator/values.yaml
nfd.deployNodeFeatureRules       true                                        templates/nodefeaturerules.yaml
upgradeCRDs                      false: definitions are applied before       values.yaml
sriovNetworkOperator.enabled     whether ``sriov`` has entries               values.yaml
operator.cniBinDirectory         runtime: where k3s has its CNI              values.yaml, templates/operator.yaml
operator.cniNetworkDirectory     likewise                                    values.yaml, templates/operator.yaml
===============================  ==========================================  =======================================

The chart makes no NicClusterPolicy (PR#1085): we do, by the only name that the operator acts on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import (
    network_images,
    network_networks,
    nvidia,
    openshift,
    registry,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    Ask,
    Component,
    Object,
    provisioned,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import Settings
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge

NAME = "network_operator"
POLICY = "nic-cluster-policy"
LISTS = tuple(network_networks.FIELDS)
SETTINGS = (
    "mofed",
    "mofed_version",
    *LISTS,
    "multus",
    "node_affinity",
    "policy",
    "runtime",
    "nfd",
    "olm",
    "rdma_namespaces",
)
# What upstream's own examples share: every NVIDIA NIC, whatever its link
DEFAULT_RDMA = {"resource": "rdma_shared_device_a"}
# k3s unpacks its CNI binaries and configuration in places of its own (docs.k3s.io, Multus)
_K3S_CNI = {
    "cniBinDirectory": "/var/lib/rancher/k3s/data/cni",
    "cniNetworkDirectory": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
}


def read(ask: Ask) -> tuple[Settings, network_networks.Networks]:
    """The settings, and their networks; where nothing at all is named, one shared RDMA resource of all NVIDIA NICs."""
    given = dict(ask.settings)
    if not any(given.get(key) for key in LISTS):
        given["rdma_shared"] = [DEFAULT_RDMA]
    settings_ = Settings(NAME, given)
    return settings_, network_networks.Networks(settings_)


def values(ask: Ask) -> dict[str, Any]:
    """What we set in the chart; see the table above."""
    given, networks = read(ask)
    found: dict[str, Any] = {
        "nfd": {"enabled": nvidia.discovery(ask, given.maybe("nfd")), "deployNodeFeatureRules": True},
        "upgradeCRDs": False,
        "sriovNetworkOperator": {"enabled": bool(networks.sriov)},
    }
    if nvidia.runtime(ask, given.choice("runtime", ("auto", *nvidia.RUNTIMES), "auto")) == "k3s":
        found["operator"] = dict(_K3S_CNI)
    return found


def nic_cluster_policy(ask: Ask) -> Object:
    """The policy with every part that the settings ask for, from the mirror where there is one.

    A node affinity that somebody edited stays as it is (F73): rewriting it moves drivers under running engines.
    """
    given, networks = read(ask)

    def part(name: str, override: str = "") -> dict[str, Any]:
        return network_images.image(name, ask.version, ask.registry, override)

    spec: dict[str, Any] = {}
    affinity = _affinity(ask, given)
    if affinity:
        spec["nodeAffinity"] = affinity
    if given.choice("mofed", ("host", "operator"), "host") == "operator":
        spec["ofedDriver"] = _driver(ask, part("ofedDriver", given.text("mofed_version")))
    if networks.rdma_shared:
        spec["rdmaSharedDevicePlugin"] = {
            **part("rdmaSharedDevicePlugin"),
            "config": network_networks.rdma_config(networks),
        }
    if networks.host_device:
        spec["sriovDevicePlugin"] = {
            **part("sriovDevicePlugin"),
            "config": network_networks.host_device_config(networks),
        }
    if networks.attaching:
        spec["secondaryNetwork"] = {"cniPlugins": part("cniPlugins")}
        if _brings_multus(ask, given):
            spec["secondaryNetwork"]["multus"] = part("multus")
        if networks.ipoib:
            spec["secondaryNetwork"]["ipoib"] = part("ipoib")
    if networks.ip_pools:
        spec["nvIpam"] = {**part("nvIpam"), "enableWebhook": False}
    return {
        "apiVersion": "mellanox.com/v1alpha1",
        "kind": "NicClusterPolicy",
        "metadata": {"name": POLICY},
        "spec": merge(spec, given.mapping("policy")),
    }


def _driver(ask: Ask, image: Mapping[str, Any]) -> dict[str, Any]:
    """The MOFED driver, never upgraded by itself: that takes the network from under running engines."""
    found: dict[str, Any] = {
        **image,
        "upgradePolicy": {"autoUpgrade": False},
        "startupProbe": {"initialDelaySeconds": 10, "periodSeconds": 10},
        "livenessProbe": {"initialDelaySeconds": 30, "periodSeconds": 30},
        "readinessProbe": {"initialDelaySeconds": 10, "periodSeconds": 30},
    }
    variables = registry.proxy_env(ask.proxy)
    if variables:
        found["env"] = variables
    if registry.ca_name("network_operator", ask.registry):
        found["certConfig"] = {"name": registry.ca_name("network_operator", ask.registry)}
    return found


def _live(ask: Ask) -> Mapping[str, Any] | None:
    policies = nvidia.hardware(ask).get("nic_policies") or []
    return next((item for item in policies if item["name"] == POLICY), None)


def _affinity(ask: Ask, given: Settings) -> dict[str, Any]:
    live = _live(ask)
    return given.mapping("node_affinity") if live is None else dict(live["spec"].get("nodeAffinity") or {})


def _brings_multus(ask: Ask, given: Settings) -> bool:
    """As asked; else as it is; else where nobody else runs it (OpenShift brings Multus itself)."""
    asked, live = given.maybe("multus"), _live(ask)
    if asked is not None:
        return asked
    entry = (ask.facts.get("components") or {}).get(NAME) or {}
    if live is not None and live["spec"].get("secondaryNetwork"):
        return "multus" in live["spec"]["secondaryNetwork"]
    if ask.openshift or "k8s.cni.cncf.io" not in (ask.facts.get("apis") or {}):
        return not ask.openshift
    # The chart brings the definition, too, and leaves it: once it is there, it says nothing about Multus any more
    running = nvidia.hardware(ask).get("multus")
    if running is None:
        return bool(entry.get("present") or provisioned(entry))
    return all(item["namespace"] == ask.namespace for item in running)


def objects(ask: Ask) -> tuple[Object, ...]:
    """What the driver and the pods need (certificates, on OpenShift a constraint), the policy, then pools and networks,
    which need what the policy brings."""
    given, networks = read(ask)
    return (
        *(openshift.rdma_objects(given.texts("rdma_namespaces")) if ask.openshift else ()),
        *registry.ca_config_map(NAME, ask.namespace, ask.registry),
        nic_cluster_policy(ask),
        *network_networks.objects(networks, ask.namespace),
    )


def skip(ask: Ask) -> str:
    """Nothing to do where RDMA is offered already, or where nobody asks for any of it."""
    machines = nvidia.nodes(ask)
    if any(ask.settings.get(key) for key in LISTS) or ask.settings.get("mofed") == "operator" or not machines:
        return ""
    offering = [
        str(node["name"])
        for node in machines
        if any(name.startswith("rdma/") and count for name, count in (node.get("resources") or {}).items())
    ]
    if offering:
        return f"rdma/* is offered already by something else ({nvidia.some(offering)}); mode: provision insists"
    if not any((node.get("labels") or {}).get(nvidia.NIC_LABEL) == "true" for node in machines):
        shows = f"no machine shows an NVIDIA NIC (label {nvidia.NIC_LABEL})"
        if not any(name.startswith(nvidia.DISCOVERED) for node in machines for name in node.get("labels") or {}):
            shows += (
                "; nothing has labelled the machines yet: once Node Feature Discovery has, the next run looks again"
            )
        return f"{shows}, and no network is asked for; mode: provision insists"
    return ""


def forecast(ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """With its NFD, the policy, and the attachments; what the machines will offer is not known (``coming``)."""
    found = nvidia.with_discovery(ask, facts)
    _given, networks = read(ask)
    known = found["hardware"]
    policy = {"name": POLICY, "spec": nic_cluster_policy(ask)["spec"], "state": None, "reason": "", "states": []}
    known["nic_policies"] = [
        *[item for item in known.get("nic_policies") or [] if item["name"] != POLICY],
        policy,
    ]
    known["attachments"] = sorted({*(known.get("attachments") or []), *networks.attachments})
    known["coming"] = True
    return found


# -- rules --------------------------------------------------------------------------------------------------------


def settings(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong in our own settings."""
    if not nvidia.ours_or_coming(found):
        return
    given, networks = read(ask)
    networks.judge()
    mofed = given.choice("mofed", ("host", "operator"), "host")
    given.choice("runtime", ("auto", *nvidia.RUNTIMES), "auto")
    for key in ("nfd", "multus"):
        given.maybe(key)
    for key in ("node_affinity", "policy"):
        given.mapping(key)
    given.texts("rdma_namespaces")
    if nvidia.by_olm(ask) and networks.sriov:
        right = (
            "empty: OLM's network operator brings no SR-IOV operator. Subscribe to OpenShift's own "
            "(sriov-network-operator), and make its objects in its namespace"
        )
        given.problems.append(("sriov", [entry["name"] for entry in networks.sriov], right))
    if mofed == "operator" and not given.text("mofed_version") and not network_images.driver(ask.version):
        right = (
            f"the version of the doca-driver image for network operator {ask.version}, which our table does not know"
        )
        given.problems.append(("mofed_version", "", right))
    if not network_images.known(ask.version):
        right = f"{network_images.OLDEST} or newer: of older ones the images have versions of their own"
        given.problems.append(("version", ask.version, right))
    yield from given.findings()


def n20_values(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """N20: values without a chart."""
    yield from nvidia.n20_values(ask, found, NAME, "NicClusterPolicy")


def n20_constraint(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """N20: namespaces that are to get a constraint where nothing of ours makes one."""
    if not ask.settings.get("rdma_namespaces") or (ask.openshift and nvidia.ours_or_coming(found)):
        return
    why = "this network operator is somebody else's" if ask.openshift else "this cluster is no OpenShift"
    yield Finding(
        "MN-N20",
        "warning",
        NAME,
        f"multinode_platform.{NAME}.rdma_namespaces reaches nothing: {why}",
        "have its owner bind a constraint with IPC_LOCK to them" if ask.openshift else "leave it out",
    )


def f37(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F37: said by the GPU operator's check where there is one; an adopted one brings nothing, so we come last then."""
    gpu = (ask.facts.get("components") or {}).get("gpu_operator") or {}
    if gpu.get("present") and (provisioned(gpu) or nvidia.discovered(ask)):
        return
    yield from nvidia.f37_discovery(ask, NAME, found)


def f40_mofed(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F40: the GPU operator waits for the MOFED driver that this policy does not bring, or has one too many."""
    brings = "ofedDriver" in nic_cluster_policy(ask)["spec"] if nvidia.ours_or_coming(found) else _live_driver(ask)
    for what, driver in nvidia.drivers(ask).items():
        rdma = driver.get("rdma") or {}
        where = "driver.rdma" if what.startswith("ClusterPolicy ") else "rdma"
        if driver.get("enabled") is not False and rdma.get("enabled") and not rdma.get("useHostMofed") and not brings:
            yield Finding(
                "MN-F40",
                "error",
                NAME,
                f"{what} has {where}.enabled and waits for a MOFED driver, and the "
                "NicClusterPolicy brings none: its driver is never ready",
                "set mofed: operator in multinode_platform.network_operator, or host_mofed: true in gpu_operator where "
                "the driver is on the host, or peermem: false (DMA-BUF needs none)",
            )
        if rdma.get("useHostMofed") and brings and nvidia.ours_or_coming(found):
            yield Finding(
                "MN-F40",
                "error",
                NAME,
                f"{what} says that MOFED is on the host ({where}.useHostMofed), and this "
                "NicClusterPolicy brings another",
                "set mofed: host in multinode_platform.network_operator, or host_mofed: false in gpu_operator",
            )


def _live_driver(ask: Ask) -> bool:
    live = _live(ask)
    return bool(live and live["spec"].get("ofedDriver"))


def f42_policy(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F42: no NicClusterPolicy, which the chart no longer makes; or one by a name that the operator ignores."""
    if not found.get("present"):
        return
    policies = nvidia.hardware(ask).get("nic_policies") or []
    if not nvidia.ours_or_coming(found) and _live(ask) is None:
        yield Finding(
            "MN-F42",
            "error",
            NAME,
            f"there is no NicClusterPolicy {POLICY}: the operator runs and deploys nothing",
            f"its owner: apply a NicClusterPolicy by the name {POLICY} (the chart makes none since 24.10)",
        )
    for policy in policies:
        if policy["name"] != POLICY:
            yield Finding(
                "MN-F42",
                "warning",
                f"NicClusterPolicy {policy['name']}",
                f"is ignored (state {policy.get('state') or 'unknown'}): the operator acts on {POLICY} only",
                f"its owner: move what it says into {POLICY}, and delete it",
            )


def f73_node_affinity(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F73: the node affinity of the NicClusterPolicy is no longer what is asked for; it is left alone."""
    live = _live(ask)
    if not nvidia.ours_or_coming(found) or live is None:
        return
    wanted = Settings(NAME, ask.settings).mapping("node_affinity")
    has = dict(live["spec"].get("nodeAffinity") or {})
    if has != wanted:
        yield Finding(
            "MN-F73",
            "warning",
            f"NicClusterPolicy {POLICY}",
            f"has the node affinity {has}, and {wanted} is asked for: it stays, because changing it takes drivers and "
            "devices from under running engines",
            "set node_affinity to what it has; to change it, edit the NicClusterPolicy yourself and set it likewise",
        )


COMPONENT = Component(
    name=NAME,
    charts=("network-operator",),
    images=("network-operator",),
    required=("network-operator",),
    # None is asked for by name (no group): the report needs the one that matters
    crds=(
        "nicclusterpolicies.mellanox.com",
        "nicnodepolicies.mellanox.com",
        "hostdevicenetworks.mellanox.com",
        "ipoibnetworks.mellanox.com",
        "macvlannetworks.mellanox.com",
    ),
    namespace="nvidia-network-operator",
    release="network-operator",
    chart="network-operator",
    chart_repo="https://helm.ngc.nvidia.com/nvidia",
    # Its operands are privileged
    namespace_labels={"pod-security.kubernetes.io/enforce": "privileged"},
    settings=SETTINGS,
    reports=(("mellanox.com/v1alpha1", "NicClusterPolicy", POLICY),),
    checks=(settings, n20_values, n20_constraint, f37, f40_mofed, f42_policy, f73_node_affinity),
    values=values,
    objects=objects,
    skip=skip,
    forecast=forecast,
)
