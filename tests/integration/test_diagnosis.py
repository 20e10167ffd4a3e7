# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Causes that only show in what others write: a container's log, and Volcano's evictions."""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.certs import Authority
from lab.handle import Lab
from lab.replay import Replay
from tests.integration import test_permissions as tenants
from tests.integration.test_verify import until
from tests.integration.test_workload_module import roll, workload
from tests.unit.plugins.module_utils.recorded import engine_objects

LOG = "Loading weights\nRuntimeError: CUDA error: out of memory\nresource_tracker: 1 leaked object\n"


class Kubelet:
    """What of a kubelet serves logs. ``asked``: the paths; ``answer``: (status, text) by path without its query."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[str], tuple[int, str]] = lambda _path: (404, "")
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kubelet.asked.append(self.path)
                status, text = kubelet.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        (folder / "kubelet.pem").write_bytes(b"".join(Authority("kubelet").issue("kubelet", ips=("127.0.0.1",))))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "kubelet.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def node(self, name: str) -> dict[str, Any]:
        """A machine whose kubelet this is."""
        return {
            "metadata": {"name": name, "uid": str(uuid.uuid4())},
            "spec": {},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.server.server_address[1]}},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    one = Kubelet(tmp_path)
    yield one
    one.server.shutdown()


def crashed(namespace: str, name: str) -> list[dict[str, Any]]:
    """An engine of two ranks whose second one crashes again and again."""
    *pods, _group = engine_objects(f"{name}-worker", ["m1", "m2"], namespace=namespace, gpus=1, ready=False)
    for pod in pods:
        pod["spec"]["containers"][0].update(image="example.com/vllm:0.20.1")
        pod["metadata"]["labels"]["dynamo.multinode/workload"] = name
        pod["status"]["containerStatuses"] = [
            {"name": "main", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": {"running": {}}}
        ]
    pods[1]["status"]["containerStatuses"][0].update(
        restartCount=3,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"exitCode": 1, "reason": "Error"}},
    )
    return pods


@pytest.mark.parametrize("status", [200, 500])
def test_f84_a_tenant_is_told_the_last_words_of_a_container(
    stage: Replay, kubelet: Kubelet, tmp_path: Path, status: int
) -> None:
    """No right but those of docs/permissions/tenant.yml; a log that cannot be read is no failure of its own."""
    lab, namespace = stage.lab, f"t-{uuid.uuid4().hex[:8]}"
    stage.namespace(namespace)
    who = tenants.account(lab, namespace, tmp_path)
    tenants.grant(lab, who, "tenant", namespace)
    stage.show({"v1/nodes": [kubelet.node("m1"), kubelet.node("m2")], "v1/pods": crashed(namespace, "llama")})
    kubelet.answer = lambda path: (status, LOG if "previous=true" in path else "")
    mark = lab.mark()
    served = workload(namespace, timeouts={"scheduled": "2s", "ready": "2s"})
    told = str(tenants.roll(who, served).failure)
    stage.clear()
    assert "rank 1 (llama-worker-0-1 on m2): container main exits with code 1, 3 restarts" in told
    assert ("3 restarts: RuntimeError: CUDA error: out of memory" in told) is (status == 200)
    (path,) = {path for path in kubelet.asked if "llama-worker-0-1" in path}
    assert path.startswith(f"/containerLogs/{namespace}/llama-worker-0-1/main?")
    done, denied = tenants.used(lab, mark, who)
    assert tenants.Right("", "pods/log", "get") in done
    assert {right.verb for right in denied} <= {"get", "list"}


def test_f94_volcano_evicts_a_gang_for_one_of_higher_priority(make_lab: Callable[..., Lab]) -> None:
    """Volcano's own words; LWS gives its PodGroups no priority class, so that one is given by hand."""
    lab, namespace = make_lab(nodes=2), "evicted"
    lab.install_gang_stack()
    where = ("-n", "volcano-system", "configmap", "volcano-scheduler-configmap")
    conf = lab.get(*where)["data"]["volcano-scheduler.conf"]
    preempting = conf.replace("enqueue, allocate,", "allocate, preempt,")
    assert preempting != conf
    patch = json.dumps({"data": {"volcano-scheduler.conf": preempting}})
    lab.kubectl("patch", *where, "--type=merge", "-p", patch)
    lab.kubectl("create", "priorityclass", "urgent", "--value=1000")
    lab.kubectl("create", "namespace", namespace)
    low = workload(namespace, "low", gpus_per_node=8, timeouts={"scheduled": "60s", "ready": "60s"})
    assert roll(lab, low).failure is None
    high = workload(namespace, "high", gpus_per_node=8, priority_class="urgent")
    assert roll(lab, high, wait=False).failure is None

    def group() -> str:
        marks = "leaderworkerset.sigs.k8s.io/name=high-worker"
        return lab.kubectl("-n", namespace, "get", "podgroup", "-l", marks, "-o", "name").strip()

    name = until(group, bool)
    lab.kubectl("-n", namespace, "patch", name, "--type=merge", "-p", '{"spec":{"priorityClassName":"urgent"}}')
    assert roll(lab, high).failure is None
    short = {**low, "timeouts": {"scheduled": "3s", "ready": "3s"}}
    evicted = "low worker engine 0: its gang ran and was evicted at "
    lost = "delete its leader pod low-worker-0: LWS makes the engine anew, with a PodGroup"

    def ask() -> str:
        """LWS loses the PodGroup of an engine that comes back at once (F88): what we then tell is done."""
        text = str(roll(lab, short).failure)
        if lost in text:
            lab.kubectl("delete", "pod", "-n", namespace, "low-worker-0")
        return text

    told = until(ask, lambda text: "gangs of higher priority" in text)
    assert evicted in told
    assert "Volcano says: Pod is evicted, because of preempt" in told
    assert f"gangs of higher priority that run: {namespace}/high-worker-0-" in told
