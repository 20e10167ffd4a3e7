#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any Kubernetes objects, many in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply many Kubernetes objects in one call, and wait until they are ready
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - Applies any Kubernetes objects by server-side apply, with the field manager C(dynamo.multinode).
  - Reads one list per kind and namespace first, and writes only the objects that differ; when nothing differs, nothing
    is written. Fields that other managers set are left alone.
  - Custom resource definitions, namespaces, policies and RBAC, configuration and workloads are written in this order,
    many at once within each group. Custom resources may come in the same call as their definition.
  - When the API server refuses some objects, the others are applied, and the module fails with one line for each object
    that was refused.
  - Fields that were applied before and are no longer given are removed.
  - While it waits, an action plugin of the same name prints how far each object is; see O(progress).
extends_documentation_fragment:
  - dynamo.multinode.rollout
  - kubernetes.core.k8s_auth_options
requirements:
  - kubernetes >= 24.2.0 (Python package)
  - PyYAML >= 3.11
attributes:
  check_mode:
    description:
      - Sends the same as server-side dry run, so that admission is asked too.
      - Objects whose definition or namespace the same call would create cannot be asked about and are reported as
        C(would_create).
    support: full
  diff_mode:
    description: Shows only the fields that this module applies; values of Secrets are hidden.
    support: full
  idempotent:
    description: A second run with the same objects writes nothing.
    support: full
options:
  objects:
    description:
      - The objects, as Kubernetes has them, each with C(apiVersion), C(kind) and C(metadata.name).
      - Objects of namespaced kinds without C(metadata.namespace) are in the namespace C(default).
      - C(stringData) of a Secret is sent as C(data); C(status) is not sent.
      - Needed, unless O(chart_crds) is given.
    type: list
    elements: dict
  chart_crds:
    description:
      - A helm chart on this machine, an archive or a folder. The definitions in its C(crds) are applied.
      - helm itself installs these once, and never brings them to a newer version.
      - Those of subcharts are among them where the chart's conditions and tags enable the subchart.
      - They are marked with C(helm.sh/resource-policy=keep), so that no version of the chart takes them along.
      - Fields that others have set in them, helm above all, are taken over.
    type: path
  chart_values:
    description: The values that the chart gets, for the conditions of its subcharts.
    type: dict
    default: {}
  kinds_may_be_missing:
    description:
      - In check mode, report objects whose kind is not served as C(would_create); an earlier step would define it.
    type: bool
    default: false
  state:
    description:
      - V(present) applies the objects.
      - V(absent) deletes those that exist, in the reverse order, but namespaces last; of each object only what names it
        is read.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Wait until each object is ready by the rule of its kind, or with O(state=absent) until it is gone with all that
        it owns.
      - Kinds without a rule of their own are judged by their conditions Ready or Available, or by their existence.
      - Nothing is waited for in check mode.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait.
    type: int
    default: 300
  progress:
    description:
      - While waiting, print a line for each change of an object's state, and a sign of life after so many seconds.
      - V(0) prints nothing; then the whole wait is one call of the module. So it is with C(async), in check mode, and
        where there is nothing to wait for.
    type: int
    default: 30
  applyset:
    description:
      - The ApplySet (KEP-3659) to which the objects belong, so that those which are no longer named can be found.
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
      - Delete what is a member of O(applyset) and is no longer among O(objects).
      - Nothing is pruned when O(objects) is empty, or when not everything could be applied.
      - Namespaces, volumes, claims and custom resource definitions are never pruned.
      - Check mode lists what would be deleted.
    type: bool
    default: false
  force_conflicts:
    description: Take over fields that another manager set, instead of failing with the name of the field and its owner.
    type: bool
    default: false
seealso:
  - module: dynamo.multinode.workload
"""

EXAMPLES = r"""
- name: A namespace and its quota
  dynamo.multinode.apply:
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: inference
      - apiVersion: v1
        kind: ResourceQuota
        metadata:
          name: gpus
          namespace: inference
        spec:
          hard:
            requests.nvidia.com/gpu: 64

- name: Everything in a directory, ready within ten minutes
  dynamo.multinode.apply:
    objects: "{{ query('ansible.builtin.fileglob', 'manifests/*.yaml')
      | map('ansible.builtin.file') | map('from_yaml_all') | flatten }}"
    wait: true
    wait_timeout: 600

- name: The definitions of a chart, before helm runs with skip_crds
  dynamo.multinode.apply:
    chart_crds: charts/lws-0.8.0.tgz
    wait: true

- name: A queue that nobody needs any more
  dynamo.multinode.apply:
    state: absent
    wait: true
    objects:
      - apiVersion: scheduling.volcano.sh/v1beta1
        kind: Queue
        metadata:
          name: batch
"""

RETURN = r"""
objects:
  description: What became of each object, in the order given.
  returned: always, except when the cluster could not be asked at all
  type: list
  elements: dict
  contains:
    api_version:
      description: The object's apiVersion.
      type: str
    kind:
      description: The object's kind.
      type: str
    namespace:
      description: Its namespace; null for cluster-scoped kinds.
      type: str
    name:
      description: Its name.
      type: str
    action:
      description:
        - C(created), C(changed), C(unchanged), C(deleted) or C(failed).
        - C(would_create) in check mode, when the definition of its kind or its namespace does not exist yet.
      type: str
    validated:
      description: Whether the API server has seen the object; false for C(would_create) and for what was never sent.
      type: bool
    error:
      description: Why it failed; null otherwise.
      type: str
    warnings:
      description: Fields that the cluster changes back, for example by a mutating webhook.
      type: list
      elements: str
    ready:
      description: Whether it was ready in time; null when it was not waited for.
      type: bool
    reason:
      description: What its readiness was judged by, or what was missing.
      type: str
    generic:
      description: Whether it was judged by generic rules, because its kind has none of its own.
      type: bool
generic_kinds:
  description: The kinds that were judged by generic rules, because they have none of their own here.
  returned: when there are any
  type: list
  elements: str
  sample: ["Widget (example.com/v1)"]
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
  sample: 4
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart, chart_crds
from ansible_collections.dynamo.multinode.plugins.module_utils.discreet import Discreet
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import objects
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError


def _wanted(params: dict[str, Any]) -> dict[str, Any]:
    """The options with the objects that a chart stands for."""
    if not params["chart_crds"]:
        return params
    later = (params["_slice"] or {}).get("state")
    crds = [] if later else chart_crds(params["chart_crds"], params["chart_values"])
    return {**params, "objects": crds, "force_conflicts": True}


class _Module(Discreet, AnsibleModule):
    """Tells no values of Secrets."""


def main() -> None:
    module = _Module(
        argument_spec={
            **AUTH_ARGS,
            **objects.ROLLOUT_ARGS,
            "objects": {"type": "list", "elements": "dict"},
            "chart_crds": {"type": "path"},
            "chart_values": {"type": "dict", "default": {}},
            "kinds_may_be_missing": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 300},
        },
        required_one_of=[("objects", "chart_crds")],
        mutually_exclusive=[("objects", "chart_crds")],
        supports_check_mode=True,
    )
    objects.store_what_is_complete(module)
    if module.params["prune"] and not module.params["applyset"]:
        module.fail_json(msg="prune: needs applyset, the set to prune within")
    if module.params["chart_crds"] and module.params["state"] == "absent":
        module.fail_json(msg="chart_crds: can only be applied; to delete definitions, name them in objects")
    try:
        answer = objects.ensure(Client.from_params(module.params), _wanted(module.params), check=module.check_mode)
    except (KubeError, BadChart) as error:
        module.fail_json(msg=str(error))
    answer.exit(module)


if __name__ == "__main__":
    main()
