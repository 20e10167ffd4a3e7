# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defaults under, overlays over, and the way back: where in the input a merged value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import format_path

# Where a merged workload came from, the strongest first: (overlay, own, defaults), each with its own path.
Sources = Sequence[tuple[object, Sequence["str | int"]]]
OWN = 1


def merged(defaults: Mapping[str, Any], own: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """One workload as it is meant: defaults under it, overlay over it.

    Maps are merged key by key, lists replaced, components merged by name. A component of the defaults counts only
    where the workload has one of that name, or none at all. Empty answers of a survey overlay change nothing.
    """
    base = dict(defaults)
    if named(own.get("components")) is not None and named(defaults.get("components")) is not None:
        names = set(named(own["components"]) or {})
        base["components"] = [item for item in defaults["components"] if item["name"] in names]
    return _over(_over(base, own, skip_blank=False), overlay, skip_blank=True)


def _over(below: Mapping[str, Any], above: Mapping[str, Any], skip_blank: bool) -> dict[str, Any]:
    result = dict(below)
    if not skip_blank and not below:
        result.update(above)
        return result
    for key, value in above.items():
        if skip_blank and (value is None or value == ""):
            continue
        under = result.get(key)
        if isinstance(value, (dict, Mapping)) and isinstance(under, (dict, Mapping)):
            result[key] = _over(under, value, skip_blank)
        elif key == "components" and named(value) is not None and named(under) is not None:
            result[key] = _components(under or [], value, skip_blank)
        else:
            result[key] = value
    return result


def _components(below: Sequence[Any], above: Sequence[Any], skip_blank: bool) -> list[Any]:
    """Merged by name: what a workload has over its defaults, or what an overlay has over the workload's."""
    under, over = named(below) or {}, named(above) or {}
    if skip_blank:
        return [_over(item, over.get(item["name"], {}), True) for item in below]
    return [_over(under.get(item["name"], {}), item, False) for item in above]


def named(components: object) -> dict[str, Any] | None:
    """Components by name, or None where they cannot be told apart by it."""
    if not isinstance(components, (list, tuple, Sequence)) or isinstance(components, str):
        return None
    found = {}
    for item in components:
        if not isinstance(item, (dict, Mapping)) or not isinstance(item.get("name"), str) or item["name"] in found:
            return None
        found[item["name"]] = item
    return found


def place(sources: Sources, path: Sequence[str | int]) -> str:
    """The path in the input of what stands at ``path`` in the merged workload.

    Something that is missing is told at the deepest place that exists, the workload's own first.
    """
    depths = [depth(source, path) for source, _prefix in sources]
    order = [index for index in range(len(sources)) if path and depths[index] == len(path)]
    best = order[0] if order else max((OWN, 0, 2), key=lambda index: depths[index])
    return format_path((*sources[best][1], *path[: depths[best]]))


def depth(source: object, path: Sequence[str | int]) -> int:
    """How many steps of ``path`` exist in ``source``. A component is addressed by its name."""
    steps = 0
    for index, part in enumerate(path):
        if isinstance(source, Mapping):
            keys = {str(key): key for key in source}
            if str(part) not in keys:
                return steps
            source = source[keys[str(part)]]
        elif isinstance(source, Sequence) and not isinstance(source, str):
            if isinstance(part, int):
                if part >= len(source):
                    return steps
                source = source[part]
            elif index and path[index - 1] == "components":
                found = [item for item in source if isinstance(item, Mapping) and str(item.get("name")).strip() == part]
                if not found:
                    return steps
                source = found[0]
            else:
                return steps
        else:
            return steps
        steps += 1
    return steps
