# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact holds what an installed collection uses, and nothing else."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tools.artifact import build
from tools.bootstrap import LOCAL, ROOT

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


def test_the_installed_collection_works_without_the_clone(artifact: Path, tmp_path: Path) -> None:
    """By its playbook's full name, with an inventory from elsewhere, and no configuration of ours."""
    collections = tmp_path / "ansible_collections"
    collections.mkdir()
    (collections / "kubernetes").symlink_to((LOCAL / "collections" / "ansible_collections" / "kubernetes").resolve())
    config = tmp_path / "ansible.cfg"
    config.write_text("[defaults]\n", encoding="utf-8")
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_CONFIG": str(config)}

    def run(*words: str) -> str:
        argv = [str(LOCAL / "venv" / "bin" / words[0]), *words[1:]]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(tmp_path), str(artifact))
    manifests = tmp_path / "manifests"
    inventory = str(ROOT / "inventories" / "h100-lws")
    said = run("ansible-playbook", "-i", inventory, "-e", f"multinode_render_dir={manifests}", "dynamo.multinode.plan")
    assert "32 GPUs wanted, 128 in the fleet" in said
    assert "kind: LeaderWorkerSet" in "".join(path.read_text(encoding="utf-8") for path in manifests.iterdir())
