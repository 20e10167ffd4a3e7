# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From kubernetes.core's options and K8S_AUTH_* to one connection pool and the headers that go with it.

kubernetes.core decides what the options mean (in-cluster, kubeconfig, exec plugins, tokens, certificates);
the kubernetes package builds the pool (TLS, proxies). Only what travels on each request is ours. A user and password
become a token where the server is an OpenShift: the openshift package's login helper asks its OAuth server for one.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import (
    AUTH_OPTIONS,
    POOL_SIZE,
    CannotConnect,
    Connection,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import MissingLibrary
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client

try:
    import kubernetes
    import urllib3
    import yaml
    from kubernetes.client import rest

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

try:
    from openshift.helper import userpassauth as login_helper
except ImportError:
    login_helper = None

userpassauth: Any = login_helper  # untyped, optional
core: Any = core_client  # untyped

OAUTH_METADATA = "/.well-known/oauth-authorization-server"
LOGIN_TIMEOUT = 10.0


def connect(params: Mapping[str, Any]) -> Connection:
    """As ``auth.connect``, whatever the options are."""
    if IMPORT_ERROR is not None:
        raise MissingLibrary(f"{missing_required_lib('kubernetes')}\n{IMPORT_ERROR}".splitlines()[0])
    options = {name: params[name] for name in AUTH_OPTIONS if params.get(name) is not None}
    # The package keeps the last loaded kubeconfig as a process-wide default: it must not leak into the next client.
    kubernetes.client.Configuration.set_default(None)
    spec = core._create_auth_spec(None, **options)
    try:
        configuration = core._create_configuration(spec)
    except yaml.YAMLError as error:
        raise CannotConnect(f"the kubeconfig is not valid YAML{_line(error)}") from None
    except kubernetes.config.ConfigException as error:
        raise CannotConnect(f"no usable cluster configuration{_place(spec)}: {error}") from None
    except OSError as error:
        raise CannotConnect(f"cannot read the cluster configuration: {error}") from None
    configuration.connection_pool_maxsize = POOL_SIZE
    configuration.retries = False
    try:
        pool = rest.RESTClientObject(configuration).pool_manager
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        raise CannotConnect(f"cannot use the TLS or proxy options: {error}") from None
    if configuration.username and not any(configuration.api_key.values()):
        _login(configuration, pool)
    return Connection(
        host=str(configuration.host).rstrip("/"),
        pool=pool,
        headers=_impersonation(core._create_headers(None, **options)),
        authorization=_authorization(configuration),
    )


def _login(configuration: Any, pool: Any) -> None:
    """Turn a user and password into a token, on OpenShift. Elsewhere they stay what they are: basic authentication,
    which no API server takes since Kubernetes 1.19, but a proxy in front of one may."""
    host = str(configuration.host).rstrip("/")
    try:
        found = pool.request("GET", host + OAUTH_METADATA, timeout=LOGIN_TIMEOUT, retries=False, redirect=False)
        if found.status != 200 or "token_endpoint" not in found.data.decode("utf-8", "replace"):
            return
    except (OSError, urllib3.exceptions.HTTPError):
        return  # told in better words when the first request is sent
    if userpassauth is None:
        raise MissingLibrary(
            f"{missing_required_lib('openshift')} {host} is an OpenShift: that package exchanges a user and password "
            "for a token; or give a token as api_key"
        )

    # Its constructor passes an option that kubernetes >= 32 does not know; the login needs nothing of the constructor
    own = {
        "__init__": lambda self: None,
        "host": host,
        "ocp_username": configuration.username,
        "ocp_password": configuration.password,
        "verify_ssl": configuration.verify_ssl,
        "ssl_ca_cert": configuration.ssl_ca_cert,
    }
    login: Any = type("Login", (userpassauth.OCPLoginConfiguration,), own)()
    try:
        login.get_token()
    except userpassauth.OCPLoginException as error:
        refused = getattr(error, "req_info", {}).get("req_status_code")
        raise CannotConnect(
            f"{host} does not exchange this user and password for a token"
            + (f" (HTTP {refused})" if refused else "")
            + ": check username and password"
        ) from None
    except Exception as error:  # of requests, of oauthlib, or of an odd answer: none has a common base
        raise CannotConnect(f"cannot log in to the OpenShift at {host}: {type(error).__name__}") from None
    configuration.api_key = dict(login.api_key)
    configuration.username = configuration.password = None


def _impersonation(headers: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    flat: list[tuple[str, str]] = []
    for name, value in headers.items():
        flat.extend((name, str(item)) for item in (value if isinstance(value, list) else [value]))
    return tuple(flat)


def _authorization(configuration: Any) -> Callable[[], str | None]:
    lock = threading.Lock()

    def current() -> str | None:
        with lock:
            # kubernetes.core stores a token it was given as "authorization"; kubeconfig loaders use either name.
            for name in ("authorization", "BearerToken"):
                value = configuration.get_api_key_with_prefix(name)
                if value:
                    return str(value)
            if configuration.username:
                return str(configuration.get_basic_auth_token())
        return None

    return current


def _place(spec: Mapping[str, Any]) -> str:
    """What is known of where it was looked for; not the path, which Ansible would mask as a secret."""
    path = spec.get("kubeconfig")
    if not path:
        return " (neither kubeconfig nor host is given, as options or K8S_AUTH_*)"
    if isinstance(path, str) and not os.path.exists(os.path.expanduser(path)):
        return " (the file that kubeconfig names does not exist)"
    return ""


def _line(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark is not None else ""
