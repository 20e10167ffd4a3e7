# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's operators say of themselves and of the machines; no request for what the cluster does not serve."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.quantity import parse
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.releases import helm_owner, release
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import GPU, whole

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

Object = dict[str, Any]

# Answer -> API group, version and kind
KINDS: Mapping[str, tuple[str, str, str]] = {
    "cluster_policies": ("nvidia.com", "v1", "ClusterPolicy"),
    "nvidia_drivers": ("nvidia.com", "v1alpha1", "NVIDIADriver"),
    "nic_policies": ("mellanox.com", "v1alpha1", "NicClusterPolicy"),
    "attachments": ("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition"),
}
NIC = "feature.node.kubernetes.io/pci-15b3.present"
NODE_NAME = "nfd.node.kubernetes.io/node-name"
# Of so many machines the devices are read where something is wrong with them: one tells what all have in common
LOOK_AT = 20


def node(raw: Mapping[str, Any]) -> Object:
    """What a Node says of its container runtime, and the allocatable extended resources besides GPUs."""
    status = raw.get("status") or {}
    info = status.get("nodeInfo") or {}
    return {
        "runtime": str(info.get("containerRuntimeVersion") or ""),
        "kubelet": str(info.get("kubeletVersion") or ""),
        "resources": {
            name: whole(amount)
            for name, amount in sorted((status.get("allocatable") or {}).items())
            if "/" in name and name != GPU and not name.startswith("hugepages-")
        },
    }


def collect(client: Client, read: Reader, apis: Mapping[str, Sequence[str]], answers: Mapping[str, Any]) -> Object:
    """{"nfd": [...], "cluster_policies", "nvidia_drivers", "nic_policies": [objects in short], "attachments":
    ["namespace/name"] or None, "multus": [{namespace, name}] or None, "devices": {node: [PCI devices]}, "manifest": the
    release's ClusterPolicy or None}.

    attachments None: the kind is not served; whether it may be read is in ``unreadable`` as everywhere. multus None:
    not looked for, because attachments are not served, or not readable.
    """
    wanted = {name: kind for name, kind in KINDS.items() if kind[1] in (apis.get(kind[0]) or ())}
    listed = dict(
        zip(
            wanted,
            client.map(lambda kind: read.list(f"{kind[0]}/{kind[1]}", kind[2]), list(wanted.values())),
        )
    )
    found = summary(listed, answers)
    if "attachments" in wanted:
        daemons = read.list("apps/v1", "DaemonSet")
        found["multus"] = None if "DaemonSet in apps/v1" in read.unreadable else multuses(daemons)
    if found["nic_policies"] and "nfd.k8s-sigs.io" in apis:
        bare = without_devices(answers.get("nodes") or [])[:LOOK_AT]
        selector = f"{NODE_NAME} in ({','.join(bare)})"
        features = read.list("nfd.k8s-sigs.io/v1alpha1", "NodeFeature", label_selector=selector) if bare else []
        found["devices"] = devices(features)
    return found


def summary(listed: Mapping[str, Sequence[Object]], answers: Mapping[str, Any]) -> Object:
    """What was listed (names as in KINDS; who is not served is not in it) in short."""
    found: Object = {
        "nfd": discoveries(answers.get("deployments") or []),
        "cluster_policies": [_policy(item) for item in listed.get("cluster_policies") or []],
        "nvidia_drivers": [_policy(item) for item in listed.get("nvidia_drivers") or []],
        "nic_policies": [_policy(item) for item in listed.get("nic_policies") or []],
        "attachments": None,
        "multus": None,
        "devices": {},
        "manifest": None,
    }
    if "attachments" in listed:
        found["attachments"] = sorted(
            f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in listed["attachments"]
        )
    if found["cluster_policies"]:
        found["manifest"] = _manifest(answers.get("secrets") or [])
    return found


def discoveries(deployments: Iterable[Object]) -> list[Object]:
    """Each Node Feature Discovery once: its master and its garbage collector are one of them."""
    seen: dict[tuple[str, str], Object] = {}
    for item in deployments:
        if not any(
            "node-feature-discovery" in components.split_image(image)[0] for image in components.images_of(item)
        ):
            continue
        meta = item["metadata"]
        owner = helm_owner(item)[0]
        labels = meta.get("labels") or {}
        name = owner or str(labels.get("app.kubernetes.io/instance") or "")
        seen.setdefault((meta["namespace"], name), {"namespace": meta["namespace"], "release": name})
    return list(seen.values())


def multuses(daemons: Iterable[Object]) -> list[Object]:
    """The DaemonSets that run Multus, whatever their registry calls it (``multus-cni``, ``hardened-multus-cni``)."""
    return [
        {"namespace": item["metadata"]["namespace"], "name": item["metadata"]["name"]}
        for item in daemons
        if any(components.split_image(image)[0].endswith("multus-cni") for image in components.images_of(item))
    ]


def without_devices(nodes: Iterable[Object]) -> list[str]:
    """The machines that have an NVIDIA NIC, and offer nothing for RDMA."""
    bare = []
    for item in nodes:
        labels = item["metadata"].get("labels") or {}
        amounts = (item.get("status") or {}).get("allocatable") or {}
        if labels.get(NIC) == "true" and not any(
            name.startswith("rdma/") and (parse(amount) or 0) > 0 for name, amount in amounts.items()
        ):
            bare.append(str(item["metadata"]["name"]))
    return sorted(bare)


def _policy(item: Mapping[str, Any]) -> Object:
    status = item.get("status") or {}
    ready: Mapping[str, Any] = next(
        (entry for entry in status.get("conditions") or [] if entry.get("type") == "Ready"), {}
    )
    return {
        "name": item["metadata"]["name"],
        "spec": item.get("spec") or {},
        "state": status.get("state"),
        "reason": ready.get("reason") or status.get("reason") or "",
        "states": [
            {"name": entry.get("name"), "state": entry.get("state"), "message": entry.get("message") or ""}
            for entry in status.get("appliedStates") or []
        ],
    }


def _manifest(secrets: Iterable[Object]) -> Object | None:
    """The ClusterPolicy as the newest deployed release of the GPU operator holds it: what helm has sent."""
    releases = [found for found in map(release, secrets) if found and found["chart"] == "gpu-operator"]
    deployed = [found for found in releases if found["status"] == "deployed"]
    for item in sorted(deployed, key=lambda found: -int(found["revision"])):
        for document in re.split(r"(?m)^---\s*$", item["manifest"]):
            if "kind: ClusterPolicy" not in document:
                continue
            try:
                obj = yaml.safe_load(document)
            except yaml.YAMLError:
                continue
            if isinstance(obj, dict) and obj.get("kind") == "ClusterPolicy":
                return {"name": obj["metadata"]["name"], "spec": obj.get("spec") or {}}
    return None


def devices(features: Iterable[Object]) -> dict[str, list[Object]]:
    """The NICs of machines as NFD saw them (NodeFeature), and the names of their network interfaces."""
    found: dict[str, list[Object]] = {}
    for item in features:
        instances = ((item.get("spec") or {}).get("features") or {}).get("instances") or {}
        seen = [entry.get("attributes") or {} for entry in (instances.get("pci.device") or {}).get("elements") or []]
        nics = [
            {"vendor": one.get("vendor"), "device": one.get("device"), "class": one.get("class")}
            for one in seen
            if str(one.get("class") or "").startswith("02")
        ]
        interfaces = (instances.get("network.device") or {}).get("elements") or []
        nics += [{"interface": (entry.get("attributes") or {}).get("name")} for entry in interfaces]
        name = str((item["metadata"].get("labels") or {}).get(NODE_NAME) or item["metadata"]["name"])
        found.setdefault(name, []).extend(nics)
    return found
