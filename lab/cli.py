# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands: up, down, status, logs, build."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import binaries, charts, lifecycle, report
from lab.errors import LabError
from lab.layout import CLONE, Layout

FALLBACK_INVENTORY = CLONE / "tests" / "integration" / "lab" / "inventory"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__import__("lab").__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        if name != "build":
            found.add_argument("--name", default="demo", help="the lab's name (default: demo)")
            found.add_argument("--dir", help="its folder (default: .lab/NAME in the clone)")
        return found

    up = command("up", "Start the lab, or bring a running one to what is asked; may be repeated.")
    up.add_argument("--inventory", help="where the machines are read from (default: inventories/lab)")
    up.add_argument("--nodes", type=int, help="how many GPU machines, instead of the inventory's number")
    up.add_argument("--bare", action="store_true", help="only etcd and an API server: for replaying recordings")
    down = command("down", "Stop the lab and all its processes; the folder stays.")
    down.add_argument("--purge", action="store_true", help="remove the folder as well")
    status = command("status", "Each process: pid, port, health, memory. Ends with 1 when something is unhealthy.")
    status.add_argument("--json", action="store_true", help="the same as JSON")
    logs = command("logs", "Show logs; without a process, name those that there are.")
    logs.add_argument("process", nargs="?", help="e.g. kube-apiserver, volcano-scheduler, supervisor")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    logs.add_argument("-n", "--lines", type=int, default=100, help="how many lines from its end (default: 100)")
    command("build", "Get all programs and charts ready, so that the next up is quick.")
    return top


def inventory(given: str | None) -> Path:
    """The inventory's path; without one, the collection's own example or the tests' small one."""
    if given:
        return Path(given).expanduser()
    usual = CLONE / "inventories" / "lab"
    return usual if usual.exists() else FALLBACK_INVENTORY


def run(options: argparse.Namespace) -> int:
    """Carry out one command; its exit code."""
    if options.command == "build":
        found = binaries.ensure()
        found.update({f"chart {name}": path for name, path in charts.ensure(found["helm"]).items()})
        for name, path in found.items():
            print(f"{name}: {path}")
        return 0
    layout = Layout.of(options.name, options.dir)
    if options.command == "up" and options.bare:
        lifecycle.up_bare(layout)
        return 0
    if options.command == "up":
        if options.nodes is not None and options.nodes < 0:
            raise LabError(f"--nodes: is {options.nodes}; a number from 0 up")
        lifecycle.up(layout, inventory(options.inventory), options.nodes)
        return 0
    layout.require()
    if options.command == "down":
        lifecycle.down(layout, purge=options.purge)
        return 0
    if options.command == "logs":
        return report.logs(layout, options.process, options.lines, options.follow)
    rows = report.status(layout)
    print(json.dumps(rows, indent=1) if options.json else report.table(rows))
    return 0 if rows and all(row["healthy"] for row in rows) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: errors that a user can act on are one line."""
    options = parser().parse_args(argv)
    try:
        return run(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("lab: interrupted; the next 'up' goes on from here", file=sys.stderr)
        return 130
