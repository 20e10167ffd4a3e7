# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose former kind is looked for: what it costs, and what must not stay; the rest of it against a lab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import rollout
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

from tests.unit.plugins.module_utils.inputs import native, workload

OLD = {
    "apiVersion": "grove.io/v1alpha1",
    "kind": "PodCliqueSet",
    "metadata": {"name": "llama-engine", "namespace": "inference", "labels": {WORKLOAD_LABEL: "llama"}},
}
STATUS: dict[str, dict[str, Any] | None] = {
    "serves": {"conditions": [{"type": "Available", "status": "True"}], "readyReplicas": 1, "updatedReplicas": 1},
    "does not serve yet": {"readyReplicas": 0},
    "is not there": None,
}


class Cluster:
    """Holds what Grove has made, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def map(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [work(item) for item in items]

    def list(self, _api: str, kind: str, _namespace: str, *, label_selector: str) -> list[dict[str, Any]]:
        self.asked.append(kind)
        assert "in (llama)" in label_selector
        return [OLD] if kind == "PodCliqueSet" else []


@pytest.mark.parametrize("replace", ["never", "allow"])
@pytest.mark.parametrize("case", STATUS)
def test_the_former_kind_is_looked_for_unless_all_is_well_and_nothing_may_go(case: str, replace: str) -> None:
    (plan,) = native(workload(replace=replace)).workloads
    objects = render(plan)
    one = rollout._Rollout(plan, objects)
    status, items = STATUS[case], []
    for obj in objects:
        live = None if status is None else {**obj, "metadata": {**obj["metadata"], "generation": 1}, "status": status}
        items.append((Ref.of(obj), obj, live))
    cluster: Any = Cluster()
    rollout._find_leftovers(cluster, items, [], {Ref.of(obj): one for obj in objects})
    cheap = (case, replace) == ("serves", "never")
    assert sorted(cluster.asked) == ([] if cheap else ["DynamoGraphDeployment", "PodCliqueSet"])
    assert one.leftovers == ([] if cheap else [Ref.of(OLD)])
