# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an unknown key was meant to be: a slip, or a key of another level."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import nearest
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import (
    COMPONENT,
    MACHINE,
    SETTINGS,
    WORKLOAD,
    Field,
)

# How others call it: Kubernetes, the engines, a person.
_ALIASES = {
    "gpu": "gpus_per_node",
    "gpus": "gpus_per_node",
    "gpu_count": "gpus_per_node",
    "nodes": "node_count",
    "tp": "tensor",
    "pp": "pipeline",
    "dp": "data",
    "ep": "expert",
    "tensor_parallel_size": "tensor",
    "pipeline_parallel_size": "pipeline",
    "data_parallel_size": "data",
    "expert_parallel_size": "expert",
    "limits": "gpus_per_node",
    "requests": "gpus_per_node",
    "shm": "shared_memory",
    "shm_size": "shared_memory",
    "pvc": "model_cache",
    "volumes": "pod_spec",
    "volumeMounts": "pod_spec",
    "containers": "pod_spec",
    "schedulerName": "scheduler",
    "priorityClassName": "priority_class",
    "componentType": "role",
}


def f15_unknown_key(key: str, fields: tuple[Field, ...]) -> str:
    """F15: what is wrong with ``key`` among ``fields``: where it belongs, or what it is near to."""
    places = _places()
    here = [entry.name for entry in fields]
    wanted = key if key in places else _ALIASES.get(key, "")
    if wanted in here:
        return f"is not a known key (did you mean {wanted}?)"
    # What is near at this level is the likelier slip, unless the key exists as it is elsewhere.
    near = "" if key in places else nearest(key, here)
    if not near and wanted:
        where = " or of ".join(places[wanted])
        if wanted == key:
            return f"is not a known key here; it is a key of {where}"
        return f"is not a known key here; what sets it is {wanted}, a key of {where}"
    if not near:
        near = nearest(key, list(places))
        for name in places:
            if near == f" (did you mean {name}?)":
                return f"is not a known key here (did you mean {name}, a key of {' or of '.join(places[name])}?)"
    return f"is not a known key{near}"


@cache
def _places() -> dict[str, list[str]]:
    """Key -> the levels that have it."""
    found: dict[str, list[str]] = {}
    levels = (
        ("a workload", "", WORKLOAD),
        ("a component", "", COMPONENT),
        ("a machine (multinode_node)", "", MACHINE),
        ("the cluster (multinode_", ")", SETTINGS),
    )
    for where, end, fields in levels:
        for name, inside in _walk(fields, ""):
            told = f"{where}{name})" if end else f"{inside} of {where}" if inside else where
            found.setdefault(name, []).append(told)
    return found


def _walk(fields: tuple[Field, ...], inside: str) -> Iterator[tuple[str, str]]:
    for entry in fields:
        yield entry.name, inside
        if entry.fields and entry.kind == "map":
            yield from _walk(entry.fields, f"{inside}.{entry.name}" if inside else entry.name)
