# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters in real templates: what a playbook's author writes, and what is said of a slip."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.plugins.module_utils import inputs

# In a process of its own: Ansible's loader of collections takes over a Python's imports.
PROGRAM = """
import json, sys
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([])
from ansible import template
trust = getattr(template, "trust_as_template", str)  # before ansible-core 2.19 every string is a template
for line in sys.stdin:
    text, variables = json.loads(line)
    try:
        told = {"value": template.Templar(loader=DataLoader(), variables=variables).template(trust(text))}
    except AnsibleError as error:
        told = {"error": str(error)}
    print(json.dumps(told), flush=True)
"""
COMPONENT = {"node_count": "2", "gpus_per_node": "8", "replicas": "3"}
DISAGGREGATED = {
    **inputs.workload(
        {"name": "frontend", "role": "frontend"},
        {"name": "prefill", "role": "prefill", "replicas": 2, "gpus_per_node": 4},
        {"name": "decode", "role": "decode", "replicas": 3, "node_count": 2, "gpus_per_node": 8},
    ),
    # None of this is the filters' business
    "image": "reg/img:latest",
    "orchestrator": "grove",
    "topology": {"pack": "nvlink", "required": True},
}


class Ansible:
    """Templates as Ansible does them; ``@`` stands for the collection's name."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, text: str, values: dict[str, Any]) -> dict[str, Any]:
        known = {
            "component": COMPONENT,
            "workload": inputs.workload(),
            "pd": DISAGGREGATED,
            "machines": inputs.machines(),
        }
        question = ["{{ " + text.replace("@", "dynamo.multinode.") + " }}", {**known, **values}]
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def __call__(self, text: str, **values: Any) -> Any:
        told = self.ask(text, values)
        assert "error" not in told, told["error"]
        return told["value"]

    def error(self, text: str) -> str:
        return str(self.ask(text, {})["error"])


@pytest.fixture(scope="module")
def template() -> Iterator[Ansible]:
    ansible = Ansible()
    yield ansible
    ansible.process.communicate()


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("2 | @total_gpus(8)", 16),
        ("'4' | @total_gpus('8')", 32),
        ("component | @total_gpus", 16),
        ("component | @total_gpus(all_replicas=true)", 48),
        ("{'node_count': 2} | @total_gpus(4)", 8),
        ("{'node_count': 2} | @total_gpus(machines=machines)", 16),
        # As group_vars have them: without names, and out of a generator
        ("{'node_count': 2} | @total_gpus(machines=[{'gpu_count': 4}, {'gpu_count': 4}] | map('combine', {}))", 8),
        ("{'role': 'frontend', 'name': 'frontend'} | @total_gpus", 0),
        # The degrees are the backend's business, and nobody named one
        ("{'node_count': 2, 'gpus_per_node': 8, 'parallelism': {'tensor': 12}} | @total_gpus", 16),
        ("pd | @total_gpus", 2 * 4 + 3 * 16),
        ("[workload, pd] | map('@total_gpus') | sum", 16 + 56),
        ("{'name': 'x', 'state': 'absent', 'components': []} | @total_gpus", 0),
        ("{'components': [{'name': 'a', 'node_count': 2}]} | @total_gpus(machines=machines)", 16),
    ],
)
def test_total_gpus(template: Ansible, text: str, gpus: int) -> None:
    assert template(text) == gpus


def degrees(tensor: int, pipeline: int = 1, data: int = 1, expert: int = 1) -> dict[str, int]:
    return {"tensor": tensor, "pipeline": pipeline, "data": data, "expert": expert}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2 | @parallelism(8, backend='vllm')", degrees(16)),
        ("2 | @parallelism(8, backend='vllm', strategy='tensor_pipeline')", degrees(8, 2)),
        ("2 | @parallelism(8, backend='vllm', strategy='data')", degrees(1, 1, 16, 16)),
        ("'2' | @parallelism('8', backend='sglang', strategy='data')", degrees(16, 1, 16, 16)),
        ("2 | @parallelism(8, backend='vllm', pipeline='2')", degrees(8, 2)),
        ("component | @parallelism(backend='trtllm', expert=8)", degrees(16, expert=8)),
        ("{'role': 'frontend', 'name': 'frontend'} | @parallelism(backend='vllm')", {}),
        ("workload | @parallelism", {"engine": degrees(16)}),
        ("workload | @parallelism(backend='sglang')", {"engine": degrees(16)}),
        ("pd | @parallelism", {"prefill": degrees(4), "decode": degrees(16)}),
    ],
)
def test_parallelism(template: Ansible, text: str, wanted: dict[str, Any]) -> None:
    assert template(text) == wanted


def test_engine_args_for_the_operator(template: Ansible) -> None:
    assert template("2 | @engine_args(gpus_per_node=8, backend='vllm', model='org/m')") == [
        *("--model", "org/m", "--tensor-parallel-size", "16")
    ]
    assert template("workload | @engine_args") == ["--model", "org/model", "--tensor-parallel-size", "16"]
    decode = inputs.values(template("pd | @engine_args('decode')"))
    assert (decode["--tensor-parallel-size"], decode["--disaggregation-mode"]) == ("16", "decode")
    alone = "{'name': 'p', 'role': 'prefill', 'gpus_per_node': 8} | @engine_args(backend='sglang')"
    assert inputs.values(template(alone))["--disaggregation-mode"] == "prefill"


def test_engine_args_by_rank_without_the_operator(template: Ansible) -> None:
    native = "workload | @engine_args(target='native', orchestrator='lws', rank='%s')"
    leader, worker = template(native % "leader"), template(native % "worker")
    assert "--headless" in worker and "--headless" not in leader
    assert inputs.values(leader)["--nnodes"] == "2"
    assert template("workload | @engine_args(orchestrator='lws')", workload=inputs.workload(workload_api="native")) == (
        leader
    )
    with_command = template("workload | @engine_args(target='native', orchestrator='lws', with_command=true)")
    assert with_command == ["vllm", "serve", *leader]


def test_engine_args_on_grove_without_the_operator(template: Ansible) -> None:
    native = "workload | @engine_args(target='native', rank='%s', with_command=true)"
    leader, worker = template(native % "leader"), template(native % "worker")
    assert leader[:3] == ["vllm", "serve", "org/model"]
    assert inputs.values(leader)["--node-rank"] == "0" and "--headless" not in leader
    # The rank is computed, so a shell stands in front, and the arguments alone are not all of it
    assert worker[:2] == ["/bin/sh", "-c"] and "GROVE_PCLQ_POD_INDEX + 1" in worker[2] and "--headless" in worker
    assert "--node-rank" not in template("workload | @engine_args(target='native', rank='worker')")


def test_a_configuration_file_of_the_engine_is_named_among_its_arguments(template: Ansible) -> None:
    text = "{'engine_config': {'max_batch_size': 4}} | @engine_args(gpus_per_node=8, backend='trtllm')"
    assert "/etc/dynamo-multinode/engine/config.yaml" in template(text)


def test_defaults_are_merged_under_a_workload(template: Ansible) -> None:
    bare = {"components": [{"name": "engine", "node_count": 2, "gpus_per_node": 8}]}
    defaults = {"backend": "sglang", "model": "org/other", "topology": {"pack": "nvlink"}}
    told = template("bare | @engine_args(defaults=defaults)", bare=bare, defaults=defaults)
    assert (told[1], inputs.values(told)["--tp-size"]) == ("org/other", "16")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 | @parallelism(8, backend='vllm', tensor=12)", "tensor: is 12; 2 nodes x 8 GPUs = 16 GPUs per engine"),
        ("component | @parallelism(backend='vllm', tensor=12)", "component.parallelism.tensor: is 12; 2 nodes"),
        ("pd | @parallelism(backend='vlm')", "workload.backend: is 'vlm'; one of vllm, sglang, trtllm"),
        ("2 | @parallelism(8)", "backend: is required with a component or a number: one of vllm, sglang, trtllm"),
        ("2 | @parallelism", "backend: is required"),
        ("2 | @total_gpus", "gpus_per_node: `gpus_per_node` is required"),
        ("'two' | @total_gpus(8)", "node_count: is 'two'; a whole number"),
        ("'' | @total_gpus(8)", "node_count: is ''; a workload, a component, or a number of machines"),
        ("2 | @total_gpus(8, gpus_per_nod=8)", "gpus_per_nod: is not a known argument (did you mean gpus_per_node?)"),
        ("{'node_cuont': 2} | @total_gpus(8)", "component.node_cuont: is not a known key (did you mean node_count?)"),
        ("workload | @parallelism(tensor=8)", "tensor: means nothing beside a workload, which has its own"),
        ("{'node_count': 2} | @total_gpus(machines=[{'name': 'a'}])", "machines[a]: `gpu_count` is required"),
        ("{'components': {}} | @total_gpus", "workload.components: is an empty list; at least one"),
        ("{'node_count': 2} | @total_gpus(machines=3)", "machines: is 3; a list"),
        ("{'components': 3} | @total_gpus", "workload.components: is 3; a list"),
        ("{'role': [1]} | @total_gpus(8)", "component.role: is [1]; one of"),
        ("{'parallelism': 3} | @parallelism(8, backend='vllm', tensor=8)", "component.parallelism: is 3; a map"),
        ("{'components': [3]} | @total_gpus", "workload.components"),
        ("pd | @engine_args", "component: is required; one of prefill, decode"),
        ("pd | @engine_args('decod')", "component: is 'decod'; one of prefill, decode (did you mean decode?)"),
        ("workload | @engine_args(target='nativ')", "target: is 'nativ'; one of dynamo, native (did you mean native?)"),
        ("workload | @engine_args(rank='head')", "rank: is 'head'; one of leader, worker"),
        ("1 | @engine_args(gpus_per_node=8, backend='vllm', target='native', rank='worker')", "rank: is 'worker', but"),
        ("2 | @engine_args(gpus_per_node=8, backend='trtllm', target='native')", "backend: is 'trtllm', which the"),
        ("pd | @engine_args('decode', target='native')", "workload.components.decode.role: has role 'decode'"),
        ("{'role': 'frontend', 'name': 'f'} | @engine_args(backend='vllm')", "component: runs no engine"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(template: Ansible, text: str, said: str) -> None:
    told = template.error(text)
    name = text.rpartition("@")[2].partition("(")[0].strip()
    assert f"dynamo.multinode.{name}: " in told
    assert said in told
