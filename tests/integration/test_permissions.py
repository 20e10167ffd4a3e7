# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles in docs/permissions suffice, and no right in them is idle: the audit log says what was used."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import Answer
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.rollout import roll_out

from lab.handle import Lab
from lab.layout import CLONE
from tests.integration.test_workload_module import absent, workload

PERMISSIONS = CLONE / "docs" / "permissions"
MACHINES = [{"name": f"m{number}", "gpu_count": 8} for number in range(9)]
UPSTREAM_GROUPS = ("nvidia.com", "grove.io", "scheduler.grove.io", "resource.nvidia.com", "scheduling.run.ai")


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
        (refused if code == 403 else done).add(right)
        if code == 201 and event["verb"] == "patch":
            # A server-side apply that creates is authorised as both
            done.add(right._replace(verb="create"))
    return done, refused


def roll(who: Account, *workloads: dict[str, Any], check: bool = False, wait: bool = True) -> Answer:
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
    refused = roll(who, served, workload(namespace, "wide", node_count=9, gpus_per_node=8, timeouts=waits))
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


# Rights that this test does not use, each with its reason
IDLE = {
    # a claim is data: it is made, read, and never deleted; somebody with `apply` and state absent may want to
    Right("", "persistentvolumeclaims", "delete"),
    Right("", "persistentvolumeclaims", "watch"),
    # read one by one where a list is refused or a single object is asked for
    *(Right("", resource, "get") for resource in ("services", "configmaps", "persistentvolumeclaims")),
    Right("leaderworkerset.x-k8s.io", "leaderworkersets", "get"),
    # a crashed container's last words; the lab runs no containers
    Right("", "pods/log", "get"),
}


# What an install does not do and an upgrade does, and what the API server checks inside a create
UNSEEN = ("patch", "escalate", "bind")
PLATFORM_IDLE = {
    # only with multinode_remove_crds
    *(Right("apiextensions.k8s.io", "customresourcedefinitions", verb) for verb in ("delete", "watch")),
    # only to explain a claim that waits
    Right("storage.k8s.io", "storageclasses", "list"),
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


def test_the_platform_team_needs_what_its_role_says(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab()
    lab.kubectl("create", "namespace", "automation")
    who = account(lab, "automation", tmp_path)
    grant(lab, who, "viewer")
    grant(lab, who, "platform")
    mark = lab.mark()
    extra = {"multinode_auth": who.auth, "multinode_topology_write": True, "multinode_remove_crds": False}
    given = tmp_path / "who.json"
    given.write_text(json.dumps(extra), encoding="utf-8")
    # Nothing but the account's token: no other identity may help it out
    plain = {key: value for key, value in lab.env().items() if "KUBECONFIG" not in key}
    for playbook in ("bootstrap", "teardown"):
        ran = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                "-i",
                str(CLONE / "inventories" / "lab"),
                "-e",
                f"@{given}",
                str(CLONE / "playbooks" / f"{playbook}.yml"),
            ],
            env={**plain, "LAB_DIR": str(lab.root)},
            capture_output=True,
            text=True,
            check=False,
            cwd=CLONE,
        )
        assert ran.returncode == 0, f"{playbook}: {ran.stdout[-3000:]}{ran.stderr[-2000:]}"
    done, denied = used(lab, mark, who)
    assert denied == set()
    held = {right for right in rights("platform") | rights("viewer") if right.group not in UPSTREAM_GROUPS}
    listed = {right for right in done if right.verb == "list"}
    assert done - listed <= held
    idle = {right for right in held - done if right.verb not in UNSEEN and right.group != "*"}
    assert "\n".join(" ".join(right) for right in sorted(idle - PLATFORM_IDLE)) == ""
