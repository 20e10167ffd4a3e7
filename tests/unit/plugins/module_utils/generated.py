# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole inputs for property tests, made from the schema: a new key takes part by itself.

``inputs()`` draws what ``spec_args.load`` takes: machines, settings and one workload that means something, spread over
defaults, workload and overlay. What a key's kind allows is in KINDS; what one key needs beyond that is in SPECIAL;
what keys need of each other is said where the parts are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import DEGREES, STRATEGIES, Refusal, solve
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import (
    COMPONENT,
    MACHINE,
    SETTINGS,
    WORKLOAD,
    Field,
    by_name,
)
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.inputs import PRODUCT, machines

Value = st.SearchStrategy[Any]
Draw = Callable[[Value], Any]

# Orchestrator, scheduler, API: every target that is rendered, with and without gangs.
TARGETS = (
    ("grove", "kai", "dynamo"),
    ("grove", "volcano", "dynamo"),
    ("grove", "default", "dynamo"),
    ("lws", "volcano", "dynamo"),
    ("lws", "volcano", "native"),
    ("lws", "default", "native"),
    ("grove", "kai", "native"),
    ("grove", "default", "native"),
)
# Divisible by every degree that small engines have.
MANY = 20160
WORDS = ("a", "yes", "on", "0", "1e3", "n", "it's", 'say "x"', "a: b", "#x", "$(HOME)", "ü", " padded ", "--x-y", "{}")
LABELS = {"team": "nlp", "example.com/tier": "a.b_c-1", "on": "yes", "empty": ""}


def survey(values: Value) -> Value:
    """A scalar as YAML has it, or as text, which is all that a survey can give."""
    return values | values.map(str)


def some(values: Mapping[str, Any]) -> Value:
    return st.lists(st.sampled_from(sorted(values)), unique=True, max_size=3).map(
        lambda names: {name: values[name] for name in names}
    )


def plain() -> Value:
    """Free data, as a file of an engine may hold it."""
    leaves = st.sampled_from([None, True, False, 0, 7, 0.5, 1e-9, *WORDS])
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["k", "on", "a-b", "1"]), inner, max_size=2)
        ),
        max_leaves=4,
    )


TOLERATIONS = st.lists(
    st.sampled_from([{"operator": "Exists"}, {"key": "gpu", "value": "yes", "effect": "NoSchedule"}]), max_size=2
)
ENV_LIST = st.lists(
    st.sampled_from(
        [
            {"name": "A", "value": "n"},
            {"name": "B", "value": 3},
            {"name": "C"},
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]
    ),
    max_size=3,
)
KINDS: Mapping[str, Callable[[Field], Value]] = {
    "string": lambda entry: st.sampled_from(["x", "some text", "n"]),
    "certificates": lambda entry: st.just("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    "choice": lambda entry: st.sampled_from(entry.choices),
    "int": lambda entry: survey(st.integers(max(1, entry.minimum), min(entry.maximum, 4))),
    "number": lambda entry: st.sampled_from([405, 1.5, "0.6"]),
    "bool": lambda entry: st.sampled_from([True, False, "yes", "off"]),
    "duration": lambda entry: st.sampled_from([90, "90", "10m", "1h30m", "2d"]),
    "quantity": lambda entry: st.sampled_from(["64Gi", "8", 4, "500M", 2.5]),
    "dns_label": lambda entry: st.sampled_from(["a", "ab-1"]),
    "dns_name": lambda entry: st.sampled_from(["a", "ab-1.c"]),
    "dns_names": lambda entry: st.lists(st.sampled_from(["ngc", "more.keys"]), unique=True, max_size=2),
    "abs_path": lambda entry: st.sampled_from(["/x", "/x/y z"]),
    "version": lambda entry: st.sampled_from(["1.6.1", "1.5.0"]),
    "image": lambda entry: st.sampled_from(["reg.example:5000/img:1.6.0", "img:1.6.0-rc.1@sha256:0123"]),
    "label_value": lambda entry: st.sampled_from(["x", "A_b.c"]),
    "resource_name": lambda entry: st.sampled_from(["nvidia.com/gpu", "amd.com/gpu"]),
    "dtype": lambda entry: st.sampled_from(["bf16", "FP8", "torch.float16"]),
    "object": lambda entry: st.dictionaries(st.sampled_from(["x-one", "x-two"]), plain(), max_size=2),
    "objects": lambda entry: TOLERATIONS,
    "strings": lambda entry: st.lists(st.sampled_from(["--x-flag", "--x-number", 7, 0.5, *WORDS[5:]]), max_size=3),
    "networks": lambda entry: st.lists(st.sampled_from(["fabric", "kube-system/fast"]), unique=True, max_size=2),
    "env": lambda entry: some({"A": "n", "B": 3, "C": None, "_d.e-f": "1e3"}) | ENV_LIST,
    "labels": lambda entry: some(LABELS),
    "annotations": lambda entry: some({"note": "x: y", "example.com/on": "no", "multi": "one\ntwo"}),
    "counts": lambda entry: some({"rdma/ib": 8, "vpc.amazonaws.com/efa": "4", "example.com/none": 0}),
    "levels": lambda entry: st.just(
        {"zone": "topology.kubernetes.io/zone", "rack": "example.com/rack", "island": "example.com/island"}
    ),
}
POD_SPECS = st.sampled_from(
    [
        {},
        {"terminationGracePeriodSeconds": 60, "hostIPC": True},
        {"containers": [{"name": "side", "image": "side:1.0.0", "env": [{"name": "A", "value": "on"}]}]},
        {"containers": [{"name": "main", "imagePullPolicy": "Always", "env": [{"name": "A", "value": "last"}]}]},
        {"volumes": [{"name": "scratch", "emptyDir": {}}], "initContainers": [{"name": "wait", "image": "w:1.0.0"}]},
        {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
    ]
)
CACHES = st.sampled_from(
    [
        {"claim": "models"},
        {"type": "pvc", "claim": "models", "mount_path": "/m", "read_only": False},
        {"claim": "models", "create": "yes", "size": "1Ti", "storage_class": "fast"},
        {"type": "nfs", "server": "nfs.example", "path": "/x", "read_only": "no"},
        {"type": "host_path", "path": "/x"},
    ]
)
SPECIAL: Mapping[str, Value] = {
    "name": st.sampled_from(["llama", "l", "a-model-9"]),
    "namespace": st.sampled_from(["inference", "n"]),
    "state": st.just("present"),
    "model": st.sampled_from(["org/model", "/models/local", "405"]),
    "gpu_product": st.just(PRODUCT),
    "priority_class": st.just("high"),
    "topology.pack": st.sampled_from(["zone", "rack"]),
    "model_config.path": st.just(str(Path(__file__).with_name("model_config.json"))),
    **{f"model_config.{name}": st.just(MANY) for name in ("attention_heads", "kv_heads", "experts", "layers")},
    "model_config.expert_parameters_b": st.just(1),
    "model_cache": CACHES,
    "compilation_cache.mount_path": st.just("/compiled"),
    "compute_domain.num_nodes": st.just(0),
    "components.pod_spec": POD_SPECS,
    "components.leader.pod_spec": POD_SPECS,
    "components.worker.pod_spec": POD_SPECS,
    "machines.extra_resources": st.sampled_from([{}, {"rdma/ib": 8}]),
}


def value(entry: Field, path: str) -> Value:
    """What may stand at a key."""
    if path in SPECIAL:
        return SPECIAL[path]
    if entry.kind == "map":
        return record(entry.fields, path)
    return KINDS[entry.kind](entry)


def record(fields: tuple[Field, ...], path: str = "", without: tuple[str, ...] = ()) -> Value:
    """A map with what is required, and any of the rest."""
    known = {
        entry.name: value(entry, f"{path}.{entry.name}" if path else entry.name)
        for entry in fields
        if entry.name not in without
    }
    required = {name: known.pop(name) for name, entry in by_name(fields).items() if entry.required and name in known}
    return st.fixed_dictionaries(required, optional=known)


OTHERS = ("frontend", "planner", "epp")
TARGET_KEYS = ("orchestrator", "scheduler", "workload_api")
# Decided together, below.
SHAPE_KEYS = ("name", "role", "replicas", "node_count", "gpus_per_node", "parallelism")
WORKLOADS = record(WORKLOAD, "", ("components", "backend", "image", "runtime_version", "queue", *TARGET_KEYS))
ENGINES = record(COMPONENT, "components", (*SHAPE_KEYS, "command", "min_available", "autoscaling"))
_OTHERS = record(
    tuple(entry for entry in COMPONENT if entry.name in ("args", "env", "resources", "node_selector", "tolerations")),
    "components",
)
_MACHINES = record(MACHINE, "machines", ("name", "gpu_count", "gpu_product"))
_LEVELS = value(by_name(SETTINGS)["topology_levels"], "")


def parallelism(draw: Draw, backend: str, nodes: int, gpus: int) -> dict[str, Any]:
    """A strategy, and pins that the solver says are possible: any part of an answer that it gives."""
    strategy = draw(st.sampled_from(STRATEGIES))
    found: dict[str, Any] = {"strategy": strategy}
    pins = draw(st.dictionaries(st.sampled_from(DEGREES), st.integers(1, 16), max_size=2))
    answer = solve(backend, nodes, gpus, strategy, **pins)
    if isinstance(answer, Refusal):
        # What is proposed is whole, and is accepted as it is.
        return {**found, **draw(st.sampled_from(answer.nearest)).to_dict()}
    return {**found, **{name: draw(survey(st.just(pin))) for name, pin in pins.items()}}


def engine(draw: Draw, name: str, role: str, backend: str, target: tuple[str, str, str]) -> dict[str, Any]:
    """One component that runs the model."""
    orchestrator, _scheduler, api = target
    found = {"name": name, "role": role, **draw(ENGINES)}
    nodes, gpus, replicas = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 4, 6, 8])), draw(st.integers(1, 3))
    found.update(
        node_count=draw(survey(st.just(nodes))),
        gpus_per_node=draw(survey(st.just(gpus))),
        replicas=draw(survey(st.just(replicas))),
        parallelism=parallelism(draw, backend, nodes, gpus),
    )
    if api == "dynamo":
        found.pop("leader", None)
        found.pop("worker", None)
        found["command"] = draw(st.sampled_from([[], ["/usr/bin/python3.12", "-m", f"dynamo.{backend}"]]))
    if orchestrator == "grove" and draw(st.booleans()):
        found["min_available"] = draw(survey(st.integers(1, replicas)))
    owners = ["none", "hpa"] if api == "native" else ["none", "hpa", "planner"]
    found["autoscaling"] = {"owner": draw(st.sampled_from(owners))}
    return found


def components(draw: Draw, backend: str, target: tuple[str, str, str]) -> list[dict[str, Any]]:
    """One engine, several side by side, or prefill and decode; and what stands in front of them."""
    roles = [("engine", "worker")]
    if target[2] == "dynamo":
        roles = draw(st.sampled_from([roles, [("prefill", "prefill"), ("decode", "decode")]]))
    if draw(st.booleans()):
        roles = [*roles, ("small", "worker")]
    found = [engine(draw, name, role, backend, target) for name, role in roles]
    for role in draw(st.lists(st.sampled_from(OTHERS), unique=True)):
        if role != "frontend" and target[2] == "native":
            continue
        other = {"name": role[:5], "role": role, **draw(_OTHERS)}
        if role == "planner":
            other["args"] = [*other.get("args", ()), "--config", "/etc/planner.yaml"]
        if role == "epp":
            other["pod_spec"] = {"containers": [{"name": "main", "image": "reg/frontend:1.6.0"}]}
        if role == "frontend":
            other["replicas"] = draw(st.integers(0, 3))
        found.insert(0, other)
    return found


def workload(draw: Draw, target: tuple[str, str, str]) -> dict[str, Any]:
    """One workload whose keys agree with each other and with the target."""
    backend = draw(st.sampled_from(["vllm", "sglang", "trtllm"] if target[2] == "dynamo" else ["vllm", "sglang"]))
    found = {**draw(WORKLOADS), "backend": backend, "components": components(draw, backend, target)}
    if backend == "trtllm":
        found.pop("model_revision", None)
    found["image"] = draw(value(by_name(WORKLOAD)["image"], "image"))
    if draw(st.booleans()):
        found["runtime_version"] = draw(value(by_name(WORKLOAD)["runtime_version"], "runtime_version"))
        found["image"] = draw(st.sampled_from([found["image"], "reg/img:latest", "img"]))
    if draw(st.booleans()):
        found["queue"] = "default" if target == ("lws", "volcano", "dynamo") else "serving"
    fabric = (found.get("network") or {}).get("fabric")
    if fabric == "mnnvl":
        found.setdefault("compute_domain", {"create": True})
    if fabric in ("infiniband", "roce", "efa"):
        found["extra_resources"] = {"vpc.amazonaws.com/efa": 4} if fabric == "efa" else {"rdma/ib": 8}
    domain = found.get("compute_domain")
    engines = [component for component in found["components"] if component["role"] not in OTHERS]
    scaled = any(component["autoscaling"]["owner"] != "none" for component in engines)
    if domain and domain.get("create") in (None, True, "yes") and not scaled and draw(st.booleans()):
        domain["num_nodes"] = sum(int(one["replicas"]) * int(one["node_count"]) for one in engines)
    return found


@st.composite
def inputs(draw: Draw, targets: tuple[tuple[str, str, str], ...] = TARGETS) -> dict[str, Any]:
    """What ``load`` takes: the target stands in the settings or in the workload, its keys in any of three places."""
    target = draw(st.sampled_from(targets))
    whole = workload(draw, target)
    found: dict[str, Any] = {"machines": machines(**draw(_MACHINES))}
    for key, choice in zip(TARGET_KEYS, target, strict=True):
        (found if draw(st.booleans()) else whole)[key] = choice
    found.update(draw(record(SETTINGS, "settings", (*TARGET_KEYS, "dynamo_version", "topology_levels"))))
    if draw(st.booleans()):
        found["topology_levels"] = draw(_LEVELS)
    if draw(st.booleans()):
        found["dynamo_version"] = "1.6.1"
    places: dict[str, dict[str, Any]] = {"own": {}, "defaults": {}, "overlay": {}}
    for key, item in whole.items():
        fixed = key in ("name", "components")
        places["own" if fixed else draw(st.sampled_from(["own", "own", "defaults", "overlay"]))][key] = item
    found["workloads"] = [places["own"]]
    if places["defaults"]:
        found["defaults"] = places["defaults"]
    if places["overlay"]:
        found["overlays"] = {whole["name"]: places["overlay"]}
    return found


def joined(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same input with the whole workload in one place."""
    own = given["workloads"][0]
    over = (given.get("overlays") or {}).get(own["name"], {})
    rest = {key: item for key, item in given.items() if key not in ("defaults", "overlays")}
    return {**rest, "workloads": [{**(given.get("defaults") or {}), **own, **over}]}


def keys(fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    """Every key of the schema, as ``components.parallelism.tensor``."""
    for entry in fields:
        where = f"{path}.{entry.name}" if path else entry.name
        yield where
        yield from keys(entry.fields, where)


def used(raw: Any, fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    """The keys of the schema that an input has."""
    for item in raw if isinstance(raw, list) else [raw]:
        for entry in fields:
            if entry.name in item:
                where = f"{path}.{entry.name}" if path else entry.name
                yield where
                yield from used(item[entry.name], entry.fields, where) if entry.fields else ()
