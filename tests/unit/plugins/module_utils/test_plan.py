# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.plan import resolve
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import Choice
from ansible_collections.dynamo.multinode.plugins.module_utils.report_table import plan_table
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import Settings, SpecError

from tests.unit.plugins.module_utils.inputs import PRODUCT, component, dynamo, fleet, machines, native, workload


def cluster(*present: str, **over: Any) -> dict[str, Any]:
    """Facts of a cluster that runs these components, and nothing more."""
    return {"apis": {}, "nodes": [], "components": {name: {"present": True} for name in present}, **over}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (("lws", "volcano"), ("lws", "volcano", "native")),
        (("lws", "volcano", "dynamo_platform"), ("lws", "volcano", "dynamo")),
        (("grove", "kai_scheduler", "dynamo_platform"), ("grove", "kai", "dynamo")),
        (("grove", "dynamo_platform"), ("grove", "default", "dynamo")),
        (("lws",), ("lws", "volcano", "native")),
    ],
)
def test_auto_reads_the_cluster_and_says_why(present: tuple[str, ...], expected: tuple[str, str, str]) -> None:
    choice = resolve(Settings(), cluster(*present))
    assert (choice.orchestrator, choice.scheduler, choice.workload_api) == expected
    assert [reason.split()[0] for reason in choice.why] == ["workload_api", "orchestrator", "scheduler"]
    assert all(": " in reason for reason in choice.why)


def test_the_gpu_operators_api_group_is_not_dynamos() -> None:
    facts = cluster("lws", "volcano", apis={"nvidia.com": ["v1", "v1alpha1"]})
    assert resolve(Settings(), facts).workload_api == "native"
    assert resolve(Settings(), {**facts, "apis": {"nvidia.com": ["v1", "v1beta1"]}}).workload_api == "dynamo"


def asked(settings: Settings, facts: dict[str, Any] | None) -> list[str]:
    with pytest.raises(SpecError) as error:
        resolve(settings, facts)
    for problem in error.value.problems:
        assert "is auto, and" in problem.message
    return [problem.path for problem in error.value.problems]


def test_with_both_stacks_it_asks() -> None:
    assert asked(Settings(), cluster("grove", "lws", "volcano", "dynamo_platform")) == ["multinode_orchestrator"]


def test_with_neither_stack_it_asks() -> None:
    assert asked(Settings(), cluster()) == ["multinode_orchestrator"]


def test_without_a_cluster_it_asks_everything_at_once() -> None:
    assert asked(Settings(), None) == ["multinode_workload_api", "multinode_orchestrator"]
    assert asked(Settings(orchestrator="grove", workload_api="dynamo"), None) == ["multinode_scheduler"]


def test_what_is_set_is_not_asked() -> None:
    settings = Settings(orchestrator="lws", workload_api="native")
    assert resolve(settings, None) == Choice(
        "lws",
        "volcano",
        "native",
        (
            "workload_api native: set by multinode_workload_api",
            "orchestrator lws: set by multinode_orchestrator",
            "scheduler volcano: the only one that makes gangs of LeaderWorkerSets",
        ),
    )


def test_a_workloads_own_choice_goes_over_the_clusters() -> None:
    plan = native(workload(scheduler="default"), workload(name="other"))
    assert [one.choice.scheduler for one in plan.workloads] == ["default", "volcano"]
    assert plan.workloads[0].choice.why[2] == "scheduler default: set by the workload"


def test_a_workloads_own_auto_is_asked_at_its_path() -> None:
    with pytest.raises(SpecError) as error:
        native(workload(orchestrator="auto"))
    assert [problem.path for problem in error.value.problems] == ["multinode_workloads[0].orchestrator"]


def test_a_question_is_asked_once_for_many_workloads() -> None:
    with pytest.raises(SpecError) as error:
        fleet(workload(), workload(name="b"))
    assert len(error.value.problems) == 2


def test_questions_and_spec_errors_come_together() -> None:
    with pytest.raises(SpecError) as error:
        fleet(workload(component(parallelism={"tensor": 12})), workload(name="b"))
    assert {problem.path for problem in error.value.problems} == {
        "multinode_workloads[0].components.engine.parallelism.tensor",
        "multinode_workload_api",
        "multinode_orchestrator",
    }


def test_the_numbers() -> None:
    plan = native(
        workload(component(replicas=2)),
        workload(component(node_count=4, gpus_per_node=4), name="sg", backend="sglang"),
        {"name": "old", "state": "absent"},
    )
    first, second = (one.components[0] for one in plan.workloads)
    assert (first.total_gpus, first.demand, first.multinode, first.object_name) == (16, 32, True, "llama-engine")
    assert (second.total_gpus, second.demand) == (16, 16)
    assert plan.demand == {PRODUCT: 48}
    assert plan.capacity == {PRODUCT: 64}
    assert [one.name for one in plan.absent] == ["old"]
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()


def test_a_mixed_fleet_counts_by_product() -> None:
    mixed = [
        {"name": "a", "gpu_count": 8, "gpu_product": "A"},
        {"name": "b", "gpu_count": 4, "gpu_product": "B"},
        {"name": "c", "gpu_count": 0},
    ]
    plan = native(
        workload(component(node_count=1, gpus_per_node=8), gpu_product="A"),
        workload(component(node_count=1, gpus_per_node=2), name="b"),
        machines=mixed,
    )
    assert plan.demand == {"A": 8, "any": 2}
    assert plan.capacity == {"A": 8, "B": 4}


def test_without_machines_the_clusters_nodes_are_the_capacity() -> None:
    nodes = [
        {"name": "n1", "gpus": 8, "gpu_product": PRODUCT, "domains": {"rack": "r1", "zone": None}, "schedulable": True},
        {"name": "n2", "gpus": 8, "gpu_product": PRODUCT, "domains": {}, "schedulable": False},
    ]
    plan = native(workload(component()), machines=[], facts=cluster("lws", "volcano", nodes=nodes))
    assert plan.capacity == {PRODUCT: 8}


def test_queues_and_priorities_have_the_schedulers_defaults() -> None:
    assert native(workload()).workloads[0].queue == "default"
    assert native(workload(queue="serving")).workloads[0].queue == "serving"
    assert native(workload(scheduler="default")).workloads[0].queue is None
    assert dynamo(workload()).workloads[0].queue == "dynamo"
    assert dynamo(workload()).workloads[0].priority_class is None
    facts = cluster("grove", "kai_scheduler", "dynamo_platform", priority_classes=["inference"])
    assert dynamo(workload(), facts=facts).workloads[0].priority_class == "inference"
    assert dynamo(workload(priority_class="own"), facts=facts).workloads[0].priority_class == "own"


def test_the_table_names_engines_demand_capacity_and_findings() -> None:
    lines = plan_table(native(workload(component(replicas=9)), {"name": "old", "state": "absent"}))
    assert lines[1].split() == [
        "inference/llama",
        "engine",
        "native/lws/volcano",
        "9",
        "2",
        "8",
        "16",
        "144",
        "TP16",
    ]
    assert f"{PRODUCT}: 144 GPUs wanted, 64 in the fleet, 80 short" in lines
    assert "default/old: absent" in lines
    assert any(line.startswith("warning MN-F83") for line in lines)


def test_machines_settings_and_workloads_are_wrong_at_once() -> None:
    with pytest.raises(SpecError) as error:
        native(
            workload(component(parallelism={"tensor": 12})),
            orchestrator="groove",
            machines=[*machines(), {"name": "odd", "gpu_count": "many"}],
        )
    assert [problem.path for problem in error.value.problems] == [
        "multinode_orchestrator",
        "multinode_node[odd].gpu_count",
        "multinode_workloads[0].components.engine.parallelism.tensor",
    ]


def test_without_machines_defaults_come_from_the_clusters_nodes() -> None:
    nodes = [{"name": f"n{i}", "gpus": 4, "gpu_product": PRODUCT, "domains": {}} for i in range(2)]
    plan = native(
        workload({"name": "engine", "node_count": 2}), machines=[], facts=cluster("lws", "volcano", nodes=nodes)
    )
    assert plan.workloads[0].components[0].gpus_per_node == 4


def test_native_on_grove_is_a_pod_clique_set() -> None:
    plan = native(workload(), orchestrator="grove", scheduler="kai")
    assert (plan.workloads[0].api, plan.workloads[0].queue) == ("podcliqueset", "dynamo")


def test_f08_names_that_grove_derives() -> None:
    fits = workload(component(name="e" * 15), name="w" * 20)
    assert native(fits, orchestrator="grove", scheduler="kai").workloads
    with pytest.raises(SpecError) as error:
        native(workload(component(name="e" * 16), name="w" * 20), orchestrator="grove", scheduler="kai")
    problem = error.value.problems[0]
    assert (problem.check, problem.path) == ("MN-F08", f"multinode_workloads[0].components.{'e' * 16}.name")
    assert "takes 46 characters, and pods can carry 45" in problem.message


def test_f107_objects_of_one_name() -> None:
    def refused(*raw: dict[str, Any], **over: Any) -> list[tuple[str, str, object]]:
        with pytest.raises(SpecError) as error:
            native(*raw, **over)
        return [(problem.check, problem.path, problem.value) for problem in error.value.problems]

    config = {"engine_config": {"x": 1}}
    first = workload(component(name="b-c", **config), name="a")
    second = workload(component(name="c", **config), name="a-b")
    found = refused(first, second)
    assert ("MN-F107", "multinode_workloads[1].name", "a-b-c-engine") in found
    domain = {"compute_domain": {"name": "shared"}}
    assert refused(workload(**domain), workload(name="b", **domain)) == [
        ("MN-F107", "multinode_workloads[1].compute_domain.name", "shared")
    ]
    assert native(workload(**domain), workload(name="b", compute_domain={"name": "shared", "create": False})).workloads
    # Grove's own Service of the set
    over = {"orchestrator": "grove", "scheduler": "kai"}
    assert refused(workload(), workload(name="llama-engine-0"), **over) == [
        ("MN-F107", "multinode_workloads[1].name", "llama-engine-0")
    ]
