# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module ``workload`` does: plan the whole fleet, apply it in one go, and wait until every engine serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ansible_collections.dynamo.multinode.plugins.module_utils import spec_args
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness, removal, serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.apply import Review
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.clearing import REMEDY, Case, Clearing
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import deleted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import facts
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.removal import Leaving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.replace import Path, Step, leave_to_its_owner, step
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.scaling import scale
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.serving import Pending, Serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import OnChange, Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import finish_workloads, summary
from ansible_collections.dynamo.multinode.plugins.module_utils.render import (
    KINDS,
    packed_as_it_is,
    render,
    scale_targets,
    scaled,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import SpecError

# What runs engines, and so holds GPUs and is waited for; what else there is, is ready when their pods are
SERVED = ("LeaderWorkerSet", "PodCliqueSet", "DynamoGraphDeployment")


@dataclass
class _Rollout:
    """One workload on its way: its plan, what is to be done to its objects, and what became of them."""

    plan: WorkloadPlan
    objects: list[dict[str, Any]]
    results: list[Result] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cause: str | None = None
    remedy: str | None = None
    # what earlier runs made for it, and the inventory no longer asks for
    leftovers: list[Ref] = field(default_factory=list)
    # of these, what goes now
    cleared: list[Ref] = field(default_factory=list)
    # component -> the number that an autoscaler has set
    replicas: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.plan.namespace}/{self.plan.name}"

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

    def case(self) -> Case:
        anew = [result.anew for result in self.results if result.anew is not None]
        return Case(self.name, anew, self.cleared)

    def pending(self, wait_timeout: int | None, stable_seconds: float) -> Pending:
        scheduled, ready = serving.limits(self.plan, wait_timeout)
        served = [result for result in self.served if result.action != "failed"]
        objects = [Waited.of(result, scheduled, stable_seconds) for result in served]
        return Pending(self.plan, objects, ready, replicas=self.replicas)

    def to_dict(self, waited: bool) -> dict[str, Any]:
        return {
            "name": self.plan.name,
            "namespace": self.plan.namespace,
            "api": self.plan.api,
            "orchestrator": self.plan.choice.orchestrator,
            "replace": self.plan.workload.replace,
            "action": self.action,
            "ready": False if waited and self.cause else None,
            "engines": sum(component.replicas for component in self.plan.components if component.total_gpus),
            "total_gpus": self.plan.demand,
            "steps": [one.to_dict() for one in self.steps],
            "objects": [result.to_dict() for result in self.results],
            "cause": self.cause,
            "remedy": self.remedy,
            "details": {},
        }


def roll_out(
    client: Client, params: Mapping[str, Any], *, check: bool = False, on_change: OnChange | None = None
) -> Answer:
    """The module's whole work; ``params`` are its options. Raises KubeError when the cluster cannot be asked.

    With ``params["_slice"]`` ({"seconds", "elapsed", "state"}) only one slice of the wait, the first after the apply:
    ``_slice`` of the result is then a progress.Slice, and the caller puts the answer together.
    """
    one: Mapping[str, Any] | None = params.get("_slice")
    levels = params.get("topology_levels") or None
    state: Mapping[str, Any] = (one or {}).get("state") or {}
    leaving: Leaving | None = None
    if one is not None and "workloads" in state:
        return _go_on(client, params, one, levels)
    if one is not None and state:
        leaving = Leaving.from_state(client, state["leaving"], float(one["elapsed"]))
        if not leaving.over:
            leaving.wait(float(one["seconds"]))
            return _partial(client, leaving)  # that it is gone is told before the rest is done
    found = _facts(client, params)
    try:
        fleet = spec_args.load(params, found)
    except SpecError as error:
        nothing = {"changed": False, "workloads": [], "findings": [], "requests": client.requests}
        return Answer(nothing, str(error))
    rollouts = [_Rollout(plan, render(plan)) for plan in fleet.workloads]
    errors = [finding for finding in fleet.findings if finding.severity == "error"]
    if check and not all(client.serves(*kind) for kind in _kinds(rollouts)):
        # The platform is not there yet: what the cluster lacks, this very run may be about to build
        errors = [finding for finding in errors if finding.stage == "spec"]
    if errors:
        # Something may have been removed already, and the cluster be another one since
        gone = leaving.entries(fleet) if leaving is not None else []
        answer = _answer(client, fleet, [], gone, leaving.results if leaving is not None else [], waited=False)
        finish_workloads(answer.result, {})
        del answer.result["plan"]
        answer.failure = summary([str(finding) for finding in errors], len(fleet.workloads), "workloads")
        return answer
    waited = bool(params["wait"]) and not check
    seconds = float(one["seconds"]) if one is not None and waited else None
    if leaving is None:
        spaces, claims = bool(params.get("remove_namespaces")), None
        if params.get("remove_claims"):
            claims = removal.mounted(obj for each in rollouts for obj in each.objects)
        wait = bool(params["wait"])
        leaving = Leaving.of(client, fleet, namespaces=spaces, check=check, wait=wait, claims=claims)
        if not leaving.wait(seconds):
            return _partial(client, leaving)
    others = [*leaving.results, *_apply(client, rollouts, params, check)]
    answer = _answer(client, fleet, rollouts, leaving.entries(fleet), others, waited)
    cases = [
        case for case in (each.case() for each in rollouts if each.cause is None) if case.replaced or case.leftovers
    ]
    clearing = Clearing(client, cases, waited=waited)
    clearing.wait(seconds)
    settled = {**(leaving.settled() if waited else {}), **clearing.settled()}
    if waited:
        limit = params.get("wait_timeout")
        stable = float(params.get("wait_stable_seconds") or 0)
        healthy = [each for each in rollouts if each.cause is None and each.name not in clearing.failed]
        pending = [each.pending(limit, stable) for each in healthy]
        waiting = Serving(client, pending, levels=levels, stable_seconds=stable)
        if clearing.over:
            settled.update(waiting.wait(seconds, on_change))
        if one is not None:
            state = waiting.to_state(params, fleet, found)
            answer.result["_slice"] = _slice(waiting, settled, state, clearing)
    answer.result["requests"] = client.requests
    if one is None:
        answer.failure = finish_workloads(answer.result, settled)
    return answer


def _go_on(client: Client, params: Mapping[str, Any], one: Mapping[str, Any], levels: Any) -> Answer:
    """A slice of the wait, after everything was applied."""
    state, elapsed, seconds = one["state"], float(one["elapsed"]), float(one["seconds"])
    clearing = Clearing(client, (), waited=True)
    if state.get("clearing"):
        clearing = Clearing.from_state(client, state["clearing"], elapsed)
        clearing.wait(seconds)
        waiting = serving.resume(client, params, state, levels=levels, elapsed=0.0)
        waiting.pending = [workload for workload in waiting.pending if workload.name not in clearing.failed]
        settled = clearing.settled()
    else:
        waiting = serving.resume(client, params, state, levels=levels, elapsed=elapsed)
        settled = waiting.wait(seconds)
    result = _slice(waiting, settled, waiting.next_state(state), clearing)
    return Answer({"changed": False, "_slice": result, "requests": client.requests})


def _partial(client: Client, leaving: Leaving) -> Answer:
    """A slice before anything is applied."""
    changed = any(result.changed for result in leaving.results)
    return Answer({"changed": changed, "_slice": leaving.slice(), "requests": client.requests})


def _slice(waiting: Serving, settled: Mapping[str, Any], state: dict[str, Any], clearing: Clearing) -> dict[str, Any]:
    if not clearing.over:
        return {
            "state": {**state, "clearing": clearing.to_state()},
            "stage": clearing.stage,
            "elapsed": clearing.removal.elapsed,
            "standing": clearing.standing(),
            "settled": settled,
        }
    return {
        "state": state if waiting.pending else None,
        "stage": "ready",
        "elapsed": waiting.elapsed,
        "standing": waiting.standing() if waiting.pending else {},
        "settled": settled,
    }


def _facts(client: Client, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cluster's facts, where a choice is left to it; otherwise it need not be read (nor be readable)."""
    if params.get("cluster"):
        return dict(params["cluster"])
    if all((params.get(choice) or "auto") != "auto" for choice in serving.CHOICES):
        return None
    return dict(facts(client, params.get("topology_levels") or None))


def _kinds(rollouts: Iterable[_Rollout]) -> set[tuple[str, str]]:
    return {(obj["apiVersion"], obj["kind"]) for rollout in rollouts for obj in rollout.objects}


# -- write ------------------------------------------------------------------------------------------------------


def _apply(client: Client, rollouts: Sequence[_Rollout], params: Mapping[str, Any], check: bool) -> list[Result]:
    """Apply all at once; what belongs to no workload (pruned, the ApplySet's parent) is given back."""
    owners = {Ref.of(obj): rollout for rollout in rollouts for obj in rollout.objects}
    results = engine.apply(
        client,
        [obj for rollout in rollouts for obj in rollout.objects],
        check=check,
        force=params["force_conflicts"],
        create_namespaces=params["create_namespaces"],
        may_be_missing=_kinds(rollouts),
        review=lambda items, others: _review(client, items, others, owners),
        prune_timeout=removal.TIMEOUT,
        applyset=params.get("applyset") or None,
        prune=bool(params.get("prune")),
    )
    namespaces: dict[str, Result] = {}
    rest: list[Result] = []
    for result in results:
        owner = owners.get(result.ref)
        if owner is not None:
            owner.results.append(result)
        elif result.kind == "Namespace":
            namespaces[result.name] = result
        else:
            rest.append(result)
    groups = [(one.name, target) for one in rollouts if one.cause is None for target in scale_targets(one.plan)]
    scaled_groups = scale(client, [target for _name, target in groups], check=check)
    targets: dict[str, list[Ref]] = {}
    for name, target in groups:
        targets.setdefault(name, []).append(Ref(*target[:4]))
    pruned = {result.ref for result in rest if result.action == "deleted"}
    for rollout in rollouts:
        created = namespaces.pop(rollout.plan.namespace, None)  # told once, with the first workload that needs it
        if created is not None:
            rollout.results.insert(0, created)
        rollout.leftovers = [ref for ref in rollout.leftovers if ref not in pruned]
        known = {one.ref for one in rollout.steps}
        rollout.steps += [
            Step(result.ref, "create")
            for result in rollout.results
            if result.action == "would_create" and result.ref not in known
        ]
        rollout.results += [scaled_groups[ref] for ref in targets.get(rollout.name, []) if ref in scaled_groups]
        _judge(rollout)
        if rollout.plan.workload.replace == "allow" and rollout.cause is None:
            rollout.steps += [Step(ref, "delete", ("is no longer asked for",)) for ref in rollout.leftovers]
            if check:
                rollout.results += engine.remove(client, rollout.leftovers, check=True)
                _judge(rollout)
            else:
                rollout.results += map(deleted, rollout.leftovers)
                rollout.cleared = rollout.leftovers
            rollout.leftovers = []
    return rest + list(namespaces.values())


def _judge(rollout: _Rollout) -> None:
    """Why it failed, if it did; then nothing that still serves is taken away for what would not work in its place."""
    failures = [f"{result.ref}: {result.error}" for result in rollout.results if result.error]
    if not failures:
        return
    if rollout.cause is None:
        rollout.cause, rollout.remedy = "; ".join(failures), REMEDY
    for result in rollout.results:
        if result.anew is not None:
            result.action, result.error = "failed", f"is not deleted and created again, because {rollout.cause}"
            result.anew, result.diff, result.warnings = None, None, []


Items = Sequence[tuple[Ref, Mapping[str, Any], "Mapping[str, Any] | None"]]


def _review(
    client: Client, items: Items, others: Sequence[Mapping[str, Any]], owners: Mapping[Ref, _Rollout]
) -> Review:
    """Replace only with consent; without it nothing of that workload is written."""
    review = Review()
    mine = [(ref, wanted, live) for ref, wanted, live in items if ref in owners]
    _keep_packing(mine, owners)
    _leave_replicas(mine, owners)
    for ref, wanted, live in mine:
        owner, found = owners[ref], step(ref, wanted, live)
        owner.steps.append(found)
        if found.action != "replace":
            continue
        why = "; ".join(found.why)
        if owner.plan.workload.replace == "allow":
            review.replaced[ref] = why
            continue
        owner.cause = f"{ref}: {why}"
        owner.remedy = next(finding.remedy for finding in found.findings if finding.severity == "error")
    _find_leftovers(client, mine, others, owners)
    for ref, _wanted, _live in mine:
        if owners[ref].cause is not None:
            review.refused[ref] = f"not written, because {owners[ref].cause}"
    return review


def _keep_packing(items: Items, owners: Mapping[Ref, _Rollout]) -> None:
    """Upstream fixes at creation who packs an engine into its domain: what is served keeps it."""
    for ref, wanted, live in items:
        kept = packed_as_it_is(owners[ref].plan, wanted, live) if live is not None else None
        if kept is not None:
            # What the engine sends is this very object
            sent = cast("dict[str, Any]", wanted)
            sent.clear()
            sent.update(kept)


def _leave_replicas(items: Items, owners: Mapping[Ref, _Rollout]) -> None:
    """Where something else scales, what it has set stands, in what is sent and in what is waited for."""
    paths: dict[Ref, list[Path]] = {}
    for rollout in {id(owner): owner for owner in owners.values()}.values():
        for entry in scaled(rollout.plan):
            paths.setdefault(Ref(*entry[:4]), []).append(entry[4])
    for ref, wanted, live in items:
        if live is None:
            continue
        for path in paths.get(ref, []):
            # What the engine sends is this very object
            value = leave_to_its_owner(cast("dict[str, Any]", wanted), live, path)
            if value is not None:
                owners[ref].replicas[_component(owners[ref].plan, ref, path)] = int(value)
    for owner in {id(owners[ref]): owners[ref] for ref in paths if ref in owners}.values():
        owner.plan = serving.with_replicas(owner.plan, owner.replicas)


def _component(plan: WorkloadPlan, ref: Ref, path: Path) -> str:
    """The component whose number it is: named in the path, or by the object."""
    names = {component.name for component in plan.components}
    for part in path:
        if isinstance(part, Mapping) and part.get("name") in names:
            return str(part["name"])
    return next((component.name for component in plan.components if component.object_name == ref.name), "")


def _find_leftovers(
    client: Client, items: Items, others: Sequence[Mapping[str, Any]], owners: Mapping[Ref, _Rollout]
) -> None:
    """What of a workload is there and not asked for any more. It may have been another kind before, which holds its
    GPUs: kinds that this run does not render are looked for where a workload does not serve yet, and where such a thing
    may go (a run that was killed has left both)."""
    by_name = {(owner.plan.namespace, owner.plan.name): owner for owner in owners.values()}
    seen = [(owners[ref], live) for ref, _wanted, live in items if ref.kind in SERVED]
    suspects = {
        owner.name: owner
        for owner, live in seen
        if owner.plan.workload.replace == "allow" or live is None or not readiness.ready(live).ready
    }
    rendered = {(ref.kind, ref.namespace) for ref, _wanted, _live in items}
    places = [
        (kind, namespace)
        for namespace in sorted({owner.plan.namespace for owner in suspects.values()})
        for kind in KINDS
        if kind[1] in SERVED and (kind[1], namespace) not in rendered
    ]

    def listed(place: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        kind, namespace = place
        names = sorted(owner.plan.name for owner in suspects.values() if owner.plan.namespace == namespace)
        try:
            return removal.labelled(client, kind, namespace, names)
        except ApiError as error:
            if error.status != 403:
                raise
            return []  # a tenant of one stack need not see the other's kinds

    strangers = [obj for found in client.map(listed, places) for obj in found]
    for obj in [*others, *strangers]:
        meta = obj["metadata"]
        owner = by_name.get((meta.get("namespace", ""), (meta.get("labels") or {}).get(WORKLOAD_LABEL, "")))
        if owner is not None and obj["kind"] != removal.KEPT:
            owner.leftovers.append(Ref.of(obj))


# -- answer -----------------------------------------------------------------------------------------------------


def _answer(
    client: Client,
    fleet: FleetPlan,
    rollouts: Sequence[_Rollout],
    gone: list[dict[str, Any]],
    removed: list[Result],
    waited: bool,
) -> Answer:
    """What is known before the wait."""
    entries = [rollout.to_dict(waited) for rollout in rollouts] + gone
    told = {(item["kind"], item["name"], entry["namespace"]) for entry in gone for item in entry["objects"]}
    results = removed + [result for rollout in rollouts for result in rollout.results]
    diff = [
        {"before_header": str(result.ref), "after_header": str(result.ref), **result.diff}
        for result in results
        if result.diff is not None
    ]
    # What stands in a workload's cause, or is done with its consent, needs no second line
    about = [
        finding
        for rollout in rollouts
        for one in rollout.steps
        for finding in one.findings
        if finding.severity == "warning" or rollout.cause
    ]
    answer = Answer(
        {
            "changed": any(result.changed for result in results),
            "workloads": entries,
            "others": [one.to_dict() for one in removed if (one.kind, one.name, one.namespace) not in told],
            "findings": [finding.to_dict() for finding in (*fleet.findings, *about)],
            "plan": fleet.to_dict(),
            "requests": client.requests,
            "diff": diff,
        }
    )
    found = [finding for finding in (*fleet.findings, *about) if finding.severity == "warning"]
    answer.warnings = [str(finding) for finding in found]
    answer.warnings += [f"{result.ref}: {warning}" for result in results for warning in result.warnings]
    answer.warnings += [
        f"{ref}: workload {rollout.name} does not ask for it any more"
        + (", and it keeps its GPUs" if ref.kind in SERVED else "")
        + "; replace: allow on the workload (or multinode_replace) deletes it"
        for rollout in rollouts
        if rollout.plan.workload.replace != "allow"
        for ref in rollout.leftovers
    ]
    return answer
