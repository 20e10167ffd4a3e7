# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Engines whose ranks all have machines, and do not start: which rank, and its last words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.causes import words
from ansible_collections.dynamo.multinode.plugins.module_utils.causes.case import Diagnosis
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import diagnose, serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.diagnose import diagnose_all, explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.serving import Pending, Serving
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.slices import Waited
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.snapshot import Log, Snapshot
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Network

from tests.unit.plugins.module_utils.recorded import engine_objects, event, lws, node, queue, snapshot, workload

NODES = [node(f"n{i}", rack=f"r{i // 2}") for i in range(2)]
RUNS: dict[str, Any] = {"name": "main", "ready": False, "restartCount": 0, "state": {"running": {}}}
CRASHED: dict[str, Any] = {
    "name": "main",
    "ready": False,
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}
KILLED: dict[str, Any] = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}


def engine(*statuses: dict[str, Any], ready: bool = False) -> list[dict[str, Any]]:
    """Bound ranks with these container statuses; {}: none yet."""
    objects = engine_objects("llama-worker", ["n0", "n1"], ready=ready)
    for made, status in zip(objects, statuses, strict=False):
        made["status"]["containerStatuses"] = [dict(status)] if status else []
    return [lws("llama-worker"), *objects]


def seen(*objects: dict[str, Any], **logs: str) -> Snapshot:
    """With the logs of ranks: r0="...", and of the run before the present one: p0="..."."""
    pods = {"0": "llama-worker-0", "1": "llama-worker-0-1"}
    read = {Log("inference", pods[key[1]], "main", key[0] == "p"): text for key, text in logs.items()}
    return dataclasses.replace(snapshot(*NODES, queue(), *objects), logs=read)


# -- what fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "remedy"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling"}}, "image": "x:1"},
            "image x:1 cannot be pulled (ImagePullBackOff: Back-off pulling)",
            "image_pull_secrets",
        ),
        (
            {**CRASHED, "lastState": {"terminated": {"exitCode": 1, "message": "Traceback\nNCCL error: unhandled"}}},
            "container main exits with code 1, 4 restarts: NCCL error: unhandled",
            "kubectl logs -n inference llama-worker-0-1 --previous -c main",
        ),
        (
            {"name": "main", "state": {"terminated": {"exitCode": 2}}},
            "container main exits with code 2, 0 restarts",
            "kubectl logs -n inference llama-worker-0-1 -c main",
        ),
        ({"name": "main", **KILLED, "state": {}}, "container main was killed for lack of memory", "resources.memory"),
        ({**CRASHED, **KILLED}, "container main was killed for lack of memory", "resources.memory"),
        (
            {
                "name": "main",
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "hf" not found'}},
            },
            'container main cannot be created (CreateContainerConfigError: secret "hf" not found)',
            "Secret",
        ),
    ],
)
def test_f84_a_container_that_does_not_come_up(status: dict[str, Any], said: str, remedy: str) -> None:
    found = explain(workload(), seen(*engine({}, status)))
    assert found.details["id"] == "MN-F84"
    assert f"rank 1 (llama-worker-0-1 on n1): {said}" in found.cause
    assert remedy in found.remedy


def test_f84_what_is_wrong_now_comes_before_what_was_wrong_once() -> None:
    pulls = {"name": "main", "image": "x:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    again = {**RUNS, **KILLED, "restartCount": 1}
    for ready in (True, False):
        objects = engine({**again, "ready": ready}, pulls, ready=ready)
        objects[2]["status"]["conditions"] = []
        found = explain(workload(), seen(*objects))
        assert "rank 1 (llama-worker-0-1 on n1): image x:1 cannot be pulled" in found.cause
    assert (
        "rank 0 (llama-worker-0 on n0): container main was killed"
        in explain(workload(), seen(*engine(again, RUNS))).cause
    )


def test_f84_an_init_container_that_failed_once_and_is_done_is_well() -> None:
    objects = engine(RUNS, RUNS)
    done = {"name": "init", "state": {"terminated": {"exitCode": 0}}, "lastState": {"terminated": {"exitCode": 1}}}
    objects[1]["status"]["initContainerStatuses"] = [done]
    assert explain(workload(), seen(*objects)).details["id"] == "MN-F100"


MOUNT = event("llama-worker-0-1", "FailedMount", 'persistentvolumeclaim "models" not found')


@pytest.mark.parametrize(
    "status", [{}, {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}, {"name": "main"}]
)
def test_f84_a_volume_that_cannot_be_mounted(status: dict[str, Any]) -> None:
    found = explain(workload(), seen(*engine({}, status), MOUNT))
    assert found.details["id"] == "MN-F84"
    assert 'persistentvolumeclaim "models" not found' in found.cause


def test_a_volume_that_could_not_be_mounted_at_first_is_no_cause_while_its_container_runs() -> None:
    assert explain(workload(), seen(*engine(RUNS, RUNS), MOUNT)).details["id"] == "MN-F100"


def test_f84_the_event_of_an_earlier_pod_of_that_name_does_not_count() -> None:
    old = event("llama-worker-0-1", "FailedMount", "not found")
    old["involvedObject"]["uid"] = "another"
    assert explain(workload(), seen(*engine({}, {}), old)).details["id"] == "MN-F100"


@pytest.mark.parametrize("reason", ["UnexpectedAdmissionError", "Evicted"])
def test_f84_a_pod_that_its_machine_turned_away(reason: str) -> None:
    objects = engine(RUNS, {})
    message = "Allocate failed due to requested number of devices unavailable. Requested: 8, Available: 7"
    objects[2]["status"] = {"phase": "Failed", "reason": reason, "message": message}
    found = explain(workload(), seen(*objects))
    assert found.details["id"] == "MN-F84"
    assert f"rank 1 (llama-worker-0-1 on n1): the pod has failed ({reason}: {message})" in found.cause
    assert "delete the pod" in found.remedy


def test_f100_running_and_not_ready_is_called_starting() -> None:
    found = explain(workload(), seen(*engine({}, {})))
    assert found.details["id"] == "MN-F100"
    assert "0 (llama-worker-0 on n0), 1 (llama-worker-0-1 on n1) is bound and not ready yet" in found.cause


def test_f100_a_rank_that_is_ready_is_not_among_those_that_are_waited_for() -> None:
    objects = engine({}, RUNS, ready=True)
    objects[2]["status"]["conditions"] = []
    old = event("llama-worker-0", "FailedMount", "not found")
    found = explain(workload(), seen(*objects, old))
    assert "rank 1 (llama-worker-0-1 on n1) is bound and not ready yet" in found.cause


# -- last words --------------------------------------------------------------------------------------------------


def test_the_last_words_of_a_container_are_in_its_log() -> None:
    """No renderer lets the kubelet copy a log into terminated.message."""
    first = explain(workload(), seen(*engine(RUNS, CRASHED)))
    assert first.logs == (Log("inference", "llama-worker-0-1", "main", previous=True),)
    log = "loading\nRuntimeError: CUDA out of memory\n[rank9] resource_tracker: 1 leaked object\n"
    found = explain(workload(), seen(*engine(RUNS, CRASHED), p1=log))
    assert found.cause.endswith("exits with code 1, 4 restarts: RuntimeError: CUDA out of memory")
    assert found.logs == ()


def test_what_still_runs_is_quoted_with_its_last_line() -> None:
    first = explain(workload(), seen(*engine(RUNS, RUNS)))
    assert [log.pod for log in first.logs] == ["llama-worker-0", "llama-worker-0-1"]
    log = "Error: retrying\nLoading safetensors:  1%\rLoading safetensors: 40%\n"
    found = explain(workload(), seen(*engine(RUNS, RUNS), r0=log, r1=""))
    assert found.cause.endswith("is bound and not ready yet; its log ends: Loading safetensors: 40%")
    assert "timeouts.ready" in found.remedy


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31mValueError: no\x1b[0m", "ValueError: no"),
        ("OSError: 401 for https://me:pw@hub/x", "OSError: 401 for https://***@hub/x"),
        ("OSError: Authorization: Bearer abcdefgh.ijkl", "OSError: Authorization: Bearer ***"),
        ("KeyError: HF_TOKEN=hf_abcdefghijkl", "KeyError: HF_TOKEN=***"),
        ("invalid token hf_abcdefghijkl, error: x", "invalid token ***, error: x"),
        ('Exception: {"password": "hunter2"}', 'Exception: {"password": "***"}'),
        ("ValueError: max_num_batched_tokens=8192 is less", "ValueError: max_num_batched_tokens=8192 is less"),
        ("ValueError: tokenizer: not found", "ValueError: tokenizer: not found"),
        ("Error " + "x" * 400, "Error " + "x" * 290 + " ..."),
        ("\n \n", ""),
    ],
)
def test_words_are_fit_to_be_shown(said: str, shown: str) -> None:
    assert words.last(said) == shown


# -- ranks that do not meet, and known hangs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "[rank8] Warning: Unable to resolve hostname to a (local) address. Using the loopback address as fallback.",
        "RuntimeError: Gloo connectFullMesh failed with [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:144]",
        "[enforce fail at gloo/transport/tcp/device.cc:84] ifa != nullptr. Unable to find address for: ^lo",
        "x:1:2 [0] NCCL INFO NET/Socket : Using [0]lo:127.0.0.1<0>",
        "x:1:2 [0] NCCL INFO Bootstrap : Using docker0:172.17.0.1<0>",
        "x:1:2 [0] misc/socket.cc:484 NCCL WARN socketStartConnect: Connect to 10.1.2.3<42> failed : No route to host",
    ],
)
@pytest.mark.parametrize("status", [RUNS, CRASHED])
def test_f98_ranks_that_meet_on_the_wrong_interface(line: str, status: dict[str, Any]) -> None:
    plan, objects = workload(), engine(RUNS, status)
    read = {"r1" if status is RUNS else "p1": f"Init torch distributed begin.\n{line}\nEngineCore failed to start.\n"}
    assert explain(plan, seen(*objects)).logs[-1] in seen(**read).logs, "that very log is asked for"
    found = explain(plan, seen(*objects, **read))
    assert found.details["id"] == "MN-F98"
    assert found.cause.endswith(f"rank 1 (llama-worker-0-1 on n1) does not meet the others on the network: {line}")
    assert found.remedy.startswith("set network.socket_interface to one name")


def test_f98_the_interface_that_is_named_is_told() -> None:
    plan = workload()
    plan = dataclasses.replace(
        plan, workload=dataclasses.replace(plan.workload, network=Network(socket_interface="^lo,docker"))
    )
    found = explain(plan, seen(*engine(RUNS, RUNS), r0="NCCL WARN Bootstrap : no socket interface found"))
    assert found.remedy.startswith("network.socket_interface is ^lo,docker: give it one name")


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Uvicorn running on http://127.0.0.1:8000",
        "x:1:2 [0] NCCL INFO NET/Socket : Using [0]eth0:10.0.0.7<0>",
        "x:1:2 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB; OOB eth0:10.0.0.7<0>",
    ],
)
def test_f98_ordinary_lines_are_no_sign_of_it(line: str) -> None:
    assert explain(workload(), seen(*engine(RUNS, RUNS), r0=line, r1=line)).details["id"] == "MN-F100"


def sglang(*args: str, degrees: Degrees | None = None) -> WorkloadPlan:
    plan = workload(backend="sglang", gpus=4, degrees=degrees)
    part = plan.components[0]
    component = dataclasses.replace(part.component, args=args)
    return dataclasses.replace(plan, components=(dataclasses.replace(part, component=component),))


def test_f91_a_hang_that_upstream_knows() -> None:
    found = explain(sglang("--model-path", "x"), seen(*engine(RUNS, RUNS)))
    assert found.details["id"] == "MN-F91"
    assert "sglang is known to hang with tensor parallel 8 over several machines (2)" in found.cause
    assert found.remedy.startswith("add --disable-overlap-schedule to the component's args")
    caught = seen(*engine(RUNS, CRASHED), p1="Watchdog timeout (self.watchdog_last_forward_ct=7)\nKilled\n")
    assert explain(sglang(), caught).cause.startswith("inference/llama worker engine 0: its watchdog ended it")


@pytest.mark.parametrize(
    "plan",
    [
        sglang("--disable-overlap-schedule"),
        sglang(degrees=Degrees(16)),
        sglang(degrees=Degrees(8, data=8, attention_data=True)),
        workload(gpus=4),
    ],
    ids=["with the flag", "TP16", "attention DP", "vllm"],
)
def test_f91_other_shapes_and_those_with_the_flag_are_only_starting(plan: WorkloadPlan) -> None:
    assert explain(plan, seen(*engine(RUNS, RUNS))).details["id"] == "MN-F100"


def test_f91_the_flag_may_be_in_the_pods_alone() -> None:
    objects = engine(RUNS, RUNS)
    objects[1]["spec"]["containers"][0]["args"] = ["--disable-overlap-schedule"]
    assert explain(sglang(), seen(*objects)).details["id"] == "MN-F100"


def test_f91_an_engine_that_says_what_is_wrong_does_not_hang() -> None:
    assert explain(sglang(), seen(*engine(RUNS, CRASHED))).details["id"] == "MN-F84"
    assert explain(sglang(), seen(*engine(RUNS, {}))).details["id"] == "MN-F91"
    assert explain(sglang(), seen(*engine({}, {}))).details["id"] == "MN-F100"


# -- the whole fleet -----------------------------------------------------------------------------------------------


class Cluster:
    """A client over objects; counts what it is asked."""

    def __init__(self, objects: Snapshot, logs: dict[Log, str | int]) -> None:
        self.objects = objects
        self.logs = logs
        self.lists: list[tuple[str, str | None]] = []
        self.asked: list[Log] = []

    def map(self, fn: Any, items: Any) -> list[Any]:
        return [fn(item) for item in items]

    def list(self, api_version: str, kind: str, namespace: str | None = None, **_: Any) -> list[dict[str, Any]]:
        self.lists.append((kind, namespace))
        found = self.objects.objects.get((api_version, kind), ())  # type: ignore[call-overload]
        return [dict(item) for item in found if namespace in (None, item["metadata"].get("namespace"))]

    def log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int, timeout: float
    ) -> str:
        log = Log(namespace, pod, container, previous)
        self.asked.append(log)
        answer = self.logs.get(log, 404)
        if isinstance(answer, int):
            raise ApiError(answer, "", "no log")
        return answer


BEFORE, NOW = (Log("inference", "llama-worker-0-1", "main", previous) for previous in (True, False))


@pytest.mark.parametrize(
    ("logs", "asked", "said"),
    [
        ({BEFORE: "KeyError: 'layers'\n"}, [BEFORE], "4 restarts: KeyError: 'layers'"),
        ({BEFORE: 400, NOW: "KeyError: 'layers'\n"}, [BEFORE, NOW], "4 restarts: KeyError: 'layers'"),
        ({BEFORE: 403}, [BEFORE], "4 restarts"),
        ({}, [BEFORE], "4 restarts"),
        ({BEFORE: 500}, [BEFORE], "4 restarts"),
    ],
)
def test_the_log_that_tells_more_is_read(logs: dict[Log, str | int], asked: list[Log], said: str) -> None:
    cluster = Cluster(seen(*engine(RUNS, CRASHED)), logs)
    (found,) = diagnose_all(cluster, [workload()])
    assert isinstance(found, Diagnosis)
    assert found.cause.endswith(f"container main exits with code 1, {said}")
    assert cluster.asked == asked


def fleet(count: int) -> tuple[list[Pending], Snapshot]:
    """Late workloads, each in a namespace of its own, whose pods do not become ready."""
    plans = [workload(f"w{number}", namespace=f"ns{number}") for number in range(count)]
    objects: list[dict[str, Any]] = []
    pending = []
    for plan in plans:
        name = plan.components[0].object_name
        objects += [lws(name, namespace=plan.namespace)]
        objects += engine_objects(name, ["n0", "n1"], namespace=plan.namespace, ready=False)
        waited = Waited(Ref("v1", "LeaderWorkerSet", plan.namespace, name), 10.0, late=True, reason="0 of 1")
        pending.append(Pending(plan, [waited], 10.0))
    return pending, snapshot(*NODES, queue(), *objects)


def ended(cluster: Cluster, pending: list[Pending], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    monkeypatch.setattr(serving.slices, "watch", lambda *_, **__: 10.0)
    return Serving(cluster, pending).wait()  # type: ignore[arg-type]


def test_the_cluster_is_read_once_for_all_that_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    pending, objects = fleet(20)
    cluster = Cluster(objects, {})
    answers = ended(cluster, pending, monkeypatch)
    assert len(answers) == 20
    assert {answer["answer"]["details"]["id"] for answer in answers.values()} == {"MN-F100"}
    assert len(cluster.lists) == len(set(cluster.lists)) < 10


def test_a_workload_that_cannot_be_judged_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pending, objects = fleet(3)
    real = diagnose.explain

    def unforeseen(plan: WorkloadPlan, *rest: Any) -> Diagnosis:
        if plan.name == "w1":
            raise ValueError("invalid literal: '1k'")
        return real(plan, *rest)

    monkeypatch.setattr(diagnose, "explain", unforeseen)
    answers = ended(Cluster(objects, {}), pending, monkeypatch)
    assert answers["ns0/w0"]["answer"]["details"]["id"] == "MN-F100"
    assert answers["ns2/w2"]["answer"]["details"]["id"] == "MN-F100"
    broken = answers["ns1/w1"]["answer"]
    assert broken["cause"] == "not ready after 0 s: LeaderWorkerSet w1-worker: 0 of 1"
    assert broken["remedy"] == (
        "the cause could not be looked up: ValueError: invalid literal: '1k' (an error of this collection: please "
        "report it)"
    )


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (ApiError(500, "InternalError", "etcd is gone"), "etcd is gone (HTTP 500 InternalError)"),
        (KeyError("items"), "KeyError: 'items' (an error of this collection: please report it)"),
    ],
    ids=["no answer", "unforeseen"],
)
def test_where_the_cluster_cannot_be_read_each_is_told_so(
    problem: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, objects = fleet(2)

    class Silent(Cluster):
        def list(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            raise problem

    answers = ended(Silent(objects, {}), pending, monkeypatch)
    said = f"the cause could not be looked up: {told}"
    assert [answer["answer"]["remedy"] for answer in answers.values()] == [said] * 2
