# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs, NICs and bridges of a machine, by what the kernel says of them: count, links, isolation."""

from __future__ import annotations

import re
import struct
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.host_machine import Machine, Unread

NVIDIA = "0x10de"
GPU_CLASSES = ("0x0300", "0x0302")
BRIDGE = "0x0604"
EXTENDED_ACS = 0x000D
# Source validation, request and completion redirect, upstream forwarding: what sends traffic between peers to the root
ACS_REDIRECTS = 0x0001 | 0x0004 | 0x0008 | 0x0010


def acs_control(config: bytes) -> int | None:
    """The ACS control register in a device's configuration space; None where the device has none.

    Raises Unread where the space was cut to its first 64 bytes, which is all that others than root see.
    """
    if len(config) <= 0x100:
        raise Unread("only root reads the extended configuration space of PCI devices")
    place, seen = 0x100, set()
    while place and place not in seen and place + 8 <= len(config):
        seen.add(place)
        (header,) = struct.unpack_from("<I", config, place)
        if header in (0, 0xFFFFFFFF):
            return None
        if header & 0xFFFF == EXTENDED_ACS:
            (control,) = struct.unpack_from("<H", config, place + 6)
            return int(control)
        place = header >> 20
    return None


def devices(machine: Machine, skip: dict[str, str]) -> dict[str, Any]:
    """``gpus``: addresses; ``redirecting``: bridges whose ACS redirects.

    ``translated``: GPUs and RDMA devices behind an IOMMU that translates.
    """
    gpus, redirecting, translated = [], [], []
    bridges = 0
    folders = machine.find("/sys/bus/pci/devices/*")
    if not folders:
        skip["PCI devices"] = "/sys/bus/pci/devices is empty or not there"
    for folder in folders:
        address = folder.rsplit("/", 1)[1]
        kind = machine.short(f"{folder}/class")[:6]
        gpu = kind in GPU_CLASSES and machine.short(f"{folder}/vendor") == NVIDIA
        if gpu:
            gpus.append(address)
        if kind == BRIDGE:
            bridges += 1
            try:
                control = acs_control(machine.bytes(f"{folder}/config"))
            except Unread as error:
                skip["ACS"] = str(error)
                continue
            if control is not None and control & ACS_REDIRECTS:
                redirecting.append(address)
        if gpu or machine.find(f"{folder}/infiniband/*"):
            group = machine.short(f"{folder}/iommu_group/type")
            if group.startswith("DMA"):
                translated.append(address)
    return {"gpus": gpus, "bridges": bridges, "redirecting": redirecting, "translated": translated}


def rdma(machine: Machine) -> list[dict[str, Any]]:
    """One entry per port of an RDMA device; ``mtu`` is that of its network interface (0: it has none)."""
    ports = []
    for folder in machine.find("/sys/class/infiniband/*/ports/*"):
        device, number = folder.split("/")[4], folder.rsplit("/", 1)[1]
        above = f"/sys/class/infiniband/{device}"
        interfaces = machine.find(f"{above}/device/net/*")
        mtus = [machine.short(f"{interface}/mtu") for interface in interfaces]
        ports.append(
            {
                "device": device,
                "port": int(number),
                "link": machine.short(f"{folder}/link_layer"),
                "state": machine.short(f"{folder}/state").partition(": ")[2],
                "rate": machine.short(f"{folder}/rate"),
                "firmware": machine.short(f"{above}/fw_ver"),
                "interface": interfaces[0].rsplit("/", 1)[1] if interfaces else "",
                "mtu": int(mtus[0]) if mtus and re.fullmatch(r"\d+", mtus[0]) else 0,
            }
        )
    return ports
