# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where programs come from, and how a chart's container becomes a command line. No lab is started here."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from lab import binaries, download, golang, kubelet, programs
from lab.errors import LabError
from lab.layout import Layout

CONTENT = b"#!/bin/sh\necho a program\n"


@pytest.fixture
def site() -> Iterator[Callable[..., str]]:
    """A download site; ``site(path=content)`` publishes files and gives its address."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def publish(**published: bytes) -> str:
        files.update({f"/{name}": content for name, content in published.items()})
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield publish
    server.shutdown()
    server.server_close()


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def test_download_of_a_checked_program(site: Callable[..., str], tmp_path: Path) -> None:
    url = site(**{"program-linux": CONTENT, "sums": b"0" * 64 + b"  other\n" + digest(CONTENT) + b"  program-linux\n"})
    published = download.Published(f"{url}/program-{{os}}", f"{url}/sums")
    one = download.Site()
    assert one.answers(published)
    assert one.fetch(published, tmp_path / "bin" / "program", "linux", "amd64")
    assert (tmp_path / "bin" / "program").read_bytes() == CONTENT
    assert (tmp_path / "bin" / "program").stat().st_mode & 0o111
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["program"]


def test_download_from_an_archive(site: Callable[..., str], tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("etcd-v1/etcd")
        info.size = len(CONTENT)
        tar.addfile(info, io.BytesIO(CONTENT))
    url = site(archive=archive.getvalue(), sum=digest(archive.getvalue()))
    published = download.Published(f"{url}/archive", f"{url}/sum", "etcd")
    assert download.Site().fetch(published, tmp_path / "etcd", "linux", "amd64")
    assert (tmp_path / "etcd").read_bytes() == CONTENT


def test_a_wrong_checksum_is_never_used(site: Callable[..., str], tmp_path: Path) -> None:
    url = site(program=CONTENT, sum=digest(b"something else"))
    with pytest.raises(LabError, match="the checksum is not"):
        download.Site().fetch(download.Published(f"{url}/program", f"{url}/sum"), tmp_path / "x" / "program", "", "")
    assert not list((tmp_path / "x").iterdir())


def test_a_missing_file_falls_through_to_building(site: Callable[..., str], tmp_path: Path) -> None:
    assert not download.Site().fetch(download.Published(f"{site()}/nothing"), tmp_path / "program", "", "")


def test_a_closed_network_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(request: object, timeout: float) -> None:
        asked.append((request, timeout))
        raise OSError("no route")

    monkeypatch.setattr(download.urllib.request, "urlopen", refuse)
    one = download.Site()
    for program in binaries.PROGRAMS:
        if program.published:
            assert not one.answers(program.published)
    assert len(asked) == 1


def test_the_cache_tells_builds_apart() -> None:
    program = binaries.PROGRAMS[0]
    other = dataclasses.replace(program, ldflags="-X a.b=c")
    assert binaries.cached_path(program) != binaries.cached_path(other)
    assert len({binaries.cached_path(one) for one in binaries.PROGRAMS}) == len(binaries.PROGRAMS)


def test_the_cache_counts_only_whole_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LAB_BIN_DIR", raising=False)
    path = binaries.cached_path(binaries.PROGRAMS[0])
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.123").write_bytes(b"half")
    assert binaries.locate() == {}
    path.write_bytes(CONTENT)
    path.chmod(0o755)
    assert binaries.locate() == {binaries.PROGRAMS[0].name: path}


def test_a_failed_build_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\necho half > "$3"\necho "cannot find module x" >&2\nexit 1\n', encoding="utf-8")
    go.chmod(0o755)
    with pytest.raises(LabError, match="cannot find module x"):
        golang.build(golang.Go(str(go), {}), tmp_path, "x", "", tmp_path / "out" / "program")
    assert not list((tmp_path / "out").iterdir())


def test_the_named_folder_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_BIN_DIR", "/no/such/folder")
    with pytest.raises(LabError, match="LAB_BIN_DIR: /no/such/folder is no folder"):
        binaries.locate()


def test_webhook_manager_keeps_the_charts_arguments(tmp_path: Path) -> None:
    container = {
        "args": [
            "--enabled-admission=/jobs/mutate,/queues/validate",
            "--tls-cert-file=/admission.local.config/certificates/tls.crt",
            "--webhook-namespace=elsewhere",
            "--port=8443",
            "-v=4",
            "2>&1",
        ],
        "volumeMounts": [{"name": "certs", "mountPath": "/admission.local.config/certificates"}],
    }
    found = programs.launch(
        "vc-webhook-manager",
        container,
        layout=Layout("x", tmp_path),
        pod=("elsewhere", "x"),
        ports={"serve": 1001, "health": 1002, "metrics": 1003},
        kubeconfig=tmp_path / "kubeconfig",
        local=lambda path: tmp_path / path.lstrip("/"),
    )
    assert "--enabled-admission=/jobs/mutate,/queues/validate" in found.argv
    assert f"--tls-cert-file={tmp_path}/admission.local.config/certificates/tls.crt" in found.argv
    assert "--webhook-namespace=elsewhere" in found.argv
    assert "--port=1001" in found.argv
    assert "--port=8443" not in found.argv
    assert "2>&1" not in found.argv
    assert found.container_ports == {"8443": 1001}


def test_lws_keeps_the_charts_configuration(tmp_path: Path) -> None:
    config = tmp_path / "controller_manager_config.yaml"
    config.write_text("gangSchedulingManagement: {schedulerProvider: volcano}\nleaderElection: {leaderElect: true}\n")
    container = {
        "args": ["--config=/controller_manager_config.yaml", "--zap-log-level=2"],
        "ports": [{"name": "webhook-server", "containerPort": 9443}],
        "volumeMounts": [
            {"name": "config", "mountPath": "/controller_manager_config.yaml"},
            {"name": "cert", "mountPath": "/tmp/k8s-webhook-server/serving-certs"},
        ],
    }

    def launch(namespace: str) -> programs.Launch:
        return programs.launch(
            "lws",
            container,
            layout=Layout("x", tmp_path),
            pod=(namespace, "x"),
            ports={"serve": 1001, "health": 1002, "metrics": 1003},
            kubeconfig=tmp_path / "kubeconfig",
            local=lambda path: tmp_path / path.lstrip("/"),
        )

    found = launch("lws-system")
    assert found.container_ports == {"9443": 1001, "webhook-server": 1001}
    written = yaml.safe_load(Path(found.argv[1].partition("=")[2]).read_text())
    assert written["gangSchedulingManagement"] == {"schedulerProvider": "volcano"}
    assert written["webhook"]["port"] == 1001
    assert written["webhook"]["certDir"] == str(tmp_path / "tmp/k8s-webhook-server/serving-certs")
    with pytest.raises(programs.Unsupported, match="in the namespace lws-system only"):
        launch("elsewhere")


def test_a_stand_in_has_one_port_for_everything(tmp_path: Path) -> None:
    container = {
        "image": "registry.local/kai-scheduler/kai-scheduler/operator:v0.17.0",
        "args": ["--config=/etc/kai/config.yaml"],
        "ports": [{"name": "webhook", "containerPort": 9443}, {"containerPort": 8080}],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/kai"}],
    }
    assert programs.wanted_ports("kai-scheduler/operator") == ("serve",)
    found = programs.launch(
        "kai-scheduler/operator",
        container,
        layout=Layout("x", tmp_path),
        pod=("kai-scheduler", "kai-operator-1"),
        ports={"serve": 1001},
        kubeconfig=tmp_path / "kubeconfig",
        local=lambda path: tmp_path / path.lstrip("/"),
    )
    assert found.argv[1:] == [
        "-m",
        "lab.operators",
        "kai-scheduler/operator",
        f"--config={tmp_path}/etc/kai/config.yaml",
    ]
    assert found.env["POD_NAMESPACE"] == "kai-scheduler"
    assert {found.container_ports[key] for key in ("9443", "webhook", "8080")} == {1001}


@pytest.mark.parametrize(
    "image", ["nvcr.io/nvidia/gpu-operator:v26.7.1", "grove-operator@sha256:1", "a/b/kubernetes-operator"]
)
def test_pods_with_upstreams_image_names_are_run(image: str) -> None:
    assert kubelet.IMAGE.search(image)
    assert kubelet.HINT.search(f'"image":"{image}"'.encode())


@pytest.mark.parametrize("image", ["nvcr.io/nvidia/gpu-operator-validator:v1", "x/kai-operator:1", "x/operator:1"])
def test_other_pods_are_not(image: str) -> None:
    assert not kubelet.IMAGE.search(image)
    assert not kubelet.HINT.search(f'"image":"{image}"'.encode())
