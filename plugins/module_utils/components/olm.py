# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a component that comes through OpenShift's Operator Lifecycle Manager instead of helm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import openshift, registry
from ansible_collections.dynamo.multinode.plugins.module_utils.components.judge import fit_findings
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask, Component, Decision, Wanted
from ansible_collections.dynamo.multinode.plugins.module_utils.components.objects import reference
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import ca_of, mirror_of, proxy_env


def ours(record: Mapping[str, Any] | None) -> bool:
    """Whether our record says that we subscribed to it."""
    return bool(record and record.get("source") == "olm" and record.get("origin") == "provisioned")


def decide(component: Component, wanted: Wanted, found: Mapping[str, Any], version: str) -> Decision | None:
    """The decision about a component whose operator OLM brings; None where helm, or adopting what runs, is right.

    version: what the matrix gives or the user asks for; "" where nothing fits.
    """
    ask = replace(wanted.ask, version=version, values=wanted.values, namespace=wanted.namespace, release="")
    if not openshift.by_olm(wanted.name, ask):
        return None
    there = openshift.subscription_of(wanted.name, ask.facts)
    record = found.get("record")
    if there is not None and not there["ours"]:
        return _theirs(wanted, found, there, ask)
    theirs = found.get("present") or record or wanted.mode == "adopt"
    if there is None and theirs and not ours(record):
        return None
    wrong = openshift.mistakes(wanted.name, ask)
    if wrong:
        return _refuse(wanted, "; ".join(wrong), "correct it")
    if ask.facts.get("olm") is None:
        message = f"{wanted.name} comes through OLM on OpenShift, and this cluster serves no {openshift.OLM}"
        remedy = f"set olm: false in multinode_platform.{wanted.name} to use the chart"
        return _refuse(wanted, message, remedy)
    if not version:
        message = f"no version of {wanted.name} in the matrix fits this cluster"
        return _refuse(wanted, message, f"set {wanted.name}_version to one that its authors document for it")
    if there is not None and wanted.mode == "adopt":
        kept = _installed(there) or str((record or {}).get("version") or "")
        message = f"{wanted.name} {kept} was subscribed to by us, and is left as it is: mode is adopt"
        return Decision("none", message, kept, source="olm")
    if there is not None and there["namespace"] != wanted.namespace:
        message = f"our Subscription of {wanted.name} is in namespace {there['namespace']}, not {wanted.namespace}"
        return _refuse(wanted, message, f"keep the former namespace, or remove it first ({wanted.name}_state: absent)")
    differs = openshift.same_subscription(wanted.name, ask)
    conflicts = openshift.conflicts(wanted.name, ask) if differs else []
    if conflicts:
        remedy = (
            f"choose another namespace for {wanted.name}, or have its owner let it target its own namespace only; "
            "for NFD's install it there yourself, and set olm.nfd: false"
        )
        return _refuse(wanted, f"{'; '.join(conflicts)}, and OLM takes only one", remedy)
    fits = fit_findings(wanted.name, version, str(ask.facts.get("kubernetes") or ""))
    running = _installed(there) if there is not None else ""
    if running and differs:
        fits += _step(wanted.name, running, version)
    errors = [finding for finding in fits if finding.severity == "error"]
    if errors:
        return Decision("refuse", errors[0].message, version=version, findings=fits, source="olm")
    if versions.key(running) is not None and not differs and running != version:
        # Within its channel OLM chooses; what we say and make fits what runs
        if wanted.version:
            fits += (_other(wanted.name, running, version),)
        ask = replace(ask, version=running)
    return _subscribed(component, wanted, found, ask, fits, differs)


def _installed(there: Mapping[str, Any]) -> str:
    """The version that a Subscription has brought; "" before it has brought any."""
    return versions.plain(str(there.get("installed_csv") or "").partition(".")[2])


def _step(name: str, running: str, wanted: str) -> tuple[Finding, ...]:
    """What is wrong with going from one version to another (MN-F101); back is no way for OLM (MN-N30)."""
    here, there = versions.key(running), versions.key(wanted)
    if here is not None and there is not None and there[:2] < here[:2]:
        message = f"OLM has brought {name} {running}, and never goes back to {wanted}"
        remedy = f"keep {running}; or remove it ({name}_state: absent), and install {wanted} anew"
        return (Finding("MN-N30", "error", name, message, remedy),)
    return versions.step_findings(name, running, wanted)


def _other(name: str, running: str, wanted: str) -> Finding:
    message = f"{name} {wanted} is asked for, and {running} runs: within its channel OLM chooses the version"
    return Finding("MN-N30", "note", name, message, "leave the version out, or name what runs")


def _subscribed(
    component: Component,
    wanted: Wanted,
    found: Mapping[str, Any],
    ask: Ask,
    fits: tuple[Finding, ...],
    differs: str,
) -> Decision:
    there = openshift.subscription_of(wanted.name, ask.facts)
    objects = (*openshift.late_objects(wanted.name, ask), *component.objects(ask))
    record = found.get("record") or {}
    want: dict[str, Any] = {
        "component": wanted.name,
        "origin": "provisioned",
        "source": "olm",
        "release": "",
        "namespace": wanted.namespace,
        "namespace_created": bool(record.get("namespace_created") or found.get("namespace_ours")),
        "version": ask.version,
        **({"objects": [reference(item) for item in objects]} if objects else {}),
    }
    kept = want.get("objects") or []
    certificates = registry.ca_config_map(wanted.name, wanted.namespace, ask.registry)
    channel = there["channel"] if there else ""
    if there is None:
        action, why = "install", f"{wanted.name} is not on the cluster: subscribe to {ask.version} through OLM"
    elif differs:
        action, why = "upgrade", f"{wanted.name}: {differs}"
    else:
        runs = there.get("installed_csv") or "nothing yet"
        action, why = "none", f"{wanted.name} is subscribed to channel {channel} as asked, and runs {runs}"
    return Decision(
        action,
        why,
        version=ask.version,
        objects=objects,
        stale=tuple(item for item in record.get("objects") or [] if dict(item) not in kept),
        findings=(*fits, *openshift.findings(wanted.name, ask.facts)),
        before=() if action == "none" else (*certificates, *openshift.olm_objects(wanted.name, ask)),
        record=want,
        record_changed=want != record,
        source="olm",
    )


def _theirs(wanted: Wanted, found: Mapping[str, Any], there: Mapping[str, Any], ask: Ask) -> Decision:
    what = f"Subscription {there['namespace']}/{there['name']}, channel {there['channel']}"
    if wanted.mode == "provision":
        message = f"{wanted.name} is to be provisioned, and somebody else subscribed to it already: {what}"
        return _refuse(wanted, message, f"adopt it ({wanted.name}_mode: adopt), or have its owner remove it")
    csv = str(there.get("installed_csv") or there.get("current_csv") or "")
    version = _installed({"installed_csv": csv})
    want = {
        "component": wanted.name,
        "origin": "adopted",
        "source": "olm",
        "release": "",
        "namespace": there["namespace"],
        "namespace_created": False,
        "version": version,
    }
    return Decision(
        "adopt",
        f"{wanted.name} is there already: {what}, {csv or 'nothing installed yet'}; it is used and not changed",
        version=version,
        findings=openshift.findings(wanted.name, ask.facts),
        record=want,
        record_changed=want != (found.get("record") or {}),
        source="olm",
    )


def notes(name: str, ask: Ask) -> tuple[Finding, ...]:
    """MN-N20: OLM's operators name their images by digest, and OpenShift itself sends those to a mirror."""
    given = {
        "multinode_registry": mirror_of(ask.registry) or ca_of(ask.registry),
        "multinode_proxy": proxy_env(ask.proxy),
        "multinode_airgap": ask.airgap,
    }
    named = [variable for variable, value in given.items() if value]
    if not named:
        return ()
    message = f"{' and '.join(named)} {'do' if len(named) > 1 else 'does'} not reach what OLM installs"
    remedy = "an ImageDigestMirrorSet and a mirrored catalog (olm.source), and the cluster's own Proxy do that"
    return (Finding("MN-N20", "note", name, message, remedy),)


def remove(wanted: Wanted, found: Mapping[str, Any]) -> Decision:
    """The removal of what we subscribed to."""
    record = found["record"]
    created = bool(record.get("namespace_created")) and not (
        found.get("namespace_later") or found.get("namespace_foreign")
    )
    return Decision(
        "remove",
        f"{wanted.name} was subscribed to by us: it goes, with its ClusterServiceVersion",
        record_changed=True,
        first=tuple(record.get("objects") or [])[::-1],
        delete=openshift.removal(wanted.name, wanted.ask.facts),
        remove_namespace=created,
        source="olm",
    )


def _refuse(wanted: Wanted, message: str, remedy: str) -> Decision:
    return Decision(
        "refuse", message, findings=(Finding("MN-N30", "error", wanted.name, message, remedy),), source="olm"
    )
