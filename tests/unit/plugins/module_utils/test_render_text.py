# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.render import files
from ansible_collections.dynamo.multinode.plugins.module_utils.render.merge import strategic
from ansible_collections.dynamo.multinode.plugins.module_utils.render.yaml_text import dump, dump_all, scalar
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.inputs import component, dynamo, native, objects, workload

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, DATA, max_size=4))
@example({"a": [[], {}, [[1, [2]], {"b": [{"c": None}]}]]})
@example({"\u2028": "\ufeff", "\x85": "\x00\U0001f600", "- a": "b: c # d", "": ""})
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(data)) == data


@pytest.mark.parametrize(
    "word",
    ["n", "y", "on", "off", "No", "null", "~", "1", "1.0", "1e3", "0x1f", "012", "1:30", "2026-01-01", "=", ".5", ""],
)
def test_strings_that_some_yaml_reads_as_something_else_are_quoted(word: str) -> None:
    assert scalar(word) == f'"{word}"'


def test_manifests_are_readable_yaml_in_a_fixed_order() -> None:
    rendered = objects(native(workload(component(env={"A": "n"}))))
    text = dump_all(rendered)
    assert list(yaml.safe_load_all(text)) == rendered
    assert text.startswith("---\napiVersion: v1\nkind: Service\nmetadata:\n  name: llama\n")
    assert 'value: "n"' in text


def test_files_are_named_so_that_none_meet() -> None:
    plan = native(workload(namespace="a-b", name="c"), workload(namespace="a", name="b-c"), workload(name="d"))
    assert list(files.texts(plan)) == ["a-b.c.yaml", "a.b-c.yaml", "inference.d.yaml"]
    assert all(files.is_ours(text) for text in files.texts(plan).values())


def test_only_what_differs_is_written_and_only_ours_is_removed() -> None:
    plan = dynamo(workload(), workload(name="other"))
    wanted = files.texts(plan)
    assert [(c.name, c.action) for c in files.changes({}, wanted)] == [
        ("inference.llama.yaml", "written"),
        ("inference.other.yaml", "written"),
    ]
    assert files.changes(wanted, wanted) == []
    before = {**wanted, "inference.llama.yaml": "old", "inference.gone.yaml": "x"}
    assert [(c.name, c.action) for c in files.changes(before, wanted)] == [
        ("inference.gone.yaml", "removed"),
        ("inference.llama.yaml", "written"),
    ]


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": None, "c": 3}, {"a": 1, "c": 3}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": 3}, {"a": 3}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "A", "valueFrom": {"x": 1}}, {"name": "C", "value": "3"}]},
            {
                "env": [
                    {"name": "A", "valueFrom": {"x": 1}},
                    {"name": "B", "value": "2"},
                    {"name": "C", "value": "3"},
                ]
            },
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"x": 1}}]},
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "1"}]},
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/a"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/a"}]},
        ),
        (
            {"affinity": {"podAntiAffinity": {"required": [1]}}},
            {"affinity": {"podAntiAffinity": {"required": [1, 2]}, "nodeAffinity": {"x": [3]}}},
            {"affinity": {"podAntiAffinity": {"required": [1, 2]}, "nodeAffinity": {"x": [3]}}},
        ),
    ],
)
def test_strategic_merge(base: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    copy = repr((base, patch))
    assert strategic(base, patch) == expected
    assert repr((base, patch)) == copy


@pytest.mark.parametrize("number", [0.5, 1e-05, 1e16, 1.5e-07, -1e22, 3.0, float("inf"), float("-inf")])
def test_numbers_stay_numbers(number: float) -> None:
    """Engines read their configuration file as YAML 1.1, to which 1e-05 is a string."""
    assert yaml.safe_load(dump({"x": number})) == {"x": number}
    assert isinstance(yaml.safe_load(dump({"x": number}))["x"], float)


def test_what_is_no_number_stays_none() -> None:
    assert dump({"x": float("nan")}) == "x: .nan\n"
