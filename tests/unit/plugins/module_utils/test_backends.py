# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS, GROVE, Request
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name, flag_value, match_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees, solve
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.inputs import values

ADDRESS = "$(LWS_LEADER_ADDRESS)"
RANK = "$(LWS_WORKER_INDEX)"


def request(backend: str, nodes: int, gpus: int, strategy: str = "tensor", **over: Any) -> Request:
    pins = {name: over.pop(name) for name in ("tensor", "pipeline", "data", "expert") if name in over}
    degrees = solve(backend, nodes, gpus, strategy, **pins)
    assert isinstance(degrees, Degrees)
    return Request(**{"model": "org/m", "degrees": degrees, "node_count": nodes, "gpus_per_node": gpus, **over})


def native(backend: str, leader: bool, *shape: Any, **over: Any) -> Any:
    launch = BACKENDS[backend].native
    assert launch is not None
    return launch(request(backend, *shape, **over), leader)


def test_vllm_over_nodes_without_dynamo() -> None:
    leader = native("vllm", True, 2, 8, served_model_name="m", model_revision="abc", args=("--max-model-len", "32768"))
    assert leader.command == ("vllm", "serve")
    assert leader.args[0] == "org/m"
    assert values(leader.args) == {
        "--served-model-name": "m",
        "--revision": "abc",
        "--tensor-parallel-size": "16",
        "--distributed-executor-backend": "mp",
        "--nnodes": "2",
        "--node-rank": RANK,
        "--master-addr": ADDRESS,
        "--master-port": "29500",
        "--host": "0.0.0.0",
        "--port": "8000",
        "--max-model-len": "32768",
    }
    worker = values(native("vllm", False, 2, 8).args)
    assert worker == {
        "--tensor-parallel-size": "16",
        "--distributed-executor-backend": "mp",
        "--nnodes": "2",
        "--node-rank": RANK,
        "--master-addr": ADDRESS,
        "--master-port": "29500",
        "--headless": None,
    }


def test_vllm_data_parallel_without_dynamo() -> None:
    leader = native("vllm", True, 2, 8, "data")
    expected = {
        "--tensor-parallel-size": "1",
        "--data-parallel-size": "16",
        "--enable-expert-parallel": None,
        "--data-parallel-size-local": "8",
        "--data-parallel-rpc-port": "13445",
    }
    # The leader binds this address, so it must be a number; the others only look it up.
    assert values(leader.args) == {
        **expected,
        "--data-parallel-address": "$(POD_IP)",
        "--host": "0.0.0.0",
        "--port": "8000",
    }
    assert leader.env == ({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},)
    worker = native("vllm", False, 2, 8, "data")
    assert values(worker.args) == {**expected, "--data-parallel-address": ADDRESS, "--headless": None}
    assert worker.command[:2] == ("/bin/sh", "-c")
    assert worker.command[2] == 'exec "$0" "$@" --data-parallel-start-rank "$((8 * LWS_WORKER_INDEX))"'
    assert worker.command[3:] == ("vllm", "serve")
    assert worker.env == ()


def test_the_start_rank_is_what_a_shell_makes_of_it() -> None:
    worker = native("vllm", False, 4, 8, "data", tensor=2)
    command = [*worker.command[:3], "printf", "%s\n", *worker.command[4:], *worker.args]
    told = subprocess.run(
        command, env={"LWS_WORKER_INDEX": "3", "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    lines = told.stdout.decode().splitlines()
    assert lines[:2] == ["serve", "org/m"]
    assert lines[-2:] == ["--data-parallel-start-rank", "12"]


def test_vllm_with_one_rank_per_node_needs_no_shell() -> None:
    worker = native("vllm", False, 2, 8, "data", tensor=8)
    assert worker.command == ("vllm", "serve")
    assert values(worker.args)["--data-parallel-start-rank"] == RANK
    assert values(worker.args)["--data-parallel-size-local"] == "1"


@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_one_node_needs_no_coordination(backend: str) -> None:
    launch = native(backend, True, 1, 8)
    assert not {"--nnodes", "--node-rank", "--dist-init-addr", "--master-addr"} & set(launch.args)
    assert launch.args[-4:] == ("--host", "0.0.0.0", "--port", "8000")


def test_sglang_over_nodes_without_dynamo() -> None:
    launch = native("sglang", True, 4, 8)
    assert launch.command == ("python3", "-m", "sglang.launch_server")
    assert values(launch.args) == {
        "--model-path": "org/m",
        "--tp-size": "32",
        "--dist-init-addr": f"{ADDRESS}:29500",
        "--nnodes": "4",
        "--node-rank": RANK,
        "--host": "0.0.0.0",
        "--port": "8000",
    }
    assert native("sglang", False, 4, 8) == launch


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_names_and_revisions_are_passed_on(backend: str) -> None:
    asked = request(backend, 2, 8, served_model_name="served", model_revision="abc")
    told = values(list(BACKENDS[backend].dynamo(asked).args))
    assert told["--served-model-name"] == "served"
    assert told.get("--revision") == (None if backend == "trtllm" else "abc")


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_pipelines_are_passed_on(backend: str) -> None:
    told = values(list(BACKENDS[backend].dynamo(request(backend, 2, 8, "tensor_pipeline")).args))
    assert told["--pp-size" if backend == "sglang" else "--pipeline-parallel-size"] == "2"


def test_sglang_attention_data_parallel() -> None:
    told = values(native("sglang", True, 2, 8, "data").args)
    assert (told["--tp-size"], told["--dp-size"], told["--ep-size"]) == ("16", "16", "16")
    assert "--enable-dp-attention" in told
    replicas = values(native("sglang", True, 1, 8, data=4).args)
    assert (replicas["--tp-size"], replicas["--dp-size"], "--enable-dp-attention" in replicas) == ("2", "4", False)


@pytest.mark.parametrize(
    ("backend", "strategy", "expected"),
    [
        ("vllm", "tensor", {"--model": "org/m", "--tensor-parallel-size": "16"}),
        (
            "vllm",
            "tensor_pipeline",
            {"--model": "org/m", "--tensor-parallel-size": "8", "--pipeline-parallel-size": "2"},
        ),
        ("sglang", "tensor", {"--model-path": "org/m", "--tp-size": "16", "--host": "0.0.0.0"}),
        (
            "sglang",
            "tensor_pipeline",
            {"--model-path": "org/m", "--tp-size": "8", "--pp-size": "2", "--host": "0.0.0.0"},
        ),
        ("trtllm", "tensor", {"--model-path": "org/m", "--tensor-parallel-size": "16", "--gpus-per-node": "8"}),
        (
            "trtllm",
            "data",
            {
                "--model-path": "org/m",
                "--tensor-parallel-size": "16",
                "--expert-parallel-size": "16",
                "--enable-attention-dp": None,
                "--gpus-per-node": "8",
            },
        ),
    ],
)
def test_what_the_dynamo_operator_is_given(backend: str, strategy: str, expected: dict[str, Any]) -> None:
    launch = BACKENDS[backend].dynamo(request(backend, 2, 8, strategy))
    assert launch.command == ("python3", "-m", f"dynamo.{backend}")
    assert values(list(launch.args)) == expected


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_prefill_and_decode_flags(backend: str) -> None:
    launch = BACKENDS[backend].dynamo(request(backend, 2, 8, disaggregated="prefill"))
    assert values(list(launch.args))["--disaggregation-mode"] == "prefill"


def test_a_users_own_transfer_settings_are_not_doubled() -> None:
    own = ("--kv-transfer-config", "{}")
    vllm = BACKENDS["vllm"].dynamo(request("vllm", 2, 8, disaggregated="decode", args=own))
    assert vllm.args.count("--kv-transfer-config") == 1
    given_sglang = (
        "--host",
        "::",
        "--disaggregation-transfer-backend",
        "mooncake",
        "--disaggregation-bootstrap-port",
        "1",
    )
    sglang = BACKENDS["sglang"].dynamo(request("sglang", 2, 8, disaggregated="decode", args=given_sglang))
    for flag in given_sglang[::2]:
        assert sglang.args.count(flag) == 1


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_users_command_is_kept(backend: str) -> None:
    asked = request(backend, 2, 8, command=("python3", "-m", "mine"))
    assert BACKENDS[backend].dynamo(asked).command == ("python3", "-m", "mine")


@given(
    backend=st.sampled_from(list(BACKENDS)),
    nodes=st.integers(1, 6),
    gpus=st.integers(1, 8),
    strategy=st.sampled_from(["tensor", "tensor_pipeline", "data"]),
)
def test_nothing_that_the_operator_injects_is_rendered(backend: str, nodes: int, gpus: int, strategy: str) -> None:
    launch = BACKENDS[backend].dynamo(request(backend, nodes, gpus, strategy))
    assert [token for token in launch.args if flag_name(token) in BACKENDS[backend].coordination_flags] == []
    # The operator reads only exact long flags with a separate value.
    for token in launch.args:
        assert "=" not in token
        assert token.startswith("--") or not token.startswith("-")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("--tensor_parallel_size=8", "--tensor-parallel-size"),
        ("-tp=8", "-tp"),
        ("-1", ""),
        ("value", ""),
        ("--a", "--a"),
    ],
)
def test_flag_names(token: str, expected: str) -> None:
    assert flag_name(token) == expected


def test_flags_are_matched_as_an_argument_parser_would() -> None:
    flags = frozenset({"--nnodes", "--node-rank"})
    assert match_flag("--node-r", flags) == "--node-rank"
    assert match_flag("--no", flags) == ""
    assert match_flag("--nnodes-extra", flags) == ""
    assert flag_value(("--a=1",), 0) == "1"
    assert flag_value(("--a", "1"), 0) == "1"
    assert flag_value(("--a", "--b"), 0) == ""
    assert flag_value(("--a",), 0) == ""


GROVE_ADDRESS = "$(GROVE_PCSG_NAME)-$(GROVE_PCSG_INDEX)-ldr-0.$(GROVE_HEADLESS_SERVICE)"


def on_grove(backend: str, leader: bool, *shape: Any, **over: Any) -> Any:
    launch = BACKENDS[backend].native
    assert launch is not None
    return launch(request(backend, *shape, **over), leader, GROVE)


@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_on_grove_a_workers_rank_takes_a_shell(backend: str) -> None:
    leader, worker = (on_grove(backend, role, 4, 8) for role in (True, False))
    assert values(leader.args)["--node-rank"] == "0"
    assert leader.command == native(backend, True, 4, 8).command
    assert "--node-rank" not in worker.args
    told = subprocess.run(
        [*worker.command[:3], "printf", "%s\n", *worker.args],
        env={"GROVE_PCLQ_POD_INDEX": "2", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert told.stdout.decode().splitlines()[-2:] == ["--node-rank", "3"]
    address = {"vllm": ("--master-addr", GROVE_ADDRESS), "sglang": ("--dist-init-addr", f"{GROVE_ADDRESS}:29500")}
    flag, expected = address[backend]
    assert values(leader.args)[flag] == values(worker.args)[flag] == expected


@pytest.mark.parametrize(("tensor", "start"), [(2, "12"), (8, "3")])
def test_on_grove_the_start_rank_is_a_multiple(tensor: int, start: str) -> None:
    worker = on_grove("vllm", False, 4, 8, "data", tensor=tensor)
    told = subprocess.run(
        [*worker.command[:3], "printf", "%s\n", *worker.args],
        env={"GROVE_PCLQ_POD_INDEX": "2", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert told.stdout.decode().splitlines()[-2:] == ["--data-parallel-start-rank", start]
    assert values(worker.args)["--data-parallel-address"] == GROVE_ADDRESS


@pytest.mark.parametrize(
    ("backend", "flag"), [("vllm", "--config"), ("sglang", "--config"), ("trtllm", "--extra-engine-args")]
)
def test_the_engines_own_configuration_file(backend: str, flag: str) -> None:
    asked = request(backend, 2, 8, engine_config="/etc/x.yaml", args=("--mine", "1"))
    launches = [BACKENDS[backend].dynamo(asked)]
    native_launch = BACKENDS[backend].native
    if native_launch is not None:
        launches += [native_launch(asked, leader) for leader in (True, False)]
    for launch in launches:
        assert launch.args.index(flag) < launch.args.index("--mine")
        assert values(list(launch.args))[flag] == "/etc/x.yaml"
    assert flag not in BACKENDS[backend].dynamo(request(backend, 2, 8)).args
