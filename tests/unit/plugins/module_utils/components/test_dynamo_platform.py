# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's chart is told, and what is wrong with an operator that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask, dynamo_platform
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts_dynamo

STARTED = "2026-11-24T00:50:00Z"
BEFORE, AFTER = "2026-11-24T00:49:59Z", "2026-11-24T00:50:01Z"


def facts(*present: str) -> dict[str, Any]:
    return {"components": {name: {"present": True} for name in present}, "queues": {}}


def there(origin: str = "", **details: Any) -> dict[str, Any]:
    """An operator's entry of the facts: adopted, or of ``origin``."""
    gates = {"grove": True, "kai": True, "volcano": None}
    return {
        "present": True,
        "source": "release",
        "release": "theirs",
        "namespace": "dynamo",
        "record": {"origin": origin} if origin else None,
        "details": {
            "config": "theirs-dynamo-operator-config",
            "gates": gates,
            "started": STARTED,
            "deployment": "op",
            "since": {"grove.io": BEFORE, "scheduling.run.ai": BEFORE},
            **details,
        },
    }


def findings(ask: Ask, found: dict[str, Any]) -> list[Finding]:
    return [item for check in dynamo_platform.COMPONENT.checks for item in check(ask, found)]


def told(ask: Ask) -> tuple[bool, bool]:
    said = dynamo_platform.values(ask)["global"]
    return said["grove"]["enabled"], said["kai-scheduler"]["enabled"]


@pytest.mark.parametrize(
    ("present", "asked", "expected"),
    [
        (("grove", "kai_scheduler"), {}, (True, True)),
        (("grove",), {}, (True, False)),
        (("kai_scheduler",), {}, (False, False)),
        ((), {}, (False, False)),
        (("lws", "volcano"), {"orchestrator": "lws"}, (False, False)),
        (("grove", "kai_scheduler"), {"scheduler": "default"}, (True, False)),
        (("grove", "kai_scheduler"), {"settings": {"grove": "false"}}, (False, False)),
        (("grove", "kai_scheduler"), {"settings": {"kai_scheduler": False}}, (True, False)),
        ((), {"settings": {"grove": True}}, (True, False)),
    ],
)
def test_f21_what_the_operator_uses_is_always_said(
    present: tuple[str, ...], asked: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    assert told(Ask(facts=facts(*present), **asked)) == expected


def test_what_the_chart_could_bundle_is_not_installed() -> None:
    said = dynamo_platform.values(Ask(facts=facts("grove")))
    assert {name: said["global"][name]["install"] for name in dynamo_platform.BUNDLED} == {
        "grove": False,
        "kai-scheduler": False,
        "nats": False,
        "etcd": False,
    }
    assert said["dynamo-operator"] == {"discoveryBackend": "kubernetes", "upgradeCRD": True}


def test_what_the_user_wants_bundled_is_enabled_and_renders() -> None:
    said = dynamo_platform.values(Ask(settings={"install": ["grove", "kai_scheduler"]}))
    assert said["global"]["grove"] == {"install": True, "enabled": True}
    assert said["global"]["kai-scheduler"] == {"install": True, "enabled": True}
    assert said["kai-scheduler"]["scheduler"]["args"]["default-staleness-grace-period"] == "-1s"


@pytest.mark.parametrize(
    ("version", "brought"),
    [("1.0.2", False), ("1.1.0", True), ("v1.3.0", True), ("1.4.0", False), ("1.6.1", False), ("", False)],
)
def test_nats_comes_where_the_engines_of_that_version_send_their_events_by_it(version: str, brought: bool) -> None:
    def nats(ask: Ask) -> bool:
        return bool(dynamo_platform.values(ask)["global"]["nats"]["install"])

    assert nats(Ask(version=version)) is brought
    assert nats(Ask(version=version, values={"dynamo-operator": {"natsAddr": "nats://theirs:4222"}})) is False
    assert nats(Ask(version=version, settings={"install": "etcd, nats"})) is True


def test_with_definitions_of_our_own_the_chart_brings_none() -> None:
    assert dynamo_platform.values(Ask(settings={"crds": "/srv/crds"}))["dynamo-operator"]["upgradeCRD"] is False
    assert dynamo_platform.values(Ask(settings={"upgrade_crds": "no"}))["dynamo-operator"]["upgradeCRD"] is False


def test_volcano_under_grove_excludes_kai() -> None:
    said = dynamo_platform.values(Ask(scheduler="volcano", facts=facts("grove", "kai_scheduler")))["global"]
    assert said["volcano-scheduler"] == {"enabled": True}
    assert said["kai-scheduler"]["enabled"] is False


def test_native_workloads_need_no_operator() -> None:
    assert dynamo_platform.skip(Ask(workload_api="native"))
    assert not dynamo_platform.skip(Ask())


def test_f21_grove_is_there_and_the_operator_was_told_otherwise() -> None:
    ask = Ask(facts=facts("grove", "kai_scheduler"))
    (found,) = findings(ask, there(gates={"grove": False, "kai": False}))
    assert (found.id, found.severity) == ("MN-F21", "error")
    assert "theirs-dynamo-operator-config" in found.message
    assert found.remedy.endswith("helm upgrade theirs <chart> -n dynamo --reuse-values --set global.grove.enabled=true")


def test_f21_plain_manifests_get_the_configmaps_key() -> None:
    entry = {**there(gates={"grove": False}), "source": "manifests"}
    (found,) = findings(Ask(facts=facts("grove")), entry)
    assert "orchestrators.grove.enabled: true in theirs-dynamo-operator-config" in found.remedy


def test_f21_kai_alone_is_a_warning() -> None:
    (found,) = findings(Ask(facts=facts("grove", "kai_scheduler")), there(gates={"grove": True, "kai": False}))
    assert (found.id, found.severity) == ("MN-F21", "warning")
    assert "global.kai-scheduler.enabled=true" in found.remedy


@pytest.mark.parametrize(
    ("ask", "entry"),
    [
        (Ask(orchestrator="lws", facts=facts("grove")), there(gates={"grove": False})),
        (Ask(facts=facts("lws", "volcano")), there(gates={"grove": False}, since={})),
        # Ours is upgraded, because its values differ
        (Ask(facts=facts("grove")), there("provisioned", gates={"grove": False})),
        (Ask(workload_api="native", facts=facts("grove")), there(gates={"grove": False})),
        # KAI: not there, not wanted, or left open
        (Ask(facts=facts("grove")), there(gates={"grove": True, "kai": False}, since={"grove.io": BEFORE})),
        (Ask(scheduler="volcano", facts=facts("grove", "kai_scheduler")), there(gates={"grove": True, "kai": False})),
        (Ask(facts=facts("grove", "kai_scheduler")), there(gates={"grove": True, "kai": None})),
        # What is not there yet was told nothing
        (Ask(facts=facts("grove")), {**there(gates={"grove": False}), "present": False}),
        # Left open means that the operator looks by itself
        (Ask(facts=facts("grove")), there(gates={"grove": None})),
    ],
)
def test_f21_is_silent_where_nothing_is_wrong(ask: Ask, entry: dict[str, Any]) -> None:
    assert not [item for item in findings(ask, entry) if item.id == "MN-F21"]


def test_f22_the_operator_started_first() -> None:
    ask = Ask(facts=facts("grove", "kai_scheduler"))
    entry = there(since={"grove.io": AFTER, "scheduling.run.ai": BEFORE})
    (found,) = findings(ask, entry)
    assert (found.id, found.severity) == ("MN-F22", "error")
    assert "before grove came" in found.message
    assert found.remedy == "its owner: kubectl rollout restart deployment/op -n dynamo"
    (ours,) = findings(ask, {**entry, "record": {"origin": "provisioned"}})
    assert (ours.severity, ours.remedy.split(" (")[0]) == ("warning", "the role restarts it")


def test_f22_lws_counts_with_volcano_only() -> None:
    since = {"leaderworkerset.x-k8s.io": BEFORE, "scheduling.volcano.sh": AFTER}
    assert [item.id for item in findings(Ask(facts=facts("lws", "volcano")), there(since=since))] == ["MN-F22"]
    assert not findings(Ask(facts=facts("lws")), there(since=since))


def test_f22_kai_counts_where_the_operator_may_use_it() -> None:
    since = {"scheduling.run.ai": AFTER}
    (found,) = findings(Ask(facts=facts("kai_scheduler")), there(since=since))
    assert (found.id, "before kai_scheduler came" in found.message) == ("MN-F22", True)
    assert not findings(Ask(facts=facts("kai_scheduler")), there("provisioned", since=since, gates={"kai": False}))


def test_f22_says_nothing_of_what_is_not_there_or_never_started() -> None:
    late = there(since={"grove.io": AFTER})
    assert not findings(Ask(facts=facts("grove")), {**late, "present": False})
    assert not findings(Ask(facts=facts("grove")), there(since={"grove.io": AFTER}, started=""))


def test_f22_what_comes_with_this_run_comes_after() -> None:
    assert [item.id for item in findings(Ask(facts=facts("grove")), there(since={}))] == ["MN-F22"]


@pytest.mark.parametrize("since", [BEFORE, STARTED])
def test_f22_is_silent_when_the_operator_came_last(since: str) -> None:
    assert not findings(Ask(facts=facts("grove")), there(since={"grove.io": since}))


def test_f22_is_silent_where_it_would_not_look() -> None:
    entry = there("provisioned", gates={"grove": False}, since={"grove.io": AFTER})
    assert not findings(Ask(facts=facts("grove")), entry)


def test_f49_an_operator_for_one_namespace() -> None:
    (found,) = findings(Ask(), there(restricted="team-a"))
    assert (found.id, found.severity) == ("MN-F49", "warning")
    assert "team-a" in found.message
    assert not findings(Ask(), {**there(restricted="team-a"), "present": False})


@pytest.mark.parametrize("path", list(dynamo_platform.OLD_KEYS), ids=".".join)
def test_f71_every_old_key_is_named_with_its_successor(path: tuple[str, ...]) -> None:
    tree: Any = False  # even switched off the chart refuses it
    for step in reversed(path):
        tree = {step: tree}
    (found,) = findings(Ask(values=tree), {"present": False})
    assert (found.id, found.severity) == ("MN-F71", "error")
    assert f"values.{'.'.join(path)}" in found.message
    assert found.remedy == f"instead: {dynamo_platform.OLD_KEYS[path]}"


@pytest.mark.parametrize(("tag", "wrong"), [("1.5.1", True), ("1.6.1", False), ("1.7.0", False), ("main", False)])
def test_f71_an_operator_older_than_its_chart(tag: str, wrong: bool) -> None:
    values = {"dynamo-operator": {"controllerManager": {"manager": {"image": {"tag": tag}}}}}
    found = findings(Ask(values=values, version="1.6.1"), {"present": False})
    assert [item.id for item in found] == (["MN-F71"] if wrong else [])


def test_f71_a_restricted_operator_owns_no_definitions() -> None:
    values: dict[str, Any] = {"dynamo-operator": {"namespaceRestriction": {"enabled": True}}}
    assert [item.id for item in findings(Ask(values=values), {"present": False})] == ["MN-F71"]
    values["dynamo-operator"]["upgradeCRD"] = False
    assert not findings(Ask(values=values), {"present": False})


def test_f71_volcano_beside_kai_is_refused_as_the_chart_does() -> None:
    values = {"global": {"volcano-scheduler": {"enabled": True}}}

    def said(**ask: Any) -> list[str]:
        return [item.message for item in findings(Ask(values=values, **ask), {"present": False}) if item.id == "MN-F71"]

    facts = {"components": {"kai_scheduler": {"present": True}, "grove": {"present": True}}}
    (message,) = said(facts=facts)
    assert "the chart refuses both" in message
    assert said(facts=facts, settings={"kai_scheduler": False}) == []
    assert said() == []


def test_f71_an_operator_of_others_renders_no_chart_of_ours() -> None:
    values = {"nats": {"enabled": True}}
    assert not findings(Ask(values=values), there())
    assert [item.id for item in findings(Ask(values=values), there("provisioned"))] == ["MN-F71"]


def test_f71_a_chart_without_a_number_says_nothing_of_tags() -> None:
    values = {"dynamo-operator": {"controllerManager": {"manager": {"image": {"tag": "1.5.1"}}}}}
    assert not findings(Ask(values=values, version=""), {"present": False})


def test_f95_what_an_earlier_one_left_is_said() -> None:
    left = [f"{letter}: Secret/mpi-run-ssh-secret" for letter in "abcdef"]
    (found,) = findings(Ask(), {"present": False, "leftovers": left[:5]})
    assert (found.id, found.severity) == ("MN-F95", "note")
    assert f"left {', '.join(left[:5])}: they" in found.message
    (found,) = findings(Ask(), {"present": False, "leftovers": left})
    assert f"{left[4]} and 1 more: they" in found.message
    assert not findings(Ask(), {**there(), "leftovers": left})


def test_n40_a_word_that_is_none_does_not_mean_no() -> None:
    wrong = {
        "grove": "perhaps",
        "kai_scheduler": "two",
        "upgrade_crds": 7,
        "install": "nats,natz",
        "discovery_backend": "zookeeper",
        "crds": ["a"],
    }
    listed = [item for item in findings(Ask(settings=wrong), {"present": False}) if item.id == "MN-N40"]
    paths = {item.message.removeprefix("multinode_platform.dynamo_platform.").split(" is ")[0] for item in listed}
    assert paths == set(wrong)
    assert {item.severity for item in listed} == {"error"}
    assert not findings(Ask(settings=wrong), {**there(), "details": {}})
    right = {"grove": "true", "kai_scheduler": "auto", "upgrade_crds": "", "install": ["kai_scheduler"], "crds": "/srv"}
    assert not findings(Ask(settings=right), {"present": False})


def test_n40_etcd_as_the_backend_needs_an_etcd() -> None:
    asked = {"discovery_backend": "ETCD"}
    assert dynamo_platform.values(Ask(settings=asked))["dynamo-operator"]["discoveryBackend"] == "etcd"
    (found,) = findings(Ask(settings=asked), {"present": False})
    assert "with install: [etcd]" in found.remedy
    assert not findings(Ask(settings={**asked, "install": "etcd"}), {"present": False})
    theirs = {"dynamo-operator": {"etcdAddr": "http://etcd:2379"}}
    assert not findings(Ask(settings=asked, values=theirs), {"present": False})


@pytest.mark.parametrize(("name", "component"), [("grove", "grove"), ("kai_scheduler", "kai_scheduler")])
def test_f49_what_is_there_is_not_bundled_a_second_time(name: str, component: str) -> None:
    ask = Ask(settings={"install": [name]}, facts=facts(component), release="ours", namespace="dynamo-system")
    (found,) = findings(ask, {"present": False})
    assert (found.id, found.severity) == ("MN-F49", "error")
    assert f"multinode_platform.{component}" in found.remedy
    mine = {component: {"present": True, "release": "ours", "namespace": "dynamo-system"}}
    assert not findings(replace(ask, facts={"components": mine}), there("provisioned"))
    assert not findings(replace(ask, facts=facts()), {"present": False})
    assert "MN-F49" not in [item.id for item in findings(ask, there())]


def test_after_an_install_the_hooks_queues_are_there() -> None:
    ask = Ask(facts=facts("grove", "kai_scheduler"))
    ask = Ask(values=dynamo_platform.values(ask))
    before = {"queues": {"kai": [{"name": "mine"}, {"name": "dynamo-default"}], "volcano": [1]}}
    after = dynamo_platform.forecast(ask, {**before, "components": {"grove": {"present": True}, **known("old")}})
    unlimited = {"quota": -1, "limit": -1, "weight": 1}
    assert after["queues"]["kai"] == [
        {"name": "mine"},
        {"name": "dynamo-default"},
        {"name": "dynamo", "parent": "dynamo-default", **unlimited},
    ]
    assert after["queues"]["volcano"] == [1]
    assert after["components"]["grove"] == {"present": True}
    # A pod of the old release says nothing about the new one's start
    details = {"kept": "old", "gates": {"grove": True, "kai": True}, "started": ""}
    assert after["components"]["dynamo_platform"]["details"] == details
    assert [queue["name"] for queue in dynamo_platform.forecast(ask, {})["queues"]["kai"]] == [
        "dynamo-default",
        "dynamo",
    ]


def known(what: str) -> dict[str, Any]:
    return {"dynamo_platform": {"details": {"kept": what, "started": STARTED}}}


@pytest.mark.parametrize(
    ("said", "gates", "made"),
    [
        ({}, {"grove": False, "kai": False}, False),
        ({"grove": {"install": True}}, {"grove": True, "kai": False}, False),
        ({"kai-scheduler": {"install": True}}, {"grove": False, "kai": True}, True),
        ({"kai-scheduler": {"enabled": False}}, {"grove": False, "kai": False}, False),
    ],
)
def test_the_values_say_what_there_will_be(said: dict[str, Any], gates: dict[str, bool], made: bool) -> None:
    after = dynamo_platform.forecast(Ask(values={"global": said}), {})
    assert after["components"]["dynamo_platform"]["details"]["gates"] == gates
    assert bool(after["queues"].get("kai")) is made


def pod(image: str, started: str | None, owner: str = "x-dynamo-operator-controller-manager-5d8c") -> dict[str, Any]:
    state = {"running": {"startedAt": started}} if started else {"waiting": {}}
    proxy = {"image": "proxy:1", "state": {"running": {"startedAt": BEFORE}}}
    return {
        "metadata": {"ownerReferences": [{"name": owner}]},
        "spec": {"containers": [{"image": "proxy:1"}, {"image": image}]},
        "status": {"containerStatuses": [proxy, {"image": image, "state": state}]},
    }


def test_since_when_the_operator_runs() -> None:
    image = "mirror.local:5000/nvidia/ai-dynamo/kubernetes-operator:1.6.1"
    found = facts_dynamo._started([pod("other:1", AFTER), pod(image, None), pod(image, STARTED)])
    assert found == (STARTED, "x-dynamo-operator-controller-manager")
    assert facts_dynamo._started([]) == ("", "")


def test_the_configuration_is_found_by_what_it_holds() -> None:
    def config(name: str, grove: bool) -> dict[str, Any]:
        body = {
            "apiVersion": "operator.config.dynamo.nvidia.com/v1alpha1",
            "orchestrators": {"grove": {"enabled": grove}},
        }
        return {"metadata": {"name": name}, "data": {"config.yaml": yaml.safe_dump(body)}}

    listed = [
        {"metadata": {"name": "a"}, "data": {"config.yaml": "other: 1"}},
        {"metadata": {"name": "kube-root-ca.crt"}},
        config("a-dynamo-operator-config", False),
        config("mine-dynamo-operator-config", True),
    ]
    assert facts_dynamo._config(listed, "mine")[0] == "mine-dynamo-operator-config"
    assert facts_dynamo._config(listed, "")[0] == "a-dynamo-operator-config"
    assert facts_dynamo._config([], "") == ("", {})
