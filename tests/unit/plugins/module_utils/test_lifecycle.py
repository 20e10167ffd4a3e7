# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path from the versions that run to those that are wanted."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components import COMPONENTS
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import releases
from ansible_collections.dynamo.multinode.plugins.module_utils.lifecycle import Goal

from tests.unit.plugins.module_utils.recorded import UPSTREAM

LAB = "v1.34.4"


def ours(version: str, **more: Any) -> dict[str, Any]:
    return {
        "present": True,
        "source": "release",
        "app_version": f"v{version}",
        "chart_version": version,
        "release_status": "deployed",
        "ready": True,
        "record": {"origin": "provisioned"},
        **more,
    }


def path(running: dict[str, str], wanted: dict[str, str], kubernetes: str = LAB, **more: Any) -> lifecycle.Path:
    found = {name: ours(version) for name, version in running.items()}
    return lifecycle.plan(found, {name: Goal(version) for name, version in wanted.items()}, kubernetes, **more)


def steps(found: lifecycle.Path) -> list[str]:
    return [f"{item.component} {item.here} {item.action} {item.to}" for item in found.steps]


def errors(found: lifecycle.Path) -> list[tuple[str, str]]:
    return [(item.id, item.subject) for item in found.findings if item.severity == "error"]


def test_nothing_to_do():
    assert path({"lws": "0.8.0"}, {"lws": "0.8.0"}) == lifecycle.Path()
    assert path({"lws": "0.8.0"}, {"volcano": "1.14.1"}) == lifecycle.Path()  # what is not there is no upgrade


def test_one_component_in_one_step():
    found = path({"lws": "0.7.0", "volcano": "1.14.1"}, {"lws": "0.8.0", "volcano": "1.14.1"})
    assert steps(found) == ["lws 0.7.0 upgrade 0.8.0"]
    assert errors(found) == []
    assert "every LeaderWorkerSet stay" in found.steps[0].notes[0]


def test_f101_dynamo_goes_minor_by_minor_with_what_it_needs_first():
    found = path(versions.chosen(LAB, "1.4"), versions.chosen(LAB, "1.6"))
    assert errors(found) == []
    assert steps(found) == [
        "kai_scheduler 0.16.9 upgrade 0.17.0",
        "grove 0.1.0-alpha.11 upgrade 0.1.0-alpha.14",
        "dynamo_platform 1.4.2 upgrade 1.5.1",
        "dynamo_platform 1.5.1 upgrade 1.6.1",
    ]


@pytest.mark.parametrize(("older", "newer"), [("1.4", "1.5"), ("1.5", "1.6"), ("1.4", "1.6")])
def test_no_pair_is_wrong_between_two_steps(older, newer):
    running = versions.chosen(LAB, older)
    for step in path(running, versions.chosen(LAB, newer)).steps:
        running[step.component] = step.to
        wrong = [item for item in versions.pair_findings(running, LAB) if item.severity == "error"]
        assert wrong == [], f"after {step}"


def test_where_there_is_no_such_way_the_step_says_so():
    """Grove renamed an API that Dynamo 1.3 and 1.4 need under its old and its new name."""
    found = path(versions.chosen(LAB, "1.3"), versions.chosen(LAB, "1.4"))
    assert errors(found) == []
    told = [item.component for item in found.steps if "make no new deployments meanwhile" in " ".join(item.notes)]
    assert told == ["grove"]
    assert found.steps[-1].component == "dynamo_platform"


def test_downwards_the_order_is_reversed_and_minor_by_minor_too():
    found = path(versions.chosen(LAB, "1.6"), versions.chosen(LAB, "1.4"), replace=True)
    assert steps(found) == [
        "dynamo_platform 1.6.1 downgrade 1.5.1",
        "dynamo_platform 1.5.1 downgrade 1.4.2",
        "grove 0.1.0-alpha.14 downgrade 0.1.0-alpha.11",
        "kai_scheduler 0.17.0 reinstall 0.16.9",
    ]


def test_the_machines_operators_go_release_by_release():
    found = path({"gpu_operator": "25.10.0"}, {"gpu_operator": "26.7.1"})
    assert steps(found) == ["gpu_operator 25.10.0 upgrade 26.3.3", "gpu_operator 26.3.3 upgrade 26.7.1"]


def test_f101_a_release_on_the_way_that_nobody_knows_is_asked_for():
    found = path({"network_operator": "25.4.0"}, {"network_operator": "26.1.2"}, "v1.32.1")
    assert [item[0] for item in errors(found)] == ["MN-F101", "MN-F101"]
    charts = {"25.7.0": "/charts/a.tgz", "v25.10.2": "", "26.1.2": "/charts/c.tgz"}
    named = lifecycle.plan(
        {"network_operator": ours("25.4.0")}, {"network_operator": Goal("26.1.2", charts)}, "v1.32.1"
    )
    assert errors(named) == []
    assert [(item.to, item.chart) for item in named.steps] == [
        ("25.7.0", "/charts/a.tgz"),
        ("25.10.2", ""),
        ("26.1.2", "/charts/c.tgz"),
    ]


def test_f72_kai_does_not_go_back_without_consent():
    refused = path({"kai_scheduler": "0.17.0"}, {"kai_scheduler": "0.16.9"})
    assert errors(refused) == [("MN-F72", "kai_scheduler")]
    assert refused.steps == ()
    allowed = path({"kai_scheduler": "0.17.0"}, {"kai_scheduler": "0.16.9"}, replace=True)
    assert steps(allowed) == ["kai_scheduler 0.17.0 reinstall 0.16.9"]
    assert errors(allowed) == []


def test_f72_grove_does_not_go_back_over_its_own_podgroups():
    assert errors(path({"grove": "0.1.0-alpha.14"}, {"grove": "0.1.0-alpha.11"})) == [("MN-F72", "grove")]
    assert errors(path({"grove": "0.1.0-alpha.14"}, {"grove": "0.1.0-alpha.13"})) == []
    assert errors(path({"grove": "0.1.0-alpha.11"}, {"grove": "0.1.0-alpha.10"})) == []


def pcs(condition: str, status: str) -> dict[str, Any]:
    conditions = [{"type": condition, "status": status}]
    return {"metadata": {"namespace": "serving", "name": "llm"}, "status": {"conditions": conditions}}


@pytest.mark.parametrize("condition", ["PodGangMigrationInProgress", "LegacyPodGangsPendingMigration"])
def test_f106_a_pending_migration_refuses_an_upgrade_of_grove(condition):
    goal = ({"grove": "0.1.0-alpha.13"}, {"grove": "0.1.0-alpha.14"})
    assert errors(path(*goal, pod_clique_sets=[pcs(condition, "True")])) == [("MN-F106", "serving/llm")]
    assert errors(path(*goal, pod_clique_sets=[pcs(condition, "False")])) == []
    assert errors(path({"lws": "0.7.0"}, {"lws": "0.8.0"}, pod_clique_sets=[pcs(condition, "True")])) == []


def test_f106_what_is_scaled_to_zero_refuses_an_upgrade_of_grove():
    found = path({"grove": "0.1.0-alpha.11"}, {"grove": "0.1.0-alpha.13"}, scaled_to_zero=["serving/llm-0-decode"])
    assert errors(found) == [("MN-F106", "serving/llm-0-decode")]


def test_f27_no_path_leads_to_a_bad_version():
    assert errors(path({"grove": "0.1.0-alpha.11"}, {"grove": "0.1.0-alpha.12"})) == [("MN-F27", "grove")]


def test_f26_the_end_of_a_path_fits_together():
    found = path({"grove": "0.1.0-alpha.11", "kai_scheduler": "0.14.7"}, {"grove": "0.1.0-alpha.14"})
    assert errors(found) == [("MN-F26", "kai_scheduler")]


def test_f36_every_step_runs_on_this_kubernetes():
    assert errors(path({"volcano": "1.15.1"}, {"volcano": "1.14.1"}, "v1.35.0")) == [("MN-F36", "volcano")]


def test_what_somebody_else_installed_is_left_to_its_owner():
    theirs = ours("0.7.0", record={"origin": "adopted"}, release="lws", namespace="lws-system")
    found = lifecycle.plan({"lws": theirs}, {"lws": Goal("0.8.0")}, LAB)
    assert found.steps == ()
    assert [(item.id, item.severity) for item in found.findings] == [("MN-F49", "warning")]
    assert "its owner: bring release lws -n lws-system to 0.8.0" in found.findings[0].remedy


def test_what_is_not_healthy_is_not_upgraded():
    ill = ours("0.7.0", ready=False, problems=["Deployment lws-controller-manager has no available pod"])
    found = lifecycle.plan({"lws": ill}, {"lws": Goal("0.8.0")}, LAB)
    assert found.steps == ()
    assert errors(found) == [("MN-F64", "lws")]
    assert "no available pod" in found.findings[0].message


def release_secret(number: int, version: str, status: str) -> dict[str, Any]:
    """helm's Secret of a revision of LWS."""
    meta = {"name": "lws", "version": version, "appVersion": f"v{version}"}
    body = {"name": "lws", "namespace": "lws-system", "version": number, "chart": {"metadata": meta}}
    packed = gzip.compress(json.dumps({**body, "info": {"status": status}}).encode())
    return {
        "metadata": {"name": f"sh.helm.release.v1.lws.v{number}", "namespace": "lws-system"},
        "type": "helm.sh/release.v1",
        "data": {"release": base64.b64encode(base64.b64encode(packed)).decode()},
    }


def found_lws(*revisions: tuple[str, str], **more: Any) -> dict[str, Any]:
    """What the cluster says of an LWS of ours, by helm's Secrets of (version, status)."""
    secrets = [release_secret(number, *given) for number, given in enumerate(revisions, 1)]
    record = {"component": "lws", "origin": "provisioned", "release": "lws", "namespace": "lws-system"}
    listed = [found for found in map(releases.release, secrets) if found]
    return {**releases.identify(COMPONENTS["lws"], listed, record, []), **more}


@pytest.mark.parametrize("status", ["pending-upgrade", "failed"])
@pytest.mark.parametrize(
    ("revisions", "goal", "step"),
    [
        (("0.7.0", "0.8.0"), "0.8.0", "lws 0.7.0 upgrade 0.8.0"),  # run again
        (("0.7.0", "0.8.0"), "0.7.0", "lws 0.8.0 downgrade 0.7.0"),  # or taken back
        (("0.7.0", "0.8.0"), "0.9.0", "lws 0.7.0 upgrade 0.9.0"),
        (("0.8.0", "0.8.0"), "0.8.0", "lws 0.8.0 finish 0.8.0"),  # other values
        (("0.8.0", "0.7.0"), "0.7.0", "lws 0.8.0 downgrade 0.7.0"),  # a rollback, run again
        (("0.8.0", "0.7.0"), "0.8.0", "lws 0.8.0 finish 0.8.0"),
    ],
)
def test_what_was_cut_off_inside_helm_is_brought_to_its_end(status, revisions, goal, step):
    before, tried = revisions
    found = found_lws((before, "deployed"), (tried, status))
    assert steps(lifecycle.plan({"lws": found}, {"lws": Goal(goal)}, LAB)) == [step]


def test_what_was_cut_off_after_helm_is_finished_before_anything_else():
    """Killed between helm and readiness: it has its version, and neither its objects nor its health."""
    ill = {"ready": False, "problems": ["Deployment grove-operator has no available pod"]}
    found = {"kai_scheduler": ours("0.17.0"), "grove": ours("0.1.0-alpha.14", **ill), "dynamo_platform": ours("1.5.1")}
    goals = {"grove": Goal("0.1.0-alpha.14"), "dynamo_platform": Goal("1.6.1"), "kai_scheduler": Goal("0.17.1")}
    path = lifecycle.plan(found, goals, LAB)
    assert errors(path) == []
    assert steps(path) == [
        "grove 0.1.0-alpha.14 finish 0.1.0-alpha.14",
        "kai_scheduler 0.17.0 upgrade 0.17.1",
        "dynamo_platform 1.5.1 upgrade 1.6.1",
    ]
    assert path.steps[0].notes == ("not healthy: Deployment grove-operator has no available pod",)


def test_what_is_to_be_finished_takes_the_chart_of_its_version():
    ill = {"lws": ours("0.8.0", ready=False)}
    (step,) = lifecycle.plan(ill, {"lws": Goal("0.8.0", {"v0.8.0": "/charts/lws.tgz"})}, LAB).steps
    assert (step.action, step.chart) == ("finish", "/charts/lws.tgz")


def test_what_is_finished_is_no_upgrade_of_grove():
    ill = {"grove": ours("0.1.0-alpha.14", ready=False)}
    goal = {"grove": Goal("0.1.0-alpha.14")}
    assert errors(lifecycle.plan(ill, goal, LAB, scaled_to_zero=["serving/llm-0-decode"])) == []


def test_an_unhealthy_component_of_somebody_else_is_not_finished():
    theirs = {"lws": ours("0.8.0", ready=False, record={"origin": "adopted"})}
    assert lifecycle.plan(theirs, {"lws": Goal("0.8.0")}, LAB).steps == ()


def test_f72_kai_does_not_go_back_after_an_upgrade_that_was_cut_off():
    entry = ours(
        "0.17.0",
        release_status="pending-upgrade",
        release_secrets=[{"status": "deployed", "app_version": "v0.16.9"}, {"status": "pending-upgrade"}],
    )
    found, goal = {"kai_scheduler": entry}, {"kai_scheduler": Goal("0.16.9")}
    assert errors(lifecycle.plan(found, goal, LAB)) == [("MN-F72", "kai_scheduler")]
    assert steps(lifecycle.plan(found, goal, LAB, replace=True)) == ["kai_scheduler 0.17.0 reinstall 0.16.9"]
    assert steps(lifecycle.plan(found, {"kai_scheduler": Goal("0.17.0")}, LAB)) == [
        "kai_scheduler 0.16.9 upgrade 0.17.0"
    ]


def ill(version: str, **more: Any) -> dict[str, Any]:
    return ours(version, ready=False, problems=["no available pod"], **more)


THEIRS = {"record": {"origin": "adopted"}, "namespace": "volcano-system"}


def test_f64_one_of_ours_that_is_not_healthy_refuses_a_path_that_does_not_touch_it():
    found = {"lws": ours("0.7.0"), "volcano": ill("1.14.1")}
    path = lifecycle.plan(found, {"lws": Goal("0.8.0")}, LAB)
    assert errors(path) == [("MN-F64", "volcano")]
    assert "volcano 1.14.1 is not healthy: no available pod" in path.findings[0].message
    quiet = lifecycle.plan({"lws": ours("0.8.0"), "volcano": ill("1.14.1")}, {"lws": Goal("0.8.0")}, LAB)
    assert [(item.id, item.severity) for item in quiet.findings] == [("MN-F64", "warning")]


def test_f64_one_of_somebody_else_that_is_not_healthy_is_named_and_holds_up_nothing():
    found = {"lws": ours("0.7.0"), "volcano": ill("1.14.1", **THEIRS)}
    path = lifecycle.plan(found, {"lws": Goal("0.8.0")}, LAB)
    assert steps(path) == ["lws 0.7.0 upgrade 0.8.0"]
    assert [(item.id, item.severity, item.subject) for item in path.findings] == [("MN-F64", "warning", "volcano")]
    assert lifecycle.gates(found, path.steps) == [["lws"]]


def test_a_gate_waits_for_what_was_well_and_for_what_was_brought_there():
    found = {"kai_scheduler": ours("0.16.9"), "grove": ill("0.1.0-alpha.11"), "lws": ours("0.8.0"), "volcano": {}}
    path = lifecycle.plan(found, {"kai_scheduler": Goal("0.17.0"), "grove": Goal("0.1.0-alpha.11")}, LAB)
    assert [item.component for item in path.steps] == ["grove", "kai_scheduler"]
    assert lifecycle.gates(found, path.steps) == [["kai_scheduler", "grove", "lws"]] * 2
    assert lifecycle.gates(found, path.steps[1:]) == [["kai_scheduler", "lws"]]


def pod(name: str, gang: str = "llm-0", annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "serving",
            "labels": {"grove.io/podgang": gang},
            "annotations": annotations or {},
        },
        "spec": {"schedulerName": "kai-scheduler"},
    }


NEW = {"pod-group-name": "llm-0", "kai.scheduler/skip-podgrouper": "true"}


def test_f108_old_gangs_after_an_upgrade_of_grove():
    pods = [pod("b", annotations={"pod-group-name": "pg-llm-0-b5c1"}), pod("a"), pod("c", annotations=NEW)]
    pods.append(pod("d", "other", {**NEW, "pod-group-name": "other"}))
    (gang,) = lifecycle.old_gangs(pods, "0.1.0-alpha.13")
    assert gang.pods == ("a", "b")
    finding = gang.finding()
    assert (finding.id, finding.severity, finding.subject) == ("MN-F108", "warning", "serving/llm-0")
    assert "a b --overwrite pod-group-name=llm-0 kai.scheduler/skip-podgrouper=true" in finding.remedy
    assert [(item["metadata"]["name"], item["metadata"]["annotations"]) for item in gang.patches()] == [
        ("a", NEW),
        ("b", NEW),
    ]


def test_f108_is_not_said_of_an_older_grove_or_of_other_schedulers():
    assert lifecycle.old_gangs([pod("a")], "0.1.0-alpha.11") == ()
    assert lifecycle.old_gangs([pod("a")], "main") == ()
    other = pod("a")
    other["spec"]["schedulerName"] = "volcano"
    assert lifecycle.old_gangs([other], "0.1.0-alpha.13") == ()


@pytest.mark.parametrize(
    ("at", "old"),
    [
        (
            "004-main-running",
            ["up-0-decode-0-decode-ldr-plktc", "up-0-decode-0-decode-wkr-tck2s", "up-0-frontend-24rs7"],
        ),
        ("006-stuck", ["up-0-decode-0-decode-ldr-plktc", "up-0-frontend-24rs7"]),
        ("009-annotated", []),
    ],
)
def test_f108_the_recorded_upgrade_of_grove(at: str, old: list[str]):
    """Before a pod is replaced, while the new one waits for the old ones, and after the recorded cure."""
    path = UPSTREAM / "recordings" / "grove-main" / "00b-upgrade-workaround" / f"{at}.json"
    if not path.is_file():
        pytest.skip("not run: no recording at MULTINODE_UPSTREAM")
    pods = json.loads(path.read_text())["objects"]["v1/pods"]
    found = lifecycle.old_gangs(pods, "0.1.0-alpha.13")
    assert [(gang.gang, list(gang.pods)) for gang in found] == ([("up-0", old)] if old else [])


def revision(number: int, version: str, status: str = "superseded") -> dict[str, Any]:
    return {"revision": number, "chart_version": version, "app_version": f"v{version}", "status": status}


@pytest.mark.parametrize(
    ("history", "version"),
    [
        ([], ""),
        ([revision(1, "0.8.0", "deployed")], ""),
        ([revision(1, "0.7.0"), revision(2, "0.8.0", "deployed")], "0.7.0"),
        ([revision(3, "0.8.0", "deployed"), revision(2, "0.8.0"), revision(1, "0.7.0")], "0.7.0"),  # values changed
        ([revision(1, "0.7.0"), revision(2, "0.9.0", "failed"), revision(3, "0.8.0", "deployed")], "0.7.0"),
        # It was brought back already
        ([revision(1, "0.7.0"), revision(2, "0.8.0"), revision(3, "0.7.0", "deployed")], "0.7.0"),
        ([revision(2, "0.8.0"), revision(3, "0.7.0"), revision(4, "0.7.0", "deployed")], "0.7.0"),
        ([revision(1, "0.6.0"), revision(2, "0.8.0"), revision(3, "0.7.0", "deployed")], "0.7.0"),
        # ... and forward again
        ([revision(1, "0.7.0"), revision(2, "0.8.0"), revision(3, "0.7.0"), revision(4, "0.8.0", "deployed")], "0.7.0"),
        # The rollback was cut off inside helm
        ([revision(1, "0.7.0"), revision(2, "0.8.0", "deployed"), revision(3, "0.7.0", "pending-upgrade")], "0.7.0"),
        # The upgrade was cut off, or failed, and was brought back
        ([revision(1, "0.7.0", "deployed"), revision(2, "0.8.0", "pending-upgrade")], "0.7.0"),
        ([revision(1, "0.7.0"), revision(2, "0.8.0", "deployed"), revision(3, "0.9.0", "failed")], "0.8.0"),
        (
            [
                revision(1, "0.7.0"),
                revision(2, "0.8.0"),
                revision(3, "0.9.0", "failed"),
                revision(4, "0.8.0", "deployed"),
            ],
            "0.8.0",
        ),
    ],
)
def test_the_version_before(history, version):
    assert lifecycle.earlier(history) == version
    assert lifecycle.earlier(history[::-1]) == version
