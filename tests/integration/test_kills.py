# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts that are killed (MN-F70): a sample of two points; all of them, helm's too: ``make chaos ARGS=kills``."""

from __future__ import annotations

import pytest

from lab.handle import Lab
from tests.chaos.kills import POINTS, Killer, Point

ENGINE = {"name": "worker", "role": "worker", "node_count": 2, "gpus_per_node": 8}
WORKLOAD = {"name": "killed", "backend": "vllm", "model": "example/model", "image": "example.com/vllm:1.0.0"}
BY_NAME = {point.name: point for point in POINTS}
SAMPLE = ("while workloads are applied", "while waiting for workloads")


@pytest.fixture(scope="module")
def killer(gang_lab: Lab) -> Killer:
    workloads = [{**WORKLOAD, "namespace": "killed", "components": [ENGINE]}]
    return Killer(gang_lab, {"multinode_workloads": workloads}, namespace="killed")


def test_f70_a_killed_rollout_is_taken_up_again(killer: Killer) -> None:
    """First one that nobody disturbs: what it makes is the measure."""
    assert killer.play("rollout").code == 0
    killer.clean["rollout"] = killer.objects()
    assert sum(count for (kind, _, _), count in killer.clean["rollout"].items() if kind == "Pod") == 2
    for name in SAMPLE:
        killer.lab.kubectl("delete", "namespace", "killed")
        point = BY_NAME[name]
        here = Point(name, point.at, playbook="rollout", after=point.after, nth=point.nth, still=point.still)
        verdict = killer.point(here)
        assert verdict.wrong == [], name
        assert verdict.met
    killer.lab.kubectl("delete", "namespace", "killed", "--wait=false")
