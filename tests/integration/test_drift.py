# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other hands on our objects, and objects and namespaces on their way out, on a real API server."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab
from tests.integration.kube_objects import Object, client, config_map, deployment, secret, writes


class Interfering(Client):
    """Lets another hand act between our read and our write."""

    hand: Callable[[], Any] = staticmethod(lambda: None)

    def apply(self, obj: Any, **options: Any) -> Object:
        hand, self.hand = self.hand, lambda: None
        hand()
        return super().apply(obj, **options)


@pytest.mark.parametrize(
    "argv",
    [
        ("patch", "--type=merge", "-p", '{"data":{"a":"9"}}'),
        ("patch", "--type=merge", "--field-manager=kubectl-edit", "-p", '{"data":{"a":"9"}}'),
        ("label", "--overwrite", "app=mine"),
        ("apply",),
    ],
    ids=lambda argv: f"{argv[0]}-{len(argv)}",
)
def test_a_change_by_hand_is_put_back_and_told(lab: Lab, namespace: str, argv: tuple[str, ...]) -> None:
    here = client(lab)
    wanted = [config_map(namespace, a="1", b="1")]
    engine.apply(here, wanted)
    verb, *rest = argv
    if verb == "apply":
        lab.apply(config_map(namespace, a="9", b="1"))
    else:
        lab.kubectl(verb, "-n", namespace, "configmap", "settings", *rest)
    mark = lab.mark()
    checked = engine.apply(here, wanted, check=True)[0]
    assert writes(lab, mark) == []
    result = engine.apply(here, wanted)[0]
    for one in (checked, result):
        assert one.action == "changed"
        assert one.diff is not None
        field = ".metadata.labels.app" if verb == "label" else ".data.a"
        assert [warning.split(" (")[0] for warning in one.warnings] == [f"{field} was changed by hand"]
        before, after = (one.diff[side][field.split(".")[1]] for side in ("before", "after"))
        assert before != after
    live = lab.get("-n", namespace, "configmap", "settings")
    assert (live["data"]["a"], live["metadata"]["labels"]["app"]) == ("1", "test")
    again = engine.apply(here, wanted)[0]
    assert (again.action, again.warnings) == ("unchanged", [])


def test_what_was_made_by_hand_and_was_never_ours_stays_its_makers(lab: Lab, namespace: str) -> None:
    """Also where somebody has edited it since; what is ours stays ours when a hand takes all of it."""
    here = client(lab)
    lab.kubectl("create", "-n", namespace, "configmap", "settings", "--from-literal=a=theirs")
    lab.apply(config_map(namespace, "applied", a="theirs"))
    lab.kubectl("create", "-n", namespace, "configmap", "edited", "--from-literal=a=theirs")
    lab.kubectl("patch", "-n", namespace, "configmap", "edited", "-p", '{"data":{"a":"edited"}}')
    engine.apply(here, [config_map(namespace, "ours", a="1")])
    lab.kubectl("patch", "-n", namespace, "configmap", "ours", "-p", '{"data":{"a":"9"}}')
    names = ("settings", "applied", "edited", "ours")
    results = engine.apply(here, [config_map(namespace, name, a="1") for name in names])
    assert [result.action for result in results] == ["failed", "failed", "failed", "changed"]
    owners = ("kubectl-create", "kubectl-client-side-apply", "kubectl-patch")
    for result, owner in zip(results, owners, strict=False):
        assert result.error is not None
        assert f".data.a belongs to {owner}" in result.error
    live = [lab.get("-n", namespace, "configmap", name)["data"]["a"] for name in names]
    assert live == ["theirs", "theirs", "edited", "1"]


def test_a_field_of_a_controller_is_not_taken_back_with_it(lab: Lab, namespace: str) -> None:
    """Two conflicts on one object, of a hand and of somebody else: refused, and both are named."""
    here = client(lab)
    wanted = [config_map(namespace, a="1", b="1")]
    engine.apply(here, wanted)
    lab.kubectl("patch", "-n", namespace, "configmap", "settings", "-p", '{"data":{"a":"9"}}')
    other = '{"data":{"b":"9"}}'
    lab.kubectl("patch", "-n", namespace, "configmap", "settings", "--field-manager=robot", "-p", other)
    result = engine.apply(here, wanted)[0]
    assert result.error is not None
    assert ".data.a belongs to kubectl-patch, .data.b belongs to robot" in result.error
    assert lab.get("-n", namespace, "configmap", "settings")["data"] == {"a": "9", "b": "9"}


def test_another_tools_apply_stays_a_conflict(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace, a="1")])
    theirs = json.dumps(config_map(namespace, a="9"))
    lab.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=kubectl-edit", "-f", "-", stdin=theirs)
    result = engine.apply(here, [config_map(namespace, a="1")])[0]
    assert result.error is not None
    assert ".data.a belongs to kubectl-edit" in result.error


def test_a_secret_changed_by_hand_shows_no_value(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [secret(namespace, password="hunter1")])
    lab.kubectl("patch", "-n", namespace, "secret", "password", "-p", '{"stringData":{"password":"hunter2"}}')
    result = engine.apply(here, [secret(namespace, password="hunter1")])[0]
    assert (result.action, result.warnings) == (
        "changed",
        [".data.password was changed by hand (kubectl-patch) and is put back"],
    )
    assert result.diff is not None
    assert result.diff["after"]["data"] == {"password": engine.HIDDEN_CHANGED}
    assert "aHVudGVy" not in json.dumps([result.to_dict(), result.diff])


def test_deleted_edited_and_recreated_between_our_read_and_our_write(lab: Lab, namespace: str) -> None:
    here = Interfering(client(lab).transport)
    wanted = [config_map(namespace, a="1")]
    engine.apply(here, wanted)
    changed = [config_map(namespace, a="2")]
    here.hand = lambda: lab.kubectl("delete", "-n", namespace, "configmap", "settings")
    assert engine.apply(here, changed)[0].action == "created"
    here.hand = lambda: lab.kubectl("patch", "-n", namespace, "configmap", "settings", "-p", '{"data":{"a":"9"}}')
    result = engine.apply(here, wanted)[0]
    assert (result.action, len(result.warnings)) == ("changed", 1)
    here.hand = lambda: lab.kubectl("replace", "--force", "-f", "-", stdin=json.dumps(config_map(namespace, a="9")))
    assert engine.apply(here, changed)[0].action == "created"
    assert lab.get("-n", namespace, "configmap", "settings")["data"] == {"a": "2"}


def held(namespace: str, **data: str) -> Object:
    obj = config_map(namespace, **data)
    obj["metadata"]["finalizers"] = ["example.com/hold"]
    return obj


def release(lab: Lab, namespace: str) -> None:
    patch = '{"metadata":{"finalizers":null}}'
    lab.kubectl("patch", "-n", namespace, "configmap", "settings", "--type=merge", "-p", patch)


def test_an_object_on_its_way_out_is_outlasted(lab: Lab, namespace: str) -> None:
    """Nothing differs, and yet "unchanged" would be a lie: it is about to go."""
    lab.apply(held(namespace))
    lab.kubectl("delete", "-n", namespace, "configmap", "settings", "--wait=false")
    old = lab.get("-n", namespace, "configmap", "settings")["metadata"]["uid"]
    here = client(lab)
    wanted = [config_map(namespace), config_map(namespace, "other")]
    stuck = engine.apply(here, wanted, going_timeout=0.3)
    assert [result.action for result in stuck] == ["failed", "created"]
    assert stuck[0].error is not None
    assert "held by example.com/hold" in stuck[0].error
    checked = engine.apply(here, wanted, check=True)
    assert [(result.action, result.validated) for result in checked] == [("would_create", False), ("unchanged", True)]
    timer = threading.Timer(0.5, release, (lab, namespace))
    timer.start()
    assert [result.action for result in engine.apply(here, wanted)] == ["created", "unchanged"]
    timer.join()
    assert lab.get("-n", namespace, "configmap", "settings")["metadata"]["uid"] != old


def test_an_object_that_starts_to_go_under_our_hands(lab: Lab, namespace: str) -> None:
    engine.apply(client(lab), [held(namespace, a="1")])
    here = Interfering(client(lab).transport)

    def start() -> None:
        lab.kubectl("delete", "-n", namespace, "configmap", "settings", "--wait=false")
        threading.Timer(0.5, release, (lab, namespace)).start()

    here.hand = start
    # Without the finalizer of ours the apply itself would release it: keep it in what is wanted
    assert engine.apply(here, [held(namespace, a="2")])[0].action == "created"
    live = lab.get("-n", namespace, "configmap", "settings")
    assert live["data"] == {"a": "2"}
    assert "deletionTimestamp" not in live["metadata"]
    release(lab, namespace)


def test_a_namespace_on_its_way_out(lab: Lab) -> None:
    name = f"t-{uuid.uuid4().hex[:8]}"
    here = client(lab)
    wanted = [config_map(name), config_map(name, "other"), deployment(name)]
    engine.apply(here, [held(name), *wanted[1:]], create_namespaces=True)
    old = lab.get("namespace", name)["metadata"]["uid"]
    lab.kubectl("delete", "namespace", name, "--wait=false")
    lab.kubectl("wait", "-n", name, "--for=delete", "configmap/other", "--timeout=60s")
    refused = engine.apply(here, [config_map(name, "new")])[0]
    assert refused.error is not None
    assert f"the namespace {name} is being deleted" in refused.error
    new = [config_map(name, "new")]
    stuck = engine.apply(here, new, create_namespaces=True, going_timeout=0.3)[0]
    assert stuck.error is not None
    assert "is still there after 0.3 s" in stuck.error
    assert {result.action for result in engine.apply(here, new, create_namespaces=True, check=True)} == {"would_create"}
    timer = threading.Timer(0.5, release, (lab, name))
    timer.start()
    results = engine.apply(here, [*wanted, *new], create_namespaces=True)
    timer.join()
    assert [(result.kind, result.action) for result in results] == [
        ("ConfigMap", "created"),
        ("ConfigMap", "created"),
        ("Deployment", "created"),
        ("ConfigMap", "created"),
        ("Namespace", "created"),
    ]
    assert lab.get("namespace", name)["metadata"]["uid"] != old
    lab.kubectl("delete", "namespace", name, "--wait=false")


def test_without_the_right_to_list_objects_are_read_by_name(lab: Lab, namespace: str) -> None:
    lab.kubectl("create", "role", "-n", namespace, "r", "--verb=get,create,patch", "--resource=configmaps")
    lab.kubectl("create", "rolebinding", "-n", namespace, "r", "--role=r", "--user=tess")
    here = Client.from_params({"kubeconfig": str(lab.admin_kubeconfig), "impersonate_user": "tess"})
    objects = [config_map(namespace, f"c{number}") for number in range(5)]
    assert {result.action for result in engine.apply(here, objects)} == {"created"}
    before = here.requests
    assert {result.action for result in engine.apply(here, objects)} == {"unchanged"}
    assert here.requests - before == 1 + len(objects), "the refused list, then each by its name"


def test_one_invalid_among_five_hundred(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace, f"c{number}") for number in range(501)]
    objects[250]["data"] = {"a": 1}
    results = engine.apply(client(lab), objects)
    assert [result.name for result in results if result.action != "created"] == ["c250"]
    assert results[250].error is not None
    assert "data.a" in results[250].error
    assert len(lab.get("-n", namespace, "configmap", "-l", "app=test")) == 500
