# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools import check
from tools.check import Result, Stage, judge, run_all, summary, totals
from tools.results import Case, read_case, write_junit

PASSED = Case("a", "passed")
FAILED = Case("b", "failed", "1 is not 2")
SKIPPED = Case("c", "skipped", "MULTINODE_UPSTREAM names no folder")

WRITES_RESULTS = """
import sys
from pathlib import Path
from tools.results import Case, write_junit
write_junit(Path(sys.argv[1]), "x", [Case("one", "passed"), Case("two", sys.argv[2], "because")])
print("the closing line")
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(check, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(Path(check.__file__).parents[1]))


def stage(name: str, outcome: str, code: int) -> Stage:
    return Stage(name, ("-c", WRITES_RESULTS, str(check.RESULTS / f"{name}.xml"), outcome, str(code)))


@pytest.mark.parametrize(
    ("cases", "code", "failed", "problem"),
    [
        ([PASSED], 0, False, ""),
        ([PASSED, SKIPPED], 0, False, ""),
        ([PASSED, FAILED], 1, True, ""),
        ([PASSED], 1, True, "exit code 1, though no test failed"),
        ([SKIPPED], 0, True, "ran no test (exit code 0)"),
        ([], 0, True, "ran no test (exit code 0)"),
        ([PASSED], None, True, "stopped after 1:05"),
    ],
)
def test_a_stage_is_judged_by_its_tests_and_its_exit_code(
    cases: list[Case], code: int | None, failed: bool, problem: str, tmp_path: Path
) -> None:
    write_junit(tmp_path / "x.xml", "x", cases)
    result = judge("x", code, tmp_path / "x.xml", 65)
    assert (result.failed, result.problem) == (failed, problem)


@pytest.mark.parametrize("content", [None, "<testsuites>"])
def test_a_stage_without_results_has_failed(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.xml").write_text(content, encoding="utf-8")
    assert judge("x", 0, tmp_path / "x.xml", 1).problem == "ran no test (exit code 0)"


def test_totals_count_broken_and_unstarted_stages() -> None:
    results = [Result("x", (PASSED, PASSED, FAILED, SKIPPED), 1), Result("y", (PASSED,), 1, "stopped after 0:01")]
    assert totals(results, not_started=2) == (3, 2, 3)


def test_the_summary_gives_reasons_and_ends_with_the_counts() -> None:
    many = tuple(Case(f"t{number}", "skipped", SKIPPED.reason) for number in range(7))
    lines = summary([Result("x", (PASSED, FAILED, *many), 61)], ["y"])
    text = "\n".join(lines)
    assert "FAILED: b: 1 is not 2" in text
    assert f"not run: 7 tests: {SKIPPED.reason}" in text
    assert "y " in text and "interrupted" in text
    assert "not run: 2 tests: no recording" in "\n".join(
        summary([Result("x", tuple(Case(n, "skipped", f"not run: no recording ({n}.json)") for n in "ab"), 1)], [])
    )
    assert lines[-1] == "1 passed, 1 failed, 8 skipped"


def test_the_summary_says_what_tests_have_measured() -> None:
    timed = Case("t", "passed", measured=("site.yml, first run: 41.0 s",))
    assert "    site.yml, first run: 41.0 s" in summary([Result("x", (timed,), 1)], [])


def test_all_stages_run_though_one_fails() -> None:
    said: list[str] = []
    assert run_all([stage("first", "failed", 1), stage("second", "skipped", 0)], said.append) == 1
    assert said[-1] == "2 passed, 1 failed, 1 skipped"
    assert any(line.startswith("[2 of 2] second: ok") for line in said)
    assert any("the closing line" in line for line in said), "the log's end is shown for what failed"


MEETS_ANOTHER = """
import sys, time
from pathlib import Path
from tools.results import Case, write_junit
results, mine, other = map(Path, sys.argv[1:4])
mine.touch()
deadline = time.monotonic() + float(sys.argv[4])
while not other.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
met = other.exists()
write_junit(results, "x", [Case("meets", "passed" if met else "failed", "the other was not there")])
sys.exit(not met)
"""


def meeting(name: str, other: str, patience: float, *, shares: bool) -> Stage:
    paths = (str(check.RESULTS / f"{name}.xml"), str(check.ROOT / name), str(check.ROOT / other))
    return Stage(name, ("-c", MEETS_ANOTHER, *paths, str(patience)), shares)


def test_stages_that_share_run_beside_each_other_and_others_alone() -> None:
    said: list[str] = []
    # The first two would wait long for each other; the third must not meet the fourth
    stages = [
        meeting("a", "b", 60, shares=True),
        meeting("b", "a", 60, shares=True),
        meeting("alone", "d", 0.5, shares=False),
        meeting("d", "nobody", 0, shares=True),
    ]
    assert run_all(stages, said.append) == 1
    verdicts = [(line.split()[0], line.split()[-1]) for line in said if line.endswith((" ok", " FAILED"))]
    assert verdicts == [("a", "ok"), ("b", "ok"), ("alone", "FAILED"), ("d", "FAILED")]


def test_passed_stages_give_success() -> None:
    assert run_all([stage("only", "skipped", 0)], lambda line: None) == 0


def test_old_results_are_not_taken_for_new_ones() -> None:
    write_junit(check.RESULTS / "x.xml", "x", [PASSED])
    assert check.run_stage(Stage("x", ("-c", "pass")), "1 of 1", lambda line: None).problem.startswith("ran no test")


def test_a_stage_beyond_its_limit_is_stopped_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "HEARTBEAT_SECONDS", 0.05)
    said: list[str] = []
    # Both would sleep for minutes, and the inner one holds on to the log.
    inner = "import time; time.sleep(600)"
    outer = f"import subprocess, sys; print('busy', flush=True); subprocess.run([sys.executable, '-c', {inner!r}])"
    result = check.run_stage(Stage("x", ("-c", outer)), "1 of 1", said.append, limit=0.5)
    assert result.problem.startswith("stopped after")
    assert len(said) > 1, "it says that it is still there"


def test_a_stage_that_is_stopped_leaves_no_lab_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Labs outlive who started them. Those that were there before, and the demo's, are somebody's."""

    def make(name: str) -> None:
        (tmp_path / ".lab" / name).mkdir(parents=True)
        (tmp_path / ".lab" / name / "state.json").write_text("{}")

    make("mine")
    taken: list[str] = []
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "take_down", taken.extend)
    running = check.Running(Stage("x", ("-c", "import time; time.sleep(600)")), "1 of 1", lambda line: None)
    make("t-1")
    make("demo")
    running.stop()
    assert taken == ["t-1"]


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["units"]) == 2
    assert "unit" in capsys.readouterr().out


def test_interrupted_in_the_first_stage_it_still_sums_up(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from tools import check
check.LOGS = check.RESULTS = Path({str(tmp_path)!r})
check.PYTHON = sys.executable
check.STAGES = (
    check.Stage("a", ("-c", "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(600)")),
    check.Stage("b", ("-c", "pass")),
)
sys.exit(check.main([]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 2 skipped"


PLAY = r"""AssertionError: inode.kai_scheduler : Validating a...
TASK [helm_component : Let helm install or upgrade] ****************************
fatal: [kai]: FAILED! => {"changed": false, "msg": "helm said \"no\""}
...ignoring

TASK [helm_component : Say why helm failed] ************************************
failed: [kai] (item=a) => {"ansible_loop_var": "item", "msg": "no matches for kind \"Config\""}

TASK [helm_component : Clean up] ***********************************************
fatal: [kai]: FAILED! => {"msg": "too late"}
"""


def test_a_failed_play_is_told_by_its_task(tmp_path: Path) -> None:
    node = ET.Element("testcase", classname="site", name="one")
    ET.SubElement(node, "failure", message=PLAY)
    assert read_case(node).reason == r"TASK [helm_component : Say why helm failed] no matches for kind \"Config\""
    node = ET.Element("testcase", classname="site", name="one")
    ET.SubElement(node, "failure", message="AssertionError: assert 1 == 2\nTASK [x] ***\nok: [kai]")
    assert read_case(node).reason == "AssertionError: assert 1 == 2"
