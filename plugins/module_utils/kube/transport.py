# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange with the API server, asked again while that makes sense. Knows nothing of kinds."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import retry
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import Connection
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError

try:
    import urllib3
    from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, NewConnectionError, SSLError
except ImportError:  # auth.connect() has reported it before anything here is called
    pass

JSON = "application/json"
USER_AGENT = "dynamo.multinode"
CONNECT_TIMEOUT = 10.0
# Seconds without a byte. A write may wait for webhooks, and the API server gives up on it after 60 s; a read has no
# such excuse, and asked again it costs nothing
WRITE_TIMEOUT = 65.0
READ_TIMEOUT = 30.0


class Transport:
    """Sends requests over one pool; safe to use from many threads.

    ``budget``: seconds in which one request may be tried again. ``first_budget``: the same while the server has
    never answered, so that a wrong address fails soon. ``patience``: seconds without a byte after which an attempt is
    given up (None: as long as its kind of request may take). ``requests``: how many were sent, repetitions included.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        budget: float = 90.0,
        first_budget: float = 6.0,
        patience: float | None = None,
    ) -> None:
        self.connection = connection
        self.budget = budget
        self.first_budget = first_budget
        self.patience = patience
        self.requests = 0
        self._answered = False
        # When it last gave no answer, or a bad one
        self._disturbed = float("-inf")
        # Since when it is known to have started; when that was first doubted
        self._started: float | None = None
        self._doubted: float | None = None
        self._lock = threading.Lock()
        self._probing = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The decoded answer. ``query`` entries that are None or "" are left out; ``timeout``: seconds per attempt.

        Raises ApiError, also when there is no answer (status 0); its ``repeated`` says that an earlier attempt may have
        been carried out, though its answer was lost.
        """
        payload = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        started = time.monotonic()
        attempt = 0
        unsure = False
        while True:
            attempt += 1
            retry_after = None
            sent = time.monotonic()
            try:
                answer = self._send(method, path, query, payload, content_type, timeout)
                value = _json(answer.data)
                if answer.status < 300 and value is not None:
                    self._answered = True
                    return value
                retry_after = answer.headers.get("Retry-After")
                if answer.status < 400:
                    error, again = self._no_api_server(answer, method, path)
                else:
                    error, again = self._refusal(answer, method, path)
            except (HTTPError, OSError) as problem:
                error, again = self._no_answer(problem, method, path)
            error.repeated = unsure
            now = time.monotonic()
            if error.status == 0 or error.status >= 500:
                unsure = True
                self._disturbed = now
            elif not again and retry.settling(error.status, error.body):
                again = now - self._disturbed < retry.SETTLING_SECONDS or self._may_be_starting(sent)
            pause = retry.delay(attempt, retry_after, random.random)
            budget = self.budget if self._answered else self.first_budget
            if not again or time.monotonic() - started + pause > budget:
                raise error
            time.sleep(pause)

    def _may_be_starting(self, sent: float) -> bool:
        """Whether a refusal of what was ``sent`` then may come from an API server that has only just started.

        It is asked itself, and once: with all rules and definitions it says that it is ready. Where nobody may ask
        that, a short time must do.
        """
        with self._probing:
            if self._started is None:
                self._doubted = self._doubted or time.monotonic()
                try:
                    status = self._send("GET", "/readyz", None, None, None, None).status
                except (HTTPError, OSError):
                    status = 0
                patience = retry.SETTLING_SECONDS if status in (0, 500) else retry.UNKNOWN_SECONDS
                if 0 < status < 300 or time.monotonic() - self._doubted > patience:
                    self._started = time.monotonic()
            return self._started is None or sent < self._started

    def stream(self, path: str, query: Mapping[str, Any], timeout: float) -> Any:
        """An open urllib3 response whose body is read by the caller, who also closes it. Not retried."""
        try:
            answer = self._send("GET", path, query, None, None, timeout, preload=False)
        except (HTTPError, OSError) as problem:
            raise self._no_answer(problem, "GET", path)[0] from None
        if answer.status >= 400:
            raise self._refusal(answer, "GET", path)[0]
        return answer

    def text(self, path: str, query: Mapping[str, Any], timeout: float) -> str:
        """A GET whose answer is plain text (a log). Not retried. Raises ApiError."""
        try:
            answer = self._send("GET", path, query, None, None, timeout)
        except (HTTPError, OSError) as problem:
            raise self._no_answer(problem, "GET", path)[0] from None
        if answer.status >= 300:
            raise self._refusal(answer, "GET", path)[0]
        return str(answer.data.decode("utf-8", "replace"))

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        payload: bytes | None,
        content_type: str | None,
        timeout: float | None,
        preload: bool = True,
    ) -> Any:
        headers = urllib3.HTTPHeaderDict({"Accept": JSON, "User-Agent": USER_AGENT})
        if payload is not None:
            headers["Content-Type"] = content_type or JSON
        authorization = self.connection.authorization()
        if authorization:
            headers["Authorization"] = authorization
        for name, value in self.connection.headers:
            headers.add(name, value)
        wanted = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        with self._lock:
            self.requests += 1
        return self.connection.pool.request(
            method,
            self.connection.host + path + ("?" + urlencode(wanted) if wanted else ""),
            body=payload,
            headers=headers,
            timeout=urllib3.Timeout(
                connect=CONNECT_TIMEOUT,
                read=timeout or self.patience or (READ_TIMEOUT if method == "GET" else WRITE_TIMEOUT),
            ),
            retries=False,
            redirect=False,
            preload_content=preload,
        )

    def _refusal(self, answer: Any, method: str, path: str) -> tuple[ApiError, bool]:
        status = _decoded(answer.data)
        self._answered = self._answered or answer.status in (401, 403, 404, 409, 422) or bool(status)
        message = str(status.get("message") or answer.reason or "no explanation given")
        error = ApiError(
            answer.status,
            str(status.get("reason") or answer.reason or ""),
            message,
            body=status,
            method=method,
            path=path,
            host=self.connection.host,
        )
        return error, retry.worth_retrying(answer.status, status)

    def _no_api_server(self, answer: Any, method: str, path: str) -> tuple[ApiError, bool]:
        """A success that is none: a login page, or an answer that was cut short behind our back."""
        host = self.connection.host
        target = answer.headers.get("Location")
        if target or answer.status >= 300:
            what = f"is redirected ({answer.status}) to {str(target).partition('?')[0]}"
        else:
            what = f"is answered ({answer.status}) with something that is not JSON"
        message = f"{method} {path} {what}: {host} is no API server, or a proxy stands in front of it"
        return ApiError(0, "Unreadable", message, method=method, path=path, host=host), not target

    def _no_answer(self, problem: Exception, method: str, path: str) -> tuple[ApiError, bool]:
        cause = problem.reason if isinstance(problem, MaxRetryError) and problem.reason is not None else problem
        host = self.connection.host
        again = True
        if isinstance(cause, FileNotFoundError) or "FileNotFoundError" in str(cause) or "[Errno 2]" in str(cause):
            message = (
                "ca_cert, client_cert or client_key (of the options or the kubeconfig) names a file that does not exist"
            )
            again = False
        elif isinstance(cause, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(cause):
            message = (
                f"the TLS certificate of {host} is not trusted ({_short(cause)}): set ca_cert to its CA, "
                "or fix the name in host"
            )
            again = False
        elif isinstance(cause, SSLError):
            message = f"no TLS connection to {host}: {_short(cause)}"
            again = self._answered
        elif isinstance(cause, NameResolutionError):
            message = f"cannot reach the API server: the name in {host} does not resolve"
            again = self._answered
        elif isinstance(cause, NewConnectionError):
            message = f"cannot reach the API server at {host}: {_short(cause)}"
        else:
            message = f"the API server at {host} gave no answer to {method} {path}: {_short(cause)}"
        return ApiError(0, "Unreachable", message, method=method, path=path, host=host), again


def _json(data: bytes) -> dict[str, Any] | None:
    """The JSON object in ``data``; None when there is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _decoded(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``; anything else (a proxy's HTML page, nothing) becomes a message."""
    value = _json(data)
    if value is not None:
        return value
    text = data.decode("utf-8", "replace").strip()
    return {"message": " ".join(text.split())[:200]} if text else {}


def _short(error: BaseException) -> str:
    """The part of a chain of socket errors that a person can use."""
    text = str(error)
    for known in ("Connection refused", "timed out", "Connection reset by peer", "Network is unreachable"):
        if known in text:
            return known.lower()
    # urllib3 puts the connection object in front: "<urllib3...Connection(...)>: Failed to ..."
    return text.split(": ", 1)[1] if text.startswith(("<", "HTTP")) and ": " in text else text
