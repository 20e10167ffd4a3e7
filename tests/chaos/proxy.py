# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP proxy between the module and the lab's API server that injects faults, and can slow, pause and kill.

It speaks plain HTTP on loopback and talks to the API server with the collection's own credentials, so that the audit
log and RBAC see what they would see without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import Connection

from tests.chaos.faults import Plan

Hand = Callable[[str, str], None]
HANG_SECONDS = 9.0
DROPPED = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})


class Proxy:
    """Serves on a free port until ``close``. All that it does is set by attributes, between the runs of a module."""

    def __init__(self, upstream: Connection) -> None:
        self.upstream = upstream
        self.plan: Plan | None = None
        # ``hand(fault, path)`` acts as somebody else on the object at ``path``
        self.hand: Hand | None = None
        # Before request number ``at`` (from 1): ``act`` (kill the module, the API server, ...)
        self.at = 0
        self.act: Callable[[], None] | None = None
        self.requests = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def calm(self) -> None:
        """No faults, and nothing at any request."""
        self.plan, self.hand, self.at, self.act, self.requests = None, None, 0, None, 0

    def count(self) -> None:
        with self._lock:
            self.requests += 1
            act = self.act if self.requests == self.at else None
        if act is not None:
            act()

    def fault(self, method: str, path: str) -> str | None:
        with self._lock:
            found = self.plan.fault(method, path) if self.plan else None
            if found and self.plan:
                self.plan.counts[found] += 1
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what this is for."""


class _Broken(Exception):
    """The connection to the client is to be reset now."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_args: Any) -> None:
            """Silent."""

        def exchange(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            proxy.count()
            try:
                self._exchange(body)
            except (_Broken, urllib3.exceptions.HTTPError, OSError):
                self._reset()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = exchange

        def _exchange(self, body: bytes | None) -> None:
            fault = proxy.fault(self.command, self.path)
            if fault in ("302", "403", "404", "429", "500", "502", "503", "504", "webhook", "modified"):
                self._refuse(fault)
                return
            if fault == "reset-before":
                raise _Broken
            if fault == "410":
                gone = _status(410, "Expired", "too old resource version: 1 (2)")
                self._answer(200, (json.dumps({"type": "ERROR", "object": gone}) + "\n").encode(), "application/json")
                return
            if fault in ("hand-edit", "hand-delete") and proxy.hand is not None:
                with contextlib.suppress(Exception):  # the hand may come too late
                    proxy.hand(fault, self.path.partition("?")[0])
            watch = "watch=true" in self.path
            answer = self._forward(body, preload=not watch)
            if fault == "delay":
                time.sleep(0.02 + 0.2 * random.Random(self.path).random())
            if fault == "reset-after":
                raise _Broken
            if fault == "504-after":
                self._refuse("504")
                return
            if fault == "hang":
                time.sleep(HANG_SECONDS)
                raise _Broken
            if watch:
                self._stream(answer, cut=fault == "cut")
                return
            self._answer(
                answer.status, answer.data, answer.headers.get("Content-Type"), answer.headers, cut=fault == "cut"
            )

        def _forward(self, body: bytes | None, *, preload: bool) -> Any:
            up = proxy.upstream
            headers = urllib3.HTTPHeaderDict()
            for name, value in self.headers.items():
                if name.lower() not in ("host", "connection", "content-length"):
                    headers.add(name, value)
            authorization = up.authorization()
            if authorization:
                headers["Authorization"] = authorization
            return up.pool.request(
                self.command,
                up.host + self.path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=5.0, read=120.0),
                retries=False,
                redirect=False,
                preload_content=preload,
            )

        def _refuse(self, fault: str) -> None:
            if fault == "302":
                self._answer(302, b"", "text/html", {"Location": "/login?next=/"})
                return
            if fault == "502":
                self._answer(502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html")
                return
            if fault == "404":
                self._answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
                return
            if fault == "403":
                body = _status(403, "Forbidden", 'x is forbidden: User "u" cannot get path "/x"')
            elif fault == "webhook":
                refused = "dial tcp 10.0.0.1:443: connect: connection refused"
                body = _status(
                    500, "InternalError", f'Internal error occurred: failed calling webhook "a.b": {refused}'
                )
            elif fault == "modified":
                changed = "the object has been modified; please apply your changes to the latest version and try again"
                body = _status(409, "Conflict", f"Operation cannot be fulfilled on x: {changed}")
            else:
                body = _status(int(fault), "TooManyRequests" if fault == "429" else "Internal", "chaos")
            headers = {"Retry-After": "1"} if fault == "429" else {}
            self._answer(body["code"], json.dumps(body).encode(), "application/json", headers)

        def _answer(
            self, status: int, data: bytes, content_type: str | None, headers: Any = None, *, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                if name.lower() not in (*DROPPED, "content-type"):
                    self.send_header(name, value)
            self.send_header("Content-Type", content_type or "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            self.wfile.flush()
            if cut:
                raise _Broken

        def _stream(self, answer: Any, *, cut: bool) -> None:
            self.close_connection = True
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for chunk in answer.stream(65536):
                    self.wfile.write(b"%x\r\n" % len(chunk))
                    self.wfile.write(chunk[: len(chunk) // 2] if cut else chunk + b"\r\n")
                    self.wfile.flush()
                    if cut:
                        raise _Broken
                self.wfile.write(b"0\r\n\r\n")
            finally:
                answer.close()

        def _reset(self) -> None:
            """RST instead of FIN, as from a machine that lost its state."""
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    return Handler


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def kill(pid: int) -> None:
    """As the kernel does it: no farewell."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
