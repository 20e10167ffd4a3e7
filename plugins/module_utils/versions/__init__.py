# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version matrix: what works with what, as data with its sources, and the few questions asked of it.

Everything here is pure. Versions are upstream's own numbers without the leading ``v``.
"""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.versions.fit import (
    FITS,
    Fit,
    chosen,
    default,
    dotted,
    entry,
    fit,
    known_bad,
    known_components,
    span,
    version_set,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.matrix import KNOWN_BAD, MATRIX, Bad, Entry
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.numbers import (
    downward,
    key,
    minor,
    plain,
    within,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.pairs import (
    PAIRS,
    PASSING,
    STEPWISE,
    STEPWISE_SOURCES,
    TITLES,
    Pair,
    pair_findings,
    step_findings,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.versions.sets import SETS, VersionSet

__all__ = [
    "FITS",
    "KNOWN_BAD",
    "MATRIX",
    "PAIRS",
    "PASSING",
    "SETS",
    "STEPWISE",
    "STEPWISE_SOURCES",
    "TITLES",
    "Bad",
    "Entry",
    "Fit",
    "Pair",
    "VersionSet",
    "chosen",
    "default",
    "dotted",
    "downward",
    "entry",
    "fit",
    "key",
    "known_bad",
    "known_components",
    "minor",
    "pair_findings",
    "plain",
    "span",
    "step_findings",
    "version_set",
    "within",
]
