# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secondary networks out of the network operator's settings: objects of its own kinds, which make the attachments.

An attachment has the name of its network, in the network's ``namespace``: one entry per namespace that needs it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Object
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia import NIC_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import Settings, labels

VENDOR = "15b3"
NETWORK = {"name": ("text", ...), "namespace": ("text", "default"), "ipam": ("ipam", None)}
SELECTORS = {
    "vendors": ("texts", [VENDOR]),
    "device_ids": ("texts", None),
    "drivers": ("texts", None),
    "if_names": ("texts", None),
    "link_types": ("texts", None),
}
FIELDS: Mapping[str, Mapping[str, tuple[str, Any]]] = {
    "rdma_shared": {"resource": ("text", ...), "max": ("number", 63), **SELECTORS},
    "host_device": {**NETWORK, "resource": ("text", ...), **SELECTORS},
    "ipoib": {**NETWORK, "master": ("text", ...)},
    "macvlan": {**NETWORK, "master": ("text", ...), "mode": ("text", "bridge"), "mtu": ("number", None)},
    "sriov": {
        **NETWORK,
        "resource": ("text", ...),
        "num_vfs": ("number", ...),
        "link_type": ("text", "eth"),
        "device_ids": ("texts", None),
        "if_names": ("texts", None),
        "root_devices": ("texts", None),
        "mtu": ("number", None),
        "rdma": ("flag", True),
        "node_selector": ("map", None),
    },
    "ip_pools": {
        "name": ("text", ...),
        "subnet": ("text", ...),
        "per_node_block_size": ("number", ...),
        "gateway": ("text", None),
    },
}
ATTACHING = ("host_device", "ipoib", "macvlan", "sriov")
# What the device plugins take, and pass over without a word otherwise (network-operator: webhook-schemas and
# api/v1alpha1/validator/nicpolicy_webhook.go; sriov-network-operator: pkg/webhook; links as netlink spells them)
_RESOURCE: Mapping[str, tuple[str, str]] = {
    "rdma_shared": (r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", "letters, digits, - _ ."),
    "host_device": (r"([A-Za-z0-9][A-Za-z0-9_.]*)?[A-Za-z0-9]", "letters, digits, _ ."),
    "sriov": (r"[A-Za-z0-9_]+", "letters, digits, _"),
}
_LINKS = ("ether", "infiniband")


class Networks:
    """All lists of the settings, read once."""

    def __init__(self, given: Settings) -> None:
        read = {key: given.entries(key, FIELDS[key]) for key in FIELDS}
        self.rdma_shared = read["rdma_shared"]
        self.host_device = read["host_device"]
        self.ipoib = read["ipoib"]
        self.macvlan = read["macvlan"]
        self.sriov = read["sriov"]
        self.ip_pools = read["ip_pools"]
        self.given = given

    @property
    def attaching(self) -> list[dict[str, Any]]:
        """Every network that a pod can name."""
        return [*self.host_device, *self.ipoib, *self.macvlan, *self.sriov]

    @property
    def attachments(self) -> list[str]:
        """``namespace/name`` of the attachments that they will make."""
        return sorted(f"{network['namespace']}/{network['name']}" for network in self.attaching)

    def judge(self) -> None:
        """Adds what is wrong between entries to the settings' problems."""
        problems = self.given.problems
        pools = {pool["name"] for pool in self.ip_pools}
        for key in ("host_device", "ipoib", "macvlan", "sriov", "ip_pools"):
            seen: set[str] = set()
            for index, entry in enumerate(getattr(self, key)):
                where, name = f"{key}[{index}]", entry["name"]
                if name in seen:
                    problems.append((f"{where}.name", name, "a name of its own: it is the object's, cluster-wide"))
                seen.add(name)
                ipam = entry.get("ipam")
                if isinstance(ipam, str) and ipam not in pools:
                    known = ", ".join(sorted(pools)) or "none"
                    problems.append(
                        (f"{where}.ipam", ipam, f"the name of an entry of ip_pools (there are: {known}), or a map")
                    )
        self._judge_resources()
        made: dict[str, str] = {}
        for key in ATTACHING:
            for index, entry in enumerate(getattr(self, key)):
                attachment = f"{entry['namespace']}/{entry['name']}"
                other = made.setdefault(attachment, key)
                if other != key:
                    right = f"another one: the entry of {other} by this name makes the attachment {attachment}, too"
                    problems.append((f"{key}[{index}].name", entry["name"], right))
        for index, entry in enumerate(self.sriov):
            if entry["link_type"].lower() not in ("eth", "ib"):
                problems.append((f"sriov[{index}].link_type", entry["link_type"], "eth or ib"))
            if not (entry["device_ids"] or entry["if_names"] or entry["root_devices"]):
                problems.append((f"sriov[{index}]", entry["name"], "device_ids, if_names or root_devices: which NICs"))
            if len(entry["device_ids"] or ()) > 1:
                right = "one: a policy of the SR-IOV operator selects by one, so give each an entry of its own"
                problems.append((f"sriov[{index}].device_ids", entry["device_ids"], right))
        for index, entry in enumerate(self.macvlan):
            if entry["mode"] not in ("bridge", "private", "vepa", "passthru"):
                problems.append((f"macvlan[{index}].mode", entry["mode"], "bridge, private, vepa or passthru"))

    def _judge_resources(self) -> None:
        """Resources by names that their device plugin does not take, or that two entries mean differently."""
        problems = self.given.problems
        for key, (pattern, words) in _RESOURCE.items():
            seen: dict[str, Any] = {}
            for index, entry in enumerate(getattr(self, key)):
                where, name = f"{key}[{index}]", entry["resource"]
                if not re.fullmatch(pattern, name):
                    problems.append((f"{where}.resource", name, f"made of {words}"))
                if key == "sriov":
                    continue  # several policies may fill one pool
                chosen = {field: entry[field] for field in SELECTORS}
                if key == "rdma_shared" and name in seen:
                    problems.append((f"{where}.resource", name, "a name of its own: one entry takes several selectors"))
                elif seen.setdefault(name, chosen) != chosen:
                    right = "with the selectors of the entry before it: one resource is one pool of devices"
                    problems.append((f"{where}.resource", name, right))
                wrong = [link for link in entry["link_types"] or () if link not in _LINKS]
                if wrong:
                    problems.append((f"{where}.link_types", wrong, " or ".join(_LINKS)))


def selectors(entry: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, list[str]]:
    """A device plugin's selectors (AND between them, OR within one). names: our key -> the plugin's."""
    return {names[key]: list(entry[key]) for key in names if entry.get(key)}


def rdma_config(networks: Networks) -> str:
    """The configuration of the RDMA shared device plugin (k8s-rdma-shared-dev-plugin: README)."""
    names = {
        "vendors": "vendors",
        "device_ids": "deviceIDs",
        "drivers": "drivers",
        "if_names": "ifNames",
        "link_types": "linkTypes",
    }
    return _json(
        {
            "configList": [
                {
                    "resourceName": entry["resource"],
                    "rdmaHcaMax": entry["max"],
                    "selectors": selectors(entry, names),
                }
                for entry in networks.rdma_shared
            ]
        }
    )


def host_device_config(networks: Networks) -> str:
    """The configuration of the SR-IOV device plugin, for whole host devices (sriov-network-device-plugin: README)."""
    names = {
        "vendors": "vendors",
        "device_ids": "devices",
        "drivers": "drivers",
        "if_names": "pfNames",
        "link_types": "linkTypes",
    }
    found: dict[str, dict[str, Any]] = {}
    for entry in networks.host_device:  # several networks may share one pool of devices
        found.setdefault(
            entry["resource"],
            {
                "resourcePrefix": "nvidia.com",
                "resourceName": entry["resource"],
                "selectors": {**selectors(entry, names), "isRdma": True},
            },
        )
    return _json({"resourceList": list(found.values())})


def objects(networks: Networks, namespace: str) -> Iterator[Object]:
    """Pools first, then the SR-IOV policies, then the networks."""
    for pool in networks.ip_pools:
        spec = {"subnet": pool["subnet"], "perNodeBlockSize": pool["per_node_block_size"]}
        if pool["gateway"]:
            spec["gateway"] = pool["gateway"]
        yield _object("nv-ipam.nvidia.com/v1alpha1", "IPPool", pool["name"], spec, namespace)
    for entry in networks.sriov:
        yield _object(
            "sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicy", entry["name"], _sriov_policy(entry), namespace
        )
    for entry in networks.sriov:
        kind = "SriovIBNetwork" if entry["link_type"].lower() == "ib" else "SriovNetwork"
        spec = {"resourceName": entry["resource"], **_attachment(entry)}
        yield _object("sriovnetwork.openshift.io/v1", kind, entry["name"], spec, namespace)
    for entry in networks.host_device:
        spec = {"resourceName": entry["resource"], **_attachment(entry)}
        yield _object("mellanox.com/v1alpha1", "HostDeviceNetwork", entry["name"], spec)
    for entry in networks.ipoib:
        spec = {"master": entry["master"], **_attachment(entry)}
        yield _object("mellanox.com/v1alpha1", "IPoIBNetwork", entry["name"], spec)
    for entry in networks.macvlan:
        spec = {"master": entry["master"], "mode": entry["mode"], **_attachment(entry)}
        if entry["mtu"]:
            spec["mtu"] = entry["mtu"]
        yield _object("mellanox.com/v1alpha1", "MacvlanNetwork", entry["name"], spec)


def _sriov_policy(entry: Mapping[str, Any]) -> dict[str, Any]:
    nics: dict[str, Any] = {"vendor": VENDOR}
    if entry["device_ids"]:
        nics["deviceID"] = entry["device_ids"][0]
    if entry["if_names"]:
        nics["pfNames"] = list(entry["if_names"])
    if entry["root_devices"]:
        nics["rootDevices"] = list(entry["root_devices"])
    spec: dict[str, Any] = {
        "resourceName": entry["resource"],
        "nodeSelector": labels(entry["node_selector"] or {NIC_LABEL: "true"}),
        "numVfs": entry["num_vfs"],
        "nicSelector": nics,
        "deviceType": "netdevice",
        "linkType": entry["link_type"].lower(),
        "isRdma": entry["rdma"],
    }
    if entry["mtu"]:
        spec["mtu"] = entry["mtu"]
    return spec


def _attachment(entry: Mapping[str, Any]) -> dict[str, Any]:
    ipam = entry["ipam"]
    if isinstance(ipam, str):
        ipam = {"type": "nv-ipam", "poolName": ipam}
    return {"networkNamespace": entry["namespace"], **({"ipam": _json(ipam)} if ipam else {})}


def _object(api_version: str, kind: str, name: str, spec: Mapping[str, Any], namespace: str = "") -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def _json(value: Any) -> str:
    """One text for one meaning, so that a second run changes nothing."""
    return json.dumps(value, sort_keys=True)
