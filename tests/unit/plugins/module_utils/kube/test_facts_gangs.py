# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queues, shards, topologies, webhooks and what is in queues: plain data out of objects."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import ApiError

OURS = {"app.kubernetes.io/managed-by": "dynamo.multinode"}


def test_kai_in_its_own_words():
    shard = {"metadata": {"name": "default"}, "spec": {"args": {"default-staleness-grace-period": "-1s"}}}
    other = {"metadata": {"name": "h100"}, "spec": {"partitionLabelValue": "h100"}}
    topology = {
        "metadata": {"name": "racks", "ownerReferences": [{"kind": "ClusterTopologyBinding", "name": "racks"}]},
        "spec": {"levels": [{"nodeLabel": "rack"}]},
    }
    config = {"metadata": {"name": "kai-config"}, "spec": {"global": {"nodePoolLabelKey": "pools"}}}
    found = facts_gangs.kai({"kai_shards": [shard, other], "kai_topologies": [topology], "kai_configs": [config]})
    assert found == {
        "node_pool_key": "pools",
        "shards": [
            {"name": "default", "pool": "", "staleness": "-1s"},
            {"name": "h100", "pool": "h100", "staleness": None},
        ],
        "topologies": [{"name": "racks", "levels": ["rack"], "ours": False, "owner": "ClusterTopologyBinding racks"}],
    }
    assert facts_gangs.kai({})["node_pool_key"] == "kai.scheduler/node-pool"


def test_queues_that_hold_something():
    kai = {"metadata": {"name": "a", "labels": OURS}, "spec": {"parentQueue": "b", "resources": {"gpu": {"quota": 8}}}}
    assert facts_gangs.kai_queue(kai) == {
        "name": "a",
        "parent": "b",
        "quota": 8,
        "limit": None,
        "weight": None,
        "labels": OURS,
        "ours": True,
        "held": False,
    }
    assert facts_gangs.kai_queue({**kai, "status": {"allocated": {"nvidia.com/gpu": "8"}}})["held"]
    assert facts_gangs.kai_queue({**kai, "status": {"requested": {"cpu": "100m"}}})["held"]
    assert not facts_gangs.kai_queue({**kai, "status": {"allocated": {"cpu": "0"}}})["held"]
    volcano = {"metadata": {"name": "a"}, "spec": {"parent": "root"}, "status": {"state": "Open"}}
    assert facts_gangs.volcano_queue(volcano)["held"] is False
    assert facts_gangs.volcano_queue({**volcano, "status": {"inqueue": 1}})["held"] is True
    assert facts_gangs.volcano_queue({**volcano, "status": {"allocated": {"pods": "4"}}})["held"] is True


def test_webhooks_through_which_every_pod_passes():
    def configuration(namespace="kai", policy="Fail", resources=("pods",), **selectors):
        service = {"name": "admission", "namespace": namespace}
        hook = {"clientConfig": {"service": service}, "failurePolicy": policy, "rules": [{"resources": [*resources]}]}
        return {"metadata": {"name": "kai-admission"}, "webhooks": [{**hook, **selectors}]}

    def found(*configurations):
        return facts_gangs._pod_webhooks(configurations, "kai")

    assert found(configuration()) == [{"name": "kai-admission", "service": "admission", "scoped": False}]
    assert found(configuration(namespaceSelector={"matchLabels": {"a": "b"}}))[0]["scoped"]
    assert found(configuration(policy="Ignore"), configuration("other"), configuration(resources=["queues"])) == []


class Listed:
    """A client that has only lists."""

    def __init__(self, **objects):
        self.objects = objects

    def list(self, api_version, kind, namespace=None, label_selector=None):
        items = self.objects.get(f"{api_version.split('/')[0].split('.')[0]}_{kind}", [])
        return [item for item in items if not label_selector or label_selector in item["metadata"].get("labels", {})]

    @staticmethod
    def map(run, items):
        return [run(item) for item in items]


def named(name, **more):
    return {"metadata": {"name": name, "namespace": "ns", **more.pop("meta", {})}, **more}


def test_what_is_in_the_queues():
    label = {"labels": {"kai.scheduler/queue": "a"}}
    client = Listed(
        scheduling_PodGroup=[named("group", spec={"queue": "a"}), named("bare")],
        v1_Pod=[named("p", meta=label), named("done", meta=label, status={"phase": "Succeeded"}), named("other")],
    )
    found = facts_gangs.users(client)
    assert found["kai"]["a"] == ["PodGroup ns/group", "Pod ns/p"]
    assert found["volcano"] == {"a": ["PodGroup ns/group"], "default": ["PodGroup ns/bare"]}


def test_what_is_packed_by_a_topology():
    group = {"topologyConstraint": {"topologyName": "racks", "pack": {"required": "rack"}}}
    client = Listed(
        grove_PodCliqueSet=[
            named("set", spec={"template": {"podCliqueScalingGroups": [group]}}),
            named("free", spec={}),
        ],
        nvidia_DynamoGraphDeployment=[named("graph", spec={"topologyConstraint": {"clusterTopologyName": "racks"}})],
        scheduling_PodGroup=[named("group", spec={"subGroups": [{"topologyConstraint": {"topology": "zones"}}]})],
    )
    assert facts_gangs.packed(client) == {
        "racks": ["DynamoGraphDeployment ns/graph", "PodCliqueSet ns/set"],
        "zones": ["PodGroup ns/group"],
    }


class Forbidden:
    """A client that may read nothing."""

    def list(self, *_what, **_selectors):
        raise ApiError(403, "Forbidden", "no")

    map = staticmethod(Listed.map)


def test_f68_queues_of_a_release_that_hold_something():
    hooks = [
        {"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": {"name": name}}
        for name in ("top", "middle", "dynamo", "idle")
    ]
    hooks.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "other"}})
    queues = [
        named("dynamo", spec={"parentQueue": "middle"}),
        named("middle", spec={"parentQueue": "top"}),
        named("theirs", spec={"parentQueue": "top"}),
        named("idle", spec={"parentQueue": "top"}),
        named("elsewhere", spec={"parentQueue": "other"}),
    ]
    pod = named("a", meta={"labels": {"kai.scheduler/queue": "dynamo"}}, status={"phase": "Running"})
    assert facts_gangs.used_queues(Listed(scheduling_Queue=queues, v1_Pod=[pod]), hooks) == {
        "dynamo": ["Pod ns/a"],
        "top": ["Queue middle", "Queue theirs"],
        "middle": ["Queue dynamo"],
    }
    assert facts_gangs.used_queues(Listed(scheduling_Queue=queues), hooks) == {"top": ["Queue theirs"]}
    assert facts_gangs.used_queues(Listed(scheduling_Queue=queues[3:]), hooks) == {}
    # What may not be read is no reason to delete; where there is no queue, nothing is read
    assert set(facts_gangs.used_queues(Forbidden(), hooks)) == {"top", "middle", "dynamo", "idle"}
    assert facts_gangs.used_queues(Forbidden(), hooks[-1:]) == {}
