#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of multinode workloads, running."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workload
short_description: Bring multinode LLM workloads to a cluster, and wait until every engine serves
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - Takes all workloads of a cluster in one call, derives what each needs (total GPUs, parallel degrees, gangs,
    objects), applies them together, and waits until every engine of each is ready.
  - Every mistake in any workload is reported at once, with its path, before anything is written.
  - Writes only what differs; when nothing differs, it reads one list per kind and namespace and writes nothing.
  - What is not ready by its deadline is diagnosed; the message has one line for each workload, with the cause and what
    to do about it.
  - A change that cannot be made in place (another C(node_count), another set of components) needs consent, because the
    served model is deleted and created again.
  - While it waits, an action plugin of the same name prints how far each workload is; see O(progress).
extends_documentation_fragment:
  - dynamo.multinode.rollout
  - dynamo.multinode.workloads
  - kubernetes.core.k8s_auth_options
requirements:
  - kubernetes >= 24.2.0 (Python package)
  - PyYAML >= 3.11
attributes:
  check_mode:
    description:
      - Sends the same as server-side dry run, so that admission is asked too, and waits for nothing.
      - Objects whose definition or namespace does not exist yet cannot be asked about and are reported as
        C(would_create).
    support: full
  diff_mode:
    description: Shows only the fields that this module applies.
    support: full
  idempotent:
    description: A second run with the same workloads writes nothing.
    support: full
options:
  wait:
    description:
      - Wait until every engine is ready, or until an absent workload is gone with its pods.
      - Nothing is waited for in check mode.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each workload, instead of its own C(timeouts.ready).
      - C(timeouts.scheduled) of a workload still applies where it is shorter. A workload with a pod that has no node by
        then is given up.
    type: int
  progress:
    description:
      - While waiting, print a line for each change of a workload's state, and a sign of life after so many seconds.
      - V(0) prints nothing; then the whole wait is one call of the module. So it is with C(async), in check mode, and
        where there is nothing to wait for.
    type: int
    default: 30
  applyset:
    description:
      - The ApplySet (KEP-3659) to which the objects of the workloads belong, so that those which are no longer named
        can be found.
      - Its parent, a ConfigMap, is made where it is missing. Its namespace must exist.
    type: dict
    suboptions:
      name:
        description: The name of the ConfigMap.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
  prune:
    description:
      - Delete what is a member of O(applyset) and is no longer among the objects of O(workloads).
      - Nothing is pruned when O(workloads) is empty, or when not everything could be applied.
      - Namespaces, volumes, claims and custom resource definitions are never pruned.
      - Check mode lists what would be deleted.
    type: bool
    default: false
  force_conflicts:
    description: Take over fields that another manager set, instead of failing with the name of the field and its owner.
    type: bool
    default: false
  create_namespaces:
    description:
      - Create the namespaces of the workloads where they are missing. Existing ones are never touched.
      - A namespace that may not be read is taken to exist.
    type: bool
    default: true
  remove_namespaces:
    description:
      - Delete the namespaces of absent workloads, where O(create_namespaces) made them and nothing else is left inside.
    type: bool
    default: false
  remove_claims:
    description:
      - Delete the claims of absent workloads, where C(model_cache.create) made them, and with them what they hold.
      - One that a workload of O(workloads) mounts stays. So do all that this module did not make.
    type: bool
    default: false
  cluster:
    description:
      - What to judge the workloads by instead of the cluster as it is, such as C(cluster_after) of
        M(dynamo.multinode.cluster_info).
      - For check mode, where what the same run would install is not there yet.
    type: dict
seealso:
  - module: dynamo.multinode.workload_plan
  - module: dynamo.multinode.workload_info
  - module: dynamo.multinode.apply
"""

EXAMPLES = r"""
- name: Two engines of two machines with eight GPUs each
  dynamo.multinode.workload:
    orchestrator: lws
    workload_api: native
    scheduler: volcano
    machines: "{{ groups['gpu_nodes'] | map('extract', hostvars, 'multinode_node') }}"
    workloads:
      - name: llama-405b
        namespace: inference
        backend: vllm
        model: meta-llama/Llama-3.1-405B-Instruct-FP8
        image: vllm/vllm-openai:v0.20.1
        components:
          - name: worker
            role: worker
            replicas: 2
            node_count: 2
            gpus_per_node: 8

- name: Take it away, and wait until its GPUs are free
  dynamo.multinode.workload:
    orchestrator: lws
    workload_api: native
    scheduler: volcano
    workloads:
      - name: llama-405b
        namespace: inference
        state: absent
"""

RETURN = r"""
workloads:
  description: What became of each workload, those with C(state=absent) last.
  returned: always, except when the cluster could not be asked at all
  type: list
  elements: dict
  contains:
    name:
      description: The workload's name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    api:
      description: C(leaderworkerset) or C(dynamographdeployment); null for absent workloads.
      type: str
    action:
      description:
        - C(created), C(changed), C(replaced), C(unchanged), C(deleted) or C(failed).
        - C(would_create) in check mode, when something that it needs does not exist yet.
      type: str
    ready:
      description: Whether every engine was ready in time; null when it was not waited for.
      type: bool
    engines:
      description: How many engines it has.
      type: int
    total_gpus:
      description: GPUs of all its engines together.
      type: int
    objects:
      description: What became of each object, as M(dynamo.multinode.apply) returns it, without readiness.
      type: list
      elements: dict
    cause:
      description: Why it failed or is not ready, in one line; null otherwise.
      type: str
    remedy:
      description: What to do about it; null when all is well.
      type: str
    details:
      description: What the diagnosis found, as data.
      type: dict
others:
  description: What became of objects that belong to no workload, pruned ones for example.
  returned: when the workloads could be read
  type: list
  elements: dict
lines:
  description: What became of each workload, a line each, to be shown.
  returned: when the workloads could be read
  type: list
  elements: str
  sample:
    - "inference/llama-405b: created; 2 engines, 32 GPUs, ready"
    - "inference/new: would create (not validated): Service new, LeaderWorkerSet new-worker; 1 engine, 8 GPUs"
findings:
  description: What the checks have to say about the workloads (id, severity, subject, message, remedy).
  returned: when the workloads could be read
  type: list
  elements: dict
plan:
  description: What was derived from the workloads, as M(dynamo.multinode.workload_plan) returns it.
  returned: when the workloads could be read, and none of them failed
  type: dict
summary:
  description: How many objects there are by what became of them.
  returned: always, except when the cluster could not be asked at all
  type: dict
  sample: {created: 4, unchanged: 12}
result_file:
  description: The file that holds the whole result.
  returned: when O(result_file) was given and written
  type: str
left_out:
  description: What a large result does not contain, and where it is.
  returned: when the result is large
  type: str
requests:
  description: How many requests were sent to the API server.
  returned: when the cluster could be asked
  type: int
  sample: 9
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import objects, rollout
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import WORKLOAD_ARGS


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **AUTH_ARGS,
            **objects.ROLLOUT_ARGS,
            **WORKLOAD_ARGS,
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int"},
            "create_namespaces": {"type": "bool", "default": True},
            "remove_namespaces": {"type": "bool", "default": False},
            "remove_claims": {"type": "bool", "default": False},
            "cluster": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    objects.store_what_is_complete(module)
    if module.params["prune"] and not module.params["applyset"]:
        module.fail_json(msg="prune (multinode_prune): needs applyset (multinode_applyset), the set to prune within")
    try:
        answer = rollout.roll_out(Client.from_params(module.params), module.params, check=module.check_mode)
    except KubeError as error:
        module.fail_json(msg=str(error))
    answer.exit(module)


if __name__ == "__main__":
    main()
