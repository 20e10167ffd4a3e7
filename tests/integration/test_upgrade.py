# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LWS through two real versions, with engines that run: upgrade, rollback, run again, adopt.

One small lab goes through it in the order of this file; each test leaves what the next one names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import binaries, small_charts
from lab.handle import Lab
from tests.chaos.kills import PENDING, Killer, Point
from tests.integration.gap import air_gap
from tests.integration.test_platform import PLAY

CLONE = Path(__file__).resolve().parents[2]
OLD, NEW = binaries.OLD_LWS, binaries.LWS
OLD_GROVE, NEW_GROVE = "0.1.0-alpha.11", "0.1.0-alpha.14"
OLD_KAI, NEW_KAI = "0.17.0", "0.18.6"
OLD_TOPOLOGY, NEW_TOPOLOGY = "clustertopologies.grove.io", "clustertopologybindings.grove.io"
PATIENCE = 120
CRD = "leaderworkersets.leaderworkerset.x-k8s.io"
WRITES = ("create", "patch", "update", "delete")
ENGINE: dict[str, Any] = {
    "apiVersion": "leaderworkerset.x-k8s.io/v1",
    "kind": "LeaderWorkerSet",
    "metadata": {"name": "engine", "namespace": "default"},
    "spec": {
        "replicas": 1,
        "leaderWorkerTemplate": {
            "size": 2,
            "workerTemplate": {"spec": {"schedulerName": "volcano", "containers": [{"name": "c", "image": "none"}]}},
        },
    },
}


# helm forgets both revisions of a release when it has removed the rest
UNINSTALLED = Point(
    "between uninstall and install",
    lambda event: (
        str(event.get("userAgent", "")).lower().startswith("helm")
        and event.get("verb") == "delete"
        and (event.get("objectRef") or {}).get("resource") == "secrets"
    ),
    nth=2,
)


class Platform:
    """A lab, and runs of playbooks against it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.roles = folder / "roles.yml"
        self.roles.write_text(PLAY, encoding="utf-8")

    def argv(self, book: str, *options: str, lws: dict[str, Any] | None = None, **more: Any) -> list[str]:
        given = {
            "ansible_python_interpreter": sys.executable,
            "multinode_auth": {"kubeconfig": str(self.lab.kubeconfig)},
            "multinode_helm_binary": str(self.lab.layout.bin / "helm"),
            "multinode_platform": {"volcano": {"chart": str(self.lab.chart("volcano"))}, "lws": lws or self.charts()},
            **more,
        }
        path = self.roles if book == "roles" else CLONE / "playbooks" / f"{book}.yml"
        return [str(path), "-e", json.dumps(given), *options]

    def play(self, book: str, *options: str, ok: bool = True, env: Mapping[str, str] | None = None, **more: Any) -> str:
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), *self.argv(book, *options, **more)]
        env = {**os.environ, **(env or {})}
        done = subprocess.run(argv, cwd=CLONE, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).replace("''", "'").split())  # Ansible folds long lines

    def kill(self, book: str, point: Point, **more: Any) -> None:
        """kill -9 for a playbook and all that it started, at this request of theirs."""
        done = Killer(self.lab).ansible(self.argv(book, **more), point)
        assert done.code is None, done.output

    def status(self, release: str) -> str:
        return Killer(self.lab).status(release)

    def charts(self, **more: Any) -> dict[str, Any]:
        return {"charts": {version: str(self.lab.chart("lws", version)) for version in (OLD, NEW)}, **more}

    def ready(self, replicas: int = 1) -> None:
        """So many of its groups serve."""
        status = f"jsonpath={{.status.readyReplicas}}={replicas}"
        self.lab.kubectl("wait", "leaderworkerset/engine", f"--for={status}", f"--timeout={PATIENCE}s")

    def uids(self) -> dict[str, str]:
        """The engine and the definition: what must be the very same after everything.

        Not its pods: LWS 0.8 makes a new revision of what 0.7 made, and so restarts every group by itself.
        """
        found = [self.lab.get("leaderworkerset", "engine"), self.lab.get("customresourcedefinition", CRD)]
        return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"] for item in found}

    def image(self) -> str:
        found = self.lab.get("deployment", "lws-controller-manager", "-n", "lws-system")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def writes(self, mark: int) -> list[str]:
        found = self.lab.audit(mark, user="dynamo-multinode", verbs=WRITES)
        uris = [event["requestURI"] for event in found]
        return [uri for uri in uris if "dryRun" not in uri and not uri.startswith("/apis/authorization.k8s.io/")]


@pytest.fixture(scope="module")
def platform(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(make_lab(nodes=1), tmp_path_factory.mktemp("platform"))


def test_f65_plain_helm_takes_every_leaderworkerset_with_it(platform: Platform) -> None:
    platform.play("roles", these=["volcano"])
    values = ["--set", "gangSchedulingManagement.schedulerProvider=volcano", "--wait", "--timeout=90s"]
    where = ["-n", "lws-system", "--create-namespace"]
    for version in (OLD, NEW):
        chart = str(platform.lab.chart("lws", version))
        platform.lab.helm(
            "upgrade", "--install", "lws", chart, *where, *values, "--set", f"image.manager.tag=v{version}"
        )
        if version == OLD:
            platform.lab.apply(ENGINE)
            platform.ready()
    platform.lab.kubectl("wait", "--for=delete", f"customresourcedefinition/{CRD}", "--timeout=60s")
    platform.lab.helm("uninstall", "lws", "-n", "lws-system", "--wait")
    platform.lab.kubectl("delete", "namespace", "lws-system")


@pytest.fixture(scope="module")
def uids(platform: Platform) -> dict[str, str]:
    """An engine that runs under the older LWS, which we installed."""
    output = platform.play("roles", these=["lws"], lws={"chart": str(platform.lab.chart("lws", OLD)), "version": OLD})
    assert "install 0.7.0" in output
    assert platform.image().endswith(f":v{OLD}")
    platform.lab.apply(ENGINE)
    platform.ready()
    return platform.uids()


def test_check_mode_shows_the_path_and_writes_nothing(platform: Platform, uids: dict[str, str]) -> None:
    mark = platform.lab.mark()
    output = platform.play("upgrade", "--check")
    assert f"1. lws {OLD} -> {NEW} (upgrade)" in output
    assert "every LeaderWorkerSet stay" in output
    assert "LWS itself restarts every engine once" in output
    assert platform.writes(mark) == []
    assert platform.uids() == uids


def test_f65_an_upgrade_keeps_definition_and_engines(platform: Platform, uids: dict[str, str], tmp_path: Path) -> None:
    """Behind an air gap, in which nobody outside is asked for anything."""
    with air_gap(tmp_path / "gap") as gap:
        platform.play("upgrade", env=gap.env, multinode_airgap=True)
        assert gap.attempts == []
    assert platform.image().endswith(f":v{NEW}")
    assert platform.uids() == uids
    mark = platform.lab.mark()
    again = platform.play("upgrade")
    assert "nothing to do" in again
    assert "changed=0" in again
    assert platform.writes(mark) == []


def test_a_rollback_keeps_them_too(platform: Platform, uids: dict[str, str]) -> None:
    shown = platform.play("rollback", "--check", multinode_rollback=["lws"])
    assert f"1. lws {NEW} -> {OLD} (downgrade)" in shown
    platform.play("rollback", multinode_rollback=["lws"])
    assert platform.image().endswith(f":v{OLD}")
    assert platform.uids() == uids
    mark = platform.lab.mark()
    again = platform.play("rollback", multinode_rollback=["lws"])
    assert "nothing to do" in again
    assert "changed=0" in again
    assert platform.writes(mark) == []
    assert platform.image().endswith(f":v{OLD}")


def test_the_older_lws_takes_the_engines_up(platform: Platform, uids: dict[str, str]) -> None:
    """It is no dead object: scaled up and down again, the first group stays what it was."""
    for replicas in (2, 1):
        platform.lab.kubectl("scale", "leaderworkerset", "engine", f"--replicas={replicas}")
        platform.ready(replicas)
    assert uids.items() <= platform.uids().items()


def test_an_upgrade_that_is_killed_inside_helm_is_not_called_done(platform: Platform, uids: dict[str, str]) -> None:
    platform.kill("upgrade", PENDING)
    assert platform.status("lws") == "pending-upgrade"
    assert f"1. lws {OLD} -> {NEW} (upgrade)" in platform.play("upgrade", "--check")
    assert f"1. lws {NEW} -> {OLD} (downgrade)" in platform.play("rollback", "--check", multinode_rollback=["lws"])
    assert platform.uids() == uids


def test_forward_again_and_adopted(platform: Platform, uids: dict[str, str]) -> None:
    platform.play("upgrade", multinode_upgrade_only=["lws"])
    assert platform.status("lws") == "deployed"
    assert platform.image().endswith(f":v{NEW}")
    adopted = platform.play("roles", these=["lws"], lws={"mode": "adopt"})
    assert "changed=0" in adopted
    assert uids.items() <= platform.uids().items()


def test_f72_what_has_no_way_back_is_refused_before_the_first_step(platform: Platform) -> None:
    mark = platform.lab.mark()
    output = platform.play("rollback", ok=False, multinode_rollback=["volcano", "lws"])
    assert "MN-F72 volcano: volcano cannot be rolled back: helm's history knows no earlier version of it" in output
    assert platform.writes(mark) == []
    assert platform.image().endswith(f":v{NEW}")


def test_a_chart_that_nobody_has_is_said_before_the_first_step(platform: Platform) -> None:
    mark = platform.lab.mark()
    only = {"chart": str(platform.lab.chart("lws")), "version": OLD}
    output = platform.play("upgrade", ok=False, lws=only)
    assert f"there is no local chart for lws {OLD}" in output
    assert platform.writes(mark) == []


@pytest.fixture(scope="module")
def grove(platform: Platform) -> dict[str, Any]:
    """A Grove of before it wrote PodGroups, which we installed: a chart of ours with upstream's definitions."""
    if small_charts.upstream() is None:
        pytest.skip("not run: no definitions of Grove at MULTINODE_UPSTREAM")
    charts = {version: str(platform.lab.standin("grove-charts", version)) for version in (OLD_GROVE, NEW_GROVE)}
    block = {"version": OLD_GROVE, "chart": charts[OLD_GROVE]}
    platform.play("roles", these=["grove"], multinode_platform={"grove": block}, multinode_orchestrator="grove")
    return {"version": NEW_GROVE, "charts": charts}


def test_f106_grove_is_not_upgraded_with_something_scaled_to_zero(platform: Platform, grove: dict[str, Any]) -> None:
    clique = {
        "apiVersion": "grove.io/v1alpha1",
        "kind": "PodClique",
        "metadata": {"name": "llm-0-decode", "namespace": "default"},
        "spec": {"roleName": "decode", "replicas": 0, "podSpec": {"containers": [{"name": "c", "image": "none"}]}},
    }
    platform.lab.apply(clique)
    mark = platform.lab.mark()
    given = {"grove": grove}
    output = platform.play("upgrade", ok=False, multinode_platform=given, multinode_upgrade_only=["grove"])
    assert "MN-F106 default/llm-0-decode: is scaled to zero" in output
    roles: dict[str, Any] = {"these": ["grove"], "multinode_platform": given, "multinode_orchestrator": "grove"}
    assert "MN-F106 is scaled to zero" in platform.play("roles", ok=False, **roles)
    assert platform.writes(mark) == []
    platform.lab.kubectl("delete", "podclique", "llm-0-decode")


@pytest.fixture(scope="module")
def former(platform: Platform, grove: dict[str, Any]) -> dict[str, Any]:
    """The definition of a Grove before alpha.9, in place of the one that is ``ct`` for short since."""
    names = {"kind": "ClusterTopology", "plural": "clustertopologies", "singular": "clustertopology"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": OLD_TOPOLOGY},
        "spec": {
            "group": "grove.io",
            "names": {**names, "listKind": "ClusterTopologyList", "shortNames": ["ct"]},
            "scope": "Cluster",
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": schema}],
        },
    }
    platform.lab.kubectl("delete", "customresourcedefinition", NEW_TOPOLOGY)
    platform.lab.apply(definition)
    accepted = ("wait", "--for=condition=NamesAccepted", f"customresourcedefinition/{OLD_TOPOLOGY}", "--timeout=60s")
    platform.lab.kubectl(*accepted)
    return {"multinode_platform": {"grove": grove}, "multinode_upgrade_only": ["grove"]}


def test_f61_a_former_definition_with_objects_is_said_before_the_first_step(
    platform: Platform, former: dict[str, Any]
) -> None:
    racks = {"apiVersion": "grove.io/v1alpha1", "kind": "ClusterTopology", "metadata": {"name": "racks"}}
    platform.lab.apply(racks)
    mark = platform.lab.mark()
    output = platform.play("upgrade", ok=False, **former)
    assert f"MN-F61 grove: definition {OLD_TOPOLOGY}, with ClusterTopology racks, holds the short name ct" in output
    assert platform.writes(mark) == []
    platform.lab.kubectl("delete", "clustertopologies.grove.io", "racks")


def test_f61_f32_grove_goes_on_past_it_and_past_an_lws_of_somebody_else(
    platform: Platform, former: dict[str, Any]
) -> None:
    """The LWS makes no gangs, which its owner was told; no step has to wait for that."""
    platform.lab.kubectl("delete", "configmap", "dynamo-multinode-lws", "-n", "lws-system")
    platform.lab.install("lws")
    output = platform.play("upgrade", **former)
    assert f"definition {OLD_TOPOLOGY}, which has no objects, is deleted first (MN-F61)" in output
    definitions = platform.lab.kubectl("get", "customresourcedefinitions", "-o", "name")
    assert OLD_TOPOLOGY not in definitions
    assert NEW_TOPOLOGY in definitions
    assert "nothing to do" in platform.play("upgrade", **former)


def test_f72_a_kai_that_was_uninstalled_comes_back_with_the_next_run(platform: Platform, grove: dict[str, Any]) -> None:
    charts = {version: str(platform.lab.standin("kai-scheduler", version)) for version in (OLD_KAI, NEW_KAI)}
    old = {"kai_scheduler": {"version": OLD_KAI, "chart": charts[OLD_KAI]}, "grove": grove}
    platform.play("roles", these=["kai_scheduler"], multinode_platform=old, multinode_orchestrator="grove")
    new = {"kai_scheduler": {"version": NEW_KAI, "charts": charts}, "grove": grove}
    assert "MN-F72" not in platform.play("upgrade", multinode_platform=new, multinode_upgrade_only=["kai_scheduler"])
    given: dict[str, Any] = {"multinode_platform": new, "multinode_rollback": ["kai_scheduler"]}
    assert "MN-F72 kai_scheduler: KAI does not support going back" in platform.play("rollback", ok=False, **given)
    uid = platform.lab.get("queues.scheduling.run.ai", "default-queue")["metadata"]["uid"]
    platform.kill("rollback", UNINSTALLED, multinode_replace="allow", **given)
    assert platform.status("kai-scheduler") == "not there"
    assert f"1. kai_scheduler uninstalled -> {NEW_KAI} (install)" in platform.play(
        "upgrade", "--check", multinode_platform=new, multinode_upgrade_only=["kai_scheduler"]
    )
    output = platform.play("rollback", **given)
    assert f"1. kai_scheduler uninstalled -> {OLD_KAI} (install)" in output
    assert platform.status("kai-scheduler") == "deployed"
    assert platform.lab.get("queues.scheduling.run.ai", "default-queue")["metadata"]["uid"] == uid
    again = platform.play("rollback", **given)
    assert "nothing to do" in again
    assert "changed=0" in again
