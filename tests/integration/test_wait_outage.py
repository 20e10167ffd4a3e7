# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting while the API server is killed or paused, or objects go; and kinds that need more than themselves."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import wait as outage
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Outcome, Ref, wait

from lab.handle import CommandFailed, Lab
from tests.integration.kube_objects import Object, client, widget
from tests.integration.test_wait import LONG, report, reporting_crd

NAMESPACE = "outage"


@pytest.fixture(scope="module")
def group(bare_lab: Lab) -> Iterator[str]:
    """Widgets with a status, in a namespace of their own."""
    name = f"t{uuid.uuid4().hex[:8]}.example.com"
    if NAMESPACE not in bare_lab.kubectl("get", "namespaces", "-o", "name"):
        bare_lab.kubectl("create", "namespace", NAMESPACE)
    engine.apply(client(bare_lab), [reporting_crd(name)])
    yield name
    bare_lab.kubectl("delete", "crd", f"widgets.{name}", "--wait=false")


class Waiter:
    """A wait for one widget in a thread of its own; ``seen`` is set when it has looked at it once."""

    def __init__(self, lab: Lab, group: str) -> None:
        made = engine.apply(client(lab), [widget(group, NAMESPACE)])[0]
        assert made.error is None
        report(lab, group, NAMESPACE, "False", "not yet")
        self.ref = made.ref
        self.seen = threading.Event()
        self.reasons: list[str] = []
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=[lab], daemon=True)
        self._thread.start()
        assert self.seen.wait(LONG)

    def _run(self, lab: Lab) -> None:
        try:
            self.outcome = wait(client(lab), [self.ref], timeout=LONG, on_change=self._note)[0]
        except BaseException as error:
            self.error = error

    def _note(self, _ref: Ref, verdict: Verdict) -> None:
        self.reasons.append(verdict.reason)
        if "not yet" in verdict.reason:
            self.seen.set()

    def end(self) -> Outcome:
        self._thread.join(LONG + 10)
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome


@pytest.fixture
def waiter(bare_lab: Lab, group: str) -> Iterator[Waiter]:
    one = Waiter(bare_lab, group)
    yield one
    bare_lab.kubectl("delete", "-n", NAMESPACE, f"widgets.{group}", "one", "--ignore-not-found")


def until(ask: Callable[[], Any]) -> None:
    """Ask until it is answered."""
    deadline = time.monotonic() + LONG
    while True:
        try:
            ask()
        except CommandFailed:
            assert time.monotonic() < deadline
        else:
            return


def answers(lab: Lab) -> bool:
    try:
        lab.kubectl("get", "--raw", "/readyz", "--request-timeout=1s")
    except CommandFailed:
        return False
    return True


def test_a_killed_api_server_comes_back_and_the_wait_goes_on(bare_lab: Lab, group: str, waiter: Waiter) -> None:
    bare_lab.signal("kube-apiserver", signal.SIGKILL)
    until(lambda: report(bare_lab, group, NAMESPACE, "True", "well"))
    assert waiter.end().ready


def test_a_paused_api_server_only_makes_it_late(bare_lab: Lab, group: str, waiter: Waiter) -> None:
    bare_lab.signal("kube-apiserver", signal.SIGSTOP)
    try:
        assert not answers(bare_lab)
    finally:
        bare_lab.signal("kube-apiserver", signal.SIGCONT)
    until(lambda: report(bare_lab, group, NAMESPACE, "True", "well"))
    assert waiter.end().ready


def test_an_object_that_is_deleted_meanwhile_is_waited_for_again(bare_lab: Lab, group: str, waiter: Waiter) -> None:
    bare_lab.kubectl("delete", "-n", NAMESPACE, f"widgets.{group}", "one")
    engine.apply(client(bare_lab), [widget(group, NAMESPACE)])
    report(bare_lab, group, NAMESPACE, "True", "well")
    assert waiter.end().ready
    assert "does not exist" in waiter.reasons


def test_rights_that_are_taken_away_end_a_wait_in_slices(
    bare_lab: Lab, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice bears what a restarted API server answers, and no slice is so long that its patience ends."""
    monkeypatch.setattr(outage, "FORGIVEN", 3600.0)
    here = client(bare_lab, impersonate_user="nobody-any-more")
    with pytest.raises(ApiError, match="nobody-any-more") as refused:
        wait(here, [Ref.of(widget(group, NAMESPACE))], timeout=LONG, resumed=True)
    assert refused.value.status == 403


def hooks(group: str) -> Object:
    """A webhook for a resource that nobody makes."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": group},
        "webhooks": [
            {
                "name": f"check.{group}",
                "clientConfig": {"caBundle": "Zg==", "service": {"name": "hooks", "namespace": NAMESPACE, "port": 443}},
                "rules": [
                    {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def test_a_webhook_is_ready_when_somebody_is_behind_it(bare_lab: Lab, group: str) -> None:
    here = client(bare_lab)
    ref = engine.apply(here, [hooks(group)])[0].ref
    reasons: list[str] = []

    def serve(_ref: Ref, verdict: Verdict) -> None:
        reasons.append(verdict.reason)
        if "no ready endpoint" in verdict.reason:
            bare_lab.apply(
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": "hooks-1",
                        "namespace": NAMESPACE,
                        "labels": {"kubernetes.io/service-name": "hooks"},
                    },
                    "addressType": "IPv4",
                    "ports": [{"port": 9443}],
                    "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
                }
            )

    try:
        assert wait(here, [ref], timeout=LONG, on_change=serve)[0].ready
    finally:
        bare_lab.kubectl("delete", "validatingwebhookconfiguration", group)
    assert reasons == [
        f"no ready endpoint behind Service {NAMESPACE}/hooks",
        "every webhook has its CA and an endpoint",
    ]


def test_a_claim_that_binds_with_its_first_pod_is_not_waited_for(bare_lab: Lab, group: str) -> None:
    bare_lab.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "late"},
            "provisioner": "example.com/none",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"models-{group[:6]}", "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "late",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    here = client(bare_lab)
    results = engine.apply(here, [claim])
    outcome = engine.wait_for(here, results, timeout=LONG)[results[0].ref]
    assert (outcome.ready, outcome.reason) == (True, "waits for its first pod (WaitForFirstConsumer)")
