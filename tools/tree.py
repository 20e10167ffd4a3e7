# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the project, as git knows them, and copies of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools.bootstrap import ROOT


def project_files(root: Path = ROOT) -> tuple[str, ...]:
    """Paths, relative to `root`, of what is tracked or would be if added, and exists; sorted."""
    listed = subprocess.run(
        # A clone may belong to somebody else, as in many continuous integrations: git would refuse to read it.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(sorted({name for name in listed.split("\0") if name and (root / name).is_file()}))


def copy_project(target: Path, root: Path = ROOT) -> None:
    """Make `target` a copy of the project's files. What is unchanged keeps its time, so that caches by time hold."""
    names = project_files(root)
    wanted = set(names)
    if target.exists():
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(target).as_posix() not in wanted:
                path.unlink()
    for name in names:
        copy_changed(root / name, target / name)


def copy_changed(source: Path, target: Path) -> None:
    if target.is_file() and target.stat().st_mode == source.stat().st_mode and same(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def same(left: Path, right: Path) -> bool:
    return left.stat().st_size == right.stat().st_size and left.read_bytes() == right.read_bytes()
