# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every snapshot of the recordings: is it ready, where does it run, is it a gang, and what is it that it waits for?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness

from tests.unit.plugins.module_utils.recorded import UPSTREAM, Row, judge, table

ROWS = table()
ROOTS = ("dynamographdeployments", "podcliquesets", "leaderworkersets")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_recording(row: Row) -> None:
    plan, seen = row.plan(), row.snapshot()
    root = next(
        item
        for resource, items in row.objects().items()
        for item in items
        if resource.rsplit("/", 1)[1] in ROOTS and item["metadata"]["name"] == row.name
    )
    verdict = readiness.ready(root)
    assert (verdict.ready, verdict.generic) == (row.ready, False), verdict.reason

    judge(row, plan, seen)


def test_no_snapshot_is_left_out() -> None:
    """Every recorded snapshot with a workload in it has its row for that workload."""
    if not (UPSTREAM / "recordings").is_dir():
        pytest.skip("not run: no recordings at MULTINODE_UPSTREAM")
    listed = {(row.recording, row.at, row.name) for row in ROWS}
    missing = []
    for path in sorted((UPSTREAM / "recordings").rglob("*.json")):
        missing += [key for key in _workloads(path) if key not in listed]
    assert missing == []


def _workloads(path: Path) -> list[tuple[str, str, str]]:
    document = json.loads(path.read_text())
    if not isinstance(document, dict) or "objects" not in document:
        return []
    objects = document["objects"]
    served = objects.get("nvidia.com/v1beta1/dynamographdeployments") or objects.get(
        "leaderworkerset.x-k8s.io/v1/leaderworkersets", []
    )
    where = str(path.parent.relative_to(UPSTREAM / "recordings"))
    return [(where, path.stem, item["metadata"]["name"]) for item in served]
