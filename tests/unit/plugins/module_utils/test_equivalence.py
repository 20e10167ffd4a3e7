# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our native pods against what the Dynamo operator made of the same engines; docs/targets.md lists what differs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.cluster import misnamed
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import facts

from tests.unit.plugins.module_utils.inputs import by_kind, component, main, native, values, workload

ROOT = Path(__file__).resolve().parents[4]
UPSTREAM = Path(os.environ.get("MULTINODE_UPSTREAM") or ROOT.parent / "shared" / "upstream")
RECORDINGS = UPSTREAM / "recordings"
DOC = ROOT / "docs" / "targets.md"
pytestmark = [
    pytest.mark.upstream,
    pytest.mark.skipif(not UPSTREAM.is_dir(), reason="not run: no upstream data (MULTINODE_UPSTREAM)"),
]
# What the orchestrators put into every container, for a leader and for the first worker of the first engine.
LWS = {"LWS_LEADER_ADDRESS": "lws-0.lws.ns", "LWS_GROUP_SIZE": "2"}
GROVE = {"GROVE_PCSG_INDEX": "0", "GROVE_HEADLESS_SERVICE": "set-0.ns.svc.cluster.local", "GROVE_PCLQ_POD_INDEX": "0"}
VARIABLES = {
    "lws": ({**LWS, "LWS_WORKER_INDEX": "0"}, {**LWS, "LWS_WORKER_INDEX": "1"}),
    "grove": (GROVE, GROVE),
}
# Grove names the pods <set>-0-<group>-0-<clique>-<number>.
GROUPS = {"recorded": "set-0-decode", "ours": "set-0-engine"}
LEADERS = {"recorded": "set-0-decode-0-decode-ldr-0", "ours": "set-0-engine-0-ldr-0"}
POD_IP = "10.0.0.7"


@cache
def read(path: str) -> Any:
    return json.loads((RECORDINGS / path).read_text())


def argv(container: dict[str, Any], variables: dict[str, str]) -> list[str]:
    """The arguments that the program gets, expanded by Kubernetes and then by the shell, if there is one."""
    variables = {**variables, "POD_IP": POD_IP}

    def expanded(text: str) -> str:
        return re.sub(r"\$\((\w+)\)", lambda found: variables.get(found.group(1), found.group(0)), text)

    command, args = ([expanded(word) for word in container[key]] for key in ("command", "args"))
    if not command[0].endswith("sh"):
        return args
    if len(command) == 2:  # the operator's: everything in one string
        command = [*command, re.sub(r"^exec python3 -m dynamo\.\w+", r"printf '%s\\n'", args[0])]
        args = []
    else:  # ours: the program behind the script, and the arguments behind it
        command = [*command[:3], "printf", "%s\n"]
    told = subprocess.run(
        [*command, *args], env={**variables, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True, text=True
    )
    return told.stdout.splitlines()


def coordination(backend: str, container: dict[str, Any], variables: dict[str, str]) -> dict[str, str | None]:
    """What binds the ranks together, and their degrees."""
    spelling = BACKENDS[backend]
    found = values(argv(container, variables))
    kept = {
        flag: value
        for flag, value in found.items()
        if flag in spelling.coordination_flags or flag in spelling.degree_flags
    }
    if kept.get("--tensor-parallel-size") == "1":
        del kept["--tensor-parallel-size"]  # the default, which users leave out
    return kept


def recorded(orchestrator: str, variant: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(leader's, worker's) container."""
    if variant == "sglang-2x8":
        found = read("05-cmd-sglang-2x8/pod-commands.json")
        pods = {pod["role"]: pod["containers"][0] for pod in found.values()}
        return pods["ldr"], pods["wkr"]
    found = read(f"05b-injection-variants-{orchestrator}/001-variants.json")[variant]
    names = ("decode-ldr", "decode-wkr") if orchestrator == "grove" else ("leaderTemplate", "workerTemplate")
    return found[names[0]], found[names[1]]


def ours(orchestrator: str, backend: str = "vllm", **parallelism: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(leader's, worker's) pod template."""
    raw = workload(component(parallelism=parallelism), backend=backend)
    if orchestrator == "lws":
        group = by_kind(native(raw), "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
        return group["leaderTemplate"], group["workerTemplate"]
    template = by_kind(native(raw, orchestrator="grove", scheduler="kai"), "PodCliqueSet")["spec"]["template"]
    leader, worker = ({"spec": clique["spec"]["podSpec"]} for clique in template["cliques"])
    return leader, worker


def both(
    orchestrator: str, variant: str, backend: str = "vllm", **parallelism: Any
) -> list[tuple[dict[str, str | None], dict[str, str | None]]]:
    """(the operator's, ours) for the leader and the worker, the leader's address called LEADER."""
    answers = []
    pods = ours(orchestrator, backend, **parallelism)
    for role, (theirs, own) in enumerate(zip(recorded(orchestrator, variant), pods, strict=True)):
        pair = []
        for side, container in (("recorded", theirs), ("ours", main(own))):
            variables = {**VARIABLES[orchestrator][role], "GROVE_PCSG_NAME": GROUPS[side]}
            address = variables.get("LWS_LEADER_ADDRESS") or f"{LEADERS[side]}.{GROVE['GROVE_HEADLESS_SERVICE']}"
            flags = coordination(backend, container, variables)
            pair.append({flag: value and value.replace(address, "LEADER") for flag, value in flags.items()})
        answers.append((pair[0], pair[1]))
    return answers


@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
@pytest.mark.parametrize(
    ("variant", "parallelism"), [("tp16-long", {"tensor": 16}), ("tp8-pp2", {"strategy": "tensor_pipeline"})]
)
def test_vllm_over_machines_is_launched_as_the_operator_does(
    orchestrator: str, variant: str, parallelism: dict[str, Any]
) -> None:
    for theirs, own in both(orchestrator, variant, **parallelism):
        assert own == theirs
        assert own["--master-addr"] == "LEADER"


@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
def test_sglang_over_machines_is_launched_as_the_operator_does(orchestrator: str) -> None:
    variant = "sglang-2x8" if orchestrator == "grove" else "sglang-user-nnodes"
    for rank, (theirs, own) in enumerate(both(orchestrator, variant, "sglang")):
        assert own == theirs
        assert (own["--dist-init-addr"], own["--node-rank"]) == ("LEADER:29500", str(rank))


@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
@pytest.mark.parametrize(("variant", "tensor", "data"), [("tp1-dp16", 1, 16), ("tp8-dp2", 8, 2)])
def test_vllm_data_parallel_differs_where_there_is_one_server(
    orchestrator: str, variant: str, tensor: int, data: int
) -> None:
    """With Dynamo each machine has a server of its own; natively the leader has the only one."""
    (their_leader, leader), (their_worker, worker) = both(
        orchestrator, variant, strategy="data", tensor=tensor, data=data, expert=1
    )
    without = {"--data-parallel-hybrid-lb"}
    assert leader == {
        **{flag: value for flag, value in their_leader.items() if flag not in without | {"--data-parallel-start-rank"}},
        "--data-parallel-address": POD_IP,
    }
    assert their_leader["--data-parallel-start-rank"] == "0"
    assert worker == {
        **{flag: value for flag, value in their_worker.items() if flag not in without},
        "--headless": None,
    }
    told = DOC.read_text()
    for flag in ("--data-parallel-hybrid-lb", "--data-parallel-start-rank 0", "--data-parallel-address", "--headless"):
        assert f"`{flag}" in told


@pytest.mark.parametrize("orchestrator", ["grove", "lws"])
def test_resources_are_those_of_the_recorded_pods(orchestrator: str) -> None:
    pods = read("05-cmd-vllm-2x8/pod-commands.json").values()
    expected = [pod["containers"][0]["resources"] for pod in pods if pod["role"] in ("ldr", "wkr")]
    assert [main(pod)["resources"] for pod in ours(orchestrator)] == expected


def test_the_operators_environment_is_dynamos_own() -> None:
    """What we leave out is of Dynamo's runtime, which native engines do not run; the rest is Grove's, also natively."""
    pods = read("05-cmd-vllm-2x8/pod-commands.json").values()
    theirs = {entry["name"] for pod in pods if pod["role"] == "ldr" for entry in pod["containers"][0]["env"]}
    groves = {name for name in theirs if name.startswith("GROVE_")}
    listed = read("grove-main/25-native-podcliqueset/002-ready-pods.json")["items"]
    assert {entry["name"] for pod in listed for entry in pod["spec"]["containers"][0]["env"]} == groves
    families = ("DYN_", "NIXL_", "POD_", "VLLM_NIXL_")
    assert sorted(name for name in theirs - groves if not name.startswith(families)) == []
    told = DOC.read_text()
    assert [family for family in families if f"`{family}*`" not in told] == []


def gang(template: dict[str, Any], leader: str, worker: str) -> dict[str, Any]:
    cliques = {clique["name"]: clique for clique in template["cliques"]}
    group = next(found for found in template["podCliqueScalingGroups"] if leader in found["cliqueNames"])
    return {
        "startup": template["cliqueStartupType"],
        "dns": template["headlessServiceConfig"],
        "engines": (group["replicas"], group["minAvailable"], len(group["cliqueNames"])),
        "ranks": [(cliques[n]["spec"]["replicas"], cliques[n]["spec"]["minAvailable"]) for n in (leader, worker)],
        "queues": [cliques[name]["labels"]["kai.scheduler/queue"] for name in (leader, worker)],
        "schedulers": [cliques[name]["spec"]["podSpec"]["schedulerName"] for name in (leader, worker)],
    }


def test_the_gang_on_grove_is_the_operators() -> None:
    found = read("05-cmd-vllm-2x8/002-ready.json")["objects"]["grove.io/v1alpha1/podcliquesets"][0]
    own = by_kind(native(workload(), orchestrator="grove", scheduler="kai"), "PodCliqueSet")
    assert gang(own["spec"]["template"], "ldr", "wkr") == gang(found["spec"]["template"], "decode-ldr", "decode-wkr")


def test_the_gang_on_grove_is_that_of_the_native_recording() -> None:
    """Which became two whole gangs, one rank per machine and one rack per engine (observed.md 30)."""
    text = (RECORDINGS / "grove-main" / "25-native-podcliqueset" / "001-input.yaml").read_text()
    found = yaml.safe_load(text)["spec"]["template"]
    raw = workload(component(replicas=2), topology={"pack": "rack"})
    own = by_kind(native(raw, orchestrator="grove", scheduler="kai"), "PodCliqueSet")["spec"]["template"]
    assert gang(own, "ldr", "wkr") == gang(found, "ldr", "wkr")
    for theirs, ours_ in zip(found["cliques"], own["cliques"], strict=True):
        terms = json.dumps(ours_["spec"]["podSpec"]["affinity"], sort_keys=True)
        labels = {"dynamo.multinode/component": "engine", "dynamo.multinode/workload": "llama"}
        # The recording selects by Grove's own label, which is the set's; ours are on the pods in the same way.
        terms = terms.replace(json.dumps(labels, sort_keys=True), json.dumps({"app.kubernetes.io/part-of": "llm"}))
        assert terms == json.dumps(theirs["spec"]["podSpec"]["affinity"], sort_keys=True)
        assert ours_["labels"].items() >= labels.items()


def test_the_gang_on_leaderworkersets_is_the_operators() -> None:
    found = read("10c-lws-volcano-scheduler/003-ready.json")["objects"]
    theirs = next(items[0]["spec"] for kind, items in found.items() if kind.endswith("leaderworkersets"))
    own = by_kind(native(workload()), "LeaderWorkerSet")["spec"]

    def shape(spec: dict[str, Any]) -> dict[str, Any]:
        group = spec["leaderWorkerTemplate"]
        return {
            "startup": spec["startupPolicy"],
            "replicas": spec["replicas"],
            "restart": group["restartPolicy"],
            "size": group["size"],
            "schedulers": [group[k]["spec"]["schedulerName"] for k in ("leaderTemplate", "workerTemplate")],
        }

    assert shape(own) == shape(theirs)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [("010-binding-created", {"racks": False}), ("028-rackext-ready", {"racks": False, "racks-ext": True})],
)
def test_f56_recorded_bindings(snapshot: str, expected: dict[str, bool]) -> None:
    """One that makes KAI's Topology itself, and one that refers to another: Grove calls both in sync."""
    listed = read(f"grove-main/09-topology/{snapshot}.json")["objects"]["grove.io/v1alpha1/clustertopologybindings"]
    found = [facts._binding(item) for item in listed]
    assert {binding["name"]: misnamed(binding) for binding in found} == expected
    assert {binding["in_sync"] for binding in found} == {True}
    for binding in found:
        told = {"apis": {}, "nodes": [], "components": {}, "topology_bindings": [binding]}
        plan = native(workload(topology={"pack": "rack"}), orchestrator="grove", scheduler="kai", facts=told)
        used = plan.workloads[0].binding
        assert (used is None) == expected[binding["name"]]
        assert [f.subject for f in plan.findings if f.id == "MN-F56"] == ([] if used else ["inference/llama"])
