# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a PodCliqueSet: scaling groups, cliques, gangs, KAI's PodGroups and pods, named and labelled as in
the recordings of Grove main (what became alpha.13), bound gang by gang, with the status that readers look at.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from lab.operators.cluster import Cluster, conditions, owner
from lab.operators.placing import GPU, Machines, gpus

Object = dict[str, Any]
GROVE = "grove.io/v1alpha1"
GANG = "scheduler.grove.io/v1alpha1"
PODGROUP = "scheduling.run.ai/v2alpha2"
KAI = "kai-scheduler"
CHILDREN = (
    ("v1", "Pod"),
    (PODGROUP, "PodGroup"),
    (GANG, "PodGang"),
    (GROVE, "PodClique"),
    (GROVE, "PodCliqueScalingGroup"),
)


@dataclass
class Clique:
    """One PodClique that there should be."""

    name: str
    template: Object
    replicas: int
    gang: str
    parent: Object
    labels: dict[str, str]
    pods: list[Object] = field(default_factory=list)

    @property
    def minimum(self) -> int:
        return int(self.template["spec"].get("minAvailable") or self.replicas)

    @property
    def hash(self) -> str:
        return digest(self.template["spec"]["podSpec"])


def digest(content: Any) -> str:
    """A short hash, as the operators' labels have it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def common(pcs: Object) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "grove-operator", "app.kubernetes.io/part-of": pcs["metadata"]["name"]}


def meta(pcs: Object, name: str, component: str, labels: dict[str, str], parent: Object) -> Object:
    """Metadata of a child."""
    return {
        "name": name,
        "namespace": pcs["metadata"]["namespace"],
        "labels": {**common(pcs), "app.kubernetes.io/component": component, **labels},
        "ownerReferences": [owner(parent)],
    }


def reconcile(cluster: Cluster, pcs: Object) -> None:
    """One step for one PodCliqueSet: make what is missing, remove what is too much, bind what fits, say how it is."""
    groups = _groups(cluster, pcs)
    cliques = _cliques(pcs, groups)
    _make_cliques(cluster, pcs, cliques)
    _make_pods(cluster, pcs, cliques)
    _make_gangs(cluster, pcs, cliques)
    if any(not pod["spec"].get("nodeName") for clique in cliques for pod in clique.pods):
        _bind(cluster, pcs, cliques)
    _say(cluster, pcs, groups, cliques)


def remove(cluster: Cluster, pcs: Object) -> None:
    """Everything of it, at once: the garbage collector learns of new kinds only every half minute."""
    selector = ",".join(f"{key}={value}" for key, value in common(pcs).items())
    for api_version, kind in CHILDREN:
        for item in cluster.list(api_version, kind, pcs["metadata"]["namespace"], selector):
            if not item["metadata"].get("deletionTimestamp"):
                cluster.delete(item)
    cluster.delete(pcs)


def _groups(cluster: Cluster, pcs: Object) -> dict[str, Object]:
    """The scaling groups, made and brought to their replicas: name in the template and index -> object."""
    name, namespace = pcs["metadata"]["name"], pcs["metadata"]["namespace"]
    found = {}
    for index in range(int(pcs["spec"].get("replicas", 1))):
        for group in pcs["spec"]["template"].get("podCliqueScalingGroups") or []:
            full = f"{name}-{index}-{group['name']}"
            live = cluster.get(GROVE, "PodCliqueScalingGroup", full, namespace)
            spec = {key: group[key] for key in ("cliqueNames", "minAvailable", "replicas") if key in group}
            if live is None:
                labels = {"app.kubernetes.io/name": full, "grove.io/podcliqueset-replica-index": str(index)}
                wanted = {
                    "apiVersion": GROVE,
                    "kind": "PodCliqueScalingGroup",
                    "metadata": meta(pcs, full, "pcs-podcliquescalinggroup", labels, pcs),
                    "spec": spec,
                }
                live = cluster.create(wanted) or cluster.get(GROVE, "PodCliqueScalingGroup", full, namespace)
            elif live["spec"].get("replicas") != spec.get("replicas", 1):
                live = cluster.patch(live, {"spec": {"replicas": spec.get("replicas", 1)}})
            if live is not None:
                found[f"{index}/{group['name']}"] = live
    return found


def _cliques(pcs: Object, groups: dict[str, Object]) -> list[Clique]:
    name, template = pcs["metadata"]["name"], pcs["spec"]["template"]
    by_name = {clique["name"]: clique for clique in template["cliques"]}
    grouped = {clique for group in template.get("podCliqueScalingGroups") or [] for clique in group["cliqueNames"]}
    found = []
    for index in range(int(pcs["spec"].get("replicas", 1))):
        base = f"{name}-{index}"
        place = {"grove.io/podcliqueset-replica-index": str(index)}
        for clique in template["cliques"]:
            if clique["name"] not in grouped:
                labels = {**(clique.get("labels") or {}), **place, "app.kubernetes.io/component": "pcs-podclique"}
                full = f"{base}-{clique['name']}"
                found.append(Clique(full, clique, int(clique["spec"].get("replicas", 1)), base, pcs, labels))
        for group in template.get("podCliqueScalingGroups") or []:
            parent = groups.get(f"{index}/{group['name']}")
            if parent is None:
                continue
            least = int(group.get("minAvailable", 1))
            for number in range(int(parent["spec"].get("replicas", 1))):
                scaled = f"{base}-{group['name']}-{number - least}"
                for member in group["cliqueNames"]:
                    clique = by_name[member]
                    labels = {
                        **(clique.get("labels") or {}),
                        **place,
                        "app.kubernetes.io/component": "pcsg-podclique",
                        "grove.io/podcliquescalinggroup": f"{base}-{group['name']}",
                        "grove.io/podcliquescalinggroup-replica-index": str(number),
                    }
                    full = f"{base}-{group['name']}-{number}-{member}"
                    gang = base if number < least else scaled
                    found.append(Clique(full, clique, int(clique["spec"].get("replicas", 1)), gang, parent, labels))
    return found


def _make_cliques(cluster: Cluster, pcs: Object, cliques: list[Clique]) -> None:
    wanted = {clique.name: clique for clique in cliques}
    live = {item["metadata"]["name"]: item for item in _children(cluster, pcs, GROVE, "PodClique")}
    for name, item in live.items():
        if name not in wanted:
            for pod in _children(cluster, pcs, "v1", "Pod", f"grove.io/podclique={name}"):
                cluster.delete(pod)
            cluster.delete(item)
    for name, clique in wanted.items():
        spec = {
            key: clique.template["spec"][key]
            for key in ("roleName", "podSpec", "minAvailable")
            if key in clique.template["spec"]
        }
        if name not in live:
            labels = {
                **clique.labels,
                "app.kubernetes.io/name": name,
                "grove.io/podgang": clique.gang,
                "grove.io/pod-template-hash": clique.hash,
            }
            metadata = meta(pcs, name, "", labels, clique.parent)
            metadata["annotations"] = dict(clique.template.get("annotations") or {})
            body = {
                "apiVersion": GROVE,
                "kind": "PodClique",
                "metadata": metadata,
                "spec": {**spec, "replicas": clique.replicas},
            }
            cluster.create(body)
        elif live[name]["metadata"]["labels"].get("grove.io/pod-template-hash") != clique.hash:
            cluster.patch(
                live[name],
                {
                    "metadata": {"labels": {"grove.io/pod-template-hash": clique.hash}},
                    "spec": {"podSpec": spec["podSpec"]},
                },
            )
        elif live[name]["spec"].get("replicas") != clique.replicas:
            cluster.patch(live[name], {"spec": {"replicas": clique.replicas}})


def _make_pods(cluster: Cluster, pcs: Object, cliques: list[Clique]) -> None:
    live: dict[str, list[Object]] = {}
    for pod in _children(cluster, pcs, "v1", "Pod"):
        live.setdefault(pod["metadata"]["labels"].get("grove.io/podclique", ""), []).append(pod)
    parents = {item["metadata"]["name"]: item for item in _children(cluster, pcs, GROVE, "PodClique")}
    for clique in cliques:
        taken = set()
        for pod in live.get(clique.name, []):
            labels = pod["metadata"]["labels"]
            index = int(labels["grove.io/podclique-pod-index"])
            over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
            if pod["metadata"].get("deletionTimestamp"):
                taken.add(index)
            elif over or index >= clique.replicas or labels["grove.io/pod-template-hash"] != clique.hash:
                cluster.delete(pod)
                taken.add(index)
            else:
                taken.add(index)
                clique.pods.append(pod)
        parent = parents.get(clique.name)
        for index in range(clique.replicas):
            if index not in taken and parent is not None:
                made = cluster.create(_pod(pcs, clique, parent, index))
                if made is not None:
                    clique.pods.append(made)


def _pod(pcs: Object, clique: Clique, parent: Object, index: int) -> Object:
    spec = json.loads(json.dumps(clique.template["spec"]["podSpec"]))
    set_index = clique.labels["grove.io/podcliqueset-replica-index"]
    spec["hostname"], spec["subdomain"] = f"{clique.name}-{index}", f"{pcs['metadata']['name']}-{set_index}"
    labels = {
        **clique.labels,
        "app.kubernetes.io/name": clique.name,
        "grove.io/pod-template-hash": clique.hash,
        "grove.io/podclique": clique.name,
        "grove.io/podclique-pod-index": str(index),
        "grove.io/podgang": clique.gang,
    }
    annotations = dict(clique.template.get("annotations") or {})
    if spec.get("schedulerName") == KAI:
        labels["kai.scheduler/subgroup-name"] = clique.name
        annotations |= {"kai.scheduler/skip-podgrouper": "true", "pod-group-name": clique.gang}
    # Random in the real one; told by clique and index here, so that nobody makes the same pod twice
    name = f"{clique.name}-{digest([parent['metadata']['uid'], index])[:5]}"
    metadata = {**meta(pcs, name, "", labels, parent), "generateName": f"{clique.name}-", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _make_gangs(cluster: Cluster, pcs: Object, cliques: list[Clique]) -> None:
    wanted: dict[str, list[Clique]] = {}
    for clique in cliques:
        wanted.setdefault(clique.gang, []).append(clique)
    live = {item["metadata"]["name"]: item for item in _children(cluster, pcs, GANG, "PodGang")}
    podgroups = {item["metadata"]["name"]: item for item in _children(cluster, pcs, PODGROUP, "PodGroup")}
    for name, item in live.items():
        if name not in wanted:
            cluster.delete(item)
            if name in podgroups:
                cluster.delete(podgroups[name])
    for name, members in wanted.items():
        with_kai = members[0].template["spec"]["podSpec"].get("schedulerName") == KAI
        labels = {
            key: value for key, value in members[0].labels.items() if key == "nvidia.com/dynamo-graph-deployment-name"
        }
        labels["grove.io/scheduler-name"] = KAI if with_kai else "default-scheduler"
        references = [
            {
                "name": clique.name,
                "minReplicas": clique.minimum,
                "podReferences": [
                    {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]} for pod in clique.pods
                ],
            }
            for clique in members
        ]
        gang = live.get(name)
        if gang is None:
            body = {
                "apiVersion": GANG,
                "kind": "PodGang",
                "metadata": meta(pcs, name, "podgang", labels, pcs),
                "spec": {"podgroups": references},
            }
            gang = cluster.create(body)
        elif gang["spec"].get("podgroups") != references:
            cluster.patch(gang, {"spec": {"podgroups": references}})
        if gang is None:
            continue
        said = conditions(
            (gang.get("status") or {}).get("conditions"),
            Initialized=(True, "PodGangPodsCreated", "PodGang is fully initialized"),
        )
        # It stays Pending, even when everything runs (grove #762)
        cluster.patch_status(gang, {"conditions": said, "phase": "Pending"})
        if with_kai:
            _podgroup(cluster, pcs, gang, members, labels, podgroups.get(name))


def _podgroup(
    cluster: Cluster, pcs: Object, gang: Object, members: list[Clique], labels: dict[str, str], live: Object | None
) -> None:
    name = gang["metadata"]["name"]
    spec = {
        "minMember": sum(clique.minimum for clique in members),
        "queue": members[0].labels.get("kai.scheduler/queue"),
        "subGroups": [{"name": clique.name, "minMember": clique.minimum} for clique in members],
    }
    if live is None:
        metadata = meta(pcs, name, "podgang", labels, gang)
        metadata["annotations"] = {"kai.scheduler/skip-podgrouper": "true"}
        live = cluster.create({"apiVersion": PODGROUP, "kind": "PodGroup", "metadata": metadata, "spec": spec})
    if live is None:
        return
    pods = [pod for clique in members for pod in clique.pods]
    bound = [pod for pod in pods if pod["spec"].get("nodeName")]
    status: Object = {"resourcesStatus": {"requested": {GPU: str(sum(map(gpus, pods)))}}}
    if bound:
        status["resourcesStatus"]["allocated"] = {GPU: str(sum(map(gpus, bound)))}
    if pods and len(bound) == len(pods):
        status["schedulingConditions"] = None
    cluster.patch_status(live, status)


def _bind(cluster: Cluster, pcs: Object, cliques: list[Clique]) -> None:
    """KAI's part: each gang whole or not at all; a gang whose queue is missing stays as it is."""
    machines = Machines(cluster.list("v1", "Node"), cluster.list("v1", "Pod"))
    gangs: dict[str, list[Clique]] = {}
    for clique in cliques:
        gangs.setdefault(clique.gang, []).append(clique)
    for name, members in gangs.items():
        pods = [pod for clique in members for pod in clique.pods]
        waiting = [pod for pod in pods if not pod["spec"].get("nodeName")]
        whole = len(pods) == sum(clique.replicas for clique in members)
        if not waiting or not whole or any(pod["spec"].get("schedulerName") != KAI for pod in waiting):
            continue
        queue = members[0].labels.get("kai.scheduler/queue") or ""
        if cluster.get("scheduling.run.ai/v2", "Queue", queue) is None:
            continue
        found = machines.place(waiting)
        if found is None:
            _unschedulable(cluster, pcs, name, members, waiting, len(machines.nodes))
            continue
        for pod in waiting:
            cluster.bind(pod, found[pod["metadata"]["name"]])
            pod["spec"]["nodeName"] = found[pod["metadata"]["name"]]


def _unschedulable(
    cluster: Cluster, pcs: Object, gang: str, members: list[Clique], waiting: list[Object], nodes: int
) -> None:
    short = max(members, key=lambda clique: clique.minimum)
    message = (
        f"Resources were found for 1 pods from all sub-groups while sub-group {short.name} requires {short.minimum} "
        f"pods for gang scheduling. Additional pods cannot be scheduled in this sub-group due to: no nodes with enough "
        f"resources were found: {nodes} node(s) didn't have enough resources: GPUs."
    )
    live = cluster.get(PODGROUP, "PodGroup", gang, pcs["metadata"]["namespace"])
    if live is not None:
        old = (live.get("status") or {}).get("schedulingConditions") or []
        (said,) = conditions(old, UnschedulableOnNodePool=(True, "Unschedulable", f"PodSchedulingErrors: {message}."))
        said |= {
            "nodePool": "default",
            "transitionID": "1",
            "reasons": [{"reason": "PodSchedulingErrors", "message": message}],
        }
        cluster.patch_status(live, {"schedulingConditions": [said]})
    for pod in waiting:
        old = (pod.get("status") or {}).get("conditions") or []
        waits = conditions(old, PodScheduled=(False, "Unschedulable", f"PodSchedulingErrors: {message}."))
        cluster.patch_status(pod, {"conditions": waits})


def ready(pod: Object) -> bool:
    found = (pod.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in found)


def _say(cluster: Cluster, pcs: Object, groups: dict[str, Object], cliques: list[Clique]) -> None:
    """The status of cliques, groups and the set."""
    live = {item["metadata"]["name"]: item for item in _children(cluster, pcs, GROVE, "PodClique")}
    whole: dict[str, dict[str, list[bool]]] = {}
    for clique in cliques:
        bound = sum(1 for pod in clique.pods if pod["spec"].get("nodeName"))
        good = sum(map(ready, clique.pods))
        group = clique.labels.get("grove.io/podcliquescalinggroup", "")
        number = clique.labels.get("grove.io/podcliquescalinggroup-replica-index", "")
        whole.setdefault(f"{group}/{number}" if group else f"/{clique.name}", {}).setdefault("bound", []).append(
            bound >= clique.minimum
        )
        whole[f"{group}/{number}" if group else f"/{clique.name}"].setdefault("good", []).append(good >= clique.minimum)
        if clique.name in live:
            cluster.patch_status(live[clique.name], _clique_status(live[clique.name], clique, bound, good))
    for item in groups.values():
        mine = [state for key, state in whole.items() if key.startswith(f"{item['metadata']['name']}/")]
        bound = sum(all(state["bound"]) for state in mine)
        good = sum(all(state["good"]) for state in mine)
        breached = good < int(item["spec"].get("minAvailable", 1))
        reason = "Insufficient" if breached else "Sufficient"
        status = {
            "replicas": int(item["spec"].get("replicas", 1)),
            "scheduledReplicas": bound,
            "availableReplicas": good,
            "updatedReplicas": good,
            "observedGeneration": item["metadata"]["generation"],
            "conditions": conditions(
                (item.get("status") or {}).get("conditions"),
                MinAvailableBreached=(breached, f"{reason}AvailablePodCliqueScalingGroupReplicas", f"{good} available"),
            ),
        }
        cluster.patch_status(item, status)
    everything = bool(whole) and all(all(state["good"]) for state in whole.values())
    count = int(pcs["spec"].get("replicas", 1))
    cluster.patch_status(
        pcs,
        {
            "replicas": count,
            "updatedReplicas": count,
            "availableReplicas": count if everything else 0,
            "observedGeneration": pcs["metadata"]["generation"],
        },
    )


def _clique_status(item: Object, clique: Clique, bound: int, good: int) -> Object:
    scheduled, enough = bound >= clique.minimum, good >= clique.minimum
    expected = f"expected at least: {clique.minimum}, found: "
    return {
        "replicas": len(clique.pods),
        "scheduledReplicas": bound,
        "readyReplicas": good,
        "updatedReplicas": len(clique.pods),
        "scheduleGatedReplicas": 0,
        "observedGeneration": item["metadata"]["generation"],
        "conditions": conditions(
            (item.get("status") or {}).get("conditions"),
            PodCliqueScheduled=(
                scheduled,
                "SufficientScheduledPods" if scheduled else "InsufficientScheduledPods",
                f"{'Sufficient' if scheduled else 'Insufficient'} scheduled pods. {expected}{bound}",
            ),
            MinAvailableBreached=(
                not enough,
                "SufficientReadyPods" if enough else "ScheduledReplicasBelowMinAvailable",
                f"{expected}{good}",
            ),
        ),
    }


def _children(cluster: Cluster, pcs: Object, api_version: str, kind: str, more: str = "") -> list[Object]:
    selector = ",".join([*(f"{key}={value}" for key, value in common(pcs).items()), *([more] if more else [])])
    return cluster.list(api_version, kind, pcs["metadata"]["namespace"], selector)
