# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.replace import leave_to_its_owner, step
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

from tests.unit.plugins.module_utils.test_checks_live import applied, dgd, lws, part, pcs

OF_LWS = ("spec", "replicas")
OF_DGD = ("spec", "components", {"name": "decode"}, "replicas")
OF_PCS = ("spec", "template", "podCliqueScalingGroups", {"name": "engine"}, "replicas")


def decode(replicas: int = 1) -> dict[str, Any]:
    return dgd(part("frontend", "frontend"), {**part("decode", "decode", 2), "replicas": replicas})


def test_a_step_says_why() -> None:
    ref = Ref.of(lws())
    assert step(ref, lws(), None).to_dict() == {
        "kind": "LeaderWorkerSet",
        "name": "llama-worker",
        "action": "create",
        "why": [],
    }
    assert step(ref, lws(size=3), applied(lws())).why == ("node_count 2 cannot become 3 in place (MN-F10)",)
    assert step(ref, lws(replicas=2), applied(lws())).why == ("spec.replicas differs",)
    many = lws()
    many["metadata"]["labels"] = {f"l{number}": "x" for number in range(9)}
    assert step(ref, many, applied(lws())).why == ("metadata is not ours yet",)
    assert step(ref, lws(), applied(many)).action == "change"
    assert len(step(ref, lws(), applied(many)).why) <= 6


@pytest.mark.parametrize(
    ("make", "path", "old", "new"),
    [
        (lambda n: lws(replicas=n), OF_LWS, 1, 3),
        (decode, OF_DGD, 1, 3),
        (
            lambda n: pcs(podCliqueScalingGroups=[{"name": "engine", "replicas": n, "cliqueNames": ["ldr", "wkr"]}]),
            OF_PCS,
            1,
            3,
        ),
    ],
)
def test_a_number_that_is_still_ours_is_sent_as_it_is_live(make: Any, path: Any, old: int, new: int) -> None:
    """Left out, it would be reset to the default, for nobody else holds it."""
    live = applied(make(new))
    wanted = make(old)
    assert leave_to_its_owner(wanted, live, path) == new
    assert wanted == make(new)


@pytest.mark.parametrize(("make", "path"), [(lambda n: lws(replicas=n), OF_LWS), (decode, OF_DGD)])
def test_a_number_that_another_manager_took_is_left_out(make: Any, path: Any) -> None:
    live = applied(make(3))
    tree = live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    if len(path) == 2:
        del tree["f:replicas"]
    else:
        del tree["f:components"]['k:{"name":"decode"}']["f:replicas"]
    wanted = make(1)
    assert leave_to_its_owner(wanted, live, path) == 3
    parent = wanted["spec"] if len(path) == 2 else wanted["spec"]["components"][1]
    assert "replicas" not in parent


def test_what_is_not_there_is_sent() -> None:
    live = applied(decode())
    del live["spec"]["components"][1]
    wanted = decode(2)
    before = copy.deepcopy(wanted)
    assert leave_to_its_owner(wanted, live, OF_DGD) is None
    assert wanted == before


def test_in_a_list_that_goes_as_a_whole_the_live_number_is_sent() -> None:
    """Leaving it out would contradict whoever set the list."""
    live = applied(pcs(podCliqueScalingGroups=[{"name": "engine", "replicas": 3, "cliqueNames": ["ldr", "wkr"]}]))
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:podCliqueScalingGroups"]
    wanted = pcs()
    assert leave_to_its_owner(wanted, live, OF_PCS) == 3
    assert wanted["spec"]["template"]["podCliqueScalingGroups"][0]["replicas"] == 3
