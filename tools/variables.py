# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/variables.md, from the schema that reads the variables: `python -m tools.variables` writes it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain

from tools.bootstrap import LOCAL, ROOT

sys.path.insert(0, str(LOCAL / "collections"))

from ansible_collections.dynamo.multinode.plugins.module_utils import queues, spec_schema

TABLE = ("| key | values | default | |", "|---|---|---|---|")
PAGE = ROOT / "docs" / "variables.md"
KINDS = {
    "annotations": "map",
    "bool": "true or false",
    "certificates": "PEM text",
    "counts": "map of name to count",
    "dns_names": "list of names",
    "duration": "duration (`90s`, `10m`, `2h`)",
    "env": "map, or list with valueFrom",
    "image": "image",
    "int": "whole number",
    "labels": "map",
    "levels": "map of level to node label",
    "list": "list",
    "map": "map",
    "networks": "list",
    "number": "number",
    "object": "object",
    "objects": "list of objects",
    "quantity": "quantity (`64`, `512Gi`)",
    "strings": "list of strings",
    "version": "X.Y.Z",
}
# What the playbooks and roles read besides the modules' own settings: name, values, default, meaning.
REST = (
    ("multinode_node_group", "group", "`gpu_nodes`", "The inventory group that holds the GPU machines."),
    (
        "multinode_auth",
        "map",
        "`K8S_AUTH_*`",
        "Credentials, by kubernetes.core's option names; given to every module, and to helm.",
    ),
    (
        "multinode_platform",
        "map",
        "`{}`",
        "By component (`grove`, `volcano`, ...): mode, version, namespace, release, chart, values, its own settings.",
    ),
    ("multinode_helm_binary", "path", "helm on PATH", "The helm 3 that provisions charts."),
    (
        "multinode_topology_write",
        "true or false",
        "`false`",
        "Write the machines' topology labels where nodes lack them.",
    ),
    (
        "multinode_topology_gangs",
        "`auto`, true or false",
        "`auto`",
        "Tell Grove and KAI the topology, so that they pack new workloads.",
    ),
    ("multinode_queues", "list", "`[]`", "Queues of KAI or Volcano that are ours; see below."),
    ("multinode_waivers", "list", "`[]`", "Findings about components that were accepted: id, reason, until."),
    (
        "multinode_remove_crds",
        "true or false",
        "`false`",
        "Let teardown remove definitions, and with them everybody's objects.",
    ),
    (
        "multinode_remove_claims",
        "true or false",
        "`false`",
        "Let the claims that we made go with their workloads, and what they hold.",
    ),
    (
        "multinode_applyset",
        "map: name, namespace",
        "none",
        "The ApplySet to which the workloads' objects belong; needed to prune.",
    ),
    ("multinode_upgrade_only", "list", "all", "The components that `upgrade` is about."),
    (
        "multinode_upgrade_wait_timeout",
        "seconds",
        "`300`",
        "How long a step of `upgrade` and `rollback` may take to be ready.",
    ),
    ("multinode_rollback", "list", "required by `rollback`", "The components that go back to what they ran before."),
    (
        "multinode_heal_gangs",
        "`never`, `allow`",
        "`never`",
        "Let `upgrade` annotate the pods of gangs that are older than a new Grove.",
    ),
    (
        "multinode_prune",
        "true or false",
        "`false`",
        "Delete its members that are no longer named; an empty list prunes nothing.",
    ),
    ("multinode_workload_defaults", "map", "`{}`", "Merged under every workload."),
    ("multinode_workload_overlays", "map", "`{}`", "By workload name, merged over it. Meant for surveys."),
    ("multinode_workloads", "list", "required", "The workloads; see below."),
    ("multinode_render_dir", "path", "none", "Where `plan` writes manifests."),
    ("multinode_artifacts_dir", "path", "`artifacts`", "Where `artifacts` writes its list and the mirror script."),
    (
        "multinode_artifacts_systems",
        "list",
        "`ubuntu22.04`, `ubuntu24.04`",
        "Operating systems of the GPU machines, which driver images' tags name.",
    ),
    (
        "multinode_artifacts_kubernetes",
        "version",
        "any",
        "The cluster's version: `artifacts` does not ask the cluster.",
    ),
    ("multinode_manifests", "path or list", "none", "Files and folders that `check_manifest` checks."),
    ("multinode_report_dir", "path", "none", "Where `verify` and `check_manifest` write their reports."),
)


def markup(text: str) -> str:
    """Ansible's V() and C() as Markdown; nothing that ends a table's cell."""
    return re.sub(r"\b[VC]\(([^)]*)\)", r"`\1`", text).replace("|", "\\|")


def values(field: spec_schema.Field) -> str:
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    return KINDS.get(field.kind, "text")


def default(field: spec_schema.Field) -> str:
    if field.required:
        return "required"
    if field.default_doc:
        return markup(field.default_doc)
    if field.default in (None, (), {}):
        return ""
    if field.kind == "duration":
        return f"`{field.default}s`"
    if field.kind == "levels":
        return ", ".join(f"{level}: `{label}`" for level, label in field.default.items())
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def rows(fields: tuple[spec_schema.Field, ...], prefix: str = "") -> Iterator[str]:
    """One line per key; the keys of a map below it, with its name in front."""
    for field in fields:
        name = f"{prefix}{field.name}"
        yield f"| `{name}` | {values(field)} | {default(field)} | {markup(field.doc)} |"
        if field.fields and field.name != "components":
            yield from rows(field.fields, f"{name}.")


HEAD = """\
# Variables

<!-- Written by `python -m tools.variables` from plugins/module_utils/spec_schema.py; a test compares the two. -->

Every scalar may be given as a string, as surveys and `-e` do. An unknown key is an error that names the nearest known
one. All errors are reported at once, each with its path. A variable that begins with `multinode_` and is not on this
page is an error, too, with which every playbook begins.
"""


def page() -> str:
    settings = rows(spec_schema.SETTINGS, "multinode_")
    rest = (f"| `{name}` | {kind} | {standard} | {meaning} |" for name, kind, standard, meaning in REST)
    sections = (
        ("The cluster", "", chain(settings, rest)),
        (
            "A machine: `multinode_node` of each host",
            "Besides these, each level of `multinode_topology_levels` is a key (`zone`, `block`, `rack`).",
            rows(spec_schema.MACHINE),
        ),
        (
            "A queue: an entry of `multinode_queues`",
            "`gpu`, `cpu` and `memory` are maps of `quota`, `limit` and `weight`. What they mean: [Queues](queues.md).",
            rows(queues.QUEUE),
        ),
        ("A workload: an entry of `multinode_workloads`", "", rows(spec_schema.WORKLOAD)),
        ("A component: an entry of a workload's `components`", "", rows(spec_schema.COMPONENT)),
    )
    text = HEAD
    for title, words, lines in sections:
        text += f"\n## {title}\n\n" + (f"{words}\n\n" if words else "") + "\n".join((*TABLE, *lines)) + "\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
