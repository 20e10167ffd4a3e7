# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way to say who we are and where the API server is: against the lab, and OpenShift's login against a stub."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import auth_core
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import CannotConnect, Client, MissingLibrary
from kubernetes.config import incluster_config

from lab.handle import Lab
from tests.integration.kube_objects import USER


def whoami(client: Client) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    return str(client.create(review)["status"]["userInfo"]["username"])


@pytest.fixture
def parts(lab: Lab, tmp_path: Path) -> dict[str, str]:
    """The lab's kubeconfig taken apart: host and the paths of CA, certificate and key."""
    config = yaml.safe_load(lab.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    found = {"host": cluster["server"]}
    for option, source, key in (
        ("ca_cert", cluster, "certificate-authority"),
        ("client_cert", user, "client-certificate"),
        ("client_key", user, "client-key"),
    ):
        path = tmp_path / option
        data = source.get(f"{key}-data")
        path.write_bytes(base64.b64decode(data) if data else Path(source[key]).read_bytes())
        found[option] = str(path)
    return found


def token(lab: Lab, namespace: str) -> str:
    lab.kubectl("wait", "serviceaccount/default", "-n", namespace, "--for=create", "--timeout=60s")
    return lab.kubectl("create", "token", "-n", namespace, "default").strip()


def test_a_client_certificate(parts: dict[str, str]) -> None:
    assert whoami(Client.from_params(parts)) == USER


def test_the_same_by_the_environment(parts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As an AWX credential gives it: no kubeconfig anywhere."""
    names = {"ca_cert": "SSL_CA_CERT", "client_cert": "CERT_FILE", "client_key": "KEY_FILE", "host": "HOST"}
    for option, name in names.items():
        monkeypatch.setenv(f"K8S_AUTH_{name}", parts[option])
    assert whoami(Client.from_params({})) == USER


def test_a_token(lab: Lab, parts: dict[str, str], namespace: str) -> None:
    options = {"host": parts["host"], "ca_cert": parts["ca_cert"], "api_key": token(lab, namespace)}
    assert whoami(Client.from_params(options)) == f"system:serviceaccount:{namespace}:default"


def test_a_kubeconfig_as_a_map_with_an_exec_plugin(
    lab: Lab, parts: dict[str, str], namespace: str, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin.py"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    credential["status"] = {"token": token(lab, namespace)}  # type: ignore[assignment]
    plugin.write_text(f"print({json.dumps(credential)!r})")
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(plugin)]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": parts["host"], "certificate-authority": parts["ca_cert"]}},
        ],
        "users": [{"name": "u", "user": {"exec": {**run, "interactiveMode": "Never"}}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    assert whoami(Client.from_params({"kubeconfig": config})) == f"system:serviceaccount:{namespace}:default"


def test_impersonation(lab: Lab) -> None:
    options = {"kubeconfig": str(lab.admin_kubeconfig), "impersonate_user": "tess", "impersonate_groups": ["a", "b"]}
    assert whoami(Client.from_params(options)) == "tess"


def test_in_a_pod(
    lab: Lab, parts: dict[str, str], namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ServiceAccount's own token and CA, where a pod has them."""
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    where = urlparse(parts["host"])
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(where.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(where.port))
    (tmp_path / "token").write_text(token(lab, namespace))
    for name, path in (("TOKEN", str(tmp_path / "token")), ("CERT", parts["ca_cert"])):
        monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", path)
    assert whoami(Client.from_params({})) == f"system:serviceaccount:{namespace}:default"


class Tunnel(BaseHTTPRequestHandler):
    """An HTTP proxy that notes what it is asked to connect to."""

    asked: ClassVar[list[str]] = []

    def log_message(self, *_args: Any) -> None:
        """Silent."""

    def do_CONNECT(self) -> None:
        self.asked.append(f"{self.path} {self.headers.get('Proxy-Authorization') or ''}".strip())
        host, _colon, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()

            def back() -> None:
                with contextlib.suppress(OSError):  # whichever side has ended
                    while data := there.recv(65536):
                        self.connection.sendall(data)

            threading.Thread(target=back, daemon=True).start()
            while data := self.connection.recv(65536):
                there.sendall(data)


@pytest.fixture
def tunnel() -> Iterator[str]:
    Tunnel.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_proxy_and_what_goes_past_it(lab: Lab, parts: dict[str, str], tunnel: str) -> None:
    address = urlparse(parts["host"]).netloc
    client = Client.from_params({**parts, "proxy": tunnel, "proxy_headers": {"proxy_basic_auth": "me:secret"}})
    assert whoami(client) == USER
    client.transport.connection.pool.clear()
    assert Tunnel.asked == [f"{address} Basic {base64.b64encode(b'me:secret').decode()}"]
    past = Client.from_params({**parts, "proxy": tunnel, "no_proxy": "127.0.0.1"})
    assert whoami(past) == USER
    assert len(Tunnel.asked) == 1


# -- OpenShift ------------------------------------------------------------------------------------------------------


class OpenShift(BaseHTTPRequestHandler):
    """What of an OpenShift a login meets: its OAuth server's metadata, a challenge, a token, and one API path."""

    password = "hunter2"

    def log_message(self, *_args: Any) -> None:
        """Silent."""

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        here = f"http://{self.headers['Host']}"
        if self.path == auth_core.OAUTH_METADATA:
            ends = {"authorization_endpoint": f"{here}/oauth/authorize", "token_endpoint": f"{here}/oauth/token"}
            self.answer(200, ends)
        elif self.path.startswith("/oauth/authorize"):
            good = "Basic " + base64.b64encode(f"dev:{self.password}".encode()).decode()
            if self.headers["Authorization"] == good and self.headers["X-Csrf-Token"]:
                self.answer(302, Location=f"{here}/oauth/token/implicit?code=c0de&state=1")
            else:
                self.answer(401)
        elif self.headers["Authorization"] == "Bearer sha256~t0ken":
            self.answer(200, {"gitVersion": "v1.34.4"})
        else:
            self.answer(401, {"kind": "Status", "code": 401, "reason": "Unauthorized"})

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if asked.get("code") == ["c0de"] and asked.get("grant_type") == ["authorization_code"]:
            self.answer(200, {"access_token": "sha256~t0ken", "expires_in": 86400, "scope": "user:full"})
        else:
            self.answer(400)


@pytest.fixture
def openshift(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), OpenShift)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_user_and_password_on_openshift(openshift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openshift", reason="not run: the optional Python package openshift is not installed")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the stub has no certificate
    client = Client.from_params({"host": openshift, "username": "dev", "password": "hunter2"})
    assert client.version()["gitVersion"] == "v1.34.4"
    assert client.requests == 1
    with pytest.raises(CannotConnect, match=r"does not exchange this user and password.*HTTP 401") as caught:
        Client.from_params({"host": openshift, "username": "dev", "password": "wr0ng"})
    assert "wr0ng" not in str(caught.value)


def test_openshift_without_the_package_is_a_clear_error(openshift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_core, "userpassauth", None)
    with pytest.raises(MissingLibrary, match=r"openshift.*exchanges a user and password.*api_key"):
        Client.from_params({"host": openshift, "username": "dev", "password": "hunter2"})


def test_a_user_and_password_elsewhere_stay_what_they_are(parts: dict[str, str]) -> None:
    """No API server takes them; it is asked, and its answer is told."""
    client = Client.from_params(
        {"host": parts["host"], "ca_cert": parts["ca_cert"], "username": "dev", "password": "pw"}
    )
    authorization = client.transport.connection.authorization()
    assert authorization == "Basic " + base64.b64encode(b"dev:pw").decode()
