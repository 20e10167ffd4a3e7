# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages make of the output of the tools that they run."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from tools import commands, importer, sanity, scenarios
from tools.bootstrap import ROOT
from tools.results import Case

MOLECULE = """\
INFO     [default > create] Executed: Successful
INFO     [one > syntax] Executed: Successful
INFO     [one > converge] Executed: Successful
INFO     [one > verify] Executed: Successful
INFO     [one > side_effect] Executed: Successful
INFO     [one > verify] Executed: Successful
INFO     [two > syntax] Executed: Successful
ERROR    [two > converge] \x1b[31mExecuted: Failed\x1b[0m
INFO     [default > destroy] Executed: Successful
"""
SANITY = """<testsuites><testsuite name="ansible-test"><testcase classname="sanity" name="{name}">{inside}</testcase>
</testsuite></testsuites>"""


WANTED = ["syntax", "converge", "verify", "side_effect", "verify"]


def test_molecule_scenarios_are_judged_each() -> None:
    actions = scenarios.read_actions(MOLECULE.splitlines())
    assert scenarios.judge("one", WANTED, actions["one"], 0, 3.0) == Case("one", "passed", "", 3.0)
    assert scenarios.judge("two", WANTED, actions["two"], 2) == Case("two", "failed", "failed in converge")
    assert (
        scenarios.judge("three", WANTED, actions.get("three", []), 1).reason == "molecule ended with 1, after nothing"
    )
    assert scenarios.judge("one", WANTED, actions["one"], -15).outcome == "failed"


def test_a_failure_is_not_hidden_by_a_later_success_of_the_same_action() -> None:
    lines = ["[one > verify] Executed: Failed", "[one > verify] Executed: Successful"]
    actions = scenarios.read_actions(lines)
    assert actions == {"one": [("verify", "Failed"), ("verify", "Successful")]}
    assert scenarios.judge("one", ["verify"], actions["one"], 0).reason == "failed in verify"


@pytest.mark.parametrize(
    ("number", "reason"),
    [(2, "not done: verify (Missing playbook)"), (3, "not done: side_effect (Missing playbook)")],
)
def test_an_action_without_a_playbook_is_not_done(number: int, reason: str) -> None:
    lines = [f"INFO     [one > {action}] Executed: Successful" for action in WANTED]
    lines[number] = lines[number].replace("Successful", "Missing playbook (Remove from test_sequence to suppress)")
    told = scenarios.read_actions(lines)["one"]
    assert scenarios.judge("one", WANTED, told, 0) == Case("one", "failed", reason)


def test_what_comes_twice_must_be_done_twice() -> None:
    told = [(action, "Successful") for action in WANTED]
    assert scenarios.judge("one", WANTED, told[:-1], 0).reason == "not done: verify (1 of 2)"
    assert scenarios.judge("one", WANTED, told[:1], 0).reason == (
        "not done: converge (0 of 1), verify (0 of 2), side_effect (0 of 1)"
    )


def test_the_sequence_of_a_scenario_is_that_of_its_file() -> None:
    steps = ["check", "converge", "idempotence", "verify", "side_effect", "verify"]
    assert scenarios.sequence("default") == steps
    assert scenarios.sequence("interrupted") == ["prepare", *steps[1:]]


ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_scenario_that_goes_through_its_whole_life(role: str) -> None:
    steps = [step for step in scenarios.sequence(role) if step != "prepare"]
    assert steps == ["check", "converge", "idempotence", "verify", "side_effect", "verify"]


@pytest.fixture
def molecule(tmp_path: Path) -> Path:
    for name in ("alpha", "helm_component", "default", "zeta"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "molecule.yml").touch()
    (tmp_path / "zeta" / "needs-upstream").touch()
    (tmp_path / "shared").mkdir()
    return tmp_path


def test_the_longest_scenarios_come_first(molecule: Path) -> None:
    assert scenarios.scenarios(molecule) == ["default", "helm_component", "alpha", "zeta"]


def test_every_long_scenario_is_still_there() -> None:
    assert set(scenarios.LONGEST_FIRST) - {"upgrade"} <= set(scenarios.scenarios())


def test_what_needs_upstream_data_says_so_without_them(molecule: Path, tmp_path: Path) -> None:
    assert "MULTINODE_UPSTREAM" in scenarios.cannot_run("zeta", molecule, "")
    assert "MULTINODE_UPSTREAM" in scenarios.cannot_run("zeta", molecule, str(tmp_path / "nowhere"))
    assert scenarios.cannot_run("zeta", molecule, str(tmp_path)) == ""
    assert scenarios.cannot_run("alpha", molecule, "") == ""


class Recorder(scenarios.Lane):
    """A lane without a lab. Both lanes wait for each other in their first scenario; ``broken`` fails in its own way."""

    together = threading.Barrier(2, timeout=60)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ran: list[str] = []
        self.removed = 0

    def run(self, scenario: str) -> Case:
        if not self.ran:
            self.together.wait()
        self.ran.append(scenario)
        if scenario == "broken":
            raise OSError("no molecule")
        return Case(scenario, "passed")

    def remove(self) -> None:
        self.removed += 1


def test_two_lanes_share_the_scenarios_and_one_failure_stops_nobody() -> None:
    lanes = [Recorder("a"), Recorder("b")]
    names = ["one", "broken", "three", "four", "five"]
    cases = scenarios.run_lanes(names, lanes)
    assert [(case.name, case.outcome) for case in cases] == [
        (name, "failed" if name == "broken" else "passed") for name in names
    ]
    assert sorted(lanes[0].ran + lanes[1].ran) == sorted(names)
    assert all(lane.ran and lane.removed == 1 for lane in lanes)


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.main(["volcanoes"]) == 2
    assert "volcano" in capsys.readouterr().out


def test_the_lines_of_a_lane_carry_its_name(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('one'); print('two')"]
    lines, code = commands.echoed(words, tmp_path, dict(os.environ), "b | ")
    assert (lines, code) == (["one\n", "two\n"], 0)
    assert capfd.readouterr().out == "b | one\nb | two\n"


def test_the_importer_fails_on_warnings() -> None:
    output = "Loading module x\nWARNING: no changelog\nCollection loading complete\n"
    assert [case.outcome for case in importer.read_cases(output, 0)] == ["passed", "failed", "passed"]


def test_an_importer_that_stops_has_failed() -> None:
    assert [case.outcome for case in importer.read_cases("Loading module x\n", 1)] == ["passed", "failed"]
    assert [case.outcome for case in importer.read_cases("Loading module x\n", 0)] == ["passed", "failed"]


def test_sanity_counts_tests_and_interpreters_that_are_missing(tmp_path: Path) -> None:
    inside = {
        "pep8": "",
        "import-python-3.9": '<failure message="x failed" />',
        "import-python-3.10": "<skipped>Python 3.10 could not be found.</skipped>",
        "pslint-python-3.11": "<skipped>No tests applicable.</skipped>",
    }
    for name, text in inside.items():
        report = tmp_path / f"ansible-test-sanity-{name}.xml"
        report.write_text(SANITY.format(name=name, inside=text), encoding="utf-8")
    cases = sanity.read_cases(tmp_path)
    assert [(case.name, case.outcome) for case in cases] == [
        ("import-python-3.10", "skipped"),
        ("import-python-3.9", "failed"),
        ("pep8", "passed"),
    ]
