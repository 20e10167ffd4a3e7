# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.tree import copy_project, project_files


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, text in {"a.txt": "a", "deep/b.txt": "b", "ignored.log": "x", ".gitignore": "*.log\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run(["git", "add", "a.txt"], cwd=root, check=True)
    return root


def files(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_files_are_those_that_git_has_or_would_take(repository: Path) -> None:
    assert project_files(repository) == (".gitignore", "a.txt", "deep/b.txt")


def test_a_deleted_file_is_gone_before_it_is_committed(repository: Path) -> None:
    (repository / "a.txt").unlink()
    assert "a.txt" not in project_files(repository)


def test_a_copy_follows_the_tree_and_leaves_alone_what_did_not_change(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy_project(target, repository)
    untouched = (target / "a.txt").stat().st_mtime_ns
    (repository / "deep" / "b.txt").unlink()
    (repository / "c.txt").write_text("c", encoding="utf-8")
    (target / "leftover").mkdir()
    copy_project(target, repository)
    assert files(target) == {".gitignore": "*.log\n", "a.txt": "a", "c.txt": "c"}
    assert (target / "a.txt").stat().st_mtime_ns == untouched
    assert not (target / "deep").exists()
