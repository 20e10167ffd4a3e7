# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the three engines have in common: the request, the answer, and how a flag is recognised in any spelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees

HTTP_PORT = 8000
POD_IP_ENV: Mapping[str, object] = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


@dataclass(frozen=True)
class Wiring:
    """How the ranks of one engine find each other.

    ``leader``: the leader's address, from variables that the orchestrator sets in every container. ``index``: the
    variable with a worker's number, of which the first worker's is ``first``; rank = index + 1 - first.
    """

    leader: str
    index: str
    first: int

    def rank(self, leader: bool) -> str:
        """The rank as a token that Kubernetes expands, or empty where it takes arithmetic."""
        if self.first == 1:
            return f"$({self.index})"
        return "0" if leader else ""

    def rank_sum(self, times: int = 1) -> str:
        """A worker's rank, or a multiple of it, in shell arithmetic."""
        rank = self.index if self.first == 1 else f"{self.index} + {1 - self.first}"
        if times == 1:
            return rank
        return f"{times} * {rank}" if self.first == 1 else f"{times} * ({rank})"


# The leader counts too: LWS_WORKER_INDEX is 0 in it.
LWS = Wiring("$(LWS_LEADER_ADDRESS)", "LWS_WORKER_INDEX", 1)
# operator/api/common/constants of Grove; the names ``ldr`` and ``engine`` are those of render/podcliqueset.py.
GROVE = Wiring("$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-ldr-0.$(GROVE_HEADLESS_SERVICE)", "GROVE_PCLQ_POD_INDEX", 0)


def with_sum(command: tuple[str, ...], flag: str, arithmetic: str) -> tuple[str, ...]:
    """``command`` with ``flag`` and a number added behind its arguments, for Kubernetes expands but cannot add."""
    return ("/bin/sh", "-c", f'exec "$0" "$@" {flag} "$(({arithmetic}))"', *command)


@dataclass(frozen=True)
class Request:
    """One engine: ``disaggregated`` is prefill or decode where both exist, ``engine_config`` the path of its file."""

    model: str
    degrees: Degrees
    node_count: int
    gpus_per_node: int
    served_model_name: str | None = None
    model_revision: str | None = None
    disaggregated: str = ""
    engine_config: str = ""
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """What a container runs. ``env`` must stand before the user's own."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[Mapping[str, object], ...] = ()


class Native(Protocol):
    """Launches one rank without Dynamo."""

    def __call__(self, request: Request, leader: bool, wiring: Wiring = LWS) -> Launch: ...


@dataclass(frozen=True)
class Backend:
    """One engine's spelling. Flag tables: canonical long flag (dashes) or short alias -> what it sets.

    ``config_flag`` names the engine's own configuration file.
    """

    name: str
    degree_flags: Mapping[str, str]
    coordination_flags: frozenset[str]
    identity_flags: Mapping[str, str]
    dynamo: Callable[[Request], Launch]
    native: Native | None
    config_flag: str
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


def config_args(request: Request, flag: str) -> list[str]:
    return [flag, request.engine_config] if request.engine_config else []


def has_flag(args: tuple[str, ...], flag: str) -> bool:
    return any(flag_name(token) == flag for token in args)
