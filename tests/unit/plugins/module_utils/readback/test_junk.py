# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests of others may hold anything anywhere: the checks answer all the same."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.plugins.module_utils.readback.given import (
    TP16,
    TRTLLM,
    alpha,
    config_map,
    dgd,
    engine,
    findings,
    lws,
    mounted,
)
from tests.unit.plugins.module_utils.readback.test_checks_object import pcs, shm

SERVICE = {
    "componentType": "worker",
    "multinode": {"nodeCount": 2},
    "resources": {"limits": {"gpu": "8"}, "claims": [{"name": "c"}]},
    "envs": [{"name": "A", "value": "1"}],
    "extraPodSpec": {
        "resourceClaims": [{"name": "c", "resourceClaimTemplateName": "t"}],
        "mainContainer": {"command": ["python3", "-m", "dynamo.vllm"], "args": [*TP16]},
    },
}
FILE = ("--extra-engine-args", "/config/c.yaml")
GIVEN: dict[str, dict[str, Any]] = {
    "v1beta1": dgd(shm(roles=[{"name": "leader", "podTemplate": engine(*TP16)["podTemplate"]}]), env=[{"name": "A"}]),
    "v1alpha1": alpha(worker=SERVICE),
    "trtllm": dgd(engine(*FILE, command=TRTLLM, **mounted("engine"))),
    "lws": lws("Q", "-tp", "16"),
    "pcs": pcs("llm"),
}
JUNK: tuple[Any, ...] = (None, 0, -5, 1.5, True, "x", "16", [], [1], [None], [{}], {}, {"a": 1})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


@pytest.mark.parametrize("name", GIVEN)
def test_junk_anywhere_is_no_crash(name: str) -> None:
    companions = [config_map("engine", c_yaml="tensor_parallel_size: 16")]
    chooser = random.Random(name)
    for path in places(GIVEN[name]):
        broken = copy.deepcopy(GIVEN[name])
        target: Any = broken
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = copy.deepcopy(chooser.choice(JUNK))
        for provider in ("grove", "lws"):
            findings(broken, *companions, provider=provider, facts={"nodes": [{"name": "a", "gpus": 8}]})
