# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings about degrees and wiring in somebody's own manifests, each beside what is right."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.checks import manifest

from tests.unit.plugins.module_utils.readback.given import (
    SGLANG,
    SHELL,
    TP16,
    TRTLLM,
    VLLM,
    config_map,
    dgd,
    engine,
    findings,
    ids,
    lws,
    mounted,
)


def of(*args: str, **over: Any) -> list[str]:
    return ids(dgd(engine(*args, **over)))


def message(*args: str, **over: Any) -> str:
    (found,) = findings(dgd(engine(*args, **over)))
    return str(found)


def test_every_check_is_registered_once() -> None:
    names = [check.__name__ for check in manifest.MANIFEST_CHECKS]
    assert len(names) == len(set(names)) == 27


@pytest.mark.parametrize(
    ("args", "over"),
    [
        (TP16, {}),
        (("--tensor-parallel-size", "8", "--pipeline-parallel-size", "2"), {}),
        (("--tensor-parallel-size", "8", "--data-parallel-size", "2"), {}),
        (("--data-parallel-size", "16", "--enable-expert-parallel", "--data-parallel-hybrid-lb"), {}),
        (("--tensor-parallel-size", "8"), {"nodes": 1}),
        (("--enable-elastic-ep", "--data-parallel-size", "2"), {"gpus": 3}),
        (("python3 -m dynamo.vllm --tensor-parallel-size 16",), {"command": SHELL}),
        (("--tp", "16", "--dp", "16", "--ep", "16", "--enable-dp-attention"), {"command": SGLANG}),
        (("--tensor-parallel-size", "16"), {"command": TRTLLM}),
        (("python3 -m dynamo.trtllm --tensor-parallel-size 16",), {"command": SHELL}),
    ],
)
def test_what_is_right_is_not_told(args: tuple[str, ...], over: dict[str, Any]) -> None:
    assert of(*args, **over) == []


def test_f01_prints_the_arithmetic() -> None:
    assert (
        "2 machines x 8 GPUs = 16 GPUs per engine, but tensor x pipeline x data = 12 x 1 x 1 = 12, not 16"
        in message("--tensor-parallel-size", "12")
    )
    assert of("--tp", "12", command=SGLANG) == of("--tensor-parallel-size", "8", command=TRTLLM) == ["error MN-F01"]


def test_f01_on_one_machine() -> None:
    assert of("--tensor-parallel-size", "4", nodes=1) == ["warning MN-F01"]
    assert of("--tensor-parallel-size", "16", nodes=1) == ["error MN-F01"]
    assert "1 machine x 8 GPUs" in message("--tensor-parallel-size", "16", nodes=1)


def test_f01_without_gpus() -> None:
    assert of(*TP16, gpus=None) == ["error MN-F01"]
    assert of("--tensor-parallel-size", "1", gpus=None, nodes=1) == []


def test_f01_native_engines_too() -> None:
    assert ids(lws("Q", "-tp", "16", "--nnodes", "2")) == []
    assert ids(lws("Q", "-tp", "8", "--nnodes", "2")) == ["error MN-F01"]
    assert ids(lws("Q", "-tp", "16", "--nnodes", "3")) == ["error MN-F01"]


def test_f02_spellings_that_the_operator_does_not_read() -> None:
    assert "reads tensor 16 (from -tp 16) as 1, and each of the 2 machines starts an engine of its own" in message(
        "-tp", "16"
    )
    assert of("--tensor-parallel-size=16") == of(command=(*VLLM, *TP16)) == ["error MN-F02"]
    file = config_map("engine", c_yaml="tensor-parallel-size: 16")
    given = dgd(engine("--config", "/config/c.yaml", **mounted("engine")))
    assert ids(given, file) == ["error MN-F02"]


def test_f02_read_in_part() -> None:
    told = message(*TP16, "-dp", "1", "--pipeline-parallel-size=2", gpus=16)
    assert "reads pipeline 2 (from --pipeline-parallel-size=2) as 1, and each of the 2 machines" in told
    told = " ".join(map(str, findings(dgd(engine(*TP16, "-pp", "2")))))
    assert "and it wires the 2 machines for that" in told


def test_f02_a_default_that_differs_from_what_is_read() -> None:
    # The last of two flags counts for the engine, the first for the operator.
    assert "tensor 8 (from --tensor-parallel-size 8) as 16" in " ".join(
        map(str, findings(dgd(engine(*TP16, "--tensor-parallel-size", "8"))))
    )


@pytest.mark.parametrize(
    "over",
    [
        {"command": ("vllm", "serve"), "spec": {"backendFramework": "vllm"}},
        {"command": ("python3", "-m", "sglang.launch_server"), "args": ("--tp", "16")},
        {"command": ("/run.sh",), "args": ("x",)},
    ],
)
def test_f02_nothing_to_put_flags_into(over: dict[str, Any]) -> None:
    given = dgd(engine(*over.get("args", TP16), command=over["command"]), **over.get("spec", {}))
    assert "error MN-F02" in ids(given)


def test_f02_vllm_without_degrees_in_args() -> None:
    told = [str(one) for one in findings(dgd(engine(command=None), backendFramework="vllm"))]
    assert "reads no degrees in args, and injects nothing" in told[0]
    assert "MN-F92" in told[1]


def test_f02_flags_inside_a_quoted_argument() -> None:
    script = 'python3 -m dynamo.vllm --tensor-parallel-size 16 --served-model-name "my vllm model"'
    assert "in a quoted argument, or in another command" in message(script, command=SHELL)
    assert "in a quoted argument" not in message('python3 -m dynamo.vllm -tp 16 --name "my vllm model"', command=SHELL)


def test_f02_flags_in_another_command() -> None:
    for first in ('python3 -c "import vllm; print(1)"', "python3 get.py --for vllm"):
        script = f"{first} && python3 -m dynamo.vllm --tensor-parallel-size 16"
        assert of(script, command=SHELL) == of(script, command=None) == ["error MN-F02"]
    assert of("sleep 1 && python3 -m dynamo.vllm --tensor-parallel-size 16", command=SHELL) == []


def test_f02_ray_behind_a_nested_shell() -> None:
    part = engine("python3 -m dynamo.vllm --tensor-parallel-size 16", command=SHELL)
    ray = {"annotations": {"nvidia.com/vllm-distributed-executor-backend": "ray"}}
    assert ids(dgd(part, meta=ray)) == ["error MN-F02"]
    assert ids(dgd(engine(*TP16), meta=ray)) == []


def test_f02_two_names_for_the_backend() -> None:
    assert ids(dgd(engine(*TP16), backendFramework="sglang")) == ["error MN-F02"]


def test_f03_flags_that_the_operator_writes() -> None:
    assert of(*TP16, "--nnodes", "2") == ["warning MN-F03"]
    assert of(*TP16, "--nnodes", "3") == ["error MN-F03"]
    assert of(*TP16, "--headless") == ["error MN-F03"]
    assert of("--tp", "16", "--dist-init-addr", "x:1", command=SGLANG) == ["error MN-F03"]
    assert of("--data-parallel-size", "16", "-dpa", "x") == ["error MN-F03"]
    # On one machine nobody else writes them.
    assert of("--tensor-parallel-size", "8", "--nnodes", "1", nodes=1) == []


def test_f04_the_file_and_the_command_line() -> None:
    file = config_map("engine", c_yaml="tensor_parallel_size: 16")
    args = ("--tensor-parallel-size", "8", "--extra-engine-args", "/config/c.yaml")
    (found,) = findings(dgd(engine(*args, command=TRTLLM, **mounted("engine"))), file)
    assert (found.id, found.severity) == ("MN-F04", "warning")
    assert "`--tensor-parallel-size 8`, then `/config/c.yaml: tensor_parallel_size 16`; the last one wins" in str(found)


def test_f05_sglang() -> None:
    assert of("--tp", "16", "--dp", "2", command=SGLANG) == ["error MN-F05"]
    assert of("--tp", "16", "--dp", "3", "--enable-dp-attention", command=SGLANG) == ["error MN-F05"]
    assert of("--tp", "16", "--ep", "32", command=SGLANG) == ["error MN-F05"]


def test_f06_vllm_data_parallel() -> None:
    args = ("--tensor-parallel-size", "3", "--data-parallel-size", "4")
    assert of(*args, gpus=6) == []
    assert of("--tensor-parallel-size", "4", "--data-parallel-size", "3", gpus=6) == ["error MN-F06"]
    assert of("--tensor-parallel-size", "8", "--data-parallel-size", "4") == ["error MN-F06"]


@pytest.mark.parametrize(
    "script",
    [
        "sleep 20 && python3 -m dynamo.trtllm --tensor-parallel-size 16",
        "exec python3 -m dynamo.trtllm --tensor-parallel-size 16",
        "python3 -m dynamo.trtllm --tensor-parallel-size 16 --x '{}'",
    ],
)
@pytest.mark.parametrize("command", [SHELL, None])
def test_f07_shell_under_mpi(script: str, command: Any) -> None:
    assert ids(dgd(engine(script, command=command), backendFramework="trtllm")) == ["error MN-F07"]


def test_f13_lws_without_arguments() -> None:
    part = engine(command=(*VLLM, *TP16))
    assert "error MN-F13" in ids(dgd(part), provider="lws")
    assert "error MN-F13" not in ids(dgd(part))


def test_f92_what_is_not_in_the_files_is_not_checked() -> None:
    args = ("--extra-engine-args", "/models/x.yaml")
    (found,) = findings(dgd(engine(*args, command=TRTLLM)))
    assert (found.id, found.severity) == ("MN-F92", "note")
    assert "/models/x.yaml cannot be read from these files" in found.message


def roles(**templates: list[str]) -> dict[str, Any]:
    part = engine()
    del part["podTemplate"]
    gpus = {"limits": {"nvidia.com/gpu": 8}}
    part["roles"] = [
        {
            "name": name,
            "podTemplate": {
                "spec": {
                    "containers": [
                        {"name": "main", "image": "r/i:1.6.0", "command": args[:3], "args": args[3:], "resources": gpus}
                    ]
                }
            },
        }
        for name, args in templates.items()
    ]
    return part


COORDINATED = [
    *VLLM,
    *TP16,
    "--nnodes",
    "2",
    "--node-rank",
    "$(DYNAMO_RANK)",
    "--master-addr",
    "$(DYNAMO_LEADER_ADDRESS)",
]


def test_f103_templates_of_one_role() -> None:
    right = roles(leader=COORDINATED, worker=[*COORDINATED, "--headless"])
    assert ids(dgd(right)) == []
    assert ids(dgd(right), version="1.6.1") == []
    assert ids(dgd(right), version="1.5.0") == ["error MN-F103"]
    assert ids(dgd({**right, "podTemplate": engine(*TP16)["podTemplate"]}))[:1] == ["error MN-F103"]
    told = [one.message.split(":")[0] for one in findings(dgd(roles(leader=[*VLLM, *TP16], worker=COORDINATED)))]
    assert told == [
        "the leader's template lacks --nnodes, --node-rank, --master-addr",
        "the worker's template lacks --headless",
    ]
    assert any("none for worker" in one.message for one in findings(dgd(roles(leader=COORDINATED))))
    data = [*VLLM, "--data-parallel-size", "16"]
    assert "--data-parallel-address, --data-parallel-start-rank" in str(
        findings(dgd(roles(leader=data, worker=data)))[0]
    )
    sglang = [*SGLANG, "--tp", "16", "--nnodes", "2", "--node-rank", "0", "--dist-init-addr", "x"]
    assert ids(dgd(roles(leader=sglang, worker=sglang))) == []
    # Roles without templates are what the operator fills in itself.
    assert ids(dgd(engine(*TP16, roles=[{"name": "leader", "replicas": 1}, "x"]))) == []
