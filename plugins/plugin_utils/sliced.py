# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a module that waits: it tells how far the wait is while the module waits in slices."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import hidden
from ansible_collections.dynamo.multinode.plugins.module_utils.large import kept, shrink
from ansible_collections.dynamo.multinode.plugins.module_utils.progress import Progress, slice_seconds
from ansible_collections.dynamo.multinode.plugins.plugin_utils.direct import DirectAction

INTERVAL = 30.0


class SlicedAction(DirectAction):
    """Runs the module of the same name: once to apply, then in slices until nothing is left to wait for.

    Where nobody looks (async, check mode, ``wait: false``, ``progress: 0``) the module does it all in one call. Lines
    go through Display, one below the other: a worker process has no terminal, and AWX no cursor.
    """

    waits_by_default = False

    def finish(self, result: dict[str, Any], settled: Mapping[str, Mapping[str, Any]]) -> str | None:
        """Write how the wait ended into the result; the failure, if it is one."""
        raise NotImplementedError

    def answer(self, task_vars: dict[str, Any] | None, *, wrap_async: bool) -> dict[str, Any]:
        interval = self._interval()
        if wrap_async or not interval or not self._waits():
            return super().answer(task_vars, wrap_async=wrap_async)
        return self._in_slices(Progress(interval), task_vars)

    def _interval(self) -> float:
        given = self._task.args.get("progress")
        try:
            return INTERVAL if given in (None, "") else float(given)
        except (TypeError, ValueError):
            return 0.0  # the module says what is wrong with it

    def _waits(self) -> bool:
        args = self._task.args
        if self._task.check_mode:
            return False
        try:
            return bool(boolean(args.get("wait", self.waits_by_default)))
        except TypeError:
            return False

    def _in_slices(self, progress: Progress, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        first: dict[str, Any] = {}
        one: dict[str, Any] = {}
        started = time.monotonic()
        while not one or one["state"]:
            elapsed = time.monotonic() - started if one else 0.0
            step, last = self._slice(task_vars, one.get("state"), elapsed), one
            if "_slice" not in step:  # it failed
                return self._broken(first, step) if last else step
            one = step.pop("_slice")
            first = _joined(first, step, whole=bool(last.get("partial")))
            if not last or one.get("stage") != last.get("stage"):  # its times begin anew
                started = time.monotonic() - one["elapsed"]
            self._tell(progress, one)
        failure = self.finish(first, progress.settled)
        if not first.get("warnings"):
            first.pop("warnings", None)
        if failure:
            first.update(failed=True, msg=failure)
        path = self._task.args.get("result_file")  # of the machine on which the module runs
        if not path:
            return shrink(first, None)
        if self._beside(task_vars or {}):
            return _stored(first, os.path.expanduser(os.path.expandvars(str(path))))
        stored = self._call(task_vars, {"result": _plain(first)})
        return {**stored, **{key: first[key] for key in ("warnings", "diff") if key in first}}

    def _slice(self, task_vars: dict[str, Any] | None, state: Any, elapsed: float) -> dict[str, Any]:
        return self._call(task_vars, {"state": state, "elapsed": elapsed, "seconds": slice_seconds(elapsed)})

    def _call(self, task_vars: dict[str, Any] | None, what: dict[str, Any]) -> dict[str, Any]:
        return self.module(task_vars, {**self._task.args, "_slice": what})

    def _broken(self, first: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        """The wait could not go on: what was applied is told all the same."""
        said = step.get("msg") or "the wait ended without an answer"
        changed = first.get("changed", False) or step.get("changed", False)
        return {**shrink(first, None), **step, "changed": changed, "failed": True, "msg": said}

    def _tell(self, progress: Progress, one: Mapping[str, Any]) -> None:
        for line in progress.learn(one["standing"], one["settled"], one["elapsed"], one.get("stage") or ""):
            self._display.display(line)


def _joined(first: dict[str, Any], step: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """What is known so far. ``whole``: only what went before anything could be applied, if even that."""
    if not first:
        return step
    told = {
        "changed": first.get("changed", False) or step.get("changed", False),
        "requests": first.get("requests", 0) + step.get("requests", 0),
        "warnings": [*first.get("warnings", []), *step.get("warnings", [])],
    }
    return {**first, **(step if whole else {}), **told}


def _stored(result: dict[str, Any], path: str) -> dict[str, Any]:
    """As the module would store it and answer (kube/objects.py), without starting it for that alone."""
    whole = {key: value for key, value in _plain(result).items() if key not in ("failed", "msg")}
    told: dict[str, Any] = {key: result[key] for key in ("warnings", "diff", "invocation") if key in result}
    if result.get("failed"):
        told.update(failed=True, msg=hidden(str(result.get("msg"))))
    answer, problem = kept(whole, path)
    if problem:
        told["warnings"] = [*told.get("warnings", []), problem]
    return {**answer, **told}


def _plain(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without what Ansible and this plugin have added for themselves."""
    return {
        key: value
        for key, value in result.items()
        if not key.startswith("_") and key not in ("invocation", "warnings", "deprecations", "exception", "diff")
    }
