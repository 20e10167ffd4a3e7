# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read-back against recordings of the real operator: the same command, arguments, probes and init containers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import read
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import Launched

from tests.unit.plugins.module_utils.recorded import UPSTREAM

SPELLINGS = (
    *("tp16-long", "tp16-short-alias", "tp16-equals", "tp16-in-command", "tp16-shell-string", "tp16-shell-quoted-name"),
    *("tp8-pp2", "tp8-dp2", "tp1-dp16", "tp8-only", "tp12", "tp16-ray-annotation-on-dgd", "vllm-serve"),
    *("no-command-no-args", "sglang-user-nnodes", "trtllm-shell-sleep", "trtllm-4x4", "gpu-as-request-only", "no-gpu"),
)


def upstream(path: str) -> Any:
    file = UPSTREAM / path
    if not file.exists():
        pytest.skip(f"not run: {path} is not below MULTINODE_UPSTREAM")
    text = file.read_text(encoding="utf-8")
    return json.loads(text) if path.endswith(".json") else [one for one in yaml.safe_load_all(text) if one]


def told(one: Launched | None) -> dict[str, Any]:
    assert one is not None
    return {"command": [*one.command], "args": [*one.args], "probes": [*one.probes]}


def recorded(main: dict[str, Any]) -> dict[str, Any]:
    return {"command": main["command"], "args": main["args"] or [], "probes": main["probes"]}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_on_grove_it_is_what_the_operator_injected(spelling: str) -> None:
    variant = upstream("recordings/05b-injection-variants-grove/001-variants.json")[spelling]
    one = read(variant["input"], provider="grove").components[1]
    for rank, name in ((one.leader, "decode-ldr"), (one.worker, "decode-wkr")):
        assert told(rank) == recorded(variant[name])
        assert [*rank.init_containers] == variant[name]["initContainers"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_on_lws_it_is_what_the_operator_injected(spelling: str) -> None:
    variant = upstream("recordings/05b-injection-variants-lws/001-variants.json")[spelling]
    back = read(variant["input"])
    one = back.components[1]
    assert back.provider == "lws"
    if "leaderTemplate" not in variant:
        said = [condition["message"] for _name, found in variant["dcd_conditions"] for condition in found]
        assert [text for text in said if one.errors[0] in text]
        assert (one.leader, one.worker) == (None, None)
        return
    assert told(one.leader) == recorded(variant["leaderTemplate"])
    assert told(one.worker) == recorded(variant["workerTemplate"])


def test_all_recorded_spellings_are_here() -> None:
    for provider in ("grove", "lws"):
        assert tuple(upstream(f"recordings/05b-injection-variants-{provider}/001-variants.json")) == SPELLINGS
