# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be known of one machine: reads it once and says what could not be read, and why. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import host_devices, host_runtime
from ansible_collections.dynamo.multinode.plugins.module_utils.host_machine import Machine, Unread

# What the role writes where it may; what is here already was written by it
NOUVEAU_FILE = "/etc/modprobe.d/dynamo-multinode-nouveau.conf"
MEMLOCK_FILE = "50-dynamo-multinode-memlock.conf"
# Where the operator's driver container shows its files
DRIVER_CONTAINER = "/run/nvidia/driver"
# kubeadm, rke2 and k0s; OpenShift; Fedora; k3s, with and without what it packs itself
CNI_FOLDERS = (
    "/opt/cni/bin",
    "/var/lib/cni/bin",
    "/usr/libexec/cni",
    "/var/lib/rancher/k3s/data/cni",
    "/var/lib/rancher/k3s/data/current/bin",
)
# Names of packages that bring the kernel driver or belong to it; the container toolkit and NCCL do not
_PACKAGE = re.compile(
    r"^(nvidia-(driver|dkms|kernel|open|headless|fabricmanager)|kmod-nvidia|libnvidia-compute|linux-(modules|objects)-nvidia|"
    r"cuda-drivers|xorg-x11-drv-nvidia|libcuda1$)"
)
_MODULE = re.compile(r"^(\S*/nvidia\.ko(?:\.\w+)?):", re.M)


def driver_version(text: str) -> tuple[str, str]:
    """Version and flavour (``open`` or ``proprietary``) of /proc/driver/nvidia/version."""
    match = re.search(r"^NVRM version:.*?Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+)", text, re.M)
    return (match[1] if match else "", "open" if "Open Kernel Module" in text else "proprietary")


def debian(text: str) -> list[str]:
    """``name version`` of the installed driver packages in what dpkg-query shows (status, name, version)."""
    rows = (line.split() for line in text.splitlines())
    return sorted(f"{row[1]} {row[2]}" for row in rows if len(row) > 2 and row[0].startswith("ii") and _named(row[1]))


def redhat(text: str) -> list[str]:
    """The same of rpm (name, version)."""
    rows = (line.split() for line in text.splitlines())
    return sorted(f"{row[0]} {row[1]}" for row in rows if len(row) > 1 and _named(row[0]))


def _named(package: str) -> bool:
    return _PACKAGE.match(package) is not None


def blocked(texts: Iterable[str], command_line: str) -> bool:
    """Whether nouveau is kept from being loaded, by modprobe's configuration or the kernel's command line."""
    if re.search(r"(?:modprobe|rd\.driver)\.blacklist=\S*\bnouveau\b", command_line):
        return True
    return any(re.search(r"^\s*(?:blacklist|install)\s+nouveau\b", text, re.M) for text in texts)


def packages(machine: Machine, skip: dict[str, str]) -> list[str]:
    """Driver packages of the host; a machine without either package manager has none."""
    if machine.command("dpkg-query"):
        words = ("-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n")
        reader, name = debian, "dpkg-query"
    elif machine.command("rpm"):
        words = ("-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n")
        reader, name = redhat, "rpm"
    else:
        skip["driver packages"] = "there is neither dpkg-query nor rpm"
        return []
    try:
        code, out, wrong = machine.run(name, *words)
    except Unread as error:
        skip["driver packages"] = str(error)
        return []
    if code != 0:
        skip["driver packages"] = f"{name}: {wrong.strip()[:200]}"
    return reader(out)


def driver(machine: Machine, kernel: str, skip: dict[str, str]) -> dict[str, Any]:
    """The NVIDIA driver: what is loaded, what the host brings itself, and whether a container brought it."""
    loaded, flavour = "", ""
    if machine.has("/proc/driver/nvidia/version"):
        loaded, flavour = driver_version(machine.short("/proc/driver/nvidia/version"))
    modules = _MODULE.findall(machine.short(f"/lib/modules/{kernel}/modules.dep")) if kernel else []
    files = [path for path in ("/usr/bin/nvidia-smi", "/usr/bin/nvidia-uninstall") if machine.has(path)]
    return {
        "loaded": loaded,
        "flavour": flavour if loaded else "",
        "packages": packages(machine, skip),
        "files": [*files, *(f"/lib/modules/{kernel}/{path}" for path in modules)],
        "container": bool(machine.find(f"{DRIVER_CONTAINER}/*")),
    }


def cni(machine: Machine) -> dict[str, list[str]]:
    """``folders``: where it has CNI plugins, of the places that distributions take. ``plugins``: their names."""
    found = {folder: machine.find(f"{folder}/*") for folder in CNI_FOLDERS}
    names = {path.rpartition("/")[2] for paths in found.values() for path in paths}
    return {"folders": [folder for folder, paths in found.items() if paths], "plugins": sorted(names)}


def facts(machine: Machine, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, JSON-able. ``expected`` is handed through, so that machines may differ in what they are to be."""
    skip: dict[str, str] = {}
    command_line = machine.short("/proc/cmdline")
    kernel = machine.short("/proc/sys/kernel/osrelease")
    processor = machine.short("/proc/cpuinfo")
    modules = {line.split(" ", 1)[0] for line in machine.short("/proc/modules").splitlines()}
    if not modules:
        skip["kernel modules"] = "/proc/modules is empty or cannot be read"
    texts = []
    for folder in ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"):
        texts += [machine.short(path) for path in machine.find(f"{folder}/*.conf")]
    meminfo = machine.short("/proc/meminfo")
    huge = {
        name: int(match[1]) if (match := re.search(rf"^{name}:\s+(\d+)", meminfo, re.M)) else 0
        for name in ("HugePages_Total", "Hugepagesize")
    }
    pci = host_devices.devices(machine, skip)
    return {
        "expected": {name: value for name, value in expected.items() if value not in (None, "")},
        "kernel": kernel,
        # Only x86 calls its features flags
        "x86": bool(re.search(r"^flags\s*:", processor, re.M)),
        "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", processor, re.M)),
        "nouveau": {"loaded": "nouveau" in modules, "blocked": blocked(texts, command_line)},
        "modules": sorted(modules & {"nvidia", "nvidia_uvm", "nvidia_peermem", "gdrdrv", "mlx5_ib", "ib_uverbs"}),
        "driver": driver(machine, kernel, skip),
        "runtime": host_runtime.facts(machine, skip),
        "pci": pci,
        "iommu": [word for word in command_line.split() if "iommu" in word],
        "rdma": host_devices.rdma(machine),
        "memory": {
            "huge_pages": huge["HugePages_Total"],
            "huge_page_kib": huge["Hugepagesize"],
            "numa_nodes": len(machine.find("/sys/devices/system/node/node[0-9]*")),
        },
        "cni": cni(machine),
        "written": [
            *machine.find(NOUVEAU_FILE),
            *machine.find(f"/etc/systemd/system/*.service.d/{MEMLOCK_FILE}"),
        ],
        "skipped": [{"what": what, "why": why} for what, why in sorted(skip.items())],
    }
