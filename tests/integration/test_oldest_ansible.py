# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest ansible-core that meta/runtime.yml promises; the other tests run on the newest that we have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lab.handle import Lab
from lab.layout import CLONE
from tools.bootstrap import OLDEST_LOCK, ensure_environment
from tools.sanity import find_interpreters

# On which it runs, the one first of which most have wheels
PYTHONS = ("3.11", "3.12", "3.10")
ROLES = sorted(path.name for path in (CLONE / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted(str(path.relative_to(CLONE)) for path in (CLONE / "playbooks").glob("*.yml"))


@pytest.fixture(scope="module")
def oldest() -> Path:
    """The folder of its programs."""
    found = find_interpreters()
    python = next((found[version] for version in PYTHONS if version in found), None)
    if python is None:
        pytest.skip(f"not run: no Python {', '.join(sorted(PYTHONS))}, on which ansible-core 2.16 runs")
    return ensure_environment("oldest", OLDEST_LOCK, python, "the oldest ansible-core") / "bin"


def play(programs: Path, *words: str, lab: Lab | None = None) -> str:
    """What ansible-playbook printed; as the newest where ``programs`` are the environment's own."""
    paths = os.pathsep.join([str(programs), *([str(lab.layout.bin)] if lab else []), os.environ["PATH"]])
    env = {**os.environ, "PATH": paths, "ANSIBLE_NOCOLOR": "1", **({"LAB_DIR": str(lab.root)} if lab else {})}
    argv = [str(programs / "ansible-playbook"), *words]
    done = subprocess.run(argv, cwd=CLONE, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def test_it_is_the_one_that_is_promised(oldest: Path) -> None:
    promised = yaml.safe_load((CLONE / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert promised == ">=2.16.0"
    argv = [str(oldest / "ansible-playbook"), "--version"]
    assert "[core 2.16." in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_every_playbook_is_read(oldest: Path) -> None:
    told = play(oldest, "-i", "inventories/h100-lws", "--syntax-check", *PLAYBOOKS)
    assert told.split() == [word for name in PLAYBOOKS for word in ("playbook:", name)]


@pytest.mark.parametrize(
    ("playbook", "inventory", "variable"),
    [
        ("plan", "h100-lws", "multinode_render_dir"),
        ("plan", "gb200-grove", "multinode_render_dir"),
        ("artifacts", "h100-grove", "multinode_artifacts_dir"),
    ],
)
def test_it_writes_what_the_newest_writes(
    oldest: Path, tmp_path: Path, playbook: str, inventory: str, variable: str
) -> None:
    found = []
    for name, programs in (("oldest", oldest), ("newest", Path(sys.executable).parent)):
        play(
            programs,
            f"playbooks/{playbook}.yml",
            "-i",
            f"inventories/{inventory}",
            "-e",
            f"{variable}={tmp_path / name}",
        )
        found.append(written(tmp_path / name))
    assert found[0]
    assert found[0] == found[1]


def test_a_component_without_a_value_is_as_none_in_every_role(oldest: Path, tmp_path: Path) -> None:
    """`multinode_platform: {grove: }`; None has no attribute there, so that a default may not ask it for one."""
    tasks = []
    for role in ROLES:
        path = CLONE / "roles" / role / "defaults" / "main.yml"
        shown = [
            name for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items() if "platform" in str(value)
        ]
        read = {"file": str(path)}
        told = "{{ [" + ", ".join(shown) + "] | length }}"
        tasks += [{"ansible.builtin.include_vars": read}, {"ansible.builtin.debug": {"msg": f"{role}: {told}"}}]
    book = tmp_path / "play.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    for given in (dict.fromkeys(ROLES), None):
        told = play(
            oldest, str(book), "-i", "localhost,", "-c", "local", "-e", json.dumps({"multinode_platform": given})
        )
        assert [role for role in ROLES if f"{role}: " not in told] == []


def test_site_serves_on_it_and_a_second_run_changes_nothing(oldest: Path, make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(inventory_path=CLONE / "inventories" / "lab")
    first = play(oldest, "playbooks/site.yml", "-i", "inventories/lab", lab=lab)
    assert "3 of 3 gangs honoured" in first
    second = play(oldest, "playbooks/site.yml", "-i", "inventories/lab", lab=lab)
    assert "changed=0 " in second.partition("PLAY RECAP")[2]
