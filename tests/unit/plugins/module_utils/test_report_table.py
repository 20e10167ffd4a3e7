# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.report_table import plan_table

from tests.unit.plugins.module_utils.inputs import PRODUCT, component, dynamo, machine, machines, native, workload

H200 = "NVIDIA-H200"
FRONTEND = {"name": "frontend", "role": "frontend"}


def test_engines_in_numbers() -> None:
    parts = [component(name="decode", role="decode", replicas=2, autoscaling={"owner": "planner"})]
    parts += [component(name="prefill", role="prefill", node_count=1, parallelism={"strategy": "data"})]
    lines = plan_table(dynamo(workload(FRONTEND, *parts)))
    assert [line.split("  ")[0] for line in lines[1:4]] == ["inference/llama"] * 3
    assert lines[0].split() == [
        *("workload", "component", "target", "engines", "nodes", "GPUs/node", "GPUs/engine", "GPUs", "degrees")
    ]
    cells = [line.split() for line in lines[1:4]]
    assert cells[0][1:] == ["frontend", "dynamo/grove/kai", "1", "1", "0", "0", "0", "-"]
    assert cells[1][1:] == ["decode", "dynamo/grove/kai", "2", "(planner)", "2", "8", "16", "32", "TP16"]
    assert cells[2][1:] == ["prefill", "dynamo/grove/kai", "1", "1", "8", "8", "8", "TP1,DP8,EP8"]
    # Columns stand under their heads, and no line has blanks at its end
    assert {line.index("dynamo/") for line in lines[1:4]} == {lines[0].index("target")}
    assert [line for line in lines if line != line.rstrip()] == []


def test_each_product_with_what_is_left() -> None:
    fleet = [*machines(), machine("h200-1", gpu_product=H200), machine("h200-2", gpu_product=H200)]
    lines = plan_table(native(workload(gpu_product=H200), workload(name="b", gpu_product=PRODUCT), machines=fleet))
    assert f"{PRODUCT}: 16 GPUs wanted, 64 in the fleet, 48 left" in lines
    assert f"{H200}: 16 GPUs wanted, 16 in the fleet, 0 left" in lines


def test_who_asks_for_no_product_takes_from_all() -> None:
    fleet = [*machines(1, 2), machine("h200-1", gpu_product=H200), machine("h200-2", gpu_product=H200)]
    lines = plan_table(native(workload(), workload(name="b", gpu_product=H200), machines=fleet))
    assert "any: 16 GPUs wanted, 32 in the fleet, 0 left" in lines
    assert f"{PRODUCT}: 0 GPUs wanted, 16 in the fleet, 16 left" in lines


def test_too_few_and_unknown_machines() -> None:
    assert f"{PRODUCT}: 144 GPUs wanted, 64 in the fleet, 80 short" in plan_table(
        native(workload(component(replicas=9)))
    )
    assert "any: 16 GPUs wanted, no machines are known" in plan_table(native(workload(), machines=[]))


def test_what_is_to_be_absent_and_what_was_found_come_last() -> None:
    lines = plan_table(native(workload(component(replicas=9)), {"name": "old", "state": "absent"}))
    position = lines.index("default/old: absent")
    assert any("error MN-" in line or "warning MN-" in line for line in lines[position + 1 :])
