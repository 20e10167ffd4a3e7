# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded objects on a bare lab: written as JSON straight into etcd, so that uids, generations, timestamps and status
are those of the recording.

Only what was applied by the code under test is not overwritten: it keeps its uid, gets the recorded status with the
generations shifted to its own, and the recorded children are made to point to it.
"""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml

from lab import controlplane
from lab.errors import LabError
from lab.handle import Lab
from lab.kube import Api, ApiError

Object = dict[str, Any]

# Where the API server keeps what it does not keep under its own plural, and the kinds that lists do not spell out.
_PLACES = {"nodes": "minions", "services": "services/specs"}
_KINDS = {
    "configmaps": "ConfigMap",
    "controllerrevisions": "ControllerRevision",
    "deployments": "Deployment",
    "endpointslices": "EndpointSlice",
    "events": "Event",
    "namespaces": "Namespace",
    "nodes": "Node",
    "pods": "Pod",
    "replicasets": "ReplicaSet",
    "rolebindings": "RoleBinding",
    "roles": "Role",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
    "statefulsets": "StatefulSet",
}
_BUILT_IN = ("", "apps", "discovery.k8s.io", "rbac.authorization.k8s.io", "scheduling.k8s.io")
# What somebody applies; everything else in a recording was made by controllers.
ROOTS = ("dynamographdeployments", "podcliquesets", "leaderworkersets")
# What of a timeline is replayed. Its events come as sentences without an object, its pods without containers.
_PLAYED = {
    "dynamocomponentdeployments": "DynamoComponentDeployment",
    "dynamographdeployments": "DynamoGraphDeployment",
    "leaderworkersets": "LeaderWorkerSet",
    "podcliques": "PodClique",
    "podcliquescalinggroups": "PodCliqueScalingGroup",
    "podcliquesets": "PodCliqueSet",
    "podgangs": "PodGang",
    "podgroups": "PodGroup",
    "pods": "Pod",
}
# Recorded, but of no use to anybody who looks at a workload.
_LEFT_OUT = ("secrets", "serviceaccounts", "configmaps", "roles", "rolebindings", "endpointslices")


class Etcd:
    """Puts and deletes by etcd's own JSON gateway."""

    def __init__(self, lab: Lab) -> None:
        certs = lab.layout.certs
        self._url = f"https://127.0.0.1:{lab.layout.state()['ports']['etcd']}/v3/kv/txn"
        self._pool = urllib3.PoolManager(
            ca_certs=str(certs / "ca.crt"),
            cert_file=str(certs / "client-admin.crt"),
            key_file=str(certs / "client-admin.key"),
            retries=False,
        )

    def write(self, values: Mapping[str, Object | None]) -> None:
        """All of it in one transaction; None deletes the key."""
        operations = [
            {"requestDeleteRange": {"key": _text(key)}}
            if value is None
            else {"requestPut": {"key": _text(key), "value": _text(json.dumps(value))}}
            for key, value in values.items()
        ]
        if not operations:
            return
        answer = self._pool.request("POST", self._url, body=json.dumps({"success": operations}), timeout=30.0)
        if answer.status != 200:
            raise LabError(f"etcd refuses {len(operations)} changes: {answer.data.decode(errors='replace')[:300]}")


def _text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def place(api_version: str, plural: str, namespace: str | None, name: str) -> str:
    """The key under which the API server keeps an object."""
    group = api_version.rpartition("/")[0]
    parts = ["/registry", *([] if group in _BUILT_IN else [group]), _PLACES.get(plural, plural)]
    return "/".join([*parts, *([namespace] if namespace else []), name])


def definitions(folder: Path, names: Iterable[str]) -> Iterator[Object]:
    """Upstream's CustomResourceDefinitions ("grove/grove.io_podcliques"), as a lone API server can serve them: the
    storage version only, without conversion; without descriptions, which are most of their size."""
    for name in names:
        text = (folder / f"{name}.yaml").read_text("utf-8")
        crd = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        for version in crd["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"] = _bare(version["schema"]["openAPIV3Schema"])
        crd["metadata"] = {"name": crd["metadata"]["name"]}
        crd.pop("status", None)
        yield crd


def _bare(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    bare: Object = {}
    for key, value in schema.items():
        if key == "description":
            continue
        if key == "properties":
            bare[key] = {name: _bare(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties"):
            bare[key] = _bare(value)
        else:
            bare[key] = value
    return bare


class Replay:
    """One bare lab as the stage of recordings."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.etcd = Etcd(lab)
        self.api = Api(controlplane.server(lab.layout.state()["ports"]), lab.layout.certs, "admin")
        self._written: set[str] = set()
        self._played: dict[str, Object] = {}

    def define(self, crds: Iterable[Object]) -> None:
        """Make these definitions, and wait until all are served."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        wanted = list(crds)
        for crd in wanted:
            if self.api.find(f"{path}/{crd['metadata']['name']}") is None:
                self.api.call("POST", path, crd)
        for crd in wanted:
            version = crd["spec"]["versions"][0]["name"]
            self._served(f"/apis/{crd['spec']['group']}/{version}/{crd['spec']['names']['plural']}")

    def _served(self, path: str) -> None:
        for _attempt in range(2000):
            try:
                self.api.call("GET", path, query={"limit": 1})
            except ApiError as error:
                if error.status in (404, 503):
                    time.sleep(0.02)
                    continue
                raise
            return
        raise LabError(f"{path} is never served")

    def namespace(self, name: str) -> None:
        """A namespace; nothing here would ever finish deleting one."""
        if self.api.find(f"/api/v1/namespaces/{name}") is None:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.api.call("POST", "/api/v1/namespaces", body)

    # -- snapshots -------------------------------------------------------------------------------------------------
    def show(self, objects: Mapping[str, Iterable[Object]], *, applied: Iterable[Object] = ()) -> None:
        """Exactly these objects ("<group/version>/<plural>" -> full objects), and nothing of an earlier call.

        applied: objects that the code under test has made, as the API server answers them now; of their recorded
        twins only the status is taken.
        """
        mine = {(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]): obj for obj in applied}
        uids: dict[str, str] = {}
        statuses: list[tuple[str, Object, Object]] = []
        values: dict[str, Object | None] = {}
        for resource, items in objects.items():
            api_version, _, plural = resource.rpartition("/")
            if plural in _LEFT_OUT:
                continue
            for item in items:
                obj = _clean(item, api_version, plural)
                meta = obj["metadata"]
                twin = mine.get((obj["kind"], meta.get("namespace"), meta["name"]))
                if twin is not None:
                    uids[meta["uid"]] = twin["metadata"]["uid"]
                    statuses.append((plural, twin, obj))
                    continue
                values[place(obj["apiVersion"], plural, meta.get("namespace"), meta["name"])] = obj
        for value in values.values():
            for reference in (value or {})["metadata"].get("ownerReferences") or ():
                reference["uid"] = uids.get(reference.get("uid"), reference.get("uid"))
        gone = self._written - set(values)
        self.etcd.write({**dict.fromkeys(sorted(gone)), **values})
        self._written = set(values)
        for plural, twin, recorded in statuses:
            self.report(plural, twin, recorded)

    def report(self, plural: str, twin: Object, recorded: Object) -> None:
        """What the recorded controller said about its object, said about ours."""
        meta = twin["metadata"]
        path = f"/apis/{twin['apiVersion']}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"
        live = self.api.call("GET", path)
        shift = int(live["metadata"]["generation"]) - int(recorded["metadata"].get("generation") or 1)
        live["status"] = _shifted(recorded.get("status") or {}, shift)
        self.api.call("PUT", f"{path}/status", live)

    def clear(self) -> None:
        """Remove what was shown."""
        self.etcd.write(dict.fromkeys(sorted(self._written)))
        self._written, self._played = set(), {}

    # -- timelines -------------------------------------------------------------------------------------------------
    def play(
        self, events: Iterable[Mapping[str, Any]], namespace: str, *, root: tuple[str, str], report: bool = True
    ) -> int:
        """Write a recorded watch stream in its order and at full speed; how many events there were.

        root: (plural, name) of the object that the code under test applies; it only gets its recorded status, and with
        ``report`` False not even that. What lies between two of its changes is written in as few transactions as show
        every state of every object. Several calls go on from each other until ``clear``.
        """
        count = 0
        batch: dict[str, Object | None] = {}
        for event in events:
            if event["ev"] not in ("ADDED", "MODIFIED", "DELETED") or event["res"] not in _PLAYED:
                continue
            count += 1
            key = place(event["gv"], event["res"], namespace, event["name"])
            obj = self._played[key] = _merge(self._played.get(key), event, namespace)
            own = (event["res"], event["name"]) == root
            if own or key in batch:
                self.etcd.write(batch)
                batch = {}
            if own:
                if report and event["ev"] != "DELETED" and event.get("status"):
                    self.report(event["res"], obj, obj)
                continue
            batch[key] = None if event["ev"] == "DELETED" else obj
            (self._written.discard if event["ev"] == "DELETED" else self._written.add)(key)
        self.etcd.write(batch)
        return count

    def recorded(self, api_version: str, plural: str, namespace: str, name: str) -> Object:
        """An object as the timeline has left it so far."""
        return copy.deepcopy(self._played[place(api_version, plural, namespace, name)])


def _clean(item: Mapping[str, Any], api_version: str, plural: str) -> Object:
    obj = copy.deepcopy({key: value for key, value in item.items() if not key.startswith("_")})
    obj.setdefault("apiVersion", api_version)
    obj.setdefault("kind", _KINDS.get(plural, ""))
    obj["metadata"].pop("resourceVersion", None)
    obj["metadata"].pop("managedFields", None)
    return obj


def _shifted(status: Mapping[str, Any], shift: int) -> Object:
    """The status as if it spoke of a generation ``shift`` later."""
    # An empty word is what the operator writes before its first one; the status of a definition would not admit it
    moved = {key: copy.deepcopy(value) for key, value in status.items() if value != ""}
    for part in (moved, *(moved.get("conditions") or ())):
        if part.get("observedGeneration") is not None:
            part["observedGeneration"] = max(0, int(part["observedGeneration"]) + shift)
    return moved


def _merge(before: Object | None, event: Mapping[str, Any], namespace: str) -> Object:
    """A timeline holds what changed; the object is all of it so far."""
    plural, name = event["res"], event["name"]
    obj: Object = (
        copy.deepcopy(before)
        if before
        else {
            "apiVersion": event["gv"],
            "kind": _PLAYED[plural],
            "metadata": {"name": name, "namespace": namespace, "uid": f"{plural}-{name}"},
            "spec": {"containers": [{"name": "main"}]} if plural == "pods" else {},
        }
    )
    meta = obj["metadata"]
    meta["generation"] = event.get("gen") or meta.get("generation") or 1
    for key in ("labels", "annotations"):
        if event.get(key) is not None:
            meta[key] = event[key]
    for key in ("spec", "status"):
        if event.get(key) is not None:
            obj[key] = event[key]
    for key in ("nodeName", "schedulerName", "hostname"):
        if event.get(key):
            obj["spec"][key] = event[key]
    return obj
