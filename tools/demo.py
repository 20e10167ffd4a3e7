# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a lab cluster, from empty to running multinode engines; then where all is and what to try next."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import ROOT
from tools.check import clock
from tools.commands import BIN, tool_environment

INVENTORY = "inventories/lab"
PLAYBOOK = "playbooks/site.yml"


@dataclass(frozen=True)
class Step:
    """One program of the demo: what it does, in words, and what to look at when it fails."""

    title: str
    words: tuple[str, ...]
    when_failed: str


def lab_folder() -> Path:
    """Where the lab of the demo lives: as inventories/lab has it."""
    named = os.environ.get("LAB_DIR")
    return Path(named).expanduser().resolve() if named else ROOT / ".lab" / "demo"


def steps(folder: Path) -> tuple[Step, ...]:
    up = (str(BIN / "python"), "-m", "lab", "up", "--inventory", INVENTORY, "--dir", str(folder))
    play = (str(BIN / "ansible-playbook"), PLAYBOOK, "-i", INVENTORY)
    return (
        Step(
            "Start a Kubernetes cluster with two racks of GPU machines", up, "python -m lab status; python -m lab logs"
        ),
        Step(f"{PLAYBOOK}: from an empty cluster to engines that serve", play, "the message above names the cause"),
    )


def farewell(folder: Path) -> list[str]:
    """Where things are, and what to try next."""
    kubeconfig = shlex.quote(str(folder / "kubeconfig"))
    again = f"ansible-playbook {PLAYBOOK} -i {INVENTORY}"
    return [
        "",
        f"The report:     {folder / 'report' / 'report.html'}",
        f"The kubeconfig: {folder / 'kubeconfig'}",
        "",
        "What to try next (`. .cache/env` puts the tools on your PATH):",
        f"  {again}                             # again: changed=0",
        f"  {again} -e lab_show_too_large=true  # what one is told when machines are missing",
        f"  {shlex.quote(str(folder / 'bin' / 'kubectl'))} --kubeconfig {kubeconfig} get pods -A -o wide",
        f"  edit {INVENTORY}/group_vars/all.yml, or add a machine to {INVENTORY}/hosts.yml, and run `make demo` again",
        f"  ansible-playbook playbooks/teardown.yml -i {INVENTORY}",
        "  make lab-down                       # nothing stays running",
    ]


def run_step(number: int, count: int, step: Step) -> bool:
    """Run one step with its output as it comes. True: it worked."""
    print(f"\n[{number} of {count}] {step.title}", flush=True)
    begin = time.monotonic()
    code = subprocess.run(step.words, cwd=ROOT, env=tool_environment(), check=False).returncode
    elapsed = clock(time.monotonic() - begin)
    if code:
        print(
            f"[{number} of {count}] failed after {elapsed} (exit code {code}). Next: {step.when_failed}",
            file=sys.stderr,
        )
    else:
        print(f"[{number} of {count}] done in {elapsed}", flush=True)
    return code == 0


def main() -> int:
    folder = lab_folder()
    todo = steps(folder)
    for number, step in enumerate(todo, start=1):
        if not run_step(number, len(todo), step):
            return 1
    print("\n".join(farewell(folder)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted. `make demo` goes on from here; `make lab-down` stops the lab.", file=sys.stderr)
        sys.exit(130)
