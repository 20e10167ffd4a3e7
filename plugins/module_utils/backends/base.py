# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the three engines have in common: the request, the answer, and how a flag is recognised in any spelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees

HTTP_PORT = 8000
LEADER = "$(LWS_LEADER_ADDRESS)"
RANK = "$(LWS_WORKER_INDEX)"
POD_IP_ENV: Mapping[str, object] = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


@dataclass(frozen=True)
class Request:
    """One engine: ``disaggregated`` is prefill or decode where both exist, otherwise empty."""

    model: str
    degrees: Degrees
    node_count: int
    gpus_per_node: int
    served_model_name: str | None = None
    model_revision: str | None = None
    disaggregated: str = ""
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """What a container runs. ``env`` must stand before the user's own."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class Backend:
    """One engine's spelling. Flag tables: canonical long flag (dashes) or short alias -> what it sets."""

    name: str
    degree_flags: Mapping[str, str]
    coordination_flags: frozenset[str]
    identity_flags: Mapping[str, str]
    dynamo: Callable[[Request], Launch]
    native: Callable[[Request, bool], Launch] | None
    native_flags: frozenset[str] = frozenset()
    cache_env: Mapping[str, str] = field(default_factory=dict)


def flag_name(token: str) -> str:
    """``--tensor_parallel_size=8`` -> ``--tensor-parallel-size``; not a flag: empty."""
    if not token.startswith("-") or token.lstrip("-")[:1].isdigit():
        return ""
    name = token.split("=", 1)[0]
    return name.replace("_", "-") if name.startswith("--") else name


def match_flag(token: str, flags: Mapping[str, str] | frozenset[str]) -> str:
    """The flag of ``flags`` that an argument parser would take ``token`` for (abbreviations included), or empty."""
    name = flag_name(token)
    if name in flags:
        return name
    if name.startswith("--") and len(name) > 5:
        for flag in sorted(flags):
            if flag.startswith(name):
                return flag
    return ""


def flag_value(args: tuple[str, ...], index: int) -> str:
    """The value that goes with the flag at ``index``, or empty."""
    if "=" in args[index]:
        return args[index].split("=", 1)[1]
    following = args[index + 1] if index + 1 < len(args) else ""
    return "" if flag_name(following) else following


def has_flag(args: tuple[str, ...], flag: str) -> bool:
    return any(flag_name(token) == flag for token in args)
