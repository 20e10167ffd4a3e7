# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topology labels: what is written, what is said, and what is never touched."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.topology import labels

RACK = "example.com/rack"
LEVELS = {"rack": RACK}


def node(name, rack=None, ours=False, gpus=8):
    return {
        "name": name,
        "gpus": gpus,
        "labels": {RACK: rack} if rack else {},
        "labels_ours": [RACK] if ours else [],
    }


def judge(machines, nodes, **more):
    return labels(machines, nodes, LEVELS, **{"write": False, **more})


def claims(found):
    return {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in found.objects}


def test_labels_are_read_and_not_written_by_default():
    found = judge([{"name": "a", "rack": "r1"}], [node("a")])
    assert found.objects == ()
    assert "a (example.com/rack=r1)" in found.findings[0].message


def test_a_missing_label_is_written_on_request():
    found = judge([{"name": "a", "rack": "r1"}], [node("a")], write=True)
    assert claims(found) == {"a": {RACK: "r1"}}
    assert found.written == 1
    assert found.findings == ()


def test_what_we_wrote_is_written_once():
    assert judge([{"name": "a", "rack": "r1"}], [node("a", "r1", ours=True)], write=True).objects == ()


def test_what_we_wrote_follows_the_inventory():
    found = judge([{"name": "a", "rack": "r2"}], [node("a", "r1", ours=True)], write=True)
    assert claims(found) == {"a": {RACK: "r2"}}
    assert claims(judge([{"name": "a"}], [node("a", "r1", ours=True)], write=True)) == {"a": {}}


def test_somebody_elses_label_is_never_overwritten():
    found = judge([{"name": "a", "rack": "r2"}], [node("a", "r1")], write=True)
    assert found.objects == ()
    assert "a (example.com/rack=r1, the inventory says r2)" in found.findings[0].message


def test_a_machine_without_a_node_is_an_error_and_no_node_is_made():
    found = judge([{"name": "ghost", "rack": "r1"}], [node("a", "r1")], write=True)
    assert found.objects == ()
    assert [item.severity for item in found.findings] == ["error"]


def test_a_gpu_node_that_the_others_leave_behind_is_named():
    found = judge([], [node("a", "r1"), node("b"), node("cpu", gpus=0)])
    (finding,) = found.findings
    assert "b (example.com/rack)" in finding.message
    assert "cpu" not in finding.message


def test_absent_gives_up_only_what_is_ours():
    found = judge([], [node("a", "r1", ours=True), node("b", "r1")], state="absent")
    assert claims(found) == {"a": {}}


def test_without_leave_to_write_ours_is_left_in_place():
    assert judge([{"name": "a"}], [node("a", "r1", ours=True)]).objects == ()
