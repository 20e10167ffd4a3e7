# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the API server already hold exactly what we would apply? Pure, from managedFields; no schema.

Server-side apply records which fields a manager set: a tree in which ``f:name`` is a map entry or field,
``k:{...}`` the item of a list with those key values, ``v:...`` the member of a set, ``.`` the item itself, and an
empty node a leaf: a scalar, or a list or map that is replaced as a whole (an atomic). Source: structured-merge-diff,
fieldpath/serialize-pe.go.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity

Fields = Mapping[str, Any]


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()

# The API server's own; sending them back means nothing or is refused
SERVER_METADATA = ("managedFields", "creationTimestamp", "uid", "resourceVersion", "generation", "selfLink")

# In a map under one of these, and in these fields, "1000m" and "1" are the same; nowhere else ("1000m" in a ConfigMap
# is text, whatever its key is called)
QUANTITY_PARENTS = frozenset(
    {
        "allocatable",
        "capability",
        "capacity",
        "deserved",
        "guarantee",
        "hard",
        "limits",
        "minResources",
        "overhead",
        "requests",
    }
)
QUANTITIES = frozenset({"averageValue", "divisor", "sizeLimit"})
TEXTS = frozenset({"annotations", "binaryData", "data", "labels", "stringData"})

# What the API server adds inside atomics. Any other key that it holds there and we do not render is a key that we
# stopped rendering: nothing else would remove it (seen on Kubernetes 1.34; core/v1 and networking/v1 defaults)
DEFAULTS_IN_ATOMICS: frozenset[tuple[str, Any]] = frozenset(
    {
        ("apiVersion", "v1"),  # fieldRef, volumeClaimTemplates
        ("divisor", "0"),  # resourceFieldRef
        ("kind", "PersistentVolumeClaim"),
        ("phase", "Pending"),
        ("protocol", "TCP"),  # NetworkPolicy ports
        ("scope", "*"),  # webhook rules
        ("volumeMode", "Filesystem"),
    }
)


def normalise(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What we send: stringData as data, no nulls, no status, none of the server's own metadata. A deep copy."""
    out: dict[str, Any] = {key: _without_nulls(value) for key, value in obj.items() if value is not None}
    out.pop("status", None)
    out["metadata"] = {key: value for key, value in (out.get("metadata") or {}).items() if key not in SERVER_METADATA}
    if out.get("kind") == "Secret" and out.get("apiVersion") == "v1" and "stringData" in out:
        data = dict(out.get("data") or {})
        for key, text in (out.pop("stringData") or {}).items():
            data[key] = base64.b64encode(str(text).encode()).decode()
        out["data"] = data
    if out.get("kind") == "Secret" and out.get("apiVersion") == "v1" and isinstance(out.get("data"), dict):
        # The API server reads over line breaks, and gives the value back without them
        out["data"] = {key: _one_line(value) for key, value in out["data"].items()}
    return out


def _one_line(value: Any) -> Any:
    return value.replace("\n", "").replace("\r", "") if isinstance(value, str) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_nulls(item) for item in value]
    return value


def own_entry(live: Mapping[str, Any], manager: str) -> Mapping[str, Any] | None:
    """Our one Apply entry of managedFields; None when there is none, or more than one (then nothing can be said)."""
    entries = _entries(live, manager)
    if len(entries) != 1 or entries[0].get("subresource") or entries[0].get("fieldsType") != "FieldsV1":
        return None
    return dict(entries[0])


def _entries(live: Mapping[str, Any], manager: str) -> list[Mapping[str, Any]]:
    return [
        entry
        for entry in (live.get("metadata") or {}).get("managedFields") or []
        if entry.get("manager") == manager and entry.get("operation") == "Apply"
    ]


def why_write(rendered: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> list[str]:
    """Why ``rendered`` (normalised) must be sent, as paths with a reason; [] when a write would change nothing.

    Unchanged means: every rendered path is ours, its value equals the live one (or is empty and absent live), and
    we own nothing that is no longer rendered. Whatever cannot be decided is a reason to send.
    """
    body = {key: value for key, value in rendered.items() if key not in ("apiVersion", "kind")}
    named = {
        key: value for key, value in (body.pop("metadata", None) or {}).items() if key not in ("name", "namespace")
    }
    if not _empty(named):
        body["metadata"] = named
    entry = own_entry(live, manager)
    if entry is None and _empty(body) and not _entries(live, manager):
        return []  # an object of nothing but a name leaves no entry
    if entry is None:
        return ["no single apply of ours is recorded"]
    if entry.get("apiVersion") != rendered.get("apiVersion"):
        return [f"applied before as {entry.get('apiVersion')}"]
    body = {key: value for key, value in rendered.items() if key not in ("apiVersion", "kind")}
    named = {
        key: value for key, value in (body.pop("metadata", None) or {}).items() if key not in ("name", "namespace")
    }
    if not _empty(named):
        body["metadata"] = named
    return list(_differences(body, live, entry.get("fieldsV1") or {}, ()))


def differing_values(rendered: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> list[str]:
    """Paths that we own and whose live value is not ours: admission or a controller rewrote them."""
    return [reason for reason in why_write(rendered, live, manager) if reason.endswith(_REWRITTEN)]


_REWRITTEN = " differs"


def _show(path: tuple[str, ...]) -> str:
    return ".".join(path) or "the object"


def _differences(rendered: Any, live: Any, fields: Fields, path: tuple[str, ...]) -> Iterator[str]:
    children = [name for name in fields if name != "."]
    if not fields and path:
        if not _covers(rendered, live, path):
            yield _show(path) + _REWRITTEN
    elif isinstance(rendered, Mapping):
        yield from _map_differences(rendered, live, fields, children, path)
    elif isinstance(rendered, list):
        yield from _list_differences(rendered, live, fields, children, path)
    else:
        yield f"{_show(path)} has another type than before"


def _map_differences(
    rendered: Mapping[str, Any], live: Any, fields: Fields, children: list[str], path: tuple[str, ...]
) -> Iterator[str]:
    if live is not ABSENT and not isinstance(live, Mapping):
        yield _show(path) + _REWRITTEN
        return
    held: Mapping[str, Any] = live if isinstance(live, Mapping) else {}
    for name in children:
        if not name.startswith("f:") or name[2:] not in rendered:
            yield f"{_show((*path, name[2:]))} is ours and no longer wanted"
    for key, value in rendered.items():
        below = (*path, str(key))
        child = fields.get("f:" + str(key))
        if child is not None:
            yield from _differences(value, held.get(key, ABSENT), child, below)
        elif not (_empty(value) and (_empty(held[key]) if key in held else True)):
            # An empty list or map with members of its own leaves no trace in managedFields
            yield f"{_show(below)} is not ours yet"


def _list_differences(
    rendered: list[Any], live: Any, fields: Fields, children: list[str], path: tuple[str, ...]
) -> Iterator[str]:
    if not isinstance(live, list):
        yield _show(path) + _REWRITTEN
    elif all(name.startswith("k:") for name in children):
        yield from _keyed_differences(rendered, live, fields, children, path)
    elif all(name.startswith("v:") for name in children):
        ours = sorted(json.dumps(json.loads(name[2:]), sort_keys=True) for name in children)
        if sorted(json.dumps(value, sort_keys=True) for value in rendered) != ours:
            yield f"{_show(path)} has other members than before"
        elif any(value not in live for value in rendered):
            yield _show(path) + _REWRITTEN
    else:
        yield f"{_show(path)} cannot be compared"


def _keyed_differences(
    rendered: list[Any], live: list[Any], fields: Fields, children: list[str], path: tuple[str, ...]
) -> Iterator[str]:
    unmatched = list(range(len(rendered)))
    places: list[tuple[int, int]] = []
    for name in children:
        key = json.loads(name[2:])
        label = "[" + ",".join(str(value) for value in key.values()) + "]"
        # A key field that we leave out (protocol) was filled in by the API server
        ours = [i for i in unmatched if isinstance(rendered[i], Mapping) and _has_key(rendered[i], key, lenient=True)]
        theirs = [i for i, item in enumerate(live) if isinstance(item, Mapping) and _has_key(item, key, lenient=False)]
        if len(ours) != 1:
            yield f"{_show(path)}{label} is ours and no longer wanted"
            continue
        unmatched.remove(ours[0])
        if len(theirs) != 1:
            yield f"{_show(path)}{label}" + _REWRITTEN
            continue
        places.append((ours[0], theirs[0]))
        yield from _differences(rendered[ours[0]], live[theirs[0]], fields[name], (*path[:-1], path[-1] + label))
    if unmatched:
        yield f"{_show(path)} has members that are not ours yet"
    order = [there for here, there in sorted(places)]
    if order != sorted(order):
        yield f"{_show(path)} is in another order"


def _has_key(item: Mapping[str, Any], key: Mapping[str, Any], *, lenient: bool) -> bool:
    present = [name for name in key if name in item]
    if not present or (not lenient and len(present) != len(key)):
        return False
    return all(_equal(item[name], key[name]) for name in present)


def _covers(rendered: Any, live: Any, path: tuple[str, ...]) -> bool:
    """Whether a leaf of ours is what the server holds: equal, or equal but for what the server adds by itself."""
    if live is ABSENT:
        return _empty(rendered)
    if isinstance(rendered, Mapping):
        if not isinstance(live, Mapping):
            return False
        for key in live:
            if key not in rendered and not (_empty(live[key]) or _is_default(key, live[key])):
                return False
        return all(_covers(value, live.get(key, ABSENT), (*path, str(key))) for key, value in rendered.items())
    if isinstance(rendered, list):
        return (
            isinstance(live, list)
            and len(rendered) == len(live)
            and all(_covers(ours, theirs, path) for ours, theirs in zip(rendered, live))
        )
    if _equal(rendered, live):
        return True
    if _is_quantity(path):
        ours, theirs = quantity.parse(rendered), quantity.parse(live)
        return ours is not None and ours == theirs
    return False


def _is_quantity(path: tuple[str, ...]) -> bool:
    *parents, leaf = path
    return not TEXTS.intersection(parents) and (leaf in QUANTITIES or not QUANTITY_PARENTS.isdisjoint(parents))


def _is_default(key: str, value: Any) -> bool:
    if isinstance(value, Mapping):  # status of a volumeClaimTemplate
        return bool(value) and all(_is_default(name, item) for name, item in value.items())
    return isinstance(value, (str, int, bool)) and (key, value) in DEFAULTS_IN_ATOMICS


def _equal(left: Any, right: Any) -> bool:
    """Equal in JSON: 1 is 1.0, but not true."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _empty(value: Any) -> bool:
    """What the API server's encoding may leave out: "", 0, false, null, and lists and maps of nothing else."""
    if isinstance(value, Mapping):
        return all(_empty(item) for item in value.values())
    if isinstance(value, list):
        return not value
    return value is None or value is False or value == "" or value == 0


def extract(obj: Mapping[str, Any], *trees: Fields) -> dict[str, Any]:
    """The part of ``obj`` that the given ownership trees cover, with what names it: for a diff of our fields only."""
    body = {key: obj[key] for key in obj if key not in ("apiVersion", "kind")}
    found = _extract(body, [dict(tree) for tree in trees if tree])
    out: dict[str, Any] = {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind")}
    out.update(found if isinstance(found, dict) else {})
    meta = obj.get("metadata") or {}
    names = {key: meta[key] for key in ("name", "namespace") if key in meta}
    out["metadata"] = {**names, **(out.get("metadata") or {})}
    return out


def _extract(value: Any, trees: list[dict[str, Any]]) -> Any:
    if any(not tree for tree in trees):
        return value  # a leaf for at least one of them
    if isinstance(value, Mapping):
        out = {}
        for key, item in value.items():
            below = [tree["f:" + key] for tree in trees if "f:" + key in tree]
            if below:
                out[key] = _extract(item, below)
        return out
    if isinstance(value, list):
        members = []
        for item in value:
            below = [child for tree in trees for name, child in tree.items() if _names(name, item)]
            if below:
                members.append(_extract(item, below) if isinstance(item, Mapping) else item)
        return members
    return value


def _names(name: str, item: Any) -> bool:
    if name.startswith("k:"):
        return isinstance(item, Mapping) and _has_key(item, json.loads(name[2:]), lenient=False)
    return name.startswith("v:") and _equal(item, json.loads(name[2:]))
