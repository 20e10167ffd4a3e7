# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans multinode workloads and renders their manifests, without a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_plan
short_description: Plan multinode workloads and render their manifests without a cluster
version_added: "0.1.0"
description:
  - Computes what each workload becomes, with nodes, GPUs and parallel degrees, and compares demand with capacity.
  - Renders the Kubernetes objects, and writes them where O(render_dir) says so.
  - Reads nothing from a cluster. Where a choice needs one, it fails with the question and the variable that answers it.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
extends_documentation_fragment:
  - dynamo.multinode.workloads
options:
  cluster:
    description:
      - Facts of a cluster, as RV(dynamo.multinode.cluster_info#module:cluster) returns them.
      - With them, V(auto) can decide, and the findings include what the cluster itself lacks.
    type: dict
  render_dir:
    description:
      - Folder for the manifests, one file per workload, C(<namespace>.<name>.yaml).
      - Files that this module wrote before and no longer renders are removed; other files are left alone.
      - A file of somebody else's that stands where a manifest belongs is an error.
    type: path
attributes:
  check_mode:
    description: Nothing is written in check mode; what would be is reported.
    support: full
  diff_mode:
    description: Shows each file before and after.
    support: full
  idempotent:
    description: The files are byte-identical for the same input, on every Python.
    support: full
seealso:
  - module: dynamo.multinode.workload
  - module: dynamo.multinode.cluster_info
"""

EXAMPLES = r"""
- name: Plan one engine over two machines
  dynamo.multinode.workload_plan:
    orchestrator: lws
    scheduler: volcano
    workload_api: native
    machines:
      - {name: gpu-a-001, gpu_count: 8, gpu_product: NVIDIA-H100-80GB-HBM3, rack: r1}
      - {name: gpu-a-002, gpu_count: 8, gpu_product: NVIDIA-H100-80GB-HBM3, rack: r1}
    workloads:
      - name: llama-405b
        namespace: inference
        backend: vllm
        model: meta-llama/Llama-3.1-405B-Instruct-FP8
        image: vllm/vllm-openai:v0.31.0
        components:
          - {name: engine, node_count: 2}
  register: planned

- name: Show it
  ansible.builtin.debug:
    var: planned.table

- name: Write manifests for a GitOps repository
  dynamo.multinode.workload_plan:
    workloads: "{{ multinode_workloads }}"
    machines: "{{ groups['gpu_nodes'] | map('extract', hostvars, 'multinode_node') }}"
    orchestrator: grove
    scheduler: kai
    workload_api: dynamo
    render_dir: manifests
"""

RETURN = r"""
plan:
  description: The plan of every workload, and the fleet's demand and capacity by GPU product.
  returned: success
  type: dict
  contains:
    workloads:
      description: One entry per workload, with its target, the reasons for it, and its components in numbers.
      type: list
      elements: dict
      returned: success
    absent:
      description: Workloads that are to be absent, by name and namespace.
      type: list
      elements: dict
      returned: success
    demand:
      description: GPUs that all engines ask for, by product.
      type: dict
      returned: success
    capacity:
      description: GPUs of the machines, by product.
      type: dict
      returned: success
    findings:
      description: The same as RV(findings).
      type: list
      elements: dict
      returned: success
table:
  description: The plan as lines of text.
  returned: success
  type: list
  elements: str
manifests:
  description: The objects, in the order of the workloads.
  returned: success
  type: list
  elements: dict
files:
  description: Files of O(render_dir) that were, or would be, written or removed.
  returned: when O(render_dir) is given
  type: list
  elements: dict
  sample:
    - {path: manifests/inference.llama-405b.yaml, action: written}
findings:
  description: What there is to know, the worst first.
  returned: success
  type: list
  elements: dict
  sample:
    - id: MN-F29
      severity: warning
      subject: inference/llama-405b/engine
      message: needs 4 machines with 8 GPUs each, and there are 2
      remedy: lower node_count
      stage: preflight
failing:
  description: The errors among RV(findings), as sentences.
  returned: success
  type: list
  elements: str
problems:
  description: Everything that is wrong with the input, each with its path.
  returned: on bad input
  type: list
  elements: dict
  sample:
    - path: multinode_workloads[0].backend
      value: "'vlm'"
      message: is 'vlm'; one of vllm, sglang, trtllm (did you mean vllm?)
      check: ""
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils.large import invocation
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import files, render
from ansible_collections.dynamo.multinode.plugins.module_utils.report_table import plan_table
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import SpecError
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import WORKLOAD_ARGS, load


def read(folder: str) -> dict[str, str]:
    """The files in a folder that this module wrote: name to text. Errors of the file system are passed on."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(files.SUFFIX):
            with open(os.path.join(folder, name), encoding="utf-8", errors="surrogateescape") as handle:
                text = handle.read()
            if files.is_ours(text):
                found[name] = text
    return found


def write(module: AnsibleModule, folder: str, plan: FleetPlan) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Brings the folder to what is rendered: (actions, diffs)."""
    actions, diffs = [], []
    ours, wanted = read(folder), files.texts(plan)
    foreign = [name for name in wanted if name not in ours and os.path.lexists(os.path.join(folder, name))]
    if foreign:
        module.fail_json(
            msg=f"render_dir: {', '.join(foreign)} in {folder} is not of our making and would be overwritten: "
            "move it away, or render into another folder"
        )
    for change in files.changes(ours, wanted):
        path = os.path.join(folder, change.name)
        actions.append({"path": path, "action": change.action})
        diffs.append({"before_header": path, "after_header": path, "before": change.before, "after": change.after})
        if module.check_mode:
            continue
        if change.action == "removed":
            os.unlink(path)
            continue
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(module.tmpdir, change.name)
        with open(temporary, "w", encoding="utf-8", newline="\n") as handle:
            handle.write(change.after)
        module.atomic_move(temporary, path)
    return actions, diffs


def main() -> None:
    module = AnsibleModule(
        argument_spec={**WORKLOAD_ARGS, "cluster": {"type": "dict"}, "render_dir": {"type": "path"}},
        supports_check_mode=True,
    )
    try:
        plan = load(module.params, module.params["cluster"])
    except SpecError as error:
        module.fail_json(msg=str(error), problems=[problem.to_dict() for problem in error.problems])
    result = {
        "changed": False,
        "plan": plan.to_dict(),
        "table": plan_table(plan),
        "manifests": [item for workload in plan.workloads for item in render(workload)],
        "findings": [finding.to_dict() for finding in plan.findings],
        "failing": [str(finding) for finding in plan.findings if finding.severity == "error"],
        "invocation": invocation(module.params),
    }
    if module.params["render_dir"]:
        try:
            result["files"], diffs = write(module, module.params["render_dir"], plan)
        except OSError as error:
            module.fail_json(msg=f"render_dir: {error}")
        result["changed"] = bool(diffs)
        if module._diff:
            result["diff"] = diffs
    module.exit_json(**result)


if __name__ == "__main__":
    main()
