# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way gives what kubernetes.core's gives, and gives nothing where it cannot be sure. Sends nothing."""

from __future__ import annotations

import base64
import gc
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import auth_core, auth_plain
from cryptography.hazmat.primitives import serialization

from lab.certs import Authority, pem

SERVER = "https://api.example:6443"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
Config = dict[str, Any]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("somebody")


@pytest.fixture
def config(authority: Authority) -> Config:
    """With all that is needed inside."""
    certificate, key = authority.issue("me")
    given = {
        "certificate-authority-data": pem(authority.cert),
        "client-certificate-data": certificate,
        "client-key-data": key,
    }
    data = {name: base64.b64encode(value).decode() for name, value in given.items()}
    cluster = {"server": SERVER, "certificate-authority-data": data.pop("certificate-authority-data")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "other", "cluster": {"server": "https://other"}}, {"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": data}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def written(config: Config, folder: Path) -> str:
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


def cluster(config: Config) -> Config:
    found: Config = config["clusters"][1]["cluster"]
    return found


def user(config: Config) -> Config:
    found: Config = config["users"][0]["user"]
    return found


def as_files(config: Config, folder: Path) -> None:
    """The same, in files beside it."""
    for part in (cluster(config), user(config)):
        for key in [key for key in part if key.endswith("-data")]:
            path = folder / key
            path.write_bytes(base64.b64decode(part.pop(key)))
            part[key.removesuffix("-data")] = str(path)


def with_token(config: Config, _folder: Path) -> None:
    config["users"][0]["user"] = {"token": "sesame"}


def with_both(config: Config, _folder: Path) -> None:
    user(config)["token"] = "sesame"


def with_a_slash(config: Config, _folder: Path) -> None:
    cluster(config)["server"] += "/"


def with_notes(config: Config, _folder: Path) -> None:
    cluster(config)["extensions"] = [{"name": "of a tool"}]


@pytest.mark.parametrize("change", [None, as_files, with_token, with_both, with_a_slash, with_notes])
def test_it_is_what_kubernetes_core_makes_of_it(
    config: Config, tmp_path: Path, change: Callable[[Config, Path], None] | None
) -> None:
    if change:
        change(config, tmp_path)
    given = {"kubeconfig": written(config, tmp_path), "context": None}
    before = sorted(tmp_path.iterdir())
    plain, usual = auth_plain.connect(given, {}), auth_core.connect(given)
    assert plain is not None
    assert (plain.host, plain.headers) == (usual.host, usual.headers) == (SERVER, ())
    token = "Bearer sesame" if user(config).get("token") else None
    assert plain.authorization() == usual.authorization() == token
    ours, theirs = (one.pool.connection_pool_kw for one in (plain, usual))
    for name in ("cert_reqs", "maxsize", "retries"):
        assert str(ours[name]) == str(theirs[name])
    for name in ("ca_certs", "cert_file", "key_file"):
        both = [Path(pool[name]).read_bytes() if pool.get(name) else None for pool in (ours, theirs)]
        assert both[0] == both[1]
    assert "ssl_context" not in ours, "urllib3 changes it with each connection, whatever other threads are at"
    assert sorted(tmp_path.iterdir()) == before


def test_no_key_outlives_its_connection(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(config, tmp_path)
    (tmp_path / "tmp").mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    connection = auth_plain.connect({"kubeconfig": path}, {})
    kept = list((tmp_path / "tmp").glob("*/*"))
    assert {(one.name, one.stat().st_mode & 0o777, one.parent.stat().st_mode & 0o777) for one in kept} == {
        (name, 0o600, 0o700) for name in ("certificate-authority", "client-certificate", "client-key")
    }
    del connection
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == []
    user(config)["client-key-data"] = "bm9uZQ=="
    assert auth_plain.connect({"kubeconfig": written(config, tmp_path)}, {}) is None
    assert list((tmp_path / "tmp").iterdir()) == []


def test_by_the_environment(config: Config, tmp_path: Path) -> None:
    assert auth_plain.connect({}, {"K8S_AUTH_KUBECONFIG": written(config, tmp_path)}) is not None
    assert auth_plain.connect({}, {"K8S_AUTH_KUBECONFIG": str(tmp_path / "nothing")}) is None
    assert auth_plain.connect({}, {}) is None


DOUBTS: dict[str, Callable[[Config], object]] = {
    "a server without TLS": lambda one: cluster(one).update(server="http://api.example"),
    "no server": lambda one: cluster(one).pop("server"),
    "no authority": lambda one: cluster(one).pop("certificate-authority-data"),
    "whoever answers": lambda one: cluster(one).update({"insecure-skip-tls-verify": "true"}),
    "another name": lambda one: cluster(one).update({"tls-server-name": "other"}),
    "a proxy": lambda one: cluster(one).update({"proxy-url": "http://proxy"}),
    "an authority that is none": lambda one: cluster(one).update({"certificate-authority-data": "bm9uZQ=="}),
    "no base64": lambda one: cluster(one).update({"certificate-authority-data": "%"}),
    "data and file": lambda one: user(one).update({"client-key": "/etc/key"}),
    "a relative path": lambda one: (user(one).pop("client-key-data"), user(one).update({"client-key": "key"})),
    "no such file": lambda one: (user(one).pop("client-key-data"), user(one).update({"client-key": "/none"})),
    "half a pair": lambda one: user(one).pop("client-key-data"),
    "a program": lambda one: user(one).update(exec={"command": "aws"}),
    "a password": lambda one: user(one).update(username="me", password="sesame"),
    "a file with a token": lambda one: user(one).update(tokenFile="/var/token"),
    "nobody": lambda one: user(one).clear(),
    "a number for a token": lambda one: user(one).update(token=1),
    "no current context": lambda one: one.pop("current-context"),
    "no such context": lambda one: one.update({"current-context": "y"}),
    "two of one name": lambda one: one["users"].append(one["users"][0]),
    "no users": lambda one: one.pop("users"),
}


@pytest.mark.parametrize("case", DOUBTS)
def test_at_the_least_doubt_there_is_no_answer(config: Config, tmp_path: Path, case: str) -> None:
    DOUBTS[case](config)
    assert auth_plain.connect({"kubeconfig": written(config, tmp_path)}, {}) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "\t", "contexts: 1"])
def test_what_is_no_kubeconfig_is_left_to_those_who_say_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    assert auth_plain.connect({"kubeconfig": str(path)}, {}) is None


def test_a_key_with_a_password_asks_nobody(config: Config, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(base64.b64decode(user(config)["client-key-data"]), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"sesame"),
    )
    user(config)["client-key-data"] = base64.b64encode(locked).decode()
    assert auth_plain.connect({"kubeconfig": written(config, tmp_path)}, {}) is None


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"context": "x"}, {}),
        ({"validate_certs": False}, {}),
        ({"impersonate_user": "tess"}, {}),
        ({}, {"K8S_AUTH_CONTEXT": "x"}),
        ({}, {"K8S_AUTH_VERIFY_SSL": "no"}),
        ({}, {"K8S_AUTH_IMPERSONATE_USER": "tess"}),
    ],
)
def test_another_option_is_for_kubernetes_core(
    config: Config, tmp_path: Path, options: Config, environ: dict[str, str]
) -> None:
    path = written(config, tmp_path)
    assert auth_plain.connect({"kubeconfig": path, **options}, environ) is None
    assert auth_plain.connect({"kubeconfig": f"{path}:{path}"}, {}) is None
    assert auth_plain.connect({"kubeconfig": config}, {}) is None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_is_for_the_kubernetes_package(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = written(config, tmp_path)
    monkeypatch.setenv("no_proxy", "localhost")
    assert auth_plain.connect({"kubeconfig": path}, {}) is not None
    monkeypatch.setenv(name, "http://proxy.example:3128")
    assert auth_plain.connect({"kubeconfig": path}, {}) is None


def test_it_does_without_the_kubernetes_package(config: Config, tmp_path: Path) -> None:
    """Which is what it is for."""
    program = (
        "import sys\n"
        "from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client\n"
        f"client = Client.from_params({{'kubeconfig': {written(config, tmp_path)!r}}})\n"
        "assert client.transport.connection.host == 'https://api.example:6443'\n"
        "assert not {'kubernetes', 'requests'} & set(sys.modules)\n"
    )
    search = ":".join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": search}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
