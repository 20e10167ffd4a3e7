# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From nodes and GPUs to parallel degrees, for each backend, or the arithmetic of why not.

The rule (reconciled with the operator's ``internal/dynamo/backend_*.go`` and the engines' own checks), with
``total = node_count x gpus_per_node`` GPUs in one engine:

========  ==================================================================================================
vLLM      TP x PP x DP = total; over several nodes with DP > 1 each data parallel rank stays on one node:
          TP x PP divides gpus_per_node. Expert parallel is a switch: 1 or TP x DP.
SGLang    TP x PP = total; DP is attention data parallel inside TP (DP divides TP), EP divides TP.
          On one node without attention DP, DP are replicas: TP x PP x DP = total.
TRT-LLM   TP x PP = total; attention DP is 1 or TP; EP divides TP.
========  ==================================================================================================

A strategy says which degree takes up what is left: ``tensor`` (TP = all GPUs), ``tensor_pipeline`` (TP inside a node,
PP across nodes), ``data`` (attention data parallel and expert parallel over the engine). Any degree may be pinned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

BACKENDS = ("vllm", "sglang", "trtllm")
STRATEGIES = ("tensor", "tensor_pipeline", "data")
DEGREES = ("tensor", "pipeline", "data", "expert")


@dataclass(frozen=True)
class Degrees:
    """The parallel degrees of one engine. ``attention_data``: DP lives inside TP and adds no GPUs."""

    tensor: int
    pipeline: int = 1
    data: int = 1
    expert: int = 1
    attention_data: bool = False

    @property
    def gpus(self) -> int:
        """GPUs that these degrees use in one engine."""
        return self.tensor * self.pipeline * (1 if self.attention_data else self.data)

    def __str__(self) -> str:
        words = [f"tensor {self.tensor}"]
        words += [f"{name} {value}" for name, value in self.to_dict().items() if name != "tensor" and value > 1]
        return " x ".join(words)

    def to_dict(self) -> dict[str, int]:
        return {"tensor": self.tensor, "pipeline": self.pipeline, "data": self.data, "expert": self.expert}


@dataclass(frozen=True)
class Refusal:
    """Why no degrees exist: ``degree`` is the pinned one to blame (or ``strategy``), ``nearest`` what would work.

    ``broken``: ``product`` where the GPUs do not add up, otherwise the degree whose own rule is broken.
    """

    degree: str
    message: str
    nearest: tuple[Degrees, ...] = ()
    broken: str = "product"


@dataclass(frozen=True)
class _Request:
    backend: str
    nodes: int
    gpus: int
    strategy: str
    tensor: int | None
    pipeline: int | None
    data: int | None
    expert: int | None

    @property
    def total(self) -> int:
        return self.nodes * self.gpus

    @property
    def attention_data(self) -> bool:
        """Whether DP > 1 means attention data parallel inside TP."""
        if self.backend == "vllm":
            return False
        return self.backend == "trtllm" or self.nodes > 1 or self.strategy == "data"

    @property
    def pinned(self) -> dict[str, int]:
        pins = {name: getattr(self, name) for name in DEGREES}
        return {name: value for name, value in pins.items() if value is not None}

    def shape(self) -> str:
        nodes = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{nodes} x {self.gpus} GPUs = {self.total} GPUs per engine"


def solve(
    backend: str,
    node_count: int,
    gpus_per_node: int,
    strategy: str = "tensor",
    *,
    tensor: int | None = None,
    pipeline: int | None = None,
    data: int | None = None,
    expert: int | None = None,
) -> Degrees | Refusal:
    """The degrees of one engine, or a refusal with the arithmetic and the nearest degrees that work.

    ``node_count`` and ``gpus_per_node`` are at least 1; a pinned degree is an integer of at least 1.
    """
    request = _Request(backend, node_count, gpus_per_node, strategy, tensor, pipeline, data, expert)
    # Enumerating is exact and cheap: an engine's GPU count has few divisors.
    if not request.pinned:
        return _default(request)
    degrees = _solve_pinned(request)
    refusal = _refuse(request, degrees)
    return degrees if refusal is None else refusal


def violation(backend: str, node_count: int, gpus_per_node: int, degrees: Degrees) -> tuple[str, str] | None:
    """The first rule that ``degrees`` break, as (degree to blame, arithmetic), or None.

    This is the one place that knows the rules: the solver, the checks and the read-back of other people's
    manifests all ask here.
    """
    total = node_count * gpus_per_node
    world = degrees.tensor * degrees.pipeline
    if degrees.gpus != total:
        return "tensor", _product(backend, degrees, total)
    if backend == "vllm":
        if node_count > 1 and degrees.data > 1 and gpus_per_node % world:
            return (
                "data",
                f"each data parallel rank must stay on one node: tensor x pipeline = {world} does not divide "
                f"{gpus_per_node} GPUs per node",
            )
        if degrees.expert not in (1, degrees.tensor * degrees.data):
            return (
                "expert",
                f"vLLM's expert parallel is 1 (off) or tensor x data = {degrees.tensor * degrees.data}, "
                f"not {degrees.expert}",
            )
        return None
    if degrees.data > 1 and not degrees.attention_data and (backend == "trtllm" or node_count > 1):
        return "data", f"data {degrees.data} needs attention data parallel, which lives inside tensor parallel"
    if degrees.attention_data and backend == "trtllm" and degrees.data not in (1, degrees.tensor):
        return (
            "data",
            f"TensorRT-LLM's attention data parallel is 1 (off) or tensor = {degrees.tensor}, not {degrees.data}",
        )
    if degrees.attention_data and degrees.tensor % degrees.data:
        return (
            "data",
            f"attention data parallel lives inside tensor parallel: {degrees.data} does not divide tensor "
            f"{degrees.tensor}",
        )
    if degrees.tensor % degrees.expert:
        return (
            "expert",
            f"expert parallel lives inside tensor parallel: {degrees.expert} does not divide tensor {degrees.tensor}",
        )
    return None


def _product(backend: str, degrees: Degrees, total: int) -> str:
    multiplies = backend == "vllm" or (degrees.data > 1 and not degrees.attention_data)
    names = ["tensor", "pipeline", "data"] if multiplies else ["tensor", "pipeline"]
    values = degrees.to_dict()
    factors = " x ".join(str(values[name]) for name in names)
    return f"{' x '.join(names)} = {factors} = {degrees.gpus}, not {total}"


def _default(request: _Request) -> Degrees:
    if request.strategy == "tensor":
        return Degrees(request.total)
    if request.strategy == "tensor_pipeline":
        return Degrees(request.gpus, request.nodes)
    if request.backend == "vllm":
        return Degrees(1, 1, request.total, request.total)
    return Degrees(request.total, 1, request.total, request.total, attention_data=request.total > 1)


def _solve_pinned(request: _Request) -> Degrees:
    """The pinned degrees with the others filled in by the strategy; may break a rule where nothing divides."""
    total, pins = request.total, request.pinned
    multiplies = not request.attention_data
    data = pins.get("data", 1) if multiplies else 1
    tensor, pipeline = pins.get("tensor"), pins.get("pipeline")
    if request.strategy == "tensor_pipeline":
        if tensor is None and pipeline is None:
            tensor = _inside_a_node(request, data)
        if pipeline is None:
            pipeline = max(1, total // ((tensor or 1) * data))
        if tensor is None:
            tensor = max(1, total // (pipeline * data))
    elif request.strategy == "data" and multiplies:
        pipeline = pipeline or 1
        if tensor is None:
            tensor = max(1, total // (pipeline * data)) if "data" in pins else 1
        if "data" not in pins:
            data = max(1, total // (tensor * pipeline))
    else:
        pipeline = pipeline or 1
        if tensor is None:
            tensor = max(1, total // (pipeline * data))
    return _with_inner(request, tensor, pipeline, data)


def _inside_a_node(request: _Request, data: int) -> int:
    """The largest tensor that divides a node's GPUs and what one data parallel rank has, and that the pins allow."""
    if request.backend == "vllm" and (request.expert or 1) > 1:
        tensor = (request.expert or 1) // data
    elif request.backend == "trtllm" and (request.data or 1) > 1:
        tensor = request.data or 1
    else:
        tensor = math.gcd(request.gpus, request.total // data)
    return max(1, tensor)


def _with_inner(request: _Request, tensor: int, pipeline: int, data: int) -> Degrees:
    """Adds what lives inside the other degrees: attention DP and expert parallel."""
    spread = request.strategy == "data"
    if request.attention_data:
        data = request.data if request.data is not None else (tensor if spread else 1)
    attention = request.attention_data and data > 1
    whole = tensor * data if request.backend == "vllm" else tensor
    expert = request.expert if request.expert is not None else (whole if spread else 1)
    return Degrees(tensor, pipeline, data, expert, attention_data=attention)


def _refuse(request: _Request, degrees: Degrees) -> Refusal | None:
    broken = _broken(request, degrees)
    if broken is None:
        return None
    degree, arithmetic = broken
    rule = "product" if degrees.gpus != request.total else degree
    pins = request.pinned
    if degree not in pins:
        degree = next(name for name in DEGREES if name in pins)
    found = _nearest(request, pins)
    works = "; ".join(_spelled(request, option) for option in found)
    return Refusal(degree, f"{request.shape()}, but {arithmetic}; what works: {works}", found, rule)


def _spelled(request: _Request, option: Degrees) -> str:
    """The degrees to pin for this option: those above 1, or all where the strategy would fill in others."""
    values = option.to_dict()
    pins = {name: value if value > 1 or name == "tensor" else None for name, value in values.items()}
    short = _Request(request.backend, request.nodes, request.gpus, request.strategy, **pins)
    if _solve_pinned(short) == option:
        return str(option)
    return " x ".join(f"{name} {value}" for name, value in values.items())


def _broken(request: _Request, degrees: Degrees) -> tuple[str, str] | None:
    broken = violation(request.backend, request.nodes, request.gpus, degrees)
    if broken is None and request.strategy == "tensor_pipeline" and request.gpus % degrees.tensor:
        return (
            "tensor",
            f"strategy tensor_pipeline keeps tensor inside a node: {degrees.tensor} does not divide "
            f"{request.gpus} GPUs per node",
        )
    return broken


def _nearest(request: _Request, pins: dict[str, int], count: int = 3) -> tuple[Degrees, ...]:
    """The valid degrees closest to what was pinned: fewest changed pins first, then the smallest change."""

    def distance(option: Degrees) -> tuple[float, ...]:
        values = option.to_dict()
        changed = [name for name, value in pins.items() if values[name] != value]
        ratio = sum(max(values[n] / pins[n], pins[n] / values[n]) for n in changed)
        extra = sum(1 for name, value in values.items() if name not in pins and value > 1)
        return (len(changed), ratio, extra, -option.tensor)

    valid = _valid(
        request.backend, request.nodes, request.gpus, request.strategy, request.data is None, request.expert is None
    )
    return tuple(sorted(valid, key=distance)[:count])


@lru_cache(maxsize=1024)
def _valid(
    backend: str, nodes: int, gpus: int, strategy: str, free_data: bool, free_expert: bool
) -> tuple[Degrees, ...]:
    """Every option of one shape; what lives inside tensor varies only where it was pinned."""
    request = _Request(backend, nodes, gpus, strategy, None, None, None, None)
    return tuple(
        option
        for tensor in _divisors(request.total)
        for pipeline in _divisors(request.total // tensor)
        for option in _options(request, tensor, pipeline, free_data, free_expert)
        if _broken(request, option) is None
    )


def _options(request: _Request, tensor: int, pipeline: int, free_data: bool, free_expert: bool) -> Iterator[Degrees]:
    data = 1 if request.attention_data else request.total // (tensor * pipeline)
    spread = request.strategy == "data"
    datas = [data]
    if request.attention_data:
        datas = [tensor if spread else 1] if free_data else _divisors(tensor)
    for inner in datas:
        whole = tensor * inner if request.backend == "vllm" else tensor
        experts = [whole if spread else 1]
        if not free_expert:
            experts = sorted({1, whole}) if request.backend == "vllm" else _divisors(tensor)
        for expert in experts:
            yield Degrees(tensor, pipeline, inner, expert, attention_data=request.attention_data and inner > 1)


def _divisors(number: int) -> list[int]:
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
