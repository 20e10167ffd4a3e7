# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot as live
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement

from tests.unit.plugins.module_utils.recorded import (
    engine_objects,
    fleet,
    lws,
    node,
    pod,
    recorded,
    snapshot,
    workload,
)

NODES = [node(f"n{i}", rack=f"r{i // 2}") for i in range(4)]


def only(plan: Any, seen: live.Snapshot) -> dict[str, Any]:
    engines = placement(fleet(plan), seen)
    assert len(engines) == 1
    return engines[0]


def ids(engine: dict[str, Any]) -> list[str]:
    return [problem["id"] for problem in engine["problems"]]


def test_a_whole_engine_holds_every_promise() -> None:
    seen = snapshot(*NODES, lws("llama-worker"), *engine_objects("llama-worker", ["n0", "n1"]))
    engine = only(workload(pack="rack"), seen)
    assert [(rank["rank"], rank["pod"], rank["node"], rank["gpus"]) for rank in engine["ranks"]] == [
        (0, "llama-worker-0", "n0", 8),
        (1, "llama-worker-0-1", "n1", 8),
    ]
    assert engine["nodes"] == ["n0", "n1"]
    assert engine["gpus"] == 16
    assert engine["rack"] == "r0"
    assert engine["gang"]["honoured"] is True
    assert (engine["gang"]["min_member"], engine["gang"]["name"]) == (2, "llama-worker-0-rev")
    assert engine["topology"]["honoured"] is True
    assert engine["one_rank_per_machine"] is True
    assert engine["ready"] is True
    assert engine["problems"] == []


def test_every_planned_engine_is_listed_even_where_nothing_exists() -> None:
    engines = placement(fleet(workload(replicas=3)), snapshot(*NODES))
    assert [engine["engine"] for engine in engines] == [0, 1, 2]
    assert all([rank["phase"] for rank in engine["ranks"]] == ["missing", "missing"] for engine in engines)
    assert all(engine["gang"]["honoured"] is None and engine["gang"]["why"] for engine in engines)
    assert all(engine["ready"] is False and ids(engine) == ["MN-F90"] for engine in engines)


def test_an_engine_beyond_the_plan_is_shown_as_such() -> None:
    seen = snapshot(
        *NODES,
        *engine_objects("llama-worker", ["n0", "n1"]),
        *engine_objects("llama-worker", ["n2", "n3"], group=2),
    )
    engines = placement(fleet(workload()), seen)
    assert [(engine["engine"], engine["planned"]) for engine in engines] == [(0, True), (2, False)]


@pytest.mark.parametrize("member", [1, 3])
def test_f82_a_pod_group_of_another_size_is_no_gang(member: int) -> None:
    engine = only(workload(), snapshot(*NODES, *engine_objects("llama-worker", ["n0", "n1"], member=member)))
    assert engine["gang"]["honoured"] is False
    assert f"minMember {member}" in engine["gang"]["why"]
    assert ids(engine) == ["MN-F82"]


def test_f82_another_scheduler_is_no_gang_although_a_pod_group_runs() -> None:
    seen = snapshot(*NODES, *engine_objects("llama-worker", ["n0", "n1"], scheduler="default-scheduler"))
    engine = only(workload(), seen)
    assert engine["gang"]["honoured"] is False
    assert "default-scheduler" in engine["gang"]["why"]


def test_f82_half_an_engine_is_no_gang() -> None:
    engine = only(workload(), snapshot(*NODES, *engine_objects("llama-worker", ["n0", None])))
    assert (engine["gang"]["honoured"], engine["gang"]["why"]) == (False, "only 1 of 2 ranks are bound")


def test_f82_bound_without_a_pod_group_is_no_gang() -> None:
    pods = [item for item in engine_objects("llama-worker", ["n0", "n1"]) if "minMember" not in item["spec"]]
    assert only(workload(), snapshot(*NODES, *pods))["gang"]["honoured"] is False


def test_f92_a_gang_that_may_not_be_read_is_unknown_never_passed() -> None:
    seen = snapshot(
        *NODES,
        *engine_objects("llama-worker", ["n0", "n1"]),
        unread={live.VOLCANO_POD_GROUP: "may not list PodGroups"},
    )
    engine = only(workload(), seen)
    assert engine["gang"]["honoured"] is None
    assert engine["gang"]["why"] == "may not list PodGroups"
    assert engine["ready"] is True
    assert ids(engine) == ["MN-F92"]


def test_f92_the_gang_of_an_orchestrator_that_is_not_read_is_unknown() -> None:
    plan = workload(orchestrator="grove", scheduler="kai", api="dynamographdeployment")
    assert only(plan, snapshot(*NODES))["gang"]["honoured"] is None


@pytest.mark.parametrize(
    ("phase", "conditions", "honoured"),
    [
        ("Running", [], True),
        ("Inqueue", [("Scheduled", "2026-01-01T00:00:02Z")], True),
        ("Inqueue", [("Unschedulable", "2026-01-01T00:00:01Z"), ("Scheduled", "2026-01-01T00:00:02Z")], True),
        ("Inqueue", [("Unschedulable", "2026-01-01T00:00:03Z"), ("Scheduled", "2026-01-01T00:00:02Z")], None),
        ("Inqueue", [], None),
        ("Unknown", [("Scheduled", "2026-01-01T00:00:02Z")], None),
        ("", [], None),
    ],
)
def test_what_volcano_says_of_a_gang_whose_ranks_are_all_bound(
    phase: str, conditions: list[tuple[str, str]], honoured: bool | None
) -> None:
    objects = engine_objects("llama-worker", ["n0", "n1"], phase=phase)
    objects[-1]["status"]["conditions"] = [
        {"type": kind, "status": "True", "lastTransitionTime": when} for kind, when in conditions
    ]
    assert only(workload(), snapshot(*NODES, *objects))["gang"]["honoured"] is honoured


def test_f93_two_ranks_on_one_machine() -> None:
    seen = snapshot(*NODES, *engine_objects("llama-worker", ["n0", "n0"], gpus=4))
    engine = only(workload(gpus=4), seen)
    assert engine["one_rank_per_machine"] is False
    assert ids(engine) == ["MN-F93"]
    assert "ranks 0, 1 on n0" in engine["problems"][0]["message"]
    assert ids(only(workload(gpus=4, spread=False), seen)) == []


def test_ranks_in_two_racks_are_not_packed() -> None:
    seen = snapshot(*NODES, *engine_objects("llama-worker", ["n1", "n2"]))
    engine = only(workload(pack="rack"), seen)
    assert engine["topology"]["honoured"] is False
    assert engine["rack"] is None
    assert [(problem["id"], problem["severity"]) for problem in engine["problems"]] == [("MN-F54", "error")]
    soft = only(workload(pack="rack", required=False), seen)
    assert [(problem["id"], problem["severity"]) for problem in soft["problems"]] == [("MN-F54", "warning")]
    assert only(workload(), seen)["problems"] == []


def test_f92_a_machine_without_the_label_makes_the_topology_unknown() -> None:
    nodes = [node("n0"), node("n1", rack=None)]
    engine = only(workload(pack="rack"), snapshot(*nodes, *engine_objects("llama-worker", ["n0", "n1"])))
    assert engine["topology"]["honoured"] is None
    assert "topology.kubernetes.io/rack on n1" in engine["topology"]["why"]
    assert ids(engine) == ["MN-F92"]


def test_f92_nodes_that_may_not_be_read_make_the_topology_unknown() -> None:
    seen = snapshot(*engine_objects("llama-worker", ["n0", "n1"]), unread={live.NODE: "forbidden"})
    engine = only(workload(pack="rack"), seen)
    assert (engine["topology"]["honoured"], engine["topology"]["why"]) == (None, "forbidden")


def test_levels_come_from_the_inventory() -> None:
    nodes = [node(name, rack=None) for name in ("n0", "n1")]
    for item in nodes:
        item["metadata"]["labels"]["example.org/hall"] = "north"
    seen = snapshot(*nodes, *engine_objects("llama-worker", ["n0", "n1"]))
    levels = {"hall": "example.org/hall"}
    engine = placement(fleet(workload(pack="hall", levels=levels)), seen, levels)[0]
    assert engine["topology"]["honoured"] is True
    assert engine["domains"] == {"hall": "north"}


def test_a_terminating_rank_is_not_ready() -> None:
    objects = engine_objects("llama-worker", ["n0", "n1"])
    objects[1]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    engine = only(workload(), snapshot(*NODES, *objects))
    assert engine["ready"] is False
    assert "1 on n1 (Terminating)" in engine["problems"][0]["message"]


def test_pods_of_others_are_not_taken_for_ranks() -> None:
    seen = snapshot(
        *NODES,
        *engine_objects("llama-worker", ["n0", "n1"], namespace="elsewhere"),
        pod("llama-worker-0", on="n2"),
    )
    assert only(workload(), seen)["nodes"] == []


# -- what the real controllers wrote ---------------------------------------------------------------------------


def summary(engines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["engine"], one["nodes"], one["gang"]["honoured"], one["ready"]) for one in engines]


def test_recording_two_gangs_and_a_third_without_room() -> None:
    seen = recorded("01-lws-volcano-r2s2/006-scaled3-no-room.json")
    engines = placement(fleet(workload("llm", namespace="llm", replicas=3, lws_name="llm")), seen)
    assert summary(engines) == [
        (0, ["gpu-1", "gpu-3"], True, True),
        (1, ["gpu-2", "gpu-0"], True, True),
        (2, [], None, False),
    ]
    assert engines[2]["gang"]["min_member"] == 2
    assert "waiting" in engines[2]["gang"]["why"]


@pytest.mark.parametrize("scenario", ["03a-gang-size4-2free-limits-only", "03b-gang-size4-2free-requests"])
def test_recording_a_gang_of_four_binds_nothing_then_all(scenario: str) -> None:
    plan = workload("big", namespace="gang-" + scenario[2], node_count=4, lws_name="big")
    assert summary(placement(fleet(plan), recorded(f"{scenario}/003-blocked.json"))) == [(0, [], None, False)]
    placed = placement(fleet(plan), recorded(f"{scenario}/005-placed.json"))[0]
    assert placed["gang"]["honoured"] is True
    assert sorted(placed["nodes"]) == ["gpu-0", "gpu-1", "gpu-2", "gpu-3"]


def test_recording_the_default_scheduler_places_half_an_engine() -> None:
    seen = recorded("04a-default-scheduler-partial/003-partial.json")
    engine = placement(fleet(workload("big", namespace="partial", node_count=4, lws_name="big")), seen)[0]
    assert engine["gang"]["honoured"] is False
    assert (engine["gang"]["min_member"], engine["gang"]["phase"]) == (4, "Unknown")
    assert ids(engine) == ["MN-F82", "MN-F90"]


def test_recording_just_bound_the_phase_lags() -> None:
    seen = recorded("04b-volcano-down/004-all-back.json")
    engine = placement(fleet(workload("x", namespace="voldown", lws_name="x")), seen)[0]
    assert (engine["gang"]["phase"], engine["gang"]["honoured"]) == ("Inqueue", True)


@pytest.mark.parametrize("name", ["002-aff0", "005-aff1", "008-aff2", "011-aff3"])
def test_recording_pod_affinity_keeps_each_engine_in_one_rack(name: str) -> None:
    seen = recorded(f"06c-podaffinity-matchlabelkeys/{name}.json")
    engines = placement(fleet(workload("aff", namespace="topoc", replicas=2, lws_name="aff", pack="rack")), seen)
    assert [one["topology"]["honoured"] for one in engines] == [True, True]
    assert {one["rack"] for one in engines} == {"r0", "r1"}
