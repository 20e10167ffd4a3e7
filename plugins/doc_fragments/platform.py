# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that cluster_info and platform_path share: what the platform is to be like."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  scheduler:
    description: Which scheduler is to place the gangs.
    type: str
    choices: [auto, kai, volcano, default]
    default: auto
  workload_api:
    description: Which objects the workloads are to become.
    type: str
    choices: [auto, dynamo, native]
    default: auto
  registry:
    description: The variable C(multinode_registry), where images are pulled from.
    type: dict
  pod_proxy:
    description: The variable C(multinode_proxy), how operators reach outside.
    type: dict
  airgap:
    description: Whether nothing may be downloaded, so that a chart which is not a local archive or folder is refused.
    type: bool
    default: false
"""
