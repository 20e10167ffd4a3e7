#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from the versions that run to those that are wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_path
short_description: Plan an upgrade or a rollback of the platform's components, step by step
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - Compares the versions that run with those that are wanted, and answers with the steps in their order.
  - Upstream's rules are kept, such as minor release by minor release, and what others stand on first.
  - What cannot be done is refused as a whole, before the first step.
  - Names gangs that an upgrade of Grove left half-blind, and what cures them.
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
    description: Runs in check mode and does the same there.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
  idempotent:
    description: Reads only.
    support: full
options:
  platform:
    description:
      - The components as C(multinode_platform) has them.
      - C(charts) in the block of a component names local charts by version.
    type: dict
    default: {}
  direction:
    description:
      - V(upgrade) leads to the versions that are named, else to the version set of O(dynamo_version).
      - V(rollback) leads to what the components in O(only) ran before, by helm's history.
    type: str
    choices: [upgrade, rollback]
    default: upgrade
  only:
    description: The components that it is about; empty means all.
    type: list
    elements: str
    default: []
  dynamo_version:
    description: The Dynamo whose version set is wanted; empty takes the newest.
    type: str
    default: ''
  replace:
    description: Whether a component may be uninstalled and installed again where upstream knows no other way.
    type: str
    choices: [never, allow]
    default: never
  orchestrator:
    description: Which stack the cluster is to run. Each step is decided before the first one, as the roles decide it.
    type: str
    choices: [auto, grove, lws]
    default: auto
seealso:
  - module: dynamo.multinode.cluster_info
"""

EXAMPLES = r"""
- name: See how LWS would be upgraded
  dynamo.multinode.platform_path:
    kubeconfig: ~/.kube/config
    platform:
      lws:
        charts: {"0.8.0": /charts/lws-0.8.0.tgz}
        version: 0.8.0
    only: [lws]
  register: path
"""

RETURN = r"""
steps:
  description: The steps in their order.
  returned: always
  type: list
  elements: dict
  contains:
    component:
      description: The component.
      type: str
    from:
      description: The version that runs before it.
      type: str
    to:
      description: The version that runs after it.
      type: str
    action:
      description: One of V(upgrade), V(downgrade), V(reinstall), V(install), V(finish).
      type: str
    chart:
      description: Chart reference for this version.
      type: str
    chart_repo:
      description: Its repository.
      type: str
    settings:
      description: The component's own settings.
      type: dict
    notes:
      description: What is to be known about it.
      type: list
      elements: str
    delete:
      description: References to definitions that have to go before it, and hold nothing.
      type: list
      elements: dict
    gate:
      description: The components that have to be ready after it, before the next step.
      type: list
      elements: str
lines:
  description: The steps and the findings, to be shown.
  returned: always
  type: list
  elements: str
findings:
  description: What is wrong; C(waived) holds the reason of a waiver, or nothing.
  returned: always
  type: list
  elements: dict
failing:
  description: The errors among them that nobody waived, as sentences.
  returned: always
  type: list
  elements: str
gangs:
  description: Gangs that an upgrade of Grove left without their PodGroup.
  returned: always
  type: dict
  contains:
    lines:
      description: Each with the command that cures it.
      type: list
      elements: str
    patches:
      description: The same as partial pods, for M(dynamo.multinode.apply).
      type: list
      elements: dict
"""

import copy
import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import WAIVER_OPTIONS, Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS, waived
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import Credentials, hidden, redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import path as reading
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import rehearsal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import collect
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def arguments() -> dict[str, Any]:
    """Argument specification; credentials as kubernetes.core has them."""
    return {
        **copy.deepcopy(AUTH_ARGS),
        "platform": {"type": "dict", "default": {}},
        "direction": {"type": "str", "choices": ["upgrade", "rollback"], "default": "upgrade"},
        "only": {"type": "list", "elements": "str", "default": []},
        "dynamo_version": {"type": "str", "default": ""},
        "replace": {"type": "str", "choices": ["never", "allow"], "default": "never"},
        "orchestrator": {"type": "str", "choices": ["auto", "grove", "lws"], "default": "auto"},
        "scheduler": {"type": "str", "choices": ["auto", "kai", "volcano", "default"], "default": "auto"},
        "workload_api": {"type": "str", "choices": ["auto", "dynamo", "native"], "default": "auto"},
        "registry": {"type": "dict"},
        "pod_proxy": {"type": "dict"},
        "airgap": {"type": "bool", "default": False},
        "waivers": {"type": "list", "elements": "dict", "default": [], "options": WAIVER_OPTIONS},
    }


def answer(client: Client, params: dict[str, Any]) -> dict[str, Any]:
    """The module's answer. Raises KubeError, BadChart, SpecError."""
    wanted, charts = reading.asked(params["platform"])
    found = collect(client)
    found["components"] = reading.judged(client, found["components"])
    read = Reader(client)
    findings: list[Finding] = []
    if params["direction"] == "rollback":
        goals, findings = reading.backward(read, found, params["only"], charts)
    else:
        findings = [*reading.no_set(params["dynamo_version"]), *reading.gone(found["components"], wanted)]
        findings += reading.moved_by_olm(found["components"], wanted)
        goals = reading.upward(found, wanted, charts, params["dynamo_version"])
        goals = {name: goal for name, goal in goals.items() if not params["only"] or name in params["only"]}
    pod_clique_sets, zero = reading.grove_under_way(client, read) if "grove" in goals else ([], [])
    path = lifecycle.plan(
        found["components"],
        goals,
        found["kubernetes"],
        replace=params["replace"] == "allow",
        pod_clique_sets=pod_clique_sets,
        scaled_to_zero=zero,
    )
    planned = list(path.findings)
    if params["direction"] == "rollback":
        running = {name: lifecycle.running(entry) for name, entry in found["components"].items() if entry["present"]}
        planned = reading.whole_way(planned, running, goals, found["kubernetes"])
    way, more = reading.make_way(client, path.steps)
    findings = [*findings, *planned, *more, *reading.chart_findings(way, wanted, airgap=params["airgap"])]
    said = {(item.id, item.subject) for item in findings}
    rehearsed = rehearsal.rehearse(client, way, wanted, found, params)
    findings += [item for item in rehearsed if (item.id, item.subject) not in said]
    judged = waived(findings, params["waivers"], datetime.date.today().isoformat())
    steps = []
    for step, gate in zip(way, lifecycle.gates(found["components"], way)):
        chart, repository = reading.chart_of(step, wanted[step.component])
        given = {"chart": chart, "chart_repo": repository, "settings": dict(wanted[step.component].settings)}
        # The playbook puts back what it was given itself
        steps.append(
            {**step.to_dict(), "gate": gate, **Credentials(params["platform"].get(step.component)).hide(given)}
        )
    grove = found["components"].get("grove") or {}
    gangs = lifecycle.old_gangs(reading.gang_pods(read), lifecycle.running(grove)) if grove.get("present") else ()
    told = [f"{number}. {step}" for number, step in enumerate(way, 1)]
    return {
        "changed": False,
        "steps": steps,
        "lines": [
            *(told or reading.nothing_to_do(findings)),
            *[f"waived ({reason}) {finding}" if reason else str(finding) for finding, reason in judged],
        ],
        "findings": [{**finding.to_dict(), "waived": reason} for finding, reason in judged],
        "failing": [
            f"{finding.id} {finding.subject}: {finding.message}. {finding.remedy}"
            for finding, reason in judged
            if finding.severity == "error" and reason is None
        ]
        + rehearsal.cannot(way, params),
        "gangs": {
            "lines": [str(gang.finding()) for gang in gangs],
            "patches": [patch for gang in gangs for patch in gang.patches()],
        },
    }


def main() -> None:
    module = AnsibleModule(argument_spec=arguments(), supports_check_mode=True)
    unknown = [name for name in module.params["only"] if name not in COMPONENTS]
    if unknown:
        module.fail_json(msg=f"unknown components: {', '.join(unknown)}; known are {', '.join(COMPONENTS)}")
    try:
        result = answer(Client.from_params(module.params), module.params)
    except (KubeError, BadChart, SpecError) as error:
        module.fail_json(msg=str(error), invocation=_invocation(module.params))
    module.exit_json(invocation=_invocation(module.params), **result)


def _invocation(params: dict[str, Any]) -> dict[str, Any]:
    """The options without the secrets among chart values: an answer is logged."""
    shown = {name: hidden(value) for name, value in params.items() if name not in AUTH_ARGS or name == "kubeconfig"}
    return {"module_args": {**shown, "platform": redacted(params["platform"])}}


if __name__ == "__main__":
    main()
