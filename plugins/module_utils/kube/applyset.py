# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ApplySets (KEP-3659): which objects belong together, so that those no longer named can be found and deleted.

The parent, a ConfigMap or Secret, carries the set's id and says in which kinds and namespaces members may be; each
member carries a label with that id. Names, id and annotations are those of ``kubectl apply --applyset``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER

ID = "applyset.kubernetes.io/id"
PART_OF = "applyset.kubernetes.io/part-of"
TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOL = f"{MANAGER}/v0.1.0"
PARENT_KINDS = ("ConfigMap", "Secret")

# Deleting one of these takes along what others keep in it
NEVER_PRUNED = frozenset({"CustomResourceDefinition", "Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim"})


class ApplySetError(KubeError):
    """The ApplySet cannot be used: badly named, or somebody else's."""


@dataclass(frozen=True)
class Extent:
    """Where members may be. ``kinds``: group kinds as ``Deployment.apps``, ``ConfigMap``; ``namespaces``: all of them,
    the parent's own included when it has members."""

    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def __or__(self, other: Extent) -> Extent:
        return Extent(self.kinds | other.kinds, self.namespaces | other.namespaces)


@dataclass(frozen=True)
class Parent:
    """The object that stands for the set."""

    name: str
    namespace: str
    kind: str = "ConfigMap"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Parent:
        """From ``{"name", "namespace", "kind" (default ConfigMap)}``; raises ApplySetError."""
        values = {key: options.get(key) for key in ("name", "namespace")}
        for key, value in values.items():
            if not isinstance(value, str) or not value:
                raise ApplySetError(f"applyset.{key}: is {value!r}; the name of the set's ConfigMap and its namespace")
        kind = options.get("kind") or "ConfigMap"
        if kind not in PARENT_KINDS:
            raise ApplySetError(f"applyset.kind: is {kind!r}; one of {', '.join(PARENT_KINDS)}")
        return cls(str(values["name"]), str(values["namespace"]), kind)

    @property
    def id(self) -> str:
        """The same as kubectl's for the same parent."""
        named = ".".join((self.name, self.namespace, self.kind, ""))
        digest = base64.urlsafe_b64encode(hashlib.sha256(named.encode()).digest()).decode().rstrip("=")
        return f"applyset-{digest}-v1"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def read(self, client: Client) -> tuple[Extent, dict[str, Any] | None]:
        """Where its members may be as recorded, and the live parent (None: there is none yet).

        Raises ApplySetError when the object that bears its name is none of ours, and ApiError.
        """
        live = client.get("v1", self.kind, self.name, self.namespace)
        if live is None:
            return Extent(), None
        labels, notes = (live["metadata"].get(key) or {} for key in ("labels", "annotations"))
        if labels.get(ID) != self.id:
            told = f"carries the id {labels[ID]}" if ID in labels else f"lacks the label {ID}"
            raise ApplySetError(f"applyset: {self} exists and is no parent of this set ({told}): name another one")
        tool = str(notes.get(TOOLING) or "").partition("/")[0]
        if tool != MANAGER:
            raise ApplySetError(f"applyset: {self} belongs to {tool or 'another tool'}: name another one")
        return Extent(_split(notes.get(GROUP_KINDS)), _split(notes.get(NAMESPACES)) | {self.namespace}), live

    def rendered(self, extent: Extent) -> dict[str, Any]:
        """The parent that records ``extent``."""
        notes = {TOOLING: TOOL, GROUP_KINDS: ",".join(sorted(extent.kinds))}
        further = sorted(extent.namespaces - {self.namespace})
        if further:
            notes[NAMESPACES] = ",".join(further)
        return {
            "apiVersion": "v1",
            "kind": self.kind,
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id},
                "annotations": notes,
            },
        }


def _split(text: Any) -> frozenset[str]:
    return frozenset(part.strip() for part in str(text or "").split(",") if part.strip())


def group_kind(api_version: str, kind: str) -> str:
    """``Deployment.apps``; ``ConfigMap`` in the core group."""
    group = api_version.rpartition("/")[0]
    return f"{kind}.{group}" if group else kind


def set_of(obj: Mapping[str, Any]) -> str | None:
    """The id of the set that ``obj`` says it belongs to."""
    found = (obj.get("metadata", {}).get("labels") or {}).get(PART_OF)
    return str(found) if found else None


def is_member(obj: Mapping[str, Any], set_id: str) -> bool:
    """Labelled so, and not made by a controller that copied the label from its owner."""
    owners = obj["metadata"].get("ownerReferences") or []
    return set_of(obj) == set_id and not any(owner.get("controller") for owner in owners)


@dataclass
class Search:
    """The members of a set. ``unreadable``: (apiVersion, kind, namespace) -> why it could not be looked through.
    ``unserved``: group kinds that the API server does not serve, or not yet: who knows what members they have."""

    members: list[dict[str, Any]]
    unreadable: dict[tuple[str, str, str | None], str]
    unserved: set[str]


def search(
    client: Client,
    set_id: str,
    extent: Extent,
    *,
    versions: Mapping[str, str],
    seen: Mapping[tuple[str, str, str | None], Iterable[Mapping[str, Any]]],
) -> Search:
    """All members within ``extent``: one LIST by label for each kind and namespace that is not in ``seen``.

    ``versions``: group kind -> apiVersion to use; for the others the group's preferred one is asked for. ``seen``:
    (apiVersion, kind, namespace) -> what a list has shown there.
    """
    places: list[tuple[str, str, str | None]] = []
    served: dict[str, list[str]] | None = None
    found = Search([], {}, set())
    for name in sorted(extent.kinds):
        kind, _dot, group = name.partition(".")
        if name in versions:
            candidates = [versions[name]]
        else:
            served = client.groups() if served is None else served
            candidates = [f"{group}/{version}" if group else version for version in served.get(group, [])]
        version = next((one for one in candidates if client.serves(one, kind)), None)
        if version is None:
            found.unserved.add(name)
        else:
            namespaced = client.resource(version, kind).namespaced
            places += [(version, kind, where) for where in (sorted(extent.namespaces) if namespaced else [None])]

    def look(place: tuple[str, str, str | None]) -> Iterable[Mapping[str, Any]]:
        if place in seen:
            return seen[place]
        try:
            objects, version = client.list_at(*place, label_selector=f"{PART_OF}={set_id}")
            if not version:
                found.unserved.add(group_kind(*place[:2]))
            return objects
        except ApiError as error:
            if error.status == 401:
                raise
            found.unreadable[place] = f"cannot be searched for what is no longer named: {error}"
            return []

    for objects in client.map(look, places):
        found.members += [dict(obj) for obj in objects if is_member(obj, set_id)]
    return found
