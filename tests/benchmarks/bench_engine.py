# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes engine against kubernetes.core, kubectl and a bare pool of connections, on a lab's real API server.

Ratios of runs that follow each other: what else the machine does counts for both.
"""

from __future__ import annotations

import asyncio
import calendar
import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import objects as module
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client

from lab.handle import Lab
from tools.bench import Row
from tools.commands import tool_environment

COUNT = int(os.environ.get("BENCH_OBJECTS", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LATENCY = 0.010
Object = dict[str, Any]


def benchmark() -> Iterator[Row]:
    lab = Lab(f"bench-{uuid.uuid4().hex[:6]}", nodes=2)
    with tempfile.TemporaryDirectory() as folder:
        try:
            lab.up()
            bench = _Bench(lab, Path(folder))
            for part in (bench.first, bench.second, bench.slow, bench.large, bench.ready, bench.start):
                yield from part()
        finally:
            lab.down(purge=True)


def config_maps(namespace: str, count: int, value: str = "1") -> list[Object]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"settings-{number:05}", "namespace": namespace, "labels": {"app": "bench"}},
            "data": {"a": value, "number": str(number), "text": "some text, as configuration has it\n" * 4},
        }
        for number in range(count)
    ]


class _Bench:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.config = str(lab.kubeconfig)
        self.kept = self.namespace()
        self.core_kept = self.namespace()

    def namespace(self) -> str:
        name = f"bench-{uuid.uuid4().hex[:6]}"
        self.lab.kubectl("create", "namespace", name)
        return name

    def client(self) -> Client:
        return Client.from_params({"kubeconfig": self.config})

    # -- the contestants ----------------------------------------------------------------------------------------

    def ours(self, objects: list[Object], config: str = "") -> tuple[float, int]:
        """In the module, without its start: seconds and requests."""
        client = Client.from_params({"kubeconfig": config or self.config})
        params = {"objects": objects, "state": "present", "wait": False, "wait_timeout": 60, "force_conflicts": False}
        seconds, answer = timed(lambda: module.ensure(client, params))
        if answer.failure:
            raise RuntimeError(answer.failure)
        return seconds, client.requests

    def pool(self, objects: list[Object]) -> float:
        """The floor: the same bytes as server-side applies over a pool of 32 connections, and nothing else."""
        connection = self.client().transport.connection
        requests = [
            (
                f"{connection.host}/api/v1/namespaces/{obj['metadata']['namespace']}/configmaps/"
                f"{obj['metadata']['name']}?fieldManager=bare",
                json.dumps(obj).encode(),
            )
            for obj in objects
        ]
        headers = {"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"}

        def send(request: tuple[str, bytes]) -> None:
            answer = connection.pool.request("PATCH", request[0], body=request[1], headers=headers)
            if answer.status >= 300:
                raise RuntimeError(answer.data)

        def work() -> None:
            with ThreadPoolExecutor(32) as threads:
                list(threads.map(send, requests))

        return timed(work)[0]

    def playbook(self, which: str, objects: list[Object], config: str = "") -> float:
        """A playbook with one task, from the command to its end."""
        options: Object = {"dynamo.multinode.apply": {"objects": "{{ objects }}"}}
        if which == "core":
            task = {"resource_definition": "{{ objects }}", "apply": True}
            options = {"kubernetes.core.k8s": {**task, "server_side_apply": {"field_manager": "core"}}}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
        (self.folder / "play.yml").write_text(json.dumps([{**play, "tasks": [{"name": "Apply", **options}]}]))
        (self.folder / "vars.json").write_text(json.dumps({"objects": objects}))
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-e", "@vars.json", "play.yml"]
        argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
        env = {**tool_environment(), "K8S_AUTH_KUBECONFIG": config or self.config}
        return timed(lambda: subprocess.run(argv, cwd=self.folder, env=env, check=True, capture_output=True))[0]

    def kubectl(self, objects: list[Object]) -> float:
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        argv = ("apply", "--server-side", "--field-manager=kubectl", "-f", "-")
        return timed(lambda: self.lab.kubectl(*argv, stdin=listed, admin=False))[0]

    # -- the cases ----------------------------------------------------------------------------------------------

    def first(self) -> Iterator[Row]:
        what = f"{COUNT:,} objects, first apply"
        ratios, seconds = [], []
        for number in range(ROUNDS):
            target = self.kept if number == 0 else self.namespace()
            mine = self.ours(config_maps(target, COUNT))[0]
            ratios.append(mine / self.pool(config_maps(self.namespace(), COUNT)))
            seconds.append(mine)
        yield row(f"{what}: in the module", seconds)
        yield row(f"{what}: in the module, against a bare pool of connections", ratios, "times as long", 1.25)
        for which in ("ours", "core"):  # Ansible's own files are read from the disk once
            self.playbook(which, config_maps(self.namespace(), 10))
        took = [self.playbook("ours", config_maps(self.namespace(), COUNT)) for _ in range(ROUNDS)]
        middle = statistics.median(took)
        core = self.playbook("core", config_maps(self.core_kept, COUNT))
        yield row(f"{what}: playbook", took)
        yield faster(f"{what}: playbook, against kubernetes.core.k8s ({core:.1f} s)", core, middle, 3.5)
        part = max(1, COUNT // 5)
        kubectl = self.kubectl(config_maps(self.namespace(), part)) * COUNT / part
        yield faster(f"{what}: playbook, against kubectl ({kubectl:.0f} s, from {part} objects)", kubectl, middle, None)

    def second(self) -> Iterator[Row]:
        what = f"{COUNT:,} objects, nothing changed"
        objects = config_maps(self.kept, COUNT)
        runs = [self.ours(objects) for _ in range(ROUNDS + 2)]
        yield row(f"{what}: in the module", [seconds for seconds, _requests in runs], goal=0.5)
        pages = -(-COUNT // 500)
        yield Row(f"{what}: requests", runs[0][1], "requests", 1 + pages + 5)
        mine = [self.playbook("ours", objects) for _ in range(ROUNDS)]
        core = self.playbook("core", config_maps(self.core_kept, COUNT))
        yield row(f"{what}: playbook", mine)
        middle = statistics.median(mine)
        yield faster(f"{what}: playbook, against kubernetes.core.k8s ({core:.1f} s)", core, middle, 6)
        mark = self.lab.mark()
        objects[COUNT // 2]["data"]["a"] = "2"
        self.ours(objects)
        writes = self.lab.audit(mark, user="dynamo-multinode", verbs=("create", "update", "patch", "delete"))
        yield Row("one of them changed: writes", len(writes), "writes", 1)

    def slow(self) -> Iterator[Row]:
        what = f"{COUNT:,} objects, first apply, {LATENCY * 1000:.0f} ms per request"
        with slow_line(self.config, self.folder) as config:
            mine = [self.playbook("ours", config_maps(self.namespace(), COUNT), config) for _ in range(ROUNDS)]
            core = self.playbook("core", config_maps(self.namespace(), COUNT), config)
        yield row(f"{what}: playbook", mine)
        middle = statistics.median(mine)
        yield faster(f"{what}: playbook, against kubernetes.core.k8s ({core:.1f} s)", core, middle, 12)

    def large(self) -> Iterator[Row]:
        """In processes of their own, for their memory."""
        found = {}
        for times in (1, 10):
            namespace = self.namespace()
            engine.apply(self.client(), config_maps(namespace, COUNT * times))
            argv = [sys.executable, "-m", __spec__.name, self.config, namespace, str(COUNT * times)]
            out = [
                subprocess.run(argv, check=True, capture_output=True, text=True, env=python_path()).stdout
                for _ in range(ROUNDS)
            ]
            found[times] = sorted(json.loads(text) for text in out)[ROUNDS // 2]
        what = f"{COUNT * 10:,} objects, nothing changed"
        yield Row(f"{what}: in the module", found[10][0])
        yield Row(f"{what}: against {COUNT:,}", found[10][0] / found[1][0], "times as long", 13)
        yield Row(f"{what}: memory of the process", found[10][1], "MiB", 300)

    def ready(self) -> Iterator[Row]:
        """The last pod's status is written by the simulated kubelet; then the Deployment's controller has its say. The
        module is a process, as Ansible runs it where it waits in one call; what counts is when that has ended."""
        late = []
        for _ in range(ROUNDS):
            namespace = self.namespace()
            mark = self.lab.mark()
            objects = [deployment(namespace, f"web-{number}") for number in range(5)]
            given = {"objects": objects, "wait": True, "wait_timeout": 120, "kubeconfig": self.config}
            done = subprocess.run(
                [sys.executable, "-m", "ansible_collections.dynamo.multinode.plugins.modules.apply"],
                input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
                capture_output=True,
                text=True,
                check=False,
                env=python_path(),
            )
            end = time.time()
            if done.returncode or not all(one["ready"] for one in json.loads(done.stdout)["objects"]):
                raise RuntimeError(f"the pods did not become ready: {done.stdout}{done.stderr}")
            stamps = [
                event["stageTimestamp"]
                for event in self.lab.audit(mark, verbs=("patch",))
                if event.get("objectRef", {}).get("subresource") == "status"
                and event["objectRef"].get("resource") == "pods"
                and event["objectRef"].get("namespace") == namespace
                and event["stage"] == "ResponseComplete"
                and epoch(event["stageTimestamp"]) <= end
            ]
            late.append(end - max(epoch(stamp) for stamp in stamps))
        yield row("from the last pod ready to the end of the module's process", late, goal=0.3)

    def start(self) -> Iterator[Row]:
        core = "ansible_collections.kubernetes.core.plugins.modules.k8s"
        mine = "ansible_collections.dynamo.multinode.plugins.modules.apply"
        # Each pair one after the other, in CPU seconds
        pairs = [(imported(mine), imported(core)) for _ in range(ROUNDS * 2 + 1)]
        yield row("start of the module: imports, CPU", [ours for ours, _theirs in pairs])
        told = statistics.median(theirs for _ours, theirs in pairs)
        ratios = [ours / theirs for ours, theirs in pairs]
        yield row(f"start of the module, against kubernetes.core.k8s ({told:.2f} s)", ratios, "times as long", 1.0)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    answer = work()
    return time.perf_counter() - begin, answer


def row(what: str, values: list[float], unit: str = "s", goal: float | None = None) -> Row:
    spread = f"{min(values):.2f} to {max(values):.2f}, {len(values)} runs"
    return Row(what, statistics.median(values), unit, goal, spread)


def faster(what: str, theirs: float, ours: float, times: float | None) -> Row:
    """A row's goal is the most that it may be: so our share of their time, and how many times faster that is."""
    spread = f"{theirs / ours:.1f} times faster" + (f", {times:g} wanted" if times else "")
    return Row(what, ours / theirs, "of its time", 1 / times if times else None, spread)


def epoch(stamp: str) -> float:
    whole, _dot, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


def deployment(namespace: str, name: str) -> Object:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "example.com/web:1.0.0"}]},
    }
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def python_path() -> dict[str, str]:
    env = tool_environment()
    return {**env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def imported(name: str) -> float:
    code = f"import time; a = time.process_time(); import {name}; print(time.process_time() - a)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=python_path())
    return float(done.stdout)


@contextlib.contextmanager
def slow_line(config: str, folder: Path) -> Iterator[str]:
    """A kubeconfig whose server is the lab's, ``LATENCY`` away: what is sent arrives that much later, in order."""
    text = Path(config).read_text()
    target = urlparse(re.findall(r"server: \"?(https://[^\s\"]+)", text)[0])
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        pending: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await pending.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        task = asyncio.ensure_future(deliver())
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                pending.put_nowait((loop.time() + delay, data))
        pending.put_nowait((loop.time() + delay, b""))
        with contextlib.suppress(OSError):
            await task

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pump(reader, there[1], LATENCY), pump(there[0], writer, 0.0))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    slow = folder / "slow.kubeconfig"
    slow.write_text(text.replace(f"{target.hostname}:{target.port}", f"127.0.0.1:{port}"))
    try:
        yield str(slow)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _child(config: str, namespace: str, count: str) -> None:
    """One run that changes nothing: seconds and MiB at most, as JSON."""
    objects = config_maps(namespace, int(count))
    client = Client.from_params({"kubeconfig": config})
    seconds, results = timed(lambda: engine.apply(client, objects))
    if {result.action for result in results} != {"unchanged"}:
        raise RuntimeError("not unchanged")
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


if __name__ == "__main__":
    _child(*sys.argv[1:])
