# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting on a real API server: what ends it, what it costs, and what does not fool it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import wait as waiting
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client, Watch
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref, wait

from lab.handle import Lab
from tests.integration.kube_objects import USER, Object, client, config_map, deployment, widget, widget_crd

LONG = 60.0


@pytest.fixture
def group(lab: Lab) -> Iterator[str]:
    """An API group of the test's own, whose CRDs are gone afterwards."""
    name = f"t{uuid.uuid4().hex[:8]}.example.com"
    yield name
    lab.kubectl("delete", "crd", f"widgets.{name}", "--ignore-not-found", "--wait=false")


def reporting_crd(group: str) -> Object:
    """Widgets with a status that some controller writes."""
    crd = widget_crd(group)
    version = crd["spec"]["versions"][0]
    version["subresources"] = {"status": {}}
    version["schema"]["openAPIV3Schema"]["properties"]["status"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return crd


def report(lab: Lab, group: str, namespace: str, status: str, message: str) -> None:
    """What a controller would say about the widget."""
    patch = f'{{"status":{{"conditions":[{{"type":"Ready","status":"{status}","message":"{message}"}}]}}}}'
    kind = f"widgets.{group}"
    lab.kubectl("patch", "-n", namespace, kind, "one", "--subresource=status", "--type=merge", "-p", patch)


def test_many_objects_cost_one_list_and_one_watch(lab: Lab, namespace: str) -> None:
    here = client(lab)
    objects = [deployment(namespace, f"web-{number}", replicas=1) for number in range(6)]
    results = engine.apply(here, objects)
    mark = lab.mark()
    outcomes = wait(here, [result.ref for result in results], timeout=LONG)
    assert [(outcome.ref.name, outcome.ready) for outcome in outcomes] == [
        (f"web-{number}", True) for number in range(6)
    ]
    # A watch has two events, for its start and its end
    events = [event for event in lab.audit(mark, user=USER) if event["objectRef"].get("namespace") == namespace]
    assert sorted({event["auditID"]: event["verb"] for event in events}.values()) == ["list", "watch"]


def test_what_is_ready_already_is_not_asked_about_again(lab: Lab, namespace: str) -> None:
    results = engine.apply(client(lab), [config_map(namespace), deployment(namespace, replicas=0)])
    engine.wait_for(client(lab), results, timeout=LONG)
    here = client(lab)
    results = engine.apply(here, [config_map(namespace), deployment(namespace, replicas=0)])
    before = here.requests
    outcomes = engine.wait_for(here, results, timeout=LONG)
    assert {outcome.ready for outcome in outcomes.values()} == {True}
    assert here.requests == before


def test_a_deadline_ends_it_with_the_reason(lab: Lab, namespace: str) -> None:
    there, missing = Ref("v1", "ConfigMap", namespace, "there"), Ref("v1", "ConfigMap", namespace, "missing")
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    engine.apply(client(lab), [config_map(namespace, "there"), claim])
    outcomes = wait(client(lab), [there, missing, Ref.of(claim)], timeout=1.0)
    assert [(outcome.ready, outcome.reason) for outcome in outcomes] == [
        (True, "exists"),
        (False, "does not exist"),
        (False, "phase Pending"),
    ]
    assert outcomes[0].seconds < outcomes[1].seconds


def test_a_deadline_may_be_moved_once_per_object(lab: Lab, namespace: str) -> None:
    ref = Ref("v1", "ConfigMap", namespace, "late")
    asked: list[Verdict] = []

    def more(_ref: Ref, verdict: Verdict) -> float | None:
        asked.append(verdict)
        if len(asked) == 1:
            engine.apply(client(lab), [config_map(namespace, "late")])
            return LONG
        return None

    outcome = wait(client(lab), [ref], timeout=0.5, on_deadline=more)[0]
    assert outcome.ready
    assert [verdict.reason for verdict in asked] == ["does not exist"]


def test_a_kind_that_comes_later_is_found(lab: Lab, namespace: str, group: str) -> None:
    ref = Ref.of(widget(group, namespace))
    seen: list[str] = []

    def install(_ref: Ref, verdict: Verdict) -> None:
        seen.append(verdict.reason)
        if "does not serve" in verdict.reason:
            engine.apply(client(lab), [widget_crd(group), widget(group, namespace)])

    outcome = wait(client(lab), [ref], timeout=LONG, on_change=install)[0]
    assert "does not serve Widget" in seen[0]
    assert outcome.ready
    assert outcome.generic


def test_a_status_older_than_our_change_does_not_count(lab: Lab, namespace: str, group: str) -> None:
    """Its controller reports no observedGeneration: "ready" was said of what was there before."""
    here = client(lab)
    engine.apply(here, [reporting_crd(group), widget(group, namespace, size=1)])
    report(lab, group, namespace, "True", "one")
    results = engine.apply(here, [widget(group, namespace, size=2)])
    seen: list[str] = []

    def act(_ref: Ref, verdict: Verdict) -> None:
        seen.append(verdict.reason)
        if "has not reported" in verdict.reason:
            report(lab, group, namespace, "False", "resizing")
        elif "resizing" in verdict.reason:
            report(lab, group, namespace, "True", "two")

    outcome = engine.wait_for(here, results, timeout=LONG, on_change=act)[results[0].ref]
    assert seen == [
        "its controller has not reported since the change",
        "Ready is False: resizing",
        "Ready is True: two",
    ]
    assert outcome.ready


def test_a_controller_that_stays_silent_is_believed_in_the_end(
    lab: Lab, namespace: str, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "GRACE", 0.3)
    here = client(lab)
    engine.apply(here, [reporting_crd(group), widget(group, namespace, size=1)])
    report(lab, group, namespace, "True", "one")
    results = engine.apply(here, [widget(group, namespace, size=2)])
    outcome = engine.wait_for(here, results, timeout=LONG)[results[0].ref]
    assert outcome.ready
    assert outcome.seconds >= 0.3


class Flaky(Client):
    """A client whose first watches fail: too old, cut off in the middle, ended early."""

    faults = 0

    def watch(self, *args: Any, **options: Any) -> Watch:
        self.faults += 1
        if self.faults == 1:
            raise ApiError(410, "Expired", "too old resource version")
        if self.faults == 2:
            raise ApiError(0, "Disconnected", "connection reset by peer")
        found = super().watch(*args, **options)
        if self.faults == 3:
            found.close()
        return found


def test_watches_that_expire_or_break_are_taken_up_again(lab: Lab, namespace: str) -> None:
    """The object comes into being only when three watches have failed; the fourth or a list in between shows it."""
    flaky = Flaky(client(lab).transport)
    ref = Ref("v1", "ConfigMap", namespace, "late")

    def more(_ref: Ref, _verdict: Verdict) -> float | None:
        if flaky.faults >= 4 and not made:
            made.extend(engine.apply(client(lab), [config_map(namespace, "late")]))
        return 0.2

    made: list[engine.Result] = []
    outcome = wait(flaky, [ref], timeout=0.2, on_deadline=more)[0]
    assert outcome.ready
    assert flaky.faults >= 4


def test_gone_means_gone(lab: Lab, namespace: str) -> None:
    here = client(lab)
    engine.apply(here, [config_map(namespace)])
    ref = Ref("v1", "ConfigMap", namespace, "settings")
    assert not wait(here, [ref], timeout=0.5, gone=True)[0].ready
    here.delete(*ref[:2], ref.name, namespace)
    assert wait(here, [ref], timeout=LONG, gone=True)[0].ready


def test_what_may_not_be_read_is_an_error(lab: Lab, namespace: str) -> None:
    stranger = Client.from_params({"kubeconfig": str(lab.admin_kubeconfig), "impersonate_user": "nobody"})
    with pytest.raises(ApiError, match="not allowed"):
        wait(stranger, [Ref("v1", "ConfigMap", namespace, "settings")], timeout=LONG)


@pytest.fixture
def taken_away(lab: Lab, group: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Ref:
    """An object whose definition goes, as that of nv-ipam's pools with the NicClusterPolicy, after it was listed and
    before it is watched: the API server knows no such path then."""
    engine.apply(client(lab), [reporting_crd(group), widget(group, namespace)])
    report(lab, group, namespace, "False", "not yet")
    real = Client.watch

    def watch(self: Client, *args: Any, **options: Any) -> Watch:
        lab.kubectl("delete", "crd", f"widgets.{group}", "--ignore-not-found")
        return real(self, *args, **options)

    monkeypatch.setattr(Client, "watch", watch)
    return Ref(f"{group}/v1", "Widget", namespace, "one")


def test_what_goes_with_its_definition_is_gone(lab: Lab, taken_away: Ref) -> None:
    outcomes = wait(client(lab), [taken_away], timeout=LONG, gone=True)
    assert [(outcome.ready, outcome.reason) for outcome in outcomes] == [(True, "gone")]


def test_what_goes_with_its_definition_is_waited_for_at_leisure(lab: Lab, taken_away: Ref) -> None:
    """It may be defined anew."""
    here = client(lab)
    outcomes = wait(here, [taken_away], timeout=5.0)
    assert [(outcome.ready, outcome.reason) for outcome in outcomes] == [
        (False, f"the API server does not serve Widget in {taken_away.api_version}")
    ]
    assert here.requests < 20
