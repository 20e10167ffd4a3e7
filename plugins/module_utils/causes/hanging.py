# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ranks that wait for each other for ever: the wrong network interface, and hangs that upstream knows. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.dynamo.multinode.plugins.module_utils.causes import starting, words
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Case, Diagnosis

# What Gloo and NCCL say when they meet on an interface by which no other machine is reached
# (aws-samples/aws-do-eks#50 and #51; pytorch/gloo#223; NCCL's src/misc/socket.cc and src/transport/net_socket.cc)
_MEETING = re.compile(
    r"gloo connectFullMesh failed"
    r"|using the loopback address as fallback"
    r"|gloo.*unable to find address for:"
    r"|(?:gloo|connect).*\[127\.\d+\.\d+\.\d+\]"
    r"|(?:NET/Socket|NET/IB|Bootstrap) ?: using (?:\[\d+\])?(?:lo|docker\d*|virbr\d*):"
    r"|NCCL WARN .*no socket interface found"
    r"|NCCL WARN .*\bconnect to \S+ failed",
    re.IGNORECASE,
)


def wrong_interface(case: Case) -> Diagnosis | None:
    """A rank whose log shows that NCCL or Gloo meets where the other machines are not."""
    if case.engine.size < 2:
        return None
    for rank, pod in sorted(case.engine.pods.items()):
        for log, text in case.seen.logs.items():
            if (log.namespace, log.pod) != (case.namespace, pod["metadata"]["name"]):
                continue
            found = next((line for line in words.lines(text) if _MEETING.search(line)), None)
            if found is not None:
                return case.say(
                    "MN-F98",
                    f"rank {rank} ({log.pod} on {pod['spec'].get('nodeName')}) does not meet the others on the "
                    f"network: {words.shown(found)}",
                    _interface(case),
                    rank=rank,
                    pod=log.pod,
                    node=pod["spec"].get("nodeName"),
                )
    return None


def _interface(case: Case) -> str:
    named = case.engine.workload.workload.network.socket_interface
    which = "one name of an interface by which the machines reach each other (eth0 on a pod network), no list, no ^"
    return (
        f"network.socket_interface is {named}: give it {which}" if named else f"set network.socket_interface to {which}"
    )


@dataclass(frozen=True)
class Hang:
    """An engine that upstream knows to hang: of this backend and degree, over machines, without ``argument``.

    ``says``: what its log holds once a watchdog has found it.
    """

    backend: str
    tensor: int
    argument: str
    says: str
    source: str


HANGS = (
    # Without attention DP; seen with SGLang 0.5.11 and 0.5.12, in the known issues of the Dynamo releases with them.
    Hang(
        "sglang",
        tensor=8,
        argument="--disable-overlap-schedule",
        says=r"watchdog timeout|copy_done\.synchronize",
        source="sgl-project/sglang#26454",
    ),
)


def known_hang(case: Case) -> Diagnosis | None:
    """Every rank runs, none says what is wrong, and upstream knows a hang at this shape with its way around."""
    engine = case.engine
    hang = next((one for one in HANGS if _applies(one, case)), None)
    if hang is None or len(engine.bound) < engine.size:
        return None
    logs = starting.running(case)
    caught = any(
        re.search(hang.says, text, re.IGNORECASE)
        for log, text in case.seen.logs.items()
        if log.namespace == case.namespace and log.pod in {pod["metadata"]["name"] for pod in engine.pods.values()}
    )
    if not caught and (not logs or starting.failing_container(case) is not None):
        return None
    how = "its watchdog ended it" if caught else "all ranks run and are not ready"
    return case.say(
        "MN-F91",
        f"{how}: {hang.backend} is known to hang with tensor parallel {hang.tensor} over several machines "
        f"({engine.size}) without {hang.argument} ({hang.source})",
        f"add {hang.argument} to the component's args; if its log shows that it still loads the model, raise "
        "timeouts.ready and startup_timeout",
        argument=hang.argument,
        source=hang.source,
    ).asking(case.seen, logs)


def _applies(hang: Hang, case: Case) -> bool:
    component, degrees = case.engine.component.component, case.engine.component.degrees
    if case.engine.workload.workload.backend != hang.backend or case.engine.size < 2 or degrees is None:
        return False
    given = [*component.command, *component.args, *map(str, component.engine_config)]
    for pod in case.engine.pods.values():
        for container in pod["spec"].get("containers") or ():
            given += [*(container.get("command") or ()), *(container.get("args") or ())]
    name = hang.argument.lstrip("-")
    absent = not any(name in str(text).replace("_", "-") for text in given)
    return (degrees.tensor, degrees.data) == (hang.tensor, 1) and absent
