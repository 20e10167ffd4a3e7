# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform of somebody else's, installed by plain helm: engines of ours run on it, it is adopted, and let go.

One lab lives through it in order (the fixture ``adopted``); each test judges what the stages left behind. LWS and
Volcano are the real ones; KAI, Grove, Dynamo and the GPU operator are stand-ins, and missing without upstream's
definitions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab import small_charts
from lab.handle import Lab
from tests.integration.asking import run
from tests.integration.test_site import CLONE, OURS, WRITES, Life

SPACE = "inference"
GROVE = ("-e", json.dumps({"lab_stack": "grove"}))
# Chart, its owner's namespace, and values: what is wrong with them would be a finding. In the order of what they need.
STANDINS = (
    ("kai_scheduler", "kai-scheduler", "batch", ("scheduler.args.default-staleness-grace-period=-1s",)),
    ("grove", "grove-charts", "gangs", ()),
    (
        "dynamo_platform",
        "dynamo-platform",
        "models",
        ("global.grove.enabled=true", "global.kai-scheduler.enabled=true"),
    ),
    ("gpu_operator", "gpu-operator", "gpus", ()),
)

# Plural, namespace, name
Place = tuple[str, str, str]


@dataclass
class Adopted(Life):
    """What was there at each stage: place -> uid and resourceVersion; and who wrote since the first look."""

    seen: dict[str, dict[Place, tuple[str, str]]] = field(default_factory=dict)
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    mark: int = 0

    def look(self, stage: str) -> None:
        """Every object of the cluster but those of our workloads."""
        rows = self.lab.kubectl("api-resources", "--verbs=list", "--no-headers").splitlines()
        kinds = {(row.split()[-1], row.split()[-3]): row.split()[0] for row in rows}
        wanted = [
            f"{name}.{version.rpartition('/')[0]}".rstrip(".")
            for (_kind, version), name in kinds.items()
            if name not in ("componentstatuses", "events", "leases")
        ]
        listed = json.loads(self.lab.kubectl("get", ",".join(wanted), "-A", "-o", "json"))["items"]
        self.seen[stage] = {
            (kinds[item["kind"], item["apiVersion"]], about.get("namespace", ""), about["name"]): (
                about["uid"],
                about["resourceVersion"],
            )
            for item in listed
            for about in [item["metadata"]]
            if SPACE not in (about.get("namespace"), about["name"], _service(item))
        }

    def count_engines(self, stage: str) -> None:
        """The uids of the LeaderWorkerSets of our workloads and of their pods."""
        found = self.lab.get("leaderworkersets,pods", "-n", SPACE)
        self.engines[stage] = {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"] for item in found}

    def written(self) -> dict[Place, set[str]]:
        """What was written since the first look, and by whom."""
        found: dict[Place, set[str]] = {}
        for event in self.lab.audit(self.mark, verbs=WRITES):
            about = event.get("objectRef") or {}
            if "dryRun=All" in event["requestURI"] or event.get("responseStatus", {}).get("code", 0) >= 300:
                continue
            place = (about.get("resource", ""), about.get("namespace", ""), about.get("name", ""))
            found.setdefault(place, set()).add(event["user"]["username"])
        return found


def _service(item: dict[str, Any]) -> Any:
    """The namespace of the Service that an IPAddress is of."""
    return item.get("spec", {}).get("parentRef", {}).get("namespace") if item["kind"] == "IPAddress" else None


@pytest.fixture(scope="module")
def adopted(make_lab: Callable[..., Lab]) -> Adopted:
    one = Adopted(make_lab(inventory_path=CLONE / "inventories" / "lab"))
    one.lab.install_gang_stack()
    one.play("served", "rollout")
    if small_charts.upstream():
        for name, chart, namespace, values in STANDINS:
            install(one.lab, chart, namespace, values)
            # Dynamo's chart makes queues through KAI's webhook
            ready(one.lab, name)
    one.mark = one.lab.mark()
    one.look("before")
    one.count_engines("before")
    one.play("adopt", "bootstrap")
    one.play("again", "site")
    if small_charts.upstream():
        one.play("the other stack", "bootstrap", *GROVE)
    one.count_engines("after")
    one.play("teardown", "teardown", "-e", "multinode_remove_crds=true")
    one.look("after")
    return one


def install(lab: Lab, chart: str, namespace: str, values: tuple[str, ...]) -> None:
    options = [option for value in values for option in ("--set-string" if value.endswith("-1s") else "--set", value)]
    where = ["-n", namespace, "--create-namespace", "--wait", "--timeout=90s"]
    lab.helm("install", f"their-{chart}", str(lab.standin(chart)), *where, *options)


def ready(lab: Lab, name: str) -> None:
    answer = run("cluster_info", lab, gather=["components"], wait_for=[name], wait_timeout=90)
    assert answer.get("waited") == [name], answer.get("msg")


@pytest.fixture
def standins(adopted: Adopted) -> Adopted:
    if not small_charts.upstream():
        pytest.skip("not run: no upstream data (MULTINODE_UPSTREAM)")
    return adopted


def test_engines_of_ours_are_the_same_objects_after_an_adopt_and_a_re_run(adopted: Adopted) -> None:
    for stage in ("served", "adopt", "again"):
        assert adopted.runs[stage].code == 0, adopted.runs[stage].output
    assert len(adopted.engines["before"]) == 2 + 2 * 2 + 4
    assert adopted.engines["after"] == adopted.engines["before"]
    assert adopted.runs["again"].recap["changed"] == 0
    assert adopted.writes["again"] == []
    assert adopted.helm["adopt"] == []


@pytest.mark.parametrize("name", ["volcano", "lws"])
def test_lws_and_volcano_are_adopted_where_they_are(adopted: Adopted, name: str) -> None:
    output = adopted.runs["adopt"].output
    assert f"{name} is there already: release {name} " in output
    assert any(f"/configmaps/dynamo-multinode-{name}" in write for write in adopted.writes["adopt"])


@pytest.mark.parametrize(("name", "chart", "namespace"), [row[:3] for row in STANDINS])
def test_the_other_stack_is_adopted_where_it_is(standins: Adopted, name: str, chart: str, namespace: str) -> None:
    run_ = standins.runs["the other stack"]
    assert run_.code == 0, run_.output
    assert standins.helm["the other stack"] == []
    output = standins.runs["adopt"].output + run_.output
    assert f"{name} is there already: release their-{chart} " in output
    record = f"/api/v1/namespaces/{namespace}/configmaps/dynamo-multinode-{name.replace('_', '-')}"
    writes = standins.writes["adopt"] + standins.writes["the other stack"]
    assert any(record in write for write in writes), writes


def test_nothing_adopted_is_ever_changed_or_removed(adopted: Adopted) -> None:
    """Every object of the cluster, by resourceVersion; teardown was allowed to remove definitions.

    What moved all the same was written by its own controllers, as the API server's log says, and never by us.
    """
    assert adopted.runs["teardown"].code == 0, adopted.runs["teardown"].output
    assert adopted.helm["teardown"] == []
    before, after, wrote = adopted.seen["before"], adopted.seen["after"], adopted.written()
    assert len(before) > 150
    assert [place for place in before if after.get(place, ("", ""))[0] != before[place][0]] == []
    moved = [place for place in before if after[place] != before[place]]
    print(f"{len(before)} objects, written by others: {moved}")
    assert [place for place in moved if OURS in wrote.get(place, {OURS})] == []
    assert [place for place in before if OURS in wrote.get(place, ())] == []
    assert set(after) - set(before) == set(), "and nothing of ours is left"


def test_we_wrote_our_records_and_our_workloads_only(adopted: Adopted) -> None:
    ours = {place for place, users in adopted.written().items() if OURS in users and SPACE not in place[1:]}
    questions = {place for place in ours if place[0].endswith(("accessreviews", "selfsubjectreviews"))}
    names = {name for resource, _space, name in ours - questions if resource == "configmaps"}
    assert {place[0] for place in ours - questions} == {"configmaps"}
    assert {"dynamo-multinode-lws", "dynamo-multinode-volcano"} <= names
    assert [name for name in names if not name.startswith("dynamo-multinode-")] == []


def test_f66_plain_helm_takes_every_queue_with_it(adopted: Adopted) -> None:
    """Last, for there is no Volcano afterwards; test_platform.py shows that our role leaves them."""
    queue = {"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "Queue", "metadata": {"name": "theirs"}}
    adopted.lab.apply({**queue, "spec": {"weight": 1}})
    assert adopted.lab.get("queues.scheduling.volcano.sh", "theirs")
    adopted.lab.uninstall("volcano")
    assert "queues.scheduling.volcano.sh" not in adopted.lab.kubectl("api-resources", "-o", "name").split()
