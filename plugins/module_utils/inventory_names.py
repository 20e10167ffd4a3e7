# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of the inventory's variables, as the playbooks and the roles' defaults read them."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import nearest

VARIABLES = (
    "multinode_airgap",
    "multinode_applyset",
    "multinode_artifacts_dir",
    "multinode_artifacts_kubernetes",
    "multinode_artifacts_systems",
    "multinode_auth",
    "multinode_dynamo_version",
    "multinode_heal_gangs",
    "multinode_helm_binary",
    "multinode_manifests",
    "multinode_node",
    "multinode_node_group",
    "multinode_orchestrator",
    "multinode_platform",
    "multinode_proxy",
    "multinode_prune",
    "multinode_queues",
    "multinode_registry",
    "multinode_remove_claims",
    "multinode_remove_crds",
    "multinode_render_dir",
    "multinode_replace",
    "multinode_report_dir",
    "multinode_rollback",
    "multinode_scheduler",
    "multinode_topology_gangs",
    "multinode_topology_levels",
    "multinode_topology_write",
    "multinode_upgrade_only",
    "multinode_upgrade_wait_timeout",
    "multinode_waivers",
    "multinode_workload_api",
    "multinode_workload_defaults",
    "multinode_workload_overlays",
    "multinode_workloads",
)


def unknown(names: Iterable[str]) -> list[str]:
    """A sentence for each name that nobody reads, with the one that is likely meant."""
    return [
        f"{name}: is not a variable of dynamo.multinode{nearest(name, VARIABLES)}"
        for name in sorted(set(names) - set(VARIABLES))
    ]
