# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as a stand-in sees it: through the ServiceAccount of its chart, so that the chart's RBAC counts."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from lab.kube import MERGE, ApiError

Object = dict[str, Any]
Objects = list[Object]
APPLY = "application/apply-patch+yaml"


class Cluster:
    """Reads and writes; counts its writes, so that its caller knows whether anything happens."""

    def __init__(self, kubeconfig: Path, args: tuple[str, ...] = ()) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._server = config["clusters"][0]["cluster"]["server"]
        self._token_file = Path(config["users"][0]["user"]["tokenFile"])
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        folder = kubeconfig.parent
        ca_file = folder / "ca.crt"
        ca_file.write_bytes(base64.b64decode(authority))
        self._pool = urllib3.PoolManager(maxsize=4, ca_certs=str(ca_file), retries=False)
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}
        self._asked: dict[str, float] = {}
        self.namespace = os.environ.get("POD_NAMESPACE", "default")
        self.pod = os.environ.get("POD_NAME", "")
        self.image = os.environ.get("LAB_IMAGE", "")
        self.args = args
        self.writes = 0

    # -- where things are ----------------------------------------------------------------------------------------------
    @property
    def version(self) -> str:
        """The tag of the image that it is."""
        return self.image.rpartition(":")[2] if ":" in self.image.rpartition("/")[2] else ""

    def option(self, name: str, default: str = "") -> str:
        """The value of the container's argument ``--name=value``; paths into mounts are files here."""
        for arg in self.args:
            flag, _equals, value = arg.lstrip("-").partition("=")
            if flag == name:
                return value
        return default

    def upstream(self) -> Path:
        """The upstream data: definitions that an operator brings itself."""
        return Path(os.environ["LAB_UPSTREAM"])

    # -- asking --------------------------------------------------------------------------------------------------------
    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """The answer's object; ApiError for every refusal."""
        headers = {
            "Accept": "application/json",
            "Authorization": "Bearer " + self._token_file.read_text(encoding="utf-8").strip(),
            "Content-Type": content_type,
        }
        url = self._server + path + ("?" + urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self._pool.request(method, url, body=data, headers=headers, timeout=10.0)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {url}: {error}") from error
        try:
            answer = json.loads(response.data) if response.data else {}
        except ValueError:
            answer = {"message": response.data.decode(errors="replace")}
        if response.status >= 400:
            raise ApiError(response.status, f"{method} {path}: {answer.get('message') or response.reason}")
        if method != "GET":
            self.writes += 1
        return answer if isinstance(answer, dict) else {}

    def served(self, api_version: str, kind: str) -> bool:
        """Whether the cluster knows the kind."""
        return self._resource(api_version, kind) is not None

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> Objects:
        """All objects of a kind, [] where the kind is not known; apiVersion and kind are filled in."""
        path = self._path(api_version, kind, namespace)
        if path is None:
            return []
        query = {"resourceVersion": "0"} | ({"labelSelector": labels} if labels else {})
        try:
            answer = self.call("GET", path, query=query)
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return [{**item, "apiVersion": api_version, "kind": kind} for item in answer.get("items") or []]

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, None where it or its kind is not there."""
        path = self._path(api_version, kind, namespace)
        if path is None:
            return None
        try:
            return self.call("GET", f"{path}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    # -- changing ------------------------------------------------------------------------------------------------------
    def create(self, obj: Object) -> Object | None:
        """The new object; None where one of this name is there already."""
        try:
            return self.call("POST", self._must(obj), obj)
        except ApiError as error:
            if error.status == 409:
                return None
            raise

    def apply(self, obj: Object, manager: str = "stand-in") -> Object:
        """Server-side apply, by force: as operators and chart hooks do it."""
        query = {"fieldManager": manager, "force": "true"}
        return self.call("PATCH", self._of(obj), obj, query=query, content_type=APPLY)

    def patch(self, obj: Object, body: Object) -> Object | None:
        """A merge patch; None where the object has gone."""
        with contextlib.suppress(_Gone):
            return self._patch(self._of(obj), body)
        return None

    def patch_status(self, obj: Object, status: Object) -> None:
        """A merge patch of its status, only where it changes something. Lists are replaced whole."""
        if merged(obj.get("status") or {}, status) == (obj.get("status") or {}):
            return
        with contextlib.suppress(_Gone):
            self._patch(self._of(obj) + "/status", {"status": status})

    def delete(self, obj: Object) -> None:
        """Gone, or going; its dependants follow."""
        try:
            self.call("DELETE", self._of(obj), {"kind": "DeleteOptions", "apiVersion": "v1"})
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def bind(self, pod: Object, node: str) -> None:
        """What a scheduler does in the end."""
        meta = pod["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
        try:
            self.call("POST", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding", body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    # -- paths ---------------------------------------------------------------------------------------------------------
    def _patch(self, path: str, body: Object) -> Object:
        try:
            return self.call("PATCH", path, body, content_type=MERGE)
        except ApiError as error:
            if error.status == 404:
                raise _Gone from error
            raise

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool] | None:
        """(plural, namespaced); asked again, once a second, while it is not known."""
        known = self._resources.get(api_version, {})
        if kind not in known and time.monotonic() - self._asked.get(api_version, -1.0) > 1.0:
            self._asked[api_version] = time.monotonic()
            path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                listed = self.call("GET", path).get("resources") or []
            except ApiError as error:
                if error.status != 404:
                    raise
                listed = []
            known = {r["kind"]: (r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
            self._resources[api_version] = known
        return known.get(kind)

    def _path(self, api_version: str, kind: str, namespace: str) -> str | None:
        resource = self._resource(api_version, kind)
        if resource is None:
            return None
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        inside = f"/namespaces/{namespace}" if namespace and resource[1] else ""
        return f"{base}{inside}/{resource[0]}"

    def _must(self, obj: Object) -> str:
        path = self._path(obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace", ""))
        if path is None:
            raise ApiError(404, f"no matches for kind {obj['kind']} in {obj['apiVersion']}")
        return path

    def _of(self, obj: Object) -> str:
        return f"{self._must(obj)}/{obj['metadata']['name']}"


class _Gone(Exception):
    """The object was deleted meanwhile: nothing is to be said about it."""


def merged(old: Any, new: Any) -> Any:
    """What a merge patch would leave."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    result = {key: value for key, value in old.items() if not (key in new and new[key] is None)}
    for key, value in new.items():
        if value is not None:
            result[key] = merged(old.get(key), value)
    return result


def now() -> str:
    """A timestamp as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(old: Any, **wanted: tuple[bool, str, str]) -> list[Object]:
    """A list of conditions: type -> (status, reason, message); the time changes with the status only."""
    before = {item["type"]: item for item in old or []}
    found = []
    for kind, (status, reason, message) in wanted.items():
        text = "True" if status else "False"
        last = before.get(kind, {})
        since = last.get("lastTransitionTime") if last.get("status") == text else None
        found.append(
            {"type": kind, "status": text, "reason": reason, "message": message, "lastTransitionTime": since or now()}
        )
    return found


def owner(obj: Object, *, controller: bool = True) -> Object:
    """A reference that makes ``obj`` the owner: what it owns goes with it."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }
