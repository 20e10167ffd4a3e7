# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topology labels: what is written, what is said, and what is never touched."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import gangs_asked
from ansible_collections.dynamo.multinode.plugins.module_utils.topology import (
    gangs,
    labels,
    with_binding,
    with_labels,
)

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
    assert found.objects == ({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {RACK: "r1"}}},)
    assert (found.written, found.why) == (1, "1 labels are to be written")
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


# -- the topology that gang schedulers are told -----------------------------------------------------------------------

ZONE = "example.com/zone"
TWO = {"zone": ZONE, "rack": RACK}


def place(name, gpus=8, **marks):
    return {
        "name": name,
        "gpus": gpus,
        "labels": {{"zone": ZONE, "rack": RACK}[key]: mark for key, mark in marks.items()},
    }


def cluster(*nodes, bindings=(), topologies=(), aware=True, served=True):
    apis = {"kai.scheduler": ["v1", "v1alpha1"], "grove.io": ["v1alpha1"]} if served else {"kai.scheduler": ["v1"]}
    return {
        "apis": apis,
        "nodes": list(nodes),
        "components": {"grove": {"details": {"topology_aware": aware}}},
        "topology_bindings": list(bindings),
        "kai": {"topologies": list(topologies)},
    }


def binding(name, *labels, ours=False, reference=None):
    return {
        "name": name,
        "levels": [{"domain": label.rsplit("/", 1)[1], "key": label} for label in labels],
        "schedulers": [{"scheduler": "kai-scheduler", "reference": reference or name}],
        "ours": ours,
        "in_sync": True,
    }


RACKS = (place("a", rack="r1", zone="z"), place("b", rack="r2", zone="z"), place("cpu", gpus=0))


def told(found, asked="auto", **more):
    return gangs(TWO, found, **{"name": "racks", "asked": asked, **more})


def test_kai_and_grove_are_told_the_same_levels_under_the_same_name():
    topology, bound = told(cluster(*RACKS)).objects
    assert (topology["apiVersion"], topology["kind"]) == ("kai.scheduler/v1alpha1", "Topology")
    assert topology["spec"]["levels"] == [
        {"nodeLabel": ZONE},
        {"nodeLabel": RACK},
        {"nodeLabel": "kubernetes.io/hostname"},
    ]
    assert (bound["apiVersion"], bound["kind"]) == ("grove.io/v1alpha1", "ClusterTopologyBinding")
    assert [level["domain"] for level in bound["spec"]["levels"]] == ["zone", "rack", "host"]
    assert bound["metadata"] == topology["metadata"]
    assert bound["spec"]["schedulerTopologyBindings"] == [
        {"schedulerName": "kai-scheduler", "topologyReference": topology["metadata"]["name"]}
    ]


def test_levels_that_this_run_labels_are_levels_of_its_topology():
    """KAI lets nobody change them later, and a second run would have something to make."""
    machines = [{"name": name, "zone": "z", "rack": f"r{name}"} for name in "ab"]
    for there in ({}, {"zone": "z"}):
        found = cluster(*(place(name, **there) for name in "ab"))
        made = labels(machines, found["nodes"], TWO, write=True)
        after = with_labels(found, made, TWO)
        assert [node["domains"] for node in after["nodes"]] == [{"zone": "z", "rack": f"r{name}"} for name in "ab"]
        assert labels(machines, after["nodes"], TWO, write=True).objects == ()
        bound = told(after).objects[1]
        assert [level["domain"] for level in bound["spec"]["levels"]] == ["zone", "rack", "host"]
    # Without leave to write, nothing is as if it were
    unwritten = labels(machines, found["nodes"], TWO, write=False)
    assert with_labels(found, unwritten, TWO)["nodes"] == found["nodes"]


def test_one_look_labels_and_tells_the_levels():
    """As cluster_info answers: what comes after sees the labels, too."""
    asked = {"machines": [{"name": "a", "rack": "r1"}], "write": True, "state": "present", "gangs": "auto", "name": "x"}
    params = {"topology": asked, "topology_levels": TWO, "waivers": []}
    answer, after = gangs_asked.topologies(None, params, cluster(place("a", zone="z")))
    assert answer["written"] == 1
    assert [level["domain"] for level in answer["gang_objects"][1]["spec"]["levels"]] == ["zone", "rack", "host"]
    assert after["nodes"][0]["domains"] == {"zone": "z", "rack": "r1"}
    assert [item["name"] for item in after["topology_bindings"]] == ["x"]


def test_labels_that_this_run_takes_away_are_no_levels():
    ours = [{**place(name, zone="z", rack="r1"), "labels_ours": [RACK]} for name in "ab"]
    found = cluster(*ours)
    after = with_labels(found, labels([], ours, TWO, write=False, state="absent"), TWO)
    assert [(node["labels"], node["labels_ours"]) for node in after["nodes"]] == [({ZONE: "z"}, [])] * 2
    assert [level["domain"] for level in told(after).objects[1]["spec"]["levels"]] == ["zone", "host"]


def test_f54_a_level_that_some_gpu_nodes_lack_is_left_out():
    found = told(cluster(*RACKS, place("c", rack="r3"), place("bare")))
    assert [level["nodeLabel"] for level in found.objects[0]["spec"]["levels"]] == [RACK, "kubernetes.io/hostname"]
    assert [finding.id for finding in found.findings] == ["MN-F54"]
    assert "zone (c lack" in found.findings[0].message


def test_a_level_that_is_the_machine_is_said_once():
    found = gangs({"rack": RACK, "machine": "kubernetes.io/hostname"}, cluster(*RACKS), name="racks")
    assert [level["domain"] for level in found.objects[1]["spec"]["levels"]] == ["rack", "host"]
    assert gangs({"host": RACK}, cluster(*RACKS), name="x").objects[1]["spec"]["levels"][1]["domain"] == "hostname"
    odd = gangs({"nvl_domain": RACK, "zone": ZONE}, cluster(*RACKS), name="x")
    assert "nvl_domain" in odd.findings[0].message
    assert len(odd.objects[0]["spec"]["levels"]) == 2


def test_nothing_is_told_where_nobody_listens():
    for found, said in (
        (cluster(*RACKS, served=False), "does not know Topology and ClusterTopologyBinding"),
        (cluster(*RACKS, aware=False), "topologyAwareScheduling is off"),
        (cluster(*RACKS, aware=None), "may be off"),
        (cluster(place("a")), "bear none of the topology labels"),
    ):
        auto, insisted = told(found), told(found, "yes")
        assert (auto.objects, auto.findings) == ((), ())
        assert said in auto.why
        assert (insisted.objects, insisted.findings[-1].severity) == ((), "error")
        assert said in insisted.findings[-1].message
    assert told(cluster(*RACKS), "no").objects == ()


def test_somebody_elses_binding_is_used_and_none_is_made_beside_it():
    found = told(cluster(*RACKS, bindings=[binding("theirs", RACK)]))
    assert (found.objects, found.delete, found.findings) == ((), (), ())
    assert "theirs is there, is somebody else's" in found.why
    # One that KAI cannot resolve (MN-F56), or that knows none of the labels, is no use
    assert told(cluster(*RACKS, bindings=[binding("bad", RACK, reference="ext")])).objects
    assert told(cluster(*RACKS, bindings=[binding("other", "example.com/row")])).objects


def test_f56_a_name_that_somebody_else_has_is_refused():
    theirs = {"name": "racks", "levels": [RACK], "ours": False, "owner": None}
    for found in (
        cluster(*RACKS, topologies=[theirs]),
        cluster(*RACKS, bindings=[binding("racks", "example.com/row")]),
    ):
        refused = told(found)
        assert refused.objects == ()
        assert (refused.findings[0].id, refused.findings[0].severity) == ("MN-F56", "error")


def test_levels_of_ours_that_changed_are_said_and_not_applied():
    ours = {"name": "racks", "levels": [RACK, "kubernetes.io/hostname"], "ours": True, "owner": None}
    found = told(cluster(*RACKS, topologies=[ours]))
    assert found.objects == ()
    assert "KAI lets nobody change them" in found.findings[0].message
    same = {**ours, "levels": [ZONE, RACK, "kubernetes.io/hostname"]}
    assert len(told(cluster(*RACKS, topologies=[same])).objects) == 2


def test_only_ours_go_and_none_by_which_something_is_packed():
    topologies = [
        {"name": name, "levels": [], "ours": name != "theirs", "owner": None} for name in ("theirs", "racks", "old")
    ]
    found = cluster(bindings=[binding("theirs", RACK), binding("racks", RACK, ours=True)], topologies=topologies)
    gone = told(found, state="absent")
    assert [(ref["kind"], ref["metadata"]["name"]) for ref in gone.delete] == [
        ("ClusterTopologyBinding", "racks"),
        ("Topology", "racks"),
        ("Topology", "old"),
    ]
    assert {ref["apiVersion"] for ref in gone.delete} == {"grove.io/v1alpha1", "kai.scheduler/v1alpha1"}
    held = told(found, state="absent", users={"racks": ["PodCliqueSet inference/llama"]})
    assert [ref["metadata"]["name"] for ref in held.delete] == ["old"]
    assert [finding.id for finding in held.findings] == ["MN-F69"]
    assert "PodCliqueSet inference/llama is packed by it" in held.findings[0].message


def test_the_binding_of_this_run_is_in_the_facts_after_it():
    found = cluster(*RACKS, bindings=[binding("old", RACK, ours=True)])
    made = with_binding({**found, "topology_bindings": []}, told(cluster(*RACKS)))["topology_bindings"]
    (item,) = made
    assert (item["name"], item["in_sync"], item["ours"]) == ("racks", True, True)
    assert item["schedulers"] == [{"scheduler": "kai-scheduler", "reference": "racks"}]
    assert item["levels"][1] == {"domain": "rack", "key": RACK}
    assert with_binding({**found, "topology_bindings": made}, told(cluster(*RACKS)))["topology_bindings"] == made
    assert with_binding(found, told(found, state="absent"))["topology_bindings"] == []
