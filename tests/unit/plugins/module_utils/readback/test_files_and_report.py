# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as Kubernetes reads them, and what a check answers: numbers, lines, JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.manifest_files import parse
from ansible_collections.dynamo.multinode.plugins.module_utils.manifest_report import build, failing, lines, to_junit

from tests.unit.plugins.module_utils.readback.given import TP16, TRTLLM, dgd, engine

FRONTEND = {
    "name": "Frontend",
    "type": "frontend",
    "podTemplate": {"spec": {"containers": [{"name": "main", "image": "r/i:1.5.0"}]}},
}


def test_documents_and_lists() -> None:
    text = "---\n---\nkind: A\n---\nkind: List\nitems:\n- kind: B\n- kind: CList\n  items: [{kind: D}, 1]\n"
    objects, wrong = parse(text, "x.yaml")
    assert [one["kind"] for _source, one in objects] == ["A", "B", "D"]
    assert {source for source, _one in objects} == {"x.yaml"}
    assert wrong == []


def test_what_is_no_object() -> None:
    objects, wrong = parse("kind: A\n---\n- 1\n---\na: b\n", "x.yaml")
    assert len(objects) == 1
    assert [one.message for one in wrong] == [
        "document 2 is no Kubernetes object: it has no kind",
        "document 3 is no Kubernetes object: it has no kind",
    ]


def test_bad_yaml_names_its_line() -> None:
    objects, (wrong,) = parse("kind: A\nspec:\n  x: [\n", "x.yaml")
    assert objects == []
    assert (wrong.id, wrong.severity, wrong.subject) == ("MN-N11", "error", "x.yaml:4")
    (template,) = parse("{{- if .Values.x }}\nkind: A\n", "t.yaml")[1]
    assert template.subject == "t.yaml:1" and "render" in template.remedy
    (control,) = parse("kind: \x00", "c.yaml")[1]
    assert control.subject == "c.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("y", True),
        ("N", False),
        ("on", True),
        ("Off", False),
        ('"y"', "y"),
        ("yellow", "yellow"),
        ("1", 1),
        ("no", False),
    ],
)
def test_booleans_of_yaml_1_1(text: str, value: object) -> None:
    (found,) = parse(f"kind: A\nvalue: {text}\n", "")[0]
    assert found[1]["value"] == value
    assert type(found[1]["value"]) is type(value)


def report(*manifests: Any, waivers: Any = (), extra: Any = ()) -> dict[str, Any]:
    cases = manifest.cases([("a.yaml", one) for one in manifests])
    return build(cases, [*extra, *manifest.run(cases)], waivers, "2026-11-23T10:00:00Z")


BAD = dgd(FRONTEND, engine("-tp", "16"))
UNKNOWN = engine("--extra-engine-args", "/models/x.yaml", command=TRTLLM)


def test_verdicts() -> None:
    assert report(BAD)["summary"]["verdict"] == "failed"
    assert report(dgd(engine(*TP16)))["summary"]["verdict"] == "passed"
    assert report()["summary"]["verdict"] == "empty"
    assert failing(report(dgd(engine(*TP16)))) == []
    json.dumps(report(BAD))


def test_a_waiver_is_shown_and_ends() -> None:
    waiver = {"id": "MN-F02", "reason": "it is a test", "until": "2026-11-23"}
    told = report(BAD, waivers=[waiver])
    assert (told["summary"]["verdict"], told["summary"]["waived"], failing(told)) == ("passed", 1, [])
    assert told["findings"][0]["waived"] == "it is a test"
    assert any("(waived: it is a test)" in line for line in lines(told))
    assert failing(report(BAD, waivers=[{**waiver, "until": "2026-11-22"}]))


def test_lines() -> None:
    assert lines(report(BAD, dgd(UNKNOWN, name="other")))[:6] == [
        "  COMPONENT  BACKEND  ENGINES  NODES  GPUS  DEGREES      WIRED  FINDINGS",
        "a.yaml: DynamoGraphDeployment inference/llama (grove)",
        "  Frontend   -        1        1      0     -            -      -",
        "  decode     vllm     1        2      8     TP16         none   MN-F02",
        "a.yaml: DynamoGraphDeployment inference/other (grove)",
        "  decode     trtllm   1        2      8     TP? PP? EP?  mpi    -",
    ]
    assert lines(report(BAD))[-1] == "1 objects, 2 components: 1 errors, 0 warnings, 0 notes, 0 waived"
    assert lines(report()) == ["0 objects, 0 components: 0 errors, 0 warnings, 0 notes, 0 waived"]


def cases_of(told: dict[str, Any]) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(to_junit(told))
    return {f"{case.get('classname')}|{case.get('name')}": case for case in root.iter("testcase")}


def test_junit() -> None:
    unreadable = Finding("MN-N11", "error", "b.yaml:3", "cannot be read\x01", "correct it", "spec")
    told = report(BAD, dgd(UNKNOWN, name="other"), extra=[unreadable])
    root = ElementTree.fromstring(to_junit(told))
    assert {key: root.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "6",
        "failures": "2",
        "skipped": "1",
    }
    found = cases_of(told)
    where = "a.yaml: DynamoGraphDeployment inference/llama"
    assert [child.tag for child in found[f"{where}|component decode"]] == ["failure"]
    assert found[f"{where}|component decode"][0].get("type") == "MN-F02"
    assert [*found[f"{where}|component Frontend"], *found[f"{where}|object"]] == []
    other = "a.yaml: DynamoGraphDeployment inference/other"
    assert "not checked" in found[f"{other}|component decode"][0].get("message")
    assert found["b.yaml:3|object"][0].get("message") == "cannot be read\ufffd"


def test_junit_keeps_what_is_waived_or_only_a_warning_visible() -> None:
    waiver = {"id": "MN-F02", "reason": "known"}
    (case,) = (case for name, case in cases_of(report(BAD, waivers=[waiver])).items() if name.endswith("decode"))
    assert [child.tag for child in case] == ["skipped"]
    assert "(waived: known)" in case[0].get("message")
    both = dgd(engine("-tp", "16", "--pipeline-parallel-size", "2"))
    (case,) = (case for name, case in cases_of(report(both, waivers=[waiver])).items() if name.endswith("decode"))
    assert [child.tag for child in case] == ["failure", "system-out"]
    warned = dgd(engine(*TP16, "--nnodes", "2"))
    (case,) = (case for name, case in cases_of(report(warned)).items() if name.endswith("decode"))
    assert [child.tag for child in case] == ["system-out"]
