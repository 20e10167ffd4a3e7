# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions do not work side by side."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import versions

LAB = "v1.34.4"


def said(dynamo: str = "", **running: str) -> list[tuple[str, str, str]]:
    return [(item.id, item.severity, item.subject) for item in versions.pair_findings(running, LAB, dynamo)]


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ({"dynamo_platform": "1.6.1", "grove": "0.1.0-alpha.13"}, ("error", "grove")),
        ({"dynamo_platform": "1.6.1", "grove": "0.1.0-alpha.14-rc1"}, ("warning", "grove")),
        ({"dynamo_platform": "1.6.1", "grove": "0.1.0-alpha.14"}, None),
        ({"dynamo_platform": "1.5.1", "grove": "0.1.0-alpha.11"}, ("error", "grove")),
        ({"dynamo_platform": "1.4.2", "grove": "0.1.0-alpha.9"}, ("error", "grove")),
        ({"dynamo_platform": "1.4.2", "grove": "0.1.0-alpha.10"}, None),
        ({"dynamo_platform": "1.3.0", "grove": "0.1.0-alpha.9"}, ("error", "grove")),  # the ceiling
        ({"dynamo_platform": "1.3.0", "grove": "0.1.0-alpha.9-rc1"}, ("error", "grove")),
        ({"dynamo_platform": "1.3.0", "grove": "0.1.0-alpha.8"}, None),
        ({"dynamo_platform": "1.3.0", "grove": "0.1.0-alpha.7"}, ("error", "grove")),
        ({"dynamo_platform": "1.5.1", "kai_scheduler": "0.16.9"}, ("error", "kai_scheduler")),
        ({"dynamo_platform": "1.4.2", "kai_scheduler": "0.13.3"}, ("error", "kai_scheduler")),
        ({"dynamo_platform": "1.4.2", "kai_scheduler": "0.13.4"}, None),
        ({"grove": "0.1.0-alpha.13", "kai_scheduler": "0.14.7"}, ("error", "kai_scheduler")),
        ({"grove": "0.1.0-alpha.13", "kai_scheduler": "0.16.9"}, ("warning", "kai_scheduler")),
        ({"grove": "0.1.0-alpha.13", "kai_scheduler": "0.17.0"}, None),
        ({"grove": "0.1.0-alpha.11", "kai_scheduler": "0.14.7"}, None),
        ({"grove": "0.1.0-alpha.14", "volcano": "1.13.3"}, ("error", "volcano")),
        ({"grove": "0.1.0-alpha.14", "volcano": "1.14.1"}, None),
        ({"grove": "0.1.0-alpha.14", "volcano": "1.13.3", "kai_scheduler": "0.17.0"}, None),  # Grove works with KAI
        ({"lws": "0.8.0", "volcano": "1.13.0"}, None),
        ({"network_operator": "26.1.2", "gpu_operator": "24.9.2"}, ("error", "gpu_operator")),
        ({"network_operator": "26.1.2", "gpu_operator": "25.3.0"}, None),
        ({"network_operator": "26.1.2", "nfd": "0.19.0"}, ("warning", "nfd")),
        ({"network_operator": "26.1.2", "nfd": "0.17.0"}, None),
        ({"network_operator": "26.1.2", "nfd": "0.15.5"}, ("warning", "nfd")),
    ],
)
def test_f26_pairs(running, expected):
    assert said(**running) == ([("MN-F26", *expected)] if expected else [])


def test_f26_says_the_rule_the_reason_and_the_source():
    (finding,) = versions.pair_findings({"dynamo_platform": "v1.3.0", "grove": "v0.1.0-alpha.11"}, LAB)
    assert (
        "Dynamo 1.3.0 needs Grove 0.1.0-alpha.8 or newer, older than 0.1.0-alpha.9; 0.1.0-alpha.11" in finding.message
    )
    assert "ClusterTopologyBinding" in finding.message
    assert "nvcf #1269" in finding.message
    assert "multinode_dynamo_version" in finding.remedy


def test_f27_a_bad_version_is_said_once():
    assert said(dynamo_platform="1.4.2", grove="0.1.0-alpha.12") == [("MN-F27", "error", "grove")]
    assert said(lws="0.8.0", volcano="1.12.2") == [("MN-F27", "error", "volcano")]


def test_what_is_not_there_or_no_version_says_nothing():
    assert said() == []
    assert said(dynamo_platform="1.6.1", grove="main", kai_scheduler="") == []
    assert said(unheard_of="0.0.1") == []


def test_f26_a_dynamo_without_a_set():
    assert said("1.9.0") == [("MN-F26", "warning", "dynamo_platform")]
    assert said("1.2.1") == [("MN-F26", "error", "dynamo_platform")]
    assert said("1.6.1") == []


@pytest.mark.parametrize(
    ("component", "here", "wanted", "skipped"),
    [
        ("dynamo_platform", "1.4.2", "1.6.1", "1.5"),
        ("dynamo_platform", "1.3.0", "1.6.1", "1.4, 1.5"),
        ("dynamo_platform", "1.6.1", "1.4.2", "1.5"),  # down too
        ("dynamo_platform", "1.5.1", "1.6.1", None),
        ("dynamo_platform", "1.6.0", "1.6.1", None),
        ("dynamo_platform", "1.6.1", "1.7.0", None),
        ("gpu_operator", "25.10.1", "26.7.1", "26.3"),
        ("gpu_operator", "26.3.3", "26.7.1", None),
        ("network_operator", "25.10.0", "26.4.1", "26.1"),
        ("lws", "0.7.0", "0.10.0", None),
        ("volcano", "1.13.0", "1.15.1", None),
        ("dynamo_platform", "main", "1.6.1", None),
    ],
)
def test_f101_a_minor_release_is_not_skipped(component, here, wanted, skipped):
    found = versions.step_findings(component, here, wanted)
    if skipped is None:
        assert found == ()
    else:
        (finding,) = found
        assert (finding.id, finding.severity) == ("MN-F101", "error")
        assert f"skips {skipped};" in finding.message
        assert "playbook upgrade" in finding.remedy


def test_f101_what_is_asked_for_against_what_runs():
    assert said("1.6.1", dynamo_platform="1.4.2") == [("MN-F101", "error", "dynamo_platform")]
