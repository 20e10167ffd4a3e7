# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading with credentials that may not read everything, and what else a namespace holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    client: Client, namespace: str, ours: Sequence[tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]]
) -> list[str]:
    """What in a namespace belongs to nobody we know: ``Kind/name``, sorted. One LIST per served namespaced kind.

    ours: the records of what is removed from it, each with references to what its release's hooks made. Not counted:
    what these releases made (helm's annotations), helm's own Secrets, our objects, what the components leave behind by
    themselves, the references and those of the records, what has an owner, and what Kubernetes itself puts there. What
    may not be read counts as foreign.
    """
    own, releases = set(), set()
    for record, known in ours:
        component = components.definition(str(record.get("component")))
        own |= {(kind, name) for _api, kind, name in component.leftovers}
        references = [*known, *(record.get("objects") or ())]
        own |= {(str(item["kind"]), str(item["metadata"]["name"])) for item in references}
        releases.add((record.get("release"), namespace))

    def expected(item: Mapping[str, Any]) -> bool:
        return (
            (item["kind"], item["metadata"]["name"]) in own
            or helm_owner(item) in releases
            or item.get("type") == "helm.sh/release.v1"
            or (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        )

    return namespace_contents(client, namespace, expected)


def held(client: Client, component: components.Component) -> list[Object]:
    """References to custom resources of this component's definitions that have finalizers: they need it to go."""
    read = Reader(client)
    kinds = []
    for group in sorted({crd.split(".", 1)[1] for crd in component.crds}):
        plurals = {crd.split(".", 1)[0] for crd in component.crds if crd.split(".", 1)[1] == group}
        kinds += [kind for kind, plural in _served(client, group) if plural in plurals]
    found = []
    for items in client.map(lambda kind: read.list(*kind), kinds):
        found += [components.reference(item) for item in items if item["metadata"].get("finalizers")]
    return found


def _served(client: Client, group: str) -> list[tuple[tuple[str, str], str]]:
    """((apiVersion, kind), plural) of what a group serves, in its preferred version."""
    versions = client.groups().get(group)
    if not versions:
        return []
    listed = client.request("GET", f"/apis/{group}/{versions[0]}").get("resources") or []
    return [
        ((f"{group}/{versions[0]}", str(item["kind"])), str(item["name"]))
        for item in listed
        if "/" not in item["name"] and "list" in item["verbs"]
    ]


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
