# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection from kubernetes.core's options and K8S_AUTH_*: the short way where that is the same, else theirs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import auth_plain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import Connection


def connect(params: Mapping[str, Any]) -> Connection:
    """Resolve the options of ``kubernetes.core.k8s_auth_options`` (None or absent: K8S_AUTH_*, then defaults).

    Raises MissingLibrary, or CannotConnect when no configuration can be made of them. Sends nothing, except
    what a kubeconfig's own exec plugin or token refresh does, and what a user and password need.
    """
    plain = auth_plain.connect(params, os.environ)
    if plain is not None:
        return plain
    # Here, as the kubernetes package takes as long to import as half of what most modules of ours do in all
    from ansible_collections.dynamo.multinode.plugins.module_utils.kube import auth_core

    return auth_core.connect(params)
