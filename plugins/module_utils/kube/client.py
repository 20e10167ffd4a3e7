# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes API in plain dicts: one pool, lazy discovery, many requests at once."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth import connect
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import (
    AUTH_ARGS,
    POOL_SIZE,
    CannotConnect,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import (
    ApiError,
    KubeError,
    MissingLibrary,
    NoSuchKind,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.transport import Transport
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER

__all__ = [
    "AUTH_ARGS",
    "FIELD_MANAGER",
    "ApiError",
    "CannotConnect",
    "Client",
    "KubeError",
    "MissingLibrary",
    "NoSuchKind",
    "Resource",
    "Watch",
]

FIELD_MANAGER = MANAGER
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
PAGE = 500
# A kind that was missing is looked up again after this many seconds: its CRD may have come meanwhile
MISSING_TTL = 1.0

Object = dict[str, Any]
Objects = list[Object]  # the client has a method named list
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Resource:
    """One served kind. ``verbs`` as discovery lists them."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...]

    @property
    def group(self) -> str:
        """API group, "" for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """URL path of one object, or of the collection (of all namespaces when ``namespace`` is None)."""
        parts = ["/apis" if self.group else "/api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=":"))
        return "/".join(parts)


class Watch:
    """Events of one watch: iterate for (type, object); ``close()`` from any thread ends the iteration.

    Types are ADDED, MODIFIED, DELETED and BOOKMARK. Raises ApiError for an ERROR event (410: too old, list again)
    and for a broken connection (status 0); ends quietly when the server ends it.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        buffer = b""
        try:
            for chunk in self._response.stream(65536):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    if line.strip():
                        yield self._event(json.loads(line))
        except ApiError:
            raise
        except Exception as error:  # urllib3, http.client, ssl and socket errors alike: the stream is gone
            if not self._closed:
                raise ApiError(0, "Disconnected", f"the watch was cut off: {error}") from None
        finally:
            self.close()

    def _event(self, event: Mapping[str, Any]) -> tuple[str, Object]:
        kind, obj = str(event["type"]), dict(event["object"])
        if kind == "ERROR":
            raise ApiError(int(obj.get("code") or 500), str(obj.get("reason")), str(obj.get("message")), body=obj)
        return kind, obj

    def close(self) -> None:
        """Wake a reader that waits for the next event, and drop the connection."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):  # already gone
            # close() alone does not wake a thread that is inside recv(), and would wait for it
            _socket(self._response).shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            self._response.close()


def _socket(response: Any) -> Any:
    """The socket under an open response. Its connection has let go of it where the server said Connection: close."""
    kept = getattr(getattr(response, "_connection", None), "sock", None)
    return kept if kept is not None else response._fp.fp.raw._sock


class Client:
    """All access to one API server. Safe to use from many threads."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._discovered: dict[str, tuple[float, dict[str, Resource]]] = {}
        self._asking: dict[str, threading.Lock] = {}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Client:
        """From module parameters (kubernetes.core.k8s_auth_options) and K8S_AUTH_*.

        Raises MissingLibrary and CannotConnect; sends no request.
        """
        return cls(Transport(connect(params)))

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self.transport.requests

    @property
    def host(self) -> str:
        return self.transport.connection.host

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        timeout: float | None = None,
    ) -> Object:
        """See Transport.request."""
        return self.transport.request(method, path, query=query, body=body, content_type=content_type, timeout=timeout)

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """``fn`` of each item, many at once, in order; the first exception is raised."""
        work = list(items)
        if len(work) < 2:
            return [fn(item) for item in work]
        with ThreadPoolExecutor(max_workers=min(POOL_SIZE, len(work))) as pool:
            return list(pool.map(fn, work))

    # -- discovery ----------------------------------------------------------------------------------------------

    def version(self) -> Object:
        """/version: {"gitVersion": "v1.34.4", ...}."""
        return self.request("GET", "/version")

    def groups(self) -> dict[str, list[str]]:
        """API group -> served versions, preferred first; the core group is ""."""
        found: dict[str, list[str]] = {"": ["v1"]}
        for group in self.request("GET", "/apis").get("groups") or []:
            preferred = (group.get("preferredVersion") or {}).get("version")
            versions = [str(entry["version"]) for entry in group.get("versions") or []]
            found[str(group["name"])] = sorted(versions, key=lambda version: version != preferred)
        return found

    def resource(self, api_version: str, kind: str) -> Resource:
        """The served kind; asks the API server once per group and version, and again when the kind was missing."""
        known = self._discovered.get(api_version)
        if known is None or kind not in known[1]:
            # All kinds are often asked for at once: the others wait for the answer to the first
            with self._asking.setdefault(api_version, threading.Lock()):
                known = self._discovered.get(api_version)
                if known is None or (kind not in known[1] and time.monotonic() - known[0] > MISSING_TTL):
                    known = self._discovered[api_version] = (time.monotonic(), self._discover(api_version))
        if kind not in known[1]:
            raise NoSuchKind(api_version, kind)
        return known[1][kind]

    def serves(self, api_version: str, kind: str) -> bool:
        try:
            self.resource(api_version, kind)
        except NoSuchKind:
            return False
        return True

    def _discover(self, api_version: str) -> dict[str, Resource]:
        root = "/apis/" if "/" in api_version else "/api/"
        try:
            listed = self.request("GET", root + api_version).get("resources") or []
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        return {
            str(entry["kind"]): Resource(
                api_version, str(entry["kind"]), str(entry["name"]), bool(entry["namespaced"]), tuple(entry["verbs"])
            )
            for entry in listed
            if "/" not in entry["name"]
        }

    # -- reading ------------------------------------------------------------------------------------------------

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when it, its namespace or its kind is not there."""
        try:
            return self.request("GET", self.resource(api_version, kind).path(name, _namespace(namespace)))
        except NoSuchKind:
            return None
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Objects:
        """All objects of a kind (of all namespaces when ``namespace`` is None), with apiVersion and kind set.

        Read in pages; [] when the kind is not served.
        """
        return self.list_at(api_version, kind, namespace, label_selector=label_selector, field_selector=field_selector)[
            0
        ]

    def list_at(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> tuple[Objects, str]:
        """Like ``list``, with the resourceVersion of the list, from which a watch can go on."""
        try:
            path = self.resource(api_version, kind).path(None, namespace)
        except NoSuchKind:
            return [], ""
        query: dict[str, Any] = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": PAGE}
        items: Objects = []
        while True:
            try:
                page = self.request("GET", path, query=query)
            except ApiError as error:
                if error.status == 410 and query.get("continue"):
                    # The snapshot behind the pages was compacted away: read it again as a whole
                    items, query = [], {**query, "continue": None, "limit": None}
                    continue
                if error.status == 404:
                    # Its definition was deleted since we learnt of it: it is looked up again where that matters
                    self._discovered.pop(api_version, None)
                    return [], ""
                raise
            for item in page.get("items") or []:
                items.append({"apiVersion": api_version, "kind": kind, **item})
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                return items, str(meta.get("resourceVersion") or "")
            query["continue"] = meta["continue"]

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        resource_version: str,
        timeout: float,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Watch:
        """Changes after ``resource_version``; the server ends it after ``timeout`` seconds (at least 1)."""
        resource = self.resource(api_version, kind)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": max(1, int(timeout + 0.999)),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        return Watch(self.transport.stream(resource.path(None, namespace), query, timeout + 30.0))

    def log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int, timeout: float
    ) -> str:
        """The last lines of a container's log. Not retried: machines that are ill do not answer."""
        query = {"container": container, "previous": "true" if previous else None, "tailLines": lines}
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log"
        return self.transport.text(path, query, timeout)

    # -- writing ------------------------------------------------------------------------------------------------

    def apply(self, obj: Mapping[str, Any], *, dry_run: bool = False, force: bool = False) -> Object:
        """Server-side apply as FIELD_MANAGER; the object as it is afterwards. Unknown fields are refused."""
        meta = obj["metadata"]
        path = self.resource(obj["apiVersion"], obj["kind"]).path(meta["name"], _namespace(meta.get("namespace")))
        query = {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            "force": "true" if force else None,
            "dryRun": "All" if dry_run else None,
        }
        return self.request("PATCH", path, query=query, body=obj, content_type=APPLY_PATCH)

    def create(self, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """POST; the created object (also for reviews, which have no name)."""
        meta = obj.get("metadata") or {}
        path = self.resource(obj["apiVersion"], obj["kind"]).path(None, _namespace(meta.get("namespace")))
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else None}
        return self.request("POST", path, query=query, body=obj)

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        body: Any,
        content_type: str = "application/merge-patch+json",
        dry_run: bool = False,
    ) -> Object:
        """Any other patch (merge, JSON, strategic)."""
        path = self.resource(api_version, kind).path(name, _namespace(namespace))
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else None}
        return self.request("PATCH", path, query=query, body=body, content_type=content_type)

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        propagation: str = "Background",
        uid: str | None = None,
    ) -> Object | None:
        """Ask for deletion; None when there was nothing to delete. With ``uid`` only that very object.

        {} when it is gone after an attempt whose answer was lost: then it was most likely ours.
        """
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        if dry_run:
            body["dryRun"] = ["All"]
        # The API server obeys the body; the query is for those who read its audit log
        query = {"dryRun": "All"} if dry_run else None
        try:
            path = self.resource(api_version, kind).path(name, _namespace(namespace))
            return self.request("DELETE", path, query=query, body=body)
        except NoSuchKind:
            return None
        except ApiError as error:
            if error.status == 404:
                return {} if error.repeated else None
            raise


def _namespace(namespace: str | None) -> str:
    """Single objects live in "default" unless said otherwise, as everywhere in Kubernetes."""
    return namespace or "default"
