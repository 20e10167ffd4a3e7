# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role describes exactly the variables it has, with the defaults it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
# In an argument spec a template is a string: documentation tools refuse it as the default of every other type.
TEXTUAL = ("str", "path", "raw")


def load(path: Path) -> Any:
    assert path.is_file(), f"{path.relative_to(ROOT)} is missing"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def defaults(role: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return (load(path) or {}) if path.exists() else {}


def entry_points(role: str) -> dict[str, Any]:
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert "main" in specs, f"roles/{role}/meta/argument_specs.yml describes no entry point main"
    return dict(specs)


def options(role: str) -> dict[str, dict[str, Any]]:
    """The options of all entry points; one that several have is the same in each."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in entry_points(role).items():
        for option, spec in (entry.get("options") or {}).items():
            assert found.setdefault(option, spec).get("default") == spec.get("default"), (
                f"{role}.{name}: {option} differs"
            )
    return found


def normal(value: object) -> object:
    """A template in one spelling: where YAML folded its lines does not matter."""
    return " ".join(value.split()) if isinstance(value, str) else value


def is_template(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def test_there_are_roles() -> None:
    assert ROLES


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_described_and_every_option_has_a_default(role: str) -> None:
    described = options(role)
    required = {name for name, spec in described.items() if spec.get("required")}
    undescribed = set(defaults(role)) - set(described)
    without_default = set(described) - set(defaults(role)) - required
    assert not undescribed, f"in roles/{role}/defaults/main.yml, not in its argument spec: {sorted(undescribed)}"
    assert not without_default, (
        f"in the argument spec of {role}, neither required nor a default: {sorted(without_default)}"
    )


@pytest.mark.parametrize("role", ROLES)
def test_stated_defaults_are_the_real_ones(role: str) -> None:
    real = defaults(role)
    stated = {name: spec["default"] for name, spec in options(role).items() if "default" in spec}
    wrong = {name: (value, real.get(name)) for name, value in stated.items() if normal(value) != normal(real.get(name))}
    assert not wrong, f"argument spec and defaults of {role} differ (spec, defaults): {wrong}"


@pytest.mark.parametrize("role", ROLES)
def test_plain_defaults_are_stated(role: str) -> None:
    described = options(role)
    silent = [
        name
        for name, value in defaults(role).items()
        if not is_template(value) and value not in (None, "", [], {}) and "default" not in described.get(name, {})
    ]
    assert not silent, f"the argument spec of {role} does not say the default of: {silent}"


@pytest.mark.parametrize("role", ROLES)
def test_templates_are_stated_only_for_text(role: str) -> None:
    described = options(role)
    wrong = [
        name for name, spec in described.items() if spec.get("type") not in TEXTUAL and is_template(spec.get("default"))
    ]
    assert not wrong, f"{role}: a template is no documented default of a type that is not text (leave it out): {wrong}"


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_prefix_of_their_role(role: str) -> None:
    wrong = [name for name in {*defaults(role), *options(role)} if not name.startswith(f"{role}_")]
    assert not wrong, f"not prefixed with {role}_: {sorted(wrong)}"


@pytest.mark.parametrize("role", ROLES)
def test_every_option_and_entry_point_is_explained(role: str) -> None:
    silent = [name for name, spec in options(role).items() if not spec.get("description") or not spec.get("type")]
    silent += [name for name, entry in entry_points(role).items() if not entry.get("short_description")]
    assert not silent, f"{role}: without description or type: {silent}"


@pytest.mark.parametrize("role", ROLES)
def test_importable_by_galaxy(role: str) -> None:
    for name in ("README.md", "meta/main.yml", "tasks/main.yml"):
        assert (ROOT / "roles" / role / name).is_file(), f"roles/{role}/{name} is missing"
