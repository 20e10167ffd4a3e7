# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chart on this machine says of itself."""

from __future__ import annotations

import io
import tarfile

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart, chart_meta

CHART = "name: lws\nversion: 0.1.0\nappVersion: v0.8.0\n"


def archive(path, **files):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return str(path)


def test_an_archive_and_not_the_chart_inside_it(tmp_path):
    files = {"lws/charts/sub/Chart.yaml": "name: sub\nversion: 1.0.0\n", "lws/Chart.yaml": CHART}
    assert chart_meta(archive(tmp_path / "c.tgz", **files)) == {
        "name": "lws",
        "version": "0.1.0",
        "appVersion": "v0.8.0",
    }


def test_a_folder(tmp_path):
    (tmp_path / "Chart.yaml").write_text(CHART)
    assert chart_meta(str(tmp_path))["version"] == "0.1.0"


@pytest.mark.parametrize("chart", ["", "volcano", "oci://registry.k8s.io/lws/charts/lws", "volcano-sh/volcano"])
def test_a_chart_from_elsewhere_is_left_to_helm(chart):
    assert chart_meta(chart) is None


def test_what_looks_like_a_file_has_to_be_a_chart(tmp_path):
    (tmp_path / "broken.tgz").write_text("no archive")
    for chart in ("/no/such/chart.tgz", "missing.tgz", str(tmp_path / "broken.tgz"), str(tmp_path)):
        with pytest.raises(BadChart, match="chart"):
            chart_meta(chart)
    with pytest.raises(BadChart, match=r"no Chart\.yaml"):
        chart_meta(archive(tmp_path / "empty.tgz", **{"x/values.yaml": ""}))
