# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KAI, the gang scheduler of Grove: identity, readiness, installation, and what of it breaks gangs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    PROBE,
    Ask,
    Component,
    Object,
    provisioned,
)

STALENESS = "default-staleness-grace-period"
# Negative is for ever; as a string with a unit, since it becomes a flag of the scheduler (Dynamo #14722, #14741)
FOR_EVER = "-1s"
QUEUES = (("default-parent-queue", None), ("default-queue", "default-parent-queue"))
PRIORITIES = ("build", "build-preemptible", "inference", "train")
# A chart before 0.15 has no key for it, and leaves the arguments of its shard to others (templates/default-shard.yaml)
_NO_KEY_BEFORE = "0.15.0-0"
_SHARD = ("kai.scheduler/v1", "SchedulingShard", "default")
# Of charts that take flags as they are
_FLAG = re.compile(rf"^--{STALENESS}=(.*)$")
_DURATION = re.compile(r"([+-]?)(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)(\d.*(ns|us|µs|ms|s|m|h))?")

_QUEUE = {
    "apiVersion": "scheduling.run.ai/v2",
    "kind": "Queue",
    "metadata": {"name": PROBE},
    "spec": {
        "resources": {name: {"quota": 0, "limit": -1, "overQuotaWeight": 1} for name in ("cpu", "gpu", "memory")},
    },
}


def _values(_ask: Ask) -> Mapping[str, Any]:
    return {
        "scheduler": {"args": {STALENESS: FOR_EVER}},
        "defaultQueue": {"createDefaultQueue": True},
        "defaultPriorityClasses": {"enabled": True},
    }


def _objects(ask: Ask) -> tuple[Object, ...]:
    """The argument of the shard, and only that, where the chart has no key for it.

    Once we did it we go on: what is asked for no more would be deleted, and that is the chart's shard.
    """
    entry = (ask.facts.get("components") or {}).get("kai_scheduler") or {}
    record = entry.get("record") or {}
    did = provisioned(entry) and any(item.get("kind") == _SHARD[1] for item in record.get("objects") or ())
    if not did and not versions.within(versions.plain(ask.version), None, _NO_KEY_BEFORE):
        return ()
    if _switched_off(ask.values):
        return ()
    given = _given(ask.values)
    return (
        {
            "apiVersion": _SHARD[0],
            "kind": _SHARD[1],
            "metadata": {"name": _SHARD[2]},
            "spec": {"args": {STALENESS: FOR_EVER if given is None else given}},
        },
    )


def _switched_off(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The chart's shard, where somebody makes shards of their own."""
    return (_SHARD[1],) if (values.get("defaultShard") or {}).get("enabled") is False else ()


def _skip(ask: Ask) -> str:
    if ask.orchestrator == "lws":
        return "LeaderWorkerSets are gangs by Volcano"
    if ask.scheduler in ("volcano", "default"):
        return f"multinode_scheduler is {ask.scheduler}"
    return ""


def _forecast(ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """With its queues, priority classes and shard, as the chart makes them."""
    found = dict(facts)
    found["apis"] = {
        **(facts.get("apis") or {}),
        "scheduling.run.ai": ["v2", "v2alpha2", "v1alpha2"],
        "kai.scheduler": ["v1", "v1alpha1"],
    }
    made = ask.values.get("defaultQueue") or {}
    if made.get("createDefaultQueue", True):
        names = {QUEUES[0][0]: made.get("parentName", QUEUES[0][0]), QUEUES[1][0]: made.get("childName", QUEUES[1][0])}
        there = {queue["name"] for queue in (facts.get("queues") or {}).get("kai") or ()}
        new = [
            {
                "name": names[name],
                "parent": names[parent] if parent else None,
                **_default_gpus(made, parent is not None),
            }
            for name, parent in QUEUES
            if names[name] not in there
        ]
        queues = facts.get("queues") or {}
        found["queues"] = {**queues, "kai": [*(queues.get("kai") or ()), *new]}
    if (ask.values.get("defaultPriorityClasses") or {}).get("enabled", True):
        found["priority_classes"] = sorted({*(facts.get("priority_classes") or ()), *PRIORITIES})
    return found


def _default_gpus(made: Mapping[str, Any], child: bool) -> dict[str, Any]:
    """What the chart gives one of its default queues (values.yaml: parentResources, childResources)."""
    given = (made.get("childResources" if child else "parentResources") or {}).get("gpu") or {}
    return {
        "quota": given.get("quota", 0),
        "limit": given.get("limit", -1),
        "weight": given.get("overQuotaWeight", 1),
    }


def f28_staleness(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F28: a gang of which a pod goes is evicted after a minute (unset), or the scheduler dies at its start (no unit).

    Judged in the shards where there are any, else in the values; of what is about to be installed in its values.
    """
    values = found.get("values") or {}
    ours = provisioned(found)
    if not found.get("present") or ours:
        given = _given(ask.values)
        problem = _problem(given) if given is not None else ""
        if problem:
            remedy = f'set scheduler.args.{STALENESS}: "{FOR_EVER}"'
            yield _finding("kai_scheduler", "the chart values give", given, problem, remedy)
            return
        if _problem(_given(values)):
            return  # this run brings the release to the right value
    shards = dict((found.get("details") or {}).get("staleness") or {})
    if ours and _objects(ask):
        shards.pop(_SHARD[2], None)  # likewise the shard
    where = f"{found.get('release')} <chart> -n {found.get('namespace')}"
    by_helm = f"its owner: helm upgrade {where} --reuse-values --set-string scheduler.args.{STALENESS}={FOR_EVER}"
    released = found.get("source") == "release" and not ours
    version = versions.plain(str(found.get("app_version") or found.get("chart_version") or ""))
    has_key = not versions.within(version, None, _NO_KEY_BEFORE)
    for name, given in sorted(shards.items()):
        problem = _problem(given)
        if not problem:
            continue
        body = json.dumps({"spec": {"args": {STALENESS: FOR_EVER}}})
        patch = f"kubectl patch schedulingshards.kai.scheduler {name} --type merge -p '{body}'"
        if released and has_key and name == _SHARD[2]:
            patch = by_helm
        elif ours:
            patch = f"somebody changed it: {patch}"
        elif released:
            patch = f"its owner: {patch}"
        else:
            patch = (
                f"its owner: {patch} (bundled with Dynamo: kai-scheduler.scheduler.args.{STALENESS} in its values, a "
                "string)"
            )
        yield _finding(f"kai_scheduler/SchedulingShard {name}", "has", given, problem, patch)
    if released and has_key and not shards and (problem := _problem(_given(values))):
        yield _finding("kai_scheduler", "its release has", _given(values), problem, by_helm)


def _given(values: Mapping[str, Any]) -> Any:
    """The value in chart values; None where they do not say."""
    scheduler = values.get("scheduler") or {}
    found = (scheduler.get("args") or {}).get(STALENESS)
    for flag in scheduler.get("additionalArgs") or ():
        match = _FLAG.match(str(flag))
        found = match.group(1) if match and found is None else found
    return found


def _problem(given: Any) -> str:
    if given is None:
        return "KAI evicts a gang a minute after one of its pods is gone, and with it engines that could go on"
    match = _DURATION.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        return "that is no duration (it has no unit, or is no string), and the scheduler dies at its start"
    if match.group(1) != "-":
        return "KAI evicts a gang that long after one of its pods is gone"
    return ""


def _finding(subject: str, who: str, given: Any, problem: str, remedy: str) -> Finding:
    said = f"no {STALENESS}" if given is None else f"{STALENESS} {given!r}"
    return Finding("MN-F28", "error", subject, f"{who} {said}: {problem}", remedy)


def f64_fails_closed(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F64: while KAI's admission is down, no pod of the whole cluster can be made."""
    wide = [hook for hook in (found.get("details") or {}).get("pod_webhooks") or () if not hook["scoped"]]
    if wide:
        names = ", ".join(dict.fromkeys(str(hook["name"]) for hook in wide))
        yield Finding(
            "MN-F64",
            "note",
            "kai_scheduler",
            f"{names} takes every pod of the cluster and fails closed: while Service {wide[0]['service']} has no ready "
            "endpoint, no pod can be made anywhere",
            "operator.replicaCount: 2 in KAI's values; global.namespaceLabelSelector bounds the namespaces",
        )


COMPONENT = Component(
    name="kai_scheduler",
    charts=("kai-scheduler",),
    images=("kai-scheduler/operator",),
    required=("kai-scheduler/operator",),
    crds=(
        "configs.kai.scheduler",
        "schedulingshards.kai.scheduler",
        "topologies.kai.scheduler",
        "queues.scheduling.run.ai",
        "podgroups.scheduling.run.ai",
        "bindrequests.scheduling.run.ai",
    ),
    dry_runs=(_QUEUE,),
    group="kai.scheduler",
    workloads=("scheduling.run.ai/v2alpha2", "PodGroup"),
    namespace="kai-scheduler",
    release="kai-scheduler",
    chart="oci://ghcr.io/kai-scheduler/kai-scheduler/kai-scheduler",
    chart_tag="v",
    # Names of webhook configurations differ between versions: the dry run of a Queue says whether they answer
    reports=(("kai.scheduler/v1", "Config", "kai-config"), _SHARD),
    free_names=(_SHARD[1],),
    switched_off=_switched_off,
    checks=(f28_staleness, f64_fails_closed),
    values=_values,
    objects=_objects,
    skip=_skip,
    forecast=_forecast,
)
