# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image is in the mirror, and how what runs in the cluster gets outside: one rule for charts and workloads.

The rule: the mirror's address takes the place of the registry's host, and nothing else changes. Docker Hub's short
names are spelled out first. ``nvcr.io/nvidia/k8s/dcgm:4`` is ``<mirror>/nvidia/k8s/dcgm:4``, ``nats:2`` is
``<mirror>/library/nats:2``. A digest stays, and is what proves that the copy is the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Workload

DOCKER_HUB = "docker.io"
CA_KEY = "ca-bundle.crt"
CA_FOLDER = "/etc/dynamo-multinode/ca"
# What a pod must never send to a proxy. Programs find the API server by its address: the kubelet fills it in.
INSIDE = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "$(KUBERNETES_SERVICE_HOST)")
REGISTRY_KEYS = ("mirror", "pull_secret", "ca_bundle")
PROXY_KEYS = ("http", "https", "no_proxy")


@dataclass(frozen=True)
class Site:
    """What is special about where a cluster stands: multinode_registry, multinode_proxy, multinode_airgap."""

    registry: Mapping[str, Any] = field(default_factory=dict)
    proxy: Mapping[str, Any] = field(default_factory=dict)
    airgap: bool = False


ORDINARY = Site()


def mirror_of(registry: Mapping[str, Any]) -> str:
    """The mirror's address, ``registry.example:5000/team``; "" for none."""
    text = str(registry.get("mirror") or "").strip()
    for scheme in ("oci://", "docker://", "https://", "http://"):
        text = text[len(scheme) :] if text.startswith(scheme) else text
    return text.strip("/")


def pull_secret_of(registry: Mapping[str, Any]) -> str:
    """The name of the Secret by which the mirror's images are pulled; "" for none."""
    return str(registry.get("pull_secret") or "").strip()


def ca_of(registry: Mapping[str, Any]) -> str:
    """The certificates (PEM) of those who signed for the mirror and the proxy; "" for none."""
    text = str(registry.get("ca_bundle") or "").strip()
    return text + "\n" if text else ""


def _host(reference: str) -> str:
    """The registry's host, as Docker's own rule tells it from a folder: a dot, a port, or localhost."""
    first, slash, _rest = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def full(reference: str) -> str:
    """The whole name: ``nats:2`` -> ``docker.io/library/nats:2``."""
    if _host(reference):
        return reference
    return f"{DOCKER_HUB}/{reference}" if "/" in reference else f"{DOCKER_HUB}/library/{reference}"


def mirrored(reference: str, registry: Mapping[str, Any]) -> bool:
    """Whether this name already is one of the mirror's."""
    mirror = mirror_of(registry)
    return bool(mirror) and reference.startswith(f"{mirror}/")


def image(reference: str, registry: Mapping[str, Any]) -> str:
    """Where this image (or repository, with or without tag and digest) is in the mirror.

    Unchanged without a mirror, and where the user named the mirror already: saying it twice changes nothing.
    """
    mirror = mirror_of(registry)
    if not mirror or not reference or mirrored(reference, registry):
        return reference
    return f"{mirror}/{full(reference).partition('/')[2]}"


def repository(prefix: str, registry: Mapping[str, Any]) -> str:
    """The same for the part in front of an image's name, as custom resources of NVIDIA's operators have it:
    ``nvcr.io/nvidia`` -> ``<mirror>/nvidia``, ``docker.io`` -> ``<mirror>``."""
    mirror = mirror_of(registry)
    if not mirror or not prefix or prefix == mirror or mirrored(prefix, registry):
        return prefix
    host = _host(f"{prefix}/")
    rest = prefix[len(host) :].strip("/") if host else prefix
    return f"{mirror}/{rest}" if rest else mirror


def proxy_env(proxy: Mapping[str, Any]) -> list[dict[str, str]]:
    """The variables for a container that has to get outside; empty without a proxy.

    The cluster itself is always excepted: its services, and the API server by its address.
    """
    http, https = str(proxy.get("http") or "").strip(), str(proxy.get("https") or "").strip()
    found = [{"name": name, "value": value} for name, value in (("HTTP_PROXY", http), ("HTTPS_PROXY", https)) if value]
    if not found:
        return []
    given = proxy.get("no_proxy") or ()
    asked = [part.strip() for part in (given.split(",") if isinstance(given, str) else given)]
    direct = dict.fromkeys([*(str(part) for part in asked if part), *INSIDE])
    return [*found, {"name": "NO_PROXY", "value": ",".join(direct)}]


def wants_hub(workload: Workload) -> bool:
    """Whether the model is named as the hub does, and so may have to be downloaded."""
    cache = workload.model_cache
    return not workload.model.startswith("/") and not (cache is not None and cache.read_only)


def hub_inside(workload: Workload) -> bool:
    """Whether the user names a hub of their own, which an air gap leaves reachable."""
    variables = (*workload.env, *(entry for component in workload.components for entry in component.env))
    return any(entry["name"] == "HF_ENDPOINT" for entry in variables)
