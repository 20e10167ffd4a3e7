# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of the chaos runs (all 200: ``python -m tests.chaos``), and single faults through its proxy."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.transport import Transport

from lab.handle import Lab
from tests.chaos.__main__ import chaos, line
from tests.chaos.faults import ALL, Plan
from tests.chaos.proxy import Proxy
from tests.integration.kube_objects import client, config_map, deployment, widget_crd

SEEDS = range(1000, 1020)


def test_a_sample_of_seeded_runs_converges(make_lab: Callable[..., Lab], capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty of them, one with a restart of the API server and one with a pause."""
    verdicts = chaos(make_lab(nodes=2), SEEDS, at_once=5)
    with capsys.disabled():
        print(f" {sum(sum(verdict.faults.values()) for verdict in verdicts)} faults", end="")
    assert [line(verdict) for verdict in verdicts if verdict.wrong] == []
    assert {verdict.event for verdict in verdicts} == {"", "restart", "pause"}
    assert sum(verdict.killed for verdict in verdicts) >= 10


def test_the_plan_of_a_seed_is_the_same_every_time() -> None:
    asked = [("GET", f"/a{number % 7}") for number in range(500)] + [("PATCH", f"/b{n}") for n in range(500)]
    first, again, other = Plan("1"), Plan("1"), Plan("2")
    faults = [(one, first.fault(*one)) for one in asked]
    in_another_order = [(one, again.fault(*one)) for one in sorted(asked, reverse=True)]
    assert sorted(faults, key=str) == sorted(in_another_order, key=str)
    assert faults != [(one, other.fault(*one)) for one in asked]
    assert 60 < sum(fault is not None for _one, fault in faults) < 140
    watches = Plan("1", rate=1.0)
    seen = {watches.fault("GET", f"/w{number}?watch=true") for number in range(100)}
    assert seen == {"410", "429", "503", "cut", "reset-before", "delay"}
    assert seen | set(first.counts) | {watches.fault("PATCH", f"/p{number}") for number in range(200)} >= set(ALL)


class Once(Plan):
    """Injects a fault into the first requests of a method for objects (``only``: whose URL has this in it).

    ``then``: done with each fault.
    """

    def __init__(
        self, method: str, fault: str, times: int = 1, only: str = "/v1/", then: Callable[[], object] | None = None
    ) -> None:
        super().__init__("")
        self.method, self.wanted, self.left, self.only, self.then = method, fault, times, only, then

    def fault(self, method: str, path: str) -> str | None:
        if method != self.method or not self.left or self.only not in path:
            return None
        self.left -= 1
        if self.then is not None:
            self.then()
        return self.wanted


@pytest.fixture
def proxied(lab: Lab, tmp_path: Path) -> Iterator[tuple[Proxy, Client]]:
    proxy = Proxy(client(lab).transport.connection)
    config = tmp_path / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": proxy.url}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    yield proxy, Client.from_params({"kubeconfig": str(config)})
    proxy.close()


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "webhook", "reset-before", "modified"])
def test_a_refusal_is_asked_again(proxied: tuple[Proxy, Client], namespace: str, fault: str) -> None:
    proxy, here = proxied
    proxy.plan = Once("PATCH", fault)
    result = engine.apply(here, [config_map(namespace)])[0]
    assert (result.action, result.warnings) == ("created", [])
    assert proxy.plan.left == 0


@pytest.mark.parametrize("fault", ["reset-after", "504-after", "cut"])
def test_a_lost_answer_does_not_hide_what_was_done(proxied: tuple[Proxy, Client], namespace: str, fault: str) -> None:
    """Created, changed, deleted: told as such, though the answer that said so was lost."""
    proxy, here = proxied
    actions = []
    for wanted in (config_map(namespace), config_map(namespace, a="2")):
        proxy.plan = Once("PATCH", fault)
        actions.append(engine.apply(here, [wanted])[0].action)
    proxy.plan = Once("DELETE", fault)
    actions.append(engine.remove(here, [config_map(namespace)])[0].action)
    assert actions == ["created", "changed", "deleted"]
    assert engine.remove(here, [config_map(namespace)])[0].action == "unchanged"


@pytest.mark.parametrize("fault", ["cut", "502", "reset-after"])
def test_a_list_that_breaks_off_is_read_again(proxied: tuple[Proxy, Client], namespace: str, fault: str) -> None:
    proxy, here = proxied
    engine.apply(here, [config_map(namespace)])
    proxy.plan = Once("GET", fault)
    assert engine.apply(here, [config_map(namespace)])[0].action == "unchanged"
    assert proxy.plan.left == 0


class Starting(Plan):
    """An API server that serves before it knows all: ``fault`` for every kind until it has said twice that it is not
    ready (500, or ``unready``: 403 where nobody may ask)."""

    def __init__(self, fault: str, unready: str = "500") -> None:
        super().__init__("")
        self.wanted, self.unready, self.left = fault, unready, 2

    def fault(self, method: str, path: str) -> str | None:
        if path == "/readyz":
            self.left -= 1
            return self.unready if self.left >= 0 else None
        return self.wanted if self.left > 0 else None


@pytest.mark.parametrize("fault", ["403", "404"])
@pytest.mark.parametrize("unready", ["403", "500"])
def test_the_first_answers_of_an_api_server_are_not_the_last(
    proxied: tuple[Proxy, Client], namespace: str, fault: str, unready: str
) -> None:
    """A client that never saw it fail would else take kinds for absent that are there, and say that all is gone."""
    proxy, here = proxied
    engine.apply(here, [config_map(namespace)])
    proxy.plan = Starting(fault, unready)
    fresh = Client(Transport(here.transport.connection))
    found = fresh.list("v1", "ConfigMap", namespace, label_selector="app=test")
    assert [obj["metadata"]["name"] for obj in found] == ["settings"]


def test_an_answer_that_never_comes_is_given_up(proxied: tuple[Proxy, Client], namespace: str) -> None:
    proxy, here = proxied
    here.transport.patience = 1.0
    proxy.plan = Once("PATCH", "hang")
    assert engine.apply(here, [config_map(namespace)])[0].action == "created"


@pytest.mark.parametrize("fault", ["410", "cut", "503", "reset-before"])
def test_a_watch_that_ends_badly_is_taken_up_again(
    lab: Lab, proxied: tuple[Proxy, Client], namespace: str, fault: str
) -> None:
    """The proxy ends each watch after it, too: closing one must not wait for the next event."""
    proxy, here = proxied
    web = deployment(namespace, replicas=1)
    web["spec"]["paused"] = True  # nothing is ready before the watch was there
    results = engine.apply(here, [web])
    resume = ("rollout", "resume", f"deployment/{web['metadata']['name']}", "-n", namespace)
    proxy.plan = Once("GET", fault, only="watch=true", then=lambda: lab.kubectl(*resume))
    outcome = next(iter(engine.wait_for(here, results, timeout=60).values()))
    assert outcome.ready
    assert proxy.plan.left == 0


def test_a_budget_that_is_spent_is_a_clear_error(proxied: tuple[Proxy, Client], namespace: str) -> None:
    """And the others' results are told all the same."""
    proxy, here = proxied
    here.transport.budget = 0.5
    engine.apply(here, [config_map(namespace, "first")])
    proxy.plan = Once("PATCH", "webhook", times=1000)
    results = engine.apply(here, [config_map(namespace, "first"), config_map(namespace, "second")])
    assert [result.action for result in results] == ["unchanged", "failed"]
    assert results[1].error is not None
    assert "failed calling webhook" in results[1].error


def test_definitions_written_before_the_server_fell_silent_are_told(
    proxied: tuple[Proxy, Client], namespace: str
) -> None:
    proxy, here = proxied
    here.transport.budget = 0.5
    group = f"{namespace}.example.com"
    definition = widget_crd(group)

    class Silent(Plan):
        def fault(self, method: str, path: str) -> str | None:
            return "503" if method == "GET" and "customresourcedefinitions?" in path else None

    proxy.plan = Silent("")
    widget: dict[str, Any] = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "x"}}
    # The definitions are read by name; only the wait for them lists
    results = engine.apply(here, [definition, widget])
    proxy.calm()
    engine.remove(here, [definition])
    assert [result.action for result in results] == ["created", "failed"]
    assert "chaos" in (results[1].error or "")


def test_a_real_webhook_that_is_not_there_yet(lab: Lab, namespace: str) -> None:
    """Its configuration comes first, its server later; here it goes instead, which to a client is the same."""
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "late.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 1,
            }
        ],
    }
    lab.apply(hook)
    timer = threading.Timer(2.0, lab.kubectl, ("delete", "validatingwebhookconfiguration", namespace))
    try:
        impatient = client(lab)
        impatient.transport.budget = 0.2
        refused: str | None = ""
        while not refused:  # the API server learns of the webhook by a watch of its own
            refused = engine.apply(impatient, [config_map(namespace, uuid.uuid4().hex)])[0].error
        assert "late.example.com" in refused
        timer.start()
        assert engine.apply(client(lab), [config_map(namespace)])[0].action == "created"
    finally:
        timer.join() if timer.is_alive() else None
        lab.kubectl("delete", "validatingwebhookconfiguration", namespace, "--ignore-not-found")


def test_a_login_page_in_front_of_the_api_server(proxied: tuple[Proxy, Client]) -> None:
    """A proxy that sends everybody to its login is no success with nothing in it."""
    proxy, here = proxied

    class Redirect(Plan):
        def fault(self, method: str, path: str) -> str | None:
            return "302"

    proxy.plan = Redirect("")
    with pytest.raises(ApiError, match=r"is redirected \(302\) to /login"):
        here.version()
