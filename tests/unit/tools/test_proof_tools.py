# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that judge the tests and the speed, on small things of which the answer is known."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import spec
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import catalog

from tools import bench, coverage_gate, missing_checks


def test_every_registry_is_found_and_a_check_is_gone_everywhere() -> None:
    found = missing_checks.registered(missing_checks.check_modules())
    assert {
        "checks.arguments.f01_degrees",
        "checks.target.f08_dynamo_names",
        "checks.capacity.f16_gpus_per_node",
    } <= set(found)
    gone = found["checks.arguments.f01_degrees"]
    before = spec.COMPONENT_CHECKS
    assert gone in before
    with missing_checks.replaced(lambda one: None if one is gone else one, found):
        assert gone not in spec.COMPONENT_CHECKS
        assert gone not in catalog.COMPONENT_CHECKS
        assert len(spec.COMPONENT_CHECKS) == len(before) - 1
    assert spec.COMPONENT_CHECKS is before


def test_who_speaks_is_noted_and_says_the_same() -> None:
    def speaks(words: list[str]) -> Any:
        yield from words

    search = missing_checks.Search({"one": speaks})

    class Item:
        nodeid = "test_x"

    listening = search.listening("one", speaks)
    search.current = Item()  # type: ignore[assignment]
    assert list(listening([])) == []
    assert search.spoken == {}
    assert list(listening(["a"])) == ["a"]
    assert set(search.spoken["one"]) == {"test_x"}


def test_a_part_with_a_hole_is_too_little() -> None:
    path = str((coverage_gate.CODE / "parallelism.py").resolve())
    summary = {"num_statements": 9, "covered_lines": 9, "num_branches": 3, "covered_branches": 1}
    report = {path: {"summary": summary, "missing_lines": [7], "missing_branches": [[3, 5]]}}
    found = coverage_gate.part(report, "parallelism")
    assert found.short
    assert round(found.percent) == 83
    assert found.missing == ("parallelism.py: 7, 3->5",)
    assert all(coverage_gate.files(patterns) for _wanted, patterns in coverage_gate.PARTS.values())


def test_the_table_tells_what_was_missed() -> None:
    rows = [bench.Row("slow", 2.0, goal=1.0, spread="1 to 3, 3 runs"), bench.Row("any", 12345.0, "objects")]
    lines = bench.table(rows)
    assert "missed" in lines[2]
    assert "12,345 objects" in lines[3]
    assert len({len(line) for line in lines}) == 1
    ticks = iter(range(100))
    assert bench.median(lambda: None, 3, lambda: float(next(ticks))) == (1.0, "1 to 1, 3 runs")
    assert "plan" in bench.known()
