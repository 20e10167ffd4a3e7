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
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import PROBES, Launched

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


@pytest.mark.parametrize("name", ["vllm-2x8", "sglang-2x8", "trtllm-2x4"])
def test_pods_of_the_recorded_deployments(name: str) -> None:
    manifest = upstream(f"recordings/05-cmd-{name}/001-input.yaml")[0]
    back = read(manifest, provider="grove")
    wanted = {pod["role"]: pod for pod in upstream(f"recordings/05-cmd-{name}/pod-commands.json").values()}
    frontend, engine = back.components
    for role, rank in (("frontend", frontend.leader), ("ldr", engine.leader), ("wkr", engine.worker)):
        main = wanted[role]["containers"][0]
        assert told(rank) == {
            "command": main["command"],
            "args": main["args"],
            "probes": [probe for probe in PROBES if probe in main],
        }
        # Grove adds an init container of its own to order the starts.
        inits = [one["name"] for one in wanted[role]["initContainers"] or []]
        assert [*rank.init_containers] == [one for one in inits if one != "grove-initc"]


def test_workers_wait_for_their_leader_on_lws_too() -> None:
    snapshot = upstream("recordings/10c-lws-volcano-scheduler/003-ready.json")["objects"]
    real = snapshot["leaderworkerset.x-k8s.io/v1/leaderworkersets"][0]["spec"]["leaderWorkerTemplate"]
    variant = upstream("recordings/05b-injection-variants-lws/001-variants.json")["tp16-long"]
    one = read(variant["input"]).components[1]
    for rank, template in ((one.leader, "leaderTemplate"), (one.worker, "workerTemplate")):
        spec = real[template]["spec"]
        assert [*rank.init_containers] == [item["name"] for item in spec.get("initContainers", [])]
        assert [*rank.args] == spec["containers"][0]["args"]


def containers(template: dict[str, Any]) -> dict[str, Any]:
    main = template["spec"]["containers"][0] if "spec" in template else template["containers"][0]
    probes = [probe for probe in PROBES if probe in main]
    return {"command": main["command"], "args": main.get("args", []), "probes": probes}


def test_golden_grove() -> None:
    back = read(upstream("dynamo-operator-goldens/dgd_grove_input.yaml")[0], provider="grove")
    output = upstream("dynamo-operator-goldens/dgd_grove_output.yaml")[0]
    cliques = {one["name"]: one["spec"]["podSpec"] for one in output["spec"]["template"]["cliques"]}
    frontend, decode = back.components
    assert told(frontend.leader) == containers(cliques["frontend"])
    assert told(decode.leader) == containers(cliques["decode-ldr"])
    assert told(decode.worker) == containers(cliques["decode-wkr"])


def test_golden_lws() -> None:
    (decode,) = read(upstream("dynamo-operator-goldens/dcd_lws_input.yaml")[0]).components
    output = upstream("dynamo-operator-goldens/dcd_lws_output.yaml")[0]["spec"]["leaderWorkerTemplate"]
    assert (decode.node_count, decode.replicas) == (2, 2)
    assert told(decode.leader) == containers(output["leaderTemplate"])
    assert told(decode.worker) == containers(output["workerTemplate"])


def test_golden_components() -> None:
    back = read(upstream("dynamo-operator-goldens/dgd_components_input.yaml")[0])
    outputs = upstream("dynamo-operator-goldens/dgd_components_output.yaml")
    made = {
        one["spec"]["template"]["metadata"]["labels"]["nvidia.com/dynamo-component"]: one["spec"]["template"]
        for one in outputs
        if one["kind"] == "Deployment"
    }
    assert sorted(made) == [one.name for one in sorted(back.components, key=lambda one: one.name)]
    for one in back.components:
        assert told(one.leader) == containers(made[one.name])
        assert one.worker is None
