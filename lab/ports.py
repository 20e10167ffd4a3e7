# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free loopback ports: chosen once, remembered, never shared between labs."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.layout import cache_folder, locked, read_json, write_atomically

# Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes a port between two starts.
FIRST, LAST, BLOCK = 20000, 32000, 40
FIXED = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ensure(root: Path, remembered: dict[str, Any] | None) -> dict[str, Any]:
    """The lab's ports: ``remembered`` while they are free, else a new block.

    Returns {"etcd": int, ..., "pool": [int, ...]}; the pool serves the charts' controllers. Call it only while the
    lab is down: its own listeners would count as taken.
    """
    registry_file = cache_folder() / "ports.json"
    with locked(cache_folder() / "ports.lock"):
        # A lab that is being started has its folder, but no state yet; a purged one has neither
        registry = {
            path: block for path, block in read_json(registry_file).items() if path != str(root) and Path(path).is_dir()
        }
        if remembered and remembered.get("first") not in registry.values() and _block_free(remembered["first"]):
            ports = remembered
        else:
            ports = _choose(set(registry.values()))
        registry[str(root)] = ports["first"]
        write_atomically(registry_file, json.dumps(registry, indent=1))
    return ports


def _block_free(first: int) -> bool:
    return all(is_free(port) for port in range(first, first + BLOCK))


def _choose(taken: set[int]) -> dict[str, Any]:
    blocks = [first for first in range(FIRST, LAST - BLOCK, BLOCK) if first not in taken]
    random.shuffle(blocks)
    for first in blocks:
        if _block_free(first):
            ports: dict[str, Any] = {name: first + index for index, name in enumerate(FIXED)}
            ports["first"] = first
            ports["pool"] = list(range(first + len(FIXED), first + BLOCK))
            return ports
    raise LabError(f"no {BLOCK} consecutive free ports on 127.0.0.1 between {FIRST} and {LAST}")
