# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that ``workload``, ``workload_plan`` and ``workload_info`` share, and the one way from them to a plan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.garbage import no_collection
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import machines_from_facts, plan
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import (
    SpecError,
    read_machines,
    read_settings,
    read_workloads,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import LEVELS

# Choices and types are left to spec.py, so that every error of every workload comes at once, with its path.
WORKLOAD_ARGS: dict[str, dict[str, Any]] = {
    "workloads": {"type": "list", "elements": "dict", "required": True},
    "defaults": {"type": "dict", "default": {}},
    "overlays": {"type": "dict", "default": {}},
    "machines": {"type": "list", "elements": "dict", "default": []},
    "orchestrator": {"type": "str", "default": "auto"},
    "scheduler": {"type": "str", "default": "auto"},
    "workload_api": {"type": "str", "default": "auto"},
    "dynamo_version": {"type": "str"},
    "topology_levels": {"type": "dict", "default": {}},
    "replace": {"type": "str", "default": "never"},
    "registry": {"type": "dict", "default": {}},
    # kubernetes.core has its own `proxy`: the way to the API server
    "pod_proxy": {"type": "dict", "default": {}},
    "airgap": {"type": "bool", "default": False},
}
_SETTINGS = (
    "orchestrator",
    "scheduler",
    "workload_api",
    "dynamo_version",
    "topology_levels",
    "replace",
    "registry",
    "airgap",
)


def load(params: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> FleetPlan:
    """Parses and plans the parameters of a module. Raises SpecError with everything that is wrong in any of them."""
    with no_collection():
        return _load(params, facts)


def _load(params: Mapping[str, Any], facts: Mapping[str, Any] | None) -> FleetPlan:
    settings, problems = read_settings(
        {**{key: params.get(key) for key in _SETTINGS}, "proxy": params.get("pod_proxy")}
    )
    levels = tuple(dict.fromkeys([*LEVELS, *settings.topology_levels]))
    machines, found = read_machines(params.get("machines") or [], levels=levels)
    problems += found
    if not params.get("machines"):
        machines = machines_from_facts(facts)
    workloads, found = read_workloads(
        params.get("workloads") or [],
        machines=machines,
        settings=settings,
        defaults=params.get("defaults"),
        overlays=params.get("overlays"),
        model_files=_model_files(params),
    )
    problems += found
    try:
        fleet = plan(workloads, machines, settings, facts)
    except SpecError as error:
        # A setting that cannot be read stands at auto here: what that would ask is not to be answered as well.
        mentioned = {problem.path for problem in problems}
        raise SpecError([*problems, *(one for one in error.problems if one.path not in mentioned)]) from None
    if problems:
        raise SpecError(problems)
    return fleet


def _model_files(params: Mapping[str, Any]) -> dict[str, str | OSError]:
    """Reads what ``model_config.path`` names anywhere, each file once; a failure is told with its place later."""
    files: dict[str, str | OSError] = {}
    for name in _named_files(params):
        if name not in files:
            try:
                with open(os.path.expanduser(name), encoding="utf-8", errors="replace") as file:
                    files[name] = file.read()
            except OSError as error:
                files[name] = error
    return files


def _named_files(params: Mapping[str, Any]) -> Iterator[str]:
    overlays = params.get("overlays")
    sources = [params.get("defaults"), *(overlays.values() if isinstance(overlays, Mapping) else ())]
    for source in (*sources, *(params.get("workloads") or ())):
        config = source.get("model_config") if isinstance(source, Mapping) else None
        path = config.get("path") if isinstance(config, Mapping) else None
        if isinstance(path, str) and path.strip():
            yield path.strip()
