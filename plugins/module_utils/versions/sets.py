# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version sets: what is installed together with which Dynamo. A set is chosen as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# In order of preference: the first that fits the cluster's Kubernetes. The first of each runs in our lab.
VOLCANO = ("1.14.1", "1.15.1")
LWS = ("0.8.0", "0.10.0")
# The pair of NVIDIA/aicr's bill of materials; Node Feature Discovery comes with the GPU operator's chart
MACHINES: Mapping[str, tuple[str, ...]] = {
    "gpu_operator": ("26.7.1",),
    "network_operator": ("26.4.1",),
    "nfd": ("0.19.0",),
}


@dataclass(frozen=True)
class VersionSet:
    """What goes with one minor release of Dynamo: per component the versions in order of preference."""

    dynamo: tuple[int, int]
    versions: Mapping[str, tuple[str, ...]]
    source: str


def _set(dynamo: str, kai: str, grove: str, source: str) -> VersionSet:
    major, minor, _patch = dynamo.split(".")
    return VersionSet(
        (int(major), int(minor)),
        {
            **MACHINES,
            "kai_scheduler": (kai,),
            "grove": (grove,),
            "volcano": VOLCANO,
            "lws": LWS,
            "dynamo_platform": (dynamo,),
        },
        source,
    )


# Newest first; the first is the default.
SETS: tuple[VersionSet, ...] = (
    _set("1.6.1", "0.17.0", "0.1.0-alpha.14", "Dynamo 1.6 docs, multinode orchestration, and its compatibility card"),
    _set("1.5.1", "0.17.0", "0.1.0-alpha.13", "Dynamo 1.5's chart bundles them: dynamo #14104, #14553"),
    _set("1.4.2", "0.16.9", "0.1.0-alpha.11", "Dynamo 1.4 docs and release notes; KAI's LTS as in NVIDIA/aicr"),
    _set("1.3.0", "0.13.4", "0.1.0-alpha.8", "Dynamo 1.3's chart bundles them: Chart.yaml"),
)
