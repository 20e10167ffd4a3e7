# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of manifests that somebody else wrote or applies: one small function per known failure, imported by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import SEVERITIES, Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_case import Case
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_engine import ENGINE_CHECKS
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_keys import KEY_CHECKS
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_object import OBJECT_CHECKS
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import read
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import is_ours, mapping

MANIFEST_CHECKS = (*ENGINE_CHECKS, *OBJECT_CHECKS, *KEY_CHECKS)


def cases(
    sources: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    provider: str | None = None,
    version: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Case, ...]:
    """The objects that can be read back, out of (file or empty, manifest).

    ``provider``: grove or lws, where a manifest does not say itself; without it the cluster's (grove unless it has LWS
    and no Grove). All objects are companions of each other where they may be in one namespace.
    """
    chosen = provider or _provider(facts)
    found = []
    for source, manifest in sources:
        if not is_ours(manifest):
            continue
        near = [other for _source, other in sources if _together(manifest, other)]
        back = read(manifest, companions=near, provider=chosen, operator_version=version)
        found.append(Case(manifest, back, source, version, facts, tuple(near)))
    return tuple(found)


def run(given: Sequence[Case]) -> tuple[Finding, ...]:
    """Every finding, the worst first, otherwise in the order of the objects."""
    found = [finding for case in given for check in MANIFEST_CHECKS for finding in check(case)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def _provider(facts: Mapping[str, Any] | None) -> str:
    components = (facts or {}).get("components") or {}
    there = {name for name, entry in components.items() if entry.get("present")}
    return "lws" if "lws" in there and "grove" not in there else "grove"


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    spaces = {str(mapping(item.get("metadata")).get("namespace") or "") for item in (one, other)}
    return len(spaces - {""}) < 2
