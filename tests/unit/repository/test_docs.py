# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import queues
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS, Ask, of_platform
from ansible_collections.dynamo.multinode.plugins.module_utils.versions import default

from tools.bootstrap import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
TESTS = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))


def test_every_finding_is_explained() -> None:
    told = (ROOT / "docs" / "when-it-fails.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py"))
    assert (
        sorted(name for name in set(re.findall(r'"(MN-[FN]\d+)"', code)) if not re.search(rf"\b{name}\b", told)) == []
    )


# The failures that the project is to name by their ids, or to prevent: spelt out, so that none is lost with its code
CATALOGUE = (
    *(20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 49, 56),
    *(60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 80, 81, 83, 84, 88, 90, 94, 95),
    *(101, 102, 106, 108, 109),
)


@pytest.mark.parametrize("number", CATALOGUE)
def test_every_failure_of_the_catalogue_is_on_the_page_and_in_the_name_of_a_test(number: int) -> None:
    told = (ROOT / "docs" / "when-it-fails.md").read_text(encoding="utf-8")
    assert re.search(rf"\bMN-F{number}\b", told)
    assert re.search(rf"def test_(?:f\d+_and_)*f{number}_", TESTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.name != "README.md" and f"/docs/{page.name})" not in told] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_playbooks_and_inventories_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"\b((?:playbooks|inventories)/[\w.-]+)", page.read_text(encoding="utf-8"))
    known = {name for name in named if not name.startswith("inventories/mine")}
    assert [name for name in sorted(known) if not (ROOT / name.rstrip(".")).exists()] == []


def examples() -> list[tuple[str, dict[str, Any]]]:
    """The maps among the YAML examples of the docs, by page."""
    found = []
    for page in [ROOT / "README.md", *PAGES]:
        for text in re.findall(r"(?ms)^```yaml\n(.*?)^```", page.read_text(encoding="utf-8")):
            found += [(page.name, item) for item in yaml.safe_load_all(text) if isinstance(item, dict)]
    return found


def test_examples_of_platform_and_queues_are_what_the_collection_takes() -> None:
    seen: Counter[str] = Counter()
    for page, example in examples():
        platform = dict(example.get("multinode_platform") or {})
        platform.update({name: example[name] for name in COMPONENTS if isinstance(example.get(name), dict)})
        for asked in of_platform(platform):
            version = asked.version or default(asked.name, "v1.34.0") or ""
            apis = {"config.openshift.io": ["v1"]} if page == "openshift.md" else {}
            ask = Ask(settings=asked.settings, values=asked.values, version=version, facts={"apis": apis})
            told = [item for check in COMPONENTS[asked.name].checks for item in check(ask, {"present": False})]
            assert not [str(item) for item in told if item.id == "MN-N40"], page
            seen[asked.name] += asked.name in platform
        if "multinode_queues" in example:
            assert queues.load(example["multinode_queues"], "kai")[1] == (), page
            seen["queues"] += 1
    assert set(seen) == {*COMPONENTS, "queues"}
    assert all(seen[name] for name in ("gpu_operator", "network_operator", "dynamo_platform", "grove", "queues"))
