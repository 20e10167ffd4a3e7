# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that ``workload``, ``workload_plan`` and ``workload_info`` share, and the one way from them to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.plan import FleetPlan, plan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import (
    Machine,
    Problem,
    Settings,
    SpecError,
    parse_machines,
    parse_settings,
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
}
_SETTINGS = ("orchestrator", "scheduler", "workload_api", "dynamo_version", "topology_levels", "replace")


def load(params: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> FleetPlan:
    """Parses and plans the parameters of a module. Raises SpecError with everything that is wrong in any of them."""
    problems: list[Problem] = []
    settings = Settings()
    try:
        settings = parse_settings({key: params.get(key) for key in _SETTINGS})
    except SpecError as error:
        problems += error.problems
    machines: tuple[Machine, ...] = ()
    try:
        levels = tuple(dict.fromkeys([*LEVELS, *settings.topology_levels]))
        machines = parse_machines(params.get("machines") or [], levels=levels)
    except SpecError as error:
        problems += error.problems
    # Workloads cannot be judged against machines or settings that could not be read.
    if problems:
        raise SpecError(problems)
    workloads, found = read_workloads(
        params.get("workloads") or [],
        machines=machines,
        settings=settings,
        defaults=params.get("defaults"),
        overlays=params.get("overlays"),
    )
    problems += found
    try:
        fleet = plan(workloads, machines, settings, facts)
    except SpecError as error:
        raise SpecError([*problems, *error.problems]) from None
    if problems:
        raise SpecError(problems)
    return fleet
