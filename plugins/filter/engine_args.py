# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of an engine's containers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_args
short_description: Derive the arguments of an engine
version_added: "0.1.0"
description:
  - Gives the arguments that the collection renders for an engine, as a list of separate tokens, the only spelling that
    Dynamo's operator reads.
  - A component with role C(prefill) or C(decode) alone counts as half of a disaggregated workload. Give the whole
    workload where that is to be decided from its components.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
positional: component
options:
  component:
    description: Name of the component, where a workload has several that run an engine.
    type: str
  target:
    description:
      - V(dynamo) gives what stands in a DynamoGraphDeployment, to which the operator adds what differs by rank.
      - V(native) gives what a pod runs without the operator.
      - By default the workload's C(workload_api), otherwise V(dynamo).
    type: str
    choices: [dynamo, native]
  rank:
    description: Which pod, on target V(native).
    type: str
    choices: [leader, worker]
    default: leader
  orchestrator:
    description: Whose environment names the leader and the rank, on target V(native).
    type: str
    choices: [grove, lws]
    default: grove
  with_command:
    description: Put the command in front. On V(native) the rank may be computed there, in a shell.
    type: bool
    default: false
  model:
    description: Hub name or path, for a component or a number. A workload has its own.
    type: str
    default: model
extends_documentation_fragment:
  - dynamo.multinode.engine
  - dynamo.multinode.engine.degrees
seealso:
  - plugin: dynamo.multinode.total_gpus
    plugin_type: filter
  - plugin: dynamo.multinode.parallelism
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The arguments of one engine over two machines
  ansible.builtin.debug:
    msg: "{{ 2 | dynamo.multinode.engine_args(gpus_per_node=8, backend='vllm', model='org/model') }}"
    # [--model, org/model, --tensor-parallel-size, "16"]

- name: What the second rank of a LeaderWorkerSet runs
  ansible.builtin.debug:
    msg: >-
      {{ multinode_workloads[0] | dynamo.multinode.engine_args(target='native', orchestrator='lws', rank='worker') }}
"""

RETURN = r"""
_value:
  description: The arguments, one token each.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.module_utils import engine_values
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def engine_args(value: Any, component: Any = None, **given: Any) -> list[str]:
    try:
        return engine_values.engine_args(value, component, **given)
    except SpecError as error:
        said = "; ".join(str(problem) for problem in error.problems)
        raise AnsibleFilterError(f"dynamo.multinode.engine_args: {said}") from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"engine_args": engine_args}
