# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin on the lab's nodes: the same machines, and the same plan, as the written inventory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.handle import Lab

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "inventories" / "lab"
NAME = "lab.kubernetes_nodes.yml"


def source(folder: Path, **options: Any) -> Path:
    path = folder / NAME
    path.write_text(yaml.safe_dump({"plugin": "dynamo.multinode.kubernetes_nodes", **options}), encoding="utf-8")
    return path


def ansible(lab: Lab, program: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**lab.env(), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LAB_DIR": str(lab.root), **env}
    return subprocess.run([program, *args], cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def listed(lab: Lab, path: Path, **env: str) -> dict[str, Any]:
    done = ansible(lab, "ansible-inventory", "-i", str(path), "--list", **env)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout, object_hook=plain), "stderr": done.stderr}


def plain(value: dict[str, Any]) -> Any:
    """What a cluster says is no template, and ansible-inventory says so."""
    return value["__ansible_unsafe"] if list(value) == ["__ansible_unsafe"] else value


def names(found: dict[str, Any], group: str) -> list[str]:
    return sorted(found.get(group, {}).get("hosts", []))


@pytest.fixture
def healthy(lab: Lab) -> Iterator[Lab]:
    """The lab, brought back to its inventory afterwards."""
    yield lab
    lab.kubectl("uncordon", "gpu-a-1")
    lab.up()


def test_the_machines_are_those_of_the_written_inventory(lab: Lab, tmp_path: Path) -> None:
    found = listed(
        lab, source(tmp_path, keyed_groups=[{"key": "kubernetes_node.labels['kubernetes.io/arch']", "prefix": "arch"}])
    )
    written = listed(lab, WRITTEN)
    assert names(found, "gpu_nodes") == names(written, "gpu_nodes")
    for name in names(written, "gpu_nodes"):
        machine = found["_meta"]["hostvars"][name]["multinode_node"]
        assert machine == {"name": name, **written["_meta"]["hostvars"][name]["multinode_node"]}
    assert (
        names(found, "rack_rack_a")
        == names(found, "gpu_product_NVIDIA_H100_80GB_HBM3")
        == [*("gpu-a-1", "gpu-a-2", "gpu-a-3", "gpu-a-4")]
    )
    assert names(found, "arch_amd64") == names(found, "gpu_nodes")
    assert "WARNING" not in found["stderr"]


def test_the_plan_is_that_of_the_written_inventory(lab: Lab, tmp_path: Path) -> None:
    """Beside the same group_vars."""
    path = source(tmp_path)
    (tmp_path / "group_vars").symlink_to(WRITTEN / "group_vars")
    told = []
    for folder, inventory in (("found", path), ("written", WRITTEN)):
        rendered = tmp_path / folder
        done = ansible(lab, "ansible-playbook", "-i", str(inventory), "-e", f"multinode_render_dir={rendered}",
                       "playbooks/plan.yml")  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        table = done.stdout.partition("TASK [dynamo.multinode.workloads : The plan]")[2].partition("PLAY RECAP")[0]
        told.append((table, {item.name: item.read_text(encoding="utf-8") for item in rendered.iterdir()}))
    assert told[0] == told[1]
    assert "32 GPUs wanted" in told[0][0]


def test_a_second_call_is_answered_by_the_cache(lab: Lab, tmp_path: Path) -> None:
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    path = source(tmp_path, **cache)

    def asked() -> tuple[int, dict[str, Any]]:
        mark = lab.mark()
        found = listed(lab, path)
        return len(lab.audit(mark, user="dynamo-multinode")), found

    first, found = asked()
    again, cached = asked()
    assert first > 0 and again == 0
    assert cached == found
    # Another question is not answered by the cache of this one
    source(tmp_path, label_selector="nvidia.com/gpu.product=NVIDIA-H200", **cache)
    others, found = asked()
    assert others > 0 and names(found, "gpu_nodes") == ["gpu-b-1", "gpu-b-2", "gpu-b-3", "gpu-b-4"]
    mark = lab.mark()
    assert ansible(lab, "ansible-inventory", "-i", str(path), "--list", "--flush-cache").returncode == 0
    assert lab.audit(mark, user="dynamo-multinode")


def test_machines_that_cannot_be_planned_with_are_said(healthy: Lab, tmp_path: Path) -> None:
    healthy.kubectl("cordon", "gpu-a-1")
    seven = json.dumps({"status": {"allocatable": {"nvidia.com/gpu": "7"}}})
    healthy.kubectl("patch", "node", "gpu-a-2", "--subresource=status", "--type=merge", "-p", seven)
    found = listed(healthy, source(tmp_path))
    assert names(found, "gpu_nodes_unavailable") == ["gpu-a-1"]
    assert "gpu-a-1" not in names(found, "gpu_nodes")
    assert found["_meta"]["hostvars"]["gpu-a-2"]["multinode_node"]["gpu_count"] == 7
    said = " ".join(found["stderr"].split())
    assert "gpu-a-2 (7 of 8)" in said and "cordoned and are not planned with (option cordoned): gpu-a-1" in said
    found = listed(healthy, source(tmp_path, cordoned="use", group="machines", all_nodes=True, default_groups=False))
    assert "gpu-a-1" in names(found, "machines") and "rack_rack_a" not in found
    assert "lab-system-0" in found["_meta"]["hostvars"] and "lab-system-0" not in names(found, "machines")


def test_what_keeps_it_from_reading_is_an_error(lab: Lab, tmp_path: Path) -> None:
    strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}

    def error(path: Path, **env: str) -> str:
        done = ansible(lab, "ansible-inventory", "-i", str(path), "--list", **strict, **env)
        assert done.returncode != 0, done.stdout
        return " ".join(done.stderr.split())

    forbidden = error(source(tmp_path, impersonate_user="tenant"))
    assert f"{NAME}: cannot read the nodes of the cluster: not allowed (403 Forbidden)" in forbidden
    assert "need a ClusterRole with the verb list on nodes" in forbidden
    nobody = {"K8S_AUTH_KUBECONFIG": "", "KUBECONFIG": str(tmp_path / "none")}
    unreachable = error(source(tmp_path, host="https://127.0.0.1:1", api_key="x"), **nobody)
    assert "cannot read the nodes of the cluster" in unreachable and "127.0.0.1:1" in unreachable
    empty = error(source(tmp_path, label_selector="no=where"))
    assert "none of the cluster's 0 nodes with labels no=where is Ready, takes pods and reports nvidia.com/gpu" in empty
    # As Ansible is configured by default it goes on, with the same words as a warning
    done = ansible(lab, "ansible-inventory", "-i", str(source(tmp_path, impersonate_user="tenant")), "--list")
    assert "cannot read the nodes of the cluster" in " ".join(done.stderr.split())


def test_a_kubeconfig_may_be_a_template(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(
        "plugin: dynamo.multinode.kubernetes_nodes\nkubeconfig: \"{{ lookup('ansible.builtin.env', 'MINE') }}\"\n",
        encoding="utf-8",
    )
    found = listed(lab, path, MINE=str(lab.kubeconfig), K8S_AUTH_KUBECONFIG="", KUBECONFIG=str(tmp_path / "none"))
    assert len(names(found, "gpu_nodes")) == 8
