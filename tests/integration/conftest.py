# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for the integration tests: one that all share, and others for tests that break theirs."""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent.parent
if str(CLONE) not in sys.path:
    sys.path.insert(0, str(CLONE))

from lab.cli import inventory  # noqa: E402
from lab.handle import Lab  # noqa: E402


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The shared lab ``test`` (or LAB_NAME), with the fleet of inventories/lab; LAB_KEEP=1 leaves it running."""
    shared = Lab(os.environ.get("LAB_NAME", "test"), inventory(None))
    users = shared.root.parent / f".{shared.name}.users"
    users.parent.mkdir(parents=True, exist_ok=True)
    with users.open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        shared.up()
        yield shared
        if os.environ.get("LAB_KEEP") == "1":
            return
        fcntl.flock(stream, fcntl.LOCK_UN)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another worker still uses it
        shared.down(purge=True)


@pytest.fixture(scope="session")
def gang_lab(lab: Lab) -> Lab:
    """The shared lab with Volcano and LWS installed by helm itself."""
    fcntl_file = lab.root / "gang.lock"
    with fcntl_file.open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        lab.install_gang_stack()
    return lab


@pytest.fixture(scope="module")
def make_lab() -> Iterator[Callable[..., Lab]]:
    """``make_lab(nodes=2)``: a running lab of the module's own, removed at its end. ``start=False`` leaves it down."""
    made: list[Lab] = []

    def make(*, nodes: int | None = None, inventory_path: Path | None = None, start: bool = True) -> Lab:
        one = Lab(f"t-{uuid.uuid4().hex[:8]}", inventory_path or inventory(None), nodes)
        made.append(one)
        if start:
            one.up()
        return one

    yield make
    for one in made:
        one.down(purge=True)


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace in the shared lab, gone after the test."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    lab.kubectl("create", "namespace", name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")
