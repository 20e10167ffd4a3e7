# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes' strategic merge, as far as a pod spec needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# From the patchMergeKey tags of k8s.io/api core/v1.
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "claims": "name",
}


def strategic(base: Mapping[str, Any], patch: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """``patch`` over ``base``: maps key by key, known lists by their key, other lists replaced, null removes.

    Unlike Kubernetes, affinity terms are added to ours: replacing them would quietly give up one rank per machine.
    """
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            under = result.get(key)
            child = "affinity" if key == "affinity" or inside == "affinity" else key
            result[key] = strategic(under if isinstance(under, Mapping) else {}, value, child)
        elif isinstance(value, list) and inside == "affinity" and isinstance(result.get(key), list):
            result[key] = [*result[key], *(item for item in value if item not in result[key])]
        elif isinstance(value, list) and key in MERGE_KEYS:
            result[key] = _by_key(result.get(key) or [], value, MERGE_KEYS[key])
        else:
            result[key] = value
    return result


def _by_key(base: list[Any], patch: list[Any], key: str) -> list[Any]:
    result = list(base)
    positions = {item.get(key): index for index, item in enumerate(result) if isinstance(item, Mapping)}
    for item in patch:
        if isinstance(item, Mapping) and item.get(key) in positions:
            index = positions[item[key]]
            # An environment value and a valueFrom exclude each other.
            under = {k: v for k, v in result[index].items() if not (k == "value" and "valueFrom" in item)}
            under = {k: v for k, v in under.items() if not (k == "valueFrom" and "value" in item)}
            result[index] = strategic(under, item)
        else:
            result.append(strategic({}, item) if isinstance(item, Mapping) else item)
    return result
