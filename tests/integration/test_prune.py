# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pruning by ApplySet on a real API server: what goes, what stays, and who is asked."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import applyset
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab
from tests.integration.kube_objects import Object, client, config_map, deployment, secret, widget, widget_crd, writes


@pytest.fixture
def second(lab: Lab) -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    lab.kubectl("create", "namespace", name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")


def run(here: Client, namespace: str, objects: list[Object], **options: Any) -> list[tuple[str, str, str]]:
    results = engine.apply(
        here, objects, applyset={"name": "fleet", "namespace": namespace}, **{"prune": True, **options}
    )
    return [(result.kind, result.name, result.action) for result in results]


def names(lab: Lab, namespace: str, kind: str = "configmap") -> list[str]:
    return [obj["metadata"]["name"] for obj in lab.get("-n", namespace, kind) if obj["metadata"]["name"] != CA]


CA = "kube-root-ca.crt"


def claim(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_what_is_no_longer_named_goes_and_nothing_else(lab: Lab, namespace: str, second: str) -> None:
    """Over kinds and namespaces; strangers, copies that a controller made, and claims stay."""
    here = client(lab)
    lab.apply(config_map(namespace, "strangers"))
    objects = [
        config_map(namespace, "a"),
        config_map(second, "b"),
        secret(namespace, "s", k="v"),
        deployment(namespace, "d"),
        claim(namespace),
    ]
    assert [action for _kind, _name, action in run(here, namespace, objects)] == ["created"] * 6
    parent = lab.get("-n", namespace, "configmap", "fleet")["metadata"]
    assert parent["annotations"] == {
        applyset.TOOLING: applyset.TOOL,
        applyset.GROUP_KINDS: "ConfigMap,Deployment.apps,PersistentVolumeClaim,Secret",
        applyset.NAMESPACES: second,
    }
    copied = config_map(namespace, "copied")
    copied["metadata"]["labels"] = {applyset.PART_OF: parent["labels"][applyset.ID]}
    copied["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "controller": True}
        | {"uid": lab.get("-n", namespace, "deployment", "d")["metadata"]["uid"]}
    ]
    lab.apply(copied)
    gone = [("ConfigMap", "b", "deleted"), ("Deployment", "d", "deleted"), ("Secret", "s", "deleted")]
    kept = [("PersistentVolumeClaim", "weights", "kept")]

    mark = lab.mark()
    checked = run(here, namespace, objects[:1], check=True)
    assert sorted(checked) == sorted([("ConfigMap", "a", "unchanged"), ("ConfigMap", "fleet", "changed"), *gone, *kept])
    assert writes(lab, mark) == []

    real = run(here, namespace, objects[:1])
    assert sorted(real) == sorted(checked)
    assert names(lab, namespace) == ["a", "fleet", "strangers"]
    assert (names(lab, second), names(lab, namespace, "secret"), names(lab, namespace, "deployment")) == ([], [], [])
    notes = lab.get("-n", namespace, "configmap", "fleet")["metadata"]["annotations"]
    assert notes[applyset.GROUP_KINDS] == "ConfigMap,PersistentVolumeClaim"
    assert applyset.NAMESPACES not in notes

    mark = lab.mark()
    assert run(here, namespace, objects[:1]) == [("ConfigMap", "a", "unchanged"), *kept]
    assert writes(lab, mark) == []


def test_the_second_run_costs_one_request_more(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace, f"c{number}") for number in range(20)]
    run(client(lab), namespace, objects)
    here = client(lab)
    assert {action for _kind, _name, action in run(here, namespace, objects)} == {"unchanged"}
    assert here.requests == 3, "discovery, the parent, one list"


def test_nothing_named_or_something_failed_prunes_nothing(lab: Lab, namespace: str) -> None:
    here = client(lab)
    objects = [config_map(namespace, "a"), config_map(namespace, "b")]
    run(here, namespace, objects)
    assert run(here, namespace, []) == []
    broken = config_map(namespace, "c")
    broken["data"] = {"a": 1}
    assert [entry[1:] for entry in run(here, namespace, [objects[0], broken])] == [
        ("a", "unchanged"),
        ("c", "failed"),
        ("b", "kept"),
    ]
    assert run(here, namespace, objects[:1], prune=False) == [("ConfigMap", "a", "unchanged")]
    assert names(lab, namespace) == ["a", "b", "fleet"]


def test_members_of_another_set_and_foreign_parents_are_errors(lab: Lab, namespace: str) -> None:
    here = client(lab)
    run(here, namespace, [config_map(namespace, "a")])
    other = {"name": "other", "namespace": namespace}
    taken, fine = engine.apply(here, [config_map(namespace, "a"), config_map(namespace, "b")], applyset=other)[:2]
    assert fine.action == "created"
    assert taken.error is not None
    assert applyset.Parent("fleet", namespace).id in taken.error
    lab.apply(config_map(namespace, "strangers"))
    for name, told in (("strangers", "lacks the label"), ("", "applyset.name: is ''")):
        with pytest.raises(applyset.ApplySetError, match=told):
            engine.apply(here, [config_map(namespace, "x")], applyset={"name": name, "namespace": namespace})
    itself = engine.apply(here, [config_map(namespace, "fleet")], applyset={"name": "fleet", "namespace": namespace})
    assert itself[0].error is not None
    assert "parent" in itself[0].error


def test_kubectl_sees_the_same_set_and_leaves_ours_alone(lab: Lab, namespace: str) -> None:
    """The id, labels and annotations are those of kubectl, which refuses to touch another tool's set, as we do."""
    run(client(lab), namespace, [config_map(namespace, "a")])

    def kubectl(parent: str) -> str:
        manifest = yaml.safe_dump(config_map(namespace, "k"))
        argv = [str(lab.layout.bin / "kubectl"), "--kubeconfig", str(lab.admin_kubeconfig), "apply", "--server-side"]
        argv += ["-n", namespace, "--prune", f"--applyset=configmap/{parent}", "-f", "-"]
        env = {**os.environ, "KUBECTL_APPLYSET": "true"}
        done = subprocess.run(argv, input=manifest, env=env, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert "dynamo.multinode" in kubectl("fleet")
    kubectl("theirs-new")
    made = lab.get("-n", namespace, "configmap", "theirs-new")["metadata"]["labels"][applyset.ID]
    assert made == applyset.Parent("theirs-new", namespace).id
    with pytest.raises(applyset.ApplySetError, match="belongs to kubectl"):
        engine.apply(client(lab), [config_map(namespace, "x")], applyset={"name": "theirs-new", "namespace": namespace})


def test_a_set_in_a_namespace_of_its_own_making(lab: Lab) -> None:
    name = f"t-{uuid.uuid4().hex[:8]}"
    try:
        assert run(client(lab), name, [config_map(name, "a")], create_namespaces=True) == [
            ("ConfigMap", "a", "created"),
            ("Namespace", name, "created"),
            ("ConfigMap", "fleet", "created"),
        ]
        failed = run(client(lab), "t-nowhere", [config_map("default", "never")])
        assert [entry[2] for entry in failed] == ["failed"]
    finally:
        lab.kubectl("delete", "namespace", name, "--wait=false")


def test_a_kind_that_is_gone(lab: Lab, namespace: str) -> None:
    """The definition and its objects leave the inventory: the objects go, the definition is kept. A kind that is not
    served stays on record: an API server that has just started serves its definitions a moment later."""
    group = f"t{uuid.uuid4().hex[:8]}.example.com"
    here = client(lab)
    try:
        everything = [widget_crd(group), widget(group, namespace), config_map(namespace, "a")]
        run(here, namespace, everything)
        assert run(client(lab), namespace, [config_map(namespace, "a")]) == [
            ("ConfigMap", "a", "unchanged"),
            ("ConfigMap", "fleet", "changed"),
            ("CustomResourceDefinition", f"widgets.{group}", "kept"),
            ("Widget", "one", "deleted"),
        ]
        run(here, namespace, everything)
    finally:
        lab.kubectl("delete", "crd", f"widgets.{group}", "--ignore-not-found")
    crds = ("CustomResourceDefinition.apiextensions.k8s.io", f"Widget.{group}")
    results = run(client(lab), namespace, [config_map(namespace, "a")])
    assert [entry[:2] for entry in results] == [("ConfigMap", "a"), ("ConfigMap", "fleet")]
    notes = lab.get("-n", namespace, "configmap", "fleet")["metadata"]["annotations"]
    assert [kind in notes[applyset.GROUP_KINDS] for kind in crds] == [False, True]


def test_what_may_not_be_listed_is_not_guessed_at(lab: Lab, namespace: str) -> None:
    """Foreign fields on a member that stays are none of pruning's business either."""
    run(client(lab), namespace, [config_map(namespace, "a"), deployment(namespace, "d")])
    lab.kubectl("label", "-n", namespace, "configmap", "a", "team=blue")
    lab.kubectl("create", "role", "-n", namespace, "cm", "--verb=*", "--resource=configmaps")
    lab.kubectl("create", "rolebinding", "-n", namespace, "cm", "--role=cm", "--user=tess")
    tenant = Client.from_params({"kubeconfig": str(lab.admin_kubeconfig), "impersonate_user": "tess"})
    results = run(tenant, namespace, [config_map(namespace, "a", a="2")])
    assert results == [("ConfigMap", "a", "changed"), ("Deployment", "*", "failed")]
    assert names(lab, namespace, "deployment") == ["d"]
    assert lab.get("-n", namespace, "configmap", "a")["metadata"]["labels"]["team"] == "blue"
