# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chart's definitions and webhooks do to an install, on an API server on which nothing else acts."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS, Component, definition
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import objects
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import Waited, not_ready, wait_ready
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import held
from ansible_collections.dynamo.multinode.plugins.modules.apply import _wanted
from cryptography.hazmat.primitives import serialization

from lab.certs import Authority
from lab.handle import Lab

GROUP = "gears.example.com"
HOOK = "ValidatingWebhookConfiguration"


@pytest.fixture(scope="module")
def client(bare_lab: Lab) -> Client:
    return Client.from_params({"kubeconfig": str(bare_lab.admin_kubeconfig)})


def crd(plural: str, *, text: str = "", short: str = "", fields: tuple[str, ...] = ("size",)) -> dict[str, Any]:
    kind = plural.capitalize().rstrip("s")
    spec = {"type": "object", "description": text, "properties": {name: {"type": "string"} for name in fields}}
    names: dict[str, Any] = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    if short:
        names["shortNames"] = [short]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": names,
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }


def bring(client: Client, folder: Path, *definitions: dict[str, Any]) -> objects.Answer:
    """What ``apply: chart_crds`` does with a chart that holds these."""
    (folder / "crds").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text("name: gears\nversion: 1.0.0\n", encoding="utf-8")
    (folder / "crds" / "all.yaml").write_text(yaml.safe_dump_all(definitions), encoding="utf-8")
    params = {"chart_crds": str(folder), "chart_values": {}, "_slice": None, "state": "present", "wait": True}
    return objects.ensure(client, _wanted({**params, "wait_timeout": 120, "force_conflicts": False}))


def schema(client: Client, plural: str) -> dict[str, Any]:
    found = client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{GROUP}")
    assert found
    return dict(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])


def test_f60_a_definition_larger_than_an_annotation_may_be(client: Client, tmp_path: Path) -> None:
    answer = bring(client, tmp_path, crd("bigs", text="x" * 300_000))
    assert answer.failure is None
    assert [item["ready"] for item in answer.result["objects"]] == [True]
    assert client.serves(f"{GROUP}/v1", "Big")


def test_f61_a_definition_that_helm_left_old_comes_to_the_charts_version(
    client: Client, bare_lab: Lab, tmp_path: Path
) -> None:
    """helm made it (its field manager owns the schema), and never touched it again."""
    old = tmp_path / "old.json"
    old.write_text(json.dumps(crd("wheels", text="old")), encoding="utf-8")
    bare_lab.kubectl("create", "-f", str(old), "--field-manager=helm")
    answer = bring(client, tmp_path, crd("wheels", text="new", fields=("size", "teeth")))
    assert answer.failure is None
    assert (schema(client, "wheels")["description"], sorted(schema(client, "wheels")["properties"])) == (
        "new",
        ["size", "teeth"],
    )
    kept = client.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"wheels.{GROUP}")
    assert kept and kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    again = bring(client, tmp_path, crd("wheels", text="new", fields=("size", "teeth")))
    assert not again.result["changed"]


def test_f61_established_is_not_enough_when_its_names_are_taken(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CRD_TIMEOUT", 1.0)
    assert bring(client, tmp_path / "first", crd("cogs", short="cg")).failure is None
    answer = bring(client, tmp_path / "second", crd("cages", short="cg"))
    assert answer.failure and "NamesAccepted" in answer.failure
    assert '"cg" is already in use' in answer.failure
    assert "MN-F61: another definition holds one of its names" in answer.failure


def test_f69_what_needs_the_operator_to_go_is_known(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMPONENTS, "gears", Component("gears", ("gears",), (), (), crds=(f"axles.{GROUP}",)))
    assert held(client, definition("gears")) == []
    bring(client, tmp_path, crd("axles"))
    for name, finalizers in (("free", []), ("bound", ["gears.example.com/axle"])):
        metadata = {"name": name, "finalizers": finalizers}
        client.create({"apiVersion": f"{GROUP}/v1", "kind": "Axle", "metadata": metadata, "spec": {}})
    assert [item["metadata"]["name"] for item in held(client, definition("gears"))] == ["bound"]


# ---- webhooks ----


@pytest.fixture
def gears(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A component whose readiness is a dry run of a ConfigMap; its webhook goes after the test."""
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": "default"}}
    monkeypatch.setitem(COMPONENTS, "gears", Component("gears", ("gears",), (), (), dry_runs=(probe,)))
    yield client
    unhook(client)


def hook(client: Client, port: int, authority: bytes) -> None:
    webhook = {
        "name": "gears.example.com",
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/validate",
            "caBundle": base64.b64encode(authority).decode(),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 2,
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": HOOK}
    client.create({**kind, "metadata": {"name": "gears"}, "webhooks": [webhook]})


def unhook(client: Client) -> None:
    if client.get("admissionregistration.k8s.io/v1", HOOK, "gears"):
        client.delete("admissionregistration.k8s.io/v1", HOOK, "gears")


def asked(client: Client) -> list[str]:
    return not_ready(client, "gears", Waited("default"))


def pem(authority: Authority) -> bytes:
    return authority.cert.public_bytes(serialization.Encoding.PEM)


def until(client: Client, text: str) -> str:
    """The API server learns of a webhook a moment after it was written: ask until it calls it."""
    for _attempt in range(200):
        lacks = asked(client)
        if lacks and text in lacks[0]:
            return lacks[0]
    raise AssertionError(lacks)


def test_f64_a_webhook_that_refuses_connections_is_named_and_waited_for(gears: Client) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hook(gears, closed.getsockname()[1], pem(Authority("gears")))
        told = until(gears, "MN-F64")
        assert "does not answer yet" in told
        assert "connection refused" in told
        pauses = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            unhook(gears)

        assert wait_ready(gears, {"gears": Waited("default")}, 120.0, pause=pause) == {}
        assert pauses


def test_f64_a_certificate_of_another_authority_is_named(gears: Client, tmp_path: Path) -> None:
    served, stale = Authority("gears"), Authority("gears of yesterday")
    certificate, key = served.issue("gears", ips=("127.0.0.1",))
    (tmp_path / "pair.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        hook(gears, listener.getsockname()[1], pem(stale))
        told = until(gears, "MN-F64")
        listener.shutdown(socket.SHUT_RDWR)
    assert "its webhook's certificate is stale" in told
