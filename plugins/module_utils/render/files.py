# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests as files: one per workload, recognised as ours by their first line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.render.yaml_text import dump_all

HEADER = "# Written by dynamo.multinode.workload_plan from the inventory; changes here are overwritten.\n"
SUFFIX = ".yaml"


class Change(NamedTuple):
    """What happens to one file: ``action`` is written or removed."""

    name: str
    action: str
    before: str
    after: str


def is_ours(text: str) -> bool:
    return text.startswith(HEADER)


def texts(plan: FleetPlan) -> dict[str, str]:
    """File name to text for every present workload. A dot cannot stand in a namespace, so names never meet."""
    return {
        f"{workload.namespace}.{workload.name}{SUFFIX}": HEADER + dump_all(render(workload))
        for workload in plan.workloads
    }


def changes(present: Mapping[str, str], wanted: Mapping[str, str]) -> list[Change]:
    """What is new or different, and what was ours and is rendered no longer, by name."""
    found = [
        Change(name, "written", present.get(name, ""), text)
        for name, text in wanted.items()
        if present.get(name) != text
    ]
    found += [Change(name, "removed", text, "") for name, text in present.items() if name not in wanted]
    return sorted(found)
