# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both NVIDIA operators ask of a cluster: its container runtime, its Node Feature Discovery, its machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import openshift
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask, provisioned
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import Settings, as_flag

RUNTIMES = ("containerd", "k3s", "rke2", "crio")
GPU_LABELS = ("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present")
DISCOVERED = "feature.node.kubernetes.io/"
NIC_LABEL = "feature.node.kubernetes.io/pci-15b3.present"
SHOWN = 5


def hardware(ask: Ask) -> Mapping[str, Any]:
    """What kube/facts_hardware.py found."""
    found: Mapping[str, Any] = ask.facts.get("hardware") or {}
    return found


def nodes(ask: Ask) -> list[Mapping[str, Any]]:
    """The cluster's nodes; [] where nobody read them."""
    return list(ask.facts.get("nodes") or [])


def gpu_nodes(ask: Ask) -> list[Mapping[str, Any]]:
    """The machines that have GPUs by their labels, or offer some."""
    return [
        node
        for node in nodes(ask)
        if node.get("gpus") or any((node.get("labels") or {}).get(label) == "true" for label in GPU_LABELS)
    ]


def drivers(ask: Ask) -> dict[str, Mapping[str, Any]]:
    """The live settings of drivers, by the object that holds them: NVIDIADrivers where their ClusterPolicy leaves it to
    these (useNvidiaDriverCRD), else the policy's own."""
    found: dict[str, Mapping[str, Any]] = {}
    others = hardware(ask).get("nvidia_drivers") or []
    for policy in hardware(ask).get("cluster_policies") or []:
        driver = (policy.get("spec") or {}).get("driver") or {}
        if driver.get("useNvidiaDriverCRD") and driver.get("enabled") is not False and others:
            found.update({f"NVIDIADriver {item['name']}": item.get("spec") or {} for item in others})
        else:
            found[f"ClusterPolicy {policy['name']}"] = driver
    return found


def ours_or_coming(found: Mapping[str, Any]) -> bool:
    """Whether a component is ours, or about to be."""
    return not found.get("present") or provisioned(found)


def runtime_of(node: Mapping[str, Any]) -> str:
    """Which runtime's paths hold on a machine: k3s and rke2 bring a containerd of their own, in their own places."""
    kubelet, runtime = str(node.get("kubelet") or ""), str(node.get("runtime") or "")
    if "+k3s" in kubelet:
        return "k3s"
    if "+rke2" in kubelet:
        return "rke2"
    return "crio" if runtime.startswith("cri-o:") else "containerd"


def unknown_paths(ask: Ask) -> dict[str, str]:
    """Machine -> its kubelet's version, where that names a distribution whose containerd may lie elsewhere."""
    return {
        str(node["name"]): str(node.get("kubelet"))
        for node in gpu_nodes(ask) or nodes(ask)
        if runtime_of(node) == "containerd" and "+" in str(node.get("kubelet") or "")
    }


def layouts(ask: Ask) -> list[str]:
    """Where the machines' runtimes read, in words: of k3s and rke2 the folder goes with containerd's major version."""
    found = set()
    for node in gpu_nodes(ask) or nodes(ask):
        name, version = runtime_of(node), str(node.get("runtime") or "").partition("://")[2].partition(".")[0]
        found.add(f"{name} with containerd {version}" if name in ("k3s", "rke2") and version else name)
    return sorted(found)


def runtimes(ask: Ask) -> list[str]:
    """The runtimes of the machines with GPUs, of all machines where none has any; sorted."""
    return sorted({runtime_of(node) for node in gpu_nodes(ask) or nodes(ask)})


def runtime(ask: Ask, wanted: str) -> str:
    """The runtime that counts: the one asked for, or with ``auto`` the machines' own (of several: the first)."""
    if wanted != "auto":
        return wanted
    found = runtimes(ask)
    return found[0] if found else "containerd"


def containerd_major(ask: Ask) -> int:
    """The major version of the machines' containerd; 2 where they do not tell."""
    for node in gpu_nodes(ask) or nodes(ask):
        version = str(node.get("runtime") or "").partition("://")[2]
        if version[:1].isdigit():
            return int(version.partition(".")[0])
    return 2


def by_olm(ask: Ask) -> bool:
    """Whether the operator comes by a Subscription, so that there is no chart, and what it makes elsewhere is ours."""
    return ask.openshift and as_flag(ask.settings.get("olm", True)) is not False


def n20_values(ask: Ask, found: Mapping[str, Any], name: str, kind: str) -> Iterator[Finding]:
    """N20: values of a chart where no chart is: they reach nothing."""
    if ours_or_coming(found) and by_olm(ask) and ask.values:
        yield Finding(
            "MN-N20",
            "warning",
            name,
            f"values ({some(sorted(map(str, ask.values)))}) are a chart's, and here OLM brings the operator: they "
            "reach nothing",
            f"say it in the setting policy, as the spec of the {kind} has it; or olm: false, which takes the chart",
        )


def other_discovery(ask: Ask) -> list[str]:
    """Where a Node Feature Discovery runs that our release did not bring."""
    return [_place(item) for item in hardware(ask).get("nfd") or [] if not _own(ask, item)]


def discovery(ask: Ask, wanted: bool | None) -> bool:
    """Whether our release brings Node Feature Discovery: as asked, as it does already, or where there is none."""
    if wanted is not None:
        return wanted
    if any(_own(ask, item) for item in hardware(ask).get("nfd") or []):
        return True
    return not ask.openshift and not other_discovery(ask)


def with_discovery(ask: Ask, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts once our release has brought its Node Feature Discovery."""
    known = dict(facts.get("hardware") or {})
    entry = {"namespace": ask.namespace, "release": ask.release}
    others = [item for item in known.get("nfd") or [] if dict(item) != entry]
    known["nfd"] = [*others, entry] if (ask.values.get("nfd") or {}).get("enabled") else others
    return {**facts, "hardware": known}


def discovered(ask: Ask) -> bool:
    """Whether a Node Feature Discovery is there, or OLM is bringing one."""
    return bool(hardware(ask).get("nfd")) or openshift.has_nfd(ask)


def brings_discovery(ask: Ask, name: str) -> bool:
    """Whether a component of ours has, or is about to have, a Node Feature Discovery of its own."""
    if by_olm(ask):
        return openshift.nfd_is_ours_to_make(name, ask)
    overruled = (ask.values.get("nfd") or {}).get("enabled")
    return overruled if isinstance(overruled, bool) else discovery(ask, Settings(name, ask.settings).maybe("nfd"))


def f37_discovery(ask: Ask, name: str, found: Mapping[str, Any], *, last: bool = True) -> Iterator[Finding]:
    """F37: two Node Feature Discoveries take each other's labels away; without any, no operator finds its machines.

    last: whether no component that is decided later could bring one.
    """
    there = list(hardware(ask).get("nfd") or [])
    ours = ours_or_coming(found)
    coming = ours and brings_discovery(ask, name)
    if coming and not any(_own(ask, item) for item in there):
        there.append({"namespace": openshift.NFD_NAMESPACE if by_olm(ask) else ask.namespace, "release": ask.release})
    places = [_place(item) for item in there]
    if len(places) > 1:
        yield Finding(
            "MN-F37",
            "error",
            name,
            f"Node Feature Discovery runs {len(places)} times: {'; '.join(places)}",
            "keep one: set nfd.enabled=false in the chart values of the others (the GPU operator's is the usual owner)",
        )
    if not places and not openshift.has_nfd(ask):
        remedy = f"set {'olm.nfd' if by_olm(ask) else 'nfd'}: true in multinode_platform.{name}, or install it yourself"
        theirs = "its owner: set nfd.enabled=true in the chart's values; or nfd: true in a component that we install"
        if ask.openshift:
            theirs = "its owner: install the NFD operator, and make a NodeFeatureDiscovery"
        yield Finding(
            "MN-F37",
            "error" if last else "warning",
            name,
            "nothing runs Node Feature Discovery, so no machine gets the labels by which the operators find it",
            remedy if ours else theirs,
        )


def some(names: list[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _own(ask: Ask, item: Mapping[str, Any]) -> bool:
    if by_olm(ask):
        return item.get("namespace") == openshift.NFD_NAMESPACE
    return (item.get("namespace"), item.get("release")) == (ask.namespace, ask.release)


def _place(item: Mapping[str, Any]) -> str:
    release = f"release {item['release']} in " if item.get("release") else ""
    return f"{release}namespace {item.get('namespace')}"
