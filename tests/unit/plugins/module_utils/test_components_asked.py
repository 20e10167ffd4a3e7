# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_platform as it is: every component in its order, empty entries as not given, all mistakes at once."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import (
    COMPONENTS,
    Component,
    of_components,
    of_platform,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setitem(COMPONENTS, "demo", Component("demo", ("demo",), (), (), settings=("driver", "runtime")))


def test_all_components_in_the_order_of_installation_and_in_that_of_removal():
    names = [asked.name for asked in of_platform({})]
    assert names == list(COMPONENTS)
    removed = of_platform({}, "absent", remove_crds=True)
    assert [asked.name for asked in removed] == names[::-1]
    assert {(asked.state, asked.remove_crds) for asked in removed} == {("absent", True)}


def test_empty_entries_are_not_given_and_scalars_may_be_texts_or_numbers(demo):
    block = {"mode": None, "version": 1.14, "chart": "", "values": None, "driver": None, "runtime": "k3s"}
    asked = {one.name: one for one in of_platform({"demo": block, "lws": None})}
    assert (asked["demo"].mode, asked["demo"].version, asked["demo"].chart) == ("auto", "1.14", "")
    assert asked["demo"].values == {}
    assert asked["demo"].settings == {"runtime": "k3s"}
    assert asked["lws"].mode == "auto"


def test_every_mistake_at_once_with_its_path(demo):
    platform = {
        "demoo": {},
        "demo": {"mode": "adpot", "drivr": True, "values": [1], "namespace": {}},
        "lws": {"zzz": 2},
        "volcano": "1.14",
    }
    with pytest.raises(SpecError) as caught:
        of_platform(platform)
    told = str(caught.value).splitlines()
    assert told[0].startswith("multinode_platform.demoo: is not a known component (did you mean demo?)")
    for line in (
        "multinode_platform.demo.mode: is 'adpot'; one of auto, adopt, provision, skip (did you mean adopt?)",
        "multinode_platform.demo.drivr: is not a known key (did you mean driver?)",
        "multinode_platform.demo.values: is [1]; a map, as in the chart's values.yaml",
        "multinode_platform.demo.namespace: is {}; a text",
        "multinode_platform.volcano: is '1.14'; a map, such as {mode: adopt}",
    ):
        assert line in told
    assert any(line.startswith("multinode_platform.lws.zzz: is not a known key; known are mode,") for line in told)
    assert len(told) == 7


def test_settings_of_a_role_are_checked_likewise(demo):
    with pytest.raises(SpecError, match=r"demo\.settings\.drivr: is not a known key \(did you mean driver\?\)"):
        of_components([{"name": "demo", "settings": {"drivr": 1}}])
    with pytest.raises(SpecError, match=r"lws\.settings\.x: is not a known key; lws has no settings of its own"):
        of_components([{"name": "lws", "settings": {"x": None}}])
    [asked] = of_components([{"name": "some-chart", "mode": "auto", "settings": {"any": 1}}])
    assert asked.settings == {"any": 1}
