# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random workloads, applied to a real API server with the real CRDs and read back: unchanged, every one of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load
from hypothesis import given, settings

from tests.integration.test_render_dynamo import api, assert_within, plane, pytestmark
from tests.unit.plugins.module_utils.generated import TARGETS, inputs

__all__ = ["api", "plane", "pytestmark"]

EACH = 5


def placed(given_input: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The same input in this namespace, wherever it named another."""

    def without(data: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in data.items() if key != "namespace"}

    return {
        **given_input,
        "defaults": without(given_input.get("defaults") or {}),
        "overlays": {name: without(over) for name, over in (given_input.get("overlays") or {}).items()},
        "workloads": [{**one, "namespace": namespace} for one in given_input["workloads"]],
    }


def drawn(target: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Inputs for one target, the same in every run. The first are the smallest: the last of more are taken."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=3 * EACH, derandomize=True, database=None, deadline=None)
    @given(inputs((target,)))
    def draw(given_input: dict[str, Any]) -> None:
        found.append(given_input)

    draw()
    return found[-EACH:]


def fleet() -> list[dict[str, Any]]:
    """The objects of some workloads for every target, each workload in a namespace of its own."""
    items: list[dict[str, Any]] = []
    for target in TARGETS:
        for number, one in enumerate(drawn(target)):
            namespace = f"{'-'.join(target)}-{number}"
            items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            for plan in load(placed(one, namespace)).workloads:
                items += render(plan)
    return items


def test_what_is_rendered_survives_the_api_server(api: Client) -> None:
    items = fleet()
    assert len({(item["kind"]) for item in items}) >= 6
    results = engine.apply(api, items)
    assert {(one.kind, one.name, one.error) for one in results if one.action == "failed"} == set()
    for item in items:
        metadata = item["metadata"]
        live = api.get(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace"))
        assert live is not None
        assert_within(item, live, f"{metadata.get('namespace')}/{item['kind']}")
    assert {one.action for one in engine.apply(api, items)} == {"unchanged"}
