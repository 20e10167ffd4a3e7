# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list for a mirror: complete, sourced, and brought over by a script that goes on where it stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.filter.artifacts import artifacts as listed
from ansible_collections.dynamo.multinode.plugins.module_utils import artifacts, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS, registry
from ansible_collections.dynamo.multinode.plugins.module_utils.components.images import chart, images
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import full, image
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

from tests.unit.plugins.module_utils.inputs import component, dynamo, native, workload

MIRROR = {"mirror": "mirror.example/team"}
PATCH = {"initContainers": [{"name": "fetch", "image": "curlimages/curl:8"}]}
WORK = workload(component(pod_spec=PATCH), image="nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.6.1")


def names(found: dict[str, Any]) -> set[str]:
    return {entry["image"] for entry in found["images"]}


def test_every_component_of_every_version_set_has_its_chart_and_images() -> None:
    for chosen in versions.SETS:
        for name in COMPONENTS:
            for version in chosen.versions[name]:
                assert images(name, version, ("ubuntu24.04",)), (name, version)
                assert chart(name, version).file.endswith(f"{version}.tgz")


def test_the_chosen_set_is_listed_as_a_whole() -> None:
    found = artifacts.artifacts(dynamo_version="1.6.1", workloads=[WORK])
    assert list(found["versions"]) == list(COMPONENTS)
    assert found["versions"]["dynamo_platform"] == "1.6.1"
    assert list(dict.fromkeys(item["component"] for item in found["charts"])) == list(COMPONENTS)
    for entry in found["images"]:
        assert entry["source"]
        assert entry["for"]
    for item in found["charts"]:
        assert item["chart"].startswith("oci://") != bool(item["repository"])


@pytest.mark.parametrize(
    ("over", "left_out"),
    [
        ({"orchestrator": "lws"}, {"grove", "kai_scheduler"}),
        ({"orchestrator": "grove"}, {"lws", "volcano"}),
        ({"orchestrator": "grove", "scheduler": "volcano"}, {"lws", "kai_scheduler"}),
        ({"orchestrator": "grove", "scheduler": "default"}, {"lws", "volcano", "kai_scheduler"}),
        ({"orchestrator": "lws", "scheduler": "kai"}, {"grove"}),
        ({"orchestrator": ""}, set()),
        ({"workload_api": "native"}, {"dynamo_platform"}),
        ({"platform": {"gpu_operator": {"mode": "skip"}, "lws": {"mode": "adopt"}}}, {"gpu_operator", "lws"}),
    ],
)
def test_what_the_inventory_does_not_choose_is_not_listed(over: dict[str, Any], left_out: set[str]) -> None:
    found = artifacts.artifacts(**over)
    assert set(COMPONENTS) - set(found["versions"]) == left_out


def test_a_version_that_is_named_is_taken_and_one_that_is_missing_is_an_error() -> None:
    found = artifacts.artifacts(platform={"lws": {"version": "v0.10.0"}})
    assert "registry.k8s.io/lws/lws:v0.10.0" in names(found)
    with pytest.raises(artifacts.BadArtifact, match=r"platform\.\w+\.version: the matrix has none for"):
        artifacts.artifacts(kubernetes="v1.20.0")


def test_a_driver_that_the_inventory_names_is_the_one_that_is_listed() -> None:
    def drivers(**platform: dict[str, Any]) -> set[str]:
        found = names(artifacts.artifacts(platform=platform, systems=["ubuntu24.04"]))
        return {
            name.rpartition("/")[2] for name in found if name.rpartition("/")[2].startswith(("driver:", "doca-driver:"))
        }

    both = [f"doca-driver:{{}}-ubuntu24.04-{machine}" for machine in ("amd64", "arm64")]
    ours = {"driver:595.91.07-ubuntu24.04", *(name.format("doca3.4.1-26.04-1.1.0.0-1") for name in both)}
    assert drivers() == ours
    named = {"gpu_operator": {"driver_version": "580.95.05"}, "network_operator": {"mofed_version": "doca4"}}
    assert drivers(**named) == {"driver:580.95.05-ubuntu24.04", *(name.format("doca4") for name in both)}
    over = {"driver_version": "580.95.05", "values": {"driver": {"version": "590.1"}}}
    assert "driver:590.1-ubuntu24.04" in drivers(gpu_operator=over)


def test_defaults_and_overlays_bring_images_too_and_what_is_to_go_brings_none() -> None:
    nothing = {name: {"mode": "skip"} for name in COMPONENTS}
    found = artifacts.artifacts(
        platform=nothing,
        workloads=[{"name": "a", "image": "x.io/a:1"}, {"name": "b", "image": "x.io/b:1", "state": "absent"}],
        defaults={"image": "x.io/default:1"},
        overlays={"a": {"image": "x.io/over:1"}},
    )
    assert {entry["image"]: (entry["for"], entry["when"], entry["source"]) for entry in found["images"]} == {
        "x.io/a:1": (["multinode_workloads[a]"], "", "the inventory"),
        "x.io/default:1": (["multinode_workload_defaults"], "", "the inventory"),
        "x.io/over:1": (["multinode_workload_overlays.a"], "", "the inventory"),
    }
    assert found["notes"] == []


def test_what_is_known_of_a_neighbour_only_is_said() -> None:
    found = artifacts.artifacts(platform={name: {"mode": "skip"} for name in COMPONENTS if name != "gpu_operator"})
    assert found["versions"] == {"gpu_operator": "26.7.1"}
    (note,) = found["notes"]
    assert note.startswith("gpu_operator 26.7.1: some images are those of the nearest version")
    assert note in artifacts.table(found)
    optional = sum(bool(entry["when"]) for entry in found["images"])
    summary = (
        f"1 charts, 2 files, {len(found['images']) - optional} images, {optional} more that only some settings need"
    )
    assert summary in artifacts.table(found)
    exact = artifacts.artifacts(platform={name: {"mode": "skip"} for name in COMPONENTS if name != "grove"})
    assert exact["notes"] == []


def test_a_digest_stays_with_its_tag_in_the_default_set() -> None:
    found = artifacts.artifacts(systems=["ubuntu24.04"])
    digests = {entry["image"]: entry["digest"] for entry in found["images"]}
    assert digests["nvcr.io/nvidia/k8s/container-toolkit:v1.20.0"].startswith("sha256:f8c647d5")
    assert sum(bool(digest) for digest in digests.values()) > 5


def only(name: str, **block: Any) -> dict[str, dict[str, Any]]:
    return {**{other: {"mode": "skip"} for other in COMPONENTS}, name: block}


def test_where_kubernetes_is_not_known_all_that_may_be_installed_is_listed() -> None:
    """1.15.1 is what a cluster of 1.35 gets; a list of 1.14.1 alone would leave it without images."""
    found = artifacts.artifacts(platform=only("volcano"))
    assert (found["versions"], found["also"]) == ({"volcano": "1.14.1"}, {"volcano": ["1.15.1"]})
    assert [item["file"] for item in found["charts"]] == ["volcano-1.14.1.tgz", "volcano-1.15.1.tgz"]
    assert {f"docker.io/volcanosh/vc-scheduler:v{version}" for version in ("1.14.1", "1.15.1")} <= names(found)
    (note,) = found["notes"]
    assert note.startswith("volcano: 1.14.1 and 1.15.1, as either may be installed; multinode_artifacts_kubernetes")
    for kubernetes, version in (("v1.34.4", "1.14.1"), ("1.35", "1.15.1")):
        assert versions.default("volcano", kubernetes) == version
        known = artifacts.artifacts(platform=only("volcano"), kubernetes=kubernetes)
        assert (known["versions"], known["also"], known["notes"]) == ({"volcano": version}, {}, [])


def test_the_charts_of_a_path_bring_their_images() -> None:
    block = {"version": "v0.8.0", "charts": {"v0.7.0": "/charts/lws-0.7.0.tgz", "0.8.0": "/charts/lws-0.8.0.tgz"}}
    found = artifacts.artifacts(platform=only("lws", **block))
    assert (found["versions"], found["also"]) == ({"lws": "0.8.0"}, {"lws": ["0.7.0"]})
    assert {f"registry.k8s.io/lws/lws:v{version}" for version in ("0.7.0", "0.8.0")} == names(found)
    assert found["notes"] == ["lws: 0.7.0 too, of multinode_platform.lws.charts"]


def test_a_local_chart_says_which_version_is_listed(tmp_path: Path) -> None:
    here = tmp_path / "volcano"
    here.mkdir()
    (here / "Chart.yaml").write_text("{name: volcano, version: 9.9.9, appVersion: 1.15.1}")
    cases: dict[str, tuple[str, str]] = {
        str(here): ("1.15.1", ""),
        # Those that are to be brought over yet
        f"{tmp_path}/volcano-1.13.0.tgz": ("1.13.0", ""),
        f"{tmp_path}/ours.tgz": ("1.14.1", "ours.tgz is not here, and may hold another version"),
        "oci://mirror.example/charts/volcano": ("1.14.1", "either may be installed"),
    }
    for chart_, (version, said) in cases.items():
        found = listed([], platform=only("volcano", chart=chart_))["artifacts"]
        assert found["versions"] == {"volcano": version}, chart_
        assert f"docker.io/volcanosh/vc-scheduler:v{version}" in names(found)
        assert said in " ".join(found["notes"]), chart_
        assert bool(said) == bool(found["notes"]), chart_
    named = listed([], platform=only("volcano", chart=str(here), version="1.15.0"))["artifacts"]
    assert named["versions"] == {"volcano": "1.15.0"}
    (here / "Chart.yaml").write_text("nothing")
    with pytest.raises(AnsibleFilterError, match=r"volcano is no chart"):
        listed([], platform=only("volcano", chart=str(here)))


@pytest.mark.parametrize("target", ["lws", "grove", "dynamo"])
def test_every_image_that_is_rendered_for_a_workload_is_listed(target: str) -> None:
    plans = {
        "lws": lambda: native(WORK),
        "grove": lambda: native(WORK, orchestrator="grove", scheduler="kai"),
        "dynamo": lambda: dynamo(WORK),
    }[target]()
    (plan,) = plans.workloads
    rendered = {full(name) for name in registry.named(render(plan))}
    assert rendered == {"nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.6.1", "docker.io/curlimages/curl:8"}
    assert rendered <= names(artifacts.artifacts(workloads=[WORK]))


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_image_that_a_component_of_ours_asks_for_is_listed(name: str) -> None:
    """The chart values and custom resources that we make."""
    version = next(iter(versions.SETS[0].versions[name]))
    apis = {"mellanox.com": ["v1alpha1"]}
    ask = Ask(facts={"apis": apis, "nodes": [], "components": {}}, version=version, namespace="n", release="r")
    listed = {entry.reference for entry in images(name, version, ("ubuntu24.04",))}
    repositories = {entry.rpartition(":")[0] for entry in listed}
    for asked in registry.named([*COMPONENTS[name].objects(ask), COMPONENTS[name].values(ask)]):
        if "/" in asked:
            assert full(asked) in listed or asked.rpartition(":")[0] in repositories, asked


def test_the_mirrors_place_is_that_of_the_charts_values() -> None:
    """Where the script puts an image is where the chart values and the pods look for it."""
    found = artifacts.artifacts(workloads=[WORK], registry=MIRROR)
    for entry in found["images"]:
        assert entry["mirror"] == image(entry["image"], MIRROR)
    places = " ".join(entry["mirror"] for entry in found["images"])
    for name in COMPONENTS:
        for key, upstream in registry.KEYS[name].images.items():
            optional = key.startswith(
                ("grove.", "nats.promExporter", "dynamo-operator.controllerManager.kubeRbacProxy")
            )
            assert optional or f"{image(upstream, MIRROR)}:" in places, (name, key)


def test_a_name_of_the_mirror_is_listed_and_not_copied() -> None:
    own = workload(image="mirror.example/team/own/engine:1.6.0")
    found = artifacts.artifacts(
        workloads=[own], registry=MIRROR, platform={name: {"mode": "skip"} for name in COMPONENTS}
    )
    (entry,) = found["images"]
    assert entry["image"] == entry["mirror"] == "mirror.example/team/own/engine:1.6.0"
    assert "own/engine" not in artifacts.script(found, MIRROR)


def test_two_images_that_would_be_one_in_the_mirror_are_an_error() -> None:
    two = [workload(image="ghcr.io/org/x:1.0.0"), workload(name="b", image="quay.io/org/x:1.0.0")]
    with pytest.raises(artifacts.BadArtifact, match=r"ghcr.io/org/x:1.0.0 and quay.io/org/x:1.0.0"):
        artifacts.artifacts(workloads=two, registry=MIRROR)


def test_a_name_that_would_be_shell_is_refused() -> None:
    with pytest.raises(artifacts.BadArtifact, match=r"multinode_workloads\[llama\]"):
        artifacts.artifacts(workloads=[workload(image='x:1"; rm -rf /; "')])


SKIP_ALL = {name: {"mode": "skip"} for name in COMPONENTS}
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$(basename "$0") $1" in
  "skopeo inspect") echo manifest ;;
  "skopeo copy") case "$*" in *"$BROKEN"*) exit 1 ;; esac
    for last in "$@"; do :; done
    case "$last" in dir:*) mkdir -p "${last#dir:}" ;; esac ;;
  "helm pull") while [ "$1" != --destination ]; do shift; done; mkdir -p "$2"; : > "$2/some-chart.tgz" ;;
  "helm template") printf '%s\n' "${RENDERED:-        image: "docker.io/else/where:1"}" ;;
  curl*) while [ "$1" != --output ]; do shift; done
    printf data > "$2"
    case "$2" in *.sum) printf data | sha256sum > "$2" ;; esac ;;
esac
"""


# As the GPU operator's chart renders: images in parts, in any order, blocks that name none, and pods
RENDERED = """---
# image: not/this:1
apiVersion: nvidia.com/v1
kind: ClusterPolicy
spec:
  driver:
    enabled: true
    image: driver
    repository: nvcr.io/nvidia
    version: "595.91.07"
    manager:
      repository: nvcr.io/nvidia/cloud-native
      image: k8s-driver-manager
      version: v0.99.0
    upgradePolicy:
      autoUpgrade: false
  toolkit:
    enabled: true
    repository: nvcr.io/nvidia/k8s
    image: container-toolkit
    version: v1.99.0 # moved
  devicePlugin:
    repository: nvcr.io/nvidia
    image: k8s-device-plugin
    version: "v0.20.0"
    config: {name: "", default: ""}
  vgpuManager:
    enabled: false
    image: vgpu-manager
  ccManager:
    repository: nvcr.io/nvidia/cloud-native
    image: k8s-cc-manager
    version: sha256:0123
  kept:
    image:
      repository: nvcr.io/nvidia/in-parts
      tag: "1"
  named:
    image:
      name: binder
      repository: ghcr.io/kai
      tag: "2"
---
apiVersion: v1
kind: Pod
spec:
  containers:
  - name: one
    image: nvcr.io/nvidia/gpu-operator:v26.7.1
  - image: 'nats:2'
    name: two
  - name: three
    image: docker.io/volcanosh/some:1
    env:
    - name: repository
      value: nothing"""


def script_in(folder: Path, found: dict[str, Any]) -> Any:
    """The script with programs that only note how they were called: run(arguments) -> (process, calls)."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("skopeo", "helm", "curl"):
        (tools / name).write_text(FAKE)
        (tools / name).chmod(0o755)
    script = folder / "out" / "mirror.sh"
    script.parent.mkdir()
    script.write_text(artifacts.script(found, {}))
    log = folder / "log"

    def run(*arguments: str, broken: str = "nothing at all", **env: str) -> tuple[Any, list[str]]:
        log.write_text("")
        path = f"{tools}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", str(script), *arguments],
            env={"PATH": path, "LOG": str(log), "BROKEN": broken, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, log.read_text().splitlines()

    return run


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    found = artifacts.artifacts(
        platform={**SKIP_ALL, "lws": {"version": "0.8.0"}, "volcano": {"version": "1.14.1"}}, workloads=[WORK]
    )
    return script_in(tmp_path, found)


def test_the_script_compares_what_a_custom_resource_names_in_parts(tmp_path: Path) -> None:
    found = artifacts.artifacts(platform=only("gpu_operator"))
    done, _ = script_in(tmp_path, found)("pull", RENDERED=RENDERED)
    notes = [line.rpartition(" also names ")[2] for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == [
        "docker.io/library/nats:2",
        "docker.io/volcanosh/some:1",
        "ghcr.io/kai/binder:2",
        "nvcr.io/nvidia/cloud-native/k8s-cc-manager@sha256:0123",
        "nvcr.io/nvidia/cloud-native/k8s-driver-manager:v0.99.0",
        "nvcr.io/nvidia/in-parts:1",
        "nvcr.io/nvidia/k8s/container-toolkit:v1.99.0",
    ]


def copied(calls: list[str]) -> list[str]:
    return [call.split(" docker://")[-1] for call in calls if call.startswith("skopeo copy")]


def test_the_script_goes_on_where_it_was_interrupted(mirror: Any) -> None:
    done, calls = mirror("copy", "m.example/t", broken="vc-scheduler")
    assert done.returncode == 1
    assert "FAILED: docker.io/volcanosh/vc-scheduler:v1.14.1" in done.stderr
    first = copied(calls)
    assert "m.example/t/nvidia/ai-dynamo/vllm-runtime:1.6.1" in first
    assert not any("vc-agent" in name for name in first)
    assert sum(call.startswith("helm pull") for call in calls) == 2
    again, calls = mirror("copy", "m.example/t")
    assert (again.returncode, copied(calls)) == (0, ["m.example/t/volcanosh/vc-scheduler:v1.14.1"])
    assert not [call for call in calls if call.startswith(("helm pull", "curl"))]
    _, calls = mirror("copy", "m.example/t", ALL="1")
    assert [name for name in copied(calls) if "vc-agent" in name]
    assert "note: lws-0.8.0.tgz also names docker.io/else/where:1" in done.stderr


def test_the_script_carries_everything_over_a_gap(mirror: Any) -> None:
    early, _ = mirror("push", "m.example/t")
    assert (early.returncode, "was not pulled" in early.stderr) == (1, True)
    done, calls = mirror("pull")
    assert done.returncode == 0, done.stderr
    assert all(" dir:images/" in call for call in calls if call.startswith("skopeo copy"))
    done, calls = mirror("push", "m.example/t")
    assert done.returncode == 0, done.stderr
    assert "m.example/t/lws/lws:v0.8.0" in copied(calls)
    assert mirror("push", "m.example/t")[1] == []


def test_the_script_refuses_an_image_that_moved(tmp_path: Path, mirror: Any) -> None:
    script = tmp_path / "out" / "mirror.sh"
    script.write_text(script.read_text().replace("lws/lws:v0.8.0 -", "lws/lws:v0.8.0 sha256:0123"))
    done, calls = mirror("copy", "m.example/t")
    assert done.returncode == 1
    assert "and was sha256:0123" in done.stderr
    assert not [name for name in copied(calls) if "lws/lws" in name]


def test_the_script_says_what_it_needs(mirror: Any) -> None:
    done, calls = mirror()
    assert (done.returncode, calls) == (2, [])
    assert "mirror.sh pull" in done.stderr
    done, calls = mirror("copy")
    assert (done.returncode, calls) == (2, [])
    assert "registry.example" in done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
def test_the_script_is_clean(tmp_path: Path) -> None:
    script = tmp_path / "mirror.sh"
    script.write_text(artifacts.script(artifacts.artifacts(workloads=[WORK]), MIRROR))
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
