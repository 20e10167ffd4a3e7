# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version matrix: what works with what, as data with its sources, and the few questions asked of it.

Everything here is pure. Versions are upstream's own numbers without the leading ``v``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

_VERSION = re.compile(r"^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$")

# (major, minor, patch, is_release, prerelease parts); a prerelease sorts before its release (semver.org, 11)
VersionKey = tuple[int, int, int, int, tuple[tuple[int, Union[int, str]], ...]]


def key(version: str) -> VersionKey | None:
    """Sort key of ``1.14.1``, ``v1.34``, ``0.1.0-alpha.12-rc1``; None for what is no version (``main``, a digest)."""
    found = _VERSION.match(version.strip())
    if found is None:
        return None
    major, minor, patch, pre = found.groups()
    parts: list[tuple[int, int | str]] = []
    for part in re.split(r"[.-]", pre) if pre else []:
        parts.append((0, int(part)) if part.isdigit() else (1, part))
    return int(major), int(minor or 0), int(patch or 0), 0 if pre else 1, tuple(parts)


def plain(version: str) -> str:
    """The version as the matrix spells it: ``v1.14.1`` -> ``1.14.1``; what is no version is returned as it is."""
    text = version.strip()
    return text[1:] if text.startswith("v") and key(text) is not None else text


def minor(version: str) -> tuple[int, int] | None:
    """(major, minor) of ``v1.34.4``, ``1.34``, ``v1.31.2-eks-1234``; None for what is no version."""
    found = key(version)
    return None if found is None else (found[0], found[1])


@dataclass(frozen=True)
class Entry:
    """One minor line of one component.

    kubernetes_min, kubernetes_max: the documented range, as ``(major, minor)``, both ends included; None: none.
    tested_to: the newest Kubernetes of upstream's own tests, where no upper end is documented; beyond it: a warning.
    """

    component: str
    line: tuple[int, int]
    kubernetes_min: tuple[int, int] | None
    kubernetes_max: tuple[int, int] | None
    tested_to: tuple[int, int] | None
    source: str


@dataclass(frozen=True)
class Bad:
    """Versions known not to work: ``since`` <= version < ``before`` (None: open)."""

    component: str
    since: str | None
    before: str | None
    reason: str
    remedy: str
    source: str


MATRIX: tuple[Entry, ...] = (
    Entry("volcano", (1, 13), (1, 23), (1, 33), None, "volcano: README, Kubernetes compatibility"),
    Entry("volcano", (1, 14), (1, 23), (1, 34), None, "volcano: README, Kubernetes compatibility"),
    Entry("volcano", (1, 15), (1, 23), (1, 35), None, "volcano: README, Kubernetes compatibility"),
    # StatefulSet start ordinals: alpha in 1.26, on by default from 1.27
    Entry("lws", (0, 7), (1, 27), None, None, "lws: docs, installation"),
    Entry("lws", (0, 8), (1, 27), None, (1, 34), "lws: Makefile ENVTEST_K8S_VERSION, go.mod"),
    Entry("lws", (0, 9), (1, 27), None, (1, 36), "lws: go.mod"),
    Entry("lws", (0, 10), (1, 33), (1, 36), None, "lws #1024"),
)

KNOWN_BAD: tuple[Bad, ...] = (
    Bad(
        "volcano",
        None,
        "1.13.0",
        "it makes a PodGroup of its own for every StatefulSet of a LeaderWorkerSet, beside the gang's",
        "use Volcano 1.13.0 or newer",
        "volcano PR #4478",
    ),
    Bad(
        "lws",
        None,
        "0.7.0",
        "it cannot make PodGroups (no gangSchedulingManagement), so its groups are no gangs",
        "use LWS 0.7.0 or newer",
        "lws 0.7.0 release notes",
    ),
)

# In order of preference: the first that fits the cluster's Kubernetes is the default. The first runs in our lab.
PREFERRED: Mapping[str, tuple[str, ...]] = {
    "volcano": ("1.14.1", "1.15.1"),
    "lws": ("0.8.0", "0.10.0"),
}


@dataclass(frozen=True)
class Fit:
    """Whether a version may run: ``severity`` is ``error``, ``warning`` or None (it fits); why, and what to do."""

    severity: str | None
    message: str = ""
    remedy: str = ""
    source: str = ""


FITS = Fit(None)


def entry(component: str, version: str) -> Entry | None:
    """The matrix line of this version, if the matrix has one."""
    line = minor(version)
    return next((item for item in MATRIX if item.component == component and item.line == line), None)


def known_bad(component: str, version: str) -> Bad | None:
    """Why this version is refused by name, or None."""
    wanted = key(version)
    if wanted is None:
        return None
    for bad in KNOWN_BAD:
        since, before = key(bad.since or "0"), key(bad.before) if bad.before else None
        if bad.component == component and since is not None and since <= wanted and (before is None or wanted < before):
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


def default(component: str, kubernetes: str) -> str | None:
    """What to install on this Kubernetes: the first preferred one that fits without complaint, or without error.

    None when none fits, or when the matrix does not know the component.
    """
    choices = PREFERRED.get(component, ())
    for accepted in ((None,), (None, "warning")):
        for version in choices:
            if _judge(component, version, kubernetes).severity in accepted:
                return version
    return None


def _judge(component: str, version: str, kubernetes: str) -> Fit:
    """The verdict; without a remedy where that is another version."""
    bad = known_bad(component, version)
    if bad is not None:
        return Fit("error", f"{component} {plain(version)} is known not to work: {bad.reason}", bad.remedy, bad.source)
    here = minor(kubernetes)
    if here is None or component not in PREFERRED:
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
        message = f"{component} {plain(version)} supports Kubernetes {_range(low, high)}"
    elif line.tested_to is not None and here > line.tested_to:
        message = f"{component} {plain(version)} was tested by its authors up to Kubernetes {_dotted(line.tested_to)}"
        return Fit("warning", f"{message}; this cluster runs {plain(kubernetes)}", source=line.source)
    else:
        return FITS
    return Fit("error", f"{message}; this cluster runs {plain(kubernetes)}", source=line.source)


def as_dict() -> dict[str, Any]:
    """The matrix as plain data, for documentation and for comparing documentation with it."""
    return {
        "entries": [
            {
                "component": item.component,
                "version": _dotted(item.line),
                "kubernetes": _range(item.kubernetes_min, item.kubernetes_max),
                "tested_to": None if item.tested_to is None else _dotted(item.tested_to),
                "source": item.source,
            }
            for item in MATRIX
        ],
        "known_bad": [
            {
                "component": bad.component,
                "since": bad.since,
                "before": bad.before,
                "reason": bad.reason,
                "source": bad.source,
            }
            for bad in KNOWN_BAD
        ],
        "defaults": {component: list(choices) for component, choices in PREFERRED.items()},
    }


def _dotted(pair: Sequence[int]) -> str:
    return ".".join(str(part) for part in pair)


def _range(low: tuple[int, int] | None, high: tuple[int, int] | None) -> str:
    if low is not None and high is not None:
        return f"{_dotted(low)} to {_dotted(high)}"
    if low is not None:
        return f"{_dotted(low)} and newer"
    return f"up to {_dotted(high)}" if high is not None else "any"


def _lines(component: str) -> list[str]:
    return [_dotted(item.line) for item in MATRIX if item.component == component]
