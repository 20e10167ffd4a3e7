# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a target cannot do, and what the cluster lacks for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import Problem

from tests.unit.plugins.module_utils.inputs import component, dynamo, dynamo_problems, native, problems, workload

GROVE = {"orchestrator": "grove", "scheduler": "kai"}


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def found(plan: FleetPlan, check: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.id == check]


def one(plan: FleetPlan, check: str) -> Finding:
    findings = found(plan, check)
    assert len(findings) == 1, [str(finding) for finding in plan.findings]
    return findings[0]


def cluster(*missing: str, **over: Any) -> dict[str, Any]:
    """A cluster with everything but what is named."""
    names = ("lws", "volcano", "grove", "kai_scheduler", "dynamo_platform")
    return {"apis": {}, "nodes": [], "components": {n: {"present": n not in missing} for n in names}, **over}


@pytest.mark.parametrize(
    ("missing", "scheduler", "words"),
    [
        ("grove", "kai", "needs Grove,"),
        ("kai_scheduler", "kai", "needs KAI,"),
        ("volcano", "volcano", "needs Volcano,"),
    ],
)
def test_f20_grove_needs_the_scheduler_that_is_chosen(missing: str, scheduler: str, words: str) -> None:
    for make in (native, dynamo):
        plan = make(workload(), facts=cluster(missing), orchestrator="grove", scheduler=scheduler)
        assert words in one(plan, "MN-F20").message
        assert found(make(workload(), facts=cluster(), orchestrator="grove", scheduler=scheduler), "MN-F20") == []


def test_f20_a_native_engine_of_one_machine_needs_grove_too() -> None:
    raw = workload(component(node_count=1))
    over = {"orchestrator": "grove", "scheduler": "default"}
    assert "needs Grove," in one(native(raw, facts=cluster("grove"), **over), "MN-F20").message
    assert found(native(raw, facts=cluster("kai_scheduler"), **over), "MN-F20") == []


def test_n06_volcano_under_grove_is_said_to_be_experimental() -> None:
    for make in (native, dynamo):
        plan = make(workload(), orchestrator="grove", scheduler="volcano")
        assert one(plan, "MN-N06").severity == "note"
    assert found(native(workload()), "MN-N06") == []
    assert found(dynamo(workload()), "MN-N06") == []


def binding(reference: str, label: str = "topology.kubernetes.io/rack", **over: Any) -> dict[str, Any]:
    schedulers = [{"scheduler": "kai-scheduler", "reference": reference}]
    return {
        "name": "racks",
        "levels": [{"domain": "rack", "key": label}],
        "schedulers": schedulers,
        "in_sync": True,
        **over,
    }


def test_f56_a_binding_that_kai_cannot_resolve() -> None:
    raw = workload(topology={"pack": "rack"})
    bad = cluster(topology_bindings=[binding("racks-ext")])
    finding = one(dynamo(raw, facts=bad), "MN-F56")
    assert (finding.severity, finding.subject) == ("warning", "inference/llama")
    assert "ClusterTopologyBinding racks" in finding.message
    beside = cluster(topology_bindings=[binding("racks-ext"), binding("good", name="good")])
    assert one(dynamo(raw, facts=beside), "MN-F56").severity == "note"
    for facts, over in (
        (cluster(topology_bindings=[binding("racks")]), {}),
        (cluster(topology_bindings=[binding("racks-ext", "other")]), {}),
        (bad, {"scheduler": "volcano"}),
    ):
        assert found(dynamo(raw, facts=facts, **over), "MN-F56") == []
    assert found(dynamo(workload(), facts=bad), "MN-F56") == []


def test_n01_says_what_becomes_of_the_routing_mode() -> None:
    raw = workload(component(), {"name": "frontend", "role": "frontend"}, router={"mode": "kv"})
    assert "router.mode kv has no effect" in one(native(raw), "MN-N01").message
    assert "router" not in one(native({**raw, "router": {}}), "MN-N01").message


PLANNER = {"name": "planner", "role": "planner", "args": ["--config", "{}"]}
PICKER = {
    "name": "epp",
    "role": "epp",
    "pod_spec": {"containers": [{"name": "main", "image": "reg/dynamo-frontend:1.5.0"}]},
}


@pytest.mark.parametrize("other", [PLANNER, PICKER])
def test_planners_and_pickers_need_dynamo(other: dict[str, Any]) -> None:
    problem = only(problems(workload(component(), other)))
    assert problem.path == f"multinode_workloads[0].components.{other['name']}.role"
    assert "to dynamo" in problem.message
    assert dynamo_problems(workload(component(), other)) == []


def test_a_planner_as_autoscaler_needs_dynamo() -> None:
    raw = workload(component(autoscaling={"owner": "planner"}))
    assert only(problems(raw)).path.endswith("components.engine.autoscaling.owner")
    assert dynamo_problems(raw) == []
    assert problems(workload(component(autoscaling={"owner": "hpa"}))) == []


def test_a_planner_needs_its_configuration() -> None:
    raw = workload(component(), {**PLANNER, "args": ["--x"]})
    assert only(dynamo_problems(raw)).path.endswith("components.planner.args")
    assert dynamo_problems(workload(component(), {**PLANNER, "args": ["--config=/x.yaml"]})) == []


def test_an_endpoint_picker_needs_an_image_that_holds_it() -> None:
    bare = {"name": "epp", "role": "epp"}
    problem = only(dynamo_problems(workload(component(), bare)))
    assert problem.path.endswith("components.epp")
    side = {**bare, "pod_spec": {"containers": [{"name": "side", "image": "reg/side:1.0.0"}]}}
    assert only(dynamo_problems(workload(component(), side))).path.endswith("components.epp.pod_spec.containers")


def test_f14_an_endpoint_picker_before_15_needs_what_is_forbidden_since() -> None:
    raw = workload(component(), PICKER)
    problem = only(dynamo_problems(raw, dynamo_version="1.4.2"))
    assert (problem.check, problem.path.rsplit(".", 1)[1]) == ("MN-F14", "role")
    assert dynamo_problems(raw, dynamo_version="1.5.0") == []


def test_min_available_needs_grove() -> None:
    raw = workload(component(replicas=2, min_available=2))
    assert "only Grove" in only(problems(raw)).message
    assert only(dynamo_problems(raw, orchestrator="lws", scheduler="volcano")).path.endswith("engine.min_available")
    assert dynamo_problems(raw) == []
    assert problems(raw, orchestrator="grove", scheduler="kai") == []


def test_grove_takes_no_engine_of_none() -> None:
    for nodes in (1, 2):
        raw = workload(component(replicas=0, node_count=nodes))
        problem = only(problems(raw, **GROVE))
        assert problem.path.endswith("components.engine.replicas")
        assert "at least 1" in problem.message
        assert problems(raw) == []


def test_n07_dynamo_on_grove_cannot_begin_with_none() -> None:
    """Recorded: 1 to 0 to 1 works, 0 on a new deployment is refused."""
    finding = one(dynamo(workload(component(replicas=0))), "MN-N07")
    assert (finding.severity, finding.subject) == ("warning", "inference/llama/engine")
    assert found(dynamo(workload(component(replicas=0, node_count=1))), "MN-N07") == []
    assert found(dynamo(workload()), "MN-N07") == []
    lws = dynamo(workload(component(replicas=0)), orchestrator="lws", scheduler="volcano")
    assert found(lws, "MN-N07") == []


def test_f09_the_tag_of_every_image() -> None:
    nightly = {"containers": [{"name": "main", "image": "reg/img:nightly"}, {"name": "side", "image": "reg/side"}]}
    problem = only(dynamo_problems(workload(component(pod_spec=nightly))))
    assert (problem.check, problem.path) == (
        "MN-F09",
        "multinode_workloads[0].components.engine.pod_spec.containers[0].image",
    )
    assert dynamo_problems(workload(component(pod_spec=nightly), runtime_version="1.5.0")) == []
    assert dynamo_problems(workload(component(pod_spec=nightly)), dynamo_version="1.3.1") == []


def test_f09_no_version_field_before_14() -> None:
    raw = workload(runtime_version="1.3.0")
    assert only(dynamo_problems(raw, dynamo_version="1.3.1")).path.endswith("].runtime_version")
    assert dynamo_problems(raw, dynamo_version="1.4.0") == []


def test_f26_dynamo_before_the_api_that_is_rendered() -> None:
    assert only(dynamo_problems(workload(), dynamo_version="1.1.0")).check == "MN-F26"
    assert dynamo_problems(workload(), dynamo_version="1.2.0") == []
    assert problems(workload(), dynamo_version="1.1.0") == []
