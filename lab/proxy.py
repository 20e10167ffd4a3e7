# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's pod network: an HTTP CONNECT proxy on a unix socket, from a Service's address to a local port.

The API server calls webhooks through it (egress selector), so that the charts' webhook configurations stay untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

HEAD_LIMIT = 8192


class Proxy:
    """Serves until the process ends."""

    def __init__(self, socket_path: Path, resolve: Callable[[str, int], int | None]) -> None:
        """``resolve``: (cluster IP, port) -> a local port, or None when nothing ready serves it."""
        self._path = socket_path
        self._resolve = resolve

    def start(self) -> None:
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._handle, path=str(self._path))
        self._path.chmod(0o600)
        async with server:
            await server.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _rest = head.split(b"\r\n", 1)[0].decode("ascii").split(" ", 2)
        host, _colon, port = target.rpartition(":")
        if method != "CONNECT" or not port.isdigit() or len(head) > HEAD_LIMIT:
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        local = await asyncio.get_running_loop().run_in_executor(None, self._resolve, host.strip("[]"), int(port))
        if local is None:
            # As on a cluster: a Service without ready endpoints refuses.
            writer.write(b"HTTP/1.1 503 No Ready Endpoint\r\n\r\n")
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", local)
        except OSError:
            writer.write(b"HTTP/1.1 502 Connection Refused\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        await asyncio.gather(_copy(reader, up_writer), _copy(up_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
