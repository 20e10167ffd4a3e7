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
    description: Components to decide about.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - V(volcano), V(lws), or any other name of a chart.
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
        description: Namespace of the helm release.
        type: str
        default: ''
      release:
        description: Name of the helm release.
        type: str
        default: ''
      chart:
        description:
          - Chart reference as helm takes it.
          - Of a local archive or folder the chart's own name and version are read.
        type: str
        default: ''
      values:
        description: Values for the chart, as they would be given to helm.
        type: dict
        default: {}
      remove_crds:
        description: Whether a removal includes the custom resource definitions, and with them everybody's objects.
        type: bool
        default: false
  wait_for:
    description:
      - Names of components that must be ready.
      - Not waited for is a component of O(components) whose decision is to install, upgrade, refuse or skip it first.
    type: list
    elements: str
    default: []
  wait_timeout:
    description: Seconds to wait for all of O(wait_for) together.
    type: int
    default: 300
  waivers:
    description: Findings that were accepted; they are returned as waived, and until the named date only.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Id of the finding, such as V(MN-F32).
        type: str
        required: true
      reason:
        description: Why it was accepted.
        type: str
      until:
        description: Last day on which it is accepted, as V(2027-01-01).
        type: str
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
      description: Each node with its GPUs, free GPUs, labels, taints and topology domains.
      type: list
      elements: dict
    components:
      description: Each known component with its release or manifests, values without secrets, record and problems.
      type: dict
    queues:
      description: Queues of Volcano and of KAI.
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
      description: Values that make the chart run that version, to be merged under the user's.
      type: dict
    findings:
      description: What is wrong; C(waived) holds the reason of a waiver, or nothing.
      type: list
      elements: dict
    failing:
      description: The errors among C(findings) that nobody waived, as sentences.
      type: list
      elements: str
    apply:
      description: Objects to be applied before helm runs.
      type: list
      elements: dict
    recover:
      description: Helm's records of interrupted runs, to be deleted before helm runs.
      type: list
      elements: dict
    uninstall:
      description: Whether helm is to uninstall the release.
      type: bool
    release:
      description: Name and namespace of the release that is to be uninstalled.
      type: dict
    delete:
      description: References to the objects that are to be deleted after helm ran.
      type: list
      elements: dict
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
    findings:
      description: As in RV(decisions).
      type: list
      elements: dict
    lines:
      description: The findings, to be shown.
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
import datetime
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils import topology as topology_rules
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart, chart_meta
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.forecast import after
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import (
    GATHER,
    LEVELS,
    collect,
    published,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import wait_ready
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import namespace_foreign
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

READY_NOW = ("none", "adopt")
HELM_OPTIONS = ("kubeconfig", "context", "host", "ca_cert", "validate_certs", "api_key")


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
        "values": {"type": "dict", "default": {}},
        "remove_crds": {"type": "bool", "default": False},
    }
    waiver = {"id": {"type": "str", "required": True}, "reason": {"type": "str"}, "until": {"type": "str"}}
    machines = {
        "machines": {"type": "list", "elements": "dict", "default": []},
        "write": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    return {
        **copy.deepcopy(AUTH_ARGS),
        "gather": {"type": "list", "elements": "str", "choices": list(GATHER), "default": list(GATHER)},
        "topology_levels": {"type": "dict", "default": dict(LEVELS)},
        "components": {"type": "list", "elements": "dict", "default": [], "options": component},
        "wait_for": {"type": "list", "elements": "str", "default": []},
        "wait_timeout": {"type": "int", "default": 300},
        "waivers": {"type": "list", "elements": "dict", "default": [], "options": waiver},
        "topology": {"type": "dict", "options": machines},
    }


def decide(client: Client, module: AnsibleModule, found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """One decision per component that was asked for, as plain data for a role."""
    decisions = {}
    today = datetime.date.today().isoformat()
    for asked in module.params["components"]:
        name = asked["name"]
        entry = dict(found["components"].get(name) or absent_entry())
        absent = asked["state"] == "absent"
        record = entry.get("record")
        if not absent and asked["namespace"]:
            namespace = client.get("v1", "Namespace", asked["namespace"])
            labels = (namespace or {}).get("metadata", {}).get("labels") or {}
            entry["namespace_ours"] = namespace is None or labels.get(MANAGED_BY) == MANAGER
        if absent and record and record.get("namespace_created"):
            entry["namespace_foreign"] = namespace_foreign(
                client, str(record["namespace"]), record, entry.get("release_hooks") or []
            )
        meta = None if absent or asked["mode"] == "skip" else chart_meta(asked["chart"])
        wanted = components.Wanted(
            name=name,
            mode=asked["mode"],
            state=asked["state"],
            version=asked["version"],
            namespace=asked["namespace"],
            release=asked["release"],
            values=asked["values"],
            chart_meta=meta,
            remove_crds=asked["remove_crds"],
        )
        decision = components.decide(wanted, entry, found["kubernetes"])
        judged = components.waived(decision.findings, module.params["waivers"], today)
        failing = [
            f"{finding.id} {finding.message}. {finding.remedy}"
            for finding, reason in judged
            if finding.severity == "error" and (reason is None or decision.action == "refuse")
        ]
        if decision.uninstall or decision.action in ("install", "upgrade"):
            failing += helm_cannot(module.params)
        decisions[name] = {
            "action": decision.action,
            "why": decision.why,
            "lines": [decision.why, *[_line(finding, reason) for finding, reason in judged]],
            "version": decision.version,
            "version_values": dict(decision.version_values),
            "archive": meta is not None,
            "findings": [{**finding.to_dict(), "waived": reason} for finding, reason in judged],
            "failing": failing,
            "apply": components.apply_objects(decision),
            "recover": [
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": namespace}}
                for namespace, secret in decision.recover
            ],
            "uninstall": decision.uninstall,
            "release": {"name": entry.get("release"), "namespace": entry.get("namespace")},
            "delete": components.delete_objects(decision, record),
        }
    return decisions


def helm_cannot(params: Mapping[str, Any]) -> list[str]:
    """Credentials that were given, and that kubernetes.core.helm has no option for: it would run as somebody else."""
    given = sorted(name for name in AUTH_ARGS if params.get(name) and name not in HELM_OPTIONS)
    return [f"helm cannot be given {name}: put it into the kubeconfig" for name in given]


def _line(finding: Finding, reason: str | None) -> str:
    return f"{'waived (' + reason + ') ' if reason else ''}{finding}"


def absent_entry() -> dict[str, Any]:
    """What facts() says of a component that is not there."""
    return {"present": False, "source": None, "record": None, "others": [], "release_secrets": []}


def waiting(
    client: Client, module: AnsibleModule, found: Mapping[str, Any], decisions: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Wait for what is there; fails the module when it does not become ready in time."""
    wanted = {}
    adopted = set()
    namespaces = {asked["name"]: asked["namespace"] for asked in module.params["components"]}
    for name in module.params["wait_for"]:
        decision = decisions.get(name)
        if decision is not None and (decision["action"] not in READY_NOW or decision["failing"]):
            continue
        entry = found["components"].get(name) or {}
        wanted[name] = str(entry.get("namespace") or namespaces.get(name) or "")
        if decision is not None and decision["action"] == "adopt":
            adopted.add(name)
    if not wanted:
        return []
    lacks = wait_ready(client, wanted, module.params["wait_timeout"], adopted=adopted)
    if lacks:
        lines = [f"{name} in namespace {wanted[name]}: {'; '.join(problems)}" for name, problems in lacks.items()]
        module.fail_json(
            msg=f"not ready after {module.params['wait_timeout']} s: " + " | ".join(lines),
            missing=lacks,
            decisions=decisions,
            requests=client.requests,
        )
    return sorted(wanted)


def main() -> None:
    module = AnsibleModule(argument_spec=arguments(), supports_check_mode=True)
    params = module.params
    gather = set(params["gather"])
    if params["components"] or params["wait_for"]:
        gather.add("components")
    if params["topology"] is not None:
        gather.add("nodes")
    try:
        client = Client.from_params(params)
        found = collect(client, params["topology_levels"], sorted(gather))
        decisions = decide(client, module, found)
        waited = waiting(client, module, found, decisions)
    except (KubeError, BadChart) as error:
        module.fail_json(msg=str(error))
    cluster = published(found)
    decided = {asked["name"]: (decisions[asked["name"]]["action"], asked["values"]) for asked in params["components"]}
    result: dict[str, Any] = {
        "changed": False,
        "cluster": cluster,
        "cluster_after": after(cluster, decided),
        "decisions": decisions,
        "waited": waited,
        "requests": client.requests,
    }
    if params["topology"] is not None:
        wanted = params["topology"]
        labels = topology_rules.labels(
            wanted["machines"], found["nodes"], params["topology_levels"], write=wanted["write"], state=wanted["state"]
        )
        result["topology"] = {
            "objects": list(labels.objects),
            "written": labels.written,
            "findings": [finding.to_dict() for finding in labels.findings],
            "lines": [labels.why, *[str(finding) for finding in labels.findings]],
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
