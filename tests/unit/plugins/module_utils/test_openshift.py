# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift: what is subscribed to, what OLM says, which NFD is ours, and what the pods may."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.openshift import needs
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Wanted, decide, openshift
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

from tests.unit.plugins.module_utils.inputs import component, dynamo, machines, native, workload

KUBERNETES = "v1.32.6"
APIS = {"config.openshift.io": ["v1"], "operators.coreos.com": ["v1alpha1"], "security.openshift.io": ["v1"]}
SPACE = "nvidia-gpu-operator"
VERSION = "26.7.0"
CSV = f"gpu-operator-certified.v{VERSION}"
NOTHING: dict[str, list[Any] | dict[str, Any]] = {
    "subscriptions": [],
    "csvs": {},
    "install_plans": {},
    "operator_groups": [],
    "nfd": [],
}


def subscription(**over: Any) -> dict[str, Any]:
    return {
        "name": "gpu-operator-certified",
        "namespace": SPACE,
        "package": "gpu-operator-certified",
        "channel": "v26.7",
        "source": "certified-operators",
        "source_namespace": "openshift-marketplace",
        "approval": "Automatic",
        "starting_csv": CSV,
        "installed_csv": CSV,
        "current_csv": CSV,
        "state": "AtLatestKnown",
        "install_plan": "install-abcde",
        "conditions": [],
        "ours": True,
        **over,
    }


def group(namespace: str, ours: bool = True, targets: tuple[str, ...] = ()) -> dict[str, Any]:
    name = "dynamo-multinode" if ours else "theirs"
    return {"namespace": namespace, "name": name, "targets": list(targets or (namespace,)), "ours": ours}


def olm(*subscriptions: dict[str, Any], phase: str = "Succeeded", **over: Any) -> dict[str, Any]:
    spaces = {item["namespace"] for item in subscriptions}
    return {
        **NOTHING,
        "subscriptions": list(subscriptions),
        "csvs": {f"{SPACE}/{CSV}": {"phase": phase, "reason": "Why", "message": "because", "version": VERSION}},
        "install_plans": {f"{SPACE}/install-abcde": {"phase": "Complete", "approved": True, "csvs": [CSV]}},
        "operator_groups": [group(space) for space in sorted(spaces)],
        **over,
    }


def wanted(name: str = "gpu_operator", settings: dict[str, Any] | None = None, **over: Any) -> Wanted:
    facts = {"kubernetes": KUBERNETES, "apis": APIS, "olm": over.pop("olm", NOTHING), "nodes": [], "components": {}}
    facts = {**facts, **over.pop("facts", {})}
    ask = Ask(facts=facts, settings=settings or {}, registry=over.pop("registry", {}))
    base = {"name": name, "mode": "provision", "version": VERSION, "namespace": SPACE, "release": "gpu-operator"}
    return Wanted(**{**base, "ask": ask, **over})


def found(**over: Any) -> dict[str, Any]:
    base = {"present": False, "source": None, "record": None, "others": [], "release_secrets": []}
    return {**base, "namespace_ours": True, **over}


def kinds(objects: Any) -> list[tuple[str, str]]:
    return [(item["kind"], item["metadata"]["name"]) for item in objects]


def test_an_operator_is_subscribed_to_in_its_own_namespace_with_the_version_of_the_matrix() -> None:
    decision = decide(wanted(), found(), KUBERNETES)
    assert (decision.action, decision.source) == ("install", "olm")
    assert kinds(decision.before) == [
        ("OperatorGroup", "dynamo-multinode"),
        ("Subscription", "gpu-operator-certified"),
        ("Namespace", "openshift-nfd"),
        ("OperatorGroup", "dynamo-multinode"),
        ("Subscription", "nfd"),
    ]
    group, asked = decision.before[:2]
    assert group["spec"] == {"targetNamespaces": [SPACE]}
    assert asked["spec"] == {
        "name": "gpu-operator-certified",
        "channel": "v26.7",
        "source": "certified-operators",
        "sourceNamespace": "openshift-marketplace",
        "installPlanApproval": "Automatic",
        "startingCSV": CSV,
    }
    assert ("NodeFeatureDiscovery", "nfd-instance") in kinds(decision.objects)
    assert decision.record is not None
    assert (decision.record["source"], decision.record["namespace_created"]) == ("olm", True)
    assert not decision.values


def test_channel_catalog_and_approval_can_be_chosen() -> None:
    settings = {"olm": {"channel": "stable", "source": "cs-mirror", "approval": "manual", "nfd": False}}
    (_, asked) = decide(wanted(settings=settings), found(), KUBERNETES).before
    spec = asked["spec"]
    assert (spec["channel"], spec["source"], spec["installPlanApproval"]) == ("stable", "cs-mirror", "Manual")


def test_every_mistake_in_the_setting_is_told_at_once() -> None:
    refused = decide(wanted(settings={"olm": {"chanel": "stable", "approval": "maybe"}}), found(), KUBERNETES)
    assert refused.action == "refuse"
    assert "multinode_platform.gpu_operator.olm.chanel: is not a known key (did you mean channel?)" in refused.why
    assert "olm.approval: is 'maybe'; Automatic or Manual" in refused.why


def test_without_olm_the_chart_is_used_only_where_that_is_said() -> None:
    facts = {"olm": None}
    refused = decide(wanted(facts=facts), found(), KUBERNETES)
    assert refused.action == "refuse"
    assert refused.findings[0].id == "MN-N30"
    assert "olm: false" in refused.findings[0].remedy
    for no in (False, "false"):
        chart = decide(wanted(facts=facts, settings={"olm": no}), found(), KUBERNETES)
        assert (chart.action, chart.source) == ("install", "")
    elsewhere = decide(wanted(facts={**facts, "apis": {}}), found(), KUBERNETES)
    assert (elsewhere.action, elsewhere.source) == ("install", "")
    assert "platform" not in elsewhere.values


def ours(**over: Any) -> dict[str, Any]:
    return found(
        present=True, source="manifests", record=dict(decide(wanted(), found(), KUBERNETES).record or {}), **over
    )


NFD = subscription(
    name="nfd",
    namespace="openshift-nfd",
    package="nfd",
    channel="stable",
    source="redhat-operators",
    installed_csv=None,
)


def test_a_second_run_has_nothing_to_do_and_a_change_of_channel_is_an_upgrade() -> None:
    there = olm(subscription(), NFD, nfd=[{"namespace": "openshift-nfd", "name": "nfd-instance", "ours": True}])
    there["csvs"]["openshift-nfd/" + CSV] = there["csvs"][f"{SPACE}/{CSV}"]
    same = decide(wanted(olm=there), ours(), KUBERNETES)
    assert (same.action, same.record_changed, same.before, same.stale) == ("none", False, (), ())
    changed = decide(wanted(olm=there, settings={"olm": {"channel": "stable"}}), ours(), KUBERNETES)
    assert changed.action == "upgrade"
    assert "channel" in changed.why
    moved = decide(wanted(olm=there, namespace="elsewhere"), ours(), KUBERNETES)
    assert moved.action == "refuse"


READY_NFD = [{"namespace": "openshift-nfd", "name": "nfd-instance", "ours": True}]


def policy_of(decision: Any) -> dict[str, Any]:
    (found_,) = [item for item in decision.objects if item["kind"] == "ClusterPolicy"]
    return dict(found_)


def test_the_second_run_leaves_the_driver_on_that_the_first_one_brought() -> None:
    bare = {"name": "g", "gpus": 0, "labels": {"feature.node.kubernetes.io/pci-10de.present": "true"}}
    first = policy_of(decide(wanted(facts={"nodes": [bare]}), found(), KUBERNETES))
    assert first["spec"]["driver"]["enabled"] is True
    live = {"name": "gpu-cluster-policy", "spec": first["spec"], "state": "ready", "reason": "Reconciled", "states": []}
    facts = {
        "nodes": [{**bare, "gpus": 8}],
        "components": {"gpu_operator": ours()},
        "hardware": {"cluster_policies": [live]},
    }
    second = decide(wanted(olm=olm(subscription(), NFD, nfd=READY_NFD), facts=facts), ours(), KUBERNETES)
    assert (second.action, policy_of(second)) == ("none", first)


def test_somebody_elses_subscription_is_adopted_and_judged() -> None:
    there = olm(subscription(ours=False), phase="Failed")
    adopted = decide(wanted(olm=there, mode="auto"), found(present=True), KUBERNETES)
    assert (adopted.action, adopted.version, adopted.before, adopted.objects) == ("adopt", VERSION, (), ())
    assert [(item.id, item.severity) for item in adopted.findings] == [("MN-N30", "error"), ("MN-F37", "warning")]
    assert decide(wanted(olm=there), found(present=True), KUBERNETES).action == "refuse"


def test_what_we_subscribed_to_goes_with_its_csv_and_nothing_else() -> None:
    there = olm(subscription(), NFD, {**subscription(name="other", package="nvidia-network-operator")})
    decision = decide(wanted(olm=there, state="absent"), ours(), KUBERNETES)
    assert (decision.action, decision.uninstall) == ("remove", False)
    assert kinds(decision.delete) == [
        ("Subscription", "gpu-operator-certified"),
        ("ClusterServiceVersion", CSV),
        ("OperatorGroup", "dynamo-multinode"),
        ("Subscription", "nfd"),
        ("ClusterServiceVersion", CSV),
        ("OperatorGroup", "dynamo-multinode"),
    ]
    assert ("NodeFeatureDiscovery", "nfd-instance") in kinds(decision.first)
    theirs = olm(subscription(ours=False))
    adopted = found(present=True, record={"component": "gpu_operator", "origin": "adopted", "namespace": SPACE})
    assert decide(wanted(olm=theirs, state="absent"), adopted, KUBERNETES).delete == ()


@pytest.mark.parametrize(
    ("there", "made"),
    [
        (NOTHING, True),
        ({**NOTHING, "subscriptions": [{**NFD, "ours": False}]}, False),
        ({**NOTHING, "nfd": [{"namespace": "x", "name": "theirs", "ours": False}]}, False),
        ({**NOTHING, "nfd": [{"namespace": "openshift-nfd", "name": "nfd-instance", "ours": True}]}, True),
    ],
)
def test_n32_there_is_one_node_feature_discovery(there: dict[str, Any], made: bool) -> None:
    decision = decide(wanted(olm=there), found(), KUBERNETES)
    assert (("Subscription", "nfd") in kinds(decision.before)) is made
    assert (("NodeFeatureDiscovery", "nfd-instance") in kinds(decision.objects)) is made
    # It does not come with the other operator as well
    other = decide(wanted("network_operator", olm=there, version="26.4.1", namespace="n"), found(), KUBERNETES)
    assert ("Subscription", "nfd") not in kinds(other.before)


@pytest.mark.parametrize(
    ("settings", "hardware", "made"),
    [
        ({}, [], True),
        ({"nfd": False}, [], False),
        ({"nfd": "no", "olm": {"nfd": True}}, [], False),
        ({"nfd": "auto"}, [], True),
        ({"olm": {"nfd": "false"}}, [], False),
        ({}, [{"namespace": "node-feature-discovery", "release": "nfd"}], False),
    ],
)
def test_n32_who_says_that_no_second_one_comes(
    settings: dict[str, Any], hardware: list[dict[str, str]], made: bool
) -> None:
    decision = decide(wanted(settings=settings, facts={"hardware": {"nfd": hardware}}), found(), KUBERNETES)
    assert (("Subscription", "nfd") in kinds(decision.before)) is made
    # None at all is said, too
    said = [item for item in decision.findings if item.id == "MN-F37"]
    assert [item.severity for item in said] == ([] if made or hardware else ["error"])


def test_f37_on_openshift_there_is_one_of_whatever_way() -> None:
    def said(settings: dict[str, Any], name: str = "gpu_operator", **facts: Any) -> list[str]:
        asked = wanted(name, settings, facts=facts, version={"network_operator": "26.4.1"}.get(name, VERSION))
        return [item.message for item in decide(asked, found(), KUBERNETES).findings if item.id == "MN-F37"]

    assert "nothing runs" in said({"olm": False})[0]
    assert said({"olm": False, "nfd": True}) == []
    assert said({"olm": False}, olm=olm(NFD)) == []
    # OLM's own runs in openshift-nfd, and is no second one
    operand = {"nfd": [{"namespace": "openshift-nfd", "release": ""}]}
    assert said({}, olm=olm(NFD), hardware=operand) == []
    chart = {"nfd": [*operand["nfd"], {"namespace": "node-feature-discovery", "release": "nfd"}]}
    assert "runs 2 times" in said({}, olm=olm(NFD), hardware=chart)[0]
    assert "nothing runs" in said({}, "network_operator")[0]


def test_n32_what_is_missing_of_nfd_is_brought_again() -> None:
    gone = decide(wanted(olm=olm(subscription())), ours(), KUBERNETES)
    assert (gone.action, "the Subscription of NFD is not there" in gone.why) == ("upgrade", True)
    assert ("Subscription", "nfd") in kinds(gone.before)
    other = decide(wanted(olm=olm(subscription(), {**NFD, "channel": "4.18"}, nfd=READY_NFD)), ours(), KUBERNETES)
    assert "NFD's channel is 4.18, stable is asked for" in other.why
    theirs = decide(wanted(olm=olm(subscription(), {**NFD, "ours": False})), ours(), KUBERNETES)
    assert theirs.action == "none"


def test_what_we_subscribed_to_is_subscribed_to_again_when_its_subscription_is_gone() -> None:
    for there in (ours(), found(record=ours()["record"])):
        again = decide(wanted(), there, KUBERNETES)
        assert (again.action, ("Subscription", "gpu-operator-certified") in kinds(again.before)) == ("install", True)
    # Offered by what we brought, not by something else
    gpus = {"nodes": [{"name": "g", "gpus": 8, "labels": {}}], "components": {"gpu_operator": ours()}}
    there = olm(subscription(), NFD, nfd=READY_NFD)
    assert decide(wanted(olm=there, mode="auto", facts=gpus), ours(), KUBERNETES).action == "none"


def test_n30_an_operator_group_of_somebody_else_is_used_or_in_the_way() -> None:
    suits = {**NOTHING, "operator_groups": [group("openshift-nfd", ours=False), group("elsewhere", ours=False)]}
    before = kinds(decide(wanted(olm=suits), found(), KUBERNETES).before)
    assert before == [
        ("OperatorGroup", "dynamo-multinode"),
        ("Subscription", "gpu-operator-certified"),
        ("Namespace", "openshift-nfd"),
        ("Subscription", "nfd"),
    ]
    wide = {**group(SPACE, ours=False), "targets": []}
    refused = decide(wanted(olm={**NOTHING, "operator_groups": [wide]}), found(), KUBERNETES)
    assert (refused.action, refused.findings[0].id) == ("refuse", "MN-N30")
    assert f"namespace {SPACE} has an OperatorGroup of somebody else (theirs for all namespaces)" in refused.why
    two = [group(SPACE, ours=False), group(SPACE, ours=False)]
    assert decide(wanted(olm={**NOTHING, "operator_groups": two}), found(), KUBERNETES).action == "refuse"
    # What runs is not refused for it: OLM says what is wrong
    there = olm(subscription(), NFD, nfd=READY_NFD, operator_groups=[wide, group("openshift-nfd")])
    assert decide(wanted(olm=there), ours(), KUBERNETES).action == "none"


def test_n30_olm_never_goes_back_and_chooses_within_its_channel() -> None:
    there = olm(subscription(), NFD, nfd=READY_NFD)
    back = decide(wanted(olm=there, version="26.3.3"), ours(), KUBERNETES)
    assert (back.action, "never goes back" in back.why) == ("refuse", True)
    far = olm(subscription(channel="v25.3", installed_csv="gpu-operator-certified.v25.3.4"), NFD, nfd=READY_NFD)
    assert "MN-F101" in [item.id for item in decide(wanted(olm=far), ours(), KUBERNETES).findings]
    newer = decide(wanted(olm=there, version="26.7.1"), ours(), KUBERNETES)
    assert (newer.action, newer.version, newer.record_changed) == ("none", VERSION, False)
    assert "26.7.1 is asked for, and 26.7.0 runs" in newer.findings[0].message
    # Nobody asked for a version: what OLM brought meanwhile is what is known of it
    moved = olm(subscription(installed_csv="gpu-operator-certified.v26.7.1"), NFD, nfd=READY_NFD)
    moved["csvs"][f"{SPACE}/gpu-operator-certified.v26.7.1"] = {"phase": "Succeeded", "reason": "", "message": ""}
    grown = decide(wanted(olm=moved, version=""), ours(), KUBERNETES)
    assert (grown.action, (grown.record or {})["version"], grown.findings) == ("none", "26.7.1", ())


def test_what_we_subscribed_to_is_left_alone_where_it_is_to_be_adopted() -> None:
    there = olm(subscription(), NFD, nfd=READY_NFD)
    kept = decide(wanted(olm=there, mode="adopt", settings={"olm": {"channel": "stable"}}), ours(), KUBERNETES)
    assert (kept.action, kept.version, kept.before, kept.objects, kept.record) == ("none", VERSION, (), (), None)


def test_n32_two_of_them_are_said() -> None:
    two = [{"namespace": "a", "name": "x", "ours": False}, {"namespace": "b", "name": "y", "ours": False}]
    found_ = openshift.findings("gpu_operator", {"olm": {**NOTHING, "nfd": two}})
    assert [item.id for item in found_] == ["MN-N32"]
    assert "a/x, b/y" in found_[0].message


TROUBLES: dict[str, tuple[dict[str, Any], str, bool]] = {
    "runs": (olm(subscription()), "", False),
    "new": (olm(subscription(installed_csv=None, current_csv=None, state=None), phase=""), "not looked at yet", False),
    "installing": (
        olm(subscription(installed_csv=None, state="UpgradePending"), phase="Installing"),
        "Installing",
        False,
    ),
    "unresolvable": (
        olm(
            subscription(
                installed_csv=None,
                current_csv=None,
                state="UpgradePending",
                conditions=[{"type": "ResolutionFailed", "reason": "x", "message": "no operators found in channel"}],
            )
        ),
        "no operators found in channel",
        True,
    ),
    "approval": (
        olm(
            subscription(installed_csv=None, state="UpgradePending", approval="Manual"),
            phase="",
            install_plans={f"{SPACE}/install-abcde": {"phase": "RequiresApproval", "approved": False, "csvs": [CSV]}},
        ),
        "waits for the approval of InstallPlan install-abcde",
        True,
    ),
    "plan failed": (
        olm(
            subscription(installed_csv=None, state="UpgradePending"),
            phase="",
            install_plans={f"{SPACE}/install-abcde": {"phase": "Failed", "message": "no such CRD", "csvs": [CSV]}},
        ),
        "no such CRD",
        True,
    ),
    "csv failed": (olm(subscription(), phase="Failed"), "because", True),
    "catalog": (
        olm(subscription(installed_csv=None, conditions=[{"type": "CatalogSourcesUnhealthy", "message": "down"}])),
        "down",
        True,
    ),
    "two groups": (
        olm(
            subscription(),
            operator_groups=[group(SPACE), group(SPACE, ours=False)],
        ),
        "exactly one OperatorGroup",
        True,
    ),
    "upgrade failed": (olm(subscription(state="UpgradeFailed")), "UpgradeFailed", True),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_n30_what_olm_says_comes_with_what_to_do(case: str) -> None:
    there, said, lasting = TROUBLES[case]
    told = openshift.troubles(there["subscriptions"][0], there)
    assert bool(told) == bool(said)
    if said:
        assert any(said in trouble.message for trouble in told), told
        assert told[0].lasting is lasting
        assert all(trouble.remedy for trouble in told)


def test_n30_approving_is_one_command() -> None:
    there = TROUBLES["approval"][0]
    remedy = openshift.troubles(there["subscriptions"][0], there)[0].remedy
    assert remedy.startswith(f"oc patch installplan install-abcde -n {SPACE} --type merge")


N20: dict[str, tuple[dict[str, Any], str]] = {
    "mirror": ({"registry": {"mirror": "m.example"}}, "multinode_registry does not reach"),
    "certificates": ({"registry": {"ca_bundle": "PEM"}}, "multinode_registry does not reach"),
    "proxy": ({"proxy": {"https": "http://p:1"}}, "multinode_proxy does not reach"),
    "air gap alone": ({"airgap": True}, "multinode_airgap does not reach"),
    "both": ({"registry": {"mirror": "m"}, "airgap": True}, "multinode_registry and multinode_airgap do not reach"),
    "neither": ({}, ""),
}


@pytest.mark.parametrize("case", N20)
def test_n20_the_mirror_of_olms_images_is_openshifts_own(case: str) -> None:
    given, said = N20[case]
    asked = wanted()
    decision = decide(replace(asked, ask=replace(asked.ask, **given)), found(), KUBERNETES)
    notes = [item for item in decision.findings if item.id == "MN-N20"]
    assert [said in note.message for note in notes] == [True] * bool(said)
    assert all("ImageDigestMirrorSet" in note.remedy for note in notes)


def test_the_drivers_certificates_are_there_before_the_operator() -> None:
    pem = "-----BEGIN CERTIFICATE-----"
    (config, *_) = decide(wanted(registry={"ca_bundle": pem}), found(), KUBERNETES).before
    assert (config["kind"], config["metadata"]["namespace"]) == ("ConfigMap", SPACE)
    # Where certificates come or change later, nothing else differs, and they are looked at as every object is
    there = olm(subscription(), NFD, nfd=READY_NFD)
    later = decide(wanted(olm=there, registry={"ca_bundle": pem}), ours(), KUBERNETES)
    assert (later.action, config in later.objects) == ("none", True)


def test_rdma_needs_a_constraint_of_its_own_which_is_not_privileged() -> None:
    settings = {"rdma_namespaces": ["inference"]}
    decision = decide(wanted("network_operator", settings, version="26.4.1", namespace="n"), found(), KUBERNETES)
    made = [item for item in decision.objects if item["metadata"]["name"].endswith(openshift.RDMA_SCC)]
    assert [item["kind"] for item in made] == ["SecurityContextConstraints", "ClusterRole", "RoleBinding"]
    constraint, role, binding = made
    assert constraint["allowedCapabilities"] == ["IPC_LOCK"]
    allows = {key for key, value in constraint.items() if key.startswith("allow") and value is True}
    assert allows == set()
    assert constraint["runAsUser"] == {"type": "MustRunAsRange"}
    assert role["rules"][0]["resourceNames"] == [constraint["metadata"]["name"]]
    assert binding["metadata"]["namespace"] == "inference"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == "system:serviceaccounts:inference"
    # By the chart, too
    chart = decide(
        wanted("network_operator", {**settings, "olm": False}, version="26.4.1", namespace="n"), found(), KUBERNETES
    )
    assert [item for item in chart.objects if item["metadata"]["name"].endswith(openshift.RDMA_SCC)] == made
    # Nobody gets it unasked.
    unasked = decide(wanted("network_operator", version="26.4.1", namespace="n"), found(), KUBERNETES)
    assert not [item for item in unasked.objects if item["kind"] in ("SecurityContextConstraints", "RoleBinding")]


@pytest.mark.parametrize(
    ("given", "bound"), [("inference", ["inference"]), (["a", "b", "a"], ["a", "b"]), ([], []), ({"a": "b"}, None)]
)
def test_n40_namespaces_with_rdma_are_a_list_or_a_text(given: Any, bound: list[str] | None) -> None:
    asked = wanted("network_operator", {"rdma_namespaces": given}, version="26.4.1", namespace="n")
    decision = decide(asked, found(), KUBERNETES)
    bindings = [item["metadata"]["namespace"] for item in decision.objects if item["kind"] == "RoleBinding"]
    assert bindings == (bound or [])
    wrong = [item.message for item in decision.findings if item.id == "MN-N40"]
    told = "multinode_platform.network_operator.rdma_namespaces is {'a': 'b'}"
    assert wrong == ([told] if bound is None else [])


def test_n20_a_constraint_is_asked_for_where_nobody_makes_one() -> None:
    settings = {"rdma_namespaces": ["inference"]}
    named = {"version": "26.4.1", "namespace": "n"}
    plain = decide(wanted("network_operator", settings, facts={"apis": {}}, **named), found(), KUBERNETES)
    assert [item.message for item in plain.findings if item.id == "MN-N20"] == [
        "multinode_platform.network_operator.rdma_namespaces reaches nothing: this cluster is no OpenShift"
    ]
    theirs = subscription(name="x", package="nvidia-network-operator", ours=False)
    asked = wanted("network_operator", settings, olm=olm(theirs), mode="auto", **named)
    adopted = decide(asked, found(present=True), KUBERNETES)
    assert any("is somebody else's" in item.message for item in adopted.findings if item.id == "MN-N20")


def test_n40_olms_network_operator_has_no_virtual_functions() -> None:
    entry = {"name": "vfs", "resource": "vfs", "num_vfs": 8, "device_ids": ["1021"]}
    for settings, wrong in (({}, True), ({"olm": False}, False)):
        asked = wanted("network_operator", {"sriov": [entry], **settings}, version="26.4.1", namespace="n")
        found_ = [item for item in decide(asked, found(), KUBERNETES).findings if item.id == "MN-N40"]
        assert bool(found_) is wrong
        assert not wrong or "no SR-IOV operator" in found_[0].remedy


RDMA = {"rdma/ib": 8}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rdma": {"extra_resources": RDMA},
    "cache": {"model_cache": {"type": "pvc", "claim": "m", "mount_path": "/m", "create": True, "size": "1Ti"}},
    "compile": {"compilation_cache": {"claim": "c", "mount_path": "/c"}},
    "config": {},
}
TARGETS = {
    "lws": lambda *works, **over: native(*works, **over),
    "grove": lambda *works, **over: native(*works, orchestrator="grove", scheduler="kai", **over),
    "dynamo on lws": lambda *works, **over: dynamo(*works, orchestrator="lws", scheduler="volcano", **over),
    "dynamo on grove": lambda *works, **over: dynamo(*works, **over),
}


@pytest.mark.parametrize(("target", "shape"), list(itertools.product(TARGETS, SHAPES)))
def test_n31_nothing_privileged_is_rendered_for_a_tenant(target: str, shape: str) -> None:
    parts = component(engine_config={"max_model_len": 1}) if shape == "config" and "dynamo" in target else component()
    ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    fleet = TARGETS[target](workload(parts, **SHAPES[shape]), registry={"mirror": "m.example", "ca_bundle": ca})
    objects = [item for plan in fleet.workloads for item in render(plan)]
    assert needs(objects) == (["capability IPC_LOCK"] if shape == "rdma" else [])
    for item in objects:
        # Cluster-wide objects and rights are the platform's.
        assert item["metadata"]["namespace"] == "inference"
        assert item["kind"] not in ("Role", "RoleBinding", "ServiceAccount", "SecurityContextConstraints")


def n31(spec: dict[str, Any], scc: Any, **facts: Any) -> list[Any]:
    base = {"kubernetes": KUBERNETES, "apis": APIS, "components": {}, "scc": scc, **facts}
    plan = native(spec, facts=base, machines=machines())
    return [item for item in plan.findings if item.id == "MN-N31"]


NO_BINDING: dict[str, dict[str, Any] | list[Any]] = {"constraints": {}, "bindings": []}


def test_n31_ipc_lock_needs_a_constraint() -> None:
    spec = workload(extra_resources=RDMA)
    (said,) = n31(spec, NO_BINDING)
    assert said.severity == "warning"
    assert "capability IPC_LOCK" in said.message
    assert "rdma_namespaces" in said.remedy
    assert [item.severity for item in n31(spec, None)] == ["note"]
    assert n31(workload(), NO_BINDING) == []
    assert n31(spec, NO_BINDING, apis={}) == []
    own = {"privileged": False, "capabilities": ["IPC_LOCK"], "volumes": [], "any_user": False, "host": False}
    bound = {"constraints": {"rdma": own}, "bindings": [{"namespace": "inference", "constraint": "rdma"}]}
    assert n31(spec, bound) == []
    elsewhere = {**bound, "bindings": [{"namespace": "other", "constraint": "rdma"}]}
    assert len(n31(spec, elsewhere)) == 1
    granted = {"constraints": {"rdma": {**own, "subjects": ["system:serviceaccounts:inference"]}}, "bindings": []}
    assert n31(spec, granted) == []


@pytest.mark.parametrize(
    ("patch", "need"),
    [
        ({"hostNetwork": True}, "host network"),
        ({"hostPID": True}, "host PID"),
        ({"hostIPC": True}, "host IPC"),
        ({"initContainers": [{"name": "i", "image": "i", "securityContext": {"privileged": True}}]}, "privileged"),
        ({"securityContext": {"runAsUser": 0}}, "user 0"),
        ({"securityContext": {"fsGroup": 1}}, "file group 1"),
        ({"containers": [{"name": "main", "securityContext": {"privileged": True}}]}, "privileged"),
        (
            {"containers": [{"name": "main", "securityContext": {"allowPrivilegeEscalation": True}}]},
            "privilege escalation",
        ),
        (
            {"containers": [{"name": "main", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
            "capability SYS_ADMIN",
        ),
        ({"containers": [{"name": "main", "ports": [{"containerPort": 1, "hostPort": 1}]}]}, "host ports"),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccomp Unconfined"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "volume hostPath"),
    ],
)
def test_n31_what_pod_spec_brings_is_told_by_name(patch: dict[str, Any], need: str) -> None:
    (said,) = n31(workload(component(pod_spec=patch)), NO_BINDING)
    assert need in said.message
    assert "RoleBinding" in said.remedy
    name, _, rest = need.partition(" ")
    allowed = {
        "privileged": False,
        "capabilities": [rest] if name == "capability" else [],
        "volumes": [rest] if name == "volume" else [],
        "any_user": name in ("user", "file"),
        "host": name == "host",
    }
    bound = {"constraints": {"own": allowed}, "bindings": [{"namespace": "inference", "constraint": "own"}]}
    grantable = name in ("capability", "volume", "user", "file", "host")
    assert (n31(workload(component(pod_spec=patch)), bound) == []) is grantable
    root = {"constraints": {"own": {**allowed, "privileged": True}}, "bindings": bound["bindings"]}
    assert n31(workload(component(pod_spec=patch)), root) == []


def test_n31_every_namespace_may_bind_low_ports() -> None:
    pod = {"containers": [{"name": "main", "securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}}]}
    assert needs({"spec": pod}) == []
    assert needs({"spec": {"initContainers": pod["containers"], "containers": []}}) == []


def test_charts_get_values_that_the_default_constraint_takes() -> None:
    ask = Ask(facts={"apis": APIS})
    assert openshift.values("volcano", ask)["custom"]["default_csc"]["runAsUser"] is None
    assert openshift.values("kai_scheduler", ask) == {"openshift": True}
    assert openshift.values("lws", ask) == {}
    lws = decide(wanted("volcano", version="1.14.1", namespace="v", release="volcano"), found(), KUBERNETES)
    assert lws.values["custom"]["default_csc"]["capabilities"] == {"add": None}
