# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts and groups from the cluster's own nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_nodes
short_description: GPU machines from a cluster's own nodes
version_added: "0.1.0"
description:
  - Reads the nodes of a Kubernetes cluster and gives each GPU machine as a host, with C(multinode_node) from its labels
    and from what it reports as allocatable.
  - The file's name ends in C(kubernetes_nodes.yml) or C(kubernetes_nodes.yaml).
  - One request per 500 nodes is sent; with O(cache) none until it expires. The right to list nodes is enough.
  - Whatever keeps it from reading the nodes, and a cluster without a GPU machine, is an error.
  - Ansible itself turns errors of inventory sources into warnings, unless C(any_unparsed_is_failed) is set in section
    C(inventory) of its configuration, or C(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) in the environment.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - kubernetes
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [dynamo.multinode.kubernetes_nodes]
  group:
    description: The group of the machines that engines are planned on, as C(multinode_node_group).
    type: str
    default: gpu_nodes
  unavailable_group:
    description: The group of the GPU machines that are set apart. See O(not_ready) and O(cordoned).
    type: str
    default: gpu_nodes_unavailable
  label_selector:
    description: Only nodes with these labels, as C(kubectl --selector) takes it.
    type: str
  all_nodes:
    description: Give machines without GPUs as hosts as well. They are in no group of this plugin.
    type: bool
    default: false
  topology_levels:
    description: Topology levels and the node labels that carry them, outermost first, as C(multinode_topology_levels).
    type: dict
    default:
      zone: topology.kubernetes.io/zone
      block: topology.kubernetes.io/block
      rack: topology.kubernetes.io/rack
  gpu_resource:
    description: The extended resource that counts GPUs.
    type: str
    default: nvidia.com/gpu
  extra_resources:
    description: Patterns of the other extended resources that a pod takes along with the whole machine.
    type: list
    elements: str
    default: ["rdma/*", vpc.amazonaws.com/efa, "nvidia.com/hostdev*"]
  not_ready:
    description:
      - What becomes of machines that are not Ready.
      - V(apart) puts them into O(unavailable_group) only, V(use) treats them like any other, V(skip) leaves them out.
    type: str
    choices: [apart, use, skip]
    default: apart
  cordoned:
    description: What becomes of machines that take no new pods. See O(not_ready).
    type: str
    choices: [apart, use, skip]
    default: apart
  default_groups:
    description:
      - Group the machines by product (C(gpu_product_NVIDIA_H100_80GB_HBM3)) and by topology domain (C(rack_r1)).
      - Further groups come from O(keyed_groups) and O(groups).
    type: bool
    default: true
notes:
  - Every host has C(multinode_node), and C(kubernetes_node) with C(labels), C(taints), C(ready), C(schedulable),
    C(allocatable), C(capacity) and C(addresses), which O(compose), O(groups) and O(keyed_groups) can use.
  - A machine that reports fewer GPUs than it has is counted with what it reports, and a warning says so.
"""

EXAMPLES = r"""
# gpu.kubernetes_nodes.yml, next to group_vars/all.yml with the workloads
plugin: dynamo.multinode.kubernetes_nodes
kubeconfig: ~/.kube/config
context: prod

---
# Credentials from K8S_AUTH_*, NVLink domains as a topology level, groups of one's own, and ten minutes of cache
plugin: dynamo.multinode.kubernetes_nodes
label_selector: node-pool in (h100, gb200)
topology_levels:
  block: cloud.example.com/block
  clique: nvidia.com/gpu.clique
groups:
  arm: kubernetes_node.labels['kubernetes.io/arch'] == 'arm64'
keyed_groups:
  - key: kubernetes_node.labels['node-pool']
    prefix: pool
compose:
  ansible_host: kubernetes_node.addresses.InternalIP
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/multinode
cache_timeout: 600
"""

import json
import os
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.dynamo.multinode.plugins.module_utils import node_hosts
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.auth_model import AUTH_OPTIONS
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError, Client, KubeError

SUFFIXES = ("kubernetes_nodes.yml", "kubernetes_nodes.yaml")
# What says which cluster is meant; a cache of one must not answer for another
_WHERE = ("K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT", "KUBECONFIG")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "dynamo.multinode.kubernetes_nodes"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        auth = {name: self._templated(self.get_option(name)) for name in AUTH_OPTIONS}
        hosts = [self._host(node) for node in self._nodes(path, auth, cache)]
        usable = [one for one in hosts if one.gpus and one.treatment == node_hosts.USE]
        for sentence in node_hosts.remarks(hosts):
            self.display.warning(f"{path}: {sentence}")
        if not usable:
            resource = self.get_option("gpu_resource")
            raise AnsibleParserError(
                f"{path}: none of the cluster's {len(hosts)} nodes"
                + (f" with labels {self.get_option('label_selector')}" if self.get_option("label_selector") else "")
                + f" is Ready, takes pods and reports {resource}: there is nothing to plan on"
            )
        group = self._add_group("group")
        apart = self._add_group("unavailable_group")
        for one in hosts:
            if one.treatment == node_hosts.SKIP or not (one.gpu_machine or self.get_option("all_nodes")):
                continue
            self._add(one, group, apart)

    def _host(self, node: dict[str, Any]) -> node_hosts.Host:
        return node_hosts.host(
            node,
            self.get_option("topology_levels"),
            gpu_resource=self.get_option("gpu_resource"),
            fabrics=self.get_option("extra_resources"),
            not_ready=self.get_option("not_ready"),
            cordoned=self.get_option("cordoned"),
        )

    def _add_group(self, option: str) -> str:
        name = self._sanitize_group_name(self.get_option(option))
        self.inventory.add_group(name)
        return str(name)

    def _add(self, one: node_hosts.Host, group: str, apart: str) -> None:
        self.inventory.add_host(one.name)
        self.inventory.set_variable(one.name, "kubernetes_node", dict(one.node))
        known: dict[str, Any] = {"kubernetes_node": dict(one.node)}
        if one.gpu_machine:
            self.inventory.set_variable(one.name, "multinode_node", dict(one.machine))
            known["multinode_node"] = dict(one.machine)
            self.inventory.add_host(one.name, group=group if one.treatment == node_hosts.USE else apart)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), known, one.name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, one.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, one.name, strict=strict)
        if self.get_option("default_groups") and one.gpu_machine:
            for prefix, word in (("gpu_product", "gpu_product"), *((n, n) for n in self.get_option("topology_levels"))):
                if one.machine.get(word):
                    name = self._sanitize_group_name(f"{prefix}_{one.machine[word]}")
                    self.inventory.add_group(name)
                    self.inventory.add_host(one.name, group=name)

    def _templated(self, value: Any) -> Any:
        return self.templar.template(value) if isinstance(value, (str, dict, list)) else value

    def _nodes(self, path: str, auth: dict[str, Any], cache: bool) -> list[dict[str, Any]]:
        """The reduced nodes, from the cache where it may be used and has them."""
        selector = self.get_option("label_selector")
        identity = [auth[name] for name in ("host", "kubeconfig", "context", "impersonate_user")]
        identity += [os.environ.get(name) for name in _WHERE]
        key = self.get_cache_key(path + json.dumps([selector, *identity], default=str))
        caching = self.get_option("cache")
        if caching and cache and key in self._cache:
            return list(self._cache[key])
        try:
            listed = Client.from_params(auth).list("v1", "Node", label_selector=selector)
        except KubeError as error:
            remedy = ""
            if isinstance(error, ApiError) and error.status == 403:
                remedy = "; the credentials need a ClusterRole with the verb list on nodes"
            raise AnsibleParserError(f"{path}: cannot read the nodes of the cluster: {error}{remedy}") from None
        nodes = [node_hosts.reduced(node) for node in sorted(listed, key=lambda node: str(node["metadata"]["name"]))]
        if caching:
            self._cache[key] = nodes
        return nodes
