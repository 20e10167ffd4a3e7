# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several components of ours in one namespace: the last one that goes takes it along."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Wanted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import decisions


def entry(name: str, namespace: str, origin: str = "provisioned") -> dict[str, Any]:
    record = {"component": name, "origin": origin, "namespace": namespace, "release": name, "namespace_created": True}
    return {"present": True, "source": "release", "release": name, "namespace": namespace, "record": record}


def mates(found: dict[str, Any], name: str, platform: dict[str, Any] | None = None) -> tuple[list[str], list[str]]:
    asked = components.of_platform(platform or {}, "absent")
    one = next(item for item in asked if item.name == name)
    before, after = decisions._mates(one, asked, {"components": found})
    return [item["release"] for item in before], [item["release"] for item in after]


SHARED = {name: entry(name, "shared") for name in ("kai_scheduler", "grove", "dynamo_platform")}


def test_those_of_one_namespace_in_the_order_of_their_removal():
    assert mates(SHARED, "dynamo_platform") == ([], ["grove", "kai_scheduler"])
    assert mates(SHARED, "grove") == (["dynamo_platform"], ["kai_scheduler"])
    assert mates(SHARED, "kai_scheduler") == (["dynamo_platform", "grove"], [])


@pytest.mark.parametrize(
    ("found", "platform"),
    [
        ({**SHARED, "kai_scheduler": entry("kai_scheduler", "elsewhere")}, {}),
        ({**SHARED, "kai_scheduler": entry("kai_scheduler", "shared", "adopted")}, {}),
        (SHARED, {"kai_scheduler": {"mode": "skip"}}),
        ({name: SHARED[name] for name in ("grove", "dynamo_platform")}, {}),
    ],
)
def test_what_stays_or_is_elsewhere_is_no_mate(found: dict[str, Any], platform: dict[str, Any]):
    assert mates(found, "grove", platform) == (["dynamo_platform"], [])


def test_only_the_last_one_removes_the_namespace_and_nobody_is_told_of_the_others():
    found = SHARED["grove"]
    wanted = Wanted("grove", state="absent")
    before = components.decide(wanted, {**found, "namespace_later": True}, "v1.34.4")
    assert (before.action, before.remove_namespace, before.findings) == ("remove", False, ())
    assert components.decide(wanted, {**found, "namespace_later": False}, "v1.34.4").remove_namespace
    theirs = {**found, "namespace_later": False, "namespace_foreign": ["ConfigMap/theirs"]}
    assert [item.id for item in components.decide(wanted, theirs, "v1.34.4").findings] == ["MN-F49"]
