# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every kind that the collection renders, on the real definitions: a second run sends nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.render import KINDS

from lab.handle import Lab
from tests.integration.kube_objects import Object, client
from tests.integration.test_render_dynamo import CASES, CRDS, UPSTREAM
from tests.unit.plugins.module_utils.inputs import objects

pytestmark = pytest.mark.upstream


class Counting(Client):
    """Remembers what it was told to write."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.written: list[str] = []

    def apply(self, obj: Any, **options: Any) -> Object:
        self.written.append(f"{obj['kind']} {obj['metadata'].get('namespace')}/{obj['metadata']['name']}")
        return super().apply(obj, **options)


def test_every_rendered_kind_is_recognised_as_unchanged(make_lab: Callable[..., Lab]) -> None:
    """All the cases at once, each in a namespace of its own; definitions as upstream ships them."""
    if not UPSTREAM.is_dir():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    wanted: list[Object] = []
    for path in CRDS:
        crd = yaml.load((UPSTREAM / "crds" / path).read_text(), yaml.CSafeLoader)
        crd["spec"].pop("conversion", None)
        crd["spec"]["versions"] = [version for version in crd["spec"]["versions"] if version["storage"]]
        wanted.append(crd)
    for number, plan in enumerate(CASES.values()):
        for obj in copy.deepcopy(objects(plan)):
            obj["metadata"]["namespace"] = f"case-{number}"
            wanted.append(obj)
    here = Counting(client(make_lab(nodes=1)).transport)
    applyset = {"name": "fleet", "namespace": "case-0"}
    first = engine.apply(here, wanted, create_namespaces=True, applyset=applyset, prune=True)
    assert [(str(result.ref), result.error) for result in first if result.action != "created"] == []
    rendered = {(obj["apiVersion"], obj["kind"]) for obj in wanted}
    assert set(KINDS) <= rendered, "a kind that no case renders is not proved"
    here.written.clear()
    second = engine.apply(here, wanted, create_namespaces=True, applyset=applyset, prune=True)
    assert here.written == []
    assert {result.action for result in second} == {"unchanged"}
