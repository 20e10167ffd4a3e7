# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of an object that is there already: what upstream cannot change in place, and what an edit costs.

Pure: each check takes the object as it would be sent and as it is live. An error means that only deleting and creating
again can bring the change about; a warning says what happens while it is made in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.ownership import own_entry, why_write
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGER

Object = Mapping[str, Any]
Check = Callable[[Object, Object], Iterator[Finding]]

CONSENT = (
    "set replace: allow on the workload (or multinode_replace) to delete it and create it again, which interrupts "
    "serving; or give the new shape another name"
)
_MEANWHILE = "make the edit when that is allowed, or bring the new version up beside it under another name"
ENABLE_GROVE = "nvidia.com/enable-grove"
PROVIDER = "nvidia.com/workload-provider"
WORKERS = ("worker", "prefill", "decode")
# Immutable for each component of a DynamoGraphDeployment (operator: internal/webhook/validation)
_FIXED = ("type", "minAvailable", "topologyConstraint")
_OF_COMPONENT = re.compile(r"^spec\.components\[(?P<name>[^]]+)\]\.(?!replicas|scalingAdapter)")


def run(wanted: Object, live: Object) -> tuple[Finding, ...]:
    """All findings about the change from ``live`` to ``wanted``, in the order of the checks."""
    return tuple(finding for check in LIVE_CHECKS for finding in check(wanted, live))


def action(wanted: Object, live: Object | None) -> str:
    """What would be done: ``create``, ``change``, ``replace`` or ``nothing``."""
    if live is None:
        return "create"
    if any(finding.severity == "error" for finding in run(wanted, live)):
        return "replace"
    return "change" if why_write(wanted, live, MANAGER) else "nothing"


# -- what cannot be changed ---------------------------------------------------------------------------------------


def f10_node_count(wanted: Object, live: Object) -> Iterator[Finding]:
    """F10: another number of machines for each engine.

    Dynamo 1.6 refuses it; 1.5 admits it, then Grove refuses it or LWS runs half of two sets (observed.md 2). A
    LeaderWorkerSet's webhook admits another size, but then one group at a time is torn down and made anew.
    """
    new, old = _node_counts(wanted), _node_counts(live)
    for name in sorted(set(new) & set(old)):
        if new[name] != old[name]:
            where = f"{name}: " if name else ""
            yield _replace("MN-F10", wanted, f"{where}node_count {old[name]} cannot become {new[name]} in place")


def f11_component_set(wanted: Object, live: Object) -> Iterator[Finding]:
    """F11: other components, or another backend, role, topology or minimum of one."""
    if wanted["kind"] == "DynamoGraphDeployment":
        yield from _dynamo_topology(wanted, live)
    elif wanted["kind"] == "PodCliqueSet":
        yield from _clique_topology(wanted, live)


def _dynamo_topology(wanted: Object, live: Object) -> Iterator[Finding]:
    new, old = _components(wanted), _components(live)
    if set(new) != set(old):
        yield _replace("MN-F11", wanted, f"components {_names(old)} cannot become {_names(new)} in place")
    for key in ("backendFramework", "topologyConstraint"):
        yield from _fixed(wanted, live, wanted["spec"], live["spec"], ("f:spec",), key, "")
    for name in sorted(set(new) & set(old)):
        path: tuple[str, ...] = ("f:spec", "f:components", f'k:{{"name":"{name}"}}')
        for key in _FIXED:
            yield from _fixed(wanted, live, new[name], old[name], path, key, f"{name}: ")


def _clique_topology(wanted: Object, live: Object) -> Iterator[Finding]:
    if _node_counts(wanted) != _node_counts(live):
        return  # one thing to say: F10 has said it
    new, old = _template(wanted), _template(live)
    cliques, before = _by_name(new, "cliques"), _by_name(old, "cliques")
    if list(cliques) != list(before):
        yield _replace("MN-F11", wanted, f"cliques {_names(before)} cannot become {_names(cliques)} in place")
        return
    for key in ("cliqueStartupType", "topologyConstraint"):
        yield from _fixed(wanted, live, new, old, ("f:spec", "f:template"), key, "")
    for name in cliques:
        path: tuple[str, ...] = ("f:spec", "f:template", "f:cliques", f'k:{{"name":"{name}"}}')
        yield from _fixed(wanted, live, cliques[name], before[name], path, "topologyConstraint", f"{name}: ")
        spec = (cliques[name].get("spec") or {}, before[name].get("spec") or {})
        yield from _fixed(wanted, live, *spec, (*path, "f:spec"), "minAvailable", f"{name}: ")
    groups, were = _by_name(new, "podCliqueScalingGroups"), _by_name(old, "podCliqueScalingGroups")
    if {name: group.get("cliqueNames") for name, group in groups.items()} != {
        name: group.get("cliqueNames") for name, group in were.items()
    }:
        yield _replace("MN-F11", wanted, f"scaling groups {_names(were)} cannot become {_names(groups)} in place")
        return
    for name, group in groups.items():
        # An atomic list: where the group is ours, so is everything in it
        atomic = ("f:spec", "f:template", "f:podCliqueScalingGroups")
        for key in ("minAvailable", "topologyConstraint"):
            if key in group or key == "topologyConstraint":
                yield from _fixed(wanted, live, group, were[name], atomic, key, f"{name}: ")


def f102_provider(wanted: Object, live: Object) -> Iterator[Finding]:
    """F102: Dynamo writes down at creation which stack makes the pods, and keeps to it."""
    if wanted["kind"] != "DynamoGraphDeployment":
        return
    provider = _annotations(live).get(PROVIDER)
    intent, before = _provider(wanted), _provider(live)
    if provider is None:
        provider = before
    if provider == intent:
        return
    said = f"was created for {_STACKS.get(provider, provider)} and never moves to {_STACKS[intent]}"
    if intent != before:
        yield _replace("MN-F102", wanted, said)
    else:
        # Replacing it could end where it began: the operator chose, against what was asked for
        yield Finding(
            "MN-F102",
            "warning",
            _subject(wanted),
            said,
            "when the operator is configured for it, delete the workload (state: absent) and create it again",
        )


# -- what an edit costs -------------------------------------------------------------------------------------------


def f86_no_rolling_update(wanted: Object, live: Object) -> Iterator[Finding]:
    """F86: engines of several machines are not rolled with a surge; each is torn down before it is made anew."""
    if wanted["kind"] in ("LeaderWorkerSet", "PodCliqueSet") and edited(wanted, live):
        yield Finding(
            "MN-F86",
            "warning",
            _subject(wanted),
            "the edit restarts every engine, each torn down before its successor starts: fewer of them serve meanwhile",
            _MEANWHILE,
        )


def f105_all_workers(wanted: Object, live: Object) -> Iterator[Finding]:
    """F105: Dynamo hashes the templates of all workers into one; neither Grove nor LWS has a surge."""
    if wanted["kind"] != "DynamoGraphDeployment":
        return
    components = _components(wanted)
    workers = [name for name, component in components.items() if component.get("type") in WORKERS]
    touched = [name for name in edited(wanted, live) if name in workers]
    if touched:
        yield Finding(
            "MN-F105",
            "warning",
            _subject(wanted),
            f"the edit to {', '.join(touched)} restarts all workers ({', '.join(workers)}), without surge: the model "
            "is not served meanwhile",
            _MEANWHILE,
        )


def f104_second_edit(wanted: Object, live: Object) -> Iterator[Finding]:
    """F104: Grove sticks when a template is edited while it still rolls the one before."""
    grove = wanted["kind"] == "PodCliqueSet" or (
        wanted["kind"] == "DynamoGraphDeployment" and (_annotations(live).get(PROVIDER) or _provider(live)) == "grove"
    )
    if grove and _rolling(live) and edited(wanted, live):
        yield Finding(
            "MN-F104",
            "warning",
            _subject(wanted),
            "is still being rolled out, and Grove sticks when it is edited meanwhile",
            "wait until it is ready (workload_info says so) and run again; a stuck one heals by going back",
        )


def _rolling(live: Object) -> bool:
    status = live.get("status") or {}
    progress = status.get("updateProgress") or status.get("rollingUpdateProgress") or {}
    if progress and not progress.get("updateEndedAt"):
        return True
    return any(
        entry.get("type") == "Ready" and entry.get("status") != "True" and entry.get("reason") == "updating"
        for entry in status.get("conditions") or []
    )


def edited(wanted: Object, live: Object) -> tuple[str, ...]:
    """The components whose pods would be another's: names in a DynamoGraphDeployment, else the object's own."""
    reasons = why_write(wanted, live, MANAGER) if own_entry(live, MANAGER) else []
    if wanted["kind"] == "DynamoGraphDeployment":
        found = [match.group("name") for match in map(_OF_COMPONENT.match, reasons) if match]
        if any(reason.startswith("spec.env") for reason in reasons):
            found += list(_components(wanted))
        return tuple(dict.fromkeys(found))
    inside = {
        "LeaderWorkerSet": ("spec.leaderWorkerTemplate.leaderTemplate", "spec.leaderWorkerTemplate.workerTemplate"),
        "PodCliqueSet": ("spec.template.cliques",),
    }.get(wanted["kind"], ())
    return (str(wanted["metadata"]["name"]),) if any(reason.startswith(inside) for reason in reasons if inside) else ()


LIVE_CHECKS: tuple[Check, ...] = (
    f10_node_count,
    f11_component_set,
    f102_provider,
    f86_no_rolling_update,
    f105_all_workers,
    f104_second_edit,
)


# -- reading the objects ------------------------------------------------------------------------------------------

_STACKS = {"grove": "Grove", "component": "LeaderWorkerSet"}


def _subject(obj: Object) -> str:
    meta = obj["metadata"]
    return f"{obj['kind']} {meta.get('namespace')}/{meta.get('name')}"


def _replace(number: str, wanted: Object, message: str) -> Finding:
    return Finding(number, "error", _subject(wanted), message, CONSENT)


def _fixed(
    wanted: Object, live: Object, new: Object, old: Object, path: tuple[str, ...], key: str, where: str
) -> Iterator[Finding]:
    """A field that cannot change. One that we do not set is none of our business, unless it was ours."""
    if new.get(key) == old.get(key) or (key not in new and not _ours(live, (*path, f"f:{key}"))):
        return
    before, after = old.get(key), new.get(key)
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        changes = f"{key} cannot be {'changed' if before and after else 'added' if after else 'removed'}"
    else:
        changes = f"{key} {before if before is not None else 'unset'} cannot become {after if after else 'unset'}"
    yield _replace("MN-F11", wanted, f"{where}{changes} in place")


def _ours(live: Object, path: tuple[str, ...]) -> bool:
    """Whether the live object records that field as applied by us; a leaf on the way there covers it."""
    tree: Any = (own_entry(live, MANAGER) or {}).get("fieldsV1")
    if not tree:
        return False
    for name in path:
        if not tree:
            return True
        if name not in tree:
            return False
        tree = tree[name]
    return True


def _names(found: Mapping[str, Any]) -> str:
    return ", ".join(found) or "none"


def _node_counts(obj: Object) -> dict[str, int]:
    """Machines of each engine, by component; the name is empty where the object is one component."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "LeaderWorkerSet":
        return {"": int((spec.get("leaderWorkerTemplate") or {}).get("size") or 1)}
    if obj["kind"] == "DynamoGraphDeployment":
        return {
            name: int((component["multinode"] or {}).get("nodeCount") or 2) if "multinode" in component else 1
            for name, component in _components(obj).items()
        }
    if obj["kind"] == "PodCliqueSet":
        cliques = _by_name(_template(obj), "cliques").values()
        return {"": sum(int((clique.get("spec") or {}).get("replicas") or 1) for clique in cliques)}
    return {}


def _components(obj: Object) -> dict[str, Object]:
    return {str(component.get("name")): component for component in (obj.get("spec") or {}).get("components") or []}


def _template(obj: Object) -> Object:
    found: Object = (obj.get("spec") or {}).get("template") or {}
    return found


def _by_name(template: Object, key: str) -> dict[str, Object]:
    return {str(entry.get("name")): entry for entry in template.get(key) or []}


def _annotations(obj: Object) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _provider(obj: Object) -> str:
    """Which stack the manifest asks for (operator: controller/dgd_workload_provider.go); only "false" counts."""
    return "component" if str(_annotations(obj).get(ENABLE_GROVE, "")).lower() == "false" else "grove"
