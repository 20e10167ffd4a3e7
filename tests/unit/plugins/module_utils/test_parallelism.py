# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import (
    BACKENDS,
    STRATEGIES,
    Degrees,
    Refusal,
    solve,
    violation,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("nodes", "gpus", "total"), [(2, 4, 8), (4, 8, 32)])
def test_the_guides_own_cases(backend: str, nodes: int, gpus: int, total: int) -> None:
    assert solve(backend, nodes, gpus) == Degrees(tensor=total)


@pytest.mark.parametrize(
    ("backend", "nodes", "gpus", "strategy", "pins", "expected"),
    [
        # Shapes of upstream's own examples.
        ("vllm", 2, 1, "tensor", {}, Degrees(2)),
        ("vllm", 4, 4, "tensor", {}, Degrees(16)),
        ("vllm", 2, 8, "data", {}, Degrees(1, 1, 16, 16)),
        ("vllm", 2, 4, "data", {"expert": 1}, Degrees(1, 1, 8, 1)),
        ("vllm", 2, 8, "data", {"tensor": 8}, Degrees(8, 1, 2, 16)),
        ("vllm", 2, 8, "data", {"data": 2}, Degrees(8, 1, 2, 16)),
        ("vllm", 2, 8, "tensor_pipeline", {}, Degrees(8, 2)),
        ("vllm", 2, 8, "tensor", {"pipeline": 2}, Degrees(8, 2)),
        ("vllm", 2, 8, "tensor", {"tensor": 8, "pipeline": 2}, Degrees(8, 2)),
        ("vllm", 2, 8, "tensor_pipeline", {"tensor": 4}, Degrees(4, 4)),
        ("vllm", 2, 8, "tensor_pipeline", {"pipeline": 4}, Degrees(4, 4)),
        ("vllm", 1, 8, "tensor", {"data": 2}, Degrees(4, 1, 2)),
        ("vllm", 1, 8, "data", {"tensor": 2, "pipeline": 2}, Degrees(2, 2, 2, 4)),
        ("vllm", 2, 8, "tensor", {"expert": 16}, Degrees(16, 1, 1, 16)),
        ("vllm", 2, 8, "tensor_pipeline", {"data": 2}, Degrees(4, 2, 2)),
        ("sglang", 2, 8, "data", {}, Degrees(16, 1, 16, 16, attention_data=True)),
        ("sglang", 2, 8, "tensor", {"expert": 16}, Degrees(16, 1, 1, 16)),
        ("sglang", 2, 8, "tensor", {"data": 4}, Degrees(16, 1, 4, attention_data=True)),
        ("sglang", 1, 8, "tensor", {"data": 4}, Degrees(2, 1, 4)),
        ("sglang", 1, 8, "data", {"data": 4}, Degrees(8, 1, 4, 8, attention_data=True)),
        ("trtllm", 8, 4, "data", {}, Degrees(32, 1, 32, 32, attention_data=True)),
        ("trtllm", 1, 4, "tensor", {"data": 4}, Degrees(4, 1, 4, attention_data=True)),
        ("trtllm", 2, 4, "tensor_pipeline", {}, Degrees(4, 2)),
        ("sglang", 1, 1, "data", {}, Degrees(1)),
    ],
)
def test_what_a_strategy_solves(
    backend: str, nodes: int, gpus: int, strategy: str, pins: dict[str, int], expected: Degrees
) -> None:
    assert solve(backend, nodes, gpus, strategy, **pins) == expected


@pytest.mark.parametrize(
    ("backend", "nodes", "gpus", "strategy", "pins", "degree", "words"),
    [
        ("vllm", 2, 8, "tensor", {"tensor": 12}, "tensor", ["2 nodes x 8 GPUs = 16", "12 x 1 x 1 = 12, not 16"]),
        ("vllm", 2, 8, "tensor", {"tensor": 8}, "tensor", ["not 16", "tensor 8 x pipeline 2", "tensor 16"]),
        ("vllm", 1, 8, "tensor", {"tensor": 3}, "tensor", ["1 node x 8", "3 x 1 x 1 = 3, not 8"]),
        ("vllm", 4, 6, "data", {"tensor": 4}, "tensor", ["4 does not divide 6 GPUs per node"]),
        ("vllm", 2, 8, "data", {"tensor": 16, "data": 2}, "tensor", ["16 x 1 x 2 = 32, not 16"]),
        ("vllm", 2, 8, "tensor", {"expert": 8}, "expert", ["1 (off) or tensor x data = 16, not 8"]),
        ("vllm", 2, 8, "tensor_pipeline", {"tensor": 16}, "tensor", ["16 does not divide 8 GPUs per node"]),
        ("vllm", 2, 8, "tensor_pipeline", {"pipeline": 3}, "pipeline", ["5 x 3 x 1 = 15, not 16"]),
        ("vllm", 2, 8, "tensor_pipeline", {"data": 3}, "data", ["not 16"]),
        ("sglang", 2, 8, "data", {"data": 5}, "data", ["5 does not divide tensor 16"]),
        ("sglang", 2, 8, "tensor", {"expert": 32}, "expert", ["32 does not divide tensor 16"]),
        ("sglang", 2, 8, "tensor", {"tensor": 8}, "tensor", ["tensor x pipeline = 8 x 1 = 8, not 16"]),
        ("trtllm", 2, 4, "tensor", {"data": 2}, "data", ["1 (off) or tensor = 8, not 2"]),
        ("trtllm", 2, 4, "tensor", {"expert": 3}, "expert", ["3 does not divide tensor 8"]),
    ],
)
def test_a_contradiction_prints_the_arithmetic(
    backend: str, nodes: int, gpus: int, strategy: str, pins: dict[str, int], degree: str, words: list[str]
) -> None:
    found = solve(backend, nodes, gpus, strategy, **pins)
    assert isinstance(found, Refusal)
    assert found.degree == degree
    for word in words:
        assert word in found.message


def test_the_nearest_degrees_come_first() -> None:
    found = solve("vllm", 2, 8, tensor=12)
    assert isinstance(found, Refusal)
    assert found.nearest[0] == Degrees(16)


def test_data_parallel_over_nodes_keeps_each_rank_on_one_node() -> None:
    assert violation("vllm", 2, 8, Degrees(16, 1, 1)) is None
    assert violation("vllm", 3, 8, Degrees(12, 1, 2)) is not None
    assert violation("vllm", 1, 24, Degrees(12, 1, 2)) is None


SHAPES = {
    "backend": st.sampled_from(BACKENDS),
    "nodes": st.integers(1, 12),
    "gpus": st.integers(1, 16),
    "strategy": st.sampled_from(STRATEGIES),
    "pins": st.fixed_dictionaries(
        {}, optional={name: st.integers(1, 40) for name in ("tensor", "pipeline", "data", "expert")}
    ),
}


def obeys(backend: str, nodes: int, gpus: int, degrees: Degrees) -> bool:
    """The rule of the engines, written again and independently of the solver."""
    tp, pp, dp, ep, total = degrees.tensor, degrees.pipeline, degrees.data, degrees.expert, nodes * gpus
    if backend == "vllm":
        spans = dp == 1 and (nodes == 1 or (tp * pp > gpus and (tp * pp) % nodes == 0))
        local = dp > 1 and (nodes == 1 or (tp * pp <= gpus and gpus % (tp * pp) == 0))
        return tp * pp * dp == total and (spans or local) and ep in (1, tp * dp)
    if backend == "sglang" and nodes == 1 and dp > 1 and not degrees.attention_data:
        return tp * pp * dp == total and tp % ep == 0
    inside = tp % dp == 0 if backend == "sglang" else dp in (1, tp)
    return tp * pp == total and (tp * pp) % nodes == 0 and inside and ep <= tp and tp % ep == 0


@given(**SHAPES)
def test_whatever_is_accepted_obeys_the_rule_and_keeps_the_pins(
    backend: str, nodes: int, gpus: int, strategy: str, pins: dict[str, int]
) -> None:
    found = solve(backend, nodes, gpus, strategy, **pins)
    if isinstance(found, Degrees):
        assert obeys(backend, nodes, gpus, found)
        assert found.gpus == nodes * gpus
        assert {name: found.to_dict()[name] for name in pins} == pins


@given(**SHAPES)
def test_whatever_is_refused_names_its_numbers_and_what_would_work(
    backend: str, nodes: int, gpus: int, strategy: str, pins: dict[str, int]
) -> None:
    found = solve(backend, nodes, gpus, strategy, **pins)
    if isinstance(found, Refusal):
        assert found.degree in pins
        assert f"{gpus} GPUs = {nodes * gpus} GPUs per engine" in found.message
        assert len(re.findall(r"\d+", found.message)) > 3
        assert found.nearest
        for option in found.nearest:
            assert obeys(backend, nodes, gpus, option)
            assert str(option) in found.message
            # What is proposed is accepted when it is pinned whole.
            assert solve(backend, nodes, gpus, strategy, **option.to_dict()) == option


@given(
    backend=st.sampled_from(BACKENDS),
    nodes=st.integers(1, 500),
    gpus=st.integers(1, 72),
    strategy=st.sampled_from(STRATEGIES),
)
def test_without_pins_there_is_always_an_answer(backend: str, nodes: int, gpus: int, strategy: str) -> None:
    found = solve(backend, nodes, gpus, strategy)
    assert isinstance(found, Degrees)
    assert obeys(backend, nodes, gpus, found)


@given(**SHAPES)
def test_violation_is_the_same_rule(backend: str, nodes: int, gpus: int, strategy: str, pins: dict[str, int]) -> None:
    attention = backend == "trtllm" or (backend == "sglang" and nodes > 1)
    data = pins.get("data", 1)
    degrees = Degrees(
        pins.get("tensor", nodes * gpus),
        pins.get("pipeline", 1),
        data,
        pins.get("expert", 1),
        attention_data=attention and data > 1,
    )
    assert (violation(backend, nodes, gpus, degrees) is None) == obeys(backend, nodes, gpus, degrees)


@pytest.mark.parametrize(("backend", "nodes"), [("sglang", 2), ("trtllm", 1)])
def test_plain_data_parallel_where_the_engine_has_none(backend: str, nodes: int) -> None:
    found = violation(backend, nodes, 8, Degrees(nodes * 4, 1, 2))
    assert found is not None
    assert found[0] == "data"
