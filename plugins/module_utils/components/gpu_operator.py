# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA GPU operator: identity, readiness, installation.

Keys of the chart that are set here (a key that the chart does not have is ignored by helm without a word):

======================================  =======================================  ====================================
key                                     from                                     source (gpu-operator v26.7.0)
======================================  =======================================  ====================================
nfd.enabled                             nfd (auto: where no other NFD runs)      deployments/gpu-operator/values.yaml
operator.upgradeCRD                     false: definitions are applied before    templates/upgrade_crd.yaml
driver.enabled                          driver (auto, operator, host)            templates/clusterpolicy.yaml
driver.kernelModuleType                 kernel_modules (open)                    nvidia.com_clusterpolicies.yaml
driver.rdma.{enabled,useHostMofed}      peermem, host_mofed (false)              templates/clusterpolicy.yaml
driver.upgradePolicy.autoUpgrade        auto_upgrade (false; the chart: true)    templates/clusterpolicy.yaml
driver.version                          driver_version (the chart's own)         values.yaml
driver.nvidiaDriverCRD.enabled          driver_crd (false)                       templates/nvidiadriver.yaml
driver.nvidiaDriverCRD.deployDefaultCR  false with driver_node_selector          templates/nvidiadriver.yaml
gdrcopy.enabled                         gdrcopy (false)                          templates/clusterpolicy.yaml
dcgmExporter.serviceMonitor.enabled     whether monitoring.coreos.com is served  values.yaml (true there)
toolkit.env                             runtime (auto, containerd, k3s, ...)     controllers/object_controls.go
======================================  =======================================  ====================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import nvidia, registry
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    Ask,
    Component,
    Object,
    provisioned,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import Settings
from ansible_collections.dynamo.multinode.plugins.module_utils.host_runtime import DEFAULT_CONFIG
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import repository

NAME = "gpu_operator"
POLICY = ("nvidia.com/v1", "ClusterPolicy", "cluster-policy")
OLM_POLICY = "gpu-cluster-policy"
DRIVER = "dynamo-multinode"
DRIVERS = ("auto", "operator", "host")
SETTINGS = (
    "driver",
    "driver_version",
    "driver_crd",
    "driver_node_selector",
    "kernel_modules",
    "runtime",
    "peermem",
    "host_mofed",
    "auto_upgrade",
    "gdrcopy",
    "nfd",
    "olm",
    "policy",
)
# k3s and rke2 write containerd's configuration anew at every start, and read these folders into it; the toolkit is to
# write nowhere else (docs.k3s.io/advanced: config.toml.d for containerd 1, config-v3.toml.d for 2; G#413, #549, #730)
_RANCHER = "/var/lib/rancher/{name}/agent/etc/containerd"
_RANCHER_SOCKET = "/run/k3s/containerd/containerd.sock"
# An NVIDIADriver of ours has to name gdrcopy's image itself: the tags in the charts (values.yaml, gdrcopy.version)
_GDRCOPY: Mapping[tuple[int, int], str] = {(25, 10): "v2.5.1", (26, 3): "v2.5.2", (26, 7): "v2.6"}
# Keys of the chart's driver section that are spelt alike in an NVIDIADriver; what else it has is spelt otherwise there
_TAKEN = ("repository", "image", "version", "kernelModuleType", "usePrecompiled", "rdma", "upgradePolicy")
_REACHING = (*_TAKEN, "enabled", "env", "imagePullSecrets", "certConfig", "nvidiaDriverCRD")
_HOST_DRIVER = ("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver.major")


def toolkit_env(runtime: str, containerd_major: int) -> list[dict[str, str]]:
    """The toolkit's paths; none where its own defaults hold (containerd in /etc/containerd, CRI-O)."""
    if runtime not in ("k3s", "rke2"):
        return []
    folder = _RANCHER.format(name=runtime)
    drop_in = "config-v3.toml.d" if containerd_major >= 2 else "config.toml.d"
    return [
        {"name": "CONTAINERD_CONFIG", "value": f"{folder}/config.toml"},
        {"name": "CONTAINERD_SOCKET", "value": _RANCHER_SOCKET},
        {"name": "RUNTIME_CONFIG_SOURCE", "value": f"file={folder}/config.toml"},
        {"name": "RUNTIME_DROP_IN_CONFIG", "value": f"{folder}/{drop_in}/99-nvidia.toml"},
    ]


def brings_driver(ask: Ask, wanted: str) -> bool:
    """Whether the operator is to install the driver.

    auto: as our release (OLM: our ClusterPolicy) has it, because what it brought looks like the machines' own
    afterwards; else not, where all machines with GPUs show that a driver is there: they offer GPUs, have GFD's label of
    a driver, or the operator's own word (``pre-installed``).
    """
    if wanted != "auto":
        return wanted == "operator"
    entry = (ask.facts.get("components") or {}).get(NAME) or {}
    if provisioned(entry) and nvidia.by_olm(ask):
        policies = nvidia.hardware(ask).get("cluster_policies") or []
        live: Mapping[str, Any] = next((item["spec"] for item in policies if item["name"] == OLM_POLICY), {})
        return (live.get("driver") or {}).get("enabled") is not False
    if provisioned(entry):
        kept = ((entry.get("values") or {}).get("driver") or {}).get("enabled")
        if isinstance(kept, bool):
            return kept
    machines = nvidia.gpu_nodes(ask)
    return not machines or not all(_has_driver(node) for node in machines)


def _has_driver(node: Mapping[str, Any]) -> bool:
    labels = node.get("labels") or {}
    return bool(
        node.get("gpus")
        or labels.get("nvidia.com/gpu.deploy.driver") == "pre-installed"
        or any(labels.get(name) for name in _HOST_DRIVER)
    )


def values(ask: Ask) -> dict[str, Any]:
    """What we set in the chart; see the table above."""
    given = Settings(NAME, ask.settings)
    runtime = nvidia.runtime(ask, given.choice("runtime", ("auto", *nvidia.RUNTIMES), "auto"))
    return {
        "nfd": {"enabled": nvidia.discovery(ask, given.maybe("nfd"))},
        "operator": {"upgradeCRD": False},
        "driver": _driver(ask, given),
        "gdrcopy": {"enabled": given.flag("gdrcopy", False)},
        "dcgmExporter": {"serviceMonitor": {"enabled": "monitoring.coreos.com" in (ask.facts.get("apis") or {})}},
        "toolkit": {"env": toolkit_env(runtime, nvidia.containerd_major(ask))},
    }


def _driver(ask: Ask, given: Settings) -> dict[str, Any]:
    driver: dict[str, Any] = {"enabled": brings_driver(ask, given.choice("driver", DRIVERS, "auto"))}
    peermem, host_mofed = given.flag("peermem", False), given.flag("host_mofed", False)
    driver["rdma"] = {"enabled": peermem, "useHostMofed": host_mofed}
    driver["upgradePolicy"] = {"autoUpgrade": given.flag("auto_upgrade", False)}
    driver["kernelModuleType"] = _modules(given)
    if given.text("driver_version"):
        driver["version"] = given.text("driver_version")
    if given.flag("driver_crd", False):
        driver["nvidiaDriverCRD"] = {"enabled": True, "deployDefaultCR": not _own_driver(ask, given)}
    return driver


def _modules(given: Settings) -> str:
    return given.choice("kernel_modules", ("open", "auto", "proprietary"), "open")


def _own_driver(ask: Ask, given: Settings) -> bool:
    """Whether the NVIDIADriver is ours: the chart's default one takes no node selector any more (26.7: its rule)."""
    return given.flag("driver_crd", False) and bool(given.mapping("driver_node_selector"))


def objects(ask: Ask) -> tuple[Object, ...]:
    """The driver's certificates; the NVIDIADriver with a node selector; where no chart makes it, the ClusterPolicy."""
    found: list[Object] = [*registry.ca_config_map(NAME, ask.namespace, ask.registry)]
    if nvidia.by_olm(ask):
        found.append(cluster_policy(ask))
    given = Settings(NAME, ask.settings)
    if _own_driver(ask, given) and _ours_with_values(ask).get("enabled") is not False:
        found.append(nvidia_driver(ask))
    return tuple(found)


def nvidia_driver(ask: Ask) -> Object:
    """Our NVIDIADriver, with what the chart would give its default one (templates/nvidiadriver.yaml).

    A node selector that somebody edited stays as it is (F73).
    """
    given = Settings(NAME, ask.settings)
    live = next((item for item in nvidia.hardware(ask).get("nvidia_drivers") or [] if item["name"] == DRIVER), None)
    wanted = given.labels("driver_node_selector")
    selector = wanted if live is None else dict(live["spec"].get("nodeSelector") or {})
    chart = _as_the_chart_has_it(ask)
    driver = chart.get("driver") or {}
    spec: dict[str, Any] = {
        # Not the default one, which takes no node selector: older definitions do not know the field, newer ones fill it
        "driverType": "gpu",
        "repository": repository("nvcr.io/nvidia", ask.registry),
        "image": "driver",
        "kernelModuleType": _modules(given),
        "nodeSelector": selector,
        "rdma": {"enabled": given.flag("peermem", False), "useHostMofed": given.flag("host_mofed", False)},
        "upgradePolicy": {"autoUpgrade": given.flag("auto_upgrade", False)},
    }
    if given.text("driver_version"):
        spec["version"] = given.text("driver_version")
    spec = merge(spec, {key: driver[key] for key in _TAKEN if key in (ask.values.get("driver") or {})})
    for key in ("imagePullSecrets", "env"):
        if driver.get(key):
            spec[key] = list(driver[key])
    if (driver.get("certConfig") or {}).get("name"):
        spec["certConfig"] = {"name": driver["certConfig"]["name"]}
    tolerations = (chart.get("daemonsets") or {}).get("tolerations")
    if tolerations:
        spec["tolerations"] = list(tolerations)
    if given.flag("gdrcopy", False):
        spec["gdrcopy"] = _gdrcopy(ask, chart.get("gdrcopy") or {})
    return {"apiVersion": "nvidia.com/v1alpha1", "kind": "NVIDIADriver", "metadata": {"name": DRIVER}, "spec": spec}


def _as_the_chart_has_it(ask: Ask) -> dict[str, Any]:
    """Registry and proxy as chart values, under the user's: what of them concerns the driver is in our object too."""
    return merge(registry.values(NAME, ask.registry, ask.proxy), ask.values)


def _gdrcopy(ask: Ask, chart: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "enabled": True,
        "repository": chart.get("repository") or "nvcr.io/nvidia/cloud-native",
        "image": chart.get("image") or "gdrdrv",
        "version": _gdrcopy_version(ask, chart),
    }
    if chart.get("imagePullSecrets"):
        found["imagePullSecrets"] = list(chart["imagePullSecrets"])
    return found


def _gdrcopy_version(ask: Ask, chart: Mapping[str, Any]) -> str:
    """The tag of gdrcopy's image: as the user's values say, else that of the operator's line; "" where nobody knows."""
    return str(chart.get("version") or _GDRCOPY.get(versions.minor(ask.version) or (0, 0), ""))


def cluster_policy(ask: Ask) -> Object:
    """The ClusterPolicy that the chart makes elsewhere; images are those of the operator's own bundle (OLM)."""
    ours = values(ask)
    given = ours["driver"]
    driver: dict[str, Any] = {
        "enabled": given["enabled"],
        "useNvidiaDriverCRD": bool((given.get("nvidiaDriverCRD") or {}).get("enabled")),
        "kernelModuleType": given["kernelModuleType"],
        "rdma": given["rdma"],
        "upgradePolicy": given["upgradePolicy"],
    }
    if given.get("version"):
        driver["version"] = given["version"]
    if registry.ca_name("gpu_operator", ask.registry):
        driver["certConfig"] = {"name": registry.ca_name("gpu_operator", ask.registry)}
    spec: dict[str, Any] = {
        "operator": {"defaultRuntime": "crio", "use_ocp_driver_toolkit": True},
        "daemonsets": {"updateStrategy": "RollingUpdate"},
        "driver": driver,
        "toolkit": {"enabled": True},
        "devicePlugin": {"enabled": True},
        "dcgm": {"enabled": True},
        "dcgmExporter": {"enabled": True, **ours["dcgmExporter"]},
        "gfd": {"enabled": True},
        "migManager": {"enabled": True},
        "nodeStatusExporter": {"enabled": True},
        "mig": {"strategy": "single"},
        "gdrcopy": ours["gdrcopy"],
    }
    spec = merge(spec, Settings(NAME, ask.settings).mapping("policy"))
    return {"apiVersion": POLICY[0], "kind": POLICY[1], "metadata": {"name": OLM_POLICY}, "spec": spec}


def skip(ask: Ask) -> str:
    """Nothing to do where GPUs are offered already."""
    offering = [str(node["name"]) for node in nvidia.nodes(ask) if node.get("gpus")]
    if not offering:
        return ""
    return f"GPUs are offered already by something else ({nvidia.some(offering)}); mode: provision insists"


def forecast(ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the NFD and the ClusterPolicy that it brings."""
    found = nvidia.with_discovery(ask, facts)
    name, spec = POLICY[2], {"driver": dict(ask.values.get("driver") or {})}
    if nvidia.by_olm(ask):
        made = cluster_policy(ask)
        name, spec = made["metadata"]["name"], made["spec"]
    policy: dict[str, Any] = {"name": name, "spec": spec, "state": None, "reason": "", "states": []}
    others = [item for item in found["hardware"].get("cluster_policies") or [] if item["name"] != name]
    found["hardware"]["cluster_policies"] = [*others, policy]
    return found


# -- rules --------------------------------------------------------------------------------------------------------


def settings(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong in our own settings."""
    if not nvidia.ours_or_coming(found):
        return
    given = Settings(NAME, ask.settings)
    values_of_all(ask, given)
    if given.mapping("driver_node_selector") and not given.flag("driver_crd", False):
        given.problems.append(("driver_node_selector", ask.settings["driver_node_selector"], "with driver_crd: true"))
    elif given.mapping("driver_node_selector") and not given.text("driver_version"):
        given.problems.append(
            ("driver_version", "", "named where driver_node_selector is: the NVIDIADriver is then ours")
        )
    unknown = not _gdrcopy_version(ask, ask.values.get("gdrcopy") or {})
    if _own_driver(ask, given) and given.flag("gdrcopy", False) and unknown:
        right = f"with values.gdrcopy.version: which one goes with GPU operator {ask.version} is not known here"
        given.problems.append(("gdrcopy", ask.settings["gdrcopy"], right))
    yield from given.findings()


def values_of_all(ask: Ask, given: Settings) -> None:
    """Look at every setting once, so that ``given`` knows all that is wrong."""
    given.choice("driver", DRIVERS, "auto")
    given.choice("runtime", ("auto", *nvidia.RUNTIMES), "auto")
    _modules(given)
    for key in ("driver_crd", "peermem", "host_mofed", "auto_upgrade", "gdrcopy"):
        given.flag(key, False)
    given.maybe("nfd")
    given.text("driver_version")
    given.mapping("driver_node_selector")
    if given.mapping("policy") and not nvidia.by_olm(ask):
        given.problems.append(("policy", given.given["policy"], "in values: of them the chart makes the ClusterPolicy"))


def n20_values(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """N20: values without a chart."""
    yield from nvidia.n20_values(ask, found, NAME, POLICY[1])
    given = ask.values.get("driver") or {}
    lost = sorted(str(key) for key in given if key not in _REACHING) if isinstance(given, Mapping) else []
    if lost and nvidia.ours_or_coming(found) and _own_driver(ask, Settings(NAME, ask.settings)):
        yield Finding(
            "MN-N20",
            "warning",
            NAME,
            f"values.driver ({nvidia.some(lost)}) does not reach NVIDIADriver {DRIVER}, which is ours with "
            "driver_node_selector",
            "leave driver_node_selector out, and make an NVIDIADriver of your own with all of it",
        )


def f37(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F37: exactly one Node Feature Discovery."""
    # Beside an adopted one the network operator, which is decided next, may bring it yet
    yield from nvidia.f37_discovery(ask, NAME, found, last=nvidia.ours_or_coming(found))


def f39_runtimes(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F39: one toolkit.env is for all machines; with several runtimes, or folders of one, it is wrong on some of them;
    and of a distribution that is not known here nobody knows where it reads."""
    given = Settings(NAME, ask.settings).choice("runtime", ("auto", *nvidia.RUNTIMES), "auto")
    mixed = nvidia.runtimes(ask)
    toolkit = ask.values.get("toolkit") or {}
    if not nvidia.ours_or_coming(found) or (ask.values.get("cdi") or {}).get("nriPluginEnabled"):
        return
    unknown = nvidia.unknown_paths(ask)
    layouts = nvidia.layouts(ask)
    if len(mixed) == 1 and len(layouts) > 1 and not toolkit.get("env"):
        yield Finding(
            "MN-F39",
            "error",
            NAME,
            f"the machines with GPUs run {', '.join(layouts)}: these read different folders, and the toolkit is told "
            "one",
            "bring them to one version, or set toolkit.env in values",
        )
    elif len(mixed) == 1 and unknown and given == "auto" and not toolkit.get("env"):
        names = sorted(unknown)
        yield Finding(
            "MN-F39",
            "warning",
            NAME,
            f"the toolkit will write into {DEFAULT_CONFIG}, and where the containerd of Kubernetes {unknown[names[0]]} "
            f"reads is not known here ({nvidia.some(names)})",
            "see what the role gpu_host says of these machines, and set CONTAINERD_CONFIG and CONTAINERD_SOCKET in "
            "values.toolkit.env where it is another place; runtime: containerd where it is this one",
        )
    if given == "auto" and len(mixed) > 1:
        yield Finding(
            "MN-F39",
            "error",
            NAME,
            f"the machines with GPUs run {', '.join(mixed)}, and the toolkit's paths are one setting for all of them",
            "name the one that counts in multinode_platform.gpu_operator.runtime, and set toolkit.env in values",
        )


def f40_peermem(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F40: driver RDMA that waits for ever for a MOFED driver, or that can never work."""
    ofed = any((item.get("spec") or {}).get("ofedDriver") for item in nvidia.hardware(ask).get("nic_policies") or [])
    patch = "" if nvidia.ours_or_coming(found) else "its owner: "
    drivers = _effective_drivers(ask, found)
    for where, driver in drivers.items():
        rdma = driver.get("rdma") or {}
        if driver.get("enabled") is False or not rdma.get("enabled") or rdma.get("useHostMofed") or ofed:
            continue
        yield Finding(
            "MN-F40",
            "warning",
            NAME,
            f"{where}rdma.enabled is on without a MOFED driver of the network operator: the driver waits for ever "
            "where none comes, or where it is on the host already",
            f"{patch}let the network operator bring it (multinode_platform.network_operator.mofed: operator), say that "
            "it is on the host (driver.rdma.useHostMofed=true, host_mofed: true), or use DMA-BUF (peermem: false)",
        )
    twice = [where for where, driver in drivers.items() if (driver.get("rdma") or {}).get("useHostMofed")]
    if twice and ofed:
        yield Finding(
            "MN-F40",
            "error",
            NAME,
            f"{twice[0]}rdma.useHostMofed is on, and the NicClusterPolicy brings a MOFED driver of its own",
            f"{patch}set host_mofed: false (driver.rdma.useHostMofed=false), or mofed: host in network_operator",
        )
    ours = _ours_with_values(ask) if nvidia.ours_or_coming(found) else {}
    if ours.get("kernelModuleType") == "proprietary" and not ours["rdma"].get("enabled"):
        yield Finding(
            "MN-F40",
            "warning",
            NAME,
            "the proprietary kernel modules know no DMA-BUF, and peermem is off: NICs cannot reach GPU memory",
            "use the open kernel modules (kernel_modules: open), or peermem: true with a MOFED driver",
        )


def _effective_drivers(ask: Ask, found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the drivers' settings are, by where they are: live where it is somebody else's, else ours."""
    if nvidia.ours_or_coming(found):
        return {"driver.": _ours_with_values(ask)}
    live = nvidia.drivers(ask)
    return {"driver." if what.startswith("ClusterPolicy ") else f"{what}: ": driver for what, driver in live.items()}


def _ours_with_values(ask: Ask) -> dict[str, Any]:
    """The driver's settings of ours under the user's values."""
    ours = _driver(ask, Settings(NAME, ask.settings))
    user = Settings(NAME, ask.settings).mapping("policy") if nvidia.by_olm(ask) else ask.values
    given = user.get("driver") or {}
    return {**ours, **given, "rdma": {**ours["rdma"], **(given.get("rdma") or {})}}


def f43_ready_for_nothing(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F43: a ClusterPolicy that is ready although no machine has GPUs, or although parts of it never arrived."""
    if not found.get("present"):
        return
    owner = "" if nvidia.ours_or_coming(found) else "its owner: "
    policies = nvidia.hardware(ask).get("cluster_policies") or []
    for policy in policies:
        if policy.get("state") != "ready":
            continue
        bare = [str(node["name"]) for node in nvidia.gpu_nodes(ask) if _offers_none(node)]
        reason = policy.get("reason") or ""
        # Its reason may be an older one, or none; whose nodes nobody read says nothing
        empty = bool(nvidia.nodes(ask)) and not nvidia.gpu_nodes(ask)
        if empty or reason in ("NoGPUNodes", "NFDLabelsMissing"):
            yield Finding(
                "MN-F43",
                "warning",
                f"ClusterPolicy {policy['name']}",
                f"says ready with no GPU machine{f' ({reason})' if reason else ''}",
                f"{owner}look whether Node Feature Discovery runs and labels the machines "
                "(feature.node.kubernetes.io/pci-10de.present); nothing is to be done where machines come later",
            )
        elif bare:
            yield Finding(
                "MN-F43",
                "error",
                f"ClusterPolicy {policy['name']}",
                f"says ready, and {len(bare)} machines with GPUs offer none: {nvidia.some(bare)}",
                f"{owner}look at the operator's pods on these machines (driver, toolkit, device plugin)",
            )
    sent = nvidia.hardware(ask).get("manifest")
    live = next((item for item in policies if sent and item["name"] == sent["name"]), None)
    lost = dropped(sent["spec"], live["spec"]) if sent and live else []
    if lost:
        yield Finding(
            "MN-F43",
            "error",
            f"ClusterPolicy {live['name'] if live else ''}",
            f"lacks what helm has sent, which an older definition has dropped: {nvidia.some(lost)}",
            f"{owner}apply the chart's definitions (kubectl apply --server-side --force-conflicts -f crds/), then send "
            f"it again: helm get manifest {found.get('release')} -n {found.get('namespace')} | kubectl apply "
            "--server-side --force-conflicts -f -",
        )


def _offers_none(node: Mapping[str, Any]) -> bool:
    """A machine that is up, is the operator's, and has neither whole GPUs nor parts of them (MIG) to give."""
    labels = node.get("labels") or {}
    parts = any(name.startswith("nvidia.com/mig-") and count for name, count in (node.get("resources") or {}).items())
    kept_out = labels.get("nvidia.com/gpu.deploy.operands") == "false"
    return bool(node.get("ready", True)) and not (node.get("gpus") or parts or kept_out)


def dropped(sent: Mapping[str, Any], live: Mapping[str, Any], path: str = "") -> list[str]:
    """Paths of fields that were sent and are not there. Empty maps and nulls are nothing; a changed value is there."""
    lost = []
    for name, value in sent.items():
        here = f"{path}.{name}" if path else str(name)
        if value is None or value == {}:
            continue
        if name not in live:
            lost.append(here)
        elif isinstance(value, Mapping) and isinstance(live[name], Mapping):
            lost += dropped(value, live[name], here)
    return lost


def f73_node_selector(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F73: the node selector of our NVIDIADriver is no longer what is asked for; it is left alone."""
    given = Settings(NAME, ask.settings)
    if not nvidia.ours_or_coming(found) or not _own_driver(ask, given):
        return
    wanted = given.labels("driver_node_selector")
    for item in nvidia.hardware(ask).get("nvidia_drivers") or []:
        has = dict(item["spec"].get("nodeSelector") or {})
        if item["name"] == DRIVER and has != wanted:
            yield Finding(
                "MN-F73",
                "warning",
                f"NVIDIADriver {DRIVER}",
                f"has the node selector {has}, and {wanted} is asked for: it stays, because changing it leaves the "
                "driver not ready",
                "set driver_node_selector to what it has; to move the driver, delete this NVIDIADriver and run again",
            )


COMPONENT = Component(
    name=NAME,
    charts=("gpu-operator",),
    images=("gpu-operator",),
    required=("gpu-operator",),
    # None is asked for by name (no group): older charts bring fewer, and the report needs the one that matters
    crds=(
        "clusterpolicies.nvidia.com",
        "nvidiadrivers.nvidia.com",
        "gpuclusters.nvidia.com",
        "computedomains.resource.nvidia.com",
        "computedomaincliques.resource.nvidia.com",
    ),
    namespace="gpu-operator",
    release="gpu-operator",
    chart="gpu-operator",
    chart_repo="https://helm.ngc.nvidia.com/nvidia",
    # Its operands are privileged
    namespace_labels={"pod-security.kubernetes.io/enforce": "privileged"},
    settings=SETTINGS,
    # One of them, as the chart has it: GPUCluster is its DRA mode
    instead={POLICY[1]: ("nvidia.com/v1alpha1", "GPUCluster", "")},
    reports=(("nvidia.com/v1", "ClusterPolicy", ""),),
    checks=(settings, n20_values, f37, f39_runtimes, f40_peermem, f43_ready_for_nothing, f73_node_selector),
    values=values,
    objects=objects,
    skip=skip,
    forecast=forecast,
)
