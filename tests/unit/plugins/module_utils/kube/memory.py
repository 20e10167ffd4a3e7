# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client whose API server is a dict: for what happens between our read and our write. The lab has the real one."""

from __future__ import annotations

import copy
import itertools
import queue
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, Resource
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError

Object = dict[str, Any]
Key = tuple[str, str | None, str]
CLUSTER_WIDE = ("Namespace", "Node")


def config_map(name: str, namespace: str = "here", **data: str) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"a": "1"}}


class Quiet:
    """A watch on which nothing happens until it is closed."""

    def __init__(self) -> None:
        self.closed: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        self.closed.get()
        yield from ()

    def close(self) -> None:
        self.closed.put(None)


def _tree(value: Any) -> dict[str, Any]:
    return {f"f:{key}": _tree(item) for key, item in value.items()} if isinstance(value, dict) else {}


class Memory:
    """``before``: called with the verb and the name of the object before each write."""

    def __init__(self, *objects: Object, namespaces: Iterable[str] = ("here",)) -> None:
        self.numbers = itertools.count(1)
        self.objects: dict[Key, Object] = {}
        self.sent: list[tuple[str, str]] = []
        self.before: Callable[[str, str], Any] = lambda _verb, _name: None
        for name in namespaces:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for obj in objects:
            self.put(obj)

    def put(self, obj: Object, manager: str = "kubectl-create") -> Object:
        """As another hand makes or changes it."""
        made = copy.deepcopy(obj)
        body = {key: value for key, value in made.items() if key not in ("apiVersion", "kind", "metadata")}
        version = str(next(self.numbers))
        entry = {"manager": manager, "operation": "Update", "apiVersion": made["apiVersion"], "fieldsType": "FieldsV1"}
        made["metadata"] = {
            "uid": f"uid-{version}",
            "managedFields": [{**entry, "fieldsV1": _tree(body)}],
            **made["metadata"],
            "resourceVersion": version,
        }
        self.objects[self.key(made)] = made
        return made

    @staticmethod
    def key(obj: Object) -> Key:
        meta = obj["metadata"]
        return (obj["kind"], None if obj["kind"] in CLUSTER_WIDE else meta.get("namespace"), meta["name"])

    def drop(self, namespace: str) -> None:
        """A namespace that has gone with all that was in it."""
        self.objects = {key: obj for key, obj in self.objects.items() if namespace not in (key[1], key[2])}

    # -- the client's methods -----------------------------------------------------------------------------------

    requests = 0

    def serves(self, *_: Any) -> bool:
        return True

    def groups(self) -> dict[str, list[str]]:
        return {"": ["v1"]}

    def resource(self, api_version: str, kind: str) -> Resource:
        return Resource(api_version, kind, kind.lower(), kind not in CLUSTER_WIDE, ())

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]

    def list_at(self, _api: str, kind: str, namespace: str | None = None, **_: Any) -> tuple[list[Object], str]:
        return [copy.deepcopy(one) for one in self._of(kind, namespace)], "1"

    def watch(self, *_: Any, **__: Any) -> Quiet:
        return Quiet()

    def _of(self, kind: str, namespace: str | None) -> Iterator[Object]:
        for key, obj in self.objects.items():
            if key[0] == kind and namespace in (None, key[1]):
                yield obj

    def get(self, _api: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        found = self.objects.get((kind, None if kind in CLUSTER_WIDE else namespace, name))
        return copy.deepcopy(found)

    def apply(self, obj: Object, *, dry_run: bool = False, force: bool = False) -> Object:
        self.before("apply", obj["metadata"]["name"])
        self.sent.append(("apply", obj["metadata"]["name"]))
        key = self.key(obj)
        if key[1] and ("Namespace", None, key[1]) not in self.objects:
            raise ApiError(404, "NotFound", "namespace not found", body={"details": {"kind": "namespaces"}})
        live = self.objects.get(key)
        theirs = [
            {"reason": "FieldManagerConflict", "field": f".data.{name}", "message": f'conflict with "{owner}" using v1'}
            for name, value in (live or {}).get("data", {}).items()
            for owner in [self._owner(live or {}, name)]
            if owner != FIELD_MANAGER and obj.get("data", {}).get(name, value) != value
        ]
        if theirs and not force:
            raise ApiError(409, "Conflict", "conflict", body={"details": {"causes": theirs}})
        made = copy.deepcopy({**(live or {}), **obj})
        body = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
        meta = {name: value for name, value in obj["metadata"].items() if name not in ("name", "namespace")}
        fields = {**_tree(body), **({"f:metadata": _tree(meta)} if meta else {})}
        entry = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": obj["apiVersion"]}
        version = str(next(self.numbers))
        made["metadata"] = {
            "uid": f"uid-{version}",
            **(live or {}).get("metadata", {}),
            **obj["metadata"],
            "resourceVersion": version,
            "managedFields": [{**entry, "fieldsType": "FieldsV1", "fieldsV1": fields}],
        }
        if not dry_run:
            self.objects[key] = made
        return copy.deepcopy(made)

    @staticmethod
    def _owner(live: Object, name: str) -> str:
        """The last one that has the field."""
        entries = live["metadata"]["managedFields"]
        return next(one["manager"] for one in reversed(entries) if f"f:{name}" in one["fieldsV1"].get("f:data", {}))

    def delete(
        self, _api: str, kind: str, name: str, namespace: str | None = None, *, uid: str | None = None, **_: Any
    ) -> Object | None:
        self.before("delete", name)
        self.sent.append(("delete", name))
        key = (kind, None if kind in CLUSTER_WIDE else namespace, name)
        if key not in self.objects:
            return None
        found = self.objects[key]["metadata"]["uid"]
        if uid not in (None, found):
            raise ApiError(409, "Conflict", f"the UID in the precondition ({uid}) does not match ({found})")
        del self.objects[key]
        return {"kind": "Status", "details": {"uid": found}}
