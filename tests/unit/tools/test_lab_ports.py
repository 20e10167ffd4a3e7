# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No two labs get the same ports, whatever the order in which they start."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lab import ports


@pytest.fixture
def in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the test's own, all ports free, and the first block is tried first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(random, "shuffle", lambda blocks: None)
    monkeypatch.setattr(ports, "is_free", lambda port: True)


def made(root: Path) -> Path:
    root.mkdir(parents=True)
    return root


@pytest.mark.usefixtures("in_order")
def test_a_lab_that_is_just_being_started_has_its_ports(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one"), made(tmp_path / "two")
    first = ports.ensure(one, None)
    second = ports.ensure(two, None)
    assert (first["first"], second["first"]) == (ports.FIRST, ports.FIRST + ports.BLOCK)
    assert ports.ensure(one, first) == first


@pytest.mark.usefixtures("in_order")
def test_the_ports_of_a_purged_lab_are_free_again(tmp_path: Path) -> None:
    one = made(tmp_path / "one")
    ports.ensure(one, None)
    one.rmdir()
    assert ports.ensure(made(tmp_path / "two"), None)["first"] == ports.FIRST


@pytest.mark.usefixtures("in_order")
def test_remembered_ports_that_another_lab_has_taken_are_not_used(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one"), made(tmp_path / "two")
    old = ports.ensure(one, None)
    (tmp_path / "cache" / "dynamo-multinode" / "ports.json").unlink()
    ports.ensure(two, None)
    assert ports.ensure(one, old)["first"] == ports.FIRST + ports.BLOCK
