# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import (
    BACKENDS,
    DEGREES,
    STRATEGIES,
    Degrees,
    Refusal,
    solve,
    violation,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.oracle import inside, obeys


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
        ("vllm", 2, 8, "tensor_pipeline", {"data": 2}, Degrees(8, 1, 2)),
        ("vllm", 1, 4, "tensor_pipeline", {"expert": 2}, Degrees(2, 2, 1, 2)),
        ("trtllm", 1, 4, "tensor_pipeline", {"data": 2}, Degrees(2, 2, 2, attention_data=True)),
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


Four = tuple[int, int, int, int]


def valid(backend: str, nodes: int, gpus: int, strategy: str) -> list[Four]:
    """Every legal engine of one shape, found by trying all numbers."""
    attention = inside(backend, nodes, strategy)
    numbers = range(1, nodes * gpus + 1)
    return [
        (tensor, pipeline, data, expert)
        for tensor, pipeline, data, expert in itertools.product(numbers, repeat=4)
        if obeys(backend, nodes, gpus, (tensor, pipeline, data, expert), attention)
        and (strategy != "tensor_pipeline" or gpus % tensor == 0)
    ]


def filled(backend: str, strategy: str, attention: bool, pins: Sequence[int | None], degrees: Four) -> bool:
    """Whether a strategy may fill in what is not pinned like this."""
    tp, pp, dp, ep = degrees
    tensor, pipeline, data, expert = pins
    whole = tp * dp if backend == "vllm" else tp
    if expert is None and ep != (whole if strategy == "data" else 1):
        return False
    if pipeline is None and pp != 1 and strategy != "tensor_pipeline":
        return False
    if data is None and strategy != "data" and dp != 1:
        return False
    if data is None and strategy == "data" and attention and dp != tp:
        return False
    # Data parallel takes up what is left where it multiplies: tensor stays at 1 unless somebody asks.
    return not (strategy == "data" and not attention and tensor is None and data is None and tp != 1)


def solution(
    options: list[Four], backend: str, strategy: str, attention: bool, pins: Sequence[int | None]
) -> set[Four]:
    """The answers that an exact solver may give: none, or the one with most tensor parallel."""
    found = [
        degrees
        for degrees in options
        if all(pin is None or pin == value for pin, value in zip(pins, degrees, strict=True))
        and filled(backend, strategy, attention, pins, degrees)
    ]
    most = max((degrees[0] for degrees in found), default=0)
    return {degrees for degrees in found if degrees[0] == most}


# Nodes, GPUs per node, and the pins to try for each degree besides none.
SIZES = (
    (1, 1, (1, 2)),
    (1, 6, (1, 2, 3, 5, 6)),
    (2, 1, (1, 2, 3)),
    (2, 4, (1, 2, 4, 5, 8)),
    (3, 2, (1, 2, 3, 6, 7)),
    (2, 6, (2, 3, 4, 12)),
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("nodes", "gpus", "numbers"), SIZES)
def test_every_pin_of_every_small_engine(
    backend: str, strategy: str, nodes: int, gpus: int, numbers: tuple[int, ...]
) -> None:
    """Accepted exactly where an answer exists, with that answer; refused with the arithmetic and what would work."""
    total, attention = nodes * gpus, inside(backend, nodes, strategy)
    options = valid(backend, nodes, gpus, strategy)
    proposed: set[tuple[str, Degrees]] = set()
    for pins in itertools.product((None, *numbers), repeat=4):
        given = {name: pin for name, pin in zip(DEGREES, pins, strict=True) if pin is not None}
        found = solve(backend, nodes, gpus, strategy, **given)
        expected = solution(options, backend, strategy, attention, pins)
        assert len(expected) <= 1, (given, expected)
        if isinstance(found, Degrees):
            assert {tuple(found.to_dict().values())} == expected, given
            assert found.attention_data == (attention and found.data > 1)
            assert found.gpus == total
            assert violation(backend, nodes, gpus, found) is None
            continue
        assert not expected, (given, found.message)
        assert found.degree in given
        shape, _but, rest = found.message.partition(", but ")
        assert shape == f"{nodes} node{'s' if nodes > 1 else ''} x {gpus} GPUs = {total} GPUs per engine"
        arithmetic, _works, words = rest.partition("; what works: ")
        assert re.search(r"[0-9]", arithmetic), found.message
        assert found.broken in ("product", *DEGREES)
        assert (found.broken == "product") == arithmetic.startswith("tensor x pipeline"), found.message
        spelled = words.split("; ")
        assert 1 <= len(found.nearest) <= 3
        assert len(set(spelled)) == len(spelled) == len(found.nearest), found.message
        proposed |= set(zip(spelled, found.nearest, strict=True))
    for spelling, option in proposed:
        assert tuple(option.to_dict().values()) in options
        # What is proposed is accepted as it is printed, and whole.
        printed = dict(word.rsplit(" ", 1) for word in spelling.split(" x "))
        assert solve(backend, nodes, gpus, strategy, **{name: int(value) for name, value in printed.items()}) == option
        assert solve(backend, nodes, gpus, strategy, **option.to_dict()) == option


@pytest.mark.parametrize("backend", BACKENDS)
def test_violation_is_the_same_rule(backend: str) -> None:
    """All degrees up to 12 on small engines, whether a strategy would ever choose them or not."""
    for nodes, gpus in ((1, 4), (2, 2), (2, 4), (3, 4)):
        for values in itertools.product((1, 2, 3, 4, 6, 8, 12), repeat=4):
            for attention in {False, backend != "vllm" and values[2] > 1}:
                tensor, pipeline, data, expert = values
                degrees = Degrees(tensor, pipeline, data, expert, attention_data=attention)
                found = violation(backend, nodes, gpus, degrees)
                right = obeys(backend, nodes, gpus, (tensor, pipeline, data, expert), attention)
                assert (found is None) == right, (nodes, gpus, degrees)
                assert found is None or (found[0] in DEGREES and re.search(r"\d", found[1]))


def test_the_nearest_keep_as_many_pins_as_they_can() -> None:
    found = solve("vllm", 2, 8, pipeline=2, tensor=4)
    assert isinstance(found, Refusal)
    assert [str(option) for option in found.nearest] == [
        "tensor 4 x pipeline 2 x data 2",
        "tensor 8 x pipeline 2",
        "tensor 4 x pipeline 4",
    ]


@given(
    backend=st.sampled_from(BACKENDS),
    nodes=st.integers(1, 500),
    gpus=st.integers(1, 72),
    strategy=st.sampled_from(STRATEGIES),
)
def test_without_pins_there_is_always_an_answer(backend: str, nodes: int, gpus: int, strategy: str) -> None:
    found = solve(backend, nodes, gpus, strategy)
    assert isinstance(found, Degrees)
    values = (found.tensor, found.pipeline, found.data, found.expert)
    assert obeys(backend, nodes, gpus, values, found.attention_data)


@pytest.mark.parametrize(("backend", "nodes"), [("sglang", 2), ("trtllm", 1)])
def test_plain_data_parallel_where_the_engine_has_none(backend: str, nodes: int) -> None:
    found = violation(backend, nodes, 8, Degrees(nodes * 4, 1, 2))
    assert found is not None
    assert found[0] == "data"
