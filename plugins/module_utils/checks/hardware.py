# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machines and their networks say against the plan (stage preflight), as cluster_info found it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan

Facts = Mapping[str, Any]
Node = Mapping[str, Any]

UPGRADE = "nvidia.com/gpu-driver-upgrade-state"
ATTACHMENT = "NetworkAttachmentDefinition in k8s.cni.cncf.io/v1"
# Parts of the network operator without which a pod with an attachment is never created
CNI_STATES = ("state-multus-cni", "state-container-networking-plugins", "state-ipoib-cni", "state-nv-ipam-cni")
# Device plugin of a NicClusterPolicy, where its configuration lists resources, and their group unless it says another
_PLUGINS = (
    ("rdmaSharedDevicePlugin", "configList", "rdma"),
    ("sriovDevicePlugin", "resourceList", "nvidia.com"),
)
_SPELT = {"devices": "deviceIDs", "pfNames": "ifNames"}
# Resources of NICs, shared or whole; a GPU, or a part of one, is refused among extra_resources (F17)
DEVICES = ("rdma/", "nvidia.com/")
SHOWN = 5


def _hardware(facts: Facts) -> Mapping[str, Any]:
    found: Mapping[str, Any] = facts.get("hardware") or {}
    return found


def _subject(workload: WorkloadPlan) -> str:
    return f"{workload.namespace}/{workload.name}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _machines(facts: Facts, product: str | None) -> list[Node]:
    """The nodes that offer GPUs of this product (None: any)."""
    return [
        node
        for node in facts.get("nodes") or ()
        if node.get("gpus") and (product is None or node.get("gpu_product") in (None, product))
    ]


def f41_rdma(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F41: the RDMA devices that a rank asks for are offered by no machine, or not by all of them; or not so many."""
    if _hardware(facts).get("coming"):
        return  # this very run installs what will offer them
    told: set[tuple[str, str | None]] = set()
    for workload in plan.workloads:
        product = workload.workload.gpu_product
        machines = [node for node in _machines(facts, product) if node.get("resources") is not None]
        most: dict[str, int] = {}
        for component in workload.components:
            for name, count in component.component.extra_resources.items():
                if count and name.startswith(DEVICES):
                    most[name] = max(count, most.get(name, 0))
        for name, count in sorted(most.items()):
            without = [node for node in machines if (node["resources"].get(name) or 0) < count]
            if not without or (name, product) in told:
                continue
            told.add((name, product))
            bare = [str(node["name"]) for node in without]
            everywhere = len(without) == len(machines)
            few = max(node["resources"].get(name) or 0 for node in without)
            what = f"{count} {name} per rank" if few else name
            yield Finding(
                "MN-F41",
                "error" if everywhere else "warning",
                _subject(workload),
                f"asks for {what}, which {'no machine offers' if everywhere else 'some machines do not offer'}"
                f"{f' (they have up to {few})' if few else ''}: {_some(bare)}; {_configured(name, bare, facts)}",
                "let the selector of rdma_shared, host_device or sriov (multinode_platform.network_operator) take "
                "these NICs and links, or "
                + ("ask for no more than they offer" if few else "take the resource out of extra_resources"),
            )


def _configured(name: str, bare: Sequence[str], facts: Facts) -> str:
    """What the device plugin is told to take, beside what the machines have."""
    selectors = [
        (policy["name"], chosen)
        for policy in _hardware(facts).get("nic_policies") or ()
        for resource, chosen in configured(policy)
        if resource == name
    ]
    if not selectors:
        return f"no NicClusterPolicy configures {name}"
    policy, wanted = selectors[0]
    said = ", ".join(f"{key} {'/'.join(map(str, wanted[key]))}" for key in sorted(wanted)) or "any device"
    devices = _hardware(facts).get("devices") or {}
    seen = next((node for node in bare if devices.get(node)), "")
    if not seen:
        offered = {str(node["name"]): node.get("resources") or {} for node in facts.get("nodes") or ()}
        matches = "too few" if any(offered.get(node, {}).get(name) for node in bare) else "nothing"
        return f"NicClusterPolicy {policy} takes {said}, which matches {matches} there"
    has = dict.fromkeys(
        f"{item.get('vendor')}:{item.get('device')}" if item.get("vendor") else str(item.get("interface"))
        for item in devices[seen]
    )
    verdict = "none of which matches" if not matching(wanted, devices[seen]) else "so look at drivers and link types"
    return f"NicClusterPolicy {policy} takes {said}; {seen} has {_some(list(has))}, {verdict}"


def configured(policy: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(resource, selectors) of a NicClusterPolicy's two device plugins, the selectors by the names that the RDMA shared
    device plugin has for them; nothing where a configuration is none."""
    for plugin, key, group in _PLUGINS:
        text = ((policy.get("spec") or {}).get(plugin) or {}).get("config") or "{}"
        try:
            listed = json.loads(text).get(key) or []
        except (ValueError, AttributeError):
            continue
        for entry in listed:
            if isinstance(entry, Mapping):
                chosen = entry.get("selectors")
                # A list of them is ORed: which one missed is not told apart here
                named = (
                    {_SPELT.get(str(one), str(one)): chosen[one] for one in chosen}
                    if isinstance(chosen, Mapping)
                    else {}
                )
                named.pop("isRdma", None)
                yield f"{entry.get('resourcePrefix') or group}/{entry.get('resourceName')}", named


def matching(selectors: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what NFD tells of a machine satisfies a selector: AND between the kinds, OR within one.

    Drivers and link types NFD does not tell; they count as satisfied.
    """
    vendors, ids = selectors.get("vendors") or (), selectors.get("deviceIDs") or ()
    if vendors or ids:
        fits = [
            item
            for item in devices
            if item.get("vendor") and (not vendors or item["vendor"] in vendors) and (not ids or item["device"] in ids)
        ]
        if not fits:
            return False
    interfaces = selectors.get("ifNames") or ()
    return not interfaces or any(item.get("interface") in interfaces for item in devices)


def f44_driver_upgrade(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F44: a machine that the plan counts on is in the middle of a driver upgrade, or of one that failed."""
    for product, demand in plan.demand.items():
        wanted = None if product == "any" else product
        machines = _machines(facts, wanted)
        busy = {
            str(node["name"]): str((node.get("labels") or {})[UPGRADE])
            for node in facts.get("nodes") or ()
            if (node.get("labels") or {}).get(UPGRADE) not in (None, "", "upgrade-done")
            and (wanted is None or node.get("gpu_product") in (None, wanted))
        }
        if not busy or not demand:
            continue
        left = sum(int(node["gpus"]) for node in machines if str(node["name"]) not in busy and node.get("schedulable"))
        states = [f"{name} ({state})" for name, state in sorted(busy.items())]
        # Too small even with them: said elsewhere, and perhaps an autoscaler's business
        short = left < demand <= sum(int(node["gpus"]) for node in machines)
        yield Finding(
            "MN-F44",
            "error" if short else "warning",
            product if product != "any" else "GPUs",
            f"a driver upgrade is under way on {_some(states)}; the other machines have {left} GPUs, and {demand} are "
            "asked for",
            "wait until the label nvidia.com/gpu-driver-upgrade-state says upgrade-done; after upgrade-failed, look at "
            "the driver's pod there (driver.upgradePolicy.gpuPodDeletion and drain decide what it may evict)",
        )


def f45_attachment(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F45: a secondary network that is not there; the pods would stay in ContainerCreating."""
    hardware = _hardware(facts)
    if not hardware or ATTACHMENT in (facts.get("unreadable") or ()):
        return
    known = hardware.get("attachments")
    late = [
        f"{state['name']} is {state['state']}" + (f" ({state['message']})" if state.get("message") else "")
        for policy in hardware.get("nic_policies") or ()
        for state in policy.get("states") or ()
        if state.get("name") in CNI_STATES and state.get("state") not in ("ready", "ignore")
    ]
    for workload in plan.workloads:
        missing = []
        for asked in workload.workload.network.attachments:
            full = asked if "/" in asked else f"{workload.namespace}/{asked}"
            if known is not None and full not in known:
                missing.append(full)
        asks = bool(workload.workload.network.attachments)
        if asks and known is None:
            yield Finding(
                "MN-F45",
                "error",
                _subject(workload),
                "asks for secondary networks, and the cluster knows no NetworkAttachmentDefinition (no Multus)",
                "declare the networks in multinode_platform.network_operator (host_device, ipoib, macvlan, sriov), or "
                "take them out of network.attachments",
            )
        elif missing:
            there = [
                name for name in known or () if name.rpartition("/")[2] in {full.rpartition("/")[2] for full in missing}
            ]
            elsewhere = f" (there is {_some(there)})" if there else ""
            yield Finding(
                "MN-F45",
                "error",
                _subject(workload),
                f"its secondary network {_some(missing)} does not exist{elsewhere}",
                "give the network that namespace in multinode_platform.network_operator, or name it as namespace/name",
            )
        elif asks and late:
            yield Finding(
                "MN-F45",
                "warning",
                _subject(workload),
                f"its secondary networks need what the network operator does not have ready: {_some(late)}",
                "look at the pods of the network operator's namespace; where a CNI plugin is not found, compare "
                "operator.cniBinDirectory with the machines' own place (k3s has another)",
            )


HARDWARE_CHECKS = (f41_rdma, f44_driver_upgrade, f45_attachment)
