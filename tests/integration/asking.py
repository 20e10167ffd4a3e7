# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is told of a cluster: the modules of the role preflight, as Ansible runs them, one after the other."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.testing import patch_module_args
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS

from lab.handle import Lab

MODULES = "ansible_collections.dynamo.multinode.plugins.modules"
# A question about one component is not one about the others
SKIPPED: dict[str, Any] = {name: {"mode": "skip"} for name in COMPONENTS}
_PLAN = ("workloads", "machines", "orchestrator", "scheduler", "workload_api", "dynamo_version")


@dataclass(frozen=True)
class Told:
    """The findings of all modules that were asked, and the sentences with which the play would stop."""

    findings: list[dict[str, Any]]
    failing: list[str]
    cluster: dict[str, Any]

    def of(self, identity: str) -> list[dict[str, Any]]:
        return [item for item in self.findings if item["id"] == identity]

    def one(self, identity: str) -> dict[str, Any]:
        found = self.of(identity)
        assert len(found) == 1, [f"{item['id']} {item['subject']}: {item['message']}" for item in self.findings]
        return found[0]


def run(name: str, lab: Lab | None = None, **options: Any) -> dict[str, Any]:
    """The answer of a module of ours."""
    loaded = importlib.import_module(f"{MODULES}.{name}")
    given = {**({"kubeconfig": str(lab.kubeconfig)} if lab else {}), **options}
    shown = io.StringIO()
    with patch_module_args(given), contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        loaded.main()
    answer: dict[str, Any] = json.loads(shown.getvalue())
    return answer


def ask(
    lab: Lab, platform: dict[str, Any] | None = None, queues: list[dict[str, Any]] | None = None, **options: Any
) -> Told:
    """What preflight says. ``platform``: blocks of multinode_platform, the others are skipped; ``queues``:
    multinode_queues; ``options`` as of workload_plan. Without ``workloads`` no plan is made."""
    workloads, machines = options.pop("workloads", []), options.pop("machines", [])
    found = run("cluster_info", lab, platform={**SKIPPED, **(platform or {})}, queues={"list": queues or []}, **options)
    assert not found.get("failed"), found["msg"]
    decided = [item for decision in found["decisions"].values() for item in decision["findings"]]
    told = Told([*decided, *found["findings"]], list(found["failing"]), found["cluster"])
    if workloads:
        given = {key: value for key, value in options.items() if key in _PLAN}
        plan = run("workload_plan", workloads=workloads, machines=machines, cluster=found["cluster_after"], **given)
        assert not plan.get("failed"), plan["msg"]
        return Told([*told.findings, *plan["findings"]], [*told.failing, *plan["failing"]], told.cluster)
    return told
