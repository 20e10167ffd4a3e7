# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the chosen target cannot do (after the plan resolved it, before anything is written)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan

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
    """F09: since 1.4 the operator reads the runtime's version from the image tag of every component."""
    workload = plan.workload
    if plan.choice.workload_api != "dynamo" or workload.runtime_version or _before(plan, 1, 4):
        return
    for path, image in ((("image",), workload.image), *_own_images(plan)):
        reference = image.split("@", 1)[0]
        tag = reference.rsplit(":", 1)[1] if ":" in reference.rsplit("/", 1)[-1] else ""
        if not _SEMVER.fullmatch(tag):
            message = (
                f"is {image!r}, whose tag {tag!r} is no version X.Y.Z: the operator refuses it; "
                "set runtime_version to the Dynamo version it was built from"
            )
            yield Issue(path, image, message, "MN-F09")


def _own_images(plan: WorkloadPlan) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The images that a component's pod_spec puts in place of the workload's, each with its path."""
    for component in plan.workload.components:
        containers = component.pod_spec.get("containers")
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, Mapping) and container.get("name") == "main" and container.get("image"):
                path = ("components", component.name, "pod_spec", "containers", index, "image")
                yield path, str(container["image"])


def dynamo_runtime_version(plan: WorkloadPlan) -> Iterator[Issue]:
    """The operator's field for it came with the check."""
    version = plan.workload.runtime_version
    if plan.choice.workload_api == "dynamo" and version and _before(plan, 1, 4):
        message = f"is {version!r}, and Dynamo {plan.dynamo_version} has no such field (1.4 has): leave it out"
        yield Issue(("runtime_version",), version, message, "MN-F09")


def dynamo_api_version(plan: WorkloadPlan) -> Iterator[Issue]:
    """DynamoGraphDeployments are rendered as v1beta1, which 1.2 was the first to serve."""
    if plan.choice.workload_api == "dynamo" and _before(plan, 1, 2):
        message = (
            f"is dynamo, and Dynamo {plan.dynamo_version} does not serve nvidia.com/v1beta1: upgrade to 1.2 or later"
        )
        yield Issue(("workload_api",), "dynamo", message, "MN-F26")


def _before(plan: WorkloadPlan, *version: int) -> bool:
    """Whether the Dynamo version is known to be older; an unknown one is taken for the newest."""
    return plan.dynamo_version is not None and _numbers(plan.dynamo_version) < version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def f103_role_templates(plan: WorkloadPlan) -> Iterator[Issue]:
    """F103: a deployment's pod template is one for leader and workers; in 1.6's templates of one role nothing is
    injected, no rank and no address."""
    if plan.choice.workload_api != "dynamo":
        return
    for component in plan.workload.components:
        for key, given in (("leader", component.leader_pod_spec), ("worker", component.worker_pod_spec)):
            if given:
                message = "is only possible on the native API: Dynamo injects nothing into templates of one role"
                yield Issue(("components", component.name, key), "", message, "MN-F103")


def native_roles(plan: WorkloadPlan) -> Iterator[Issue]:
    """What scales and picks engines through Dynamo does not exist without it."""
    if plan.choice.workload_api != "native":
        return
    for component in plan.workload.components:
        if component.role in ("planner", "epp"):
            message = (
                f"has role {component.role!r}, which needs the Dynamo operator: set workload_api (or "
                "multinode_workload_api) to dynamo, or leave the component out"
            )
            yield Issue(("components", component.name, "role"), component.role, message, "")
        if component.autoscaling.owner == "planner":
            message = "is 'planner', which needs the Dynamo operator: use hpa, or set workload_api to dynamo"
            yield Issue(("components", component.name, "autoscaling", "owner"), "planner", message, "")


def min_available_needs_grove(plan: WorkloadPlan) -> Iterator[Issue]:
    """Only Grove has gangs of several engines."""
    if plan.choice.orchestrator == "grove":
        return
    for component in plan.workload.components:
        if component.min_available is not None:
            message = (
                f"is {component.min_available}, which only Grove can hold to: leave it out, or set orchestrator "
                "(or multinode_orchestrator) to grove"
            )
            yield Issue(("components", component.name, "min_available"), component.min_available, message, "")


def grove_no_engines(plan: WorkloadPlan) -> Iterator[Issue]:
    """Grove's admission takes no scaling group of none, neither new nor changed."""
    if plan.choice.orchestrator != "grove" or plan.choice.workload_api != "native":
        return
    for component in plan.components:
        if component.replicas == 0:
            message = "is 0, and Grove makes no scaling group of none: use at least 1, or state: absent"
            yield Issue(("components", component.name, "replicas"), 0, message, "")


def dynamo_planner(plan: WorkloadPlan) -> Iterator[Issue]:
    """dynamo.planner does not start without its configuration."""
    if plan.choice.workload_api != "dynamo":
        return
    for component in plan.workload.components:
        if component.role == "planner" and not any(flag_name(token) == "--config" for token in component.args):
            message = "have no --config, without which the planner does not start: a file, or JSON in one argument"
            yield Issue(("components", component.name, "args"), list(component.args), message, "")


def dynamo_endpoint_picker(plan: WorkloadPlan) -> Iterator[Issue]:
    """Of an image that holds it, and none that would need the configuration of Dynamo before 1.5."""
    if plan.choice.workload_api != "dynamo":
        return
    for component in plan.workload.components:
        if component.role != "epp":
            continue
        path = ("components", component.name)
        if _before(plan, 1, 5):
            message = (
                f"is epp, and Dynamo {plan.dynamo_version} needs an eppConfig for it, which 1.5 forbids and this "
                "collection does not write: upgrade to 1.5 or later"
            )
            yield Issue((*path, "role"), "epp", message, "MN-F14")
        if component.name not in {place[1] for place, _image in _own_images(plan)}:
            message = (
                "names no image for main, and engine images hold no endpoint picker: "
                "[{name: main, image: .../dynamo-frontend:X.Y.Z}]"
            )
            yield Issue((*path, "pod_spec", "containers"), None, message, "")


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
    dynamo_runtime_version,
    dynamo_api_version,
    f103_role_templates,
    native_roles,
    min_available_needs_grove,
    grove_no_engines,
    dynamo_planner,
    dynamo_endpoint_picker,
    dynamo_lws_queue,
)
