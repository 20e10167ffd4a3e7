# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts from a repository and from an OCI registry that ask for a password, as docs/adopt.md says it is given.

Both are a small server on loopback; helm and the role are the real ones.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.handle import Lab

CLONE = Path(__file__).resolve().parents[2]
USER, PASSWORD = "reader", "correct horse battery"
META = {"apiVersion": "v2", "name": "tiny", "version": "1.2.3", "appVersion": "1.2.3"}
OBJECT = "{apiVersion: v1, kind: ConfigMap, metadata: {name: tiny, namespace: {{ .Release.Namespace }}}}\n"
CONFIG_TYPE = "application/vnd.cncf.helm.config.v1+json"
LAYER_TYPE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def chart() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("Chart.yaml", yaml.safe_dump(META)), ("templates/object.yaml", OBJECT)):
            info = tarfile.TarInfo(f"tiny/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Source:
    """A chart repository below /charts, and a registry with charts/tiny. ``asked``: the paths, known or not by whom."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        layer, config = chart(), json.dumps(META).encode()
        parts = {LAYER_TYPE: layer, CONFIG_TYPE: config}
        described = {
            kind: {"mediaType": kind, "digest": digest(content), "size": len(content)}
            for kind, content in parts.items()
        }
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": described[CONFIG_TYPE],
                "layers": [described[LAYER_TYPE]],
            }
        ).encode()
        entry = {**META, "urls": ["tiny-1.2.3.tgz"], "digest": hashlib.sha256(layer).hexdigest()}
        index = yaml.safe_dump({"apiVersion": "v1", "entries": {"tiny": [entry]}}).encode()
        answers: dict[str, tuple[str, bytes]] = {
            "/charts/index.yaml": ("application/yaml", index),
            "/charts/tiny-1.2.3.tgz": ("application/gzip", layer),
            "/v2/": ("application/json", b"{}"),
            "/v2/charts/tiny/tags/list": ("application/json", b'{"name": "charts/tiny", "tags": ["1.2.3"]}'),
        }
        for name in ("1.2.3", digest(manifest)):
            answers[f"/v2/charts/tiny/manifests/{name}"] = (MANIFEST_TYPE, manifest)
        for kind, content in parts.items():
            answers[f"/v2/charts/tiny/blobs/{digest(content)}"] = (kind, content)
        allowed = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                known = self.headers.get("Authorization") == allowed
                source.asked.append(f"{'known' if known else 'unknown'} {path}")
                if not known:
                    self.answer(401, "text/plain", b"who are you?")
                elif path in answers:
                    self.answer(200, *answers[path])
                else:
                    self.answer(404, "text/plain", b"no such thing")

            do_HEAD = do_GET

            def answer(self, status: int, kind: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="charts"')
                elif kind == MANIFEST_TYPE:
                    self.send_header("Docker-Content-Digest", digest(content))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    one = Source()
    yield one
    one.server.shutdown()


class User:
    """Somebody with a home of his own, and what helm was started with there."""

    def __init__(self, lab: Lab, home: Path) -> None:
        self.lab, self.log = lab, home / "helm.log"
        home.mkdir()
        self.log.touch()
        helm = (lab.layout.bin / "helm").resolve()
        self.helm = home / "helm"
        self.helm.write_text(f'#!/bin/sh\necho "$*" >> "{self.log}"\nexec "{helm}" "$@"\n', encoding="utf-8")
        self.helm.chmod(0o755)
        self.files = {"registry_config": home / "registry.json", "repository_config": home / "repositories.yaml"}
        plain = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        self.env = {**plain, "HOME": str(home), "ANSIBLE_NOCOLOR": "1"}

    def says_his_password(self, *words: str, password: str = PASSWORD) -> None:
        files = {f"HELM_{name.upper()}": str(path) for name, path in self.files.items()}
        done = subprocess.run(
            [str(self.helm), *words, "--username", USER, "--password-stdin"],
            input=password,
            env={**self.env, **files},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def run(self, namespace: str, folder: Path, *, ok: bool = True, **given: Any) -> str:
        """The role helm_component for the chart."""
        variables = {
            "helm_component_name": "tiny",
            "helm_component_namespace": namespace,
            "helm_component_release": "tiny",
            "helm_component_version": "1.2.3",
            "helm_component_auth": {"kubeconfig": str(self.lab.kubeconfig)},
            "helm_component_helm_binary": str(self.helm),
            **{f"helm_component_{name}": value for name, value in given.items()},
        }
        role = {"ansible.builtin.include_role": {"name": "dynamo.multinode.helm_component"}, "vars": variables}
        book = folder / "play.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [role]}]), encoding="utf-8")
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(book)]
        done = subprocess.run(argv, env=self.env, cwd=CLONE, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr + self.log.read_text(encoding="utf-8")
        return done.stdout


def repository(user: User, source: Source) -> dict[str, Any]:
    user.says_his_password("repo", "add", "mine", f"http://{source.address}/charts")
    return {"chart": "mine/tiny", "repository_config": str(user.files["repository_config"])}


def registry(user: User, source: Source) -> dict[str, Any]:
    user.says_his_password("registry", "login", source.address, "--plain-http")
    chart = f"oci://{source.address}/charts/tiny"
    return {"chart": chart, "chart_plain_http": True, "registry_config": str(user.files["registry_config"])}


@pytest.mark.parametrize("kind", [repository, registry])
def test_a_chart_that_asks_for_a_password(
    lab: Lab, namespace: str, source: Source, tmp_path: Path, kind: Callable[[User, Source], dict[str, Any]]
) -> None:
    user = User(lab, tmp_path / "home")
    given = kind(user, source)
    source.asked.clear()
    user.run(namespace, tmp_path, **given)
    assert lab.get("-n", namespace, "configmap", "tiny")
    assert [path for path in source.asked if path.startswith("known")]
    source.asked.clear()
    assert "changed=0 " in user.run(namespace, tmp_path, **given)
    assert source.asked == []
    user.run(namespace, tmp_path, state="absent", **given)


@pytest.mark.parametrize(("kind", "said"), [("repository", "401"), ("registry", "credential not found")])
def test_whoever_has_no_password_is_told_so(
    lab: Lab, namespace: str, source: Source, tmp_path: Path, kind: str, said: str
) -> None:
    user = User(lab, tmp_path / "home")
    given: dict[str, Any] = {"chart": "tiny", "chart_repo": f"http://{source.address}/charts"}
    if kind == "registry":
        given = {"chart": f"oci://{source.address}/charts/tiny", "chart_plain_http": True}
    output = user.run(namespace, tmp_path, ok=False, **given)
    assert said in " ".join(output.split())
    assert lab.get("-n", namespace, "configmaps", "-l", "app.kubernetes.io/managed-by=Helm") == []
    user.run(namespace, tmp_path, state="absent", **given)  # what it noted before helm began
