# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filters answer: GPUs, degrees and arguments of one engine or one workload, by the path that modules take.

An input is a workload (a map with ``components``), a component (any other map), or a number of machines. Whatever of a
workload is no business of the question (names, image, target, topology) may be missing and is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.names import COMPONENT_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import DEGREES
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import plan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import read_machines, read_workloads
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import (
    Component,
    Machine,
    Settings,
    Workload,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import (
    Problem,
    SpecError,
    format_path,
    nearest,
    shown,
)

TARGETS = ("dynamo", "native")
RANKS = ("leader", "worker")
ORCHESTRATORS = ("grove", "lws")
_ROOT = "workload"
_STEM = f"{_ROOT}[0]"
_ENGINE = "engine"
_WHERE = ("orchestrator", "scheduler", "workload_api", "queue", "topology", "replace", "overlays")
# What only its backend could judge
_OF_BACKEND = ("parallelism", "args", "command", "engine_config", "pod_spec", "leader", "worker")
_PINS = ("strategy", *DEGREES)
_FIXED = {"name": "engine", "namespace": "default", "image": "image:1.0.0"}


def total_gpus(value: object, *, all_replicas: bool = False, **given: Any) -> int:
    """GPUs of one engine (a component, or machines x GPUs), of all its replicas, or of a whole workload."""
    asked = _Question(value, given, degrees=False)
    if asked.alone:
        component = asked.components()[0]
        return component.total_gpus * (component.replicas if all_replicas else 1)
    return sum(component.replicas * component.total_gpus for component in asked.components())


def parallelism(value: object, **given: Any) -> dict[str, Any]:
    """The degrees of one engine; of a workload, component name -> degrees of those that run the model."""
    asked = _Question(value, given)
    found = {
        component.name: component.degrees.to_dict() for component in asked.components() if component.degrees is not None
    }
    if not asked.alone:
        return found
    return dict(next(iter(found.values()), {}))


def engine_args(
    value: object,
    component: str | None = None,
    *,
    target: str | None = None,
    rank: str = "leader",
    orchestrator: str = "grove",
    with_command: bool = False,
    **given: Any,
) -> list[str]:
    """The arguments that an engine's containers are rendered with, on ``target`` (default: the workload's, or dynamo).

    ``rank`` tells leader from worker on the native API (Dynamo's operator adds what differs by itself).
    """
    asked = _Question(value, given)
    api = asked.said("workload_api") if target is None else target
    if target is None and api not in TARGETS:
        api = "dynamo"
    for name, word, known in (
        ("target", api, TARGETS),
        ("rank", rank, RANKS),
        ("orchestrator", orchestrator, ORCHESTRATORS),
    ):
        if word not in known:
            raise _error(name, word, f"is {shown(word)}; one of {', '.join(known)}{nearest(word, known)}")
    chosen = _chosen(asked, component)
    if rank == "worker" and chosen.node_count == 1:
        raise _error("rank", rank, "is 'worker', but the engine has one machine and therefore only a leader")
    settings = Settings(orchestrator, "volcano" if orchestrator == "lws" else "default", str(api))
    try:
        planned = plan(asked.workloads, asked.machines, settings).workloads[0]
    except SpecError as error:
        raise SpecError(asked.relative(error.problems)) from None
    pod = _pod_spec(render(planned), chosen.name, rank == "leader")
    main = next(item for item in pod["containers"] if item["name"] == "main")
    return [*(main["command"] if with_command else ()), *main["args"]]


class _Question:
    """One reading of an input; ``alone``: it is one engine rather than a workload."""

    def __init__(self, value: object, given: Mapping[str, Any], degrees: bool = True) -> None:
        self.given = {name: item for name, item in given.items() if item is not None}
        self.alone = not (isinstance(value, Mapping) and "components" in value)
        self.numbers = not isinstance(value, Mapping)
        # What does not depend on the degrees may be asked without naming a backend
        raw = self._raw(value, degrees)
        machines, problems = read_machines(_named(self.given.pop("machines", ())), "machines")
        self.machines: tuple[Machine, ...] = machines
        defaults = _without(self.given.pop("defaults", {}), (*_WHERE, *_FIXED))
        if isinstance(defaults, Mapping):
            defaults = {"model": "model", **defaults}
        self._refuse_unknown()
        self.workloads, found = read_workloads(
            [raw], machines=machines, settings=Settings(), defaults=defaults, root=_ROOT
        )
        problems = [*problems, *self.relative(found)]
        if problems:
            raise SpecError(problems)

    @property
    def workload(self) -> Workload:
        return self.workloads[0]

    def components(self) -> tuple[Component, ...]:
        named = [one for one in self.workload.components if not self.alone or one.name == self.name]
        return tuple(named)

    def said(self, key: str) -> object:
        return self._said.get(key)

    def relative(self, problems: Sequence[Problem]) -> list[Problem]:
        """The problems with paths as whoever wrote the template knows them."""
        return [
            Problem(self._path(problem.path), problem.value, problem.message, problem.check) for problem in problems
        ]

    def _path(self, path: str) -> str:
        if self.alone:
            own = format_path((_STEM, "components", self.name))
            for prefix in (f"{own}.parallelism.", f"{own}.") if self.numbers else (f"{own}.",):
                if path.startswith(prefix):
                    return path[len(prefix) :] if self.numbers else f"component.{path[len(prefix) :]}"
            if path == own:
                return "gpus_per_node" if self.numbers else "component"
        return _ROOT + path[len(_STEM) :] if path.startswith(_STEM) else path

    def _raw(self, value: object, degrees: bool) -> dict[str, Any]:
        self._said: Mapping[str, Any] = {}
        raw: dict[str, Any]
        if isinstance(value, Mapping) and "components" in value:
            self._said = value
            self.name = ""
            raw = {**_FIXED, **_without(value, (*_WHERE, *_FIXED))}
            if "backend" in self.given:
                raw["backend"] = self.given.pop("backend")
            if not degrees:
                if isinstance(value["components"], list):
                    raw["components"] = [_without(item, _OF_BACKEND) for item in value["components"]]
                raw["backend"] = "vllm"
            return raw
        if value is None or value == "":
            raise _error("node_count", value, f"is {shown(value)}; a workload, a component, or a number of machines")
        component: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"node_count": value}
        self.name = str(component.setdefault("name", _ENGINE))
        if not component.get("gpus_per_node") and "gpus_per_node" in self.given:
            component["gpus_per_node"] = self.given["gpus_per_node"]
        self.given.pop("gpus_per_node", None)
        pins = {name: self.given.pop(name) for name in _PINS if name in self.given}
        own = component.get("parallelism") or {}
        if pins and isinstance(own, Mapping):
            component["parallelism"] = {**own, **pins}
        raw = {**_FIXED, "model": self.given.pop("model", "model")}
        backend = self.given.pop("backend", None if degrees else "vllm")
        if backend is None:
            raise _error("backend", None, "is required with a component or a number: one of vllm, sglang, trtllm")
        if not degrees:
            component = _without(component, _OF_BACKEND)
        return {**raw, "backend": backend, "components": [component, *_counterpart(component)]}

    def _refuse_unknown(self) -> None:
        for name, item in self.given.items():
            if name in ("gpus_per_node", "model", *_PINS):
                raise _error(name, item, "means nothing beside a workload, which has its own")
            known = ["backend", "model", "gpus_per_node", "machines", "defaults", *_PINS]
            raise _error(name, item, f"is not a known argument{nearest(name, known)}")


def _named(machines: Any) -> Any:
    """Names are not asked for, and a filter before this one may have left a generator."""
    if isinstance(machines, (str, bytes, Mapping)) or not isinstance(machines, Iterable):
        return machines
    return [
        {"name": f"machine-{index}", **machine} if isinstance(machine, Mapping) else machine
        for index, machine in enumerate(machines)
    ]


def _counterpart(component: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What completes a workload: for half of a disaggregated one the other half, for a frontend an engine."""
    others = {"prefill": "decode", "decode": "prefill", "worker": None}
    other = others.get(str(component.get("role") or "worker"), "worker")
    if other is None:
        return []
    name = f"{other}-x" if component["name"] == other else other
    return [{"name": name, "role": other, "gpus_per_node": 1}]


def _without(raw: Any, keys: Sequence[str]) -> Any:
    """What is no map is left for the reader to refuse."""
    return {name: item for name, item in raw.items() if name not in keys} if isinstance(raw, Mapping) else raw


def _chosen(asked: _Question, name: str | None) -> Component:
    engines = [one for one in asked.components() if one.engine]
    if not engines:
        raise _error("component", name, "runs no engine: roles worker, prefill and decode do")
    if name is None and len(engines) == 1:
        return engines[0]
    known = [one.name for one in engines]
    for engine in engines:
        if engine.name == name:
            return engine
    said = "is required" if name is None else f"is {shown(name)}"
    raise _error("component", name, f"{said}; one of {', '.join(known)}{nearest(name, known)}")


def _pod_spec(objects: Sequence[Mapping[str, Any]], component: str, leader: bool) -> Mapping[str, Any]:
    """The rendered pod spec of one rank, on whichever target."""
    found: list[Mapping[str, Any]] = []
    for item in objects:
        spec = item.get("spec") or {}
        mine = ((item.get("metadata") or {}).get("labels") or {}).get(COMPONENT_LABEL) == component
        if item["kind"] == "DynamoGraphDeployment":
            found += [one["podTemplate"]["spec"] for one in spec["components"] if one["name"] == component]
        elif item["kind"] == "LeaderWorkerSet" and mine:
            found.append(spec["leaderWorkerTemplate"]["leaderTemplate" if leader else "workerTemplate"]["spec"])
        elif item["kind"] == "PodCliqueSet" and mine:
            wanted = "ldr" if leader else "wkr"
            found += [one["spec"]["podSpec"] for one in spec["template"]["cliques"] if one["name"] == wanted]
    return found[0]


def _error(path: str, value: object, message: str) -> SpecError:
    return SpecError([Problem(path, value, message)])
