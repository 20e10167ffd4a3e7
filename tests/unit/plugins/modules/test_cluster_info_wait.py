# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cluster_info waits for, and what of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.decisions import Decided
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.health import Waited
from ansible_collections.dynamo.multinode.plugins.modules import cluster_info


@pytest.mark.parametrize(("origin", "adopted"), [("provisioned", False), ("adopted", True), (None, True)])
def test_how_somebody_elses_is_configured_is_not_waited_for(
    origin: str | None, adopted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adopted LWS without its scheduler provider would never become what it is waited for (MN-F32)."""
    seen: dict[str, Waited] = {}

    def ready(_client: Any, wanted: dict[str, Waited], _timeout: int) -> dict[str, list[str]]:
        seen.update(wanted)
        return {}

    monkeypatch.setattr(cluster_info, "wait_ready", ready)
    entry = {"present": True, "namespace": "lws-system", "record": {"origin": origin} if origin else None}
    module: Any = SimpleNamespace(params={"wait_for": ["lws"], "wait_except": [], "wait_timeout": 1})
    client: Any = None
    assert cluster_info.waiting(client, module, {"components": {"lws": entry}}, [], Decided()) == ["lws"]
    assert seen == {"lws": Waited("lws-system", adopted=adopted)}
