# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certification asks of the collection's metadata."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.bootstrap import LOCAL

ROOT = Path(__file__).resolve().parents[3]
# galaxy-importer: one of these is required.
CERTIFIED_TAGS = {
    *("ai", "application", "cloud", "database", "eda", "infrastructure", "linux", "monitoring", "networking"),
    *("security", "storage", "tools", "windows"),
}
LOCKS = ("requirements-dev", *(f"tools/requirements/{name}" for name in ("importer", "oldest", "collections")))
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def lines(name: str) -> list[str]:
    """The requirements of a file, without comments, options, hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if NAME.match(line)]


def names(found: list[str]) -> set[str]:
    return {match[0].lower().replace("_", "-") for line in found if (match := NAME.match(line))}


def test_tags() -> None:
    tags = load("galaxy.yml")["tags"]
    assert CERTIFIED_TAGS & set(tags)
    assert len(tags) == len(set(tags)) <= 20
    assert [tag for tag in tags if not re.fullmatch(r"[a-z0-9]+", tag)] == []


def test_dependencies_have_lower_bounds() -> None:
    for name, bound in load("galaxy.yml")["dependencies"].items():
        assert re.fullmatch(r">=[1-9]\d*\.\d+\.\d+", bound), f"{name}: {bound}"


def test_license() -> None:
    assert load("galaxy.yml")["license"] == ["GPL-3.0-or-later"]
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_version_is_in_the_changelog() -> None:
    assert load("galaxy.yml")["version"] in load("changelogs/changelog.yaml")["releases"]


def test_the_action_group_lists_every_module_that_takes_credentials() -> None:
    groups = load("meta/runtime.yml")["action_groups"]
    modules = (ROOT / "plugins" / "modules").glob("[!_]*.py")
    talking = sorted(path.stem for path in modules if "k8s_auth_options" in path.read_text(encoding="utf-8"))
    assert groups == {"all": talking}


def test_runtime_requirements_are_lower_bounds() -> None:
    for line in lines("requirements.txt"):
        assert re.fullmatch(r"[A-Za-z0-9_-]+>=[\d.]+", line), line
    assert not any(name.startswith("ansible") for name in names(lines("requirements.txt")))


def test_an_execution_environment_gets_the_runtime_requirements() -> None:
    told = subprocess.run(
        [str(LOCAL / "venv" / "bin" / "ansible-builder"), "introspect", str(LOCAL / "collections")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # ansible-builder leaves PyYAML out: ansible-core brings it.
    for name in names(lines("requirements.txt")) - {"pyyaml"}:
        assert re.search(rf"(?im)^\s*- '{name}>=.*dynamo\.multinode", told), told


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_what_is_asked_for(lock: str) -> None:
    asked = lines(f"{lock}.in")
    if "-r requirements.txt" in (ROOT / f"{lock}.in").read_text(encoding="utf-8"):
        asked += lines("requirements.txt")
    assert names(asked) <= names(lines(f"{lock}.txt")), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_exact_and_name_no_index(lock: str) -> None:
    text = (ROOT / f"{lock}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"(?m)^\s*--(?!hash=)", text)
    assert [line for line in lines(f"{lock}.txt") if "==" not in line] == []
    assert text.count("--hash=sha256:") >= len(lines(f"{lock}.txt"))


def test_sanity_is_not_told_to_ignore_anything() -> None:
    assert list((ROOT / "tests" / "sanity").glob("ignore*")) == []


def test_ansible_lint_skips_nothing() -> None:
    settings = load(".ansible-lint")
    assert settings["profile"] == "production"
    assert not {"skip_list", "warn_list"} & set(settings)


def test_installed_kubernetes_core_satisfies_the_dependency() -> None:
    manifest = LOCAL / "collections" / "ansible_collections" / "kubernetes" / "core" / "MANIFEST.json"
    found = json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    wanted = load("galaxy.yml")["dependencies"]["kubernetes.core"].removeprefix(">=")
    assert tuple(map(int, found.split("."))) >= tuple(map(int, wanted.split(".")))
