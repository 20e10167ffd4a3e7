# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod_spec must not contradict, in the component's and in the roles' own (stage spec)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Union

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.given import gpu_slice, is_gpu
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.pod_keys import CONTAINER_KEYS, POD_KEYS
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import nearest, shown

Path = tuple[Union[str, int], ...]
SHM = "/dev/shm"
_MERGED = ("containers", "initContainers", "volumes")
_GPU_CLAIM = re.compile(r"(^|[-._/])(gpus?|mig)([-._/]|$)", re.IGNORECASE)
_CHANNEL = re.compile(r"channel|compute-?domain|imex", re.IGNORECASE)


def templates(component: Component) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """(path, pod_spec) of the component's own and of its roles', where they say anything."""
    if component.pod_spec:
        yield ("pod_spec",), component.pod_spec
    if component.leader_pod_spec:
        yield ("leader", "pod_spec"), component.leader_pod_spec
    if component.worker_pod_spec:
        yield ("worker", "pod_spec"), component.worker_pod_spec


def _containers(component: Component, groups: tuple[str, ...]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, pod_spec in templates(component):
        for group in groups:
            items = pod_spec.get(group)
            for index, item in enumerate(items if isinstance(items, list) else ()):
                if isinstance(item, Mapping):
                    yield (*path, group, index), item


def _mains(component: Component) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, item in _containers(component, ("containers",)):
        if item.get("name") == "main":
            yield path, item


def pod_spec_lists(workload: Workload, component: Component) -> Iterator[Issue]:
    """Lists that are merged by name need names."""
    for path, pod_spec in templates(component):
        for group in _MERGED:
            items = pod_spec.get(group)
            if items is None:
                continue
            if not isinstance(items, list) or not all(isinstance(i, Mapping) and i.get("name") for i in items):
                yield Issue((*path, group), items, "is no list of maps with a name, by which they are merged", "")


def f02_pod_spec_command(workload: Workload, component: Component) -> Iterator[Issue]:
    """F02: the container's own command and arguments would replace the derived ones. F13: or leave it none."""
    for path, item in _mains(component):
        for key in ("command", "args"):
            if item.get(key):
                yield Issue((*path, key), item[key], f"replaces what is derived: use the component's `{key}`", "MN-F02")


def f13_pod_spec_command(workload: Workload, component: Component) -> Iterator[Issue]:
    """F13: an empty command or args takes the derived one away, and LWS refuses the pod."""
    for path, item in _mains(component):
        for key in ("command", "args"):
            if key in item and not item[key]:
                message = f"is empty, which takes the derived {key} away (LeaderWorkerSet refuses that): leave it out"
                yield Issue((*path, key), item[key], message, "MN-F13")


def f12_shared_memory(workload: Workload, component: Component) -> Iterator[Issue]:
    """F12: the operator replaces any mount at /dev/shm."""
    for path, item in _mains(component):
        mounts = item.get("volumeMounts")
        for number, mount in enumerate(mounts if isinstance(mounts, list) else ()):
            if isinstance(mount, Mapping) and str(mount.get("mountPath", "")).rstrip("/") == SHM:
                message = "mounts /dev/shm, which is made from `shared_memory` (the operator replaces any other)"
                yield Issue((*path, "volumeMounts", number, "mountPath"), mount.get("mountPath"), message, "MN-F12")


def f15_pod_spec_keys(workload: Workload, component: Component) -> Iterator[Issue]:
    """F15: a key that a pod spec or a container does not have; one of a newer Kubernetes passes."""
    for path, pod_spec in templates(component):
        yield from _slips(path, pod_spec, POD_KEYS, "a pod spec", CONTAINER_KEYS, "of a container: under containers")
    for path, item in _containers(component, ("containers", "initContainers")):
        yield from _slips(path, item, CONTAINER_KEYS, "a container", POD_KEYS, "of the pod spec, one level up")


def _slips(
    path: Path, given: Mapping[str, Any], known: frozenset[str], what: str, others: frozenset[str], where: str
) -> Iterator[Issue]:
    for key in given:
        if key in known:
            continue
        if key in others:
            yield Issue((*path, key), given[key], f"is no key of {what}, but {where}", "MN-F15")
        else:
            near = nearest(key, sorted(known))
            if near:
                yield Issue((*path, key), given[key], f"is no key of {what}{near}", "MN-F15")


def f01_pod_spec_gpus(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: GPUs behind the plan's back."""
    name = component.gpu_resource
    for path, item in _mains(component):
        for kind, amounts in _amounts(item):
            if amounts.get(name) is not None:
                message = f"sets {name}: use the component's `gpus_per_node`"
                yield Issue((*path, "resources", kind, name), amounts[name], message, "MN-F01")


def f17_pod_spec_gpus(workload: Workload, component: Component) -> Iterator[Issue]:
    """F17: slices, other GPUs or a claim for GPUs beside those that are counted."""
    for path, item in _mains(component):
        for kind, amounts in _amounts(item):
            for name, amount in amounts.items():
                if amount is not None and name != component.gpu_resource and is_gpu(name):
                    kinds = gpu_slice(name) or "another kind of GPU"
                    message = f"is {kinds}, beside {component.gpu_resource}: name one in the component's `gpu_resource`"
                    yield Issue((*path, "resources", kind, name), amount, message, "MN-F17")
    for path, pod_spec in templates(component) if component.engine else ():
        claims = pod_spec.get("resourceClaims")
        for index, claim in enumerate(claims if isinstance(claims, list) else ()):
            if not isinstance(claim, Mapping):
                continue
            told = [str(claim.get(key) or "") for key in ("name", "resourceClaimTemplateName", "resourceClaimName")]
            if any(_GPU_CLAIM.search(word) for word in told) and not any(_CHANNEL.search(word) for word in told):
                message = (
                    f"claims GPUs through DRA beside {component.gpus_per_node} of {component.gpu_resource}: whole GPUs "
                    "come from gpus_per_node"
                )
                yield Issue((*path, "resourceClaims", index), dict(claim), message, "MN-F17")


def f57_limits_only(workload: Workload, component: Component) -> Iterator[Issue]:
    """F57: Volcano sums up requests; what stands in limits alone lets a hopeless gang in."""
    for path, item in _containers(component, ("containers", "initContainers")):
        main = item.get("name") == "main" and path[-2] == "containers" and component.engine
        if main and "resources" in item and item["resources"] is None:
            yield Issue((*path, "resources"), None, _taken(component), "MN-F57")
        resources = item.get("resources")
        if not isinstance(resources, Mapping):
            continue
        if main and "requests" in resources and resources["requests"] is None:
            yield Issue((*path, "resources", "requests"), None, _taken(component), "MN-F57")
        limits, requests = resources.get("limits"), resources.get("requests")
        requests = requests if isinstance(requests, Mapping) else {}
        if main and component.gpu_resource in requests and requests[component.gpu_resource] is None:
            where = (*path, "resources", "requests", component.gpu_resource)
            yield Issue(where, None, _taken(component), "MN-F57")
        for name, amount in limits.items() if isinstance(limits, Mapping) else ():
            if "/" not in name or amount is None or (main and name == component.gpu_resource):
                continue
            ours = str(component.extra_resources.get(name, "")) if main else ""
            if str(requests.get(name) or ours) != str(amount):
                message = (
                    f"is {shown(amount)} as a limit and not as a request: give requests.{name} the same amount "
                    "(gang schedulers sum up requests)"
                )
                yield Issue((*path, "resources", "limits", name), amount, message, "MN-F57")


def _taken(component: Component) -> str:
    return f"takes away the requests that are derived, {component.gpu_resource} among them: leave it out"


def f19_scheduler(workload: Workload, component: Component) -> Iterator[Issue]:
    """F19: all pods of a deployment must name the same scheduler."""
    for path, pod_spec in templates(component):
        if pod_spec.get("schedulerName"):
            message = (
                f"is {shown(pod_spec['schedulerName'])}, the scheduler of one component: use the workload's "
                "`scheduler`, which is the same for all its pods"
            )
            yield Issue((*path, "schedulerName"), pod_spec["schedulerName"], message, "MN-F19")


def f100_startup_probe(workload: Workload, component: Component) -> Iterator[Issue]:
    """F100: a startup probe that gives up before the model may have loaded."""
    if not component.engine:
        return
    for path, item in _mains(component):
        probe = item.get("startupProbe")
        if not isinstance(probe, Mapping):
            continue
        delay, period, failures = (
            _number(probe, key, standard)
            for key, standard in (("initialDelaySeconds", 0), ("periodSeconds", 10), ("failureThreshold", 3))
        )
        allowed = delay + period * failures
        if allowed < component.startup_timeout:
            message = (
                f"gives up after {delay} + {period} x {failures} = {allowed} s, in mid-load of a model that may take "
                f"{component.startup_timeout} s (startup_timeout): set startup_timeout, from which the probe is made"
            )
            yield Issue((*path, "startupProbe"), dict(probe), message, "MN-F100")


def f111_pod_priority(workload: Workload, component: Component) -> Iterator[Issue]:
    """F111: the gang takes its priority from the deployment, not from a pod."""
    for path, pod_spec in templates(component):
        if pod_spec.get("priorityClassName"):
            message = (
                f"is {shown(pod_spec['priorityClassName'])} on the pods of one component, which does not reach the "
                "gang: use the workload's `priority_class`"
            )
            yield Issue((*path, "priorityClassName"), pod_spec["priorityClassName"], message, "MN-F111")


def _amounts(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    resources = item.get("resources")
    for kind in ("limits", "requests"):
        amounts = resources.get(kind) if isinstance(resources, Mapping) else None
        if isinstance(amounts, Mapping):
            yield kind, amounts


def _number(probe: Mapping[str, Any], key: str, standard: int) -> int:
    value = str(probe.get(key))
    return int(value) if value.isdecimal() else standard


POD_SPEC_CHECKS = (
    pod_spec_lists,
    f01_pod_spec_gpus,
    f02_pod_spec_command,
    f12_shared_memory,
    f13_pod_spec_command,
    f15_pod_spec_keys,
    f17_pod_spec_gpus,
    f19_scheduler,
    f57_limits_only,
    f100_startup_probe,
    f111_pod_priority,
)
