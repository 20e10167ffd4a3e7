# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would be done to each object: create, change, replace, nothing; and what of it is somebody else's. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.dynamo.multinode.plugins.module_utils.checks import live as checks
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.ownership import own_entry, why_write
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER

Object = Mapping[str, Any]
# A key, or what names the member of a list: ("spec", "components", {"name": "decode"}, "replicas")
Path = Sequence[Union[str, Mapping[str, str]]]
SHOWN_REASONS = 5


@dataclass(frozen=True)
class Step:
    """What is to be done to one object. ``action``: create, change, replace, delete, nothing; ``why``: paths that
    differ, or what cannot be changed in place."""

    ref: Ref
    action: str
    why: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.ref.kind, "name": self.ref.name, "action": self.action, "why": list(self.why)}


def step(ref: Ref, wanted: Object, live: Object | None) -> Step:
    """The step for one object, with the findings about it."""
    if live is None:
        return Step(ref, "create")
    findings = checks.run(wanted, live)
    fixed = tuple(f"{finding.message} ({finding.id})" for finding in findings if finding.severity == "error")
    if fixed:
        return Step(ref, "replace", fixed, findings)
    reasons = why_write(wanted, live, MANAGER)
    if len(reasons) > SHOWN_REASONS:
        reasons = [*reasons[:SHOWN_REASONS], f"and {len(reasons) - SHOWN_REASONS} more"]
    return Step(ref, "change" if reasons else "nothing", tuple(reasons), findings)


def leave_to_its_owner(wanted: dict[str, Any], live: Object, path: Path) -> Any:
    """The value that something else has set at ``path``, which ``wanted`` no longer contradicts; None: there is none.

    While the number is still ours, leaving it out would reset it: the live one is sent again. Once another manager
    has taken it, it is left out, so that neither a conflict nor a change of owner can come of it.
    """
    value = _at(live, path)
    holder = _at(wanted, path[:-1])
    key = path[-1]
    if value is None or not isinstance(holder, dict) or not isinstance(key, str) or key not in holder:
        return None
    if _may_be_ours(live, path):
        holder[key] = value
    else:
        del holder[key]
    return value


def _at(obj: Any, path: Path) -> Any:
    for name in path:
        if isinstance(name, str):
            obj = obj.get(name) if isinstance(obj, Mapping) else None
        else:
            members = obj if isinstance(obj, list) else []
            obj = next((one for one in members if name.items() <= one.items()), None)
    return obj


def _may_be_ours(live: Object, path: Path) -> bool:
    """Whether we own the field, alone or with others; where nothing can be said, sending the live value is safe.

    So it is where a list on the way is not ours in any part: it may be one that only goes as a whole.
    """
    entry = own_entry(live, MANAGER)
    if entry is None:
        return True
    tree: Any = entry.get("fieldsV1") or {}
    for number, name in enumerate(path):
        if not tree:
            return True  # a list or map that is ours as a whole
        known = "f:" + name if isinstance(name, str) else next((key for key in tree if _is_key(key, name)), "")
        if known not in tree:
            return isinstance(name, str) and any(not isinstance(later, str) for later in path[number:])
        tree = tree[known]
    return True


def _is_key(field: str, member: Mapping[str, str]) -> bool:
    return field.startswith("k:") and json.loads(field[2:]) == dict(member)
