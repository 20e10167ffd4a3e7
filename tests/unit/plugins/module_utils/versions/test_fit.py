# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version runs on which Kubernetes, and which is installed."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions


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


@pytest.mark.parametrize(
    ("component", "version", "finding"),
    [
        ("grove", "v0.1.0-alpha.12-rc1", "MN-F27"),
        ("grove", "0.1.0-alpha.12", "MN-F27"),
        ("grove", "0.1.0-alpha.11", None),
        ("grove", "0.1.0-alpha.13", None),
        ("volcano", "1.12.2", "MN-F27"),
        ("lws", "0.6.2", "MN-F32"),
        ("dynamo_platform", "1.0.2", "MN-F27"),
        ("dynamo_platform", "1.1.1", "MN-F27"),
        ("dynamo_platform", "1.2.0", None),
    ],
)
def test_f27_known_bad_versions_are_refused_by_name(component, version, finding):
    verdict = versions.fit(component, version, "v1.34.4")
    if finding is None:
        assert versions.known_bad(component, version) is None
    else:
        assert (verdict.severity, verdict.finding) == ("error", finding)
        assert versions.plain(version) in verdict.message
        assert verdict.remedy.startswith("use ")
        assert verdict.source


@pytest.mark.parametrize(
    ("component", "version", "ends"),
    [
        ("gpu_operator", "25.3.4", ((1, 29), (1, 33))),
        ("network_operator", "26.1.2", ((1, 31), (1, 35))),
        ("kai_scheduler", "0.15.2", ((1, 31), (1, 35))),
        ("kai_scheduler", "0.17.0", ((1, 28), (1, 36))),
        ("volcano", "1.15.1", ((1, 23), (1, 35))),
        ("lws", "0.10.0", ((1, 33), (1, 36))),
    ],
)
def test_f36_both_ends_of_a_documented_range_count(component, version, ends):
    low, high = ends
    for kubernetes, severity in ((low[1] - 1, "error"), (low[1], None), (high[1], None), (high[1] + 1, "error")):
        verdict = versions.fit(component, version, f"v1.{kubernetes}.2")
        assert verdict.severity == severity, f"{component} {version} on 1.{kubernetes}"
        assert severity is None or verdict.finding == "MN-F36"


@pytest.mark.parametrize(
    ("component", "version", "lowest"),
    [("grove", "0.1.0-alpha.14", 27), ("dynamo_platform", "1.6.1", 30), ("gpu_operator", "26.7.1", 29)],
)
def test_f36_a_floor_without_a_ceiling(component, version, lowest):
    assert versions.fit(component, version, f"v1.{lowest - 1}.0").severity == "error"
    assert versions.fit(component, version, f"v1.{lowest}.0").severity is None
    assert versions.fit(component, version, "v1.40.0").severity is None


def test_kai_before_0_17_does_not_run_on_kubernetes_1_36():
    assert versions.fit("kai_scheduler", "0.16.9", "v1.36.1").severity == "error"
    assert "kai_scheduler 0.17.0" in versions.fit("kai_scheduler", "0.16.9", "v1.36.1").remedy


def test_every_component_has_lines_and_every_line_a_source():
    assert set(versions.known_components()) == set(components.COMPONENTS)
    assert all(item.source for item in (*versions.MATRIX, *versions.KNOWN_BAD, *versions.PAIRS, *versions.SETS))
    assert {rule.component for rule in versions.PAIRS} <= set(versions.TITLES)
    assert len({(item.component, item.line) for item in versions.MATRIX}) == len(versions.MATRIX)
