# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of each component, as a list or as multinode_platform has it; all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import COMPONENTS, definition
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import MODES
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, SpecError, nearest, shown

# The keys that every block has; the others are the component's own (Component.settings)
TEXTS = ("mode", "version", "namespace", "release", "chart", "chart_repo")
COMMON = (*TEXTS, "values", "charts")


@dataclass(frozen=True)
class Asked:
    """One component as the user asks for it; "" where nothing is said."""

    name: str
    mode: str = "auto"
    state: str = "present"
    version: str = ""
    namespace: str = ""
    release: str = ""
    chart: str = ""
    chart_repo: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    remove_crds: bool = False
    planned: bool = False


def of_components(entries: Iterable[Mapping[str, Any]]) -> list[Asked]:
    """The module's own list, whose shape Ansible has checked. Raises SpecError for settings that nobody knows."""
    asked = []
    problems: list[Problem] = []
    for entry in entries:
        given = {name: value for name, value in entry.items() if value is not None}
        settings = _settings(entry["name"], given.pop("settings", {}), f"{entry['name']}.settings", (), problems)
        asked.append(Asked(**given, settings=settings))
    if problems:
        raise SpecError(problems)
    return asked


def of_platform(platform: Mapping[str, Any], state: str = "present", *, remove_crds: bool = False) -> list[Asked]:
    """multinode_platform as it is: every known component, in the order of installation (absent: of removal).

    Raises SpecError with everything that is wrong in it.
    """
    problems: list[Problem] = []
    for name in platform:
        if name not in COMPONENTS:
            message = f"is not a known component{nearest(name, list(COMPONENTS))}; known are {', '.join(COMPONENTS)}"
            problems.append(Problem(f"multinode_platform.{name}", platform[name], message))
    asked = [_block(name, platform.get(name), state, remove_crds, problems) for name in COMPONENTS]
    if problems:
        raise SpecError(problems)
    return asked if state == "present" else asked[::-1]


def _block(name: str, block: Any, state: str, remove_crds: bool, problems: list[Problem]) -> Asked:
    path = f"multinode_platform.{name}"
    if block is None or block == "":
        block = {}
    if not isinstance(block, Mapping):
        problems.append(Problem(path, block, f"is {shown(block)}; a map, such as {{mode: adopt}}"))
        return Asked(name)
    texts = {key: "" if block.get(key) is None else block[key] for key in TEXTS}
    for key, value in texts.items():
        if isinstance(value, (Mapping, list, tuple)):
            problems.append(Problem(f"{path}.{key}", value, f"is {shown(value)}; a text"))
    texts = {key: str(value).strip() for key, value in texts.items()}
    texts["mode"] = texts["mode"] or "auto"
    if texts["mode"] not in MODES and not isinstance(block.get("mode"), (Mapping, list, tuple)):
        near = nearest(texts["mode"], MODES)
        message = f"is {shown(block['mode'])}; one of {', '.join(MODES)}{near}"
        problems.append(Problem(f"{path}.mode", block["mode"], message))
    charts = block.get("charts") or {}
    if not isinstance(charts, Mapping):
        problems.append(Problem(f"{path}.charts", charts, f"is {shown(charts)}; a map of version to chart"))
        charts = {}
    by_version = {versions.plain(str(version)): str(chart or "") for version, chart in charts.items()}
    texts["chart"] = texts["chart"] or by_version.get(versions.plain(texts["version"]), "")
    values = block.get("values") or {}
    if not isinstance(values, Mapping):
        problems.append(Problem(f"{path}.values", values, f"is {shown(values)}; a map, as in the chart's values.yaml"))
        values = {}
    own = {key: value for key, value in block.items() if key not in COMMON}
    settings = _settings(name, own, path, COMMON, problems)
    return Asked(name, state=state, values=values, settings=settings, remove_crds=remove_crds, planned=False, **texts)


def _settings(
    name: str, given: Mapping[str, Any], path: str, beside: tuple[str, ...], problems: list[Problem]
) -> dict[str, Any]:
    """The component's own settings without the empty ones; unknown keys go to ``problems``."""
    known = (*beside, *definition(name).settings)
    for key in given:
        if name in COMPONENTS and key not in definition(name).settings:
            listed = f"; known are {', '.join(known)}" if known else f"; {name} has no settings of its own"
            message = f"is not a known key{nearest(key, known) or listed}"
            problems.append(Problem(f"{path}.{key}", given[key], message))
    return {key: value for key, value in given.items() if value is not None and value != ""}
