# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a NicClusterPolicy: the operator deploys what the policy names, and names nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import pull_secret_of, repository

REPOSITORY = "nvcr.io/nvidia/mellanox"
# Source of both tables: network-operator at the tag of each version, hack/release.yaml. Since 25.7 all parts but the
# driver bear the operator's own version.
IMAGES: Mapping[str, str] = {
    "ofedDriver": "doca-driver",
    "rdmaSharedDevicePlugin": "k8s-rdma-shared-dev-plugin",
    "sriovDevicePlugin": "sriov-network-device-plugin",
    "cniPlugins": "plugins",
    "multus": "multus-cni",
    "ipoib": "ipoib-cni",
    "nvIpam": "nvidia-k8s-ipam",
}
DRIVERS: Mapping[str, str] = {
    "25.7.0": "doca3.1.0-25.07-0.9.7.0-0",
    "25.10.0": "doca3.2.0-25.10-1.2.8.0-2",
    "26.1.0": "doca3.3.0-26.01-1.0.0.0-0",
    "26.1.1": "doca3.3.0-26.01-1.0.0.0-4",
    "26.1.2": "doca3.3.0-26.01-1.0.0.0-0",
    "26.4.0": "doca3.4.0-26.04-0.8.6.0-0",
    "26.4.1": "doca3.4.1-26.04-1.1.0.0-1",
}
OLDEST = "25.7.0"


def known(version: str) -> bool:
    """Whether the parts' versions follow from the operator's."""
    asked, oldest = versions.key(version), versions.key(OLDEST)
    return asked is not None and oldest is not None and asked >= oldest


def driver(version: str) -> str:
    """The MOFED driver that belongs to this version of the operator; "" where the table does not know."""
    return DRIVERS.get(versions.plain(version), "")


def image(part: str, version: str, registry: Mapping[str, Any], override: str = "") -> dict[str, Any]:
    """{"image", "repository", "version"} of one part, from the mirror where there is one, with its pull secret."""
    tag = override or (driver(version) if part == "ofedDriver" else f"network-operator-v{versions.plain(version)}")
    found: dict[str, Any] = {
        "image": IMAGES[part],
        "repository": repository(REPOSITORY, registry),
        "version": tag,
    }
    secret = pull_secret_of(registry)
    if secret:
        found["imagePullSecrets"] = [secret]
    return found
