# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a component is ready, by what it reports: sentences about what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Component, Object
from ansible_collections.dynamo.multinode.plugins.module_utils.names import NAMES_TAKEN


def missing(component: Component, state: Mapping[str, Any]) -> list[str]:
    """What a component still lacks to be ready, in sentences; [] when nothing.

    state: {"deployments": [objects], "crds": {name: object or None} or None when not asked, "webhooks": [objects],
    "endpointslices": [objects], "queues": [objects], "scheduler_provider": str or None, "namespace": str, "values":
    final chart values, "adopted": bool}. Webhooks are those whose Service is in the component's namespace; which of
    them an adopted component has is its owner's choice, and those it has are judged.
    """
    lacks: list[str] = []
    deployments = state.get("deployments") or []
    for image in component.required:
        running = [item for item in deployments if runs(item, (image,))]
        if not running:
            lacks.append(f"no Deployment runs {image}")
        elif not any(item["spec"].get("replicas", 1) for item in running):
            lacks.append(f"Deployment {running[0]['metadata']['name']}: it is scaled to 0")
    for deployment in deployments:
        problem = deployment_problem(deployment)
        if problem:
            lacks.append(f"Deployment {deployment['metadata']['name']}: {problem}")
    for name, crd in (state.get("crds") or {}).items():
        problem = crd_problem(crd)
        if "NamesAccepted" in problem:
            problem += " (MN-F61: delete the definition that has the name, once no object of it is used)"
        if problem:
            lacks.append(f"CustomResourceDefinition {name}: {problem}")
    lacks += _webhooks_missing(component, state)
    queues = {queue["metadata"]["name"]: queue for queue in state.get("queues") or []}
    for name in component.queues:
        shown = ((queues.get(name) or {}).get("status") or {}).get("state")
        if shown != "Open":
            lacks.append(f"queue {name} is {shown or ('not there' if name not in queues else 'without a state')}")
    if component.scheduler_provider and state.get("scheduler_provider") != component.scheduler_provider:
        lacks.append(f"its configuration does not say schedulerProvider: {component.scheduler_provider}")
    return lacks


def runs(deployment: Object, images: Sequence[str]) -> bool:
    """Whether a Deployment runs one of these images, whatever registry or mirror they come from."""
    names = [split_image(image)[0] for image in images_of(deployment)]
    return any(name == image or name.endswith(f"/{image}") for name in names for image in images)


def images_of(deployment: Object) -> list[str]:
    """The images of a Deployment's containers."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    return [str(container.get("image") or "") for container in containers]


def split_image(image: str) -> tuple[str, str]:
    """``registry:5000/lws/lws:v0.8.0@sha256:…`` -> (``registry:5000/lws/lws``, ``v0.8.0``); "" without a tag."""
    name = image.split("@", 1)[0]
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, "")


def deployment_problem(deployment: Object) -> str:
    """Why a Deployment is not available in its newest generation; "" when it is."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"].get("generation") or 0):
        return "its newest change is not observed yet"
    if int(status.get("updatedReplicas") or 0) < wanted or int(status.get("availableReplicas") or 0) < wanted:
        return f"{status.get('availableReplicas') or 0} of {wanted} available"
    return ""


def crd_problem(crd: Object | None) -> str:
    """Why a CustomResourceDefinition does not serve; "" when it does. Names may clash after it is Established."""
    if crd is None:
        return "not there"
    conditions = {item["type"]: item for item in (crd.get("status") or {}).get("conditions") or []}
    for kind in ("NamesAccepted", "Established"):
        found = conditions.get(kind) or {}
        if found.get("status") != "True":
            taken = NAMES_TAKEN if (kind, found.get("status")) == ("NamesAccepted", "False") else ""
            return " ".join(part for part in (f"not {kind}", str(found.get("message") or ""), taken) if part)
    return ""


def _webhooks_missing(component: Component, state: Mapping[str, Any]) -> list[str]:
    lacks = []
    deployments = state.get("deployments") or []
    served = bool(component.webhook_image) and any(runs(item, (component.webhook_image,)) for item in deployments)
    webhooks = state.get("webhooks") or []
    names = {item["metadata"]["name"] for item in webhooks}
    if served and not state.get("adopted"):
        names |= set(component.switched_off(state.get("values") or {}))
        lacks += [f"webhook configuration {name} is not there" for name in component.webhooks if name not in names]
    services = set()
    for item in webhooks:
        for webhook in item.get("webhooks") or []:
            client = webhook.get("clientConfig") or {}
            if (client.get("service") or {}).get("namespace") != state.get("namespace"):
                continue
            services.add(str(client["service"]["name"]))
            if not client.get("caBundle"):
                lacks.append(f"webhook {webhook['name']} has no caBundle yet")
    ready = {
        (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        for item in state.get("endpointslices") or []
        if any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in item.get("endpoints") or [])
    }
    return lacks + [f"Service {name} has no ready endpoint" for name in sorted(services - ready)]
