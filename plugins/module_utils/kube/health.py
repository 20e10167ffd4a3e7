# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether components are ready: by what they report, and by server-side dry runs through their webhooks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.transport import Transport

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

ADMISSION = "admissionregistration.k8s.io/v1"
REVIEW = "authorization.k8s.io/v1"

Object = dict[str, Any]


def not_ready(
    client: Client, name: str, namespace: str, served: set[str] | None = None, *, adopted: bool = False
) -> list[str]:
    """What a component lacks to be ready, asked of the cluster now; [] when it is ready.

    By its own report first (Deployments, definitions, webhooks, queues, configuration); when that is complete, by
    server-side dry runs through its webhooks. served: a set that remembers, from call to call, definitions that serve.
    adopted: how it is configured was judged before (MN-F32), and waiting would not mend it.
    """
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
        "scheduler_provider": component.scheduler_provider if adopted else answers[4],
        "crds": definitions,
    }
    served |= {crd for crd, found in definitions.items() if not components.crd_problem(found)}
    lacks = components.missing(component, state)
    if not lacks:
        lacks = [problem for problem in client.map(lambda probe: _dry_run(once, probe), component.dry_runs) if problem]
    client.transport.requests += once.requests
    return lacks


def wait_ready(
    client: Client,
    wanted: Mapping[str, str],
    timeout: float,
    *,
    adopted: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, list[str]]:
    """Ask until every component (name -> namespace) is ready, or the deadline (seconds) has passed.

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
                lacks[name] = not_ready(client, name, left[name], served[name], adopted=name in adopted)
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
        details["may_create_podgroups"] = _may_create_podgroups(read.client, namespace, component.service_account)
    state = {
        "namespace": namespace,
        "deployments": _own_deployments(component, deployments),
        "webhooks": answers["webhooks"],
        "endpointslices": read.list("discovery.k8s.io/v1", "EndpointSlice", namespace),
        "queues": answers["volcano_queues"] if component.queues else [],
        # Said as a finding of its own (MN-F32), not as something that waiting could mend
        "scheduler_provider": component.scheduler_provider,
        "crds": None,
    }
    return components.missing(component, state), details


def _own_deployments(component: components.Component, deployments: Iterable[Object]) -> list[Object]:
    return [item for item in deployments if not component.images or components.runs(item, component.images)]


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
        return f"{what} fails: {error.message}"
    except Exception as error:  # NoSuchKind: the definition is not served yet
        return f"{what} fails: {error}"
    return ""
