# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chart that lies on this machine says of itself, without starting helm: its name, and its definitions."""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge

with contextlib.suppress(ImportError):  # the Kubernetes client needs it as well, and reports it
    import yaml

# Inside a chart: posix path -> content
Files = Mapping[str, bytes]
_KEEP = "helm.sh/resource-policy"


class BadChart(ValueError):
    """A chart that is meant to be a file, and is none that can be read."""


def chart_meta(chart: str) -> dict[str, str] | None:
    """name, version and appVersion of a local archive or folder; None for a chart that helm fetches from elsewhere.

    Raises BadChart for what looks like a file and is no chart.
    """
    path = Path(chart).expanduser()
    looks_local = chart.endswith(".tgz") or chart.startswith((os.sep, ".", "~"))
    if not chart or "://" in chart or not (looks_local or path.exists()):
        return None
    try:
        body = yaml.safe_load(_chart_yaml(path))
    except (OSError, tarfile.TarError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadChart(f"{chart} is no chart that can be read: {error}") from None
    if not isinstance(body, dict) or not body.get("name") or not body.get("version"):
        raise BadChart(f"{chart} is no chart: it has no Chart.yaml with a name and a version")
    return {key: str(body.get(key) or "") for key in ("name", "version", "appVersion")}


def chart_crds(chart: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The definitions in the folders ``crds`` of a local chart and of those of its subcharts that ``values`` enable.

    As helm chooses them: conditions and tags of the dependencies count, the chart's own values are below the given
    ones. helm installs these once and never again. They are marked to stay (helm.sh/resource-policy), since an older
    version of the same chart may have had them as templates. What two subcharts bring is taken once, the outermost
    first.
    """
    path = Path(chart).expanduser()
    try:
        files = _folder(path) if path.is_dir() else _archive(path.read_bytes())
        found: dict[str, dict[str, Any]] = {}
        for source in _definitions(files, values or {}):
            for item in yaml.load_all(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if isinstance(item, dict) and item.get("kind") == "CustomResourceDefinition":
                    found.setdefault(str(item["metadata"]["name"]), item)
    except (OSError, tarfile.TarError, KeyError, ValueError, yaml.YAMLError) as error:
        raise BadChart(f"{chart} is no chart that can be read: {error}") from None
    for item in found.values():
        notes = item["metadata"].get("annotations") or {}
        item["metadata"]["annotations"] = {**notes, _KEEP: "keep"}
        item.pop("status", None)
    return [found[name] for name in sorted(found)]


def _definitions(files: Files, values: Mapping[str, Any]) -> Iterable[bytes]:
    """The content of the files with definitions: of this chart, then of its enabled subcharts."""
    body = _yaml(files.get("Chart.yaml", b""))
    merged = merge(_yaml(files.get("values.yaml", b"")), values)
    for name in sorted(files):
        if name.startswith("crds/") and name.endswith((".yaml", ".yml", ".json")):
            yield files[name]
    below = _subcharts(files)
    listed = body.get("dependencies") or []
    if not listed:  # a chart of the first generation, or one that only carries folders: helm takes them all
        listed = [*(_yaml(files.get("requirements.yaml", b"")).get("dependencies") or [])]
    known = {str(item.get("name")) for item in listed}
    listed = [*listed, *({"name": name} for name in sorted(below) if name not in known)]
    for item in listed:
        name, alias = str(item.get("name")), str(item.get("alias") or item.get("name"))
        if name in below and _enabled(item, merged):
            inner = merged.get(alias)
            shared = {"global": merged["global"]} if isinstance(merged.get("global"), Mapping) else {}
            yield from _definitions(below[name], merge(inner if isinstance(inner, Mapping) else {}, shared))


def _enabled(dependency: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """As helm has it: the first condition whose path holds a boolean decides; else the tags; else it is on."""
    for condition in str(dependency.get("condition") or "").split(","):
        node: Any = values
        for step in condition.strip().split("."):
            node = node.get(step) if isinstance(node, Mapping) else None
        if isinstance(node, bool):
            return node
    tags = values.get("tags")
    said = [tags[tag] for tag in dependency.get("tags") or [] if isinstance(tags, Mapping) and tag in tags]
    return any(said) if said else True


def _subcharts(files: Files) -> dict[str, dict[str, bytes]]:
    """Chart name -> files, of the folders and archives in ``charts``."""
    folders: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        if not name.startswith("charts/"):
            continue
        rest = name[len("charts/") :]
        if "/" in rest:
            folder, inner = rest.split("/", 1)
            folders.setdefault(folder, {})[inner] = content
        elif rest.endswith((".tgz", ".tar.gz")):
            folders[rest] = dict(_archive(content))
    found = {}
    for inside in folders.values():
        title = _yaml(inside.get("Chart.yaml", b"")).get("name")
        if title:
            found[str(title)] = inside
    return found


def _yaml(content: bytes) -> dict[str, Any]:
    body = yaml.safe_load(content) if content else None
    return body if isinstance(body, dict) else {}


def _folder(path: Path) -> dict[str, bytes]:
    wanted = (item for item in path.rglob("*") if item.is_file())
    names = {item.relative_to(path).as_posix(): item for item in wanted}
    return {name: item.read_bytes() for name, item in names.items() if _concerns(name)}


def _archive(content: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            # Everything is below one folder of the chart's name
            name = posixpath.normpath(member.name).partition("/")[2]
            stream = archive.extractfile(member) if member.isfile() and _concerns(name) else None
            if stream:
                files[name] = stream.read()
    return files


def _concerns(name: str) -> bool:
    """Whether a file says anything about definitions: templates, which are most of a chart, do not."""
    last = name.rsplit("/", 1)[-1]
    about = last in ("Chart.yaml", "values.yaml", "requirements.yaml") or last.endswith((".tgz", ".tar.gz"))
    return about or "/crds/" in f"/{name}"


def _chart_yaml(path: Path) -> str:
    if path.is_dir():
        return (path / "Chart.yaml").read_text(encoding="utf-8")
    with tarfile.open(path) as archive:
        for member in archive:
            # The chart's own, not that of a chart inside it
            if member.name.count("/") == 1 and member.name.endswith("/Chart.yaml"):
                stream = archive.extractfile(member)
                return stream.read().decode("utf-8") if stream else ""
    return ""
