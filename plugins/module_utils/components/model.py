# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a component of the platform, what a user asks of it, and what is decided: plain data.

Everything in this package is pure. A component is one module here: its facts as data, its few
rules as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

PROBE = "dynamo-multinode-probe"
MODES = ("auto", "adopt", "provision", "skip")
# Helm's states of a release whose last action never came to its end
UNFINISHED = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")

Object = Mapping[str, Any]


def provisioned(entry: Mapping[str, Any]) -> bool:
    """Whether our record says that this component (an entry of facts()["components"]) was installed by us."""
    return (entry.get("record") or {}).get("origin") == "provisioned"


def comes_back(entry: Mapping[str, Any]) -> bool:
    """Whether a path uninstalled it to install it again, at the version ``back`` of our record, and never did."""
    return provisioned(entry) and not entry.get("present") and bool((entry.get("record") or {}).get("back"))


@dataclass(frozen=True)
class Ask:
    """What a component's own rules may look at.

    settings: the keys of the component's block in multinode_platform that are its own (``driver``, ``runtime``, ...);
    what is empty there is left out. values: the user's chart values. version: what is to run, "" while that is open.
    facts: what kube/facts.collect() read (kubernetes, apis, nodes, components, queues, ...), as the decisions about the
    components before this one leave it. registry, proxy: multinode_registry, multinode_proxy. scheduler, workload_api:
    the user's choices, ``auto`` included. orchestrator: likewise; where one call decides about the whole platform,
    ``auto`` is already resolved, to "" where the cluster does not say.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    namespace: str = ""
    release: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    orchestrator: str = "auto"
    scheduler: str = "auto"
    workload_api: str = "auto"
    dynamo_version: str = ""
    registry: Mapping[str, Any] = field(default_factory=dict)
    proxy: Mapping[str, Any] = field(default_factory=dict)
    airgap: bool = False

    @property
    def openshift(self) -> bool:
        """Whether the cluster is an OpenShift."""
        return "config.openshift.io" in (self.facts.get("apis") or {})


def _no_values(_ask: Ask) -> Mapping[str, Any]:
    return {}


def _no_objects(_ask: Ask) -> tuple[Object, ...]:
    return ()


def _never(_ask: Ask) -> str:
    return ""


def _nothing_off(_values: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def _unchanged(_ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return facts


# A rule about a component that is there, ours or adopted, or is about to be installed (then found["present"] is False):
# (what is asked, its entry in facts["components"]) -> findings
Check = Callable[[Ask, Mapping[str, Any]], Iterator[Finding]]


@dataclass(frozen=True)
class Component:
    """What identifies one component, what it must show to be ready, and how it is installed (reference: its chart).

    charts: chart names. images: the last path segments of an image that tell what runs it; they identify installs
    without helm.
    required: the images without which nothing works. crds: the definitions it brings. newer_crds: those that only newer
    versions bring: removed with the others, never waited for. webhooks: names of the
    configurations that must exist while the Deployment of ``webhook_image`` does. queues: Volcano queues that must be
    Open. config: (name suffix of a ConfigMap, text) that says its scheduler provider. dry_runs: objects whose
    server-side dry run passes the component's own webhooks. version_value: path in the chart's values that takes the
    image tag ``v<version>``. leftovers: what it makes itself, and helm does not remove, in its own namespace.

    namespace, release, chart, chart_repo: upstream's, used where the user names none. namespace_labels: labels of a
    namespace that we make. values: what we set in the chart, under the user's values. objects: custom resources applied
    by us once the operator is ready, in this order, and deleted before it. reports: (apiVersion, kind, name) of what
    must be there and be ready (kube/readiness.py); without a name: at least one, and all there are. instead: kind of a
    report -> another that does in its place, where the first is not there. switched_off: which of the webhooks and of
    the kinds in reports there are not, with these final chart values. free_names: kinds in reports whose objects bear
    any names where it is adopted. skip: for mode auto, where the component is not there: why it is not installed ("":
    it is). checks: rules, see Check. forecast: the facts as they will be once it is installed; its ``ask.values`` are
    the final ones. settings: the keys of the component's block in multinode_platform that are its own. chart_tag: what
    stands before the version in the chart's own (``v``).
    """

    name: str
    charts: tuple[str, ...]
    images: tuple[str, ...]
    required: tuple[str, ...]
    crds: tuple[str, ...] = ()
    newer_crds: tuple[str, ...] = ()
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
    namespace: str = ""
    release: str = ""
    chart: str = ""
    chart_repo: str = ""
    chart_tag: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    reports: tuple[tuple[str, str, str], ...] = ()
    instead: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    free_names: tuple[str, ...] = ()
    switched_off: Callable[[Mapping[str, Any]], tuple[str, ...]] = _nothing_off
    checks: tuple[Check, ...] = ()
    values: Callable[[Ask], Mapping[str, Any]] = _no_values
    objects: Callable[[Ask], tuple[Object, ...]] = _no_objects
    skip: Callable[[Ask], str] = _never
    forecast: Callable[[Ask, Mapping[str, Any]], Mapping[str, Any]] = _unchanged


@dataclass(frozen=True)
class Wanted:
    """What the user asks for. ``version`` "" takes the matrix's default; ``chart``: what helm would be given;
    ``chart_meta``: name, version and appVersion of a chart that is a local archive or folder (its own word holds), else
    None. ``ask``: what the component's own rules may look at; its version and values are filled in here. ``check``: in
    check mode, where what comes before is not really done. ``planned``: it is a step of a path, which has judged it."""

    name: str
    mode: str = "auto"
    state: str = "present"
    version: str = ""
    namespace: str = ""
    release: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    chart: str = ""
    chart_meta: Mapping[str, str] | None = None
    remove_crds: bool = False
    ask: Ask = field(default_factory=Ask)
    check: bool = False
    planned: bool = False


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why.

    action: adopt | install | upgrade | none | remove | refuse | skip. version: what will run (install, upgrade), or
    runs. values: the final chart values: ours, the registry's and proxy's, the version's, the user's, each over the one
    before; values_ours: the same without the user's. objects: custom resources to be applied once the operator is
    ready. stale: references to such objects of ours that are asked for no more. keep: names of definitions that the
    deployed release holds, and that an upgrade must not take away (F65). recover: what interrupted helm runs left, to
    be deleted first: release Secrets, failed hook Jobs. before: what is applied before helm runs, besides namespace and
    record. record: the record to be kept (None: none). record_changed: whether it must be written or deleted.
    source: ``olm`` where OpenShift's OLM brings the operator, and helm has no part in it (``before`` subscribes).
    uninstall, remove_namespace: what a removal consists of; ``first`` holds references to what goes before helm runs,
    ``delete`` to what goes after.
    """

    action: str
    why: str
    version: str = ""
    version_values: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    values_ours: Mapping[str, Any] = field(default_factory=dict)
    objects: tuple[Object, ...] = ()
    stale: tuple[Object, ...] = ()
    keep: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    recover: tuple[Object, ...] = ()
    before: tuple[Object, ...] = ()
    record: Mapping[str, Any] | None = None
    record_changed: bool = False
    uninstall: bool = False
    remove_namespace: bool = False
    first: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()
    crds: tuple[str, ...] = ()
    source: str = ""
