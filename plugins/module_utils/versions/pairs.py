# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions work together: rules about pairs as data, and what they say about a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.fit import known_bad
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.matrix import DYNAMO_PAGE, NETWORK_SUPPORT
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.numbers import key, minor, plain, within
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.sets import SETS


@dataclass(frozen=True)
class Pair:
    """Where ``component`` runs at since <= version < before, ``other`` must run at at_least <= version < below.

    unless: a component whose presence lifts the rule, as the first then works with that one.
    """

    component: str
    since: str | None
    before: str | None
    other: str
    at_least: str | None
    below: str | None
    reason: str
    source: str
    severity: str = "error"
    unless: str = ""


PAIRS: tuple[Pair, ...] = (
    Pair("dynamo_platform", "1.0.0-0", "1.1.0-0", "kai_scheduler", "0.13.0", None, "documented floor", DYNAMO_PAGE),
    Pair("dynamo_platform", "1.1.0-0", "1.5.0-0", "kai_scheduler", "0.13.4", None, "documented floor", DYNAMO_PAGE),
    Pair("dynamo_platform", "1.5.0-0", None, "kai_scheduler", "0.17.0", None, "documented floor", DYNAMO_PAGE),
    Pair("dynamo_platform", "1.0.0-0", "1.1.0-0", "grove", "0.1.0-alpha.6", None, "documented floor", DYNAMO_PAGE),
    Pair("dynamo_platform", "1.1.0-0", "1.3.0-0", "grove", "0.1.0-alpha.8", None, "documented floor", DYNAMO_PAGE),
    Pair(
        "dynamo_platform",
        "1.3.0-0",
        "1.4.0-0",
        "grove",
        "0.1.0-alpha.8",
        "0.1.0-alpha.9-0",
        "it asks for grove.io ClusterTopology, which became ClusterTopologyBinding with alpha.9",
        f"{DYNAMO_PAGE}; NVIDIA/nvcf #1269",
    ),
    Pair(
        "dynamo_platform",
        "1.4.0-0",
        "1.5.0-0",
        "grove",
        "0.1.0-alpha.10",
        None,
        "it asks for grove.io ClusterTopologyBinding",
        DYNAMO_PAGE,
    ),
    Pair("dynamo_platform", "1.5.0-0", "1.6.0-0", "grove", "0.1.0-alpha.13", None, "documented floor", DYNAMO_PAGE),
    Pair(
        "dynamo_platform",
        "1.6.0-0",
        None,
        "grove",
        "0.1.0-alpha.14-rc1",
        None,
        "ranks are numbered by GROVE_PCSG_POD_INDEX, which older ones do not set",
        f"{DYNAMO_PAGE}; grove #755",
    ),
    Pair(
        "dynamo_platform",
        "1.6.0-0",
        None,
        "grove",
        "0.1.0-alpha.14",
        None,
        "required for new multinode deployments",
        "Dynamo 1.6's compatibility card",
        severity="warning",
    ),
    Pair("dynamo_platform", None, None, "lws", "0.7.0", None, "older ones make no gangs", DYNAMO_PAGE),
    Pair(
        "grove",
        "0.1.0-alpha.13-0",
        None,
        "kai_scheduler",
        "0.15.0",
        None,
        "Grove writes the PodGroups itself, and older KAI does not read kai.scheduler/skip-podgrouper: both write them",
        "grove #725; KAI #2117",
    ),
    Pair(
        "grove",
        "0.1.0-alpha.13-0",
        None,
        "kai_scheduler",
        "0.17.0",
        None,
        "documented floor (NVIDIA/aicr runs 0.16.9 with Dynamo 1.4)",
        DYNAMO_PAGE,
        severity="warning",
    ),
    Pair(
        "grove",
        None,
        None,
        "volcano",
        "1.14.0-0",
        None,
        "Grove's Volcano backend needs spec.subGroupPolicy of its PodGroups",
        "grove: operator startup",
        unless="kai_scheduler",
    ),
    Pair(
        "lws",
        None,
        None,
        "volcano",
        "1.13.0",
        None,
        "older ones make a PodGroup of their own for every StatefulSet",
        "volcano PR #4478",
    ),
    Pair(
        "network_operator",
        "25.10.0-0",
        None,
        "gpu_operator",
        "25.3.0",
        None,
        "documented floor",
        f"{NETWORK_SUPPORT} 26.1.2",
    ),
    Pair(
        "network_operator",
        "24.7.0-0",
        "25.10.0-0",
        "gpu_operator",
        "24.3.0",
        None,
        "documented floor",
        f"{NETWORK_SUPPORT} 24.7",
    ),
    Pair(
        "network_operator",
        "25.4.0-0",
        "26.4.0-0",
        "nfd",
        "0.15.6",
        "0.17.1-0",
        "documented range; upstream also says to use the one of the GPU operator",
        f"{NETWORK_SUPPORT} 26.1.2",
        severity="warning",
    ),
)

TITLES: Mapping[str, str] = {
    "gpu_operator": "the GPU operator",
    "network_operator": "the Network operator",
    "kai_scheduler": "KAI",
    "grove": "Grove",
    "volcano": "Volcano",
    "lws": "LWS",
    "dynamo_platform": "Dynamo",
    "nfd": "Node Feature Discovery",
}


def pair_findings(
    components_versions: Mapping[str, str], kubernetes: str = "", dynamo_version: str = ""
) -> tuple[Finding, ...]:
    """What is wrong with these versions side by side (MN-F26), each alone by name (MN-F27), or as a step (MN-F101).

    components_versions: what runs or is about to run, by component; ``nfd`` where it is known. An absent component, or
    one whose version is no number, says nothing. dynamo_version: what the user asks for, "" where nothing is.
    The Kubernetes of each component is judged by fit().
    """
    del kubernetes  # part of the question; no rule about a pair depends on it yet
    running = {name: plain(version) for name, version in components_versions.items() if version and key(version)}
    findings = []
    for name, version in running.items():
        bad = known_bad(name, version)
        if bad is not None:
            message = f"{name} {version} is known not to work: {bad.reason} ({bad.source})"
            findings.append(Finding(bad.finding, "error", name, message, bad.remedy))
    told = set()
    for rule in PAIRS:
        mine, theirs = running.get(rule.component), running.get(rule.other)
        if mine is None or theirs is None or rule.unless in running or (rule.component, rule.other) in told:
            continue
        if not within(mine, rule.since, rule.before) or within(theirs, rule.at_least, rule.below):
            continue
        if known_bad(rule.other, theirs) is not None:
            continue  # its own line says it
        told.add((rule.component, rule.other))
        findings.append(_pair(rule, mine, theirs))
    findings += _dynamo(running, dynamo_version)
    return tuple(findings)


def _pair(rule: Pair, mine: str, theirs: str) -> Finding:
    bounds = []
    if rule.at_least:
        bounds.append(f"{_bound(rule.at_least)} or newer")
    if rule.below:
        bounds.append(f"older than {_bound(rule.below)}")
    message = (
        f"{TITLES[rule.component]} {mine} needs {TITLES[rule.other]} {', '.join(bounds)}; {theirs} runs or is asked "
        f"for: {rule.reason} ({rule.source})"
    )
    remedy = (
        f"take a version set as a whole: multinode_dynamo_version of {_known()}, and no versions of single components"
    )
    return Finding("MN-F26", rule.severity, rule.other, message, remedy)


def _bound(version: str) -> str:
    return version[: -len("-0")] if version.endswith("-0") else version


def _dynamo(running: Mapping[str, str], wanted: str) -> list[Finding]:
    findings = []
    here = running.get("dynamo_platform")
    asked = minor(wanted) if wanted else None
    if asked is not None and asked not in [item.dynamo for item in SETS]:
        findings.append(
            Finding(
                "MN-F26",
                "warning" if asked > SETS[0].dynamo else "error",
                "dynamo_platform",
                f"no version set is known for Dynamo {plain(wanted)}",
                f"set multinode_dynamo_version to a release of {_known()}, or the version of every component",
            )
        )
    if here is not None and wanted:
        findings += step_findings("dynamo_platform", here, wanted)
    return findings


def step_findings(component: str, here: str, wanted: str) -> tuple[Finding, ...]:
    """Why this component cannot go from one version to the other in one step (MN-F101); nothing where it can."""
    from_line, to_line = minor(here), minor(wanted)
    lines = STEPWISE.get(component)
    if lines is None or from_line is None or to_line is None or from_line == to_line:
        return ()
    between = [line for line in lines if min(from_line, to_line) < line < max(from_line, to_line)]
    if not between:
        return ()
    skipped = ", ".join(f"{major}.{minor_}" for major, minor_ in between)
    return (
        Finding(
            "MN-F101",
            "error",
            component,
            f"from {component} {plain(here)} to {plain(wanted)} skips {skipped}; upstream supports adjacent minor "
            f"releases only, in order ({STEPWISE_SOURCES[component]})",
            "run the playbook upgrade, which goes step by step",
        ),
    )


# Components that are upgraded minor by minor, with the minor releases there were
STEPWISE: Mapping[str, tuple[tuple[int, int], ...]] = {
    "dynamo_platform": ((1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)),
    "gpu_operator": ((24, 3), (24, 6), (24, 9), (25, 3), (25, 10), (26, 3), (26, 7)),
    "network_operator": ((24, 4), (24, 7), (24, 10), (25, 1), (25, 4), (25, 7), (25, 10), (26, 1), (26, 4), (26, 7)),
}
# The release of a minor line to pass through on the way to a later one
PASSING: Mapping[str, Mapping[tuple[int, int], str]] = {
    "gpu_operator": {(25, 10): "25.10.1", (26, 3): "26.3.3", (26, 7): "26.7.1"},
    "network_operator": {(26, 1): "26.1.2", (26, 4): "26.4.1"},
    "dynamo_platform": {item.dynamo: item.versions["dynamo_platform"][0] for item in SETS},
}
STEPWISE_SOURCES: Mapping[str, str] = {
    "dynamo_platform": "Dynamo 1.6.0 release page",
    "gpu_operator": "GPU Operator docs, versioning",
    "network_operator": f"{NETWORK_SUPPORT} 26.7",
}


def _known() -> str:
    numbers = [f"{item.dynamo[0]}.{item.dynamo[1]}" for item in sorted(SETS, key=lambda item: item.dynamo)]
    return f"{numbers[0]} to {numbers[-1]}"
