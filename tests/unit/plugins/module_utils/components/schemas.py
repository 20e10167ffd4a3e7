# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstream's own schemas, and what of an object they do not know: a field that the API server would drop or refuse."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[5]
UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or ROOT.parent / "shared" / "upstream")


@functools.cache
def definition(component: str, group_plural: str) -> dict[str, Any]:
    """One CustomResourceDefinition, ``mellanox.com_nicclusterpolicies``; skips where there are no upstream data."""
    path = UPSTREAM / "crds" / component / f"{group_plural}.yaml"
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=loader))


def schema(component: str, group_plural: str, version: str) -> dict[str, Any]:
    """The schema of one kind's spec."""
    versions = definition(component, group_plural)["spec"]["versions"]
    found = next(item for item in versions if item["name"] == version)
    return dict(found["schema"]["openAPIV3Schema"]["properties"]["spec"])


def of_object(component: str, obj: Mapping[str, Any]) -> list[str]:
    """What the API server would say of an object: its spec, its fields beside that, and whether it is namespaced."""
    group, _slash, version = str(obj["apiVersion"]).partition("/")
    kind = str(obj["kind"]).lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    found = problems(schema(component, f"{group}_{plural}", version), obj["spec"])
    namespaced = definition(component, f"{group}_{plural}")["spec"]["scope"] == "Namespaced"
    if namespaced != bool(obj["metadata"].get("namespace")):
        found.append(f"metadata.namespace: {obj['metadata'].get('namespace')!r}, namespaced: {namespaced}")
    return found + [f"{name}: unknown" for name in obj if name not in ("apiVersion", "kind", "metadata", "spec")]


def problems(known: dict[str, Any], value: Any, path: str = "spec") -> list[str]:
    """Unknown and missing fields, wrong types, values outside an enumeration, a pattern or their bounds."""
    if known.get("x-kubernetes-preserve-unknown-fields") or known.get("x-kubernetes-int-or-string"):
        return []
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
    }
    kind = known.get("type")
    if kind and (not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{path}: {value!r} is no {kind}"]
    if isinstance(value, dict):
        fields, rest = known.get("properties") or {}, known.get("additionalProperties")
        # A default counts as given: the API server fills it in before it looks
        required = [name for name in known.get("required") or [] if "default" not in (fields.get(name) or {})]
        found = [f"{path}.{name}: missing" for name in required if name not in value]
        for name, below in value.items():
            if name in fields or isinstance(rest, dict):
                found += problems(fields.get(name) or rest, below, f"{path}.{name}")
            elif not rest:
                found.append(f"{path}.{name}: unknown")
        return found
    size = value if isinstance(value, (int, float)) else len(value)
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if not known.get(least, size) <= size <= known.get(most, size):
            return [f"{path}: {value!r} is out of bounds"]
    if isinstance(value, list):
        return [line for index, item in enumerate(value) for line in problems(known["items"], item, f"{path}[{index}]")]
    if known.get("enum") and value not in known["enum"]:
        return [f"{path}: {value!r} is none of {known['enum']}"]
    if known.get("pattern") and not re.search(known["pattern"], value):
        return [f"{path}: {value!r} does not match {known['pattern']}"]
    return []
