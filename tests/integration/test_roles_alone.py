# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every role alone: from the installed artifact, in somebody else's playbook, with variables of its own prefix only.

Each role runs on a host of its own, so that nothing that another role left behind can help it out; those that put
something on the cluster run as an account that has docs/permissions/platform.yml and viewer.yml, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client, Watch
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import remove

from lab import small_charts
from lab.handle import Lab
from lab.layout import CLONE
from tests.integration.kube_objects import widget_crd
from tests.integration.test_permissions import UPSTREAM_GROUPS, Right, account, grant, rights, used
from tests.unit.plugins.module_utils.recorded_hosts import Host
from tools.artifact import build
from tools.bootstrap import LOCAL

ROLES = sorted(path.name for path in (CLONE / "roles").iterdir() if path.is_dir())
# Installed by charts of ours that carry upstream's definitions: not without the upstream data
STANDINS = {
    "gpu_operator": "gpu-operator",
    "network_operator": "network-operator",
    "kai_scheduler": "kai-scheduler",
    "grove": "grove-charts",
    "dynamo_platform": "dynamo-platform",
}
# Roles that put nothing on the cluster that could be removed, and take no part in the second playbook
ONCE = ("preflight", "verify", "helm_component")
NETWORKS = {
    "rdma_shared": [{"resource": "ib", "link_types": ["infiniband"], "device_ids": ["1021"]}],
    "host_device": [
        {"name": "rails", "namespace": "default", "resource": "hostdev", "ipam": "rails", "device_ids": ["1021"]}
    ],
    "ipoib": [{"name": "ibs0", "namespace": "kube-public", "master": "ibs1f0", "ipam": "rails"}],
    "macvlan": [{"name": "eth0", "master": "ens2f0", "mtu": 9000, "ipam": {"type": "static"}}],
    "ip_pools": [{"name": "rails", "subnet": "192.168.0.0/16", "per_node_block_size": 64, "gateway": "192.168.0.1"}],
}
WORKLOAD = {
    "name": "alone",
    "namespace": "alone",
    "backend": "vllm",
    "model": "meta-llama/Llama-3.1-405B-Instruct-FP8",
    "image": "vllm/vllm-openai:v0.31.0",
    "components": [{"name": "worker", "role": "worker", "node_count": 2, "gpus_per_node": 8}],
}

CONTAINER = {"name": "main", "image": "example.com/job:1.0.0"}


def variables(lab: Lab, platform: dict[str, Any], machine: Host, *, standins: bool) -> dict[str, dict[str, Any]]:
    """By role, in the order in which they run, the variables that somebody sets who uses only this one."""
    helm = str(lab.root / "bin" / "helm")
    here = {"kubeconfig": str(lab.kubeconfig)}
    engine = {"orchestrator": "lws", "scheduler": "volcano", "workload_api": "native"}
    fleet = [{"name": f"gpu-{rack}-{number}", "gpu_count": 8} for rack in "ab" for number in range(1, 5)]
    own: dict[str, dict[str, Any]] = {
        "gpu_host": {"root": str(machine.root), "command_path": [str(machine.commands)], "driver": "operator"},
        "gpu_operator": {"mode": "provision"},
        "network_operator": {"mode": "provision", **NETWORKS},
        "kai_scheduler": {"mode": "provision", "orchestrator": "grove"},
        "grove": {"mode": "provision", "orchestrator": "grove"},
        "queues": {
            "list": [{"name": "root-serving"}, {"name": "serving", "parent": "root-serving", "gpu": {"quota": 8}}],
            "scheduler": "kai",
        },
        "dynamo_platform": {"mode": "provision", "orchestrator": "grove"},
        "volcano": {"chart": str(lab.chart("volcano"))},
        "helm_component": {"name": "volcano", "chart": str(lab.chart("volcano"))},
        "lws": {"chart": str(lab.chart("lws"))},
        "topology": {"write": True, "levels": {"row": "alone.example/row"}, "machines": [{**fleet[0], "row": "r1"}]},
        "preflight": {**engine, "workloads": [WORKLOAD], "machines": fleet},
        "workloads": {**engine, "list": [WORKLOAD], "machines": fleet, "auth": here},
        "verify": {**engine, "workloads": [WORKLOAD], "machines": fleet, "auth": here},
    }
    for role, chart in STANDINS.items():
        if standins:
            own[role]["chart"] = str(lab.standin(chart))
        else:
            del own[role]
    if not standins:
        own["queues"] = {"list": [{"name": "serving", "gpu": {"quota": 8}}], "scheduler": "volcano"}
        own = {role: own[role] for role in ("gpu_host", "volcano", "queues")} | own
    for role, given in own.items():
        spec = yaml.safe_load((CLONE / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        known = spec["argument_specs"]["main"]["options"]
        for name, value in (("auth", platform), ("helm_binary", helm)):
            if f"{role}_{name}" in known:
                given.setdefault(name, value)
    return {role: {f"{role}_{name}": value for name, value in given.items()} for role, given in own.items()}


# What an install does not do and an upgrade does, what the API server checks inside a create, and what a wait does only
# where its first look still finds something: test_the_platform_team_may_watch_what_goes
UNSEEN = ("patch", "escalate", "bind", "watch")
PLATFORM_IDLE = {
    # only with multinode_remove_crds
    Right("apiextensions.k8s.io", "customresourcedefinitions", "delete"),
    # only to explain a claim that waits
    Right("storage.k8s.io", "storageclasses", "list"),
    # NFD's workers: upstream's charts have them, ours of the same names do not
    *(Right("apps", "daemonsets", verb) for verb in ("get", "create", "delete")),
    # KAI's shards go with its Config, or by helm
    Right("kai.scheduler", "schedulingshards", "delete"),
    # only where the GPU operator's drivers are NVIDIADrivers of ours
    *(Right("nvidia.com", "nvidiadrivers", verb) for verb in ("create", "delete")),
    # only where KAI packs by a topology of ours
    *(Right("kai.scheduler", "topologies", verb) for verb in ("create", "delete")),
    *(Right("grove.io", "clustertopologybindings", verb) for verb in ("create", "delete")),
}
# Only where there are virtual functions, and on OpenShift
ELSEWHERE = ("sriovnetwork.openshift.io", "operators.coreos.com", "nfd.openshift.io", "security.openshift.io")


class Foreign:
    """A folder with somebody's playbooks, beside nothing but the installed collections."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        (folder / "ansible_collections").mkdir()
        kubernetes = LOCAL / "collections" / "ansible_collections" / "kubernetes"
        (folder / "ansible_collections" / "kubernetes").symlink_to(kubernetes.resolve())
        (folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        plain = {key: value for key, value in env.items() if "KUBECONFIG" not in key and key != "LAB_DIR"}
        here = {"ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}
        self.env = {**plain, **here}
        self.run("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(folder), str(build(folder)))

    def run(self, *words: str) -> str:
        argv = [str(Path(sys.executable).parent / words[0]), *words[1:]]
        ran = subprocess.run(argv, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
        return ran.stdout

    def play(self, roles: dict[str, dict[str, Any]], *options: str) -> str:
        hosts = {role: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable} for role in roles}
        plays = [
            {
                "name": f"Only {role}",
                "hosts": role,
                "gather_facts": False,
                "tasks": [{"include_role": {"name": f"dynamo.multinode.{role}"}, "vars": given}],
            }
            for role, given in roles.items()
        ]
        for name, content in (("inventory.yml", {"all": {"hosts": hosts}}), ("play.yml", plays)):
            (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return self.run("ansible-playbook", "-i", "inventory.yml", "play.yml", *options)


def recap(told: str) -> dict[str, int]:
    """How much each host changed."""
    rows = told.partition("PLAY RECAP")[2].splitlines()[1:]
    return {row.split()[0]: int(row.split("changed=")[1].split()[0]) for row in rows if "changed=" in row}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    return Foreign(tmp_path_factory.mktemp("elsewhere"), dict(os.environ))


@pytest.fixture(scope="module")
def standins() -> bool:
    return small_charts.upstream() is not None


def test_each_role_alone_with_the_rights_of_the_platform_team(
    make_lab: Callable[..., Lab], foreign: Foreign, tmp_path: Path, standins: bool
) -> None:
    lab = make_lab()
    lab.kubectl("create", "namespace", "automation")
    who = account(lab, "automation", tmp_path)
    grant(lab, who, "viewer")
    grant(lab, who, "platform")
    roles = variables(lab, who.auth, Host(tmp_path / "machine"), standins=standins)
    assert sorted(roles) == (ROLES if standins else sorted(set(ROLES) - set(STANDINS)))
    mark = lab.mark()
    changed = recap(foreign.play(roles))
    assert {role for role, count in changed.items() if count == 0} == {"gpu_host", *ONCE}
    assert lab.get("-n", "alone", "leaderworkerset", "alone-worker")["status"]["readyReplicas"] == 1

    gone = {role: {**given, f"{role}_state": "absent"} for role, given in reversed(roles.items()) if role not in ONCE}
    foreign.play(gone)
    left = {item["metadata"]["name"] for item in lab.get("namespaces") if item["status"]["phase"] == "Active"}
    assert left == {"automation", "default", "kube-node-lease", "kube-public", "kube-system"}

    done, denied = used(lab, mark, who)
    assert denied == set()
    held = rights("platform") | rights("viewer")
    listed = {right for right in done if right.verb == "list"}
    assert "\n".join(" ".join(right) for right in sorted(done - listed - held)) == ""
    absent = ELSEWHERE if standins else UPSTREAM_GROUPS
    idle = {
        right for right in held - done - PLATFORM_IDLE if right.verb not in UNSEEN and right.group not in ("*", *absent)
    }
    idle = {right for right in idle if right.group not in UPSTREAM_GROUPS or right.verb != "get"}
    if standins:  # its queues are KAI's; those of Volcano are made without the data
        idle = {right for right in idle if (right.group, right.resource) != ("scheduling.volcano.sh", "queues")}
    else:
        idle = {right for right in idle if right.resource != "priorityclasses"}
        # Nothing in this run asks for a queue by its name
        idle -= {Right("scheduling.volcano.sh", "queues", "get")}
    assert "\n".join(" ".join(right) for right in sorted(idle)) == ""


def held_objects(name: str) -> list[dict[str, Any]]:
    """One of each kind that the lab serves and the platform team may watch, held until its finalizer is taken away."""
    suspended = {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": "default"},
            "spec": suspended,
        },
        {
            "apiVersion": "scheduling.volcano.sh/v1beta1",
            "kind": "Queue",
            "metadata": {"name": name},
            "spec": {"weight": 1},
        },
        widget_crd(f"{name}.example.com"),
    ]
    for one in objects:
        one["metadata"]["finalizers"] = ["tests.example.com/held"]
    return objects


def test_the_platform_team_may_watch_what_goes(
    gang_lab: Lab, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = account(gang_lab, namespace, tmp_path)
    grant(gang_lab, who, "viewer")
    grant(gang_lab, who, "platform")
    objects = held_objects(namespace.replace("t-", "held-"))
    gang_lab.apply(*objects)
    real = Client.watch

    def watch(self: Client, api_version: str, kind: str, *args: Any, **options: Any) -> Watch:
        """The watch is open: what it waits for may go."""
        opened = real(self, api_version, kind, *args, **options)
        meta = next(one["metadata"] for one in objects if one["kind"] == kind)
        where = ["-n", meta["namespace"]] if "namespace" in meta else []
        gang_lab.kubectl(
            *where, "patch", kind, meta["name"], "--type=merge", "-p", '{"metadata": {"finalizers": null}}'
        )
        return opened

    monkeypatch.setattr(Client, "watch", watch)
    mark = gang_lab.mark()
    results = remove(Client.from_params(who.auth), objects)
    assert [(result.kind, result.action, result.error) for result in results] == [
        (one["kind"], "deleted", None) for one in objects
    ]
    done, denied = used(gang_lab, mark, who)
    assert denied == set()
    watched = {right for right in done if right.verb == "watch"}
    assert watched == {
        right for right in rights("platform") if right.verb == "watch" and right.group not in UPSTREAM_GROUPS
    }


def test_teardown_needs_the_rights_of_the_platform_team_and_of_the_tenant(
    gang_lab: Lab, namespace: str, foreign: Foreign, tmp_path: Path
) -> None:
    """What the lab's own helm installed is nobody's of ours, and stays."""
    who = account(gang_lab, namespace, tmp_path)
    grant(gang_lab, who, "viewer")
    grant(gang_lab, who, "platform")
    given: dict[str, Any] = {
        "multinode_auth": who.auth,
        "multinode_orchestrator": "lws",
        "multinode_scheduler": "volcano",
        "multinode_workload_api": "native",
        "multinode_workloads": [{**WORKLOAD, "namespace": namespace}],
        "ansible_python_interpreter": sys.executable,
    }
    nodes = {f"gpu-a-{number}": {"multinode_node": {"gpu_count": 8}} for number in range(1, 5)}
    admin = {**given, "multinode_auth": {"kubeconfig": str(gang_lab.kubeconfig)}}
    for name, known in (("both", given), ("admin", admin)):
        inventory = {"all": {"vars": known, "children": {"gpu_nodes": {"hosts": nodes}}}}
        (foreign.folder / f"{name}.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    teardown = ("ansible-playbook", "-i", "both.yml", "dynamo.multinode.teardown")
    try:
        foreign.run("ansible-playbook", "-i", "admin.yml", "dynamo.multinode.rollout")
        # Or to watch what it could delete, which is gone before that if the collector is quick
        with pytest.raises(AssertionError, match=r"cannot (delete|watch) resource"):
            foreign.run(*teardown)
        grant(gang_lab, who, "tenant", namespace)
        mark = gang_lab.mark()
        foreign.run(*teardown)
        assert gang_lab.get("-n", namespace, "leaderworkersets") == []
    finally:
        gang_lab.kubectl("delete", "-n", namespace, "leaderworkerset", "--all", "--cascade=foreground")
    done, denied = used(gang_lab, mark, who)
    assert denied == set()
    listed = {right for right in done if right.verb == "list"}
    assert done - listed <= rights("platform") | rights("viewer") | rights("tenant")


def test_a_tenant_runs_rollout_with_rights_in_its_namespace_only(
    gang_lab: Lab, namespace: str, foreign: Foreign, tmp_path: Path
) -> None:
    who = account(gang_lab, namespace, tmp_path)
    grant(gang_lab, who, "tenant", namespace)
    served = {**WORKLOAD, "namespace": namespace}
    given = {
        "multinode_auth": who.auth,
        "multinode_orchestrator": "lws",
        "multinode_scheduler": "volcano",
        "multinode_workload_api": "native",
        "multinode_workloads": [served],
        "ansible_python_interpreter": sys.executable,
    }
    nodes = {f"gpu-a-{number}": {"multinode_node": {"gpu_count": 8}} for number in range(1, 5)}
    inventory = {"all": {"vars": given, "children": {"gpu_nodes": {"hosts": nodes}}}}
    (foreign.folder / "tenant.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    rollout = ("ansible-playbook", "-i", "tenant.yml", "dynamo.multinode.rollout")
    mark = gang_lab.mark()
    try:
        assert recap(foreign.run(*rollout)) == {"localhost": 1}
        assert recap(foreign.run(*rollout)) == {"localhost": 0}
        assert gang_lab.get("-n", namespace, "leaderworkerset", "alone-worker")["status"]["readyReplicas"] == 1
    finally:
        gang_lab.kubectl("delete", "-n", namespace, "leaderworkerset", "--all", "--cascade=foreground")
    done, denied = used(gang_lab, mark, who)
    assert done <= rights("tenant")
    assert {right.verb for right in denied} <= {"get", "list"}, "only questions whose answer would be more complete"
