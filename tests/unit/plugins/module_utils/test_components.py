# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopt, install, upgrade, leave, remove or refuse: every decision, and what makes it."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Wanted, decide
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError

KUBERNETES = "v1.34.4"
GANG = {"gangSchedulingManagement": {"schedulerProvider": "volcano"}}
LWS_VALUES = {**GANG, "image": {"manager": {"tag": "v0.8.0"}}}


def nothing(**more):
    return {
        "present": False,
        "source": None,
        "release": None,
        "namespace": None,
        "record": None,
        "others": [],
        "release_secrets": [],
        "namespace_ours": True,
        **more,
    }


def lws_release(**more):
    return nothing(
        present=True,
        source="release",
        release="lws",
        namespace="lws-system",
        chart_version="0.8.0",
        app_version="v0.8.0",
        release_status="deployed",
        revision=1,
        values=LWS_VALUES,
        details={"scheduler_provider": "volcano", "may_create_podgroups": True},
        **more,
    )


def record(**more):
    return {
        "component": "lws",
        "origin": "provisioned",
        "release": "lws",
        "namespace": "lws-system",
        "namespace_created": True,
        "version": "0.8.0",
        **more,
    }


def lws(**more):
    return Wanted(**{"name": "lws", "release": "lws", "namespace": "lws-system", "values": GANG, **more})


def secret(status, revision=1):
    return {"namespace": "lws-system", "name": f"sh.helm.release.v1.lws.v{revision}", "status": status}


# ---- present ----


@pytest.mark.parametrize("mode", ["auto", "provision"])
def test_an_empty_cluster_is_installed(mode):
    decision = decide(lws(mode=mode), nothing(), KUBERNETES)
    assert decision.action == "install"
    assert decision.version == "0.8.0"
    assert decision.version_values == {"image": {"manager": {"tag": "v0.8.0"}}}
    assert decision.record == record()
    assert [item["kind"] for item in components.apply_objects(decision)] == ["Namespace", "ConfigMap"]


def test_a_namespace_that_is_there_already_never_becomes_ours():
    decision = decide(lws(), nothing(namespace_ours=False), KUBERNETES)
    assert decision.record["namespace_created"] is False
    assert [item["kind"] for item in components.apply_objects(decision)] == ["ConfigMap"]


def test_adopt_refuses_an_empty_cluster():
    decision = decide(lws(mode="adopt"), nothing(), KUBERNETES)
    assert decision.action == "refuse"
    assert "lws_mode" in decision.findings[0].remedy


@pytest.mark.parametrize("state", ["present", "absent"])
def test_skip_does_nothing(state):
    decision = decide(lws(mode="skip", state=state), lws_release(record=record()), KUBERNETES)
    assert decision.action == "skip"
    assert components.apply_objects(decision) == components.delete_objects(decision, record()) == []


def test_ours_as_asked_is_left_alone():
    decision = decide(lws(), lws_release(record=record()), KUBERNETES)
    assert decision.action == "none"
    assert not decision.record_changed
    assert components.apply_objects(decision) == []


@pytest.mark.parametrize(
    ("wanted", "found", "why"),
    [
        ({"version": "0.9.0"}, {}, "0.8.0 is deployed, 0.9.0 is asked for"),
        ({"values": {**GANG, "replicaCount": 2}}, {}, "its values differ"),
        (
            {},
            {"release_status": "failed", "release_secrets": [secret("deployed"), secret("failed", 2)]},
            "its release is failed",
        ),
        ({}, {"values": {"image": {"manager": {"tag": "v0.8.0"}}}}, "its values differ"),  # MN-F32, and it is ours
    ],
)
def test_ours_otherwise_is_upgraded(wanted, found, why):
    decision = decide(lws(**wanted), {**lws_release(record=record()), **found}, KUBERNETES)
    assert decision.action == "upgrade"
    assert why in decision.why


def test_a_newer_default_is_no_reason_to_upgrade():
    found = {**lws_release(record=record(version="0.7.0")), "chart_version": "0.7.0"}
    found["values"] = {**GANG, "image": {"manager": {"tag": "v0.7.0"}}}
    assert decide(lws(), found, KUBERNETES).action == "none"


def test_a_chart_that_is_spelled_with_v_is_the_same():
    assert (
        decide(lws(version="v0.8.0"), {**lws_release(record=record()), "chart_version": "v0.8.0"}, KUBERNETES).action
        == "none"
    )


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("pending-install", "install"),
        ("uninstalling", "install"),
        ("pending-upgrade", "upgrade"),
        ("pending-rollback", "upgrade"),
    ],
)
def test_an_interrupted_run_of_ours_is_recovered(status, action):
    found = lws_release(record=record(), release_secrets=[secret("deployed"), secret(status, 2)])
    decision = decide(lws(), {**found, "release_status": status}, KUBERNETES)
    assert decision.action == action
    assert [item["metadata"]["name"] for item in decision.recover] == ["sh.helm.release.v1.lws.v2"]


def test_ours_without_its_release_is_installed_again():
    decision = decide(lws(), nothing(record=record()), KUBERNETES)
    assert decision.action == "install"
    assert "its release is gone" in decision.why


def test_ours_under_another_name_is_refused():
    decision = decide(lws(namespace="elsewhere"), lws_release(record=record()), KUBERNETES)
    assert decision.action == "refuse"
    assert decision.findings[0].id == "MN-F49"


def test_ours_beside_somebody_elses_is_refused():
    other = {"source": "release", "release": "lws2", "namespace": "other", "app_version": "0.7.0"}
    decision = decide(lws(), lws_release(record=record(), others=[other]), KUBERNETES)
    assert decision.action == "refuse"
    assert "lws2 0.7.0 in namespace other" in decision.why


def test_mode_adopt_leaves_ours_alone():
    assert decide(lws(mode="adopt", version="0.9.0"), lws_release(record=record()), KUBERNETES).action == "none"


# ---- adopted ----


def test_somebody_elses_is_adopted_and_recorded():
    decision = decide(lws(), lws_release(), KUBERNETES)
    assert decision.action == "adopt"
    assert decision.findings == ()
    assert decision.record["origin"] == "adopted"
    (kept,) = components.apply_objects(decision)
    assert kept["metadata"]["name"] == "dynamo-multinode-lws"
    assert json.loads(kept["data"]["record"])["version"] == "0.8.0"


def test_an_adopted_one_is_recorded_once():
    first = decide(lws(), lws_release(), KUBERNETES)
    again = decide(lws(), lws_release(record=dict(first.record)), KUBERNETES)
    assert again.action == "adopt"
    assert components.apply_objects(again) == []


def test_provision_refuses_somebody_elses():
    decision = decide(lws(mode="provision"), lws_release(), KUBERNETES)
    assert decision.action == "refuse"
    assert decision.findings[0].id == "MN-F49"


@pytest.mark.parametrize(
    ("source", "patch"),
    [
        ("release", "helm upgrade lws <chart> -n lws-system --reuse-values --set gang"),
        ("manifests", "ConfigMap lws-manager-config"),
    ],
)
def test_an_lws_that_makes_no_gangs_is_found_with_the_patch_for_its_owner(source, patch):
    details = {"scheduler_provider": None, "config": "lws-manager-config", "may_create_podgroups": False}
    found = {**lws_release(), "source": source, "details": details}
    decision = decide(lws(), found, KUBERNETES)
    assert decision.action == "adopt"
    (finding,) = decision.findings
    assert (finding.id, finding.severity) == ("MN-F32", "error")
    assert patch in finding.remedy


@pytest.mark.parametrize(
    ("scheduler", "severity"), [("auto", "error"), ("volcano", "error"), ("", "error"), ("kai", "warning")]
)
def test_f32_is_no_error_where_another_scheduler_makes_the_gangs(scheduler, severity):
    """KAI groups LeaderWorkerSets by itself, without LWS's provider."""
    found = {**lws_release(), "details": {"scheduler_provider": None, "may_create_podgroups": True}}
    (finding,) = decide(lws(ask=components.Ask(scheduler=scheduler)), found, KUBERNETES).findings
    assert (finding.id, finding.severity) == ("MN-F32", severity)


def test_f33_an_lws_that_may_not_make_podgroups_is_found():
    found = {**lws_release(), "details": {"scheduler_provider": "volcano", "may_create_podgroups": False}}
    assert [item.id for item in decide(lws(), found, KUBERNETES).findings] == ["MN-F33"]


def test_a_foreign_release_that_hangs_is_found_and_not_touched():
    found = {**lws_release(), "release_status": "pending-upgrade", "release_secrets": [secret("pending-upgrade")]}
    decision = decide(lws(), found, KUBERNETES)
    assert decision.action == "adopt"
    assert decision.recover == ()
    assert [item.id for item in decision.findings] == ["MN-F63"]


def test_a_foreign_version_outside_its_kubernetes_is_found():
    assert [item.id for item in decide(lws(), lws_release(), "v1.26.0").findings] == ["MN-F36"]


# ---- refused ----


def test_an_install_outside_its_kubernetes_is_refused():
    decision = decide(Wanted(name="volcano", version="1.14.1"), nothing(), "v1.36.0")
    assert decision.action == "refuse"
    assert decision.findings[0].id == "MN-F36"
    assert decide(Wanted(name="volcano"), nothing(), "v1.36.0").action == "refuse"


@pytest.mark.parametrize(
    ("meta", "version", "action"),
    [
        ({"name": "lws", "version": "0.1.0", "appVersion": "v0.8.0"}, "", "install"),  # packaged from a source tree
        ({"name": "lws", "version": "0.1.0", "appVersion": "v0.8.0"}, "0.8.0", "install"),
        ({"name": "lws", "version": "0.9.0", "appVersion": "v0.9.0"}, "0.8.0", "refuse"),
        ({"name": "volcano", "version": "0.8.0", "appVersion": "0.8.0"}, "", "refuse"),
    ],
)
def test_an_archive_has_to_be_the_one_that_is_asked_for(meta, version, action):
    decision = decide(lws(chart_meta=meta, version=version), nothing(), KUBERNETES)
    assert decision.action == action
    if action == "install":
        assert decision.version == "0.8.0"


def test_the_second_run_of_an_archive_from_a_source_tree_does_nothing():
    meta = {"name": "lws", "version": "0.1.0", "appVersion": "v0.8.0"}
    found = {**lws_release(record=record()), "chart_version": "0.1.0"}
    assert decide(lws(chart_meta=meta), found, KUBERNETES).action == "none"


def test_what_cannot_be_read_is_not_guessed():
    decision = decide(lws(), nothing(unreadable="not allowed to list Secret in v1"), KUBERNETES)
    assert decision.action == "refuse"


# ---- absent ----


def kinds(lots):
    return [[item["kind"] for item in lot] for lot in lots]


def test_nothing_of_ours_means_nothing_to_remove():
    decision = decide(lws(state="absent"), lws_release(), KUBERNETES)
    assert decision.action == "none"
    assert "stays" in decision.why
    assert components.delete_objects(decision, None) == []


def test_of_an_adopted_one_only_the_record_goes():
    kept = record(origin="adopted", namespace_created=False)
    decision = decide(lws(state="absent", remove_crds=True), lws_release(record=kept), KUBERNETES)
    assert not decision.uninstall
    assert kinds(components.delete_objects(decision, kept)) == [["ConfigMap"]]


def test_what_we_provisioned_goes_with_its_namespace_and_keeps_its_definitions():
    decision = decide(lws(state="absent"), lws_release(record=record()), KUBERNETES)
    assert decision.uninstall
    assert kinds(components.delete_objects(decision, record())) == [["Namespace"]], "our record goes with it"


def test_definitions_go_where_they_are_asked_to():
    decision = decide(lws(state="absent", remove_crds=True), lws_release(record=record()), KUBERNETES)
    (lot,) = components.delete_objects(decision, record())
    assert lot[0]["metadata"]["name"] == "leaderworkersets.leaderworkerset.x-k8s.io"


def test_a_namespace_with_something_of_others_stays_and_our_record_in_it_goes_last():
    """A run that is killed before has left the record, by which the next one knows what is ours."""
    found = lws_release(record=record(), namespace_foreign=["ConfigMap/theirs"])
    decision = decide(lws(state="absent", remove_crds=True), found, KUBERNETES)
    assert kinds(components.delete_objects(decision, record())) == [["CustomResourceDefinition"] * 3, ["ConfigMap"]]
    assert "ConfigMap/theirs" in decision.findings[0].message


@pytest.mark.parametrize("status", ["pending-install", "uninstalling"])
def test_an_interrupted_first_install_is_removed_without_helm(status):
    left = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "lws-system"}}
    found = {**lws_release(record=record(), release_objects=[left]), "release_status": status, "revision": 2}
    decision = decide(lws(state="absent"), found, KUBERNETES)
    assert not decision.uninstall
    before, gone = components.delete_objects(decision, record())
    assert before == [left], "what the release names, before its Secrets, which alone name it"
    assert [item["metadata"]["name"] for item in gone if item["kind"] == "Secret"] == [
        "sh.helm.release.v1.lws.v1",
        "sh.helm.release.v1.lws.v2",
    ]
    assert gone[-1]["kind"] == "Namespace"


def test_an_interrupted_upgrade_is_uninstalled_by_helm():
    found = {
        **lws_release(record=record(), release_secrets=[secret("pending-upgrade", 2)]),
        "release_status": "pending-upgrade",
    }
    decision = decide(lws(state="absent"), found, KUBERNETES)
    assert decision.uninstall
    assert [item["metadata"]["name"] for item in decision.recover] == ["sh.helm.release.v1.lws.v2"]


# ---- waivers, readiness ----


def test_a_waiver_holds_through_its_last_day():
    finding = Finding("MN-F32", "error", "lws", "message", "remedy")
    waivers = [{"id": "MN-F32", "reason": "told", "until": "2027-01-01"}]
    assert components.waived([finding], waivers, "2027-01-01") == [(finding, "told")]
    assert components.waived([finding], waivers, "2027-01-02") == [(finding, None)]
    assert components.waived([finding], [{"id": "MN-F33"}], "2026-01-01") == [(finding, None)]


@pytest.mark.parametrize("until", ["31.12.2020", "2027-1-1", "2027-02-30", "2027-01-01T00:00:00", "20270101", "soon"])
def test_a_waiver_until_something_that_is_no_day_is_an_error(until):
    """Compared as text, 31.12.2020 would hold for ever."""
    with pytest.raises(SpecError) as error:
        components.waived([], [{"id": "MN-F01"}, {"id": "MN-F32", "until": until}], "2026-01-01")
    assert str(error.value) == f"multinode_waivers[1].until: is {until!r}; a day as 2027-01-31"


def deployment(name, image, **status):
    return {
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": image}]}}},
        "status": {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1, **status},
    }


def scaled_to_zero(image):
    found = deployment("lws", image, updatedReplicas=0, availableReplicas=0)
    found["spec"]["replicas"] = 0
    return found


def ready_lws(**more):
    service = {"clientConfig": {"service": {"name": "lws-webhook-service", "namespace": "lws-system"}, "caBundle": "x"}}
    names = components.COMPONENTS["lws"].webhooks
    return {
        "namespace": "lws-system",
        "deployments": [deployment("lws", "mirror:5000/lws/lws:v0.8.0")],
        "webhooks": [
            {"metadata": {"name": name}, "webhooks": [{"name": name, **copy.deepcopy(service)}]} for name in names
        ],
        "endpointslices": [
            {
                "metadata": {"labels": {"kubernetes.io/service-name": "lws-webhook-service"}},
                "endpoints": [{"conditions": {"ready": True}}],
            }
        ],
        "queues": [],
        "scheduler_provider": "volcano",
        "crds": {},
        **more,
    }


def test_everything_there_is_ready():
    assert components.missing(components.COMPONENTS["lws"], ready_lws()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"deployments": []}, "no Deployment runs lws"),
        ({"deployments": [scaled_to_zero("lws")]}, "Deployment lws: it is scaled to 0"),
        ({"deployments": [deployment("lws", "lws:v1", observedGeneration=1)]}, "not observed"),
        ({"deployments": [deployment("lws", "lws:v1", availableReplicas=0)]}, "0 of 1 available"),
        ({"deployments": [deployment("lws", "lws:v1", updatedReplicas=0)]}, "1 of 1 available"),
        ({"webhooks": []}, "lws-mutating-webhook-configuration is not there"),
        ({"endpointslices": []}, "lws-webhook-service has no ready endpoint"),
        ({"scheduler_provider": None}, "schedulerProvider"),
        ({"crds": {"x.y": None}}, "not there"),
        (
            {"crds": {"x.y": {"status": {"conditions": [{"type": "Established", "status": "True"}]}}}},
            "not NamesAccepted (MN-F61: delete the definition that has the name",
        ),
        (
            {
                "crds": {
                    "x.y": {"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "ct"}]}}
                }
            },
            "not NamesAccepted ct (MN-F61: another definition holds one of its names",
        ),
    ],
)
def test_what_is_missing_is_named(change, says):
    assert any(says in line for line in components.missing(components.COMPONENTS["lws"], ready_lws(**change)))


def test_a_webhook_without_its_certificate_is_not_ready():
    state = ready_lws()
    state["webhooks"][0]["webhooks"][0]["clientConfig"].pop("caBundle")
    assert components.missing(components.COMPONENTS["lws"], state) == [
        "webhook lws-mutating-webhook-configuration has no caBundle yet"
    ]


def test_something_of_another_image_may_be_scaled_to_zero():
    both = {"deployments": [*ready_lws()["deployments"], scaled_to_zero("other")]}
    assert components.missing(components.COMPONENTS["lws"], ready_lws(**both)) == []


def test_webhooks_that_values_switch_off_and_those_of_somebody_else_are_not_missed():
    volcano = components.COMPONENTS["volcano"]
    images = ("vc-scheduler", "vc-controller-manager", "vc-webhook-manager")
    queues = [{"metadata": {"name": name}, "status": {"state": "Open"}} for name in ("root", "default")]
    state = {"deployments": [deployment(image, f"{image}:v1") for image in images], "queues": queues}

    def lacks(values=None, **more):
        return [line.split()[2] for line in components.missing(volcano, {**state, "values": values or {}, **more})]

    assert lacks() == list(volcano.webhooks)
    assert lacks({"custom": {"enabled_admissions": "/jobs/mutate, /podgroups/validate"}}) == [volcano.webhooks[1]]
    assert lacks({"custom": {"enabled_admissions": "/jobs/mutate"}}) == []
    assert lacks(adopted=True) == []


def test_volcano_needs_its_queues_open():
    volcano = components.COMPONENTS["volcano"]
    queues = [
        {"metadata": {"name": "root"}, "status": {"state": "Open"}},
        {"metadata": {"name": "default"}, "status": {}},
    ]
    lines = components.missing(volcano, {"queues": queues, "namespace": "volcano-system"})
    assert "queue default is without a state" in lines
    assert not any("queue root" in line for line in lines)


@pytest.mark.parametrize(
    ("image", "split"),
    [
        ("lws", ("lws", "")),
        ("registry.k8s.io/lws/lws:v0.8.0", ("registry.k8s.io/lws/lws", "v0.8.0")),
        ("localhost:5000/lws", ("localhost:5000/lws", "")),
        ("localhost:5000/lws:v1@sha256:0123", ("localhost:5000/lws", "v1")),
    ],
)
def test_images_are_taken_apart(image, split):
    assert components.split_image(image) == split


def test_values_are_merged_as_helm_merges_them():
    base = {"image": {"manager": {"tag": "v1"}}, "list": [1]}
    assert components.merge(base, {"image": {"manager": {"repository": "r"}}, "list": [2]}) == {
        "image": {"manager": {"tag": "v1", "repository": "r"}},
        "list": [2],
    }
    assert base == {"image": {"manager": {"tag": "v1"}}, "list": [1]}


# ---- uninstalled to come back ----


def test_what_comes_back_keeps_its_record_and_its_namespace():
    found = lws_release(record=record())
    decision = decide(lws(state="absent", version="0.7.0", planned=True), found, KUBERNETES)
    assert (decision.uninstall, decision.remove_namespace) == (True, False)
    applied = components.apply_objects(decision)
    assert [item["kind"] for item in applied] == ["Namespace", "ConfigMap"]
    assert json.loads(applied[1]["data"]["record"]) == record(back="0.7.0")
    kinds = [item["kind"] for lot in components.delete_objects(decision, record()) for item in lot]
    assert not {"Namespace", "ConfigMap"} & set(kinds)
    # A teardown of it does not, whatever version is named
    torn = decide(lws(state="absent", version="0.7.0"), lws_release(record=record(back="0.7.0")), KUBERNETES)
    assert torn.remove_namespace
    assert components.apply_objects(torn) == []


def test_what_comes_back_is_installed_at_its_version_and_remembers_it():
    decision = decide(lws(), nothing(record=record(back="0.7.0")), KUBERNETES)
    assert (decision.action, decision.version) == ("install", "0.7.0")
    assert decision.record == record(version="0.7.0", back="0.7.0")
    forward = decide(lws(version="0.9.0"), nothing(record=record(back="0.7.0")), KUBERNETES)
    assert forward.record == record(version="0.9.0")
