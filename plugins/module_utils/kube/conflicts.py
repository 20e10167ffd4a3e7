# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refused writes in words: whose field it is, whether a person's hand took it, and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, KubeError
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER as FIELD_MANAGER

# Names under which kubectl signs what a person does with it (kubectl 1.34; "kubectl" itself is a server-side apply)
EDITORS = frozenset({"kubectl-annotate", "kubectl-edit", "kubectl-label", "kubectl-patch", "kubectl-set"})
MAKERS = frozenset({"kubectl-client-side-apply", "kubectl-create", "kubectl-replace"})
HANDS = EDITORS | MAKERS
# An Update is told with its version and time (`"kubectl-edit" using v1 at ...`), an Apply by its name alone
_CONFLICT = re.compile(
    r'conflict with "(?P<owner>[^"]*)"(?P<subresource> with subresource "[^"]*")?(?P<update> using )?'
)


class Conflict(NamedTuple):
    """One field that another manager owns. ``by_hand``: a person changed it with kubectl."""

    field: str
    owner: str
    by_hand: bool


def conflicts(error: KubeError) -> list[Conflict]:
    """The conflicts of a refused server-side apply; [] when it was refused for another reason."""
    found = []
    for cause in error.causes if isinstance(error, ApiError) else []:
        if cause.get("reason") != "FieldManagerConflict":
            continue
        told = _CONFLICT.search(str(cause.get("message")))
        owner = told.group("owner") if told else "another manager"
        hand = bool(told and told.group("update") and not told.group("subresource") and owner in HANDS)
        found.append(Conflict(str(cause.get("field")), owner, hand))
    return sorted(found)


def was_ours(live: Mapping[str, Any] | None) -> bool:
    """Whether we have applied it: our entry says so. That is gone once hands have taken all our fields; then it is only
    named by those who change what is there, while whoever makes an object by other means keeps an entry."""
    entries = [one for one in _managed(live or {}) if not one.get("subresource")]
    if any(one.get("manager") == FIELD_MANAGER and one.get("operation") == "Apply" for one in entries):
        return True
    return bool(entries) and all(one.get("manager") in EDITORS and one.get("operation") == "Update" for one in entries)


def _managed(live: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (live.get("metadata") or {}).get("managedFields") or ()


def taken_back(found: Sequence[Conflict]) -> list[str]:
    """One warning for each field that is put back to what was rendered."""
    return [f"{field} was changed by hand ({owner}) and is put back" for field, owner, _hand in found]


def explain(error: KubeError, kind: str = "") -> str:
    """One sentence for a refused write; conflicts with each field and its owner, never the value of a Secret."""
    if not isinstance(error, ApiError):
        return str(error)
    found = conflicts(error)
    if found:
        told = ", ".join(f"{field} belongs to {owner}" for field, owner, _hand in found)
        return (
            f"{told}: another manager set {'it' if len(found) == 1 else 'them'}; "
            "leave the field to its owner, or take it over with force_conflicts: true"
        )
    if kind == "Secret" and error.status in (400, 422, 500):
        fields = ", ".join(str(cause.get("field")) for cause in error.causes if cause.get("field"))
        return f"the API server refuses this Secret ({error.reason or error.status}{': ' + fields if fields else ''})"
    return str(error)
