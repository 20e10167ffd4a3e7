# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module ``workload`` does: plan the whole fleet, apply it in one go, and wait until every engine serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import spec_args
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.apply import Result, Review
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import diagnose
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import facts
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer, summary
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import namespace_contents
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.replace import why_replace
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import OnChange, Outcome, Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import FleetPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import KINDS, render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import SpecError

OWN = f"{MANAGED_BY}={FIELD_MANAGER}"
# What is not deleted with a workload: somebody's data
KEPT = "PersistentVolumeClaim"
# What is waited for; claims and Services are ready when their pods are
SERVED = ("LeaderWorkerSet", "DynamoGraphDeployment")
CHOICES = ("orchestrator", "scheduler", "workload_api")
REMOVE_TIMEOUT = 600.0


@dataclass
class _Rollout:
    """One workload on its way: its plan, its objects' results and how its wait ended."""

    plan: WorkloadPlan
    objects: list[dict[str, Any]]
    results: list[Result] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    all_bound: bool = False
    cause: str | None = None
    remedy: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    # what earlier runs made for it, and the inventory no longer asks for
    leftovers: list[Ref] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.plan.namespace}/{self.plan.name}"

    @property
    def pods(self) -> int:
        return sum(component.replicas * component.node_count for component in self.plan.components)

    @property
    def served(self) -> list[Result]:
        return [result for result in self.results if result.kind in SERVED and result.action != "deleted"]

    @property
    def action(self) -> str:
        actions = {result.action for result in self.results}
        if "failed" in actions:
            return "failed"
        main = {result.action for result in self.served}
        for action in ("replaced", "would_create"):
            if action in actions:
                return action
        if main == {"created"}:
            return "created"
        return "unchanged" if actions <= {"unchanged"} else "changed"

    def to_dict(self, waited: bool) -> dict[str, Any]:
        ready = None
        if waited and not self.cause:
            ready = all(outcome.ready for outcome in self.outcomes)
        elif waited:
            ready = False
        return {
            "name": self.plan.name,
            "namespace": self.plan.namespace,
            "api": self.plan.api,
            "action": self.action,
            "ready": ready,
            "engines": sum(component.replicas for component in self.plan.components if component.total_gpus),
            "total_gpus": self.plan.demand,
            "objects": [result.to_dict() for result in self.results],
            "cause": self.cause,
            "remedy": self.remedy,
            "details": self.details,
        }


def roll_out(
    client: Client, params: Mapping[str, Any], *, check: bool = False, on_change: OnChange | None = None
) -> Answer:
    """The module's whole work; ``params`` are its options. Raises KubeError when the cluster cannot be asked."""
    try:
        fleet = spec_args.load(params, _facts(client, params))
    except SpecError as error:
        return Answer({"changed": False, "workloads": [], "findings": [], "requests": client.requests}, str(error))
    rollouts = [_Rollout(plan, render(plan)) for plan in fleet.workloads]
    errors = [finding for finding in fleet.findings if finding.severity == "error"]
    if check and not all(client.serves(*kind) for kind in _kinds(rollouts)):
        # The platform is not there yet: what the cluster lacks, this very run may be about to build
        errors = [finding for finding in errors if finding.stage == "spec"]
    if errors:
        answer = _answer(client, fleet, [], [], [], waited=False)
        answer.failure = summary([str(finding) for finding in errors], len(fleet.workloads), "workloads")
        return answer
    gone, removed = _remove(client, fleet, check=check, wait=bool(params["wait"]))
    if params.get("remove_namespaces") and not any(result.error for result in removed):
        removed += _remove_namespaces(client, fleet, removed, check=check, wait=bool(params["wait"]))
    _apply(client, rollouts, params, check)
    waited = bool(params["wait"]) and not check
    if waited:
        _wait(client, rollouts, params, on_change)
    return _answer(client, fleet, rollouts, gone, removed, waited)


def _facts(client: Client, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cluster's facts, where a choice is left to it; otherwise it need not be read (nor be readable)."""
    if params.get("cluster"):
        return dict(params["cluster"])
    if all((params.get(choice) or "auto") != "auto" for choice in CHOICES):
        return None
    return dict(facts(client, params.get("topology_levels") or None))


def _kinds(rollouts: Iterable[_Rollout]) -> set[tuple[str, str]]:
    return {(obj["apiVersion"], obj["kind"]) for rollout in rollouts for obj in rollout.objects}


# -- write ------------------------------------------------------------------------------------------------------


def _apply(client: Client, rollouts: Sequence[_Rollout], params: Mapping[str, Any], check: bool) -> None:
    owners = {Ref.of(obj): rollout for rollout in rollouts for obj in rollout.objects}
    results = engine.apply(
        client,
        [obj for rollout in rollouts for obj in rollout.objects],
        check=check,
        force=params["force_conflicts"],
        create_namespaces=params["create_namespaces"],
        may_be_missing=_kinds(rollouts),
        review=lambda items, others: _review(items, others, owners),
        replace_timeout=REMOVE_TIMEOUT,
    )
    namespaces: dict[str, Result] = {}
    for result in results:
        owner = owners.get(result.ref)
        if owner is not None:
            owner.results.append(result)
        elif result.kind == "Namespace":
            namespaces[result.name] = result
    for rollout in rollouts:
        created = namespaces.pop(rollout.plan.namespace, None)  # told once, with the first workload that needs it
        if created is not None:
            rollout.results.insert(0, created)
        if rollout.plan.workload.replace == "allow" and rollout.cause is None:
            rollout.results += engine.remove(client, rollout.leftovers, check=check, wait_timeout=REMOVE_TIMEOUT)
            rollout.leftovers = []
        failures = [f"{result.ref}: {result.error}" for result in rollout.results if result.error]
        if failures and rollout.cause is None:
            rollout.cause = "; ".join(failures)
            rollout.remedy = "correct what the API server refuses and run again; what is unchanged costs nothing"


def _review(
    items: Sequence[tuple[Ref, Mapping[str, Any], Mapping[str, Any] | None]],
    others: Sequence[Mapping[str, Any]],
    owners: Mapping[Ref, _Rollout],
) -> Review:
    """Replace only with consent; without it nothing of that workload is written."""
    review = Review()
    by_name = {(owner.plan.namespace, owner.plan.name): owner for owner in owners.values()}
    for obj in others:
        meta = obj["metadata"]
        served = by_name.get((meta["namespace"], meta["labels"].get(WORKLOAD_LABEL, "")))
        if served is not None and obj["kind"] != KEPT:
            served.leftovers.append(Ref.of(obj))
    for ref, wanted, live in items:
        why = why_replace(wanted, live) if live is not None else None
        if why is None:
            continue
        owner = owners[ref]
        if owner.plan.workload.replace == "allow":
            review.replaced[ref] = why
            continue
        owner.cause = f"{ref}: {why}"
        owner.remedy = (
            "set replace: allow on the workload (or multinode_replace) to delete it and create it again, which "
            "interrupts serving; or give the new shape another name"
        )
    for ref, _wanted, _live in items:
        if owners[ref].cause is not None:
            review.refused[ref] = f"not written, because {owners[ref].cause}"
    return review


# -- remove -----------------------------------------------------------------------------------------------------


def _remove(client: Client, fleet: FleetPlan, *, check: bool, wait: bool) -> tuple[list[dict[str, Any]], list[Result]]:
    """Delete what carries the labels of the absent workloads; one LIST per kind and namespace."""
    names: dict[str, list[str]] = {}
    for workload in fleet.absent:
        names.setdefault(workload.namespace, []).append(workload.name)
    found: dict[tuple[str, str], list[Ref]] = {}

    def listed(work: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        kind, namespace = work
        selector = f"{OWN},{WORKLOAD_LABEL} in ({','.join(sorted(set(names[namespace])))})"
        return client.list(*kind, namespace, label_selector=selector)

    kinds = [kind for kind in KINDS if kind[1] != KEPT]
    for objects in client.map(listed, [(kind, namespace) for namespace in sorted(names) for kind in kinds]):
        for obj in objects:
            meta = obj["metadata"]
            found.setdefault((meta["namespace"], meta["labels"][WORKLOAD_LABEL]), []).append(Ref.of(obj))
    results = {
        result.ref: result
        for result in engine.remove(
            client,
            [ref for refs in found.values() for ref in refs],
            check=check,
            wait_timeout=REMOVE_TIMEOUT,
            wait_gone=wait,
        )
    }
    entries: list[dict[str, Any]] = []
    for workload in fleet.absent:
        own = [results[ref] for ref in found.get((workload.namespace, workload.name), [])]
        failures = [f"{result.ref}: {result.error}" for result in own if result.error]
        entries.append(
            {
                "name": workload.name,
                "namespace": workload.namespace,
                "api": None,
                "action": "failed" if failures else "deleted" if own else "unchanged",
                "ready": None,
                "engines": 0,
                "total_gpus": 0,
                "objects": [result.to_dict() for result in own],
                "cause": "; ".join(failures) or None,
                "remedy": "look at what holds the objects (finalizers, owners) and run again" if failures else None,
                "details": {},
            }
        )
    return entries, list(results.values())


def _remove_namespaces(
    client: Client, fleet: FleetPlan, removed: Sequence[Result], *, check: bool, wait: bool
) -> list[Result]:
    """Delete the namespaces of absent workloads that we made and that hold nothing else any more."""
    kept = {workload.namespace for workload in fleet.workloads}
    going = {(result.kind, result.name, result.namespace) for result in removed}
    empty = []
    for name in sorted({workload.namespace for workload in fleet.absent} - kept):
        namespace = client.get("v1", "Namespace", name)
        labels = (namespace or {}).get("metadata", {}).get("labels") or {}
        if labels.get(MANAGED_BY) != FIELD_MANAGER:
            continue

        def expected(item: Mapping[str, Any], name: str = name) -> bool:
            return (item["kind"], item["metadata"]["name"], name) in going

        if not namespace_contents(client, name, expected):
            empty.append(Ref("v1", "Namespace", None, name))
    return engine.remove(client, empty, check=check, wait_timeout=REMOVE_TIMEOUT, wait_gone=wait)


# -- wait -------------------------------------------------------------------------------------------------------


def _wait(client: Client, rollouts: Sequence[_Rollout], params: Mapping[str, Any], on_change: OnChange | None) -> None:
    """Each workload has its own two deadlines: all its pods bound, and all its engines ready."""
    active = [rollout for rollout in rollouts if rollout.cause is None]
    owners = {result.ref: rollout for rollout in active for result in rollout.served}
    limit = params.get("wait_timeout")

    def seconds(rollout: _Rollout) -> tuple[float, float]:
        timeouts = rollout.plan.workload.timeouts
        ready = float(limit if limit is not None else timeouts.ready)
        return min(float(timeouts.scheduled), ready), ready

    def more_time(ref: Ref, _verdict: Verdict) -> float | None:
        rollout = owners[ref]
        scheduled, ready = seconds(rollout)
        if ref in extended or ready <= scheduled:
            return None
        if not rollout.all_bound and not _all_bound(client, rollout):
            return None
        rollout.all_bound = True
        extended.add(ref)
        return ready - scheduled

    extended: set[Ref] = set()
    outcomes = engine.wait_for(
        client,
        [result for rollout in active for result in rollout.served],
        timeout={ref: seconds(rollout)[0] for ref, rollout in owners.items()},
        on_change=on_change,
        on_deadline=more_time,
    )
    for rollout in active:
        rollout.outcomes = [outcomes[result.ref] for result in rollout.served]
    late = [rollout for rollout in active if not all(outcome.ready for outcome in rollout.outcomes)]
    levels = params.get("topology_levels") or None
    client.map(lambda rollout: _explain(client, rollout, levels), late)


def _all_bound(client: Client, rollout: _Rollout) -> bool:
    pods = client.list("v1", "Pod", rollout.plan.namespace, label_selector=f"{WORKLOAD_LABEL}={rollout.plan.name}")
    return sum(1 for pod in pods if (pod.get("spec") or {}).get("nodeName")) >= rollout.pods


def _explain(client: Client, rollout: _Rollout, levels: Mapping[str, str] | None) -> None:
    late = [outcome for outcome in rollout.outcomes if not outcome.ready]
    seen = "; ".join(f"{outcome.ref.kind} {outcome.ref.name}: {outcome.reason}" for outcome in late)
    elapsed = max(outcome.seconds for outcome in late)
    try:
        diagnosis = diagnose(client, rollout.plan, levels)
    except ApiError as error:
        rollout.cause = f"not ready after {elapsed:.0f} s: {seen}"
        rollout.remedy = f"the cause could not be looked up: {error}"
        return
    rollout.cause = f"not ready after {elapsed:.0f} s: {diagnosis.cause}"
    rollout.remedy = diagnosis.remedy
    rollout.details = {**diagnosis.details, "seen": seen}


# -- answer -----------------------------------------------------------------------------------------------------


def _answer(
    client: Client,
    fleet: FleetPlan,
    rollouts: Sequence[_Rollout],
    gone: list[dict[str, Any]],
    removed: list[Result],
    waited: bool,
) -> Answer:
    entries = [rollout.to_dict(waited) for rollout in rollouts] + gone
    results = removed + [result for rollout in rollouts for result in rollout.results]
    diff = [
        {"before_header": str(result.ref), "after_header": str(result.ref), **result.diff}
        for result in results
        if result.diff is not None
    ]
    answer = Answer(
        {
            "changed": any(result.changed for result in results),
            "workloads": entries,
            "lines": [_line(entry) for entry in entries],
            "findings": [finding.to_dict() for finding in fleet.findings],
            "plan": fleet.to_dict(),
            "requests": client.requests,
            "diff": diff,
        }
    )
    answer.warnings = [str(finding) for finding in fleet.findings if finding.severity == "warning"]
    answer.warnings += [f"{result.ref}: {warning}" for result in results for warning in result.warnings]
    answer.warnings += [
        f"{ref}: workload {rollout.name} has no such component any more, and it keeps its GPUs; "
        "replace: allow on the workload (or multinode_replace) deletes it"
        for rollout in rollouts
        for ref in rollout.leftovers
    ]
    failures = [
        f"{entry['namespace']}/{entry['name']}: {entry['cause']}" + (f"; {entry['remedy']}" if entry["remedy"] else "")
        for entry in entries
        if entry["cause"]
    ]
    if failures:
        answer.failure = summary(failures, len(entries), "workloads")
        # Ansible prints all of a failure's result: the plan would bury the message
        del answer.result["plan"]
    return answer


def _line(entry: Mapping[str, Any]) -> str:
    """What became of one workload, in a sentence: ``inference/llama: created; 2 engines, 32 GPUs, ready``."""
    unseen = [f"{item['kind']} {item['name']}" for item in entry["objects"] if item["action"] == "would_create"]
    said = f"would create (not validated): {', '.join(unseen)}" if unseen else str(entry["action"])
    if entry["engines"]:
        engines = "1 engine" if entry["engines"] == 1 else f"{entry['engines']} engines"
        said += f"; {engines}, {entry['total_gpus']} GPUs"
    if entry["ready"] is not None:
        said += ", ready" if entry["ready"] else ", not ready"
    return f"{entry['namespace']}/{entry['name']}: {said}"
