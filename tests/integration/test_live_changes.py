# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that are there already, with the real definitions of Dynamo, Grove and LeaderWorkerSet: create, change,
replace, delete, nothing. No operator runs: what they would refuse is refused by us."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine

from lab.handle import Lab
from tests.integration.kube_objects import Object, client, writes
from tests.integration.test_workload_module import absent, roll, workload

UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or Path(__file__).resolve().parents[3] / "shared" / "upstream")
CRDS = (
    "dynamo/nvidia.com_dynamographdeployments.yaml",
    "grove/grove.io_podcliquesets.yaml",
    "grove/grove.io_podcliquescalinggroups.yaml",
    "lws/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
)
TARGETS: dict[str, Object] = {
    "DynamoGraphDeployment": {"workload_api": "dynamo", "orchestrator": "grove", "scheduler": "kai"},
    "PodCliqueSet": {"workload_api": "native", "orchestrator": "grove", "scheduler": "kai"},
    "LeaderWorkerSet": {"workload_api": "native", "orchestrator": "lws", "scheduler": "volcano"},
}
pytestmark = pytest.mark.upstream


@pytest.fixture(scope="module")
def crds(make_lab: Callable[..., Lab]) -> Lab:
    """A control plane with the definitions; only the stored version, as conversion needs the operator."""
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    lab = make_lab(nodes=1)
    items = []
    for path in CRDS:
        crd = yaml.load((UPSTREAM / "crds" / path).read_text(), yaml.CSafeLoader)
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        items.append(crd)
    assert {result.action for result in engine.apply(client(lab), items)} == {"created"}
    return lab


@pytest.fixture
def space() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


def put(lab: Lab, *workloads: Object, kind: str, **options: Any) -> Any:
    return roll(lab, *workloads, **{**TARGETS[kind], "wait": False, "machines": [], **options})


def steps(answer: Any) -> dict[str, tuple[str, list[str]]]:
    return {step["kind"]: (step["action"], step["why"]) for step in answer.result["workloads"][0]["steps"]}


def uid(lab: Lab, space: str, kind: str) -> str:
    items = lab.get("-n", space, {"DynamoGraphDeployment": "dgd"}.get(kind, kind.lower()))
    assert len(items) == 1
    found: str = items[0]["metadata"]["uid"]
    return found


@pytest.mark.parametrize("kind", TARGETS)
def test_f10_create_nothing_change_and_replace_with_consent(crds: Lab, space: str, kind: str) -> None:
    created = put(crds, workload(space), kind=kind)
    assert (created.failure, steps(created)[kind]) == (None, ("create", []))
    again = put(crds, workload(space), kind=kind)
    assert (again.result["changed"], steps(again)[kind]) == (False, ("nothing", []))
    edit = put(crds, workload(space, env={"NCCL_DEBUG": "WARN"}), kind=kind, check=True)
    action, why = steps(edit)[kind]
    assert action == "change"
    assert any("env" in reason for reason in why), why
    assert any(finding["id"] in ("MN-F86", "MN-F105") for finding in edit.result["findings"])

    before, mark = uid(crds, space, kind), crds.mark()
    refused = put(crds, workload(space, node_count=3), kind=kind)
    assert refused.failure is not None
    assert "node_count 2 cannot become 3 in place (MN-F10)" in refused.failure
    assert "replace: allow on the workload (or multinode_replace)" in refused.failure
    assert steps(refused)[kind][0] == "replace"
    assert writes(crds, mark, space) == [], "nothing of that workload is written"

    planned = put(crds, workload(space, node_count=3), kind=kind, replace="allow", check=True)
    assert (planned.failure, steps(planned)[kind][0], uid(crds, space, kind)) == (None, "replace", before)
    replaced = put(crds, workload(space, node_count=3), kind=kind, replace="allow")
    assert (replaced.failure, replaced.result["workloads"][0]["action"]) == (None, "replaced")
    assert uid(crds, space, kind) != before
    assert put(crds, workload(space, node_count=3), kind=kind, replace="allow").result["changed"] is False

    gone = put(crds, absent(space), kind=kind)
    assert (gone.failure, gone.result["workloads"][0]["action"]) == (None, "deleted")
    assert crds.get("-n", space, "dgd,podcliquesets,leaderworkersets,configmaps,services", "-l", OURS) == []


OURS = "app.kubernetes.io/managed-by=dynamo.multinode"


def test_f11_another_set_of_components(crds: Lab, space: str) -> None:
    frontend = {"name": "frontend", "role": "frontend"}
    one = workload(space)
    one["components"].insert(0, frontend)
    put(crds, one, kind="DynamoGraphDeployment")
    refused = put(crds, workload(space), kind="DynamoGraphDeployment")
    assert refused.failure is not None
    assert "components frontend, worker cannot become worker in place (MN-F11)" in refused.failure


def test_f102_another_orchestrator_for_a_deployment(crds: Lab, space: str) -> None:
    put(crds, workload(space), kind="DynamoGraphDeployment")
    other = {"orchestrator": "lws", "scheduler": "volcano"}
    refused = put(crds, workload(space), kind="DynamoGraphDeployment", **other)
    assert refused.failure is not None
    assert "was created for Grove and never moves to LeaderWorkerSet (MN-F102)" in refused.failure


def test_a_workload_that_becomes_another_kind_leaves_nothing_behind_with_consent(crds: Lab, space: str) -> None:
    put(crds, workload(space), kind="LeaderWorkerSet")
    kept = put(crds, workload(space), kind="DynamoGraphDeployment")
    assert kept.failure is None
    assert any("LeaderWorkerSet" in line and "keeps its GPUs" in line for line in kept.warnings), kept.warnings
    put(crds, absent(space), kind="DynamoGraphDeployment")
    put(crds, workload(space), kind="LeaderWorkerSet")
    moved = put(crds, workload(space), kind="PodCliqueSet", replace="allow")
    assert (moved.failure, steps(moved)["LeaderWorkerSet"][0]) == (None, "delete")
    assert crds.get("-n", space, "leaderworkersets") == []


@pytest.mark.parametrize("kind", TARGETS)
def test_an_autoscalers_number_stands(crds: Lab, space: str, kind: str) -> None:
    """Another manager scales; the next run neither changes it, nor conflicts, nor takes the field back."""
    mine = workload(space)
    mine["components"][0]["autoscaling"] = {"owner": "hpa"}
    assert put(crds, mine, kind=kind).failure is None
    again = put(crds, mine, kind=kind)
    assert (again.failure, again.result["changed"]) == (None, False)
    where, patch = {
        "LeaderWorkerSet": ("leaderworkerset/llama-worker", ""),
        "DynamoGraphDeployment": ("dgd/llama", '[{"op":"replace","path":"/spec/components/0/replicas","value":3}]'),
        "PodCliqueSet": (
            "podcliqueset/llama-worker",
            '[{"op":"replace","path":"/spec/template/podCliqueScalingGroups/0/replicas","value":3}]',
        ),
    }[kind]
    if patch:
        crds.kubectl("patch", "-n", space, where, "--type=json", "-p", patch, "--field-manager=autoscaler")
    else:
        crds.kubectl("scale", "-n", space, where, "--replicas=3")
    kept = put(crds, mine, kind=kind)
    assert kept.failure is None
    if kind != "PodCliqueSet":  # its list of groups is one value: whoever changes a number owns them all
        assert kept.result["changed"] is False
        edited = put(crds, {**mine, "env": {"NCCL_DEBUG": "WARN"}}, kind=kind)
        assert (edited.failure, edited.result["changed"]) == (None, True)
    assert kept.result["workloads"][0]["engines"] == 3
    text = crds.kubectl("get", "-n", space, where, "-o", "json")
    assert '"replicas": 3' in text


def test_a_scaling_group_follows_the_inventory(crds: Lab, space: str) -> None:
    """Grove reads a set's number of engines only when it makes the group; nothing scales here, so we do."""
    put(crds, workload(space), kind="PodCliqueSet")
    group = {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueScalingGroup",
        "metadata": {"name": "llama-worker-0-engine", "namespace": space},
        "spec": {"replicas": 1, "minAvailable": 1, "cliqueNames": ["ldr", "wkr"]},
    }
    crds.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(group))
    assert put(crds, workload(space, replicas=2), kind="PodCliqueSet", check=True).result["changed"]
    wider = put(crds, workload(space, replicas=2), kind="PodCliqueSet")
    assert wider.failure is None
    assert [one["spec"]["replicas"] for one in crds.get("-n", space, "podcliquescalinggroups")] == [2]
    assert put(crds, workload(space, replicas=2), kind="PodCliqueSet").result["changed"] is False
