# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that look at the input alone, named after the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.inputs import component, dynamo_problems, only, problems, workload

AT = "multinode_workloads[0].components.engine"


def with_args(backend: str, *args: str, **over: Any) -> list[Any]:
    return problems(workload(component(args=list(args), **over), backend=backend))


@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_f01_degrees_that_do_not_match_the_gpus(backend: str) -> None:
    problem = only(dynamo_problems(workload(component(parallelism={"tensor": 12}), backend=backend)))
    assert (problem.path, problem.check) == (f"{AT}.parallelism.tensor", "MN-F01")
    assert "2 nodes x 8 GPUs = 16 GPUs per engine" in problem.message
    assert "12, not 16" in problem.message
    assert "what works: tensor 16" in problem.message


@pytest.mark.parametrize(
    ("backend", "args", "index", "words"),
    [
        ("vllm", ["--tensor-parallel-size", "12"], 0, "contradicts the plan: 2 x 8 GPUs = 16"),
        ("vllm", ["--x", "y", "--tensor-parallel-size=16"], 2, "the plan sets tensor 16 already"),
        ("vllm", ["-tp", "16"], 0, "parallelism.tensor"),
        ("vllm", ["--tensor_parallel_size", "16"], 0, "parallelism.tensor"),
        ("vllm", ["--tensor-parallel", "16"], 0, "parallelism.tensor"),
        ("vllm", ["-dp=2"], 0, "parallelism.data"),
        ("vllm", ["--enable-expert-parallel"], 0, "parallelism.expert"),
        ("sglang", ["--tp", "16"], 0, "parallelism.tensor"),
        ("sglang", ["--tp-size", "8"], 0, "contradicts"),
        ("sglang", ["--enable-dp-attention"], 0, "parallelism.data"),
    ],
)
def test_f01_a_degree_set_behind_the_plans_back(backend: str, args: list[str], index: int, words: str) -> None:
    problem = only(with_args(backend, *args))
    assert (problem.path, problem.check) == (f"{AT}.args[{index}]", "MN-F01")
    assert words in problem.message


def test_f01_trtllm_degree_flags() -> None:
    problem = only(dynamo_problems(workload(component(args=["--gpus-per-node", "4"]), backend="trtllm")))
    assert (problem.path, problem.check) == (f"{AT}.args[0]", "MN-F01")


@pytest.mark.parametrize(
    ("config", "parallelism", "path", "words"),
    [
        ({"attention_heads": 40}, {}, "", "40 attention heads"),
        ({"kv_heads": 6}, {"tensor": 16}, ".parallelism.tensor", "6 key and value heads"),
        ({"experts": 100}, {"strategy": "data"}, ".parallelism", "100 experts"),
        ({"layers": 1}, {"strategy": "tensor_pipeline"}, ".parallelism", "layers (1)"),
    ],
)
def test_f01_numbers_of_the_model(config: dict[str, int], parallelism: dict[str, Any], path: str, words: str) -> None:
    own = {"parallelism": parallelism} if parallelism else {}
    problem = only(problems(workload(component(**own), model_config=config)))
    assert (problem.path, problem.check) == (AT + path, "MN-F01")
    assert words in problem.message


def test_f01_numbers_of_the_model_that_fit() -> None:
    config = {"attention_heads": 128, "kv_heads": 8, "experts": 256, "layers": 61}
    assert problems(workload(component(), model_config=config)) == []
    # Attention data parallel: every GPU group holds all heads.
    odd = workload(component(parallelism={"strategy": "data"}), backend="sglang", model_config={"attention_heads": 7})
    assert problems(odd) == []


@pytest.mark.parametrize("command", [["sh", "-c"], ["/bin/bash", "-lc"]])
def test_f02_a_shell_hides_the_arguments(command: list[str]) -> None:
    problem = only(problems(workload(component(command=command))))
    assert (problem.path, problem.check) == (f"{AT}.command[0]", "MN-F02")


def test_f02_degrees_in_the_command() -> None:
    problem = only(problems(workload(component(command=["python3", "-m", "x", "--tensor-parallel-size", "16"]))))
    assert (problem.path, problem.check) == (f"{AT}.command[3]", "MN-F01")


@pytest.mark.parametrize(
    ("backend", "args", "index"),
    [
        ("vllm", ["--nnodes", "2"], 0),
        ("vllm", ["--x", "--node-rank=1"], 1),
        ("vllm", ["--master-addr", "leader"], 0),
        ("vllm", ["--headless"], 0),
        ("vllm", ["--data-parallel-address", "leader"], 0),
        ("vllm", ["--distributed-executor-backend", "ray"], 0),
        ("sglang", ["--dist-init-addr", "leader:1"], 0),
        ("sglang", ["--node_rank", "0"], 0),
    ],
)
def test_f03_coordination_flags(backend: str, args: list[str], index: int) -> None:
    problem = only(with_args(backend, *args))
    assert (problem.path, problem.check) == (f"{AT}.args[{index}]", "MN-F03")


@pytest.mark.parametrize("flag", ["--host", "--port"])
def test_f03_the_native_servers_address(flag: str) -> None:
    assert only(with_args("sglang", flag, "x")).check == "MN-F03"
    assert dynamo_problems(workload(component(args=[flag, "x"]), backend="sglang")) == []


@pytest.mark.parametrize(
    "args",
    [["--max-model-len", "32768"], ["--model-impl", "auto"], ["--swap-space", "-1"], ["--tokenizer", "--nnodesx"]],
)
def test_f03_harmless_arguments_pass(args: list[str]) -> None:
    assert with_args("vllm", *args) == []


def test_f04_trtllm_overrides_that_win() -> None:
    args = ["--override-engine-args", '{"tensor_parallel_size": 4}']
    problem = only(dynamo_problems(workload(component(args=args), backend="trtllm")))
    assert (problem.path, problem.check) == (f"{AT}.args[0]", "MN-F04")
    harmless = ["--override-engine-args", '{"max_num_tokens": 1}', "--override-engine-args", "no json"]
    assert dynamo_problems(workload(component(args=harmless), backend="trtllm")) == []


@pytest.mark.parametrize(
    ("backend", "flag", "key"),
    [("vllm", "--served-model-name", "served_model_name"), ("sglang", "--model-path", "model")],
)
def test_flags_that_a_key_writes(backend: str, flag: str, key: str) -> None:
    problem = only(with_args(backend, flag, "x"))
    assert problem.path == f"{AT}.args[0]"
    assert f"`{key}`" in problem.message


def test_f08_native_names() -> None:
    assert problems(workload(component(name="e" * 20), name="w" * 29)) == []
    problem = only(problems(workload(component(name="e" * 20), name="w" * 30)))
    assert (problem.check, problem.path.rsplit(".", 1)[1]) == ("MN-F08", "name")
    assert "53 characters" in problem.message
    assert only(problems(workload(name="4llama"))).check == "MN-F08"


def test_f08_dynamo_names() -> None:
    # Grove cuts a long deployment name to fit, down to 8 characters: 8 + 2 x 16 + 4 = 44.
    assert dynamo_problems(workload(component(name="e" * 16), name="w" * 40)) == []
    problem = only(dynamo_problems(workload(component(name="e" * 17), name="w" * 40)))
    assert (problem.check, problem.path) == ("MN-F08", f"multinode_workloads[0].components.{'e' * 17}.name")
    assert "at most 16" in problem.message
    assert dynamo_problems(workload(component(name="e" * 30, node_count=1), name="short")) == []
    # Labels that only fail at reconcile.
    assert only(dynamo_problems(workload(name="w" * 54))).path == "multinode_workloads[0].name"
    long = workload(component(name="e" * 14), name="w" * 49, namespace="n")
    assert only(dynamo_problems(long)).path == f"multinode_workloads[0].components.{'e' * 14}.name"


@pytest.mark.parametrize("image", ["r/i:latest", "r/i", "r/i@sha256:0", "reg:5000/i", "r/i:my-tag", "r/i:1.5"])
def test_f09_image_tags_that_are_no_version(image: str) -> None:
    problem = only(dynamo_problems(workload(image=image)))
    assert (problem.path, problem.check) == ("multinode_workloads[0].image", "MN-F09")
    assert dynamo_problems(workload(image=image, runtime_version="1.5.0")) == []
    assert problems(workload(image=image)) == []
    assert dynamo_problems(workload(image=image), dynamo_version="1.3.1") == []
    assert only(dynamo_problems(workload(image=image), dynamo_version="1.4.0")).check == "MN-F09"


@pytest.mark.parametrize("image", ["r/i:1.5.0", "r/i:v1.5.0", "reg:5000/i:1.4.0-foo.1", "r/i:1.5.0@sha256:0"])
def test_f09_image_tags_that_are(image: str) -> None:
    assert dynamo_problems(workload(image=image)) == []


def spec_with(**main: Any) -> dict[str, Any]:
    return {"containers": [{"name": "side", "image": "x"}, {"name": "main", **main}]}


@pytest.mark.parametrize("key", ["pod_spec", "leader", "worker"])
def test_f12_a_mount_at_dev_shm(key: str) -> None:
    pod_spec = spec_with(volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/dev/shm/"}])
    path = "pod_spec" if key == "pod_spec" else f"{key}.pod_spec"
    problem = only(problems(workload(component(**{key: pod_spec if key == "pod_spec" else {"pod_spec": pod_spec}}))))
    assert (problem.path, problem.check) == (f"{AT}.{path}.containers[1].volumeMounts[1].mountPath", "MN-F12")


@pytest.mark.parametrize(
    ("pod_spec", "path", "check"),
    [
        (spec_with(args=["x"]), "containers[1].args", "MN-F02"),
        (spec_with(command=["x"]), "containers[1].command", "MN-F02"),
        (
            spec_with(resources={"limits": {"nvidia.com/gpu": 4}}),
            "containers[1].resources.limits.nvidia.com/gpu",
            "MN-F01",
        ),
        ({"schedulerName": "kai-scheduler"}, "schedulerName", "MN-F19"),
        ({"containers": [{"image": "x"}]}, "containers", ""),
        ({"volumes": {"a": {}}}, "volumes", ""),
    ],
)
def test_f19_and_others_what_a_pod_spec_must_not_contradict(pod_spec: dict[str, Any], path: str, check: str) -> None:
    problem = only(problems(workload(component(pod_spec=pod_spec))))
    assert (problem.path, problem.check) == (f"{AT}.pod_spec.{path}", check)


def test_f14_a_frontend_over_several_machines() -> None:
    problem = only(problems(workload(component(), {"name": "frontend", "role": "frontend", "node_count": 2})))
    assert (problem.path, problem.check) == ("multinode_workloads[0].components.frontend.node_count", "MN-F14")


def test_f18_exclusive_topology() -> None:
    key = "leaderworkerset.sigs.k8s.io/exclusive-topology"
    assert only(problems(workload(annotations={key: "rack"}))).check == "MN-F18"


def test_f34_a_queue_that_cannot_reach_the_gang() -> None:
    over = {"orchestrator": "lws", "scheduler": "volcano"}
    problem = only(dynamo_problems(workload(queue="serving"), **over))
    assert (problem.path, problem.check) == ("multinode_workloads[0].queue", "MN-F34")
    assert dynamo_problems(workload(queue="default"), **over) == []
    assert dynamo_problems(workload(queue="serving")) == []


def test_f54_packing_into_one_host() -> None:
    levels = {"rack": "topology.kubernetes.io/rack", "host": "kubernetes.io/hostname"}
    problem = only(problems(workload(topology={"pack": "host"}), topology_levels=levels))
    assert (problem.path, problem.check) == ("multinode_workloads[0].topology.pack", "MN-F54")
    single = workload(component(node_count=1), topology={"pack": "host"})
    assert problems(single, topology_levels=levels) == []


def test_f103_templates_of_one_role_on_dynamo() -> None:
    raw = workload(component(leader={"pod_spec": {"hostIPC": True}}))
    assert only(dynamo_problems(raw)).check == "MN-F103"
    assert problems(raw) == []


def test_f107_two_workloads_that_make_the_same_object() -> None:
    same = problems(workload(component(name="b-c"), name="a"), workload(component(name="c"), name="a-b"))
    problem = only(same)
    assert (problem.path, problem.check) == ("multinode_workloads[1].name", "MN-F107")
    cache = {"claim": "models", "create": True, "size": "1Ti"}
    twice = problems(workload(model_cache=cache), workload(name="other", model_cache=cache))
    assert only(twice).path == "multinode_workloads[1].model_cache.claim"
    shared = {"claim": "models"}
    assert problems(workload(model_cache=shared), workload(name="other", model_cache=shared)) == []


@pytest.mark.parametrize("api", ["native", "dynamo"])
def test_trtllm_runs_only_under_dynamo(api: str) -> None:
    found = problems(workload(backend="trtllm"), workload_api=api)
    if api == "native":
        assert only(found).path == "multinode_workloads[0].backend"
        assert "to dynamo" in found[0].message
    else:
        assert found == []


def test_disaggregation_runs_only_under_dynamo() -> None:
    raw = workload(component(name="prefill", role="prefill"), component(name="decode", role="decode"))
    assert [problem.path for problem in problems(raw)] == [
        "multinode_workloads[0].components.prefill.role",
        "multinode_workloads[0].components.decode.role",
    ]
    assert dynamo_problems(raw) == []
    assert problems(workload(component(role="decode"))) == []


def test_roles_that_cannot_work() -> None:
    assert "nothing would run the model" in only(problems(workload({"name": "f", "role": "frontend"}))).message
    assert "prefill without decode" in only(dynamo_problems(workload(component(role="prefill")))).message


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "me"}}, "labels.app.kubernetes.io/managed-by"),
        ({"labels": {"dynamo.multinode/workload": "x"}}, "labels.dynamo.multinode/workload"),
        ({"annotations": {"nvidia.com/enable-grove": "false"}}, "annotations.nvidia.com/enable-grove"),
        ({"annotations": {"scheduling.volcano.sh/queue-name": "x"}}, "annotations.scheduling.volcano.sh/queue-name"),
    ],
)
def test_metadata_that_other_keys_write(change: dict[str, Any], path: str) -> None:
    assert only(problems(workload(**change))).path == f"multinode_workloads[0].{path}"


def test_a_revision_that_cannot_be_passed_on() -> None:
    assert only(dynamo_problems(workload(backend="trtllm", model_revision="abc"))).path.endswith("model_revision")
