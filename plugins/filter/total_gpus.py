# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many GPUs an engine or a workload takes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: total_gpus
short_description: Count the GPUs of an engine or a workload
version_added: "0.1.0"
description:
  - Multiplies machines by GPUs per machine, as the whole collection does.
  - Of a component, or of a number of machines, it counts one engine.
  - Of a workload, it counts every engine of every component.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
positional: gpus_per_node
options:
  all_replicas:
    description: Multiply one component by its C(replicas).
    type: bool
    default: false
extends_documentation_fragment:
  - dynamo.multinode.engine
seealso:
  - plugin: dynamo.multinode.parallelism
    plugin_type: filter
  - plugin: dynamo.multinode.engine_args
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Two machines with eight GPUs each
  ansible.builtin.debug:
    msg: "{{ 2 | dynamo.multinode.total_gpus(8) }}"  # 16

- name: What the whole fleet asks for
  ansible.builtin.debug:
    msg: "{{ multinode_workloads | map('dynamo.multinode.total_gpus') | sum }}"
"""

RETURN = r"""
_value:
  description: The number of GPUs.
  type: int
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.module_utils import engine_values
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def total_gpus(value: Any, gpus_per_node: Any = None, all_replicas: bool = False, **given: Any) -> int:
    try:
        return engine_values.total_gpus(value, all_replicas=bool(all_replicas), gpus_per_node=gpus_per_node, **given)
    except SpecError as error:
        said = "; ".join(str(problem) for problem in error.problems)
        raise AnsibleFilterError(f"dynamo.multinode.total_gpus: {said}") from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"total_gpus": total_gpus}
