# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a cluster to what was rendered: read in bulk, write only what differs, report per object."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.garbage import no_collection
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import (
    applyset,
    conflicts,
    ownership,
    readiness,
    wait,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.conflicts import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import remove
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError, KubeError, NoSuchKind
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import PHASES, Result, phase_of
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Outcome, Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY

__all__ = ["Result", "Review", "apply", "malformed", "remove", "wait_for"]

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NAMESPACE = ("v1", "Namespace")
# A list of these would carry other people's secrets, or megabytes of schemas
READ_BY_NAME = frozenset({("v1", "Secret"), CRD})
CRD_TIMEOUT = 60.0
DISCOVERY_TIMEOUT = 10.0
# How long an object or namespace on its way out is waited for, before it is made anew
GOING_TIMEOUT = 120.0
# Writes of one object in one run, when others' hands are faster
ATTEMPTS = 4


@dataclass
class _Item:
    """One object on its way through an apply."""

    wanted: dict[str, Any]
    ref: Ref
    phase: int
    live: dict[str, Any] | None = None
    result: Result | None = None
    warnings: list[str] = field(default_factory=list)

    def settle(self, action: str, *, seen: Mapping[str, Any] | None = None, **more: Any) -> None:
        """``seen``: the object as the API server last showed it, in a real run."""
        if seen is not None:
            more["verdict"] = readiness.ready(seen)
        more["warnings"] = [*self.warnings, *more.get("warnings", [])]
        self.result = Result(self.ref.api_version, self.ref.kind, self.ref.namespace, self.ref.name, action, **more)

    @property
    def kind(self) -> tuple[str, str]:
        return (self.ref.api_version, self.ref.kind)


@dataclass
class Review:
    """Decided between reading and writing. ``refused``: object -> why it is not written. ``replaced``: object -> why it
    is to be deleted, with all it owns, and created again, which the caller does (Result.anew)."""

    refused: dict[Ref, str] = field(default_factory=dict)
    replaced: dict[Ref, str] = field(default_factory=dict)


# Sees each object as it would be sent, and as it is live (None: absent); and what else of ours is there, of the same
# kinds in the same namespaces, where these could be listed
Reviewer = Callable[
    [Sequence[tuple[Ref, Mapping[str, Any], "Mapping[str, Any] | None"]], Sequence[Mapping[str, Any]]], Review
]


@no_collection()
def apply(
    client: Client,
    objects: Sequence[Mapping[str, Any]],
    *,
    check: bool = False,
    force: bool = False,
    create_namespaces: bool = False,
    may_be_missing: Collection[tuple[str, str]] = (),
    review: Reviewer | None = None,
    prune_timeout: float = 300.0,
    applyset: Mapping[str, Any] | None = None,
    prune: bool = False,
    going_timeout: float = GOING_TIMEOUT,
) -> list[Result]:
    """Server-side apply of all ``objects``; one Result each, in their order, then one per namespace created, the
    ApplySet's parent when it was written, and one per member that is no longer named.

    Objects that already are as wanted cost no request of their own. ``force`` takes fields over from other managers.
    ``create_namespaces`` creates the namespaces that the objects need and that do not exist. ``may_be_missing``:
    (apiVersion, kind) whose CRD an earlier step of the same run installs, so that check mode reports would_create.
    ``review`` may refuse objects, or have them replaced by the caller, before any is written.
    ``applyset``: {"name", "namespace", "kind"} of the set's parent (applyset.Parent); the objects become its members.
    ``prune`` deletes (action deleted) its members that ``objects`` does not name, and waits until they are gone
    (``prune_timeout`` seconds), unless ``objects`` is empty or one of them failed; kinds of applyset.NEVER_PRUNED are
    kept, with a warning. What is being deleted already is waited for, ``going_timeout`` seconds, and made anew.
    Raises ApiError only when nothing can be done at all (no answer, credentials refused), and ApplySetError.
    """
    run = _Run(client, _items(objects), check=check, force=force, may_be_missing=frozenset(may_be_missing))
    run.prune_timeout, run.going_timeout = prune_timeout, going_timeout
    run.create_namespaces = create_namespaces
    if applyset is not None:
        run.join(applyset)
    run.resolve()
    run.read(run.items)
    run.outlast(run.items)
    run.admit()
    if review is not None:
        run.obey(review)
    if create_namespaces:
        run.add_namespaces()
    for phase in range(len(PHASES) + 1):
        run.write([item for item in run.items if item.phase == phase])
        if phase == 0:
            run.settle_crds()
        if phase == phase_of("Namespace"):
            run.record()
    run.catch_up()
    results = [item.result for item in run.items if item.result is not None]
    return results + (run.prune(delete=prune) if objects else [])


def _items(objects: Iterable[Mapping[str, Any]]) -> list[_Item]:
    """One item for each object; those that are no Kubernetes objects, or named twice, have failed already."""
    items: list[_Item] = []
    seen: set[tuple[str, str, str | None, str]] = set()
    for number, obj in enumerate(objects):
        complaint = malformed(obj)
        about: Mapping[str, Any] = obj if isinstance(obj, Mapping) else {}
        meta = about.get("metadata")
        meta = meta if isinstance(meta, Mapping) else {}
        ref = Ref(
            str(about.get("apiVersion") or ""),
            str(about.get("kind") or ""),
            meta.get("namespace"),
            str(meta.get("name") or f"objects[{number}]"),
        )
        identity = (ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name)
        if complaint is None and identity in seen:
            complaint = "is named more than once"
        seen.add(identity)
        items.append(_Item(ownership.normalise(about) if complaint is None else {}, ref, phase_of(ref.kind)))
        if complaint is not None:
            items[-1].settle("failed", validated=False, error=complaint)
    return items


def malformed(obj: Any) -> str | None:
    """What makes ``obj`` no Kubernetes object that can be named, or None."""
    if not isinstance(obj, Mapping):
        return f"is {type(obj).__name__}, a Kubernetes object is a map"
    for key in ("apiVersion", "kind"):
        if not isinstance(obj.get(key), str) or not obj[key]:
            return f"has no {key}"
    meta = obj.get("metadata")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str) or not meta["name"]:
        return "has no metadata.name (generateName cannot be applied)"
    if obj["kind"] == "List" or obj["kind"].endswith("List"):
        return "is a List: give its items one by one"
    return None


class _Run:
    """One call of apply(): its client, options and items."""

    def __init__(
        self,
        client: Client,
        items: list[_Item],
        *,
        check: bool,
        force: bool,
        may_be_missing: frozenset[tuple[str, str]],
    ) -> None:
        self.client = client
        self.items = list(items)
        self.check = check
        self.force = force
        self.may_be_missing = may_be_missing
        # kinds that a CRD of this very run defines, until they are served
        self.coming: set[tuple[str, str]] = set()
        self.new_namespaces: set[str] = set()
        self.replaced: dict[Ref, str] = {}
        self.prune_timeout = 0.0
        self.going_timeout = 0.0
        self.create_namespaces = False
        # what else of ours the lists have shown: nobody asks for it any more, or another call does
        self.others: list[Mapping[str, Any]] = []
        # (apiVersion, kind, namespace) -> the members of our ApplySet that its list has shown
        self.listed: dict[tuple[str, str, str | None], list[Mapping[str, Any]]] = {}
        self.parent: applyset.Parent | None = None
        self.parent_live: dict[str, Any] | None = None
        self.recorded = applyset.Extent()
        self.parent_result: Result | None = None
        self.lock = threading.Lock()
        # namespaces that were going, or gone, when we wrote: why they cannot be written to, or None when made anew
        self.renewed: dict[str, str | None] = {}

    # -- before writing -----------------------------------------------------------------------------------------

    def resolve(self) -> None:
        """Find every kind; an unknown one fails its objects, unless a CRD of this run defines it."""
        defined = _defined(item for item in self.items if item.kind == CRD and item.result is None)
        kinds = sorted({item.kind for item in self.items if item.result is None})
        self.client.map(lambda kind: self.client.serves(*kind), dict(kinds).items())  # one request per API version
        for item in self.items:
            if item.result is not None:
                continue
            if item.kind in defined and not self.client.serves(*item.kind):
                self.coming.add(item.kind)
            elif not self._place(item):
                if self.check and item.kind in self.may_be_missing:
                    item.settle("would_create", validated=False, diff=_diff(item, None, None))
                else:
                    item.settle("failed", validated=False, error=str(NoSuchKind(*item.kind)))

    def _place(self, item: _Item) -> bool:
        """Give the object the namespace that it will really be in. False: its kind is not served."""
        try:
            namespaced = self.client.resource(*item.kind).namespaced
        except NoSuchKind:
            return False
        namespace = (item.ref.namespace or "default") if namespaced else None
        item.ref = Ref(*item.kind, namespace, item.ref.name)
        item.wanted["metadata"].pop("namespace", None)
        if namespace:
            item.wanted["metadata"]["namespace"] = namespace
        return True

    def read(self, items: Iterable[_Item]) -> None:
        """The live objects: one LIST per kind and namespace; Secrets and CRDs one by one."""
        groups: dict[tuple[str, str, str | None], list[_Item]] = {}
        for item in items:
            if item.result is None and item.kind not in self.coming:
                groups.setdefault((*item.kind, item.ref.namespace), []).append(item)
        single = [item for key, group in groups.items() if key[:2] in READ_BY_NAME for item in group]
        bulk = [(key, group) for key, group in groups.items() if key[:2] not in READ_BY_NAME]
        refused = [item for group in self.client.map(self._list, bulk) for item in group]
        self.client.map(self._get, single + refused)

    def _list(self, work: tuple[tuple[str, str, str | None], list[_Item]]) -> list[_Item]:
        """Fill in the live objects; the items are given back when listing is not allowed."""
        key, items = work
        try:
            objects, version = self.client.list_at(*key)
            found = {obj["metadata"]["name"]: obj for obj in objects}
        except ApiError as error:
            if error.status == 403:
                return items
            raise
        again = key in self.listed
        if version:  # else the kind was not served: nothing is known
            self.listed[key] = [obj for obj in objects if self.parent and applyset.is_member(obj, self.parent.id)]
        for item in items:
            item.live = found.pop(item.ref.name, None)
        self.others += [
            obj
            for obj in found.values()
            if not again
            and (obj["metadata"].get("labels") or {}).get(MANAGED_BY) == FIELD_MANAGER
            and not obj["metadata"].get("ownerReferences")
        ]
        return []

    def _get(self, item: _Item) -> None:
        try:
            item.live = self.client.get(*item.kind, item.ref.name, item.ref.namespace)
        except ApiError as error:
            if error.status != 403:
                raise
            item.settle("failed", validated=False, error=str(error))

    def outlast(self, items: Iterable[_Item]) -> None:
        """Wait until what is being deleted is gone, to make it anew; what hangs on fails with what holds it."""
        going = [item for item in items if item.result is None and _going(item.live)]
        if self.check:
            for item in going:
                item.warnings.append("is being deleted now; a real run waits, and creates it again")
                item.settle("would_create", validated=False, diff=_diff(item, None, None))
            return
        deadline = time.monotonic() + self.going_timeout
        pause = 0.05
        while going and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(1.0, pause * 2)
            self.read(going)
            going = [item for item in going if item.result is None and _going(item.live)]
        for item in going:
            live = item.live or {}
            held = wait.holders(live)
            by = f", held by {', '.join(held)}" if held else ""
            item.settle(
                "failed",
                error=f"is being deleted since {live['metadata']['deletionTimestamp']}{by}, and is still there after "
                f"{self.going_timeout:g} s: let it go, then run again",
            )

    # -- the ApplySet -------------------------------------------------------------------------------------------

    def join(self, options: Mapping[str, Any]) -> None:
        """Make every object a member. Raises ApplySetError when the set is somebody else's."""
        self.parent = applyset.Parent.of(options)
        self.recorded, self.parent_live = self.parent.read(self.client)
        for item in self.items:
            if item.result is not None:
                continue
            labels = item.wanted["metadata"].setdefault("labels", {})
            if labels.setdefault(applyset.PART_OF, self.parent.id) != self.parent.id:
                item.settle("failed", validated=False, error=f"is labelled {applyset.PART_OF} of another ApplySet")
            elif item.kind == ("v1", self.parent.kind) and (item.ref.namespace or "default", item.ref.name) == (
                self.parent.namespace,
                self.parent.name,
            ):
                item.settle("failed", validated=False, error="is the ApplySet's parent, which cannot be its member")

    def admit(self) -> None:
        """Refuse what is a member of another ApplySet."""
        for item in self.items:
            other = applyset.set_of(item.live) if item.live is not None and self.parent is not None else None
            if item.result is None and self.parent is not None and other not in (None, self.parent.id):
                item.settle(
                    "failed",
                    validated=False,
                    error=f"is a member of another ApplySet ({other}): take it out of that one first "
                    f"(the label {applyset.PART_OF})",
                )

    def _extent(self, refs: Iterable[Ref]) -> applyset.Extent:
        refs = list(refs)
        return applyset.Extent(
            frozenset(applyset.group_kind(ref.api_version, ref.kind) for ref in refs),
            frozenset(ref.namespace for ref in refs if ref.namespace),
        )

    def _members(self) -> list[Ref]:
        marked = [item for item in self.items if applyset.set_of(item.wanted or {"metadata": {}})]
        return [item.ref for item in marked if item.result is None or item.result.action != "failed" or item.live]

    def record(self) -> None:
        """Before the first member is written, its kind and namespace are on record: a killed run loses nothing."""
        if self.parent is None or not self.items:
            return
        error = self._write_parent(self.recorded | self._extent(self._members()))
        if error is not None:
            for item in self.items:
                if item.result is None:
                    item.settle("failed", error=f"not written, because {self.parent} could not be: {error}")

    def _write_parent(self, extent: applyset.Extent) -> str | None:
        """Why it could not be written, or None."""
        parent = self.parent
        if parent is None:
            return None
        extent |= applyset.Extent(frozenset(), frozenset({parent.namespace}))
        if self.parent_live is not None and extent == self.recorded:
            return None
        before = self.parent_live
        result = self.parent_result or Result("v1", parent.kind, parent.namespace, parent.name, "changed")
        result.action = "created" if before is None or result.action == "created" else "changed"
        self.recorded = extent
        if self.check:
            self.parent_result = result
            return None
        try:
            self.parent_live = self.client.apply(parent.rendered(extent), force=True)
        except KubeError as error:
            return str(error)
        self.parent_result = result
        return None

    def prune(self, *, delete: bool) -> list[Result]:
        """Delete the members that are not named; one Result each, and one for the parent when it was written."""
        parent = self.parent
        if parent is None:
            return []
        results: list[Result] = []
        kept: list[Ref] = []
        if delete:
            named = {self._identity(item.ref) for item in self.items}
            found = applyset.search(
                self.client,
                parent.id,
                self.recorded | self._extent(self._members()),
                versions={applyset.group_kind(*item.kind): item.ref.api_version for item in self.items},
                seen=self.listed,
            )
            failed = sum(1 for item in self.items if item.result is not None and item.result.action == "failed")
            victims: dict[Ref, str] = {}
            for obj in found.members:
                ref = Ref.of(obj)
                if self._identity(ref) in named or _going(obj):
                    continue
                why = None
                if ref.kind in applyset.NEVER_PRUNED:
                    why = f"a {ref.kind} is never pruned; delete it by hand"
                elif failed or found.unreadable:
                    why = "not everything that is named could be applied or read"
                if why is None:
                    victims[ref] = str(obj["metadata"].get("uid"))
                else:
                    kept.append(ref)
                    warning = f"is no longer named, and is kept: {why}"
                    results.append(Result(*ref, "kept", warnings=[warning]))
            for place, problem in sorted(found.unreadable.items(), key=str):
                results.append(Result(*place, "*", "failed", validated=False, error=problem))
            gone = remove(
                self.client,
                list(victims),
                check=self.check,
                wait_timeout=self.prune_timeout,
                look=lambda ref: self._still_a_member(ref, victims[ref]),
            )
            kept += [result.ref for result in gone if result.error or result.action == "kept"]
            results += gone
            if not found.unreadable and not any(result.error for result in gone):
                unknown = applyset.Extent(frozenset(found.unserved), self.recorded.namespaces)
                left = self._extent([*self._members(), *kept])
                self._write_parent(left | unknown if found.unserved else left)
        return ([self.parent_result] if self.parent_result else []) + results

    def _still_a_member(self, ref: Ref, uid: str) -> str | Result:
        """The list is from before all writes: meanwhile somebody may have taken it out of the set, or made it anew."""
        live = self.client.get(*ref[:2], ref.name, ref.namespace)
        if live is None:
            return Result(*ref, "unchanged")
        why = None
        if str(live["metadata"].get("uid")) != uid:
            why = "was deleted and made anew by somebody during this run"
        elif self.parent is not None and not applyset.is_member(live, self.parent.id):
            why = "was taken out of the ApplySet by somebody during this run"
        return uid if why is None else Result(*ref, "kept", warnings=[f"{why}, and is kept"])

    @staticmethod
    def _identity(ref: Ref) -> tuple[str, str | None, str]:
        return (applyset.group_kind(ref.api_version, ref.kind), ref.namespace, ref.name)

    def obey(self, review: Reviewer) -> None:
        """Refuse and replace what the reviewer says; it does not see what has failed already."""
        items = [(item.ref, item.wanted, item.live) for item in self.items if item.result is None]
        verdict = review(items, self.others)
        self.replaced = verdict.replaced
        for item in self.items:
            if item.result is None and item.ref in verdict.refused:
                item.settle("failed", validated=False, error=verdict.refused[item.ref])

    def add_namespaces(self) -> None:
        """Namespaces that the objects need and that do not exist become objects of this run.

        A namespace in which something of ours lives exists; one that we may not read is taken to exist.
        """
        named = {item.ref.name for item in self.items if item.kind == NAMESPACE}
        needed = {item.ref.namespace for item in self.items if item.ref.namespace and item.result is None}
        if self.parent is not None and self.parent_live is None:
            needed.add(self.parent.namespace)
        inhabited = {item.ref.namespace for item in self.items if item.live is not None}
        unsure = sorted(name for name in needed - inhabited - named if name)
        for name, missing in zip(unsure, self.client.map(self._namespace_is_missing, unsure)):
            if not missing:
                continue
            self.items.append(_namespace_item(name))

    def _namespace_is_missing(self, name: str) -> bool:
        try:
            return self.client.get(*NAMESPACE, name) is None
        except ApiError as error:
            if error.status == 403:
                return False
            raise

    # -- writing ------------------------------------------------------------------------------------------------

    def write(self, items: list[_Item]) -> None:
        late = [item for item in items if item.kind in self.coming]
        self.client.map(self._write, [item for item in items if item.result is None and item not in late])
        for item in late:
            item.settle("would_create", validated=False, diff=_diff(item, None, None))
        if self.check:
            self.new_namespaces |= {
                item.ref.name
                for item in items
                if item.kind == NAMESPACE and item.result is not None and item.result.action == "created"
            }

    def settle_crds(self) -> None:
        """Wait until the CRDs that were written are served, then read the live objects of their kinds."""
        if self.check:
            return
        written = {
            item.ref: item.result
            for item in self.items
            if item.kind == CRD and item.result is not None and item.result.action in ("created", "changed")
        }
        waiting = [item for item in self.items if item.kind in self.coming and item.result is None]
        try:
            for outcome in wait.wait(self.client, list(written), timeout=CRD_TIMEOUT):
                if not outcome.ready:
                    written[outcome.ref].action = "failed"
                    written[outcome.ref].error = f"not served after {CRD_TIMEOUT:g} s: {outcome.reason}"
            deadline = time.monotonic() + (DISCOVERY_TIMEOUT if written else 0.0)
            made = _defined(item for item in self.items if item.ref in written and written[item.ref].error is None)
            for kind in sorted(self.coming | made):
                # Established comes a moment before discovery knows; who comes after us (helm) asks discovery
                while not self.client.serves(*kind) and time.monotonic() < deadline:
                    time.sleep(0.2)
            self.coming = set()
            for item in waiting:
                if not self._place(item):
                    item.settle("failed", validated=False, error=str(NoSuchKind(*item.kind)))
            self.read(waiting)
            self.outlast(waiting)
            self.admit()
        except ApiError as error:  # something is written already: what became of it must be told
            self.coming = set()
            for item in waiting:
                if item.result is None:
                    item.settle("failed", validated=False, error=str(error))

    def _write(self, item: _Item) -> None:
        live = item.live
        if live is not None and not ownership.why_write(item.wanted, live, FIELD_MANAGER):
            item.settle("unchanged", seen=live)
            return
        if item.ref.namespace in self.new_namespaces:
            item.settle("would_create", validated=False, diff=_diff(item, None, None))
            return
        if live is not None and item.ref in self.replaced:
            self._replace(item)
            return
        try:
            answer = self._send(item)
        except KubeError as error:
            item.settle("failed", error=explain(error, item.ref.kind))
            return
        if answer is None:
            return
        live = item.live
        if live is None or live["metadata"].get("uid") != answer["metadata"].get("uid"):
            item.settle("created", seen=answer, diff=_diff(item, None, answer))
        elif _moved(live, answer, self.check):
            grown = live["metadata"].get("generation") != answer["metadata"].get("generation")
            written = str(answer["metadata"]["resourceVersion"]) if grown else None
            item.settle("changed", seen=answer, diff=_diff(item, live, answer), written=written)
        else:
            rewritten = ownership.differing_values(item.wanted, answer, FIELD_MANAGER)
            item.settle(
                "unchanged",
                warnings=[f"{reason} after admission: the cluster keeps its own value" for reason in rewritten],
            )

    def _send(self, item: _Item) -> dict[str, Any] | None:
        """Apply it against all odds: hands that took fields, its own deletion, its namespace's. None: it is settled."""
        force = self.force
        problem: ApiError | None = None
        for _attempt in range(ATTEMPTS):
            try:
                answer = self.client.apply(item.wanted, dry_run=self.check, force=force)
            except ApiError as error:
                problem = error
                taken = conflicts.conflicts(error)
                namespace = item.ref.namespace
                # What we never applied is its maker's, who may be a person with kubectl
                if taken and all(one.by_hand for one in taken) and conflicts.was_ours(item.live):
                    force = True
                    item.warnings += conflicts.taken_back(taken)
                elif namespace and _namespace_goes(error):
                    if self.check:
                        item.warnings.append(f"its namespace {namespace} is being deleted")
                        item.settle("would_create", validated=False, diff=_diff(item, None, None))
                        return None
                    self._renew(namespace)
                else:
                    raise
                continue
            if self.check or not _going(answer):
                return answer
            item.live = answer
            self.outlast([item])
            if item.result is not None:
                return None
        raise problem or KubeError(f"was deleted {ATTEMPTS} times while it was written: somebody else removes it")

    def _renew(self, name: str) -> None:
        """Make a namespace anew that is going or gone; raises KubeError when we may not, or it does not go."""
        with self.lock:
            if name not in self.renewed:
                self.renewed[name] = self._make_namespace(name)
            problem = self.renewed[name]
        if problem is not None:
            raise KubeError(problem)

    def _make_namespace(self, name: str) -> str | None:
        item = next((one for one in self.items if one.kind == NAMESPACE and one.ref.name == name), None)
        if item is None and not self.create_namespaces:
            return f"the namespace {name} is being deleted, or gone: create it (again) first"
        again = _namespace_item(name) if item is None else _Item(item.wanted, item.ref, item.phase)
        self._get(again)
        self.outlast([again])
        if again.result is None:
            self._write(again)
        result = again.result
        if result is not None and result.error:
            return f"the namespace {name} {result.error}"
        if item is None:
            self.items.append(again)
        else:
            item.result = result
        return None

    def catch_up(self) -> None:
        """What was found or written in a namespace that went away afterwards is gone with it: write it again."""
        there = ("created", "changed", "unchanged")
        doubtful = [
            (item, item.result)
            for item in self.items
            if item.result is not None and item.result.action in there and item.ref.namespace in self.renewed
        ]
        for item, _result in doubtful:
            item.live, item.result = None, None
        self.read(item for item, _result in doubtful)
        lost = [item for item, _result in doubtful if item.result is None and (item.live is None or _going(item.live))]
        for item, result in doubtful:
            if item not in lost:
                item.result = result
        self.client.map(self._write, lost)

    def _replace(self, item: _Item) -> None:
        """Left to the caller, who can tell how far it is. No dry run: it would meet the object that is in the way."""
        why = f"is deleted and created again: {self.replaced[item.ref]}"
        diff = _diff(item, item.live, None)
        if self.check:
            item.settle("replaced", validated=False, diff=diff, warnings=[why])
            return
        item.settle("replaced", diff=diff, warnings=[why], anew=item.wanted)


def _namespace_item(name: str) -> _Item:
    labels = {MANAGED_BY: FIELD_MANAGER}
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    return _Item(wanted, Ref(*NAMESPACE, None, name), phase_of("Namespace"))


def _going(obj: Mapping[str, Any] | None) -> bool:
    """Whether it is there, and being deleted."""
    return obj is not None and bool(obj["metadata"].get("deletionTimestamp"))


def _namespace_goes(error: ApiError) -> bool:
    """Whether a write was refused because its namespace is being deleted, or is gone."""
    if error.status == 404:
        return (error.body.get("details") or {}).get("kind") == "namespaces"
    return error.status == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)


def _moved(live: Mapping[str, Any], answer: Mapping[str, Any], check: bool) -> bool:
    """Whether our write changed the object.

    An unchanged resourceVersion says no. A new one may be a controller's, whose status came between our read and our
    write, and a dry run keeps the old one: then what is stored besides the status decides, our ownership included.
    """
    if not check and live["metadata"].get("resourceVersion") == answer["metadata"].get("resourceVersion"):
        return False
    return _stored(live) != _stored(answer)


def _stored(obj: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    server = (*ownership.SERVER_METADATA, "deletionTimestamp")
    kept["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in server}
    kept["ours"] = (ownership.own_entry(obj, FIELD_MANAGER) or {}).get("fieldsV1")
    return kept


# -- what the user is told --------------------------------------------------------------------------------------

HIDDEN = "<hidden>"
HIDDEN_CHANGED = "<hidden, changed>"


def _defined(items: Iterable[_Item]) -> set[tuple[str, str]]:
    """The kinds, by apiVersion, that these definitions have the API server serve."""
    return {
        (f"{spec.get('group')}/{version.get('name')}", str((spec.get("names") or {}).get("kind")))
        for item in items
        for spec in [item.wanted.get("spec") or {}]
        for version in spec.get("versions") or []
        if version.get("served", True)
    }


def _diff(item: _Item, live: Mapping[str, Any] | None, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Our own fields before and after. Without an answer (would create) what was rendered stands for it."""
    trees = [
        entry.get("fieldsV1") or {}
        for obj in (live, answer)
        if obj is not None
        for entry in [ownership.own_entry(obj, FIELD_MANAGER)]
        if entry is not None
    ]
    before: dict[str, Any] = ownership.extract(live, *trees) if live is not None else {}
    after: dict[str, Any] = ownership.extract(answer, *trees) if answer is not None else dict(item.wanted)
    if item.kind == ("v1", "Secret"):
        before, after = _without_secrets(before, after)
    return {"before": before, "after": after}


def _without_secrets(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = before.get("data") or {}, after.get("data") or {}
    if old:
        before = {**before, "data": dict.fromkeys(old, HIDDEN)}
    if new:
        hidden = {key: HIDDEN if key not in old or old[key] == value else HIDDEN_CHANGED for key, value in new.items()}
        after = {**after, "data": hidden}
    return before, after


# -- readiness of what was applied ---------------------------------------------------------------------------------


def wait_for(
    client: Client,
    results: Iterable[Result],
    *,
    timeout: float | Mapping[Ref, float],
    on_change: wait.OnChange | None = None,
    on_deadline: wait.OnDeadline | None = None,
) -> dict[Ref, Outcome]:
    """Wait for what apply() brought about; what its last answer showed to be ready is not asked about again."""
    outcomes: dict[Ref, Outcome] = {}
    pending: list[Result] = []
    for result in results:
        if result.action in ("failed", "deleted", "kept"):
            continue
        if result.verdict is not None and result.verdict.ready and result.written is None:
            outcomes[result.ref] = Outcome(result.ref, True, result.verdict.reason, 0.0, result.verdict.generic)
        else:
            pending.append(result)
    ended = wait.wait(
        client,
        [result.ref for result in pending],
        timeout=timeout,
        on_change=on_change,
        on_deadline=on_deadline,
        written={result.ref: result.written for result in pending if result.written},
    )
    outcomes.update((outcome.ref, outcome) for outcome in ended)
    return outcomes
