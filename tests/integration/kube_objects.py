# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects, clients and questions that the tests of the Kubernetes engine share."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab

USER = "dynamo-multinode"
MUTATING = ("create", "update", "patch", "delete", "deletecollection")
Object = dict[str, Any]


def client(lab: Lab, **options: Any) -> Client:
    """A client with the collection's own identity, unless the options say otherwise."""
    return Client.from_params({"kubeconfig": str(lab.kubeconfig), **options})


def config_map(namespace: str, name: str = "settings", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "test"}},
        "data": data or {"a": "1"},
    }


def secret(namespace: str, name: str = "password", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    }


def deployment(namespace: str, name: str = "web", replicas: int = 0) -> Object:
    """Spelt so that the API server changes what it can: quantities, defaults, empties."""
    container = {
        "name": "main",
        "image": "example.com/web:1.0.0",
        "args": [],
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
    }
    tolerations = [{"operator": "Exists"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "nodeSelector": {},
                    "volumes": [],
                    "hostNetwork": False,
                    "tolerations": tolerations,
                    "containers": [container],
                },
            },
        },
    }


def widget_crd(group: str) -> Object:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 10}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def widget(group: str, namespace: str, size: int = 1) -> Object:
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"size": size},
    }


def actions(results: list[engine.Result]) -> list[tuple[str, str]]:
    return [(result.kind, result.action) for result in results]


def writes(lab: Lab, since: int, namespace: str | None = None) -> list[str]:
    """What the collection's identity really changed since a mark (dry runs and reviews apart)."""
    found = []
    for event in lab.audit(since, user=USER, verbs=MUTATING):
        uri = event["requestURI"]
        if "dryRun=All" in uri or "authorization.k8s.io" in uri or "/token" in uri:
            continue
        if namespace is None or event.get("objectRef", {}).get("namespace") == namespace:
            found.append(f"{event['verb']} {uri}")
    return found
