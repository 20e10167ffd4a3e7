# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind an air gap: what would be downloaded is refused, and what is installed is on the list for the mirror.

That site.yml asks nobody outside for anything is proven with the whole life of a cluster, in test_site.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components import registry
from ansible_collections.dynamo.multinode.plugins.module_utils.components.images import images
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import full

from lab import binaries, charts
from lab.handle import Lab
from tests.integration.gap import air_gap

CLONE = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MIRROR = {"mirror": "mirror.example:5000/team", "pull_secret": "mirror-pull"}
VERSIONS = {"volcano": binaries.VOLCANO, "lws": binaries.LWS}


@pytest.fixture(scope="module")
def helm() -> Path:
    return binaries.ensure()["helm"]


def test_the_gap_notices_who_wants_to_get_out(tmp_path: Path, helm: Path) -> None:
    """The proof of test_site.py is worth as much as this: attempts of Python and of helm are seen, and fail."""
    with air_gap(tmp_path / "gap") as gap:
        env = {**os.environ, **gap.env, "HOME": str(tmp_path)}
        ask = (
            "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://registry.example/', timeout=5)"
        )
        python = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=False)
        assert python.returncode != 0
        chart = ["pull", "oci://registry.example/charts/lws", "--version", "0.8.0"]
        pulled = subprocess.run([helm, *chart], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert pulled.returncode != 0
        module = [str(BIN / "ansible"), "localhost", "-m", "wait_for", "-a", "host=module.example port=1 timeout=1"]
        asked = subprocess.run(module, env=env, capture_output=True, text=True, check=False)
        assert asked.returncode != 0
        assert gap.attempts[0] == "python: registry.example"
        assert "python: module.example" in gap.attempts
        assert "proxy: CONNECT registry.example:443 HTTP/1.1" in gap.attempts


def test_n21_a_chart_that_would_be_downloaded_is_refused_before_helm_starts(lab: Lab, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    variables = {
        "helm_component_name": "kai_scheduler",
        "helm_component_mode": "provision",
        "helm_component_namespace": "air-gap",
        "helm_component_release": "kai-scheduler",
        "helm_component_auth": {"kubeconfig": str(lab.kubeconfig)},
        "helm_component_airgap": True,
    }
    role = {"name": "dynamo.multinode.helm_component"}
    tasks = [{"name": "KAI", "ansible.builtin.include_role": role, "vars": variables}]
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    with air_gap(tmp_path / "gap") as gap:
        env = {**os.environ, **gap.env, "ANSIBLE_NOCOLOR": "1"}
        argv = [str(BIN / "ansible-playbook"), str(play)]
        done = subprocess.run(argv, env=env, cwd=CLONE, capture_output=True, text=True, check=False)
        assert gap.attempts == []
    assert done.returncode == 2, done.stdout
    assert "MN-N21" in done.stdout, done.stdout
    assert "kai_scheduler_chart: /path/to/kai-scheduler-" in done.stdout


def rendered(helm: Path, name: str, values: dict[str, Any], folder: Path) -> list[Any]:
    """What a real chart renders with the values that we give it."""
    file = folder / f"{name}.yml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    archive = charts.ensure(helm)[name]
    argv = [str(helm), "template", name, str(archive), "--namespace", "n", "--values", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Definitions are most of the text, and name no images
    parts = [part for part in done.stdout.split("\n---\n") if "kind: CustomResourceDefinition" not in part]
    return [item for item in map(yaml.safe_load, parts) if item]


@pytest.mark.parametrize("name", VERSIONS)
def test_every_image_of_the_real_charts_is_listed_and_comes_from_the_mirror(
    name: str, helm: Path, tmp_path: Path
) -> None:
    tag = f"v{VERSIONS[name]}"
    tags: dict[str, dict[str, Any]] = {
        "volcano": {"basic": {"image_tag_version": tag}},
        "lws": {"image": {"manager": {"tag": tag}}},
    }
    version = tags[name]
    plain = rendered(helm, name, version, tmp_path)
    named = {full(item) for item in registry.named(plain)}
    assert named
    assert named <= {entry.reference for entry in images(name, VERSIONS[name]) if not entry.when}
    ours = registry.values(name, MIRROR, {})
    for key, value in version.items():
        ours[key] = (
            {**ours[key], **value} if name == "volcano" else {"manager": {**ours[key]["manager"], **value["manager"]}}
        )
    mirrored = rendered(helm, name, ours, tmp_path)
    assert registry.outside(mirrored, MIRROR) == []
    assert registry.outside(plain, MIRROR) != []
    for item in mirrored:
        if item["kind"] in ("Deployment", "Job"):
            secrets = item["spec"]["template"]["spec"]["imagePullSecrets"]
            assert secrets == [{"name": "mirror-pull"}], item["metadata"]["name"]


STANDINS = {
    "gpu-operator": "gpu_operator",
    "network-operator": "network_operator",
    "kai-scheduler": "kai_scheduler",
    "grove-charts": "grove",
    "dynamo-platform": "dynamo_platform",
}


@pytest.mark.parametrize("chart", STANDINS)
def test_the_charts_that_cannot_be_had_here_too_as_far_as_our_stand_ins_go(
    chart: str, helm: Path, tmp_path: Path
) -> None:
    """The keys that upstream's charts have and we set: see lab/standins."""
    name = STANDINS[chart]
    version = versions.default(name, "")
    assert version
    ask = Ask(facts={"nodes": [], "components": {}, "apis": {}}, version=version, namespace="n", release=chart)
    ours = components.merge(components.definition(name).values(ask), registry.values(name, MIRROR, {}))
    objects = []
    for values in (components.definition(name).values(ask), ours):
        file = tmp_path / "values.yml"
        file.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
        argv = [str(helm), "template", chart, str(CLONE / "lab" / "standins" / chart), "-n", "n", "-f", str(file)]
        argv.append("--kube-version=1.34.0")
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        objects.append([item for item in yaml.safe_load_all(done.stdout) if item])
    plain, mirrored = objects
    named = {full(item).partition("@")[0] for item in registry.named(plain) if "/" in item}
    listed = {entry.reference.rpartition(":")[0] for entry in images(name, version, ("ubuntu24.04",))}
    assert named
    assert {item.rpartition(":")[0] if ":" in item else item for item in named} <= listed
    assert registry.outside(mirrored, MIRROR) == []
