# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims that stay because somebody mounts them; the rest of a removal is tested against a lab."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.removal import Leaving, mounted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

from tests.unit.plugins.module_utils.inputs import component, dynamo, native, workload

VOLUME = {"name": "more", "persistentVolumeClaim": {"claimName": "third"}}


@pytest.mark.parametrize("target", ["lws", "grove", "dynamo"])
def test_every_claim_that_a_workload_mounts_is_seen(target: str) -> None:
    given = workload(
        component(pod_spec={"volumes": [VOLUME]}),
        namespace="here",
        model_cache={"type": "pvc", "claim": "models", "create": True, "size": "1Gi"},
        compilation_cache={"claim": "compiled"},
    )
    made = {
        "lws": lambda: native(given),
        "grove": lambda: native(given, orchestrator="grove", scheduler="kai"),
        "dynamo": lambda: dynamo(given),
    }[target]()
    (plan,) = made.workloads
    assert mounted(render(plan)) == {("here", "models"), ("here", "compiled"), ("here", "third")}


def test_what_is_kept_is_told_after_the_last_slice_too() -> None:
    claim = Ref("v1", "PersistentVolumeClaim", "here", "models")
    client: Any = None
    leaving = Leaving(client, {}, [], Removal(client, []), kept=[claim])
    later = Leaving.from_state(client, leaving.to_state(), 1.0)
    for one in (leaving, later):
        ((kept),) = one.results
        assert (kept.ref, kept.action, kept.changed) == (claim, "kept", False)
        assert kept.warnings == ["stays: a workload that is present mounts it"]
