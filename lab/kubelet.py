# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet for the few pods that the lab really runs: Volcano's, LWS's, and those of stand-ins (lab/operators).

A pod whose image is one of ``programs.IMAGES`` and that a scheduler has bound gets its volumes as files, a token of its
own ServiceAccount (so the charts' RBAC counts), and its program as a local process; the pod's status follows the
process. Everything comes from the objects in the cluster; only addresses and ports are the lab's.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import controlplane, programs
from lab.kube import MERGE, Api, ApiError
from lab.layout import Layout, write_atomically
from lab.processes import Spec

if TYPE_CHECKING:
    from lab.supervisor import Supervisor

IMAGE = re.compile(rf"(?:^|/)({programs.IMAGES})(?:[:@]|$)")
# A watch event that cannot concern us is thrown away before it is parsed: fleets have thousands of pods.
HINT = re.compile(rf'"image":"(?:[^"]*/)?(?:{programs.IMAGES})[:@"]'.encode())
TOKEN_SECONDS = 3607
BUSY_SECONDS, IDLE_SECONDS = 0.15, 2.0
SERVICES_FRESH_SECONDS = 5.0


class NotYet(Exception):
    """A pod has to wait, as it would on a machine: (reason, message) of its container."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Pod:
    """One pod and what the lab made of it."""

    def __init__(self, obj: dict[str, Any], folder: Path) -> None:
        self.obj = obj
        self.folder = folder
        self.token_until = 0.0
        self.launch: programs.Launch | None = None
        self.ports: dict[str, int] = {}
        self.ready = False
        self.reported: Any = None
        self.done = False

    @property
    def namespace(self) -> str:
        return str(self.obj["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def container(self) -> dict[str, Any]:
        found = self.obj["spec"]["containers"][0]
        return found if isinstance(found, dict) else {}

    @property
    def program(self) -> str:
        match = IMAGE.search(str(self.container.get("image", "")))
        return match.group(1) if match else ""

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


class Kubelet:
    """Two threads: one follows the pods, one does the work."""

    def __init__(self, supervisor: Supervisor, layout: Layout, state: dict[str, Any], api: Api) -> None:
        self._supervisor = supervisor
        self._layout = layout
        self._server = controlplane.server(state["ports"])
        self._runtime = layout.runtime(state["id"])
        self._api = api
        self._free = list(state["ports"]["pool"])
        self._pods: dict[str, Pod] = {}
        self._lock = threading.RLock()
        self._gone: list[Pod] = []
        self._changed = threading.Event()
        self._services: list[dict[str, Any]] = []
        self._services_read = 0.0

    def start(self) -> None:
        # What an earlier run left would be taken for valid: certificates above all.
        shutil.rmtree(self._layout.pods, ignore_errors=True)
        for target in (self._follow, self._work):
            threading.Thread(target=target, daemon=True).start()

    # -- which pods there are -----------------------------------------------------------------------------------------
    def _follow(self) -> None:
        while not self._supervisor.stopping.is_set():
            if not self._supervisor.api_up.wait(1.0):
                continue
            try:
                listed = self._api.call("GET", "/api/v1/pods")
                ours = {item["metadata"]["uid"]: item for item in listed.get("items", []) if _matches(item)}
                with self._lock:
                    for uid in set(self._pods) - set(ours):
                        self._forget(uid)
                for item in ours.values():
                    self._see(item)
                self._changed.set()
                query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": 600}
                for line in self._api.lines("/api/v1/pods", query, timeout=620):
                    if HINT.search(line) is None and b'"type":"ERROR"' not in line[:40]:
                        continue
                    self._event(json.loads(line))
            except ApiError:
                time.sleep(0.2)
            except Exception as error:  # pylint: disable=broad-except
                print(f"kubelet: following pods: {error!r}", flush=True)
                time.sleep(1.0)

    def _event(self, event: dict[str, Any]) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(int(obj.get("code", 0)), str(obj.get("message")))
        if not _matches(obj):
            return
        if event["type"] == "DELETED" or obj["metadata"].get("deletionTimestamp"):
            with self._lock:
                self._forget(obj["metadata"]["uid"])
        else:
            self._see(obj)
        self._changed.set()

    def _see(self, obj: dict[str, Any]) -> None:
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            return
        with self._lock:
            pod = self._pods.get(meta["uid"])
            if pod is None:
                self._pods[meta["uid"]] = Pod(obj, self._layout.pods / f"{meta['namespace']}_{meta['name']}")
            else:
                pod.obj = obj

    def _forget(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        self._supervisor.drop(pod.name)
        self._gone.append(pod)

    # -- what is done about them --------------------------------------------------------------------------------------
    def _work(self) -> None:
        while not self._supervisor.stopping.is_set():
            with self._lock:
                pods = [pod for pod in self._pods.values() if pod.obj["spec"].get("nodeName") and not pod.done]
            busy = any(not pod.ready for pod in pods)
            self._changed.wait(BUSY_SECONDS if busy else IDLE_SECONDS)
            self._changed.clear()
            if not self._supervisor.api_up.is_set():
                continue
            for pod in pods:
                try:
                    self._reconcile(pod)
                except ApiError as error:
                    if error.status not in (0, 404, 409):
                        print(f"kubelet: {pod.name}: {error}", flush=True)
                except Exception as error:  # pylint: disable=broad-except
                    print(f"kubelet: {pod.name}: {error!r}", flush=True)
            self._clean()

    def _clean(self) -> None:
        """Remove what gone pods left; here, because only this thread makes it."""
        with self._lock:
            gone, self._gone = self._gone, []
            for pod in gone:
                self._free.extend(pod.ports.values())
        for pod in gone:
            shutil.rmtree(pod.folder, ignore_errors=True)
            shutil.rmtree(self._runtime / str(pod.obj["metadata"]["uid"])[:8], ignore_errors=True)

    def _reconcile(self, pod: Pod) -> None:
        uid = pod.obj["metadata"]["uid"]
        if programs.is_admission_init(pod.container):
            programs.make_admission_secret(self._api, pod.namespace, pod.container)
            self._report(pod, None, "Completed", "")
            pod.done = True
            return
        try:
            self._volumes(pod)
            if pod.launch is None:
                self._prepare(pod)
        except NotYet as wait:
            if pod.launch is not None:
                return  # a Secret that goes away later does not stop a running container
            self._report(pod, None, wait.reason, str(wait))
            return
        assert pod.launch is not None
        self._token(pod)
        with self._lock:
            if uid not in self._pods:
                return
            self._supervisor.want(
                Spec(
                    name=pod.name,
                    argv=pod.launch.argv,
                    env=pod.launch.env,
                    health=pod.launch.health,
                    log=self._layout.logs / f"{_owner(pod.obj)}.log",
                    after=("kube-apiserver",),
                    cwd=pod.folder,
                )
            )
        running = self._supervisor.snapshot(pod.name) or {}
        pod.ready = bool(running.get("pid")) and self._supervisor.checker.healthy(pod.launch.health)
        waiting = "" if running.get("pid") else "CrashLoopBackOff"
        if running.get("exit_code") is None and waiting:
            waiting = "ContainerCreating"
        self._report(pod, running, waiting, f"exit code {running.get('exit_code')}" if waiting else "")

    def _volumes(self, pod: Pod) -> None:
        """Every mounted ConfigMap and Secret as files, brought up to date as a kubelet does; subPath ones never are."""
        volumes = {volume["name"]: volume for volume in pod.obj["spec"].get("volumes", [])}
        for mount in pod.container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            target = self.local_path(pod, mount["mountPath"])
            if "emptyDir" in volume:
                target.mkdir(parents=True, exist_ok=True)
                continue
            sub = mount.get("subPath")
            if sub and target.is_file():
                continue
            files = self._content(pod.namespace, volume)
            if files is None:
                continue
            if sub:
                if sub not in files:
                    raise NotYet("CreateContainerConfigError", f"{mount['name']} has no key {sub}")
                write_atomically(target, files[sub].decode())
                continue
            target.mkdir(parents=True, exist_ok=True)
            for key, data in files.items():
                path = target / key
                if not path.is_file() or path.read_bytes() != data:
                    write_atomically(path, data.decode())

    def _content(self, namespace: str, volume: dict[str, Any]) -> dict[str, bytes] | None:
        if "configMap" in volume:
            kind, name, optional = "configmaps", volume["configMap"]["name"], volume["configMap"].get("optional")
        elif "secret" in volume:
            kind, name, optional = "secrets", volume["secret"]["secretName"], volume["secret"].get("optional")
        else:
            return None
        found = self._api.find(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        if found is None:
            if optional:
                return None
            raise NotYet("ContainerCreating", f'MountVolume.SetUp failed: {kind[:-1]} "{name}" not found')
        data = found.get("data") or {}
        if kind == "secrets":
            return {key: base64.b64decode(value) for key, value in data.items()}
        return {key: value.encode() for key, value in data.items()}

    def local_path(self, pod: Pod, path: str) -> Path:
        """Where the pod's own file system has ``path``; sockets' folders are short, wherever the clone is."""
        volumes = {volume["name"]: volume for volume in pod.obj["spec"].get("volumes", [])}
        for mount in pod.container.get("volumeMounts", []):
            inside = path == mount["mountPath"] or path.startswith(mount["mountPath"].rstrip("/") + "/")
            if inside and "emptyDir" in volumes.get(mount["name"], {}):
                rest = path[len(str(mount["mountPath"])) :].lstrip("/")
                return self._runtime / str(pod.obj["metadata"]["uid"])[:8] / str(mount["name"]) / rest
        return pod.folder / "root" / path.lstrip("/")

    def _prepare(self, pod: Pod) -> None:
        with self._lock:
            wanted = programs.wanted_ports(pod.program)
            if len(self._free) < len(wanted):
                raise NotYet("ContainerCreating", "the lab has no more free ports")
            pod.ports = {name: self._free.pop(0) for name in wanted}
        try:
            pod.launch = programs.launch(
                pod.program,
                pod.container,
                layout=self._layout,
                pod=(pod.namespace, pod.name),
                ports=pod.ports,
                kubeconfig=pod.folder / "kubeconfig",
                local=lambda path: self.local_path(pod, path),
            )
        except programs.Unsupported as error:
            with self._lock:
                self._free.extend(pod.ports.values())
                pod.ports = {}
            raise NotYet("CreateContainerConfigError", str(error)) from error

    def _token(self, pod: Pod) -> None:
        """A token of the pod's ServiceAccount, bound to the pod; clients read the file again before it expires."""
        if time.time() < pod.token_until:
            return
        meta, spec = pod.obj["metadata"], pod.obj["spec"]
        account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        answer = self._api.call(
            "POST",
            f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "expirationSeconds": TOKEN_SECONDS,
                    "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
                },
            },
        )
        token_file = pod.folder / "token"
        write_atomically(token_file, answer["status"]["token"])
        pod.token_until = time.time() + TOKEN_SECONDS / 2
        programs.write_kubeconfig(pod.folder / "kubeconfig", self._server, self._layout.certs / "ca.crt", token_file)

    # -- what the cluster is told -------------------------------------------------------------------------------------
    def _report(self, pod: Pod, running: dict[str, Any] | None, reason: str, message: str) -> None:
        completed = reason == "Completed"
        restarts = (running or {}).get("restarts", 0)
        key = (pod.ready, restarts, reason, message)
        if key == pod.reported:
            return
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        up = bool(running and running.get("pid"))
        if completed:
            phase, done = "Succeeded", {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
            container_state: dict[str, Any] = {"terminated": done}
        elif up:
            phase, container_state = "Running", {"running": {"startedAt": now}}
        else:
            phase = "Running" if restarts else "Pending"
            container_state = {"waiting": {"reason": reason, "message": message}}
        scheduled = [c for c in pod.obj.get("status", {}).get("conditions", []) if c["type"] == "PodScheduled"]
        verdicts = {"Initialized": True, "ContainersReady": pod.ready, "Ready": pod.ready}
        status = {
            "phase": phase,
            "startTime": pod.obj.get("status", {}).get("startTime") or now,
            "hostIP": "10.64.0.1",
            "podIP": _address(pod.obj["metadata"]["uid"]),
            "podIPs": [{"ip": _address(pod.obj["metadata"]["uid"])}],
            "conditions": scheduled
            + [{"type": t, "status": str(v), "lastTransitionTime": now} for t, v in verdicts.items()],
            "containerStatuses": [
                {
                    "name": pod.container["name"],
                    "image": pod.container["image"],
                    "imageID": "",
                    "ready": pod.ready,
                    "started": up,
                    "restartCount": restarts,
                    "state": container_state,
                }
            ],
        }
        self._api.call("PATCH", pod.path + "/status", {"status": status}, content_type=MERGE)
        pod.reported = key

    # -- the network --------------------------------------------------------------------------------------------------
    def local_port(self, address: str, port: int) -> int | None:
        """The local port behind a Service's cluster IP and port; None when no ready pod serves it."""
        if time.monotonic() - self._services_read > SERVICES_FRESH_SECONDS or not self._service(address):
            with self._lock:
                namespaces = {pod.namespace for pod in self._pods.values()}
            try:
                self._services = [
                    item
                    for namespace in namespaces
                    for item in self._api.call("GET", f"/api/v1/namespaces/{namespace}/services").get("items", [])
                ]
                self._services_read = time.monotonic()
            except ApiError:
                pass
        service = self._service(address)
        if service is None:
            return None
        selector = service["spec"].get("selector") or {}
        targets = [item.get("targetPort", item["port"]) for item in service["spec"]["ports"] if item["port"] == port]
        with self._lock:
            for pod in reversed(list(self._pods.values())):
                labels = pod.obj["metadata"].get("labels", {})
                if pod.namespace != service["metadata"]["namespace"] or not pod.ready or pod.launch is None:
                    continue
                if selector and all(labels.get(key) == value for key, value in selector.items()):
                    for target in targets:
                        local = pod.launch.container_ports.get(str(target))
                        if local is not None:
                            return local
        return None

    def _service(self, address: str) -> dict[str, Any] | None:
        return next((item for item in self._services if item["spec"].get("clusterIP") == address), None)


def _matches(obj: dict[str, Any]) -> bool:
    containers = obj["spec"].get("containers") or [{}]
    return IMAGE.search(str(containers[0].get("image", ""))) is not None


def _owner(obj: dict[str, Any]) -> str:
    """The Deployment's name, which is what a log is looked for by."""
    name = str(obj["metadata"]["name"])
    match = re.fullmatch(r"(.+)-[a-z0-9]{5,10}-[a-z0-9]{5}", name)
    return match.group(1) if match else name


def _address(uid: str) -> str:
    digest = hashlib.sha256(uid.encode()).digest()
    return f"10.100.{digest[0]}.{digest[1] % 254 + 1}"
