# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small charts of our own making in place of those that cannot be had here: same names, keys and image names.

Their definitions are upstream's own, read from the upstream data when a chart is packaged; without those data there are
no such charts, and a lab goes without them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.layout import CLONE, cache_folder, write_atomically

STANDINS = Path(__file__).resolve().parent / "standins"
# Chart -> the folder of its definitions in the upstream data. Dynamo's operator applies its own.
DEFINITIONS = {
    "gpu-operator": "gpu-operator",
    "network-operator": "network-operator",
    "kai-scheduler": "kai-scheduler",
    "grove-charts": "grove",
}


def upstream() -> Path | None:
    """Where upstream's definitions are; None where there are none."""
    given = os.environ.get("MULTINODE_UPSTREAM")
    folder = Path(given).expanduser() if given else CLONE.parent / "shared" / "upstream"
    return folder.resolve() if (folder / "crds").is_dir() else None


def names() -> tuple[str, ...]:
    """The charts that there are."""
    return tuple(sorted(path.parent.name for path in STANDINS.glob("*/Chart.yaml")))


def meta(name: str) -> dict[str, Any]:
    """The chart's Chart.yaml, with the version that the default version set has."""
    path = STANDINS / name / "Chart.yaml"
    if not path.is_file():
        raise LabError(f"no stand-in chart {name!r}; there are: {', '.join(names())}")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def package(name: str, version: str, app_version: str, target_folder: Path) -> Path:
    """The chart as ``<name>-<version>.tgz`` in ``target_folder``; "" for a version takes the chart's own."""
    chart = meta(name)
    chart["version"] = version or chart["version"]
    chart["appVersion"] = app_version or (version if version else chart["appVersion"])
    files = {"Chart.yaml": yaml.safe_dump(chart, sort_keys=False).encode()}
    folder = STANDINS / name
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "Chart.yaml":
            files[str(path.relative_to(folder))] = path.read_bytes()
    files |= _definitions(name)
    target_folder.mkdir(parents=True, exist_ok=True)
    target = target_folder / f"{name}-{chart['version']}.tgz"
    content = _archive(name, files)
    if not target.is_file() or target.read_bytes() != content:
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(target)
    return target


def ensure(target_folder: Path) -> dict[str, Path]:
    """Every stand-in at its default version: name -> archive; none where upstream's definitions are missing."""
    if upstream() is None:
        return {}
    return {name: package(name, "", "", target_folder) for name in names()}


def definitions(component: str) -> Path:
    """Upstream's definitions of a component as one JSON list, without the prose, which is most of their bytes.

    Kept in the cache: they take seconds to read, and an API server seconds to take over whole.
    """
    data = upstream()
    if data is None:
        raise LabError(f"{component} needs the definitions that MULTINODE_UPSTREAM names")
    texts = [path.read_text(encoding="utf-8") for path in sorted((data / "crds" / component).glob("*.yaml"))]
    digest = hashlib.sha256("\n---\n".join(texts).encode()).hexdigest()[:16]
    target = cache_folder() / "definitions" / f"{component}-{digest}.json"
    if not target.is_file():
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        found = [_plain(item) for text in texts for item in yaml.load_all(text, Loader=loader) if item]
        write_atomically(target, json.dumps(found))
    return target


def _plain(tree: Any) -> Any:
    """Without descriptions; a property of that name, which is a map, stays."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items() if key != "description" or not isinstance(value, str)}
    return [_plain(item) for item in tree] if isinstance(tree, list) else tree


def _definitions(name: str) -> dict[str, bytes]:
    component = DEFINITIONS.get(name)
    if component is None:
        return {}
    found = json.loads(definitions(component).read_text(encoding="utf-8"))
    return {f"crds/{item['metadata']['name']}.yaml": json.dumps(item).encode() for item in found}


def _archive(name: str, files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files: whoever compares archives sees no change where there is none."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)
