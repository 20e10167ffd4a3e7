# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that workload, workload_plan and workload_info share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  workloads:
    description:
      - The workloads, as C(multinode_workloads) of the inventory describes them.
      - Their schema is checked by the collection itself, so that all errors of all workloads come at once, with paths.
        An unknown key is an error, a number given as text is not.
      - An empty list is an error.
    type: list
    elements: dict
    required: true
  defaults:
    description: Merged under every workload, as C(multinode_workload_defaults).
    type: dict
    default: {}
  overlays:
    description: Merged over the workload of that name, as C(multinode_workload_overlays).
    type: dict
    default: {}
  machines:
    description:
      - The GPU machines, C(multinode_node) of every host, each with C(name).
      - From them come the default of C(gpus_per_node), extra resources and the capacity that the plan is compared with.
    type: list
    elements: dict
    default: []
  orchestrator:
    description:
      - What holds an engine together, V(auto), V(grove) or V(lws).
      - V(auto) reads the cluster; where it finds both, or where there is no cluster, it fails with the question.
    type: str
    default: auto
  scheduler:
    description: What binds the pods, V(auto), V(kai), V(volcano) or V(default).
    type: str
    default: auto
  workload_api:
    description: What the workloads become, V(auto), V(dynamo) (DynamoGraphDeployment) or V(native) (LeaderWorkerSet).
    type: str
    default: auto
  dynamo_version:
    description: Version of Dynamo, X.Y.Z.
    type: str
  topology_levels:
    description:
      - Topology levels and the node labels that carry them, outermost first.
      - Empty means zone, block and rack with the labels C(topology.kubernetes.io/zone), C(.../block) and C(.../rack).
    type: dict
    default: {}
  replace:
    description: Consent to delete and recreate what cannot be changed in place, V(never) or V(allow).
    type: str
    default: never
  registry:
    description:
      - Where images come from, with C(mirror) (an address such as C(registry.example:5000/team)), C(pull_secret) and
        C(ca_bundle) (certificates as PEM text).
      - Every image of every pod is taken from the mirror, those that C(pod_spec) brings included. The mirror's address
        takes the place of the registry's host; what names the mirror already stays as it is.
    type: dict
    default: {}
  pod_proxy:
    description:
      - By what way containers that download get outside, with C(http), C(https) and C(no_proxy) (a list).
      - The cluster's services and the API server are excepted always. The pods' own network has to be in C(no_proxy).
    type: dict
    default: {}
  airgap:
    description: Whether engines are kept from asking a model hub.
    type: bool
    default: false
"""
