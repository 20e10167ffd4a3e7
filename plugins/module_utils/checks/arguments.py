# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments and commands that would contradict what we, or the operator, write (stage spec)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from posixpath import basename

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name, flag_value, match_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.engine_config import contradictions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import DEGREES, Refusal, solve
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Component, Workload

SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox")
OPERATORS = ("&&", "||", ";", "|", "&")
# What the operator takes for Python (internal/dynamo/utils.go): such a command keeps its words apart.
_PYTHON = re.compile(r"python\d*(\.\d+)*")
# Flags of dynamo.frontend that we write, and what writes them.
FRONTEND_PORT = "--http-port"
ROUTER_FLAG = "--router-mode"


def f01_degrees(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: the degrees do not multiply to the engine's GPUs (or break a rule that has no id of its own)."""
    yield from _refused(workload, component, "MN-F01")


def f05_sglang_degrees(workload: Workload, component: Component) -> Iterator[Issue]:
    """F05: SGLang's data parallel does not divide tensor, or its expert parallel does not fit into it."""
    yield from _refused(workload, component, "MN-F05")


def f06_vllm_data_parallel(workload: Workload, component: Component) -> Iterator[Issue]:
    """F06: vLLM's data parallel ranks do not fill the machines: GPUs would be wasted quietly."""
    yield from _refused(workload, component, "MN-F06")


def _refused(workload: Workload, component: Component, check: str) -> Iterator[Issue]:
    if component.degrees is not None or not component.engine:
        return
    wanted = component.parallelism
    pins = {name: getattr(wanted, name) for name in DEGREES}
    found = solve(workload.backend, component.node_count, component.gpus_per_node, wanted.strategy, **pins)
    if isinstance(found, Refusal) and _refusal_id(workload, component, found) == check:
        value = pins.get(found.degree)
        yield Issue(("parallelism", found.degree), value, f"is {value}; {found.message}", check)


def _refusal_id(workload: Workload, component: Component, refusal: Refusal) -> str:
    if workload.backend == "sglang" and refusal.broken in ("data", "expert"):
        return "MN-F05"
    wasted = ("data", "product") if (component.parallelism.data or 1) > 1 else ("data",)
    if workload.backend == "vllm" and component.multinode and refusal.broken in wasted:
        return "MN-F06"
    return "MN-F01"


def f01_degree_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """F01: a degree is set behind the plan's back, in whatever spelling (F02: which nobody may read)."""
    if not component.engine:
        return
    backend = BACKENDS[workload.backend]
    for where, tokens in (("args", component.args), ("command", component.command)):
        for index, token in enumerate(tokens):
            flag = match_flag(token, backend.degree_flags)
            if not flag:
                continue
            degree = backend.degree_flags[flag]
            solved = component.degrees.to_dict()[degree] if component.degrees else 0
            value = flag_value(tokens, index)
            agreed = f"; the plan sets {degree} {solved} already" if solved else ""
            if solved and value.isdigit() and int(value) != solved:
                agreed = (
                    f"; it contradicts the plan: {component.node_count} x {component.gpus_per_node} GPUs = "
                    f"{component.total_gpus} GPUs per engine with {degree} {solved}"
                )
            message = f"is {token!r}, which sets a degree: pin it as parallelism.{degree} instead{agreed}"
            yield Issue((where, index), token, message, "MN-F01")


def f02_shell(workload: Workload, component: Component) -> Iterator[Issue]:
    """F02: in a shell string the operator reads no degrees."""
    if workload.backend == "trtllm" and component.engine:
        return
    place = _shell(component)
    if place:
        where, index, token = place
        message = f"is {token!r}, shell: name the program itself, so that its arguments can be read"
        yield Issue((where, index), token, message, "MN-F02")


def f07_trtllm_shell(workload: Workload, component: Component) -> Iterator[Issue]:
    """F07: of a shell string MPI launches only the first command; of another program only its arguments."""
    if workload.backend != "trtllm" or not component.engine or not component.command:
        return
    place = _shell(component)
    if place:
        where, index, token = place
        message = (
            f"is {token!r}, shell, of which the operator launches only the first command under MPI: name the program "
            "itself (python3 -m ...), and put what must come before it into an init container of pod_spec"
        )
        yield Issue((where, index), token, message, "MN-F07")
    elif component.multinode and not _PYTHON.fullmatch(basename(component.command[0])):
        message = (
            f"is {component.command[0]!r}, which is not Python: over several machines the operator drops such a "
            "command and launches its arguments alone; python3 -m ..."
        )
        yield Issue(("command", 0), component.command[0], message, "MN-F07")


def _shell(component: Component) -> tuple[str, int, str] | None:
    """Where a command is a shell's: its program, a whole command line in one word, or an operator between two."""
    command = component.command
    if not command:
        return None
    if basename(command[0]) in SHELLS or len(command[0].split()) > 1:
        return "command", 0, command[0]
    for where, tokens in (("command", command), ("args", component.args)):
        for index, token in enumerate(tokens):
            if token in OPERATORS:
                return where, index, token
    return None


def f13_empty_command(workload: Workload, component: Component) -> Iterator[Issue]:
    """F13: a command or argument of nothing; LWS refuses an empty command, and a program cannot be ''."""
    for where, tokens in (("command", component.command[:1]), ("args", component.args)):
        for index, token in enumerate(tokens):
            if not token.strip():
                wanted = "a program" if where == "command" else "an argument"
                message = f"is empty: {wanted}, or leave it out (LeaderWorkerSet refuses an empty {where})"
                yield Issue((where, index), token, message, "MN-F13")


def f03_coordination_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """F03: a flag that the operator, or we, write for every rank."""
    if not component.engine:
        return
    backend = BACKENDS[workload.backend]
    for where, tokens in (("args", component.args), ("command", component.command)):
        for index, token in enumerate(tokens):
            if match_flag(token, backend.coordination_flags) and not match_flag(token, backend.degree_flags):
                message = f"is {token!r}, which is written for each rank already: leave it out"
                yield Issue((where, index), token, message, "MN-F03")


def f03_frontend_port(workload: Workload, component: Component) -> Iterator[Issue]:
    """F03: the operator's Service and probes expect the frontend on port 8000, which is written."""
    if component.role != "frontend":
        return
    for index, token in enumerate(component.args):
        if flag_name(token) == FRONTEND_PORT:
            message = f"is {token!r}, but the Service and the probes expect the frontend on port 8000: leave it out"
            yield Issue(("args", index), token, message, "MN-F03")


def f04_engine_override(workload: Workload, component: Component) -> Iterator[Issue]:
    """F04: TensorRT-LLM lets ``--override-engine-args`` win over every degree on the command line."""
    if workload.backend != "trtllm" or not component.engine:
        return
    for index, token in enumerate(component.args):
        if flag_name(token) != "--override-engine-args":
            continue
        try:
            given = json.loads(flag_value(component.args, index))
        except ValueError:
            continue
        for key, reason in contradictions(workload, component, given) if isinstance(given, Mapping) else ():
            message = f"sets {key} to {json.dumps(given[key])}, which wins over the command line, but {reason}"
            yield Issue(("args", index), token, message, "MN-F04")


def doubled_flags(workload: Workload, component: Component) -> Iterator[Issue]:
    """A flag that a key of the workload writes."""
    written: dict[str, str] = {}
    if component.engine:
        backend = BACKENDS[workload.backend]
        written.update(backend.identity_flags)
        if component.engine_config:
            written[backend.config_flag] = "engine_config"
    elif component.role == "frontend" and workload.router.mode:
        written[ROUTER_FLAG] = "router.mode"
    for index, token in enumerate(component.args):
        key = written.get(flag_name(token))
        if key:
            yield Issue(("args", index), token, f"is {token!r}, which is written from `{key}`: set that instead", "")


ARGUMENT_CHECKS = (
    f01_degrees,
    f05_sglang_degrees,
    f06_vllm_data_parallel,
    f01_degree_flags,
    f02_shell,
    f07_trtllm_shell,
    f13_empty_command,
    f03_coordination_flags,
    f03_frontend_port,
    f04_engine_override,
    doubled_flags,
)
