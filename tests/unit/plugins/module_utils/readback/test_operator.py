# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the operator injects, beyond what is recorded: its other branches, quoting, versions, refusals."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import provider_of, read
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.operator import EXECUTOR, ORIGIN
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.quoting import double_quoted, single_quoted

from tests.unit.plugins.module_utils.readback.given import (
    SGLANG,
    SHELL,
    TP16,
    TRTLLM,
    VLLM,
    alpha,
    dgd,
    engine,
    lws,
    one,
)


@pytest.mark.parametrize("word", ["a", "a b", 'a"b', "a'b", "a\\b", "$HOME", "`x`", '{"a": [1]}', "!x", ""])
def test_quoted_words_survive_a_shell(word: str) -> None:
    assert shlex.split(single_quoted(word)) == [word]
    # The operator leaves an empty word out, and quotes a single quote for the bash -c '...' around it.
    if word and "'" not in word and "`" not in word and "$" not in word:
        assert shlex.split(double_quoted(word)) == [word]


def test_double_quotes() -> None:
    assert double_quoted("a'$b`") == '"a\'"\'"\'\\$b\\`"'


@pytest.mark.parametrize(
    ("annotations", "version", "branch"),
    [
        ({}, None, "mp"),
        ({EXECUTOR: "ray"}, None, "ray"),
        ({EXECUTOR: "MP", ORIGIN: "0.9.0"}, None, "mp"),
        ({EXECUTOR: "other", ORIGIN: "0.9.1"}, None, "ray"),
        ({ORIGIN: "1.0.0-rc1"}, None, "mp"),
        ({}, "0.9.0", "ray"),
        ({ORIGIN: "main"}, None, "ray"),
    ],
)
def test_multiprocessing_or_ray(annotations: dict[str, str], version: str | None, branch: str) -> None:
    back = read(dgd(engine(*TP16), meta={"annotations": annotations}), operator_version=version)
    assert back.components[0].operator.branch == branch


def test_the_pods_own_annotation_wins() -> None:
    part = engine(*TP16)
    part["podTemplate"]["metadata"] = {"annotations": {EXECUTOR: "ray"}}
    back = read(dgd(part, meta={"annotations": {EXECUTOR: "mp"}}))
    assert back.components[0].operator.branch == "ray"


def test_ray_loses_its_flag_in_a_nested_shell() -> None:
    script = "python3 -m dynamo.vllm --tensor-parallel-size 16"
    part = engine(script, command=SHELL)
    (found,) = read(dgd(part, meta={"annotations": {EXECUTOR: "ray"}})).components
    assert found.leader.args == (
        f'ray start --head --port=6379 && /bin/sh -c "{script}" --distributed-executor-backend ray',
    )
    assert found.worker.probes == ()
    assert found.worker.args[0].startswith("ray start --address=$(GROVE_PCSG_NAME)")


def test_elastic_expert_parallel_gets_a_ray_cluster() -> None:
    args = ("--enable-elastic-ep", "--data-parallel-size", "2", "--json", '{"a": 1}')
    found = one(*args, gpus=3)
    assert found.operator.branch == "elastic"
    assert found.leader.args[0].endswith(
        "done && python3 -m dynamo.vllm --enable-elastic-ep --data-parallel-size 2 --json '{\"a\": 1}'"
    )
    assert found.worker.args[0].endswith(":6379 --block")
    assert "http://$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-decode-ldr-0" in found.worker.args[0]


def test_data_parallel_flags_only_where_they_are_missing() -> None:
    assert "--data-parallel-size" not in one("--data-parallel-size", "16").injected_leader
    # The last of two is not read; the first that is a number is.
    args = ("--data-parallel-size", "x", "--data-parallel-size", "16")
    assert one(*args).operator.data == 16


@pytest.mark.parametrize("value", ["$(TP)", "x", "16.0", '"16"'])
def test_what_is_no_integer_is_one(value: str) -> None:
    assert one("--tensor-parallel-size", value).operator.tensor == 1


def test_a_flag_at_the_end_has_no_value() -> None:
    assert one("--tensor-parallel-size").operator.tensor == 1


@pytest.mark.parametrize("python", ["python", "python3.11", "/opt/venv/bin/python3"])
def test_every_python_is_appended_to(python: str) -> None:
    found = one(*TP16, command=(python, "-m", "dynamo.vllm"))
    assert found.leader.command[0] == python
    assert found.leader.args[-2:] == ("--node-rank", "0")


def test_the_first_argument_that_changes_wins() -> None:
    first, second = "echo start", "python3 -m dynamo.sglang --tp 16 && python3 -m dynamo.sglang"
    found = one(first, second, command=SHELL)
    assert found.leader.args[0] == first
    assert found.leader.args[1].count("--dist-init-addr") == 2


def test_dynamo_1_6_wires_by_its_own_variables() -> None:
    found = one(*TP16, version="1.6.1")
    assert found.leader.args[-6:] == (
        *("--master-addr", "$(DYNAMO_LEADER_ADDRESS)", "--master-port", "29500", "--node-rank", "0"),
    )
    assert found.worker.command == VLLM
    assert found.worker.args[-3:] == ("--node-rank", "$(DYNAMO_RANK)", "--headless")
    # A deployment that an older operator made keeps its wiring.
    old = read(dgd(engine(*TP16), meta={"annotations": {ORIGIN: "1.5.0"}}), operator_version="1.6.1").components[0]
    assert "GROVE_PCSG_NAME" in " ".join(old.leader.args)


def roles(*names: str, **over: object) -> dict[str, object]:
    def template(*args: str) -> dict[str, object]:
        return {"spec": {"containers": [{"name": "main", "command": [*VLLM], "args": [*args]}]}}

    part = engine()
    part["roles"] = [{"name": name, "podTemplate": template("--own", name)} for name in names]
    del part["podTemplate"]
    part.update(over)
    return part


def test_nothing_is_injected_into_templates_of_one_role() -> None:
    (found,) = read(dgd(roles("leader", "worker"))).components
    assert found.operator.branch == "roles"
    assert (found.leader.args, found.worker.args) == (("--own", "leader"), ("--own", "worker"))
    assert found.injected_leader == found.injected_worker == ()
    (only,) = read(dgd(roles("leader"))).components
    assert only.worker.args == ("--own", "leader")


@pytest.mark.parametrize("role", ["frontend", "epp", "planner", ""])
def test_other_roles_are_not_wired(role: str) -> None:
    found = one(*TP16, type=role)
    assert (found.operator.branch, found.injected_leader, found.backend) == ("none", (), "")
    assert found.worker.args == TP16


def test_the_backend_must_be_the_one_that_is_named() -> None:
    (found,) = read(dgd(engine(*TP16), backendFramework="sglang")).components
    assert found.errors == (
        'backend framework mismatch: detected "vllm" from command but explicitly configured as "sglang"',
    )
    assert (found.leader, found.worker, found.injected_leader, found.injected_worker) == (None, None, (), ())
    assert found.backend == "vllm"


def test_two_backends() -> None:
    script = "python3 -m dynamo.vllm & python3 -m dynamo.sglang"
    (found,) = read(dgd(engine(script, command=SHELL))).components
    assert "multiple backend frameworks" in found.errors[0]
    (named,) = read(dgd(engine(script, command=SHELL), backendFramework="sglang")).components
    assert (named.errors, named.backend) == ((), "sglang")


def test_an_unknown_engine_that_is_refused_is_the_one_that_is_named() -> None:
    (found,) = read(dgd(engine(command=("/run.sh",)), backendFramework="vllm"), provider="lws").components
    assert (found.backend, found.errors) == ("vllm", ("container Args cannot be empty for LWS pod",))


def test_trtllm_exports_the_users_variables_and_quotes_arguments() -> None:
    args = ("--override-engine-args", '{"a": 1}')
    part = engine(*args, command=TRTLLM, main={"env": [{"name": "MINE", "value": "1"}]})
    (found,) = read(dgd(part, env=[{"name": "ALSO_MINE", "value": "1"}])).components
    assert " -x ALSO_MINE -x CPATH " in found.leader.args[0]
    assert " -x MINE -x MODEL_PATH " in found.leader.args[0]
    assert found.leader.args[0].endswith('dynamo.trtllm --override-engine-args "{\\"a\\": 1}"\'')
    assert found.injected_leader == ("mpirun",)


def test_trtllm_without_arguments_launches_its_command() -> None:
    (found,) = read(dgd(engine(command=("/run.sh",)), backendFramework="trtllm")).components
    assert found.leader.args[0].endswith("bash -c 'trtllm-llmapi-launch /run.sh'")


def test_init_containers_stay() -> None:
    found = one(*TP16, pod={"initContainers": [{"name": "mine"}]})
    assert found.leader.init_containers == ("mine",)
    assert found.worker.init_containers == ("mine", "wait-for-leader-mp")


def test_workers_wait_wherever_multiprocessing_is_asked_for() -> None:
    found = one("--distributed-executor-backend=mp", "-tp", "16")
    assert found.worker.init_containers == ("wait-for-leader-mp",)


def test_one_machine_is_left_alone() -> None:
    found = one("--tensor-parallel-size", "8", nodes=1)
    assert found.leader.args == ("--tensor-parallel-size", "8")
    assert len(found.leader.probes) == 3
    assert found.worker is None


@pytest.mark.parametrize(
    ("value", "provider"), [("false", "lws"), ("False", "lws"), ("no", "grove"), ("", "grove"), (False, "lws")]
)
def test_only_false_takes_a_deployment_off_grove(value: object, provider: str) -> None:
    manifest = dgd(engine(), meta={"annotations": {"nvidia.com/enable-grove": value}})
    assert provider_of(manifest) == provider


def test_the_kind_says_the_provider() -> None:
    assert provider_of(lws()) == "lws"
    assert provider_of({"kind": "PodCliqueSet"}, "lws") == "grove"


def test_v1alpha1() -> None:
    service = {
        "componentType": "worker",
        "subComponentType": "prefill",
        "replicas": "3",
        "multinode": {"nodeCount": "4"},
        "annotations": {EXECUTOR: "ray"},
        "extraPodMetadata": {"annotations": {EXECUTOR: "mp"}},
        "readinessProbe": {},
        "resources": {"limits": {"gpu": "4", "cpu": "1", "custom": {"rdma/ib": "4"}}, "claims": [{"name": "x"}]},
        "envs": [{"name": "N", "value": 16}],
        "extraPodSpec": {"mainContainer": {"command": [*SGLANG], "args": ["--tp", "$(N)", "--port", 8000]}},
    }
    (found,) = read(alpha(prefill=service)).components
    assert (found.name, found.role, found.replicas, found.node_count, found.gpus_per_node) == (
        *("prefill", "prefill", 3, 4, 4),
    )
    assert (found.backend, found.engine.tensor) == ("sglang", 16)
    assert found.part.annotations == {EXECUTOR: "mp"}
    assert found.part.template.raw["resources"]["limits"] == {"cpu": "1", "nvidia.com/gpu": "4", "rdma/ib": "4"}
    assert read(alpha(a={"componentType": "worker", "subComponentType": "other"})).components[0].role == "worker"
    short = {"resources": {"limits": {"gpu": "1", "gpuType": "amd.com/gpu"}}}
    assert read(alpha(a=short)).components[0].gpus_per_node == 1
