# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The most usual credentials, without the kubernetes package: one kubeconfig that holds all that is needed.

A file whose current context has an https server, its authority, and certificates or a token, and no proxy on the way.
At the least doubt there is no answer, and kubernetes.core says what is meant, or what is wrong.
Source: kubernetes.core module_utils/k8s/client.py (options), the kubernetes package's config/kube_config.py (file).
"""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import tempfile
import weakref
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import (
    AUTH_OPTIONS,
    POOL_SIZE,
    Connection,
)

try:
    import urllib3
    import yaml
    from urllib3.util.ssl_ import create_urllib3_context

    HAS_LIBRARIES = True
except ImportError:
    HAS_LIBRARIES = False

PREFIX, OURS = "K8S_AUTH_", "K8S_AUTH_KUBECONFIG"
CLUSTER_KEYS = frozenset({"server", "certificate-authority", "certificate-authority-data"})
USER_KEYS = frozenset(
    {"client-certificate", "client-certificate-data", "client-key", "client-key-data", "token"},
)


class _Doubt(Exception):
    """It is not so plain."""


def connect(params: Mapping[str, Any], environ: Mapping[str, str]) -> Connection | None:
    """The connection that ``auth_core.connect`` would give, or None where only that one knows. Sends nothing."""
    given = {name: params[name] for name in AUTH_OPTIONS if params.get(name) is not None}
    path = given.pop("kubeconfig", environ.get(OURS))
    if given or not HAS_LIBRARIES or not isinstance(path, str) or os.pathsep in path:
        return None
    if any(name.startswith(PREFIX) and name != OURS for name in environ) or set(getproxies()) - {"no"}:
        return None
    try:
        return _connection(*_current(os.path.expanduser(path)))
    except (_Doubt, OSError, ValueError, yaml.YAMLError):
        return None


def _current(path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Cluster and user of the current context."""
    with open(path, encoding="utf-8") as stream:
        config = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(config, dict):
        raise _Doubt
    context = _named(config, "context", config.get("current-context"))
    found = []
    for kind, keys in (("cluster", CLUSTER_KEYS), ("user", USER_KEYS)):
        one = {key: value for key, value in _named(config, kind, context.get(kind)).items() if key != "extensions"}
        if not keys.issuperset(one) or not all(isinstance(value, str) and value for value in one.values()):
            raise _Doubt
        found.append(one)
    return found[0], found[1]


def _named(config: dict[str, Any], kind: str, name: Any) -> dict[str, Any]:
    entries = config.get(f"{kind}s")
    fitting = [
        entry.get(kind)
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("name") == name
    ]
    if not isinstance(name, str) or len(fitting) != 1 or not isinstance(fitting[0], dict):
        raise _Doubt
    return fitting[0]


def _connection(cluster: dict[str, str], user: dict[str, str]) -> Connection:
    host, token, certificate = cluster.get("server", "").rstrip("/"), user.get("token"), set(user) - {"token"}
    if not host.startswith("https://") or not (token or certificate):
        raise _Doubt
    # As the kubernetes package does: a TLS context that connections share is no choice, as urllib3 changes it with each
    # of them, and another thread's handshake is garbled
    folder = tempfile.mkdtemp(prefix="dynamo-multinode-")
    try:
        files = {"ca_certs": _file(cluster, "certificate-authority", folder)}
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        context.load_verify_locations(files["ca_certs"])
        if certificate:
            files["cert_file"] = _file(user, "client-certificate", folder)
            files["key_file"] = _file(user, "client-key", folder)
            context.load_cert_chain(files["cert_file"], files["key_file"], password=_encrypted)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    pool = urllib3.PoolManager(maxsize=POOL_SIZE, retries=False, cert_reqs=ssl.CERT_REQUIRED, **files)
    # With the pool, or with the process
    weakref.finalize(pool, shutil.rmtree, folder, ignore_errors=True)
    return Connection(host=host, pool=pool, headers=(), authorization=lambda: f"Bearer {token}" if token else None)


def _encrypted() -> str:
    """In place of a question on the terminal."""
    raise _Doubt


def _file(source: dict[str, str], name: str, folder: str) -> str:
    """The file of an absolute path, or one in ``folder`` with what is given as data; not both."""
    data, path = source.get(f"{name}-data"), source.get(name)
    if (data is None) == (path is None):
        raise _Doubt
    if path is not None:
        if not os.path.isabs(path):
            raise _Doubt
        return path
    made = os.path.join(folder, name)
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(base64.b64decode(str(data), validate=True))
    return made
