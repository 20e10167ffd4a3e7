# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A component's own rules: values, objects, checks, when it is skipped; and what is left of it when it goes."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import (
    COMPONENTS,
    Ask,
    Component,
    Wanted,
    decide,
)

KUBERNETES = "v1.34.4"


def policy(name):
    return {"apiVersion": "demo.example/v1", "kind": "Policy", "metadata": {"name": name}, "spec": {"on": True}}


def ref(kind, name, namespace=None, api="demo.example/v1"):
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **place}}


def check(ask, found):
    if ask.settings.get("driver") == "bad":
        yield Finding("MN-F37", "error", "demo", f"bad driver on {found.get('present')}", "set another")


DEMO = Component(
    name="demo",
    charts=("demo",),
    images=("demo",),
    required=("demo",),
    version_value=("image", "tag"),
    values=lambda ask: {"driver": {"enabled": ask.settings.get("driver", "on"), "version": ask.version}, "ours": 1},
    objects=lambda ask: tuple(policy(name) for name in ask.settings.get("policies", [])),
    checks=(check,),
    skip=lambda ask: "it is there without us" if ask.facts.get("there") else "",
    settings=("driver", "policies"),
)


@pytest.fixture(autouse=True)
def demo(monkeypatch):
    monkeypatch.setitem(COMPONENTS, "demo", DEMO)


def wanted(settings=None, facts=None, **more):
    given = {"name": "demo", "release": "demo", "namespace": "demo-system", "version": "1.0.0", **more}
    return Wanted(**given, ask=Ask(settings=settings or {}, facts=facts or {}))


def found(**more):
    return {"present": False, "source": None, "record": None, "others": [], "namespace_ours": True, **more}


RECORD = {
    "component": "demo",
    "origin": "provisioned",
    "release": "demo",
    "namespace": "demo-system",
    "namespace_created": True,
    "version": "1.0.0",
}
VALUES = {"driver": {"enabled": "on", "version": "1.0.0"}, "ours": 1, "image": {"tag": "v1.0.0"}}


def ours(**more):
    release = {
        "present": True,
        "source": "release",
        "release": "demo",
        "namespace": "demo-system",
        "chart_version": "1.0.0",
        "release_status": "deployed",
        "values": VALUES,
        "record": RECORD,
    }
    return found(**{**release, **more})


# ---- values ----


def test_the_users_values_go_over_the_versions_and_these_over_ours():
    decision = decide(
        wanted(values={"image": {"tag": "mine"}, "driver": {"enabled": False}}, settings={"driver": "x"}),
        found(),
        KUBERNETES,
    )
    assert decision.action == "install"
    assert decision.values == {"driver": {"enabled": False, "version": "1.0.0"}, "ours": 1, "image": {"tag": "mine"}}
    assert decision.values_ours == {
        "driver": {"enabled": "x", "version": "1.0.0"},
        "ours": 1,
        "image": {"tag": "v1.0.0"},
    }


def test_helm_runs_when_a_setting_changes_what_we_set():
    assert decide(wanted(), ours(), KUBERNETES).action == "none"
    changed = decide(wanted(settings={"driver": "off"}), ours(), KUBERNETES)
    assert changed.action == "upgrade"
    assert "its values differ" in changed.why


# ---- objects ----


def test_objects_are_remembered_and_those_nobody_asks_for_any_more_go():
    first = decide(wanted(settings={"policies": ["a", "b"]}), ours(), KUBERNETES)
    assert (first.action, [item["metadata"]["name"] for item in first.objects]) == ("none", ["a", "b"])
    assert first.record["objects"] == [ref("Policy", "a"), ref("Policy", "b")]
    assert first.record_changed
    again = decide(wanted(settings={"policies": ["b"]}), ours(record=first.record), KUBERNETES)
    assert again.stale == (ref("Policy", "a"),)
    assert again.record["objects"] == [ref("Policy", "b")]


def test_what_is_adopted_gets_no_objects():
    decision = decide(wanted(settings={"policies": ["a"]}), ours(record=None), KUBERNETES)
    assert (decision.action, decision.objects, decision.stale) == ("adopt", (), ())


# ---- checks and skipping ----


@pytest.mark.parametrize(("entry", "present"), [(found(), False), (ours(), True), (ours(record=None), True)])
def test_checks_judge_what_is_there_and_what_is_about_to_be(entry, present):
    decision = decide(wanted(settings={"driver": "bad"}), entry, KUBERNETES)
    assert [finding.message for finding in decision.findings] == [f"bad driver on {present}"]


def test_skipped_where_it_is_not_needed_unless_it_is_insisted_on_or_there():
    skipped = decide(wanted(facts={"there": True}), found(), KUBERNETES)
    assert (skipped.action, skipped.why) == ("skip", "demo: it is there without us")
    assert decide(wanted(facts={"there": True}, mode="provision"), found(), KUBERNETES).action == "install"
    assert decide(wanted(facts={"there": True}), ours(record=None), KUBERNETES).action == "adopt"
    assert decide(wanted(facts={"there": True}), ours(), KUBERNETES).action == "none"


@pytest.mark.parametrize(
    ("name", "orchestrator", "scheduler", "action"),
    [
        ("grove", "lws", "auto", "skip"),
        ("kai_scheduler", "lws", "auto", "skip"),
        ("volcano", "grove", "auto", "skip"),
        ("lws", "grove", "auto", "skip"),
        ("lws", "", "auto", "skip"),
        ("volcano", "grove", "volcano", "adopt"),
        ("volcano", "auto", "auto", "adopt"),
        ("lws", "lws", "auto", "adopt"),
    ],
)
def test_somebody_elses_part_of_the_other_stack_is_left_alone(name, orchestrator, scheduler, action):
    entry = ours(record=None, chart_version="1.14.1" if name == "volcano" else "0.8.0")
    asked = Wanted(name=name, ask=Ask(orchestrator=orchestrator, scheduler=scheduler))
    assert decide(asked, entry, KUBERNETES).action == action


# ---- interrupted, failed, removed ----


def test_f63_jobs_of_our_hooks_go_before_the_next_run_and_nothing_else_does():
    hooks = [
        ref("Job", "demo-init", "demo-system", "batch/v1"),
        ref("ServiceAccount", "demo-init", "demo-system", "v1"),
    ]
    secrets = [{"namespace": "demo-system", "name": "sh.helm.release.v1.demo.v2", "status": "pending-upgrade"}]
    cut = ours(release_status="pending-upgrade", release_hooks=hooks, release_secrets=secrets)
    decision = decide(wanted(), cut, KUBERNETES)
    assert [(item["kind"], item["metadata"]["name"]) for item in decision.recover] == [
        ("Secret", "sh.helm.release.v1.demo.v2"),
        ("Job", "demo-init"),
    ]
    failed = decide(wanted(), ours(release_status="failed", release_hooks=hooks), KUBERNETES)
    assert [item["kind"] for item in failed.recover] == ["Job"]
    assert decide(wanted(version="1.1.0"), ours(release_hooks=hooks), KUBERNETES).recover == ()


def revisions(*statuses):
    return [
        {"namespace": "demo-system", "name": f"sh.helm.release.v1.demo.v{number}", "status": status}
        for number, status in enumerate(statuses, start=1)
    ]


def test_f62_a_release_that_helm_calls_failed_is_upgraded_and_not_installed_anew():
    last = ref("Secret", "sh.helm.release.v1.demo.v2", "demo-system", "v1")
    failed = ours(release_status="failed", release_secrets=revisions("deployed", "failed"), release_failed=[last])
    decision = decide(wanted(), failed, KUBERNETES)
    assert (decision.action, decision.uninstall) == ("upgrade", False)
    assert "its release is failed: upgrade" in decision.why
    # helm's module compares with what failed, and would do nothing
    assert decision.recover == (last,)
    assert decide(wanted(settings={"driver": "off"}), failed, KUBERNETES).recover == ()
    assert decide(wanted(version="1.1.0"), failed, KUBERNETES).recover == ()


@pytest.mark.parametrize("status", ["failed", "pending-upgrade"])
def test_f62_what_never_came_to_be_deployed_is_installed_with_the_hooks_of_an_install(status):
    first = ref("Secret", "sh.helm.release.v1.demo.v1", "demo-system", "v1")
    secrets = revisions("failed", *([status] if status != "failed" else []))
    failed = ours(
        release_status=status, release_secrets=secrets, release_failed=[first], release_crds=["demos.demo.example"]
    )
    for settings in ({}, {"driver": "off"}):
        decision = decide(wanted(settings=settings), failed, KUBERNETES)
        assert (decision.action, decision.uninstall) == ("install", False)
        assert first in decision.recover
        # They may not be there yet, and cannot be made of a name
        assert decision.keep == ()


def test_f62_a_failed_release_of_ours_of_which_all_runs_is_said_to_run():
    secrets = revisions("deployed", "failed")
    runs = decide(wanted(), ours(release_status="failed", release_secrets=secrets, ready=True), KUBERNETES)
    assert "its release is failed, although all of it runs (MN-F62): upgrade" in runs.why


def test_f62_somebody_elses_failed_release_of_which_all_runs():
    entry = ours(release_status="failed", record=None)
    assert [item.id for item in decide(wanted(), entry, KUBERNETES).findings] == ["MN-F63"]
    (finding,) = decide(wanted(), {**entry, "ready": True}, KUBERNETES).findings
    assert (finding.id, finding.severity) == ("MN-F62", "warning")
    assert finding.remedy == "its owner: helm upgrade demo <chart> -n demo-system --reuse-values, without --wait"
    pending = ours(release_status="pending-upgrade", record=None, ready=True)
    assert [item.id for item in decide(wanted(), pending, KUBERNETES).findings] == ["MN-F63"]


def test_f65_definitions_of_the_deployed_release_are_kept_through_an_upgrade():
    entry = ours(release_crds=["demos.demo.example"])
    upgrade = decide(wanted(version="1.1.0"), entry, KUBERNETES)
    assert upgrade.keep == ("demos.demo.example",)
    (finding,) = upgrade.findings
    assert (finding.id, finding.severity) == ("MN-F65", "note")
    assert "brings demos.demo.example as templates, which helm deletes with everybody's objects" in finding.message
    assert decide(wanted(), entry, KUBERNETES).keep == ()
    assert decide(wanted(), entry, KUBERNETES).findings == ()


def test_f66_definitions_that_helm_would_delete_stay_and_that_is_said():
    entry = ours(release_crds=["a.demo.example", "b.demo.example", "c.demo.example"])
    (finding,) = decide(wanted(state="absent"), entry, KUBERNETES).findings
    assert (finding.id, finding.severity) == ("MN-F66", "note")
    assert "brings a.demo.example, b.demo.example and 1 more as templates" in finding.message
    assert "multinode_remove_crds: true" in finding.remedy
    assert decide(wanted(state="absent", remove_crds=True), entry, KUBERNETES).findings == ()
    assert decide(wanted(state="absent"), ours(), KUBERNETES).findings == ()


def test_f101_a_step_that_upstream_does_not_allow_is_refused(monkeypatch):
    finding = Finding("MN-F101", "error", "demo", "1.0 to 3.0 skips 2.0", "go to 2.0 first")
    monkeypatch.setattr(versions, "step_findings", lambda *_all: (finding,))
    decision = decide(wanted(version="3.0.0"), ours(), KUBERNETES)
    assert (decision.action, decision.why) == ("refuse", "1.0 to 3.0 skips 2.0")


def absent(**more):
    return decide(wanted(state="absent", **more), ours(**KEPT), KUBERNETES)


KEPT = {
    "record": {**RECORD, "objects": [ref("Policy", "a"), ref("Policy", "b")]},
    "held": [ref("Policy", "b"), ref("Policy", "theirs", "team")],
}


def test_f69_our_objects_go_before_the_operator_the_last_one_first():
    decision = decide(wanted(state="absent"), ours(record=KEPT["record"]), KUBERNETES)
    assert decision.first == (ref("Policy", "b"), ref("Policy", "a"))
    assert decision.findings == ()
    assert not any(ref("Policy", "a") in lot for lot in components.delete_objects(decision, KEPT["record"]))


def test_f69_objects_of_others_that_need_the_operator_forbid_its_removal():
    decision = absent()
    assert [(finding.id, finding.severity) for finding in decision.findings] == [("MN-F69", "error")]
    assert "Policy team/theirs waits for demo when deleted" in decision.findings[0].message
    assert decision.first == (ref("Policy", "b"), ref("Policy", "a"))
    assert [finding.severity for finding in absent(check=True).findings] == ["warning"]


def test_f66_a_release_that_would_take_definitions_along_is_not_uninstalled():
    entry = ours(release_takes=["demos.demo.example"])
    decision = decide(wanted(state="absent"), entry, KUBERNETES)
    assert [(finding.id, finding.severity) for finding in decision.findings] == [("MN-F66", "error")]
    assert "helm would delete demos.demo.example with the release" in decision.findings[0].message
    assert decide(wanted(state="absent", remove_crds=True), entry, KUBERNETES).findings == ()
    # helm takes no part in what is left of an install that was cut off
    cut = {**entry, "release_status": "pending-install"}
    assert decide(wanted(state="absent"), cut, KUBERNETES).findings == ()


def test_f68_a_queue_of_the_platform_that_is_in_use_stays():
    hooks = [ref("Queue", name, "demo-system", "scheduling.run.ai/v2") for name in ("top", "dynamo", "idle")]
    hooks.append(ref("Job", "dynamo", "demo-system", "batch/v1"))
    used = {"dynamo": ["Pod ns/a"], "top": ["Queue dynamo", "Queue theirs"]}
    decision = decide(wanted(state="absent"), ours(release_hooks=hooks, queues_used=used), KUBERNETES)
    assert decision.delete == (hooks[2], hooks[3])
    assert [(finding.id, finding.severity) for finding in decision.findings] == [("MN-F68", "warning")] * 2
    assert decision.findings[0].message == "queue dynamo stays: Pod ns/a is in it, and KAI stays"
    assert decision.findings[1].message.startswith("queue top stays: Queue dynamo, Queue theirs are in it")
    assert decide(wanted(state="absent"), ours(release_hooks=hooks), KUBERNETES).delete == tuple(hooks)


def test_f69_they_go_first_when_the_definitions_are_to_go():
    decision = absent(remove_crds=True)
    assert decision.findings == ()
    assert decision.first == (ref("Policy", "theirs", "team"), ref("Policy", "b"), ref("Policy", "a"))
