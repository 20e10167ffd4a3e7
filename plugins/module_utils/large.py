# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A large result goes to a file, and a summary of it to Ansible: AWX cuts large events, terminals drown in them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import covered, hidden

MOST_OBJECTS = 100
MOST_BYTES = 64 * 1024
# Internal, or shown by Ansible in a way of its own (and no plain data on the controller)
_NOT_STORED = ("diff", "warnings", "deprecations", "exception", "invocation", "_slice")


def store(result: Mapping[str, Any], path: str) -> None:
    """Write the whole result to ``path`` as JSON, in one step. Raises OSError."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".result.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({key: value for key, value in result.items() if key not in _NOT_STORED}, stream, indent=1)
            stream.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def kept(result: dict[str, Any], path: str | None) -> tuple[dict[str, Any], str | None]:
    """What is answered of a result that ``path`` (None: nothing) is to hold as a whole; and why it does not, if so."""
    problem = None
    if path:
        try:
            store(result, path)
        except OSError as error:
            problem, path = f"result_file: cannot be written: {error}", None
    return shrink(result, path), problem


def shrink(result: dict[str, Any], path: str | None) -> dict[str, Any]:
    """The result with ``summary`` (action -> number of objects); a large one without the details of objects in which
    nothing is wrong, and without ``plan``. ``path``: the file that holds it as a whole, or None."""
    places = [*result.get("workloads", []), *([result] if "objects" in result else [])]
    objects = [one for place in places for one in place["objects"]] + list(result.get("others", []))
    out = {**result, "summary": _counts(objects)}
    if path:
        out["result_file"] = path
    if len(objects) <= MOST_OBJECTS and _size(result) <= MOST_BYTES:
        return out
    out.pop("plan", None)
    if "objects" in out:
        out["objects"] = _wrong(out["objects"])
    if "workloads" in out:
        out["workloads"] = [{**entry, "objects": _wrong(entry["objects"]), "steps": []} for entry in out["workloads"]]
    out["left_out"] = f"the details of {len(objects)} objects are " + (
        f"in {path}" if path else "left out: name a result_file to keep them"
    )
    return out


def invocation(params: Mapping[str, Any]) -> dict[str, Any]:
    """The ``invocation`` of a result: the options as they were given, without the length of long ones, the passwords in
    URLs and the values of Secrets.

    Ansible would send all of them back to the controller, which reads every value of them again.
    """
    shown = {name: _brief(value) for name, value in params.items() if not name.startswith("_")}
    return {"module_args": hidden(covered(shown))}


def _brief(value: Any) -> Any:
    if isinstance(value, (list, dict)) and len(value) > MOST_OBJECTS:
        return f"{len(value)} entries"
    return value


def _wrong(objects: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in objects if one.get("error") or one.get("ready") is False]


def _counts(objects: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in objects:
        counts[one["action"]] = counts.get(one["action"], 0) + 1
    return dict(sorted(counts.items()))


def _size(result: Mapping[str, Any]) -> int:
    return len(json.dumps({key: value for key, value in result.items() if key not in _NOT_STORED}))
