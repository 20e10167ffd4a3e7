# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chart that lies on this machine says of itself, without starting helm."""

from __future__ import annotations

import contextlib
import os
import tarfile
from pathlib import Path

with contextlib.suppress(ImportError):  # the Kubernetes client needs it as well, and reports it
    import yaml


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
