# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others do between our read and our write; against a real API server: tests/integration."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import applyset, deletion

from tests.unit.plugins.module_utils.kube.memory import Memory, Object, config_map

SET = {"name": "fleet", "namespace": "here"}


def run(api: Any, *objects: Object, **options: Any) -> list[engine.Result]:
    return engine.apply(api, objects, **options)


def edited(api: Memory, name: str, by: str = "kubectl-edit", **data: str) -> None:
    """Another hand changes values; our entry stays, for what it did not change."""
    obj = api.objects[("ConfigMap", "here", name)]
    fields: Object = {"f:data": {f"f:{key}": {} for key in data}}
    obj["data"].update(data)
    obj["metadata"]["managedFields"].append({"manager": by, "operation": "Update", "fieldsV1": fields})


@pytest.mark.parametrize("hand", ["kubectl-create", "kubectl-client-side-apply", "kubectl-replace"])
@pytest.mark.parametrize("check", [True, False])
def test_what_was_never_ours_is_not_taken_over(hand: str, check: bool) -> None:
    api = Memory()
    theirs = api.put(config_map("a", a="theirs"), manager=hand)
    result = run(api, config_map("a", a="ours"), check=check)[0]
    assert result.action == "failed"
    assert result.error is not None
    assert f".data.a belongs to {hand}" in result.error
    assert "force_conflicts: true" in result.error
    assert api.objects[("ConfigMap", "here", "a")] == theirs
    forced = run(api, config_map("a", a="ours"), force=True)[0]
    assert (forced.action, api.objects[("ConfigMap", "here", "a")]["data"]) == ("changed", {"a": "ours"})


def test_what_is_made_by_hand_between_our_read_and_our_write_is_not_taken_over() -> None:
    api = Memory()
    api.before = lambda _verb, name: api.put(config_map(name, a="theirs"))
    result = run(api, config_map("a", a="ours"))[0]
    assert (result.action, api.objects[("ConfigMap", "here", "a")]["data"]) == ("failed", {"a": "theirs"})


def test_what_is_ours_and_was_edited_by_hand_is_put_back() -> None:
    api = Memory()
    run(api, config_map("a", a="ours"))
    edited(api, "a", a="theirs")
    result = run(api, config_map("a", a="ours"))[0]
    assert result.action == "changed"
    assert result.warnings == [".data.a was changed by hand (kubectl-edit) and is put back"]


def test_what_is_ours_and_was_taken_by_hands_as_a_whole_is_put_back() -> None:
    """Then our entry is gone; whoever makes an object with kubectl keeps one."""
    api = Memory()
    api.put(config_map("a", a="theirs"), manager="kubectl-edit")
    assert run(api, config_map("a", a="ours"))[0].action == "changed"
    api.put(config_map("a", a="theirs"), manager="kubectl-create")
    edited(api, "a", a="theirs, edited")
    assert run(api, config_map("a", a="ours"))[0].action == "failed"


def grown(api: Memory) -> list[Object]:
    """A set of two of which the second is no longer asked for."""
    both = [config_map("a"), config_map("b")]
    assert [result.action for result in run(api, *both, applyset=SET)] == ["created"] * 3
    return both[:1]


def pruned(api: Memory, objects: list[Object], **options: Any) -> engine.Result:
    results = run(api, *objects, applyset=SET, prune=True, **options)
    return next(result for result in results if result.name == "b")


@pytest.mark.parametrize("check", [True, False])
def test_a_member_that_is_taken_out_of_the_set_during_the_run_stays(check: bool) -> None:
    api = Memory()
    objects = grown(api)
    objects[0]["data"] = {"a": "2"}
    api.before = lambda _verb, _name: api.objects[("ConfigMap", "here", "b")]["metadata"]["labels"].clear()
    result = pruned(api, objects, check=check)
    assert (result.action, result.error) == ("kept", None)
    assert "was taken out of the ApplySet" in result.warnings[0]
    assert ("ConfigMap", "here", "b") in api.objects
    assert ("delete", "b") not in api.sent


@pytest.mark.parametrize("moment", ["apply", "delete"])
def test_a_member_that_is_made_anew_during_the_run_stays(moment: str) -> None:
    """Between the list and the writes, and at the very last, between our look at it and its deletion."""
    api = Memory()
    objects = grown(api)
    objects[0]["data"] = {"a": "2"}
    anew = {**config_map("b"), "metadata": dict(api.objects[("ConfigMap", "here", "b")]["metadata"], uid="other")}

    def recreate(verb: str, _name: str) -> None:
        if verb == moment:
            api.objects[("ConfigMap", "here", "b")] = anew

    api.before = recreate
    result = pruned(api, objects)
    assert (result.action, result.error) == ("kept", None)
    assert "made anew by somebody" in result.warnings[0]
    assert api.objects[("ConfigMap", "here", "b")] is anew
    kinds = api.objects[("ConfigMap", "here", "fleet")]["metadata"]["annotations"][applyset.GROUP_KINDS]
    assert kinds == "ConfigMap"


def test_a_member_that_nobody_touched_goes_and_only_that_very_one() -> None:
    api: Any = Memory()
    objects = grown(api)
    uids = []
    send = api.delete

    def delete(*name: Any, uid: str | None = None, **options: Any) -> Object | None:
        uids.append(uid)
        return send(*name, uid=uid, **options)

    api.delete = delete
    uid = api.objects[("ConfigMap", "here", "b")]["metadata"]["uid"]
    assert pruned(api, objects).action == "deleted"
    assert (uids, ("ConfigMap", "here", "b") in api.objects) == ([uid], False)


def test_what_was_written_before_its_namespace_went_is_written_again() -> None:
    """Its parts are written in phases: a quota first, and when the ConfigMaps' turn comes the namespace is gone."""
    api = Memory()
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "here"}, "spec": {}}
    other = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "here"}, "spec": {"a": 1}}
    run(api, other)
    gone: list[str] = []

    def vanish(_verb: str, name: str) -> None:
        if name == "a" and not gone:
            gone.append(name)
            api.drop("here")

    api.before = vanish
    results = run(api, quota, other, config_map("a"), create_namespaces=True)
    assert {(result.kind, result.action) for result in results} == {
        ("ResourceQuota", "created"),
        ("LimitRange", "created"),
        ("ConfigMap", "created"),
        ("Namespace", "created"),
    }
    assert {key[0] for key in api.objects} == {"Namespace", "ResourceQuota", "LimitRange", "ConfigMap"}
    assert api.sent.count(("apply", "a")) == 2, "refused, and then in the new namespace, once"


def test_what_is_deleted_and_made_anew_by_somebody_is_gone_and_told() -> None:
    api: Any = Memory(config_map("a"))
    send = api.delete

    def delete(*name: Any, **options: Any) -> Object | None:
        answer = send(*name, **options)
        api.put(config_map("a"))
        return answer

    api.delete = delete
    ref = deletion.Ref("v1", "ConfigMap", "here", "a")
    removal = deletion.Removal(api, [ref], timeout=30.0)
    assert removal.wait()
    found = removal.results()[0]
    assert (found.action, found.error, found.warnings) == ("deleted", None, ["is gone, and made anew by somebody"])
    again = deletion.Removal.from_state(api, removal.to_state())
    assert again.results()[0].warnings == found.warnings
