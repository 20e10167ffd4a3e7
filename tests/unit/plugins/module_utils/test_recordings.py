# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every snapshot of the recordings: is it ready, where does it run, is it a gang, and what is it that it waits for?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import readiness
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import explain, waits
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement

from tests.unit.plugins.module_utils.recorded import UPSTREAM, Row, fleet, table

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

    engines = [one for one in placement(fleet(plan), seen) if any(rank["pod"] for rank in one["ranks"])]
    assert [[rank["node"] for rank in one["ranks"]] for one in engines] == row.places()
    assert [one["gang"]["honoured"] for one in engines] == row.gang, [one["gang"]["why"] for one in engines]
    if row.pack:
        assert all(one["topology"]["honoured"] is _in_one_rack(one["nodes"], one["node_count"]) for one in engines)

    assert waits(plan, seen) is row.waits
    found = explain(plan, seen)
    assert found.details["id"] == row.cause, found.cause
    assert [words for words in row.says if words not in found.cause] == [], found.cause
    assert bool(found.remedy)
    assert "\n" not in found.cause + found.remedy


def _in_one_rack(nodes: list[str], size: int) -> bool | None:
    """By the racks a, b, a, b ... of the machines."""
    racks = {int(name.rsplit("-", 1)[1]) % 2 for name in nodes}
    return False if len(racks) > 1 else True if len(nodes) == size else None


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
    import json

    document = json.loads(path.read_text())
    if not isinstance(document, dict) or "objects" not in document:
        return []
    objects = document["objects"]
    served = objects.get("nvidia.com/v1beta1/dynamographdeployments") or objects.get(
        "leaderworkerset.x-k8s.io/v1/leaderworkersets", []
    )
    where = str(path.parent.relative_to(UPSTREAM / "recordings"))
    return [(where, path.stem, item["metadata"]["name"]) for item in served]
