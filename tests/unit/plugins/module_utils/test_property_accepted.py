# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds of every workload that is accepted, whatever it is made of."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import STRATEGIES, Degrees, solve
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan, WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import compare
from ansible_collections.dynamo.multinode.plugins.module_utils.render import KINDS, render
from ansible_collections.dynamo.multinode.plugins.module_utils.render.files import texts
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import COMPONENT, SETTINGS, WORKLOAD
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils import oracle
from tests.unit.plugins.module_utils.generated import ENGINES, TARGETS, WORKLOADS, inputs, joined, keys, used
from tests.unit.plugins.module_utils.inputs import component, fleet, values, workload

ROOT = Path(__file__).resolve().parents[4]
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# Kinds whose name becomes a label, a DNS label, or both.
SHORT = ("Service", "LeaderWorkerSet", "PodCliqueSet", "DynamoGraphDeployment", "ComputeDomain")


def maps(data: Any) -> Iterator[dict[str, Any]]:
    """Every map in an object, at any depth."""
    if isinstance(data, dict):
        yield data
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from maps(item)


def pod_templates(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every pod spec that an object holds."""
    return (found for found in maps(item) if isinstance(found.get("containers"), list))


def arithmetic(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    for one in plan.components:
        if one.degrees is None:
            assert one.total_gpus == one.demand == 0
            continue
        degrees = (one.degrees.tensor, one.degrees.pipeline, one.degrees.data, one.degrees.expert)
        attention = one.degrees.attention_data
        assert oracle.obeys(plan.workload.backend, one.node_count, one.gpus_per_node, degrees, attention)
        assert one.demand == one.replicas * one.node_count * one.gpus_per_node
    assert plan.demand == sum(one.demand for one in plan.components)


def names_are_legal(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    for item in objects:
        metadata = item["metadata"]
        most = 63 if item["kind"] in SHORT else 253
        assert len(metadata["name"]) <= most and DNS.fullmatch(metadata["name"]), metadata["name"]
        assert (item["apiVersion"], item["kind"]) in KINDS
        for found in maps(item):
            for key in ("labels", "matchLabels", "nodeSelector"):
                for name, text in (found.get(key) or {}).items():
                    assert QUALIFIED.fullmatch(name), name
                    assert len(text) <= 63 and LABEL.fullmatch(text), text
            for name in found.get("annotations") or {}:
                assert QUALIFIED.fullmatch(name), name
        own = {(kind["kind"], kind["metadata"]["name"]) for kind in objects}
        assert len(own) == len(objects)
    for one in plan.components:
        length = len(one.name)
        if plan.choice.workload_api == "dynamo":
            # observed.md 4
            assert len(f"{plan.namespace}-{plan.name}") <= 63
            assert len(f"{plan.name}-{one.name}") <= 63
            if plan.choice.orchestrator == "grove":
                # The operator cuts the deployment's name in them, to 8 characters at least.
                assert min(8, len(plan.name)) + (2 * length + 4 if one.multinode else length) <= 45
        elif plan.choice.orchestrator == "grove":
            assert len(one.object_name) + len("engine") + len("ldr") <= 45
        else:
            # The label controller-revision-hash of the workers' StatefulSet.
            assert len(f"{one.object_name}-{max(0, one.replicas - 1)}-0123456789") <= 63


def it_reads_back_as_planned(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    assert [str(finding) for finding in compare(plan, objects)] == []


def nothing_is_written_that_the_operator_injects(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    for item in objects:
        if item["kind"] != "DynamoGraphDeployment":
            continue
        for found in pod_templates(item):
            words = [word for one in found["containers"] for key in ("command", "args") for word in one.get(key) or ()]
            assert all(isinstance(word, str) for word in words)
            assert not {word.split("=")[0].replace("_", "-") for word in words} & oracle.INJECTED


def gpus_are_requests_and_limits(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    counted = 0
    for item in objects:
        for found in pod_templates(item):
            for one in (*found["containers"], *(found.get("initContainers") or ())):
                amounts = one.get("resources") or {}
                limits, requests = amounts.get("limits") or {}, amounts.get("requests") or {}
                extended = {name for name in {**limits, **requests} if "/" in name}
                assert {name: limits.get(name) for name in extended} == {name: requests.get(name) for name in extended}
                counted += bool(extended)
    assert counted >= sum(one.degrees is not None for one in plan.components)


def text_says_the_same(plan: WorkloadPlan, objects: list[dict[str, Any]]) -> None:
    text = texts(FleetPlan((plan,), (), {}, {}))[f"{plan.namespace}.{plan.name}.yaml"]
    assert list(yaml.load_all(text, yaml.CSafeLoader)) == objects


PROPERTIES = (
    arithmetic,
    names_are_legal,
    it_reads_back_as_planned,
    nothing_is_written_that_the_operator_injects,
    gpus_are_requests_and_limits,
    text_says_the_same,
)


@settings(max_examples=100, derandomize=True)
@given(inputs())
def test_whatever_is_accepted(given_input: dict[str, Any]) -> None:
    found = load(given_input)
    assert len(found.workloads) == 1
    for plan in found.workloads:
        objects = render(plan)
        for holds in PROPERTIES:
            holds(plan, objects)
    assert sum(found.demand.values()) == sum(plan.demand for plan in found.workloads)
    # Where a key stands changes nothing.
    assert texts(load(joined(given_input))) == texts(found)


def test_every_key_takes_part() -> None:
    """The proof that the property tests speak of the whole interface."""
    seen: set[str] = set()
    for found in corpus(40):
        seen.update(used(joined(found)["workloads"], WORKLOAD), found)
    for path, record, fields in (("", WORKLOADS, WORKLOAD), ("components", ENGINES, COMPONENT)):
        for found in drawn(record, 150):
            seen.update(used(found, fields, path))
    assert {*keys(WORKLOAD), *(entry.name for entry in SETTINGS)} - seen == set()


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[dict[str, Any]]:
    """The same examples in every run."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=count, derandomize=True, database=None)
    @given(strategy)
    def draw(example: dict[str, Any]) -> None:
        found.append(example)

    draw()
    return found


def corpus(count: int) -> list[dict[str, Any]]:
    return drawn(inputs(), count)


def interpreters() -> list[str]:
    """Every Python on this machine that the collection runs on, this one first."""
    found = [sys.executable]
    places = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    for minor in range(9, 15):
        if minor == sys.version_info.minor:
            continue
        for place in places:
            candidate = shutil.which(f"python3.{minor}", path=str(place))
            # A version manager's shim may stand there for a version that is not enabled.
            if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.append(candidate)
                break
    return found


PROGRAM = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.dynamo.multinode.plugins.module_utils.render.files import texts
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load
for given in json.load(sys.stdin):
    fleet = load(given)
    told = json.dumps([texts(fleet), fleet.to_dict()])
    print(hashlib.sha256(told.encode()).hexdigest())
"""


def test_the_same_bytes_in_every_process_and_python() -> None:
    inventory = json.dumps(corpus(25))
    answers = {}
    for number, python in enumerate([sys.executable, *interpreters()]):
        done = subprocess.run(
            [python, "-B", "-c", PROGRAM, str(ROOT / ".cache" / "collections")],
            input=inventory,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONPATH": "", "PYTHONUTF8": str(number % 2)},
            check=False,
        )
        assert done.returncode == 0, f"{python}: {done.stderr}"
        answers[f"{number} {python}"] = done.stdout.split()
    first = answers[f"0 {sys.executable}"]
    assert len(first) >= 10
    assert [name for name, found in answers.items() if found != first] == []


@pytest.mark.parametrize("target", TARGETS, ids="-".join)
@settings(max_examples=60, derandomize=True)
@given(
    lengths=st.tuples(st.integers(1, 63), st.integers(1, 63)),
    shapes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 2), st.integers(1, 12)), min_size=1, max_size=2),
)
def test_names_of_any_length(
    target: tuple[str, str, str], lengths: tuple[int, int], shapes: list[tuple[int, int, int]]
) -> None:
    """Accepted names are legal wherever they end up; refused ones are told by their check."""

    def name(length: int) -> str:
        return "a" if length == 1 else "a" + "-" * (length > 2) + "x" * (length - 1 - (length > 2))

    engines = [
        component(name=f"c{index}{name(length)}", node_count=nodes, replicas=replicas)
        for index, (length, nodes, replicas) in enumerate(shapes)
    ]
    whole = workload(*engines, name=name(lengths[0]), namespace=name(lengths[1]))
    settings_of: dict[str, Any] = dict(zip(("orchestrator", "scheduler", "workload_api"), target, strict=True))
    try:
        plan = fleet(whole, **settings_of).workloads[0]
    except SpecError as error:
        assert {problem.check for problem in error.problems} == {"MN-F08"}
        return
    names_are_legal(plan, render(plan))


SMALL = [(1, 1), (1, 6), (2, 1), (2, 4), (3, 2), (2, 6), (4, 8)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_the_engines_own_servers_agree(backend: str, strategy: str) -> None:
    """What native pods start passes the checks of the engine itself, rank by rank."""
    for nodes, gpus in SMALL:
        for pin in ({}, {"data": 2}, {"tensor": 2}, {"pipeline": 2}, {"data": 4, "expert": 1}):
            degrees = solve(backend, nodes, gpus, strategy, **pin)
            if not isinstance(degrees, Degrees):
                continue
            parallel = {"strategy": strategy, **degrees.to_dict()}
            engine = component(node_count=nodes, gpus_per_node=gpus, parallelism=parallel)
            plan = fleet(
                workload(engine, backend=backend), orchestrator="lws", scheduler="volcano", workload_api="native"
            ).workloads[0]
            group = next(item for item in render(plan) if item["kind"] == "LeaderWorkerSet")["spec"]
            starts = []
            for rank in range(nodes):
                template = group["leaderWorkerTemplate"]["workerTemplate" if rank else "leaderTemplate"]
                words = launched(template["spec"]["containers"][0], rank)
                flags = {name: text or "" for name, text in values(words).items()}
                assert getattr(oracle, f"native_{backend}")(nodes, gpus, flags), words
                starts.append(int(flags.get("--data-parallel-start-rank") or 0))
                if "--node-rank" in flags:
                    assert flags["--node-rank"] == str(rank)
                assert backend == "sglang" or ("--headless" in flags) == (rank > 0)
            if backend == "vllm" and degrees.data > 1 and nodes > 1:
                assert starts == [rank * degrees.data // nodes for rank in range(nodes)]


def launched(container: dict[str, Any], rank: int) -> list[str]:
    """The words that the engine gets: Kubernetes' own expansion, and the shell's where there is one."""
    env = {"LWS_WORKER_INDEX": str(rank), "LWS_LEADER_ADDRESS": "leader.svc", "POD_IP": "10.0.0.1"}

    def expanded(word: str) -> str:
        return re.sub(r"\$\((\w+)\)", lambda match: env.get(match[1], match[0]), word)

    words = [expanded(word) for word in (*container["command"], *container["args"])]
    if words[0] != "/bin/sh":
        return words
    # The program's own place is taken by one that prints its arguments.
    printed = [*words[:3], "printf", "%s\n", *words[4:]]
    return subprocess.run(printed, capture_output=True, text=True, check=True, env=env).stdout.split("\n")


def test_the_launches_are_those_of_the_backends() -> None:
    assert sorted(name for name, backend in BACKENDS.items() if backend.native) == ["sglang", "vllm"]
