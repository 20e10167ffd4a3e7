# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads that were made for Grove move to LWS with the same variables, one after the other.

Grove's definitions are there and no Grove: its objects lie still. What is shown is our side of a switch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab import small_charts
from lab.handle import Lab
from tests.chaos.kills import Killer, Point

CLONE = Path(__file__).resolve().parents[2]
WRITES = ("create", "patch", "update", "delete")
GROVE: dict[str, Any] = {"multinode_orchestrator": "grove", "multinode_scheduler": "kai"}


def words(book: str, lab: Lab, namespace: str, **more: Any) -> list[str]:
    """The arguments of ansible-playbook. ``each``: keys for both workloads."""
    each = more.pop("each", {})
    workloads = [
        {
            "name": name,
            "namespace": namespace,
            "backend": "vllm",
            "model": "some/model",
            "image": "vllm:1.0.0",
            "components": [{"name": "decode", "role": "worker", "replicas": 1, "node_count": 2, "gpus_per_node": 8}],
            **each,
        }
        for name in ("first", "second")
    ]
    given = {
        "ansible_python_interpreter": sys.executable,
        "multinode_auth": {"kubeconfig": str(lab.kubeconfig)},
        "multinode_workload_api": "native",
        "multinode_workloads": workloads,
        **more,
    }
    return [f"playbooks/{book}.yml", "-i", "inventories/lab", "-e", json.dumps(given)]


def play(lab: Lab, book: str, namespace: str, *, ok: bool = True, **more: Any) -> str:
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), *words(book, lab, namespace, **more)]
    done = subprocess.run(argv, cwd=CLONE, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def writes(lab: Lab, mark: int) -> list[str]:
    """What was written since; asking (a dry run, an access review) is not writing."""
    events = lab.audit(mark, user="dynamo-multinode", verbs=WRITES)
    uris = [f"{event['verb']} {event['requestURI']}" for event in events]
    return [uri for uri in uris if "dryRun=All" not in uri and "authorization" not in uri]


def made_anew(event: dict[str, Any]) -> bool:
    """Whether it is the first of the new engines that is written, and no dry run."""
    resource = (event.get("objectRef") or {}).get("resource")
    return resource == "leaderworkersets" and event["verb"] == "patch" and "dryRun=All" not in event["requestURI"]


@pytest.fixture
def grove(gang_lab: Lab, namespace: str) -> Iterator[Lab]:
    """The shared lab with Grove's definitions, and both workloads made for Grove."""
    if small_charts.upstream() is None:
        pytest.skip("not run: no definitions of Grove at MULTINODE_UPSTREAM")
    crds = json.loads(small_charts.definitions("grove").read_text(encoding="utf-8"))
    admin = Client.from_params({"kubeconfig": str(gang_lab.admin_kubeconfig)})
    assert {result.error for result in engine.apply(admin, crds)} == {None}  # and served, as kubectl would not wait for
    try:
        play(gang_lab, "rollout", namespace, workloads_wait=False, **GROVE)
        assert len(gang_lab.get("podcliquesets", "-n", namespace)) == 2
        yield gang_lab
    finally:
        gang_lab.kubectl("delete", "namespace", namespace, "--ignore-not-found")
        names = [item["metadata"]["name"] for item in crds]
        gang_lab.kubectl("delete", "customresourcedefinitions", *names)


def served(lab: Lab, namespace: str) -> list[str]:
    """The uids of what serves on LWS, and nothing of Grove's is left."""
    assert lab.get("podcliquesets", "-n", namespace) == []
    sets = lab.get("leaderworkersets", "-n", namespace)
    assert [item["status"]["readyReplicas"] for item in sets] == [1, 1]
    return [item["metadata"]["uid"] for item in sets]


# What is given -> what is said; each before the first workload is touched
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "say multinode_replace: allow, or replace: allow in each of first, second"),
    ({"each": {"state": "present"}}, "say multinode_replace: allow, or replace: allow in each of first, second"),
    (
        {"multinode_replace": "allow", "multinode_workload_overlays": {"second": {"replace": "never"}}},
        "replace: allow in each of second; their own replace wins over multinode_replace",
    ),
    (
        {"multinode_replace": "allow", "multinode_workload_defaults": {"orchestrator": "grove"}},
        # Where Grove is there, test_site_grove.py has what is said
        "MN-F20",
    ),
    (
        {"multinode_replace": "allow", "multinode_workload_overlays": {"second": {"queue": "nowhere"}}},
        "does not exist (there are:",
    ),
)


def test_from_grove_to_lws(grove: Lab, namespace: str) -> None:
    for given, told in REFUSED:
        mark = grove.mark()
        output = play(grove, "switch", namespace, ok=False, multinode_orchestrator="lws", **given)
        assert told in " ".join(output.split()), output
        assert writes(grove, mark) == [], given
    willing: dict[str, Any] = {
        "multinode_orchestrator": "lws",
        "multinode_workload_defaults": {"replace": "allow"},
        "multinode_workload_overlays": {"first": {"labels": {"a": "b"}}, "second": {"labels": {"a": "b"}}},
    }
    play(grove, "switch", namespace, **willing)
    uids = served(grove, namespace)
    mark = grove.mark()
    again = play(grove, "switch", namespace, **willing)
    assert "changed=0" in again
    assert writes(grove, mark) == []
    assert served(grove, namespace) == uids


def test_what_a_killed_switch_left_goes_with_the_next_one(grove: Lab, namespace: str) -> None:
    """Killed when the new engine is there, and the old one mostly as well (MN-F70): the next test has it for sure."""
    wanted: dict[str, Any] = {"multinode_orchestrator": "lws", "multinode_replace": "allow"}
    point = Point("while a workload moves", made_anew)
    killed = Killer(grove, {}, namespace).ansible(words("switch", grove, namespace, **wanted), point)
    assert killed.code is None, killed.output
    assert len(grove.get("leaderworkersets", "-n", namespace)) == 1
    play(grove, "switch", namespace, **wanted)
    served(grove, namespace)


def test_what_was_left_beside_without_consent_goes_with_a_switch(grove: Lab, namespace: str) -> None:
    beside = play(grove, "rollout", namespace, multinode_orchestrator="lws")
    assert "PodCliqueSet" in beside
    assert "replace: allow on the workload (or multinode_replace) deletes it" in beside
    assert len(grove.get("podcliquesets", "-n", namespace)) == 2
    uids = [item["metadata"]["uid"] for item in grove.get("leaderworkersets", "-n", namespace)]
    play(grove, "switch", namespace, multinode_orchestrator="lws", multinode_replace="allow")
    assert served(grove, namespace) == uids
