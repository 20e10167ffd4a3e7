# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests that the real webhooks refused, or took although they could only fail: told before either happens."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest
from ansible_collections.dynamo.multinode.plugins.module_utils.manifest_files import parse

from tests.unit.plugins.module_utils.readback.test_recorded import upstream
from tests.unit.plugins.module_utils.recorded import UPSTREAM

REFUSED = "recordings/08-rejections"
QWEN = "example-recipes_qwen3.8-2.4t-a95b-fp8_vllm_agg"
# What the webhook answered; None: it took it.
LONG, TAG, BOOLEAN = "45-character pod-name limit", "no parseable semantic-version tag", "cannot unmarshal bool"
RECORDED: dict[str, tuple[str | None, str]] = {
    "001-ok-control": (None, ""),
    "002-component-name-long-multinode": (LONG, "MN-F08"),
    "003-component-name-17-multinode": (LONG, "MN-F08"),
    # These two pass admission and fail at reconcile.
    "004-component-name-16-multinode-longdgd": (None, "MN-F08"),
    "005-dgd-name-64": (None, "MN-F08"),
    "006-image-latest": (TAG, "MN-F09"),
    "007-image-my-tag": (TAG, "MN-F09"),
    "008-image-digest": (TAG, "MN-F09"),
    "009-image-notag": (TAG, "MN-F09"),
    "010-image-my-tag-with-runtimeVersionOverride": (None, ""),
    "013-ann-enable-grove-no": (None, "MN-F15"),
    "022-no-image": ("Required value", "MN-F09"),
    "024-backend-mismatch-dryrun": (None, "MN-F02"),
    "025-tp-mismatch-tp12": (None, "MN-F01"),
    "032-v1alpha1-ok": (None, ""),
    "033-v1alpha1-my-tag": (TAG, "MN-F09"),
    "036-v1alpha1-gpu-abc": (None, "MN-F17"),
    # A YAML dump had left n and y without quotes.
    f"049-{QWEN}-gb200-agentic_deploy": (BOOLEAN, "MN-N10"),
    f"050-{QWEN}-gb200-chat_deploy": (BOOLEAN, "MN-N10"),
    f"051-{QWEN}-gb300-agentic_deploy": (BOOLEAN, "MN-F12 MN-N10"),
    f"052-{QWEN}-gb300-chat_deploy": (BOOLEAN, "MN-F12 MN-N10"),
    "065-grove-name-too-long": ("Invalid value", "MN-F08"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_the_real_webhooks_said(name: str) -> None:
    refusal, wanted = RECORDED[name]
    answer = upstream(f"{REFUSED}/{name}.json")
    assert (answer["rc"] != 0) is (refusal is not None)
    assert (refusal or "") in answer["stderr"]
    objects, wrong = parse((UPSTREAM / REFUSED / f"{name}.yaml").read_text(encoding="utf-8"), "")
    assert wrong == []
    told = {one.id for one in manifest.run(manifest.cases(objects))}
    assert " ".join(sorted(told)) == wanted
