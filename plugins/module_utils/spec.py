# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw variables to typed values, or every error at once, each with its path.

``parse_machines``, ``parse_settings`` and ``parse_workloads`` take what Ansible hands over and raise SpecError. The
keys are the table in spec_schema.py; values are read by spec_values.py; what follows from them is checked in checks/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import spec_merge
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.catalog import (
    COMPONENT_CHECKS,
    ENGINE_CONFIG_CHECKS,
    GIVEN_CHECKS,
    POD_SPEC_CHECKS,
    WORKLOAD_CHECKS,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.given import gpu_slice, is_gpu
from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import Fleet
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import DEGREES, Degrees, solve
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import (
    Autoscaling,
    CompilationCache,
    Component,
    ComputeDomain,
    Machine,
    ModelCache,
    ModelConfig,
    Network,
    Parallelism,
    Resources,
    Router,
    Settings,
    Timeouts,
    Topology,
    Workload,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model_config import NotAModelConfig, numbers
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import (
    Problem,
    SpecError,
    format_path,
    nearest,
    shown,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import (
    COMPONENT,
    ENGINE_ROLES,
    MACHINE,
    ROLES,
    SETTINGS,
    WORKLOAD,
    Field,
    by_name,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_values import Reader, blank

__all__ = [
    "Component",
    "Degrees",
    "Machine",
    "Parallelism",
    "Problem",
    "Settings",
    "SpecError",
    "Workload",
    "parse_machines",
    "parse_settings",
    "parse_workloads",
    "read_machines",
    "read_settings",
    "read_workloads",
]


# Frozen, so that what most components say nothing about can be the same value in all of them.
_RESOURCES = Resources()
_AUTOSCALING = Autoscaling()


def parse_machines(
    raw: Sequence[Mapping[str, Any]], root: str = "multinode_node", levels: Sequence[str] = ("zone", "block", "rack")
) -> tuple[Machine, ...]:
    """The ``multinode_node`` of every host, each with ``name``. Raises SpecError; paths read ``root[name].key``."""
    machines, problems = read_machines(raw, root, levels)
    _raise(problems)
    return machines


def read_machines(
    raw: Sequence[Mapping[str, Any]], root: str = "multinode_node", levels: Sequence[str] = ("zone", "block", "rack")
) -> tuple[tuple[Machine, ...], list[Problem]]:
    """The machines without a problem, and the problems of the others."""
    reader = Reader()
    machines: list[Machine] = []
    seen: set[str] = set()
    fields = (*MACHINE, *(Field(level, "label_value", f"Topology domain: {level}.") for level in levels))
    for index, item in enumerate(_list(reader, raw, (root,))):
        name = item.get("name") if isinstance(item, (dict, Mapping)) else None
        where = f"{root}[{name}]" if isinstance(name, str) and name else format_path((root, index))
        before = len(reader.found)
        values = reader.fields(fields, item, (where,))
        if values["name"] and values["name"] in seen:
            reader.add((where, "name"), name, f"is {shown(name)}, which another machine has")
        seen.add(values["name"])
        for name, count in values["extra_resources"].items():
            if is_gpu(name):
                message = f"is {gpu_slice(name) or 'a GPU'}, which would count twice: GPUs are gpu_count"
                reader.add((where, "extra_resources", name), count, message, "MN-F17")
        if len(reader.found) == before:
            domains = {level: values[level] for level in levels if values[level]}
            for level in levels:
                del values[level]
            machines.append(Machine(domains=domains, **values))
    return tuple(machines), reader.problems()


def parse_settings(raw: Mapping[str, Any], prefix: str = "multinode_") -> Settings:
    """The cluster's choices, keys without ``multinode_``. Raises SpecError; paths read ``multinode_<key>``."""
    settings, problems = read_settings(raw, prefix)
    _raise(problems)
    return settings


def read_settings(raw: Mapping[str, Any], prefix: str = "multinode_") -> tuple[Settings, list[Problem]]:
    """The settings, with the default where one cannot be read, and what is wrong with those."""
    reader = Reader()
    values: dict[str, Any] = {entry.name: entry.default for entry in SETTINGS}
    known = by_name(SETTINGS)
    for key, value in raw.items():
        if key not in known:
            reader.add((f"{prefix}{key}",), value, f"is not a known key{nearest(key, list(known))}", "MN-F15")
        elif not blank(value, known[key]):
            values[key] = reader.value(known[key], value, (f"{prefix}{key}",))
    if not values["topology_levels"]:
        values["topology_levels"] = dict(known["topology_levels"].default)
    return Settings(**values), reader.problems()


def parse_workloads(
    raw: Sequence[Mapping[str, Any]],
    *,
    machines: Sequence[Machine],
    settings: Settings,
    defaults: Mapping[str, Any] | None = None,
    overlays: Mapping[str, Any] | None = None,
    root: str = "multinode_workloads",
    model_files: Mapping[str, str | OSError] | None = None,
) -> tuple[Workload, ...]:
    """All workloads, in order. Raises SpecError with every problem of every workload."""
    workloads, problems = read_workloads(
        raw,
        machines=machines,
        settings=settings,
        defaults=defaults,
        overlays=overlays,
        root=root,
        model_files=model_files,
    )
    _raise(problems)
    return workloads


def read_workloads(
    raw: Sequence[Mapping[str, Any]],
    *,
    machines: Sequence[Machine],
    settings: Settings,
    defaults: Mapping[str, Any] | None = None,
    overlays: Mapping[str, Any] | None = None,
    root: str = "multinode_workloads",
    model_files: Mapping[str, str | OSError] | None = None,
) -> tuple[tuple[Workload, ...], list[Problem]]:
    """The workloads without a problem, and the problems of the others.

    ``model_files``: what ``model_config.path`` names -> the file's text, or why it could not be read.
    """
    return _Workloads(machines, settings, defaults, overlays, root, model_files or {}).read(raw)


class _Workloads:
    """One reading of a list of workloads."""

    def __init__(
        self,
        machines: Sequence[Machine],
        settings: Settings,
        defaults: Mapping[str, Any] | None,
        overlays: Mapping[str, Any] | None,
        root: str,
        model_files: Mapping[str, str | OSError],
    ) -> None:
        self.fleet = Fleet(machines)
        self.model_files = model_files
        self.models: dict[str, Mapping[str, Any]] = {}
        self.checks: dict[tuple[bool, bool], tuple[Callable[[Workload, Component], Iterator[Issue]], ...]] = {}
        self.settings = settings
        self.root = root
        stem = root[: -len("workloads")] + "workload" if root.endswith("workloads") else root
        self.roots = (f"{stem}_overlays", f"{stem}_defaults")
        self.problems: list[Problem] = []
        self.overlays = self._mapping(overlays, self.roots[0])
        self.defaults = self._mapping(defaults, self.roots[1])
        if "name" in self.defaults:
            self._problem(f"{self.roots[1]}.name", self.defaults["name"], "cannot be the same for every workload")

    def read(self, raw: object) -> tuple[tuple[Workload, ...], list[Problem]]:
        reader = Reader()
        items = _list(reader, raw, (self.root,))
        if isinstance(raw, Sequence) and not isinstance(raw, str) and not items:
            reader.add((self.root,), raw, "is an empty list; at least one workload")
        self.problems += reader.problems()
        workloads: list[Workload] = []
        seen: dict[tuple[str, str], int] = {}
        names = [item.get("name") for item in items if isinstance(item, (dict, Mapping))]
        for name in self.overlays:
            if name not in names:
                known = [str(other) for other in names if other]
                self._problem(f"{self.roots[0]}.{name}", name, f"names no workload{nearest(name, known)}")
        for index, item in enumerate(items):
            workload = self._workload(item, index)
            name, namespace = self._identity(item)
            first = seen.setdefault((name, namespace), index)
            if name and first != index:
                message = (
                    f"is {name!r} in namespace {namespace!r}, the same as {self.root}[{first}]; "
                    "name and namespace together must be unique"
                )
                self._problem(f"{self.root}[{index}].name", name, message)
            elif workload is not None:
                workloads.append(workload)
        # What stands in the defaults is read with every workload, and told once
        return tuple(workloads), list({str(problem): problem for problem in self.problems}.values())

    def _identity(self, raw: object) -> tuple[str, str]:
        """Name and namespace as they are meant, whatever else is wrong with the workload."""
        if not isinstance(raw, (dict, Mapping)) or not isinstance(raw.get("name"), str):
            return "", ""
        overlay = self.overlays.get(raw["name"])
        sources = (overlay if isinstance(overlay, Mapping) else {}, raw, self.defaults)
        namespaces = [source["namespace"] for source in sources if not blank(source.get("namespace"))]
        namespace = namespaces[0] if namespaces else by_name(WORKLOAD)["namespace"].default
        return str.__str__(raw["name"]).strip(), str(namespace).strip()

    def _workload(self, raw: object, index: int) -> Workload | None:
        path: tuple[str | int, ...] = (self.root, index)
        reader = Reader()
        if not isinstance(raw, (dict, Mapping)):
            self._problem(format_path(path), raw, f"is {shown(raw)}; a map with at least name, backend, model, image")
            return None
        overlay = self.overlays.get(str(raw.get("name")), {})
        if not isinstance(overlay, Mapping):
            self._problem(f"{self.roots[0]}.{raw.get('name')}", overlay, f"is {shown(overlay)}; a map")
            overlay = {}
        if "name" in overlay and overlay["name"] != raw.get("name"):
            self._problem(f"{self.roots[0]}.{raw.get('name')}.name", overlay["name"], "cannot rename a workload")
        overlay = self._known_components(raw, overlay)
        merged = spec_merge.merged(self.defaults, raw, overlay)
        sources = (
            (overlay, (self.roots[0], str(raw.get("name")))),
            (raw, path),
            (self.defaults, (self.roots[1],)),
        )
        workload = self._build(reader, merged, path, sources)
        for found, value, message, check in reader.found:
            where = spec_merge.place(sources, found[len(path) :])
            self.problems.append(Problem(where, value, message, check))
        return None if reader.found else workload

    def _known_components(self, raw: Mapping[str, Any], overlay: Mapping[str, Any]) -> Mapping[str, Any]:
        """An overlay changes components; a name that it alone has is a slip, not a new component."""
        own = spec_merge.named(raw.get("components") or self.defaults.get("components"))
        over = spec_merge.named(overlay.get("components"))
        if own is None or over is None:
            return overlay
        for name in over:
            if name not in own:
                path = f"{self.roots[0]}.{raw.get('name')}.components.{name}"
                self._problem(path, name, f"names no component of this workload{nearest(name, list(own))}")
        return {**overlay, "components": [item for name, item in over.items() if name in own]}

    def _build(
        self, reader: Reader, raw: Mapping[str, Any], path: tuple[str | int, ...], sources: spec_merge.Sources
    ) -> Workload | None:
        state = raw.get("state")
        if isinstance(state, str) and state.strip().lower() == "absent":
            return self._absent(reader, raw, path)
        values = reader.fields(WORKLOAD, raw, path)
        if not blank(raw.get("components")) and not raw["components"]:
            reader.add((*path, "components"), raw["components"], "is an empty list; at least one component")
        product = values["gpu_product"]
        if product and self.fleet.machines and not self.fleet.matching(product):
            known = ", ".join(self.fleet.products)
            message = f"is {product!r}, which no machine has; {known}{nearest(product, self.fleet.products)}"
            reader.add((*path, "gpu_product"), product, message)
        components = [
            self._component(reader, item, (*path, "components"), number, values)
            for number, item in enumerate(values.pop("components") or [])
        ]
        self._unique(reader, raw.get("components"), path)
        topology = values["topology"]
        levels = self.settings.topology_levels
        if topology and topology["pack"] and topology["pack"] not in levels:
            pack = topology["pack"]
            message = f"is {pack!r}; one of {', '.join(levels)}{nearest(pack, list(levels))}"
            reader.add((*path, "topology", "pack"), pack, message)
        cache = self._model_cache(reader, values.pop("model_cache"), path)
        nested: dict[str, Any] = {
            "topology": Topology(**topology) if topology else None,
            "model_config": self._model_config(reader, values["model_config"] or {}, path),
            "model_cache": cache,
            "compilation_cache": CompilationCache(**values["compilation_cache"])
            if values["compilation_cache"]
            else None,
            "network": Network(**values["network"] or {}),
            "compute_domain": ComputeDomain(**values["compute_domain"])
            if values["compute_domain"] is not None
            else None,
            "router": Router(**values["router"] or {}),
            "timeouts": Timeouts(**values["timeouts"] or {}),
        }
        values.update(nested)
        del values["extra_resources"]  # decided per component
        values["replace"] = values["replace"] or self.settings.replace
        found = tuple(component for component in components if component is not None)
        workload = Workload(path=format_path(path), components=found, sources=sources, **values)
        self._check(reader, workload, path, complete=bool(components) and None not in components)
        return workload

    def _absent(self, reader: Reader, raw: Mapping[str, Any], path: tuple[str | int, ...]) -> Workload:
        fields = tuple(entry for entry in WORKLOAD if entry.name in ("name", "namespace"))
        for key in raw:
            if key not in by_name(WORKLOAD):
                reader.unknown(key, raw[key], WORKLOAD, path)
        identity = {entry.name: raw.get(entry.name) for entry in fields if entry.name in raw}
        values = reader.fields(fields, identity, path)
        replace = raw.get("replace")
        allowed = isinstance(replace, str) and replace.strip().lower() == "allow"
        return Workload(
            format_path(path),
            values["name"] or "",
            values["namespace"],
            "absent",
            replace="allow" if allowed else self.settings.replace,
        )

    def _component(
        self,
        reader: Reader,
        raw: object,
        parent: tuple[str | int, ...],
        index: int,
        workload: Mapping[str, Any],
    ) -> Component | None:
        name = raw.get("name") if isinstance(raw, (dict, Mapping)) else None
        path: tuple[str | int, ...] = (*parent, index)
        if isinstance(name, str) and name.strip():
            path = (*parent, name)
        before = len(reader.found)
        role = self._given(reader, raw, path)
        named = {found[0] for found in reader.found[before:]}
        read = len(reader.found)
        values = reader.fields(COMPONENT, raw, path)
        if not isinstance(raw, (dict, Mapping)):
            return None
        if named:
            # What a check has said better is not said again.
            reader.found[read:] = [found for found in reader.found[read:] if found[0] not in named]
        engine = role in ENGINE_ROLES
        if engine and values["gpus_per_node"] is None and len(reader.found) == before:
            values["gpus_per_node"] = self._gpus_per_node(reader, path, workload["gpu_product"])
        if len(reader.found) > before:
            return None
        nodes, gpus = values["node_count"], values["gpus_per_node"] or 0
        wanted = Parallelism(**(values.pop("parallelism") or {}))
        degrees = None
        if engine and workload["backend"]:
            pins = {name: getattr(wanted, name) for name in DEGREES}
            solved = solve(workload["backend"], nodes, gpus, wanted.strategy, **pins)
            degrees = solved if isinstance(solved, Degrees) else None
        extras = workload["extra_resources"]
        if extras is None:
            extras = self.fleet.whole_machine_extras(workload["gpu_product"], gpus)
        values.update(
            gpus_per_node=gpus if engine else 0,
            spread=(nodes > 1 if values["spread"] is None else values["spread"]) and engine,
            resources=Resources(**values["resources"]) if values["resources"] else _RESOURCES,
            autoscaling=Autoscaling(**values["autoscaling"]) if values["autoscaling"] else _AUTOSCALING,
            extra_resources=dict(extras) if engine else {},
            leader_pod_spec=(values.pop("leader") or {}).get("pod_spec") or {},
            worker_pod_spec=(values.pop("worker") or {}).get("pod_spec") or {},
        )
        return Component(path=format_path(path), parallelism=wanted, degrees=degrees, **values)

    def _given(self, reader: Reader, raw: object, path: tuple[str | int, ...]) -> str:
        """The role as it is meant, once the checks that need the raw component have spoken."""
        standard = str(by_name(COMPONENT)["role"].default)
        if not isinstance(raw, (dict, Mapping)):
            return standard
        given = raw.get("role")
        role = (given.strip().lower() if isinstance(given, str) else "") or standard
        for check in GIVEN_CHECKS if role in ROLES else ():
            for issue in check(raw, role):
                reader.add((*path, *issue.path), issue.value, issue.message, issue.check)
        return role

    def _gpus_per_node(self, reader: Reader, path: tuple[str | int, ...], product: str | None) -> int | None:
        counts = self.fleet.gpu_counts(product)
        if len(counts) == 1:
            return next(iter(counts))
        if not counts:
            message = "`gpus_per_node` is required: no machine is known whose GPU count could be taken"
        else:
            seen = ", ".join(f"{gpus} GPUs on {number}" for gpus, number in sorted(counts.items()))
            message = f"`gpus_per_node` is required (or gpu_product): the matching machines differ ({seen})"
        reader.add(path, None, message)
        return None

    def _model_config(self, reader: Reader, given: Mapping[str, Any], path: tuple[str | int, ...]) -> ModelConfig:
        """The numbers that stand in the input, over those of the file that it names."""
        given = dict(given)
        name = given.pop("path", None)
        found: Mapping[str, Any] = {}
        if name:
            try:
                found = self._model_numbers(name)
            except NotAModelConfig as error:
                reader.add((*path, "model_config", "path"), name, f"is {name!r}, which {error}")
        return ModelConfig(**{key: found.get(key) if value is None else value for key, value in given.items()})

    def _model_numbers(self, name: str) -> Mapping[str, Any]:
        """Every file is parsed once, however many workloads name it."""
        if name not in self.models:
            text = self.model_files.get(name)
            if text is None:
                raise NotAModelConfig("was not read")
            if isinstance(text, OSError):
                raise NotAModelConfig(f"cannot be read on the machine that runs this ({text.strerror or text})")
            self.models[name] = numbers(text)
        return self.models[name]

    def _model_cache(self, reader: Reader, values: Any, path: tuple[str | int, ...]) -> ModelCache | None:
        if not values:
            return None
        where = (*path, "model_cache")
        if any(found[: len(where)] == where for found, *_rest in reader.found):
            return None
        needed = {"pvc": ("claim",), "nfs": ("server", "path"), "host_path": ("path",)}
        allowed = {
            "pvc": ("claim", "create", "size", "storage_class"),
            "nfs": ("server", "path"),
            "host_path": ("path",),
        }
        kind = values["type"]
        for key in needed[kind]:
            if not values[key]:
                reader.add(where, None, f"`{key}` is required with type {kind}")
        for key in ("claim", "create", "size", "storage_class", "server", "path"):
            if values[key] and key not in allowed[kind]:
                reader.add((*where, key), values[key], f"means nothing with type {kind}")
        if kind == "pvc" and values["create"] and not values["size"]:
            reader.add(where, None, "`size` is required with create")
        for key in ("size", "storage_class"):
            if kind == "pvc" and values[key] and not values["create"]:
                reader.add((*where, key), values[key], "means something only with create")
        if values["read_only"] is None:
            values["read_only"] = not values["create"]
        return ModelCache(**values)

    def _unique(self, reader: Reader, raw: object, path: tuple[str | int, ...]) -> None:
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            return
        seen: dict[str, int] = {}
        for index, item in enumerate(raw):
            name = item.get("name") if isinstance(item, (dict, Mapping)) else None
            if not isinstance(name, str):
                continue
            if name in seen:
                message = f"is {name!r}, the same as components[{seen[name]}]; names are unique in a workload"
                reader.add((*path, "components", index, "name"), name, message)
            seen.setdefault(name, index)

    def _check(self, reader: Reader, workload: Workload, path: tuple[str | int, ...], complete: bool) -> None:
        # What could not be read stands at its default here; only what depends on it is left out.
        for check in WORKLOAD_CHECKS if complete else ():
            for issue in check(workload, self.settings):
                reader.add((*path, *issue.path), issue.value, issue.message, issue.check)
        for component in workload.components if workload.backend else ():
            for component_check in self._checks_of(component):
                for issue in component_check(workload, component):
                    where = (*path, "components", component.name, *issue.path)
                    reader.add(where, issue.value, issue.message, issue.check)

    def _checks_of(self, component: Component) -> tuple[Callable[[Workload, Component], Iterator[Issue]], ...]:
        """The checks that can have something to say, chosen once per kind of component."""
        patched = bool(component.pod_spec or component.leader_pod_spec or component.worker_pod_spec)
        kind = (patched, bool(component.engine_config))
        if kind not in self.checks:
            quiet = (frozenset() if patched else POD_SPEC_CHECKS) | (frozenset() if kind[1] else ENGINE_CONFIG_CHECKS)
            self.checks[kind] = tuple(check for check in COMPONENT_CHECKS if check not in quiet)
        return self.checks[kind]

    def _mapping(self, raw: Mapping[str, Any] | None, root: str) -> Mapping[str, Any]:
        if raw is None:
            return {}
        if isinstance(raw, (dict, Mapping)):
            return raw
        self._problem(root, raw, f"is {shown(raw)}; a map")
        return {}

    def _problem(self, path: str, value: object, message: str) -> None:
        self.problems.append(Problem(path, value, message))


def _list(reader: Reader, raw: object, path: tuple[str | int, ...]) -> Sequence[Any]:
    if isinstance(raw, (str, Mapping)) or not isinstance(raw, Sequence):
        reader.add(path, raw, f"is {shown(raw)}; a list")
        return []
    return raw


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise SpecError(problems)
