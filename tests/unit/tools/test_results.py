# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import results
from tools.results import Case, finish, read_junit, write_junit

CASES = (Case("one", "passed", "", 1.5), Case("two", "failed", "a < b"), Case("three", "skipped", "no lab"))
BY_PYTEST = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">
<testcase classname="tests.x" name="test_ok" />
<testcase classname="tests.x" name="test_bad"><failure message="assert 1 == 2&#10;more">E</failure></testcase>
<testcase classname="tests.x" name="test_setup"><error message="failed on setup">E</error></testcase>
<testcase classname="tests.x" name="test_skip"><skipped message="no upstream data">x</skipped></testcase>
<testcase classname="tests.x" name="test_list"><failure message="2 errors:">first
second</failure></testcase>
<testcase classname="" name="tests.y"><error message="collection failure">E</error></testcase>
</testsuite></testsuites>"""


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_junit(tmp_path / "deep" / "x.xml", "suite", CASES)
    assert read_junit(tmp_path / "deep" / "x.xml") == tuple(
        Case(f"suite::{case.name}", case.outcome, case.reason, case.seconds) for case in CASES
    )


def test_reads_what_pytest_writes(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(BY_PYTEST, encoding="utf-8")
    assert [(case.name, case.outcome, case.reason) for case in read_junit(tmp_path / "x.xml")] == [
        ("tests.x::test_ok", "passed", ""),
        ("tests.x::test_bad", "failed", "assert 1 == 2"),
        ("tests.x::test_setup", "failed", "failed on setup"),
        ("tests.x::test_skip", "skipped", "no upstream data"),
        ("tests.x::test_list", "failed", "2 errors: first"),
        ("tests.y", "failed", "collection failure"),
    ]


def test_reads_what_a_test_measured(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_ok(record_property):\n    record_property('a run', '3.1 s')\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    subprocess.run([*argv, f"--junitxml={tmp_path / 'x.xml'}"], cwd=tmp_path, check=True, capture_output=True)
    (case,) = read_junit(tmp_path / "x.xml")
    assert (case.outcome, case.measured) == ("passed", ("a run: 3.1 s",))


@pytest.mark.parametrize(("cases", "code"), [(CASES, 1), (CASES[::2], 0), ((), 1)])
def test_a_stage_fails_with_a_failed_test_or_with_none(
    cases: tuple[Case, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert finish("suite", cases) == code
    assert len(read_junit(tmp_path / "suite.xml")) == len(cases)
    assert capsys.readouterr().out.endswith("skipped\n")
