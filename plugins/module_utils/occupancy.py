# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which GPUs of which node are held by whom, and which pods a node would admit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL

Object = Mapping[str, Any]

GPU = "nvidia.com/gpu"
GPU_PRODUCT = "nvidia.com/gpu.product"

LWS_NAME = "leaderworkerset.sigs.k8s.io/name"
LWS_GROUP = "leaderworkerset.sigs.k8s.io/group-index"
LWS_RANK = "leaderworkerset.sigs.k8s.io/worker-index"
DYNAMO_NAME = "nvidia.com/dynamo-graph-deployment-name"
DYNAMO_COMPONENT = "nvidia.com/dynamo-component"
GROVE_SET_NAME = "app.kubernetes.io/part-of"  # the PodCliqueSet's name
GROVE_CLIQUE = "grove.io/podclique"
GROVE_SET = "grove.io/podcliqueset-replica-index"
GROVE_ENGINE = "grove.io/podcliquescalinggroup-replica-index"
GROVE_POD = "grove.io/podclique-pod-index"
GROVE_GANG = "grove.io/podgang"
_OWNER_LABELS = (WORKLOAD_LABEL, DYNAMO_NAME, LWS_NAME, GROVE_SET_NAME, "app.kubernetes.io/instance")


@dataclass(frozen=True)
class Holder:
    """A pod that holds GPUs of a node; ``owner`` is namespace/name of what a person would call its workload."""

    owner: str
    namespace: str
    pod: str
    gpus: int
    group: str | None
    rank: int | None


@dataclass(frozen=True)
class NodeUse:
    """A node with GPUs. ``gpus``: allocatable; ``domains``: level -> label value, without the levels it lacks."""

    name: str
    gpus: int
    product: str | None
    ready: bool
    cordoned: bool
    domains: Mapping[str, str]
    holders: tuple[Holder, ...]
    node: Object

    @property
    def held(self) -> int:
        """GPUs that bound pods have asked for."""
        return sum(holder.gpus for holder in self.holders)

    @property
    def free(self) -> int:
        """GPUs that a new pod could get."""
        return max(0, self.gpus - self.held)


def pod_gpus(pod: Object, resource: str = GPU) -> int:
    """GPUs a pod asks for: its containers and sidecars together, or the largest init container where that is more."""
    spec = pod.get("spec") or {}
    main = sum(_asked(container, resource) for container in spec.get("containers") or ())
    first = 0
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            main += _asked(container, resource)
        else:
            first = max(first, _asked(container, resource))
    return max(main, first)


def _asked(container: Object, resource: str) -> int:
    resources = container.get("resources") or {}
    for part in ("requests", "limits"):
        value = (resources.get(part) or {}).get(resource)
        if value is not None:
            return whole(value)
    return 0


def whole(value: object) -> int:
    """A GPU quantity as a number; extended resources are whole numbers, anything else counts as none.

    Kubernetes writes 1,000 of them as "1k".
    """
    try:
        return int(str(value))
    except ValueError:
        found = quantity.parse(value)
    return int(found) if found is not None and found.denominator == 1 else 0


def labels(item: Object) -> Mapping[str, str]:
    """The labels of an object, always a mapping."""
    found: Mapping[str, str] = item["metadata"].get("labels") or {}
    return found


def holds(pod: Object) -> bool:
    """Whether a pod occupies what it asked for: bound, and not finished."""
    return bool((pod.get("spec") or {}).get("nodeName")) and (pod.get("status") or {}).get("phase") not in (
        "Succeeded",
        "Failed",
    )


def place_of(marks: Mapping[str, str]) -> tuple[str, int, int] | None:
    """(set, engine, rank) of a pod, from what LWS or Grove wrote on it; None where neither did.

    The set is the LeaderWorkerSet, or the replica of the PodCliqueSet: engines are counted within it.
    """
    if marks.get(LWS_NAME):
        group, rank = marks.get(LWS_GROUP, ""), marks.get(LWS_RANK, "")
        return (marks[LWS_NAME], int(group), int(rank)) if group.isdigit() and rank.isdigit() else None
    clique = marks.get(GROVE_CLIQUE)
    if clique:
        index = int(marks.get(GROVE_POD, "0") or 0)
        # Leader and workers are cliques of one scaling group; a single-node engine is a clique by itself.
        if marks.get(GROVE_ENGINE):
            place = 0 if clique.endswith("-ldr") else index + 1
            return (marks.get(GROVE_SET, "0"), int(marks[GROVE_ENGINE]), place)
        return (marks.get(GROVE_SET, "0"), index, 0)
    return None


def owner_of(pod: Object) -> str:
    """namespace/name of the workload that a pod belongs to, as far as its labels and owner tell."""
    metadata = pod["metadata"]
    marks = labels(pod)
    for label in _OWNER_LABELS:
        if marks.get(label):
            return f"{metadata.get('namespace')}/{marks[label]}"
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return f"{metadata.get('namespace')}/{reference['name']}"
    return f"{metadata.get('namespace')}/{metadata['name']}"


def condition(item: Object, name: str) -> Mapping[str, Any] | None:
    """The condition of that type, the newest where several are kept."""
    found = [one for one in (item.get("status") or {}).get("conditions") or () if one.get("type") == name]
    return max(found, key=lambda one: str(one.get("lastTransitionTime") or "")) if found else None


def is_true(item: Object, name: str) -> bool:
    """Whether the condition of that type is True."""
    found = condition(item, name)
    return found is not None and found.get("status") == "True"


def domains_of(node: Object, levels: Mapping[str, str]) -> dict[str, str]:
    """Topology level -> value, for the levels whose label the node carries."""
    marks = labels(node)
    return {level: marks[key] for level, key in levels.items() if marks.get(key)}


def domain_name(level: str, value: str) -> str:
    """ "rack r1", but "rack-a" where the value says the level itself."""
    return value if value.lower().startswith(level.lower()) else f"{level} {value}"


def node_uses(
    nodes: Iterable[Object], pods: Iterable[Object], levels: Mapping[str, str], resource: str = GPU
) -> list[NodeUse]:
    """Every node that has GPUs, sorted by domain and name, with the pods that hold them."""
    by_node: dict[str, list[Object]] = {}
    for pod in pods:
        if holds(pod) and pod_gpus(pod, resource):
            by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)
    found = []
    for node in nodes:
        gpus = whole(((node.get("status") or {}).get("allocatable") or {}).get(resource, 0))
        held_by = by_node.get(node["metadata"]["name"], [])
        if not gpus and not held_by:
            continue
        found.append(
            NodeUse(
                name=node["metadata"]["name"],
                gpus=gpus,
                product=labels(node).get(GPU_PRODUCT),
                ready=is_true(node, "Ready"),
                cordoned=bool((node.get("spec") or {}).get("unschedulable")),
                domains=domains_of(node, levels),
                holders=tuple(
                    sorted((_holder(pod, resource) for pod in held_by), key=lambda one: (one.owner, one.pod))
                ),
                node=node,
            )
        )
    return sorted(found, key=lambda use: (tuple(use.domains.get(level, "") for level in levels), use.name))


def _holder(pod: Object, resource: str) -> Holder:
    place = place_of(labels(pod))
    return Holder(
        owner=owner_of(pod),
        namespace=pod["metadata"].get("namespace", ""),
        pod=pod["metadata"]["name"],
        gpus=pod_gpus(pod, resource),
        group=str(place[1]) if place else None,
        rank=place[2] if place else None,
    )


# -- what a node admits ------------------------------------------------------------------------------------------


def refusal(use: NodeUse, pod_spec: Mapping[str, Any]) -> str | None:
    """Why the node would refuse such a pod whatever is free on it, or None.

    Looks at readiness, cordon, taints, nodeSelector and required node affinity; pod affinity and other resources are
    the scheduler's own business.
    """
    spec = use.node.get("spec") or {}
    if not use.ready:
        return "is not Ready"
    if use.cordoned:
        return "is cordoned"
    for taint in spec.get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(taint, pod_spec):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"has the taint {taint['key']}{value}:{taint['effect']}"
    marks = labels(use.node)
    for key, value in (pod_spec.get("nodeSelector") or {}).items():
        if marks.get(key) != value:
            return f"lacks the label {key}={value}"
    required = ((pod_spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    terms = required.get("nodeSelectorTerms") or ()
    if terms and not any(_matches(term, use) for term in terms):
        return "does not match the required node affinity"
    return None


def _tolerated(taint: Mapping[str, Any], pod_spec: Mapping[str, Any]) -> bool:
    for toleration in pod_spec.get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", taint.get("key")):
                return True
        elif toleration.get("key") == taint.get("key") and (toleration.get("value") or "") == (
            taint.get("value") or ""
        ):
            return True
    return False


def _matches(term: Mapping[str, Any], use: NodeUse) -> bool:
    marks = labels(use.node)
    fields = {"metadata.name": use.name}
    return all(_holds(rule, marks) for rule in term.get("matchExpressions") or ()) and all(
        _holds(rule, fields) for rule in term.get("matchFields") or ()
    )


def _holds(rule: Mapping[str, Any], marks: Mapping[str, str]) -> bool:
    key, operator, values = rule.get("key", ""), rule.get("operator"), rule.get("values") or []
    if operator == "In":
        return marks.get(key) in values
    if operator == "NotIn":
        return marks.get(key) not in values
    if operator == "Exists":
        return key in marks
    if operator == "DoesNotExist":
        return key not in marks
    if operator in ("Gt", "Lt"):
        try:
            have, bound = int(marks[key]), int(values[0])
        except (KeyError, IndexError, ValueError):
            return False
        return have > bound if operator == "Gt" else have < bound
    return False
