# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the cluster stands, in the pods: images from the mirror, its pull secret, the proxy, certificates, no hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import (
    CA_FOLDER,
    CA_KEY,
    ca_of,
    hub_inside,
    image,
    mirror_of,
    proxy_env,
    pull_secret_of,
    wants_hub,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan

__all__ = ["CA_FOLDER", "CA_KEY", "OFFLINE", "ca_of", "environment", "placed"]

OFFLINE: Mapping[str, Any] = {"name": "HF_HUB_OFFLINE", "value": "1"}
# By these a program trusts a bundle of certificates (OpenSSL and Python's ssl; requests).
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def environment(plan: WorkloadPlan) -> list[Mapping[str, Any]]:
    """What the site asks of every container of ours.

    The proxy is only for containers that download: inside an engine the ranks talk to each other by address, which a
    proxy must not see.
    """
    found: list[Mapping[str, Any]] = []
    if wants_hub(plan.workload):
        if plan.site.airgap and not hub_inside(plan.workload):
            found.append(OFFLINE)
        else:
            found += proxy_env(plan.site.proxy)
    if ca_of(plan.site.registry):
        found += [{"name": name, "value": f"{CA_FOLDER}/{CA_KEY}"} for name in _TRUST]
    return found


def placed(item: dict[str, Any], registry: Mapping[str, Any]) -> dict[str, Any]:
    """A rendered object with every image of every pod taken from the mirror, what the user's pod_spec brings included.

    An image that names the mirror already stays as it is.
    """
    if not mirror_of(registry) and not pull_secret_of(registry):
        return item
    found: dict[str, Any] = _placed(item, registry)
    return found


def _placed(value: Any, registry: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_placed(item, registry) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("containers"), list):
        return _pod(value, registry)
    return {key: _placed(item, registry) for key, item in value.items()}


def _pod(spec: dict[str, Any], registry: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(spec)
    for key in ("initContainers", "containers"):
        if key in found:
            found[key] = [
                {**container, "image": image(container["image"], registry)} if "image" in container else container
                for container in found[key]
            ]
    for index, volume in enumerate(found.get("volumes") or ()):
        source = volume.get("image")
        if isinstance(source, Mapping) and source.get("reference"):
            moved = {**volume, "image": {**source, "reference": image(source["reference"], registry)}}
            found["volumes"] = [*found["volumes"][:index], moved, *found["volumes"][index + 1 :]]
    secret = pull_secret_of(registry)
    named = [item.get("name") for item in found.get("imagePullSecrets") or ()]
    if secret and secret not in named:
        found["imagePullSecrets"] = [*(found.get("imagePullSecrets") or ()), {"name": secret}]
    return found
