# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody's own manifests: names, images, resources, schedulers, probes, labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_case import Case
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.quantity import parse
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import ENABLE_GROVE, ComponentReading
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import (
    gpu_amounts,
    items,
    main_container,
    mapping,
    number,
    strings,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.operator import WIRED_ROLES

_SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
_LABEL, _GROVE, _STATEFULSET = 63, 45, 63 - 11
EXCLUSIVE = "leaderworkerset.sigs.k8s.io/exclusive-topology"
GPU_PRODUCT = "nvidia.com/gpu.product"
# A model of several machines' GPUs is hundreds of gigabytes; ten minutes are little even from a local disk.
SHORT_STARTUP = 600
WHOLE_MACHINE = 8
_PRIORITY_LABELS = ("priorityClassName", "kai.scheduler/preemptibility")


def f08_names(case: Case) -> Iterator[Finding]:
    """F08: names that pass admission and fail later, at Grove's 45 characters or a label's 63."""
    name, namespace = case.back.name, case.back.namespace
    remedy = "shorten the name"
    if case.back.kind == "LeaderWorkerSet":
        groups = len(str(max(number(case.spec.get("replicas"), 1) - 1, 0))) + 1
        if len(name) + groups > _STATEFULSET:
            message = f"with its group number the name has {len(name) + groups} characters, of at most {_STATEFULSET}"
            yield case.found("MN-F08", "error", message, remedy)
        return
    if case.back.kind == "PodCliqueSet":
        yield from _podcliqueset_names(case)
        return
    for label, what in ((name, "<name>"), (f"{namespace}-{name}" if namespace else "", "<namespace>-<name>")):
        if len(label) > _LABEL:
            message = f"{what} has {len(label)} characters, a label at most {_LABEL}: it fails at reconcile"
            yield case.found("MN-F08", "error", message, remedy)
    need = {one.name: 2 * len(one.name) + 4 if one.node_count > 1 else len(one.name) for one in case.back.components}
    cut = min(len(name), max(8, _GROVE - max(need.values(), default=0)))
    for one in case.back.components:
        joined = len(f"{name}-{one.name}")
        if joined > _LABEL:
            message = f"<name>-<component> has {joined} characters, a label at most {_LABEL}"
            yield case.found("MN-F08", "error", f"{message}: it fails at reconcile", remedy, one)
        elif case.back.provider == "grove" and cut + need[one.name] > _GROVE:
            message = f"Grove's pod names would have {cut + need[one.name]} characters, of at most {_GROVE}"
            yield case.found("MN-F08", "error", message, "shorten the component's name", one)


def _podcliqueset_names(case: Case) -> Iterator[Finding]:
    template = mapping(case.spec.get("template"))
    groups = {
        str(clique): str(group.get("name"))
        for group in items(template.get("podCliqueScalingGroups"))
        for clique in strings(group.get("cliqueNames"))
    }
    for clique in items(template.get("cliques")):
        parts = [case.back.name, groups.get(str(clique.get("name")), ""), str(clique.get("name") or "")]
        length = sum(len(part) for part in parts)
        if length > _GROVE:
            message = (
                f"the names of set, scaling group and clique {parts[2]} have {length} characters, of at most {_GROVE}"
            )
            yield case.found("MN-F08", "error", message, "shorten the names")


def f09_image(case: Case) -> Iterator[Finding]:
    """F09: since 1.4 the operator reads the runtime's version from the image's tag, and refuses what is none."""
    if not case.dynamo or case.before("1.4.0"):
        return
    refused: dict[str, list[str]] = {}
    for one in case.back.components:
        if one.part.raw.get("runtimeVersionOverride"):
            continue
        image = one.part.template.image
        reference = image.split("@", 1)[0]
        tag = reference.rsplit(":", 1)[1] if ":" in reference.rsplit("/", 1)[-1] else ""
        if not _SEMVER.fullmatch(tag):
            refused.setdefault(image, []).append(one.name)
    for image, names in refused.items():
        what = f"image {image}, whose tag is no version X.Y.Z" if image else "no image"
        message = f"component {', '.join(names)}: {what}; the operator refuses it"
        remedy = "use a version as tag, or set runtimeVersionOverride" if image else "name an image"
        yield case.found("MN-F09", "error", message, remedy)


def f12_shared_memory(case: Case) -> Iterator[Finding]:
    """F12: the operator replaces whatever is mounted at /dev/shm by its own, of the size that its own field says."""
    for one in case.back.components if case.dynamo else ():
        for mount in items(one.part.template.raw.get("volumeMounts")):
            if str(mount.get("mountPath") or "").rstrip("/") != "/dev/shm":
                continue
            field = "sharedMemory.size" if case.alpha else "sharedMemorySize"
            given = mapping(one.part.raw.get("sharedMemory")).get("size") if case.alpha else one.part.raw.get(field)
            mine = _size(one, str(mount.get("name")))
            if given and mine and parse(given) == parse(mine):
                yield case.found(
                    "MN-F12",
                    "note",
                    f"mounts its own volume at /dev/shm; the operator replaces it by one of the same size ({given})",
                    "leave the volume and its mount out",
                    one,
                )
                continue
            message = f"mounts {mine or 'a volume'} at /dev/shm, which the operator replaces by one of {given or '8Gi'}"
            yield case.found("MN-F12", "warning", message, f"leave the mount out and set {field}", one)


def _size(one: ComponentReading, volume: str) -> Any:
    for item in items(one.part.pod_spec.get("volumes")):
        if item.get("name") == volume:
            return mapping(item.get("emptyDir")).get("sizeLimit")
    return None


def f14_multinode_role(case: Case) -> Iterator[Finding]:
    """F14: multinode on what is no engine: never wired, and refused since 1.6."""
    for one in case.back.components if case.dynamo else ():
        if one.part.multinode and one.role not in WIRED_ROLES:
            what = f"type {one.role}" if one.role else "a component without a type"
            message = f"multinode on {what}: it is never wired, and refused since Dynamo 1.6"
            yield case.found("MN-F14", "error", message, "leave multinode out, or set the type to worker", one)


def f16_capacity(case: Case) -> Iterator[Finding]:
    """F16: no machine of this cluster has that many GPUs."""
    nodes = items((case.facts or {}).get("nodes"))
    if not nodes:
        return
    for one in case.back.components:
        wanted = mapping(one.part.pod_spec.get("nodeSelector")).get(GPU_PRODUCT)
        matching = [node for node in nodes if not wanted or node.get("gpu_product") == wanted]
        largest = max((number(node.get("gpus"), 0) for node in matching), default=0)
        if one.gpus_per_node > largest:
            where = f"of product {wanted}" if wanted else "of this cluster"
            message = f"asks for {one.gpus_per_node} GPUs on one machine, and the largest {where} has {largest}"
            yield case.found("MN-F16", "error", message, "ask for fewer GPUs per machine, and more machines", one)


def f17_gpus(case: Case) -> Iterator[Finding]:
    """F17: a GPU count that is no whole number, or a slice where an engine over machines needs whole GPUs."""
    for one in case.back.components:
        amounts = gpu_amounts(_resources(one))
        for name, amount in amounts.items():
            if number(amount, -1) < 0:
                message = f"{name}: {amount} is no whole number of GPUs"
                yield case.found("MN-F17", "error", message, "write a whole number", one)
            if "/mig-" in name and one.node_count > 1:
                message = f"{name} is a slice of a GPU; ranks on several machines cannot reach each other's slices"
                yield case.found("MN-F17", "error", message, "ask for whole GPUs (nvidia.com/gpu)", one)
        if len(amounts) > 1:
            message = f"asks for several kinds of GPUs at once: {', '.join(sorted(amounts))}"
            yield case.found("MN-F17", "error", message, "ask for one", one)


def _resources(one: ComponentReading) -> Mapping[str, Any]:
    return mapping(one.part.template.raw.get("resources"))


def f18_exclusive(case: Case) -> Iterator[Finding]:
    """F18: with Volcano the workers wait for the leader's place, and the gang for the workers."""
    if case.back.kind != "LeaderWorkerSet" or EXCLUSIVE not in case.annotations:
        return
    created = case.spec.get("startupPolicy", "LeaderCreated") == "LeaderCreated"
    for one in case.back.components:
        if created and one.part.pod_spec.get("schedulerName") == "volcano":
            message = f"{EXCLUSIVE} with Volcano and startupPolicy LeaderCreated is a deadlock"
            remedy = "use pod affinity with matchLabelKeys leaderworkerset.sigs.k8s.io/group-key instead"
            yield case.found("MN-F18", "error", message, remedy)


def f19_schedulers(case: Case) -> Iterator[Finding]:
    """F19: pods of one gang that name different schedulers."""
    if case.dynamo and case.back.provider != "grove":
        return
    named: dict[str, list[str]] = {}
    for one in case.back.components:
        for spec in (one.part.pod_spec, one.part.worker_pod_spec):
            if spec:
                named.setdefault(str(spec.get("schedulerName") or "the default"), []).append(one.name)
    if len(named) > 1:
        said = "; ".join(f"{scheduler}: {', '.join(dict.fromkeys(who))}" for scheduler, who in named.items())
        message = f"its pods name different schedulers ({said}), so that no gang can be made of them"
        yield case.found("MN-F19", "error", message, "name the same schedulerName in all, or in none")


def f35_no_gang(case: Case) -> Iterator[Finding]:
    """F35: LWS pods that no gang scheduler binds; the operator names none."""
    if case.back.provider != "lws":
        return
    for one in case.engines:
        scheduler = str(one.part.pod_spec.get("schedulerName") or "default-scheduler")
        if one.node_count < 2 or scheduler == "volcano":
            continue
        if scheduler == "default-scheduler":
            message = "its pods name no gang scheduler: part of an engine can hold GPUs and wait for the rest for ever"
            yield case.found("MN-F35", "warning", message, "set schedulerName: volcano", one)
        elif scheduler == "kai-scheduler" and case.dynamo:
            message = "KAI under the Dynamo operator on LWS looks like a gang and is none: pods are bound one by one"
            yield case.found("MN-F35", "error", message, "set schedulerName: volcano, or use Grove", one)


def f57_limits_only(case: Case) -> Iterator[Finding]:
    """F57: Volcano sums up requests, which a template with GPU limits alone does not have."""
    if case.back.provider != "lws":
        return
    for one in case.engines:
        for spec in (one.part.pod_spec, one.part.worker_pod_spec):
            if spec.get("schedulerName") != "volcano":
                continue
            resources = mapping(main_container(spec).get("resources")) if one.part.native else _resources(one)
            limited, asked = (gpu_amounts({kind: resources.get(kind)}) for kind in ("limits", "requests"))
            if limited and not asked:
                message = "has GPUs as limits only: Volcano sees no minResources and lets in a gang without room for it"
                yield case.found("MN-F57", "warning", message, "write the GPUs as requests as well", one)
                break


def f100_startup(case: Case) -> Iterator[Finding]:
    """F100: a probe that kills the engine while it loads its model. A few GPUs of one machine hold a small one."""
    for one in case.engines:
        if one.node_count < 2 and one.gpus_per_node < WHOLE_MACHINE:
            continue
        main = one.part.template.raw
        startup, liveness = mapping(main.get("startupProbe")), mapping(main.get("livenessProbe"))
        if startup:
            allowed, which = _allowed(startup), "startupProbe"
        elif liveness and one.part.native:
            allowed, which = _allowed(liveness), "livenessProbe (there is no startupProbe)"
        else:
            continue
        if allowed < SHORT_STARTUP:
            message = f"its {which} allows {allowed} s for loading the model, then the container is killed"
            remedy = "raise failureThreshold x periodSeconds (the operator's own allows 7200 s)"
            yield case.found("MN-F100", "warning", message, remedy, one)


def _allowed(probe: Mapping[str, Any]) -> int:
    """Seconds from the start to the kill, with Kubernetes' defaults."""
    period, failures = number(probe.get("periodSeconds"), 10), number(probe.get("failureThreshold"), 3)
    return number(probe.get("initialDelaySeconds"), 0) + period * failures


def f111_priority_labels(case: Case) -> Iterator[Finding]:
    """F111: KAI's labels on a deployment, which newer Grove does not pass on."""
    if not case.dynamo or case.back.provider != "grove":
        return
    places = [mapping(case.manifest.get("metadata")).get("labels"), case.spec.get("labels")]
    for one in case.back.components:
        template = mapping(one.part.raw.get("podTemplate"))
        places += [one.part.raw.get("labels"), mapping(template.get("metadata")).get("labels")]
    found = sorted({label for labels in places for label in _PRIORITY_LABELS if label in mapping(labels)})
    if found:
        message = f"label {', '.join(found)} sets no priority: Grove no longer passes it on to the gang"
        yield case.found("MN-F111", "warning", message, "set spec.priorityClassName")


def enable_grove_word(case: Case) -> Iterator[Finding]:
    """F15: only ``false`` counts."""
    value = case.annotations.get(ENABLE_GROVE)
    if case.dynamo and value is not None and str(value).lower() not in ("true", "false"):
        message = f'annotation {ENABLE_GROVE}: "{value}" is accepted and means nothing'
        yield case.found("MN-F15", "warning", message, 'only "false" takes the deployment off Grove')


OBJECT_CHECKS = (
    f08_names,
    f09_image,
    f12_shared_memory,
    f14_multinode_role,
    f16_capacity,
    f17_gpus,
    f18_exclusive,
    f19_schedulers,
    f35_no_gang,
    f57_limits_only,
    f100_startup,
    f111_priority_labels,
    enable_grove_word,
)
