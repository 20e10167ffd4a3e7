# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments and commands that would contradict what we, or the operator, write (stage spec)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from posixpath import basename
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name, flag_value, match_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import DEGREES, Refusal, solve
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload

SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox")
_ENGINE_YAML_DEGREES = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "moe_expert_parallel_size",
    "moe_tensor_parallel_size",
    "enable_attention_dp",
    "gpus_per_node",
)


def f01_degrees(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: the degrees do not multiply to the engine's GPUs."""
    wanted = component.parallelism
    pins = {name: getattr(wanted, name) for name in DEGREES}
    found = solve(workload.backend, component.node_count, component.gpus_per_node, wanted.strategy, **pins)
    if isinstance(found, Refusal):
        value = pins.get(found.degree)
        yield Issue(("parallelism", found.degree), value, f"is {value}; {found.message}", "MN-F01")


def f01_degree_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: a degree is set behind the plan's back, in whatever spelling (F02: which nobody may read)."""
    backend = BACKENDS[workload.backend]
    for where, tokens in (("args", component.args), ("command", component.command)):
        for index, token in enumerate(tokens):
            flag = match_flag(token, backend.degree_flags)
            if not flag:
                continue
            degree = backend.degree_flags[flag]
            solved = component.degrees.to_dict()[degree] if component.degrees else 0
            value = flag_value(tokens, index)
            agreed = f"; the plan sets {degree} {solved} already" if solved else ""
            if solved and value.isdigit() and int(value) != solved:
                agreed = (
                    f"; it contradicts the plan: {component.node_count} x {component.gpus_per_node} GPUs = "
                    f"{component.total_gpus} GPUs per engine with {degree} {solved}"
                )
            message = f"is {token!r}, which sets a degree: pin it as parallelism.{degree} instead{agreed}"
            yield Issue((where, index), token, message, "MN-F01")


def f02_shell(workload: Workload, component: Component) -> Iterator[Issue]:
    """F02, F07: in a shell string the operator reads no degrees, and MPI launches only the first command."""
    program = basename(component.command[0]) if component.command else ""
    if program in SHELLS:
        message = f"is {component.command[0]!r}, a shell: name the program itself, so that its arguments can be read"
        yield Issue(("command", 0), component.command[0], message, "MN-F02")


def f03_coordination_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """F03: a flag that the operator, or we, write for every rank."""
    backend = BACKENDS[workload.backend]
    for where, tokens in (("args", component.args), ("command", component.command)):
        for index, token in enumerate(tokens):
            if match_flag(token, backend.coordination_flags) and not match_flag(token, backend.degree_flags):
                message = f"is {token!r}, which is written for each rank already: leave it out"
                yield Issue((where, index), token, message, "MN-F03")


def f04_engine_override(workload: Workload, component: Component) -> Iterator[Issue]:
    """F04: TensorRT-LLM lets ``--override-engine-args`` win over every degree on the command line."""
    if workload.backend != "trtllm":
        return
    for index, token in enumerate(component.args):
        if flag_name(token) != "--override-engine-args":
            continue
        try:
            given = json.loads(flag_value(component.args, index))
        except ValueError:
            given = {}
        for key in _ENGINE_YAML_DEGREES:
            if isinstance(given, Mapping) and key in given:
                message = f"sets {key}, which wins over the command line: pin it under parallelism instead"
                yield Issue(("args", index), token, message, "MN-F04")


def doubled_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """A flag that a key of the workload writes."""
    for index, token in enumerate(component.args):
        key = BACKENDS[workload.backend].identity_flags.get(flag_name(token))
        if key:
            yield Issue(("args", index), token, f"is {token!r}, which is written from `{key}`: set that instead", "")


def pod_spec_contradictions(workload: Workload, component: Component) -> Iterator[Issue]:
    """F12, F19 and what else a pod_spec must not contradict, in the component's and in the roles' own."""
    templates: tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...] = (
        (("pod_spec",), component.pod_spec),
        (("leader", "pod_spec"), component.leader_pod_spec),
        (("worker", "pod_spec"), component.worker_pod_spec),
    )
    for path, pod_spec in templates:
        yield from _pod_spec(path, pod_spec, component)


def _pod_spec(path: tuple[str, ...], pod_spec: Mapping[str, Any], component: Component) -> Iterator[Issue]:
    if pod_spec.get("schedulerName"):
        message = "sets the scheduler of one component: use `scheduler`, which is the same for all pods of a workload"
        yield Issue((*path, "schedulerName"), pod_spec["schedulerName"], message, "MN-F19")
    for group in ("containers", "initContainers", "volumes"):
        items = pod_spec.get(group)
        if items is None:
            continue
        if not isinstance(items, list) or not all(isinstance(i, Mapping) and i.get("name") for i in items):
            yield Issue((*path, group), items, "is no list of maps with a name, by which they are merged", "")
            continue
        for index, item in enumerate(items):
            if group == "containers" and item["name"] == "main":
                yield from _main(path, index, item, component)


def _main(path: tuple[str, ...], index: int, item: Mapping[str, Any], component: Component) -> Iterator[Issue]:
    where: tuple[str | int, ...] = (*path, "containers", index)
    for key in ("command", "args"):
        if key in item:
            message = f"replaces what is derived: use the component's `{key}`"
            yield Issue((*where, key), item[key], message, "MN-F02")
    resources = item.get("resources")
    for kind in ("limits", "requests"):
        amounts = resources.get(kind) if isinstance(resources, Mapping) else None
        if isinstance(amounts, Mapping) and component.gpu_resource in amounts:
            message = f"sets {component.gpu_resource}: use the component's `gpus_per_node`"
            yield Issue(
                (*where, "resources", kind, component.gpu_resource), amounts[component.gpu_resource], message, "MN-F01"
            )
    mounts = item.get("volumeMounts")
    for number, mount in enumerate(mounts if isinstance(mounts, list) else []):
        if isinstance(mount, Mapping) and str(mount.get("mountPath", "")).rstrip("/") == "/dev/shm":
            message = "mounts /dev/shm, which is made from `shared_memory` (the operator replaces any other)"
            yield Issue((*where, "volumeMounts", number, "mountPath"), mount.get("mountPath"), message, "MN-F12")
