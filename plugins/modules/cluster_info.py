#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster is and runs, and what should be done about its components."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Read what a cluster runs, and decide what to adopt, install, upgrade or remove
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - Reads nodes, components, queues and priority classes of a cluster in one concurrent round of requests.
  - For each component that is asked for, decides whether to adopt, install, upgrade, leave, remove or refuse it.
  - Waits until components are ready by what they report themselves, and by server-side dry runs through their webhooks.
  - Compares topology labels of the nodes with the inventory.
  - Changes nothing.
extends_documentation_fragment:
  - dynamo.multinode.platform
  - dynamo.multinode.waivers
  - kubernetes.core.k8s_auth_options
requirements:
  - kubernetes >= 24.2.0 (Python package)
  - PyYAML >= 3.11
attributes:
  check_mode:
    description: Runs in check mode and does the same there, except that it never waits for what is not installed yet.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
  idempotent:
    description: Reads only; dry runs and access reviews leave nothing behind.
    support: full
options:
  gather:
    description: Which parts of the cluster to read; the others are returned empty.
    type: list
    elements: str
    choices: [nodes, components, queues]
    default: [nodes, components, queues]
  topology_levels:
    description: Topology domains and the node labels that carry them, outermost first.
    type: dict
    default:
      zone: topology.kubernetes.io/zone
      block: topology.kubernetes.io/block
      rack: topology.kubernetes.io/rack
  components:
    description:
      - Components to decide about, in this order. Each is decided on the cluster as those before it leave it.
      - For the whole platform see O(platform).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - V(gpu_operator), V(network_operator), V(kai_scheduler), V(grove), V(volcano), V(lws), V(dynamo_platform), or
            any other name of a chart.
          - Of what the matrix and the readiness probes do not know, versions and Deployments alone are judged.
        type: str
        required: true
      mode:
        description:
          - V(auto) adopts what is there and provisions what is not.
          - V(adopt) and V(provision) insist on one of these.
          - V(skip) leaves the component alone.
        type: str
        choices: [auto, adopt, provision, skip]
        default: auto
      state:
        description: Whether the component is to be there.
        type: str
        choices: [present, absent]
        default: present
      version:
        description:
          - Version to run, as upstream tags it, with or without C(v).
          - Empty keeps what was provisioned, and otherwise takes the version matrix's default for this Kubernetes.
        type: str
        default: ''
      namespace:
        description: Namespace of the helm release. Empty takes that of our release, else upstream's.
        type: str
        default: ''
      release:
        description: Name of the helm release. Empty takes that of our release, else upstream's.
        type: str
        default: ''
      chart:
        description:
          - Chart reference as helm takes it. Empty takes upstream's.
          - Of a local archive or folder the chart's own name and version are read.
        type: str
        default: ''
      chart_repo:
        description: URL of the repository of a chart that is given by its name. Empty takes upstream's for its chart.
        type: str
        default: ''
      values:
        description: Values for the chart, as they would be given to helm. They go over ours.
        type: dict
        default: {}
      settings:
        description: The component's own settings, such as the driver of the GPU operator. Unknown ones are errors.
        type: dict
        default: {}
      remove_crds:
        description: Whether a removal includes the custom resource definitions, and with them everybody's objects.
        type: bool
        default: false
      planned:
        description:
          - Whether this is a step of a path from version to version, which has judged the way.
          - Paths are planned by M(dynamo.multinode.platform_path).
        type: bool
        default: false
  platform:
    description:
      - The variable C(multinode_platform) as it is, one block per component; decides about all known components.
      - They come in the order of installation, or with O(platform_state=absent) in that of removal.
      - A component of the orchestrator that the cluster does not run is skipped, unless its block insists.
      - Unknown keys and wrong values are errors, all at once.
    type: dict
  platform_state:
    description: Whether the components of O(platform) are to be there.
    type: str
    choices: [present, absent]
    default: present
  remove_crds:
    description: As the option of the same name of O(components), for all of O(platform) when they are removed.
    type: bool
    default: false
  orchestrator:
    description:
      - Which stack the cluster is to run. With O(platform), V(auto) takes the one that is there, and
        RV(question) asks where there is none, or both.
    type: str
    choices: [auto, grove, lws]
    default: auto
  dynamo_version:
    description: The Dynamo version whose set of versions is the default of all components. Empty takes the matrix's.
    type: str
    default: ''
  wait_for:
    description:
      - Names of components that must be ready; V(all) stands for those that are asked for.
      - Not waited for is a component of O(components) whose decision is to install, upgrade, refuse or skip it first.
    type: list
    elements: str
    default: []
  wait_except:
    description:
      - Objects, as C(Kind/name), that are not waited for although the component reports by them, since they are
        applied later.
    type: list
    elements: str
    default: []
  wait_timeout:
    description: Seconds to wait for all of O(wait_for) together.
    type: int
    default: 300
  topology:
    description: Compare the nodes' topology labels with these machines, and say what to apply.
    type: dict
    suboptions:
      machines:
        description: The C(multinode_node) of each machine, with its C(name).
        type: list
        elements: dict
        default: []
      write:
        description: Whether labels that a node lacks are to be written.
        type: bool
        default: false
      state:
        description: With V(absent) the labels that this collection wrote are to go.
        type: str
        choices: [present, absent]
        default: present
      gangs:
        description:
          - Whether gang schedulers are told the topology too, by KAI's Topology and Grove's ClusterTopologyBinding.
          - V(auto) does so where both are served, Grove looks at them, and nobody else's binding knows a label of ours.
        type: str
        choices: [auto, 'yes', 'no']
        default: 'no'
      name:
        description: Name of these two objects.
        type: str
        default: dynamo-multinode
  queues:
    description: Queues that are to be ours; compare them with the cluster, and say what to apply and to delete.
    type: dict
    suboptions:
      list:
        description: The queues, as C(multinode_queues) has them.
        type: list
        elements: dict
        default: []
      state:
        description: With V(absent) every queue that this collection made is to go.
        type: str
        choices: [present, absent]
        default: present
      remove_used:
        description: Whether queues go that hold pods or pod groups.
        type: bool
        default: false
seealso:
  - module: dynamo.multinode.apply
"""

EXAMPLES = r"""
- name: See what the cluster runs
  dynamo.multinode.cluster_info:
    kubeconfig: ~/.kube/config
  register: found

- name: Decide about Volcano, and wait for it where it is there already
  dynamo.multinode.cluster_info:
    gather: [components]
    components:
      - name: volcano
        mode: auto
        namespace: volcano-system
        release: volcano
    wait_for: [volcano]
  register: found

- name: Decide about the whole platform
  dynamo.multinode.cluster_info:
    gather: [nodes, components, queues]
    platform: "{{ multinode_platform | default({}) }}"
    orchestrator: lws
  register: found
"""

RETURN = r"""
cluster:
  description: What was read.
  returned: always
  type: dict
  contains:
    kubernetes:
      description: Version of the API server.
      type: str
      sample: v1.34.4
    apis:
      description: API groups and their served versions, preferred first.
      type: dict
    nodes:
      description: Each node with its GPUs, free GPUs, other resources, labels, taints, topology domains and runtime.
      type: list
      elements: dict
    components:
      description: Each known component with its release or manifests, values without secrets, record and problems.
      type: dict
    queues:
      description: Queues of Volcano and of KAI.
      type: dict
    kai:
      description: The label key of KAI's node pools, its shards with pool and staleness grace period, its Topologies.
      type: dict
    hardware:
      description:
        - What NVIDIA's operators say, in short. Every Node Feature Discovery, the ClusterPolicies, NVIDIADrivers and
          NicClusterPolicies, the network attachments, and the NICs of machines that offer no RDMA.
      type: dict
    topology_bindings:
      description:
        - Grove's ClusterTopologyBindings with their levels (C(domain), C(key)), the Topologies that schedulers look
          for, and whether Grove calls them in sync.
      type: list
      elements: dict
    priority_classes:
      description: Names of the priority classes.
      type: list
      elements: str
    priorities:
      description: Their values by name.
      type: dict
    unreadable:
      description: What the credentials may not read.
      type: list
      elements: str
cluster_after:
  description:
    - As RV(cluster), with the components as RV(decisions) leave them.
    - For M(dynamo.multinode.workload_plan), so that what is about to be installed does not count as missing.
  returned: always
  type: dict
decisions:
  description: By component name, what should be done.
  returned: always
  type: dict
  contains:
    action:
      description: One of V(adopt), V(install), V(upgrade), V(none), V(remove), V(refuse), V(skip).
      type: str
    why:
      description: The reason, as a sentence.
      type: str
    version:
      description: The version that is to run, or runs.
      type: str
    lines:
      description: The reason and the findings, to be shown.
      type: list
      elements: str
    archive:
      description: Whether the chart is a local archive or folder.
      type: bool
    version_values:
      description: Values that make the chart run that version. They are among C(values).
      type: dict
    namespace:
      description: Namespace of the release, chosen or found.
      type: str
    release_name:
      description: Name of the release.
      type: str
    chart:
      description: Chart to be given to helm.
      type: str
    chart_repo:
      description: Its repository, if it has one.
      type: str
    chart_version:
      description: The version as the chart has it.
      type: str
    values:
      description: The final chart values, with what looks like a secret replaced by C(***).
      type: dict
    values_ours:
      description:
        - The same without the user's own, which go over them, and with other secrets than the user and password of
          URLs, which are C(***) here too.
        - P(dynamo.multinode.with_credentials#filter) puts these back.
      type: dict
    objects:
      description: Custom resources to be applied once the component is ready; URLs as in C(values_ours).
      type: list
      elements: dict
    waves:
      description: The same in one or two lots; kinds of the second are defined by what the first brings.
      type: list
      elements: list
    objects_differ:
      description: Whether helm has nothing to do, and some of C(objects) are not as they should be.
      type: bool
    stale:
      description: References to such objects that were applied before, and are no longer asked for.
      type: list
      elements: dict
    operator_runs:
      description: Whether the component was ready before anything was done, and takes the finalizers off C(stale).
      type: bool
    keep:
      description: Definitions of the deployed release, with the annotation that makes an upgrade leave them.
      type: list
      elements: dict
    todo:
      description: Whether anything is to be done, or is wrong.
      type: bool
    findings:
      description: What is wrong; C(waived) holds the reason of a waiver, or nothing.
      type: list
      elements: dict
    failing:
      description: The errors among C(findings) that nobody waived, as sentences.
      type: list
      elements: str
    pairs:
      description:
        - Those of RV(findings) that this component has a part in, each with C(line), to be shown, and C(failing), the
          same as a sentence where it is an error that nobody waived.
      type: list
      elements: dict
    apply:
      description: Objects to be applied before helm runs.
      type: list
      elements: dict
    recover:
      description: Helm's records of interrupted runs, and Jobs of their hooks, to be deleted before helm runs.
      type: list
      elements: dict
    uninstall:
      description: Whether helm is to uninstall the release.
      type: bool
    release:
      description: Name and namespace of the release that is to be uninstalled.
      type: dict
    first:
      description: References to the objects that are to be deleted, and gone, before helm runs, in this order.
      type: list
      elements: dict
    delete:
      description: References to the objects that are to be deleted after helm ran, in lots, one after the other.
      type: list
      elements: list
todo:
  description: The names of the components for which something is to be done, in order.
  returned: always
  type: list
  elements: str
lines:
  description: All decisions and findings, to be shown.
  returned: always
  type: list
  elements: str
failing:
  description: Everything that forbids going on, as sentences; RV(question) among it.
  returned: always
  type: list
  elements: str
findings:
  description: What is wrong with the versions of the components together, as in RV(decisions).
  returned: always
  type: list
  elements: dict
orchestrator:
  description:
    - The stack that the cluster is to run; with O(platform) and O(orchestrator=auto) the one that is there, or nothing.
  returned: always
  type: str
question:
  description: What the user has to say where the cluster does not.
  returned: always
  type: str
topology:
  description: With O(topology), what to apply.
  returned: when O(topology) is given
  type: dict
  contains:
    objects:
      description: Partial nodes for M(dynamo.multinode.apply).
      type: list
      elements: dict
    written:
      description: How many labels they add or change.
      type: int
    gang_objects:
      description: Topology and ClusterTopologyBinding for M(dynamo.multinode.apply).
      type: list
      elements: dict
    gang_delete:
      description: References to those of ours that are to go.
      type: list
      elements: dict
    findings:
      description: As in RV(decisions).
      type: list
      elements: dict
    failing:
      description: The errors among them that nobody waived, as sentences.
      type: list
      elements: str
    lines:
      description: The findings, to be shown.
      type: list
      elements: str
queues:
  description: With O(queues), what to apply and to delete.
  returned: when O(queues) is given
  type: dict
  contains:
    scheduler:
      description: Whose queues they are, V(kai) or V(volcano); empty when none is asked for.
      type: str
    layers:
      description: Lists of objects for M(dynamo.multinode.apply), parents before what is below them.
      type: list
      elements: list
    delete:
      description: Lists of references, leaves before what is above them.
      type: list
      elements: list
    findings:
      description: As in RV(decisions).
      type: list
      elements: dict
    failing:
      description: The errors among them that nobody waived, as sentences.
      type: list
      elements: str
    lines:
      description: What is asked for and the findings, to be shown.
      type: list
      elements: str
waited:
  description: Components that were waited for and are ready.
  returned: always
  type: list
  elements: str
requests:
  description: Requests that were sent to the API server.
  returned: always
  type: int
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import WAIVER_OPTIONS
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import hidden, redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import gangs_asked
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.decisions import Decided, asked_of, decide_all
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import GATHER, LEVELS, collect, published
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import Waited, wait_ready
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError

READY_NOW = ("none", "adopt")


def arguments() -> dict[str, Any]:
    """Argument specification; credentials as kubernetes.core has them."""
    component = {
        "name": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": list(components.MODES), "default": "auto"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "version": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": ""},
        "release": {"type": "str", "default": ""},
        "chart": {"type": "str", "default": ""},
        "chart_repo": {"type": "str", "default": ""},
        "values": {"type": "dict", "default": {}},
        "settings": {"type": "dict", "default": {}},
        "remove_crds": {"type": "bool", "default": False},
        "planned": {"type": "bool", "default": False},
    }
    return {
        **copy.deepcopy(AUTH_ARGS),
        "gather": {"type": "list", "elements": "str", "choices": list(GATHER), "default": list(GATHER)},
        "topology_levels": {"type": "dict", "default": dict(LEVELS)},
        "components": {"type": "list", "elements": "dict", "default": [], "options": component},
        "platform": {"type": "dict"},
        "platform_state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "remove_crds": {"type": "bool", "default": False},
        "orchestrator": {"type": "str", "choices": ["auto", "grove", "lws"], "default": "auto"},
        "scheduler": {"type": "str", "choices": ["auto", "kai", "volcano", "default"], "default": "auto"},
        "workload_api": {"type": "str", "choices": ["auto", "dynamo", "native"], "default": "auto"},
        "dynamo_version": {"type": "str", "default": ""},
        "registry": {"type": "dict"},
        "pod_proxy": {"type": "dict"},
        "airgap": {"type": "bool", "default": False},
        "wait_for": {"type": "list", "elements": "str", "default": []},
        "wait_except": {"type": "list", "elements": "str", "default": []},
        "wait_timeout": {"type": "int", "default": 300},
        "waivers": {"type": "list", "elements": "dict", "default": [], "options": WAIVER_OPTIONS},
        "topology": {"type": "dict", "options": copy.deepcopy(gangs_asked.TOPOLOGY)},
        "queues": {"type": "dict", "options": copy.deepcopy(gangs_asked.QUEUES)},
    }


def _theirs(entry: Mapping[str, Any]) -> bool:
    """Whether somebody else's component is there, about which nothing is decided here."""
    return bool(entry.get("present")) and not components.provisioned(entry)


def waiting(
    client: Client, module: AnsibleModule, found: Mapping[str, Any], asked: Sequence[components.Asked], done: Decided
) -> list[str]:
    """Wait for what is there; fails the module when it does not become ready in time."""
    names = module.params["wait_for"]
    if "all" in names:
        names = [one.name for one in asked]
    wanted = {}
    for name in names:
        decision = done.decisions.get(name)
        if decision is not None and (decision["action"] not in READY_NOW or decision["failing"]):
            continue
        entry = found["components"].get(name) or {}
        later = list(module.params["wait_except"])
        if decision is not None and decision["objects_differ"]:
            later += [f"{item['kind']}/{item['metadata']['name']}" for item in decision["objects"]]
        wanted[name] = Waited(
            namespace=str(entry.get("namespace") or (decision or {}).get("namespace") or ""),
            # Where nothing was decided here, our record says whose it is
            adopted=decision["action"] == "adopt" if decision is not None else _theirs(entry),
            values=entry.get("values") or {},
            later=tuple(later),
        )
    if not wanted:
        return []
    lacks = wait_ready(client, wanted, module.params["wait_timeout"])
    if lacks:
        lines = [
            f"{name} in namespace {wanted[name].namespace}: {'; '.join(problems)}" for name, problems in lacks.items()
        ]
        module.fail_json(
            msg=f"not ready after {module.params['wait_timeout']} s: " + " | ".join(lines),
            missing=lacks,
            decisions=done.decisions,
            requests=client.requests,
            invocation=_invocation(module.params),
        )
    return sorted(wanted)


def _invocation(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options without the secrets among chart values: an answer is logged."""
    shown = {name: hidden(value) for name, value in params.items() if name not in AUTH_ARGS or name == "kubeconfig"}
    return {"module_args": {**shown, **{name: redacted(shown[name]) for name in ("components", "platform")}}}


def main() -> None:
    module = AnsibleModule(
        argument_spec=arguments(), mutually_exclusive=[("components", "platform")], supports_check_mode=True
    )
    params = module.params
    gather = set(params["gather"])
    if params["components"] or params["platform"] is not None or params["wait_for"]:
        gather.add("components")
    gather |= gangs_asked.gather(params)
    answers: dict[str, Any] = {}
    try:
        asked = asked_of(params)
        client = Client.from_params(params)
        found = collect(client, params["topology_levels"], sorted(gather))
        done = decide_all(client, params, asked, found, check=module.check_mode)
        facts = done.facts
        if params["queues"] is not None:
            answers["queues"], facts = gangs_asked.queues(
                client, params, facts, done.orchestrator, check=module.check_mode
            )
        if params["topology"] is not None:
            answers["topology"], facts = gangs_asked.topologies(client, params, facts)
        waited = waiting(client, module, found, asked, done)
    except (KubeError, BadChart, SpecError) as error:
        module.fail_json(msg=str(error), invocation=_invocation(params))
    result: dict[str, Any] = {
        "changed": False,
        "cluster": published(found),
        "cluster_after": published(facts),
        "decisions": done.decisions,
        "todo": done.todo,
        "lines": done.lines,
        "failing": done.failing,
        "findings": done.findings,
        "orchestrator": done.orchestrator,
        "question": done.question,
        "waited": waited,
        "requests": client.requests,
        "invocation": _invocation(params),
        **answers,
    }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
