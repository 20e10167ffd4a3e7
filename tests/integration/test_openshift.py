# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVIDIA operators by Subscription, on a bare API server with OpenShift's kinds; these tests play OLM's status.

They prove our side: what is subscribed to, in which order, what is waited for, said and removed, and what a tenant's
objects ask of the constraints. Never OLM's own doing, nor the constraints' admission.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.openshift import needs
from ansible_collections.dynamo.multinode.plugins.module_utils.components import openshift
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab
from tests.integration.openshift_kinds import BROUGHT, KINDS, definitions
from tests.integration.test_permissions import account, grant, roll
from tests.unit.plugins.module_utils.inputs import machines, native, workload

CLONE = Path(__file__).resolve().parents[2]
SPACE = "nvidia-gpu-operator"
PACKAGE = "gpu-operator-certified"
NETWORK = "nvidia-network-operator"
NETWORK_VERSION = "26.4.1"
GPU = "feature.node.kubernetes.io/pci-10de.present"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
# Package -> the Deployment that it brings
OPERATORS = {PACKAGE: "gpu-operator", NETWORK: "network-operator"}
LWS = ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets", True)


class Olm:
    """Does what OLM does to a Subscription: an InstallPlan, then a ClusterServiceVersion, then the operator itself."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.seen: list[str] = []

    def status(self, kind: str, namespace: str, name: str, **status: Any) -> None:
        where = ["-n", namespace] if namespace else []
        patch = json.dumps({"status": status})
        self.lab.kubectl("patch", kind, name, *where, "--subresource=status", "--type=merge", "-p", patch)

    def step(self) -> None:
        """One round over everything that waits for OLM or for an operator of it."""
        for item in self.lab.get("subscriptions.operators.coreos.com", "-A"):
            if (item.get("status") or {}).get("state") != "AtLatestKnown":
                self.install(item)
        if "ClusterPolicy" in self.seen:
            for item in self.lab.get("clusterpolicies.nvidia.com"):
                ready = {"type": "Ready", "status": "True", "reason": "Reconciled", "message": ""}
                if "status" not in item:
                    self.status("clusterpolicies", "", item["metadata"]["name"], state="ready", conditions=[ready])
        if "NicClusterPolicy" in self.seen:
            for item in self.lab.get("nicclusterpolicies.mellanox.com"):
                if "status" not in item:
                    self.status("nicclusterpolicies", "", item["metadata"]["name"], state="ready", appliedStates=[])

    def collect(self) -> None:
        """What a garbage collector does, which a bare API server has not: let go of what waits for it."""
        kinds = [f"{plural}.{group}" for group, _, _, plural, _ in KINDS]
        # Those that have come: kubectl refuses to list any with one that it does not know
        brought = [kind for kinds_ in BROUGHT.values() for kind in kinds_ if kind[2] in self.seen]
        kinds += [f"{plural}.{group}" for group, _, _, plural, _ in brought]
        for item in self.lab.get(",".join(["configmaps", "rolebindings", "clusterroles", *kinds]), "-A"):
            about, group = item["metadata"], item["apiVersion"].rpartition("/")[0]
            if about.get("deletionTimestamp") and about.get("finalizers"):
                where = ["-n", about["namespace"]] if "namespace" in about else []
                patch = json.dumps({"metadata": {"finalizers": None}})
                kind = f"{item['kind']}.{group}" if group else item["kind"]
                self.lab.kubectl("patch", kind, about["name"], *where, "--type=merge", "-p", patch, check=False)

    def install(self, item: dict[str, Any]) -> None:
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        package = item["spec"]["name"]
        csv = item["spec"].get("startingCSV") or f"{package}.v4.18.0"
        kind = "subscriptions.operators.coreos.com"
        alpha = {"apiVersion": "operators.coreos.com/v1alpha1"}
        plan = {"name": f"install-{name}", "namespace": namespace}
        pending = {"currentCSV": csv, "installPlanRef": {"name": plan["name"]}}
        self.status(kind, namespace, name, state="UpgradePending", **pending)
        spec = {"approved": True, "clusterServiceVersionNames": [csv]}
        self.lab.apply({**alpha, "kind": "InstallPlan", "metadata": plan, "spec": spec})
        self.status("installplans", namespace, plan["name"], phase="Complete")
        about = {"name": csv, "namespace": namespace}
        version = {"version": csv.partition(".v")[2]}
        self.lab.apply({**alpha, "kind": "ClusterServiceVersion", "metadata": about, "spec": version})
        self.status("clusterserviceversions", namespace, csv, phase="Installing", message="waiting")
        self.lab.apply(*definitions(BROUGHT[package]))
        self.seen += [brought[2] for brought in BROUGHT[package]]
        if package in OPERATORS:
            self.lab.apply(deployment(namespace, OPERATORS[package]))
            counts = dict.fromkeys(("replicas", "availableReplicas", "readyReplicas", "updatedReplicas"), 1)
            self.status("deployment", namespace, OPERATORS[package], observedGeneration=1, **counts)
        self.status("clusterserviceversions", namespace, csv, phase="Succeeded", message="done")
        self.status(kind, namespace, name, state="AtLatestKnown", installedCSV=csv, **pending)


def deployment(namespace: str, name: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"containers": [{"name": name, "image": f"nvcr.io/nvidia/{name}@sha256:{'0' * 64}"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


class Cluster:
    """An OpenShift of sorts, and roles run against it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder, self.olm = lab, folder, Olm(lab)
        self.writes: list[str] = []

    def run(
        self, *options: str, plays: Callable[[], None] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """The role helm_component, for the GPU operator unless it is told another; ``plays`` is done over and over
        meanwhile."""
        given = {
            "helm_component_name": "gpu_operator",
            "helm_component_mode": "provision",
            "helm_component_namespace": SPACE,
            "helm_component_version": "26.7.0",
            "helm_component_auth": {"kubeconfig": str(self.lab.kubeconfig)},
            "helm_component_wait_timeout": 30,
            **variables,
        }
        role = {"name": "dynamo.multinode.helm_component"}
        task = {"name": "GPU operator", "ansible.builtin.include_role": role, "vars": given}
        play = self.folder / "play.yml"
        play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(play), *options]
        done = threading.Event()

        def work() -> None:
            while plays and not done.wait(0.1):
                plays()

        player = threading.Thread(target=work)
        mark = self.lab.mark()
        player.start()
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        try:
            ended = subprocess.run(argv, cwd=CLONE, env=env, capture_output=True, text=True, check=False)
        finally:
            done.set()
            player.join()
        self.writes = [
            f"{event['verb']} {event['requestURI']}"
            for event in self.lab.audit(mark, user="dynamo-multinode", verbs=WRITES)
            if "dryRun=All" not in event["requestURI"] and "reviews" not in event["requestURI"]
        ]
        return ended

    def gpus(self, count: int) -> None:
        """The one machine offers so many, as it does once a driver and a device plugin run there."""
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
        self.olm.status("node", "", "gpu-1", allocatable={"nvidia.com/gpu": str(count)}, conditions=conditions)

    def network(
        self, *options: str, plays: Callable[[], None] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        given = {"name": "network_operator", "namespace": NETWORK, "version": NETWORK_VERSION}
        named = {f"helm_component_{key}": value for key, value in given.items()}
        settings = {"rdma_namespaces": "inference"}
        return self.run(*options, plays=plays, **{**named, "helm_component_settings": settings, **variables})

    def names(self, kind: str, *where: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.lab.get(kind, *(where or ("-n", SPACE)))]


@pytest.fixture(scope="module")
def cluster(bare_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The bare API server as an OpenShift; a bare one again afterwards."""
    brought = [kind for kinds in BROUGHT.values() for kind in kinds]
    bare_lab.apply(*definitions())
    served = [f"crd/{item['metadata']['name']}" for item in definitions()]
    bare_lab.kubectl("wait", "--for=condition=Established", *served, "--timeout=30s")
    for name in (SPACE, "inference"):
        bare_lab.kubectl("create", "namespace", name)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "labels": {GPU: "true"}}}
    bare_lab.apply(node)
    made = Cluster(bare_lab, tmp_path_factory.mktemp("openshift"))
    made.gpus(0)
    yield made
    bare_lab.kubectl("delete", "node", "gpu-1")
    bare_lab.kubectl("delete", "namespace", "inference", "--wait=false")
    names = [item["metadata"]["name"] for item in definitions([*brought]) + definitions()]
    bare_lab.kubectl("delete", "crd", "--ignore-not-found", "--wait=false", *names)


def changed(done: subprocess.CompletedProcess[str]) -> int:
    found = re.search(r"changed=(\d+)", done.stdout)
    return int(found.group(1)) if found else -1


def test_check_mode_says_what_would_be_subscribed_to_and_writes_nothing(cluster: Cluster) -> None:
    done = cluster.run("--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert "subscribe to 26.7.0 through OLM" in done.stdout
    assert cluster.writes == []


def test_the_operator_comes_by_subscription_and_its_policy_follows(cluster: Cluster) -> None:
    done = cluster.run(plays=cluster.olm.step)
    assert done.returncode == 0, done.stdout
    (found,) = cluster.lab.get("subscriptions.operators.coreos.com", "-n", SPACE)
    assert found["spec"] == {
        "name": PACKAGE,
        "channel": "v26.7",
        "source": "certified-operators",
        "sourceNamespace": "openshift-marketplace",
        "installPlanApproval": "Automatic",
        "startingCSV": f"{PACKAGE}.v26.7.0",
    }
    assert cluster.names("subscriptions.operators.coreos.com", "-n", "openshift-nfd") == ["nfd"]
    assert cluster.names("nodefeaturediscoveries", "-n", "openshift-nfd") == ["nfd-instance"]
    assert cluster.names("clusterpolicies.nvidia.com", "-A") == ["gpu-cluster-policy"]
    # No helm, and no privilege of ours
    assert cluster.names("secrets") == []
    assert cluster.names("securitycontextconstraints", "-A") == []


def test_a_second_run_writes_nothing(cluster: Cluster) -> None:
    """The driver that it brought is no driver of the machine's own."""
    cluster.gpus(8)
    done = cluster.run()
    assert done.returncode == 0, done.stdout
    assert (changed(done), cluster.writes) == (0, [])
    auto = cluster.run(helm_component_mode="auto")
    assert (auto.returncode, cluster.writes) == (0, []), auto.stdout
    assert "is subscribed to channel v26.7 as asked" in auto.stdout
    assert cluster.lab.get("clusterpolicies.nvidia.com", "gpu-cluster-policy")["spec"]["driver"]["enabled"] is True


def test_certificates_that_come_later_are_written_without_an_upgrade(cluster: Cluster) -> None:
    done = cluster.run(helm_component_registry={"ca_bundle": "-----BEGIN CERTIFICATE-----"})
    assert done.returncode == 0, done.stdout
    assert cluster.names("configmaps").count("dynamo-multinode-ca-gpu-operator") == 1
    done = cluster.run(plays=cluster.olm.collect)
    assert done.returncode == 0, done.stdout
    assert "dynamo-multinode-ca-gpu-operator" not in cluster.names("configmaps")


def test_the_network_operator_comes_by_subscription_with_the_constraint_for_rdma(cluster: Cluster) -> None:
    done = cluster.network(plays=cluster.olm.step)
    assert done.returncode == 0, done.stdout
    (found,) = cluster.lab.get("subscriptions.operators.coreos.com", "-n", NETWORK)
    assert (found["spec"]["channel"], found["spec"]["startingCSV"]) == ("v26.4", f"{NETWORK}.v{NETWORK_VERSION}")
    assert cluster.names("nicclusterpolicies.mellanox.com", "-A") == ["nic-cluster-policy"]
    constraint = cluster.lab.get("securitycontextconstraints", openshift.RDMA_SCC)
    assert constraint["allowedCapabilities"] == ["IPC_LOCK"]
    assert [key for key, value in constraint.items() if key.startswith("allow") and value is True] == []
    binding = cluster.lab.get("rolebinding", openshift.RDMA_SCC, "-n", "inference")
    assert binding["roleRef"]["name"] == openshift.SCC_ROLE + openshift.RDMA_SCC
    assert [item["name"] for item in binding["subjects"]] == ["system:serviceaccounts:inference"]
    again = cluster.network()
    assert (again.returncode, changed(again), cluster.writes) == (0, 0, []), again.stdout


def test_n31_what_the_constraints_allow_is_read_from_the_cluster(cluster: Cluster) -> None:
    read = facts.collect(Client.from_params({"kubeconfig": str(cluster.lab.admin_kubeconfig)}))
    assert read["scc"]["bindings"] == [{"namespace": "inference", "constraint": openshift.RDMA_SCC}]
    refused = []
    for namespace in ("inference", "elsewhere"):
        plan = native(workload(namespace=namespace, extra_resources={"rdma/ib": 8}), facts=read, machines=machines())
        refused += [item.subject for item in plan.findings if item.id == "MN-N31"]
    assert refused == ["elsewhere/llama"]


def test_n31_nothing_privileged_is_applied_for_a_tenant(cluster: Cluster, tmp_path: Path) -> None:
    """By a tenant's own rights, and read back from the API server."""
    lab = cluster.lab
    (kind,) = definitions([LWS])
    name = kind["metadata"]["name"]
    ours = not lab.kubectl("get", "crd", name, "--ignore-not-found", "-o", "name")
    if ours:
        lab.apply(kind)
        lab.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    who = account(lab, "inference", tmp_path)
    grant(lab, who, "tenant", "inference")
    mark = lab.mark()
    cache = {"type": "pvc", "claim": "models", "mount_path": "/models", "create": True, "size": "1Ti"}
    asked = workload(extra_resources={"rdma/ib": 8}, model_cache=cache)
    answer = roll(who, asked, wait=False)
    assert (answer.failure, answer.result["changed"]) == (None, True)
    events = [event for event in lab.audit(mark, user=who.user, verbs=WRITES) if "reviews" not in event["requestURI"]]
    assert {event["objectRef"].get("namespace") for event in events} == {"inference"}
    applied = [
        lab.get("-n", "inference", event["objectRef"]["resource"], event["objectRef"]["name"]) for event in events
    ]
    assert {"LeaderWorkerSet", "PersistentVolumeClaim"} <= {item["kind"] for item in applied}
    assert needs(applied) == ["capability IPC_LOCK"]
    lab.kubectl("delete", "leaderworkersets.leaderworkerset.x-k8s.io", "-n", "inference", "--all", "--wait=false")
    if ours:
        lab.kubectl("delete", "crd", name, "--wait=false")


def test_removal_of_the_network_operator_takes_the_constraint(cluster: Cluster) -> None:
    done = cluster.network(plays=cluster.olm.collect, helm_component_state="absent")
    assert done.returncode == 0, done.stdout
    assert cluster.names("securitycontextconstraints", "-A") == []
    assert openshift.RDMA_SCC not in cluster.names("rolebindings", "-n", "inference")
    assert cluster.names("subscriptions.operators.coreos.com", "-n", NETWORK) == []


def test_n30_what_olm_cannot_do_is_said_with_what_to_do(cluster: Cluster) -> None:
    csv = f"{PACKAGE}.v26.7.0"
    broken = {"phase": "Failed", "reason": "InstallComponentFailed", "message": "no such SCC"}
    cluster.olm.status("clusterserviceversions", SPACE, csv, **broken)
    done = cluster.run(helm_component_wait_timeout=1)
    assert done.returncode == 2, done.stdout
    assert f"ClusterServiceVersion {SPACE}/{csv} failed: InstallComponentFailed: no such SCC" in done.stdout
    assert "OLM tries again" in done.stdout
    assert cluster.writes == []
    cluster.olm.status("clusterserviceversions", SPACE, csv, phase="Succeeded")


def test_n30_somebody_elses_subscription_is_adopted_and_not_changed(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    label = "app.kubernetes.io/managed-by"
    kind = "subscriptions.operators.coreos.com"
    cluster.lab.kubectl("label", kind, PACKAGE, "-n", SPACE, f"{label}=them", "--overwrite")
    record = cluster.lab.kubectl("get", "configmap", "-n", SPACE, "dynamo-multinode-gpu-operator", "-o", "json")
    cluster.lab.kubectl("delete", "configmap", "-n", SPACE, "dynamo-multinode-gpu-operator")

    def back() -> None:
        cluster.lab.kubectl("replace", "--force", "-f", "-", stdin=record)
        cluster.lab.kubectl("label", kind, PACKAGE, "-n", SPACE, f"{label}=dynamo.multinode", "--overwrite")

    request.addfinalizer(back)
    before = [item["metadata"]["resourceVersion"] for item in cluster.lab.get(kind, "-A")]
    done = cluster.run(helm_component_mode="auto")
    assert done.returncode == 0, done.stdout
    assert "it is used and not changed" in done.stdout
    assert [item["metadata"]["resourceVersion"] for item in cluster.lab.get(kind, "-A")] == before


def test_removal_takes_the_subscription_and_its_csv(cluster: Cluster) -> None:
    done = cluster.run(plays=cluster.olm.collect, helm_component_state="absent")
    assert done.returncode == 0, done.stdout
    assert cluster.names("subscriptions.operators.coreos.com", "-A") == []
    assert cluster.names("clusterserviceversions", "-A") == []
    assert cluster.names("operatorgroups", "-A") == []
    assert cluster.names("clusterpolicies.nvidia.com", "-A") == []
    assert cluster.names("nodefeaturediscoveries", "-A") == []
