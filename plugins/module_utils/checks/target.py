# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the chosen target cannot do (after the plan resolved it, before anything is written)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan import WorkloadPlan

_SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", re.ASCII)
# A pod of a StatefulSet carries the label controller-revision-hash: <set>-<hash of 10>.
_STATEFULSET = 63 - 11
_LABEL = 63
_GROVE = 45


def native_backend(plan: WorkloadPlan) -> Iterator[Issue]:
    """TensorRT-LLM is launched by MPI over ssh, which only Dynamo's operator wires."""
    if plan.choice.workload_api == "native" and BACKENDS[plan.workload.backend].native is None:
        message = (
            f"is {plan.workload.backend!r}, which the native API cannot launch (MPI over ssh is the Dynamo operator's "
            "business): set workload_api (or multinode_workload_api) to dynamo"
        )
        yield Issue(("backend",), plan.workload.backend, message, "")


def native_disaggregation(plan: WorkloadPlan) -> Iterator[Issue]:
    """Prefill and decode find each other through Dynamo."""
    if plan.choice.workload_api != "native":
        return
    if any(component.role == "prefill" for component in plan.workload.components):
        for component in plan.workload.components:
            if component.role in ("prefill", "decode"):
                message = (
                    f"has role {component.role!r}: disaggregated serving needs the Dynamo operator; set workload_api "
                    "(or multinode_workload_api) to dynamo, or use role worker"
                )
                yield Issue(("components", component.name, "role"), component.role, message, "")


def native_ports(plan: WorkloadPlan) -> Iterator[Issue]:
    """F03: the Service and the probes need the server where they look for it."""
    if plan.choice.workload_api != "native":
        return
    flags = BACKENDS[plan.workload.backend].native_flags
    for component in plan.workload.components:
        for index, token in enumerate(component.args):
            if flag_name(token) in flags:
                message = f"is {token!r}, but the Service and the probes expect the server on port 8000: leave it out"
                yield Issue(("components", component.name, "args", index), token, message, "MN-F03")


def f08_native_names(plan: WorkloadPlan) -> Iterator[Issue]:
    """F08: names that LeaderWorkerSet and Grove derive must stay legal as labels and DNS names."""
    if plan.choice.workload_api != "native":
        return
    name = plan.workload.name
    if not name[:1].isalpha():
        message = f"is {name!r}; a Service's name begins with a letter"
        yield Issue(("name",), name, message, "MN-F08")
    for component in plan.components:
        if plan.choice.orchestrator == "grove":
            # operator/internal/webhook/admission/pcs/validation of Grove: set, scaling group and clique together.
            what, most = "the names of Grove's scaling group and clique", _GROVE
            length = len(component.object_name) + len("engine") + len("ldr")
        else:
            what, most = "its group number", _STATEFULSET
            length = len(component.object_name) + len(str(max(component.replicas - 1, 0))) + 1
        if length > most:
            message = (
                f"is {component.name!r}: {component.object_name!r} with {what} takes {length} "
                f"characters, and pods can carry {most}; shorten the workload's or the component's name by "
                f"{length - most}"
            )
            yield Issue(("components", component.name, "name"), component.name, message, "MN-F08")


def f08_dynamo_names(plan: WorkloadPlan) -> Iterator[Issue]:
    """F08: Grove's 45 characters for pods, and labels of 63 that fail only at reconcile.

    Source: operator internal/webhook/validation (the name is cut to max(8, 45 - (2L + 4)) characters).
    """
    if plan.choice.workload_api != "dynamo":
        return
    workload = plan.workload
    joined = f"{workload.namespace}-{workload.name}"
    if len(joined) > _LABEL:
        message = f"is {workload.name!r}: <namespace>-<name> has {len(joined)} characters, a label at most {_LABEL}"
        yield Issue(("name",), workload.name, message, "MN-F08")
    need = {c.name: 2 * len(c.name) + 4 if c.multinode else len(c.name) for c in plan.components}
    cut = min(len(workload.name), max(8, _GROVE - max(need.values(), default=0)))
    for component in plan.components:
        label = f"{workload.name}-{component.name}"
        if len(label) > _LABEL:
            message = (
                f"is {component.name!r}: <workload>-<component> has {len(label)} characters, a label at most {_LABEL}"
            )
            yield Issue(("components", component.name, "name"), component.name, message, "MN-F08")
        elif plan.choice.orchestrator == "grove" and cut + need[component.name] > _GROVE:
            longest = (_GROVE - 4 - cut) // 2 if component.multinode else _GROVE - cut
            message = (
                f"is {component.name!r}, {len(component.name)} characters: Grove's pod names would have "
                f"{cut + need[component.name]} of at most {_GROVE}; at most {longest} here"
            )
            yield Issue(("components", component.name, "name"), component.name, message, "MN-F08")


def f09_image_version(plan: WorkloadPlan) -> Iterator[Issue]:
    """F09: since 1.4 the operator reads the runtime's version from the image tag."""
    workload = plan.workload
    if plan.choice.workload_api != "dynamo" or workload.runtime_version:
        return
    if plan.dynamo_version and _numbers(plan.dynamo_version) < (1, 4, 0):
        return
    reference = workload.image.split("@", 1)[0]
    tag = reference.rsplit(":", 1)[1] if ":" in reference.rsplit("/", 1)[-1] else ""
    if not _SEMVER.fullmatch(tag):
        message = (
            f"is {workload.image!r}, whose tag {tag!r} is no version X.Y.Z: the operator refuses it; "
            "set runtime_version to the Dynamo version it was built from"
        )
        yield Issue(("image",), workload.image, message, "MN-F09")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def dynamo_role_templates(plan: WorkloadPlan) -> Iterator[Issue]:
    """A deployment's pod template is one for leader and workers."""
    if plan.choice.workload_api != "dynamo":
        return
    for component in plan.workload.components:
        for key, given in (("leader", component.leader_pod_spec), ("worker", component.worker_pod_spec)):
            if given:
                message = "is only possible on the native API: Dynamo injects nothing into templates of one role"
                yield Issue(("components", component.name, key), "", message, "MN-F103")


def dynamo_lws_queue(plan: WorkloadPlan) -> Iterator[Issue]:
    """LWS reads the Volcano queue from the LeaderWorkerSet, onto which the operator copies no annotation."""
    choice = plan.choice
    if (choice.workload_api, choice.orchestrator, choice.scheduler) != ("dynamo", "lws", "volcano"):
        return
    if plan.queue not in (None, "default"):
        message = (
            f"is {plan.queue!r}, which cannot reach the gang: LWS takes Volcano's queue from an annotation that the "
            "Dynamo operator does not pass on; leave it out (the gang runs in queue default) or use workload_api native"
        )
        yield Issue(("queue",), plan.queue, message, "MN-F34")


TARGET_CHECKS = (
    native_backend,
    native_disaggregation,
    native_ports,
    f08_native_names,
    f08_dynamo_names,
    f09_image_version,
    dynamo_role_templates,
    dynamo_lws_queue,
)
