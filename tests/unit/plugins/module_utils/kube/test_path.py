# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version each component is to reach, and by which chart."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import lifecycle, versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import path as reading
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import SpecError

LAB = "v1.34.4"


def chart(folder: Path, name: str, version: str) -> str:
    text = f"apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: v{version}\n".encode()
    file = folder / f"{name}-{version}.tgz"
    with tarfile.open(file, "w:gz") as archive:
        entry = tarfile.TarInfo(f"{name}/Chart.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return str(file)


def goals(running: dict[str, str], platform: dict[str, Any], dynamo: str = "") -> dict[str, str]:
    found = {
        "kubernetes": LAB,
        "components": {name: {"present": True, "app_version": f"v{version}"} for name, version in running.items()},
    }
    wanted, charts = reading.asked(platform)
    return {name: goal.version for name, goal in reading.upward(found, wanted, charts, dynamo).items()}


def test_the_set_is_wanted_where_nothing_is_named():
    assert goals({"lws": "0.7.0", "grove": "0.1.0-alpha.13"}, {}) == {"lws": "0.8.0", "grove": "0.1.0-alpha.14"}
    assert goals({"grove": "0.1.0-alpha.11", "dynamo_platform": "1.4.2"}, {}, "1.5.1") == {
        "grove": "0.1.0-alpha.13",
        "dynamo_platform": "1.5.1",
    }


def test_a_plan_judges_health_as_its_gates_do(monkeypatch):
    """By the values of the release too, which may switch off what is reported by."""
    asked = {}
    monkeypatch.setattr(reading, "not_ready", lambda _client, name, wanted: asked.update({name: wanted}) or [])
    values = {"defaultShard": {"enabled": False}}
    ours = {"present": True, "ready": True, "namespace": "k", "values": values, "record": {"origin": "provisioned"}}
    judged = reading.judged(None, {"kai_scheduler": ours, "lws": {**ours, "values": None, "record": None}})
    assert (asked["kai_scheduler"].values, asked["kai_scheduler"].adopted) == (values, False)
    assert (asked["lws"].values, asked["lws"].adopted) == ({}, True)
    assert [entry["ready"] for entry in judged.values()] == [True, True]


def test_n30_what_olm_brought_is_left_to_olm():
    entry = {"present": True, "app_version": "v26.3.1", "record": {"origin": "provisioned", "source": "olm"}}
    found = {"kubernetes": "v1.34.4", "components": {"gpu_operator": entry}}
    wanted, charts = reading.asked({})
    assert reading.upward(found, wanted, charts, "") == {}
    (said,) = reading.moved_by_olm(found["components"], wanted)
    assert (said.id, said.severity) == ("MN-N30", "note")
    assert "multinode_platform.gpu_operator.olm.channel" in said.remedy
    assert reading.moved_by_olm({"gpu_operator": {**entry, "record": {"origin": "provisioned"}}}, wanted) == []
    assert reading.moved_by_olm({"gpu_operator": {**entry, "record": None}}, wanted) == []


def test_a_set_takes_nobody_back_by_itself():
    assert goals({"lws": "0.10.0", "volcano": "1.15.1"}, {}) == {}
    assert goals({"grove": "0.1.0-alpha.14", "dynamo_platform": "1.5.1"}, {}, "1.6.1") == {
        "grove": "0.1.0-alpha.14",
        "dynamo_platform": "1.6.1",
    }


def test_an_older_dynamo_takes_its_set_back_with_it():
    running = {"grove": "0.1.0-alpha.14", "dynamo_platform": "1.6.1"}
    assert goals(running, {}, "1.5.1") == {"grove": "0.1.0-alpha.13", "dynamo_platform": "1.5.1"}


def test_a_dynamo_without_its_patch_is_no_older_one():
    running = {"lws": "0.10.0", "volcano": "1.15.1", "kai_scheduler": "0.18.6", "dynamo_platform": "1.6.1"}
    assert goals(running, {}, "1.6") == {"dynamo_platform": "1.6.1"}
    assert goals(running, {}, "v1.6") == {"dynamo_platform": "1.6.1"}
    assert goals({**running, "dynamo_platform": "1.6.3"}, {}, "1.6") == {}
    assert goals({"lws": "0.10.0", "dynamo_platform": "1.6.1"}, {}, "1.5") == {
        "lws": "0.8.0",
        "dynamo_platform": "1.5.1",
    }


def test_f26_a_dynamo_without_a_set_is_said():
    assert goals({"lws": "0.7.0"}, {}, "1.2.1") == {}
    (finding,) = reading.no_set("1.2.1")
    assert (finding.id, finding.severity) == ("MN-F26", "error")
    assert "no version set is known for Dynamo 1.2.1" in finding.message
    assert [item.severity for item in reading.no_set("9.0.0")] == ["warning"]
    assert reading.no_set("") == reading.no_set("1.6.1") == reading.no_set("1.6") == []


@pytest.mark.parametrize(
    ("identity", "severity", "words"),
    [("MN-F36", "warning", "nothing to do"), ("MN-F49", "warning", "no step"), ("MN-F72", "error", "no step")],
)
def test_that_all_is_well_is_not_said_of_a_path_that_is_refused(identity, severity, words):
    (told,) = reading.nothing_to_do([Finding(identity, severity, "lws", "it is so", "mend it")])
    assert told.startswith(words)
    assert reading.nothing_to_do([])[0].startswith("nothing to do")


def test_what_is_named_wins_up_and_down(tmp_path):
    assert goals({"lws": "0.8.0"}, {"lws": {"version": "v0.7.0"}}) == {"lws": "v0.7.0"}
    assert goals({"lws": "0.7.0"}, {"lws": {"chart": chart(tmp_path, "lws", "0.9.0")}}) == {"lws": "v0.9.0"}
    assert goals({"lws": "0.7.0"}, {"lws": {"mode": "adopt"}}) == {}
    assert goals({}, {"lws": {"version": "0.8.0"}}) == {}


def step(to: str, archive: str = "") -> lifecycle.Step:
    return lifecycle.Step("lws", "0.7.0", to, "upgrade", archive)


def test_every_step_needs_a_chart_that_can_be_had(tmp_path):
    new = chart(tmp_path, "lws", "0.8.0")
    only, _charts = reading.asked({"lws": {"chart": new}})
    none, _charts = reading.asked({})
    assert reading.chart_findings([step("0.8.0")], only, airgap=True) == []
    (finding,) = reading.chart_findings([step("0.9.0")], only, airgap=False)
    assert (finding.id, finding.severity) == ("MN-N21", "error")
    assert '"0.9.0": /path/to/its/chart.tgz' in finding.remedy
    assert reading.chart_findings([step("0.9.0")], none, airgap=False) == []
    assert len(reading.chart_findings([step("0.9.0")], none, airgap=True)) == 1
    assert reading.chart_findings([step("0.8.0", new)], none, airgap=True) == []
    (wrong,) = reading.chart_findings([step("0.9.0", new)], none, airgap=True)
    assert "the chart given for lws 0.9.0 holds 0.8.0" in wrong.message


def test_where_the_chart_comes_from(tmp_path):
    new = chart(tmp_path, "lws", "0.8.0")
    given, charts = reading.asked({"lws": {"version": "0.8.0", "charts": {"v0.8.0": new}}})
    assert charts == {"lws": {"0.8.0": new}}
    assert given["lws"].chart == new
    assert reading.chart_of(step("0.8.0", new), given["lws"]) == (new, "")
    plain, _charts = reading.asked({})
    assert reading.chart_of(step("0.8.0"), plain["lws"]) == ("oci://registry.k8s.io/lws/charts/lws", "")
    assert reading.chart_of(lifecycle.Step("volcano", "1.14.1", "1.15.1", "upgrade"), plain["volcano"])[1].startswith(
        "https://"
    )


def test_charts_that_are_no_map_are_refused():
    with pytest.raises(SpecError, match=r"multinode_platform\.lws\.charts"):
        reading.asked({"lws": {"charts": ["a.tgz"]}})


def test_a_chart_by_version_is_the_chart_of_that_version():
    wanted, _charts = reading.asked({"lws": {"version": "v0.8.0", "charts": {"0.8.0": "/charts/new.tgz"}}})
    assert wanted["lws"].chart == "/charts/new.tgz"
    assert versions.plain(wanted["lws"].version) == "0.8.0"
