# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every multinode deployment that upstream ships, in our variables: the same machines, GPUs, degrees and engines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import readback
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

from tests.unit.examples import catalogue
from tests.unit.examples.catalogue import Example, examples
from tests.unit.examples.reading import Deployment, Engine, read

EXAMPLES = examples()
UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or catalogue.ROOT.parent / "shared" / "upstream")
# What our targets set in every engine, whatever upstream's file says
OPERATORS_OWN = {"POD_UID"}
INJECTED = {"--data-parallel-hybrid-lb"}


def name_of(example: Example) -> str:
    return example.name


def rendered(example: Example) -> dict[str, Deployment]:
    return {workload.name: read(render(workload)) for workload in example.plan().workloads}


def manifests(example: Example) -> list[dict[str, Any]]:
    path = UPSTREAM / "dynamo-examples" / example.upstream.replace("/", "_")
    if not path.is_file():
        pytest.skip(f"no upstream data: {path.name} is not below MULTINODE_UPSTREAM")
    return [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]


def shape(engine: Engine) -> dict[str, Any]:
    return {
        "role": engine.role,
        "replicas": engine.replicas,
        "node_count": engine.node_count,
        "gpus_per_node": engine.gpus_per_node,
        "total_gpus": engine.node_count * engine.gpus_per_node,
        "degrees": engine.degrees,
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_the_plan_and_the_manifest_come_to_the_expected_numbers(example: Example) -> None:
    plan = example.plan()
    assert [str(finding) for finding in plan.findings if finding.severity == "error"] == []
    planned = {(workload.name, one.name): one.to_dict() for workload in plan.workloads for one in workload.components}
    deployments = rendered(example)
    for wanted in example.components:
        numbers = {key: value for key, value in wanted.items() if key not in ("workload", "component", "upstream")}
        told = planned[wanted["workload"], wanted["component"]]
        assert {key: told[key] for key in numbers} == numbers
        assert shape(deployments[wanted["workload"]].engines[wanted["component"]]) == numbers
    engines = {(name, engine) for name, one in deployments.items() for engine in one.engines}
    assert engines == {(wanted["workload"], wanted["component"]) for wanted in example.components}


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.upstream != catalogue.GUIDE], ids=name_of)
def test_it_is_the_deployment_that_upstream_ships(example: Example) -> None:
    theirs = read(manifests(example))
    (ours,) = rendered(example).values()
    assert ours.name == theirs.name
    names = {wanted["upstream"]: wanted["component"] for wanted in example.components}
    assert set(names) == set(theirs.engines)
    assert ours.frontend_replicas == theirs.frontend_replicas
    told = dict(theirs.frontend)
    if "image" in example.differences:
        # Upstream's is a placeholder, and ours is not
        assert re.search(r":(my-tag|<IMAGE_TAG>)$", told.pop("image"))
        assert re.fullmatch(r"\S+:\d+\.\d+\.\d+", ours.frontend["image"])
    assert {flag: ours.frontend.get(flag, "absent") for flag in told} == told
    assert ours.domain == theirs.domain
    assert ours.claims == theirs.claims
    for theirs_name, our_name in names.items():
        compare(example, ours.engines[our_name], theirs.engines[theirs_name])


def compare(example: Example, ours: Engine, theirs: Engine) -> None:
    """Whatever upstream's engine has, ours has too; what it may lack is named in the example's differences."""
    assert shape(ours) == shape(theirs)
    assert (ours.backend, ours.model) == (theirs.backend, theirs.model)
    if "image" not in example.differences:
        assert ours.image == theirs.image
    left_out = {flag for flag in INJECTED & set(theirs.flags) if flag in example.differences}
    wanted = {flag: value for flag, value in theirs.flags.items() if flag not in left_out}
    assert {flag: ours.flags.get(flag, "absent") for flag in wanted} == wanted
    assert ours.config == theirs.config
    env = {name: value for name, value in theirs.env.items() if name not in OPERATORS_OWN}
    assert {name: ours.env.get(name) for name in env} == env
    assert ours.env_from == theirs.env_from
    assert ours.volumes == theirs.volumes
    assert ours.compute_domain == theirs.compute_domain
    if theirs.shared_memory:
        assert ours.shared_memory == theirs.shared_memory
    if theirs.startup_seconds:
        # Without a probe of its own it has the operator's, which allows two hours
        assert (ours.startup_seconds or 7200) == theirs.startup_seconds
    assert {key: ours.security.get(key) for key in theirs.security} == theirs.security
    assert {key: ours.node_selector.get(key) for key in theirs.node_selector} == theirs.node_selector
    assert [one for one in theirs.tolerations if one not in ours.tolerations] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
def test_the_operator_and_the_engine_understand_what_was_planned(example: Example, orchestrator: str) -> None:
    """As the collection's own read-back has it, on both stacks."""
    for workload in example.plan(orchestrator=orchestrator).workloads:
        assert [str(finding) for finding in readback.compare(workload, render(workload))] == []


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.upstream != catalogue.GUIDE], ids=name_of)
def test_the_read_back_of_upstreams_own_file_comes_to_the_expected_numbers(example: Example) -> None:
    files = manifests(example)
    (graph,) = [item for item in files if item["kind"] == "DynamoGraphDeployment"]
    told = {one.name: one for one in readback.read(graph, companions=files).components}
    for wanted in example.components:
        one = told[wanted["upstream"]]
        assert (one.node_count, one.gpus_per_node, one.replicas) == (
            *(wanted["node_count"], wanted["gpus_per_node"], wanted["replicas"]),
        )
        assert one.engine.degrees.to_dict() == wanted["degrees"]


def test_every_file_of_upstream_has_its_example() -> None:
    folder = UPSTREAM / "dynamo-examples"
    if not folder.is_dir():
        pytest.skip("no upstream data: MULTINODE_UPSTREAM has no dynamo-examples")
    wanted = {path.name for path in folder.iterdir()}
    assert {one.upstream.replace("/", "_") for one in EXAMPLES if one.upstream != catalogue.GUIDE} == wanted


def test_the_guide_says_the_numbers_of_its_example() -> None:
    path = UPSTREAM / "multinode-deployment-guide.txt"
    if not path.is_file():
        pytest.skip("no upstream data: the guide is not below MULTINODE_UPSTREAM")
    text = path.read_text(encoding="utf-8")
    guide = next(one for one in EXAMPLES if one.upstream == catalogue.GUIDE)
    ours = {(one["node_count"], one["gpus_per_node"], one["total_gpus"]) for one in guide.components}
    sums = re.findall(r'nodeCount: "(\d+)"\s*\+\s*gpu: "(\d+)"\s*= (\d+) total GPUs', text)
    assert sums and {tuple(map(int, found)) for found in sums} <= ours
    shapes = re.findall(r'nodeCount: (\d+)\nresources:\nlimits:\ngpu: "(\d+)"', text)
    assert {(int(nodes), int(gpus)) for nodes, gpus in shapes} <= {(nodes, gpus) for nodes, gpus, _total in ours}
    tensor = re.search(r'"--tp-size"\s*- "(\d+)"', text)
    assert any(one["degrees"]["tensor"] == int(tensor[1]) for one in guide.components if one["node_count"] == 2)


def test_the_page_shows_what_the_examples_are() -> None:
    text = catalogue.PAGE.read_text(encoding="utf-8")
    shown = text.partition(catalogue.BEGIN)[2].partition(catalogue.END)[0]
    assert shown == catalogue.table(EXAMPLES), f"write it anew: {catalogue.__doc__}"
