# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version matrix: what runs where, and what does not run at all, as data with its sources.

Versions are upstream's own numbers without the leading ``v``. In a bound, ``-0`` sorts before every prerelease of the
version, as in charts' kubeVersion.
"""

from __future__ import annotations

from dataclasses import dataclass

DYNAMO_PAGE = "Dynamo docs, multinode orchestration"
KAI_SUPPORT = "KAI: SUPPORT.md"
VOLCANO_README = "volcano: README, Kubernetes compatibility"
NETWORK_SUPPORT = "Network Operator docs, platform support"
GPU_SUPPORT = "GPU Operator docs, platform support"


@dataclass(frozen=True)
class Entry:
    """One minor line of one component.

    kubernetes_min, kubernetes_max: the documented range, as ``(major, minor)``, both ends included; None: none.
    tested_to: the newest Kubernetes of upstream's own tests or documents, where no upper end is stated; beyond it: a
    warning.
    """

    component: str
    line: tuple[int, int]
    kubernetes_min: tuple[int, int] | None
    kubernetes_max: tuple[int, int] | None
    tested_to: tuple[int, int] | None
    source: str


@dataclass(frozen=True)
class Bad:
    """Versions known not to work: ``since`` <= version < ``before`` (None: open)."""

    component: str
    since: str | None
    before: str | None
    reason: str
    remedy: str
    source: str
    finding: str = "MN-F27"


MATRIX: tuple[Entry, ...] = (
    Entry("gpu_operator", (25, 3), (1, 29), (1, 33), None, GPU_SUPPORT),
    Entry("gpu_operator", (25, 10), (1, 29), None, None, f"{GPU_SUPPORT}: lower end as 25.3, no upper end known"),
    Entry("gpu_operator", (26, 3), (1, 29), None, None, f"{GPU_SUPPORT}: lower end as 25.3, no upper end known"),
    Entry("gpu_operator", (26, 7), (1, 29), None, None, f"{GPU_SUPPORT}: lower end as 25.3, no upper end known"),
    Entry("network_operator", (24, 7), (1, 27), (1, 30), None, f"{NETWORK_SUPPORT} 24.7"),
    Entry("network_operator", (24, 10), (1, 27), (1, 30), None, f"{NETWORK_SUPPORT} 24.10"),
    Entry("network_operator", (25, 4), (1, 29), (1, 32), None, f"{NETWORK_SUPPORT} 25.4"),
    Entry("network_operator", (26, 1), (1, 31), (1, 35), None, f"{NETWORK_SUPPORT} 26.1.2"),
    Entry("network_operator", (26, 4), (1, 31), None, (1, 35), f"{NETWORK_SUPPORT} 26.1.2, carried over"),
    Entry("network_operator", (26, 7), (1, 31), None, (1, 35), f"{NETWORK_SUPPORT} 26.1.2, carried over"),
    # Definitions with CEL rules
    Entry("kai_scheduler", (0, 13), (1, 25), None, (1, 35), "KAI: definitions; no range is documented"),
    Entry("kai_scheduler", (0, 14), (1, 31), (1, 35), None, KAI_SUPPORT),
    Entry("kai_scheduler", (0, 15), (1, 31), (1, 35), None, KAI_SUPPORT),
    # SUPPORT.md says 1.36 of it too; Kubernetes 1.36 asks for a right (resourceclaims/binding) that came with 0.17
    Entry("kai_scheduler", (0, 16), (1, 28), (1, 35), None, f"{KAI_SUPPORT}; KAI #1372"),
    Entry("kai_scheduler", (0, 17), (1, 28), (1, 36), None, KAI_SUPPORT),
    Entry("kai_scheduler", (0, 18), (1, 28), (1, 36), None, KAI_SUPPORT),
    # Pods' scheduling gates: on by default from 1.27
    Entry("grove", (0, 1), (1, 27), None, None, "grove: scheduling gates"),
    Entry("volcano", (1, 13), (1, 23), (1, 33), None, VOLCANO_README),
    Entry("volcano", (1, 14), (1, 23), (1, 34), None, VOLCANO_README),
    Entry("volcano", (1, 15), (1, 23), (1, 35), None, VOLCANO_README),
    # StatefulSet start ordinals: alpha in 1.26, on by default from 1.27
    Entry("lws", (0, 7), (1, 27), None, None, "lws: docs, installation"),
    Entry("lws", (0, 8), (1, 27), None, (1, 34), "lws: Makefile ENVTEST_K8S_VERSION, go.mod"),
    Entry("lws", (0, 9), (1, 27), None, (1, 36), "lws: go.mod"),
    Entry("lws", (0, 10), (1, 33), (1, 36), None, "lws #1024"),
    Entry("dynamo_platform", (1, 3), (1, 30), None, None, "dynamo-platform: Chart.yaml, kubeVersion"),
    Entry("dynamo_platform", (1, 4), (1, 30), None, None, "dynamo-platform: Chart.yaml, kubeVersion"),
    Entry("dynamo_platform", (1, 5), (1, 30), None, None, "dynamo-platform: Chart.yaml, kubeVersion"),
    Entry("dynamo_platform", (1, 6), (1, 30), None, None, "dynamo-platform: Chart.yaml, kubeVersion"),
)

KNOWN_BAD: tuple[Bad, ...] = (
    Bad(
        "grove",
        "0.1.0-alpha.12-0",
        "0.1.0-alpha.13-0",
        "pods of a deployment that was scaled to zero stay SchedulingGated for ever",
        "use Grove 0.1.0-alpha.13 or newer",
        "grove #809, fixed by #811; dynamo #14278",
    ),
    Bad(
        "volcano",
        None,
        "1.13.0-0",
        "it makes a PodGroup of its own for every StatefulSet of a LeaderWorkerSet, beside the gang's",
        "use Volcano 1.13.0 or newer",
        "volcano PR #4478",
    ),
    Bad(
        "lws",
        None,
        "0.7.0-0",
        "it cannot make PodGroups (no gangSchedulingManagement), so its groups are no gangs",
        "use LWS 0.7.0 or newer",
        "lws 0.7.0 release notes",
        "MN-F32",
    ),
    Bad(
        "dynamo_platform",
        None,
        "1.1.0-0",
        "its multinode gangs have minAvailable 1: they start in part",
        "use Dynamo 1.3 or newer",
        "dynamo #7811, fixed by #7905",
    ),
    Bad(
        "dynamo_platform",
        "1.1.0-0",
        "1.2.0-0",
        "it does not serve nvidia.com/v1beta1, which this collection renders",
        "use Dynamo 1.3 or newer",
        "dynamo #8647",
    ),
)
