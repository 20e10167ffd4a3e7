# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/examples as data, and the table of docs/upstream-examples.md that is made from it.

``PYTHONPATH=.cache/collections python -m tests.unit.examples.catalogue`` writes the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "inventories" / "examples"
PAGE = ROOT / "docs" / "upstream-examples.md"
BEGIN, END = "<!-- made from inventories/examples -->\n", "<!-- end -->\n"
GUIDE = "guide"
_RANGE = re.compile(r"(.*)\[(\d+):(\d+)\](.*)")


@dataclass(frozen=True)
class Example:
    """One file: ``variables`` as the inventory sets them, ``told``: its ``example``."""

    path: Path
    variables: dict[str, Any]
    machines: list[dict[str, Any]]
    told: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def upstream(self) -> str:
        return str(self.told["upstream"])

    @property
    def components(self) -> list[dict[str, Any]]:
        return list(self.told["components"])

    @property
    def differences(self) -> dict[str, str]:
        """What is said in another way -> why."""
        return {name: why for item in self.told.get("differences", []) for name, why in item.items()}

    def given(self) -> dict[str, Any]:
        """What the role hands to the module."""
        given = {name.removeprefix("multinode_"): value for name, value in self.variables.items()}
        given["defaults"] = given.pop("workload_defaults", {})
        return {**given, "machines": self.machines}

    def plan(self, orchestrator: str = "grove") -> FleetPlan:
        """As the inventory has it, or on LWS and Volcano."""
        lws = {"orchestrator": "lws", "scheduler": "volcano"} if orchestrator == "lws" else {}
        return load({**self.given(), **lws})


def examples() -> list[Example]:
    return [_example(path) for path in sorted(FOLDER.glob("*.yml"))]


def _example(path: Path) -> Example:
    inventory = yaml.safe_load(path.read_text(encoding="utf-8"))["all"]
    variables = dict(inventory["vars"])
    told = variables.pop("example")
    nodes = inventory["children"]["gpu_nodes"]
    machines = [
        {"name": name, **nodes["vars"]["multinode_node"]} for pattern in nodes["hosts"] for name in _names(pattern)
    ]
    return Example(path, variables, machines, told)


def _names(pattern: str) -> list[str]:
    """A host pattern as Ansible expands it."""
    match = _RANGE.fullmatch(pattern)
    if match is None:
        return [pattern]
    before, first, last, after = match.groups()
    return [f"{before}{number:0{len(first)}d}{after}" for number in range(int(first), int(last) + 1)]


def table(found: list[Example]) -> str:
    """The page's part between BEGIN and END."""
    lines = [
        "| upstream | component | engines | machines x GPUs | degrees | target | here | differs in |",
        "|---|---|---|---|---|---|---|---|",
    ]
    reasons = []
    for example in found:
        plan = example.plan()
        differs = ", ".join(
            f"{name} (upstream's is a placeholder)" if "is a placeholder" in why else name
            for name, why in example.differences.items()
        )
        source = "the guide" if example.upstream == GUIDE else f"`{example.upstream}`"
        for component in example.components:
            workload = next(one for one in plan.workloads if one.name == component["workload"])
            target = f"{workload.workload.backend}, {workload.choice.workload_api} on {workload.choice.orchestrator}"
            shape = f"{component['node_count']} x {component['gpus_per_node']} = {component['total_gpus']}"
            name = component["upstream"]
            if name != component["component"]:
                name = f"{name} (here {component['component']})"
            if example.upstream == GUIDE:
                name = component["workload"]
            here = f"`{example.name}`"
            row = (source, name, str(component["replicas"]), shape, _short(component["degrees"]), target, here, differs)
            lines.append("| " + " | ".join(row) + " |")
        if example.differences:
            reasons += ["", f"`{example.path.name}`", ""]
            reasons += [f"- **{name}**: {why}" for name, why in example.differences.items()]
    return "\n".join([*lines, "", "## Differences, and why", *reasons, ""]) + "\n"


def _short(degrees: dict[str, int]) -> str:
    letters = {"tensor": "TP", "pipeline": "PP", "data": "DP", "expert": "EP"}
    return " ".join(f"{letters[name]}{degree}" for name, degree in degrees.items() if degree > 1) or "TP1"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + table(examples()) + END + after, encoding="utf-8")
