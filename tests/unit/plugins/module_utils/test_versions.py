# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version matrix."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions


def test_versions_sort_as_semver_does():
    ordered = ["0.1.0-alpha.6", "v0.1.0-alpha.12-rc1", "0.1.0-alpha.13", "0.1.0", "0.10.0", "1.14.0", "v1.14.1", "1.15"]
    keys = [versions.key(text) for text in ordered]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("text", ["main", "latest", "", "sha256:abc", "v1.x"])
def test_what_is_no_version(text):
    assert versions.key(text) is None
    assert versions.plain(text) == text


def test_plain_and_minor():
    assert versions.plain("v1.14.1") == "1.14.1"
    assert versions.minor("v1.31.2-eks-1234") == (1, 31)


@pytest.mark.parametrize(
    ("component", "version", "kubernetes", "severity"),
    [
        ("volcano", "1.14.1", "v1.34.4", None),
        ("volcano", "1.14.1", "v1.35.0", "error"),  # the upper end matters
        ("volcano", "1.14.1", "v1.22.9", "error"),
        ("volcano", "1.15.1", "v1.35.4", None),
        ("lws", "0.8.0", "v1.34.4", None),
        ("lws", "0.8.0", "v1.35.0", "warning"),  # not documented, only not tested
        ("lws", "0.8.0", "v1.26.0", "error"),
        ("lws", "0.10.0", "v1.32.0", "error"),
        ("lws", "0.6.2", "v1.34.4", "error"),  # cannot make gangs
        ("volcano", "1.12.2", "v1.30.0", "error"),
        ("volcano", "2.0.0", "v1.34.4", "warning"),
        ("volcano", "main", "v1.34.4", "warning"),
    ],
)
def test_fit(component, version, kubernetes, severity):
    verdict = versions.fit(component, version, kubernetes)
    assert verdict.severity == severity
    if severity:
        assert component in verdict.message
        assert verdict.remedy


def test_a_refusal_names_the_version_that_would_do():
    assert "volcano 1.15.1" in versions.fit("volcano", "1.14.1", "v1.35.0").remedy
    assert "no version of volcano" in versions.fit("volcano", "1.15.1", "v1.36.0").remedy


@pytest.mark.parametrize(
    ("component", "kubernetes", "version"),
    [
        ("volcano", "v1.34.4", "1.14.1"),
        ("volcano", "v1.35.1", "1.15.1"),
        ("volcano", "v1.36.0", None),
        ("lws", "v1.34.4", "0.8.0"),
        ("lws", "v1.36.0", "0.10.0"),
        ("lws", "v1.37.0", "0.8.0"),  # only a warning: better than nothing
        ("unheard-of", "v1.34.4", None),
    ],
)
def test_the_default_fits_the_cluster(component, kubernetes, version):
    assert versions.default(component, kubernetes) == version


def test_what_is_preferred_is_in_the_matrix_and_refused_by_nothing():
    for component, choices in versions.PREFERRED.items():
        assert component in components.COMPONENTS
        for version in choices:
            assert versions.entry(component, version) is not None
            assert versions.known_bad(component, version) is None


def test_every_line_says_where_it_comes_from():
    table = versions.as_dict()
    assert all(item["source"] for item in table["entries"] + table["known_bad"])
    assert {item["component"] for item in table["entries"]} == set(table["defaults"])
