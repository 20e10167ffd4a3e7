# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version numbers: how they sort, and their short forms."""

from __future__ import annotations

import re
from typing import Union

_VERSION = re.compile(r"^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$")

Part = tuple[int, Union[int, str]]
# One dotted part of a prerelease, and whether it stands alone: alpha.12-rc1 is on its way to alpha.12
PrereleaseKey = tuple[tuple[Part, ...], int, tuple[Part, ...]]
# (major, minor, patch, is_release, prerelease parts); a prerelease sorts before its release (semver.org, 11)
VersionKey = tuple[int, int, int, int, tuple[PrereleaseKey, ...]]


def key(version: str) -> VersionKey | None:
    """Sort key of ``1.14.1``, ``v1.34``, ``0.1.0-alpha.12-rc1``; None for what is no version (``main``, a digest).

    In one respect upstream's tags differ from semver: Grove's ``alpha.12-rc1`` comes before ``alpha.12``, where semver
    would put it behind every alpha. Numbers inside a part count as numbers (``rc2`` before ``rc10``).
    """
    found = _VERSION.match(version.strip())
    if found is None:
        return None
    major, minor_, patch, pre = found.groups()
    parts = []
    for part in pre.split(".") if pre else []:
        base, _dash, candidate = part.partition("-")
        parts.append((_pieces(base), 0 if candidate else 1, _pieces(candidate)))
    return int(major), int(minor_ or 0), int(patch or 0), 0 if pre else 1, tuple(parts)


def _pieces(text: str) -> tuple[Part, ...]:
    pieces: list[Part] = []
    for piece in re.findall(r"\d+|[^\d]+", text):
        pieces.append((0, int(piece)) if piece.isdigit() else (1, piece))
    return tuple(pieces)


def plain(version: str) -> str:
    """The version as the matrix spells it: ``v1.14.1`` -> ``1.14.1``; what is no version is returned as it is."""
    text = version.strip()
    return text[1:] if text.startswith("v") and key(text) is not None else text


def minor(version: str) -> tuple[int, int] | None:
    """(major, minor) of ``v1.34.4``, ``1.34``, ``v1.31.2-eks-1234``; None for what is no version."""
    found = key(version)
    return None if found is None else (found[0], found[1])


def downward(here: str, to: str) -> bool:
    """Whether ``to`` is older than ``here``; never where one of them is no version."""
    left, right = key(here), key(to)
    return left is not None and right is not None and right < left


def within(version: str, since: str | None, before: str | None) -> bool:
    """Whether ``since`` <= version < ``before`` (None: open); never for what is no version."""
    wanted = key(version)
    if wanted is None:
        return False
    low, high = key(since) if since else None, key(before) if before else None
    return (low is None or low <= wanted) and (high is None or wanted < high)
