# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.parallelism import Degrees
from ansible_collections.dynamo.multinode.plugins.module_utils.spec import (
    Machine,
    Settings,
    SpecError,
    parse_machines,
    parse_settings,
    parse_workloads,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_merge import depth
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import ComputeDomain, Workload
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import WORKLOAD
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.inputs import (
    PRODUCT,
    component,
    dynamo_problems,
    machine,
    machines,
    only,
    problems,
    workload,
)


def parse(*raw: Any, over: dict[str, Any] | None = None, **options: Any) -> Any:
    found = parse_workloads(
        list(raw), machines=parse_machines(machines(**(over or {}))), settings=Settings(), **options
    )
    return found[0] if len(found) == 1 else found


def test_every_scalar_may_be_text() -> None:
    given_numbers = parse(
        workload(
            component(node_count=2, gpus_per_node=8, replicas=3, spread=True, startup_timeout=5400),
            timeouts={"ready": 600},
            topology={"pack": "rack", "required": False},
        )
    )
    given_text = parse(
        workload(
            component(node_count="2", gpus_per_node=" 8 ", replicas="3", spread="yes", startup_timeout="1h30m"),
            timeouts={"ready": "10m"},
            topology={"pack": "rack", "required": "false"},
        )
    )
    assert given_numbers == given_text
    assert given_text.components[0].startup_timeout == 5400


def test_what_is_not_said_has_its_default() -> None:
    found = parse({k: v for k, v in workload({"name": "engine"}).items() if k != "namespace"})
    engine = found.components[0]
    assert (found.namespace, found.state, found.timeouts.scheduled, found.timeouts.ready) == (
        "default",
        "present",
        600,
        7200,
    )
    assert (engine.role, engine.replicas, engine.node_count, engine.gpus_per_node) == ("worker", 1, 1, 8)
    assert (engine.spread, engine.shared_memory, engine.gpu_resource) == (False, "16Gi", "nvidia.com/gpu")
    assert engine.degrees == Degrees(8)
    assert parse(workload()).components[0].spread is True


def test_gpus_per_node_is_what_all_matching_machines_agree_on() -> None:
    fleet = parse_machines([machine("a"), machine("b", gpu_count=4, gpu_product="NVIDIA-GB200")])
    options: dict[str, Any] = {"machines": fleet, "settings": Settings()}
    one = component()
    del one["gpus_per_node"]
    found = parse_workloads([workload(one, gpu_product="NVIDIA-GB200")], **options)
    assert found[0].components[0].gpus_per_node == 4
    with pytest.raises(SpecError) as error:
        parse_workloads([workload(one)], **options)
    problem = only(list(error.value.problems))
    assert problem.path == "multinode_workloads[0].components.engine"
    assert "4 GPUs on 1, 8 GPUs on 1" in problem.message
    with pytest.raises(SpecError, match="no machine is known"):
        parse_workloads([workload(one)], machines=(), settings=Settings())


def test_extra_resources_are_the_machines_for_a_rank_that_takes_all_of_one() -> None:
    whole = {"extra_resources": {"rdma/ib": 8}}
    assert parse(workload(), over=whole).components[0].extra_resources == {"rdma/ib": 8}
    assert parse(workload(component(gpus_per_node=4)), over=whole).components[0].extra_resources == {}
    assert parse(workload(extra_resources={"rdma/ib": "1"}), over=whole).components[0].extra_resources == {"rdma/ib": 1}
    assert parse(workload(extra_resources={}), over=whole).components[0].extra_resources == {}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"backnd": "vllm"}, "backnd", "did you mean backend?"),
        ({"backend": "vlm"}, "backend", "is 'vlm'; one of vllm, sglang, trtllm (did you mean vllm?)"),
        ({"backend": None}, "", "`backend` is required"),
        ({"image": ""}, "", "`image` is required"),
        ({"name": "Llama_405b"}, "name", "a DNS label"),
        ({"name": "x" * 64}, "name", "at most 63"),
        ({"namespace": "a.b"}, "namespace", "a DNS label"),
        ({"state": "gone"}, "state", "one of present, absent"),
        ({"orchestrator": "groove"}, "orchestrator", "did you mean grove?"),
        ({"runtime_version": 1.6}, "runtime_version", "in quotes"),
        ({"runtime_version": "v1.6.0"}, "runtime_version", "a version X.Y.Z"),
        ({"gpu_product": "NVIDIA-H100"}, "gpu_product", f"which no machine has; {PRODUCT}"),
        ({"topology": {"pack": "rak"}}, "topology.pack", "did you mean rack?"),
        ({"topology": "rack"}, "topology", "a map with the keys pack, required"),
        ({"timeouts": {"ready": "soon"}}, "timeouts.ready", "a duration such as 90s"),
        ({"timeouts": {"ready": -5}}, "timeouts.ready", "a duration"),
        ({"timeouts": {"ready": True}}, "timeouts.ready", "a duration"),
        ({"timeouts": {"ready": "0"}}, "timeouts.ready", "at least 1s"),
        ({"env": {"UCX_MEMTYPE_CACHE": False}}, "env.UCX_MEMTYPE_CACHE", "in quotes"),
        ({"env": {"1A": "x"}}, "env.1A", "not legal"),
        ({"env": "A=b"}, "env", "a map of names to values"),
        ({"env": [{"value": "x"}]}, "env[0]", "name and value"),
        ({"env": [{"name": "A", "valeu": "x"}]}, "env[0]", "valeu is not a known key"),
        ({"labels": {"a b": "c"}}, "labels.a b", "is not legal"),
        ({"labels": {"a": "c d"}}, "labels.a", "a label value"),
        ({"image_pull_secrets": "ngc"}, "image_pull_secrets", "a list"),
        ({"image_pull_secrets": ["n_c"]}, "image_pull_secrets[0]", "a DNS name"),
        ({"extra_resources": {"rdma/ib": "many"}}, "extra_resources.rdma/ib", "a whole number"),
        ({"extra_resources": {"cpu": 1}}, "extra_resources.cpu", "an extended resource"),
        ({"model_cache": {"type": "s3"}}, "model_cache.type", "one of pvc, nfs, host_path"),
        ({"model_cache": {"type": "pvc"}}, "model_cache", "`claim` is required with type pvc"),
        ({"model_cache": {"claim": "m", "server": "s"}}, "model_cache.server", "means nothing with type pvc"),
        ({"model_cache": {"claim": "m", "create": True}}, "model_cache", "`size` is required with create"),
        ({"model_cache": {"claim": "m", "size": "1Ti"}}, "model_cache.size", "only with create"),
        ({"model_cache": {"claim": "m", "mount_path": "models"}}, "model_cache.mount_path", "an absolute path"),
        ({"model_config": {"layers": 0}}, "model_config.layers", "a whole number, 1 or more"),
        ({"model_config": {"parameters_b": "many"}}, "model_config.parameters_b", "a number above 0"),
        ({"network": {"attachments": ["a/b/c"]}}, "network.attachments[0]", "name or namespace/name"),
        ({"tolerations": ["gpu"]}, "tolerations[0]", "a map"),
        ({"components": []}, "components", "is an empty list"),
        ({"components": {"decode": {}}}, "components", "a list"),
        ({"components": ["decode"]}, "components[0]", "a map with the keys"),
        ({"components": None}, "", "`components` is required"),
    ],
)
def test_a_bad_workload_is_one_clear_error_with_its_path(change: dict[str, Any], path: str, words: str) -> None:
    problem = only(problems({**workload(), **change}))
    assert problem.path == f"multinode_workloads[0]{'.' if path else ''}{path}"
    assert words in problem.message


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"node_conut": 2}, ".node_conut", "did you mean node_count?"),
        ({"replicas": "two"}, ".replicas", "is 'two'; a whole number"),
        ({"replicas": 2.0}, ".replicas", "a whole number"),
        ({"replicas": True}, ".replicas", "is true; a whole number"),
        ({"replicas": -1}, ".replicas", "from 0"),
        ({"node_count": "0"}, ".node_count", "from 1"),
        ({"node_count": "2.0"}, ".node_count", "a whole number"),
        ({"gpus_per_node": "٣"}, ".gpus_per_node", "a whole number"),
        ({"spread": "perhaps"}, ".spread", "true or false"),
        ({"spread": 2}, ".spread", "true or false"),
        ({"role": "leader"}, ".role", "one of frontend, worker, prefill, decode"),
        ({"parallelism": {"strategy": "tensr"}}, ".parallelism.strategy", "did you mean tensor?"),
        ({"parallelism": {"tensor": "all"}}, ".parallelism.tensor", "a whole number"),
        ({"parallelism": 16}, ".parallelism", "a map with the keys strategy"),
        ({"resources": {"memory": "512 Gi"}}, ".resources.memory", "a quantity"),
        ({"resources": {"cpu": True}}, ".resources.cpu", "a quantity"),
        ({"shared_memory": "much"}, ".shared_memory", "a quantity"),
        ({"args": "--max-model-len 32768"}, ".args", "a list"),
        ({"args": [{"--flag": "x"}]}, ".args[0]", "quote what contains"),
        ({"args": [True]}, ".args[0]", "in quotes"),
        ({"gpu_resource": "gpu"}, ".gpu_resource", "an extended resource"),
        ({"pod_spec": []}, ".pod_spec", "a map"),
        ({"leader": {"podspec": {}}}, ".leader.podspec", "did you mean pod_spec?"),
        ({"name": None}, "", "`name` is required"),
        ({"name": "Decode"}, "", "a DNS label"),
    ],
)
def test_a_bad_component_is_one_clear_error_with_its_path(change: dict[str, Any], path: str, words: str) -> None:
    problem = only(problems(workload(component(**change))))
    assert problem.path.startswith("multinode_workloads[0].components")
    assert problem.path.endswith(path)
    assert words in problem.message


def test_the_path_names_the_component() -> None:
    found = only(problems(workload(), workload(component(name="decode", parallelism={"tensor": "12"}), name="other")))
    assert found.path == "multinode_workloads[1].components.decode.parallelism.tensor"
    assert found.value == 12
    assert found.check == "MN-F01"


def test_all_problems_of_all_workloads_come_at_once() -> None:
    found = problems(
        workload(component(parallelism={"tensor": 12}), backend="vllm", env={"A": False}),
        workload(component(replicas="two"), name="second", backend="vlm", topolgy={}),
        workload(component(args=["--nnodes", "2"]), name="third"),
    )
    assert [problem.path for problem in found] == [
        "multinode_workloads[0].env.A",
        "multinode_workloads[0].components.engine.parallelism.tensor",
        "multinode_workloads[1].topolgy",
        "multinode_workloads[1].backend",
        "multinode_workloads[1].components.engine.replicas",
        "multinode_workloads[2].components.engine.args[0]",
    ]
    with pytest.raises(SpecError) as error:
        parse(workload(backend="vlm"), workload(name="b", image=""))
    assert str(error.value).count("\n") == 1


@pytest.mark.parametrize("raw", [[], (), "llama", {"name": "llama"}, 3])
def test_no_list_of_workloads(raw: Any) -> None:
    with pytest.raises(SpecError) as error:
        parse_workloads(raw, machines=(), settings=Settings())
    problem = only(list(error.value.problems))
    assert problem.path == "multinode_workloads"
    assert "list" in problem.message


def test_a_workload_that_is_no_map() -> None:
    with pytest.raises(SpecError) as error:
        parse("llama", workload())
    assert only(list(error.value.problems)).path == "multinode_workloads[0]"


def test_name_and_namespace_are_unique_together() -> None:
    assert len(parse(workload(), workload(namespace="other"))) == 2
    problem = only(problems(workload(), workload(), workload(namespace="other")))
    assert problem.path == "multinode_workloads[1].name"
    assert "multinode_workloads[0]" in problem.message
    broken = workload(image="")
    assert [found.path for found in problems(broken, workload())] == [
        "multinode_workloads[0]",
        "multinode_workloads[1].name",
    ]
    assert only(problems(workload(), {"name": "llama", "namespace": "inference", "state": "absent"})).path.endswith(
        "[1].name"
    )


def test_component_names_are_unique() -> None:
    problem = only(problems(workload(component(), component())))
    assert problem.path == "multinode_workloads[0].components[1].name"
    assert "components[0]" in problem.message


def test_absent_needs_only_a_name() -> None:
    found = parse({"name": "old", "state": "Absent"})
    assert (found.name, found.namespace, found.state, found.components) == ("old", "default", "absent", ())
    assert only(problems({"state": "absent"})).path == "multinode_workloads[0]"
    assert "did you mean namespace?" in only(problems({"name": "a", "state": "absent", "namespce": "x"})).message


def test_frontends_take_no_gpus() -> None:
    frontend = {"name": "frontend", "role": "frontend"}
    found = parse(workload(frontend, component())).components[0]
    assert (found.gpus_per_node, found.degrees, found.total_gpus, found.engine) == (0, None, 0, False)
    problem = only(problems(workload({**frontend, "gpus_per_node": 8}, component())))
    assert problem.path == "multinode_workloads[0].components.frontend.gpus_per_node"


def test_defaults_go_under_and_overlays_over() -> None:
    raw = {"name": "llama", "backend": "vllm", "model": "m", "env": {"A": "own"}, "components": [component(replicas=1)]}
    found = parse(
        raw,
        defaults={"image": "a:1", "namespace": "inference", "env": {"A": "default", "B": "default"}},
        overlays={"llama": {"image": "b:2", "components": [{"name": "engine", "replicas": "4"}], "model": ""}},
    )
    assert (found.image, found.namespace, found.model) == ("b:2", "inference", "m")
    assert found.env == ({"name": "A", "value": "own"}, {"name": "B", "value": "default"})
    assert [(c.name, c.replicas, c.node_count) for c in found.components] == [("engine", 4, 2)]


def test_components_of_the_defaults_count_where_the_workload_has_them() -> None:
    defaults = {"components": [component(shared_memory="64Gi"), {"name": "frontend", "role": "frontend"}]}
    own = parse(workload({"name": "engine", "node_count": 4}), defaults=defaults)
    assert [(c.name, c.node_count, c.shared_memory) for c in own.components] == [("engine", 4, "64Gi")]
    bare = {key: value for key, value in workload().items() if key != "components"}
    assert [c.name for c in parse(bare, defaults=defaults).components] == ["engine", "frontend"]


@pytest.mark.parametrize(
    ("defaults", "overlays", "path"),
    [
        ({"backend": "vlm"}, {}, "multinode_workload_defaults.backend"),
        ({"topology": {"pack": "rak"}}, {}, "multinode_workload_defaults.topology.pack"),
        ({}, {"llama": {"image": "a b"}}, "multinode_workload_overlays.llama.image"),
        (
            {},
            {"llama": {"components": [{"name": "engine", "parallelism": {"tensor": 12}}]}},
            "multinode_workload_overlays.llama.components.engine.parallelism.tensor",
        ),
        ({}, {"lama": {"image": "a:b"}}, "multinode_workload_overlays.lama"),
        (
            {},
            {"llama": {"components": [{"name": "engin", "replicas": 4}]}},
            "multinode_workload_overlays.llama.components.engin",
        ),
        ({}, {"llama": {"name": "other"}}, "multinode_workload_overlays.llama.name"),
        ({}, {"llama": "x"}, "multinode_workload_overlays.llama"),
        ({"name": "x"}, {}, "multinode_workload_defaults.name"),
        ("x", {}, "multinode_workload_defaults"),
        ({}, ["x"], "multinode_workload_overlays"),
    ],
)
def test_the_path_says_where_a_merged_value_came_from(defaults: Any, overlays: Any, path: str) -> None:
    raw = workload()
    if isinstance(defaults, dict):
        raw = {key: value for key, value in raw.items() if key == "name" or key not in defaults}
    with pytest.raises(SpecError) as error:
        parse(raw, defaults=defaults, overlays=overlays)
    assert only(list(error.value.problems)).path == path


def test_types_that_ansible_wraps_come_out_plain() -> None:
    class Text(str):
        pass

    class Number(int):
        pass

    class Map(dict[Any, Any]):
        pass

    found = parse(
        Map(
            workload(
                component(node_count=Number(2), args=[Text("--x")], pod_spec=Map({"hostIPC": True})),
                image=Text("a:b"),
                labels=Map({Text("k"): Text("v")}),
            )
        )
    )
    engine = found.components[0]
    assert type(found.image) is str
    assert type(engine.node_count) is int
    assert type(engine.args[0]) is str
    assert type(engine.pod_spec) is dict
    assert [(type(k), type(v)) for k, v in found.labels.items()] == [(str, str)]


def test_env_is_a_map_or_a_list_and_the_later_wins() -> None:
    reference = {"secretKeyRef": {"name": "s", "key": "k"}}
    found = parse(
        workload(env=[{"name": "A", "value": 1}, {"name": "B", "valueFrom": reference}, {"name": "A", "value": "2"}])
    )
    assert found.env == ({"name": "B", "valueFrom": reference}, {"name": "A", "value": "2"})
    assert parse(workload(env={"A": 0.5, "B": None, "C": 3})).env == (
        {"name": "A", "value": "0.5"},
        {"name": "B", "value": ""},
        {"name": "C", "value": "3"},
    )


def test_an_environment_value_is_not_repeated_in_an_error() -> None:
    problem = only(problems(workload(env=[{"name": "HF_TOKEN", "value": ["hf_secret"]}])))
    assert "hf_secret" not in str(problem)
    assert problem.value is None


def test_machines() -> None:
    assert parse_machines([machine("a", gpu_count="8", extra_resources={"rdma/ib": "8"})])[0] == Machine(
        "a", 8, PRODUCT, 80, {"zone": "z1", "block": "b1", "rack": "r1"}, {"rdma/ib": 8}
    )
    with pytest.raises(SpecError) as error:
        parse_machines([machine("a", gpu_count="eight"), machine("b"), machine("b"), {"name": "c", "gpu_cuont": 8}])
    assert [problem.path for problem in error.value.problems] == [
        "multinode_node[a].gpu_count",
        "multinode_node[b].name",
        "multinode_node[c].gpu_cuont",
        "multinode_node[c]",
    ]
    assert parse_machines([{"name": "a", "gpu_count": 8, "pod": "p1"}], levels=("pod",))[0].domains == {"pod": "p1"}


def test_settings() -> None:
    assert parse_settings({"orchestrator": "LWS", "replace": "", "topology_levels": {}}) == Settings(orchestrator="lws")
    with pytest.raises(SpecError) as error:
        parse_settings({"scheduler": "volcno", "dynamo_version": "latest", "topology_levels": {"rack": "a b"}})
    assert [problem.path for problem in error.value.problems] == [
        "multinode_scheduler",
        "multinode_dynamo_version",
        "multinode_topology_levels.rack",
    ]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 20),
    st.floats(),
    st.text("ab1-/:é\n", max_size=8),
    st.sampled_from(["2", "10m", "64Gi", "vllm"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc/", max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = [entry.name for entry in WORKLOAD]
COMPONENT_KEYS = [
    "name",
    "role",
    "replicas",
    "node_count",
    "gpus_per_node",
    "parallelism",
    "args",
    "env",
    "pod_spec",
    "engine_config",
    "autoscaling",
    "min_available",
    "nope",
]


def exists(path: str, sources: dict[str, Any]) -> bool:
    """Whether a problem's path leads to something in the input."""
    for root, source in sources.items():
        if path == root or path.startswith((root + "[", root + ".")):
            rest = path[len(root) :]
            parts: list[str | int] = [
                int(index) if index else name for index, name in re.findall(r"\[(\d+)\]|\.?([^.\[\]]+)", rest)
            ]
            return depth(source, parts) == len(parts)
    return False


@given(
    change=st.dictionaries(st.sampled_from([*KEYS, "nope"]), ANYTHING, max_size=3),
    part=st.dictionaries(st.sampled_from(COMPONENT_KEYS), ANYTHING, max_size=3),
    under=st.dictionaries(st.sampled_from([key for key in KEYS if key != "name"]), ANYTHING, max_size=2),
    over=st.dictionaries(st.sampled_from([key for key in KEYS if key != "name"]), ANYTHING, max_size=2),
)
def test_whatever_comes_in_is_planned_or_refused_with_a_path_that_exists(
    change: dict[str, Any], part: dict[str, Any], under: dict[str, Any], over: dict[str, Any]
) -> None:
    raw = [{**workload({**component(), **part}), **change}]
    try:
        parse(*raw, defaults=under, overlays={"llama": over} if raw[0]["name"] == "llama" else None)
    except SpecError as error:
        sources = {
            "multinode_workloads": raw,
            "multinode_workload_defaults": under,
            "multinode_workload_overlays": {"llama": over},
        }
        for problem in error.problems:
            assert exists(problem.path, sources), problem.path
            assert problem.message


def test_what_the_target_refuses_is_told_where_it_came_from() -> None:
    raw = {key: value for key, value in workload().items() if key not in ("backend", "image")}
    over: dict[str, Any] = {"defaults": {"backend": "trtllm", "image": "a/b:1.5.0"}}
    assert only(problems(raw, **over)).path == "multinode_workload_defaults.backend"
    over = {"defaults": {"backend": "vllm", "image": "a/b:1.5.0"}, "overlays": {"llama": {"orchestrator": "grove"}}}
    image = dynamo_problems(raw, **{**over, "defaults": {"backend": "vllm", "image": "a/b:latest"}})
    assert only(image).path == "multinode_workload_defaults.image"
    lws = workload(component(min_available=1))
    asked = dynamo_problems(lws, overlays={"llama": {"orchestrator": "lws", "scheduler": "volcano"}})
    assert only(asked).path == "multinode_workloads[0].components.engine.min_available"


def test_where_a_value_came_from() -> None:
    found = parse(
        workload({"name": " engine ", "node_count": 2}),
        defaults={"labels": {"a/b.c": "x"}},
        overlays={"llama": {"queue": "mine"}},
    )
    assert found.at(("queue",)) == "multinode_workload_overlays.llama.queue"
    assert found.at(("labels", "a/b.c")) == "multinode_workload_defaults.labels.a/b.c"
    assert found.at(("components", "engine", "node_count")) == "multinode_workloads[0].components.engine.node_count"
    # Missing: the deepest place that exists
    assert found.at(("components", "engine", "args", 0)) == "multinode_workloads[0].components.engine"
    assert found.at(("topology", "pack")) == "multinode_workloads[0]"
    assert found.at(()) == "multinode_workloads[0]"
    made = Workload("here", "a", "b")
    assert (made.at(("name",)), made.at(())) == ("here.name", "here")


def test_every_key_of_the_interface_arrives() -> None:
    found = parse(
        workload(
            component(engine_config={"seed": 1}, autoscaling={"owner": "HPA"}, min_available="1"),
            network={"fabric": "TCP", "socket_interface": "eth0"},
            compute_domain={"create": "no", "name": "shared"},
            router={"mode": "Least-Loaded"},
        )
    )
    engine = found.components[0]
    assert (engine.engine_config, engine.autoscaling.owner, engine.scaled, engine.min_available) == (
        {"seed": 1},
        "hpa",
        True,
        1,
    )
    assert (found.network.fabric, found.router.mode) == ("tcp", "least-loaded")
    assert found.compute_domain == ComputeDomain(False, 0, "shared")
    plain = parse(workload())
    assert (plain.compute_domain, plain.router.mode, plain.network.fabric) == (None, None, "auto")
    assert (plain.components[0].scaled, plain.components[0].min_available) == (False, None)


def test_what_was_legal_once_is_not_judged_again() -> None:
    """More different words than are remembered; the readers forget and go on."""
    labels = {f"k{number}": f"v{number}" for number in range(5000)}
    assert parse(workload(labels=labels)).labels == labels
    assert parse(workload(labels=labels)).labels == labels


def test_a_reader_keeps_problems_in_the_order_of_its_table() -> None:
    with pytest.raises(SpecError) as error:
        parse_machines([{"gpu_count": "x", "nme": "a"}])
    assert [problem.path for problem in error.value.problems] == [
        "multinode_node[0].nme",
        "multinode_node[0]",
        "multinode_node[0].gpu_count",
    ]
    with pytest.raises(SpecError, match="did you mean scheduler"):
        parse_settings({"schedulr": "kai"})


def test_a_problem_as_data() -> None:
    problem = only(problems(workload(compute_domain=True)))
    assert problem.to_dict() == {
        "path": "multinode_workloads[0].compute_domain",
        "value": "true",
        "message": "is true; a map with the keys create, num_nodes, name",
        "check": "",
    }
    assert problems(workload(served_model_name=None)) == []


def test_a_mistake_in_the_defaults_is_told_once_for_all_workloads() -> None:
    named = [{**workload(), "name": name} for name in ("one", "two")]
    found = problems(*named, defaults={"replcae": "allow"})
    assert list(map(str, found)) == [
        "multinode_workload_defaults.replcae: is not a known key (did you mean replace?) [MN-F15]"
    ]
