# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other stack, KAI, Grove and the Dynamo platform, from an empty cluster to none: all three are stand-ins.

In between, LWS and Volcano (the real ones) come beside it, and the workloads move to them and back. So this proves
order, values, waits, what is read and what is left behind; nothing about upstream's own programs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import registry

from lab.handle import Lab
from tests.integration.gap import air_gap
from tests.integration.test_site import BEHIND_THE_GAP, CLONE, MIRROR, VOLCANO_QUEUES, Life, engine_pods
from tests.unit.plugins.module_utils.recorded import UPSTREAM

# The charts of both stacks are named, as where somebody wants to switch; and Grove shares Dynamo's namespace
PLATFORM = "lab_platforms.grove | combine(lab_platforms.lws, {'grove': {'namespace': 'dynamo-system'}}, recursive=true)"
GROVE = ("-e", json.dumps({"lab_stack": "grove", "multinode_platform": "{{ " + PLATFORM + " }}", **BEHIND_THE_GAP}))
TO_LWS = ("-e", json.dumps({"multinode_orchestrator": "lws"}))
# The stand-in of Dynamo's operator makes nothing on LWS
MOVED = ("-e", json.dumps({"multinode_orchestrator": "lws", "multinode_workload_api": "native"}))
WILLING = ("-e", "multinode_replace=allow")
DEFAULTS = {**BEHIND_THE_GAP["multinode_workload_defaults"], "orchestrator": "grove"}
AT_HOME = ("-e", json.dumps({"multinode_workload_defaults": DEFAULTS}))
HELM = "TASK [dynamo.multinode.helm_component : Run helm]"
# KAI's operator makes these two queues, and its chart has helm keep the shard
KAI_KEEPS = {
    ("Queue", "", "default-parent-queue"),
    ("Queue", "", "default-queue"),
    ("SchedulingShard", "", "default"),
}


@pytest.fixture(scope="module")
def life(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Life:
    if not (UPSTREAM / "crds").is_dir():
        pytest.skip("not run: no definitions at MULTINODE_UPSTREAM")
    one = Life(make_lab(inventory_path=CLONE / "inventories" / "lab"))
    one.remember("empty")

    def play(stage: str, playbook: str, *options: str, env: Mapping[str, str] | None = None) -> None:
        one.play(stage, playbook, *GROVE, *options, env=env)

    with air_gap(tmp_path_factory.mktemp("gap")) as gap:
        play("first", "site", env=gap.env)
        one.attempts = gap.attempts
    one.remember("served")
    play("second", "site")
    one.remember("still served")
    play("no way", "switch", *MOVED, *WILLING)
    play("beside", "bootstrap", *TO_LWS)
    one.remember("beside")
    play("unasked", "switch", *MOVED)
    play("at home", "switch", *MOVED, *WILLING, *AT_HOME)
    play("to lws", "switch", *MOVED, *WILLING)
    one.remember("on lws")
    play("to grove", "switch", *WILLING)
    one.remember("on grove")
    play("again", "switch", *WILLING)
    play("teardown", "teardown")
    one.remember("gone")
    return one


def test_the_first_run_serves(life: Life, record_property: Callable[[str, object], None]) -> None:
    run = life.runs["first"]
    assert run.code == 0, run.output
    assert "3 of 3 gangs honoured" in run.output
    assert len([line for line in life.helm["first"] if line.startswith("upgrade -i")]) == 3, life.helm["first"]
    record_property("site.yml, KAI, Grove and Dynamo (stand-ins), from an empty cluster", life.told("first"))


def test_everything_comes_in_the_order_of_what_it_needs(life: Life) -> None:
    """By the API server's own log: definitions before their operator, each operator before the next, workloads last."""
    order = [
        "/customresourcedefinitions/queues.scheduling.run.ai",
        "/namespaces/kai-scheduler/deployments",
        "/customresourcedefinitions/podcliquesets.grove.io",
        # What helm creates has no name in the log; its record of the release gets its last word when all is made
        "/namespaces/dynamo-system/secrets/sh.helm.release.v1.grove.v1",
        "/namespaces/dynamo-system/secrets/sh.helm.release.v1.dynamo-platform.v1",
        "/apis/grove.io/v1alpha1/clustertopologybindings/",
        "/namespaces/inference/dynamographdeployments",
    ]
    life.assert_order("first", order)


def test_f21_the_operator_was_told_what_there_is(life: Life) -> None:
    output = life.runs["first"].output
    assert output.count(HELM) == 3
    assert "MN-F21" not in output
    assert "MN-F22" not in output


def test_engines_are_whole_gangs_of_kai_one_rank_per_machine(life: Life) -> None:
    for workload, engines, ranks in (("llama-405b", 2, 2), ("deepseek-r1", 1, 4)):
        pods = engine_pods(life, "served", workload)
        assert len(pods) == engines * ranks
        assert {pod["spec"]["schedulerName"] for pod in pods} == {"kai-scheduler"}
        by_engine: dict[Any, list[str]] = {}
        for pod in pods:
            group = pod["metadata"]["labels"]["grove.io/podcliquescalinggroup-replica-index"]
            by_engine.setdefault(group, []).append(pod["spec"]["nodeName"])
        for nodes in by_engine.values():
            assert len(set(nodes)) == ranks
            assert len({node.rsplit("-", 1)[0] for node in nodes}) == 1, nodes  # gpu-a-N is in rack-a


def test_the_second_run_changes_and_writes_nothing_and_starts_no_helm(
    life: Life, record_property: Callable[[str, object], None]
) -> None:
    run = life.runs["second"]
    assert run.code == 0, run.output
    assert run.recap["changed"] == 0
    assert life.writes["second"] == []
    assert life.helm["second"] == []
    assert run.recap["ok"] <= 40
    record_property("site.yml, KAI, Grove and Dynamo (stand-ins), nothing changed", life.told("second"))
    assert life.uids["still served"] == life.uids["served"]


def test_nobody_moves_to_a_stack_that_is_not_there(life: Life) -> None:
    run = life.runs["no way"]
    assert run.code == 2
    assert "lws cannot take them: lws, volcano is not there" in run.output
    assert "bootstrap with multinode_orchestrator=lws first" in run.output
    assert life.writes["no way"] == []


def test_the_other_stack_comes_beside_the_first_and_touches_nothing_of_it(life: Life) -> None:
    run = life.runs["beside"]
    assert run.code == 0, run.output
    theirs = ("volcano", "lws", "leaderworkerset")
    # What is created touches nothing that is there, and has no name in the log
    touched = [write for write in life.writes["beside"] if not write.startswith("create ")]
    foreign = [write for write in touched if not any(name in write for name in theirs)]
    # Dynamo's operator looks for orchestrators when it starts (F22)
    assert [write for write in foreign if "dynamo-system/deployments" not in write] == []
    operator = {name: uid for name, uid in life.uids["served"].items() if name.startswith("dynamo-platform-")}
    assert life.uids["served"].items() - operator.items() <= life.uids["beside"].items()


def test_nothing_moves_without_consent(life: Life) -> None:
    run = life.runs["unasked"]
    assert run.code == 2
    assert "say multinode_replace: allow, or replace: allow in each of llama-405b, deepseek-r1" in run.output
    assert life.writes["unasked"] == []


def test_nobody_moves_who_is_told_to_stay(life: Life) -> None:
    """By the defaults, which no workload repeats."""
    run = life.runs["at home"]
    assert run.code == 2
    assert "an orchestrator of their own, which would win: llama-405b, deepseek-r1" in " ".join(run.output.split())
    assert life.writes["at home"] == []


@pytest.mark.parametrize(("way", "scheduler"), [("lws", "volcano"), ("grove", "kai-scheduler")])
def test_the_workloads_move_one_after_the_other_each_verified_before_the_next(
    life: Life, way: str, scheduler: str
) -> None:
    run = life.runs[f"to {way}"]
    assert run.code == 0, run.output
    assert [line for line in ("2 of 2 gangs honoured", "1 of 1 gangs honoured") if line not in run.output] == []
    assert run.output.index("2 of 2 gangs honoured") < run.output.rindex("TASK [dynamo.multinode.workloads :")
    for workload, ranks in (("llama-405b", 4), ("deepseek-r1", 4)):
        pods = engine_pods(life, f"on {way}", workload)
        assert len(pods) == ranks
        assert {pod["spec"]["schedulerName"] for pod in pods} == {scheduler}
        assert all(pod["spec"].get("nodeName") for pod in pods)
    kinds = {item[0] for item in life.objects[f"on {way}"] if item[1] == "inference"}
    assert ("LeaderWorkerSet" in kinds, "DynamoGraphDeployment" in kinds) == (way == "lws", way == "grove")


def test_who_has_moved_stays(life: Life) -> None:
    run = life.runs["again"]
    assert run.code == 0, run.output
    assert run.recap["changed"] == 0
    assert life.writes["again"] == []


def test_teardown_leaves_what_was_there_before(life: Life) -> None:
    """The namespace that two components share among them: it goes with the last one."""
    run = life.runs["teardown"]
    assert run.code == 0, run.output
    assert "MN-F49" not in run.output
    keeps = KAI_KEEPS | VOLCANO_QUEUES
    left = {item for item in life.objects["gone"] - life.objects["empty"] if item[:3] not in keeps}
    assert left == set()
    assert life.objects["empty"] - life.objects["gone"] == set()


def test_behind_an_air_gap_nobody_outside_is_asked_for_anything(life: Life) -> None:
    """Charts are local archives; test_airgap.py shows that attempts would be seen."""
    assert life.runs["first"].output.count(HELM) == 3
    assert life.attempts == []


def test_behind_an_air_gap_every_image_of_every_pod_comes_from_the_mirror(life: Life) -> None:
    pods = life.pods["served"]
    assert {"kai-scheduler", "dynamo-system", "inference"} <= {pod["metadata"]["namespace"] for pod in pods}
    assert registry.outside(pods, MIRROR) == []
    for workload in ("llama-405b", "deepseek-r1"):
        for pod in engine_pods(life, "served", workload):
            offline = {"name": "HF_HUB_OFFLINE", "value": "1"}
            assert all(offline in container["env"] for container in pod["spec"]["containers"])
            assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror-pull"}], pod["metadata"]["name"]
