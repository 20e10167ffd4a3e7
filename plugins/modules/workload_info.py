#!/usr/bin/python
# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engines of a fleet run, and whether what was promised is so."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_info
short_description: Prove where each rank of each engine runs, and that its gang and topology are honoured
version_added: "0.1.0"
author:
  - dynamo.multinode contributors (@dynamo-multinode)
description:
  - Reads the live cluster once per kind, for all workloads together.
  - Answers for each engine which rank runs on which machine with how many GPUs, and whether four promises hold.
  - The promises are that it was scheduled as one gang, runs one rank per machine, is inside one topology domain where
    that was asked for, and is ready.
  - A verdict is V(null) where it could not be found out, with the reason beside it; that is never counted as held.
  - Of a workload that is not ready the first cause and its remedy are told.
  - Gangs are checked by the PodGroups of Volcano and of KAI, on LeaderWorkerSets and on Grove.
  - Writes the report for people and programs where O(report_dir) says so.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - dynamo.multinode.workloads
options:
  report_dir:
    description:
      - Folder for C(report.json), C(report.xml) (JUnit) and C(report.html) (one file, no external references).
      - It is created if needed. Without it nothing is written.
    type: path
requirements:
  - kubernetes >= 24.2.0 (Python package)
  - PyYAML >= 3.11
attributes:
  check_mode:
    description: Reads the same; the report is not written.
    support: full
  diff_mode:
    description: Nothing is changed in the cluster, so there is no difference.
    support: none
  idempotent:
    description: Changes nothing in the cluster. A report differs by the time it was made at.
    support: full
seealso:
  - module: dynamo.multinode.workload
  - module: dynamo.multinode.cluster_info
"""

EXAMPLES = r"""
- name: Where do the engines run
  dynamo.multinode.workload_info:
    orchestrator: lws
    workload_api: native
    workloads:
      - name: llama-405b
        namespace: inference
        backend: vllm
        model: meta-llama/Llama-3.1-405B-Instruct-FP8
        image: vllm/vllm-openai:v0.11.0
        topology: {pack: rack}
        components:
          - {name: worker, role: worker, replicas: 2, node_count: 2, gpus_per_node: 8}
    report_dir: /var/tmp/report
  register: fleet

- name: Show it
  ansible.builtin.debug:
    msg: "{{ fleet.table }}"
"""

RETURN = r"""
engines:
  description: One entry per engine, in the order of the workloads; planned engines that do not exist are there too.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the workload.
      type: str
    workload:
      description: Name of the workload.
      type: str
    component:
      description: Name of the component.
      type: str
    backend:
      description: Backend of the workload.
      type: str
    engine:
      description: Number of the engine, from 0.
      type: int
    code:
      description: Short mark of the engine in the report.
      type: str
      sample: A0
    planned:
      description: Whether the plan has this engine; an autoscaler or a rollout may have made more.
      type: bool
    node_count:
      description: Ranks of the engine.
      type: int
    gpus_per_node:
      description: GPUs that each rank was planned with.
      type: int
    ranks:
      description: Each rank with its pod, node, GPUs, topology domains, scheduler, phase, and whether it is ready.
      type: list
      elements: dict
    nodes:
      description: Nodes of the ranks, each once.
      type: list
      elements: str
    gpus:
      description: GPUs of the ranks that are bound to a node.
      type: int
    domains:
      description: Topology level to domain; null where the ranks differ or where it is not known.
      type: dict
    rack:
      description: The rack, as in RV(engines[].domains).
      type: str
    gang:
      description: Whether it was scheduled all or nothing (C(honoured), may be null), why, and its PodGroup.
      type: dict
    topology:
      description: Whether all ranks are in one domain (C(honoured), may be null), why, and what was asked for.
      type: dict
    one_rank_per_machine:
      description: Whether no two ranks share a machine; null where not all ranks are bound.
      type: bool
    spread:
      description: Whether one rank per machine was asked for.
      type: bool
    ready:
      description: Whether every rank exists, is bound and is ready.
      type: bool
    problems:
      description: Findings about this engine.
      type: list
      elements: dict
findings:
  description: The cause of each workload that is not ready, then what is wrong with each engine.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Entry of the failure catalogue.
      type: str
      sample: MN-F83
    severity:
      description: V(error), V(warning) or V(note).
      type: str
    subject:
      description: What it is about.
      type: str
    message:
      description: What is wrong.
      type: str
    remedy:
      description: What to do.
      type: str
summary:
  description: Counts of engines and GPUs, and RV(summary.verdict).
  returned: success
  type: dict
  contains:
    verdict:
      description:
        - V(passed) when every promise holds, V(failed) when one is broken or an engine is not ready.
        - V(incomplete) when one that was asked for could not be checked, V(empty) when there is no engine to look at.
      type: str
    engines_present:
      description: Engines of which at least one pod exists.
      type: int
table:
  description: The engines as aligned lines for a terminal.
  returned: success
  type: list
  elements: str
lines:
  description: RV(table), then one line per finding, and where the report is.
  returned: success
  type: list
  elements: str
failures:
  description: One line per finding that is an error.
  returned: success
  type: list
  elements: str
report:
  description: The files written, by kind (C(json), C(junit), C(html)); none without O(report_dir) or in check mode.
  returned: success
  type: dict
requests:
  description: How many requests were sent to the API server.
  returned: success
  type: int
problems:
  description: Everything that is wrong with the input, each with its path.
  returned: when the input is wrong
  type: list
  elements: str
"""

import datetime
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS, Client, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import Diagnosis, explained, told, waits
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.facts import collect
from ansible_collections.dynamo.multinode.plugins.module_utils.large import invocation
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import leftovers, placement
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.report import Report, build, table, to_json, to_junit
from ansible_collections.dynamo.multinode.plugins.module_utils.report_html import to_html
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import SpecError, parse_settings
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import WORKLOAD_ARGS, load


def survey(client: Client, params: Mapping[str, Any]) -> Report:
    """Read, judge, and put it all into one report."""
    levels = parse_settings({"topology_levels": params["topology_levels"]}).topology_levels
    facts = collect(
        client, levels, ["components", "queues"] if params["machines"] else ["components", "queues", "nodes"]
    )
    fleet = load(params, facts)
    namespaces = {one.namespace for one in fleet.workloads} | {one.namespace for one in fleet.absent}
    kinds = snapshot.kinds_of(fleet.workloads)
    if fleet.absent:
        kinds = tuple(dict.fromkeys((*kinds, *snapshot.OWNERS)))
    seen = snapshot.read(client, namespaces, events=False, kinds=kinds)
    if any(waits(workload, seen) for workload in fleet.workloads):
        # Only a diagnosis needs events; placement is judged from the same moment.
        seen = snapshot.read(client, namespaces, events=True, components=True, kinds=kinds)
    engines = placement(fleet, seen, levels)
    return build(
        fleet,
        seen,
        engines,
        generated=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        findings=[*causes(client, fleet, seen, levels), *leftovers(fleet, seen)],
        levels=levels,
        server=client.host,
        versions=versions(facts),
    )


def causes(
    client: Client, fleet: FleetPlan, seen: snapshot.Snapshot, levels: Mapping[str, str]
) -> list[dict[str, str]]:
    """Why each workload that is not ready is not."""
    found = []
    late = [workload for workload in fleet.workloads if waits(workload, seen)]
    for workload, diagnosis in zip(late, explained(client, late, seen, levels)):
        name = f"{workload.namespace}/{workload.name}"
        number, subject = "MN-F90", name
        if isinstance(diagnosis, Diagnosis):
            number, subject = str(diagnosis.details.get("id") or number), diagnosis.details.get("engine") or name
            message, remedy = diagnosis.cause.replace(f"{subject}: ", "", 1), diagnosis.remedy
        else:
            message, remedy = "is not ready", f"the cause could not be looked up: {told(diagnosis)}"
        found.append(
            {
                "id": number,
                "severity": "error",
                "subject": subject,
                "workload": name,
                "message": message,
                "remedy": remedy,
            }
        )
    return found


def versions(facts: Mapping[str, Any]) -> dict[str, str]:
    """Kubernetes and the components that are there."""
    found = {"kubernetes": str(facts["kubernetes"])}
    for name, component in facts["components"].items():
        version = component.get("app_version") or component.get("chart_version")
        if component.get("present") and version:
            found[name] = str(version)
    return found


def write(folder: Path, report: Report) -> dict[str, str]:
    """The three files, each replaced as a whole."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    written = {}
    for kind, name, text in (
        ("json", "report.json", to_json(report)),
        ("junit", "report.xml", to_junit(report)),
        ("html", "report.html", to_html(report)),
    ):
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / name)
        written[kind] = str(folder / name)
    return written


def sentences(report: Report, severities: tuple[str, ...]) -> list[str]:
    """The findings of these severities as lines."""
    return [
        f"{finding['severity']} {finding['id']} {finding['subject']}: {finding['message']}; {finding['remedy']}"
        for finding in report["findings"]
        if finding["severity"] in severities
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={**AUTH_ARGS, **WORKLOAD_ARGS, "report_dir": {"type": "path"}}, supports_check_mode=True
    )
    try:
        client = Client.from_params(module.params)
        report = survey(client, module.params)
    except SpecError as error:
        module.fail_json(msg=str(error), problems=[str(problem) for problem in error.problems])
    except KubeError as error:
        module.fail_json(msg=str(error))
    files: dict[str, str] = {}
    if module.params["report_dir"] and not module.check_mode:
        try:
            files = write(Path(module.params["report_dir"]), report)
        except OSError as error:
            module.fail_json(msg=f"report_dir: the report cannot be written to {module.params['report_dir']}: {error}")
    module.exit_json(
        changed=False,
        engines=report["engines"],
        findings=report["findings"],
        summary=report["summary"],
        table=table(report),
        lines=[*table(report), *sentences(report, ("error", "warning", "note")), *report["notes"], *files.values()],
        failures=sentences(report, ("error",)),
        report=files,
        requests=client.requests,
        invocation=invocation(module.params),
    )


if __name__ == "__main__":
    main()
