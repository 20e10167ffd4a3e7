# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the Dynamo operator on the Grove path: a DynamoGraphDeployment becomes a PodCliqueSet, and that what
gangs.py makes of it. It injects no launch flags, and makes nothing of what several machines need without Grove.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from lab.operators import gangs
from lab.operators.cluster import Cluster, conditions, owner
from lab.operators.webhook import Webhook, allow

Object = dict[str, Any]
API = "nvidia.com/v1beta1"
KIND = "DynamoGraphDeployment"
FINALIZER = "nvidia.com/finalizer"
PROVIDER = "nvidia.com/workload-provider"
QUEUE = "nvidia.com/kai-scheduler-queue"
SEEN: dict[str, bool] = {}


def prepare(cluster: Cluster) -> None:
    """What the chart's ``crd-apply`` does before the operator starts: its own definitions; here those that are missing.

    Then its gates, once: what comes later it does not see.
    """
    if cluster.option("upgrade-crd", "true") != "false":
        for definition in json.loads(Path(os.environ["LAB_DEFINITIONS"]).read_text(encoding="utf-8")):
            # Conversion is the real operator's; what is asked for here is the stored version.
            definition["spec"]["conversion"] = {"strategy": "None"}
            cluster.create(definition)
    with open(cluster.option("config"), encoding="utf-8") as stream:
        said = (yaml.safe_load(stream) or {}).get("orchestrators") or {}
    groups = {item["name"] for item in cluster.call("GET", "/apis").get("groups") or []}
    for gate, key, group in (("grove", "grove", "grove.io"), ("kai", "kaiScheduler", "scheduling.run.ai")):
        wanted = (said.get(key) or {}).get("enabled")
        if wanted and group not in groups:
            raise SystemExit(f"{key} is explicitly enabled in config but the API group {group} was not detected")
        SEEN[gate] = group in groups if wanted is None else bool(wanted)


def reconcile(cluster: Cluster) -> None:
    """One step for every deployment."""
    for deployment in cluster.list(API, KIND):
        if deployment["metadata"].get("deletionTimestamp"):
            _delete(cluster, deployment)
        else:
            _step(cluster, deployment)


def _step(cluster: Cluster, deployment: Object) -> None:
    about = deployment["metadata"]
    notes = about.get("annotations") or {}
    provider = notes.get(PROVIDER)
    if provider is None:
        wants = str(notes.get("nvidia.com/enable-grove")).lower() != "false"
        provider = "grove" if SEEN.get("grove") and wants else "component"
        stamp = {"nvidia.com/dynamo-operator-origin-version": cluster.version or "0.0.0", PROVIDER: provider}
        finalizers = [*(about.get("finalizers") or []), FINALIZER]
        cluster.patch(deployment, {"metadata": {"annotations": stamp, "finalizers": finalizers}})
        return
    if provider != "grove":
        _fail(cluster, deployment, "no_multinode_orchestrator_available", "no multinode orchestrator available")
        return
    queue = notes.get(QUEUE) or "dynamo"
    if SEEN.get("kai") and cluster.get("scheduling.run.ai/v2", "Queue", queue) is None:
        message = (
            "failed to reconcile Grove workloads: failed to generate the Grove GangSet: failed to determine "
            f"kai-scheduler queue: kai-scheduler queue validation failed: queue '{queue}' not found in cluster. Ensure "
            "the queue exists before using kai-scheduler"
        )
        _fail(cluster, deployment, "failed_to_reconcile_the_resources", message)
        return
    wanted = pod_clique_set(deployment, queue if SEEN.get("kai") else "")
    pcs = cluster.get(gangs.GROVE, "PodCliqueSet", about["name"], about["namespace"])
    # Compared with what was asked last, not with what is there: defaults are filled in
    mark = {"nvidia.com/last-applied-hash": gangs.digest(wanted["spec"])}
    if pcs is None:
        wanted["metadata"]["annotations"] = mark
        pcs = cluster.create(wanted)
    elif (pcs["metadata"].get("annotations") or {}).get("nvidia.com/last-applied-hash") != mark[
        "nvidia.com/last-applied-hash"
    ]:
        pcs = cluster.patch(pcs, {"metadata": {"annotations": mark}, "spec": wanted["spec"]})
    if pcs is None:
        return
    pcs = {**pcs, "apiVersion": gangs.GROVE, "kind": "PodCliqueSet"}
    gangs.reconcile(cluster, pcs)
    _say(cluster, deployment, pcs)


def pod_clique_set(deployment: Object, queue: str) -> Object:
    """What the operator makes of a deployment on the Grove path."""
    about = deployment["metadata"]
    cliques, groups = [], []
    for component in deployment["spec"]["components"]:
        name = component["name"].lower()
        nodes = int((component.get("multinode") or {}).get("nodeCount") or 1)
        replicas = int(component.get("replicas", 1))
        if nodes == 1:
            cliques.append(_clique(deployment, component, name, replicas, queue))
            continue
        cliques.append(_clique(deployment, component, f"{name}-ldr", 1, queue))
        cliques.append(_clique(deployment, component, f"{name}-wkr", nodes - 1, queue))
        groups.append(
            {
                "name": name,
                "cliqueNames": [f"{name}-ldr", f"{name}-wkr"],
                "replicas": replicas,
                "minAvailable": int(component.get("minAvailable") or 1),
            }
        )
    template: Object = {
        "cliqueStartupType": "CliqueStartupTypeAnyOrder",
        "headlessServiceConfig": {"publishNotReadyAddresses": True},
        "terminationDelay": "4h0m0s",
        "cliques": cliques,
    }
    if groups:
        template["podCliqueScalingGroups"] = groups
    return {
        "apiVersion": gangs.GROVE,
        "kind": "PodCliqueSet",
        "metadata": {
            "name": about["name"],
            "namespace": about["namespace"],
            "labels": {"nvidia.com/dynamo-graph-deployment-name": about["name"]},
            "ownerReferences": [owner(deployment)],
        },
        "spec": {"replicas": 1, "template": template},
    }


def _clique(deployment: Object, component: Object, name: str, replicas: int, queue: str) -> Object:
    about, template = deployment["metadata"], component.get("podTemplate") or {}
    given = template.get("metadata") or {}
    kind = component.get("type") or ""
    labels = {
        **(given.get("labels") or {}),
        "nvidia.com/dynamo-component": component["name"],
        "nvidia.com/dynamo-component-type": kind,
        "nvidia.com/dynamo-discovery-backend": "kubernetes",
        "nvidia.com/dynamo-graph-deployment-name": about["name"],
        "nvidia.com/dynamo-namespace": f"{about['namespace']}-{about['name']}",
        "nvidia.com/selector": f"{about['name']}-{component['name'].lower()}",
        "nvidia.com/metrics-enabled": "true",
    }
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 60, **(template.get("spec") or {})}
    if queue and spec.get("schedulerName") in (None, gangs.KAI):
        labels["kai.scheduler/queue"] = queue
        spec["schedulerName"] = gangs.KAI
    least = int(component.get("minAvailable") or 1) if name == component["name"].lower() else replicas
    return {
        "name": name,
        "labels": labels,
        "annotations": dict(given.get("annotations") or {}),
        "spec": {"roleName": name, "replicas": replicas, "minAvailable": least, "podSpec": spec},
    }


def _say(cluster: Cluster, deployment: Object, pcs: Object) -> None:
    name, namespace = pcs["metadata"]["name"], pcs["metadata"]["namespace"]
    components: Object = {}
    waiting = []
    for component in deployment["spec"]["components"]:
        grouped = int((component.get("multinode") or {}).get("nodeCount") or 1) > 1
        kind = "PodCliqueScalingGroup" if grouped else "PodClique"
        child = f"{name}-0-{component['name'].lower()}"
        found = (cluster.get(gangs.GROVE, kind, child, namespace) or {}).get("status") or {}
        wanted = int(component.get("replicas", 1))
        good = int(found.get("availableReplicas" if grouped else "readyReplicas") or 0)
        components[component["name"]] = {
            "componentKind": kind,
            "componentNames": [child],
            "runtimeNamespace": f"{namespace}-{name}",
            "replicas": wanted,
            "scheduledReplicas": int(found.get("scheduledReplicas") or 0),
            "updatedReplicas": int(found.get("updatedReplicas") or 0),
            ("availableReplicas" if grouped else "readyReplicas"): good,
        }
        if good < wanted:
            waiting.append(f"{component['name']}: desired={wanted}, ready={good}")
    ready = (not waiting, "all_resources_are_ready", "All resources are ready")
    if waiting:
        ready = (False, "mixed_not_ready_reasons", f"Resources not ready: {name}: {'; '.join(waiting)}")
    _status(cluster, deployment, "pending" if waiting else "successful", ready, components)


def _fail(cluster: Cluster, deployment: Object, reason: str, message: str) -> None:
    _status(cluster, deployment, "failed", (False, reason, message), None)


def _status(
    cluster: Cluster, deployment: Object, state: str, ready: tuple[bool, str, str], components: Object | None
) -> None:
    generation = deployment["metadata"]["generation"]
    (said,) = conditions((deployment.get("status") or {}).get("conditions"), Ready=ready)
    status: Object = {"state": state, "conditions": [{**said, "observedGeneration": generation}]}
    if components is not None:
        status |= {"components": components, "observedGeneration": generation}
    cluster.patch_status(deployment, status)


def _delete(cluster: Cluster, deployment: Object) -> None:
    about = deployment["metadata"]
    pcs = cluster.get(gangs.GROVE, "PodCliqueSet", about["name"], about["namespace"])
    if pcs is not None:
        gangs.remove(cluster, {**pcs, "apiVersion": gangs.GROVE, "kind": "PodCliqueSet"})
    finalizers = [item for item in about.get("finalizers") or [] if item != FINALIZER]
    cluster.patch(deployment, {"metadata": {"finalizers": finalizers}})


def admit(_review: dict[str, Any]) -> dict[str, Any]:
    """Whatever the definitions admit."""
    return allow()


WEBHOOKS: dict[str, Webhook] = {
    "/validate/nvidia.com/v1beta1/dynamographdeployments": admit,
    "/mutate/nvidia.com/v1beta1/dynamographdeployments": admit,
}
