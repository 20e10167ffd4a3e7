# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment means, read from its YAML alone: upstream's v1alpha1 and v1beta1, and what we render.

It shares nothing with the collection: both sides of a comparison are read by the same stranger's eyes. What counts is
how the engine understands it (aliases, shell strings, configuration files), not what Dynamo's operator makes of it.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import yaml

MODULE = re.compile(r"dynamo\.(vllm|sglang|trtllm)$")
ALIASES = {
    "--tp": "tensor",
    "--tp-size": "tensor",
    "--tensor-parallel-size": "tensor",
    "--pp-size": "pipeline",
    "--pipeline-parallel-size": "pipeline",
    "--dp": "data",
    "--dp-size": "data",
    "--data-parallel-size": "data",
    "--ep-size": "expert",
    "--expert-parallel-size": "expert",
}
CONFIG_KEYS = {
    "tensor_parallel_size": "tensor",
    "pipeline_parallel_size": "pipeline",
    "moe_expert_parallel_size": "expert",
    "enable_attention_dp": "data",
}
MODELS = ("--model", "--model-path")
CONFIG_FLAGS = ("--extra-engine-args", "--config")


@dataclass
class Engine:
    """One component. ``flags``: what is left of the arguments, flag -> value or None; ``config``: of its file."""

    name: str
    role: str
    backend: str
    replicas: int
    node_count: int
    gpus_per_node: int
    degrees: dict[str, int]
    model: str | None
    image: str
    flags: dict[str, Any]
    config: dict[str, Any]
    env: dict[str, str]
    env_from: set[str]
    shared_memory: str | None
    compute_domain: str | None
    security: dict[str, Any]
    node_selector: dict[str, str]
    tolerations: list[dict[str, Any]]
    volumes: dict[str, str] = field(default_factory=dict)
    startup_seconds: int = 0


@dataclass
class Deployment:
    """``engines``: component -> Engine, of those with GPUs; ``domain``: the ComputeDomain's (template, nodes)."""

    name: str
    engines: dict[str, Engine]
    frontend: dict[str, Any]
    frontend_replicas: int
    domain: tuple[str, int] | None
    claims: dict[str, str]


def read(objects: list[dict[str, Any]]) -> Deployment:
    """One deployment, from all the objects of its file."""
    found = {kind: [item for item in objects if item["kind"] == kind] for kind in {item["kind"] for item in objects}}
    (graph,) = found["DynamoGraphDeployment"]
    files = {item["metadata"]["name"]: item["data"] for item in found.get("ConfigMap", [])}
    spec = graph["spec"]
    components = [_beta(item) for item in spec["components"]] if "components" in spec else _alpha(spec)
    engines = {}
    frontend: dict[str, Any] = {}
    replicas = 0
    everywhere = spec.get("env", spec.get("envs")) or []
    for item in components:
        if item["gpus"]:
            engines[item["name"]] = _engine(item, everywhere, files)
        else:
            frontend, replicas = _flags(_tokens(item["main"])[0]), item["replicas"]
            frontend["image"] = item["main"]["image"]
    domain = None
    for one in found.get("ComputeDomain", []):
        domain = (one["spec"]["channel"]["resourceClaimTemplate"]["name"], one["spec"]["numNodes"])
    claims = {
        item["metadata"]["name"]: item["spec"]["resources"]["requests"]["storage"]
        for item in found.get("PersistentVolumeClaim", [])
    }
    return Deployment(graph["metadata"]["name"], engines, frontend, replicas, domain, claims)


def _beta(item: dict[str, Any]) -> dict[str, Any]:
    pod = item["podTemplate"]["spec"]
    main = next(one for one in pod["containers"] if one["name"] == "main")
    resources = main.get("resources") or {}
    return {
        "name": item["name"],
        "role": item["type"],
        "replicas": item["replicas"],
        "nodes": (item.get("multinode") or {}).get("nodeCount", 1),
        "gpus": int((resources.get("limits") or {}).get("nvidia.com/gpu", 0)),
        "custom": {key: amount for key, amount in (resources.get("limits") or {}).items() if "/" in key},
        "main": main,
        "pod": pod,
        "shared_memory": item.get("sharedMemorySize"),
        "mounts": {one["mountPath"]: one["name"] for one in main.get("volumeMounts", [])},
        "secrets": [],
    }


def _alpha(spec: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, item in spec["services"].items():
        pod = item["extraPodSpec"]
        main = pod["mainContainer"]
        limits = (item.get("resources") or {}).get("limits") or {}
        mounts = {one["mountPath"]: one["name"] for one in main.get("volumeMounts", [])}
        mounts |= {one["mountPoint"]: one["name"] for one in item.get("volumeMounts", [])}
        found.append(
            {
                "name": name,
                "role": item.get("subComponentType") or item["componentType"],
                "replicas": item["replicas"],
                "nodes": (item.get("multinode") or {}).get("nodeCount", 1),
                "gpus": int(limits.get("gpu", 0)),
                "custom": {**limits.get("custom", {}), "nvidia.com/gpu": limits.get("gpu")},
                "main": main,
                "pod": pod,
                "shared_memory": (item.get("sharedMemory") or {}).get("size"),
                "mounts": mounts,
                "secrets": [item["envFromSecret"]] if item.get("envFromSecret") else [],
            }
        )
    return found


def _engine(item: dict[str, Any], everywhere: list[dict[str, Any]], files: dict[str, dict[str, str]]) -> Engine:
    main, pod = item["main"], item["pod"]
    tokens, backend = _tokens(main)
    flags = _flags(tokens)
    model = next(flags.pop(name) for name in MODELS if name in flags)
    config = _config(next((flags.pop(name) for name in CONFIG_FLAGS if name in flags), None), item, files)
    degrees = {name: int(flags.pop(flag)) for flag, name in ALIASES.items() if flag in flags}
    given = {name: config.pop(key) for key, name in CONFIG_KEYS.items() if key in config}
    if "data" in given:
        given["data"] = given.get("tensor", degrees.get("tensor", 1)) if given["data"] else 1
    degrees = {"tensor": 1, "pipeline": 1, "data": 1, "expert": 1, **degrees, **given}
    if "--enable-attention-dp" in flags:
        del flags["--enable-attention-dp"]
        degrees["data"] = degrees["tensor"]
    if "--enable-expert-parallel" in flags:
        del flags["--enable-expert-parallel"]
        degrees["expert"] = degrees["tensor"] * degrees["data"]
    if flags.get("--enable-dp-attention", True) is None:
        del flags["--enable-dp-attention"]
    env, secrets = {}, set(item["secrets"])
    for entry in [*everywhere, *main.get("env", [])]:
        reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            secrets.add(reference["name"])
        env[entry["name"]] = entry.get("value", "from elsewhere")
    secrets |= {one["secretRef"]["name"] for one in main.get("envFrom", [])}
    claim = [one["resourceClaimTemplateName"] for one in pod.get("resourceClaims", [])]
    probe = main.get("startupProbe") or {}
    return Engine(
        name=item["name"],
        role=item["role"],
        backend=backend,
        replicas=item["replicas"],
        node_count=item["nodes"],
        gpus_per_node=item["gpus"],
        degrees=degrees,
        model=model,
        image=main["image"],
        flags=flags,
        config=config,
        env=env,
        env_from=secrets,
        shared_memory=item["shared_memory"],
        compute_domain=claim[0] if claim else None,
        security=main.get("securityContext") or {},
        node_selector=pod.get("nodeSelector") or {},
        tolerations=pod.get("tolerations") or [],
        volumes=_volumes(item),
        startup_seconds=probe.get("periodSeconds", 0) * probe.get("failureThreshold", 0),
    )


def _volumes(item: dict[str, Any]) -> dict[str, str]:
    """Mount path -> claim or path on the machine; no configuration and no memory."""
    known = {}
    for volume in item["pod"].get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            known[volume["name"]] = volume["persistentVolumeClaim"]["claimName"]
        elif "hostPath" in volume:
            known[volume["name"]] = volume["hostPath"]["path"]
        else:
            known[volume["name"]] = ""
    found = {path: known.get(name, name) for path, name in item["mounts"].items()}
    return {path: name for path, name in found.items() if name}


def _tokens(main: dict[str, Any]) -> tuple[list[str], str]:
    """The arguments of ``python3 -m dynamo.X``, however they are wrapped, and X of an engine."""
    words = [*main.get("command", []), *main.get("args", [])]
    if words and words[0].rpartition("/")[2] in ("sh", "bash"):
        words = shlex.split(words[-1].replace("\\\n", " "))
    start = words.index("-m") + 2 if "-m" in words else 0
    match = MODULE.search(words[start - 1]) if start else None
    return words[start:], match[1] if match else ""


def _flags(tokens: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, token in enumerate(tokens):
        if token.startswith("--"):
            value = tokens[index + 1] if index + 1 < len(tokens) and not tokens[index + 1].startswith("--") else None
            name = token.replace("_", "-")
            found[name] = json.loads(value) if value and value.startswith("{") else value
    return found


def _config(path: str | None, item: dict[str, Any], files: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The engine's own file, from the ConfigMap that is mounted where the flag points."""
    if path is None:
        return {}
    folder, _, name = path.rpartition("/")
    volume = next(one for one in item["pod"]["volumes"] if one["name"] == item["mounts"][folder])
    return dict(yaml.safe_load(files[volume["configMap"]["name"]][name]))
