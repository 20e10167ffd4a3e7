# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a component: adopt, install, upgrade, leave, remove or refuse, and why."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import olm, openshift, registry, steps
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import STACKS, definition
from ansible_collections.dynamo.multinode.plugins.module_utils.components.judge import fit_findings, judge, spell
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    UNFINISHED,
    Ask,
    Component,
    Decision,
    Object,
    Wanted,
    comes_back,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.objects import metadata, reference
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, SpecError, shown


def waived(
    findings: Sequence[Finding], waivers: Sequence[Mapping[str, Any]], today: str
) -> list[tuple[Finding, str | None]]:
    """Each finding with the reason of the waiver that covers it (None: none does).

    waivers: [{"id", "reason", "until": "2027-01-01" or absent}]; today: ISO date. A waiver holds through its last day.
    Raises SpecError for what is no such date: compared as text it might hold for ever.
    """
    problems = [
        Problem(f"multinode_waivers[{number}].until", item["until"], f"is {shown(item['until'])}; a day as 2027-01-31")
        for number, item in enumerate(waivers)
        if item.get("until") and not _is_day(str(item["until"]))
    ]
    if problems:
        raise SpecError(problems)
    reasons = {
        str(item.get("id")): str(item.get("reason") or "no reason given")
        for item in waivers
        if not item.get("until") or today <= str(item["until"])
    }
    return [(finding, reasons.get(finding.id)) for finding in findings]


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def version_values(component: Component, version: str) -> dict[str, Any]:
    """The values that make a chart run this very version: upstream's charts default to ``main`` or to an older tag."""
    tree: Any = f"v{versions.plain(version)}"
    for step in reversed(component.version_value):
        tree = {step: tree}
    return tree if component.version_value and version else {}


def same_values(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> bool:
    """Whether two sets of user values mean the same to helm (an absent set is an empty one)."""
    return dict(left or {}) == dict(right or {})


def decide(wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> Decision:
    """The decision for one component.

    found: an entry of facts()["components"] (see kube/facts.py). kubernetes: the cluster's version, ``v1.34.4``.
    """
    component = definition(wanted.name)
    if wanted.mode == "skip":
        return Decision("skip", f"{wanted.name}: mode is skip")
    if wanted.state == "absent":
        return _remove(component, wanted, found)
    decision = _present(component, wanted, found, kubernetes)
    if decision.action in ("refuse", "skip"):
        return decision
    ask = _ask(wanted, decision.version)
    more = [finding for check in component.checks for finding in check(ask, found)]
    if decision.source == "olm":
        more += olm.notes(wanted.name, ask)
    elif decision.action != "adopt":
        more += registry.notes(wanted.name, ask.registry, ask.proxy)
    return replace(decision, findings=(*decision.findings, *more))


def _present(component: Component, wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> Decision:
    if found.get("unreadable"):
        return _refuse(
            wanted,
            f"what of {wanted.name} is on the cluster cannot be read: {found['unreadable']}",
            "use credentials that may list Secrets, Deployments and ConfigMaps in all namespaces",
        )
    record = found.get("record")
    ours = bool(record and record.get("origin") == "provisioned")
    if wanted.mode == "auto" and not (ours and found.get("present")):
        reason = _other_stack(wanted.name, wanted.ask)
        if not reason and not found.get("present"):
            reason = component.skip(_ask(wanted, wanted.version))
        if reason:
            return Decision("skip", f"{wanted.name}: {reason}")
    subscribed = olm.decide(component, wanted, found, _version(wanted, found, kubernetes))
    if subscribed is not None:
        return subscribed
    if ours:
        return _ours(component, wanted, found, kubernetes)
    if found.get("present"):
        return _theirs(component, wanted, found, kubernetes)
    if wanted.mode == "adopt":
        return _refuse(
            wanted,
            f"{wanted.name} is to be adopted, and is not on the cluster",
            f"install {wanted.name}, or set {wanted.name}_mode to auto or provision",
        )
    return _provision(component, wanted, found, kubernetes, "install", f"{wanted.name} is not on the cluster")


def _ours(component: Component, wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> Decision:
    record = found["record"]
    if (record.get("release"), record.get("namespace")) != (wanted.release, wanted.namespace):
        here = f"release {record.get('release')} in namespace {record.get('namespace')}"
        return _refuse(
            wanted,
            f"{wanted.name} was provisioned by us as {here}; now release {wanted.release} in namespace "
            f"{wanted.namespace} is asked for",
            f"keep the former names, or remove it first ({wanted.name}_state: absent)",
            "MN-F49",
        )
    others = [spell(other) for other in found.get("others") or [] if not _is(other, wanted)]
    if others:
        return _refuse(
            wanted,
            f"{wanted.name} is on the cluster more than once: ours, and {', '.join(others)}",
            "remove one of them",
            "MN-F49",
        )
    status = found.get("release_status")
    if wanted.mode == "adopt" and status == "deployed":
        kept = versions.plain(str(record.get("version") or ""))
        return Decision(
            "none", f"{wanted.name} {kept} was provisioned by us, and is left as it is: mode is adopt", kept
        )
    if found.get("source") != "release":
        return _provision(
            component, wanted, found, kubernetes, "install", f"{wanted.name} is ours, and its release is gone"
        )
    if status in UNFINISHED:
        broken = status in ("pending-install", "uninstalling") or not _was_deployed(found)
        action = "install" if broken else "upgrade"
        return _provision(
            component, wanted, found, kubernetes, action, f"{wanted.name}: an interrupted helm run left it {status}"
        )
    version = _version(wanted, found, kubernetes)
    values = merge(_ours_below(component, _ask(wanted, version)), wanted.values)
    if status == "deployed" and _same_chart(wanted, found, version) and same_values(found.get("values"), values):
        return Decision(
            "none",
            f"{wanted.name} {version} is deployed as asked",
            findings=fit_findings(wanted.name, version, kubernetes),
            **_install(component, wanted, found, version),
        )
    reasons = []
    if status != "deployed":
        runs = ", although all of it runs (MN-F62)" if status == "failed" and found.get("ready") else ""
        reasons.append(f"its release is {status}{runs}")
    if not _same_chart(wanted, found, version):
        reasons.append(f"{found.get('chart_version')} is deployed, {_chart_version(wanted, version)} is asked for")
    if not same_values(found.get("values"), values):
        reasons.append("its values differ")
    # A first install that failed has to have the hooks of an install
    action = "install" if status == "failed" and not _was_deployed(found) else "upgrade"
    return _provision(component, wanted, found, kubernetes, action, f"{wanted.name}: {'; '.join(reasons)}")


def _theirs(component: Component, wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> Decision:
    what = spell(found)
    if wanted.mode == "provision":
        return _refuse(
            wanted,
            f"{wanted.name} is to be provisioned, and somebody else's is there already: {what}",
            f"adopt it ({wanted.name}_mode: adopt), or have its owner remove it",
            "MN-F49",
        )
    findings = list(judge(component, found, kubernetes, wanted.ask.scheduler))
    others = [spell(other) for other in found.get("others") or []]
    if others:
        findings.append(
            Finding(
                "MN-F49",
                "warning",
                wanted.name,
                f"{wanted.name} is on the cluster more than once: {what}, {', '.join(others)}",
                "let one of its owners remove theirs",
            )
        )
    version = str(found.get("app_version") or found.get("chart_version") or "")
    want = {
        "component": wanted.name,
        "origin": "adopted",
        "release": found.get("release"),
        "namespace": found.get("namespace"),
        "namespace_created": False,
        "version": versions.plain(version),
    }
    return Decision(
        "adopt",
        f"{wanted.name} is there already: {what}; it is used and not changed",
        version=versions.plain(version),
        findings=tuple(findings),
        record=want,
        record_changed=want != (found.get("record") or {}),
    )


def _provision(
    component: Component, wanted: Wanted, found: Mapping[str, Any], kubernetes: str, action: str, why: str
) -> Decision:
    version = _version(wanted, found, kubernetes)
    if not version:
        return _refuse(
            wanted,
            f"no version of {wanted.name} in the matrix fits Kubernetes {kubernetes}",
            f"set {wanted.name}_version to one that its authors document for it",
            "MN-F36",
        )
    findings = fit_findings(wanted.name, version, kubernetes)
    if action == "upgrade" and found.get("release_status") == "deployed":
        here = str(found.get("app_version") or found.get("chart_version") or "")
        findings += versions.step_findings(wanted.name, here, version)
        if not wanted.planned:
            findings += steps.unplanned(wanted.name, versions.plain(here), version, found.get("under_way") or {})
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        return Decision("refuse", errors[0].message, version=version, findings=findings)
    if wanted.ask.airgap and not wanted.chart_meta:
        refusal = registry.airgap_refusal(wanted.name, wanted.chart, version)
        return Decision("refuse", refusal.message, version=version, findings=(refusal,))
    meta = wanted.chart_meta
    if meta and meta.get("name") not in component.charts:
        return _refuse(
            wanted,
            f"the chart given for {wanted.name} is named {meta.get('name')}, not {' or '.join(component.charts)}",
            f"give {wanted.name}_chart the right archive",
        )
    if meta and version not in (versions.plain(meta.get("version") or ""), _archive_version(meta)):
        return _refuse(
            wanted,
            f"{wanted.name} {version} is asked for, and the chart given holds {_archive_version(meta)}",
            f"let {wanted.name}_version and {wanted.name}_chart agree",
        )
    planned = _install(component, wanted, found, version)
    repeated = _same_chart(wanted, found, version) and same_values(found.get("values"), planned["values"])
    keep = tuple(found.get("release_crds") or ()) if action == "upgrade" else ()
    return Decision(
        action,
        f"{why}: {action} {version}",
        findings=(*findings, *_templates("MN-F65", wanted, keep)),
        keep=keep,
        # Nothing else is asked for than what failed: helm's module would compare with it, and do nothing
        recover=(*_recover(found), *(found.get("release_failed") or () if repeated or action == "install" else ())),
        before=registry.ca_config_map(wanted.name, wanted.namespace, wanted.ask.registry),
        **planned,
    )


def _templates(identity: str, wanted: Wanted, definitions: Sequence[str]) -> tuple[Finding, ...]:
    """F65, F66: what plain helm would do to definitions that are templates of a chart, and what is done instead."""
    if not definitions:
        return ()
    names = ", ".join(definitions[:2]) + (f" and {len(definitions) - 2} more" if len(definitions) > 2 else "")
    when, instead = "when it is uninstalled", "they stay; multinode_remove_crds: true deletes them"
    if identity == "MN-F65":
        when, instead = "in an upgrade to one that has them elsewhere", "helm is told first to keep them"
    return (
        Finding(
            identity,
            "note",
            wanted.name,
            f"the deployed chart brings {names} as templates, which helm deletes with everybody's objects {when}",
            instead,
        ),
    )


def _install(component: Component, wanted: Wanted, found: Mapping[str, Any], version: str) -> dict[str, Any]:
    """What a release of ours consists of, whether helm has to run for it or not."""
    ask = _ask(wanted, version)
    ours = _ours_below(component, ask)
    objects = component.objects(ask)
    record = found.get("record") or {}
    want = _record(wanted, version, found, objects)
    kept = [dict(item) for item in want.get("objects") or []]
    return {
        "version": version,
        "version_values": version_values(component, version),
        "values": merge(ours, wanted.values),
        "values_ours": ours,
        "objects": objects,
        "stale": tuple(item for item in record.get("objects") or [] if dict(item) not in kept),
        "record": want,
        "record_changed": want != record,
    }


def _ask(wanted: Wanted, version: str) -> Ask:
    return replace(
        wanted.ask, version=version, values=wanted.values, namespace=wanted.namespace, release=wanted.release
    )


def _ours_below(component: Component, ask: Ask) -> dict[str, Any]:
    """The chart values under the user's: ours, then registry and proxy, then the version."""
    values = component.values(ask)
    if ask.openshift:
        values = merge(openshift.values(component.name, ask), values)
    values = merge(values, registry.values(component.name, ask.registry, ask.proxy))
    return merge(values, version_values(component, ask.version))


def _other_stack(name: str, ask: Ask) -> str:
    """Why a component of the stack that the cluster does not run is of no use; "" where it is."""
    stack = next((stack for stack, names in STACKS.items() if name in names), "")
    if not stack or ask.orchestrator in ("auto", stack):
        return ""
    if (name, ask.scheduler) in (("volcano", "volcano"), ("kai_scheduler", "kai")):
        return ""
    if not ask.orchestrator:
        return "which stack the cluster is to run is not decided (multinode_orchestrator)"
    return f"the orchestrator is {ask.orchestrator}"


def _remove(component: Component, wanted: Wanted, found: Mapping[str, Any]) -> Decision:
    record = found.get("record")
    if not record:
        there = f"; what is there ({spell(found)}) is not ours and stays" if found.get("present") else ""
        return Decision("none", f"{wanted.name} was not provisioned or adopted by us{there}")
    if record.get("origin") != "provisioned":
        return Decision("remove", f"{wanted.name} was adopted: only our record goes", record_changed=True)
    if olm.ours(record):
        return olm.remove(wanted, found)
    # It comes back in the next step: then our record, and with it the namespace, has to outlive this one
    back = versions.plain(wanted.version) if wanted.planned else ""
    # Of several components in one namespace that go with the same run, the last one takes it along
    created = bool(record.get("namespace_created")) and not found.get("namespace_later") and not back
    foreign = list(found.get("namespace_foreign") or [])
    findings = []
    if created and foreign:
        findings.append(
            Finding(
                "MN-F49",
                "warning",
                wanted.name,
                f"namespace {record.get('namespace')} stays: it holds {', '.join(foreign[:5])}"
                + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""),
                "move or delete these, then the namespace",
            )
        )
    objects = [dict(item) for item in record.get("objects") or []]
    held = [item for item in found.get("held") or [] if item not in objects]
    if held and not wanted.remove_crds:
        findings.append(_held(wanted, held))
    if not wanted.remove_crds:
        findings += _templates("MN-F66", wanted, found.get("release_crds") or ())
    first = [*(held if wanted.remove_crds else []), *objects[::-1]]
    status = found.get("release_status")
    # The Jobs of hooks go with all other hooks
    recover = tuple(item for item in _recover(found) if item["kind"] == "Secret")
    # A first install or an uninstall that was cut off: helm's module leaves it alone, so its objects go one by one,
    # and then helm's own record of it. A cut off upgrade has a whole release below it, which helm can uninstall.
    broken = status in ("pending-install", "uninstalling")
    taken = list(found.get("release_takes") or ())
    if taken and not broken and not wanted.remove_crds:
        findings.append(_taken(wanted, found, taken))
    used = found.get("queues_used") or {}
    findings += [_used_queue(wanted, str(name), used[name]) for name in used]
    leftovers: list[Mapping[str, Any]] = [
        item
        for item in found.get("release_hooks") or []
        if item["kind"] != "Queue" or item["metadata"]["name"] not in used
    ]
    if broken:
        leftovers += found.get("release_objects") or []
        recover = tuple(
            _secret(found.get("namespace"), f"sh.helm.release.v1.{found.get('release')}.v{revision}")
            for revision in range(1, int(found.get("revision") or 0) + 1)
        )
    for api_version, kind, name in component.leftovers:
        leftovers.append({"apiVersion": api_version, "kind": kind, "metadata": metadata(name, record.get("namespace"))})
    return Decision(
        "remove",
        f"{wanted.name} was provisioned by us",
        version=str(record.get("version") or ""),
        findings=tuple(findings),
        recover=recover,
        record={**record, "back": back} if back else None,
        record_changed=True,
        uninstall=found.get("source") == "release" and not broken,
        remove_namespace=created and not foreign,
        first=tuple(first),
        delete=tuple(leftovers),
        crds=(*component.crds, *component.newer_crds) if wanted.remove_crds else (),
    )


def _held(wanted: Wanted, held: Sequence[Mapping[str, Any]]) -> Finding:
    """F69: without the operator nobody takes the finalizers off, and what it made for these objects stays."""
    names = [f"{item['kind']} {_spell_ref(item['metadata'])}" for item in held]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Finding(
        "MN-F69",
        "warning" if wanted.check else "error",
        wanted.name,
        f"{', '.join(names[:5])}{more} {'waits' if len(names) == 1 else 'wait'} for {wanted.name} when deleted "
        "(finalizers), and would never go without it",
        f"delete them first; or multinode_remove_crds: true, which deletes them with the definitions of {wanted.name}",
    )


def _taken(wanted: Wanted, found: Mapping[str, Any], names: Sequence[str]) -> Finding:
    """F66: helm leaves what its own manifest marks; somebody has run it without the marks that our runs make."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return Finding(
        "MN-F66",
        "error",
        wanted.name,
        f"helm would delete {', '.join(names[:5])}{more} with the release, and everybody's objects with them: release "
        f"{found.get('release')} was upgraded by hand, without the annotation helm.sh/resource-policy: keep",
        f"helm upgrade {found.get('release')} <chart> -n {found.get('namespace')} --reuse-values --post-renderer "
        "python3 --post-renderer-args roles/helm_component/files/keep_crds.py; or multinode_remove_crds: true: they go",
    )


def _used_queue(wanted: Wanted, name: str, users: Sequence[str]) -> Finding:
    """F68: the platform's own queue goes with it, unless it is in use, as it is where nobody names a queue."""
    more = f" and {len(users) - 5} more" if len(users) > 5 else ""
    return Finding(
        "MN-F68",
        "warning",
        wanted.name,
        f"queue {name} stays: {', '.join(users[:5])}{more} {'is' if len(users) == 1 else 'are'} in it, and KAI stays",
        f"once they are gone: kubectl delete queues.scheduling.run.ai {name}",
    )


def _spell_ref(about: Mapping[str, Any]) -> str:
    return f"{about['namespace']}/{about['name']}" if about.get("namespace") else str(about["name"])


def _version(wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> str:
    """What is asked for, else what the given archive holds, else what we provisioned (a newer default is no reason to
    upgrade), else the matrix's default."""
    if wanted.version:
        return versions.plain(wanted.version)
    if wanted.chart_meta:
        return _archive_version(wanted.chart_meta)
    record = found.get("record") or {}
    if comes_back(found):
        return str(record["back"])
    if record.get("origin") == "provisioned" and record.get("version"):
        return versions.plain(str(record["version"]))
    return versions.default(wanted.name, kubernetes, wanted.ask.dynamo_version) or ""


def _archive_version(meta: Mapping[str, str]) -> str:
    """The version of what a chart installs; a chart packaged from a source tree says it as appVersion only."""
    app = meta.get("appVersion") or ""
    return versions.plain(app if versions.key(app) else meta.get("version") or "")


def _chart_version(wanted: Wanted, version: str) -> str:
    meta = wanted.chart_meta
    return versions.plain(str(meta["version"])) if meta and meta.get("version") else version


def _same_chart(wanted: Wanted, found: Mapping[str, Any], version: str) -> bool:
    return versions.plain(str(found.get("chart_version") or "")) == _chart_version(wanted, version)


def _record(wanted: Wanted, version: str, found: Mapping[str, Any], objects: tuple[Object, ...]) -> dict[str, Any]:
    record = found.get("record") or {}
    return {
        "component": wanted.name,
        "origin": "provisioned",
        "release": wanted.release,
        "namespace": wanted.namespace,
        # Once ours, always ours; at first it is ours when it is not there yet, or bears our label
        "namespace_created": bool(record.get("namespace_created") or found.get("namespace_ours")),
        "version": version,
        # So that a later run, with other settings, knows what to take away
        **({"objects": [reference(item) for item in objects]} if objects else {}),
        # It was brought back to this version by a new install, of which helm's history knows nothing
        **({"back": version} if record.get("back") == version else {}),
    }


def _recover(found: Mapping[str, Any]) -> tuple[Object, ...]:
    """What a helm run that came to no good end left: its pending records, and the Jobs of its hooks, which would be in
    the way of the next run's."""
    pending = [item for item in found.get("release_secrets") or [] if item.get("status") in UNFINISHED]
    jobs = []
    if found.get("release_status") in (*UNFINISHED, "failed"):
        jobs = [dict(item) for item in found.get("release_hooks") or [] if item["kind"] == "Job"]
    return (*(_secret(item["namespace"], item["name"]) for item in pending), *jobs)


def _was_deployed(found: Mapping[str, Any]) -> bool:
    """Whether a revision of the release ever came to be deployed."""
    return any(item.get("status") in ("deployed", "superseded") for item in found.get("release_secrets") or [])


def _secret(namespace: Any, name: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": str(name), "namespace": str(namespace)}}


def _refuse(wanted: Wanted, message: str, remedy: str, identity: str = "MN-F49") -> Decision:
    return Decision("refuse", message, findings=(Finding(identity, "error", wanted.name, message, remedy),))


def _is(other: Mapping[str, Any], wanted: Wanted) -> bool:
    return (other.get("release"), other.get("namespace")) == (wanted.release, wanted.namespace)
