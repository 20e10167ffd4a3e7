# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages make of the output of the tools that they run."""

from __future__ import annotations

from pathlib import Path

from tools import importer, sanity, scenarios
from tools.results import Case

MOLECULE = """\
INFO     [default > create] Executed: Successful
INFO     [one > syntax] Executed: Successful
INFO     [one > converge] Executed: Successful
WARNING  [one > verify] Executed: Missing playbook (Remove from test_sequence to suppress)
INFO     [two > syntax] Executed: Successful
ERROR    [two > converge] Executed: Failed
INFO     [default > destroy] Executed: Successful
"""
SANITY = """<testsuites><testsuite name="ansible-test"><testcase classname="sanity" name="{name}">{inside}</testcase>
</testsuite></testsuites>"""


def test_molecule_scenarios_are_counted_each() -> None:
    actions = scenarios.read_actions(MOLECULE.splitlines())
    cases = scenarios.judge(["one", "two", "three", "default"], actions, 2)
    assert cases == [Case("one", "passed"), Case("two", "failed", "failed in converge")]


def test_a_failure_is_not_hidden_by_a_later_success_of_the_same_action() -> None:
    lines = ["[one > cleanup] Executed: Failed", "[one > cleanup] Executed: Successful"]
    assert scenarios.read_actions(lines) == {"one": {"cleanup": "Failed"}}


def test_a_scenario_that_never_converged_has_failed() -> None:
    assert scenarios.judge(["one"], {"one": {"syntax": "Successful"}}, 1)[0].outcome == "failed"


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
