# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version sets: chosen as a whole, and refused by nothing."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions

LAB = "v1.34.4"


@pytest.mark.parametrize("chosen", versions.SETS, ids=lambda item: "{}.{}".format(*item.dynamo))
@pytest.mark.parametrize("kubernetes", ["v1.31.9", LAB])
def test_no_finding_refuses_a_set(chosen, kubernetes):
    name = "{}.{}".format(*chosen.dynamo)
    whole = versions.chosen(kubernetes, name)
    assert set(whole) == {*components.COMPONENTS, "nfd"}
    assert versions.pair_findings(whole, kubernetes, name) == ()
    for component, version in whole.items():
        assert versions.fit(component, version, kubernetes).severity is None, f"{component} {version}"


def test_the_default_set_is_the_newest():
    assert versions.chosen(LAB) == versions.chosen(LAB, "1.6")
    assert versions.SETS[0].dynamo == max(item.dynamo for item in versions.SETS)
    assert [item.dynamo for item in versions.SETS] == sorted((item.dynamo for item in versions.SETS), reverse=True)


def test_the_first_preference_runs_in_the_lab():
    binaries = pytest.importorskip("lab.binaries")
    assert versions.default("lws", f"v{binaries.KUBERNETES}") == binaries.LWS
    assert versions.default("volcano", f"v{binaries.KUBERNETES}") == binaries.VOLCANO


@pytest.mark.parametrize(
    ("dynamo", "component", "version"),
    [
        ("", "grove", "0.1.0-alpha.14"),
        ("1.6.0", "grove", "0.1.0-alpha.14"),
        ("1.6.0", "dynamo_platform", "1.6.0"),  # named in full
        ("1.6", "dynamo_platform", "1.6.1"),
        ("v1.5.0", "grove", "0.1.0-alpha.13"),
        ("1.4.2", "kai_scheduler", "0.16.9"),
        ("1.3", "grove", "0.1.0-alpha.8"),
        ("1.9.0", "grove", "0.1.0-alpha.14"),  # newer than the matrix: said by pair_findings
        ("1.2.1", "grove", None),  # older: nothing is guessed
        ("1.2.1", "dynamo_platform", None),
        ("nightly", "grove", "0.1.0-alpha.14"),
    ],
)
def test_dynamos_version_picks_the_others(dynamo, component, version):
    assert versions.default(component, LAB, dynamo) == version


def test_a_set_adapts_to_the_kubernetes():
    assert versions.chosen("v1.36.1")["lws"] == "0.10.0"
    assert "volcano" not in versions.chosen("v1.36.1")
    assert versions.chosen("v1.35.2")["volcano"] == "1.15.1"
