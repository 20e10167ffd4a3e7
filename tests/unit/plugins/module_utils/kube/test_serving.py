# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wait that goes on in another process has the same plan, without asking the cluster for it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.serving import Pending, Serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load

from tests.unit.plugins.module_utils.inputs import component, workload

there = {"present": True, "details": {"scheduler_provider": "volcano"}}
FACTS: dict[str, Any] = {
    "components": {"lws": there, "volcano": there},
    "queues": {"volcano": [{"name": "default", "state": "Open"}], "kai": []},
    "nodes": [{"name": f"n{number}", "gpus": 4, "gpu_product": "H100"} for number in range(1000)],
}


def params(*workloads: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"workloads": list(workloads), "machines": [], **more}


def handed_over(given: dict[str, Any], facts: dict[str, Any] | None, **more: Any) -> tuple[Any, Any, Any]:
    fleet = load(given, facts)
    waited = Waited(Ref("v1", "ConfigMap", "inference", "x"), 600.0, "17", reason="pending")
    pending = [Pending(serving.with_replicas(plan, more), [waited], 7200.0, replicas=more) for plan in fleet.workloads]
    state = Serving(None, pending).to_state(given, fleet, facts)
    text = json.dumps(state)
    resumed = serving.resume(None, given, json.loads(text), levels=None, elapsed=33.0)
    return pending, resumed, text


def test_the_plan_is_the_same_with_what_the_cluster_had_decided() -> None:
    gone = {"name": "old", "namespace": "inference", "state": "absent"}
    no_gpus = component()
    del no_gpus["gpus_per_node"]
    before, resumed, text = handed_over(params(gone, workload(no_gpus)), FACTS)
    after = resumed.pending
    assert [one.plan.to_dict()["components"] for one in after] == [one.plan.to_dict()["components"] for one in before]
    assert after[0].plan.components[0].gpus_per_node == 4, "from the nodes, of which only the kinds travel"
    choice = after[0].plan.choice
    assert (choice.orchestrator, choice.scheduler, choice.workload_api) == ("lws", "volcano", "native")
    assert (after[0].objects, after[0].ready, resumed.elapsed) == (before[0].objects, 7200.0, 33.0)
    assert len(text) < 1000


def test_what_an_autoscaler_has_set_is_waited_for() -> None:
    given = params(workload(component()), orchestrator="lws", scheduler="volcano", workload_api="native")
    _before, resumed, _text = handed_over(given, None, engine=3)
    assert (resumed.pending[0].engines, resumed.pending[0].pods) == (3, 6)


def test_with_other_options_the_wait_cannot_go_on() -> None:
    given = params(workload(component()), orchestrator="lws", scheduler="volcano", workload_api="native")
    fleet = load(given, None)
    state = Serving(None, [Pending(fleet.workloads[0], [], 1.0)]).to_state(given, fleet, None)
    given["workloads"][0]["backend"] = "other"
    with pytest.raises(KubeError, match="the wait cannot go on with other workloads"):
        serving.resume(None, given, state, levels=None, elapsed=0.0)


def test_limits() -> None:
    timeouts = {"scheduled": "10m", "ready": "2h"}
    plan = load(
        params(workload(component(), timeouts=timeouts), orchestrator="lws", scheduler="volcano", workload_api="native")
    ).workloads[0]
    assert serving.limits(plan, None) == (600.0, 7200.0)
    assert serving.limits(plan, 30) == (30.0, 30.0)
