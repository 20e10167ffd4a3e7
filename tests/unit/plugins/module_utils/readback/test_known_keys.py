# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of known keys against upstream's own definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_keys import TABLES, Table

from tests.unit.plugins.module_utils.recorded import UPSTREAM

FILES = {
    "DynamoGraphDeployment": "dynamo/nvidia.com_dynamographdeployments.yaml",
    "LeaderWorkerSet": "lws/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
    "PodCliqueSet": "grove/grove.io_podcliquesets.yaml",
}
# Newer than the definitions; and in them, but never shipped.
NEWER, NEVER = "roles", {"multinode": {"leader", "worker"}}
# One key of a pod under two names, by the Kubernetes that a definition was made from.
EITHER = {"schedulingGroup", "workloadRef"}


def schema(kind: str, version: str) -> dict[str, Any]:
    file = UPSTREAM / "crds" / FILES[kind]
    if not file.exists():
        pytest.skip(f"not run: crds/{FILES[kind]} is not below MULTINODE_UPSTREAM")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with file.open(encoding="utf-8") as handle:
        for one in yaml.load_all(handle, Loader=loader):
            for served in (one or {}).get("spec", {}).get("versions", []):
                if served["name"] == version:
                    return dict(served["schema"]["openAPIV3Schema"]["properties"]["spec"])
    raise AssertionError(f"{kind} {version} is in no definition")


def differences(table: Table, node: dict[str, Any], path: str) -> Iterator[str]:
    if "*" in table:
        yield from differences(table["*"], node["additionalProperties"], f"{path}.*")
        return
    known, real = set(table) - {NEWER}, set(node.get("properties", {}))
    real -= NEVER.get(path.rsplit(".", 1)[-1], set())
    yield from (f"{path}.{key}" for key in (known ^ real) - EITHER)
    for key in known & real:
        below, inner = table[key], node["properties"][key]
        if isinstance(below, list):
            yield from differences(below[0], inner["items"], f"{path}.{key}[]")
        elif below is not None:
            yield from differences(below, inner, f"{path}.{key}")


@pytest.mark.parametrize(("kind", "version"), TABLES)
def test_the_tables_are_upstreams(kind: str, version: str) -> None:
    found = sorted(differences(TABLES[(kind, version)], schema(kind, version), "spec"))
    assert found == []
