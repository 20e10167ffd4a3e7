# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One wait in several calls: one deadline, nothing applied again, and no object given up unseen."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.objects import ensure
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited, watch
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

from lab.handle import Lab
from tests.integration.kube_objects import Object, client, config_map, deployment, writes


def missing(namespace: str, limit: float = 60.0) -> Waited:
    return Waited(Ref("v1", "ConfigMap", namespace, "late"), limit)


def test_a_slice_ends_without_giving_up(lab: Lab, namespace: str) -> None:
    waited = missing(namespace)
    elapsed = watch(client(lab), [waited], seconds=0.3)
    assert (waited.open, waited.reason, waited.limit) == (True, "does not exist", 60.0)
    assert 0.3 <= elapsed < 60
    state = Waited.from_state(waited.to_state())
    lab.kubectl("create", "-n", namespace, "configmap", "late")
    after = watch(client(lab), [state], elapsed=elapsed, seconds=30)
    assert state.ready
    assert elapsed <= state.seconds <= after < 30


def test_one_deadline_across_slices(lab: Lab, namespace: str) -> None:
    waited = missing(namespace, 5.0)
    watch(client(lab), [waited], elapsed=6.0, seconds=5)
    assert (waited.late, waited.seconds, waited.reason) == (True, 5.0, "does not exist")


def test_what_became_ready_between_slices_is_ready_even_after_its_time(lab: Lab, namespace: str) -> None:
    waited = missing(namespace, 5.0)
    lab.kubectl("create", "-n", namespace, "configmap", "late")
    watch(client(lab), [waited], elapsed=6.0, seconds=5)
    assert (waited.ready, waited.late) == (True, False)


def test_a_limit_may_be_extended_once_it_is_reached(lab: Lab, namespace: str) -> None:
    waited, asked = missing(namespace, 5.0), []
    waited.reason = "does not exist"  # known from an earlier slice: no news, which would end this one

    def extend(one: Waited) -> float | None:
        asked.append(one.limit)
        return 7.0 if one.limit < 7.0 else None

    watch(client(lab), [waited], elapsed=5.5, seconds=60, extend=extend)
    assert (waited.late, waited.seconds, asked) == (True, 7.0, [5.0, 7.0])


def test_a_slice_applies_nothing(lab: Lab, namespace: str) -> None:
    late = deployment(namespace, "late", 1)
    late["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "nowhere"}
    params: Object = {
        "objects": [config_map(namespace), late],
        "state": "present",
        "wait": True,
        "wait_timeout": 60,
        "force_conflicts": False,
        "wait_stable_seconds": 1,
        "_slice": {"seconds": 0.2, "elapsed": 0.0, "state": None},
    }
    first: Any = ensure(client(lab), params).result["_slice"]
    assert (sorted(first["settled"]), sorted(first["standing"])) == (
        [f"ConfigMap {namespace}/settings"],
        [f"Deployment {namespace}/late"],
    )
    mark = lab.mark()
    lab.kubectl("patch", "-n", namespace, "deployment", "late", "--type=merge", "-p", '{"spec": {"replicas": 0}}')
    last = first
    while last["state"]:  # the first one to see it ready ends with that news; it has to stay so for a second
        params["_slice"] = {"seconds": 30, "elapsed": last["elapsed"], "state": last["state"]}
        last = ensure(client(lab), params).result["_slice"]
    assert last["standing"] == {}
    assert last["settled"][f"Deployment {namespace}/late"]["ready"]
    assert writes(lab, mark, namespace) == []
