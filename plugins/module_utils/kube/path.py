# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says of a path from version to version: helm's history, and what Grove has under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import chart_meta
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import olm, steps
from ansible_collections.dynamo.multinode.plugins.module_utils.components.asked import Asked, of_platform
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import COMPONENTS, definition
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import comes_back, provisioned
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import Waited, not_ready
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.releases import release

Object = dict[str, Any]
GROVE = "grove.io/v1alpha1"


def asked(platform: Mapping[str, Any]) -> tuple[dict[str, Asked], dict[str, dict[str, str]]]:
    """multinode_platform by component, and the charts by version that its blocks name. Raises SpecError."""
    charts: dict[str, dict[str, str]] = {}
    for name, block in platform.items():
        given = block.get("charts") if isinstance(block, Mapping) else None
        if isinstance(given, Mapping):
            charts[name] = {versions.plain(str(version)): str(chart or "") for version, chart in given.items()}
    return {item.name: item for item in of_platform(platform)}, charts


def judged(client: Client, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Object]:
    """The components, ready only where all that a step would wait for says so: facts() has less of it."""
    answers = {}
    for name, entry in found.items():
        answers[name] = dict(entry)
        if not entry.get("present") or not entry.get("ready") or name not in COMPONENTS:
            continue
        wanted = Waited(str(entry["namespace"]), adopted=not provisioned(entry), values=entry.get("values") or {})
        try:
            lacks = not_ready(client, name, wanted)
        except ApiError as error:
            lacks = [str(error)]
        answers[name].update(ready=not lacks, problems=lacks)
    return answers


def history(read: Reader, entry: Mapping[str, Any]) -> list[Object]:
    """All revisions of a component's release that helm still has, superseded ones too."""
    if not entry.get("release"):
        return []
    selector = f"owner=helm,name={entry['release']}"
    listed = read.list("v1", "Secret", str(entry["namespace"]), label_selector=selector)
    return [found for found in map(release, listed) if found]


def upward(
    found: Mapping[str, Any], wanted: Mapping[str, Asked], charts: Mapping[str, Mapping[str, str]], dynamo_version: str
) -> dict[str, lifecycle.Goal]:
    """What each component that is there is to run: the version that its block names, its archive's, or the set's.

    A set does not take a component back that runs something newer, unless the Dynamo that is asked for is older too.
    """
    components = found["components"]
    here = lifecycle.running(components.get("dynamo_platform") or {})
    back = _older(here, dynamo_version)
    goals = {}
    for name, one in wanted.items():
        entry = components.get(name) or {}
        if not (entry.get("present") or comes_back(entry)) or one.mode in ("skip", "adopt") or came_by_olm(entry):
            continue
        meta = chart_meta(one.chart) or {}
        held = str(meta.get("appVersion") or "")
        version = one.version or (held if versions.key(held) else str(meta.get("version") or ""))
        if not version:
            version = versions.default(name, found["kubernetes"], dynamo_version) or ""
            if not version or (versions.downward(lifecycle.running(entry), version) and not back):
                continue
        goals[name] = lifecycle.Goal(version, charts.get(name, {}))
    return goals


def _older(here: str, asked: str) -> bool:
    """Whether an older Dynamo is asked for; ``1.6`` means whichever 1.6 there is."""
    if versions.plain(asked).count(".") >= 2:
        return versions.downward(here, asked)
    low, high = versions.minor(asked), versions.minor(here)
    return low is not None and high is not None and low < high


def no_set(dynamo_version: str) -> list[Finding]:
    """That no version set is known for this Dynamo: then nothing that is not named has a version to go to."""
    return list(versions.pair_findings({}, dynamo_version=dynamo_version)) if dynamo_version else []


def came_by_olm(entry: Mapping[str, Any]) -> bool:
    """Whether OLM brought it for us: then OLM moves it along its channel, and helm has no part in it."""
    return olm.ours(entry.get("record"))


def moved_by_olm(found: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Asked]) -> list[Finding]:
    """Which of ours this playbook leaves to OLM, and who moves them."""
    findings = []
    for name in wanted:
        entry = found.get(name) or {}
        if entry.get("present") and came_by_olm(entry):
            message = f"{name} came by OLM, which moves it along the channel of its Subscription"
            remedy = f"multinode_platform.{name}.olm.channel, and the playbook bootstrap"
            findings.append(Finding("MN-N30", "note", name, message, remedy))
    return findings


def gone(found: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Asked]) -> list[Finding]:
    """Components of ours whose release is gone: no path leads there, and it is not as it should be."""
    findings = []
    for name, one in wanted.items():
        entry = found.get(name) or {}
        if provisioned(entry) and not entry.get("present") and not comes_back(entry) and one.mode != "skip":
            message = f"{name} was provisioned by us, and its release is gone"
            remedy = "the playbook bootstrap installs it again, and teardown forgets it"
            findings.append(Finding("MN-F63", "warning", name, message, remedy))
    return findings


def nothing_to_do(findings: Sequence[Finding]) -> list[str]:
    """What is said of a path without steps, unless something is the matter, waived or not."""
    if any(item.severity == "error" or item.id in ("MN-F49", "MN-F63") for item in findings):
        return ["no step is made"]
    return ["nothing to do: every component runs the version that is wanted; settings and objects are bootstrap's"]


def backward(
    read: Reader, found: Mapping[str, Any], names: Sequence[str], charts: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, lifecycle.Goal], list[Finding]]:
    """What these components ran before, by helm's history; and which have no way back."""
    goals, findings = {}, []
    for name in names:
        entry = found["components"].get(name) or {}
        # A new install has no history: where it came from, or is to come to, is in our record
        back = str((entry.get("record") or {}).get("back") or "") if provisioned(entry) else ""
        before = back or (lifecycle.earlier(history(read, entry)) if entry.get("present") else "")
        if before:
            goals[name] = lifecycle.Goal(before, charts.get(name, {}))
            continue
        message, remedy = "it is not there", "the playbook bootstrap installs it"
        if entry.get("present"):
            message = "helm's history knows no earlier version of it"
            remedy = f"name a version (multinode_platform.{name}.version) and run the playbook upgrade"
            if came_by_olm(entry):
                message, remedy = "it came by OLM, which never goes back", "teardown, and an older channel"
        findings.append(Finding("MN-F72", "error", name, f"{name} cannot be rolled back: {message}", remedy))
    return goals, findings


def whole_way(
    findings: Sequence[Finding], running: Mapping[str, str], goals: Mapping[str, lifecycle.Goal], kubernetes: str
) -> list[Finding]:
    """The findings, those about pairs with what leads back where helm's history of each component alone does not.

    After two steps of Dynamo, what it ran before is the release it passed through, and Grove's is the one before both.
    """
    here = running.get("dynamo_platform", "")
    beside = {**running, **{name: goal.version for name, goal in goals.items()}}
    fitting = []
    for one in versions.SETS:
        dynamo = one.versions["dynamo_platform"][0]
        wrong = versions.pair_findings({**beside, "dynamo_platform": dynamo}, kubernetes)
        if versions.downward(here, dynamo) and not any(item.severity == "error" for item in wrong):
            fitting.append(versions.dotted(one.dynamo))
    named = f'"{fitting[0]}"' if fitting else "an older one"
    remedy = (
        f"helm's history of each component alone leads to what does not fit: the playbook upgrade with "
        f"multinode_dynamo_version: {named} (and multinode_replace: allow) goes the whole way back, step by step"
    )
    return [
        Finding(item.id, item.severity, item.subject, item.message, remedy)
        if here and (item.id, item.severity) == ("MN-F26", "error")
        else item
        for item in findings
    ]


def chart_findings(way: Sequence[lifecycle.Step], wanted: Mapping[str, Asked], *, airgap: bool) -> list[Finding]:
    """Steps for whose version nobody has a chart."""
    findings = []
    for step in way:
        one = wanted[step.component]
        if step.chart:
            meta = chart_meta(step.chart)
            held = {versions.plain(str((meta or {}).get(key) or "")) for key in ("version", "appVersion")}
            if meta is not None and step.to not in held:
                message = f"the chart given for {step.component} {step.to} holds {' / '.join(sorted(held))}"
                remedy = f"correct multinode_platform.{step.component}.charts"
                findings.append(Finding("MN-F26", "error", step.component, message, remedy))
        elif airgap or (chart_meta(one.chart) is not None and not _holds(one.chart, step.to)):
            message = f"there is no local chart for {step.component} {step.to}, and the one given is of another version"
            remedy = f'multinode_platform.{step.component}.charts: {{"{step.to}": /path/to/its/chart.tgz}}'
            if not (airgap and _holds(one.chart, step.to)):
                findings.append(Finding("MN-N21", "error", step.component, message, remedy))
    return findings


def _holds(chart: str, version: str) -> bool:
    meta = chart_meta(chart)
    return meta is not None and version in {
        versions.plain(str(meta.get(key) or "")) for key in ("version", "appVersion")
    }


def chart_of(step: lifecycle.Step, one: Asked) -> tuple[str, str]:
    """(chart, repository) for a step: the archive by version, the block's own, or upstream's."""
    component = definition(step.component)
    if step.chart:
        return step.chart, ""
    if one.chart:
        return one.chart, one.chart_repo
    return component.chart, one.chart_repo or component.chart_repo


def grove_under_way(client: Client, read: Reader) -> tuple[list[Object], list[str]]:
    """The PodCliqueSets, and what of Grove's is scaled to zero, as ``namespace/name``."""
    kinds = ("PodCliqueSet", "PodClique", "PodCliqueScalingGroup")
    listed = client.map(lambda kind: read.list(GROVE, kind), kinds)
    zero = [
        f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for items in listed
        for item in items
        if (item.get("spec") or {}).get("replicas") == 0
    ]
    return listed[0], sorted(set(zero))


def short_name_holder(client: Client, to: str) -> tuple[str, list[str] | None] | None:
    """The definition that holds the short name which this Grove's own asks for, and its objects; None: of no answer."""
    name, kind = steps.other_topology(to)
    found = client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
    if found is None or steps.SHORT_NAME not in (found["spec"]["names"].get("shortNames") or []):
        return None
    try:
        return name, [f"{kind} {item['metadata']['name']}" for item in client.list(GROVE, kind)]
    except ApiError:
        return name, None


def make_way(client: Client, way: Sequence[lifecycle.Step]) -> tuple[list[lifecycle.Step], list[Finding]]:
    """The steps, Grove's with what has to go before it; or why it may not go (F61)."""
    made, findings = [], []
    for step in way:
        taken = short_name_holder(client, step.to) if step.component == "grove" else None
        if taken is None:
            made.append(step)
        elif taken[1] == []:
            note = f"definition {taken[0]}, which has no objects, is deleted first (MN-F61)"
            made.append(replace(step, delete=(taken[0],), notes=(*step.notes, note)))
        else:
            made.append(step)
            findings.append(steps.short_name_taken(step.to, *taken))
    return made, findings


def gang_pods(read: Reader) -> list[Object]:
    """Every pod of a Grove gang."""
    return read.list("v1", "Pod", label_selector=lifecycle.PODGANG)
