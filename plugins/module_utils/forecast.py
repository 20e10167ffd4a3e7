# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as it will be once what was decided about its components is done. Pure.

Preflight judges workloads against this: what this very run is about to install is not missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, definition


def after(facts: Mapping[str, Any], decided: Mapping[str, tuple[str, Ask]]) -> dict[str, Any]:
    """Facts (as cluster_info returns them under ``cluster``) with each component as its decision leaves it.

    decided: component name -> (action of the decision, what was asked, with the final values and the version).
    """
    found = dict(facts)
    for name, (action, ask) in decided.items():
        if action not in ("install", "upgrade", "remove"):
            continue
        entry = dict((found.get("components") or {}).get(name) or {})
        entry["present"] = action != "remove"
        if action != "remove" and ask.version:
            entry["app_version"] = ask.version
        found["components"] = {**(found.get("components") or {}), name: entry}
        if action != "remove":
            found = dict(definition(name).forecast(ask, found))
    return found
