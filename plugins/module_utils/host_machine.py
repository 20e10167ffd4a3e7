# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that touches a machine: files below a root, and the few commands. It only reads."""

from __future__ import annotations

import glob
import os
import subprocess
from collections.abc import Sequence

SECONDS = 20
# A login without a terminal often has no sbin on its PATH
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Unread(Exception):
    """Something could not be read; the message is the reason, for people."""


class Machine:
    """``root``: where the machine's files are, "/" on the machine itself. ``commands``: folders that are searched first
    for commands; below another root they are the only ones, so that no command of this machine answers for that one."""

    def __init__(self, root: str = "/", commands: Sequence[str] = ()) -> None:
        self.root = root.rstrip("/")
        self.folders = list(commands) + ([] if self.root else [*os.environ.get("PATH", "").split(":"), *SYSTEM_PATH])

    def path(self, path: str) -> str:
        """Where a path of the machine is found."""
        return self.root + path

    def has(self, path: str) -> bool:
        """Whether a path is there; what may not be looked at counts as not there."""
        return os.path.lexists(self.path(path))

    def bytes(self, path: str, size: int = -1) -> bytes:
        """Raises Unread, with FileNotFoundError as its cause where nothing is there."""
        try:
            with open(self.path(path), "rb") as handle:
                return handle.read(size)
        except OSError as error:
            raise Unread(f"{path}: {error.strerror}") from error

    def text(self, path: str) -> str:
        """The whole file. Raises Unread."""
        return self.bytes(path).decode("utf-8", "replace")

    def short(self, path: str) -> str:
        """A file without the space around it, "" where it cannot be read: the kernel leaves out what does not apply."""
        try:
            return self.text(path).strip()
        except Unread:
            return ""

    def find(self, pattern: str) -> list[str]:
        """The machine's paths that match, sorted."""
        return sorted(path[len(self.root) :] for path in glob.glob(glob.escape(self.root) + pattern))

    def changed(self, path: str) -> float:
        """When a file was last written, in seconds since the epoch. Raises Unread."""
        try:
            return os.stat(self.path(path)).st_mtime
        except OSError as error:
            raise Unread(f"{path}: {error.strerror}") from error

    def command(self, name: str, folders: Sequence[str] = ()) -> str:
        """Where a command is, "" where it is not."""
        for folder in [*self.folders, *(self.path(one) for one in folders)]:
            path = os.path.join(folder, name)
            if folder and os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        return ""

    def run(self, name: str, *words: str, folders: Sequence[str] = ()) -> tuple[int, str, str]:
        """Exit code, output and errors of a command, in English. Raises Unread where it is not there or hangs."""
        program = self.command(name, folders)
        if not program:
            raise Unread(f"there is no command {name}")
        try:
            done = subprocess.run(
                [program, *words],
                env={"PATH": ":".join(SYSTEM_PATH), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unread(f"{name}: {error}") from error
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
