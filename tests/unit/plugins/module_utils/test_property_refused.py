# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Valid inputs with something broken in them: planned, or refused with places that exist, never anything else."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import WORKLOAD_ARGS, load
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import COMPONENT, SETTINGS, WORKLOAD, by_name
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.generated import inputs
from tests.unit.plugins.module_utils.inputs import workload

NUMBERS = (0, -1, 3, 7, 10**9, 1.5, float("nan"), float("inf"))
TEXTS = ("", " ", "x", "12", "-3", "1.5", "yes", "a b", "A_B", "sh", "\n", "\x00", "é" * 70, "0x10", "1e3", "٣")
FLAGS = ("--tensor-parallel-size", "--nnodes=2", "-tp")
NESTS: tuple[Any, ...] = (
    [],
    {},
    [None],
    ["x", 3],
    {"x": 1},
    {"name": "x"},
    [{"name": "x"}],
    [[]],
    {"": {}},
    [{}],
    {"name": None},
)
JUNK = st.sampled_from([None, True, False, *NUMBERS, *TEXTS, *FLAGS, *NESTS])
ROOTS = {
    "workloads": "multinode_workloads",
    "defaults": "multinode_workload_defaults",
    "overlays": "multinode_workload_overlays",
    "machines": "multinode_node",
    **{entry.name: f"multinode_{entry.name}" for entry in SETTINGS},
}
NAMES = (*by_name(WORKLOAD), *by_name(COMPONENT), "tensor", "nodeCount", "gpus", "nope", "a.b", "c[0]", "")
KINDS = ("replace", "delete", "add", "rename", "move", "double")


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in an input, the outermost first."""
    pairs = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


@st.composite
def broken(draw: Any) -> dict[str, Any]:
    """A valid input with up to three things done to it."""
    found: dict[str, Any] = copy.deepcopy(draw(inputs()))
    for _again in range(draw(st.integers(1, 3))):
        everything = [path for path in places(found) if path[:1] != ("machines",) or len(path) < 4]
        path = draw(st.sampled_from(everything))
        parent, key, kind = at(found, path[:-1]), path[-1], draw(st.sampled_from(KINDS))
        if isinstance(parent, list):
            if kind == "delete":
                del parent[key]
            elif kind == "double":
                parent.append(copy.deepcopy(parent[key]))
            else:
                parent[key] = draw(JUNK)
        elif len(path) == 1:
            # The module's own options keep their types: Ansible has seen to that.
            if WORKLOAD_ARGS[key]["type"] == "str":
                found[key] = draw(st.sampled_from(["", "x", "grove", "1.6", "AUTO", "n"]))
        elif kind == "delete":
            del parent[key]
        elif kind == "add":
            target = parent[key] if isinstance(parent[key], dict) else parent
            target[draw(st.sampled_from(NAMES))] = draw(JUNK)
        elif kind == "rename":
            parent[draw(st.sampled_from(NAMES))] = parent.pop(key)
        elif kind == "move" and isinstance(found["workloads"], list) and found["workloads"]:
            taken, target = parent.pop(key), found["workloads"][0]
            if isinstance(target, dict):
                target[str(key)] = taken
        else:
            parent[key] = draw(JUNK)
    return found


def leads_somewhere(path: str, given_input: Mapping[str, Any]) -> bool:
    """Whether a printed path can be walked in the input: keys (which may hold dots), indices, components by name."""
    for option, root in ROOTS.items():
        if path == root:
            return True
        if path.startswith((f"{root}.", f"{root}[")) and walks(given_input.get(option), path[len(root) :]):
            return True
    return False


def walks(data: Any, rest: str) -> bool:
    if not rest:
        return True
    if isinstance(data, Mapping):
        return any(
            rest[: len(str(key)) + 1] == f".{key}" and walks(item, rest[len(str(key)) + 1 :])
            for key, item in data.items()
        )
    if not isinstance(data, Sequence) or isinstance(data, str):
        return False
    for index, item in enumerate(data):
        steps = [f"[{index}]"]
        if isinstance(item, Mapping) and item.get("name"):
            steps += [f".{item['name']}", f"[{item['name']}]"]
        if any(rest.startswith(step) and walks(item, rest[len(step) :]) for step in steps):
            return True
    return False


@settings(max_examples=200, derandomize=True)
@given(broken())
def test_whatever_is_refused_names_a_place_in_the_input(given_input: dict[str, Any]) -> None:
    before = copy.deepcopy(given_input)
    try:
        found = load(given_input)
    except SpecError as error:
        assert error.problems
        for problem in error.problems:
            assert leads_somewhere(problem.path, given_input), f"{problem.path} is not in the input: {problem.message}"
            assert problem.message.strip()
            assert str(problem) in str(error)
    else:
        for plan in found.workloads:
            assert render(plan)
    # nan is not itself
    assert repr(given_input) == repr(before)


def test_a_path_that_leads_nowhere_is_seen() -> None:
    """The proof that the test above can fail."""
    given_input = {"workloads": [workload(labels={"a.b": "x"})]}
    for path in (
        "multinode_workloads",
        "multinode_workloads[0].components.engine.node_count",
        "multinode_workloads[0].components[0].name",
        "multinode_workloads[0].labels.a.b",
        "multinode_orchestrator",
    ):
        assert leads_somewhere(path, given_input), path
    for path in (
        "multinode_workloads[1]",
        "multinode_workloads[0].components.other",
        "multinode_workloads[0].labels.a",
        "multinode_workload_defaults.name",
        "workloads",
        "",
    ):
        assert not leads_somewhere(path, given_input), path
