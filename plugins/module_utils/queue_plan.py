# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_queues against what the cluster has: what to apply, layer by layer, what to delete, and what not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.cluster import present
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.queues import (
    API,
    KAI,
    NODE_POOL,
    VARIABLE,
    VOLCANO,
    Queue,
    load,
    objects,
    reference,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, SpecError, shown

SUBJECT = "queues"
COMPONENTS = {KAI: "kai_scheduler", VOLCANO: "volcano"}
_SPELT = {KAI: "KAI", VOLCANO: "Volcano"}
_MISSING = {KAI: "MN-F23", VOLCANO: "MN-F34"}
_SHOWN = 5

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """layers: objects to apply, parents first; delete: references, leaves first; each inner list can go at once.
    queues: what was asked for, with ``scheduler``. why: all of it in a sentence."""

    scheduler: str = ""
    queues: tuple[Queue, ...] = ()
    layers: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    delete: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    findings: tuple[Finding, ...] = ()
    why: str = "no queue is asked for"

    def to_dict(self) -> dict[str, Any]:
        return {
            "scheduler": self.scheduler,
            "layers": [list(layer) for layer in self.layers],
            "delete": [list(layer) for layer in self.delete],
            "findings": [finding.to_dict() for finding in self.findings],
            "lines": [self.why, *[str(finding) for finding in self.findings]],
        }


def plan(
    raw: object,
    facts: Facts,
    *,
    scheduler: str = "auto",
    orchestrator: str = "auto",
    state: str = "present",
    remove_used: bool = False,
    users: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    check: bool = False,
) -> Answer:
    """What is to be done about the queues.

    facts: what cluster_info returns under ``cluster_after``: a scheduler that is about to be installed counts as there.
    users: scheduler -> queue -> what is in it (``PodGroup namespace/name``), needed where something is to be deleted.
    state absent: every queue of ours goes, whatever ``raw`` says. check: in check mode nothing can be compared with a
    scheduler that is not there yet. Raises SpecError with everything that is wrong.
    """
    if state == "absent":
        return _all_gone(facts, remove_used, users or {})
    if not raw:
        return Answer()
    chosen = _scheduler(scheduler, orchestrator, facts)
    queues, problems = load(raw, chosen)
    if check and not _there(facts, chosen):
        if problems:
            raise SpecError(problems)
        return Answer(chosen, queues, why=f"{len(queues)} {_SPELT[chosen]} queues are asked for, once it is there")
    live = known(facts, chosen)
    problems = (*problems, *_against(queues, live, facts, chosen))
    if problems:
        raise SpecError(problems)
    key = str((facts.get("kai") or {}).get("node_pool_key") or NODE_POOL)
    wanted = [queue for queue in queues if queue.state == "present"]
    layers = _layers({queue.name: queue.parent for queue in wanted})
    by_name = {queue.name: queue for queue in wanted}
    gone = [queue.name for queue in queues if queue.state == "absent"]
    delete, findings, words = _removal(gone, live, chosen, remove_used, (users or {}).get(chosen) or {})
    why = f"{len(wanted)} {_SPELT[chosen]} {'queue is' if len(wanted) == 1 else 'queues are'} asked for"
    return Answer(
        chosen,
        queues,
        tuple(tuple(objects(by_name[name], chosen, key) for name in layer) for layer in layers),
        delete,
        (*findings, *_sums(wanted, live, chosen)),
        "; ".join([why, *words]),
    )


def removes(raw: object, state: str) -> bool:
    """Whether anything may be deleted: then what is in the queues has to be read first."""
    items = raw if isinstance(raw, Sequence) and not isinstance(raw, str) else ()
    return state == "absent" or any(isinstance(item, Mapping) and item.get("state") == "absent" for item in items)


def after(facts: Facts, answer: Answer) -> dict[str, Any]:
    """Facts with the queues as they will be once ``answer`` is carried out."""
    if not answer.scheduler:
        return dict(facts)
    there = {queue["name"]: queue for queue in (facts.get("queues") or {}).get(answer.scheduler) or []}
    for layer in answer.delete:
        for ref in layer:
            there.pop(ref["metadata"]["name"], None)
    for queue in answer.queues:
        if queue.state == "present":
            there[queue.name] = {**there.get(queue.name, {}), **_entry(queue, answer.scheduler, facts)}
    queues = {**(facts.get("queues") or {}), answer.scheduler: [there[name] for name in sorted(there)]}
    return {**facts, "queues": queues}


def known(facts: Facts, scheduler: str) -> dict[str, Mapping[str, Any]] | None:
    """The scheduler's queues on the cluster by name; None where they may not be read."""
    api_version, kind = API[scheduler]
    if f"{kind} in {api_version}" in (facts.get("unreadable") or ()):
        return None
    return {queue["name"]: queue for queue in (facts.get("queues") or {}).get(scheduler) or ()}


def _entry(queue: Queue, scheduler: str, facts: Facts) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": queue.name, "parent": queue.parent, "ours": True}
    if scheduler == VOLCANO:
        return {**entry, "state": "Open", "capability": queue.spec.get("capability")}
    key = str((facts.get("kai") or {}).get("node_pool_key") or NODE_POOL)
    gpu = queue.spec["resources"]["gpu"]
    return {
        **entry,
        "quota": gpu["quota"],
        "limit": gpu["limit"],
        "weight": gpu["overQuotaWeight"],
        "labels": {key: queue.node_pool} if queue.node_pool else {},
    }


def _scheduler(scheduler: str, orchestrator: str, facts: Facts) -> str:
    """Whose queues these are. Raises SpecError with the question where nobody can know."""
    if scheduler in (KAI, VOLCANO):
        return scheduler
    path = "multinode_scheduler"
    if scheduler == "default":
        raise SpecError(
            [Problem(path, scheduler, f"is default, which knows no queues; kai or volcano, or no {VARIABLE}")]
        )
    there = [name for name in (KAI, VOLCANO) if _there(facts, name)]
    if orchestrator == "lws" or there == [VOLCANO]:
        return VOLCANO
    if orchestrator == "grove" or there == [KAI]:
        return KAI
    what = "both KAI and Volcano" if there else "neither KAI nor Volcano"
    raise SpecError([Problem(path, scheduler, f"is auto, and the cluster has {what}: whose queues are {VARIABLE}?")])


def _there(facts: Facts, scheduler: str) -> bool:
    return present(facts, COMPONENTS[scheduler]) or _served(facts, scheduler)


def _served(facts: Facts, scheduler: str) -> bool:
    return API[scheduler][0].split("/", 1)[0] in (facts.get("apis") or {})


# -- against the cluster ------------------------------------------------------------------------------------------


def _against(
    queues: Sequence[Queue], live: Mapping[str, Mapping[str, Any]] | None, facts: Facts, scheduler: str
) -> list[Problem]:
    spelt, missing = _SPELT[scheduler], _MISSING[scheduler]
    if not _there(facts, scheduler):
        message = f"asks for {spelt} queues, and the cluster has no {spelt}: install it first (playbook bootstrap)"
        return [Problem(VARIABLE, None, message, missing)]
    if live is None:
        message = (
            f"asks for {spelt} queues, and these credentials may not list them: who may is the platform's engineer"
        )
        return [Problem(VARIABLE, None, message, "MN-F52")]
    problems = []
    listed = {queue.name: queue for queue in queues if queue.state == "present"}
    leaves = set(live) - {str(queue.get("parent")) for queue in live.values()}
    pools = _pools(facts)
    for queue in listed.values():
        there = live.get(queue.name)
        if there is not None and not there.get("ours"):
            message = f"is {shown(queue.name)}, which is there and is somebody else's: it is used and never changed; "
            message += "leave it out of the list, or give this one another name"
            problems.append(Problem(f"{queue.path}.name", queue.name, message, "MN-F68"))
        if queue.node_pool and pools and queue.node_pool not in pools:
            message = f"is {shown(queue.node_pool)}, for which no SchedulingShard is there; one of "
            message += ", ".join(sorted(shown(pool) for pool in pools if pool)) or "none: leave it out"
            problems.append(Problem(f"{queue.path}.node_pool", queue.node_pool, message, "MN-F24"))
        parent = queue.parent
        if not parent or parent == queue.name or any(other.name == parent for other in queues):
            above = None
        elif parent not in live:
            names = ", ".join(sorted({*live, *listed} - {queue.name})) or "none"
            message = f"is {shown(parent)}, which is neither in {VARIABLE} nor on the cluster (there are: {names})"
            problems.append(Problem(f"{queue.path}.parent", parent, message, missing))
            above = None
        else:
            above = live[parent]
        key = str((facts.get("kai") or {}).get("node_pool_key") or NODE_POOL)
        if above is not None and scheduler == KAI and _pool(above, key) != (queue.node_pool or ""):
            message = f"is {shown(parent)} of node pool {shown(_pool(above, key))}; give this queue the same node_pool"
            problems.append(Problem(f"{queue.path}.parent", parent, message, "MN-F24"))
        if parent in leaves and live[parent].get("held"):
            message = (
                f"is {shown(parent)}, a leaf that holds pods: with a queue below it, it would take no more of them"
            )
            problems.append(Problem(f"{queue.path}.parent", parent, message, missing))
    return problems


def _pool(entry: Mapping[str, Any], key: str) -> str:
    return str((entry.get("labels") or {}).get(key) or "")


def _pools(facts: Facts) -> set[str]:
    """The node pools that KAI's shards schedule; empty where nobody looked."""
    return {str(shard.get("pool") or "") for shard in (facts.get("kai") or {}).get("shards") or ()}


def _sums(wanted: Sequence[Queue], live: Mapping[str, Mapping[str, Any]] | None, scheduler: str) -> list[Finding]:
    """Quotas below a parent that cannot give them all at once."""
    findings = []
    by_name = {queue.name: queue for queue in wanted}
    for name in dict.fromkeys(queue.parent for queue in wanted if queue.parent):
        quota = by_name[name].quota if name in by_name else ((live or {}).get(name) or {}).get("quota")
        below = [queue.quota for queue in wanted if queue.parent == name]
        if quota is None or quota < 0:
            continue
        unlimited = any(one == -1 or (one is None and scheduler == KAI) for one in below)
        total = sum(one for one in below if one is not None and one > 0)
        if unlimited or total > quota:
            said = "unlimited" if unlimited else f"{total} GPUs"
            findings.append(
                Finding(
                    "MN-F25",
                    "warning",
                    f"{SUBJECT}/{name}",
                    f"the quotas below it are {said} together, and its own is {quota}: non-preemptible pods are bound "
                    "by both",
                    f"raise gpu.quota of {name}, or lower those below it",
                )
            )
    return findings


# -- the order ----------------------------------------------------------------------------------------------------


def _layers(parents: Mapping[str, str | None]) -> list[list[str]]:
    """Names by their depth, the highest first; what is above and not among them does not count."""
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            above = parents[name]
            depth[name] = of(above) + 1 if above in parents and above is not None else 0
        return depth[name]

    layers: list[list[str]] = []
    for name in sorted(parents, key=lambda name: (of(name), name)):
        while len(layers) <= depth[name]:
            layers.append([])
        layers[depth[name]].append(name)
    return layers


# -- removal ------------------------------------------------------------------------------------------------------


def _all_gone(facts: Facts, remove_used: bool, users: Mapping[str, Mapping[str, Sequence[str]]]) -> Answer:
    delete: list[tuple[Mapping[str, Any], ...]] = []
    findings: list[Finding] = []
    words: list[str] = []
    for scheduler in (KAI, VOLCANO):
        live = known(facts, scheduler) or {}
        ours = sorted(name for name, queue in live.items() if queue.get("ours"))
        layers, said, more = _removal(ours, live, scheduler, remove_used, users.get(scheduler) or {})
        delete += layers
        findings += said
        words += more
    return Answer(delete=tuple(delete), findings=tuple(findings), why="; ".join(words) or "no queue of ours is there")


def _removal(
    names: Iterable[str],
    live: Mapping[str, Mapping[str, Any]] | None,
    scheduler: str,
    remove_used: bool,
    users: Mapping[str, Sequence[str]],
) -> tuple[tuple[tuple[Mapping[str, Any], ...], ...], list[Finding], list[str]]:
    """(layers of references, findings, words) for queues that are to go."""
    live = live or {}
    findings: list[Finding] = []
    words: list[str] = []
    going: list[str] = []
    for name in names:
        if name not in live:
            continue
        if live[name].get("ours"):
            going.append(name)
        else:
            words.append(f"{_SPELT[scheduler]} queue {name} is somebody else's and stays")
    # From below: a queue stays with what stays below it
    for layer in reversed(_layers({name: live[name].get("parent") for name in going})):
        for name in layer:
            why = _why_it_stays(name, going, live, remove_used, users.get(name) or ())
            if why:
                going.remove(name)
                findings.append(
                    Finding(
                        "MN-F69",
                        "warning",
                        f"{SUBJECT}/{name}",
                        f"{_SPELT[scheduler]} queue {name} stays: {why}",
                        "remove these first, or set queues_remove_used: true",
                    )
                )
    layers = reversed(_layers({name: live[name].get("parent") for name in going}))
    refs = tuple(tuple(reference(name, scheduler) for name in layer) for layer in layers)
    if going:
        words.append(
            f"{_SPELT[scheduler]} {'queue' if len(going) == 1 else 'queues'} {', '.join(sorted(going))}: to go"
        )
    return refs, findings, words


def _why_it_stays(
    name: str, going: Sequence[str], live: Mapping[str, Mapping[str, Any]], remove_used: bool, inside: Sequence[str]
) -> str:
    below = sorted(other for other, queue in live.items() if queue.get("parent") == name and other not in going)
    if below:
        return f"below it {'is' if len(below) == 1 else 'are'} {', '.join(below[:_SHOWN])}"
    if remove_used:
        return ""
    if inside:
        more = f" and {len(inside) - _SHOWN} more" if len(inside) > _SHOWN else ""
        return f"it holds {', '.join(sorted(inside)[:_SHOWN])}{more}"
    return "it holds pods" if live[name].get("held") else ""
