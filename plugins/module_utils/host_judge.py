# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with one machine, from its facts (host_facts.facts()). Pure; ``subject`` is left to the caller's name.

``expected`` in the facts: ``driver`` (``operator``: the GPU operator installs it; ``host``: the machine brings it;
``auto``: not said), ``gpu_count``, ``toolkit_config``, ``toolkit_socket`` and ``runtime`` (what the toolkit is told),
``toolkit`` (whether it is to be installed by the operator), ``nri`` (whether it leaves containerd's configuration
alone), ``cni_plugins`` (names that have to be there).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.host_runtime import (
    DEFAULT_CONFIG,
    DEFAULT_SOCKET,
    UNLIMITED,
)

Facts = Mapping[str, Any]
OPERATOR, HOST = "operator", "host"
REBOOT = "rebuild the initramfs (update-initramfs -u, or dracut --force) and reboot"


def f30_gpus(name: str, facts: Facts) -> Iterator[Finding]:
    """Fewer or more GPUs on the PCI bus than the inventory says."""
    asked, here = facts["expected"].get("gpu_count"), facts["pci"]["gpus"]
    if asked and int(asked) != len(here) and not _skipped(facts, "PCI devices"):
        yield Finding(
            "MN-F30",
            "error",
            name,
            f"{len(here)} of the {asked} GPUs of the inventory are on its PCI bus",
            "a GPU that fell off the bus comes back with a power cycle, or is to be replaced; otherwise correct "
            "multinode_node.gpu_count",
        )


def f38_nouveau(name: str, facts: Facts) -> Iterator[Finding]:
    """nouveau holds the GPUs, so that no other driver gets them."""
    if not facts["nouveau"]["loaded"] or not facts["pci"]["gpus"]:
        return
    if facts["nouveau"]["blocked"]:
        yield Finding(
            "MN-F38", "error", name, "nouveau is blocked by configuration, and still loaded since before", REBOOT
        )
        return
    yield Finding(
        "MN-F38",
        "error",
        name,
        "nouveau is loaded and holds the GPUs: the NVIDIA driver cannot take them",
        f"write 'blacklist nouveau' into /etc/modprobe.d (gpu_host_fix: {{nouveau: true}} does), {REBOOT}",
    )


def f38_driver(name: str, facts: Facts) -> Iterator[Finding]:
    """A driver of the host where the operator is to install one, or none where the host is to bring it."""
    driver, who = facts["driver"], facts["expected"].get("driver", "auto")
    traces = [*driver["packages"], *driver["files"]]
    if not facts["pci"]["gpus"]:
        return
    if who == HOST:
        if not driver["loaded"] and not traces:
            yield Finding(
                "MN-F38",
                "error",
                name,
                "the machine is to bring its own NVIDIA driver, and none is installed or loaded",
                "install it, or let the GPU operator (multinode_platform.gpu_operator.values.driver.enabled: true)",
            )
        elif not driver["loaded"]:
            yield Finding(
                "MN-F38",
                "error",
                name,
                f"its NVIDIA driver is installed ({_some(traces)}) and not loaded",
                "modprobe nvidia, and see what dmesg says",
            )
        return
    if traces:
        insists = who == OPERATOR
        also = f"; {driver['loaded']} is loaded" if driver["loaded"] else ""
        yield Finding(
            "MN-F38",
            "error" if insists else "warning",
            name,
            f"the host brings an NVIDIA driver of its own ({_some(traces)}{also})"
            + (
                ", and the GPU operator is to install one: its driver pods crash, or the host's stays in use unnoticed"
                if insists
                else ""
            ),
            "set multinode_platform.gpu_operator.values.driver.enabled: false, or remove the packages and reboot",
        )
    elif driver["loaded"] and not driver["container"]:
        yield Finding(
            "MN-F38",
            "warning",
            name,
            f"NVIDIA driver {driver['loaded']} is loaded, and neither a package nor the operator's container brings it",
            "find out who loaded it; a leftover of a removed driver goes with a reboot",
        )


def f38_stale(name: str, facts: Facts) -> Iterator[Finding]:
    """The packages were upgraded under a loaded module: every new process fails with a version mismatch."""
    loaded, listed = facts["driver"]["loaded"], facts["driver"]["packages"]
    versions = sorted({entry.split(" ", 1)[1] for entry in listed if loaded.split(".")[0] in entry})
    if loaded and versions and not facts["driver"]["container"] and not any(loaded in one for one in versions):
        yield Finding(
            "MN-F38",
            "error",
            name,
            f"driver {loaded} is loaded, and {_some(versions)} is installed: NVML refuses to talk (version mismatch)",
            "reboot, or unload and load the modules",
        )


def f39_unread(name: str, facts: Facts) -> Iterator[Finding]:
    """The toolkit configured a file that the container runtime does not read."""
    runtime = facts["runtime"]
    if "runtimes" not in runtime or _has_nvidia(runtime) or facts["expected"].get("nri"):
        return
    path, unread = runtime["config"], runtime["unread"]
    here = f"containerd {_of(runtime)}reads {path}"
    folders = [os.path.dirname(one) for one in unread if _drop_in(one, path)]
    if folders:
        unit = runtime["unit"] or "containerd"
        by_hand = f'add imports = ["{folders[0]}/*.toml"] at the top of {path}, and restart {unit}'
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"the nvidia runtime is in {_some(unread)}; {here}, which imports {_some(runtime['imports']) or 'nothing'}",
            _told_toolkit(runtime) if runtime["flavour"] else by_hand,
        )
    elif unread:
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"the nvidia runtime is in {_some(unread)}; {here}, so that pods have 'no runtime for nvidia'",
            _told_toolkit(runtime),
        )
    elif runtime["toolkit"]:
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"the toolkit is installed, and no file has an nvidia runtime; {here}",
            _told_toolkit(runtime),
        )


def f39_told(name: str, facts: Facts) -> Iterator[Finding]:
    """Before the toolkit comes: it is told to write where the container runtime will not look."""
    runtime, expected = facts["runtime"], facts["expected"]
    if runtime.get("kind") != "containerd" or "socket" not in runtime or not expected.get("toolkit", True):
        return
    if _has_nvidia(runtime) or runtime["toolkit"] or runtime.get("unread") or expected.get("nri"):
        return
    if not expected.get("toolkit_socket") and not expected.get("toolkit_config"):
        asked = expected.get("runtime", "auto")
        runs = runtime["flavour"] or "containerd"
        if asked not in ("auto", runs):
            yield Finding(
                "MN-F39",
                "error",
                name,
                f"the toolkit would be set up for {asked}, and Kubernetes uses the containerd of {runs} here",
                f"set multinode_platform.gpu_operator.runtime to {runs}, or to auto",
            )
            return
        # The role gpu_operator knows the paths of these; any other containerd gets the toolkit's own defaults
        if runtime["flavour"]:
            return
    socket = _plain(expected.get("toolkit_socket") or DEFAULT_SOCKET)
    config = expected.get("toolkit_config") or DEFAULT_CONFIG
    wrong = []
    if socket != runtime["socket"]:
        wrong.append(f"socket {socket} instead of {runtime['socket']}")
    # k3s and rke2 find the toolkit themselves when they start: for them the socket alone matters
    if not runtime["flavour"] and config != runtime["config"] and not _drop_in(config, runtime["config"]):
        wrong.append(f"configuration {config} instead of {runtime['config']}")
    if wrong:
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"the toolkit would be given {' and '.join(wrong)} of the containerd {_of(runtime)}that Kubernetes uses",
            _told_toolkit(runtime),
        )


def f39_broken(name: str, facts: Facts) -> Iterator[Finding]:
    """What is configured cannot work: refused by containerd, not loaded yet, or its program is gone."""
    runtime = facts["runtime"]
    if runtime.get("refused"):
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"containerd refuses its own configuration {runtime['config']}: {runtime['refused']}",
            "correct it before containerd is restarted; it will not come back otherwise",
        )
    if runtime.get("later_than_start") and _has_nvidia(runtime):
        yield Finding(
            "MN-F39",
            "warning",
            name,
            f"{_some(runtime['later_than_start'])} was written after containerd started, which has not read it",
            f"restart {runtime['unit'] or 'containerd'}",
        )
    if runtime.get("missing_programs"):
        yield Finding(
            "MN-F39",
            "error",
            name,
            f"the nvidia runtime's program {_some(runtime['missing_programs'])} is not there",
            "let the toolkit install it again, or take the runtime out of the configuration",
        )


def f45_cni(name: str, facts: Facts) -> Iterator[Finding]:
    """A CNI plugin that is to be there and is not: pods of a network of its type stay in ContainerCreating."""
    here = facts["cni"]
    missing = [plugin for plugin in facts["expected"].get("cni_plugins") or () if plugin not in here["plugins"]]
    if missing:
        where = ", ".join(here["folders"])
        yield Finding(
            "MN-F45",
            "error",
            name,
            f"{_some(missing)} is not among its CNI plugins ({where})" if where else "it has no CNI plugins at all",
            "the network operator brings macvlan, host-device, ipoib and the like (secondaryNetwork.cniPlugins of its "
            "NicClusterPolicy); look whether its DaemonSet runs on this machine, or install them",
        )


def f46_memlock(name: str, facts: Facts) -> Iterator[Finding]:
    """A container runtime that may lock little memory, on a machine with RDMA."""
    runtime = facts["runtime"]
    limit, unit = runtime.get("memlock", ""), runtime.get("unit") or "containerd.service"
    if not facts["rdma"] or limit in ("", UNLIMITED):
        return
    if runtime.get("unit_memlock") == UNLIMITED:
        yield Finding(
            "MN-F46",
            "error",
            name,
            f"{unit} allows unlimited locked memory; its process, started before that, is limited to {_size(limit)}",
            f"restart {unit}; pods keep the old limit until they are made anew",
        )
        return
    yield Finding(
        "MN-F46",
        "error",
        name,
        f"containers may lock {_size(limit)} of memory ({runtime['kind']}): in pods that are non-root, or without "
        "IPC_LOCK, registering memory for RDMA fails, and NCCL goes over TCP without a word",
        f"LimitMEMLOCK=infinity for {unit} (gpu_host_fix: {{memlock: true}} writes it), then restart it",
    )


def n50_iommu(name: str, facts: Facts) -> Iterator[Finding]:
    """An IOMMU that translates between GPU and NIC; on other than x86 that is as it should be."""
    if facts["x86"] and not facts["virtual"] and facts["pci"]["translated"]:
        yield Finding(
            "MN-N50",
            "warning",
            name,
            f"the IOMMU translates for {_some(facts['pci']['translated'])} (kernel: "
            f"{' '.join(facts['iommu']) or 'no option'}): traffic between GPU and NIC is slow, or fails",
            "iommu=pt on the kernel's command line, or switch it off in the firmware",
        )


def n51_acs(name: str, facts: Facts) -> Iterator[Finding]:
    """Bridges that send traffic between peers up to the root; a virtual machine needs that."""
    bridges = facts["pci"]["redirecting"]
    if bridges and facts["pci"]["gpus"] and not facts["virtual"]:
        yield Finding(
            "MN-N51",
            "warning",
            name,
            f"ACS is on at {len(bridges)} of {facts['pci']['bridges']} PCI bridges ({_some(bridges)}): peers do not "
            "reach each other directly",
            "switch it off in the firmware, or at each start: setpci -s <bridge> ECAP_ACS+0x6.w=0000",
        )


def n52_ports(name: str, facts: Facts) -> Iterator[Finding]:
    """RDMA devices without one active port."""
    ports = facts["rdma"]
    if ports and all(port["state"] != "ACTIVE" for port in ports):
        states = [f"{port['device']}/{port['port']} {port['state'] or 'unknown'}" for port in ports]
        yield Finding(
            "MN-N52",
            "error",
            name,
            f"none of its {len(ports)} RDMA ports is active: {_some(states)}",
            "look at cables and switch ports; for InfiniBand, whether a subnet manager runs",
        )


def f92_skipped(name: str, facts: Facts) -> Iterator[Finding]:
    """What could not be looked at is no pass."""
    for entry in facts["skipped"]:
        root = " (become: true)" if "ermission" in entry["why"] or "root" in entry["why"] else ""
        yield Finding(
            "MN-F92",
            "warning",
            name,
            f"not checked: {entry['what']}, because {entry['why']}",
            f"let it be read{root}, or look at it by hand",
        )


MACHINE_CHECKS: tuple[Callable[[str, Facts], Iterator[Finding]], ...] = (
    f30_gpus,
    f38_nouveau,
    f38_driver,
    f38_stale,
    f39_unread,
    f39_told,
    f39_broken,
    f45_cni,
    f46_memlock,
    n50_iommu,
    n51_acs,
    n52_ports,
    f92_skipped,
)


def judge(name: str, facts: Facts) -> list[Finding]:
    """Everything that is wrong with one machine by itself."""
    return [finding for check in MACHINE_CHECKS for finding in check(name, facts)]


def _has_nvidia(runtime: Facts) -> bool:
    return any(name.startswith("nvidia") for name in runtime.get("runtimes") or {})


def _drop_in(path: str, config: str) -> bool:
    """Whether a file lies in a folder beside the configuration, from which it is meant to be imported."""
    folder = os.path.dirname(path)
    return folder != os.path.dirname(config) and os.path.dirname(folder) == os.path.dirname(config)


def _of(runtime: Facts) -> str:
    return f"of {runtime['flavour']} " if runtime["flavour"] else ""


def _plain(socket: str) -> str:
    return socket.replace("unix://", "").replace("/var/run/", "/run/")


def _told_toolkit(runtime: Facts) -> str:
    """The setting that makes the toolkit write where this containerd reads; k3s and rke2 write the rest themselves."""
    socket = f"{{name: CONTAINERD_SOCKET, value: {runtime['socket']}}}"
    setting = "multinode_platform.gpu_operator.values.toolkit.env"
    if not runtime["flavour"]:
        return f"{setting}: [{{name: CONTAINERD_CONFIG, value: {runtime['config']}}}, {socket}]"
    folder = next((os.path.dirname(pattern) for pattern in runtime.get("imports") or []), "")
    drop_in = f"{{name: RUNTIME_DROP_IN_CONFIG, value: {folder}/99-nvidia.toml}}, " if folder else ""
    template = "config-v3.toml.tmpl" if runtime.get("version", 0) >= 3 else "config.toml.tmpl"
    return (
        f"{setting}: [{drop_in}{socket}], and restart {runtime['unit']} once the toolkit is there; by hand, "
        f"{os.path.dirname(runtime['config'])}/{template}, of which {runtime['flavour']} makes {runtime['config']} "
        "anew at every start"
    )


def _size(limit: str) -> str:
    number = int(limit) if limit.isdigit() else 0
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor:
            return f"{number // factor} {unit}"
    return f"{limit} bytes"


def _some(entries: list[str]) -> str:
    """The first few, and how many more."""
    return ", ".join(entries[:3]) + (f" and {len(entries) - 3} more" if len(entries) > 3 else "")


def _skipped(facts: Facts, what: str) -> bool:
    return any(entry["what"] == what for entry in facts["skipped"])
