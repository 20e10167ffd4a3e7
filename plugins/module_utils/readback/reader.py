# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One manifest into its readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import command, engine, objects, operator
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import (
    ComponentReading,
    Launched,
    OperatorReading,
    Part,
    Readback,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.mounts import mounted

ENABLE_GROVE = "nvidia.com/enable-grove"
# From this version on, new deployments find their leader by the operator's own variables.
_OWN_VARIABLES = (1, 6, 0)


def provider_of(manifest: Mapping[str, Any], provider: str = "grove") -> str:
    """``grove`` or ``lws``: the kind says it, or the annotation (only ``false`` counts), otherwise ``provider``."""
    kind = manifest.get("kind")
    if kind in ("LeaderWorkerSet", "DynamoComponentDeployment"):
        return "lws"
    if kind == "PodCliqueSet":
        return "grove"
    annotations = objects.mapping(objects.mapping(manifest.get("metadata")).get("annotations"))
    return "lws" if str(annotations.get(ENABLE_GROVE, "")).lower() == "false" else provider


def read(
    manifest: Mapping[str, Any],
    *,
    companions: Sequence[Mapping[str, Any]] = (),
    provider: str = "grove",
    operator_version: str | None = None,
) -> Readback:
    """What becomes of a manifest.

    ``companions``: the other objects of the same files (ConfigMaps with engine configuration). ``provider``: which way
    the operator takes where the manifest does not say. ``operator_version``: X.Y.Z; from 1.6 on new deployments are
    wired by DYNAMO_RANK and DYNAMO_LEADER_ADDRESS. Another kind of object has no components.
    """
    metadata = objects.mapping(manifest.get("metadata"))
    chosen = provider_of(manifest, provider)
    parts = objects.parts(manifest, companions) if objects.is_ours(manifest) else []
    return Readback(
        kind=str(manifest.get("kind") or ""),
        name=str(metadata.get("name") or metadata.get("generateName") or ""),
        namespace=str(metadata.get("namespace") or ""),
        provider=chosen,
        components=tuple(_component(part, chosen, operator_version, companions) for part in parts),
    )


def _own_variables(part: Part, version: str | None) -> bool:
    found = versions.key(part.annotations.get(operator.ORIGIN) or version or "0")
    return found is not None and found[:3] >= _OWN_VARIABLES


def _component(
    part: Part, provider: str, version: str | None, companions: Sequence[Mapping[str, Any]]
) -> ComponentReading:
    container = part.template if part.native else operator.with_defaults(part, part.template)
    started = command.engine((*container.command, *container.args), container.env)
    files = mounted(part.pod_spec, container.raw, companions)
    ranks: list[Launched] = []
    errors: tuple[str, ...] = ()
    found = OperatorReading()
    backend = started.backend
    if part.native:
        ranks = [Launched(one.command, one.args, one.probes) for one in (container, part.worker) if one is not None]
    else:
        try:
            wired = operator.detect(part, container)
            backend = wired or backend
            found = operator.reading(part, wired, container, version)
            wiring = operator.Wiring(provider, part.name, _own_variables(part, version))
            ranks = operator.launch(part, wired, container, found, wiring)
        except operator.Refused as error:
            errors = (str(error),)
            backend = backend or part.backend_framework
    return ComponentReading(
        name=part.name,
        role=part.role,
        backend=backend if part.native or part.role in operator.WIRED_ROLES else "",
        node_count=part.node_count,
        gpus_per_node=part.gpus or 0,
        replicas=part.replicas,
        operator=found,
        engine=engine.read(started, container.env, files),
        part=part,
        leader=ranks[0] if ranks else None,
        worker=ranks[1] if len(ranks) > 1 else None,
        errors=errors,
    )
