# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a container sees and that the manifests hold: ConfigMaps mounted as volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import items, mapping


def mounted(
    pod_spec: Mapping[str, Any], main: Mapping[str, Any], companions: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Path in the container -> text, for every key of every ConfigMap in ``companions`` that ``main`` mounts."""
    maps = {
        str(mapping(item.get("metadata")).get("name")): mapping(item.get("data"))
        for item in companions
        if item.get("kind") == "ConfigMap"
    }
    volumes = {str(volume.get("name")): mapping(volume.get("configMap")) for volume in items(pod_spec.get("volumes"))}
    texts: dict[str, str] = {}
    for mount in items(main.get("volumeMounts")):
        source = volumes.get(str(mount.get("name")), {})
        data = maps.get(str(source.get("name")), {})
        chosen = items(source.get("items"))
        keys = {str(one.get("path")): str(one.get("key")) for one in chosen} if chosen else {key: key for key in data}
        folder, only = str(mount.get("mountPath") or "").rstrip("/"), mount.get("subPath")
        for path, key in keys.items():
            if key in data and (not only or only == path):
                texts[folder if only else f"{folder}/{path}"] = str(data[key])
    return texts
