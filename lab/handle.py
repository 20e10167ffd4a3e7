# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as tests and tools use it: start, ask, change, read who did what, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from lab import binaries, controlplane, small_charts
from lab.kube import Api
from lab.layout import CLONE, Layout, read_json

CHART_NAMESPACES = {"volcano": "volcano-system", "lws": "lws-system"}
CHART_VERSIONS = {"volcano": binaries.VOLCANO, "lws": binaries.LWS}
AUDIT_SECONDS = 60.0


class CommandFailed(Exception):
    """A command's exit code and everything that it printed."""

    def __init__(self, argv: list[str], done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        self.returncode = done.returncode
        self.output = done.stdout + done.stderr


class Lab:
    """The lab called ``name``; nothing is started before ``up``."""

    def __init__(
        self, name: str, inventory: Path | None = None, nodes: int | None = None, *, bare: bool = False
    ) -> None:
        self.layout = Layout.of(name)
        self.name = name
        self._inventory, self._nodes, self._bare = inventory, nodes, bare

    # -- where things are ----------------------------------------------------------------------------------------------
    @property
    def root(self) -> Path:
        return self.layout.root

    @property
    def kubeconfig(self) -> Path:
        """The collection's own identity, the user ``dynamo-multinode``."""
        return self.layout.kubeconfig

    @property
    def admin_kubeconfig(self) -> Path:
        return self.layout.admin_kubeconfig

    def chart(self, name: str, version: str = "") -> Path:
        """The chart ``volcano`` or ``lws`` as an archive, by default of the version that the lab is about."""
        return self.layout.charts / f"{name}-{version or CHART_VERSIONS[name]}.tgz"

    def standin(self, name: str, version: str | None = None) -> Path:
        """A chart of ours (lab/standins) as an archive, at its default version or another; needs the upstream data."""
        return small_charts.package(name, version or "", "", self.layout.charts)

    def env(self) -> dict[str, str]:
        """An environment in which kubectl, helm and Ansible's modules talk to this lab as the collection."""
        path = os.pathsep.join([str(self.layout.bin), os.environ.get("PATH", "")])
        config = str(self.kubeconfig)
        return {**os.environ, "PATH": path, "KUBECONFIG": config, "K8S_AUTH_KUBECONFIG": config}

    # -- the program ---------------------------------------------------------------------------------------------------
    def command(self, command: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``python -m lab COMMAND --name NAME ARGS`` as a user runs it."""
        return self._run([sys.executable, "-m", "lab", command, "--name", self.name, *args], check=check, cwd=CLONE)

    def up(self, *args: str) -> str:
        """Start it, or bring it to the inventory and number of nodes that it was made with; what it printed."""
        options = ["--inventory", str(self._inventory)] if self._inventory else []
        options += ["--nodes", str(self._nodes)] if self._nodes is not None else []
        options += ["--bare"] if self._bare else []
        return self.command("up", *options, *args).stdout

    def down(self, *, purge: bool = False) -> None:
        if self.layout.exists():
            self.command("down", *(["--purge"] if purge else []))

    def status(self) -> dict[str, dict[str, Any]]:
        """Process name -> its row of ``status --json``."""
        done = self.command("status", "--json", check=False)
        return {row["name"]: row for row in json.loads(done.stdout)}

    def signal(self, process: str, number: signal.Signals) -> None:
        """Send a process of the lab a signal: SIGKILL (the supervisor starts it again), SIGSTOP, SIGCONT."""
        os.kill(int(read_json(self.layout.run_file)["processes"][process]["pid"]), number)

    # -- the cluster ---------------------------------------------------------------------------------------------------
    def kubectl(self, *args: str, stdin: str | None = None, admin: bool = True, check: bool = True) -> str:
        """kubectl's output; as the lab's admin unless told, so that an audit shows what the collection did."""
        config = self.admin_kubeconfig if admin else self.kubeconfig
        argv = [str(self.layout.bin / "kubectl"), "--kubeconfig", str(config), *args]
        return self._run(argv, stdin=stdin, check=check).stdout

    def get(self, *args: str) -> Any:
        """``kubectl get ARGS -o json``, parsed; a list of objects for many, one object for one."""
        found = json.loads(self.kubectl("get", *args, "-o", "json"))
        return found["items"] if found.get("kind") == "List" else found

    def apply(self, *objects: dict[str, Any], check: bool = True) -> str:
        """Apply plain objects as the admin."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(listed), check=check)

    def helm(self, *args: str, check: bool = True) -> str:
        """helm's output, as the lab's admin."""
        argv = [str(self.layout.bin / "helm"), "--kubeconfig", str(self.admin_kubeconfig), *args]
        return self._run(argv, check=check).stdout

    def install(self, chart: str, *values: str) -> None:
        """Install or upgrade ``volcano`` or ``lws`` by helm itself, and wait for it; ``values`` as for --set."""
        options = [option for value in values for option in ("--set", value)]
        where = ["--namespace", CHART_NAMESPACES[chart], "--create-namespace"]
        self.helm("upgrade", "--install", chart, str(self.chart(chart)), *where, *options, "--wait", "--timeout=5m")

    def uninstall(self, chart: str) -> None:
        self.helm("uninstall", chart, "--namespace", CHART_NAMESPACES[chart], "--ignore-not-found", "--wait")

    def install_gang_stack(self) -> None:
        """Volcano, then LWS that makes gangs by it."""
        self.install("volcano")
        self.install("lws", "gangSchedulingManagement.schedulerProvider=volcano")

    # -- who did what --------------------------------------------------------------------------------------------------
    def mark(self) -> int:
        """A place in the audit log, for ``audit``; all requests answered before are in front of it."""
        self._settle()
        return self.layout.audit_log.stat().st_size

    def audit(self, since: int = 0, *, user: str | None = None, verbs: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The audit events after ``since``: of one user, of some verbs. Waits until the log has caught up."""
        self._settle()
        events = []
        with self.layout.audit_log.open("rb") as stream:
            stream.seek(since)
            for line in stream:
                event = json.loads(line) if line.endswith(b"\n") else {}
                if user and event.get("user", {}).get("username") != user:
                    continue
                if not event or (verbs and event.get("verb") not in verbs):
                    continue
                events.append(event)
        return events

    def _settle(self) -> None:
        """An event is written after its answer: ask for something unmistakable, and wait until that is written."""
        token = f"lab-mark-{uuid.uuid4().hex}"
        api = Api(controlplane.server(self.layout.state()["ports"]), self.layout.certs, "admin")
        api.call("GET", "/api/v1/namespaces/default", query={token: ""})
        deadline = time.monotonic() + AUDIT_SECONDS
        while token.encode() not in self._end_of_log():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.layout.audit_log}: {token} never appeared")
            time.sleep(0.02)

    def _end_of_log(self) -> bytes:
        with self.layout.audit_log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 65536))
            return stream.read()

    @staticmethod
    def _run(
        argv: list[str], *, check: bool, stdin: str | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, cwd=cwd)
        if check and done.returncode:
            raise CommandFailed(argv, done)
        return done
