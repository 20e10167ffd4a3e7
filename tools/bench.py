# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks, the programs tests/benchmarks/bench_*.py; arguments name single ones."""

from __future__ import annotations

import subprocess
import sys

from tools.bootstrap import ROOT
from tools.commands import BIN, tool_environment

FOLDER = ROOT / "tests" / "benchmarks"


def main(wanted: list[str]) -> int:
    names = wanted or sorted(path.stem for path in FOLDER.glob("bench_*.py"))
    if not names:
        print("There are no benchmarks yet: tests/benchmarks holds no bench_*.py.")
        return 1
    env = tool_environment()
    env["PYTHONPATH"] = env["MYPYPATH"]
    codes = []
    for name in names:
        print(f"== {name}", flush=True)
        command = [str(BIN / "python"), "-m", f"tests.benchmarks.{name}"]
        codes.append(subprocess.run(command, cwd=ROOT, env=env, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
