# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An air gap for the processes of a test: every attempt to get outside is written down, and fails.

Python is told by a sitecustomize, which looks at each name that is resolved and each address that is connected to.
Other programs (helm) are told by a proxy, which only notes whom they ask for; loopback, where the lab is, they reach
directly.
"""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SITECUSTOMIZE = """
import os, socket

_LOOPBACK = ("127.", "::1", "localhost")
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _note(what):
    with open(os.environ["AIR_GAP_LOG"], "a") as log:
        log.write("python: %s\\n" % (what,))
    raise OSError(101, "air gap: %s" % (what,))


def _look(sock, address):
    inside = sock.family not in (socket.AF_INET, socket.AF_INET6) or str(address[0]).startswith(_LOOPBACK)
    return None if inside else _note(address)


def connect(self, address):
    _look(self, address)
    return _connect(self, address)


def connect_ex(self, address):
    _look(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name != "" and not str(name).startswith(_LOOPBACK) and name != socket.gethostname():
        _note(name)
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
"""


@dataclass
class Gap:
    """``env``: for the processes. ``attempts``: whom they asked for, in order."""

    env: dict[str, str]
    log: Path

    @property
    def attempts(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


class _Proxy(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline().decode(errors="replace").strip()
        with open(self.server.log, "a", encoding="utf-8") as log:  # type: ignore[attr-defined]
            log.write(f"proxy: {line}\n")
        self.wfile.write(b"HTTP/1.1 403 air gap\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def air_gap(folder: Path) -> Iterator[Gap]:
    """Processes with ``env`` cannot get outside, and every attempt is in ``attempts``."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "attempts"
    log.write_text("", encoding="utf-8")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Proxy) as server:
        server.daemon_threads = True
        server.log = str(log)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        env = dict.fromkeys(names, proxy)
        env["NO_PROXY"] = env["no_proxy"] = "127.0.0.1,localhost,::1"
        env["PYTHONPATH"] = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(
            ":"
        )
        env["AIR_GAP_LOG"] = str(log)
        yield Gap(env, log)
        server.shutdown()
