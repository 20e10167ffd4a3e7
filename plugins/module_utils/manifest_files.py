# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifest files as text into objects, read as Kubernetes' own tools read YAML. Pure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

with contextlib.suppress(ImportError):  # the module that uses this says so
    import yaml

SUFFIXES = (".yaml", ".yml", ".json")


def parse(text: str, source: str) -> tuple[list[tuple[str, Mapping[str, Any]]], list[Finding]]:
    """The objects of one file, each with its source, lists unpacked; and what is wrong with the file itself."""
    try:
        documents = list(yaml.load_all(text, Loader=_loader()))
    except yaml.YAMLError as error:
        return [], [_unreadable(source, error)]
    found: list[tuple[str, Mapping[str, Any]]] = []
    wrong: list[Finding] = []
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if not isinstance(document, Mapping) or not document.get("kind"):
            message = f"document {number} is no Kubernetes object: it has no kind"
            wrong.append(Finding("MN-N11", "warning", source, message, "leave the file out, or correct it", "spec"))
            continue
        found += [(source, one) for one in unpacked(document)]
    return found, wrong


def _loader() -> Any:
    """YAML 1.1 to the letter: Kubernetes' tools take plain ``y`` and ``n`` for booleans, PyYAML leaves them text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
    Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)
    return Loader


def _boolean(loader: Any, node: Any) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


def unpacked(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object, or the items of a list of objects."""
    if str(manifest.get("kind") or "").endswith("List") and isinstance(manifest.get("items"), list):
        for item in manifest["items"]:
            if isinstance(item, Mapping):
                yield from unpacked(item)
    else:
        yield manifest


def _unreadable(source: str, error: Any) -> Finding:
    mark = getattr(error, "problem_mark", None)
    where = f"{source}:{mark.line + 1}" if mark is not None else source
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    remedy = "correct it; a template (helm, kustomize) has to be rendered first"
    return Finding("MN-N11", "error", where, f"cannot be read as YAML: {what}", remedy, "spec")
