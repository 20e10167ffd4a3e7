# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module ``apply`` does: any objects, present and ready, or gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import wait as waiting
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.apply import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

SHOWN_FAILURES = 20


@dataclass
class Answer:
    """``result``: what the module returns. ``failure``: the message it fails with, if it does."""

    result: dict[str, Any]
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)

    def exit(self, module: Any) -> None:
        """End the AnsibleModule with this answer."""
        for warning in self.warnings:
            module.warn(warning)
        if not module._diff:
            self.result.pop("diff", None)
        if self.failure is not None:
            module.fail_json(msg=self.failure, **self.result)
        module.exit_json(**self.result)


def ensure(client: Client, params: Mapping[str, Any], *, check: bool = False) -> Answer:
    """The module's whole work; ``params`` are its options. Raises KubeError when nothing could be tried."""
    objects: Sequence[Mapping[str, Any]] = params["objects"]
    timeout = float(params["wait_timeout"])
    if params["state"] == "absent":
        malformed = [problem for problem in map(engine.malformed, objects) if problem]
        if malformed:
            return Answer({"changed": False, "objects": [], "diff": []}, f"objects: one {malformed[0]}")
        results = engine.remove(client, objects, check=check, wait_timeout=timeout, wait_gone=params["wait"])
        return _answer(client, results, {})
    applyset, prune = params.get("applyset") or None, bool(params.get("prune"))
    if prune and not applyset:
        return Answer({"changed": False, "objects": [], "diff": []}, "prune: needs applyset, the set to prune within")
    results = engine.apply(
        client, objects, check=check, force=params["force_conflicts"], applyset=applyset, prune=prune
    )
    outcomes: dict[waiting.Ref, waiting.Outcome] = {}
    if params["wait"] and not check:
        outcomes = engine.wait_for(client, results, timeout=timeout)
    answer = _answer(client, results, outcomes)
    if prune and not objects:
        answer.warnings.append("objects is empty: nothing is pruned, lest a mistake empty the cluster")
    return answer


def _answer(client: Client, results: Iterable[Result], outcomes: Mapping[waiting.Ref, waiting.Outcome]) -> Answer:
    entries, failures, warnings, diffs = [], [], [], []
    changed = False
    for result in results:
        entry = result.to_dict()
        outcome = outcomes.get(result.ref)
        entry["ready"] = outcome.ready if outcome else None
        entry["reason"] = outcome.reason if outcome else None
        entry["generic"] = outcome.generic if outcome else None
        entries.append(entry)
        changed = changed or result.changed
        if result.error:
            failures.append(f"{result.ref}: {result.error}")
        elif outcome is not None and not outcome.ready:
            failures.append(f"{result.ref}: not ready after {outcome.seconds:.0f} s: {outcome.reason}")
        warnings += [f"{result.ref}: {warning}" for warning in result.warnings]
        if result.diff is not None:
            diffs.append({"before_header": str(result.ref), "after_header": str(result.ref), **result.diff})
    answer = Answer({"changed": changed, "objects": entries, "diff": diffs, "requests": client.requests})
    answer.warnings = warnings
    if failures:
        answer.failure = summary(failures, len(entries), "objects")
    return answer


def summary(failures: Sequence[str], total: int, noun: str) -> str:
    """One line per failure under one line that counts them; long lists are cut (all are in the return value)."""
    shown = list(failures[:SHOWN_FAILURES])
    if len(failures) > SHOWN_FAILURES:
        shown.append(f"and {len(failures) - SHOWN_FAILURES} more")
    if total == 1 and len(shown) == 1:
        return shown[0]
    return "\n".join([f"{len(failures)} of {total} {noun} failed:", *shown])
