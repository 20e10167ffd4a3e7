# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the queues of KAI and Volcano say against the plan (stage preflight): upstream says it late, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.cluster import present
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan

Facts = Mapping[str, Any]
Known = Mapping[str, Mapping[str, Any]]

NODE_POOL = "kai.scheduler/node-pool"
# Pods of priority classes from this value are never taken beyond a quota (docs/priority of KAI); of KAI's own these two
_NON_PREEMPTIBLE_FROM = 100
NON_PREEMPTIBLE = ("inference", "build")
# From then on what a capability does not list is unlimited (volcano 1.14: pkg/scheduler/plugins/proportion)
_UNLISTED_IS_UNLIMITED = "1.14.0"


def _known(facts: Facts, scheduler: str, component: str, kind: str) -> Known | None:
    """The scheduler's queues by name, or None where nobody looked or was allowed to."""
    found = (facts.get("queues") or {}).get(scheduler)
    if found is None or kind in (facts.get("unreadable") or ()) or not present(facts, component):
        return None
    return {queue["name"]: queue for queue in found}


def _kai(plan: FleetPlan, facts: Facts) -> Iterator[tuple[WorkloadPlan, str, Known]]:
    """The workloads that KAI schedules, with the queue of each and all queues there are."""
    known = _known(facts, "kai", "kai_scheduler", "Queue in scheduling.run.ai/v2")
    for workload in plan.workloads if known is not None else ():
        if workload.choice.scheduler == "kai" and workload.queue is not None and known is not None:
            yield workload, workload.queue, known


def _chain(name: str, known: Known) -> list[Mapping[str, Any]]:
    """A queue and what is above it."""
    found: list[Mapping[str, Any]] = []
    while name in known and known[name] not in found:
        found.append(known[name])
        name = str(known[name].get("parent") or "")
    return found


def _finding(check: str, severity: str, workload: WorkloadPlan, message: str, remedy: str) -> Finding:
    return Finding(check, severity, f"{workload.namespace}/{workload.name}", message, remedy)


def _queue_finding(check: str, workload: WorkloadPlan, message: str) -> Finding:
    remedy = "create it (multinode_queues) or name another with the workload's `queue`"
    return _finding(check, "error", workload, message, remedy)


def f23_kai_queue(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F23: the KAI queue does not exist, is a parent, into which nothing can be scheduled, or has no parent itself."""
    for workload, name, known in _kai(plan, facts):
        parent = (known.get(name) or {}).get("parent")
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            yield _queue_finding("MN-F23", workload, f"KAI queue {name!r} does not exist (there are: {there})")
        elif name in {queue.get("parent") for queue in known.values()}:
            yield _queue_finding("MN-F23", workload, f"KAI queue {name!r} has queues below it: only a leaf takes pods")
        elif not parent:
            yield _queue_finding("MN-F23", workload, f"KAI queue {name!r} has no parent: KAI takes nothing into it")
        elif parent not in known:
            message = f"KAI queue {name!r} is below {parent!r}, which does not exist: KAI calls the queue missing"
            yield _queue_finding("MN-F23", workload, message)


def f24_node_pool(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F24: each shard of KAI sees only the queues, pods and nodes with its node pool's label, or with none."""
    kai = facts.get("kai") or {}
    key = str(kai.get("node_pool_key") or NODE_POOL)
    pools = {str(shard.get("pool") or "") for shard in kai.get("shards") or ()}
    machines = [node for node in facts.get("nodes") or () if node.get("gpus")]
    for workload, name, known in _kai(plan, facts):
        chain = _chain(name, known)
        if not chain:
            continue
        pool, mine = _pool(chain[0], key), str(workload.workload.labels.get(key) or "")
        other = next((queue for queue in chain if _pool(queue, key) != pool), None)
        message = remedy = ""
        if other is not None:
            message = f"queue {name!r} is {_in(pool)}, and {other['name']!r} above it is {_in(_pool(other, key))}"
            remedy = f"give both the same label {key} (node_pool in multinode_queues)"
        elif mine != pool:
            message = f"its pods are {_in(mine)}, and queue {name!r} is {_in(pool)}"
            remedy = f"labels: {{{key}: {pool}}} on the workload" if pool else f"take the label {key} from the workload"
        elif pools and pool not in pools:
            message = f"queue {name!r} is {_in(pool)}, and no SchedulingShard schedules that"
            remedy = "make the shard (its partitionLabelValue), or name another queue"
        elif machines and not any(str(node["labels"].get(key) or "") == pool for node in machines):
            message = f"queue {name!r} is {_in(pool)}, and no GPU node is"
            remedy = f"label the nodes with {key}={pool}" if pool else f"take the label {key} from nodes"
        if message:
            message += ": KAI says QueueDoesNotExist, or never looks at the pods"
            yield _finding("MN-F24", "error", workload, message, remedy)


def _pool(queue: Mapping[str, Any], key: str) -> str:
    return str((queue.get("labels") or {}).get(key) or "")


def _in(pool: str) -> str:
    return f"in node pool {pool!r}" if pool else "in no node pool"


def _firm(workload: WorkloadPlan, facts: Facts) -> bool:
    """Whether KAI takes its pods for non-preemptible."""
    value = (facts.get("priorities") or {}).get(workload.priority_class)
    return workload.priority_class in NON_PREEMPTIBLE if value is None else int(value) >= _NON_PREEMPTIBLE_FROM


def f25_quota(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F25: KAI binds non-preemptible pods only within the quota of their queue and of all above it."""
    demand: dict[str, int] = {}
    asked = list(_kai(plan, facts))
    for workload, name, known in asked:
        for queue in _chain(name, known) if _firm(workload, facts) else ():
            demand[queue["name"]] = demand.get(queue["name"], 0) + workload.demand
    for workload, name, known in asked:
        if not workload.demand:
            continue
        gang = sum(component.total_gpus for component in workload.components if component.replicas)
        firm = _firm(workload, facts)
        for queue in _chain(name, known):
            quota, limit = queue.get("quota"), queue.get("limit")
            which = f"queue {queue['name']!r}" + ("" if queue["name"] == name else f", above {name!r},")
            remedy = f"raise gpu of {queue['name']} in KAI, or name another with the workload's `queue`"
            if firm and quota is not None and 0 <= quota < gang:
                message = f"{which} has a quota of {quota} GPUs, and its first engines need {gang}: {_kept(workload)}"
                yield _finding("MN-F25", "error", workload, message, remedy + "; or priority_class: train")
                break
            if limit is not None and 0 <= limit < gang:
                message = f"{which} has a limit of {limit} GPUs, and its first engines need {gang}: they wait for ever"
                yield _finding("MN-F25", "error", workload, message, remedy)
                break
            if firm and quota is not None and 0 <= quota < demand[queue["name"]]:
                message = f"{which} has a quota of {quota} GPUs for {demand[queue['name']]} that are asked of it: "
                yield _finding("MN-F25", "warning", workload, message + _kept(workload), remedy)
                break


def _kept(workload: WorkloadPlan) -> str:
    return f"pods of priority class {workload.priority_class} are never bound beyond a quota"


def f34_volcano_queue(plan: FleetPlan, facts: Facts) -> Iterator[Finding]:
    """F34: the Volcano queue is missing or closed, or can never hold an engine: it would pend without an event."""
    known = _known(facts, "volcano", "volcano", "Queue in scheduling.volcano.sh/v1beta1")
    if known is None:
        return
    for workload in plan.workloads:
        name = workload.queue
        if workload.choice.scheduler != "volcano" or name is None:
            continue
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            yield _queue_finding("MN-F34", workload, f"Volcano queue {name!r} does not exist (there are: {there})")
        elif (known[name].get("state") or "Open") != "Open":
            yield _queue_finding("MN-F34", workload, f"Volcano queue {name!r} is {known[name]['state']}")
        else:
            yield from _capability(workload, _chain(name, known), facts)


def _capability(workload: WorkloadPlan, chain: list[Mapping[str, Any]], facts: Facts) -> Iterator[Finding]:
    asked = _engine_requests(workload)
    version = str(((facts.get("components") or {}).get("volcano") or {}).get("app_version") or "")
    number, since = versions.key(version), versions.key(_UNLISTED_IS_UNLIMITED)
    lenient = number is not None and since is not None and number >= since
    for queue in chain:
        capability = queue.get("capability") or {}
        if not capability:
            continue
        which = f"the capability of Volcano queue {queue['name']!r}"
        for name, need in sorted(asked.items()):
            most = quantity.parse(capability.get(name))
            if most is not None and most < need:
                message = (
                    f"{which} is {capability[name]} {name}, and one engine asks for {_plain(need)}: it pends for ever"
                )
                remedy = "raise it, or name another with the workload's `queue`"
                yield _finding("MN-F34", "error", workload, message, remedy)
                return
        missing = sorted(set(asked) - set(capability))
        if missing and not lenient:
            message = (
                f"{which} does not list {', '.join(missing)}, which its pods ask for; Volcano before 1.14 takes that "
                "for none, and they pend for ever"
            )
            yield _finding("MN-F34", "warning", workload, message, f"add {', '.join(missing)} to it")
            return


def _engine_requests(workload: WorkloadPlan) -> dict[str, Any]:
    """What the largest engine's pods request together, as they are rendered: a gang's minResources."""
    # render imports the plan, and the plan these checks
    from ansible_collections.dynamo.multinode.plugins.module_utils.render.pod import resources

    most: dict[str, Any] = {}
    for component in workload.components:
        for name, value in (resources(component).get("requests") or {}).items():
            number = quantity.parse(value)
            if number is not None:
                most[name] = max(most.get(name, 0), number * component.node_count)
    return most


def _plain(number: Any) -> str:
    return str(int(number)) if number == int(number) else str(float(number))


QUEUE_CHECKS = (f23_kai_queue, f24_node_pool, f25_quota, f34_volcano_queue)
