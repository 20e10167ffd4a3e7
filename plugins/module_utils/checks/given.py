# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said about GPUs and machines before a component is read (stage spec): only the raw input still shows it.

Each check takes the component as it came in and its role; what it names is not complained about a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import shown
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import ENGINE_ROLES

# What means nothing on a component without GPUs.
ENGINE_ONLY = (
    "gpus_per_node",
    "gpu_resource",
    "parallelism",
    "spread",
    "shared_memory",
    "startup_timeout",
    "engine_config",
    "leader",
    "worker",
)
_NOTHING: tuple[object, ...] = (None, "", {}, [], (), 0, "0")
_WHOLE = re.compile(r"\s*\+?0*[1-9][0-9]*\s*")
_NUMBER = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]+\s*")
# As device plugins name what is less than a GPU.
_MIG = re.compile(r"(.*/)?mig-.*", re.IGNORECASE)
_SHARED = re.compile(
    r".*/gpu\.shared|.*/(gpu-?mem|gpumem|vgpu|gpu-core|gpucores|sgpu|gpu-fraction)[^/]*", re.IGNORECASE
)
_DRA = re.compile(r"(gpu|mig|vfio)\.nvidia\.com(/.*)?|resourceclaims?(/.*)?", re.IGNORECASE)


def f14_not_multinode(raw: Mapping[str, Any], role: str) -> Iterator[Issue]:
    """F14: machines for what is one pod: accepted and never wired before 1.6, refused since."""
    if role not in ENGINE_ROLES and raw.get("node_count") not in (*_NOTHING, 1, "1"):
        value = raw["node_count"]
        more = " (replicas gives more of them)" if role == "frontend" else ""
        message = f"is {shown(value)}, but a component with role {role} runs on one machine: leave it out{more}"
        yield Issue(("node_count",), value, message, "MN-F14")


def engine_only(raw: Mapping[str, Any], role: str) -> Iterator[Issue]:
    """GPUs, and what belongs to them, of a component that takes none."""
    if role in ENGINE_ROLES:
        return
    for key in ENGINE_ONLY:
        value = raw.get(key)
        if key in raw and value not in _NOTHING:
            message = f"is {shown(value)}, but role {role} takes no GPUs: only {', '.join(ENGINE_ROLES)} do"
            yield Issue((key,), value, message, "")


def f17_whole_gpus(raw: Mapping[str, Any], role: str) -> Iterator[Issue]:
    """F17: a GPU count that is no whole number of 1 or more."""
    value = raw.get("gpus_per_node")
    if role not in ENGINE_ROLES or value is None or isinstance(value, bool):
        return
    word = value if isinstance(value, str) else repr(value) if isinstance(value, (int, float)) else ""
    if _NUMBER.fullmatch(word) and not _WHOLE.fullmatch(word):
        message = (
            f"is {shown(value)}: each rank takes whole GPUs, 1 or more; a rank cannot have a part of one "
            "(time slicing, MPS, MIG)"
        )
        yield Issue(("gpus_per_node",), value, message, "MN-F17")


def f17_gpu_resource(raw: Mapping[str, Any], role: str) -> Iterator[Issue]:
    """F17: a slice of a GPU, or a DRA class, where a whole GPU is meant."""
    value = raw.get("gpu_resource")
    reason = gpu_slice(value) if isinstance(value, str) and role in ENGINE_ROLES else ""
    if reason:
        message = f"is {value!r}, {reason}: name the resource of whole GPUs, such as nvidia.com/gpu"
        yield Issue(("gpu_resource",), value, message, "MN-F17")


def gpu_slice(name: str) -> str:
    """Why a resource is no whole GPU, or empty."""
    name = name.strip()
    if _MIG.fullmatch(name):
        return "a slice of a GPU (MIG), which cannot join its ranks over several machines"
    if _SHARED.fullmatch(name):
        return "a share of a GPU"
    if _DRA.fullmatch(name):
        return "a device class of dynamic resource allocation (DRA) and no extended resource"
    return ""


@lru_cache(maxsize=256)
def is_gpu(name: str) -> bool:
    """Whether the operator (internal/dra/dra.go) or a device plugin takes a resource for a GPU or a part of one."""
    return name == "gpu" or name.endswith("/gpu") or name.startswith("gpu.") or bool(gpu_slice(name))


GIVEN_CHECKS = (f14_not_multinode, engine_only, f17_whole_gpus, f17_gpu_resource)
