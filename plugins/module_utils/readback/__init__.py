# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Dynamo operator, and after it the engine, will make of a manifest: anybody's, in any spelling. Pure.

``read`` takes a DynamoGraphDeployment (v1beta1 or v1alpha1), a DynamoComponentDeployment, a LeaderWorkerSet or a
PodCliqueSet; ``compare`` holds what we render against its plan. ``operator`` and ``mpi`` are the operator to the
letter, ``command``, ``shell``, ``engine`` and ``mounts`` the engine's side, ``objects`` the manifests' shapes.
"""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.readback.compare import compare
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import (
    ComponentReading,
    EngineReading,
    OperatorReading,
    Part,
    Readback,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.reader import ENABLE_GROVE, provider_of, read

__all__ = [
    "ENABLE_GROVE",
    "ComponentReading",
    "EngineReading",
    "OperatorReading",
    "Part",
    "Readback",
    "compare",
    "provider_of",
    "read",
]
