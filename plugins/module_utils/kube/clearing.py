# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With consent: make anew what cannot be changed in place, and take away what is not asked for; in slices too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import removal_lines
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.conflicts import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.removal import TIMEOUT
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

REPLACED, LEFTOVERS = "replaced", "leftovers"
REMEDY = "correct what the API server refuses and run again; what is unchanged costs nothing"


@dataclass
class Case:
    """One workload of which something goes. ``replaced``: the objects that are made again when the old ones are gone;
    ``leftovers``: what goes after that, unless it failed. ``failed``: object -> why."""

    name: str
    replaced: list[dict[str, Any]]
    leftovers: list[Ref]
    failed: dict[Ref, str] = field(default_factory=dict)

    def refs(self, stage: str) -> list[Ref]:
        return [Ref.of(obj) for obj in self.replaced] if stage == REPLACED else self.leftovers


class Clearing:
    """Deletes, waits until it is gone, and makes anew. ``waited``: whether readiness is waited for afterwards."""

    def __init__(self, client: Client, cases: Iterable[Case], *, waited: bool) -> None:
        self.client = client
        self.cases = list(cases)
        self.waited = waited
        self.stage = REPLACED
        self.removal = self._removal()
        self.pods: Mapping[str, int] = {}
        self.over = not self.cases

    def wait(self, seconds: float | None = None) -> bool:
        """Go on, for one slice (None: to the end); whether it is over."""
        while not self.over:
            if seconds is not None and self.owners and not self.removal.made:
                self.pods = removal_lines.pods(self.client, self.owners, all_of_them=False)
            if not self.removal.wait(seconds):
                return False
            for case in self.cases:
                for ref in case.refs(self.stage):
                    made = self.removal.made.get(ref)
                    if made is not None and made.error:
                        case.failed[ref] = made.error
            if self.stage == LEFTOVERS:
                self.over = True
                break
            self.stage = LEFTOVERS
            self.removal = self._removal()
        return True

    @property
    def owners(self) -> dict[str, list[Ref]]:
        found = {case.name: case.refs(self.stage) for case in self.cases if not case.failed}
        return {name: refs for name, refs in found.items() if refs}

    def _removal(self) -> Removal:
        refs = [ref for refs in self.owners.values() for ref in refs]
        return Removal(self.client, refs, timeout=TIMEOUT, on_gone=self._create)

    def _create(self, gone: Ref) -> None:
        """One that is stuck does not keep the others from being served again."""
        if self.stage != REPLACED:
            return
        case, obj = next((case, obj) for case in self.cases for obj in case.replaced if Ref.of(obj) == gone)
        try:
            self.client.apply(obj)
        except KubeError as error:
            case.failed[gone] = f"was deleted, and its replacement is refused: {explain(error, gone.kind)}"

    # -- what is told -------------------------------------------------------------------------------------------

    @property
    def failed(self) -> set[str]:
        return {case.name for case in self.cases if case.failed}

    def settled(self) -> dict[str, Any]:
        """The workloads that failed: what is to be corrected in the module's answer, in progress.Slice's words."""
        found = {}
        for case in self.cases:
            if not case.failed or not self.over:
                continue
            results = [Result(*ref, "failed", error=error) for ref, error in case.failed.items()]
            cause = removal_lines.failures(results)
            answer = {"action": "failed", "ready": False if self.waited else None, "cause": cause, "remedy": REMEDY}
            found[case.name] = {
                "ready": False,
                "text": f"{cause}; {REMEDY}",
                "seconds": self.removal.elapsed,
                "answer": answer,
                "objects": {str(one.ref): {"action": "failed", "error": one.error} for one in results},
            }
        return found

    def standing(self) -> dict[str, Any]:
        left = removal_lines.pods(self.client, self.owners, all_of_them=False) if self.owners else {}
        return removal_lines.standing(self.removal, self.owners, left, self.pods)

    # -- between slices -----------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "pods": dict(self.pods),
            "removal": self.removal.to_state(),
            "cases": [
                {
                    "name": case.name,
                    "replaced": case.replaced,
                    "leftovers": [list(ref) for ref in case.leftovers],
                    "failed": [[*ref, error] for ref, error in case.failed.items()],
                }
                for case in self.cases
            ],
        }

    @classmethod
    def from_state(cls, client: Client, state: Mapping[str, Any], elapsed: float) -> Clearing:
        found = cls(client, (), waited=True)
        found.cases = [
            Case(
                one["name"],
                list(one["replaced"]),
                [Ref(*ref) for ref in one["leftovers"]],
                {Ref(*ref): error for *ref, error in one["failed"]},
            )
            for one in state["cases"]
        ]
        found.stage, found.pods, found.over = state["stage"], state["pods"], False
        found.removal = Removal.from_state(client, state["removal"], elapsed, on_gone=found._create)
        return found
