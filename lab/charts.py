# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volcano's and LWS's own charts, packaged from their Go modules as their releases are."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import binaries, golang
from lab.errors import LabError
from lab.layout import cache_folder, locked


@dataclass(frozen=True)
class Chart:
    """A chart inside a Go module, with the version that its release carries."""

    name: str
    version: str
    app_version: str
    module: str
    folder: str
    # Values that upstream's release sets before packaging: key -> value
    released: tuple[tuple[str, str], ...] = ()
    wrapper: str = "controlplane"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.tgz"


CHARTS = (
    Chart(
        "volcano",
        binaries.VOLCANO,
        binaries.VOLCANO,
        "volcano.sh/volcano",
        "installer/helm/chart/volcano",
        (("image_tag_version", f"v{binaries.VOLCANO}"),),
    ),
    Chart("lws", binaries.LWS, f"v{binaries.LWS}", "sigs.k8s.io/lws", "charts/lws"),
    Chart("lws", binaries.OLD_LWS, f"v{binaries.OLD_LWS}", "sigs.k8s.io/lws", "charts/lws", wrapper="kwok"),
)


def ensure(helm: Path) -> dict[str, Path]:
    """Every chart's archive: name (of a second version: name-version) -> file, found or packaged now."""
    cache = cache_folder() / "charts"
    found = {}
    for chart in CHARTS:
        given = Path(os.environ.get("LAB_BIN_DIR") or cache) / chart.file
        target = cache / chart.file
        if given.is_file():
            target = given.resolve()
        elif not target.is_file():
            with locked(cache_folder() / "charts.lock"):
                if not target.is_file():
                    _package(chart, helm, target)
        found[chart.name if chart.name not in found else f"{chart.name}-{chart.version}"] = target
    return found


def _package(chart: Chart, helm: Path, target: Path) -> None:
    wrapper = binaries.GO_MODULES / chart.wrapper
    go = golang.find(wrapper / "go.mod")
    source = golang.module_folder(go, wrapper, chart.module) / chart.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".package-") as folder:
        copy = Path(folder) / chart.name
        shutil.copytree(source, copy)
        for path in [copy, *copy.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)  # the module cache is read-only
        values = copy / "values.yaml"
        text = values.read_text(encoding="utf-8")
        for key, value in chart.released:
            text, count = re.subn(rf"(?m)^(\s*{key}:).*$", rf'\1 "{value}"', text)
            if count != 1:
                raise LabError(f"{values}: has {key} {count} times, not once")
        values.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [
                str(helm),
                "package",
                str(copy),
                f"--version={chart.version}",
                f"--app-version={chart.app_version}",
                f"--destination={folder}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"helm package {chart.name}: {done.stderr.strip().splitlines()[-1]}")
        (Path(folder) / chart.file).replace(target)
