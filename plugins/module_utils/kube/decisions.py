# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about each component that is asked for, decided one after the other, as plain data for a role."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import chart_meta
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import Credentials, hidden, redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.forecast import after
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.path import grove_under_way, short_name_holder
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader, held, namespace_foreign
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

HELM_OPTIONS = ("kubeconfig", "context", "host", "ca_cert", "validate_certs", "api_key")
# One of them starts the engines; without a word from the user, the cluster's one counts
ORCHESTRATORS = ("grove", "lws")


@dataclass
class Decided:
    """``decisions``: by component name, for a role. ``facts``: the cluster as they leave it. ``findings``: about pairs
    of components. ``orchestrator``: the resolved one, "" where the cluster does not say; ``question``: what to ask
    then. ``todo``: the components for which something is to be done, in order."""

    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    orchestrator: str = "auto"
    question: str = ""

    @property
    def todo(self) -> list[str]:
        return [name for name, decision in self.decisions.items() if decision["todo"]]

    @property
    def lines(self) -> list[str]:
        """All that was decided and found, to be shown."""
        return [line for decision in self.decisions.values() for line in decision["lines"]] + [
            entry["line"] for entry in self.findings
        ]

    @property
    def failing(self) -> list[str]:
        """All that nobody waived."""
        found = [line for decision in self.decisions.values() for line in decision["failing"]]
        found += [entry["failing"] for entry in self.findings if entry["failing"]]
        return [*found, *([self.question] if self.question else [])]


def absent_entry() -> dict[str, Any]:
    """What facts() says of a component that is not there."""
    return {"present": False, "source": None, "record": None, "others": [], "release_secrets": []}


def asked_of(params: Mapping[str, Any]) -> list[components.Asked]:
    """What is asked, from either option of the module; raises SpecError."""
    if params["platform"] is None:
        return components.of_components(params["components"])
    absent = params["platform_state"] == "absent"
    return components.of_platform(
        params["platform"], params["platform_state"], remove_crds=absent and params["remove_crds"]
    )


def decide_all(
    client: Client,
    params: Mapping[str, Any],
    asked: Sequence[components.Asked],
    found: Mapping[str, Any],
    *,
    check: bool,
) -> Decided:
    """One decision per component, each on the cluster as those before it leave it."""
    done = Decided(facts=found, orchestrator=params["orchestrator"])
    whole = params["platform"] is not None and params["platform_state"] == "present"
    if whole and done.orchestrator == "auto":
        done.orchestrator, done.question = _orchestrator(found)
    ask = components.Ask(
        orchestrator=done.orchestrator,
        scheduler=params["scheduler"],
        workload_api=params["workload_api"],
        dynamo_version=params["dynamo_version"],
        registry=params["registry"] or {},
        proxy=params["pod_proxy"] or {},
        airgap=params["airgap"],
    )
    today = datetime.date.today().isoformat()
    named = [_named(one, found["components"].get(one.name) or absent_entry()) for one in asked]
    namespaces = _namespaces(client, named)
    for one in named:
        entry = dict(found["components"].get(one.name) or absent_entry())
        record = entry.get("record") or {}
        if one.state == "absent":
            _look_around(client, one, entry, _mates(one, named, found))
            if (found["components"].get("kai_scheduler") or {}).get("present") and not _goes(
                "kai_scheduler", named, found
            ):
                entry["queues_used"] = facts_gangs.used_queues(client, entry.get("release_hooks") or ())
        else:
            entry["namespace_ours"] = namespaces.get(one.namespace, False)
        meta = None if one.state == "absent" or one.mode == "skip" else chart_meta(one.chart)
        about = replace(ask, settings=one.settings, facts=done.facts)
        wanted = components.Wanted(
            name=one.name,
            mode=one.mode,
            state=one.state,
            version=one.version,
            namespace=one.namespace,
            release=one.release,
            values=one.values,
            chart=one.chart,
            chart_meta=meta,
            remove_crds=one.remove_crds,
            ask=about,
            check=check,
            planned=one.planned,
        )
        decision = components.decide(wanted, entry, found["kubernetes"])
        if one.name == "grove" and decision.action == "upgrade" and not one.planned:
            pod_clique_sets, zero = grove_under_way(client, Reader(client))
            taken = short_name_holder(client, decision.version)
            entry["under_way"] = {"pod_clique_sets": pod_clique_sets, "scaled_to_zero": zero, "taken": taken}
            decision = components.decide(wanted, entry, found["kubernetes"])
        plain = _plain(decision, one, entry, params, today)
        plain["archive"] = meta is not None
        if decision.uninstall or decision.action in ("install", "upgrade"):
            plain["failing"] += helm_cannot(params)
        plain["keep"] = _not_kept(client, plain["keep"])
        if decision.action in ("install", "upgrade") and meta is None and decision.source != "olm":
            plain["failing"] += _on_the_command_line(one)
        plain["waves"] = _waves(plain["objects"], one.name, found)
        if decision.action == "none" and decision.objects:
            results = engine.apply(client, decision.objects, check=True)
            plain["objects_differ"] = any(result.changed or result.error for result in results)
        plain["todo"] = _todo(decision, plain)
        done.decisions[one.name] = plain
        final = replace(
            about, values=decision.values, version=decision.version, namespace=one.namespace, release=one.release
        )
        done.facts = after(done.facts, {one.name: (decision.action, final)})
        if record and decision.action == "remove":
            plain["release"] = {"name": entry.get("release"), "namespace": entry.get("namespace")}
    if params["platform_state"] == "present":
        done.findings = _pairs(done, found["kubernetes"], params, today)
    return done


def helm_cannot(params: Mapping[str, Any]) -> list[str]:
    """Credentials that were given, and that kubernetes.core.helm has no option for: it would run as somebody else."""
    given = sorted(name for name in AUTH_ARGS if params.get(name) and name not in HELM_OPTIONS)
    return [f"helm cannot be given {name}: put it into the kubeconfig" for name in given]


def _on_the_command_line(one: components.Asked) -> list[str]:
    """A user or password in the URL of a chart, which helm would show to everybody who may list processes."""
    return [
        f"{one.name}: {key} {hidden(given)} holds a user or password, and helm takes them on its command line only. "
        "Put them into helm's own files: helm repo add --password-stdin, helm_component_repository_config and a chart "
        "repository/chart; for oci:// helm registry login --password-stdin and helm_component_registry_config"
        for key, given in (("chart", one.chart), ("chart_repo", one.chart_repo))
        if hidden(given) != given
    ]


def _plain(
    decision: components.Decision,
    one: components.Asked,
    entry: Mapping[str, Any],
    params: Mapping[str, Any],
    today: str,
) -> dict[str, Any]:
    judged = components.waived(decision.findings, params["waivers"], today)
    # The role knows the same, and puts them back
    secret = Credentials(params["pod_proxy"], params["registry"], one.settings, one.chart, one.chart_repo)
    component = components.definition(one.name)
    return {
        "action": decision.action,
        "source": decision.source,
        "why": decision.why,
        "lines": [decision.why, *[_line(finding, reason) for finding, reason in judged]],
        "version": decision.version,
        "chart_version": f"{component.chart_tag}{decision.version}",
        "version_values": dict(decision.version_values),
        "namespace": one.namespace,
        "release_name": one.release,
        "chart": secret.hide(one.chart),
        "chart_repo": secret.hide(one.chart_repo),
        "values": redacted(dict(decision.values)),
        "values_ours": secret.hide(decision.values_ours),
        "objects": secret.hide(decision.objects),
        "objects_differ": False,
        "stale": [dict(item) for item in decision.stale],
        # Who takes the finalizers off what is deleted
        "operator_runs": bool(entry.get("ready")),
        # Its own role restarts it; an upgrade does so by itself, and what is adopted is not touched
        "restart": decision.action == "none" and any(finding.id == "MN-F22" for finding in decision.findings),
        "keep": [
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": name, "annotations": {"helm.sh/resource-policy": "keep"}},
            }
            for name in decision.keep
        ],
        "findings": [{**finding.to_dict(), "waived": reason} for finding, reason in judged],
        "pairs": [],
        "failing": [
            _failing(finding)
            for finding, reason in judged
            if finding.severity == "error" and (reason is None or decision.action == "refuse")
        ],
        "apply": components.apply_objects(decision, component.namespace_labels),
        "recover": [dict(item) for item in decision.recover],
        "uninstall": decision.uninstall,
        "release": {"name": entry.get("release"), "namespace": entry.get("namespace")},
        "first": [dict(item) for item in decision.first],
        "delete": components.delete_objects(decision, entry.get("record")),
    }


def _todo(decision: components.Decision, plain: Mapping[str, Any]) -> bool:
    return bool(
        decision.action in ("install", "upgrade", "remove", "refuse")
        or plain["apply"]
        or plain["stale"]
        or plain["objects_differ"]
        or plain["restart"]
        or plain["failing"]
    )


def _waves(objects: Sequence[Mapping[str, Any]], name: str, found: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The objects in two lots: those of kinds that the chart defines, then those that what it runs defines later."""
    known = {crd.split(".", 1)[1] for crd in components.definition(name).crds} | set(found["apis"]) | {""}
    lots: list[list[dict[str, Any]]] = [[], []]
    for item in objects:
        lots[str(item["apiVersion"]).rpartition("/")[0] not in known].append(dict(item))
    return [lot for lot in lots if lot]


def _line(finding: Finding, reason: str | None) -> str:
    return f"{'waived (' + reason + ') ' if reason else ''}{finding}"


def _failing(finding: Finding) -> str:
    return f"{finding.id} {finding.message}. {finding.remedy}"


def _named(one: components.Asked, entry: Mapping[str, Any]) -> components.Asked:
    """With the names that our release has already, else upstream's, where the user says none; and upstream's chart."""
    component = components.definition(one.name)
    record = entry.get("record") or {}
    kept = record if record.get("origin") == "provisioned" else {}
    return replace(
        one,
        namespace=one.namespace or str(kept.get("namespace") or component.namespace),
        release=one.release or str(kept.get("release") or component.release or one.name.replace("_", "-")),
        chart=one.chart or component.chart,
        chart_repo=one.chart_repo or (component.chart_repo if one.chart in ("", component.chart) else ""),
    )


def _not_kept(client: Client, wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The definitions that are there and that helm is not told to keep yet.

    One that is told holds what an earlier run of ours applied as a whole, and would lose it to an apply of less.
    """

    def live(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return client.get(item["apiVersion"], item["kind"], item["metadata"]["name"])

    left = []
    for item, found in zip(wanted, client.map(live, wanted)):
        asked = item["metadata"]["annotations"].items()
        if found is not None and not asked <= (found["metadata"].get("annotations") or {}).items():
            left.append(item)
    return left


def _namespaces(client: Client, asked: Sequence[components.Asked]) -> dict[str, bool]:
    """Whether the namespaces of what is to be there are ours: not there yet, or with our label."""
    names = sorted({one.namespace for one in asked if one.state == "present" and one.mode != "skip" and one.namespace})

    def ours(name: str) -> bool:
        namespace = client.get("v1", "Namespace", name)
        labels = (namespace or {}).get("metadata", {}).get("labels") or {}
        return namespace is None or labels.get(MANAGED_BY) == MANAGER

    return dict(zip(names, client.map(ours, names)))


def _mates(
    one: components.Asked, named: Sequence[components.Asked], found: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """What else of ours lies in the namespace of a component, and is removed by the same run: before it, and after."""
    there: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = ([], [])
    namespace, later = _our_namespace(one, found), False
    for other in named:
        if other.name == one.name:
            later = True
        elif namespace and _our_namespace(other, found) == namespace:
            there[later].append(found["components"][other.name])
    return there


def _goes(name: str, named: Sequence[components.Asked], found: Mapping[str, Any]) -> bool:
    """Whether this run removes that component."""
    return any(one.name == name and _our_namespace(one, found) for one in named)


def _our_namespace(one: components.Asked, found: Mapping[str, Any]) -> str:
    """The namespace of what is ours and is to go; "" where nothing is."""
    record = (found["components"].get(one.name) or {}).get("record") or {}
    goes = one.state == "absent" and one.mode != "skip" and record.get("origin") == "provisioned"
    return str(record.get("namespace") or "") if goes else ""


def _look_around(
    client: Client,
    one: components.Asked,
    entry: dict[str, Any],
    mates: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
) -> None:
    """What a removal has to know besides: what else is in our namespace, and which objects need the operator to go."""
    record = entry.get("record") or {}
    if record.get("origin") != "provisioned":
        return
    entry["held"] = held(client, components.definition(one.name))
    gone, later = mates
    entry["namespace_later"] = bool(later)
    # The last of ours takes the namespace along
    if record.get("namespace_created") and not later:
        before = [(mate["record"], mate.get("release_hooks") or []) for mate in gone]
        entry["namespace_foreign"] = namespace_foreign(
            client, str(record["namespace"]), [(record, entry.get("release_hooks") or []), *before]
        )


def _orchestrator(found: Mapping[str, Any]) -> tuple[str, str]:
    """The one that the cluster runs; or "", and what to ask."""
    there = [name for name in ORCHESTRATORS if (found["components"].get(name) or {}).get("present")]
    if len(there) == 1:
        return there[0], ""
    runs = "both Grove and LWS" if there else "neither Grove nor LWS"
    return "", f"multinode_orchestrator is auto, and the cluster runs {runs}: set it to lws or to grove"


def _pairs(done: Decided, kubernetes: str, params: Mapping[str, Any], today: str) -> list[dict[str, Any]]:
    """What the version matrix says of the components together, as they will run; and in each decision under ``pairs``
    what of it touches its component: for a role that decides about nothing else."""
    running = {
        name: versions.plain(str(entry.get("app_version") or entry.get("chart_version") or ""))
        for name, entry in done.facts["components"].items()
        if entry.get("present")
    }
    found = versions.pair_findings(running, kubernetes, params["dynamo_version"])
    said = {(entry["id"], entry["subject"]) for one in done.decisions.values() for entry in one["findings"]}
    judged = [
        (finding, reason)
        for finding, reason in components.waived(found, params["waivers"], today)
        if (finding.id, finding.subject) not in said
    ]
    for name, plain in done.decisions.items():
        without = {other: version for other, version in running.items() if other != name}
        others = set(versions.pair_findings(without, kubernetes, params["dynamo_version"]))
        plain["pairs"] = [_pair(finding, reason) for finding, reason in judged if finding not in others]
    return [_pair(finding, reason) for finding, reason in judged]


def _pair(finding: Finding, reason: str | None) -> dict[str, Any]:
    return {
        **finding.to_dict(),
        "waived": reason,
        "line": _line(finding, reason),
        "failing": _failing(finding) if finding.severity == "error" and reason is None else "",
    }
