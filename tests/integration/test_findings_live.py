# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of preflight from real objects: upstream's definitions, and what helm makes of charts, on an API server on
which nothing else acts. Each test brings about one situation, is told of it, mends it, and is told no more.

The charts of Grove, KAI, Dynamo and NVIDIA's operators are the lab's stand-ins: their objects have upstream's shapes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import charts, small_charts
from lab.handle import CommandFailed, Lab
from tests.integration.asking import ask, run
from tests.unit.plugins.module_utils.inputs import PRODUCT, machines, workload

CLONE = Path(__file__).resolve().parents[2]
NEEDED = {
    "gpu-operator": (
        "clusterpolicies.nvidia.com",
        "nodefeaturerules.nfd.k8s-sigs.io",
        "nodefeatures.nfd.k8s-sigs.io",
    ),
    "grove": ("clustertopologybindings.grove.io", "podcliquesets.grove.io"),
    "kai-scheduler": ("configs.kai.scheduler", "queues.scheduling.run.ai", "schedulingshards.kai.scheduler"),
    "lws": ("leaderworkersets.leaderworkerset.x-k8s.io",),
    "network-operator": (
        "network-attachment-definitions.k8s.cni.cncf.io",
        "nicclusterpolicies.mellanox.com",
    ),
    "volcano": ("queues.scheduling.volcano.sh",),
}
HOOKS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
DRIVER = "nvidia.com/gpu-driver-upgrade-state"
POOL = "kai.scheduler/node-pool"
SPACE = "inference"
KAI_STALENESS = "scheduler.args.default-staleness-grace-period=-1s"
Object = dict[str, Any]
# Chart -> what helm renders of it
TEMPLATES: dict[str, str] = {}

pytestmark = pytest.mark.skipif(
    small_charts.upstream() is None, reason="not run: no upstream data (MULTINODE_UPSTREAM)"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """An API server of this file's own, with the definitions that it needs."""
    one = Lab(f"bare-{uuid.uuid4().hex[:8]}", bare=True)
    one.up()
    try:
        wanted = [item for name, names in NEEDED.items() for item in definitions(name, names)]
        one.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(listed(wanted)))
        crds = [f"crd/{item['metadata']['name']}" for item in wanted]
        one.kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds)
        one.kubectl("create", "namespace", SPACE)
        yield one
    finally:
        one.down(purge=True)


def definitions(name: str, names: tuple[str, ...]) -> list[Object]:
    """Upstream's, without conversion, which nobody here answers."""
    found = json.loads(small_charts.definitions(name).read_text(encoding="utf-8"))
    chosen = [item for item in found if item["metadata"]["name"] in names]
    assert len(chosen) == len(names), (name, [item["metadata"]["name"] for item in found])
    for item in chosen:
        if item["spec"].pop("conversion", None):
            item["spec"]["versions"] = [version for version in item["spec"]["versions"] if version["storage"]]
    return chosen


def listed(items: list[Object]) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": items}


@contextmanager
def there(lab: Lab, *items: Object) -> Iterator[None]:
    """These objects, for a while."""
    text = json.dumps(listed(list(items)))
    lab.kubectl("create", "-f", "-", stdin=text)
    try:
        yield
    finally:
        lab.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=text)


@contextmanager
def release(lab: Lab, chart: str, *values: str, version: str | None = None, space: str = "") -> Iterator[str]:
    """Somebody's helm release, for a while; its name. Nothing answers its webhooks, so they go at once."""
    namespace = space or f"their-{chart}"
    given = [option for value in values for option in ("--set-string" if value == KAI_STALENESS else "--set", value)]
    where = ["--namespace", namespace]
    lab.helm(
        "install",
        chart,
        archive(lab, chart, version),
        *where,
        "--create-namespace",
        "--skip-crds",
        "--no-hooks",
        *given,
    )
    try:
        lab.kubectl("delete", ",".join(HOOKS), "--all")
        yield namespace
    finally:
        lab.helm("uninstall", chart, *where, "--no-hooks")
        if chart == "kai-scheduler":  # which its chart has helm keep
            lab.kubectl("delete", "schedulingshards", "--all")


def archive(lab: Lab, chart: str, version: str | None = None) -> str:
    """Upstream's own chart, where the lab has it."""
    real = charts.ensure(lab.layout.bin / "helm")
    return str(real[chart] if chart in real else lab.standin(chart, version))


def deployments(lab: Lab, chart: str) -> list[Object]:
    """What of a chart identifies it where it was not installed by helm."""
    if chart not in TEMPLATES:
        TEMPLATES[chart] = lab.helm("template", chart, archive(lab, chart), "--namespace", SPACE, "--no-hooks")
    # Without reading the definitions, of which Volcano's chart has megabytes
    texts = [text for text in TEMPLATES[chart].split("\n---\n") if "kind: Deployment" in text]
    found = [item for text in texts for item in yaml.safe_load_all(text) if item["kind"] == "Deployment"]
    for item in found:
        item["metadata"]["namespace"] = SPACE
    return found


def node(name: str, *, ib: int = 8, labels: dict[str, str] | None = None) -> Object:
    given = {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": PRODUCT, **(labels or {})}
    amounts = {"cpu": "192", "memory": "2Ti", "pods": "110", "nvidia.com/gpu": "8", "rdma/ib": str(ib)}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": given}, "status": status}


def queue(name: str, parent: str | None = None, pool: str = "", quota: int = -1) -> Object:
    amounts = {"quota": quota, "limit": -1, "overQuotaWeight": 1}
    spec: Object = {"resources": dict.fromkeys(("cpu", "gpu", "memory"), amounts)}
    if parent:
        spec["parentQueue"] = parent
    metadata: Object = {"name": name, "labels": {POOL: pool} if pool else {}}
    return {"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": metadata, "spec": spec}


def merge(lab: Lab, what: tuple[str, ...], body: Object, *more: str) -> None:
    lab.kubectl("patch", *what, "--type=merge", "-p", json.dumps(body), *more)


NATIVE: Object = {"orchestrator": "lws", "scheduler": "volcano", "workload_api": "native"}
ON_KAI: Object = {"orchestrator": "grove", "scheduler": "kai", "workload_api": "native"}


def test_f20_what_holds_the_engines_together_is_not_there(lab: Lab) -> None:
    told = ask(lab, workloads=[workload()], **NATIVE)
    finding = told.one("MN-F20")
    assert finding["subject"] == f"{SPACE}/llama"
    assert "needs LeaderWorkerSet and Volcano, which the cluster does not have" in finding["message"]
    assert "bootstrap" in finding["remedy"]
    assert any("MN-F20" in line for line in told.failing)
    with there(lab, *deployments(lab, "lws")):
        assert "needs Volcano, which" in ask(lab, workloads=[workload()], **NATIVE).one("MN-F20")["message"]
        with there(lab, *deployments(lab, "volcano")):
            assert ask(lab, workloads=[workload()], **NATIVE).of("MN-F20") == []


def test_f21_the_dynamo_operator_was_not_told_of_grove(lab: Lab) -> None:
    """``global.grove.enabled`` unset is written as false into the operator's ConfigMap."""
    with release(lab, "grove-charts"), release(lab, "dynamo-platform") as space:
        finding = ask(lab, {"dynamo_platform": {}}, orchestrator="grove").one("MN-F21")
        assert finding["severity"] == "error"
        assert f"(ConfigMap dynamo-platform-dynamo-operator-config in {space})" in finding["message"]
        assert finding["remedy"] == (
            f"its owner: helm upgrade dynamo-platform <chart> -n {space} --reuse-values --set global.grove.enabled=true"
        )
        assert ask(lab, {"dynamo_platform": {}}, orchestrator="lws").of("MN-F21") == []
        follow(lab, "dynamo-platform", finding["remedy"])
        assert ask(lab, {"dynamo_platform": {}}, orchestrator="grove").of("MN-F21") == []


def test_f22_the_operator_is_older_than_what_it_is_to_use(lab: Lab) -> None:
    """When its container started is in the pod, since when there is Grove in the definition."""
    with (
        release(lab, "grove-charts"),
        release(lab, "dynamo-platform", "global.grove.enabled=true") as space,
        there(lab, pod("manager-abc12", space, "nvcr.io/nvidia/ai-dynamo/kubernetes-operator:1.6.1", owner="manager")),
    ):
        started(lab, space, "2026-01-01T00:00:00Z")
        finding = ask(lab, {"dynamo_platform": {}}, orchestrator="grove").one("MN-F22")
        assert finding["severity"] == "error"
        assert "the operator started at 2026-01-01T00:00:00Z, before grove came" in finding["message"]
        assert finding["remedy"] == f"its owner: kubectl rollout restart deployment/manager -n {space}"
        started(lab, space, "2999-01-01T00:00:00Z")
        assert ask(lab, {"dynamo_platform": {}}, orchestrator="grove").of("MN-F22") == []


def pod(name: str, namespace: str, image: str, owner: str) -> Object:
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{owner}-5d4f", "uid": str(uuid.uuid4())}
    about = {"name": name, "namespace": namespace, "ownerReferences": [reference]}
    spec = {"containers": [{"name": "manager", "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}


def started(lab: Lab, space: str, when: str) -> None:
    found = lab.get("pod", "manager-abc12", "-n", space)["spec"]["containers"][0]
    status = {
        "name": found["name"],
        "image": found["image"],
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": when}},
    }
    body = {"status": {"containerStatuses": [status]}}
    merge(lab, ("pod", "manager-abc12", "-n", space), body, "--subresource=status")


def follow(lab: Lab, chart: str, remedy: str) -> None:
    """What the owner is told to do, to the letter."""
    words = remedy.partition("helm ")[2].replace("<chart>", str(lab.standin(chart))).split()
    lab.helm(*words, "--no-hooks")


def test_f23_the_queue_is_not_there_or_takes_no_pods(lab: Lab) -> None:
    with release(lab, "kai-scheduler", KAI_STALENESS), there(lab, node("n1"), queue("org"), queue("team", "gone")):
        for name, why in (
            ("nobody", "KAI queue 'nobody' does not exist (there are: org, team)"),
            ("team", "KAI queue 'team' is below 'gone', which does not exist"),
            ("org", "KAI queue 'org' has no parent"),
        ):
            finding = ask(lab, workloads=[workload(queue=name)], **ON_KAI).one("MN-F23")
            assert finding["severity"] == "error"
            assert finding["message"].startswith(why)
            assert "multinode_queues" in finding["remedy"]
        merge(lab, ("queues.scheduling.run.ai", "team"), {"spec": {"parentQueue": "org"}})
        assert ask(lab, workloads=[workload(queue="team")], **ON_KAI).of("MN-F23") == []
        told = ask(lab, workloads=[workload(queue="org")], **ON_KAI)
        assert "KAI queue 'org' has queues below it" in told.one("MN-F23")["message"]


def test_f24_queue_pods_shard_and_nodes_are_not_of_one_node_pool(lab: Lab) -> None:
    llama = workload(queue="team")

    def said(one: Object = llama) -> list[str]:
        return [item["message"] for item in ask(lab, workloads=[one], **ON_KAI).of("MN-F24")]

    shard = {"apiVersion": "kai.scheduler/v1", "kind": "SchedulingShard", "metadata": {"name": "a"}}
    with (
        release(lab, "kai-scheduler", KAI_STALENESS),
        there(lab, node("n1"), node("n2"), queue("org"), queue("team", "org", pool="a")),
    ):
        assert ["'org' above it is in no node pool" in message for message in said()] == [True]
        merge(lab, ("queues.scheduling.run.ai", "org"), {"metadata": {"labels": {POOL: "a"}}})
        assert ["its pods are in no node pool" in message for message in said()] == [True]
        labelled = workload(queue="team", labels={POOL: "a"})
        assert ["no SchedulingShard schedules that" in message for message in said(labelled)] == [True]
        with there(lab, {**shard, "spec": {"partitionLabelValue": "a"}}):
            assert ["and no GPU node is" in message for message in said(labelled)] == [True]
            lab.kubectl("label", "node", "n1", "n2", f"{POOL}=a")
            assert said(labelled) == []
            # Another key in KAI's own configuration: what bears the former label is in no pool
            merge(lab, ("configs.kai.scheduler", "kai-config"), {"spec": {"global": {"nodePoolLabelKey": "pool"}}})
            assert said() == []


def test_f25_a_quota_of_0_binds_nothing_that_cannot_be_preempted(lab: Lab) -> None:
    serving = workload(queue="team", priority_class="inference")
    with (
        release(lab, "kai-scheduler", KAI_STALENESS),
        there(lab, node("n1"), node("n2"), queue("org"), queue("team", "org", quota=0)),
    ):
        told = ask(lab, workloads=[serving], **ON_KAI)
        finding = told.one("MN-F25")
        assert finding["severity"] == "error"
        assert "queue 'team' has a quota of 0 GPUs, and its first engines need 16" in finding["message"]
        assert finding["remedy"].endswith("or priority_class: train")
        assert ask(lab, workloads=[workload(queue="team", priority_class="train")], **ON_KAI).of("MN-F25") == []
        for name, above in (("team", 16), ("org", 8)):
            merge(lab, ("queues.scheduling.run.ai", name), {"spec": {"resources": {"gpu": {"quota": above}}}})
        assert (
            "queue 'org', above 'team', has a quota of 8"
            in ask(lab, workloads=[serving], **ON_KAI).one("MN-F25")["message"]
        )
        merge(lab, ("queues.scheduling.run.ai", "org"), {"spec": {"resources": {"gpu": {"quota": -1}}}})
        assert ask(lab, workloads=[serving], **ON_KAI).of("MN-F25") == []


def test_f26_releases_whose_versions_do_not_work_together(lab: Lab) -> None:
    with (
        release(lab, "dynamo-platform", "global.grove.enabled=true", version="1.6.1"),
        release(lab, "grove-charts", version="0.1.0-alpha.11") as space,
    ):
        finding = ask(lab, orchestrator="grove").one("MN-F26")
        assert (finding["subject"], finding["severity"]) == ("grove", "error")
        assert "Dynamo 1.6.1 needs Grove 0.1.0-alpha.14-rc1 or newer; 0.1.0-alpha.11 runs" in finding["message"]
        assert "take a version set as a whole" in finding["remedy"]
        newer = str(lab.standin("grove-charts", "0.1.0-alpha.14"))
        lab.helm("upgrade", "grove-charts", newer, "--namespace", space, "--no-hooks")
        assert ask(lab, orchestrator="grove").of("MN-F26") == []


def test_f27_a_version_that_is_known_not_to_work(lab: Lab) -> None:
    with release(lab, "grove-charts", version="0.1.0-alpha.12"):
        told = ask(lab, {"grove": {}}, orchestrator="grove")
        assert "stay SchedulingGated for ever" in told.one("MN-F27")["message"]
        assert told.one("MN-F27")["remedy"] == "use Grove 0.1.0-alpha.13 or newer"


def test_f28_kai_evicts_gangs_that_could_go_on(lab: Lab) -> None:
    with release(lab, "kai-scheduler") as space:
        finding = ask(lab, {"kai_scheduler": {}}, orchestrator="grove").one("MN-F28")
        assert finding["subject"] == "kai_scheduler/SchedulingShard default"
        assert "has no default-staleness-grace-period: KAI evicts a gang a minute after" in finding["message"]
        assert f"helm upgrade kai-scheduler <chart> -n {space} --reuse-values" in finding["remedy"]
        follow(lab, "kai-scheduler", finding["remedy"])
        lab.kubectl("delete", ",".join(HOOKS), "--all")
        assert ask(lab, {"kai_scheduler": {}}, orchestrator="grove").of("MN-F28") == []
        lame = {"spec": {"args": {"default-staleness-grace-period": "-1"}}}
        merge(lab, ("schedulingshard", "default"), lame)
        told = ask(lab, {"kai_scheduler": {}}, orchestrator="grove").one("MN-F28")
        assert "that is no duration" in told["message"]


def test_f33_lws_may_not_create_podgroups(lab: Lab) -> None:
    """As after `kubectl apply` of its manifests, and an edit of its configuration."""
    with release(lab, "lws", space="lws-system"):
        about = ("configmap", "lws-manager-config", "-n", "lws-system")
        text = yaml.safe_load(lab.get(*about)["data"]["controller_manager_config.yaml"])
        text["gangSchedulingManagement"] = {"schedulerProvider": "volcano"}
        merge(lab, about, {"data": {"controller_manager_config.yaml": yaml.safe_dump(text)}})
        finding = ask(lab, {"lws": {}}, **NATIVE).one("MN-F33")
        assert finding["severity"] == "error"
        assert "allow lws-controller-manager in lws-system to create, get, list and watch" in finding["remedy"]
        with there(lab, *allowance("lws-system", "lws-controller-manager")):
            until(lambda: not ask(lab, {"lws": {}}, **NATIVE).of("MN-F33"))


def allowance(space: str, account: str) -> list[Object]:
    """What the remedy asks for."""
    group, about = "rbac.authorization.k8s.io", {"name": "lws-podgroups"}
    rule = {
        "apiGroups": ["scheduling.volcano.sh"],
        "resources": ["podgroups"],
        "verbs": ["create", "get", "list", "watch"],
    }
    role: Object = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": about, "rules": [rule]}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "lws-podgroups"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": space}],
    }
    return [role, binding]


def until(holds: Any) -> None:
    """The API server takes a changed role into account a moment later."""
    for _attempt in range(200):
        if holds():
            return
    raise AssertionError("never came true")


def test_f34_a_volcano_queue_that_is_closed_or_too_small(lab: Lab) -> None:
    about = ("queues.scheduling.volcano.sh", "team")
    kind = {"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": {"name": "team"}}
    parts = [*deployments(lab, "lws"), *deployments(lab, "volcano")]
    question: Object = {"workloads": [workload(queue="team")], **NATIVE}
    with there(lab, node("n1"), node("n2"), *parts):
        assert "queue 'team' does not exist" in ask(lab, **question).one("MN-F34")["message"]
        with there(lab, {**kind, "spec": {"weight": 1, "capability": {"nvidia.com/gpu": "8"}}}):
            merge(lab, about, {"status": {"state": "Closed"}}, "--subresource=status")
            assert "queue 'team' is Closed" in ask(lab, **question).one("MN-F34")["message"]
            merge(lab, about, {"status": {"state": "Open"}}, "--subresource=status")
            finding = ask(lab, **question).one("MN-F34")
            assert "is 8 nvidia.com/gpu, and one engine asks for 16: it pends for ever" in finding["message"]
            merge(lab, about, {"spec": {"capability": {"nvidia.com/gpu": "16"}}})
            assert ask(lab, **question).of("MN-F34") == []


def engine(name: str, scheduler: str, **labels: str) -> Object:
    pod = {
        "metadata": {"labels": labels},
        "spec": {"schedulerName": scheduler, "containers": [{"name": "main", "image": "example.com/vllm:1.0.0"}]},
    }
    template = {"size": 2, "leaderTemplate": pod, "workerTemplate": pod, "restartPolicy": "None"}
    spec = {"replicas": 1, "startupPolicy": "LeaderCreated", "leaderWorkerTemplate": template}
    about = {"name": name, "namespace": SPACE}
    return {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": about, "spec": spec}


def test_f35_leaderworkersets_whose_pods_no_gang_scheduler_places(lab: Lab) -> None:
    sets = (
        engine("whole", "volcano"),
        engine("single", "default-scheduler"),
        engine("native", "kai-scheduler"),
        engine("dynamos", "kai-scheduler", **{"nvidia.com/dynamo-graph-deployment-name": "llama"}),
    )
    with release(lab, "lws", "gangSchedulingManagement.schedulerProvider=volcano"), there(lab, *sets):
        told = ask(lab, {"lws": {}}, **NATIVE).of("MN-F35")
        assert [(item["severity"], item["message"].partition(":")[0]) for item in told] == [
            ("warning", f"LeaderWorkerSets {SPACE}/single name no gang scheduler, so their pods are bound one by one"),
            ("warning", f"LeaderWorkerSets {SPACE}/dynamos are Dynamo's and name KAI, which makes no gang of them"),
        ]
        assert all("schedulerName: volcano" in item["remedy"] for item in told)


def test_f35_grove_was_not_told_of_kai(lab: Lab) -> None:
    only = "config.scheduler.profiles[0].name=default-scheduler"
    with release(lab, "kai-scheduler", KAI_STALENESS), release(lab, "grove-charts", only):
        finding = ask(lab, {"grove": {}}, orchestrator="grove").one("MN-F35")
        assert "lists the schedulers default-scheduler only" in finding["message"]
        assert "{name: kai-scheduler}" in finding["remedy"]


def test_f36_a_component_that_does_not_support_this_kubernetes(lab: Lab) -> None:
    """This API server's own version, at the upper end of one, and beyond that of another."""
    here = str(json.loads(lab.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]).lstrip("v")
    assert here.startswith("1.34."), "the table below is about this one"
    with release(lab, "gpu-operator", "nfd.enabled=true", version="v25.3.4"):
        finding = ask(lab, {"gpu_operator": {}}).one("MN-F36")
        assert finding["severity"] == "error"
        assert f"supports Kubernetes 1.29 to 1.33; this cluster runs {here}" in finding["message"]
        assert finding["remedy"] == f"use gpu_operator 26.7.1, which supports Kubernetes {here}"
    asked = {"network_operator": {"version": "25.4.0", "mode": "provision"}}
    assert "1.29 to 1.32; this cluster runs" in ask(lab, asked).one("MN-F36")["message"]
    asked = {"volcano": {"version": "1.14.1", "mode": "provision"}}
    assert ask(lab, asked, **NATIVE).of("MN-F36") == []


def test_f37_two_node_feature_discoveries_or_none(lab: Lab) -> None:
    with release(lab, "gpu-operator") as first:
        assert ask(lab, {"gpu_operator": {}}).of("MN-F37") == []
        with release(lab, "network-operator") as second:
            finding = ask(lab, {"gpu_operator": {}}).one("MN-F37")
            assert finding["severity"] == "error"
            assert finding["message"] == (
                f"Node Feature Discovery runs 2 times: release gpu-operator in namespace {first}; "
                f"release network-operator in namespace {second}"
            )
            assert "nfd.enabled=false" in finding["remedy"]
    with release(lab, "gpu-operator", "nfd.enabled=false"):
        finding = ask(lab, {"gpu_operator": {}}).one("MN-F37")
        assert finding["message"].startswith("nothing runs Node Feature Discovery")
        assert finding["remedy"].startswith("its owner: set nfd.enabled=true in the chart's values")


def nic_policy(**spec: Any) -> Object:
    about = {"name": "nic-cluster-policy"}
    return {"apiVersion": "mellanox.com/v1alpha1", "kind": "NicClusterPolicy", "metadata": about, "spec": spec}


OFED = {"image": "doca-driver", "repository": "nvcr.io/nvidia/mellanox", "version": "26.04-0.8.2.0-0"}


def test_f40_a_gpu_driver_that_waits_for_a_mofed_driver(lab: Lab) -> None:
    policy = ("clusterpolicies.nvidia.com", "cluster-policy")
    both: Object = {"gpu_operator": {}, "network_operator": {}}
    with (
        release(lab, "gpu-operator", "driver.rdma.enabled=true"),
        release(lab, "network-operator", "nfd.enabled=false"),
    ):
        with there(lab, nic_policy()):
            told = ask(lab, both).of("MN-F40")
            assert [(item["subject"], item["severity"]) for item in told] == [
                ("gpu_operator", "warning"),
                ("network_operator", "error"),
            ]
            assert "ClusterPolicy cluster-policy has driver.rdma.enabled and waits for a MOFED" in told[1]["message"]
            assert "mofed: operator" in told[1]["remedy"]
        with there(lab, nic_policy(ofedDriver=OFED)):
            assert ask(lab, both).of("MN-F40") == []
            merge(lab, policy, {"spec": {"driver": {"rdma": {"useHostMofed": True}}}})
            finding = ask(lab, both).one("MN-F40")
            assert (finding["subject"], finding["severity"]) == ("gpu_operator", "error")
            assert "brings a MOFED driver of its own" in finding["message"]
            assert "driver.rdma.useHostMofed=false" in finding["remedy"]


def plugin(*ids: str) -> Object:
    chosen = {"resourceName": "ib", "selectors": {"vendors": ["15b3"], "deviceIDs": list(ids)}}
    config = json.dumps({"configList": [chosen]})
    return {"image": "k8s-rdma-shared-dev-plugin", "repository": "example.com", "version": "v1.5.3", "config": config}


def seen(name: str, device: str) -> Object:
    """What NFD's worker says of a machine."""
    about = {"name": name, "namespace": SPACE, "labels": {"nfd.node.kubernetes.io/node-name": name}}
    nic = {"attributes": {"vendor": "15b3", "device": device, "class": "0207"}}
    features = {"attributes": {}, "flags": {}, "instances": {"pci.device": {"elements": [nic]}}}
    kind = {"apiVersion": "nfd.k8s-sigs.io/v1alpha1", "kind": "NodeFeature"}
    return {**kind, "metadata": about, "spec": {"features": features, "labels": {}}}


def on_ib(**more: Any) -> Object:
    """A question about a workload of two machines whose ranks ask for InfiniBand."""
    return {
        "workloads": [workload(extra_resources={"rdma/ib": 8}, **more)],
        "machines": machines(racks=1, each=2),
        **NATIVE,
    }


def test_f41_the_selector_takes_none_of_the_machines_nics(lab: Lab) -> None:
    nic = {"feature.node.kubernetes.io/pci-15b3.present": "true"}
    bare = [node(name, ib=0, labels=nic) for name in ("n1", "n2")]
    with (
        release(lab, "network-operator"),
        there(lab, *bare, seen("n1", "101d"), seen("n2", "101d"), nic_policy(rdmaSharedDevicePlugin=plugin("1021"))),
    ):
        finding = ask(lab, **on_ib()).one("MN-F41")
        assert finding["severity"] == "error"
        assert finding["message"] == (
            "asks for rdma/ib, which no machine offers: n1, n2; NicClusterPolicy nic-cluster-policy takes deviceIDs "
            "1021, vendors 15b3; n1 has 15b3:101d, none of which matches"
        )
        assert "let the selector of rdma_shared, host_device or sriov" in finding["remedy"]
        merge(lab, ("node", "n1"), {"status": {"allocatable": {"rdma/ib": "8"}}}, "--subresource=status")
        finding = ask(lab, **on_ib()).one("MN-F41")
        assert finding["severity"] == "warning"
        assert "some machines do not offer: n2;" in finding["message"]
        merge(lab, ("node", "n2"), {"status": {"allocatable": {"rdma/ib": "8"}}}, "--subresource=status")
        assert ask(lab, **on_ib()).of("MN-F41") == []


def test_f44_a_driver_upgrade_on_a_machine_that_the_plan_counts_on(lab: Lab) -> None:
    question: Object = {"workloads": [workload()], **NATIVE}
    with there(lab, node("n1"), node("n2", labels={DRIVER: "drain-required"})):
        finding = ask(lab, **question).one("MN-F44")
        assert finding["severity"] == "error"
        assert "under way on n2 (drain-required); the other machines have 8 GPUs, and 16 are" in finding["message"]
        assert finding["remedy"].startswith(f"wait until the label {DRIVER} says upgrade-done")
        lab.kubectl("label", "--overwrite", "node", "n2", f"{DRIVER}=upgrade-done")
        assert ask(lab, **question).of("MN-F44") == []


def attachment(namespace: str) -> Object:
    about = {"name": "rails", "namespace": namespace}
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": about, "spec": {"config": json.dumps({"cniVersion": "0.3.1", "type": "host-device"})}}


def test_f45_the_network_is_not_where_the_pods_are(lab: Lab) -> None:
    asks = on_ib(network={"attachments": ["rails"]})
    states = [
        {"name": "state-multus-cni", "state": "notReady", "message": "0 of 2 pods run"},
        {"name": "state-nv-ipam-cni", "state": "ignore"},
    ]
    with there(lab, node("n1"), node("n2"), nic_policy()), there(lab, attachment("default")):
        finding = ask(lab, **asks).one("MN-F45")
        assert finding["severity"] == "error"
        assert f"{SPACE}/rails does not exist (there is default/rails)" in finding["message"]
        assert "name it as namespace/name" in finding["remedy"]
        asks = on_ib(network={"attachments": ["default/rails"]})
        assert ask(lab, **asks).of("MN-F45") == []
        about = ("nicclusterpolicy", "nic-cluster-policy")
        status = {"status": {"state": "notReady", "appliedStates": states}}
        merge(lab, about, status, "--subresource=status")
        finding = ask(lab, **asks).one("MN-F45")
        assert finding["severity"] == "warning"
        assert finding["message"].endswith("not have ready: state-multus-cni is notReady (0 of 2 pods run)")


def test_f49_a_component_is_there_twice(lab: Lab) -> None:
    with release(lab, "grove-charts") as space, there(lab, *deployments(lab, "grove-charts")):
        finding = ask(lab, {"grove": {}}, orchestrator="grove").one("MN-F49")
        assert finding["message"].startswith("grove is on the cluster more than once: release grove-charts")
        assert f"in namespace {space}, plain manifests v0.1.0-alpha.14 in namespace {SPACE}" in finding["message"]
        refused = ask(lab, {"grove": {"mode": "provision"}}, orchestrator="grove")
        assert any("MN-F49 grove is to be provisioned, and somebody else's" in line for line in refused.failing)


def test_f56_a_binding_refers_to_a_topology_of_another_name(lab: Lab) -> None:
    kind = {"apiVersion": "grove.io/v1alpha1", "kind": "ClusterTopologyBinding", "metadata": {"name": "racks"}}
    level = {"domain": "rack", "key": "topology.kubernetes.io/rack"}
    bound = {"schedulerName": "kai-scheduler", "topologyReference": "another"}
    with (
        release(lab, "kai-scheduler", KAI_STALENESS),
        release(lab, "grove-charts"),
        there(lab, queue("org"), queue("team", "org")),
        there(lab, {**kind, "spec": {"levels": [level], "schedulerTopologyBindings": [bound]}}),
    ):
        question: Object = {"workloads": [workload(queue="team", topology={"pack": "rack"})], **ON_KAI}
        finding = ask(lab, **question).one("MN-F56")
        assert finding["severity"] == "warning"
        assert "ClusterTopologyBinding racks refers to a KAI Topology of another name" in finding["message"]
        bound["topologyReference"] = "racks"
        merge(lab, ("clustertopologybinding", "racks"), {"spec": {"schedulerTopologyBindings": [bound]}})
        assert ask(lab, **question).of("MN-F56") == []


def test_f67_the_certificate_of_groves_webhooks_was_emptied(lab: Lab) -> None:
    """As the chart has it; the operator that fills it in is not here."""
    with release(lab, "grove-charts") as space:
        finding = ask(lab, {"grove": {}}, orchestrator="grove").one("MN-F67")
        assert finding["severity"] == "error"
        assert finding["remedy"].startswith("its owner: webhookServerSecret.enabled=false in the chart's values")
        merge(lab, ("secret", "grove-webhook-server-cert", "-n", space), {"stringData": {"tls.crt": "pem"}})
        assert ask(lab, {"grove": {}}, orchestrator="grove").of("MN-F67") == []


def test_f68_a_queue_of_the_platforms_is_used_and_never_owned(lab: Lab) -> None:
    with (
        release(lab, "kai-scheduler", KAI_STALENESS),
        there(lab, queue("dynamo-default"), queue("dynamo", "dynamo-default"), queue("theirs", "dynamo-default")),
    ):
        before = versions(lab, "queues.scheduling.run.ai")
        for name, why in (("dynamo", "makes itself"), ("theirs", "is somebody else's")):
            answer = run(
                "cluster_info", lab, scheduler="kai", queues={"list": [{"name": name, "parent": "dynamo-default"}]}
            )
            told = str(answer.get("msg") or "") + str(answer.get("queues") or "")
            assert "MN-F68" in told, answer
            assert why in told, answer
        assert versions(lab, "queues.scheduling.run.ai") == before


def versions(lab: Lab, kind: str) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in lab.get(kind)}


def record(component_name: str, space: str, **more: Any) -> Object:
    """What says that a release is ours."""
    about = {
        "name": f"dynamo-multinode-{component_name.replace('_', '-')}",
        "namespace": space,
        "labels": {"dynamo.multinode/record": component_name},
    }
    body = {"component": component_name, "origin": "provisioned", "namespace": space, **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"record": json.dumps(body)}}


def test_f69_without_its_operator_a_deployment_never_goes(lab: Lab) -> None:
    """First what plain helm does: the operator is gone, and its custom resource waits for it for ever."""
    pod = {"containers": [{"name": "main", "image": "example.com/vllm:1.0.0"}]}
    clique = {"name": "main", "spec": {"roleName": "main", "replicas": 1, "minAvailable": 1, "podSpec": pod}}
    about = {"name": "llama", "namespace": SPACE, "finalizers": ["grove.io/podcliqueset.grove.io"]}
    kind = {"apiVersion": "grove.io/v1alpha1", "kind": "PodCliqueSet"}
    gangs = {**kind, "metadata": about, "spec": {"replicas": 1, "template": {"cliques": [clique]}}}
    with release(lab, "grove-charts") as space:
        lab.kubectl("create", "-f", "-", stdin=json.dumps(gangs))
        with there(lab, record("grove", space, release="grove-charts", version="0.1.0-alpha.14")):
            answer = run("cluster_info", lab, platform={"grove": {}}, platform_state="absent")
            decided = answer["decisions"]["grove"]
            finding = next(item for item in decided["findings"] if item["id"] == "MN-F69")
            assert (decided["action"], finding["severity"]) == ("remove", "error")
            assert f"PodCliqueSet {SPACE}/llama waits for grove when deleted" in finding["message"]
            assert "multinode_remove_crds: true" in finding["remedy"]
            allowed = run("cluster_info", lab, platform={"grove": {}}, platform_state="absent", remove_crds=True)
            first = allowed["decisions"]["grove"]["first"]
            assert ("PodCliqueSet", "llama") in [(item["kind"], item["metadata"]["name"]) for item in first]
    lab.kubectl("delete", "podcliqueset", "llama", "-n", SPACE, "--wait=false")
    left = lab.get("podcliqueset", "llama", "-n", SPACE)
    assert left["metadata"]["deletionTimestamp"]
    merge(lab, ("podcliqueset", "llama", "-n", SPACE), {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("key", ["nats.enabled", "grove.enabled", "kai-scheduler.enabled"])
def test_f71_old_keys_are_refused_before_helm_refuses_them(lab: Lab, key: str) -> None:
    """The stand-in refuses while it renders what upstream's chart does."""
    chart = lab.standin("dynamo-platform")
    with pytest.raises(CommandFailed, match="BREAKING CHANGE"):
        lab.helm("install", "dynamo", str(chart), "--dry-run=server", "--set", f"{key}=true")
    first, second = key.split(".")
    block = {"chart": str(chart), "values": {first: {second: True}}}
    finding = ask(lab, {"dynamo_platform": block}, orchestrator="grove").one("MN-F71")
    assert finding["severity"] == "error"
    assert finding["message"] == f"values.{key} is a key of an older chart"
    assert finding["remedy"].startswith(f"instead: global.{first}.")


def test_f72_a_way_back_that_upstream_does_not_support(lab: Lab) -> None:
    """KAI, by helm's history: its older revision is there, and is no way back."""
    old, new = (str(lab.standin("kai-scheduler", version)) for version in ("0.16.9", "0.17.0"))
    with release(lab, "kai-scheduler", KAI_STALENESS, version="0.16.9") as space:
        where = ["kai-scheduler", new, "-n", space, "--no-hooks", "--reuse-values"]
        lab.helm("upgrade", *where)
        lab.kubectl("delete", ",".join(HOOKS), "--all")
        with there(lab, record("kai_scheduler", space, release="kai-scheduler", version="0.17.0")):
            given: Object = {"platform": {"kai_scheduler": {"charts": {"0.16.9": old, "0.17.0": new}}}}
            back: Object = {"direction": "rollback", "only": ["kai_scheduler"]}
            answer = run("platform_path", lab, **given, **back)
            finding = next(item for item in answer["findings"] if item["id"] == "MN-F72")
            assert finding["severity"] == "error"
            assert "KAI does not support going back: 0.17.0 to 0.16.9" in finding["message"]
            assert "multinode_replace: allow" in finding["remedy"]
            willing = run("platform_path", lab, **given, **back, replace="allow")
            assert [item["id"] for item in willing["findings"] if item["id"] == "MN-F72"] == []


def test_f101_an_upgrade_that_skips_a_minor_release(lab: Lab) -> None:
    with release(lab, "dynamo-platform", version="1.4.2") as space:
        finding = ask(lab, orchestrator="grove", dynamo_version="1.6.1").one("MN-F101")
        assert (finding["subject"], finding["severity"]) == ("dynamo_platform", "error")
        assert "from dynamo_platform 1.4.2 to 1.6.1 skips 1.5" in finding["message"]
        assert finding["remedy"] == "run the playbook upgrade, which goes step by step"
        assert ask(lab, orchestrator="grove", dynamo_version="1.5.1").of("MN-F101") == []
        with there(lab, record("dynamo_platform", space, release="dynamo-platform", version="1.4.2")):
            ours = {"dynamo_platform": {"version": "1.6.1"}}
            told = ask(lab, ours, orchestrator="grove")
            assert told.one("MN-F101")["severity"] == "error"
            assert any("MN-F101" in line for line in told.failing)


def test_the_playbook_preflight_says_them_all_at_once(lab: Lab, tmp_path: Path) -> None:
    asks = on_ib(network={"attachments": ["rails"]})
    variables = {
        "ansible_python_interpreter": sys.executable,
        "multinode_auth": {"kubeconfig": str(lab.kubeconfig)},
        "multinode_platform": {"dynamo_platform": {}, "kai_scheduler": {"mode": "skip"}},
        "multinode_orchestrator": "grove",
        "multinode_scheduler": "default",
        "multinode_workload_api": "dynamo",
        "multinode_workloads": asks["workloads"],
    }
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/preflight.yml", "-i", "localhost,"]
    bare = [node("n1", ib=0), node("n2", ib=0, labels={DRIVER: "drain-required"})]
    with release(lab, "grove-charts"), release(lab, "dynamo-platform"), release(lab, "gpu-operator"), there(lab, *bare):
        done = subprocess.run(
            [*argv, "-c", "local", "-e", json.dumps(variables)], cwd=CLONE, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2, done.stdout + done.stderr
    refused = done.stdout.partition("Refuse what would go wrong")[2]
    assert [name for name in ("MN-F21", "MN-F41", "MN-F44", "MN-F45") if name not in refused] == [], done.stdout
