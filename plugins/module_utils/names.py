# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the collection signs what it makes in a cluster."""

from __future__ import annotations

# Field manager of every apply, and value of the label below
MANAGER = "dynamo.multinode"
MANAGED_BY = "app.kubernetes.io/managed-by"
WORKLOAD_LABEL = "dynamo.multinode/workload"
COMPONENT_LABEL = "dynamo.multinode/component"
# ``leader`` or ``worker``, where the orchestrator has no label of its own for that (Grove)
RANK_LABEL = "dynamo.multinode/rank"
# On pods: a change of the engine's configuration file changes it, and so rolls them
ENGINE_CONFIG_HASH = "dynamo.multinode/engine-config"
# On the ConfigMap that says of a platform component whether it was adopted or provisioned
RECORD_LABEL = "dynamo.multinode/record"
# Of a CustomResourceDefinition that is Established, and whose names another one holds
NAMES_TAKEN = "(MN-F61: another definition holds one of its names; delete the one of them that nothing uses)"


def engine_config_name(workload: str, component: str) -> str:
    """The ConfigMap with an engine's own configuration file."""
    return f"{workload}-{component}-engine"


def ca_bundle_name(workload: str) -> str:
    """The ConfigMap with the certificates that a workload's pods trust."""
    return f"{workload}-ca-bundle"


def compute_domain_name(workload: str) -> str:
    """The ComputeDomain of a workload that does not name it."""
    return f"{workload}-compute-domain"


def channel_name(compute_domain: str) -> str:
    """The ResourceClaimTemplate that the ComputeDomain's controller makes."""
    return f"{compute_domain}-channel"
