# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting processes that die with their parent, and finding those that did not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

# Every process of a lab carries its lab's id here: how a stray one is known without trusting a process id.
MARKER = "DYNAMO_MULTINODE_LAB"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Health:
    """How to ask a process whether it serves: an HTTP path, and a port that must accept connections besides."""

    port: int
    path: str
    scheme: str = "https"
    also: int | None = None
    client: bool = False  # with the lab's own client certificate


@dataclass
class Spec:
    """A process that should run."""

    name: str
    argv: list[str]
    health: Health
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    cwd: Path | None = None


# Bytes of memory from which on a lab may take twice the 500 MB of its API server
PLENTY = 12 * 1024**3


def spawn(spec: Spec, lab_id: str) -> subprocess.Popen[bytes]:
    """Start ``spec`` in a session of its own. Call it from the main thread: the death signal is tied to a thread."""
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    if psutil.virtual_memory().total >= PLENTY:
        # Small heaps that are collected all the time, which is a fifth of what a lab's API server does: memory for time
        env.setdefault("GOGC", "300")
    env.update(spec.env)
    env[MARKER] = lab_id
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    with spec.log.open("ab") as log:
        return subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=spec.cwd,
            start_new_session=True,
            preexec_fn=prepare,
        )


def identity(pid: int) -> dict[str, Any] | None:
    """{"pid", "created"}: a process that another one with the same number is not; None when it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return {"pid": pid, "created": process.create_time()}
    except psutil.Error:
        return None


def alive(known: dict[str, Any] | None) -> bool:
    """Whether the process recorded by ``identity`` still runs."""
    if not known:
        return False
    found = identity(int(known["pid"]))
    return found is not None and abs(float(found["created"]) - float(known["created"])) < 1.0


def marked(lab_id: str, exclude: Iterable[int] = ()) -> list[psutil.Process]:
    """Our processes that carry the lab's id."""
    skip = {os.getpid(), *exclude}
    found = []
    uid = os.getuid()
    for process in psutil.process_iter():
        if process.pid in skip:
            continue
        try:
            if process.uids().effective == uid and process.environ().get(MARKER) == lab_id:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def kill_marked(lab_id: str, exclude: Iterable[int] = ()) -> int:
    """Kill every process of the lab that is left; how many there were."""
    strays = marked(lab_id, exclude)
    for process in strays:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(strays, timeout=10)
    return len(strays)


def accepts(port: int) -> bool:
    """Whether something listens on 127.0.0.1:port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Checker:
    """Asks processes for their health; certificates are the lab's own or self-signed, so only loopback is asked."""

    def __init__(self, certs: Path) -> None:
        self._certs = certs
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def _ssl(self, client: bool) -> ssl.SSLContext:
        if client not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if client:  # a server with another authority would refuse our certificate
                context.load_cert_chain(self._certs / "client-supervisor.crt", self._certs / "client-supervisor.key")
            self._contexts[client] = context
        return self._contexts[client]

    def healthy(self, health: Health, timeout: float = 2.0) -> bool:
        url = f"{health.scheme}://127.0.0.1:{health.port}{health.path}"
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        try:
            if health.scheme == "https":
                handlers.append(urllib.request.HTTPSHandler(context=self._ssl(health.client)))
            with urllib.request.build_opener(*handlers).open(url, timeout=timeout) as answer:
                if answer.status != 200:
                    return False
        except (OSError, ValueError, urllib.error.URLError):
            return False
        return health.also is None or accepts(health.also)
