# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What facts are made of: nodes, helm's own records, and which of them a component is."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts, releases
from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import pod_gpus

LEVELS = {"zone": "topology.kubernetes.io/zone", "rack": "topology.kubernetes.io/rack"}


def secret(name="lws", namespace="lws-system", revision=1, status="deployed", chart="lws", **body):
    content = {
        "name": name,
        "namespace": namespace,
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": chart, "version": "0.8.0", "appVersion": "v0.8.0"}},
        "config": {"replicaCount": 1},
        **body,
    }
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
    return {
        "metadata": {"name": f"sh.helm.release.v1.{name}.v{revision}", "namespace": namespace},
        "type": "helm.sh/release.v1",
        "data": {"release": packed},
    }


def deployment(image, namespace="lws-system", owner=None):
    notes = {"meta.helm.sh/release-name": owner, "meta.helm.sh/release-namespace": namespace} if owner else {}
    return {
        "metadata": {"name": "some-name", "namespace": namespace, "annotations": notes},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
    }


def identify(secrets=(), record=None, deployments=(), name="lws"):
    found = [releases.release(item) for item in secrets]
    return releases.identify(components.COMPONENTS[name], found, record, list(deployments))


RECORD = {"component": "lws", "origin": "provisioned", "release": "lws", "namespace": "lws-system"}


def test_a_release_is_read_out_of_its_secret():
    found = releases.release(secret())
    assert found["release"] == "lws"
    assert (found["chart_version"], found["app_version"], found["status"]) == ("0.8.0", "v0.8.0", "deployed")
    assert found["values"] == {"replicaCount": 1}


@pytest.mark.parametrize("data", [None, "", "!", base64.b64encode(b"bm90IGpzb24=").decode()])
def test_what_is_no_release_is_left_out(data):
    broken = secret()
    broken["data"] = {"release": data} if data is not None else {}
    assert releases.release(broken) is None
    assert releases.release({**secret(), "type": "Opaque"}) is None


def test_the_newest_revision_speaks():
    found = identify([secret(revision=10, status="pending-upgrade"), secret(revision=9)])
    assert (found["release_status"], found["revision"]) == ("pending-upgrade", 10)
    assert [item["status"] for item in found["release_secrets"]] == ["pending-upgrade", "deployed"]


def test_f66_definitions_that_helm_would_take_along():
    def manifest(*marks):
        documents = [
            f"apiVersion: v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}.example\n{mark}"
            for name, mark in zip("abc", marks, strict=False)
        ]
        return "\n---\n".join(documents)

    keep = '  annotations:\n    "helm.sh/resource-policy": keep\n'
    ours = secret(manifest=manifest(keep, keep))
    by_hand = secret(revision=2, manifest=manifest(keep, "", "  annotations: {}\n"))
    assert identify([ours], RECORD)["release_takes"] == []
    assert identify([ours, by_hand], RECORD)["release_takes"] == ["b.example", "c.example"]
    assert identify([ours, by_hand], RECORD)["release_crds"] == ["a.example", "b.example", "c.example"]
    assert identify([by_hand])["release_takes"] == []


def failed(*revisions):
    """Names of what is forgotten; revisions: (status, replicaCount)."""
    secrets = [
        secret(revision=number, status=status, config={"replicaCount": count})
        for number, (status, count) in enumerate(revisions, start=1)
    ]
    return [item["metadata"]["name"].rpartition(".v")[2] for item in identify(secrets, RECORD)["release_failed"]]


def test_f62_failed_runs_that_asked_for_the_same_are_forgotten():
    assert failed(("deployed", 1), ("failed", 2), ("failed", 1), ("failed", 1)) == ["4", "3"]
    # helm goes on by itself where something else failed
    assert failed(("deployed", 1), ("failed", 2), ("deployed", 1)) == []
    assert failed(("deployed", 1), ("failed", 1), ("pending-upgrade", 1)) == ["2"]
    assert failed(("deployed", 1)) == failed() == []


def test_f62_a_release_that_never_was_deployed_is_forgotten_whole():
    assert failed(("failed", 1), ("failed", 2)) == ["2", "1"]
    assert failed(("failed", 1), ("pending-upgrade", 2)) == ["1"]
    assert identify([secret(status="failed")])["release_failed"] == [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret()["metadata"]["name"], "namespace": "lws-system"},
        }
    ]


def test_nothing_there():
    found = identify()
    assert not found["present"]
    assert found["source"] is None


def test_plain_manifests_are_known_by_their_image_wherever_it_is_mirrored():
    found = identify(deployments=[deployment("mirror:5000/team/lws/lws:v0.7.0"), deployment("busybox")])
    assert (found["source"], found["namespace"], found["app_version"]) == ("manifests", "lws-system", "v0.7.0")


def test_the_deployments_of_a_release_are_no_second_install():
    found = identify([secret()], deployments=[deployment("lws/lws:v0.8.0", owner="lws")])
    assert found["source"] == "release"
    assert found["others"] == []


def test_two_installs_are_two():
    found = identify([secret(), secret(name="other", namespace="elsewhere")])
    assert found["release"] == "lws"
    assert [item["release"] for item in found["others"]] == ["other"]


def test_our_record_says_which_one_is_ours():
    found = identify([secret(name="a", namespace="a"), secret()], RECORD)
    assert found["release"] == "lws"
    assert [item["release"] for item in found["others"]] == ["a"]


def test_what_is_left_of_ours_is_no_second_install():
    found = identify([], RECORD, [deployment("lws/lws:v0.8.0", owner="lws")])
    assert not found["present"]
    assert found["others"] == []


def test_an_uninstalled_release_with_history_is_not_there():
    assert not identify([secret(status="uninstalled")])["present"]


def test_what_olm_brought_for_us_has_no_release_and_is_there():
    record = {**RECORD, "source": "olm", "release": "", "namespace": "lws-system", "version": "0.8.0"}
    found = identify([], record, [deployment("lws/lws@sha256:0")])
    assert (found["present"], found["source"], found["app_version"], found["others"]) == (
        True,
        "manifests",
        "0.8.0",
        [],
    )
    assert not identify([], record)["present"]


def test_what_an_interrupted_run_left_is_listed_without_what_helm_keeps():
    manifest = """---
apiVersion: v1
kind: Service
metadata: {name: service}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: definition}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  annotations:
    helm.sh/resource-policy: keep
"""
    hook = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, namespace: there}\n"
    found = identify([secret(status="pending-install", manifest=manifest, hooks=[{"manifest": hook}])], RECORD)
    assert found["release_objects"] == [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service", "namespace": "lws-system"}}
    ]
    assert found["release_hooks"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "hook", "namespace": "there"}}
    ]


def node(name="n1", gpus="8", **labels):
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"allocatable": {"nvidia.com/gpu": gpus}, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(*gpus, init=(), sidecars=(), on="n1"):
    def container(count, **more):
        return {"resources": {"limits": {"nvidia.com/gpu": str(count)}}, **more}

    first = [container(count) for count in init] + [container(count, restartPolicy="Always") for count in sidecars]
    return {"spec": {"nodeName": on, "containers": [container(count) for count in gpus], "initContainers": first}}


@pytest.mark.parametrize(
    ("one", "holds"),
    [(pod(2, 1), 3), (pod(2, init=(4,)), 4), (pod(2, init=(1,)), 2), (pod(2, sidecars=(1,)), 3), (pod(), 0)],
)
def test_gpus_that_a_pod_holds(one, holds):
    assert pod_gpus(one) == holds


def test_a_request_counts_before_a_limit():
    resources = {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "2"}}
    assert pod_gpus({"spec": {"containers": [{"resources": resources}]}}) == 1


def test_nodes_with_what_is_free_and_where_they_stand():
    labels = {"nvidia.com/gpu.product": "H100", "nvidia.com/gpu.memory": "81559", LEVELS["rack"]: "r1"}
    (one, two) = facts.nodes([node("n2"), node("n1", **labels)], [pod(2), pod(3), pod(1, on="other")], LEVELS)
    assert (one["name"], one["gpus"], one["gpus_free"]) == ("n1", 8, 3)
    assert (one["gpu_product"], one["gpu_memory_gib"], one["domains"]) == ("H100", 80, {"rack": "r1"})
    assert (two["name"], two["gpus_free"], two["gpu_memory_gib"], two["domains"]) == ("n2", 8, None, {})


def test_labels_that_we_applied_are_told_from_others():
    fields = {"f:metadata": {"f:labels": {"f:rack": {}}}}
    marked = node()
    marked["metadata"]["managedFields"] = [
        {"manager": "dynamo.multinode", "operation": "Apply", "fieldsV1": fields},
        {"manager": "dynamo.multinode", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:x": {}}}}},
        {"manager": "kubelet", "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": {"f:y": {}}}}},
    ]
    assert facts.nodes([marked], [], LEVELS)[0]["labels_ours"] == ["rack"]


def test_values_that_look_secret_are_not_shown():
    values = {
        "image": {"tag": "v1"},
        "adminPassword": "x",
        "auth": {"token": "y", "users": ["z"]},
        "empty": {"password": ""},
    }
    assert redacted(values) == {
        "image": {"tag": "v1"},
        "adminPassword": "***",
        "auth": {"token": "***", "users": ["***"]},
        "empty": {"password": ""},
    }


def test_what_is_published_holds_no_secret_and_no_internals():
    entry = {**identify([secret(config={"apiKey": "x"})], RECORD), "release_objects": [1]}
    shown = facts.published({"components": {"lws": entry}, "nodes": []})["components"]["lws"]
    assert shown["values"] == {"apiKey": "***"}
    assert not {"release_objects", "release_hooks", "release_secrets"} & set(shown)


def test_topology_bindings_and_what_they_refer_to():
    spec = {"levels": [{"domain": "rack", "key": "topology.kubernetes.io/rack"}]}
    status = {"schedulerName": "kai-scheduler", "topologyReference": "racks", "inSync": True}
    own = facts._binding(
        {"metadata": {"name": "racks"}, "spec": spec, "status": {"schedulerTopologyStatuses": [status]}}
    )
    assert own == {
        "name": "racks",
        "levels": spec["levels"],
        "schedulers": [{"scheduler": "kai-scheduler", "reference": "racks"}],
        "ours": False,
        "in_sync": True,
    }
    asked = [{"schedulerName": "kai-scheduler", "topologyReference": "ext"}]
    told = {"schedulerTopologyStatuses": [{**status, "topologyReference": "ext", "inSync": False}]}
    named = facts._binding(
        {"metadata": {"name": "racks"}, "spec": {**spec, "schedulerTopologyBindings": asked}, "status": told}
    )
    assert (named["schedulers"], named["in_sync"]) == ([{"scheduler": "kai-scheduler", "reference": "ext"}], False)
    assert facts._binding({"metadata": {"name": "new"}}) == {
        "name": "new",
        "levels": [],
        "schedulers": [],
        "ours": False,
        "in_sync": None,
    }
