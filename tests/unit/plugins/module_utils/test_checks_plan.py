# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that look at the plan, the machines and the cluster, named after the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.fleet import Fleet
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import Machine

from tests.unit.plugins.module_utils.inputs import (
    KNOWN,
    PRODUCT,
    component,
    dynamo,
    machine,
    machines,
    native,
    workload,
)


def found(plan: FleetPlan, check: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.id == check]


def one(plan: FleetPlan, check: str) -> Finding:
    findings = found(plan, check)
    assert len(findings) == 1, [str(finding) for finding in plan.findings]
    return findings[0]


def cluster(*missing: str, **over: Any) -> dict[str, Any]:
    """A cluster with everything but what is named."""
    names = ("lws", "volcano", "grove", "kai_scheduler", "dynamo_platform")
    components: dict[str, Any] = {name: {"present": name not in missing} for name in names}
    components["lws"]["details"] = {"scheduler_provider": "volcano"}
    queues = {
        "volcano": [{"name": "default", "state": "Open"}],
        "kai": [{"name": "root"}, {"name": "dynamo", "parent": "root"}],
    }
    return {"apis": {}, "nodes": [], "components": components, "queues": queues, **over}


def test_a_plan_that_fits_a_complete_cluster_has_nothing_to_say() -> None:
    raw = workload(topology={"pack": "rack"}, model_config=KNOWN)
    assert native(raw, facts=cluster()).findings == ()
    served = {**raw, "components": [component(), {"name": "frontend", "role": "frontend"}]}
    assert dynamo(served, facts=cluster()).findings == ()


def test_f16_more_gpus_than_any_machine_has() -> None:
    finding = one(native(workload(component(gpus_per_node=16))), "MN-F16")
    assert (finding.severity, finding.subject) == ("error", "inference/llama/engine")
    assert "16 GPUs on each machine" in finding.message
    assert "than 8" in finding.message
    mixed = [machine("a"), machine("b", gpu_count=4, gpu_product="small")]
    assert (
        f"({PRODUCT})"
        in one(native(workload(component(gpus_per_node=9), gpu_product=PRODUCT), machines=mixed), "MN-F16").message
    )
    assert found(native(workload(component(gpus_per_node=8)), machines=mixed), "MN-F16") == []


def test_f29_fewer_machines_than_ranks() -> None:
    finding = one(native(workload(component(node_count=9))), "MN-F29")
    assert finding.severity == "warning"
    assert "needs 9 machines with 8 GPUs each, and there are 8" in finding.message
    assert "waits for ever" in finding.message
    sharing = native(workload(component(node_count=9, spread=False)))
    assert "several ranks on one machine" in one(sharing, "MN-F29").message
    assert found(native(workload(component(node_count=8))), "MN-F29") == []


def test_f83_no_rack_holds_an_engine() -> None:
    finding = one(native(workload(component(node_count=5), topology={"pack": "rack"})), "MN-F83")
    assert finding.severity == "warning"
    assert finding.message == "needs 5 machines with 8 GPUs each in one rack; rack r2 has 4"
    wide = workload(component(node_count=5), topology={"pack": "rack", "required": False})
    assert found(native(wide), "MN-F83") == []
    assert found(native(workload(component(node_count=5), topology={"pack": "zone"})), "MN-F83") == []
    blind = native(workload(topology={"pack": "rack"}), machines=[{"name": n, "gpu_count": 8} for n in "abc"])
    assert "no machine tells its rack" in one(blind, "MN-F83").message


def test_f83_not_all_engines_fit() -> None:
    finding = one(
        native(workload(component(replicas=3, node_count=3), topology={"pack": "rack"}), machines=machines(2, 5)),
        "MN-F83",
    )
    assert "wants 3 engines of 3 x 8 GPUs, each in one rack; the empty fleet holds 2" in finding.message


def test_f83_the_fleet_is_too_small_for_all() -> None:
    plan = native(workload(component(replicas=4)), workload(component(), name="b"))
    assert one(plan, "MN-F83").message == "the workloads ask for 80 GPUs, and the machines have 64"
    assert found(native(workload(component(replicas=4))), "MN-F83") == []


def test_f84_weights_that_do_not_fit() -> None:
    big = {"parameters_b": 1000, "dtype": "BF16"}
    finding = one(native(workload(component(), model_config=big)), "MN-F84")
    assert "about 116 GiB of each GPU's 80 GiB (tensor 16)" in finding.message
    assert found(native(workload(component(), model_config={**big, "dtype": "fp8"})), "MN-F84") == []
    assert found(native(workload(component(), model_config={**big, "dtype": "auto"})), "MN-F84") == []
    # Data parallel copies the weights; expert parallel spreads them.
    copies = component(parallelism={"strategy": "data", "expert": 1})
    assert found(native(workload(copies, model_config={"parameters_b": 70, "dtype": "bf16"})), "MN-F84") != []
    spread = component(parallelism={"strategy": "data"})
    assert found(native(workload(spread, model_config={"parameters_b": 70, "dtype": "bf16"})), "MN-F84") == []


def test_f100_probes_that_outlast_the_wait() -> None:
    assert one(native(workload(timeouts={"ready": "1h"})), "MN-F100").severity == "note"
    assert found(native(workload(component(startup_timeout="1h"), timeouts={"ready": "1h"})), "MN-F100") == []


@pytest.mark.parametrize(
    ("missing", "over", "words"),
    [
        (("lws",), {"orchestrator": "lws", "workload_api": "native"}, "needs LeaderWorkerSet,"),
        (("volcano",), {"orchestrator": "lws", "workload_api": "native"}, "needs Volcano,"),
        (("lws", "volcano"), {"orchestrator": "lws", "workload_api": "native"}, "LeaderWorkerSet and Volcano"),
        (("volcano",), {"orchestrator": "lws", "workload_api": "dynamo"}, "needs Volcano,"),
        (("grove",), {"orchestrator": "grove", "scheduler": "kai", "workload_api": "dynamo"}, "needs Grove,"),
        (("dynamo_platform",), {"orchestrator": "lws", "workload_api": "dynamo"}, "needs the Dynamo operator,"),
    ],
)
def test_f20_no_orchestrator(missing: tuple[str, ...], over: dict[str, str], words: str) -> None:
    finding = one(native(workload(), facts=cluster(*missing), **over), "MN-F20")
    assert (finding.severity, finding.stage) == ("error", "preflight")
    assert words in finding.message


def test_f20_what_is_not_needed_is_not_missed() -> None:
    single = component(node_count=1)
    assert found(dynamo(workload(single), facts=cluster("grove")), "MN-F20") == []
    assert found(native(workload(), scheduler="default", facts=cluster("volcano")), "MN-F20") == []


def test_f23_kai_queues() -> None:
    assert (
        "does not exist (there are: dynamo, root)"
        in one(dynamo(workload(queue="x"), facts=cluster()), "MN-F23").message
    )
    assert "only a leaf" in one(dynamo(workload(queue="root"), facts=cluster()), "MN-F23").message
    # Not looked at is not missing.
    assert found(dynamo(workload(queue="x"), facts=cluster(queues={})), "MN-F23") == []


def test_f32_lws_makes_no_gangs() -> None:
    facts = cluster()
    facts["components"]["lws"]["details"] = {"scheduler_provider": None}
    finding = one(native(workload(), facts=facts), "MN-F32")
    assert finding.severity == "error"
    assert "schedulerProvider: volcano" in finding.remedy
    assert found(native(workload(component(node_count=1)), facts=facts), "MN-F32") == []
    assert found(native(workload(), scheduler="default", facts=facts), "MN-F32") == []


def test_f34_volcano_queues() -> None:
    facts = cluster()
    assert "does not exist" in one(native(workload(queue="serving"), facts=facts), "MN-F34").message
    facts["queues"]["volcano"].append({"name": "serving", "state": "Closed"})
    assert "is Closed" in one(native(workload(queue="serving"), facts=facts), "MN-F34").message
    facts["queues"]["volcano"].append({"name": "new", "state": None})
    assert found(native(workload(queue="new"), facts=facts), "MN-F34") == []
    assert found(native(workload(queue="x"), facts=cluster(queues={"volcano": None})), "MN-F34") == []


def test_what_a_tenant_may_not_see_is_not_missing() -> None:
    hidden: dict[str, Any] = {"present": False, "unreadable": "not allowed to list Secret in v1"}
    facts: dict[str, Any] = {
        "apis": {"leaderworkerset.x-k8s.io": ["v1"], "scheduling.volcano.sh": ["v1beta1"]},
        "nodes": [],
        "components": {"lws": hidden, "volcano": hidden, "grove": hidden, "kai_scheduler": hidden},
        "queues": {"volcano": [], "kai": []},
        "unreadable": ["Queue in scheduling.volcano.sh/v1beta1", "Secret in v1"],
    }
    raw = workload(queue="mine", model_config=KNOWN)
    plan = native(raw, orchestrator="auto", workload_api="auto", facts=facts)
    assert plan.workloads[0].choice.orchestrator == "lws"
    assert plan.findings == ()
    assert [finding.id for finding in dynamo(workload(model_config=KNOWN), facts=facts).findings] == [
        "MN-F20",
        "MN-N02",
    ]


def test_f35_no_gang() -> None:
    finding = one(native(workload(), scheduler="kai"), "MN-F35")
    assert (finding.severity, "volcano" in finding.remedy) == ("error", True)
    assert one(native(workload(), scheduler="default"), "MN-F35").severity == "warning"
    assert one(dynamo(workload(), scheduler="default"), "MN-F35").remedy == "set multinode_scheduler to kai"
    assert found(native(workload(component(node_count=1)), scheduler="default"), "MN-F35") == []


def test_f88_groups_of_one() -> None:
    assert one(native(workload(component(node_count=1))), "MN-F88").severity == "note"
    assert found(native(workload(component(node_count=1)), scheduler="default"), "MN-F88") == []


def test_n01_frontends_are_not_rendered_natively() -> None:
    raw = workload(component(), {"name": "frontend", "role": "frontend"})
    assert "frontend" in one(native(raw), "MN-N01").message
    assert found(dynamo(raw), "MN-N01") == []


def test_n02_a_deployment_without_a_frontend() -> None:
    assert one(dynamo(workload()), "MN-N02").severity == "note"
    assert found(dynamo(workload(component(), {"name": "frontend", "role": "frontend"})), "MN-N02") == []
    assert found(native(workload()), "MN-N02") == []


def test_the_worst_comes_first() -> None:
    plan = native(
        workload(component(node_count=1), {"name": "f", "role": "frontend"}),
        workload(component(gpus_per_node=16), name="b"),
        workload(component(node_count=9), name="c"),
    )
    severities = [finding.severity for finding in plan.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert len(set(severities)) == 3


@pytest.mark.parametrize(
    ("counts", "node_count", "gpus", "spread", "expected"),
    [
        ([8, 8, 8, 8], 2, 8, True, 2),
        ([8, 8, 8], 2, 8, True, 1),
        ([8, 8], 2, 4, True, 2),
        ([8, 8], 2, 4, False, 2),
        ([32], 2, 8, True, 0),
        ([32], 2, 8, False, 2),
        # One big machine cannot give two ranks of one engine.
        ([32, 8, 8], 3, 8, True, 1),
        ([16, 16, 8], 2, 8, True, 2),
        ([4, 4], 1, 8, True, 0),
    ],
)
def test_how_many_engines_fit(counts: list[int], node_count: int, gpus: int, spread: bool, expected: int) -> None:
    fleet = Fleet(Machine(f"m{i}", count) for i, count in enumerate(counts))
    assert fleet.engines_that_fit(None, node_count, gpus, None, spread) == expected
