# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role is told about its component, where the decision needs more than the component's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.components import Asked
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import decisions
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.decisions import absent_entry, decide_all

PARAMS = {
    "platform": None,
    "platform_state": "present",
    "orchestrator": "grove",
    "scheduler": "auto",
    "workload_api": "auto",
    "dynamo_version": "",
    "registry": None,
    "pod_proxy": None,
    "airgap": False,
    "waivers": [],
}


class Empty:
    """A cluster with nothing in it."""

    def get(self, *_reference):
        return None

    def map(self, ask, items):
        return [ask(item) for item in items]


def there(version):
    entry = {"present": True, "source": "release", "release": "kai", "namespace": "kai-scheduler", "values": {}}
    details = {"staleness": {"default": "-1s"}}
    return {**absent_entry(), **entry, "app_version": version, "release_status": "deployed", "details": details}


def decided(asked, components=None, **params):
    facts = {"kubernetes": "v1.34.4", "apis": {}, "components": components or {}}
    return decide_all(Empty(), {**PARAMS, **params}, [asked], facts, check=False)


# -- versions beside others -------------------------------------------------------------------------------------------


def test_f26_a_role_alone_is_told_what_does_not_go_with_its_component():
    done = decided(Asked("grove", version="0.1.0-alpha.14"), {"kai_scheduler": there("v0.13.4")})
    plain = done.decisions["grove"]
    assert (plain["action"], plain["failing"]) == ("install", [])
    (pair,) = plain["pairs"]
    assert pair["line"].startswith("error MN-F26 kai_scheduler: Grove 0.1.0-alpha.14 needs KAI 0.15.0 or newer; 0.13.4")
    assert pair["failing"].startswith("MN-F26 Grove 0.1.0-alpha.14 needs KAI 0.15.0")
    assert done.findings == plain["pairs"]


def test_f26_the_other_of_the_pair_is_told_it_too_and_what_has_no_part_in_it_is_not():
    components = {"grove": {**there("v0.1.0-alpha.14"), "details": {}}, "kai_scheduler": there("v0.13.4")}
    (pair,) = decided(Asked("kai_scheduler"), components).decisions["kai_scheduler"]["pairs"]
    assert pair["id"] == "MN-F26"
    done = decided(Asked("volcano", mode="provision"), components)
    assert [pair["subject"] for pair in done.findings] == ["kai_scheduler"]
    assert done.decisions["volcano"]["pairs"] == []


def test_f26_a_pair_that_somebody_waived_fails_nobody():
    waiver = {"id": "MN-F26", "reason": "tried", "until": None}
    done = decided(Asked("grove", version="0.1.0-alpha.14"), {"kai_scheduler": there("v0.13.4")}, waivers=[waiver])
    (pair,) = done.decisions["grove"]["pairs"]
    assert (pair["waived"], pair["failing"]) == ("tried", "")
    assert pair["line"].startswith("waived (tried) ")


# -- charts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"chart": "lws", "chart_repo": "https://user:s3cret@charts.example"}, "https://***@charts.example"),
        ({"chart": "https://user:s3cret@charts.example/lws-0.8.0.tgz"}, "https://***@charts.example/lws-0.8.0.tgz"),
    ],
)
def test_a_password_in_the_url_of_a_chart_is_refused(given, shown):
    """helm has it on its command line."""
    plain = decided(Asked("lws", **given), orchestrator="lws").decisions["lws"]
    assert plain["action"] == "install"
    (said,) = plain["failing"]
    assert shown in said
    assert "helm_component_repository_config" in said
    assert "s3cret" not in str(plain)
    assert plain["todo"]


def test_a_chart_without_a_password_is_not():
    charts = [{}, {"chart": "lws", "chart_repo": "https://charts.example"}, {"chart": "oci://x.example/lws@sha256:00"}]
    for given in charts:
        assert decided(Asked("lws", **given), orchestrator="lws").decisions["lws"]["failing"] == []


# -- removal ----------------------------------------------------------------------------------------------------------


def test_f68_queues_of_the_platform_are_looked_at_where_kai_stays(monkeypatch):
    monkeypatch.setattr(decisions, "held", lambda *_all: [])
    monkeypatch.setattr(
        decisions.facts_gangs, "used_queues", lambda _client, hooks: {hooks[0]["metadata"]["name"]: ["x"]}
    )
    hook = {"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": {"name": "dynamo"}}
    record = {"origin": "provisioned", "namespace": "there", "component": "dynamo_platform", "release": "kai"}
    platform = {**there("1.6.0"), "namespace": "there", "record": record, "release_hooks": [hook]}
    kai = {**there("v0.17.0"), "record": {**record, "component": "kai_scheduler", "namespace": "kai-scheduler"}}
    gone = [Asked("dynamo_platform", state="absent"), Asked("kai_scheduler", state="absent")]
    facts = {"kubernetes": "v1.34.4", "apis": {}, "components": {"dynamo_platform": platform, "kai_scheduler": kai}}

    def deleted(asked, **components):
        found = {**facts, "components": {**facts["components"], **components}}
        done = decide_all(Empty(), {**PARAMS, "platform_state": "absent"}, asked, found, check=False)
        return [item["metadata"]["name"] for lot in done.decisions["dynamo_platform"]["delete"] for item in lot]

    assert "dynamo" not in deleted(gone[:1])
    assert "dynamo" in deleted(gone)
    assert "dynamo" in deleted(gone[:1], kai_scheduler=absent_entry())


# -- definitions ------------------------------------------------------------------------------------------------------


class Cluster:
    """The annotations of definitions by name; a name that is missing is no definition."""

    def __init__(self, **notes: dict[str, str]) -> None:
        self.notes = notes

    def map(self, job: Any, items: Any) -> list[Any]:
        return [job(item) for item in items]

    def get(self, _api_version: str, _kind: str, name: str) -> dict[str, Any] | None:
        return {"metadata": {"name": name, "annotations": self.notes[name]}} if name in self.notes else None


def keep(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"helm.sh/resource-policy": "keep"}},
    }


def test_f65_helm_is_told_once_what_it_is_to_keep() -> None:
    """Told again after a run that was killed, our apply of less than the whole would take the rest away."""
    client: Any = Cluster(told={"helm.sh/resource-policy": "keep", "of": "others"}, new={}, other={"of": "others"})
    asked = [keep(name) for name in ("told", "new", "other", "gone")]
    assert decisions._not_kept(client, asked) == [keep("new"), keep("other")]
    assert decisions._not_kept(client, []) == []
