# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a component that somebody else installed, each with the patch for its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import UNFINISHED, Component


def judge(
    component: Component, found: Mapping[str, Any], kubernetes: str, scheduler: str = "auto"
) -> tuple[Finding, ...]:
    """What is wrong with a component that somebody else installed, each with the patch for its owner.

    scheduler: the user's choice. By another than LWS's provider groups may be gangs all the same: KAI makes them so.
    """
    name = component.name
    version = str(found.get("app_version") or found.get("chart_version") or "")
    findings = list(fit_findings(name, version, kubernetes))
    status = str(found.get("release_status") or "")
    where = f"-n {found.get('namespace')}"
    if status == "failed" and found.get("ready"):
        findings.append(
            Finding(
                "MN-F62",
                "warning",
                name,
                f"release {found.get('release')} is failed, and all of it runs: helm gave up waiting for it (--wait)",
                f"its owner: helm upgrade {found.get('release')} <chart> {where} --reuse-values, without --wait",
            )
        )
    elif status in UNFINISHED or status == "failed":
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
                "error" if scheduler in ("auto", "", component.scheduler_provider) else "warning",
                name,
                f"{name} runs without schedulerProvider: {component.scheduler_provider}, so its groups are no gangs",
                f"its owner: {patch}",
            )
        )
    elif details.get("may_create_podgroups") is False:  # the chart grants it with the provider: one patch mends both
        account = details.get("service_account") or component.service_account
        findings.append(
            Finding(
                "MN-F33",
                "error",
                name,
                f"{name} may not create PodGroups, so its groups never start",
                f"its owner: allow {account} in {found.get('namespace')} to create, get, list and "
                "watch podgroups.scheduling.volcano.sh",
            )
        )
    for problem in found.get("problems") or []:
        findings.append(Finding("MN-F64", "warning", name, str(problem), f"its owner: look at the pods {where}"))
    return tuple(findings)


def fit_findings(name: str, version: str, kubernetes: str) -> tuple[Finding, ...]:
    verdict = versions.fit(name, version, kubernetes)
    if verdict.severity is None:
        return ()
    source = f" ({verdict.source})" if verdict.source else ""
    return (Finding(verdict.finding, verdict.severity, name, verdict.message + source, verdict.remedy),)


def spell(found: Mapping[str, Any]) -> str:
    version = found.get("app_version") or found.get("chart_version") or "unknown version"
    if found.get("source") == "release":
        return f"release {found.get('release')} {version} in namespace {found.get('namespace')}"
    return f"plain manifests {version} in namespace {found.get('namespace')}"
