# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KAI and Grove as components: values, what is skipped, what is forecast, and what is wrong with an adopted one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, Wanted, decide, definition
from ansible_collections.dynamo.multinode.plugins.module_utils.components.gang_pods import f35_pods, no_gangs
from ansible_collections.dynamo.multinode.plugins.module_utils.components.grove import (
    f35_scheduler,
    f61_names,
    f67_certificate,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.kai_scheduler import (
    STALENESS,
    f28_staleness,
    f64_fails_closed,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import health

KAI, GROVE = definition("kai_scheduler"), definition("grove")
WITH_KAI = {"apis": {}, "components": {"kai_scheduler": {"present": True}}}
RECORD = {"origin": "provisioned"}


def kai(staleness=None, **more):
    return {
        "present": True,
        "source": "release",
        "release": "kai",
        "namespace": "kai-scheduler",
        "values": {},
        "details": {"staleness": staleness or {}},
        **more,
    }


def grove(**more):
    """Ours, as helm and its record know it."""
    return {
        "present": True,
        "source": "release",
        "release": "grove",
        "namespace": "grove-system",
        "chart_version": "0.1.0-alpha.14",
        "app_version": "v0.1.0-alpha.14",
        "release_status": "deployed",
        "release_secrets": [{"namespace": "grove-system", "name": "sh.helm.release.v1.grove.v1", "status": "deployed"}],
        "values": {},
        "record": {**RECORD, "release": "grove", "namespace": "grove-system", "version": "0.1.0-alpha.14"},
        **more,
    }


def f28(found, **ask):
    return list(f28_staleness(Ask(**ask), found))


# -- KAI ----------------------------------------------------------------------------------------------------------


def test_f28_ours_keeps_gangs_for_ever_with_a_string():
    given = KAI.values(Ask())["scheduler"]["args"][STALENESS]
    assert given == "-1s"
    assert f28(kai(present=False), values=KAI.values(Ask())) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "evicts a gang a minute after"),
        ("-1", "no unit"),
        (-1, "no unit"),
        ("60s", "evicts a gang that long after"),
        ("", "no unit"),
    ],
)
def test_f28_an_adopted_shard_that_breaks_gangs(given, words):
    (finding,) = f28(kai({"default": given}))
    assert (finding.id, finding.severity) == ("MN-F28", "error")
    assert words in finding.message
    assert finding.remedy == (
        "its owner: helm upgrade kai <chart> -n kai-scheduler --reuse-values "
        "--set-string scheduler.args.default-staleness-grace-period=-1s"
    )


@pytest.mark.parametrize("given", ["-1s", "-1m30s", "-0.5h"])
def test_f28_every_negative_duration_is_for_ever(given):
    assert f28(kai({"default": given})) == []


def test_f28_another_shard_and_plain_manifests_are_patched_where_they_are():
    (finding,) = f28(kai({"default": "-1s", "h100": None}))
    assert finding.subject == "kai_scheduler/SchedulingShard h100"
    assert "kubectl patch schedulingshards.kai.scheduler h100" in finding.remedy
    (finding,) = f28(kai({"default": None}, source="manifests", release=None))
    assert '{"spec": {"args": {"default-staleness-grace-period": "-1s"}}}' in finding.remedy
    assert "bundled with Dynamo: kai-scheduler.scheduler.args" in finding.remedy


def test_f28_without_shards_the_release_says_it():
    assert "its release has no" in f28(kai())[0].message
    assert f28(kai(values={"scheduler": {"args": {STALENESS: "-1s"}}})) == []
    assert f28(kai(values={"scheduler": {"additionalArgs": ["--v=3", f"--{STALENESS}=-1s"]}})) == []
    assert f28(kai(source="manifests")) == []


def test_f28_the_users_values_over_ours():
    for found in (kai(present=False), kai(record=RECORD)):
        (finding,) = f28(found, values={"scheduler": {"args": {STALENESS: "60s"}}})
        assert finding.remedy == 'set scheduler.args.default-staleness-grace-period: "-1s"'
        assert f28(found, values={}) == []


def test_f28_ours_that_somebody_changed():
    asked = {"scheduler": {"args": {STALENESS: "-1s"}}}
    (finding,) = f28(kai({"default": "-1"}, record=RECORD, values=asked), values=asked)
    assert finding.remedy.startswith("somebody changed it: kubectl patch schedulingshards.kai.scheduler default")
    # An older release of ours is brought to the right value by this run
    assert f28(kai({"default": None}, record=RECORD), values=asked) == []


@pytest.mark.parametrize(("version", "named"), [("0.13.4", True), ("v0.14.7", True), ("0.15.0", False), ("", False)])
def test_f28_a_chart_without_a_key_for_it_has_its_shard_told_by_us(version, named):
    made = KAI.objects(Ask(version=version))
    assert bool(made) is named
    for shard in made:
        assert (shard["kind"], shard["metadata"]) == ("SchedulingShard", {"name": "default"})
        assert shard["spec"] == {"args": {STALENESS: "-1s"}}
    # So a second run finds nothing to say, where the chart's values do not reach the shard
    told = f28(kai({"default": None, "h100": None}, record=RECORD, values=KAI.values(Ask())), version=version)
    assert [item.subject.rpartition(" ")[2] for item in told] == (["h100"] if named else ["default", "h100"])


def test_f28_the_shard_keeps_what_we_told_it_when_the_chart_learns_the_key():
    """Its object would be stale otherwise, and be deleted: it is the chart's own shard."""
    record = {**RECORD, "objects": [{"kind": "SchedulingShard", "metadata": {"name": "default"}}]}
    facts = {"components": {"kai_scheduler": {"present": True, "record": record}}}
    (shard,) = KAI.objects(Ask(version="0.17.0", facts=facts, values={"scheduler": {"args": {STALENESS: "-5m"}}}))
    assert shard["spec"] == {"args": {STALENESS: "-5m"}}


def test_f28_an_owner_of_an_old_chart_gets_a_patch_that_works():
    (finding,) = f28(kai({"default": None}, app_version="v0.13.4"))
    assert finding.remedy.startswith("its owner: kubectl patch schedulingshards.kai.scheduler default")


def test_f64_admission_that_takes_every_pod_is_said():
    hook = {"name": "mutating-kai-admission", "service": "admission", "scoped": False}
    (finding,) = f64_fails_closed(Ask(), {"details": {"pod_webhooks": [hook]}})
    assert (finding.id, finding.severity) == ("MN-F64", "note")
    assert "no pod can be made anywhere" in finding.message
    assert list(f64_fails_closed(Ask(), {"details": {"pod_webhooks": [{**hook, "scoped": True}]}})) == []


def test_kai_is_skipped_where_something_else_makes_the_gangs():
    assert KAI.skip(Ask()) == KAI.skip(Ask(orchestrator="grove", scheduler="kai")) == ""
    assert KAI.skip(Ask(orchestrator="lws")) == "LeaderWorkerSets are gangs by Volcano"
    assert KAI.skip(Ask(orchestrator="grove", scheduler="volcano"))
    assert KAI.skip(Ask(scheduler="default"))


def test_kai_forecast():
    found = KAI.forecast(
        Ask(values=KAI.values(Ask())), {"queues": {"kai": [], "volcano": [1]}, "priority_classes": ["x"]}
    )
    nothing = {"quota": 0, "limit": -1, "weight": 1}
    assert found["queues"]["kai"] == [
        {"name": "default-parent-queue", "parent": None, **nothing},
        {"name": "default-queue", "parent": "default-parent-queue", **nothing},
    ]
    assert found["queues"]["volcano"] == [1]
    assert found["priority_classes"] == ["build", "build-preemptible", "inference", "train", "x"]
    assert found["apis"] == {
        "scheduling.run.ai": ["v2", "v2alpha2", "v1alpha2"],
        "kai.scheduler": ["v1", "v1alpha1"],
    }
    again = KAI.forecast(Ask(), found)
    assert len(again["queues"]["kai"]) == 2
    gpus = {"gpu": {"quota": 8, "limit": 16, "overQuotaWeight": 3}}
    named = {"defaultQueue": {"parentName": "above", "childName": "below", "childResources": gpus}}
    kept = {"apis": {"grove.io": ["v1alpha1"]}}
    told = KAI.forecast(Ask(values=named), kept)
    assert told["queues"]["kai"] == [
        {"name": "above", "parent": None, **nothing},
        {"name": "below", "parent": "above", "quota": 8, "limit": 16, "weight": 3},
    ]
    assert told["apis"]["grove.io"] == ["v1alpha1"]
    off = {"defaultQueue": {"createDefaultQueue": False}, "defaultPriorityClasses": {"enabled": False}}
    bare = KAI.forecast(Ask(values=off), {})
    assert not bare.get("queues")
    assert not bare.get("priority_classes")


# -- Grove --------------------------------------------------------------------------------------------------------


def test_grove_hands_gangs_to_kai_where_kai_is():
    config = GROVE.values(Ask(facts=WITH_KAI))["config"]
    assert [profile["name"] for profile in config["scheduler"]["profiles"]] == ["default-scheduler", "kai-scheduler"]
    assert config["scheduler"]["defaultProfileName"] == "kai-scheduler"
    assert config["topologyAwareScheduling"] == {"enabled": True}
    served = {"apis": {"kai.scheduler": ["v1", "v1alpha1"]}}
    assert GROVE.values(Ask(facts=served)) == GROVE.values(Ask(facts=WITH_KAI))


def test_grove_without_kai_does_not_look_for_its_definitions():
    config = GROVE.values(Ask())["config"]
    assert config["topologyAwareScheduling"] == {"enabled": False}
    assert config["scheduler"] == {"profiles": [{"name": "default-scheduler"}]}
    other = GROVE.values(Ask(facts=WITH_KAI, scheduler="volcano"))["config"]
    assert other["scheduler"]["defaultProfileName"] == "volcano"
    assert other["topologyAwareScheduling"] == {"enabled": False}


def test_f67_the_certificates_secret_stays_the_charts():
    """Switched off, helm would delete the Secret that holds it."""
    assert "webhookServerSecret" not in GROVE.values(Ask(facts=WITH_KAI))


def test_f67_an_emptied_certificate():
    found = {"present": True, "namespace": "grove", "details": {"certificate": False}}
    (finding,) = f67_certificate(Ask(), found)
    assert (finding.id, finding.severity) == ("MN-F67", "error")
    assert "webhookServerSecret.enabled=false" in finding.remedy
    assert "-n grove" in finding.remedy
    for certificate in (True, None):
        assert list(f67_certificate(Ask(), {**found, "details": {"certificate": certificate}})) == []


def test_shards_of_ones_own_instead_of_the_charts():
    off = {"defaultShard": {"enabled": False}}
    named = ("kai.scheduler/v1", "SchedulingShard", "default")
    assert named in health._reports(KAI, health.Waited("kai"))
    assert [report[1] for report in health._reports(KAI, health.Waited("kai", values=off))] == ["Config"]
    # Whatever an adopted one has counts, and there must be one
    assert (*named[:2], "") in health._reports(KAI, health.Waited("kai", adopted=True, values=off))
    assert KAI.objects(Ask(version="0.13.4", values=off)) == ()


@pytest.mark.parametrize(("aware", "severity"), [(True, "error"), (False, "warning")])
def test_f61_a_definition_whose_short_name_its_predecessor_has(aware, severity):
    details = {"binding_problem": 'not NamesAccepted "ct" is already in use', "topology_aware": aware}
    (finding,) = f61_names(Ask(), {"present": True, "details": details})
    assert (finding.id, finding.severity) == ("MN-F61", severity)
    assert "kubectl delete customresourcedefinition clustertopologies.grove.io" in finding.remedy
    assert list(f61_names(Ask(), {"present": True, "details": {"binding_problem": ""}})) == []
    assert f61_names in GROVE.checks


@pytest.mark.parametrize(("status", "ready"), [("pending-install", False), ("deployed", False), ("failed", True)])
def test_f67_ours_that_is_not_at_its_end_may_have_no_certificate_yet(status, ready):
    """helm makes the Secret empty, before the operator that fills it."""
    found = grove(release_status=status, ready=ready, details={"certificate": False})
    assert list(f67_certificate(Ask(), found)) == []
    decision = decide(Wanted(name="grove", release="grove", namespace="grove-system"), found, "v1.34.4")
    assert (decision.action, decision.findings) == ("install" if status == "pending-install" else "upgrade", ())
    at_its_end = {**found, "release_status": "deployed", "ready": True}
    assert [finding.id for finding in f67_certificate(Ask(), at_its_end)] == ["MN-F67"]


def test_f35_kai_comes_beside_a_grove_of_ours():
    """What Grove says now is not what it says after this run."""
    given = {"config": {"scheduler": {"profiles": [{"name": "default-scheduler"}]}}}
    found = grove(values=given, details={"schedulers": ["default-scheduler"], "certificate": True}, ready=True)
    asked = Wanted(name="grove", release="grove", namespace="grove-system", ask=Ask(facts=WITH_KAI))
    decision = decide(asked, found, "v1.34.4")
    assert (decision.action, decision.findings) == ("upgrade", ())
    # Unless the user's own values keep it out
    decision = decide(replace(asked, values=given), found, "v1.34.4")
    assert [finding.id for finding in decision.findings] == ["MN-F35"]
    assert decision.findings[0].remedy.startswith("config.scheduler.profiles")


def test_f35_a_grove_that_was_not_told_of_kai():
    found = {"present": True, "details": {"schedulers": ["default-scheduler"]}}
    (finding,) = f35_scheduler(Ask(facts=WITH_KAI), found)
    assert (finding.id, finding.severity) == ("MN-F35", "error")
    assert "profiles: [{name: default-scheduler},{name: kai-scheduler}]" in finding.remedy
    assert list(f35_scheduler(Ask(), found)) == []
    assert list(f35_scheduler(replace(Ask(facts=WITH_KAI), scheduler="default"), found)) == []
    told = {**found, "details": {"schedulers": ["default-scheduler", "kai-scheduler"]}}
    assert list(f35_scheduler(Ask(facts=WITH_KAI), told)) == []


def test_grove_is_skipped_and_forecast():
    assert GROVE.skip(Ask(orchestrator="lws"))
    assert not GROVE.skip(Ask())
    assert GROVE.forecast(Ask(), {"apis": {"x": []}})["apis"]["grove.io"] == ["v1alpha1"]


def test_what_newer_charts_of_lws_bring_goes_with_them_and_is_not_waited_for():
    component = definition("lws")
    assert component.newer_crds == (
        "disaggregatedsets.disaggregatedset.x-k8s.io",
        "disaggregatedsetrolescalers.disaggregatedset.x-k8s.io",
    )
    assert not set(component.newer_crds) & set(component.crds)


def test_what_older_groves_lack_is_not_waited_for():
    assert GROVE.newer_crds == ("clustertopologybindings.grove.io",)
    assert not set(GROVE.newer_crds) & set(GROVE.crds)


# -- LeaderWorkerSets ---------------------------------------------------------------------------------------------


def lws(name, leader=None, worker="volcano", size=2, **labels):
    def pod(scheduler):
        return {"spec": {"schedulerName": scheduler} if scheduler else {}}

    template = {"size": size, "workerTemplate": pod(worker)}
    if leader is not None:
        template["leaderTemplate"] = pod(leader)
    meta = {"name": name, "namespace": "ns", "labels": labels}
    return {"metadata": meta, "spec": {"leaderWorkerTemplate": template}}


def test_f35_sets_that_look_like_gangs():
    sets = [
        lws("whole"),
        lws("both", leader="volcano"),
        lws("leader-alone", leader=""),
        lws("plain", worker="default-scheduler"),
        lws("single", worker="", size=1),
        lws("native-kai", worker="kai-scheduler"),
        lws("dynamo-kai", worker="kai-scheduler", **{"nvidia.com/dynamo-component": "decode"}),
    ]
    found = no_gangs(sets)
    assert found == {"unscheduled": ["ns/leader-alone", "ns/plain"], "kai": ["ns/dynamo-kai"]}
    findings = list(f35_pods(Ask(), {"details": {"no_gangs": found}}))
    assert [(finding.id, finding.severity) for finding in findings] == [("MN-F35", "warning")] * 2
    assert "ns/leader-alone, ns/plain name no gang scheduler" in findings[0].message
    assert "ns/dynamo-kai are Dynamo's and name KAI" in findings[1].message
    assert list(f35_pods(Ask(), {"details": {}})) == []
    assert f35_pods in definition("lws").checks


# -- steps that no path planned -----------------------------------------------------------------------------------


def step(name, here, to, **more):
    """What bootstrap decides for a component of ours that runs ``here``, with ``to`` in the inventory."""
    namespace, release = f"{name}-system", name
    record = {
        "component": name,
        "origin": "provisioned",
        "release": release,
        "namespace": namespace,
        "namespace_created": True,
        "version": here,
    }
    entry = {
        "present": True,
        "source": "release",
        "release": release,
        "namespace": namespace,
        "record": record,
        "chart_version": here,
        "app_version": f"v{here}",
        "release_status": "deployed",
        "values": {},
        **{key: more.pop(key) for key in ("under_way", "release_status") if key in more},
    }
    given = {"name": name, "release": release, "namespace": namespace, "version": to, **more}
    decision = decide(Wanted(**given), entry, "v1.34.4")
    return decision.action, [(item.id, item.severity) for item in decision.findings if item.id != "MN-F36"]


@pytest.mark.parametrize(
    ("name", "here", "to"),
    [("kai_scheduler", "0.17.0", "0.16.9"), ("grove", "0.1.0-alpha.14", "0.1.0-alpha.11")],
)
def test_f72_no_way_back_is_gone_by_bootstrap_either(name, here, to):
    assert step(name, here, to) == ("refuse", [("MN-F72", "error")])
    assert step(name, here, to, planned=True) == ("upgrade", [])
    assert step(name, to, here, planned=True) == ("upgrade", [])


def test_f106_f108_f61_grove_is_not_upgraded_past_what_it_has_under_way():
    there = {"metadata": {"namespace": "serving", "name": "llm"}}
    old, new = "0.1.0-alpha.11", "0.1.0-alpha.14"
    quiet = {"pod_clique_sets": [], "scaled_to_zero": []}
    assert step("grove", old, new) == ("upgrade", [("MN-F108", "warning")])
    assert step("grove", old, new, under_way=quiet) == ("upgrade", [])
    assert step("grove", old, new, under_way={**quiet, "pod_clique_sets": [there]}) == (
        "upgrade",
        [("MN-F108", "warning")],
    )
    zero = {**quiet, "scaled_to_zero": ["serving/llm-0-decode"]}
    assert step("grove", old, new, under_way=zero) == ("refuse", [("MN-F106", "error")])
    assert step("grove", old, new, under_way=zero, planned=True) == ("upgrade", [])
    taken = {**quiet, "taken": ("clustertopologies.grove.io", [])}
    assert step("grove", "0.1.0-alpha.8", old, under_way=taken) == ("refuse", [("MN-F61", "error")])
    assert step("grove", new, new, under_way=zero)[1] == []  # other values are no upgrade
