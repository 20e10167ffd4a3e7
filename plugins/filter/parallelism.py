# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parallel degrees of an engine or a workload."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parallelism
short_description: Solve the parallel degrees of an engine or a workload
version_added: "0.1.0"
description:
  - Gives the tensor, pipeline, data and expert parallel degrees that the collection would render.
  - What cannot work is an error with the arithmetic and the nearest degrees that can.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
positional: gpus_per_node
extends_documentation_fragment:
  - dynamo.multinode.engine
  - dynamo.multinode.engine.degrees
seealso:
  - plugin: dynamo.multinode.total_gpus
    plugin_type: filter
  - plugin: dynamo.multinode.engine_args
    plugin_type: filter
"""

EXAMPLES = r"""
- name: SGLang with attention data parallel over two machines
  ansible.builtin.debug:
    msg: "{{ 2 | dynamo.multinode.parallelism(8, backend='sglang', strategy='data') }}"
    # {tensor: 16, pipeline: 1, data: 16, expert: 16}

- name: The degrees of every engine of a workload
  ansible.builtin.debug:
    msg: "{{ multinode_workloads[0] | dynamo.multinode.parallelism }}"  # {decode: {...}, prefill: {...}}
"""

RETURN = r"""
_value:
  description:
    - The degrees C(tensor), C(pipeline), C(data) and C(expert); empty for a component that runs no engine.
    - Of a workload, a map from the name of each component that runs an engine to its degrees.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.module_utils import engine_values
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def parallelism(value: Any, gpus_per_node: Any = None, **given: Any) -> dict[str, Any]:
    try:
        return engine_values.parallelism(value, gpus_per_node=gpus_per_node, **given)
    except SpecError as error:
        said = "; ".join(str(problem) for problem in error.problems)
        raise AnsibleFilterError(f"dynamo.multinode.parallelism: {said}") from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"parallelism": parallelism}
