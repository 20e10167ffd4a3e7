# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role reads its own variables, and the collection's (multinode_*) in its defaults: so it works in any playbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2 import meta, nodes

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
# Keys of a task whose value is an expression without braces
BARE = ("when", "until", "failed_when", "changed_when", "that", "var")
# What Ansible gives every task
MAGIC = {"groups", "hostvars", "inventory_hostname", "item", "lookup", "omit", "playbook_dir", "query", "role_path"}


def environment() -> jinja2.Environment:
    made = jinja2.Environment(autoescape=False)
    # Which filters and tests there are does not matter for the names of variables
    made.filters = _Any(made.filters)
    made.tests = _Any(made.tests)
    return made


class _Any(dict[str, Any]):
    """Every filter and test is known."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return lambda *_args, **_options: ""

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


ENVIRONMENT = environment()


def names(text: str) -> set[str]:
    return set(meta.find_undeclared_variables(ENVIRONMENT.parse(text)))


def read(node: Any, bare: bool = False) -> Iterator[str]:
    """The names that a piece of YAML reads."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from read(value, key in BARE)
            yield from read(key)
    elif isinstance(node, list):
        for entry in node:
            yield from read(entry, bare)
    elif isinstance(node, str):
        yield from names("{{ " + node + " }}" if bare and "{{" not in node else node)


def methods(node: Any, bare: bool = False) -> Iterator[str]:
    """Keys that are asked of a map as ``map.key``, and are names of a map's methods: Jinja gives the method."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from methods(value, key in BARE)
    elif isinstance(node, list):
        for entry in node:
            yield from methods(entry, bare)
    elif isinstance(node, str):
        tree = ENVIRONMENT.parse("{{ " + node + " }}" if bare and "{{" not in node else node)
        called = [call.node for call in tree.find_all(nodes.Call)]
        for found in tree.find_all(nodes.Getattr):
            if hasattr(dict, found.attr) and not any(found is one for one in called):
                yield found.attr


def used(role: str, *folders: str) -> dict[str, set[str]]:
    """By file, what it reads besides what Ansible gives."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / "roles" / role / folder).rglob("*.y*ml")):
            told = set(read(yaml.safe_load(path.read_text(encoding="utf-8"))))
            found[path.relative_to(ROOT).as_posix()] = {
                name for name in told - MAGIC if not name.startswith("ansible_")
            }
    return found


def texts(role: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / "roles" / role).rglob("*.yml"))


def own(role: str) -> tuple[str, ...]:
    """Prefixes of what a role reads: its own, and those of the roles that it enters itself."""
    entered = re.findall(r"(?:include|import)_role:\s+name: dynamo\.multinode\.(\w+)", texts(role))
    return tuple(f"{name}_" for name in {role, *entered})


@pytest.mark.parametrize("role", ROLES)
def test_tasks_read_only_variables_of_their_role(role: str) -> None:
    others = {
        file: sorted(name for name in told if not name.startswith(own(role)))
        for file, told in used(role, "tasks", "vars", "handlers", "templates").items()
    }
    assert {file: told for file, told in others.items() if told} == {}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_read_the_collections_variables_and_their_own(role: str) -> None:
    others = {
        file: sorted(name for name in told if not name.startswith((f"{role}_", "multinode_")))
        for file, told in used(role, "defaults").items()
    }
    assert {file: told for file, told in others.items() if told} == {}


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("roles/*/*/*.yml"), *ROOT.glob("playbooks/**/*.yml")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_no_method_is_taken_for_a_key(path: Path) -> None:
    assert list(methods(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


def test_methods_are_told_from_keys() -> None:
    tasks = [
        "{{ a.values }}",
        {"when": "b.items | length"},
        "{{ c['values'] }} {{ d.values() | list }} {{ e.get('x') }}",
    ]
    assert list(methods(tasks)) == ["values", "items"]


def test_what_is_read_is_found() -> None:
    task = yaml.safe_load("""
    - name: One {{ alpha }}
      debug: {msg: "{{ beta | default(gamma) }}", "{{ delta }}": 1}
      when: [epsilon is changed, "'x' in zeta.eta"]
      loop: "{{ [theta] | map('extract', iota) }}"
      vars: {kappa: "{% set lam = mu %}{{ lam }}"}
    """)
    assert set(read(task)) == {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "iota", "mu"}


# Jinja2 alone, as ansible-core 2.16 has it: None has no attribute there
PLAIN = jinja2.Environment(autoescape=False, undefined=jinja2.ChainableUndefined)
PLAIN.filters["bool"] = bool


@pytest.mark.parametrize("role", ROLES)
def test_a_key_of_the_platform_without_a_value_is_as_none(role: str) -> None:
    """`multinode_platform: {grove: }` and `multinode_platform:` say nothing."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    for name, value in defaults.items():
        if isinstance(value, str) and "multinode_platform" in value and name != "preflight_platform":
            template = PLAIN.from_string(value)
            absent = template.render()
            for given in (None, {}, {role: None}, {"gpu_operator": None}):
                assert template.render(multinode_platform=given) == absent, name


CHARTED = [role for role in ROLES if f"{role}_chart:" in (ROOT / "roles" / role / "defaults" / "main.yml").read_text()]


@pytest.mark.parametrize("role", [role for role in CHARTED if role != "helm_component"])
@pytest.mark.parametrize(
    ("block", "version", "chart"),
    [
        ({"charts": {"1.2.0": "/a.tgz"}}, "1.2.0", "/a.tgz"),
        ({"charts": {"1.2.0": "/a.tgz"}, "chart": "/b.tgz"}, "1.2.0", "/b.tgz"),
        ({"charts": {"1.2.0": "/a.tgz"}}, "", ""),
        ({"charts": None}, "1.2.0", ""),
    ],
)
def test_the_chart_of_the_version_that_is_named(role: str, block: dict[str, Any], version: str, chart: str) -> None:
    """As the module finds it that looks at the whole platform (components/asked.py)."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    template = PLAIN.from_string(defaults[f"{role}_chart"])
    assert template.render({"multinode_platform": {role: block}, f"{role}_version": version}) == chart


def test_each_role_with_a_chart_is_among_these() -> None:
    assert len(CHARTED) == 8
