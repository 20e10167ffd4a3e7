# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grove's operator: its webhooks' certificate, what its webhooks refuse, and ClusterTopologyBindings.

What PodCliqueSets become is played elsewhere (dynamo.py).
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from lab.certs import Authority, pem
from lab.operators.cluster import Cluster, Object, conditions, owner
from lab.operators.webhook import allow, deny, patched

API, TOPOLOGY = "grove.io/v1alpha1", "kai.scheduler/v1alpha1"
SECRET = "grove-webhook-server-cert"
KAI = "kai-scheduler"
LONGEST = 45

# What the webhooks know of the cluster, for they are asked on other threads
_known: dict[str, Any] = {"queues": None, "profiles": []}


def prepare(cluster: Cluster) -> None:
    """The certificate is looked at once, at the start: whoever empties the Secret later has no webhooks (F67)."""
    config = _config(cluster)
    _known["profiles"] = [item["name"] for item in config["scheduler"]["profiles"]]
    secret = cluster.get("v1", "Secret", SECRET, cluster.namespace)
    if secret is not None and (secret.get("data") or {}).get("tls.crt"):
        return
    authority = Authority("grove-operator")
    cert, key = authority.issue("grove-operator", dns=(f"grove-operator.{cluster.namespace}.svc",))
    texts = {"tls.crt": cert, "tls.key": key, "ca.crt": pem(authority.cert)}
    data = {name: base64.b64encode(text).decode() for name, text in texts.items()}
    meta = {"name": SECRET, "namespace": cluster.namespace}
    body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data, "type": "Opaque"}
    if secret is None:
        cluster.create(body)
    else:
        cluster.patch(secret, {"data": data})


def _config(cluster: Cluster) -> Object:
    found = yaml.safe_load(Path(cluster.option("config")).read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def reconcile(cluster: Cluster) -> None:
    """Queues for the webhooks; bindings and what schedulers know of them, if it is to look at topologies."""
    config = _config(cluster)
    if cluster.served("scheduling.run.ai/v2", "Queue"):
        _known["queues"] = {item["metadata"]["name"] for item in cluster.list("scheduling.run.ai/v2", "Queue")}
    if not config["topologyAwareScheduling"]["enabled"]:
        return
    topologies = {item["metadata"]["name"]: item for item in cluster.list(TOPOLOGY, "Topology")}
    for binding in cluster.list(API, "ClusterTopologyBinding"):
        _bind(cluster, binding, topologies)


def _bind(cluster: Cluster, binding: Object, topologies: dict[str, Object]) -> None:
    """As recorded in 09-topology: without a reference it makes KAI's Topology itself, else it compares."""
    name = binding["metadata"]["name"]
    levels = [{"nodeLabel": level["key"]} for level in binding["spec"]["levels"]]
    references = {item["schedulerName"]: item["topologyReference"] for item in _references(binding)}
    reference = references.get(KAI, name)
    if KAI not in references and name not in topologies:
        topologies[name] = cluster.apply(
            {
                "apiVersion": TOPOLOGY,
                "kind": "Topology",
                "metadata": {"name": name, "ownerReferences": [owner(binding)]},
                "spec": {"levels": levels},
            }
        )
    there = topologies.get(reference)
    same = there is not None and [one["nodeLabel"] for one in there["spec"]["levels"]] == [
        one["nodeLabel"] for one in levels
    ]
    message = "" if same else f"Topology {reference} {'differs' if there else 'not found'}"
    status = binding.get("status") or {}
    generation = binding["metadata"]["generation"]
    drift = (False, "InSync", "All scheduler backend topologies are in sync") if same else (True, "Drift", message)
    entry = {"schedulerName": KAI, "topologyReference": reference, "inSync": same}
    cluster.patch_status(
        binding,
        {
            "observedGeneration": generation,
            "schedulerTopologyStatuses": [{**entry, "message": message} if message else entry],
            "conditions": [
                {**item, "observedGeneration": generation}
                for item in conditions(status.get("conditions"), SchedulerTopologyDrift=drift)
            ],
        },
    )


def _references(binding: Object) -> list[Object]:
    return list(binding["spec"].get("schedulerTopologyBindings") or [])


def default_set(review: dict[str, Any]) -> dict[str, Any]:
    """Every clique's minAvailable is its replicas unless it says otherwise."""
    cliques = review["request"]["object"]["spec"]["template"].get("cliques") or []
    return patched(
        [
            {
                "op": "add",
                "path": f"/spec/template/cliques/{index}/spec/minAvailable",
                "value": clique["spec"]["replicas"],
            }
            for index, clique in enumerate(cliques)
            if clique["spec"].get("minAvailable") is None
        ]
    )


def validate_set(review: dict[str, Any]) -> dict[str, Any]:
    """Scheduler profiles, KAI's queue, and the length of names: in the words that were recorded."""
    found = review["request"]["object"]
    template = found["spec"]["template"]
    cliques = template.get("cliques") or []
    schedulers = {clique["spec"]["podSpec"].get("schedulerName") or "default-scheduler" for clique in cliques}
    unknown = sorted(schedulers - set(_known["profiles"]) - {"default-scheduler"})
    if unknown:
        return deny(f"schedulerName {unknown[0]} is not an enabled scheduler profile")
    groups = [
        (group["name"], name) for group in template.get("podCliqueScalingGroups") or () for name in group["cliqueNames"]
    ]
    for group, clique in groups:
        if len(found["metadata"]["name"]) + len(group) + len(clique) > LONGEST:
            return deny(f"combined resource name length exceeds {LONGEST} characters")
    if KAI in schedulers and review["request"]["operation"] == "CREATE":
        queue = _queue(found, cliques)
        if queue is None:
            return deny("no KAI queue is configured on PodCliqueSet or its PodClique templates")
        if _known["queues"] is not None and queue not in _known["queues"]:
            return deny(
                f"kai-scheduler queue validation failed: queue '{queue}' not found in cluster. Ensure the queue exists "
                "before using kai-scheduler"
            )
    return allow()


def _queue(found: Object, cliques: list[Object]) -> str | None:
    for meta in (found["metadata"], *cliques):
        for marks in (meta.get("labels") or {}, meta.get("annotations") or {}):
            for key in ("kai.scheduler/queue", "nvidia.com/kai-scheduler-queue"):
                if key in marks:
                    return str(marks[key])
    return None


def validate_topology(review: dict[str, Any]) -> dict[str, Any]:
    """Domains and keys are unique."""
    levels = review["request"]["object"]["spec"]["levels"]
    for key in ("domain", "key"):
        values = [level[key] for level in levels]
        if len(set(values)) < len(values):
            return deny(f"spec.levels: Duplicate value of {key}", 422)
    return allow()


WEBHOOKS = {
    "/webhooks/default-podcliqueset": default_set,
    "/webhooks/validate-podcliqueset": validate_set,
    "/webhooks/validate-clustertopology": validate_topology,
}
