# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module ``apply`` does: any objects, present and ready, or gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import hidden
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import removal_lines
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited, watch
from ansible_collections.dynamo.multinode.plugins.module_utils.large import invocation, kept
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import finish_objects, object_keys

# What every module takes that applies objects and waits for them; the fragment ``rollout`` documents most of it
ROLLOUT_ARGS: dict[str, dict[str, Any]] = {
    "force_conflicts": {"type": "bool", "default": False},
    "wait_stable_seconds": {"type": "int", "default": 0},
    "progress": {"type": "int", "default": 30},
    "result_file": {"type": "path"},
    "applyset": {
        "type": "dict",
        "options": {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}},
    },
    "prune": {"type": "bool", "default": False},
    "_slice": {"type": "dict"},
}
# Nothing of these is there to become ready
OVER = ("failed", "deleted", "kept", "would_create")


@dataclass
class Answer:
    """``result``: what the module returns. ``failure``: the message it fails with, if it does."""

    result: dict[str, Any]
    failure: str | None = None
    warnings: list[str] = field(default_factory=list)

    def exit(self, module: Any) -> None:
        """End the AnsibleModule with this answer; a large one with its details in ``result_file``."""
        for warning in self.warnings:
            module.warn(warning)
        if not module._diff:
            self.result.pop("diff", None)
        elif "diff" in self.result:
            self.result["diff"] = hidden(self.result["diff"])
        if "_slice" not in self.result:  # otherwise it is not the end yet
            self.result, problem = kept(self.result, None if module.check_mode else module.params.get("result_file"))
            if problem:
                module.warn(problem)
        told = {"invocation": invocation(module.params), **self.result}
        if self.failure is not None:
            module.fail_json(msg=hidden(self.failure), **told)
        module.exit_json(**told)


def store_what_is_complete(module: Any) -> None:
    """End the AnsibleModule where the action plugin brings a whole result that is only to be stored."""
    whole = (module.params["_slice"] or {}).get("result")
    if whole is not None:
        result = {key: value for key, value in whole.items() if key not in ("failed", "msg")}
        Answer(result, whole.get("msg")).exit(module)


def ensure(client: Client, params: Mapping[str, Any], *, check: bool = False) -> Answer:
    """The module's whole work; ``params`` are its options. Raises KubeError when nothing could be tried.

    With ``params["_slice"]`` ({"seconds", "elapsed", "state"}) only one slice of the wait, the first after the apply:
    ``_slice`` of the result is then a progress.Slice, and the caller puts the answer together.
    """
    one: Mapping[str, Any] | None = params.get("_slice")
    if params.get("state") == "absent":
        return _absent(client, params, check)
    if one is not None and one.get("state"):
        waited = [(str(key), Waited.from_state(state)) for key, state in one["state"]]
        return Answer({"changed": False, "_slice": _slice(client, params, waited, one), "requests": client.requests})
    objects: Sequence[Mapping[str, Any]] = params["objects"]
    timeout = float(params["wait_timeout"])
    applyset, prune = params.get("applyset") or None, bool(params.get("prune"))
    if prune and not applyset:
        return Answer({"changed": False, "objects": [], "diff": []}, "prune: needs applyset, the set to prune within")
    results = engine.apply(
        client,
        objects,
        check=check,
        force=params["force_conflicts"],
        may_be_missing=_kinds(objects) if params.get("kinds_may_be_missing") else (),
        applyset=applyset,
        prune=prune,
    )
    answer = _answer(client, results)
    if prune and not objects:
        answer.warnings.append("objects is empty: nothing is pruned, lest a mistake empty the cluster")
    progress: dict[str, Any] = {"settled": {}}
    if params["wait"] and not check:
        keys = object_keys(answer.result["objects"])
        stable = float(params.get("wait_stable_seconds") or 0)
        waiting = [(key, result) for key, result in zip(keys, results) if result.action not in OVER]
        waited = [(key, Waited.of(result, timeout, stable)) for key, result in waiting]
        progress = _slice(client, params, waited, one)
        answer.result["requests"] = client.requests
        if one is not None:
            answer.result["_slice"] = progress
    if one is None:
        answer.failure = finish_objects(answer.result, progress["settled"])
    return answer


def _absent(client: Client, params: Mapping[str, Any], check: bool) -> Answer:
    one: Mapping[str, Any] | None = params.get("_slice")
    if one is not None and one.get("state"):
        removal = Removal.from_state(client, one["state"], float(one["elapsed"]))
    else:
        malformed = [problem for problem in map(engine.malformed, params["objects"]) if problem]
        if malformed:
            return Answer({"changed": False, "objects": [], "diff": []}, f"objects: one {malformed[0]}")
        timeout = float(params["wait_timeout"])
        removal = Removal(client, params["objects"], timeout=timeout, check=check, wait_gone=params["wait"])
    over = removal.wait(float(one["seconds"]) if one is not None else None)
    answer = _answer(client, removal.results())
    if one is None:
        answer.failure = finish_objects(answer.result, {})
        return answer
    keys = object_keys([Result(*ref, "").to_dict() for ref in removal.refs])
    owners = {key: [ref] for key, ref in zip(keys, removal.refs)}
    progress = {
        "state": None if over else removal.to_state(),
        "stage": "absent",
        "partial": not over,
        "elapsed": removal.elapsed,
        "standing": removal_lines.standing(removal, owners, {}, {}),
        "settled": removal_lines.settled(removal, owners, ""),
    }
    if over:
        answer.result["_slice"] = progress
        return answer
    changed = bool(answer.result["changed"])
    return Answer({"changed": changed, "_slice": progress, "requests": client.requests})


def _kinds(objects: Iterable[Any]) -> set[tuple[str, str]]:
    return {(str(item["apiVersion"]), str(item["kind"])) for item in objects if not engine.malformed(item)}


def _slice(
    client: Client, params: Mapping[str, Any], waited: Sequence[tuple[str, Waited]], one: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Wait, for one slice or to the end: a progress.Slice."""
    elapsed = watch(
        client,
        [each for _key, each in waited],
        elapsed=float(one["elapsed"]) if one else 0.0,
        seconds=float(one["seconds"]) if one else None,
        stable_seconds=float(params.get("wait_stable_seconds") or 0),
    )
    still = [(key, each) for key, each in waited if each.open]
    return {
        "state": [(key, each.to_state()) for key, each in still] or None,
        "elapsed": elapsed,
        "standing": {key: {"text": each.reason, "limit": each.limit, "reason": ""} for key, each in still},
        "settled": {
            key: {
                "ready": each.ready,
                "text": f"{'ready' if each.ready else 'not ready'}: {each.reason}"
                + (" (by generic rules)" if each.generic else ""),
                "seconds": each.seconds,
                "answer": {"ready": each.ready, "reason": each.reason, "generic": each.generic},
            }
            for key, each in waited
            if not each.open
        },
    }


def _answer(client: Client, results: Iterable[Result]) -> Answer:
    """What is known before the wait."""
    entries, warnings, diffs = [], [], []
    changed = False
    for result in results:
        entries.append({**result.to_dict(), "ready": None, "reason": None, "generic": None})
        changed = changed or result.changed
        warnings += [f"{result.ref}: {warning}" for warning in result.warnings]
        if result.diff is not None:
            diffs.append({"before_header": str(result.ref), "after_header": str(result.ref), **result.diff})
    answer = Answer({"changed": changed, "objects": entries, "diff": diffs, "requests": client.requests})
    answer.warnings = warnings
    return answer
