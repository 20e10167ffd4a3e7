# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python launch.py NAME COLLECTION KUBERNETES_CORE``: a module, in a process that has these two collections only.

What else is called ``ansible_collections`` on Python's path (the ``ansible`` package brings one) is not asked.

With ``--serve`` in place of a name, and the number of an open socket at the end: module after module, as
``forkserver.py`` asks for them there. This process only imports what they import, once; each runs in a process of its
own that is forked from it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import types
from collections.abc import Iterable
from typing import Any

MODULES = "ansible_collections.dynamo.multinode.plugins.modules"
UTILS = "ansible_collections.dynamo.multinode.plugins.module_utils."
# As much as a pipe takes at once, whoever else writes
MESSAGE_BYTES = 4096
# request, standard input, output and error of the module, and the line on which its end is told
DESCRIPTORS = 5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


def package(name: str, *folders: str) -> None:
    """A package that is nothing but a place."""
    made = types.ModuleType(name)
    made.__path__ = list(folders)
    sys.modules[name] = made


def run(name: str) -> None:
    # Ansible would take what is left for arguments of the module
    sys.argv[1:] = []
    runpy.run_module(f"{MODULES}.{name}", run_name="__main__", alter_sys=True)


def preload(name: str) -> None:
    """Import all that the module imports."""
    imported(f"{MODULES}.{name}")
    sys.modules.pop(f"{MODULES}.{name}", None)


def imported(name: str) -> None:
    """What fails here fails again where somebody hears of it."""
    with contextlib.suppress(Exception, SystemExit):
        importlib.import_module(name)


class Server:
    """Forks a process for each module that is asked for, until nobody is left who could ask.

    A request is ``run`` with open files: the request proper as JSON ({"name", "cwd", "environ"}), standard
    input, output and error, and a line. On the line comes ``started``, and the exit code when the process has ended
    (negative: the signal). Who closes the other end of the line before that ends the process.
    ``preload NAME`` is answered by nothing. What a module of ours imported only as it ran (how to authenticate other
    than by a kubeconfig, with the kubernetes package) is imported here for those that come after it.
    """

    def __init__(self, asked: socket.socket) -> None:
        self.asked = asked
        self.lines: dict[int, socket.socket] = {}
        self.preloaded: set[str] = set()
        self.woken, self.wake = os.pipe()
        self.learnt, self.learn = os.pipe()
        for end in (self.woken, self.wake, self.learn):
            os.set_blocking(end, False)

    def serve(self) -> str:
        """In a forked process the name of what it is to run; in this one "", at the end."""
        # Ctrl-C is for who asks: its end is heard of on the line
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        gc.disable()
        with selectors.DefaultSelector() as selector:
            self.selector = selector
            selector.register(self.woken, selectors.EVENT_READ)
            selector.register(self.learnt, selectors.EVENT_READ)
            selector.register(self.asked, selectors.EVENT_READ)
            while True:
                for key, _events in selector.select():
                    if key.fileobj is self.asked:
                        told, found, *_rest = socket.recv_fds(self.asked, MESSAGE_BYTES, DESCRIPTORS)
                        if not told:
                            self.end(self.lines)
                            return ""
                        name = self.answer(told.decode().split(), found)
                        if name:
                            return name
                    elif key.fileobj == self.woken:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self.woken, MESSAGE_BYTES)
                        self.reap()
                    elif key.fileobj == self.learnt:
                        for name in os.read(self.learnt, MESSAGE_BYTES).decode().split():
                            imported(name)
                    elif key.data in self.lines:  # nobody writes on it: it was closed
                        selector.unregister(key.fileobj)
                        self.end([key.data])

    def answer(self, words: list[str], found: list[int]) -> str:
        if words[0] == "preload":
            self.preload(words[1])
            return ""
        request, *standard, line = found
        with open(request, encoding="utf-8") as stream:
            asked: dict[str, Any] = json.load(stream)
        self.preload(asked["name"])
        gc.freeze()
        pid = os.fork()
        if not pid:
            self.become(asked, standard, line)
            return str(asked["name"])
        for descriptor in standard:
            os.close(descriptor)
        self.lines[pid] = socket.socket(fileno=line)
        self.tell(pid, "started")
        self.selector.register(self.lines[pid], selectors.EVENT_READ, pid)
        return ""

    def preload(self, name: str) -> None:
        if name not in self.preloaded:
            self.preloaded.add(name)
            preload(name)

    def become(self, asked: dict[str, Any], standard: list[int], line: int) -> None:
        """Of the forked process: have nothing of the server's, and all that a process started for this would have."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for other in (self.asked, *self.lines.values()):
            other.close()
        for descriptor in (line, self.woken, self.wake, self.learnt):
            os.close(descriptor)
        for place, descriptor in enumerate(standard):
            os.dup2(descriptor, place)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(asked["environ"])
        os.chdir(asked["cwd"])
        atexit.register(self.teach, frozenset(sys.modules))
        gc.enable()

    def teach(self, known: frozenset[str]) -> None:
        """Of the forked process, at its end: what it had to import itself."""
        names = " ".join(name for name in sys.modules if name.startswith(UTILS) and name not in known)
        if names and len(names) < MESSAGE_BYTES:
            with contextlib.suppress(OSError):
                os.write(self.learn, f"{names} ".encode())

    def reap(self) -> None:
        """Tell how each ended."""
        while self.lines:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            line = self.lines[pid]
            self.tell(pid, str(os.waitstatus_to_exitcode(status)))
            with contextlib.suppress(KeyError):
                self.selector.unregister(line)
            del self.lines[pid]
            line.close()

    def tell(self, pid: int, word: str) -> None:
        with contextlib.suppress(OSError):
            self.lines[pid].sendall(f"{word}\n".encode())

    def end(self, pids: Iterable[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)


def main() -> None:
    name, here, core, *serving = sys.argv[1:]
    # Nobody imports from this file's folder, which Python puts first unless it is told not to
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    package("ansible_collections")
    package("ansible_collections.dynamo")
    package("ansible_collections.dynamo.multinode", here)
    package("ansible_collections.kubernetes")
    package("ansible_collections.kubernetes.core", core)
    if serving:
        name = Server(socket.socket(fileno=int(serving[0]))).serve()
    if name:
        run(name)


if __name__ == "__main__":
    main()
