# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_queues: what is rendered, in which order, what is refused, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import queue_plan
from ansible_collections.dynamo.multinode.plugins.module_utils.queue_plan import after, plan, removes
from ansible_collections.dynamo.multinode.plugins.module_utils.queues import load
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError

ROOT = Path(__file__).resolve().parents[4]
TREE = [
    {"name": "chat", "parent": "serving", "gpu": {"quota": 48, "limit": -1, "weight": 2}},
    {"name": "serving", "gpu": {"quota": 64}},
]


def facts(kai=(), volcano=(), apis=("scheduling.run.ai",), **more):
    return {
        "apis": {group: ["v1"] for group in apis},
        "components": {},
        "queues": {"kai": list(kai), "volcano": list(volcano)},
        **more,
    }


def live(name, parent=None, **more):
    return {"name": name, "parent": parent, "quota": -1, "ours": False, "held": False, "labels": {}, **more}


def names(layers):
    return [[item["metadata"]["name"] for item in layer] for layer in layers]


def wrong(raw, found=None, **more):
    with pytest.raises(SpecError) as error:
        plan(raw, found or facts(), **{"scheduler": "kai", **more})
    return [str(problem) for problem in error.value.problems]


# -- rendering ----------------------------------------------------------------------------------------------------


def test_kai_parents_come_before_their_leaves():
    answer = plan(TREE, facts())
    assert answer.scheduler == "kai"
    assert names(answer.layers) == [["serving"], ["chat"]]
    leaf = answer.layers[1][0]
    assert leaf["apiVersion"] == "scheduling.run.ai/v2"
    assert leaf["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "dynamo.multinode"}
    assert leaf["spec"]["parentQueue"] == "serving"
    assert leaf["spec"]["resources"]["gpu"] == {"quota": 48, "limit": -1, "overQuotaWeight": 2}
    # KAI takes what is not said for a quota of 0
    assert leaf["spec"]["resources"]["cpu"] == {"quota": -1, "limit": -1, "overQuotaWeight": 1}


def test_amounts_are_in_kais_units():
    raw = [
        {"name": "a", "parent": "b", "cpu": {"quota": "64", "limit": "64500m"}, "memory": {"limit": "1Gi"}},
        {"name": "b"},
    ]
    resources = plan(raw, facts()).layers[1][0]["spec"]["resources"]
    assert resources["cpu"] == {"quota": 64000, "limit": 64500, "overQuotaWeight": 1}
    # Unlimited under a limit is all of the limit
    assert resources["memory"] == {"quota": 1073.741824, "limit": 1073.741824, "overQuotaWeight": 1}


def test_numbers_may_be_strings():
    raw = [{"name": "a", "parent": "b", "gpu": {"quota": "8", "limit": "-1"}, "weight": "3"}, {"name": "b"}]
    gpu = plan(raw, facts()).layers[1][0]["spec"]["resources"]["gpu"]
    assert gpu == {"quota": 8, "limit": -1, "overQuotaWeight": 3}


def test_volcano_queues():
    raw = [
        {
            "name": "serving",
            "weight": 4,
            "gpu": {"quota": 32, "limit": 64},
            "guarantee": {"cpu": "8"},
            "reclaimable": "false",
        },
        {"name": "batch", "parent": "serving", "capability": {"memory": "1Ti"}, "priority": 5},
    ]
    answer = plan(raw, facts(apis=["scheduling.volcano.sh"]))
    assert names(answer.layers) == [["serving"], ["batch"]]
    assert answer.layers[0][0]["spec"] == {
        "weight": 4,
        "reclaimable": False,
        "capability": {"nvidia.com/gpu": "64"},
        "deserved": {"nvidia.com/gpu": "32"},
        "guarantee": {"resource": {"cpu": "8"}},
    }
    assert answer.layers[1][0]["spec"] == {"parent": "serving", "priority": 5, "capability": {"memory": "1Ti"}}


def test_a_node_pool_is_the_label_that_kais_shards_select_by():
    raw = [{"name": "a", "parent": "b", "node_pool": "h100"}, {"name": "b", "node_pool": "h100"}]
    kai = {"node_pool_key": "pools.example/name", "shards": [{"name": "h100", "pool": "h100"}]}
    assert plan(raw, facts(kai=[])).layers[0][0]["metadata"]["labels"]["kai.scheduler/node-pool"] == "h100"
    found = {**facts(), "kai": kai}
    assert plan(raw, found).layers[0][0]["metadata"]["labels"]["pools.example/name"] == "h100"
    assert after(found, plan(raw, found))["queues"]["kai"][0]["labels"] == {"pools.example/name": "h100"}


# -- whose queues -------------------------------------------------------------------------------------------------


def test_the_scheduler_is_the_one_that_is_there_or_that_was_chosen():
    both = facts(apis=["scheduling.run.ai", "scheduling.volcano.sh"])
    assert plan(TREE, both, orchestrator="lws").scheduler == "volcano"
    assert plan(TREE, both, orchestrator="grove").scheduler == "kai"
    assert plan(TREE, both, scheduler="volcano", orchestrator="grove").scheduler == "volcano"
    assert "both KAI and Volcano" in wrong(TREE, both, scheduler="auto")[0]
    assert "neither" in wrong(TREE, facts(apis=[]), scheduler="auto")[0]
    assert "knows no queues" in wrong(TREE, scheduler="default")[0]
    assert "has no KAI" in wrong(TREE, facts(apis=[]))[0]


def test_a_scheduler_that_this_run_installs_counts():
    found = {**facts(apis=[]), "components": {"kai_scheduler": {"present": True}}}
    assert names(plan(TREE, found).layers) == [["serving"], ["chat"]]


def test_in_check_mode_the_scheduler_may_still_be_missing():
    answer = plan(TREE, facts(apis=[]), scheduler="kai", check=True)
    assert (answer.layers, answer.why) == ((), "2 KAI queues are asked for, once it is there")
    assert [queue["name"] for queue in after(facts(), answer)["queues"]["kai"]] == ["chat", "serving"]
    assert "[MN-F68]" in wrong([{"name": "dynamo"}], facts(apis=[]), check=True)[0]
    assert plan(TREE, facts(), check=True).layers


def test_queues_that_may_not_be_listed_are_said():
    found = {**facts(), "unreadable": ["Queue in scheduling.run.ai/v2"]}
    assert "may not list" in wrong(TREE, found)[0]


def test_no_list_asks_for_nothing():
    assert plan([], facts(apis=[])).layers == ()
    assert after(facts(), plan([], facts())) == facts()


# -- what is refused, all at once ---------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once():
    raw = [
        {"name": "a", "parent": "b"},
        {"name": "b", "parent": "a"},
        {"name": "b", "gpu": {"quotta": 1}},
        {"name": "alone"},
        {"name": "Lost", "parent": "nowhere"},
        {"name": "self", "parent": "self"},
        {"name": "c", "parent": "nowhere", "gpu": {"quota": 8, "limit": 4}, "capability": {"cpu": 1}},
        {"nam": "x"},
    ]
    said = "\n".join(wrong(raw))
    for text in (
        "multinode_queues[0].parent: is a circle: a -> b -> a",
        "multinode_queues[2].name: is 'b', which multinode_queues[1] has already",
        "multinode_queues[2].gpu.quotta: is not a known key (did you mean quota?)",
        "multinode_queues[3]: alone has no parent and none below it",
        "multinode_queues[4].name: is 'Lost'",
        "multinode_queues[5].parent: is the queue itself",
        "multinode_queues[6].gpu.quota: is 8, which is more than its limit 4",
        "multinode_queues[6].capability: is a key of Volcano's queues",
        "multinode_queues[6].parent: is 'nowhere', which is neither in multinode_queues nor on the cluster",
        "multinode_queues[7]: `name` is required",
    ):
        assert text in said, said


def test_a_list_is_a_list():
    assert "a list of queues" in str(load({"name": "x"}, "kai")[1][0])
    assert "a map with" in str(load(["x"], "kai")[1][0])
    assert "gpu: is 8; a map" in str(load([{"name": "x", "gpu": 8}], "kai")[1][0])
    assert "deserved: is 8; a map" in str(load([{"name": "x", "deserved": 8}], "volcano")[1][0])


def test_volcano_has_one_weight_and_one_amount():
    _queues, problems = load(
        [{"name": "x", "weight": 2, "gpu": {"weight": 3, "limit": 8}, "capability": {"nvidia.com/gpu": 8, "cpu": "x"}}],
        "volcano",
    )
    said = "\n".join(map(str, problems))
    assert "gives the weights 2, 3" in said
    assert "is given by capability too" in said
    assert "capability.cpu: is 'x'" in said
    assert "whole number" in str(load([{"name": "x", "gpu": {"weight": "0.5"}}], "volcano")[1][0])


@pytest.mark.parametrize("name", ["dynamo", "default-queue", "default-parent-queue", "default", "root"])
def test_f68_the_platforms_own_queues_are_never_ours(name):
    said = wrong([{"name": name, "parent": "x"}, {"name": "x"}])
    assert "[MN-F68]" in said[0]
    # Not even to be taken away
    assert "[MN-F68]" in wrong([{"name": name, "state": "absent"}])[0]


def test_f68_nothing_is_put_below_the_platforms_leaves():
    assert "[MN-F68]" in wrong([{"name": "x", "parent": "dynamo"}], facts([live("dynamo", "dynamo-root")]))[0]
    assert plan([{"name": "x", "parent": "default-parent-queue"}], facts([live("default-parent-queue")])).layers


def test_f68_a_queue_of_somebody_else_is_never_taken_over():
    said = wrong(TREE, facts([live("serving")]))
    assert "is somebody else's" in said[0]
    assert "multinode_queues[1].name" in said[0]
    assert plan(TREE, facts([live("serving", ours=True)])).layers


def test_f23_a_leaf_with_pods_does_not_become_a_parent():
    raw = [{"name": "new", "parent": "busy"}]
    assert "would take no more of them [MN-F23]" in wrong(raw, facts([live("busy", "top", held=True), live("top")]))[0]
    assert plan(raw, facts([live("busy", "top"), live("top")])).layers
    # It holds what is in the queues below it
    assert plan(raw, facts([live("busy", held=True), live("below", "busy", held=True)])).layers


def test_f24_a_parent_of_another_node_pool():
    raw = [{"name": "a", "parent": "b", "node_pool": "h100"}, {"name": "b"}]
    assert "[MN-F24]" in wrong(raw)[0]
    there = facts([live("b", labels={"kai.scheduler/node-pool": "a100"})])
    assert "is 'b' of node pool 'a100'" in wrong([{"name": "a", "parent": "b"}], there)[0]


def test_f24_a_node_pool_without_a_shard():
    raw = [{"name": "a", "parent": "b", "node_pool": "h100"}, {"name": "b", "node_pool": "h100"}]
    found = {**facts(), "kai": {"shards": [{"name": "default", "pool": ""}]}}
    assert "no SchedulingShard" in wrong(raw, found)[0]


def test_f25_quotas_that_the_parent_does_not_have():
    raw = [{"name": "a", "parent": "b", "gpu": {"quota": 40}}, {"name": "c", "parent": "b", "gpu": {"quota": 40}}]
    (finding,) = plan([*raw, {"name": "b", "gpu": {"quota": 64}}], facts()).findings
    assert (finding.id, finding.severity) == ("MN-F25", "warning")
    assert "80 GPUs together, and its own is 64" in finding.message
    (finding,) = plan([raw[0]], facts([live("b", quota=0)])).findings
    assert "its own is 0" in finding.message
    (finding,) = plan([{"name": "a", "parent": "b"}, {"name": "b", "gpu": {"quota": 8}}], facts()).findings
    assert "unlimited" in finding.message
    assert plan([raw[0], {"name": "b"}], facts()).findings == ()


# -- what this run makes is not missing ---------------------------------------------------------------------------


def test_queues_of_this_run_are_in_the_facts_after_it():
    found = facts([live("old", "serving", ours=True), live("theirs")])
    answer = plan([*TREE, {"name": "old", "state": "absent"}], found)
    there = {queue["name"]: queue for queue in after(found, answer)["queues"]["kai"]}
    assert sorted(there) == ["chat", "serving", "theirs"]
    assert there["chat"]["parent"] == "serving"
    assert (there["chat"]["quota"], there["chat"]["weight"]) == (48, 2)
    assert found["queues"]["kai"][0]["name"] == "old"


def test_volcanos_queues_of_this_run():
    found = facts(apis=["scheduling.volcano.sh"])
    (queue,) = after(found, plan([{"name": "x", "gpu": {"limit": 8}}], found))["queues"]["volcano"]
    assert queue == {"name": "x", "parent": None, "ours": True, "state": "Open", "capability": {"nvidia.com/gpu": "8"}}


# -- removal ------------------------------------------------------------------------------------------------------


def gone(kai=(), volcano=(), **more):
    return plan([], facts(kai, volcano), state="absent", **more)


def test_leaves_go_before_their_parents_and_only_ours():
    answer = gone(
        [live("serving", ours=True), live("chat", "serving", ours=True), live("theirs"), live("dynamo", "theirs")],
        [live("batch", ours=True)],
    )
    assert names(answer.delete) == [["chat"], ["serving"], ["batch"]]
    assert answer.findings == ()
    assert [layer[0]["apiVersion"] for layer in answer.delete][-1] == "scheduling.volcano.sh/v1beta1"


def test_f69_a_queue_that_holds_something_stays_and_what_is_above_it():
    tree = [live("serving", ours=True), live("chat", "serving", ours=True), live("idle", "serving", ours=True)]
    users = {"kai": {"chat": ["PodGroup inference/llama"]}}
    answer = gone(tree, users=users)
    assert names(answer.delete) == [["idle"]]
    assert [finding.id for finding in answer.findings] == ["MN-F69", "MN-F69"]
    assert "it holds PodGroup inference/llama" in answer.findings[0].message
    assert "below it is chat" in answer.findings[1].message
    assert names(gone(tree, users=users, remove_used=True).delete) == [["chat", "idle"], ["serving"]]


def test_a_queue_with_somebody_elses_below_it_stays_even_when_asked():
    tree = [live("serving", ours=True), live("theirs", "serving")]
    answer = gone(tree, remove_used=True)
    assert answer.delete == ()
    assert "below it is theirs" in answer.findings[0].message


def test_what_the_scheduler_says_of_a_queue_counts_too():
    assert "it holds pods" in gone([live("chat", ours=True, held=True)]).findings[0].message


def test_one_queue_of_the_list_may_go():
    raw = [
        *TREE,
        {"name": "old", "state": "absent"},
        {"name": "theirs", "state": "absent"},
        {"name": "x", "state": "absent"},
    ]
    assert removes(raw, "present")
    assert not removes(TREE, "present")
    assert removes([], "absent")
    answer = plan(raw, facts([live("old", "serving", ours=True), live("theirs")]))
    assert names(answer.delete) == [["old"]]
    assert "queue theirs is somebody else's and stays" in answer.why
    assert "to be absent" in wrong([{"name": "a", "parent": "b"}, {"name": "b", "state": "absent"}])[0]


def test_what_a_module_returns():
    shown = queue_plan.plan(TREE, facts()).to_dict()
    assert names(shown["layers"]) == [["serving"], ["chat"]]
    assert shown["lines"] == ["2 KAI queues are asked for"]


def test_bootstrap_hands_on_the_stack_that_it_resolved():
    """With Grove, KAI and Volcano there, ``auto`` alone does not say whose queues these are."""
    both = facts(apis=["scheduling.run.ai", "scheduling.volcano.sh"])
    assert "both KAI and Volcano" in wrong(TREE, both, scheduler="auto", orchestrator="auto")[0]
    assert plan(TREE, both, scheduler="auto", orchestrator="grove").scheduler == "kai"
    (play,) = yaml.safe_load((ROOT / "playbooks" / "bootstrap.yml").read_text(encoding="utf-8"))
    (task,) = [task for task in play["tasks"] if task["name"] == "Make the queues"]
    own = "hostvars[inventory_hostname].queues_orchestrator"
    decided = "bootstrap_found.orchestrator or 'auto'"
    assert task["vars"] == {"queues_orchestrator": f"{{{{ {own} | default({decided}, true) }}}}"}
