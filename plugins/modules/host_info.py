#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a GPU machine is like beneath Kubernetes, and what is wrong with a fleet of them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read what a GPU machine is like beneath Kubernetes, or judge machines that were read
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - On a machine, reads drivers, container runtime, locked memory, IOMMU, ACS, RDMA devices and memory from files of the
    kernel and of the container runtime, and from C(systemctl), C(dpkg-query) or C(rpm), and C(containerd config dump).
  - With O(machines) it reads nothing, and answers with one report over all of them; differences between machines are
    findings too.
  - What could not be read is said with its reason. Root is needed only for ACS, and where k3s or rke2 hide their
    configuration.
  - Changes nothing.
extends_documentation_fragment:
  - dynamo.multinode.waivers
options:
  expected:
    description: What the machine is to be like; handed through to RV(facts).
    type: dict
    suboptions:
      driver:
        description:
          - Who brings the NVIDIA driver, the GPU operator or the machine itself.
          - With V(auto) a driver of the machine is a warning only.
        type: str
        choices: [auto, operator, host]
        default: auto
      gpu_count:
        description: GPUs of the machine; 0 is not compared.
        type: int
        default: 0
      gpu_product:
        description: Machines with the same product are to be alike.
        type: str
        default: ''
      toolkit:
        description: Whether the GPU operator brings the container toolkit.
        type: bool
        default: true
      nri:
        description:
          - Whether the toolkit works by NRI (C(cdi.nriPluginEnabled) of the chart) and leaves containerd's
            configuration alone.
        type: bool
        default: false
      runtime:
        description:
          - The container runtime that the toolkit is set up for, such as V(containerd), V(k3s) or V(rke2).
          - Counts where neither file nor socket are given. With V(auto) it is found out by whoever sets it up.
        type: str
        default: auto
      toolkit_config:
        description: Configuration file that the toolkit is told to write. Empty is its own default.
        type: str
        default: ''
      toolkit_socket:
        description: Socket of containerd that the toolkit is told. Empty is its own default.
        type: str
        default: ''
      cni_plugins:
        description: CNI plugins that have to be on the machine, by the names of their programs.
        type: list
        elements: str
        default: []
  root:
    description: Folder that stands for C(/) of the machine.
    type: path
    default: /
  command_path:
    description: Folders that are searched first for commands. With another O(root) no other folder is.
    type: list
    elements: path
    default: []
  machines:
    description: Machines to judge. Nothing is read then.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the machine in the report.
        type: str
        required: true
      facts:
        description: Its RV(facts).
        type: dict
      unread:
        description: Why there are no O(machines[].facts).
        type: str
attributes:
  check_mode:
    description: Reads as ever.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
  idempotent:
    description: Nothing is changed.
    support: full
notes:
  - Tested against files and output of commands that were written after upstream's documentation, not on GPU machines.
seealso:
  - name: Role gpu_host
    description: Uses both halves of this module for a group of machines.
    link: https://github.com/dynamo-multinode/dynamo.multinode/blob/main/docs/machines.md
"""

EXAMPLES = r"""
- name: Read each machine
  dynamo.multinode.host_info:
    expected: {driver: operator, gpu_count: 8}
  become: true
  register: host

- name: One report over all of them
  dynamo.multinode.host_info:
    machines:
      - {name: gpu-a-001, facts: "{{ hostvars['gpu-a-001'].host.facts }}"}
      - {name: gpu-a-002, facts: "{{ hostvars['gpu-a-002'].host.facts }}"}
  delegate_to: localhost
  run_once: true
  register: fleet
"""

RETURN = r"""
facts:
  description: What was read, and in C(skipped) what could not be, each with its reason.
  returned: without O(machines)
  type: dict
  sample:
    kernel: 6.8.0-85-generic
    driver: {loaded: 580.95.05, flavour: open, packages: [], files: [], container: true}
    nouveau: {loaded: false, blocked: true}
    runtime: {kind: containerd, config: /etc/containerd/config.toml, memlock: unlimited, runtimes: {runc: ''}}
    rdma: [{device: mlx5_0, port: 1, link: InfiniBand, state: ACTIVE, rate: 400 Gb/sec (4X NDR), mtu: 2044}]
    skipped: [{what: ACS, why: only root reads the extended configuration space of PCI devices}]
findings:
  description:
    - What there is to know, the worst first, each with its C(machines).
    - C(waived) holds the reason of a waiver, or nothing.
  returned: with O(machines)
  type: list
  elements: dict
  sample:
    - id: MN-F46
      severity: error
      subject: gpu-a-001
      machines: [gpu-a-001]
      message: "containers may lock 8 MiB of memory (containerd)"
      remedy: LimitMEMLOCK=infinity for containerd.service, then restart it
      stage: preflight
      waived: ""
failing:
  description: By machine, the errors that are not waived, as sentences.
  returned: with O(machines)
  type: dict
lines:
  description: A table of the machines, and the findings, to be shown.
  returned: with O(machines)
  type: list
  elements: str
"""

import datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import WAIVER_OPTIONS
from ansible_collections.dynamo.multinode.plugins.module_utils.host_facts import facts
from ansible_collections.dynamo.multinode.plugins.module_utils.host_fleet import report
from ansible_collections.dynamo.multinode.plugins.module_utils.host_machine import Machine
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def main() -> None:
    expected = {
        "driver": {"type": "str", "choices": ["auto", "operator", "host"], "default": "auto"},
        "gpu_count": {"type": "int", "default": 0},
        "gpu_product": {"type": "str", "default": ""},
        "toolkit": {"type": "bool", "default": True},
        "nri": {"type": "bool", "default": False},
        "runtime": {"type": "str", "default": "auto"},
        "toolkit_config": {"type": "str", "default": ""},
        "toolkit_socket": {"type": "str", "default": ""},
        "cni_plugins": {"type": "list", "elements": "str", "default": []},
    }
    machine = {"name": {"type": "str", "required": True}, "facts": {"type": "dict"}, "unread": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "expected": {"type": "dict", "options": expected},
            "root": {"type": "path", "default": "/"},
            "command_path": {"type": "list", "elements": "path", "default": []},
            "machines": {"type": "list", "elements": "dict", "options": machine},
            "waivers": {"type": "list", "elements": "dict", "default": [], "options": WAIVER_OPTIONS},
        },
        mutually_exclusive=[("machines", "expected")],
        supports_check_mode=True,
    )
    params = module.params
    if params["machines"] is not None:
        today = datetime.date.today().isoformat()
        try:
            told = report(params["machines"], params["waivers"], today)
        except SpecError as error:
            module.fail_json(msg=str(error))
        module.exit_json(changed=False, **told)
    read = facts(Machine(params["root"], params["command_path"]), params["expected"] or {})
    module.exit_json(changed=False, facts=read)


if __name__ == "__main__":
    main()
