# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multinode_registry, multinode_proxy and multinode_airgap: one rule for images, and where it reaches."""

from __future__ import annotations

import itertools
import json

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import mirror
from ansible_collections.dynamo.multinode.plugins.module_utils.components import registry
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import AUTH_ARGS
from ansible_collections.dynamo.multinode.plugins.module_utils.render import render
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import WORKLOAD_ARGS
from ansible_collections.dynamo.multinode.plugins.modules import cluster_info

from tests.unit.plugins.module_utils.inputs import component, dynamo, dynamo_problems, native, problems, workload

MIRROR = "mirror.example:5000/ai"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
REGISTRY = {"mirror": MIRROR, "pull_secret": "mirror-pull", "ca_bundle": CA}
PROXY = {"http": "http://proxy.example:3128", "https": "http://proxy.example:3128", "no_proxy": ["10.0.0.0/8"]}
CACHE = {"type": "pvc", "claim": "models", "mount_path": "/models"}


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ("nvcr.io/nvidia/k8s/dcgm:4.6", f"{MIRROR}/nvidia/k8s/dcgm:4.6"),
        ("registry.k8s.io/lws/lws", f"{MIRROR}/lws/lws"),
        ("vllm/vllm-openai:v0.31.0", f"{MIRROR}/vllm/vllm-openai:v0.31.0"),
        ("nats:2.10", f"{MIRROR}/library/nats:2.10"),
        ("localhost/a/b", f"{MIRROR}/a/b"),
        ("other.example:443/a@sha256:0123", f"{MIRROR}/a@sha256:0123"),
        (f"{MIRROR}/nvidia/k8s/dcgm:4.6", f"{MIRROR}/nvidia/k8s/dcgm:4.6"),
    ],
)
def test_the_mirror_takes_the_place_of_the_host(given: str, there: str) -> None:
    assert mirror.image(given, REGISTRY) == there
    assert mirror.image(there, REGISTRY) == there
    assert mirror.image(given, {}) == mirror.image(given, {"mirror": None}) == given
    assert mirror.image(given, {"mirror": f"https://{MIRROR}/"}) == there


def test_two_images_never_share_a_place_unless_their_paths_are_the_same() -> None:
    given = ["nvcr.io/nvidia/a:1", "ghcr.io/nvidia/b:1", "nvidia/c:1", "a:1", "library/d:1"]
    places = [mirror.image(name, REGISTRY) for name in given]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("prefix", "there"),
    [
        ("nvcr.io/nvidia", f"{MIRROR}/nvidia"),
        ("docker.io", MIRROR),
        ("volcanosh", f"{MIRROR}/volcanosh"),
        (MIRROR, MIRROR),
        ("", ""),
    ],
)
def test_what_stands_before_an_images_name(prefix: str, there: str) -> None:
    assert mirror.repository(prefix, REGISTRY) == there
    assert mirror.repository(there, REGISTRY) == there


def test_a_proxy_is_never_between_a_pod_and_the_cluster() -> None:
    found = {entry["name"]: entry["value"] for entry in mirror.proxy_env(PROXY)}
    assert found["HTTPS_PROXY"] == PROXY["https"]
    direct = found["NO_PROXY"].split(",")
    assert direct[0] == "10.0.0.0/8"
    assert {".svc", ".cluster.local", "$(KUBERNETES_SERVICE_HOST)"} <= set(direct)
    assert mirror.proxy_env({"no_proxy": ["a"]}) == []
    assert [entry["name"] for entry in mirror.proxy_env({"http": "p", "no_proxy": None})] == ["HTTP_PROXY", "NO_PROXY"]
    spelled = mirror.proxy_env({"https": "p", "no_proxy": "10.0.0.0/8, .corp"})
    assert spelled[-1]["value"].startswith("10.0.0.0/8,.corp,localhost")


@pytest.mark.parametrize("name", sorted(registry.KEYS))
def test_a_charts_images_secrets_proxy_and_certificates(name: str) -> None:
    text = json.dumps(registry.values(name, REGISTRY, PROXY))
    keys = registry.KEYS[name]
    assert keys.source
    for upstream in (*keys.images.values(), *keys.prefixes.values()):
        assert f'"{upstream}"' not in text
    assert "mirror-pull" in text
    assert registry.values(name, {}, {}) == {}
    # Where a chart has no key, it is said.
    said = {finding.id for finding in registry.notes(name, REGISTRY, PROXY)}
    assert bool(keys.env) == ("proxy.example" in text)
    assert said == (set() if keys.env and keys.ca and not keys.missing else {"MN-N20"})
    for kind, taken in (("proxy", keys.env), ("ca", keys.ca)):
        assert bool(taken) != any(what == kind for what, _, _ in keys.missing), f"{name}: {kind}"


def test_n20_a_chart_that_nobody_described_is_said() -> None:
    assert [finding.severity for finding in registry.notes("prometheus", REGISTRY, {})] == ["warning"]
    assert registry.notes("prometheus", {}, {}) == ()
    assert registry.values("prometheus", REGISTRY, PROXY) == {}


def test_n21_a_chart_that_would_be_downloaded_names_the_archive_to_have() -> None:
    found = registry.airgap_refusal("lws", "oci://registry.k8s.io/lws/charts/lws", "0.8.0")
    assert (found.id, found.severity) == ("MN-N21", "error")
    assert "lws_chart: /path/to/lws-0.8.0.tgz" in found.remedy


def test_the_driver_containers_find_their_certificates() -> None:
    (config,) = registry.ca_config_map("gpu_operator", "gpu-operator", REGISTRY)
    assert config["data"] == {mirror.CA_KEY: CA + "\n"}
    values = registry.values("gpu_operator", REGISTRY, {})
    assert values["driver"]["certConfig"]["name"] == config["metadata"]["name"]
    assert registry.ca_config_map("lws", "lws-system", REGISTRY) == ()
    assert registry.ca_config_map("gpu_operator", "gpu-operator", {}) == ()
    (other,) = registry.ca_config_map("network_operator", "gpu-operator", REGISTRY)
    assert other["metadata"]["name"] != config["metadata"]["name"], "each is removed with its component"


def test_what_is_outside_the_mirror_is_found_wherever_it_is_named() -> None:
    pod = {"containers": [{"name": "a", "image": "a:1"}], "initContainers": [{"name": "b", "image": f"{MIRROR}/b:1"}]}
    objects = [
        {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}},
        {"kind": "Deployment", "metadata": {"name": "e"}, "env": [{"name": "INIT_IMAGE", "value": "ghcr.io/x/y"}]},
        {
            "kind": "NicClusterPolicy",
            "metadata": {"name": "n"},
            "spec": {"ofedDriver": {"repository": "nvcr.io/nvidia/mellanox", "image": "doca-driver", "version": "1"}},
        },
        None,
    ]
    assert registry.outside(objects, REGISTRY) == [
        "Deployment d: a:1",
        "Deployment e: ghcr.io/x/y",
        "NicClusterPolicy n: nvcr.io/nvidia/mellanox/doca-driver:1",
    ]
    assert registry.outside(objects, {}) == []


PATCH = {
    "initContainers": [{"name": "fetch", "image": "curlimages/curl:8"}],
    "containers": [{"name": "side", "image": f"{MIRROR}/team/side:1"}],
    "volumes": [{"name": "weights", "image": {"reference": "ghcr.io/org/weights:1"}}],
}
TARGETS = {
    "lws": lambda *works, **over: native(*works, **over),
    "grove": lambda *works, **over: native(*works, orchestrator="grove", scheduler="kai", **over),
    "dynamo": lambda *works, **over: dynamo(*works, **over),
}


def pods(objects):
    """Every pod spec in some objects."""
    if isinstance(objects, dict):
        if "containers" in objects:
            yield objects
        for value in objects.values():
            yield from pods(value)
    elif isinstance(objects, list):
        for value in objects:
            yield from pods(value)


def rendered(target: str, spec, **over):
    (plan,) = TARGETS[target](spec, **over).workloads
    return render(plan)


@pytest.mark.parametrize("target", TARGETS)
def test_every_image_of_a_workload_comes_from_the_mirror(target: str) -> None:
    spec = workload(component(pod_spec=PATCH), image="nvcr.io/nvidia/vllm:1.5.0", image_pull_secrets=["own"])
    objects = rendered(target, spec, registry=REGISTRY)
    assert registry.outside(objects, REGISTRY) == []
    found = list(pods(objects))
    assert found
    for pod in found:
        assert {container["image"] for container in pod["containers"]} == {
            f"{MIRROR}/nvidia/vllm:1.5.0",
            f"{MIRROR}/team/side:1",
        }
        assert pod["initContainers"][0]["image"] == f"{MIRROR}/curlimages/curl:8"
        assert [item["name"] for item in pod["imagePullSecrets"]] == ["own", "mirror-pull"]
        images = [item["image"]["reference"] for item in pod["volumes"] if "image" in item]
        assert images == [f"{MIRROR}/org/weights:1"]


@pytest.mark.parametrize("target", TARGETS)
def test_names_of_the_mirror_render_the_same_with_and_without_the_setting(target: str) -> None:
    theirs = rendered(target, workload(image=f"{MIRROR}/nvidia/vllm:1.5.0"))
    ours = rendered(target, workload(image="nvcr.io/nvidia/vllm:1.5.0"), registry={"mirror": MIRROR})
    both = rendered(target, workload(image=f"{MIRROR}/nvidia/vllm:1.5.0"), registry={"mirror": MIRROR})
    assert theirs == ours == both


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_site_nothing_is_different(target: str) -> None:
    assert rendered(target, workload()) == rendered(target, workload(), registry={}, pod_proxy={}, airgap=False)


def environment(objects) -> dict[str, str]:
    every = [container.get("env", []) for pod in pods(objects) for container in pod["containers"]]
    assert every
    return {entry["name"]: entry.get("value", "") for entry in itertools.chain(*every)}


@pytest.mark.parametrize("target", TARGETS)
def test_what_downloads_gets_the_proxy_and_the_certificates(target: str) -> None:
    objects = rendered(target, workload(), registry={"ca_bundle": CA}, pod_proxy=PROXY)
    found = environment(objects)
    assert found["HTTPS_PROXY"] == PROXY["https"]
    assert found["SSL_CERT_FILE"] == f"{mirror.CA_FOLDER}/{mirror.CA_KEY}"
    (config,) = [item for item in objects if item["kind"] == "ConfigMap"]
    assert config["data"] == {mirror.CA_KEY: CA + "\n"}
    for pod in pods(objects):
        assert {"name": "ca-bundle", "configMap": {"name": config["metadata"]["name"]}} in pod["volumes"]
    # A model on a volume is not downloaded, and the ranks talk to each other by address.
    local = environment(rendered(target, workload(model="/models/llama", model_cache=CACHE), pod_proxy=PROXY))
    assert "HTTPS_PROXY" not in local


@pytest.mark.parametrize("target", TARGETS)
def test_n21_an_air_gap_keeps_engines_from_the_hub(target: str) -> None:
    objects = rendered(target, workload(model_cache=CACHE), airgap=True, pod_proxy=PROXY)
    found = environment(objects)
    assert found["HF_HUB_OFFLINE"] == "1"
    assert "HTTPS_PROXY" not in found


def n21(plan) -> list[str]:
    return [finding.severity for finding in plan.findings if finding.id == "MN-N21"]


def test_n21_a_model_that_only_the_hub_has_is_refused_in_an_air_gap() -> None:
    assert n21(native(workload(), airgap=True)) == ["error"]
    assert n21(native(workload(model_cache=CACHE), airgap=True)) == ["note"]
    assert n21(native(workload(model="/in/the/image"), airgap=True)) == []
    assert n21(native(workload())) == []
    own = workload(env={"HF_ENDPOINT": "https://hub.example"})
    assert n21(native(own, airgap=True)) == []
    (plan,) = native(own, airgap=True).workloads
    assert "HF_HUB_OFFLINE" not in environment(render(plan))


@pytest.mark.parametrize(
    ("over", "path", "said"),
    [
        ({"registry": {"miror": "a"}}, ("multinode_registry", "miror"), "mirror"),
        ({"registry": {"ca_bundle": "/etc/ca.pem"}}, ("multinode_registry", "ca_bundle"), "PEM"),
        (
            {"registry": {"ca_bundle": CA + "\n-----BEGIN PRIVATE KEY-----"}},
            ("multinode_registry", "ca_bundle"),
            "private key",
        ),
        ({"registry": {"pull_secret": "a b"}}, ("multinode_registry", "pull_secret"), ""),
        ({"pod_proxy": {"no_proxy": "a"}}, ("multinode_proxy", "no_proxy"), "a list"),
    ],
)
def test_settings_are_read_as_everything_else(over, path, said: str) -> None:
    for found in (problems(workload(), **over), dynamo_problems(workload(), **over)):
        (problem,) = found
        assert problem.path == ".".join(path)
        assert said in problem.message


def test_no_option_of_ours_takes_the_place_of_one_for_the_way_to_the_api_server() -> None:
    assert set(AUTH_ARGS) & set(WORKLOAD_ARGS) == set()
    assert {name: cluster_info.arguments()[name] for name in AUTH_ARGS} == dict(AUTH_ARGS)
