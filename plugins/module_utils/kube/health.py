# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether components are ready: by what they report, and by server-side dry runs through their webhooks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import provisioned
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_gangs, facts_olm, readiness
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client, NoSuchKind
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.transport import Transport

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

ADMISSION = "admissionregistration.k8s.io/v1"
REVIEW = "authorization.k8s.io/v1"

Object = dict[str, Any]


@dataclass(frozen=True)
class Waited:
    """A component that is waited for. adopted: how it is configured was judged before (MN-F32), and waiting would not
    mend it. values: the final chart values of its release. later: reports, as ``Kind/name``, that are not judged yet,
    since what they report on is applied later."""

    namespace: str
    adopted: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    later: tuple[str, ...] = ()


def not_ready(client: Client, name: str, wanted: Waited, served: set[str] | None = None) -> list[str]:
    """What a component lacks to be ready, asked of the cluster now; [] when it is ready.

    By its own report first (Deployments, definitions, webhooks, queues, configuration); when that is complete, by
    server-side dry runs through its webhooks, and by the objects that it reports by. served: a set that remembers, from
    call to call, definitions that serve.
    """
    namespace = wanted.namespace
    once = Client(Transport(client.transport.connection, budget=0.0, first_budget=0.0))
    component = components.definition(name)
    served = set() if served is None else served
    asked = [crd for crd in component.crds if crd not in served]
    jobs: list[Callable[[], Any]] = [
        lambda: client.list("apps/v1", "Deployment", namespace),
        lambda: webhooks(client),
        lambda: client.list("discovery.k8s.io/v1", "EndpointSlice", namespace),
        lambda: client.list("scheduling.volcano.sh/v1beta1", "Queue") if component.queues else [],
        lambda: _scheduler_provider(client, namespace)[0] if component.scheduler_provider else None,
    ]
    jobs += [partial(client.get, "apiextensions.k8s.io/v1", "CustomResourceDefinition", crd) for crd in asked]
    answers = client.map(lambda job: job(), jobs)
    # A newer chart may bring fewer definitions than we know; those of the component's own group must be there
    definitions = {
        crd: found
        for crd, found in zip(asked, answers[5:])
        if found is not None or crd.split(".", 1)[1] == component.group
    }
    state = {
        "namespace": namespace,
        "deployments": _own_deployments(component, answers[0]),
        "webhooks": answers[1],
        "endpointslices": answers[2],
        "queues": answers[3],
        "scheduler_provider": component.scheduler_provider if wanted.adopted else answers[4],
        "crds": definitions,
        "values": wanted.values,
        "adopted": wanted.adopted,
    }
    served |= {crd for crd, found in definitions.items() if not components.crd_problem(found)}
    lacks = facts_olm.lacks(client, name) or components.missing(component, state)
    if not lacks:
        lacks = [problem for problem in client.map(lambda probe: _dry_run(once, probe), component.dry_runs) if problem]
    client.transport.requests += once.requests
    if not lacks:
        lacks = [
            problem
            for report in _reports(component, wanted)
            for problem in _report(client, report, wanted, component.instead.get(report[1]))
        ]
    return lacks


def wait_ready(
    client: Client,
    wanted: Mapping[str, Waited],
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, list[str]]:
    """Ask until every component is ready, or the deadline (seconds) has passed.

    Returns what is still missing by name; empty when all are ready. A cluster that cannot be read counts as missing.
    """
    deadline = clock() + timeout
    served: dict[str, set[str]] = {name: set() for name in wanted}
    left = dict(wanted)
    lacks: dict[str, list[str]] = {}
    interval = 0.25
    while True:
        for name in list(left):
            try:
                lacks[name] = not_ready(client, name, left[name], served[name])
            except ApiError as error:
                if error.status in (401, 403):
                    raise
                lacks[name] = [str(error)]
            if not lacks[name]:
                del left[name], lacks[name]
        if not left or clock() + interval > deadline:
            return lacks
        pause(interval)
        interval = min(interval * 1.5, 2.0)


def problems(read: Reader, entry: Mapping[str, Any], name: str, answers: Mapping[str, Any]) -> tuple[list[str], Object]:
    """Problems and details of a present component, as far as plain reading shows them (no dry runs, no definitions)."""
    component = components.definition(name)
    namespace = str(entry["namespace"])
    deployments = [item for item in answers["deployments"] if item["metadata"]["namespace"] == namespace]
    details: Object = {}
    provider = None
    if component.scheduler_provider:
        try:
            provider, details["config"] = _scheduler_provider(read.client, namespace)
            details["scheduler_provider"] = provider
        except ApiError as error:
            if error.status != 403:
                raise
            provider = component.scheduler_provider
        # The chart names it after the release
        named = (_account(item) for item in _own_deployments(component, deployments))
        account = next((name for name in named if name), component.service_account)
        details["service_account"] = account
        details["may_create_podgroups"] = _may_create_podgroups(read.client, namespace, account)
    details.update(facts_gangs.details(read, name, namespace, answers))
    state = {
        "namespace": namespace,
        "deployments": _own_deployments(component, deployments),
        "webhooks": answers["webhooks"],
        "endpointslices": read.list("discovery.k8s.io/v1", "EndpointSlice", namespace),
        "queues": answers["volcano_queues"] if component.queues else [],
        # Said as a finding of its own (MN-F32), not as something that waiting could mend
        "scheduler_provider": component.scheduler_provider,
        "crds": None,
        "values": entry.get("values") or {},
        "adopted": not provisioned(entry),
    }
    return components.missing(component, state), details


def _own_deployments(component: components.Component, deployments: Iterable[Object]) -> list[Object]:
    return [item for item in deployments if not component.images or components.runs(item, component.images)]


def _account(deployment: Mapping[str, Any]) -> str:
    return str(deployment["spec"]["template"]["spec"].get("serviceAccountName") or "")


def webhooks(reader: Any) -> list[Object]:
    kinds = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    return [item for kind in kinds for item in reader.list(ADMISSION, kind)]


def _scheduler_provider(client: Client, namespace: str) -> tuple[str | None, str | None]:
    """LWS's scheduler provider and the ConfigMap that says so; found by what it holds."""
    for item in client.list("v1", "ConfigMap", namespace):
        text = (item.get("data") or {}).get("controller_manager_config.yaml")
        if text is None or "config.lws.x-k8s.io" not in text:
            continue
        try:
            body = yaml.safe_load(text) or {}
        except yaml.YAMLError:
            body = {}
        return (body.get("gangSchedulingManagement") or {}).get("schedulerProvider"), str(item["metadata"]["name"])
    return None, None


def _may_create_podgroups(client: Client, namespace: str, account: str) -> bool | None:
    """Whether LWS's ServiceAccount may create PodGroups; None when we may not ask."""
    review = {
        "apiVersion": REVIEW,
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{namespace}:{account}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
            "resourceAttributes": {"group": "scheduling.volcano.sh", "resource": "podgroups", "verb": "create"},
        },
    }
    try:
        return bool((client.create(review).get("status") or {}).get("allowed"))
    except ApiError as error:
        if error.status == 403:
            return None
        raise


def _reports(component: components.Component, wanted: Waited) -> list[tuple[str, str, str]]:
    """By what it reports, without what its values switch off; of an adopted one by all of such a kind, if need be."""
    if wanted.adopted:
        return [(api, kind, "" if kind in component.free_names else name) for api, kind, name in component.reports]
    off = component.switched_off(wanted.values)
    return [report for report in component.reports if report[1] not in off]


def _report(
    client: Client, report: tuple[str, str, str], wanted: Waited, instead: tuple[str, str, str] | None = None
) -> list[str]:
    """What an object by which a component reports says is missing; one without a name stands for all of its kind.

    instead: another report that counts where the first one's object is not there, and its own is.
    """
    api_version, kind, name = report
    if f"{kind}/{name}" in wanted.later:
        return []
    try:
        namespaced = client.resource(api_version, kind).namespaced
        if name:
            found = client.get(api_version, kind, name, wanted.namespace if namespaced else None)
            listed = [found] if found else []
        else:
            listed = client.list(api_version, kind, wanted.namespace if namespaced else None)
            listed = [item for item in listed if f"{kind}/{item['metadata']['name']}" not in wanted.later]
            if not listed and any(item.startswith(f"{kind}/") for item in wanted.later):
                return []
    except NoSuchKind:
        return [f"{kind} is not served"]
    if not listed and instead and client.serves(*instead[:2]) and client.list(*instead[:2]):
        return _report(client, instead, wanted)
    if not listed:
        return [f"{kind} {name} is not there".replace("  ", " ")]
    lacks = []
    for item in listed:
        verdict = readiness.ready(item)
        if not verdict.ready:
            lacks.append(f"{kind} {item['metadata']['name']} {verdict.reason}")
    return lacks


def _dry_run(client: Client, probe: Mapping[str, Any]) -> str:
    """Why a dry run does not pass the component's webhooks; "" when it does."""
    what = f"a dry run of a {probe['kind']}"
    try:
        client.create(probe, dry_run=True)
    except ApiError as error:
        if error.status == 409:  # somebody made an object of the probe's name: the webhooks have let us through
            return ""
        if "certificate" in error.message or "x509" in error.message:
            return f"{what} fails, its webhook's certificate is stale (MN-F64): {error.message}"
        if "failed calling webhook" in error.message:
            return f"{what} fails, its webhook does not answer yet (MN-F64): {error.message}"
        return f"{what} fails: {error.message}"
    except Exception as error:  # NoSuchKind: the definition is not served yet
        return f"{what} fails: {error}"
    return ""
