# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is doing: its processes, and their logs."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from lab import processes
from lab.errors import LabError
from lab.layout import Layout, read_json
from lab.processes import Health

BARE = ("supervisor", "etcd", "kube-apiserver")
EXPECTED = (*BARE, "kube-controller-manager", "kube-scheduler", "kwok")


def status(layout: Layout) -> list[dict[str, Any]]:
    """One row per process: name, pid, port, healthy, memory_mib, restarts, why (when unhealthy)."""
    run = read_json(layout.run_file)
    known = {"supervisor": run.get("supervisor") or {}, **run.get("processes", {})}
    for name in BARE if layout.state().get("bare") else EXPECTED:
        known.setdefault(name, {})
    if not processes.alive(known["supervisor"]):
        known = {name: {key: value for key, value in row.items() if key != "pid"} for name, row in known.items()}
    checker = processes.Checker(layout.certs)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda item: _row(checker, *item), known.items()))


def _row(checker: processes.Checker, name: str, record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "pid": None,
        "port": record.get("port"),
        "healthy": False,
        "memory_mib": None,
        "restarts": record.get("restarts", 0),
        "why": "not running",
    }
    if not record.get("pid") or not processes.alive(record):
        return row
    row["pid"] = record["pid"]
    try:
        row["memory_mib"] = round(psutil.Process(record["pid"]).memory_info().rss / 2**20)
    except psutil.Error:
        return row
    health = record.get("health")
    row["healthy"] = health is None or checker.healthy(Health(**health), timeout=5)
    row["why"] = "" if row["healthy"] else "does not answer its health check"
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for a terminal."""
    cells = [("PROCESS", "PID", "PORT", "HEALTH", "MEMORY", "RESTARTS")]
    for row in rows:
        cells.append(
            (
                row["name"],
                str(row["pid"] or "-"),
                str(row["port"] or "-"),
                "ok" if row["healthy"] else row["why"],
                f"{row['memory_mib']} MiB" if row["memory_mib"] is not None else "-",
                str(row["restarts"]),
            )
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    total = sum(row["memory_mib"] or 0 for row in rows)
    return "\n".join([*lines, f"{total} MiB in all"])


def logs(layout: Layout, process: str | None, lines: int, follow: bool) -> int:
    """Print the end of a log, and go on with ``follow``."""
    known = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    if process is None:
        for name, path in known.items():
            print(f"{name}: {path}")
        return 0
    # A pod's name is good as well: its log bears its Deployment's.
    found = process if process in known else next((name for name in known if process.startswith(name + "-")), None)
    if found is None:
        raise LabError(f"no log of {process!r} (there are: {', '.join(known) or 'none'})")
    _tail(known[found], lines, follow)
    return 0


def _tail(path: Path, lines: int, follow: bool) -> None:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - max(lines, 0) * 400))
        last = stream.read().splitlines(keepends=True)[-lines:] if lines > 0 else []
        sys.stdout.write(b"".join(last).decode(errors="replace"))
        sys.stdout.flush()
        while follow:
            more = stream.read()
            if more:
                sys.stdout.write(more.decode(errors="replace"))
                sys.stdout.flush()
            elif path.stat().st_size < stream.tell():
                stream.seek(0)
            else:
                time.sleep(0.2)
