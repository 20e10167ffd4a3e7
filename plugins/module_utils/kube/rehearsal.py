# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step of a path will decide, asked before the first one: what would refuse the third refuses the path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Asked
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.decisions import decide_all, helm_cannot
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.path import chart_of

NEW = ("reinstall", "install")
UNINSTALLED: Mapping[str, Any] = {"present": False, "source": None, "release_status": None, "app_version": None}


def rehearse(
    client: Client,
    way: Sequence[lifecycle.Step],
    wanted: Mapping[str, Asked],
    found: Mapping[str, Any],
    params: Mapping[str, Any],
) -> list[Finding]:
    """The errors that the roles would end with, each step on the cluster as those before it leave it.

    Of a component that takes several steps the first: what the later ones look at is not there yet.

    found: what kube/facts.collect() read, nodes included. params: of the module, with cluster_info's names.
    """
    given = {**params, "platform": None, "platform_state": "present", "dynamo_version": ""}
    findings: dict[tuple[str, str], Finding] = {}
    facts = dict(found)
    first = {step.component: step for step in reversed(way)}
    for step in way:
        if step is not first[step.component]:
            continue
        one, (chart, repository) = wanted[step.component], chart_of(step, wanted[step.component])
        asked = Asked(
            step.component,
            mode="provision" if step.action in NEW else "auto",
            version=step.to,
            namespace=one.namespace,
            release=one.release,
            chart=chart,
            chart_repo=repository,
            values=one.values,
            settings=one.settings,
            planned=True,
        )
        if step.action == "reinstall":
            entry = {**facts["components"][step.component], **UNINSTALLED}
            facts = {**facts, "components": {**facts["components"], step.component: entry}}
        done = decide_all(client, given, [asked], facts, check=True)
        facts = dict(done.facts)
        for item in done.decisions[step.component]["findings"]:
            if item["severity"] == "error":
                found_here = Finding(item["id"], "error", item["subject"], item["message"], item["remedy"])
                findings.setdefault((found_here.id, found_here.subject), found_here)
    return list(findings.values())


def cannot(way: Sequence[lifecycle.Step], params: Mapping[str, Any]) -> list[str]:
    """Why helm could make none of the steps."""
    return helm_cannot(params) if way else []
