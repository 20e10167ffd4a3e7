# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What platform_path answers, with a cluster that the tests make up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import path as reading
from ansible_collections.dynamo.multinode.plugins.modules import platform_path


class Cluster:
    """A client that lists what it is given by kind."""

    def __init__(self, **kinds: list[dict[str, Any]]) -> None:
        self.kinds = kinds

    def map(self, job: Any, items: Any) -> list[Any]:
        return [job(item) for item in items]

    def list(self, _api_version: str, kind: str, *_where: Any, **_selectors: Any) -> list[dict[str, Any]]:
        return self.kinds.get(kind, [])

    def get(self, _api_version: str, kind: str, name: str) -> dict[str, Any] | None:
        return next((item for item in self.kinds.get(kind, []) if item["metadata"]["name"] == name), None)


def ours(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "present": True,
        "source": "release",
        "release": name,
        "namespace": f"{name}-system",
        "app_version": f"v{version}",
        "chart_version": version,
        "release_status": "deployed",
        "ready": True,
        "record": {"component": name, "origin": "provisioned", "release": name, "namespace": f"{name}-system"},
        **more,
    }


class Made:
    """Answers of the module about components that are there; ``lacks``: what a component lacks to be ready."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.components: dict[str, dict[str, Any]] = {}
        self.lacks: dict[str, list[str]] = {}
        self.cluster = Cluster()
        self.asked: dict[str, bool] = {}
        monkeypatch.setattr(platform_path, "collect", self.collect)
        monkeypatch.setattr(reading, "not_ready", self.not_ready)

    def collect(self, *_all: Any) -> dict[str, Any]:
        parts: dict[str, Any] = {"apis": {}, "nodes": [], "queues": {"volcano": [], "kai": []}, "priority_classes": []}
        return {"kubernetes": "v1.34.4", "components": dict(self.components), **parts}

    def not_ready(self, _client: Any, name: str, waited: reading.Waited) -> list[str]:
        self.asked[name] = waited.adopted
        return self.lacks.get(name, [])

    def answer(self, platform: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        given = {
            "platform": platform or {},
            "direction": "upgrade",
            "only": [],
            "dynamo_version": "",
            "replace": "never",
            "orchestrator": "auto",
            "scheduler": "auto",
            "workload_api": "auto",
            "registry": None,
            "pod_proxy": None,
            "airgap": False,
            "waivers": [],
        }
        client: Any = self.cluster
        return platform_path.answer(client, {**given, **more})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


def test_a_path_ends_where_the_set_leads(made: Made) -> None:
    made.components = {"lws": ours("lws", "0.7.0"), "volcano": ours("volcano", "1.14.1", record=None)}
    found = made.answer()
    assert found["lines"][0].startswith("1. lws 0.7.0 -> 0.8.0 (upgrade)")
    assert [step["gate"] for step in found["steps"]] == [["volcano", "lws"]]
    assert found["failing"] == []
    # An adopted one is not asked how it is configured
    assert made.asked == {"lws": False, "volcano": True}


def test_what_only_its_own_reports_tell_is_known_before_the_first_step(made: Made) -> None:
    made.components = {"lws": ours("lws", "0.7.0"), "gpu_operator": ours("gpu_operator", "26.7.1")}
    made.lacks = {"gpu_operator": ["ClusterPolicy cluster-policy is not there"]}
    found = made.answer()
    assert [(step["component"], step["action"]) for step in found["steps"]] == [
        ("gpu_operator", "finish"),
        ("lws", "upgrade"),
    ]
    only = made.answer(only=["lws"])
    assert ["MN-F64 gpu_operator" in line for line in only["failing"]] == [True]
    waived = made.answer(only=["lws"], waivers=[{"id": "MN-F64", "reason": "its machine is away", "until": None}])
    assert (waived["failing"], [step["gate"] for step in waived["steps"]]) == ([], [["lws"]])


def test_f26_a_dynamo_without_a_set_is_no_reason_to_call_all_well(made: Made) -> None:
    made.components = {"lws": ours("lws", "0.8.0")}
    found = made.answer(dynamo_version="1.2.1")
    assert [line[:6] for line in found["failing"]] == ["MN-F26"]
    assert not any("nothing to do" in line for line in found["lines"])
    assert made.answer(dynamo_version="1.6")["lines"] == [
        "nothing to do: every component runs the version that is wanted; settings and objects are bootstrap's"
    ]


def test_f26_the_way_back_over_several_releases_is_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {
        "kai_scheduler": ("0.16.9", "0.17.0"),
        "grove": ("0.1.0-alpha.11", "0.1.0-alpha.14"),
        "dynamo_platform": ("1.4.2", "1.5.1", "1.6.1"),
    }
    made.components = {name: ours(name, ran[-1]) for name, ran in before.items()}

    def history(_read: Any, entry: dict[str, Any]) -> list[dict[str, Any]]:
        ran = before[entry["release"]]
        return [
            {"revision": number, "app_version": version, "status": "deployed" if version == ran[-1] else "superseded"}
            for number, version in enumerate(ran)
        ]

    monkeypatch.setattr(reading, "history", history)
    found = made.answer(direction="rollback", only=list(before), replace="allow")
    assert {line[:6] for line in found["failing"]} == {"MN-F26"}
    assert all('the playbook upgrade with multinode_dynamo_version: "1.4"' in line for line in found["failing"])
    back = made.answer(dynamo_version="1.4", replace="allow")
    assert back["failing"] == []
    assert [(item["component"], item["to"]) for item in back["steps"]] == [
        ("dynamo_platform", "1.5.1"),
        ("dynamo_platform", "1.4.2"),
        ("grove", "0.1.0-alpha.11"),
        ("kai_scheduler", "0.16.9"),
    ]


def definition(name: str, *short: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"names": {"shortNames": list(short)}}}


@pytest.mark.parametrize(
    ("here", "to", "holder", "kind"),
    [
        ("0.1.0-alpha.8", "0.1.0-alpha.11", "clustertopologies.grove.io", "ClusterTopology"),
        ("0.1.0-alpha.11", "0.1.0-alpha.8", "clustertopologybindings.grove.io", "ClusterTopologyBinding"),
    ],
)
def test_f61_the_short_name_that_grove_asks_for_is_made_free(
    here: str, to: str, holder: str, kind: str, made: Made
) -> None:
    """ClusterTopology and ClusterTopologyBinding are both ``ct``: the second definition is never accepted."""
    made.components = {"grove": ours("grove", here)}
    platform = {"grove": {"version": to}}
    made.cluster = Cluster(CustomResourceDefinition=[definition(holder, "ct")])
    free = made.answer(platform)
    assert [item["metadata"]["name"] for item in free["steps"][0]["delete"]] == [holder]
    assert free["failing"] == []
    assert f"definition {holder}, which has no objects, is deleted first (MN-F61)" in free["lines"][0]
    made.cluster.kinds[kind] = [{"metadata": {"name": "racks"}}]
    (line,) = made.answer(platform)["failing"]
    assert line.startswith(f"MN-F61 grove: definition {holder}, with {kind} racks, holds the short name ct")
    assert f"kubectl delete crd {holder}" in line
    made.cluster.kinds["CustomResourceDefinition"] = [definition(holder)]
    assert made.answer(platform)["failing"] == made.answer(platform)["steps"][0]["delete"] == []


def back(**more: Any) -> dict[str, Any]:
    """A KAI of ours on its way back, as our record has it."""
    record = {**ours("kai_scheduler", "0.17.0")["record"], "version": "0.17.0", "back": "0.16.9"}
    return {**ours("kai_scheduler", "0.17.0", record=record), **more}


GONE = {"present": False, "source": None, "app_version": None, "chart_version": None, "release_status": None}


def rollback(made: Made, **more: Any) -> tuple[list[tuple[str, str, str]], list[str]]:
    found = made.answer(direction="rollback", only=["kai_scheduler"], **more)
    return [(item["from"], item["to"], item["action"]) for item in found["steps"]], found["failing"]


def test_a_reinstall_that_was_cut_off_goes_on(made: Made) -> None:
    made.components = {"kai_scheduler": back(**GONE)}
    assert rollback(made) == ([("uninstalled", "0.16.9", "install")], [])
    # Before the uninstall, or in the midst of it
    for status in ("deployed", "uninstalling"):
        made.components = {"kai_scheduler": back(release_status=status)}
        assert rollback(made, replace="allow") == ([("0.17.0", "0.16.9", "reinstall")], [])
        assert [line[:6] for line in rollback(made)[1]] == ["MN-F72"]
    # Forward instead
    made.components = {"kai_scheduler": back(**GONE)}
    (step,) = made.answer()["steps"]
    assert (step["action"], step["to"], step["gate"]) == ("install", "0.17.0", ["kai_scheduler"])
    (named,) = made.answer({"kai_scheduler": {"version": "0.16.9"}})["steps"]
    assert (named["action"], named["to"]) == ("install", "0.16.9")


def test_what_was_brought_back_by_a_new_install_is_back(made: Made) -> None:
    made.components = {"kai_scheduler": back(app_version="v0.16.9", chart_version="0.16.9")}
    assert rollback(made) == ([], [])


def test_f63_a_release_of_ours_that_is_gone_is_said(made: Made) -> None:
    made.components = {"lws": ours("lws", "0.8.0", **GONE)}
    assert made.answer()["lines"] == [
        "no step is made",
        "warning MN-F63 lws: lws was provisioned by us, and its release is gone; the playbook bootstrap installs it "
        "again, and teardown forgets it",
    ]
    found = made.answer(direction="rollback", only=["lws"])
    assert "it is not there. the playbook bootstrap installs it" in found["failing"][0]


def test_what_would_refuse_a_later_step_refuses_the_path(made: Made) -> None:
    made.components = {
        "lws": ours("lws", "0.7.0"),
        "kai_scheduler": ours("kai_scheduler", "0.16.9"),
        "dynamo_platform": ours("dynamo_platform", "1.4.2"),
    }
    shard = {"scheduler": {"args": {"default-staleness-grace-period": "-1"}}}
    found = made.answer({"kai_scheduler": {"values": shard}})
    assert [step["component"] for step in found["steps"]][:2] == ["kai_scheduler", "lws"]
    assert [line[:20] for line in found["failing"]] == ["MN-F28 kai_scheduler"]
    assert made.answer()["failing"] == []


def test_credentials_that_helm_cannot_be_given_are_said_before_the_first_step(made: Made) -> None:
    made.components = {"lws": ours("lws", "0.7.0")}
    assert made.answer(username="me")["failing"] == ["helm cannot be given username: put it into the kubeconfig"]
    made.components = {"lws": ours("lws", "0.8.0")}
    assert made.answer(username="me")["failing"] == []
