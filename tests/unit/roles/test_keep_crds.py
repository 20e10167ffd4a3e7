# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The post-renderer that makes helm keep definitions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).resolve().parents[3] / "roles" / "helm_component" / "files" / "keep_crds.py"
KEEP = {"helm.sh/resource-policy": "keep"}


def render(text):
    return subprocess.run([sys.executable, str(SCRIPT)], input=text, capture_output=True, text=True, check=True).stdout


def crd(metadata):
    head = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
    return f"{head}metadata:\n{metadata}spec:\n  description: |\n    metadata:\n      annotations: {{}}\n"


@pytest.mark.parametrize(
    ("metadata", "annotations"),
    [
        ("  name: a\n", {}),
        ("  annotations:\n    x: y\n  name: a\n", {"x": "y"}),
        ("  name: a\n  annotations:\n      x: y\n", {"x": "y"}),
        ("  name: a\n  annotations: {}\n", {}),
        ("  name: a\n  annotations:\n  labels:\n    annotations: deep\n", {}),
        ("    name: a\n    annotations:\n        x: y\n", {"x": "y"}),
        ("  name: a\n\n  # a remark\n  annotations:\n    x: y\n", {"x": "y"}),
        ("  name: a\n  annotations:\n    helm.sh/resource-policy: keep\n", {}),
    ],
)
def test_a_definition_is_kept_and_otherwise_the_same(metadata, annotations):
    before = yaml.safe_load(crd(metadata))
    after = yaml.safe_load(render(crd(metadata)))
    assert after["metadata"]["annotations"] == {**annotations, **KEEP}
    before["metadata"]["annotations"] = after["metadata"]["annotations"]
    assert after == before


def test_everything_else_passes_through_unchanged():
    text = "---\n# Source: a\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: |\n    kind: b\n---\nkind: Job\n"
    assert render(text) == text


def test_definitions_among_others():
    text = "---\nkind: ConfigMap\nmetadata:\n  name: a\n---\n" + crd("  name: b\n") + "---\n" + crd("  name: c\n")
    found = {
        item["metadata"]["name"]: item["metadata"].get("annotations")
        for item in yaml.safe_load_all(render(text))
        if item
    }
    assert found == {"a": None, "b": KEEP, "c": KEEP}
