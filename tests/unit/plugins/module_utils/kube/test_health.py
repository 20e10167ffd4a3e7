# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object by which a component reports lacks, of a cluster that is a dict."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import definition
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client, NoSuchKind
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import Waited, _report


class Fake:
    """Serves the kinds that it is given, with their objects; all are cluster-wide."""

    def __init__(self, **kinds: list[dict[str, Any]]) -> None:
        self.kinds = kinds

    def serves(self, _api_version: str, kind: str) -> bool:
        return kind in self.kinds

    def resource(self, api_version: str, kind: str) -> Any:
        if kind not in self.kinds:
            raise NoSuchKind(api_version, kind)
        return SimpleNamespace(namespaced=False)

    def list(self, _api_version: str, kind: str, _namespace: str | None = None) -> list[dict[str, Any]]:
        return self.kinds[kind]


def made(kind: str, state: str) -> dict[str, Any]:
    api = "nvidia.com/v1" if kind == "ClusterPolicy" else "nvidia.com/v1alpha1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "it"}, "status": {"state": state}}


@pytest.mark.parametrize(
    ("kinds", "lacks"),
    [
        ({"ClusterPolicy": [made("ClusterPolicy", "ready")]}, []),
        ({"ClusterPolicy": [made("ClusterPolicy", "notReady")]}, ["ClusterPolicy it state notReady"]),
        ({"ClusterPolicy": []}, ["ClusterPolicy is not there"]),
        ({"ClusterPolicy": [], "GPUCluster": []}, ["ClusterPolicy is not there"]),
        ({"ClusterPolicy": [], "GPUCluster": [made("GPUCluster", "ready")]}, []),
        ({"ClusterPolicy": [], "GPUCluster": [made("GPUCluster", "notReady")]}, ["GPUCluster it state notReady"]),
        ({}, ["ClusterPolicy is not served"]),
    ],
)
def test_the_gpu_operator_reports_by_its_policy_or_in_dra_mode_by_its_gpu_cluster(
    kinds: dict[str, list[dict[str, Any]]], lacks: list[str]
) -> None:
    component = definition("gpu_operator")
    (report,) = component.reports
    found = _report(cast("Client", Fake(**kinds)), report, Waited("gpu-operator"), component.instead.get(report[1]))
    assert [line.rstrip() for line in found] == lacks
