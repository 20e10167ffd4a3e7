# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole gangs onto machines with enough free GPUs, by the pods' required affinity terms. No scheduler: just enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
GPU = "nvidia.com/gpu"
STEPS = 20000  # of trying before a gang counts as not placeable


def gpus(pod: Object) -> int:
    """What a pod takes of a machine."""
    found = 0
    for container in pod["spec"].get("containers") or []:
        resources = container.get("resources") or {}
        amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        found += int(amounts.get(GPU) or 0)
    return found


class Machines:
    """The nodes as the pods bound to them leave them."""

    def __init__(self, nodes: list[Object], pods: list[Object]) -> None:
        self.nodes = {node["metadata"]["name"]: node for node in nodes if _usable(node)}
        self.free = {
            name: int((node["status"].get("allocatable") or {}).get(GPU) or 0) for name, node in self.nodes.items()
        }
        self.bound = [pod for pod in pods if pod["spec"].get("nodeName") and not _over(pod)]
        for pod in self.bound:
            if pod["spec"]["nodeName"] in self.free:
                self.free[pod["spec"]["nodeName"]] -= gpus(pod)

    def place(self, pods: list[Object]) -> dict[str, str] | None:
        """Pod name -> node for all of them, or None; what is given away is no longer free."""
        order = sorted(pods, key=lambda pod: (-gpus(pod), pod["metadata"]["name"]))
        steps = [STEPS]
        found = self._try(order, [], steps)
        if found is None:
            return None
        for pod, node in found:
            self.free[node] -= gpus(pod)
            self.bound.append({**pod, "spec": {**pod["spec"], "nodeName": node}})
        return {pod["metadata"]["name"]: node for pod, node in found}

    def _try(
        self, left: list[Object], done: list[tuple[Object, str]], steps: list[int]
    ) -> list[tuple[Object, str]] | None:
        if not left:
            return done
        pod = left[0]
        for node in self._candidates(pod, done):
            steps[0] -= 1
            if steps[0] < 0:
                return None
            found = self._try(left[1:], [*done, (pod, node)], steps)
            if found is not None:
                return found
        return None

    def _candidates(self, pod: Object, done: list[tuple[Object, str]]) -> Iterator[str]:
        taken: dict[str, int] = {}
        for other, node in done:
            taken[node] = taken.get(node, 0) + gpus(other)
        wanted = gpus(pod)
        # The fullest machine that has room, as a packing scheduler would; pods without GPUs anywhere
        names = sorted(self.nodes, key=lambda name: (self.free[name] - taken.get(name, 0), name))
        if not wanted:
            names = sorted(
                self.nodes,
                key=lambda name: (int((self.nodes[name]["status"].get("allocatable") or {}).get(GPU) or 0), name),
            )
        for name in names:
            if wanted and self.free[name] - taken.get(name, 0) < wanted:
                continue
            if _fits(pod, self.nodes[name]) and self._affine(pod, name, done):
                yield name

    def _affine(self, pod: Object, node: str, done: list[tuple[Object, str]]) -> bool:
        others = [*((item, item["spec"]["nodeName"]) for item in self.bound), *done]
        others = [
            (item, place) for item, place in others if item["metadata"]["namespace"] == pod["metadata"]["namespace"]
        ]
        affinity = pod["spec"].get("affinity") or {}
        for term in _required(affinity.get("podAntiAffinity")):
            if any(_selects(term, item) and self._same(term, place, node) for item, place in others):
                return False
        for term in _required(affinity.get("podAffinity")):
            matching = [place for item, place in others if _selects(term, item)]
            if not matching and _selects(term, pod):
                continue  # the first of a group that selects itself may go anywhere
            if not any(self._same(term, place, node) for place in matching):
                return False
        for item, place in others:
            for term in _required((item["spec"].get("affinity") or {}).get("podAntiAffinity")):
                if _selects(term, pod) and self._same(term, place, node):
                    return False
        return True

    def _same(self, term: Object, one: str, other: str) -> bool:
        key = term["topologyKey"]
        values = [
            ((self.nodes.get(name) or {}).get("metadata", {}).get("labels") or {}).get(key) for name in (one, other)
        ]
        return values[0] is not None and values[0] == values[1]


def _usable(node: Object) -> bool:
    conditions = {item["type"]: item["status"] for item in (node.get("status") or {}).get("conditions") or []}
    return conditions.get("Ready") == "True" and not node["spec"].get("unschedulable")


def _over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _fits(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] != "PreferNoSchedule" and not any(
            _tolerates(item, taint) for item in pod["spec"].get("tolerations") or []
        ):
            return False
    rule = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = (rule or {}).get("nodeSelectorTerms") or []
    return not terms or any(_expressions(term.get("matchExpressions") or [], labels) for term in terms)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _required(rules: Object | None) -> list[Object]:
    return list((rules or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or [])


def _selects(term: Object, pod: Object) -> bool:
    """The API server has put the values of matchLabelKeys into the selector when the pod was made."""
    selector = term.get("labelSelector") or {}
    labels = pod["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return _expressions(selector.get("matchExpressions") or [], labels)


def _expressions(expressions: list[Object], labels: Object) -> bool:
    for item in expressions:
        value, wanted = labels.get(item["key"]), item.get("values") or []
        holds = {
            "In": value in wanted,
            "NotIn": value not in wanted,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }.get(item["operator"], False)
        if not holds:
            return False
    return True
