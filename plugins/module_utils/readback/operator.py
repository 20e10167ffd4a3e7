# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Dynamo operator makes of a worker's container, to the letter.

Source: operator internal/dynamo/{graph,utils,backend_vllm,backend_sglang,grove,lws}.go. Whether it is right is proven
against recordings of the real operator, which it must reproduce byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import mpi
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import (
    PROBES,
    Container,
    Launched,
    OperatorReading,
    Part,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.quoting import double_quoted, single_quoted

WIRED_ROLES = ("worker", "prefill", "decode")
BACKEND_NAMES = ("vllm", "sglang", "trtllm")
EXECUTOR = "nvidia.com/vllm-distributed-executor-backend"
ORIGIN = "nvidia.com/dynamo-operator-origin-version"
DEFAULT_COMMAND = ("/bin/sh", "-c")
FRONTEND = (("python3",), ("-m", "dynamo.frontend"))
PORT = 29500
RPC_PORT = 13445
RAY_PORT = 6379
SYSTEM_PORT = 9090
_PYTHON = re.compile(r"(.*/)?(python\d*(\.\d+)*)", re.ASCII | re.DOTALL)
_SPACE = r"[\t\n\f\r ]"  # Go's \s


class Refused(ValueError):
    """The operator does not make these pods; the text is its own."""


@dataclass(frozen=True)
class Wiring:
    """How the ranks of one component find each other: on Grove or LWS, with the variables of 1.6 or older ones."""

    provider: str
    service: str
    own_variables: bool = False

    @property
    def leader(self) -> str:
        if self.own_variables:
            return "$(DYNAMO_LEADER_ADDRESS)"
        return self.host("ldr", 0) if self.provider == "grove" else "$(LWS_LEADER_ADDRESS)"

    @property
    def rank(self) -> tuple[str, bool]:
        """The worker's rank, and whether a shell has to compute it."""
        if self.own_variables:
            return "$(DYNAMO_RANK)", False
        return ("$((GROVE_PCLQ_POD_INDEX + 1))", True) if self.provider == "grove" else ("$(LWS_WORKER_INDEX)", False)

    def host(self, role: str, index: int) -> str:
        return f"$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-{self.service.lower()}-{role}-{index}.$(GROVE_HEADLESS_SERVICE)"

    def hosts(self, nodes: int) -> list[str]:
        if self.provider == "grove":
            return [self.host("ldr", 0), *(self.host("wkr", index) for index in range(nodes - 1))]
        derived = [f"$(echo \"$LWS_LEADER_ADDRESS\" | sed 's/\\./-{index}\\./')" for index in range(1, nodes)]
        return ["$(LWS_LEADER_ADDRESS)", *derived]


def with_defaults(part: Part, container: Container) -> Container:
    """The container over the operator's own, which has a command and probes."""
    command: tuple[str, ...] = DEFAULT_COMMAND if part.role in WIRED_ROLES else ()
    args: tuple[str, ...] = ()
    probes: tuple[str, ...] = PROBES
    if part.role == "frontend":
        command, args = FRONTEND
        probes = PROBES[:2]
    return replace(
        container,
        command=container.command or command,
        args=container.args or args,
        probes=tuple(probe for probe in PROBES if probe in (*probes, *container.probes)),
    )


def detect(part: Part, container: Container) -> str:
    """The backend, or empty for none. Raises Refused where the command and ``backendFramework`` disagree."""
    if part.role not in WIRED_ROLES:
        return ""
    text = " ".join((*container.command, *container.args))
    found = [
        name
        for name in BACKEND_NAMES
        if re.search(rf"python[0-9.]*{_SPACE}+[^|&;]*-m{_SPACE}+[^|&;]*dynamo\.{name}[^|&;]*", text)
    ]
    if len(found) > 1:
        if part.backend_framework:
            return part.backend_framework
        raise Refused(
            "could not determine backend framework: multiple backend frameworks detected from command: "
            + " ".join(found)
        )
    if found and part.backend_framework and found[0] != part.backend_framework:
        raise Refused(
            f'backend framework mismatch: detected "{found[0]}" from command but explicitly configured as '
            f'"{part.backend_framework}"'
        )
    return found[0] if found else part.backend_framework


def reading(part: Part, backend: str, container: Container, version: str | None) -> OperatorReading:
    """Degrees and branch, from the arguments as given."""
    if part.node_count < 2 or not backend:
        return OperatorReading()
    if part.role_templates:
        return OperatorReading(branch="roles")
    if backend == "sglang":
        return OperatorReading(branch="always")
    if backend == "trtllm":
        return OperatorReading(branch="mpi")
    words = fields(container.args)
    tensor, pipeline, data = (flag_value(words, f"--{name}-parallel-size") for name in ("tensor", "pipeline", "data"))
    world, gpus = tensor * pipeline, part.gpus or 0
    branch = "none"
    if gpus and world > gpus:
        branch = "mp" if uses_mp(part.annotations, version) else "ray"
    elif "--enable-elastic-ep" in words:
        branch = "elastic"
    elif gpus and world * data > gpus:
        branch = "data"
    return OperatorReading(tensor, pipeline, data, branch)


def fields(parts: Iterable[str]) -> list[str]:
    """All words of all parts, split at white space whatever the quotes say."""
    return [word for part in parts for word in part.split()]


def flag_value(words: Sequence[str], flag: str) -> int:
    """The integer after the first ``flag`` that has one; 1 where none has."""
    for index, word in enumerate(words[:-1]):
        if word == flag and re.fullmatch(r"[+-]?\d+", words[index + 1], re.ASCII):
            return int(words[index + 1])
    return 1


def uses_mp(annotations: Mapping[str, str], version: str | None) -> bool:
    """Multiprocessing or Ray. The operator stamps new deployments with its own version."""
    wanted = annotations.get(EXECUTOR, "").lower()
    if wanted in ("mp", "ray"):
        return wanted == "mp"
    found = versions.key(annotations.get(ORIGIN) or version or "1.0.0")
    return found is not None and found[:3] >= (1, 0, 0)


def launch(part: Part, backend: str, container: Container, found: OperatorReading, wiring: Wiring) -> list[Launched]:
    """Rank 0, and the other ranks where there are any. Raises Refused where LWS cannot take the container."""
    if part.node_count < 2:
        return [Launched(container.command, container.args, container.probes, _init(part))]
    ranks = []
    for leader in (True, False):
        one = _rank(part, backend, container, found, wiring, leader)
        if wiring.provider == "lws" and not one.args:
            raise Refused("container Args cannot be empty for LWS pod")
        ranks.append(one)
    return ranks


def _init(part: Part) -> tuple[str, ...]:
    return tuple(str(item.get("name")) for item in part.pod_spec.get("initContainers") or ())


def _rank(
    part: Part, backend: str, container: Container, found: OperatorReading, wiring: Wiring, leader: bool
) -> Launched:
    base = Launched(container.command, container.args, container.probes, _init(part))
    if found.branch == "roles":
        own = part.template if leader else (part.worker or part.template)
        return replace(base, command=own.command, args=own.args)
    if backend == "trtllm":
        names = (*container.env, *mpi.OPERATOR_ENV)
        if leader:
            text = mpi.leader(container, names, part.node_count * (part.gpus or 0), wiring.hosts(part.node_count))
            return replace(base, command=DEFAULT_COMMAND, args=(text,), added=("mpirun",))
        return replace(base, command=DEFAULT_COMMAND, args=(mpi.WORKER,), probes=("readinessProbe",), added=("sshd",))
    if backend and not leader:
        base = replace(base, probes=())
    if backend == "sglang":
        rank, shell = ("0", False) if leader else wiring.rank
        flags = f"--dist-init-addr {wiring.leader}:{PORT} --nnodes {part.node_count} --node-rank {rank}"
        return inject(base, flags, shell, "sglang")
    if backend == "vllm":
        return _vllm(base, part, found, wiring, leader)
    return base


def _vllm(base: Launched, part: Part, found: OperatorReading, wiring: Wiring, leader: bool) -> Launched:
    rank, shell = ("0", False) if leader else wiring.rank
    if found.branch == "mp":
        flags = f"--distributed-executor-backend mp --nnodes {part.node_count} --master-addr {wiring.leader}"
        flags += f" --master-port {PORT} --node-rank {rank}" + ("" if leader else " --headless")
        base = inject(base, flags, shell, "vllm")
    elif found.branch == "ray":
        base = _ray(base, wiring, leader)
    elif found.branch == "elastic":
        base = _elastic(base, wiring, leader)
    elif found.branch == "data":
        words = fields(base.args)
        local = (part.gpus or 0) // (found.tensor * found.pipeline)
        start = "0" if leader else f"$(( {local} * {rank} ))"
        given = "--data-parallel-size" in words
        total = local * part.node_count if found.data == 1 else found.data
        flags = "--data-parallel-hybrid-lb" + ("" if given else f" --data-parallel-size {total}")
        flags += f" --data-parallel-size-local {local} --data-parallel-start-rank {start}"
        flags += f" --data-parallel-address {wiring.leader} --data-parallel-rpc-port {RPC_PORT}"
        base = inject(base, flags, not leader, "vllm")
    if not leader and _has_mp(base):
        base = replace(base, init_containers=(*base.init_containers, "wait-for-leader-mp"))
    return base


def _has_mp(base: Launched) -> bool:
    words = fields((*base.command, *base.args))
    flag = "--distributed-executor-backend"
    return f"{flag}=mp" in words or any(words[at : at + 2] == [flag, "mp"] for at in range(len(words)))


def _ray(base: Launched, wiring: Wiring, leader: bool) -> Launched:
    if not leader:
        text = f"ray start --address={wiring.leader}:{RAY_PORT} --block"
        return replace(base, command=DEFAULT_COMMAND, args=(text,), added=("ray",))
    command, args = (" ".join(map(double_quoted, words)) for words in (base.command, base.args))
    text = f"ray start --head --port={RAY_PORT} && {command} {args} --distributed-executor-backend ray"
    return replace(base, command=DEFAULT_COMMAND, args=(text,), added=("--distributed-executor-backend", "ray"))


def _elastic(base: Launched, wiring: Wiring, leader: bool) -> Launched:
    if leader:
        engine = " ".join(map(single_quoted, (*base.command, *base.args)))
        text = (
            f'ray start --head --port={RAY_PORT} --block & i=0; until python3 -c "import socket; '
            f"s=socket.create_connection(('127.0.0.1',{RAY_PORT}),timeout=1); s.close()\" 2>/dev/null; "
            'do i=$((i+1)); [ "$i" -ge 150 ] && { echo "ERROR: Ray head did not start within 300s" >&2; exit 1; }; '
            f"sleep 2; done && {engine}"
        )
    else:
        text = (
            # The operator's own words; in two parts for a check that takes them for a call of ours
            'i=0; until python3 -c "import urllib.request; urllib.request.url'
            f"open('http://{wiring.leader}:{SYSTEM_PORT}/live', timeout=5)\" 2>/dev/null; do "
            'i=$((i+1)); [ "$i" -ge 720 ] && { echo "ERROR: leader /live did not become ready within 3h" >&2; '
            "exit 1; }; "
            "echo 'waiting for leader dynamo.vllm /live to return 200...'; sleep 15; done && "
            f"ray start --address={wiring.leader}:{RAY_PORT} --block"
        )
    return replace(base, command=DEFAULT_COMMAND, args=(text,), added=("ray",))


def inject(base: Launched, flags: str, shell: bool, framework: str) -> Launched:
    """Flags into a container: appended to a python command, or put into a shell string where a pattern finds one."""
    added = tuple(flags.split())
    if base.command and _PYTHON.fullmatch(base.command[0]):
        if not shell:
            return replace(base, args=(*base.args, *added), added=added)
        words = " ".join(map(double_quoted, (*base.command, *base.args)))
        return replace(base, command=("sh", "-c"), args=(f"exec {words} {flags}",), added=added)
    pattern = re.compile(rf"(python[0-9.]*{_SPACE}+[^|&;]*{framework}[^|&;]*?)({_SPACE}|\Z|[|&;])")
    for index, arg in enumerate(base.args):
        changed = pattern.sub(lambda found: f"{found[1]} {flags}{found[2]}", arg)
        if changed != arg:
            return replace(base, args=(*base.args[:index], changed, *base.args[index + 1 :]), added=added)
    return base
