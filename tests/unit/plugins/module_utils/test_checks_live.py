# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be changed in place, and what an edit costs: F10, F11, F86, F102, F104, F105."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import live
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER

UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or Path(__file__).resolve().parents[5] / "shared" / "upstream")
RECORDED = UPSTREAM / "recordings" / "08b-rejections-update"
Object = dict[str, Any]


def fields(value: Any) -> Object:
    """Ownership of everything in a value, as the API server writes it; lists of named items are keyed by name."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **fields(item)} for item in value}
    return {}


def applied(obj: Object) -> Object:
    """The object as it is live after we applied it."""
    body = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("name", "namespace")}
    owned = fields({**body, **({"metadata": meta} if meta else {})})
    entry = {"manager": MANAGER, "operation": "Apply", "apiVersion": obj["apiVersion"], "fieldsType": "FieldsV1"}
    found = copy.deepcopy(obj)
    found["metadata"]["managedFields"] = [{**entry, "fieldsV1": owned}]
    return found


def lws(size: int = 2, image: str = "a", replicas: int = 1) -> Object:
    template = {"spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "llama-worker", "namespace": "inference"},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": size, "workerTemplate": template}},
    }


def part(name: str, role: str, nodes: int = 1, image: str = "a", **more: Any) -> Object:
    found: Object = {"name": name, "type": role, "replicas": 1}
    if nodes > 1:
        found["multinode"] = {"nodeCount": nodes}
    return {**found, "podTemplate": {"spec": {"containers": [{"name": "main", "image": image}]}}, **more}


def dgd(*parts: Object, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    components = list(parts) or [part("frontend", "frontend"), part("prefill", "prefill"), part("decode", "decode", 2)]
    meta: Object = {"name": "llama", "namespace": "inference"}
    if annotations:
        meta["annotations"] = annotations
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": meta,
        "spec": {"backendFramework": "vllm", "components": components, **spec},
    }


def pcs(nodes: int = 2, image: str = "a", **over: Any) -> Object:
    def clique(name: str, replicas: int) -> Object:
        pod = {"containers": [{"name": "main", "image": image}]}
        return {
            "name": name,
            "spec": {"roleName": name, "replicas": replicas, "minAvailable": replicas, "podSpec": pod},
        }

    cliques = [clique("ldr", 1), *([clique("wkr", nodes - 1)] if nodes > 1 else [])]
    group = {"name": "engine", "replicas": 1, "cliqueNames": [entry["name"] for entry in cliques]}
    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": "llama-worker", "namespace": "inference"},
        "spec": {"replicas": 1, "template": {"cliques": cliques, "podCliqueScalingGroups": [group], **over}},
    }


def said(wanted: Object, before: Object) -> list[tuple[str, str]]:
    found = live.run(wanted, before)
    assert all(finding.remedy and finding.subject for finding in found)
    return [(finding.id, finding.message) for finding in found if finding.severity == "error"]


def warned(wanted: Object, before: Object) -> list[str]:
    return [finding.id for finding in live.run(wanted, before) if finding.severity == "warning"]


def test_the_action_for_each_object() -> None:
    before = applied(lws())
    assert live.action(lws(), None) == "create"
    assert live.action(lws(), before) == "nothing"
    assert live.action(lws(replicas=2), before) == "change"
    assert live.action(lws(size=3), before) == "replace"


@pytest.mark.parametrize("make", [lws, pcs])
def test_f10_node_count_of_one_engine(make: Any) -> None:
    assert said(make(4), applied(make(2))) == [("MN-F10", "node_count 2 cannot become 4 in place")]
    assert said(make(1), applied(make(2))) == [("MN-F10", "node_count 2 cannot become 1 in place")]
    assert said(make(2), applied(make(2))) == []


def test_f10_node_count_of_a_component() -> None:
    frontend, old = part("frontend", "frontend"), part("decode", "decode", 2)
    for nodes in (1, 3):
        found = said(dgd(frontend, part("decode", "decode", nodes)), applied(dgd(frontend, old)))
        assert found == [("MN-F10", f"decode: node_count 2 cannot become {nodes} in place")]
    default = {**part("decode", "decode"), "multinode": {}}
    assert said(dgd(frontend, default), applied(dgd(frontend, old))) == [], "nodeCount is 2 where it is not said"


def test_f11_components_added_removed_renamed() -> None:
    before = applied(dgd(part("frontend", "frontend"), part("decode", "decode", 2)))
    assert said(dgd(part("decode", "decode", 2)), before) == [
        ("MN-F11", "components frontend, decode cannot become decode in place")
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backendFramework": "sglang"}, "backendFramework vllm cannot become sglang in place"),
        (
            {"topologyConstraint": {"clusterTopologyName": "t", "packDomain": "rack"}},
            "topologyConstraint cannot be added in place",
        ),
    ],
)
def test_f11_what_is_fixed_for_a_deployment(change: Object, message: str) -> None:
    assert said(dgd(**change), applied(dgd())) == [("MN-F11", message)]


def test_f11_what_is_fixed_for_a_component() -> None:
    def decode(**more: Any) -> Object:
        return dgd(part("decode", more.pop("role", "decode"), 2, **more))

    rack = {"topologyConstraint": {"packDomain": "rack"}}
    block = {"topologyConstraint": {"packDomain": "block"}}
    assert said(decode(role="worker"), applied(decode())) == [
        ("MN-F11", "decode: type decode cannot become worker in place")
    ]
    assert said(decode(**block), applied(decode(**rack))) == [
        ("MN-F11", "decode: topologyConstraint cannot be changed in place")
    ]
    assert said(decode(), applied(decode(**rack))) == [
        ("MN-F11", "decode: topologyConstraint cannot be removed in place")
    ]
    assert said(decode(minAvailable=2), applied(decode(minAvailable=1))) == [
        ("MN-F11", "decode: minAvailable 1 cannot become 2 in place")
    ]


def test_f11_a_default_of_the_operator_is_no_change() -> None:
    before = applied(dgd(part("decode", "decode", 2)))
    before["spec"]["components"][0]["minAvailable"] = 1
    assert said(dgd(part("decode", "decode", 2)), before) == []


def test_f11_cliques() -> None:
    renamed = pcs()
    renamed["spec"]["template"]["cliques"][1]["name"] = "worker"
    assert said(renamed, applied(pcs())) == [("MN-F11", "cliques ldr, wkr cannot become ldr, worker in place")]
    less = pcs(3)
    less["spec"]["template"]["cliques"][1]["spec"]["minAvailable"] = 1
    assert said(less, applied(pcs(3))) == [("MN-F11", "wkr: minAvailable 2 cannot become 1 in place")]
    packed = pcs(topologyConstraint={"packDomain": "rack"})
    assert said(packed, applied(pcs())) == [("MN-F11", "topologyConstraint cannot be added in place")]
    regrouped = pcs()
    regrouped["spec"]["template"]["podCliqueScalingGroups"][0]["name"] = "other"
    assert said(regrouped, applied(pcs())) == [("MN-F11", "scaling groups engine cannot become other in place")]
    group = pcs()
    group["spec"]["template"]["podCliqueScalingGroups"][0]["minAvailable"] = 2
    assert said(group, applied(pcs())) == [("MN-F11", "engine: minAvailable unset cannot become 2 in place")]
    assert said(pcs(), applied(group)) == [], "where we say nothing, Grove's default stands"


LWS = {live.ENABLE_GROVE: "false"}


def test_f102_the_provider_is_fixed() -> None:
    on_lws = applied(dgd(annotations=LWS))
    assert said(dgd(), on_lws) == [("MN-F102", "was created for LeaderWorkerSet and never moves to Grove")]
    assert said(dgd(annotations=LWS), applied(dgd())) == [
        ("MN-F102", "was created for Grove and never moves to LeaderWorkerSet")
    ]
    assert live.run(dgd(annotations=LWS), on_lws) == ()


def test_f102_made_before_grove_is_told_and_not_replaced_again_and_again() -> None:
    before = applied(dgd())
    before["metadata"]["annotations"] = {live.PROVIDER: "component"}
    assert (said(dgd(), before), warned(dgd(), before)) == ([], ["MN-F102"])
    assert live.action(dgd(), before) == "nothing"


@pytest.mark.parametrize("make", [lws, pcs])
def test_f86_an_edit_of_the_pods_restarts_every_engine(make: Any) -> None:
    assert warned(make(image="b"), applied(make())) == ["MN-F86"]
    assert warned(make(), applied(make())) == []
    assert warned(lws(replicas=2), applied(lws())) == []


def test_f105_an_edit_to_one_worker_restarts_them_all() -> None:
    frontend, prefill = part("frontend", "frontend"), part("prefill", "prefill")
    before = applied(dgd(frontend, prefill, part("decode", "decode", 2)))
    found = live.run(dgd(frontend, prefill, part("decode", "decode", 2, image="b")), before)
    assert [finding.id for finding in found] == ["MN-F105"]
    assert "the edit to decode restarts all workers (prefill, decode)" in found[0].message
    new_front = dgd(part("frontend", "frontend", image="b"), prefill, part("decode", "decode", 2))
    assert warned(new_front, before) == [], "the frontend is no worker"
    scaled = dgd(frontend, prefill, {**part("decode", "decode", 2), "replicas": 3})
    assert warned(scaled, before) == []


def test_f104_a_second_edit_while_grove_rolls() -> None:
    before = applied(pcs())
    before["status"] = {"updateProgress": {"updateStartedAt": "2026-11-23T15:03:15Z"}}
    assert "MN-F104" in warned(pcs(image="b"), before)
    assert warned(pcs(), before) == []
    before["status"]["updateProgress"]["updateEndedAt"] = "2026-11-23T15:04:15Z"
    assert "MN-F104" not in warned(pcs(image="b"), before)


def test_f104_under_dynamo() -> None:
    parts = [part("decode", "decode", 2)]
    edit = [part("decode", "decode", 2, image="b")]
    rolling = {"conditions": [{"type": "Ready", "status": "False", "reason": "updating"}]}
    before = {**applied(dgd(*parts)), "status": rolling}
    assert "MN-F104" in warned(dgd(*edit), before)
    on_lws = {**applied(dgd(*parts, annotations=LWS)), "status": rolling}
    assert "MN-F104" not in warned(dgd(*edit, annotations=LWS), on_lws)


def test_other_kinds_are_left_alone() -> None:
    service: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}}
    assert live.run({**service, "spec": {"type": "ClusterIP"}}, applied({**service, "spec": {}})) == ()


@pytest.mark.upstream
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("003-replace-same", None),
        ("004-replace-multi-to-single", "MN-F10"),
        ("005-replace-remove-component", "MN-F11"),
        ("006-replace-rename-component", "MN-F11"),
        ("007-replace-backend", "MN-F11"),
        ("008-replace-minavailable", "MN-F11"),
        ("010-replace-enable-grove-false", "MN-F102"),
        ("011-replace-type", "MN-F11"),
        ("012-replace-bare-manifest-dropping-annotations", None),
    ],
)
def test_what_the_real_operator_refuses(name: str, number: str | None) -> None:
    """Its webhook admitted the provider's and the role's change (dry run) and then never acts on them. The bare
    manifest was refused as a replacement; as an apply, which leaves defaults alone, it is the same."""
    if not RECORDED.is_dir():
        pytest.skip("not run: no recordings at MULTINODE_UPSTREAM")
    recorded = json.loads((RECORDED / "002-base-ready.json").read_text())
    base = recorded["objects"]["nvidia.com/v1beta1/dynamographdeployments"][0]
    wanted = yaml.safe_load((RECORDED / f"{name}.yaml").read_text())
    found = live.run(wanted, base)
    assert [finding.id for finding in found] == ([number] if number else [])
    assert all(finding.severity == "error" for finding in found)
