# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement
from ansible_collections.dynamo.multinode.plugins.module_utils.report import (
    Report,
    arithmetic,
    build,
    hostlist,
    table,
    to_json,
    to_junit,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.report_html import to_html

from tests.unit.plugins.module_utils.recorded import engine_objects, fleet, node, pod, snapshot, workload

NODES = [node(f"gpu-{i:03}", rack=f"r{i // 2}") for i in range(4)]


def report(plans: list[Any], *objects: dict[str, Any], **options: Any) -> Report:
    plan, seen = fleet(*plans), snapshot(*objects)
    return build(plan, seen, placement(plan, seen), generated="2026-01-02T03:04:05Z", **options)


def good() -> Report:
    return report(
        [workload(replicas=2, pack="rack")],
        *NODES,
        *engine_objects("llama-worker", ["gpu-000", "gpu-001"]),
        *engine_objects("llama-worker", ["gpu-002", "gpu-003"], group=1, gpus=8),
    )


def mixed() -> Report:
    """Engine 0 is no gang and not packed, engine 1 waits; others hold GPUs, one machine is down."""
    return report(
        [workload(replicas=2, pack="rack")],
        *NODES[:3],
        node("gpu-003", rack=None, ready=False),
        *engine_objects("llama-worker", ["gpu-000", "gpu-002"], member=1),
        *engine_objects("llama-worker", [None, None], group=1, phase="Pending"),
        pod("train", namespace="research", on="gpu-001", gpus=3),
    )


# -- the dict ------------------------------------------------------------------------------------------------------


def test_the_sum_comes_out() -> None:
    found = good()["summary"]
    assert (found["verdict"], found["engines"], found["engines_ready"], found["gangs_honoured"]) == ("passed", 2, 2, 2)
    assert (found["gpus"], found["gpus_free"], found["gpus_engines"], found["gpus_others"]) == (32, 0, 32, 0)
    found = mixed()["summary"]
    assert (found["verdict"], found["broken"], found["engines_ready"], found["gangs_honoured"]) == ("failed", 3, 1, 0)
    assert (found["gpus_free"], found["gpus_engines"], found["gpus_others"]) == (13, 16, 3)


def test_f92_what_could_not_be_checked_is_not_passed() -> None:
    plan = workload(api="dynamographdeployment", orchestrator="grove", scheduler="kai")
    pods = [pod(f"p{rank}", on=f"gpu-00{rank}", scheduler="kai-scheduler") for rank in range(2)]
    for rank, item in enumerate(pods):
        item["metadata"]["labels"] = {
            "nvidia.com/dynamo-graph-deployment-name": "llama",
            "nvidia.com/dynamo-component": "worker",
            "grove.io/podclique": f"llama-0-worker-{'wkr' if rank else 'ldr'}",
            "grove.io/podcliqueset-replica-index": "0",
            "grove.io/podcliquescalinggroup-replica-index": "0",
            "grove.io/podclique-pod-index": "0",
        }
    found = report([plan], *NODES, *pods)
    assert found["engines"][0]["ready"] is True
    assert found["summary"]["verdict"] == "incomplete"


def test_a_preferred_topology_that_is_missed_breaks_no_promise() -> None:
    objects = engine_objects("llama-worker", ["gpu-001", "gpu-002"])
    assert report([workload(pack="rack", required=False)], *NODES, *objects)["summary"]["verdict"] == "passed"
    assert report([workload(pack="rack")], *NODES, *objects)["summary"]["verdict"] == "failed"


def test_every_gpu_is_somebodys() -> None:
    nodes = {one["name"]: one for one in mixed()["nodes"]}
    assert [(held["engine"], held["rank"], held["gpus"]) for held in nodes["gpu-000"]["held"]] == [("A0", 0, 8)]
    assert [(held["owner"], held["engine"]) for held in nodes["gpu-001"]["held"]] == [("research/train", None)]
    assert [nodes[name]["free"] for name in sorted(nodes)] == [0, 5, 0, 8]


def test_codes_tell_every_engine_apart() -> None:
    plans = [workload(f"w{i}") for i in range(28)]
    codes = [engine["code"] for engine in report(plans, *NODES)["engines"]]
    assert len(set(codes)) == 28
    assert (codes[0], codes[25], codes[26], codes[27]) == ("A0", "Z0", "AA0", "AB0")


def test_a_told_cause_stands_for_not_ready() -> None:
    cause = {"id": "MN-F83", "severity": "error", "subject": "x", "message": "m", "remedy": "r"}
    plans, objects = [workload()], NODES
    told = report(plans, *objects, findings=[{**cause, "workload": "inference/llama"}])
    assert [finding["id"] for finding in told["findings"]] == ["MN-F83"]
    other = report(plans, *objects, findings=[{**cause, "workload": "inference/other"}])
    assert [finding["id"] for finding in other["findings"]] == ["MN-F83", "MN-F90"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "2 nodes × 8 GPUs = 16 = TP 16"),  # noqa: RUF001
        ({"node_count": 4, "degrees": Degrees(8, 4)}, "4 nodes × 8 GPUs = 32 = TP 8 × PP 4"),  # noqa: RUF001
        ({"degrees": Degrees(8, data=2)}, "2 nodes × 8 GPUs = 16 = TP 8 × DP 2"),  # noqa: RUF001
        (
            {"degrees": Degrees(16, data=4, expert=16, attention_data=True)},
            "2 nodes × 8 GPUs = 16 = TP 16 (DP 4, EP 16)",  # noqa: RUF001
        ),
        ({"node_count": 1, "gpus": 1}, "1 node × 1 GPU = 1 = TP 1"),  # noqa: RUF001
    ],
)
def test_the_arithmetic_is_shown(options: dict[str, Any], text: str) -> None:
    assert arithmetic(workload(**options).components[0]) == text


# -- for programs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("render", [to_json, to_junit, to_html])
def test_the_same_input_gives_the_same_bytes(render: Any) -> None:
    assert render(mixed()) == render(mixed())


def test_json_round_trip() -> None:
    found = json.loads(to_json(mixed()))
    assert found == mixed()
    assert found["schema"] == "dynamo.multinode/report/v1"


def test_junit_has_a_case_per_promise_and_skips_with_a_reason() -> None:
    root = ET.fromstring(to_junit(mixed()))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("8", "3", "3")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["engine 0: scheduled as a gang"].find("failure").get("message").startswith("PodGroup")
    skipped = cases["engine 1: scheduled as a gang"].find("skipped")
    assert skipped.get("message") == "not checked: waiting: no rank is bound yet"
    assert list(cases["engine 0: ready"]) == []
    assert cases["engine 0: inside one rack"].get("classname") == "inference.llama.worker"


def test_junit_survives_what_xml_cannot_hold() -> None:
    found = mixed()
    found["engines"][0]["gang"]["why"] = "a\x00b\x1b[31m<&>\ufffe"
    assert ET.fromstring(to_junit(found)) is not None


# -- for a terminal --------------------------------------------------------------------------------------------


def test_the_table() -> None:
    assert table(mixed()) == [
        "WORKLOAD         ENGINE  RANKS  NODES          GPUS    RACK    GANG     READY",
        "inference/llama  0       2/2    gpu-[000,002]  2x8=16  r0+r1!  NO       yes",
        "inference/llama  1       0/2    -              2x8=16  -       unknown  NO",
        "",
        "1 of 2 engines ready, 0 of 2 gangs honoured; 13 of 32 GPUs free on 4 machines",
    ]


def test_long_node_names_are_wrapped_not_cut() -> None:
    names = [f"ip-10-0-{i}-17.eu-central-1.compute.internal" for i in range(4)]
    nodes = [node(name) for name in names]
    found = report([workload(node_count=4)], *nodes, *engine_objects("llama-worker", names))
    lines = table(found)
    assert max(map(len, lines)) <= 100
    assert all(name in "\n".join(lines) for name in names)


def test_components_are_named_where_there_are_several() -> None:
    assert "inference/llama worker" not in "\n".join(table(good()))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["gpu-a-001", "gpu-a-002", "gpu-a-003", "gpu-a-007"], "gpu-a-[001-003,007]"),
        (["n9", "n10"], "n9,n10"),
        (["a1", "login", "b2"], "a1,login,b2"),
        (["n2", "n1", "n2"], "n[1-2]"),
        ([], ""),
    ],
)
def test_hostlist(names: list[str], short: str) -> None:
    assert hostlist(names) == short


# -- the page ------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on tags that do not close."""

    VOID = ("meta", "wbr", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def test_the_page_is_one_file_without_script() -> None:
    text = to_html(mixed())
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe", "object")]
    assert not re.search(r"url\(|@import|https?://", text)
    assert not [attrs for _, attrs in page.tags if any(key in attrs for key in ("src", "onclick", "style"))]
    assert all(attrs["href"].startswith("#") for tag, attrs in page.tags if tag == "a" and attrs["href"])


def test_every_link_has_a_target_and_every_id_is_unique() -> None:
    page = Page(to_html(mixed()))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "a"} <= set(ids)
    labelled = {attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs}
    assert labelled <= set(ids)


def test_headings_do_not_skip_a_level() -> None:
    levels = [int(tag[1]) for tag, _ in Page(to_html(mixed())).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_square_per_gpu_and_a_sentence_per_machine() -> None:
    page = Page(to_html(mixed()))
    squares = [attrs["class"] for tag, attrs in page.tags if tag == "i"]
    assert len(squares) == 32
    assert sum("free" in str(name) for name in squares) == 13
    assert sum("other" in str(name) for name in squares) == 3
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert "gpu-000: 8 GPUs, 8 held by A0 rank 0" in labels
    assert "gpu-003: 8 GPUs, 8 free, not ready" in labels


def test_f92_the_page_says_what_was_not_checked() -> None:
    words = " ".join(Page(to_html(mixed())).words)
    assert "not checked" in words
    assert "broken" in words
    assert "3 promises are broken" in words


def test_nothing_from_a_cluster_becomes_markup() -> None:
    evil = "<script>alert(1)</script>\"'&"
    nodes = [node(evil + str(i), rack=evil) for i in range(2)]
    nodes[0]["metadata"]["labels"]["nvidia.com/gpu.product"] = evil
    objects = engine_objects(f"{evil}-worker", [evil + "0", evil + "1"], namespace=evil)
    other = pod(evil, namespace=evil, on=evil + "0", gpus=1)
    finding = {"id": evil, "severity": "error", "subject": evil, "message": evil, "remedy": evil}
    found = report(
        [workload(evil, namespace=evil, pack="rack", queue=evil)],
        *nodes,
        *objects,
        other,
        findings=[finding],
        server=evil,
        versions={evil: evil},
    )
    found["notes"] = [evil]
    found["generated"] = evil
    text = to_html(found)
    assert "<script" not in text
    page = Page(text)
    assert any(evil in word for word in page.words)
    assert not any(
        "alert" in key or (value and "<" in value and key == "class") for _, a in page.tags for key, value in a.items()
    )


def test_an_empty_fleet_says_so() -> None:
    found = build(fleet(), snapshot(), [], generated="2026-01-02T03:04:05Z")
    assert found["summary"]["verdict"] == "empty"
    assert "Nothing to verify yet" in to_html(found)
    assert table(found) == ["no engines"]
    assert ET.fromstring(to_junit(found)).get("tests") == "0"
