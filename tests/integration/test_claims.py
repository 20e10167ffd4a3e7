# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim that we made holds data: it goes with its workload where that is asked for, and only there."""

from __future__ import annotations

from typing import Any

from lab.handle import Lab
from tests.integration.test_switch import play
from tests.integration.test_workload_module import absent, fresh, roll, workload

CACHE = {"type": "pvc", "claim": "models", "create": True, "size": "1Gi"}
SOMEBODYS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: somebodys}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
LWS: dict[str, Any] = {"multinode_orchestrator": "lws"}

__all__ = ["fresh"]


def claims(lab: Lab, namespace: str) -> list[str]:
    return [item["metadata"]["name"] for item in lab.get("-n", namespace, "persistentvolumeclaims")]


def test_teardown_keeps_claims_unless_asked(gang_lab: Lab, fresh: str) -> None:
    # Its pods wait for a volume, which nobody makes here
    cached: dict[str, Any] = {
        "each": {"model_cache": CACHE},
        "multinode_workload_overlays": {"second": {"model_cache": {"claim": "too"}}},
    }
    play(gang_lab, "rollout", fresh, workloads_wait=False, **cached, **LWS)
    gang_lab.kubectl("create", "-n", fresh, "-f", "-", stdin=SOMEBODYS)
    play(gang_lab, "teardown", fresh, **cached, **LWS)
    assert gang_lab.get("-n", fresh, "leaderworkersets,services") == []
    assert claims(gang_lab, fresh) == ["models", "somebodys", "too"]
    told = play(gang_lab, "teardown", fresh, multinode_remove_claims="true", **cached, **LWS)
    assert "changed=1" in told
    assert claims(gang_lab, fresh) == ["somebodys"]


def test_a_claim_that_another_workload_mounts_is_kept(gang_lab: Lab, fresh: str) -> None:
    mounting = workload(fresh, "other", model_cache={"type": "pvc", "claim": "models"})
    first = roll(gang_lab, workload(fresh, model_cache=CACHE), mounting, wait=False)
    assert first.failure is None
    roll(gang_lab, absent(fresh), mounting, remove_claims=True, check=True, wait=False)
    kept = roll(gang_lab, absent(fresh), mounting, remove_claims=True, wait=False)
    assert kept.failure is None
    assert f"PersistentVolumeClaim {fresh}/models: kept" in kept.result["lines"]
    assert any("models: stays: a workload that is present mounts it" in line for line in kept.warnings), kept.warnings
    assert claims(gang_lab, fresh) == ["models"]

    def left(*, check: bool) -> str:
        gone = [absent(fresh), absent(fresh, "other")]
        answer = roll(gang_lab, *gone, remove_claims=True, remove_namespaces=True, check=check)
        assert (answer.failure, answer.result["changed"]) == (None, True)
        return gang_lab.kubectl("get", "namespace", fresh, "--ignore-not-found", "-o", "name").strip()

    assert left(check=True)
    assert claims(gang_lab, fresh) == ["models"]
    assert not left(check=False)
