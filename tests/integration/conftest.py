# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for the integration tests: one for all tests of a process, and others for tests that break theirs."""

from __future__ import annotations

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
from lab.replay import Replay, definitions  # noqa: E402
from tests.unit.plugins.module_utils.recorded import UPSTREAM  # noqa: E402

# The kinds that we read; the other recorded objects lie in etcd unserved
DEFINITIONS = (
    "dynamo/nvidia.com_dynamographdeployments",
    "grove/grove.io_podcliquesets",
    "grove/scheduler.grove.io_podgangs",
    "kai-scheduler/scheduling.run.ai_queues",
    "kai-scheduler/scheduling.run.ai_podgroups",
    "lws/leaderworkerset.x-k8s.io_leaderworkersets",
    "volcano/scheduling.volcano.sh_queues",
    "volcano/scheduling.volcano.sh_podgroups",
)

LONGEST_FIRST = (
    "test_upgrade.py",
    "test_roles_alone.py",
    "test_site_grove.py",
    "test_controllers.py",
    "test_failed_releases.py",
    "test_platform.py",
    "test_chaos.py",
    "test_site.py",
    "test_adopted.py",
    "test_lifecycle.py",
    "test_switch.py",
    "test_progress.py",
    "test_openshift.py",
    "test_apply.py",
    "test_findings_live.py",
    "test_network_entries.py",
    "test_diagnosis.py",
    "test_oldest_ansible.py",
    "test_verify.py",
    "test_live_changes.py",
    "test_workload_module.py",
    "test_chart_sources.py",
    "test_claims.py",
    "test_kills.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the workers end at about the same time."""
    items.sort(key=lambda item: (LONGEST_FIRST.index(item.path.name) if item.path.name in LONGEST_FIRST else 99,))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured: the JUnit file has it as properties, and make test's summary shows it."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab ``test`` (or LAB_NAME) of this process, with the fleet of inventories/lab; LAB_KEEP=1 leaves it running.

    Each xdist worker has its own: tests share machines and GPUs only with tests that do not run beside them.
    """
    name, worker = os.environ.get("LAB_NAME", "test"), os.environ.get("PYTEST_XDIST_WORKER")
    shared = Lab(f"{name}-{worker}" if worker else name, inventory(None))
    shared.up()
    yield shared
    if os.environ.get("LAB_KEEP") != "1":
        shared.down(purge=True)


@pytest.fixture(scope="session")
def gang_lab(lab: Lab) -> Lab:
    """The shared lab with Volcano and LWS installed by helm itself."""
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


def api_server() -> Iterator[Lab]:
    """A bare lab while it is needed."""
    one = Lab(f"bare-{uuid.uuid4().hex[:8]}", bare=True)
    one.up()
    yield one
    one.down(purge=True)


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    """An etcd and an API server of this worker's own: nothing acts on what is written to it."""
    yield from api_server()


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """The same for a single test: to whom nobody else writes, or whose definitions would be in the way of others."""
    yield from api_server()


@pytest.fixture(scope="session")
def stage(bare_lab: Lab) -> Replay:
    """The bare lab with upstream's definitions, on which recordings are replayed."""
    if not (UPSTREAM / "recordings").is_dir() or not (UPSTREAM / "crds").is_dir():
        pytest.skip("not run: no recordings and definitions at MULTINODE_UPSTREAM")
    replay = Replay(bare_lab)
    replay.define(definitions(UPSTREAM / "crds", DEFINITIONS))
    return replay


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace in the shared lab, gone after the test."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    lab.kubectl("create", "namespace", name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
