# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running Dynamo operator was told and when it started, and what an earlier deployment left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader

with contextlib.suppress(ImportError):  # Client.from_params() has reported it before anything here is called
    import yaml

Object = dict[str, Any]
CONFIG_KEY = "config.yaml"
CONFIG_GROUP = "operator.config.dynamo.nvidia.com"
# API group -> the definition whose age tells since when the operator could have seen the group
ORCHESTRATORS: Mapping[str, str] = {
    "grove.io": "podcliquesets.grove.io",
    "scheduling.run.ai": "queues.scheduling.run.ai",
    "leaderworkerset.x-k8s.io": "leaderworkersets.leaderworkerset.x-k8s.io",
    "scheduling.volcano.sh": "podgroups.scheduling.volcano.sh",
}
# What the operator makes in the namespaces of its deployments, with this label, and leaves there (observed.md, 17)
LEFTOVERS = (
    ("v1", "Secret", "mpi-run-ssh-secret"),
    ("v1", "ServiceAccount", "planner-serviceaccount"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "planner-serviceaccount-binding"),
)
MADE_BY_OPERATOR = "app.kubernetes.io/managed-by=dynamo-operator"


def add(read: Reader, entry: Object, apis: Mapping[str, Any]) -> None:
    """Add ``details`` to the platform's entry of the facts; or ``leftovers``, where only its definitions are there."""
    if entry["present"]:
        entry["details"] = {**entry["details"], **details(read, entry, apis)}
    elif "nvidia.com" in apis and read.client.serves("nvidia.com/v1beta1", "DynamoGraphDeployment"):
        entry["leftovers"] = leftovers(read)


def details(read: Reader, entry: Mapping[str, Any], apis: Mapping[str, Any]) -> Object:
    """Of an operator that is there: {"config": name of its ConfigMap, "gates": {"grove", "kai", "volcano": bool, None
    for auto}, "restricted": the one namespace it serves or "", "started": when its container started, "deployment":
    name, "since": {API group: when its definition was made}}."""
    namespace = str(entry["namespace"])
    jobs: dict[str, Callable[[], Any]] = {
        "configs": lambda: read.list("v1", "ConfigMap", namespace),
        "pods": lambda: read.list("v1", "Pod", namespace),
    }
    for group in ORCHESTRATORS:
        if group in apis:
            jobs[group] = partial(_made, read, ORCHESTRATORS[group])
    answers = dict(zip(jobs, read.client.map(lambda job: job(), list(jobs.values()))))
    name, config = _config(answers["configs"], str(entry.get("release") or ""))
    orchestrators = config.get("orchestrators") or {}
    gates = {
        gate: (orchestrators.get(key) or {}).get("enabled")
        for gate, key in (("grove", "grove"), ("kai", "kaiScheduler"), ("volcano", "volcanoScheduler"))
    }
    started, deployment = _started(answers["pods"])
    return {
        "config": name,
        "gates": gates,
        "restricted": str((config.get("namespace") or {}).get("restricted") or ""),
        "started": started,
        "deployment": deployment,
        "since": {group: answers[group] for group in ORCHESTRATORS if answers.get(group)},
    }


def leftovers(read: Reader) -> list[str]:
    """What an operator that is gone left in the cluster's namespaces: ``namespace: Kind/name``."""
    found = []
    for (_api, kind, name), items in zip(
        LEFTOVERS,
        read.client.map(lambda one: read.list(one[0], one[1], label_selector=MADE_BY_OPERATOR), LEFTOVERS),
    ):
        found += [
            f"{item['metadata']['namespace']}: {kind}/{name}" for item in items if item["metadata"]["name"] == name
        ]
    return sorted(found)


def _config(listed: list[Object], release: str) -> tuple[str, Object]:
    """The operator's configuration, found by what it holds; that of this release first."""
    found = []
    for item in listed:
        text = (item.get("data") or {}).get(CONFIG_KEY) or ""
        if CONFIG_GROUP not in text:
            continue
        with contextlib.suppress(yaml.YAMLError):
            body = yaml.safe_load(text)
            if isinstance(body, dict):
                found.append((str(item["metadata"]["name"]), body))
    found.sort(key=lambda pair: (not pair[0].startswith(f"{release}-"), pair[0]))
    return found[0] if found else ("", {})


def _started(pods: list[Object]) -> tuple[str, str]:
    """Since when the operator runs (its container, which may be younger than its pod), and its Deployment's name."""
    for pod in pods:
        if not any(runs(container) for container in pod["spec"].get("containers") or []):
            continue
        owner = next((item["name"] for item in pod["metadata"].get("ownerReferences") or []), "")
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            since = ((status.get("state") or {}).get("running") or {}).get("startedAt")
            if since and runs(status):
                return str(since), str(owner).rpartition("-")[0]
    return "", ""


def runs(container: Mapping[str, Any]) -> bool:
    """Whether a container has the operator's image, whatever registry it comes from."""
    name = components.split_image(str(container.get("image") or ""))[0]
    return name.rpartition("/")[2] == "kubernetes-operator"


def _made(read: Reader, crd: str) -> str:
    try:
        found = read.client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", crd)
    except ApiError as error:
        if error.status != 403:
            raise
        return ""
    return str(found["metadata"].get("creationTimestamp") or "") if found else ""
