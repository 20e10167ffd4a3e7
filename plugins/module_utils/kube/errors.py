# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong between us and an API server, each as one clear sentence without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """Base of everything this package raises on purpose; its text is fit for a user."""


class MissingLibrary(KubeError):
    """A Python package that the Kubernetes client needs is not installed."""


class NoSuchKind(KubeError):
    """The API server does not serve this kind (its CRD is not there, or not in this version)."""

    def __init__(self, api_version: str, kind: str) -> None:
        self.api_version = api_version
        self.kind = kind
        super().__init__(
            f"the API server does not serve {kind} in {api_version}: install what defines it, or check the spelling"
        )


class ApiError(KubeError):
    """An answer that is not a success, or none at all.

    ``status`` is the HTTP code, 0 when there was no answer; ``reason`` and ``message`` are those of the
    Kubernetes Status, ``body`` is that Status. ``repeated``: an earlier attempt may have been carried out.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        body: Mapping[str, Any] | None = None,
        method: str = "",
        path: str = "",
        host: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.body: dict[str, Any] = dict(body or {})
        self.method = method
        self.path = path
        self.host = host
        self.repeated = False
        super().__init__(message)

    @property
    def causes(self) -> list[dict[str, Any]]:
        """Status.details.causes, always a list."""
        return list((self.body.get("details") or {}).get("causes") or [])

    def __str__(self) -> str:
        if self.status == 0:
            return self.message
        if self.status == 401:
            return (
                f"the API server at {self.host} does not accept these credentials (401 Unauthorized): "
                "check the token, the client certificate or the kubeconfig"
            )
        if self.status == 403:
            return f"not allowed (403 Forbidden): {self.message}"
        return f"{self.message} (HTTP {self.status}{' ' + self.reason if self.reason else ''})"
