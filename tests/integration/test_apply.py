# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply against a real API server: what is written, what is not, and what the user is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import ownership
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, CannotConnect, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError

from lab.handle import Lab
from tests.integration.kube_objects import (
    actions,
    client,
    config_map,
    deployment,
    secret,
    widget,
    widget_crd,
    writes,
)

UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or Path(__file__).resolve().parents[3] / "shared" / "upstream")


@pytest.fixture
def group(lab: Lab) -> Iterator[str]:
    """An API group of the test's own, whose CRDs are gone afterwards."""
    name = f"t{uuid.uuid4().hex[:8]}.example.com"
    yield name
    lab.kubectl("delete", "crd", f"widgets.{name}", "--ignore-not-found", "--wait=false")


@pytest.fixture
def free_namespace(lab: Lab) -> Iterator[str]:
    """The name of a namespace that does not exist."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    yield name
    lab.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def module(lab: Lab, options: dict[str, Any], *flags: str, config: str | None = None) -> dict[str, Any]:
    """The module through Ansible itself: its result, failed or not, and under ``printed`` the whole output."""
    argv = [sys.executable, "-m", "ansible", "adhoc", "-i", "localhost,", "-c", "local"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}", *flags]
    argv += ["-m", "dynamo.multinode.apply", "-a", json.dumps(options), "localhost"]
    env = {**lab.env(), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
    env["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    if config is not None:
        env["K8S_AUTH_KUBECONFIG"] = config
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert " => " in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout.split(" => ", 1)[1])[0]
    return {**found, "failed": "FAILED!" in done.stdout, "printed": done.stdout}


def test_created_unchanged_changed(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace), deployment(namespace), secret(namespace, a="b")]
    here = client(lab)
    assert [result.action for result in engine.apply(here, objects)] == ["created"] * 3
    assert [result.action for result in engine.apply(here, objects)] == ["unchanged"] * 3
    results = engine.apply(here, [config_map(namespace, a="2"), *objects[1:]])
    assert [result.action for result in results] == ["changed", "unchanged", "unchanged"]
    assert results[0].diff is not None
    assert (results[0].diff["before"]["data"], results[0].diff["after"]["data"]) == ({"a": "1"}, {"a": "2"})


def test_a_second_run_writes_nothing_and_reads_per_kind(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace, f"c{number}") for number in range(40)]
    objects += [deployment(namespace, f"d{number}") for number in range(5)]
    engine.apply(client(lab), objects, create_namespaces=True)
    mark = lab.mark()
    here = client(lab)
    results = engine.apply(here, objects, create_namespaces=True)
    assert {result.action for result in results} == {"unchanged"}
    assert writes(lab, mark, namespace) == []
    assert here.requests <= 4, "two lists, and the discovery of two API versions"


def test_one_of_many_changed_is_one_write(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace, f"c{number}") for number in range(20)]
    engine.apply(client(lab), objects)
    mark = lab.mark()
    objects[7]["data"] = {"a": "other"}
    engine.apply(client(lab), objects)
    assert len(writes(lab, mark, namespace)) == 1


@pytest.mark.upstream
def test_every_upstream_crd_is_recognised_as_unchanged(lab: Lab) -> None:
    """The hardest objects there are: megabytes of schemas, defaults inside atomics. Nothing stays behind."""
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    crds: dict[str, dict[str, Any]] = {}
    for source in sorted(UPSTREAM.glob("crds/*/*.yaml")):
        for crd in yaml.load_all(source.read_text(), yaml.CSafeLoader):
            if crd:
                crds[crd["metadata"]["name"]] = crd
    held = {crd["metadata"]["name"] for crd in lab.get("crd")}
    objects = [crd for name, crd in crds.items() if name not in held]
    here = client(lab)
    try:
        assert {result.action for result in engine.apply(here, objects)} == {"created"}
        assert {result.action for result in engine.apply(here, objects)} == {"unchanged"}
        live = here.map(lambda crd: here.get(crd["apiVersion"], crd["kind"], crd["metadata"]["name"]), objects)
        unsure = [
            (crd["metadata"]["name"], ownership.why_write(ownership.normalise(crd), found, FIELD_MANAGER))
            for crd, found in zip(objects, live, strict=True)
            if found is None or ownership.why_write(ownership.normalise(crd), found, FIELD_MANAGER)
        ]
        assert unsure == []
    finally:
        engine.remove(here, objects)


def test_foreign_fields_stay_and_ours_that_are_no_longer_given_go(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace, a="1", b="2")])
    lab.kubectl("label", "-n", namespace, "configmap", "settings", "team=blue")
    lab.kubectl("patch", "-n", namespace, "configmap", "settings", "-p", '{"data":{"foreign":"x"}}')
    assert [result.action for result in engine.apply(here, [config_map(namespace, a="1")])] == ["changed"]
    live = lab.get("-n", namespace, "configmap", "settings")
    assert live["data"] == {"a": "1", "foreign": "x"}
    assert live["metadata"]["labels"] == {"app": "test", "team": "blue"}


def test_a_key_that_leaves_an_atomic_map_is_removed(lab: Lab, namespace: str) -> None:
    here = client(lab)
    wanted = deployment(namespace)
    wanted["spec"]["template"]["spec"]["nodeSelector"] = {"rack": "r1", "kind": "gpu"}
    engine.apply(here, [wanted])
    wanted["spec"]["template"]["spec"]["nodeSelector"] = {"rack": "r1"}
    assert [result.action for result in engine.apply(here, [wanted])] == ["changed"]
    live = lab.get("-n", namespace, "deployment", "web")
    assert live["spec"]["template"]["spec"]["nodeSelector"] == {"rack": "r1"}


def test_drift_is_repaired_and_shown(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace, a="1")])
    lab.kubectl(
        "patch", "-n", namespace, "configmap", "settings", "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]'
    )
    result = engine.apply(here, [config_map(namespace, a="1")])[0]
    assert result.action == "changed"
    assert result.diff is not None
    assert "data" not in result.diff["before"]
    assert result.diff["after"]["data"] == {"a": "1"}


def test_a_conflict_names_the_field_and_its_owner(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace, a="1", b="1")])
    lab.kubectl(
        "patch", "-n", namespace, "configmap", "settings", "--field-manager=somebody", "-p", '{"data":{"a":"9"}}'
    )
    refused = engine.apply(here, [config_map(namespace, a="1", b="1")])[0]
    assert refused.action == "failed"
    assert refused.error is not None
    assert ".data.a belongs to somebody" in refused.error
    assert "force_conflicts" in refused.error
    assert lab.get("-n", namespace, "configmap", "settings")["data"]["a"] == "9"
    assert engine.apply(here, [config_map(namespace, a="1", b="1")], force=True)[0].action == "changed"
    assert lab.get("-n", namespace, "configmap", "settings")["data"]["a"] == "1"


def test_the_values_of_secrets_are_never_shown(lab: Lab, namespace: str) -> None:
    here = client(lab)
    first = engine.apply(here, [secret(namespace, password="hunter2", user="me")])
    second = engine.apply(here, [secret(namespace, password="hunter3", user="me")])
    broken = secret(namespace, password="hunter4")
    broken["data"] = {"other": "no base64 hunter5!"}
    third = engine.apply(here, [broken])
    assert (second[0].action, third[0].action) == ("changed", "failed")
    assert second[0].diff is not None
    assert second[0].diff["after"]["data"] == {"password": engine.HIDDEN_CHANGED, "user": engine.HIDDEN}
    told = json.dumps([[result.to_dict(), result.diff] for result in first + second + third])
    for value in ("hunter", "aHVudGVy", "bm8gYmFzZTY0"):
        assert value not in told
    assert "hunter3" not in told


def test_the_module_tells_no_value_of_a_secret_at_any_verbosity(lab: Lab, namespace: str) -> None:
    for number in (2, 3):
        told = module(lab, {"objects": [secret(namespace, password=f"hunter{number}")]}, "-vvv", "--diff")
        assert (told["changed"], told["invocation"]["module_args"]["objects"][0]["stringData"]) == (
            True,
            {"password": "***"},
        )
        for value in ("hunter", "aHVudGVy"):
            assert value not in told["printed"]


def test_a_definition_and_its_objects_in_one_run(lab: Lab, namespace: str, group: str) -> None:
    objects = [widget(group, namespace), config_map(namespace), widget_crd(group)]
    here = client(lab)
    assert actions(engine.apply(here, objects)) == [
        ("Widget", "created"),
        ("ConfigMap", "created"),
        ("CustomResourceDefinition", "created"),
    ]
    assert {result.action for result in engine.apply(client(lab), objects)} == {"unchanged"}


def test_a_definition_alone_is_there_for_whoever_asks_next(
    lab: Lab, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server's discovery knows of it a little later than its status says, and helm asks discovery."""
    asked: list[str] = []
    real = Client._discover

    def late(self: Client, api_version: str) -> Any:
        asked.append(api_version)
        return {} if len(asked) < 3 else real(self, api_version)

    here = client(lab)
    assert here.serves("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    monkeypatch.setattr(Client, "_discover", late)
    assert actions(engine.apply(here, [widget_crd(group)])) == [("CustomResourceDefinition", "created")]
    assert asked == [f"{group}/v1"] * 3
    assert actions(engine.apply(here, [widget_crd(group)])) == [("CustomResourceDefinition", "unchanged")]
    assert asked == [f"{group}/v1"] * 3


def test_check_mode_on_an_empty_cluster_is_truthful(lab: Lab, free_namespace: str, group: str) -> None:
    objects = [widget_crd(group), widget(group, free_namespace), config_map(free_namespace)]
    mark = lab.mark()
    results = engine.apply(client(lab), objects, check=True, create_namespaces=True)
    assert [(result.kind, result.action, result.validated) for result in results] == [
        ("CustomResourceDefinition", "created", True),
        ("Widget", "would_create", False),
        ("ConfigMap", "would_create", False),
        ("Namespace", "created", True),
    ]
    assert all(result.changed and result.diff for result in results)
    assert writes(lab, mark) == []
    missing = engine.apply(client(lab), objects[1:2], check=True)[0]
    assert missing.action == "failed", "no definition in this run: a real run would fail as well"


def test_check_mode_asks_admission_and_changes_nothing(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace, a="1")])
    mark = lab.mark()
    bad = deployment(namespace)
    bad["spec"]["selector"] = {"matchLabels": {"app": "another"}}
    results = engine.apply(here, [config_map(namespace, a="2"), config_map(namespace, "new"), bad], check=True)
    assert [result.action for result in results] == ["changed", "created", "failed"]
    assert results[0].diff is not None
    assert results[0].diff["after"]["data"] == {"a": "2"}
    assert writes(lab, mark) == []
    assert engine.apply(here, [config_map(namespace, a="1")], check=True)[0].action == "unchanged"


def test_namespaces_are_created_once_and_never_touched(lab: Lab, free_namespace: str, namespace: str) -> None:
    here = client(lab)
    objects = [config_map(free_namespace), config_map(namespace)]
    assert actions(engine.apply(here, objects, create_namespaces=True)) == [
        ("ConfigMap", "created"),
        ("ConfigMap", "created"),
        ("Namespace", "created"),
    ]
    labels = lab.get("namespace", free_namespace)["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "dynamo.multinode"
    assert "app.kubernetes.io/managed-by" not in lab.get("namespace", namespace)["metadata"]["labels"]
    missing = engine.apply(here, [config_map("t-nowhere")])[0]
    assert missing.error is not None
    assert "t-nowhere" in missing.error


def test_the_valid_ones_are_applied_and_the_invalid_one_is_reported(lab: Lab, namespace: str) -> None:
    objects = [config_map(namespace, f"c{number}") for number in range(30)]
    objects[13]["data"] = {"a": 1}
    objects[14]["dat"] = {"a": "1"}
    objects[15]["metadata"]["name"] = "Not_A_Name"
    unknown = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "x", "namespace": namespace}}
    results = engine.apply(client(lab), [*objects, unknown, {"kind": "Pod"}, objects[0]])
    failed = {result.name: result.error or "" for result in results if result.action == "failed"}
    assert len(lab.get("-n", namespace, "configmap", "-l", "app=test")) == 27
    assert "expected string" in failed["c13"]
    assert ".dat" in failed["c14"]
    assert "Not_A_Name" in failed
    assert "does not serve Gadget in example.com/v1" in failed["x"]
    assert "no apiVersion" in failed["objects[31]"]
    assert "more than once" in failed["c0"]
    assert len(failed) == 6


def test_removal_waits_until_all_is_gone(lab: Lab, namespace: str) -> None:
    here = client(lab)
    objects = [config_map(namespace), deployment(namespace, replicas=2)]
    engine.apply(here, objects)
    assert {outcome.ready for outcome in engine.wait_for(here, engine.apply(here, objects), timeout=60).values()} == {
        True
    }
    assert [result.action for result in engine.remove(here, objects, check=True)] == ["deleted", "deleted"]
    assert [result.action for result in engine.remove(here, objects, wait_timeout=60)] == ["deleted", "deleted"]
    assert lab.get("-n", namespace, "deployment,pod,replicaset") == []
    assert [result.action for result in engine.remove(here, objects)] == ["unchanged", "unchanged"]


def test_a_removal_that_hangs_says_what_holds_it(lab: Lab, namespace: str) -> None:
    here = client(lab)
    held = config_map(namespace)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    engine.apply(here, [held])
    result = engine.remove(here, [held], wait_timeout=1)[0]
    assert result.error is not None
    assert "example.com/hold" in result.error
    lab.kubectl("patch", "-n", namespace, "configmap", "settings", "-p", '{"metadata":{"finalizers":null}}')


TENANT = """
apiVersion: v1
kind: List
items:
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata: {name: tenant, namespace: NAMESPACE}
    rules:
      - {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: {name: tenant, namespace: NAMESPACE}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}
    subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: team-blue}]
"""


def test_a_tenant_with_rights_in_one_namespace(lab: Lab, namespace: str) -> None:
    """Only through the second of two groups, so that repeated impersonation headers are seen to arrive."""
    lab.kubectl("apply", "-f", "-", stdin=TENANT.replace("NAMESPACE", namespace))
    options = {
        "kubeconfig": str(lab.admin_kubeconfig),
        "impersonate_user": "tess",
        "impersonate_groups": ["all", "team-blue"],
    }
    tenant = Client.from_params(options)
    results = engine.apply(tenant, [config_map(namespace), secret(namespace, a="b")], create_namespaces=True)
    assert [result.action for result in results] == ["created", "failed"]
    assert results[1].error is not None
    assert 'User "tess" cannot get resource "secrets"' in results[1].error
    assert engine.apply(tenant, [config_map(namespace)], create_namespaces=True)[0].action == "unchanged"
    assert engine.remove(tenant, [config_map(namespace)])[0].action == "deleted"
    stranger = Client.from_params({**options, "impersonate_groups": ["all"]})
    assert engine.apply(stranger, [config_map(namespace)])[0].action == "failed"


def test_a_cluster_that_cannot_be_used_is_one_sentence(lab: Lab, tmp_path: Path) -> None:
    host = client(lab).host
    broken = tmp_path / "kubeconfig"
    broken.write_text("users: [{name: me, token: s3cr3t-token: :")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"host": host, "api_key": "s3cr3t-token", "validate_certs": False}, "does not accept these credentials (401"),
        ({"host": host, "api_key": "s3cr3t-token", "validate_certs": True}, "TLS certificate"),
        ({"host": "https://127.0.0.1:1", "api_key": "s3cr3t-token"}, "connection refused"),
        ({"host": "https://nowhere.invalid", "api_key": "s3cr3t-token"}, "does not resolve"),
        ({"kubeconfig": str(tmp_path / "none")}, "(the file that kubeconfig names does not exist)"),
        ({"kubeconfig": str(broken)}, "not valid YAML"),
        ({"kubeconfig": str(lab.kubeconfig), "context": "none"}, "none"),
        (
            {"kubeconfig": str(lab.kubeconfig), "ca_cert": str(tmp_path / "none"), "validate_certs": True},
            "does not exist",
        ),
    ]
    for options, expected in cases:
        with pytest.raises((ApiError, CannotConnect)) as caught:
            engine.apply(Client.from_params(options), [config_map("default")])
        text = str(caught.value)
        assert expected in text
        assert "s3cr3t" not in text
        assert "\n" not in text


def test_the_module(lab: Lab, namespace: str) -> None:
    options = {"objects": [config_map(namespace), secret(namespace, a="hunter2"), deployment(namespace)], "wait": True}
    checked = module(lab, options, "--check", "--diff")
    assert not checked["failed"], checked["msg"]
    assert checked["changed"] is True
    assert [entry["action"] for entry in checked["objects"]] == ["created"] * 3
    assert f"before: ConfigMap {namespace}/settings" in checked["printed"]
    assert "hunter2" not in checked["printed"]
    first = module(lab, options)
    assert [(entry["action"], entry["ready"]) for entry in first["objects"]] == [("created", True)] * 3
    second = module(lab, options)
    assert second["changed"] is False
    assert second["requests"] <= 5
    broken = config_map(namespace, "other")
    broken["kind"] = "ConfigMop"
    failed = module(lab, {"objects": [broken, config_map(namespace, "fine")]})
    assert failed["failed"] is True
    assert failed["changed"] is True
    assert failed["msg"].startswith("1 of 2 objects failed:\nConfigMop")
    gone = module(lab, {**options, "state": "absent"})
    assert [entry["action"] for entry in gone["objects"]] == ["deleted"] * 3


def test_the_module_without_a_cluster(lab: Lab, tmp_path: Path) -> None:
    failed = module(lab, {"objects": [config_map("default")]}, config=str(tmp_path / "none"))
    assert failed["failed"] is True
    assert failed["msg"].startswith("no usable cluster configuration")
