# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a chart on this machine says of itself."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart, chart_crds, chart_meta

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


# ---- definitions ----


def crd(name, **metadata):
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return json.dumps({**body, "metadata": {"name": name, **metadata}, "spec": {"group": "x"}, "status": {}})


PARENT = """
name: platform
version: 1.0.0
dependencies:
  - {name: grove-charts, alias: grove, condition: "grove.enabled,global.grove.install"}
  - {name: etcd, tags: [storage]}
  - {name: absent, condition: absent.enabled}
"""


def platform(tmp_path):
    inner = archive(
        tmp_path / "grove-charts-0.1.0.tgz",
        **{
            "grove-charts/Chart.yaml": "name: grove-charts\nversion: 0.1.0\n",
            "grove-charts/crds/sets.yaml": f"{crd('sets.grove.io')}\n---\n{crd('gangs.grove.io')}\n",
        },
    )
    folder = tmp_path / "platform"
    for name, text in {
        "Chart.yaml": PARENT,
        "values.yaml": "global: {grove: {install: false}}\n",
        "crds/own.yaml": crd("own.nvidia.com", annotations={"a": "b"}),
        "crds/README.md": "no definition",
        "templates/crd.yaml": crd("template.nvidia.com"),
        "charts/etcd/Chart.yaml": "name: etcd\nversion: 1.0.0\n",
        "charts/etcd/crds/deep/etcd.yml": crd("etcds.example.com"),
        "charts/unlisted/Chart.yaml": "name: unlisted\nversion: 1.0.0\n",
        "charts/unlisted/crds/x.yaml": crd("unlisted.example.com"),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "charts" / "grove-charts-0.1.0.tgz").write_bytes(Path(inner).read_bytes())
    return str(folder)


def names(chart, values=None):
    return [item["metadata"]["name"] for item in chart_crds(chart, values)]


ALWAYS = ["etcds.example.com", "own.nvidia.com", "unlisted.example.com"]
GROVE = ["gangs.grove.io", "sets.grove.io"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ALWAYS),
        ({"global": {"grove": {"install": True}}}, sorted(ALWAYS + GROVE)),
        # The first condition that says anything decides
        ({"grove": {"enabled": False}, "global": {"grove": {"install": True}}}, ALWAYS),
        ({"grove": {"enabled": True}}, sorted(ALWAYS + GROVE)),
        ({"tags": {"storage": False}}, [name for name in ALWAYS if "etcd" not in name]),
        ({"tags": {"other": False}}, ALWAYS),
    ],
)
def test_definitions_of_the_subcharts_that_the_values_enable(tmp_path, values, expected):
    assert names(platform(tmp_path), values) == expected


def test_f65_definitions_are_marked_to_stay_and_carry_no_status(tmp_path):
    own = next(item for item in chart_crds(platform(tmp_path)) if item["metadata"]["name"] == "own.nvidia.com")
    assert own["metadata"]["annotations"] == {"a": "b", "helm.sh/resource-policy": "keep"}
    assert "status" not in own


def test_definitions_of_an_archive_and_of_what_is_none(tmp_path):
    chart = archive(tmp_path / "c.tgz", **{"./lws/Chart.yaml": CHART, "./lws/crds/a.yaml": crd("a.example.com")})
    assert names(chart) == ["a.example.com"]
    (tmp_path / "broken.tgz").write_text("no archive")
    with pytest.raises(BadChart, match="broken"):
        chart_crds(str(tmp_path / "broken.tgz"))
    with pytest.raises(BadChart, match="missing"):
        chart_crds("missing.tgz")
