# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.bootstrap import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


def test_every_finding_is_explained() -> None:
    told = (ROOT / "docs" / "when-it-fails.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py"))
    assert (
        sorted(name for name in set(re.findall(r'"(MN-[FN]\d+)"', code)) if not re.search(rf"\b{name}\b", told)) == []
    )


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
