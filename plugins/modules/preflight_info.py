# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks manifests that somebody else wrote or applies, without owning them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Check multinode manifests that you already have, without a cluster
version_added: "0.1.0"
description:
  - Reads DynamoGraphDeployments (v1beta1 and v1alpha1), DynamoComponentDeployments, LeaderWorkerSets and PodCliqueSets,
    and computes what the Dynamo operator and after it the engine will make of them.
  - Reports what would hang, waste GPUs or be refused, all at once. It applies and owns nothing, and never fails because
    of what it finds.
  - ConfigMaps of the same files are read as well, for the engine configuration in them. Other kinds are left alone.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
extends_documentation_fragment:
  - dynamo.multinode.waivers
options:
  manifests:
    description: Objects to check.
    type: list
    elements: dict
    default: []
  paths:
    description:
      - Files, and folders that are searched for C(.yaml), C(.yml) and C(.json), on the machine that runs the module.
      - A file may hold several documents. Templates have to be rendered first.
    type: list
    elements: path
    default: []
  base_dir:
    description: What relative O(paths) are relative to; findings name files from there.
    type: path
  provider:
    description:
      - Which way the Dynamo operator takes where a manifest does not say so itself, V(grove) or V(lws).
      - V(auto) takes the cluster's where O(cluster) is given, and Grove otherwise.
    type: str
    choices: [auto, grove, lws]
    default: auto
  dynamo_version:
    description: Version of Dynamo, X.Y.Z. Without it the manifests are judged as today's version takes them.
    type: str
  cluster:
    description:
      - Facts of a cluster, as RV(dynamo.multinode.cluster_info#module:cluster) returns them.
      - With them GPUs per machine are compared with the machines that are there.
    type: dict
  report_dir:
    description:
      - Folder for C(manifests.json) and C(manifests.xml) (JUnit). It is created if needed.
      - Without it nothing is written.
    type: path
requirements:
  - PyYAML
attributes:
  check_mode:
    description: Reads as ever; the report is not written.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to show.
    support: none
  idempotent:
    description: Nothing is changed.
    support: full
seealso:
  - module: dynamo.multinode.workload_plan
"""

EXAMPLES = r"""
- name: Check what Argo CD applies
  dynamo.multinode.preflight_info:
    paths: [deploy/models]
  register: checked

- name: Show it
  ansible.builtin.debug:
    msg: "{{ checked.table }}"

- name: Stop where it would hang
  ansible.builtin.fail:
    msg: "{{ checked.failing | join('\n') }}"
  when: checked.failing | length > 0

- name: Check objects for a cluster with LWS, and accept one finding for a while
  dynamo.multinode.preflight_info:
    manifests: "{{ lookup('ansible.builtin.file', 'deploy.yaml') | from_yaml_all | list }}"
    provider: lws
    dynamo_version: 1.6.1
    waivers:
      - {id: MN-F09, reason: our registry retags, until: "2027-01-01"}
"""

RETURN = r"""
findings:
  description: What there is to know, the worst first; C(waived) holds the reason of a waiver, or nothing.
  returned: success
  type: list
  elements: dict
  sample:
    - id: MN-F02
      severity: error
      subject: "deploy.yaml: DynamoGraphDeployment inference/llama component decode"
      message: >-
        the operator reads tensor 16 (from -tp 16) as 1, and each of the 2 machines starts an engine of its own
      remedy: "write each degree in args as the long flag followed by a separate number: --tensor-parallel-size, 16"
      stage: spec
      waived: ""
failing:
  description: The errors among RV(findings) that are not waived, as sentences.
  returned: success
  type: list
  elements: str
components:
  description:
    - Every component in numbers, with the degrees that the engine will use (nothing where the files do not tell), what
      the operator reads, and how it wires the machines.
  returned: success
  type: list
  elements: dict
  sample:
    - name: decode
      role: decode
      backend: vllm
      node_count: 2
      gpus_per_node: 8
      total_gpus: 16
      replicas: 1
      engine: {tensor: 16, pipeline: 1, data: 1, expert: 1}
      operator: {tensor: 1, pipeline: 1, data: 1, branch: none}
      orchestrator: grove
table:
  description: The same as lines of text.
  returned: success
  type: list
  elements: str
summary:
  description: Verdict (V(passed), V(failed), V(empty)) and counts.
  returned: success
  type: dict
report:
  description: Paths of the written files, by C(json) and C(junit).
  returned: success
  type: dict
"""

import datetime
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import WAIVER_OPTIONS, Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.discreet import Discreet
from ansible_collections.dynamo.multinode.plugins.module_utils.manifest_files import SUFFIXES, parse, unpacked
from ansible_collections.dynamo.multinode.plugins.module_utils.manifest_report import (
    Report,
    build,
    failing,
    lines,
    to_junit,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.report import to_json
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError


def files(paths: Sequence[str]) -> Iterator[str]:
    """The files to read: those that are named, and the manifests in named folders and below. Raises OSError."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, below, names in os.walk(path, onerror=_raise):
            below.sort()
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _raise(error: OSError) -> None:
    raise error


def read(paths: Sequence[str], base: str) -> tuple[list[tuple[str, Mapping[str, Any]]], list[Finding]]:
    """The objects of all files, and what is wrong with the files. Raises OSError."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    wrong: list[Finding] = []
    for path in files([os.path.join(base, path) for path in paths]):
        with open(path, encoding="utf-8", errors="replace") as handle:
            text = handle.read()
        inside = base and path.startswith(os.path.join(base, ""))
        objects, problems = parse(text, os.path.relpath(path, base) if inside else path)
        found += objects
        wrong += problems
    return found, wrong


def check(params: Mapping[str, Any]) -> Report:
    """Reads, judges, and puts it all into one report. Raises OSError where a path cannot be read, SpecError."""
    objects, findings = read(params["paths"], params["base_dir"] or "")
    objects += [("", one) for given in params["manifests"] for one in unpacked(given)]
    cases = manifest.cases(
        objects,
        provider=None if params["provider"] == "auto" else params["provider"],
        version=params["dynamo_version"],
        facts=params["cluster"],
    )
    if not cases:
        message = "nothing was checked: no multinode object (DynamoGraphDeployment, LeaderWorkerSet, ...) is among them"
        where = ", ".join(params["paths"]) or "manifests"
        findings.append(Finding("MN-F92", "warning", where, message, "name the files that hold them", "spec"))
    generated = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return build(cases, [*findings, *manifest.run(cases)], params["waivers"], generated)


def write(folder: Path, report: Report) -> dict[str, str]:
    """Both files, each replaced as a whole. Raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    written = {}
    texts = (("json", "manifests.json", to_json(report)), ("junit", "manifests.xml", to_junit(report)))
    for kind, name, text in texts:
        handle, temporary = tempfile.mkstemp(prefix=f".{kind}.", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / name)
        written[kind] = str(folder / name)
    return written


class _Module(Discreet, AnsibleModule):
    """Tells no values of Secrets."""


def main() -> None:
    module = _Module(
        argument_spec={
            "manifests": {"type": "list", "elements": "dict", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "base_dir": {"type": "path"},
            "provider": {"type": "str", "choices": ["auto", "grove", "lws"], "default": "auto"},
            "dynamo_version": {"type": "str"},
            "cluster": {"type": "dict"},
            "waivers": {"type": "list", "elements": "dict", "default": [], "options": WAIVER_OPTIONS},
            "report_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if find_spec("yaml") is None:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    if not module.params["paths"] and not module.params["manifests"]:
        module.fail_json(msg="nothing to check: name files or folders in paths, or give objects in manifests")
    try:
        report = check(module.params)
    except OSError as error:
        module.fail_json(msg=f"paths: {error}")
    except SpecError as error:
        module.fail_json(msg=str(error))
    written: dict[str, str] = {}
    if module.params["report_dir"] and not module.check_mode:
        try:
            written = write(Path(module.params["report_dir"]), report)
        except OSError as error:
            module.fail_json(msg=f"report_dir: {error}")
    module.exit_json(
        changed=False,
        findings=report["findings"],
        failing=failing(report),
        components=report["components"],
        table=lines(report),
        summary=report["summary"],
        report=written,
    )


if __name__ == "__main__":
    main()
