# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact holds what an installed collection uses, and nothing else."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tools.artifact import build

# What may stand at the top; a new folder that is not for users belongs into build_ignore.
EXPECTED = {
    *("CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"),
    *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
}
NEEDED = {"LICENSE", "MANIFEST.json", "README.md", "meta/runtime.yml", "plugins/module_utils/__init__.py"}
MAX_BYTES = 1_000_000


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def members(artifact: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(artifact) as archive:
        return archive.getmembers()


def test_nothing_unexpected_is_inside(members: list[tarfile.TarInfo]) -> None:
    assert {member.name.split("/")[0] for member in members} <= EXPECTED


def test_no_leftovers_are_inside(members: list[tarfile.TarInfo]) -> None:
    leftovers = ("/tests/", "/molecule/", "__pycache__", ".pyc", "changelogs/fragments", ".plugin-cache")
    assert [member.name for member in members if any(part in f"/{member.name}" for part in leftovers)] == []


def test_what_is_needed_is_inside(members: list[tarfile.TarInfo]) -> None:
    assert {member.name for member in members} >= NEEDED


def test_no_links_are_inside(members: list[tarfile.TarInfo]) -> None:
    assert [member.name for member in members if member.issym() or member.islnk()] == []


def test_small(artifact: Path) -> None:
    assert artifact.stat().st_size < MAX_BYTES
