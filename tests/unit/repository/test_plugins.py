# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every plugin file has: headers, and for modules the whole documentation."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "plugins").rglob("*.py"))
MODULES = [path for path in FILES if path.parent == ROOT / "plugins" / "modules" and path.stem != "__init__"]
HEADER = ("Copyright: (c)", "GNU General Public License v3.0+", "SPDX-License-Identifier: GPL-3.0-or-later")


def ids(path: Path) -> str:
    return path.relative_to(ROOT / "plugins").as_posix()


@lru_cache
def block(path: Path, name: str) -> Any:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return yaml.safe_load(ast.literal_eval(node.value))
    pytest.fail(f"{ids(path)} has no {name}")


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_header(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text:
        head = text[:600]
        assert [line for line in HEADER if line not in head] == []


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_annotations_come_from_the_future(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    first = next((node for node in body if not isinstance(node, ast.Expr)), None)
    if first is not None:
        assert isinstance(first, ast.ImportFrom) and first.module == "__future__"
        assert [alias.name for alias in first.names] == ["annotations"]


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_documentation(path: Path) -> None:
    documentation = block(path, "DOCUMENTATION")
    assert documentation["module"] == path.stem
    assert documentation["version_added"]
    assert documentation["short_description"] and documentation["description"] and documentation["author"]


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_attributes_say_what_check_and_diff_mode_do(path: Path) -> None:
    attributes = block(path, "DOCUMENTATION").get("attributes", {})
    assert {"check_mode", "diff_mode", "idempotent"} <= set(attributes)
    assert [
        name for name, value in attributes.items() if not value.get("support") or not value.get("description")
    ] == []


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_examples_use_full_names(path: Path) -> None:
    examples = block(path, "EXAMPLES")
    assert examples and all("name" in task for task in examples)
    assert any(f"dynamo.multinode.{path.stem}" in task for task in examples)


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_returns_are_described(path: Path) -> None:
    for name, value in block(path, "RETURN").items():
        assert value.get("description") and value.get("type") and value.get("returned"), name
