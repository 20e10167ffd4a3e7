# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the molecule scenarios on one shared lab; arguments name single ones.

Molecule stops at the first scenario that fails: the ones after it are then started again, so that each has its result.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

from tools.bootstrap import ROOT
from tools.commands import BIN, echoed, tool_environment
from tools.results import Case, finish

ACTION = re.compile(r"\[(?P<scenario>[\w.-]+) > (?P<action>\w+)\] Executed: (?P<status>\w+)")
# With shared state, the scenario `default` makes and removes what all the others use.
SHARED = ("create", "destroy")


def scenarios() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


def read_actions(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Scenario -> action -> status (Successful, Failed, ...), from molecule's output without colours."""
    actions: dict[str, dict[str, str]] = {}
    for line in lines:
        match = ACTION.search(line)
        if match:
            status = actions.setdefault(match["scenario"], {})
            if status.get(match["action"]) != "Failed":
                status[match["action"]] = match["status"]
    return actions


def judge(names: Sequence[str], actions: dict[str, dict[str, str]], code: int) -> list[Case]:
    """The results of those of `names` that molecule came to, in their order."""
    cases = []
    for name in names:
        done = {action: status for action, status in actions.get(name, {}).items() if action not in SHARED}
        failed = [action for action, status in done.items() if status == "Failed"]
        if failed:
            cases.append(Case(name, "failed", f"failed in {', '.join(failed)}"))
        elif done.get("converge") == "Successful":
            cases.append(Case(name, "passed"))
        elif done:
            cases.append(Case(name, "failed", f"molecule ended with {code} before it converged"))
    return cases


def run_molecule(names: Sequence[str]) -> tuple[dict[str, dict[str, str]], int]:
    command = [str(BIN / "molecule"), "test", "--no-command-borders"]
    for name in names:
        command += ["--scenario-name", name]
    env = tool_environment()
    env["NO_COLOR"] = "1"
    env.pop("FORCE_COLOR", None)
    lines, code = echoed(command, ROOT, env)
    return read_actions(lines), code


def main(wanted: list[str]) -> int:
    pending = wanted or scenarios()
    cases: list[Case] = []
    while pending:
        actions, code = run_molecule(pending)
        judged = judge(pending, actions, code)
        broken = next(
            (f"{name} {action}" for name in actions for action in SHARED if actions[name].get(action) == "Failed"), ""
        )
        if broken:
            cases.append(Case(broken, "failed", "what the scenarios share could not be made or removed"))
        cases += judged
        pending = [name for name in pending if name not in {case.name for case in judged}]
        if broken or not judged:
            reason = f"after {broken}" if broken else f"molecule ended with {code} before it came to it"
            cases += [Case(name, "skipped" if broken else "failed", reason) for name in pending]
            break
    return finish("molecule", cases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
