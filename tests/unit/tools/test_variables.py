# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import spec_schema
from ansible_collections.dynamo.multinode.plugins.module_utils.inventory_names import VARIABLES

from tools.bootstrap import ROOT
from tools.variables import PAGE, REST, page


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tools.variables"


def test_every_variable_that_a_role_reads_is_on_the_page() -> None:
    read: set[str] = set()
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        read |= set(re.findall(r"\bmultinode_[a-z_]+", path.read_text(encoding="utf-8")))
    assert {name for name in read - {"multinode_node"} if f"`{name}`" not in page()} == set()


def test_every_variable_on_the_page_is_read_by_a_role_or_playbook() -> None:
    files = [*(ROOT / "roles").glob("*/defaults/main.yml"), *(ROOT / "playbooks").rglob("*.yml")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name, *_ in REST if name not in text] == []


def test_the_names_that_are_known_are_those_on_the_page() -> None:
    settings = {f"multinode_{field.name}" for field in spec_schema.SETTINGS}
    assert set(VARIABLES) == {"multinode_node", *settings, *(name for name, *_ in REST)}


def test_every_playbook_begins_with_the_question_which_variables_nobody_reads() -> None:
    asked = {}
    for path in (ROOT / "playbooks").glob("*.yml"):
        plays = yaml.safe_load(path.read_text(encoding="utf-8"))
        tasks = [play["tasks"][0] for play in plays if "tasks" in play]
        asked[path.name] = [task.get("ansible.builtin.import_tasks") for task in tasks]
    assert asked.pop("site.yml") == []  # it has those of others
    assert {name for name, first in asked.items() if first != ["tasks/variables.yml"]} == set()


def test_the_example_inventories_use_known_variables_only() -> None:
    text = page()
    for path in (ROOT / "inventories").glob("*/group_vars/*.yml"):
        for name in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert not name.startswith("multinode_") or name == "multinode_node" or f"`{name}`" in text, (path, name)
