# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that are taken out of the settings: their objects wait for an operator that goes with the last of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab import small_charts
from lab.handle import Lab
from tests.integration.test_platform import Platform

VFS = {"name": "vfs", "resource": "vfs", "num_vfs": 8, "device_ids": ["1021"]}
NETWORKS = "sriovnetworks.sriovnetwork.openshift.io"
FINALIZER = "netattdef.finalizers.sriovnetwork.openshift.io"


@pytest.fixture(scope="module")
def platform(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    if small_charts.upstream() is None:
        pytest.skip("not run: no definitions at MULTINODE_UPSTREAM")
    return Platform(make_lab(nodes=1), tmp_path_factory.mktemp("entries"))


def settings(lab: Lab, *entries: dict[str, Any], **values: Any) -> dict[str, Any]:
    chart = str(lab.standin("network-operator"))
    return {"network_operator": {"mode": "provision", "chart": chart, "sriov": list(entries), "values": values}}


def names(lab: Lab, kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in lab.get(kind, "-A")]


def test_f70_the_last_network_goes_before_the_operator_that_takes_its_finalizer_off(platform: Platform) -> None:
    lab = platform.lab
    platform.run("network_operator", multinode_platform=settings(lab, VFS))
    lab.kubectl("wait", NETWORKS, "vfs", "-n", "nvidia-network-operator", "--timeout=60s",
                f"--for=jsonpath={{.metadata.finalizers[0]}}={FINALIZER}")  # fmt: skip
    platform.run("network_operator", multinode_platform=settings(lab), helm_component_wait_timeout=60)
    assert names(lab, NETWORKS) == []
    assert names(lab, "sriovnetworknodepolicies.sriovnetwork.openshift.io") == []
    assert "sriov-network-operator" not in names(lab, "deployments")
    assert "changed=0" in platform.run("network_operator", multinode_platform=settings(lab))


def test_f70_killed_before_the_record_forgets_what_is_to_go(platform: Platform) -> None:
    """Killed while the objects go: the next run still knows them."""
    lab = platform.lab
    platform.run("network_operator", multinode_platform=settings(lab, VFS))
    lab.kubectl("wait", NETWORKS, "vfs", "-n", "nvidia-network-operator", "--timeout=60s",
                f"--for=jsonpath={{.metadata.finalizers[0]}}={FINALIZER}")  # fmt: skip
    where = ("sriovnetworks.sriovnetwork.openshift.io", "vfs", "-n", "nvidia-network-operator")
    # Somebody else's finalizer holds it until after the kill
    lab.kubectl("scale", "deployment", "sriov-network-operator", "-n", "nvidia-network-operator", "--replicas=0")
    pods = ("pods", "-n", "nvidia-network-operator", "-l", "name=sriov-network-operator")
    lab.kubectl("wait", *pods, "--for=delete", "--timeout=60s")
    lab.kubectl("patch", *where, "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/held"]}}')
    platform.kill(
        "network_operator",
        when=lambda: "deletionTimestamp" in lab.get(*where)["metadata"],
        multinode_platform=settings(lab),
    )
    record = platform.record("network_operator")
    assert record is not None
    assert "SriovNetwork" in [item["kind"] for item in record["objects"]]
    lab.kubectl("patch", *where, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    platform.run("network_operator", multinode_platform=settings(lab))
    assert names(lab, NETWORKS) == []
