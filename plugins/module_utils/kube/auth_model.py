# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a connection is, and the options that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import KubeError
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

POOL_SIZE = 32
AUTH_ARGS: dict[str, Any] = AUTH_ARG_SPEC
AUTH_OPTIONS = tuple(AUTH_ARG_SPEC)


class CannotConnect(KubeError):
    """The options name no usable cluster."""


@dataclass(frozen=True)
class Connection:
    """``host``: URL without trailing slash. ``pool``: urllib3 manager. ``headers``: sent with each request,
    repeated names allowed. ``authorization``: the current value of that header (tokens are refreshed), or None."""

    host: str
    pool: Any
    headers: tuple[tuple[str, str], ...]
    authorization: Callable[[], str | None]
