# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that are there to be copied, planned by the playbook itself, without a cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.examples.catalogue import FOLDER, ROOT
from tests.unit.examples.reading import read

# Deployment -> engine: (replicas, machines, GPUs of each, TP, DP, EP)
PLANS: dict[str, tuple[str, dict[str, dict[str, tuple[int, ...]]]]] = {
    "h100-grove": (
        "NVIDIA-H100-80GB-HBM3: 80 GPUs wanted, 128 in the fleet, 48 left",
        {
            "llama-405b": {"worker": (2, 2, 8, 16, 1, 1)},
            "deepseek-r1": {"prefill": (1, 2, 8, 16, 1, 16), "decode": (2, 2, 8, 16, 16, 16)},
        },
    ),
    "gb200-grove": (
        "NVIDIA-GB200: 112 GPUs wanted, 144 in the fleet, 32 left",
        {
            "deepseek-r1": {"prefill": (4, 1, 4, 4, 4, 4), "decode": (2, 8, 4, 32, 32, 32)},
            "qwen38": {"worker": (2, 4, 4, 16, 1, 1)},
        },
    ),
}


def play(inventory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH", "KUBECONFIG"))}
    argv = ["ansible-playbook", "-i", str(inventory), *options, str(ROOT / "playbooks" / "plan.yml")]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def flat(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("name", PLANS)
def test_an_inventory_plans_without_errors(name: str, tmp_path: Path) -> None:
    fleet, wanted = PLANS[name]
    rendered = tmp_path / "manifests"
    options = ("-e", f"multinode_render_dir={rendered}")
    done = play(ROOT / "inventories" / name, *options)
    assert done.returncode == 0, flat(done)
    assert fleet in flat(done)
    assert "error MN-" not in done.stdout and "warning MN-" not in done.stdout
    found: dict[str, Any] = {}
    for path in rendered.iterdir():
        deployment = read(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
        found[deployment.name] = {
            engine.name: (
                *(engine.replicas, engine.node_count, engine.gpus_per_node),
                *(engine.degrees[degree] for degree in ("tensor", "data", "expert")),
            )
            for engine in deployment.engines.values()
        }
        domain = f"{deployment.name}-compute-domain-channel" if name == "gb200-grove" else None
        assert deployment.domain == (domain and (domain, 0))
        assert {engine.compute_domain for engine in deployment.engines.values()} == {domain}
    assert found == wanted


def test_a_second_plan_changes_no_file(tmp_path: Path) -> None:
    options = ("-e", f"multinode_render_dir={tmp_path}")
    assert "changed=1" in play(FOLDER / "guide.yml", *options).stdout
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "changed=0" in play(FOLDER / "guide.yml", *options).stdout
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()} and len(before) == 3


def test_an_example_is_an_inventory_of_its_own() -> None:
    done = play(FOLDER / "deepseek-r1-trtllm-wide-ep-gb200.yml")
    assert done.returncode == 0 and "NVIDIA-GB200: 36 GPUs wanted, 36 in the fleet, 0 left" in flat(done)


def test_what_needs_a_cluster_is_asked_with_its_variable() -> None:
    undecided = [f"multinode_{name}=auto" for name in ("orchestrator", "scheduler", "workload_api")]
    done = play(FOLDER / "guide.yml", *(word for setting in undecided for word in ("-e", setting)))
    told = flat(done)
    assert done.returncode != 0
    assert "multinode_orchestrator: is auto, and there is no cluster to look at: grove or lws?" in told
    assert "multinode_workload_api: is auto, and there is no cluster to look at: dynamo" in told
