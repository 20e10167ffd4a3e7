# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of an inventory as KWOK nodes, labelled as the GPU operator, NFD and a topology writer would."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.controlplane import FAKE, SYSTEM_NODE
from lab.errors import LabError
from lab.kube import MERGE, Api, ApiError

GROUP = "gpu_nodes"
DOMAINS = ("zone", "block", "rack")
LEVELS = {name: f"topology.kubernetes.io/{name}" for name in DOMAINS}
CPUS, MEMORY, PODS = 192, "2Ti", 110
# A node that the lab made says which labels the lab gave it, so that only those are ever taken away again.
OWNED = "lab.dynamo.multinode/labels"
FAMILIES = {
    "A100": "ampere",
    "A40": "ampere",
    "H100": "hopper",
    "H200": "hopper",
    "GH200": "hopper",
    "L40": "ada-lovelace",
    "B200": "blackwell",
    "B300": "blackwell",
    "GB200": "blackwell",
    "GB300": "blackwell",
}
PARALLEL = 16
CONDITIONS = (
    ("Ready", "True", "KubeletReady"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID"),
    ("NetworkUnavailable", "False", "RouteCreated"),
)


class InventoryReader:
    """``ansible-inventory`` in the background: it takes a second, in which the control plane can start."""

    def __init__(self, inventory: Path) -> None:
        if not inventory.exists():
            raise LabError(f"--inventory: {inventory} does not exist")
        self._inventory = inventory
        beside = Path(sys.executable).with_name("ansible-inventory")
        command = str(beside) if beside.is_file() else shutil.which("ansible-inventory")
        if not command:
            raise LabError("ansible-inventory is not on PATH; install ansible-core, whose inventory the lab reads")
        env = {**os.environ, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", "ANSIBLE_NOCOLOR": "1"}
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [command, "-i", str(inventory), "--list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
        )

    def machines(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """(the group's machines as ``multinode_node`` dicts with ``name``, topology domain -> label)."""
        out, err = self._process.communicate()
        try:
            listed = json.loads(out) if self._process.returncode == 0 else None
        except ValueError:
            listed = None
        if not isinstance(listed, dict):
            lines = [line for line in err.strip().splitlines() if line.strip()]
            raise LabError(f"--inventory: {self._inventory}: {lines[-1] if lines else 'cannot be read'}")
        return machines(listed, self._inventory)


def machines(listed: dict[str, Any], inventory: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """From the output of ``ansible-inventory --list``; raises LabError naming host and variable."""
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    group = _common(hostvars, "multinode_node_group") or GROUP
    levels = {**LEVELS, **(_common(hostvars, "multinode_topology_levels") or {})}
    hosts = _members(listed, str(group))
    if not hosts:
        raise LabError(f"--inventory: {inventory} has no hosts in the group {group} (multinode_node_group)")
    found = []
    for host in hosts:
        node = hostvars.get(host, {}).get("multinode_node", {})
        if not isinstance(node, dict):
            raise LabError(f"{inventory}: host {host}: multinode_node is {node!r}, not a map")
        node = {key: _plain(value, host, key, inventory) for key, value in node.items()}
        node.setdefault("name", host)
        found.append(node)
    names = [str(node["name"]) for node in found]
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"{inventory}: {names.count(name)} hosts have the node name {name} (multinode_node.name)")
    return found, levels


def _common(hostvars: dict[str, Any], name: str) -> Any:
    return next((values[name] for values in hostvars.values() if values.get(name)), None)


def _members(listed: dict[str, Any], group: str) -> list[str]:
    seen: dict[str, None] = {}
    entry = listed.get(group, {})
    for host in entry.get("hosts", []):
        seen[host] = None
    for child in entry.get("children", []):
        seen.update(dict.fromkeys(_members(listed, child)))
    return list(seen)


def _plain(value: Any, host: str, key: str, inventory: Path) -> Any:
    if isinstance(value, str):
        value = value.replace("{{ inventory_hostname }}", host)
        if "{{" in value:
            raise LabError(f"{inventory}: host {host}: multinode_node.{key} is a template; the lab needs a plain value")
    return value


def resize(found: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """``count`` machines: the first ones, or more of the last one's kind in further racks of the same size."""
    if count <= len(found):
        return found[:count]
    model = found[-1]
    racks = [node.get("rack") for node in found]
    per_rack = max(racks.count(model.get("rack")), 1)
    more = []
    for index in range(count - len(found)):
        node = {**model, "name": f"lab-gpu-{index:05d}"}
        if model.get("rack") is not None:
            node["rack"] = f"lab-r{index // per_rack:04d}"
        more.append(node)
    return [*found, *more]


def _number(node: dict[str, Any], key: str) -> int:
    value = node.get(key) or 0
    try:
        return int(value)
    except (TypeError, ValueError):
        raise LabError(f"host {node['name']}: multinode_node.{key} is {value!r}, not a whole number") from None


def gpu_node(node: dict[str, Any], levels: dict[str, str]) -> dict[str, Any]:
    """The Node object of one machine."""
    name, count, memory = str(node["name"]), _number(node, "gpu_count"), _number(node, "gpu_memory_gib")
    product = str(node.get("gpu_product") or "")
    extra = {str(key): str(value) for key, value in (node.get("extra_resources") or {}).items()}
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
    }
    if count:
        labels.update(
            {
                "feature.node.kubernetes.io/pci-10de.present": "true",
                "nvidia.com/gpu.present": "true",
                "nvidia.com/gpu.count": str(count),
                "nvidia.com/gpu.replicas": "1",
                "nvidia.com/gpu.deploy.driver": "true",
                "nvidia.com/gpu.deploy.device-plugin": "true",
                "nvidia.com/mig.capable": "true" if _family(product) in ("ampere", "hopper", "blackwell") else "false",
                "nvidia.com/mig.strategy": "single",
            }
        )
        if product:
            labels["nvidia.com/gpu.product"] = product
        if _family(product):
            labels["nvidia.com/gpu.family"] = _family(product)
        if memory:
            labels["nvidia.com/gpu.memory"] = str(memory * 1024)
    if any("rdma" in key or "hostdev" in key or "sriov" in key for key in extra):
        labels["feature.node.kubernetes.io/pci-15b3.present"] = "true"
        labels["network.nvidia.com/operator.mofed.wait"] = "false"
    for domain in DOMAINS:
        if node.get(domain) is not None and levels.get(domain):
            labels[levels[domain]] = str(node[domain])
    resources = {"cpu": str(CPUS), "memory": MEMORY, "pods": str(PODS), "ephemeral-storage": "2Ti", **extra}
    if count:
        resources["nvidia.com/gpu"] = str(count)
    return _node(name, labels, resources)


def system_node() -> dict[str, Any]:
    """The one node without GPUs, where charts' pods and frontends find room."""
    labels = {
        "kubernetes.io/hostname": SYSTEM_NODE,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "",
    }
    return _node(SYSTEM_NODE, labels, {"cpu": "512", "memory": "4Ti", "pods": "500", "ephemeral-storage": "4Ti"})


def _family(product: str) -> str:
    return next((FAMILIES[key] for key in sorted(FAMILIES, key=len, reverse=True) if key in product), "")


def _node(name: str, labels: dict[str, str], resources: dict[str, str]) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).digest()
    info = {
        "architecture": "amd64",
        "bootID": "",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": "6.8.0-60-generic",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.34.4",
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "Ubuntu 24.04.3 LTS",
        "systemUUID": "",
    }
    address = f"10.64.{digest[0]}.{digest[1] % 254 + 1}"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Ready, and with all that the controllers would add, from its first moment: a thousand nodes with five updates
    # each would keep two cores busy for a minute. From then on KWOK is its kubelet.
    annotations = {FAKE: "fake", OWNED: ",".join(sorted(labels)), "node.alpha.kubernetes.io/ttl": "0"}
    labels = {**labels, "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "phase": "Running",
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": "",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
                for kind, status, reason in CONDITIONS
            ],
            "nodeInfo": info,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        },
    }


def apply(api: Api, wanted: list[dict[str, Any]]) -> dict[str, int]:
    """Make the lab's nodes those that are wanted: {"created", "changed", "removed"}."""
    live = {node["metadata"]["name"]: node for node in _list(api)}
    jobs: list[Callable[[], str]] = []
    for node in wanted:
        found = live.pop(node["metadata"]["name"], None)
        if found is None:
            jobs.append(lambda node=node: _create(api, node))  # type: ignore[misc]
        else:
            jobs.append(lambda node=node, found=found: _update(api, node, found))  # type: ignore[misc]
    for name, node in live.items():
        if OWNED in node["metadata"].get("annotations", {}):
            jobs.append(lambda name=name: _remove(api, name))  # type: ignore[misc]
    with ThreadPoolExecutor(PARALLEL) as pool:
        done = [future.result() for future in [pool.submit(job) for job in jobs]]
    return {action: done.count(action) for action in ("created", "changed", "removed")}


def _list(api: Api) -> list[dict[str, Any]]:
    return list(api.call("GET", "/api/v1/nodes", query={"resourceVersion": "0"}).get("items", []))


def _create(api: Api, node: dict[str, Any]) -> str:
    api.call("POST", "/api/v1/nodes", node)
    return "created"


def _remove(api: Api, name: str) -> str:
    try:
        api.call("DELETE", f"/api/v1/nodes/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
    return "removed"


def _update(api: Api, node: dict[str, Any], found: dict[str, Any]) -> str:
    path = f"/api/v1/nodes/{node['metadata']['name']}"
    labels, annotations = node["metadata"]["labels"], node["metadata"]["annotations"]
    live_labels = found["metadata"].get("labels", {})
    live_annotations = found["metadata"].get("annotations", {})
    owned = [key for key in live_annotations.get(OWNED, "").split(",") if key]
    patch: dict[str, Any] = {key: None for key in owned if key not in labels and key in live_labels}
    patch.update({key: value for key, value in labels.items() if live_labels.get(key) != value})
    changed = False
    if patch or any(live_annotations.get(key) != annotations[key] for key in (FAKE, OWNED)):
        body = {"metadata": {"labels": patch, "annotations": {key: annotations[key] for key in (FAKE, OWNED)}}}
        api.call("PATCH", path, body, content_type=MERGE)
        changed = True
    status = {key: node["status"][key] for key in ("capacity", "allocatable")}
    live_status = found.get("status", {})
    if any(live_status.get(key, {}) != value for key, value in status.items()):
        merge = {
            key: {**{name: None for name in live_status.get(key, {}) if name not in value}, **value}
            for key, value in status.items()
        }
        api.call("PATCH", path + "/status", {"status": merge}, content_type=MERGE)
        changed = True
    return "changed" if changed else "unchanged"


def not_ready(api: Api, wanted: list[dict[str, Any]]) -> list[str]:
    """The wanted nodes that are not Ready yet."""
    ready = {
        node["metadata"]["name"]
        for node in _list(api)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in node.get("status", {}).get("conditions", []))
        # The taint goes a moment after the condition, and only then can pods be bound.
        and not any(taint["key"] == "node.kubernetes.io/not-ready" for taint in node["spec"].get("taints", []))
    }
    return [node["metadata"]["name"] for node in wanted if node["metadata"]["name"] not in ready]


def wait_ready(api: Api, wanted: list[dict[str, Any]], deadline: float) -> None:
    """Until every wanted node is Ready; ``deadline`` by time.monotonic()."""
    pause: float | None = None
    while missing := not_ready(api, wanted):
        if time.monotonic() > deadline:
            raise LabError(
                f"{len(missing)} of {len(wanted)} nodes did not become Ready, e.g. {missing[0]}; see kwok.log"
            )
        pause = 0.1 if len(wanted) < 100 else 0.5
        time.sleep(pause)
