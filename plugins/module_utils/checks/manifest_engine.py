# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody's own manifests: degrees, and whether the machines of an engine will find each other."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_case import Case
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import violation
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import ComponentReading
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.command import Engine, engine, script
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.engine import words_with_values
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import Launched
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.mpi import LAUNCHER
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.operator import DEFAULT_COMMAND, WIRED_ROLES
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.shell import commands

# The operator writes it too, and a second one changes nothing.
_HARMLESS = ("--data-parallel-hybrid-lb", "-dph")
_DEGREES = ("tensor", "pipeline", "data")


def f01_degrees(case: Case) -> Iterator[Finding]:
    """F01, F05, F06: the degrees that the engine will use against node count x GPUs."""
    for one in case.engines:
        if one.part.gpus is None or one.operator.branch == "elastic":
            continue
        if not one.gpus_per_node:
            if one.node_count > 1:
                message = f"spans {one.node_count} machines and asks for no GPUs: the operator then wires nothing"
                yield case.found("MN-F01", "error", message, "ask for GPUs in the main container's resources", one)
            continue
        degrees = one.engine.degrees
        if degrees is None:
            continue
        shape = _shape(one)
        if one.backend == "sglang" and one.node_count > 1 and degrees.data > 1 and not degrees.attention_data:
            message = f"{shape}; data {degrees.data} over several machines needs --enable-dp-attention"
            yield case.found("MN-F05", "error", message, "add --enable-dp-attention, or leave --dp-size out", one)
            continue
        broken = violation(one.backend, one.node_count, one.gpus_per_node, degrees)
        if broken is None:
            continue
        blamed, arithmetic = broken
        check = "MN-F01"
        if one.backend == "sglang" and blamed in ("data", "expert"):
            check = "MN-F05"
        elif one.backend == "vllm" and degrees.data > 1 and degrees.tensor * degrees.pipeline <= one.gpus_per_node:
            check = "MN-F06"
        idle = one.node_count == 1 and degrees.gpus < one.total_gpus
        remedy = f"make them multiply to {one.total_gpus}, for example tensor {one.total_gpus}"
        if blamed != "tensor":
            remedy = f"choose a {blamed} degree that fits, or leave it out"
        yield case.found(check, "warning" if idle else "error", f"{shape}, but {arithmetic}", remedy, one)


def _shape(one: ComponentReading) -> str:
    nodes = "1 machine" if one.node_count == 1 else f"{one.node_count} machines"
    return f"{nodes} x {one.gpus_per_node} GPUs = {one.total_gpus} GPUs per engine"


def f01_nodes(case: Case) -> Iterator[Finding]:
    """F01: a native engine that counts other machines than its object has."""
    for one in case.engines:
        if one.part.native and one.engine.nodes not in (None, one.node_count):
            message = f"the object has {one.node_count} pods an engine, its command says --nnodes {one.engine.nodes}"
            yield case.found("MN-F01", "error", message, "make the two the same", one)


def f92_unknown(case: Case) -> Iterator[Finding]:
    """F92: what decides the degrees is not in the files, so nothing was checked."""
    for one in case.engines:
        if one.engine.degrees is None and one.gpus_per_node:
            remedy = "give the file that holds it (a ConfigMap) together with this one"
            yield case.found("MN-F92", "note", f"its degrees were not checked: {one.engine.unknown}", remedy, one)


def f02_unread(case: Case) -> Iterator[Finding]:
    """F02: vLLM's degrees in a spelling, or at a place, that the operator does not read."""
    for one in case.wired:
        if one.backend != "vllm" or not one.gpus_per_node or one.operator.branch == "elastic":
            continue
        unread = []
        for degree in _DEGREES:
            used, heard = getattr(one.engine, degree), getattr(one.operator, degree)
            if used not in (None, heard):
                unread.append(f"{degree} {used} (from {one.engine.sources.get(degree, 'its default')}) as {heard}")
        if not unread:
            continue
        outcome = f"and each of the {one.node_count} machines starts an engine of its own"
        if one.operator.branch != "none":
            outcome = f"and it wires the {one.node_count} machines for that"
        message = f"the operator reads {', '.join(unread)}, {outcome}"
        remedy = "write each degree in args as the long flag followed by a separate number: --tensor-parallel-size, "
        yield case.found("MN-F02", "error", message, f'{remedy}"{one.engine.tensor or "N"}"', one)


def f02_nothing_injected(case: Case) -> Iterator[Finding]:
    """F02: the operator finds no place, or no backend, to put its flags into."""
    for one in case.wired:
        if one.role not in WIRED_ROLES:
            continue
        if one.injected_leader:
            continue
        why = "finds no `python3 -m dynamo.<backend>` to put its flags into"
        if one.backend == "vllm" and one.operator.branch == "none":
            # Where the degrees are known, they do not multiply to the GPUs, or there are none: F01 says so.
            if one.engine.degrees is not None or not one.gpus_per_node:
                continue
            why = "reads no degrees in args, and injects nothing"
        message = f"the operator {why}, so each of the {one.node_count} machines starts an engine of its own"
        remedy = "command: [python3, -m, dynamo.<backend>], and the arguments in args"
        yield case.found("MN-F02", "error", message, remedy, one)


def f02_misplaced(case: Case) -> Iterator[Finding]:
    """F02: the flags land inside a quoted argument, in another command, or behind a nested shell."""
    for one in case.wired:
        for rank in (one.leader, one.worker):
            flags = [word for word in rank.added if word.startswith("--")] if rank else []
            if not rank or not flags:
                continue
            words = engine((*rank.command, *rank.args), one.part.template.env).words
            if all(flag in words for flag in flags) and not _others_changed(one, rank):
                continue
            message = (
                f"in this shell string the operator's flags ({flags[0]} ...) land where the engine does not see them: "
                "in a quoted argument, or in another command"
            )
            remedy = "command: [python3, -m, dynamo.<backend>], and the arguments in args"
            yield case.found("MN-F02", "error", message, remedy, one)
            break


def _others_changed(one: ComponentReading, rank: Launched) -> bool:
    """Whether a command beside the engine's was given flags too, as every python that names the backend is."""
    given = one.part.template
    before, after = script((*(given.command or DEFAULT_COMMAND), *given.args)), script((*rank.command, *rank.args))
    if before is None or after is None or one.operator.branch == "ray":
        return False
    pairs = zip(commands(before.text, {}), commands(after.text, {}))
    return sum(1 for old, new in pairs if old != new) > 1


def f02_backend(case: Case) -> Iterator[Finding]:
    """F02: the command and ``backendFramework`` disagree, and the operator refuses it."""
    for one in case.back.components:
        for text in one.errors:
            if "backend framework" in text:
                remedy = "let backendFramework and the module behind python3 -m name the same backend"
                yield case.found("MN-F02", "error", f"the operator refuses it: {text}", remedy, one)


def f13_empty(case: Case) -> Iterator[Finding]:
    """F13: LWS pods need a command and arguments."""
    for one in case.back.components:
        for text in one.errors:
            if "for LWS pod" in text:
                remedy = "command: [python3, -m, dynamo.<backend>], and the arguments in args"
                yield case.found("MN-F13", "error", f"the operator refuses it on LWS: {text}", remedy, one)


def f03_coordination(case: Case) -> Iterator[Finding]:
    """F03: flags that the operator writes for each rank."""
    for one in case.wired:
        if not one.injected_leader:
            continue
        backend = BACKENDS[one.backend]
        # Degrees among them, so that --data-parallel-size is not taken for the beginning of a longer flag.
        flags = {**dict.fromkeys(backend.coordination_flags, ""), **backend.degree_flags}
        added = dict(zip(one.injected_leader, (*one.injected_leader[1:], "")))
        for flag, text, value in words_with_values(_line(one).words, flags):
            if flag in backend.degree_flags or flag in _HARMLESS:
                continue
            same = added.get(flag) == value
            own = "" if same else ", with its own value"
            message = f"`{text}` tells a rank its place, which the operator does too{own}"
            yield case.found("MN-F03", "warning" if same else "error", message, "leave it out", one)


def _line(one: ComponentReading) -> Engine:
    """The engine's command line as the manifest has it."""
    given = one.part.template
    words = (*given.command, *given.args) if given.command else ("/bin/sh", "-c", *given.args)
    return engine(words, given.env)


def f04_engine_yaml(case: Case) -> Iterator[Finding]:
    """F04: TensorRT-LLM's engine file, or an override, says another degree than the command line, and wins."""
    for one in case.engines:
        for degree, told in one.engine.conflicts.items() if one.backend == "trtllm" else ():
            said = ", then ".join(f"`{source}`" for source, _value in told)
            message = f"{degree} is set differently: {said}; the last one wins"
            yield case.found("MN-F04", "warning", message, "say it once, in the engine's file", one)


def f07_shell(case: Case) -> Iterator[Finding]:
    """F07: under MPI only the first command of a shell string is launched on all ranks."""
    for one in case.wired:
        given = one.part.template
        if one.backend != "trtllm" or (given.command and script((*given.command, *given.args)) is None):
            continue
        text = " ".join(given.args)
        if not _line(one).first:
            message = (
                f"is launched as `{LAUNCHER} {text.strip()[:40]} ...`: MPI starts only the first command on all ranks"
            )
        elif "'" in text:
            message = "has single quotes in its shell string, which the operator puts into single quotes itself"
        else:
            continue
        remedy = "command: [python3, -m, dynamo.trtllm], and the arguments in args"
        yield case.found("MN-F07", "error", message, remedy, one)


def f103_roles(case: Case) -> Iterator[Finding]:
    """F103: pod templates per role are complete; nothing is injected into them."""
    for one in case.back.components:
        roles = {str(role.get("name")): role for role in one.part.raw.get("roles") or () if isinstance(role, dict)}
        templated = [name for name, role in roles.items() if role.get("podTemplate")]
        if not templated:
            continue
        if case.before("1.6.0"):
            message = f"roles[].podTemplate needs Dynamo 1.6, and this is {case.version}"
            yield case.found("MN-F103", "error", message, "use the component's podTemplate", one)
        missing = [name for name in ("leader", "worker") if name not in templated]
        if missing:
            message = f"has a pod template for {templated[0]} and none for {missing[0]}: both are required"
            yield case.found("MN-F103", "error", message, f"add roles[].podTemplate of {missing[0]}", one)
        if one.part.raw.get("podTemplate"):
            message = "has roles[].podTemplate beside podTemplate: they cannot be combined"
            yield case.found("MN-F103", "error", message, "keep one of the two", one)
        yield from _role_flags(case, one)


_ROLE_FLAGS = {
    "vllm": ("--nnodes", "--node-rank", "--master-addr"),
    "sglang": ("--nnodes", "--node-rank", "--dist-init-addr"),
}


def _role_flags(case: Case, one: ComponentReading) -> Iterator[Finding]:
    templates = [("leader", one.part.template), ("worker", one.part.worker)]
    for name, given in templates:
        found = engine((*given.command, *given.args), given.env) if given else Engine()
        needed: tuple[str, ...] = _ROLE_FLAGS.get(found.backend, ())
        if found.backend == "vllm" and one.engine.data not in (None, 1):
            needed = ("--data-parallel-address", "--data-parallel-start-rank")
        elif found.backend == "vllm" and name == "worker":
            needed = (*needed, "--headless")
        there = {flag for flag, _text, _value in words_with_values(found.words, dict.fromkeys(needed))}
        missing = [flag for flag in needed if flag not in there]
        if missing:
            message = (
                f"the {name}'s template lacks {', '.join(missing)}: nothing is injected into templates of one role"
            )
            remedy = "write them, with $(DYNAMO_RANK) and $(DYNAMO_LEADER_ADDRESS)"
            yield case.found("MN-F103", "error", message, remedy, one)


ENGINE_CHECKS = (
    f01_degrees,
    f01_nodes,
    f02_unread,
    f02_nothing_injected,
    f02_misplaced,
    f02_backend,
    f03_coordination,
    f04_engine_yaml,
    f07_shell,
    f13_empty,
    f92_unknown,
    f103_roles,
)
