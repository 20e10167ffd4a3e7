# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few questions asked of the version matrix: does it fit, is it known bad, what is the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.dynamo.multinode.plugins.module_utils.versions.matrix import KNOWN_BAD, MATRIX, Bad, Entry
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.numbers import key, minor, plain, within
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.sets import SETS, VersionSet


@dataclass(frozen=True)
class Fit:
    """Whether a version may run: ``severity`` is ``error``, ``warning`` or None (it fits); why, and what to do."""

    severity: str | None
    message: str = ""
    remedy: str = ""
    source: str = ""
    finding: str = "MN-F36"


FITS = Fit(None)


def entry(component: str, version: str) -> Entry | None:
    """The matrix line of this version, if the matrix has one."""
    line = minor(version)
    return next((item for item in MATRIX if item.component == component and item.line == line), None)


def known_bad(component: str, version: str) -> Bad | None:
    """Why this version is refused by name, or None."""
    for bad in KNOWN_BAD:
        if bad.component == component and within(version, bad.since, bad.before):
            return bad
    return None


def fit(component: str, version: str, kubernetes: str) -> Fit:
    """Judge one component version on one Kubernetes version (``v1.34.4``). Ignorance is a warning, never an error."""
    verdict = _judge(component, version, kubernetes)
    if verdict.severity is None or verdict.remedy:
        return verdict
    better = default(component, kubernetes)
    if better is not None and _judge(component, better, kubernetes).severity is None:
        return replace(verdict, remedy=f"use {component} {better}, which supports Kubernetes {plain(kubernetes)}")
    return replace(verdict, remedy=f"no version of {component} in the matrix supports Kubernetes {plain(kubernetes)}")


def version_set(dynamo_version: str = "") -> VersionSet | None:
    """The set of this Dynamo; the default one for "", for what is no version, and for a newer one than we know.

    None for an older one than the matrix has.
    """
    line = minor(dynamo_version) if dynamo_version else None
    if line is None or line > SETS[0].dynamo:
        return SETS[0]
    return next((item for item in SETS if item.dynamo == line), None)


def default(component: str, kubernetes: str, dynamo_version: str = "") -> str | None:
    """What to install on this Kubernetes, out of the version set of this Dynamo (\"\": the newest).

    The set's first version that fits without complaint, or without error. None when none fits, or when the matrix does
    not know the component or the Dynamo. Dynamo's own version is the one that is named, where it is named in full.
    """
    chosen = version_set(dynamo_version)
    if chosen is None:
        return None
    named = plain(dynamo_version)
    if component == "dynamo_platform" and named.count(".") >= 2 and key(named) is not None:
        return named
    choices = chosen.versions.get(component, ())
    for accepted in ((None,), (None, "warning")):
        for version in choices:
            if _judge(component, version, kubernetes).severity in accepted:
                return version
    return None


def chosen(kubernetes: str, dynamo_version: str = "") -> dict[str, str]:
    """The whole set for this Kubernetes and Dynamo: component -> version; without those of which none fits."""
    found = version_set(dynamo_version)
    versions = {name: default(name, kubernetes, dynamo_version) for name in (found.versions if found else ())}
    return {name: version for name, version in versions.items() if version}


def known_components() -> tuple[str, ...]:
    """The components that the matrix has lines of."""
    return tuple(dict.fromkeys(item.component for item in MATRIX))


def _judge(component: str, version: str, kubernetes: str) -> Fit:
    """The verdict; without a remedy where that is another version."""
    bad = known_bad(component, version)
    if bad is not None:
        return Fit(
            "error",
            f"{component} {plain(version)} is known not to work: {bad.reason}",
            bad.remedy,
            bad.source,
            bad.finding,
        )
    here = minor(kubernetes)
    if here is None or component not in known_components():
        return FITS
    if minor(version) is None:
        known = ", ".join(_lines(component))
        return Fit("warning", f"{component} runs an unknown version ({version or 'none given'})", f"known are: {known}")
    line = entry(component, version)
    if line is None:
        known = ", ".join(_lines(component))
        return Fit("warning", f"{component} {plain(version)} is not in the version matrix", f"known are: {known}")
    low, high = line.kubernetes_min, line.kubernetes_max
    if (low is not None and here < low) or (high is not None and here > high):
        message = f"{component} {plain(version)} supports Kubernetes {span(low, high)}"
    elif line.tested_to is not None and here > line.tested_to:
        message = f"{component} {plain(version)} was tested by its authors up to Kubernetes {dotted(line.tested_to)}"
        return Fit("warning", f"{message}; this cluster runs {plain(kubernetes)}", source=line.source)
    else:
        return FITS
    return Fit("error", f"{message}; this cluster runs {plain(kubernetes)}", source=line.source)


def dotted(pair: Sequence[int]) -> str:
    return ".".join(str(part) for part in pair)


def span(low: tuple[int, int] | None, high: tuple[int, int] | None) -> str:
    if low is not None and high is not None:
        return f"{dotted(low)} to {dotted(high)}"
    if low is not None:
        return f"{dotted(low)} and newer"
    return f"up to {dotted(high)}" if high is not None else "any"


def _lines(component: str) -> list[str]:
    return [dotted(item.line) for item in MATRIX if item.component == component]
