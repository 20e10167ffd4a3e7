# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix, its page, the roles and the inventories say the same versions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import versions

from tools.bootstrap import ROOT
from tools.versions_doc import PAGE, page

LAB = "v1.34.4"
CHARTS = {
    "gpu-operator": "gpu_operator",
    "network-operator": "network_operator",
    "kai-scheduler": "kai_scheduler",
    "grove-charts": "grove",
    "volcano": "volcano",
    "lws": "lws",
    "dynamo-platform": "dynamo_platform",
}
ARCHIVE = re.compile(rf"\b({'|'.join(CHARTS)})-v?(\d[\w.-]*?)\.tgz")


def test_the_page_is_what_the_matrix_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tools.versions_doc"


@pytest.mark.parametrize("component", versions.known_components())
def test_no_role_has_a_version_of_its_own(component: str) -> None:
    """Role defaults take the user's version or none; the matrix alone knows what "none" is."""
    role = ROOT / "roles" / component
    defaults: dict[str, Any] = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    default = defaults[f"{component}_version"]
    assert "multinode_platform" in default and "default('', true)" in default, default
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    stated = specs["argument_specs"]["main"]["options"][f"{component}_version"].get("default", "")
    assert not re.search(r"\d+\.\d+\.\d+", str(stated)), stated
    text = "".join(path.read_text(encoding="utf-8") for path in role.rglob("tasks/*.yml"))
    assert not re.search(r"_version: *[\"']?v?\d+\.\d+", text)


def sources() -> list[Path]:
    return sorted(path for folder in ("inventories", "molecule") for path in (ROOT / folder).rglob("*.yml"))


def test_the_inventories_and_scenarios_have_the_charts_of_the_default_set() -> None:
    chosen = versions.chosen(LAB)
    found = [
        (path.relative_to(ROOT).as_posix(), CHARTS[chart], version)
        for path in sources()
        if "upgrade" not in path.parts
        for chart, version in ARCHIVE.findall(path.read_text(encoding="utf-8"))
    ]
    assert found
    assert [item for item in found if item[2] != chosen[item[1]]] == []


def test_the_inventories_name_dynamos_that_have_a_set() -> None:
    named = [
        (path.relative_to(ROOT).as_posix(), version)
        for path in sources()
        for version in re.findall(r"(?m)^multinode_dynamo_version:\s*[\"']?([\w.-]+)", path.read_text(encoding="utf-8"))
    ]
    assert [item for item in named if versions.version_set(item[1]) is None] == []
