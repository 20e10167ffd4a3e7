# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import components
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask, Wanted
from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import Credentials, covered, hidden, redacted
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import decisions
from ansible_collections.dynamo.multinode.plugins.module_utils.large import invocation

PROXY = {"http": "http://team:s3cret@proxy.example:3128", "https": "http://other:0ther@proxy.example:3128"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@h:3128", "http://***@h:3128"),
        ("https://token@charts.example/stable", "https://***@charts.example/stable"),
        ("socks5h://u:p%40q@h", "socks5h://***@h"),
        ("http://u:p@q@h", "http://***@h"),
        (
            "proxyconnect to http://u:p@h:1: refused, then https://v:w@i",
            "proxyconnect to http://***@h:1: refused, then https://***@i",
        ),
        ("http://h:3128,https://u:p@h", "http://h:3128,https://***@h"),
        ("http://h/path?mail=a@b", "http://h/path?mail=a@b"),
        ("nvcr.io/nvidia/driver@sha256:00", "nvcr.io/nvidia/driver@sha256:00"),
    ],
)
def test_the_password_of_a_url_is_hidden_wherever_it_stands(text: str, shown: str) -> None:
    assert hidden({"a": [text]}) == {"a": [shown]}
    assert redacted({"a": [text]}) == {"a": [shown]}
    assert hidden(shown) == shown
    assert Credentials(text).restore(Credentials(text).hide({"a": [text]})) == {"a": [text]}


@pytest.mark.parametrize(
    "values",
    [
        {"secrets": {"hf": "abc"}},
        {"auth": {"users": [{"name": "me", "pin": 1234}]}},
        {"token": 1234, "apiKey": 1.5},
        {"env": [{"name": "HF_TOKEN", "value": "hf_abc"}]},
        {"extra": ({"value": "x", "name": "NGC_API_KEY"},)},
        {"secretKey": "abc", "accessToken": ["abc"]},
    ],
)
def test_everything_below_the_key_of_a_secret_is_one(values: dict[str, object]) -> None:
    shown = str(redacted(values))
    assert "***" in shown
    for secret in ("abc", "'me'", "1234", "1.5", "'x'"):
        assert secret not in shown


@pytest.mark.parametrize(
    "values",
    [
        {"imagePullSecrets": [{"name": "mirror"}], "image_pull_secret": "mirror", "pullSecretNames": ["mirror"]},
        {"existingSecret": "hf", "existingSecretKey": "token", "pull_secret": "x", "secretName": "certs"},
        {"auth": {"enabled": True, "existingSecret": "hf", "password": ""}, "tokenSecretName": "hf"},
        {"env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}]},
        {"env": [{"name": "NCCL_DEBUG", "value": "INFO"}], "automountServiceAccountToken": False},
        {"webhookServerSecret": {"enabled": False}, "token": None, "secrets": {}},
    ],
)
def test_names_of_secrets_and_switches_are_shown(values: dict[str, object]) -> None:
    assert redacted(values) == values


def test_two_urls_that_look_alike_are_put_back_each_in_its_place() -> None:
    values = {"env": [{"name": name.upper(), "value": url} for name, url in PROXY.items()]}
    shown = Credentials(PROXY, None).hide(values)
    assert "s3cret" not in str(shown)
    assert "0ther" not in str(shown)
    # What else is known, and in which order, does not matter
    assert Credentials([{}, PROXY]).restore(shown) == values
    assert Credentials({}).restore(shown) == shown


def test_what_nobody_knows_stays() -> None:
    tree = {"url": "http://u:p@h", "other": "http://***@h", "number": 3, "none": None}
    assert Credentials(PROXY).hide(tree) == tree
    assert Credentials(PROXY).restore(tree) == tree


@pytest.mark.parametrize(("name", "settings"), [("gpu_operator", {}), ("network_operator", {"mofed": "operator"})])
def test_a_decision_shows_no_password_and_its_role_gets_the_true_values(name: str, settings: dict[str, str]) -> None:
    """As decide_all() publishes it, and roles/helm_component/tasks/chart.yml reads it."""
    ask = Ask(proxy=PROXY, settings=settings)
    component = components.definition(name)
    wanted = Wanted(name, mode="provision", namespace="here", release=name, chart=component.chart, ask=ask)
    decision = components.decide(wanted, decisions.absent_entry(), "v1.34.4")
    assert decision.action == "install"
    assert "s3cret" in str((decision.values_ours, decision.objects)), "the test would show nothing"
    params = {"pod_proxy": PROXY, "registry": None, "waivers": []}
    one = components.Asked(name, namespace="here", release=name, settings=settings)
    plain = decisions._plain(decision, one, decisions.absent_entry(), params, "2026-01-01")
    assert "s3cret" not in str(plain)
    assert "0ther" not in str(plain)
    known = Credentials([PROXY, {}, settings])
    assert known.restore(plain["values_ours"]) == decision.values_ours
    assert known.restore(plain["objects"]) == [dict(item) for item in decision.objects]


def test_the_options_of_a_module_are_told_without_passwords() -> None:
    told = invocation({"pod_proxy": PROXY, "objects": [{"env": PROXY["http"]}], "_slice": {}})
    assert "s3cret" not in str(told)
    assert set(told["module_args"]) == {"pod_proxy", "objects"}


def test_the_values_of_secrets_are_covered_wherever_they_stand_and_nothing_else() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {"name": "a", "annotations": {"copy": "s"}},
        "data": {"a": "s"},
        "type": "t",
    }
    shown = {
        "kind": "Secret",
        "metadata": {"name": "a", "annotations": {"copy": "***"}},
        "data": {"a": "***"},
        "type": "t",
    }
    config = {"kind": "ConfigMap", "metadata": {"annotations": {"b": "c"}}, "data": {"a": "s"}}
    assert covered({"objects": [secret, config, {"items": (secret, 1)}]}) == {
        "objects": [shown, config, {"items": [shown, 1]}]
    }
    assert covered({"kind": "SecretList", "items": [{"data": {"a": "s"}}]}) == {"kind": "SecretList", "items": "***"}
    assert covered({"kind": "Secret", "stringData": "wrong", "metadata": None}) == {
        "kind": "Secret",
        "stringData": "***",
        "metadata": None,
    }
