# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import large


def objects(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": str(index), "action": "created", "error": None, "ready": None, **more} for index in range(number)]


def test_a_small_result_stays_as_it_is() -> None:
    found = large.shrink({"objects": objects(100), "changed": True}, None)
    assert (len(found["objects"]), found["summary"]) == (100, {"created": 100})
    assert "left_out" not in found


@pytest.mark.parametrize(
    "result",
    [
        {"objects": objects(101), "plan": {}},
        {"objects": objects(2, warnings=["x" * 40000]), "plan": {}},
    ],
)
def test_a_large_one_keeps_what_is_wrong(result: dict[str, Any]) -> None:
    result["objects"] += [{**result["objects"][0], "action": "failed", "error": "no"}]
    result["objects"] += [{**result["objects"][0], "ready": False}]
    found = large.shrink(result, "/reports/rollout.json")
    assert [one["error"] or one["ready"] for one in found["objects"]] == ["no", False]
    assert found["summary"] == {"created": len(result["objects"]) - 1, "failed": 1}
    assert found["left_out"] == f"the details of {len(result['objects'])} objects are in /reports/rollout.json"
    assert found["result_file"] == "/reports/rollout.json"
    assert "plan" not in found


def test_without_a_file_it_is_said_how_to_keep_the_details() -> None:
    workloads: list[dict[str, Any]] = [
        {"name": "a", "objects": objects(60), "steps": [1]},
        {"name": "b", "objects": objects(60), "steps": []},
    ]
    found = large.shrink({"workloads": workloads, "others": objects(1)}, None)
    assert [entry["objects"] + entry["steps"] for entry in found["workloads"]] == [[], []]
    assert found["left_out"] == "the details of 121 objects are left out: name a result_file to keep them"
    assert len(workloads[0]["objects"]) == 60, "what was given is not changed"


def test_the_file_holds_everything_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rollout.json"
    for number in (1, 200):
        large.store({"objects": objects(number), "diff": [1], "_slice": {}}, str(path))
        assert json.loads(path.read_text()) == {"objects": objects(number)}
    assert [one.name for one in path.parent.iterdir()] == ["rollout.json"]
