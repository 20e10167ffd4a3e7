# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fork server: a process that has imported what our modules import, and runs each of them in a copy of itself.

Most of a module's time is the start of Python and its imports. Ansible's own process starts this one when it loads the
first of our action plugins; its workers, which are forked from it, ask on the socket that they inherit. When the last
of them has ended, so does this process. Linux only: elsewhere a copy of a process may not use the system's libraries.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping

# What a module reads when it runs. Of what Python or a library reads once, as it starts, a copy would know nothing
READ_LATE = (
    "KUBECONFIG",
    "NO_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)


class Ended(Exception):
    """The process ended while a module ran: what became of that is not known."""


class ForkServer:
    """The process as those see it who ask. ``here``, ``core``: where this collection and kubernetes.core are."""

    def __init__(self, here: str, core: str) -> None:
        self.socket: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create"):
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = os.path.join(here, "plugins", "plugin_utils", "launch.py")
            try:
                self.process = subprocess.Popen(
                    [sys.executable, program, "--serve", here, core, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            except OSError:
                ours.close()
                return
        self.socket = ours

    def preload(self, name: str) -> None:
        """It may import already what the module imports."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.send(f"preload {name}".encode(), socket.MSG_DONTWAIT)

    def run(self, name: str, given: bytes, environ: Mapping[str, str]) -> tuple[int, bytes, bytes] | None:
        """Exit code (negative: the signal), standard output and error of a module that is given ``given`` on its
        standard input. None where it was not even started. Raises Ended."""
        if self.socket is None:
            return None
        asked = {"name": name, "cwd": os.getcwd(), "environ": dict(environ)}
        with contextlib.ExitStack() as files:
            try:
                request = _memory(files, json.dumps(asked).encode())
                standard = [_memory(files, text) for text in (given, b"", b"")]
                line, theirs = socket.socketpair()
                files.enter_context(line)
                with theirs:
                    socket.send_fds(self.socket, [b"run"], [request, *standard, theirs.fileno()])
            except OSError:
                return None
            # Whatever ends this process meanwhile closes the line, and so ends the module
            told = b"".join(iter(lambda: line.recv(64), b"")).split()
            if not told:
                return None
            if len(told) < 2:
                raise Ended
            return int(told[1]), _content(standard[1]), _content(standard[2])


def read_late(names: Iterable[str]) -> bool:
    """Whether all these variables of the environment are read when a module runs, and not as Python starts."""
    return all(name.startswith("K8S_AUTH_") or name.upper() in READ_LATE for name in names)


def _memory(files: contextlib.ExitStack, content: bytes) -> int:
    """A file that is nowhere but in memory: it may hold secrets."""
    found = os.memfd_create("dynamo-multinode")
    files.callback(os.close, found)
    view = memoryview(content)
    while view:
        view = view[os.write(found, view) :]
    os.lseek(found, 0, os.SEEK_SET)
    return found


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as stream:
        return stream.read()
