# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA Dynamo's platform chart: identity, readiness, installation, and what can be wrong with its operator.

The chart writes whether the operator is to use Grove and KAI as an explicit true or false, false by default: so both
are always said here. What the chart could bundle (Grove, KAI, NATS, etcd) is not asked of it: Grove and KAI have roles
of their own, and NATS and etcd are not needed; but for NATS before 1.4, whose engines send their events by it.

``dynamo-operator.apiOwnership`` is left alone: no release has it (dynamo PR #11398 was closed; #11597 took its place),
and where it was tried its default is what an operator for the whole cluster needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    PROBE,
    Ask,
    Component,
    provisioned,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import Settings
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge

NAME = "dynamo_platform"
BUNDLED = ("grove", "kai-scheduler", "nats", "etcd")
# Their charts bring NATS unless told otherwise (values.yaml, global.nats.install), and their engines' events go by it
_WITH_NATS = ("1.1.0-0", "1.4.0-0")
# A key of the chart that is refused while it renders -> what to write instead (reference: validate-values.yaml)
OLD_KEYS: Mapping[tuple[str, ...], str] = {
    ("nats", "enabled"): "global.nats.install",
    ("etcd", "enabled"): "global.etcd.install",
    ("grove", "enabled"): "global.grove.enabled (the role sets it), and global.grove.install for a bundled one",
    ("kai-scheduler", "enabled"): (
        "global.kai-scheduler.enabled (the role sets it), and global.kai-scheduler.install for a bundled one"
    ),
    ("dynamo-operator", "nats", "enabled"): "global.nats.install",
    ("dynamo-operator", "etcd", "enabled"): "global.etcd.install",
    ("dynamo-operator", "webhook", "enabled"): "nothing: the webhooks cannot be switched off",
    ("dynamo-operator", "webhook", "certGenerator"): "nothing: the operator makes its certificates itself",
    ("dynamo-operator", "webhook", "certificateValidity"): "dynamo-operator.webhook.certManager.certificate.duration",
    ("dynamo-operator", "dynamo", "mpiRun", "sshKeygen"): "nothing: the operator makes the key itself",
}
_TAG = ("dynamo-operator", "controllerManager", "manager", "image", "tag")
_NATS = ("dynamo-operator", "natsAddr")
_ETCD = ("dynamo-operator", "etcdAddr")
BACKENDS = ("kubernetes", "etcd")
_RESTRICTED = ("dynamo-operator", "namespaceRestriction", "enabled")
# Gate of the operator -> (name of the component, API groups that must be there when it starts)
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "grove": ("grove.io",),
    "kai_scheduler": ("scheduling.run.ai",),
    "lws": ("leaderworkerset.x-k8s.io", "scheduling.volcano.sh"),
}

_DEPLOYMENT = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeployment",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {
        "components": [
            {
                "name": "frontend",
                "type": "frontend",
                "replicas": 1,
                "podTemplate": {"spec": {"containers": [{"name": "main", "image": "probe:1.0.0"}]}},
            }
        ]
    },
}


def gates(ask: Ask) -> tuple[bool, bool]:
    """Whether the operator is to use Grove, and KAI: said by the user, else what the cluster has or gets."""
    given, install = Settings(NAME, ask.settings), bundled(ask)
    grove = _said(given.maybe("grove"), _present(ask, "grove") or "grove" in install)
    kai = _present(ask, "kai_scheduler") or "kai-scheduler" in install
    return grove, _said(given.maybe("kai_scheduler"), grove and kai and ask.scheduler in ("auto", "kai", ""))


def bundled(ask: Ask) -> tuple[str, ...]:
    """What the chart is to bring along, against our advice: a list, or a text with commas."""
    wanted = ask.settings.get("install") or ()
    names = wanted.split(",") if isinstance(wanted, str) else wanted
    return tuple(str(name).strip().replace("_", "-") for name in names)


def values(ask: Ask) -> Mapping[str, Any]:
    """Ours, under the user's."""
    grove, kai = gates(ask)
    given, install = Settings(NAME, ask.settings), bundled(ask)
    overall: dict[str, Any] = {name: {"install": name in install} for name in BUNDLED}
    overall["grove"]["enabled"] = grove
    overall["kai-scheduler"]["enabled"] = kai
    if versions.within(versions.plain(ask.version), *_WITH_NATS) and not _at(ask.values, _NATS):
        overall["nats"]["install"] = True
    if ask.scheduler == "volcano" and grove and not kai:
        overall["volcano-scheduler"] = {"enabled": True}
    found: dict[str, Any] = {
        "global": overall,
        "dynamo-operator": {
            "discoveryBackend": given.choice("discovery_backend", BACKENDS, BACKENDS[0]),
            "upgradeCRD": _said(given.maybe("upgrade_crds"), not ask.settings.get("crds")),
        },
    }
    if "kai-scheduler" in install and grove:
        # Grove decides when a gang is given up; the chart does not render without it (reference: dynamo-1.6.md)
        found["kai-scheduler"] = {"scheduler": {"args": {"default-staleness-grace-period": "-1s"}}}
    return found


def skip(ask: Ask) -> str:
    """Nothing is installed for workloads that do without."""
    return "the workloads are made without Dynamo's operator" if ask.workload_api == "native" else ""


def forecast(ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The chart's hook makes KAI's queues for the operator; its gates are as the values say."""
    components = dict(facts.get("components") or {})
    entry = dict(components.get(NAME) or {})
    said = ask.values.get("global") or {}
    grove, kai = (
        bool((said.get(name) or {}).get("enabled") or (said.get(name) or {}).get("install"))
        for name in ("grove", "kai-scheduler")
    )
    entry["details"] = {**(entry.get("details") or {}), "gates": {"grove": grove, "kai": kai}, "started": ""}
    components[NAME] = entry
    queues = dict(facts.get("queues") or {})
    if kai:
        there = {queue["name"] for queue in queues.get("kai") or []}
        made = [
            {"name": name, "parent": parent, "quota": -1, "limit": -1, "weight": 1}
            for name, parent in (("dynamo-default", None), ("dynamo", "dynamo-default"))
            if name not in there
        ]
        queues["kai"] = [*(queues.get("kai") or []), *made]
    return {**facts, "components": components, "queues": queues}


def settings(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong in our own settings: a word that is none would silently mean ``false``."""
    if _adopted(found):
        return
    given = Settings(NAME, ask.settings)
    for key in ("grove", "kai_scheduler", "upgrade_crds"):
        given.maybe(key)
    given.text("crds")
    backend = given.choice("discovery_backend", BACKENDS, BACKENDS[0])
    unknown = [name for name in bundled(ask) if name not in BUNDLED]
    if unknown:
        given.problems.append(("install", ask.settings["install"], f"a list of {', '.join(BUNDLED)}"))
    if backend == "etcd" and "etcd" not in bundled(ask) and not _at(ask.values, _ETCD):
        right = "with install: [etcd], or with the address of an etcd in values.dynamo-operator.etcdAddr"
        given.problems.append(("discovery_backend", backend, right))
    yield from given.findings()


def twice(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F49: the chart is to bring what is on the cluster, or comes with this run, by itself."""
    if _adopted(found):
        return
    for name, component in (("grove", "grove"), ("kai-scheduler", "kai_scheduler")):
        entry = (ask.facts.get("components") or {}).get(component) or {}
        ours = (entry.get("release"), entry.get("namespace")) == (ask.release, ask.namespace)
        if name in bundled(ask) and entry.get("present") and not ours:
            yield Finding(
                "MN-F49",
                "error",
                NAME,
                f"install names {name}, and {component} is there, or comes with this run: there would be two of them",
                f"leave {name} out of install, or set mode: skip in multinode_platform.{component} before it is there",
            )


def old_keys(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F71: what the chart refuses while it renders, said before helm starts; and an operator older than its chart."""
    if _adopted(found):
        return
    for path, instead in OLD_KEYS.items():
        if _at(ask.values, path) is not None:
            key = ".".join(path)
            yield Finding("MN-F71", "error", NAME, f"values.{key} is a key of an older chart", f"instead: {instead}")
    tag, version = str(_at(ask.values, _TAG) or ""), ask.version
    older, chart = versions.key(tag), versions.key(version)
    if older is not None and chart is not None and older < chart:
        yield Finding(
            "MN-F71",
            "error",
            NAME,
            f"values.{'.'.join(_TAG)} is {tag}, and the chart is {version}: an older operator does not know the flags "
            "that the chart gives it, and crash-loops",
            "leave the tag away, or install the chart of its version",
        )
    said = merge(values(ask), ask.values).get("global") or {}
    kai = said.get("kai-scheduler") or {}
    if (said.get("volcano-scheduler") or {}).get("enabled") and (kai.get("enabled") or kai.get("install")):
        yield Finding(
            "MN-F71",
            "error",
            NAME,
            "values.global.volcano-scheduler.enabled is true, and so is global.kai-scheduler: the chart refuses both",
            "set kai_scheduler: false in multinode_platform.dynamo_platform, or leave volcano-scheduler away",
        )
    if _at(ask.values, _RESTRICTED) and _at(ask.values, ("dynamo-operator", "upgradeCRD")) is not False:
        yield Finding(
            "MN-F71",
            "error",
            NAME,
            f"values.{'.'.join(_RESTRICTED)} is true: such an operator must not own everybody's definitions",
            "set values.dynamo-operator.upgradeCRD: false, or leave the restriction away (upstream: for tests only)",
        )


def not_told(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F21: Grove or KAI is there, and the operator was told not to use it."""
    details = found.get("details") or {}
    said = details.get("gates") or {}
    if not found.get("present") or not _adopted(found) or ask.orchestrator == "lws" or ask.workload_api == "native":
        return
    if said.get("grove") is False and _present(ask, "grove"):
        yield Finding(
            "MN-F21",
            "error",
            NAME,
            f"Grove is there, and the operator was told not to use it (ConfigMap {details.get('config')} in "
            f"{found.get('namespace')}): engines of several machines silently become LeaderWorkerSets, or fail",
            _patch(found, "grove"),
        )
    elif said.get("kai") is False and _present(ask, "kai_scheduler") and ask.scheduler in ("auto", "kai"):
        yield Finding(
            "MN-F21",
            "warning",
            NAME,
            f"KAI is there, and the operator was told not to use it (ConfigMap {details.get('config')} in "
            f"{found.get('namespace')}): pods go to the default scheduler, which knows no gangs",
            _patch(found, "kai-scheduler"),
        )


def started_before(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F22: what the operator can use is looked up once, when it starts."""
    details = found.get("details") or {}
    started = str(details.get("started") or "")
    if not found.get("present") or not started:
        return
    late = [name for name in _GROUPS if _late(ask, name, details, started)]
    if not late:
        return
    command = f"kubectl rollout restart deployment/{details.get('deployment')} -n {found.get('namespace')}"
    yield Finding(
        "MN-F22",
        "error" if _adopted(found) else "warning",
        NAME,
        f"the operator started at {started}, before {' and '.join(late)} came: it does not know of them",
        f"its owner: {command}" if _adopted(found) else f"the role restarts it ({command})",
    )


def restricted(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F49: an operator for one namespace only is no operator for the others."""
    only = (found.get("details") or {}).get("restricted")
    if found.get("present") and only:
        yield Finding(
            "MN-F49",
            "warning",
            NAME,
            f"the Dynamo operator in {found.get('namespace')} serves the namespace {only} only; deployments elsewhere "
            "are accepted, and nobody acts on them",
            f"put the workloads into {only}, or have its owner replace it by one for the whole cluster",
        )


def left_behind(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F95: what the operator of an earlier deployment made, and nobody removed."""
    left = list(found.get("leftovers") or [])
    if not found.get("present") and left:
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        yield Finding(
            "MN-F95",
            "note",
            NAME,
            f"an earlier Dynamo left {', '.join(left[:5])}{more}: they are not ours, and stay",
            "delete them if no deployment uses them: the operator makes its own",
        )


def _late(ask: Ask, name: str, details: Mapping[str, Any], started: str) -> bool:
    gate = {"grove": "grove", "kai_scheduler": "kai"}.get(name)
    if gate and (details.get("gates") or {}).get(gate) is False:
        return False  # it would not look anyway: F21
    if not _present(ask, name) or (name == "lws" and not _present(ask, "volcano")):
        return False
    since = details.get("since") or {}
    # RFC 3339 in UTC, whole seconds: they sort as text. A group that is not served yet comes with this very run.
    return any(since.get(group, "9") > started for group in _GROUPS[name])


def _patch(found: Mapping[str, Any], chart: str) -> str:
    if found.get("source") == "release":
        return (
            f"its owner: helm upgrade {found.get('release')} <chart> -n {found.get('namespace')} --reuse-values "
            f"--set global.{chart}.enabled=true"
        )
    key = {"grove": "grove", "kai-scheduler": "kaiScheduler"}[chart]
    return (
        f"its owner: set orchestrators.{key}.enabled: true in {(found.get('details') or {}).get('config')} and restart "
        "the operator"
    )


def _adopted(found: Mapping[str, Any]) -> bool:
    return bool(found.get("present")) and not provisioned(found)


def _present(ask: Ask, name: str) -> bool:
    return bool(((ask.facts.get("components") or {}).get(name) or {}).get("present"))


def _said(word: bool | None, otherwise: bool) -> bool:
    """A switch that may be left open."""
    return otherwise if word is None else word


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


COMPONENT = Component(
    name=NAME,
    charts=("dynamo-platform", "dynamo-operator"),
    images=("kubernetes-operator",),
    required=("kubernetes-operator",),
    # No group: how many of them there are depends on the version; the dry run tells whether they serve
    crds=(
        "dynamographdeployments.nvidia.com",
        "dynamocomponentdeployments.nvidia.com",
        "dynamographdeploymentrequests.nvidia.com",
        "dynamographdeploymentscalingadapters.nvidia.com",
        "dynamomodels.nvidia.com",
        "dynamoworkermetadatas.nvidia.com",
        "dynamocheckpoints.nvidia.com",
    ),
    dry_runs=(_DEPLOYMENT,),
    leftovers=(("v1", "Secret", "webhook-server-cert"), ("v1", "Secret", "mpi-run-ssh-secret")),
    workloads=("nvidia.com/v1beta1", "DynamoGraphDeployment"),
    namespace="dynamo-system",
    release="dynamo-platform",
    chart="dynamo-platform",
    chart_repo="https://helm.ngc.nvidia.com/nvidia/ai-dynamo",
    settings=("grove", "kai_scheduler", "install", "discovery_backend", "upgrade_crds", "crds"),
    checks=(settings, twice, old_keys, not_told, started_before, restricted, left_behind),
    values=values,
    skip=skip,
    forecast=forecast,
)
