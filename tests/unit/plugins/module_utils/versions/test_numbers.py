# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How version numbers sort."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import versions

IN_ORDER = (
    "0.1.0-alpha.6",
    "0.1.0-alpha.12-0",
    "v0.1.0-alpha.12-rc1",
    "0.1.0-alpha.12-rc2",
    "0.1.0-alpha.12-rc10",
    "0.1.0-alpha.12",
    "0.1.0-alpha.13-rc1",
    "0.1.0-alpha.13",
    "0.1.0-alpha.14-rc1",
    "0.1.0-alpha.14",
    "0.1.0-beta.1",
    "0.1.0-rc.1",
    "0.1.0-rc.1.1",
    "0.1.0",
    "0.10.0",
    "1.14.0-0",
    "1.14.0",
    "v1.14.1",
    "1.15",
    "v26.4.1",
    "v26.7.0-rc.2",
    "v26.7.0",
)


def test_versions_sort_as_upstream_means_them():
    for lower, higher in itertools.pairwise(IN_ORDER):
        assert versions.key(lower) < versions.key(higher), f"{lower} comes before {higher}"


@pytest.mark.parametrize("text", ["main", "latest", "", "sha256:abc", "v1.x"])
def test_what_is_no_version(text):
    assert versions.key(text) is None
    assert versions.plain(text) == text


def test_plain_and_minor():
    assert versions.plain("v1.14.1") == "1.14.1"
    assert versions.minor("v1.31.2-eks-1234") == (1, 31)


def test_within():
    assert versions.within("0.1.0-alpha.12-rc1", "0.1.0-alpha.12-0", "0.1.0-alpha.13-0")
    assert not versions.within("0.1.0-alpha.13-rc1", "0.1.0-alpha.12-0", "0.1.0-alpha.13-0")
    assert versions.within("9.9", None, None)
    assert not versions.within("main", None, None)
