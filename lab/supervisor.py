# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon behind a running lab: starts its processes, starts them again when they die, and stops them with itself.

Run as ``python -m lab.supervisor FOLDER`` by ``up``. All processes are started from the main thread, because the
kernel's parent-death signal belongs to the thread that forked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lab import controlplane, processes
from lab.kube import Api
from lab.kubelet import Kubelet
from lab.layout import Layout, write_atomically
from lab.processes import Spec
from lab.proxy import Proxy

BACKOFF_FIRST, BACKOFF_LAST = 0.2, 5.0
STABLE_SECONDS = 10.0
STOP_SECONDS = 3.0
TICK_SECONDS = 0.25
ETCD_SECONDS = 1.0
LOG_LIMIT = 64 * 1024 * 1024
LOG_CHECK_SECONDS = 30.0


class Child:
    """One process that should run, across its restarts."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: dict[str, Any] | None = None
        self.started = 0.0
        self.restarts = -1
        self.delay = BACKOFF_FIRST
        self.not_before = 0.0
        self.exit_code: int | None = None

    def record(self) -> dict[str, Any]:
        """What ``status`` and ``down`` need to know."""
        health = self.spec.health
        return {
            **(self.identity or {"pid": None, "created": 0}),
            "port": health.port,
            "health": dataclasses.asdict(health),
            "restarts": max(self.restarts, 0),
            "exit_code": self.exit_code,
            "log": str(self.spec.log),
        }


class Supervisor:
    """Keeps the wanted processes running until told to stop."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.state = layout.state()
        self.lab_id = str(self.state["id"])
        self.children: dict[str, Child] = {}
        self.lock = threading.RLock()
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.api_up = threading.Event()
        self.checker = processes.Checker(layout.certs)
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._written: dict[str, Any] = {}
        self._logs_checked = 0.0

    # -- for the kubelet thread ---------------------------------------------------------------------------------------
    def want(self, spec: Spec) -> None:
        """Run this process from now on."""
        with self.lock:
            if spec.name not in self.children:
                self.children[spec.name] = Child(spec)
        self.wake.set()

    def drop(self, name: str) -> None:
        """Stop this process and forget it."""
        with self.lock:
            child = self.children.pop(name, None)
            if child and child.process and child.process.poll() is None:
                child.process.terminate()
                self._leaving.append(child.process)
                threading.Timer(STOP_SECONDS, _kill, [child.process]).start()
        self.wake.set()

    def restart(self, name: str) -> None:
        """Kill the process; the main loop starts it again."""
        with self.lock:
            child = self.children.get(name)
            if child and child.process:
                child.delay = 0.0
                child.process.kill()
        self.wake.set()

    def snapshot(self, name: str) -> dict[str, Any] | None:
        """{"pid", "restarts", "exit_code", "started", ...} of a process, pid None while it is down."""
        with self.lock:
            child = self.children.get(name)
            return {**child.record(), "started": child.started} if child else None

    # -- main thread --------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Until SIGTERM, or until the lab's folder goes."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        processes.kill_marked(self.lab_id)
        for spec in controlplane.specs(self.layout, self.state):
            self.children[spec.name] = Child(spec)
        self._tick()
        api = Api(controlplane.server(self.state["ports"]), self.layout.certs, "supervisor")
        threading.Thread(target=self._watch_api, args=[api], daemon=True).start()
        if not controlplane.is_bare(self.state):
            kubelet = Kubelet(self, self.layout, self.state, api)
            Proxy(controlplane.egress_socket(self.layout, self.lab_id), kubelet.local_port).start()
            kubelet.start()
        while not self.stopping.is_set():
            self.wake.wait(TICK_SECONDS)
            self.wake.clear()
            self._tick()
            if not self.layout.state_file.exists():
                break
        self._stop_all()

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        self.stopping.set()
        self.wake.set()

    def _watch_api(self, api: Api) -> None:
        while not self.stopping.is_set():
            ready = api.ready()
            if ready != self.api_up.is_set():
                (self.api_up.set if ready else self.api_up.clear)()
                self.wake.set()
            time.sleep(1.0 if ready else 0.05)

    def _tick(self) -> None:
        now = time.monotonic()
        with self.lock:
            for child in self.children.values():
                self._reap(child, now)
                if child.process is None and now >= child.not_before and self._may_start(child.spec):
                    self._start(child, now)
            self._leaving = [process for process in self._leaving if process.poll() is None]
            self._record()
        if now - self._logs_checked > LOG_CHECK_SECONDS:
            self._logs_checked = now
            for log in self.layout.logs.glob("*.log"):
                if log != self.layout.audit_log:
                    _shorten(log)

    def _may_start(self, spec: Spec) -> bool:
        if "kube-apiserver" in spec.after:
            return self.api_up.is_set()
        return True

    def _reap(self, child: Child, now: float) -> None:
        if child.process is None or child.process.poll() is None:
            return
        child.exit_code = child.process.returncode
        if now - child.started > STABLE_SECONDS:
            child.delay = BACKOFF_FIRST
        child.not_before = now + child.delay
        print(f"{child.spec.name} ended with {child.exit_code}; again in {child.delay:.1f} s", flush=True)
        child.delay = min(max(child.delay, BACKOFF_FIRST) * 2, BACKOFF_LAST)
        child.process = child.identity = None

    def _start(self, child: Child, now: float) -> None:
        try:
            child.process = processes.spawn(child.spec, self.lab_id)
        except OSError as error:
            print(f"{child.spec.name}: {error}", flush=True)
            child.not_before = now + BACKOFF_LAST
            return
        child.identity = processes.identity(child.process.pid)
        child.started = now
        child.restarts += 1

    def _record(self) -> None:
        run = {
            "supervisor": processes.identity(os.getpid()),
            "version": self.state.get("version"),
            "processes": {name: child.record() for name, child in self.children.items()},
        }
        if run != self._written:
            with contextlib.suppress(OSError):
                write_atomically(self.layout.run_file, json.dumps(run, indent=1) + "\n")
                self._written = run

    def _stop_all(self) -> None:
        with self.lock:
            running = [child.process for child in self.children.values() if child.process]
            self.children, etcd = {}, self.children.get("etcd")
        last = etcd.process if etcd else None
        for process in [*running, *self._leaving]:
            if process is not last:
                # Graceful ends would wait for open watches; etcd keeps all that matters, and it is asked politely.
                _kill(process)
        if last is not None:
            last.terminate()
            try:
                last.wait(ETCD_SECONDS)
            except subprocess.TimeoutExpired:
                last.kill()
        for process in running:
            process.wait()
        shutil.rmtree(self.layout.runtime(self.lab_id), ignore_errors=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.kill()


def _shorten(log: Path) -> None:
    """Keep the last part of an overlong log; its writer appends, so cutting it in place is safe."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def main(folder: str) -> None:
    """Entry of the daemon; ``folder`` is the lab's."""
    root = Path(folder)
    layout = Layout(root.name, root)
    layout.name = str(layout.state().get("name", root.name))
    Supervisor(layout).run()


if __name__ == "__main__":
    main(sys.argv[1])
