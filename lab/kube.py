# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of a Kubernetes client: the full one takes a second to import, and the lab has eight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server's refusal, or (status 0) no answer from it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status


class Api:
    """One API server as one of the lab's identities; safe to use from several threads."""

    def __init__(self, server: str, certs: Path, client: str) -> None:
        self.server = server
        self._pool = urllib3.PoolManager(
            maxsize=32,
            ca_certs=str(certs / "ca.crt"),
            cert_file=str(certs / f"client-{client}.crt"),
            key_file=str(certs / f"client-{client}.key"),
            retries=False,
            # Loopback only: a proxy in the environment must not see it, and PoolManager reads none.
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """The answer's object. Raises ApiError for every status of 400 and more."""
        headers = {"Accept": "application/json", "User-Agent": "multinode-lab"}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        url = self.server + path + ("?" + urlencode(query) if query else "")
        try:
            response = self._pool.request(method, url, body=data, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {url}: {error}") from error
        try:
            answer = json.loads(response.data) if response.data else {}
        except ValueError:
            answer = {"message": response.data.decode(errors="replace")}
        if not isinstance(answer, dict):
            answer = {"message": str(answer)}
        if response.status >= 400:
            raise ApiError(response.status, str(answer.get("message") or response.reason))
        return answer

    def find(self, path: str) -> dict[str, Any] | None:
        """GET, or None when there is no such object."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def ready(self) -> bool:
        try:
            self.call("GET", "/readyz", timeout=5)
        except ApiError:
            return False
        return True

    def lines(self, path: str, query: dict[str, Any], timeout: float) -> Iterator[bytes]:
        """The raw lines of a watch, until the server ends it or ``timeout`` seconds pass in silence."""
        url = self.server + path + "?" + urlencode(query)
        try:
            response = self._pool.request(
                "GET", url, preload_content=False, timeout=urllib3.Timeout(connect=5, read=timeout)
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"GET {url}: {error}") from error
        try:
            if response.status >= 400:
                raise ApiError(response.status, response.read().decode(errors="replace"))
            rest = b""
            for chunk in response.stream(65536, decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line for line in whole if line)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"GET {url}: {error}") from error
        finally:
            response.close()
