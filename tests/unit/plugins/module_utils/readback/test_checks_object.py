# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about names, images, resources, schedulers, probes, labels and keys in somebody's own manifests."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import read

from tests.unit.plugins.module_utils.readback.given import TP16, alpha, dgd, engine, findings, ids, lws

FRONTEND = {
    "name": "frontend",
    "type": "frontend",
    "podTemplate": {"spec": {"containers": [{"name": "main", "image": "r/i:1.5.0"}]}},
}


def part(**over: Any) -> dict[str, Any]:
    return engine(*TP16, **over)


def told(*manifests: Any, **options: Any) -> str:
    (found,) = findings(*manifests, **options)
    return str(found)


@pytest.mark.parametrize(("length", "wrong"), [(16, []), (17, ["error MN-F08"])])
def test_f08_grove(length: int, wrong: list[str]) -> None:
    named = part(name="d" * length)
    assert ids(dgd(named, name="x" * 20)) == wrong
    assert "error MN-F08" not in ids(dgd(named, name="x" * 20), provider="lws")


def test_f08_labels() -> None:
    assert ids(dgd(part(), name="x" * 53)) == []
    assert ids(dgd(part(), name="x" * 54)) == ["error MN-F08"]
    assert ids(dgd(part(), name="x" * 57)) == ["error MN-F08"] * 2
    assert ids(dgd(part(), name="x" * 64, meta={"namespace": ""})) == ["error MN-F08"] * 2
    assert ids(dgd(name="x" * 63, meta={"namespace": ""})) == []


def test_f08_native_names() -> None:
    args = ("Q", "-tp", "16")
    assert ids(lws(*args, name="x" * 50)) == []
    assert "has 53 characters, of at most 52" in told(lws(*args, name="x" * 51))
    assert ids(pcs("x" * 37)) == []
    assert "have 46 characters, of at most 45" in str(findings(pcs("x" * 37, "engines"))[0])


def pcs(name: str, group: str = "engine", scheduler: str = "kai-scheduler", **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "command": ["vllm", "serve"],
        "args": ["-tp", "16"],
        "resources": {"limits": {"nvidia.com/gpu": 8}},
    }

    def clique(role: str, scheduler: str) -> dict[str, Any]:
        pod = {"containers": [container], "schedulerName": scheduler}
        return {"name": role[:2], "spec": {"replicas": 1, "podSpec": pod}}

    return {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodCliqueSet",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "cliques": [clique("ldr", "kai-scheduler"), clique("wkr", scheduler)],
                "podCliqueScalingGroups": [{"name": group, "cliqueNames": ["ld", "wk"]}],
                **spec,
            }
        },
    }


@pytest.mark.parametrize("image", ["r/i:my-tag", "r/i", "r/i@sha256:0", "r:5000/i", "r/i:1.5", "", "r/i:<TAG>"])
def test_f09_images_without_a_version(image: str) -> None:
    given = dgd(part(main={"image": image}))
    assert ids(given) == ["error MN-F09"]
    assert ids(given, version="1.3.1") == []
    assert ids(dgd(part(main={"image": image}, runtimeVersionOverride="1.5.0"))) == []


@pytest.mark.parametrize("image", ["r/i:1.5.0", "r/i:v1.4.0-foo.1", "r:5000/i:1.5.0@sha256:0"])
def test_f09_images_with_one(image: str) -> None:
    assert ids(dgd(part(main={"image": image}))) == []


def test_f09_once_per_image() -> None:
    bad = {**FRONTEND, "podTemplate": {"spec": {"containers": [{"name": "main", "image": "r/i:x"}]}}}
    assert "component frontend, decode: image r/i:x" in told(dgd(bad, part(main={"image": "r/i:x"})))


def shm(**over: Any) -> dict[str, Any]:
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}}
    mount = {"volumeMounts": [{"name": "x", "mountPath": "/x"}, {"name": "shm", "mountPath": "/dev/shm/"}]}
    return part(main=mount, pod={"volumes": [{"name": "x"}, volume]}, **over)


def test_f12_shared_memory() -> None:
    assert "mounts 64Gi at /dev/shm, which the operator replaces by one of 8Gi" in told(dgd(shm()))
    assert ids(dgd(shm(sharedMemorySize="65536Mi"))) == ["note MN-F12"]
    assert ids(dgd(shm(sharedMemorySize="32Gi"))) == ["warning MN-F12"]
    service = {
        "sharedMemory": {"size": "80Gi"},
        "extraPodSpec": {"mainContainer": {"volumeMounts": [{"mountPath": "/dev/shm"}]}},
    }
    assert any(
        "replaces by one of 80Gi; leave the mount out and set sharedMemory.size" in str(f)
        for f in findings(alpha(x=service))
    )


def test_f14_multinode_on_what_is_no_engine() -> None:
    assert ids(dgd({**FRONTEND, "multinode": {"nodeCount": 2}})) == ["error MN-F14"]
    assert "a component without a type" in told(dgd({**FRONTEND, "type": None, "multinode": {}}))


def test_f15_where_a_key_belongs() -> None:
    misplaced = part(args=["x"])
    assert (
        "spec.components[0].args is no key of this kind (it belongs under spec.components[].podTemplate.spec"
        in told(dgd(misplaced))
    )
    misspelt = part()
    misspelt["multinode"]["nodecount"] = 2
    assert "spec.components[0].multinode.nodecount is no key of this kind (did you mean nodeCount?)" in told(
        dgd(misspelt)
    )
    assert ids(dgd(part(xyz=1)), alpha(a={"podTemplate": {}})).count("error MN-F15") == 2
    assert "(did you mean" not in told(dgd(part(qqqq=1)))
    assert ids({"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoComponentDeployment", "spec": {"x": 1}}) == [
        "error MN-F09"
    ]


def test_f15_only_false_means_something() -> None:
    key = "nvidia.com/enable-grove"
    assert ids(dgd(part(), meta={"annotations": {key: "no"}})) == ["warning MN-F15"]
    assert ids(dgd(part(), meta={"annotations": {key: "True"}})) == []


FACTS = {"nodes": [{"name": "a", "gpus": 8, "gpu_product": "H100"}, {"name": "b", "gpus": 4, "gpu_product": "GB200"}]}


def test_f16_machines_that_are_there() -> None:
    assert ids(dgd(part()), facts=FACTS) == []
    wanted = dgd(part(pod={"nodeSelector": {"nvidia.com/gpu.product": "GB200"}}))
    assert "asks for 8 GPUs on one machine, and the largest of product GB200 has 4" in told(wanted, facts=FACTS)
    assert "the largest of this cluster has 8" in told(dgd(part(gpus=16, nodes=1)), facts=FACTS)


def test_f17_gpus() -> None:
    assert ids(dgd(part(gpus="1500m"))) == ["error MN-F17"]
    mig = {"resources": {"limits": {"nvidia.com/mig-1g.10gb": 8}}}
    assert ids(dgd(part(main=mig))) == ["error MN-F17"]
    assert ids(dgd(engine("--tensor-parallel-size", "8", nodes=1, main=mig))) == []
    both = {"resources": {"limits": {"nvidia.com/gpu": 4, "amd.com/gpu": 4}}}
    assert "several kinds of GPUs at once: amd.com/gpu, nvidia.com/gpu" in told(dgd(part(main=both)))


EXCLUSIVE: dict[str, Any] = {"annotations": {"leaderworkerset.sigs.k8s.io/exclusive-topology": "rack"}}


def test_f18_exclusive_topology() -> None:
    args = ("Q", "-tp", "16")
    assert ids(lws(*args, **EXCLUSIVE)) == ["error MN-F18"]
    assert ids(lws(*args, pod={"schedulerName": "my-own"}, **EXCLUSIVE)) == []
    ready = lws(*args, **EXCLUSIVE)
    ready["spec"]["startupPolicy"] = "LeaderReady"
    assert ids(ready) == []


def test_f19_schedulers() -> None:
    mixed = dgd(FRONTEND, part(pod={"schedulerName": "volcano"}))
    assert "the default: frontend; volcano: decode" in told(mixed)
    assert "MN-F19" not in " ".join(ids(mixed, provider="lws"))
    assert ids(pcs("x", scheduler="volcano")) == ["error MN-F19"]


def test_f35_gangs_on_lws() -> None:
    requested = {"resources": {kind: {"nvidia.com/gpu": 8} for kind in ("limits", "requests")}}

    def on(scheduler: str, **over: Any) -> list[str]:
        return ids(dgd(part(pod={"schedulerName": scheduler}, main=requested, **over)), provider="lws")

    assert on("volcano") == on("my-own") == []
    assert "warning MN-F35" not in on("", nodes=1)
    assert on("") == on("default-scheduler") == ["warning MN-F35"]
    assert on("kai-scheduler") == ["error MN-F35"]
    assert ids(lws("Q", "-tp", "16", pod={"schedulerName": "kai-scheduler"})) == []
    assert ids(lws("Q", "-tp", "16", pod={"schedulerName": ""})) == ["warning MN-F35"]


def test_f57_limits_only() -> None:
    volcano = {"schedulerName": "volcano"}
    assert ids(dgd(part(pod=volcano)), provider="lws") == ["warning MN-F57"]
    assert ids(dgd(part(pod=volcano))) == []
    assert "warning MN-F57" not in ids(dgd(part()), provider="lws")
    native = lws("Q", "-tp", "16")
    container = native["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]
    assert ids(native) == []
    del container["resources"]["requests"]
    assert ids(native) == ["warning MN-F57"]


def test_f100_probes() -> None:
    short = {"startupProbe": {"periodSeconds": 10, "failureThreshold": 30}}
    assert "its startupProbe allows 300 s" in told(dgd(part(main=short)))
    assert ids(dgd(part(main={"startupProbe": {"periodSeconds": 10, "failureThreshold": 60}}))) == []
    assert ids(dgd(engine("--tensor-parallel-size", "4", gpus=4, nodes=1, main=short))) == []
    # The operator's startup probe stays before its liveness probe.
    assert ids(dgd(part(main={"livenessProbe": {"periodSeconds": 5}}))) == []
    native = lws("Q", "-tp", "16")
    container = native["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]
    container["livenessProbe"] = {"initialDelaySeconds": 60}
    assert "livenessProbe (there is no startupProbe) allows 90 s" in told(native)


def test_f111_priority_labels() -> None:
    labels: dict[str, Any] = {
        "labels": {"kai.scheduler/preemptibility": "non-preemptible", "priorityClassName": "inference"}
    }
    assert "label kai.scheduler/preemptibility, priorityClassName sets no priority" in told(dgd(part(), meta=labels))
    labelled = part()
    labelled["podTemplate"]["metadata"] = labels
    assert ids(dgd(labelled)) == ["warning MN-F111"]
    assert ids(dgd(part(), **labels)) == ["warning MN-F111"]
    assert "warning MN-F111" not in ids(dgd(part(), meta=labels), provider="lws")


@pytest.mark.parametrize(("value", "wrong"), [("y", False), (None, False), (True, True), (1, True)])
def test_n10_values_that_are_no_text(value: Any, wrong: bool) -> None:
    env = [{"name": "UCX_X", "value": value}]
    given = [
        dgd(part(main={"env": env})),
        dgd(part(), env=env),
        alpha(x={"envs": env, "extraPodSpec": {"mainContainer": {"image": "r/i:1.5.0"}}}),
    ]
    for one in given:
        assert ("error MN-N10" in ids(one)) is wrong
    assert all(read(one).components for one in given)
    if value is True:
        assert "YAML 1.1 reads y, n, yes, no, on and off" in told(given[0])


def test_clusters_say_the_provider() -> None:
    empty = engine(command=("python3", "-m", "dynamo.vllm", *TP16))
    only_lws = {"components": {"lws": {"present": True}, "grove": {"present": False}}}
    both = {"components": {"lws": {"present": True}, "grove": {"present": True}}}
    assert "error MN-F13" in ids(dgd(empty), facts=only_lws)
    assert "error MN-F13" not in ids(dgd(empty), facts=both)
    assert "error MN-F13" not in ids(dgd(empty), facts=only_lws, provider="grove")
