# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm releases as the cluster keeps them, and which of them (or which plain manifests) a component is. Pure."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

Object = dict[str, Any]


def release(secret: Object) -> Object | None:
    """A helm release out of its Secret (base64 twice, gzip, JSON); None for what is no such thing.

    {"release", "namespace", "chart", "chart_version", "app_version", "status", "revision", "values", "secret",
    "manifest", "hooks"}; manifest and hooks are YAML.
    """
    data = (secret.get("data") or {}).get("release")
    if secret.get("type") != "helm.sh/release.v1" or not data:
        return None
    try:
        raw = base64.b64decode(base64.b64decode(data))
        body = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except (binascii.Error, OSError, ValueError, EOFError):
        return None
    meta = (body.get("chart") or {}).get("metadata") or {}
    return {
        "release": str(body.get("name") or ""),
        "namespace": str(body.get("namespace") or secret["metadata"]["namespace"]),
        "chart": str(meta.get("name") or ""),
        "chart_version": str(meta.get("version") or ""),
        "app_version": str(meta.get("appVersion") or ""),
        "status": str((body.get("info") or {}).get("status") or ""),
        "revision": int(body.get("version") or 0),
        "values": body.get("config") or {},
        "secret": str(secret["metadata"]["name"]),
        "manifest": str(body.get("manifest") or ""),
        "hooks": "\n---\n".join(str(hook.get("manifest") or "") for hook in body.get("hooks") or []),
    }


def identify(
    component: components.Component,
    releases: Sequence[Object],
    record: Mapping[str, Any] | None,
    deployments: Sequence[Object],
) -> Object:
    """Which release or which plain manifests this component is; the one of our record first, the rest as ``others``."""
    newest: dict[tuple[str, str], Object] = {}
    mine = [item for item in releases if item["chart"] in component.charts and item["status"] != "uninstalled"]
    for item in sorted(mine, key=lambda item: int(item["revision"])):
        newest[item["namespace"], item["release"]] = item
    candidates = [as_found(item, "release") for item in newest.values()]
    owned = {(item["release"], item["namespace"]) for item in newest.values()}
    for deployment in deployments:
        namespace = deployment["metadata"]["namespace"]
        if not components.runs(deployment, component.images) or helm_owner(deployment) in owned:
            continue
        if not any(item["source"] == "manifests" and item["namespace"] == namespace for item in candidates):
            candidates.append(
                as_found({"namespace": namespace, "app_version": _tag(deployment, component)}, "manifests")
            )
    chosen: Object | None = None
    if record and record.get("origin") == "provisioned":
        # What OLM brought has no release
        place = (record.get("release") or None, record.get("namespace"))
        chosen = next((item for item in candidates if (item["release"], item["namespace"]) == place), None)
        if chosen and record.get("source") == "olm":
            # Its images are named by digest
            chosen["app_version"] = chosen["app_version"] or record.get("version")
        # What is left of ours when its release is gone is no second install
        candidates = [item for item in candidates if item["release"] or item["namespace"] != record.get("namespace")]
    elif candidates:
        place = ((record or {}).get("release"), (record or {}).get("namespace"))
        chosen = next((item for item in candidates if (item["release"], item["namespace"]) == place), candidates[0])
    entry = chosen or as_found({}, None)
    secrets = [item for item in mine if (item["release"], item["namespace"]) == (entry["release"], entry["namespace"])]
    entry.update(
        present=chosen is not None,
        record=dict(record) if record else None,
        others=[item for item in candidates if item is not chosen],
        release_secrets=[
            {
                "namespace": item["namespace"],
                "name": item["secret"],
                "status": item["status"],
                "chart_version": item["chart_version"],
                "app_version": item["app_version"],
                "revision": item["revision"],
            }
            for item in secrets
        ],
        ready=False,
        problems=[],
        details={},
    )
    entry["release_failed"] = _repeated(secrets)
    if entry["release_status"] in components.UNFINISHED:
        entry["release_objects"] = _objects(secrets, "manifest")
    entry["release_crds"] = _definitions(secrets) if record else []
    # helm asks the manifest of the newest revision what to leave, not the cluster
    newest_one = max(secrets, key=lambda item: int(item["revision"]), default=None)
    entry["release_takes"] = _definitions([newest_one], kept=False) if record and newest_one else []
    # Hooks are no part of what helm uninstalls
    entry["release_hooks"] = _objects(secrets, "hooks") if record else []
    return entry


def as_found(item: Mapping[str, Any], source: str | None) -> Object:
    return {
        "source": source,
        "release": item.get("release"),
        "namespace": item.get("namespace"),
        "chart_version": item.get("chart_version"),
        "app_version": item.get("app_version"),
        "release_status": item.get("status"),
        "revision": item.get("revision"),
        "values": item.get("values"),
    }


def _objects(releases: Sequence[Mapping[str, Any]], part: str) -> list[Object]:
    """References to what this part of these releases holds, except what helm was told to keep."""
    found: dict[tuple[str, ...], Object] = {}
    for item in releases:
        for document in re.split(r"(?m)^---\s*$", str(item[part])):
            if "helm.sh/resource-policy: keep" in document or "kind: CustomResourceDefinition" in document:
                continue
            try:
                obj = yaml.safe_load(document)
            except yaml.YAMLError:
                continue
            if not isinstance(obj, dict) or not obj.get("kind"):
                continue
            name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace") or item["namespace"]
            found[obj["apiVersion"], obj["kind"], namespace, name] = {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "metadata": {"name": name, "namespace": namespace},
            }
    return list(found.values())


def _repeated(releases: Sequence[Mapping[str, Any]]) -> list[Object]:
    """Secrets of failed revisions that keep helm from running again with what the newest one asked for.

    kubernetes.core.helm compares chart and values with the newest revision, failed or not. A release that never came to
    be deployed is forgotten whole: helm installs again then, with the hooks of an install, and takes over what is there
    and bears the release's marks. Above a deployed revision those that ask for the same go: helm compares its objects
    with the deployed one's either way.
    """
    newest = sorted(releases, key=lambda item: int(item["revision"]), reverse=True)
    deployed = any(item["status"] in ("deployed", "superseded") for item in newest)
    found: list[Object] = []
    for item in newest:
        if item["status"] in components.UNFINISHED:
            continue  # forgotten anyway
        same = all(item[key] == newest[0][key] for key in ("chart_version", "app_version", "values"))
        if item["status"] != "failed" or (deployed and not same):
            break
        where = {"name": item["secret"], "namespace": item["namespace"]}
        found.append({"apiVersion": "v1", "kind": "Secret", "metadata": where})
    return found


def _definitions(releases: Sequence[Mapping[str, Any]], *, kept: bool = True) -> list[str]:
    """Names of the definitions among the objects of these releases; kept: those too that helm is told to leave."""
    found = set()
    for item in releases:
        for document in re.split(r"(?m)^---\s*$", str(item["manifest"])):
            if not re.search(r"(?m)^kind:\s*[\"']?CustomResourceDefinition\b", document):
                continue
            if not kept and re.search(r"(?m)^\s*[\"']?helm\.sh/resource-policy[\"']?:\s*[\"']?keep\b", document):
                continue
            name = re.search(r"(?m)^metadata:[ ]*\n(?:[ ]+.*\n)*?[ ]+name:[ ]*[\"']?([^\s\"']+)", document)
            if name:
                found.add(name.group(1))
    return sorted(found)


def helm_owner(item: Mapping[str, Any]) -> tuple[str | None, str | None]:
    notes = item["metadata"].get("annotations") or {}
    return notes.get("meta.helm.sh/release-name"), notes.get("meta.helm.sh/release-namespace")


def _tag(deployment: Object, component: components.Component) -> str:
    tags = [components.split_image(image)[1] for image in components.images_of(deployment)]
    return next((tag for tag in tags if versions.key(tag)), tags[0] if tags else "")
