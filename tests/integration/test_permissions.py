# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles in docs/permissions suffice, and no right in them is idle: the audit log says what was used.

platform.yml: test_roles_alone.py.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.rollout import roll_out

from lab.handle import Lab
from lab.layout import CLONE
from lab.replay import Replay, definitions
from tests.integration.test_workload_module import absent, until_refused, workload
from tests.unit.plugins.module_utils.recorded import UPSTREAM

PERMISSIONS = CLONE / "docs" / "permissions"
MACHINES = [{"name": f"m{number}", "gpu_count": 8} for number in range(9)]
# Whose definitions are upstream's data, or OpenShift's
UPSTREAM_GROUPS = (
    *("nvidia.com", "grove.io", "scheduler.grove.io", "resource.nvidia.com", "scheduling.run.ai", "kai.scheduler"),
    *("mellanox.com", "nv-ipam.nvidia.com", "sriovnetwork.openshift.io", "nfd.k8s-sigs.io"),
    *("operators.coreos.com", "nfd.openshift.io", "security.openshift.io"),
)


class Right(NamedTuple):
    group: str
    resource: str
    verb: str


class Account(NamedTuple):
    """A ServiceAccount of the lab, and how it logs in."""

    user: str
    auth: dict[str, str]


def rights(name: str) -> set[Right]:
    role = yaml.safe_load((PERMISSIONS / f"{name}.yml").read_text(encoding="utf-8"))
    return {
        Right(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def account(lab: Lab, namespace: str, folder: Path) -> Account:
    """A new ServiceAccount without any right."""
    name = f"deployer-{uuid.uuid4().hex[:6]}"
    lab.kubectl("-n", namespace, "create", "serviceaccount", name)
    cluster = yaml.safe_load(lab.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    authority = cluster.get("certificate-authority")
    if not authority:
        authority = str(folder / "ca.pem")
        Path(authority).write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    auth = {
        "host": cluster["server"],
        "api_key": lab.kubectl("-n", namespace, "create", "token", name).strip(),
        "ca_cert": authority,
    }
    return Account(f"system:serviceaccount:{namespace}:{name}", auth)


def grant(lab: Lab, who: Account, role: str, namespace: str = "") -> None:
    """Applies the role as docs/permissions has it and binds it, in one namespace or (ClusterRole) everywhere."""
    *_, owner, name = who.user.split(":")
    kind = "role" if namespace else "clusterrole"
    where = ["-n", namespace] if namespace else []
    lab.kubectl(*where, "apply", "-f", str(PERMISSIONS / f"{role}.yml"))
    lab.kubectl(
        *where,
        "create",
        f"{kind}binding",
        f"{role}-{name}",
        f"--{kind}=dynamo-multinode-{role}",
        f"--serviceaccount={owner}:{name}",
    )


def used(lab: Lab, since: int, who: Account) -> tuple[set[Right], set[Right]]:
    """What the account did, and what it was refused; discovery is everybody's."""
    done: set[Right] = set()
    refused: set[Right] = set()
    for event in lab.audit(since, user=who.user):
        target = event.get("objectRef") or {}
        if not target.get("resource") or target["resource"] == "selfsubjectaccessreviews":
            continue
        resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
        right = Right(target.get("apiGroup", ""), resource, event["verb"])
        code = (event.get("responseStatus") or {}).get("code")
        # A webhook's 403 is no lack of rights
        forbidden = (event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"
        (refused if code == 403 and forbidden else done).add(right)
        if code == 201 and event["verb"] == "patch":
            # A server-side apply that creates is authorised as both
            done.add(right._replace(verb="create"))
    return done, refused


def roll(who: Account, *workloads: dict[str, Any], check: bool = False, wait: bool = True, **options: Any) -> Answer:
    params = {
        "workloads": list(workloads),
        "machines": MACHINES,
        "orchestrator": "lws",
        "scheduler": "volcano",
        "workload_api": "native",
        "wait": wait,
        "wait_timeout": None,
        "force_conflicts": False,
        "create_namespaces": True,
        **options,
    }
    return roll_out(Client.from_params(who.auth), params, check=check)


@pytest.fixture
def tenant(gang_lab: Lab, namespace: str, tmp_path: Path) -> Iterator[tuple[Account, str]]:
    who = account(gang_lab, namespace, tmp_path)
    grant(gang_lab, who, "tenant", namespace)
    yield who, namespace
    gang_lab.kubectl("delete", "-n", namespace, "leaderworkerset", "--all", "--cascade=foreground")


def test_a_tenant_needs_nothing_outside_its_namespace(gang_lab: Lab, tenant: tuple[Account, str]) -> None:
    who, namespace = tenant
    served = workload(namespace)
    served["components"][0]["engine_config"] = {"max-num-seqs": 256}
    mark = gang_lab.mark()
    assert roll(who, served, check=True).failure is None
    first = roll(who, served)
    assert (first.failure, first.result["workloads"][0]["ready"]) == (None, True)
    second = roll(who, served)
    assert (second.failure, second.result["changed"]) == (None, False)
    changed = roll(who, {**served, "env": {"NCCL_DEBUG": "INFO"}}, wait=False)
    assert (changed.failure, changed.result["changed"]) == (None, True)
    waits = {"scheduled": "3s", "ready": "5s"}
    wide = workload(namespace, "wide", node_count=9, gpus_per_node=8, timeouts=waits)
    roll(who, served, wide, wait=False)
    until_refused(gang_lab, namespace, "wide", 9)
    refused = roll(who, served, wide)
    assert "9 of 9 ranks are not scheduled" in str(refused.failure)
    assert "(MN-F52), so that it is not known where 8 GPUs are free" in str(refused.failure)
    cache = {"type": "pvc", "claim": "models", "create": True, "size": "1Gi"}
    assert roll(who, workload(namespace, "cached", model_cache=cache), wait=False).failure is None
    gone = roll(who, *(absent(namespace, name) for name in ("llama", "wide", "cached")))
    assert gone.failure is None

    done, denied = used(gang_lab, mark, who)
    assert {right.verb for right in denied} <= {"get", "list"}, "only questions whose answer would be more complete"
    held = {right for right in rights("tenant") if right.group not in UPSTREAM_GROUPS}
    assert done <= held
    assert held - done - IDLE == set()


# The Dynamo operator's and Grove's own kinds: upstream's definitions, on an API server without controllers
GROVE_GROUPS = ("nvidia.com", "grove.io", "resource.nvidia.com")
COMPUTE_DOMAINS = "gpu-operator/resource.nvidia.com_computedomains"


@pytest.mark.parametrize("api", ["dynamo", "native"])
def test_a_tenant_of_the_other_stack_needs_nothing_else(stage: Replay, tmp_path: Path, api: str) -> None:
    lab, namespace = stage.lab, f"t-{uuid.uuid4().hex[:8]}"
    stage.define(definitions(UPSTREAM / "crds", (COMPUTE_DOMAINS,)))
    stage.namespace(namespace)
    who = account(lab, namespace, tmp_path)
    grant(lab, who, "tenant", namespace)
    choice: dict[str, Any] = {"orchestrator": "grove", "scheduler": "kai", "workload_api": api}
    served = workload(namespace, gpus_per_node=8, queue="dynamo", compute_domain={"create": True, "num_nodes": 2})
    mark = lab.mark()
    assert roll(who, served, check=True, wait=False, **choice).failure is None
    first = roll(who, served, wait=False, **choice)
    assert (first.failure, first.result["changed"]) == (None, True)
    kind = "dynamographdeployments" if api == "dynamo" else "podcliquesets"
    there = lab.kubectl("-n", namespace, "get", f"{kind},computedomains", "-o", "name").split()
    assert {name.split(".")[0] for name in there} == {kind[:-1], "computedomain"}
    second = roll(who, served, wait=False, **choice)
    assert (second.failure, second.result["changed"]) == (None, False)
    stuck = roll(who, {**served, "timeouts": {"scheduled": "1s", "ready": "1s"}}, **choice)
    assert stuck.failure is not None, "nobody acts here; why, is looked for in all that a tenant may read"
    gone = roll(who, absent(namespace), wait=False, **choice)
    assert (gone.failure, gone.result["changed"]) == (None, True)

    done, denied = used(lab, mark, who)
    assert {right.verb for right in denied} <= {"get", "list"}
    held = rights("tenant")
    assert done <= held
    other = {"dynamographdeployments", "podcliquesets"} - {kind}
    stack = {right for right in held if right.group in UPSTREAM_GROUPS and right.resource not in other}
    # The definition of scaling groups is not on this API server; nobody waits for a ComputeDomain by itself, and single
    # objects are asked for only where a list is refused
    idle = {right for right in stack - done if not right.resource.startswith("podcliquescalinggroups")}
    assert idle == {
        Right("resource.nvidia.com", "computedomains", "watch"),
        *(right for right in stack if right.verb == "get"),
    }


# Rights that this test does not use, each with its reason
IDLE = {
    # a claim is data: it is made, read, and deleted only with remove_claims
    Right("", "persistentvolumeclaims", "delete"),
    Right("", "persistentvolumeclaims", "watch"),
    # read one by one where a list is refused or a single object is asked for
    *(Right("", resource, "get") for resource in ("services", "configmaps", "persistentvolumeclaims")),
    Right("leaderworkerset.x-k8s.io", "leaderworkersets", "get"),
    # a crashed container's last words: test_diagnosis.py
    Right("", "pods/log", "get"),
}


@pytest.mark.parametrize("verb", ["create", "patch", "list", "watch"])
def test_without_one_right_the_run_names_it(gang_lab: Lab, namespace: str, tmp_path: Path, verb: str) -> None:
    who = account(gang_lab, namespace, tmp_path)
    grant(gang_lab, who, "tenant", namespace)
    role = gang_lab.get("-n", namespace, "role", "dynamo-multinode-tenant")
    for rule in role["rules"]:
        if "leaderworkersets" in rule["resources"]:
            rule["verbs"].remove(verb)
    gang_lab.kubectl("-n", namespace, "replace", "-f", "-", stdin=json.dumps(role))
    try:
        answer = roll(who, workload(namespace))
        told = f"{answer.failure} {answer.result.get('warnings', '')}"
    except Exception as error:
        told = str(error)
    finally:
        gang_lab.kubectl("delete", "-n", namespace, "leaderworkerset", "--all", "--cascade=foreground")
    assert ("leaderworkersets" in told and f'"{verb}"' in told) or f"cannot {verb}" in told
