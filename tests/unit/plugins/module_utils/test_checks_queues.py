# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the queues of a cluster say against a plan: a test per failure of the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.inputs import component, dynamo, native, workload

POOL = "kai.scheduler/node-pool"


def cluster(*kai: dict[str, Any], **over: Any) -> dict[str, Any]:
    names = ("lws", "volcano", "grove", "kai_scheduler", "dynamo_platform")
    components: dict[str, Any] = {name: {"present": True} for name in names}
    components["lws"]["details"] = {"scheduler_provider": "volcano"}
    components["volcano"]["app_version"] = "1.14.1"
    return {
        "apis": {},
        "nodes": [],
        "components": components,
        "queues": {"kai": list(kai) or [queue("root"), queue("dynamo", "root")], "volcano": over.pop("volcano", [])},
        **over,
    }


def queue(name: str, parent: str | None = None, **over: Any) -> dict[str, Any]:
    return {"name": name, "parent": parent, "quota": -1, "limit": -1, "labels": {}, **over}


def said(plan: Any, check: str) -> list[Any]:
    return [finding for finding in plan.findings if finding.id == check]


def one(plan: Any, check: str) -> Any:
    findings = said(plan, check)
    assert len(findings) == 1, [str(finding) for finding in plan.findings]
    return findings[0]


def test_f23_a_queue_whose_parent_is_not_there_or_that_has_none() -> None:
    missing = one(dynamo(workload(), facts=cluster(queue("dynamo", "gone"))), "MN-F23")
    assert (missing.severity, "'gone', which does not exist" in missing.message) == ("error", True)
    assert "has no parent" in one(dynamo(workload(), facts=cluster(queue("dynamo"))), "MN-F23").message
    assert said(dynamo(workload(), facts=cluster()), "MN-F23") == []
    assert said(dynamo(workload(), facts=cluster(unreadable=["Queue in scheduling.run.ai/v2"])), "MN-F23") == []


@pytest.mark.parametrize(
    ("labels", "chain", "shards", "words"),
    [
        ({}, ("h100", "h100"), ["", "h100"], "its pods are in no node pool, and queue 'dynamo' is in node pool 'h100'"),
        ({POOL: "h100"}, ("", ""), [""], "its pods are in node pool 'h100', and queue 'dynamo' is in no node pool"),
        ({POOL: "h100"}, ("h100", ""), ["", "h100"], "'root' above it is in no node pool"),
        ({POOL: "h100"}, ("h100", "h100"), [""], "no SchedulingShard schedules that"),
    ],
)
def test_f24_node_pools_that_differ(labels: Any, chain: Any, shards: Any, words: str) -> None:
    queues = [
        queue(name, parent, labels={POOL: pool} if pool else {})
        for name, parent, pool in zip(("dynamo", "root"), ("root", None), chain, strict=True)
    ]
    facts = cluster(*queues, kai={"node_pool_key": POOL, "shards": [{"name": "x", "pool": pool} for pool in shards]})
    finding = one(dynamo(workload(labels=labels), facts=facts), "MN-F24")
    assert finding.severity == "error"
    assert words in finding.message


def test_f24_a_pool_without_gpu_nodes_and_one_where_all_agree() -> None:
    queues = [queue("root", labels={POOL: "h100"}), queue("dynamo", "root", labels={POOL: "h100"})]
    kai = {"node_pool_key": POOL, "shards": [{"name": "x", "pool": "h100"}]}
    raw = workload(labels={POOL: "h100"})
    nodes = [{"name": "a", "gpus": 8, "labels": {}, "schedulable": True, "domains": {}}]
    assert "no GPU node is" in one(dynamo(raw, facts=cluster(*queues, kai=kai, nodes=nodes)), "MN-F24").message
    nodes[0]["labels"] = {POOL: "h100"}
    assert said(dynamo(raw, facts=cluster(*queues, kai=kai, nodes=nodes)), "MN-F24") == []
    # Where nobody read the shards, their pools are not missing
    assert said(dynamo(raw, facts=cluster(*queues)), "MN-F24") == []
    assert said(dynamo(workload(), facts=cluster()), "MN-F24") == []


def test_f25_no_quota_for_what_is_never_preempted() -> None:
    """NVIDIA/aicr PR#720: KAI's own default queue has a quota of 0."""
    facts = cluster(queue("root"), queue("dynamo", "root", quota=0), priority_classes=["inference"])
    finding = one(dynamo(workload(), facts=facts), "MN-F25")
    assert finding.severity == "error"
    assert "quota of 0 GPUs, and its first engines need 16" in finding.message
    assert "priority class inference" in finding.message
    # Work that may be preempted goes beyond a quota
    assert said(dynamo(workload(priority_class="train"), facts=facts), "MN-F25") == []
    # Classes of one's own, by their value
    own = {**facts, "priority_classes": ["inference", "gold", "bronze"], "priorities": {"gold": 100, "bronze": 99}}
    assert "priority class gold" in one(dynamo(workload(priority_class="gold"), facts=own), "MN-F25").message
    assert said(dynamo(workload(priority_class="bronze"), facts=own), "MN-F25") == []
    above = cluster(queue("root", quota=8), queue("dynamo", "root"), priority_classes=["inference"])
    assert "queue 'root', above 'dynamo'," in one(dynamo(workload(), facts=above), "MN-F25").message


def test_f25_a_quota_or_limit_that_is_too_small() -> None:
    def facts(**over: Any) -> dict[str, Any]:
        return cluster(queue("root"), queue("dynamo", "root", **over), priority_classes=["inference"])

    two = workload(component(replicas=2))
    finding = one(dynamo(two, facts=facts(quota=16)), "MN-F25")
    assert (finding.severity, "for 32 that are asked of it" in finding.message) == ("warning", True)
    both = dynamo(workload(), workload(name="other"), facts=facts(quota=16))
    assert [finding.severity for finding in said(both, "MN-F25")] == ["warning", "warning"]
    assert said(dynamo(two, facts=facts(quota=32, limit=32)), "MN-F25") == []
    limited = one(dynamo(workload(priority_class="train"), facts=facts(limit=8)), "MN-F25")
    assert (limited.severity, "limit of 8 GPUs" in limited.message) == ("error", True)
    # A queue that says nothing about GPUs
    assert said(dynamo(two, facts=facts(quota=None, limit=None)), "MN-F25") == []


def volcano(capability: dict[str, Any] | None, version: str = "1.14.1", **over: Any) -> dict[str, Any]:
    facts = cluster(volcano=[{"name": "default", "state": "Open", "capability": capability, **over}])
    facts["components"]["volcano"]["app_version"] = version
    return facts


def test_f34_a_capability_that_one_engine_exceeds() -> None:
    finding = one(native(workload(), facts=volcano({"nvidia.com/gpu": "8"})), "MN-F34")
    assert finding.severity == "error"
    assert "is 8 nvidia.com/gpu, and one engine asks for 16" in finding.message
    assert said(native(workload(), facts=volcano({"nvidia.com/gpu": "16"})), "MN-F34") == []
    cpus = workload(component(resources={"cpu": "500m", "memory": "1Gi"}))
    assert "is 0.5 cpu" in one(native(cpus, facts=volcano({"cpu": "0.5"})), "MN-F34").message
    assert said(native(cpus, facts=volcano({"cpu": "1", "memory": "2Gi"})), "MN-F34") == []
    assert said(native(workload(), facts=volcano(None)), "MN-F34") == []


def test_f34_a_capability_above_the_queue_counts_too() -> None:
    facts = volcano(None, parent="team")
    facts["queues"]["volcano"].append({"name": "team", "state": "Open", "capability": {"nvidia.com/gpu": "4"}})
    assert "queue 'team'" in one(native(workload(), facts=facts), "MN-F34").message


def test_f34_a_capability_that_lacks_a_resource() -> None:
    """volcano #3426; 1.14.1's own source takes what is not listed for unlimited."""
    raw = workload(component(resources={"cpu": "64", "memory": "512Gi"}))
    for version in ("1.13.2", "nightly"):
        finding = one(native(raw, facts=volcano({"nvidia.com/gpu": "64"}, version)), "MN-F34")
        assert (finding.severity, "does not list cpu, memory" in finding.message) == ("warning", True)
    assert said(native(raw, facts=volcano({"nvidia.com/gpu": "64"}, "v1.14.1")), "MN-F34") == []


def test_the_collections_own_copy_of_the_node_pools_label_agrees() -> None:
    from ansible_collections.dynamo.multinode.plugins.module_utils import queues
    from ansible_collections.dynamo.multinode.plugins.module_utils.checks import queues as checks

    assert checks.NODE_POOL == queues.NODE_POOL
