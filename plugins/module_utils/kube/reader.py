# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading with credentials that may not read everything, and what else a namespace holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.releases import helm_owner
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

Object = dict[str, Any]

# What Kubernetes itself puts into a namespace, or what comes and goes with its owner
_NAMESPACE_OWN = frozenset(
    {("ConfigMap", "kube-root-ca.crt"), ("ConfigMap", "openshift-service-ca.crt"), ("ServiceAccount", "default")}
)
_PASSING_KINDS = frozenset({"Event", "Lease", "Endpoints", "EndpointSlice", "PodMetrics", "ControllerRevision"})


class Reader:
    """LIST and GET that answer with nothing where the credentials may not read, and remember what that was."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.unreadable: set[str] = set()

    def list(self, api_version: str, kind: str, namespace: str | None = None, **selectors: str) -> list[Object]:
        try:
            return self.client.list(api_version, kind, namespace, **selectors)
        except ApiError as error:
            if error.status not in (403, 405):
                raise
            self.unreadable.add(f"{kind} in {api_version}")
            return []


def namespace_foreign(
    client: Client, namespace: str, record: Mapping[str, Any], known: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What in a namespace belongs to nobody we know: ``Kind/name``, sorted. One LIST per served namespaced kind.

    Not counted: what the release made (helm's annotations), helm's own Secrets, our objects, what the component leaves
    behind by itself, ``known`` references, what has an owner, and what Kubernetes itself puts there. What may not be
    read counts as foreign.
    """
    component = components.definition(str(record.get("component")))
    own = {(kind, name) for _api, kind, name in component.leftovers}
    own |= {(str(item["kind"]), str(item["metadata"]["name"])) for item in known}

    def expected(item: Mapping[str, Any]) -> bool:
        return (
            (item["kind"], item["metadata"]["name"]) in own
            or helm_owner(item) == (record.get("release"), namespace)
            or item.get("type") == "helm.sh/release.v1"
            or (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        )

    return namespace_contents(client, namespace, expected)


def namespace_contents(client: Client, namespace: str, expected: Callable[[Mapping[str, Any]], bool]) -> list[str]:
    """What a namespace holds that nobody ``expected``: ``Kind/name``, sorted. One LIST per served namespaced kind.

    Not counted either: what has an owner, and what Kubernetes itself puts there. What may not be read counts.
    """
    read = Reader(client)
    found = set()
    for items in client.map(lambda kind: read.list(*kind, namespace), _kinds(client)):
        for item in items:
            meta = item["metadata"]
            passing = item["kind"] in _PASSING_KINDS or (item["kind"], meta["name"]) in _NAMESPACE_OWN
            if not (passing or meta.get("ownerReferences") or expected(item)):
                found.add(f"{item['kind']}/{meta['name']}")
    return sorted(found | {f"{kind}, which may not be read" for kind in read.unreadable})


def _kinds(client: Client) -> list[tuple[str, str]]:
    """Every listable namespaced kind, once, in its preferred version."""
    found = []
    for group, served in client.groups().items():
        api_version = f"{group}/{served[0]}" if group else served[0]
        if group in ("metrics.k8s.io", "events.k8s.io"):
            continue
        try:
            listed = client.request("GET", f"/{'apis' if group else 'api'}/{api_version}").get("resources") or []
        except ApiError:
            continue  # an aggregated API that does not answer holds nothing that we could judge
        found += [
            (api_version, str(item["kind"]))
            for item in listed
            if item["namespaced"] and "/" not in item["name"] and "list" in item["verbs"]
        ]
    return found
