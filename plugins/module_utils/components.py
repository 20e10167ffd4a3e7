# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The components of the platform as data, and what to do about each: adopt, install, upgrade, leave, remove or refuse.

Pure: takes what kube/facts.py found and what the user wants, and gives a decision with its reasons. What a component's
readiness consists of is data too (``COMPONENTS``); ``missing()`` judges it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER, RECORD_LABEL

PROBE = "dynamo-multinode-probe"
MODES = ("auto", "adopt", "provision", "skip")
# Helm's states of a release whose last action never came to its end
UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Component:
    """What identifies one component, and what it must show to be ready (reference: upstream's charts).

    charts: chart names. images: the last path segment of an image -> what runs it; identifies installs without helm.
    required: the images without which nothing works. crds: the definitions it brings. webhooks: names of the
    configurations that must exist while the Deployment of ``webhook_image`` does. queues: Volcano queues that must be
    Open. config: (name suffix of a ConfigMap, text) that says its scheduler provider. dry_runs: objects whose
    server-side dry run passes the component's own webhooks. version_value: path in the chart's values that takes the
    image tag ``v<version>``. leftovers: what it makes itself, and helm does not remove, in its own namespace.
    """

    name: str
    charts: tuple[str, ...]
    images: tuple[str, ...]
    required: tuple[str, ...]
    crds: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    webhook_image: str = ""
    queues: tuple[str, ...] = ()
    scheduler_provider: str = ""
    service_account: str = ""
    dry_runs: tuple[Object, ...] = ()
    version_value: tuple[str, ...] = ()
    leftovers: tuple[tuple[str, str, str], ...] = ()
    group: str = ""
    workloads: tuple[str, str] | None = None


_VOLCANO_QUEUE = {
    "apiVersion": "scheduling.volcano.sh/v1beta1",
    "kind": "Queue",
    "metadata": {"name": PROBE},
    "spec": {"weight": 1, "reclaimable": True},
}
# Volcano's webhooks leave its own namespace and kube-system alone: a probe there would prove nothing.
_VOLCANO_POD_GROUP = {
    "apiVersion": "scheduling.volcano.sh/v1beta1",
    "kind": "PodGroup",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {"minMember": 1, "queue": "default"},
}
_LEADER_WORKER_SET = {
    "apiVersion": "leaderworkerset.x-k8s.io/v1",
    "kind": "LeaderWorkerSet",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {
        "replicas": 1,
        "leaderWorkerTemplate": {
            "size": 2,
            "workerTemplate": {"spec": {"containers": [{"name": "probe", "image": "probe"}]}},
        },
    },
}

COMPONENTS: Mapping[str, Component] = {
    "volcano": Component(
        name="volcano",
        charts=("volcano",),
        images=("vc-scheduler", "vc-controller-manager", "vc-webhook-manager"),
        required=("vc-scheduler", "vc-controller-manager"),
        crds=(
            "queues.scheduling.volcano.sh",
            "podgroups.scheduling.volcano.sh",
            "jobs.batch.volcano.sh",
            "cronjobs.batch.volcano.sh",
            "commands.bus.volcano.sh",
            "numatopologies.nodeinfo.volcano.sh",
            "hypernodes.topology.volcano.sh",
            "nodeshards.shard.volcano.sh",
            "colocationconfigurations.config.volcano.sh",
            "jobflows.flow.volcano.sh",
            "jobtemplates.flow.volcano.sh",
        ),
        webhooks=("volcano-admission-service-queues-validate", "volcano-admission-service-podgroups-validate"),
        webhook_image="vc-webhook-manager",
        queues=("root", "default"),
        dry_runs=(_VOLCANO_QUEUE, _VOLCANO_POD_GROUP),
        version_value=("basic", "image_tag_version"),
        leftovers=(("v1", "Secret", "volcano-admission-secret"),),
        group="scheduling.volcano.sh",
        workloads=("scheduling.volcano.sh/v1beta1", "PodGroup"),
    ),
    "lws": Component(
        name="lws",
        charts=("lws",),
        images=("lws",),
        required=("lws",),
        crds=("leaderworkersets.leaderworkerset.x-k8s.io",),
        webhooks=("lws-mutating-webhook-configuration", "lws-validating-webhook-configuration"),
        webhook_image="lws",
        scheduler_provider="volcano",
        service_account="lws-controller-manager",
        dry_runs=(_LEADER_WORKER_SET,),
        version_value=("image", "manager", "tag"),
        group="leaderworkerset.x-k8s.io",
        workloads=("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ),
    # Recognised, not yet provisioned
    "grove": Component(
        name="grove",
        charts=("grove-charts", "grove"),
        images=("grove-operator",),
        required=("grove-operator",),
        group="grove.io",
    ),
    "kai_scheduler": Component(
        name="kai_scheduler",
        charts=("kai-scheduler",),
        images=("kai-scheduler/operator",),
        required=("kai-scheduler/operator",),
        group="kai.scheduler",
    ),
    "dynamo_platform": Component(
        name="dynamo_platform",
        charts=("dynamo-platform", "dynamo-operator"),
        images=("kubernetes-operator",),
        required=("kubernetes-operator",),
        group="nvidia.com",
    ),
}


@dataclass(frozen=True)
class Wanted:
    """What the user asks for. ``version`` "" takes the matrix's default; ``chart_meta``: name, version and appVersion
    of a chart that is a local archive or folder (its own word holds), else None."""

    name: str
    mode: str = "auto"
    state: str = "present"
    version: str = ""
    namespace: str = ""
    release: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    chart_meta: Mapping[str, str] | None = None
    remove_crds: bool = False


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why.

    action: adopt | install | upgrade | none | remove | refuse | skip. version: what will run (install, upgrade), or
    runs. values: the chart's values to use. recover: release Secrets (namespace, name) of interrupted helm runs, to be
    deleted first. record: the record to be kept (None: none). record_changed: whether it must be written or deleted.
    uninstall, remove_namespace, delete: what a removal consists of; ``delete`` holds object references.
    """

    action: str
    why: str
    version: str = ""
    version_values: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    recover: tuple[tuple[str, str], ...] = ()
    record: Mapping[str, Any] | None = None
    record_changed: bool = False
    uninstall: bool = False
    remove_namespace: bool = False
    delete: tuple[Mapping[str, Any], ...] = ()
    crds: tuple[str, ...] = ()


def waived(
    findings: Sequence[Finding], waivers: Sequence[Mapping[str, Any]], today: str
) -> list[tuple[Finding, str | None]]:
    """Each finding with the reason of the waiver that covers it (None: none does).

    waivers: [{"id", "reason", "until": "2027-01-01" or absent}]; today: ISO date. A waiver holds through its last day.
    """
    reasons = {
        str(item.get("id")): str(item.get("reason") or "no reason given")
        for item in waivers
        if not item.get("until") or today <= str(item["until"])
    }
    return [(finding, reasons.get(finding.id)) for finding in findings]


def record_object(record: Mapping[str, Any]) -> dict[str, Any]:
    """The ConfigMap that keeps a record; it has no timestamps, so that writing it again changes nothing."""
    name = str(record["component"])
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"dynamo-multinode-{name.replace('_', '-')}",
            "namespace": record["namespace"],
            "labels": {MANAGED_BY: MANAGER, RECORD_LABEL: name},
        },
        "data": {"record": json.dumps(record, sort_keys=True)},
    }


def namespace_object(name: str) -> dict[str, Any]:
    """A namespace of ours; only those are ever deleted."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {MANAGED_BY: MANAGER}}}


def apply_objects(decision: Decision) -> list[dict[str, Any]]:
    """What a decision has to see applied before helm runs: our namespace and the record."""
    record = decision.record
    if record is None or (not decision.record_changed and decision.action in ("none", "adopt")):
        return []
    objects = [namespace_object(str(record["namespace"]))] if record["namespace_created"] else []
    return [*objects, record_object(record)]


def delete_objects(decision: Decision, record: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """References to what a removal deletes after helm ran: leavings, broken releases, our record, namespace, CRDs."""
    if decision.action != "remove" or not record:
        return []
    refs = [dict(item) for item in decision.delete]
    refs += [{"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name, space)} for space, name in decision.recover]
    kept = record_object(record)
    refs.append(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(kept["metadata"]["name"], record["namespace"])}
    )
    if decision.remove_namespace:
        refs.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": record["namespace"]}})
    refs += [
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": crd}}
        for crd in decision.crds
    ]
    return refs


def definition(name: str) -> Component:
    """The component of this name; a chart that nobody described here is judged by its Deployments alone."""
    return COMPONENTS.get(name) or Component(name=name, charts=(name,), images=(), required=())


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid onto ``base``, dicts into dicts, as helm merges values files."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


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
    if found.get("unreadable"):
        return _refuse(
            wanted,
            f"what of {wanted.name} is on the cluster cannot be read: {found['unreadable']}",
            "use credentials that may list Secrets, Deployments and ConfigMaps in all namespaces",
        )
    record = found.get("record")
    if record and record.get("origin") == "provisioned":
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
    others = [_spell(other) for other in found.get("others") or [] if not _is(other, wanted)]
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
        action = "install" if status in ("pending-install", "uninstalling") else "upgrade"
        return _provision(
            component, wanted, found, kubernetes, action, f"{wanted.name}: an interrupted helm run left it {status}"
        )
    version = _version(wanted, found, kubernetes)
    values = merge(version_values(component, version), wanted.values)
    if status == "deployed" and _same_chart(wanted, found, version) and same_values(found.get("values"), values):
        want = _record(wanted, version, found)
        return Decision(
            "none",
            f"{wanted.name} {version} is deployed as asked",
            version=version,
            version_values=version_values(component, version),
            findings=_fit(wanted.name, version, kubernetes),
            record=want,
            record_changed=want != dict(record),
        )
    reasons = []
    if status != "deployed":
        reasons.append(f"its release is {status}")
    if not _same_chart(wanted, found, version):
        reasons.append(f"{found.get('chart_version')} is deployed, {_chart_version(wanted, version)} is asked for")
    if not same_values(found.get("values"), values):
        reasons.append("its values differ")
    return _provision(component, wanted, found, kubernetes, "upgrade", f"{wanted.name}: {'; '.join(reasons)}")


def _theirs(component: Component, wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> Decision:
    what = _spell(found)
    if wanted.mode == "provision":
        return _refuse(
            wanted,
            f"{wanted.name} is to be provisioned, and somebody else's is there already: {what}",
            f"adopt it ({wanted.name}_mode: adopt), or have its owner remove it",
            "MN-F49",
        )
    findings = list(judge(component, found, kubernetes))
    others = [_spell(other) for other in found.get("others") or []]
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
    findings = _fit(wanted.name, version, kubernetes)
    if any(finding.severity == "error" for finding in findings):
        return Decision("refuse", findings[0].message, version=version, findings=findings)
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
    want = _record(wanted, version, found)
    return Decision(
        action,
        f"{why}: {action} {version}",
        version=version,
        version_values=version_values(component, version),
        findings=findings,
        recover=_unfinished(found),
        record=want,
        record_changed=want != (found.get("record") or {}),
    )


def _remove(component: Component, wanted: Wanted, found: Mapping[str, Any]) -> Decision:
    record = found.get("record")
    if not record:
        there = f"; what is there ({_spell(found)}) is not ours and stays" if found.get("present") else ""
        return Decision("none", f"{wanted.name} was not provisioned or adopted by us{there}")
    if record.get("origin") != "provisioned":
        return Decision("remove", f"{wanted.name} was adopted: only our record goes", record_changed=True)
    created = bool(record.get("namespace_created"))
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
    status = found.get("release_status")
    recover = _unfinished(found)
    # A first install or an uninstall that was cut off: helm's module leaves it alone, so its objects go one by one,
    # and then helm's own record of it. A cut off upgrade has a whole release below it, which helm can uninstall.
    broken = status in ("pending-install", "uninstalling")
    leftovers: list[Mapping[str, Any]] = list(found.get("release_hooks") or [])
    if broken:
        leftovers += found.get("release_objects") or []
        recover = tuple(
            (str(found.get("namespace")), f"sh.helm.release.v1.{found.get('release')}.v{revision}")
            for revision in range(1, int(found.get("revision") or 0) + 1)
        )
    for api_version, kind, name in component.leftovers:
        leftovers.append({"apiVersion": api_version, "kind": kind, "metadata": _meta(name, record.get("namespace"))})
    return Decision(
        "remove",
        f"{wanted.name} was provisioned by us",
        version=str(record.get("version") or ""),
        findings=tuple(findings),
        recover=recover,
        record_changed=True,
        uninstall=found.get("source") == "release" and not broken,
        remove_namespace=created and not foreign,
        delete=tuple(leftovers),
        crds=component.crds if wanted.remove_crds else (),
    )


def judge(component: Component, found: Mapping[str, Any], kubernetes: str) -> tuple[Finding, ...]:
    """What is wrong with a component that somebody else installed, each with the patch for its owner."""
    name = component.name
    version = str(found.get("app_version") or found.get("chart_version") or "")
    findings = list(_fit(name, version, kubernetes))
    status = str(found.get("release_status") or "")
    where = f"-n {found.get('namespace')}"
    if status in UNFINISHED or status == "failed":
        findings.append(
            Finding(
                "MN-F63",
                "error" if status in UNFINISHED else "warning",
                name,
                f"release {found.get('release')} is {status}",
                f"its owner: helm rollback {found.get('release')} {where} (or helm uninstall, if it never ran)",
            )
        )
    details = found.get("details") or {}
    if component.scheduler_provider and details.get("scheduler_provider") != component.scheduler_provider:
        values = f"gangSchedulingManagement.schedulerProvider={component.scheduler_provider}"
        if found.get("source") == "release":
            patch = f"helm upgrade {found.get('release')} <chart> {where} --reuse-values --set {values}"
        else:
            patch = (
                f"add 'gangSchedulingManagement: {{schedulerProvider: {component.scheduler_provider}}}' to ConfigMap "
                f"{details.get('config') or 'lws-manager-config'} {where} and restart its Deployment"
            )
        findings.append(
            Finding(
                "MN-F32",
                "error",
                name,
                f"{name} runs without schedulerProvider: {component.scheduler_provider}, so its groups are no gangs",
                f"its owner: {patch}",
            )
        )
    elif details.get("may_create_podgroups") is False:  # the chart grants it with the provider: one patch mends both
        findings.append(
            Finding(
                "MN-F33",
                "error",
                name,
                f"{name} may not create PodGroups, so its groups never start",
                f"its owner: allow {component.service_account} in {found.get('namespace')} to create, get, list and "
                "watch podgroups.scheduling.volcano.sh",
            )
        )
    for problem in found.get("problems") or []:
        findings.append(Finding("MN-F64", "warning", name, str(problem), f"its owner: look at the pods {where}"))
    return tuple(findings)


def missing(component: Component, state: Mapping[str, Any]) -> list[str]:
    """What a component still lacks to be ready, in sentences; [] when nothing.

    state: {"deployments": [objects], "crds": {name: object or None} or None when not asked, "webhooks": [objects],
    "endpointslices": [objects], "queues": [objects], "scheduler_provider": str or None, "namespace": str}.
    Webhooks are those whose Service is in the component's namespace.
    """
    lacks: list[str] = []
    deployments = state.get("deployments") or []
    for image in component.required:
        if not any(runs(deployment, (image,)) for deployment in deployments):
            lacks.append(f"no Deployment runs {image}")
    for deployment in deployments:
        problem = deployment_problem(deployment)
        if problem:
            lacks.append(f"Deployment {deployment['metadata']['name']}: {problem}")
    for name, crd in (state.get("crds") or {}).items():
        problem = crd_problem(crd)
        if problem:
            lacks.append(f"CustomResourceDefinition {name}: {problem}")
    lacks += _webhooks_missing(component, state)
    queues = {queue["metadata"]["name"]: queue for queue in state.get("queues") or []}
    for name in component.queues:
        shown = ((queues.get(name) or {}).get("status") or {}).get("state")
        if shown != "Open":
            lacks.append(f"queue {name} is {shown or ('not there' if name not in queues else 'without a state')}")
    if component.scheduler_provider and state.get("scheduler_provider") != component.scheduler_provider:
        lacks.append(f"its configuration does not say schedulerProvider: {component.scheduler_provider}")
    return lacks


def runs(deployment: Object, images: Sequence[str]) -> bool:
    """Whether a Deployment runs one of these images, whatever registry or mirror they come from."""
    names = [split_image(image)[0] for image in images_of(deployment)]
    return any(name == image or name.endswith(f"/{image}") for name in names for image in images)


def images_of(deployment: Object) -> list[str]:
    """The images of a Deployment's containers."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    return [str(container.get("image") or "") for container in containers]


def split_image(image: str) -> tuple[str, str]:
    """``registry:5000/lws/lws:v0.8.0@sha256:…`` -> (``registry:5000/lws/lws``, ``v0.8.0``); "" without a tag."""
    name = image.split("@", 1)[0]
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, "")


def deployment_problem(deployment: Object) -> str:
    """Why a Deployment is not available in its newest generation; "" when it is."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"].get("generation") or 0):
        return "its newest change is not observed yet"
    if int(status.get("updatedReplicas") or 0) < wanted or int(status.get("availableReplicas") or 0) < wanted:
        return f"{status.get('availableReplicas') or 0} of {wanted} available"
    return ""


def crd_problem(crd: Object | None) -> str:
    """Why a CustomResourceDefinition does not serve; "" when it does. Names may clash after it is Established."""
    if crd is None:
        return "not there"
    conditions = {item["type"]: item for item in (crd.get("status") or {}).get("conditions") or []}
    for kind in ("NamesAccepted", "Established"):
        if (conditions.get(kind) or {}).get("status") != "True":
            return f"not {kind} {(conditions.get(kind) or {}).get('message') or ''}".strip()
    return ""


def _webhooks_missing(component: Component, state: Mapping[str, Any]) -> list[str]:
    lacks = []
    deployments = state.get("deployments") or []
    served = bool(component.webhook_image) and any(runs(item, (component.webhook_image,)) for item in deployments)
    webhooks = state.get("webhooks") or []
    names = {item["metadata"]["name"] for item in webhooks}
    if served:
        lacks += [f"webhook configuration {name} is not there" for name in component.webhooks if name not in names]
    services = set()
    for item in webhooks:
        for webhook in item.get("webhooks") or []:
            client = webhook.get("clientConfig") or {}
            if (client.get("service") or {}).get("namespace") != state.get("namespace"):
                continue
            services.add(str(client["service"]["name"]))
            if not client.get("caBundle"):
                lacks.append(f"webhook {webhook['name']} has no caBundle yet")
    ready = {
        (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        for item in state.get("endpointslices") or []
        if any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in item.get("endpoints") or [])
    }
    return lacks + [f"Service {name} has no ready endpoint" for name in sorted(services - ready)]


def _version(wanted: Wanted, found: Mapping[str, Any], kubernetes: str) -> str:
    """What is asked for, else what the given archive holds, else what we provisioned (a newer default is no reason to
    upgrade), else the matrix's default."""
    if wanted.version:
        return versions.plain(wanted.version)
    if wanted.chart_meta:
        return _archive_version(wanted.chart_meta)
    record = found.get("record") or {}
    if record.get("origin") == "provisioned" and record.get("version"):
        return versions.plain(str(record["version"]))
    return versions.default(wanted.name, kubernetes) or ""


def _archive_version(meta: Mapping[str, str]) -> str:
    """The version of what a chart installs; a chart packaged from a source tree says it as appVersion only."""
    app = meta.get("appVersion") or ""
    return versions.plain(app if versions.key(app) else meta.get("version") or "")


def _chart_version(wanted: Wanted, version: str) -> str:
    meta = wanted.chart_meta
    return versions.plain(str(meta["version"])) if meta and meta.get("version") else version


def _same_chart(wanted: Wanted, found: Mapping[str, Any], version: str) -> bool:
    return versions.plain(str(found.get("chart_version") or "")) == _chart_version(wanted, version)


def _record(wanted: Wanted, version: str, found: Mapping[str, Any]) -> dict[str, Any]:
    record = found.get("record") or {}
    return {
        "component": wanted.name,
        "origin": "provisioned",
        "release": wanted.release,
        "namespace": wanted.namespace,
        # Once ours, always ours; at first it is ours when it is not there yet, or bears our label
        "namespace_created": bool(record.get("namespace_created") or found.get("namespace_ours")),
        "version": version,
    }


def _fit(name: str, version: str, kubernetes: str) -> tuple[Finding, ...]:
    verdict = versions.fit(name, version, kubernetes)
    if verdict.severity is None:
        return ()
    bad = versions.known_bad(name, version) is not None
    identity = "MN-F32" if bad and name == "lws" else "MN-F36"
    source = f" ({verdict.source})" if verdict.source else ""
    return (Finding(identity, verdict.severity, name, verdict.message + source, verdict.remedy),)


def _unfinished(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(item["namespace"]), str(item["name"]))
        for item in found.get("release_secrets") or []
        if item.get("status") in UNFINISHED
    )


def _refuse(wanted: Wanted, message: str, remedy: str, identity: str = "MN-F49") -> Decision:
    return Decision("refuse", message, findings=(Finding(identity, "error", wanted.name, message, remedy),))


def _is(other: Mapping[str, Any], wanted: Wanted) -> bool:
    return (other.get("release"), other.get("namespace")) == (wanted.release, wanted.namespace)


def _spell(found: Mapping[str, Any]) -> str:
    version = found.get("app_version") or found.get("chart_version") or "unknown version"
    if found.get("source") == "release":
        return f"release {found.get('release')} {version} in namespace {found.get('namespace')}"
    return f"plain manifests {version} in namespace {found.get('namespace')}"


def _meta(name: str, namespace: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}
