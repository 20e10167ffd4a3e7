# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests into parts, whatever their kind: Dynamo's deployments in both versions, LeaderWorkerSet, PodCliqueSet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import PROBES, Container, Part
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.operator import EXECUTOR, ORIGIN

GROUPS = {
    "DynamoGraphDeployment": "nvidia.com",
    "DynamoComponentDeployment": "nvidia.com",
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io",
    "PodCliqueSet": "grove.io",
}
# What makes a GPU in the operator's eyes (internal/dra/dra.go), limits before requests.
GPU_RESOURCE = re.compile(r"gpu|gpu\..*|[^/]+/(gpu|mig-.*)")
_PASSED_ON = (EXECUTOR, ORIGIN)


def is_ours(manifest: Mapping[str, Any]) -> bool:
    """Whether this kind can be read back."""
    group = str(manifest.get("apiVersion") or "").split("/", maxsplit=1)[0]
    return GROUPS.get(str(manifest.get("kind"))) == group


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a map, otherwise an empty one: manifests of others may hold anything."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """The maps of a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def strings(value: Any) -> tuple[str, ...]:
    """A command or argument list; numbers that YAML made of arguments are spelt as they were."""
    return tuple(str(item) for item in value) if isinstance(value, (list, tuple)) else ()


def number(value: Any, default: int) -> int:
    """A whole number, given as one or as text."""
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value), re.ASCII):
        return default
    return int(str(value))


def gpu_amounts(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The GPU resources of a container: name -> amount as it stands there."""
    for kind in ("limits", "requests"):
        found = {k: v for k, v in mapping(resources.get(kind)).items() if GPU_RESOURCE.fullmatch(str(k)) and v}
        if found:
            return found
    return {}


def environment(*lists: Any) -> dict[str, str | None]:
    """Name -> literal value of the variables, the later list wins; None for what comes from elsewhere."""
    found: dict[str, str | None] = {}
    for entries in lists:
        for item in items(entries):
            value = item.get("value")
            found[str(item.get("name"))] = None if item.get("valueFrom") else str("" if value is None else value)
    return found


def main_container(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container ``main``, otherwise the first that asks for GPUs, otherwise the first."""
    containers = items(pod_spec.get("containers"))
    named = [item for item in containers if item.get("name") == "main"]
    with_gpus = [item for item in containers if gpu_amounts(mapping(item.get("resources")))]
    return next(iter([*named, *with_gpus, *containers]), {})


def container(raw: Mapping[str, Any], *before: Any, probes: Iterable[str] = ()) -> Container:
    """``before``: lists of variables that stand before the container's own."""
    return Container(
        command=strings(raw.get("command")),
        args=strings(raw.get("args")),
        env=environment(*before, raw.get("env")),
        image=str(raw.get("image") or ""),
        probes=tuple(name for name in PROBES if raw.get(name) or name in tuple(probes)),
        raw=raw,
    )


def gpus(resources: Mapping[str, Any], claimed: int = 0) -> int | None:
    """GPUs of one pod, None where the number is none; where no resource names any, what its DRA claims ask for."""
    amounts = gpu_amounts(resources)
    if not amounts:
        return claimed
    values = [number(value, -1) for value in amounts.values()]
    return None if min(values) < 0 else sum(values)


def _claimed(pod_spec: Mapping[str, Any], raw: Mapping[str, Any], companions: Sequence[Mapping[str, Any]]) -> int:
    templates = {
        str(mapping(item.get("metadata")).get("name")): item
        for item in companions
        if item.get("kind") == "ResourceClaimTemplate"
    }
    used = {str(claim.get("name")) for claim in items(mapping(raw.get("resources")).get("claims"))}
    total = 0
    for claim in items(pod_spec.get("resourceClaims")):
        template = templates.get(str(claim.get("resourceClaimTemplateName")), {})
        devices = mapping(mapping(mapping(template.get("spec")).get("spec")).get("devices"))
        for request in items(devices.get("requests")):
            exact = mapping(request.get("exactly")) or request
            if str(claim.get("name")) in used and str(exact.get("deviceClassName")).startswith("gpu."):
                total += number(exact.get("count"), 1)
    return total


def parts(manifest: Mapping[str, Any], companions: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The components of a manifest in their order."""
    spec = mapping(manifest.get("spec"))
    kind, version = manifest.get("kind"), str(manifest.get("apiVersion") or "").rsplit("/", 1)[-1]
    annotations = mapping(mapping(manifest.get("metadata")).get("annotations"))
    passed = {key: str(annotations[key]) for key in _PASSED_ON if key in annotations}
    framework = str(spec.get("backendFramework") or "")
    if kind == "LeaderWorkerSet":
        return [_leader_worker_set(manifest, companions)]
    if kind == "PodCliqueSet":
        return list(_pod_clique_set(manifest, companions))
    alpha = version == "v1alpha1"
    read = _alpha if alpha else _beta
    shared = (spec.get("envs" if alpha else "env"), passed, framework, companions)
    if kind == "DynamoComponentDeployment":
        name = str(spec.get("name") or spec.get("serviceName") or mapping(manifest.get("metadata")).get("name") or "")
        return [read(name, spec, ("spec",), *shared)]
    if alpha:
        services = mapping(spec.get("services"))
        return [
            _alpha(str(name), mapping(raw), ("spec", "services", str(name)), *shared) for name, raw in services.items()
        ]
    components = items(spec.get("components"))
    return [
        _beta(str(raw.get("name") or ""), raw, ("spec", "components", at), *shared) for at, raw in enumerate(components)
    ]


def _nodes(raw: Mapping[str, Any]) -> int:
    multinode = raw.get("multinode")
    return number(mapping(multinode).get("nodeCount"), 2) if isinstance(multinode, Mapping) else 1


def _beta(
    name: str,
    raw: Mapping[str, Any],
    path: tuple[str | int, ...],
    env: Any,
    passed: Mapping[str, str],
    framework: str,
    companions: Sequence[Mapping[str, Any]],
) -> Part:
    template = mapping(raw.get("podTemplate"))
    roles = {str(role.get("name")): mapping(role.get("podTemplate")) for role in items(raw.get("roles"))}
    own = {role: found for role, found in roles.items() if found}
    if own and not template:
        template = own.get("leader") or next(iter(own.values()))
    pod_spec = mapping(template.get("spec"))
    worker_spec = mapping(own.get("worker", {}).get("spec"))
    main, worker_main = main_container(pod_spec), main_container(worker_spec)
    annotations = mapping(mapping(template.get("metadata")).get("annotations"))
    return Part(
        name=name,
        path=path,
        role=str(raw.get("type") or ""),
        replicas=number(raw.get("replicas"), 1),
        node_count=_nodes(raw),
        multinode=isinstance(raw.get("multinode"), Mapping),
        template=container(main, env),
        gpus=gpus(mapping(main.get("resources")), _claimed(pod_spec, main, companions)),
        pod_spec=pod_spec,
        annotations={**passed, **{str(k): str(v) for k, v in annotations.items()}},
        backend_framework=framework,
        worker=container(worker_main, env) if worker_spec else None,
        worker_pod_spec=worker_spec,
        role_templates=bool(own),
        raw=raw,
    )


def _alpha(
    name: str,
    raw: Mapping[str, Any],
    path: tuple[str | int, ...],
    env: Any,
    passed: Mapping[str, str],
    framework: str,
    companions: Sequence[Mapping[str, Any]],
) -> Part:
    pod_spec = mapping(raw.get("extraPodSpec"))
    main = dict(mapping(pod_spec.get("mainContainer")))
    main["resources"] = _alpha_resources(mapping(raw.get("resources")), mapping(main.get("resources")))
    kind, sub = str(raw.get("componentType") or ""), str(raw.get("subComponentType") or "")
    annotations = {
        **mapping(raw.get("annotations")),
        **mapping(mapping(raw.get("extraPodMetadata")).get("annotations")),
    }
    return Part(
        name=name,
        path=path,
        role=sub if kind == "worker" and sub in ("prefill", "decode") else kind,
        replicas=number(raw.get("replicas"), 1),
        node_count=_nodes(raw),
        multinode=isinstance(raw.get("multinode"), Mapping),
        template=container(
            main, env, raw.get("envs"), probes=[probe for probe in PROBES if raw.get(probe) is not None]
        ),
        gpus=gpus(main["resources"], _claimed(pod_spec, main, companions)),
        pod_spec=pod_spec,
        annotations={**passed, **{str(k): str(v) for k, v in annotations.items()}},
        backend_framework=framework,
        raw=raw,
    )


def _alpha_resources(own: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """v1alpha1's short spelling of resources, as its conversion writes it out, over the container's."""
    found: dict[str, Any] = {"claims": [*items(inner.get("claims")), *items(own.get("claims"))]}
    for kind in ("limits", "requests"):
        short, amounts = mapping(own.get(kind)), dict(mapping(inner.get(kind)))
        amounts.update({name: short[name] for name in ("cpu", "memory") if short.get(name)})
        if short.get("gpu"):
            amounts[str(short.get("gpuType") or "nvidia.com/gpu")] = short["gpu"]
        amounts.update(mapping(short.get("custom")))
        found[kind] = amounts
    return found


def _native(
    name: str,
    path: tuple[str | int, ...],
    replicas: int,
    nodes: int,
    leader: Mapping[str, Any],
    worker: Mapping[str, Any],
    annotations: Mapping[str, Any],
    raw: Mapping[str, Any],
    companions: Sequence[Mapping[str, Any]],
) -> Part:
    first, other = main_container(leader), main_container(worker)
    return Part(
        name=name,
        path=path,
        role="worker",
        replicas=replicas,
        node_count=nodes,
        multinode=nodes > 1,
        template=container(first),
        gpus=gpus(mapping(first.get("resources")), _claimed(leader, first, companions)),
        pod_spec=leader,
        annotations={str(key): str(value) for key, value in annotations.items()},
        native=True,
        worker=container(other) if nodes > 1 else None,
        worker_pod_spec=worker if nodes > 1 else {},
        raw=raw,
    )


def _leader_worker_set(manifest: Mapping[str, Any], companions: Sequence[Mapping[str, Any]]) -> Part:
    spec = mapping(manifest.get("spec"))
    templates = mapping(spec.get("leaderWorkerTemplate"))
    worker = mapping(templates.get("workerTemplate"))
    leader = mapping(templates.get("leaderTemplate")) or worker
    return _native(
        str(mapping(manifest.get("metadata")).get("name") or ""),
        ("spec", "leaderWorkerTemplate"),
        number(spec.get("replicas"), 1),
        number(templates.get("size"), 1),
        mapping(leader.get("spec")),
        mapping(worker.get("spec")),
        mapping(mapping(leader.get("metadata")).get("annotations")),
        spec,
        companions,
    )


def _pod_clique_set(manifest: Mapping[str, Any], companions: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    """A part per scaling group, and one per clique outside of them."""
    spec = mapping(manifest.get("spec"))
    template = mapping(spec.get("template"))
    sets = number(spec.get("replicas"), 1)
    cliques = {str(clique.get("name")): clique for clique in items(template.get("cliques"))}
    grouped: set[str] = set()
    for index, group in enumerate(items(template.get("podCliqueScalingGroups"))):
        names = [name for name in strings(group.get("cliqueNames")) if name in cliques]
        grouped.update(names)
        if not names:
            continue
        specs = [mapping(cliques[name].get("spec")) for name in names]
        yield _native(
            str(group.get("name") or ""),
            ("spec", "template", "podCliqueScalingGroups", index),
            sets * number(group.get("replicas"), 1),
            sum(number(one.get("replicas"), 1) for one in specs),
            mapping(specs[0].get("podSpec")),
            mapping(specs[-1].get("podSpec")),
            mapping(cliques[names[0]].get("annotations")),
            group,
            companions,
        )
    for index, (name, clique) in enumerate(cliques.items()):
        if name not in grouped:
            one = mapping(clique.get("spec"))
            pod_spec = mapping(one.get("podSpec"))
            path = ("spec", "template", "cliques", index)
            count = sets * number(one.get("replicas"), 1)
            yield _native(name, path, count, 1, pod_spec, {}, mapping(clique.get("annotations")), clique, companions)
