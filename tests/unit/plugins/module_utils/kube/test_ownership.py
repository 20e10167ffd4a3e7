# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The no-op rule, on ownership trees as Kubernetes 1.34 wrote them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import ownership

ME = "dynamo.multinode"
CONTAINER = 'k:{"name":"c"}'
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'


def live(spec: dict[str, Any], fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object whose spec is owned by us as ``fields`` says."""
    entry = {
        "manager": ME,
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields},
    }
    return {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "x", "namespace": "n", "managedFields": [entry]},
        "spec": spec,
        **more,
    }


def wanted(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "n"}, "spec": spec}


def reasons(rendered: dict[str, Any], there: dict[str, Any]) -> list[str]:
    return ownership.why_write(ownership.normalise(rendered), there, ME)


UNCHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "equal": ({"a": 1}, {"a": 1}, {"f:a": {}}),
    "foreign fields beside ours": ({"a": 1}, {"a": 1, "b": 2}, {"f:a": {}}),
    "defaults inside a keyed list": (
        {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        {"containers": [{"name": "c", "policy": "Always", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]},
        {
            "f:containers": {
                CONTAINER: {".": {}, "f:name": {}, "f:ports": {PORT: {".": {}, "f:containerPort": {}}}},
            }
        },
    ),
    "a foreign item beside ours": (
        {"containers": [{"name": "c", "image": "i"}]},
        {"containers": [{"name": "sidecar"}, {"name": "c", "image": "i"}]},
        {"f:containers": {CONTAINER: {".": {}, "f:name": {}, "f:image": {}}}},
    ),
    "a quantity in another spelling": (
        {"limits": {"cpu": "1000m", "memory": "1024Mi", "nvidia.com/gpu": 8}},
        {"limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "8"}},
        {"f:limits": {"f:cpu": {}, "f:memory": {}, "f:nvidia.com/gpu": {}}},
    ),
    "quantities that are no maps": (
        {"target": {"averageValue": "1000m"}, "emptyDir": {"sizeLimit": "1024Mi"}, "ref": {"divisor": "1000m"}},
        {"target": {"averageValue": "1"}, "emptyDir": {"sizeLimit": "1Gi"}, "ref": {"divisor": "1"}},
        {"f:target": {"f:averageValue": {}}, "f:emptyDir": {"f:sizeLimit": {}}, "f:ref": {}},
    ),
    "what is empty vanishes but stays ours": (
        {"args": [], "value": "", "selector": {}, "host": False, "count": 0},
        {},
        {"f:args": {}, "f:value": {}, "f:selector": {}, "f:host": {}, "f:count": {}},
    ),
    "an empty list with members of its own leaves no trace": ({"a": 1, "env": []}, {"a": 1}, {"f:a": {}}),
    "a default inside an atomic": (
        {"fieldRef": {"fieldPath": "metadata.name"}},
        {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        {"f:fieldRef": {}},
    ),
    "an atomic list": ({"verbs": ["get", "list"]}, {"verbs": ["get", "list"]}, {"f:verbs": {}}),
    "a set, in any order": (
        {"finalizers": ["a/b", "c/d"]},
        {"finalizers": ["c/d", "x/y", "a/b"]},
        {"f:finalizers": {'v:"a/b"': {}, 'v:"c/d"': {}}},
    ),
    "nulls are not sent": ({"a": 1, "b": None}, {"a": 1}, {"f:a": {}}),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_nothing_to_write(case: str) -> None:
    rendered, there, fields = UNCHANGED[case]
    assert reasons(wanted(rendered), live(there, fields)) == []


CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "another value": ({"a": 2}, {"a": 1}, {"f:a": {}}, "spec.a differs"),
    "true is not 1": ({"a": True}, {"a": 1}, {"f:a": {}}, "spec.a differs"),
    "not ours yet, though equal": ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"f:a": {}}, "spec.b is not ours yet"),
    "ours and no longer rendered": ({"a": 1}, {"a": 1, "b": 2}, {"f:a": {}, "f:b": {}}, "spec.b is ours"),
    "removed by hand": ({"a": "x"}, {}, {"f:a": {}}, "spec.a differs"),
    "a number in text is no quantity": ({"data": "1000m"}, {"data": "1"}, {"f:data": {}}, "spec.data differs"),
    "a text whose key is the name of a quantity's map": (
        {"capacity": "1.0"},
        {"capacity": "1"},
        {"f:capacity": {}},
        "spec.capacity differs",
    ),
    "a label below a quantity's map": (
        {"limits": {"labels": {"sizeLimit": "1000m"}}},
        {"limits": {"labels": {"sizeLimit": "1"}}},
        {"f:limits": {"f:labels": {"f:sizeLimit": {}}}},
        "sizeLimit differs",
    ),
    "another quantity": (
        {"limits": {"cpu": "2"}},
        {"limits": {"cpu": "1"}},
        {"f:limits": {"f:cpu": {}}},
        "cpu differs",
    ),
    "a key that left an atomic": (
        {"nodeSelector": {"a": "b"}},
        {"nodeSelector": {"a": "b", "c": "d"}},
        {"f:nodeSelector": {}},
        "spec.nodeSelector differs",
    ),
    "an atomic list that grew": ({"verbs": ["get"]}, {"verbs": ["get", "list"]}, {"f:verbs": {}}, "spec.verbs differs"),
    "a keyed item gone": (
        {"containers": [{"name": "c"}]},
        {"containers": []},
        {"f:containers": {CONTAINER: {".": {}, "f:name": {}}}},
        "spec.containers[c] differs",
    ),
    "a keyed item no longer rendered": (
        {"containers": []},
        {"containers": [{"name": "c"}]},
        {"f:containers": {CONTAINER: {".": {}, "f:name": {}}}},
        "spec.containers[c] is ours",
    ),
    "a new keyed item": (
        {"containers": [{"name": "c"}, {"name": "d"}]},
        {"containers": [{"name": "c"}]},
        {"f:containers": {CONTAINER: {".": {}, "f:name": {}}}},
        "not ours yet",
    ),
    "another order of variables": (
        {"env": [{"name": "b"}, {"name": "a"}]},
        {"env": [{"name": "a"}, {"name": "b"}]},
        {"f:env": {'k:{"name":"a"}': {".": {}, "f:name": {}}, 'k:{"name":"b"}': {".": {}, "f:name": {}}}},
        "another order",
    ),
    "a member taken out of a set": ({"f": ["a"]}, {"f": []}, {"f:f": {'v:"a"': {}}}, "spec.f differs"),
    "a member that is new in a set": ({"f": ["a", "b"]}, {"f": ["a"]}, {"f:f": {'v:"a"': {}}}, "other members"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_something_to_write(case: str) -> None:
    rendered, there, fields, expected = CHANGED[case]
    assert any(expected in reason for reason in reasons(wanted(rendered), live(there, fields)))


def test_never_applied_by_us_is_sent() -> None:
    there = live({"a": 1}, {"f:a": {}})
    there["metadata"]["managedFields"][0]["manager"] = "kubectl"
    assert reasons(wanted({"a": 1}), there)


def test_two_entries_of_ours_are_a_doubt() -> None:
    there = live({"a": 1}, {"f:a": {}})
    there["metadata"]["managedFields"].append({**there["metadata"]["managedFields"][0], "apiVersion": "v2"})
    assert reasons(wanted({"a": 1}), there)


def test_an_update_of_ours_is_not_an_apply() -> None:
    there = live({"a": 1}, {"f:a": {}})
    there["metadata"]["managedFields"][0]["operation"] = "Update"
    assert reasons(wanted({"a": 1}), there)


def test_applied_in_another_version_is_sent() -> None:
    there = live({"a": 1}, {"f:a": {}})
    there["metadata"]["managedFields"][0]["apiVersion"] = "v1beta1"
    assert reasons(wanted({"a": 1}), there)


def test_an_object_of_only_a_name_needs_no_write() -> None:
    bare: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "n"}}
    there = {**bare, "metadata": {**bare["metadata"], "uid": "1", "managedFields": []}}
    assert reasons(bare, there) == []


def test_string_data_is_sent_as_data() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"a": "b"},
        "data": {"c": "ZA=="},
    }
    sent = ownership.normalise(secret)
    assert sent["data"] == {"a": "Yg==", "c": "ZA=="}
    assert "stringData" not in sent


@pytest.mark.parametrize("key", ["capacity", "requests", "divisor", "sizeLimit"])
@pytest.mark.parametrize("place", ["data", "annotations", "labels"])
def test_the_text_of_a_config_map_is_no_quantity(key: str, place: str) -> None:
    def config(text: str) -> dict[str, Any]:
        meta = {"name": "x"} if place == "data" else {"name": "x", place: {key: text}}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        return {**made, "data": {key: text}} if place == "data" else made

    there = config("1")
    fields: dict[str, Any] = {f"f:{place}": {f"f:{key}": {}}}
    entry = {"manager": ME, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    there["metadata"]["managedFields"] = [{**entry, "fieldsV1": fields if place == "data" else {"f:metadata": fields}}]
    assert reasons(config("1"), there) == []
    assert reasons(config("1.0"), there) != []
    assert reasons(config("1000m"), there) != []


def test_base64_with_line_breaks_is_sent_without_as_the_server_gives_it_back() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "aGVs\r\nbG8=\n", "b": 1}}
    assert ownership.normalise(secret)["data"] == {"a": "aGVsbG8=", "b": 1}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": "b\nc\n"}}
    assert ownership.normalise(config)["data"] == {"a": "b\nc\n"}


def test_what_the_server_owns_is_not_sent_back() -> None:
    read = live({"a": 1}, {"f:a": {}}, status={"phase": "Ready"})
    read["metadata"].update(uid="1", resourceVersion="2", generation=3, creationTimestamp="now")
    assert ownership.normalise(read) == wanted({"a": 1})


def test_a_diff_shows_our_fields_only() -> None:
    fields = {"f:containers": {CONTAINER: {".": {}, "f:name": {}, "f:image": {}}}, "f:tags": {'v:"a"': {}}}
    there = live(
        {
            "containers": [{"name": "sidecar"}, {"name": "c", "image": "i", "policy": "Always"}],
            "tags": ["z", "a"],
            "b": 1,
        },
        fields,
    )
    shown = ownership.extract(there, {"f:spec": fields})
    assert shown["spec"] == {"containers": [{"name": "c", "image": "i"}], "tags": ["a"]}
    assert shown["metadata"] == {"name": "x", "namespace": "n"}
