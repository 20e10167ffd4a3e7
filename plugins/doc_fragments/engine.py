# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters about engines take."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  _input:
    description:
      - A component, or a workload, as in C(multinode_workloads), or the number of machines of one engine.
      - Numbers may be text, as surveys deliver them.
    type: raw
    required: true
  gpus_per_node:
    description: GPUs of each rank, where the component does not say it.
    type: int
  machines:
    description: The machines, each a C(multinode_node). Where they agree, C(gpus_per_node) follows.
    type: list
    elements: dict
  defaults:
    description: Merged under a workload, as C(multinode_workload_defaults).
    type: dict
"""

    # What decides about its degrees
    DEGREES = r"""
options:
  backend:
    description: V(vllm), V(sglang) or V(trtllm). A workload has its own.
    type: str
  strategy:
    description: V(tensor), V(tensor_pipeline) or V(data), over the component's own.
    type: str
  tensor:
    description: Pins the tensor parallel degree.
    type: int
  pipeline:
    description: Pins the pipeline parallel degree.
    type: int
  data:
    description: Pins the data parallel degree.
    type: int
  expert:
    description: Pins the expert parallel degree.
    type: int
"""
