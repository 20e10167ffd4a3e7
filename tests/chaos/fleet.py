# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a chaos run applies: two generations, each of 20 to 50 objects of mixed kinds, by the seed."""

from __future__ import annotations

import copy
import random
from typing import Any

Object = dict[str, Any]
ROBOT = "robot"
LEAST, MOST = 20, 50


def _object(api_version: str, kind: str, name: str, namespace: str, **body: Any) -> Object:
    meta = {"name": name, "namespace": namespace, "labels": {"app": name, "generation": "1"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def _template(app: str) -> Object:
    container = {"name": "main", "image": "example.com/web:1.0.0", "args": ["--port", "80"]}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}}


def _make(kind: str, name: str, namespace: str, dice: random.Random) -> Object:
    value = str(dice.randrange(1000))
    if kind == "ConfigMap":
        return _object("v1", kind, name, namespace, data={"a": value, "b": "fixed"})
    if kind == "Secret":
        return _object("v1", kind, name, namespace, stringData={"key": value})
    if kind == "Service":
        ports = [{"name": "http", "port": 80 + int(value), "protocol": "TCP"}]
        return _object("v1", kind, name, namespace, spec={"selector": {"app": name}, "ports": ports})
    if kind == "ServiceAccount":
        return _object("v1", kind, name, namespace, automountServiceAccountToken=False)
    if kind == "Role":
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [value], "verbs": ["get"]}]
        return _object("rbac.authorization.k8s.io/v1", kind, name, namespace, rules=rules)
    if kind == "Deployment":
        template = _template(name)
        template["spec"]["containers"][0]["args"][1] = value
        spec: Object = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        return _object("apps/v1", kind, name, namespace, spec=spec)
    if kind == "PodDisruptionBudget":
        spec = {"minAvailable": int(value), "selector": {"matchLabels": {"app": name}}}
        return _object("policy/v1", kind, name, namespace, spec=spec)
    if kind == "LeaderWorkerSet":
        worker = {"size": 2, "workerTemplate": _template(name), "leaderTemplate": _template(name)}
        spec = {"replicas": int(value), "leaderWorkerTemplate": worker}
        return _object("leaderworkerset.x-k8s.io/v1", kind, name, namespace, spec=spec)
    component = {
        "name": "decode",
        "type": "decode",
        "replicas": int(value),
        "podTemplate": {"spec": {"containers": [{"name": "main", "image": "example.com/e:1.5.0"}]}},
    }
    return _object("nvidia.com/v1beta1", kind, name, namespace, spec={"components": [component]})


CORE = ("ConfigMap", "ConfigMap", "ConfigMap", "Secret", "Service", "ServiceAccount", "Role", "PodDisruptionBudget")
CUSTOM = ("LeaderWorkerSet", "DynamoGraphDeployment")


def generations(seed: str, namespace: str, *, custom: bool) -> tuple[list[Object], list[Object]]:
    """Before and after an edit of the inventory: some objects are changed, some are gone, some are new."""
    dice = random.Random(f"{seed}|objects")
    kinds = [dice.choice(CORE + (CUSTOM if custom else ())) for _ in range(dice.randint(LEAST, MOST) - 1)]
    before = [_make(kind, f"{kind.lower()}-{number}", namespace, dice) for number, kind in enumerate(kinds)]
    before.append(_make("Deployment", "serve", namespace, dice))
    after: list[Object] = []
    for number, obj in enumerate(before):
        fate = dice.random()
        if obj["kind"] != "Deployment" and fate < 0.2:
            continue
        new = copy.deepcopy(obj)
        if fate > 0.5:
            new = _make(obj["kind"], obj["metadata"]["name"], namespace, dice)
            new["metadata"]["labels"]["generation"] = "2"
        after.append(new)
        if fate > 0.9 and len(after) < MOST:
            after.append(_make(kinds[number % len(kinds)], f"new-{number}", namespace, dice))
    while len(after) < LEAST:
        after.append(_make("ConfigMap", f"more-{len(after)}", namespace, dice))
    return before, after[:MOST]
