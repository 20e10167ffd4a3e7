# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take absent workloads away, and the namespaces that held nothing else; at one go or in slices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import removal_lines
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import Removal
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import namespace_contents
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, WORKLOAD_LABEL
from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan
from ansible_collections.dynamo.multinode.plugins.module_utils.render import KINDS

OWN = f"{MANAGED_BY}={FIELD_MANAGER}"
# What is deleted with a workload only where that is asked for: somebody's data
KEPT = "PersistentVolumeClaim"
TIMEOUT = 600.0
REMEDY = "look at what holds the objects (finalizers, owners) and run again"


def labelled(client: Client, kind: tuple[str, str], namespace: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """What we made for workloads of these names."""
    selector = f"{OWN},{WORKLOAD_LABEL} in ({','.join(sorted(set(names)))})"
    return client.list(*kind, namespace, label_selector=selector)


class Leaving:
    """What goes before anything is applied, so that its GPUs are free: absent workloads, then their namespaces.

    ``owners``: workload -> its objects. ``namespaces``: those that are deleted when nothing else is left in them.
    ``spaces``: their removal, once it has begun. ``pods``: of each workload, when it began. ``kept``: claims that would
    go, and that other workloads mount.
    """

    def __init__(
        self,
        client: Client,
        owners: Mapping[str, list[Ref]],
        namespaces: Iterable[str],
        objects: Removal,
        spaces: Removal | None = None,
        pods: Mapping[str, int] | None = None,
        kept: Iterable[Ref] = (),
    ) -> None:
        self.client = client
        self.owners = owners
        self.namespaces = list(namespaces)
        self.objects = objects
        self.spaces = spaces
        self.pods = pods or {}
        self.kept = list(kept)

    @classmethod
    def of(
        cls,
        client: Client,
        fleet: FleetPlan,
        *,
        namespaces: bool,
        check: bool,
        wait: bool,
        claims: Collection[tuple[str, str]] | None = None,
    ) -> Leaving:
        """What carries the labels of the absent workloads; one LIST per kind and namespace.

        ``claims``: where claims are to go too, (namespace, name) of those that other workloads mount; None: all stay.
        """
        owners = _find(client, fleet, claims is not None)
        shared: list[Ref] = []
        for name, own in owners.items():
            used = [ref for ref in own if ref.kind == KEPT and (ref.namespace or "", ref.name) in (claims or ())]
            owners[name] = [ref for ref in own if ref not in used]
            shared += used
        refs = [ref for own in owners.values() for ref in own]
        objects = Removal(client, refs, timeout=TIMEOUT, check=check, wait_gone=wait)
        kept = {workload.namespace for workload in fleet.workloads}
        empty = sorted({workload.namespace for workload in fleet.absent} - kept) if namespaces else []
        return cls(client, owners, empty, objects, kept=shared)

    @property
    def current(self) -> Removal:
        return self.objects if self.spaces is None else self.spaces

    @property
    def over(self) -> bool:
        return self.current.over and (self.spaces is not None or not self._spaces_follow())

    @property
    def stage(self) -> str:
        return "absent" if self.spaces is None else "namespaces"

    def wait(self, seconds: float | None = None) -> bool:
        """Go on, for one slice (None: to the end); whether all is gone, or given up."""
        if seconds is not None and self.owners and not self.objects.made:
            self.pods = removal_lines.pods(self.client, self.owners, all_of_them=True)
        if self.spaces is None:
            if not self.objects.wait(seconds):
                return False
            if not self._spaces_follow():
                return True
            made = self.objects
            self.spaces = Removal(
                self.client, self._empty(), timeout=TIMEOUT, check=made.check, wait_gone=made.wait_gone
            )
        return self.spaces.wait(seconds)

    def _spaces_follow(self) -> bool:
        return bool(self.namespaces) and not any(result.error for result in self.objects.results())

    def _empty(self) -> list[Ref]:
        """The namespaces that we made and that hold nothing else any more."""
        going = {(ref.kind, ref.name, ref.namespace) for ref in self.objects.made}
        empty = []
        for name in self.namespaces:
            namespace = self.client.get("v1", "Namespace", name)
            marks = (namespace or {}).get("metadata", {}).get("labels") or {}
            if marks.get(MANAGED_BY) != FIELD_MANAGER:
                continue

            def expected(item: Mapping[str, Any], name: str = name) -> bool:
                return (item["kind"], item["metadata"]["name"], name) in going

            if not namespace_contents(self.client, name, expected):
                empty.append(Ref("v1", "Namespace", None, name))
        return empty

    # -- what is told -------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[Result]:
        kept = [Result(*ref, "kept", warnings=["stays: a workload that is present mounts it"]) for ref in self.kept]
        return [*self.objects.results(), *kept, *(self.spaces.results() if self.spaces is not None else [])]

    def entries(self, fleet: FleetPlan) -> list[dict[str, Any]]:
        """What became of each absent workload, for the module's answer."""
        entries: list[dict[str, Any]] = []
        for workload in fleet.absent:
            refs = self.owners.get(f"{workload.namespace}/{workload.name}", [])
            own = [self.objects.made[ref] for ref in refs]
            cause = removal_lines.failures(own)
            entries.append(
                {
                    "name": workload.name,
                    "namespace": workload.namespace,
                    "api": None,
                    "orchestrator": None,
                    "replace": None,
                    "action": "failed" if cause else "deleted" if own else "unchanged",
                    "ready": None,
                    "engines": 0,
                    "total_gpus": 0,
                    "objects": [result.to_dict() for result in own],
                    "cause": cause or None,
                    "remedy": REMEDY if cause else None,
                    "details": {},
                }
            )
        return entries

    def settled(self) -> dict[str, Any]:
        """What is gone, or given up, in progress.Slice's words."""
        found = removal_lines.settled(self.objects, self.owners, REMEDY)
        if self.spaces is not None:
            found.update(removal_lines.settled(self.spaces, _by_name(self.spaces), REMEDY))
        return found

    def slice(self) -> dict[str, Any]:
        """A progress.Slice before there is a result."""
        if self.spaces is None:
            left = {} if self.over else removal_lines.pods(self.client, self.owners, all_of_them=True)
            standing = removal_lines.standing(self.objects, self.owners, left, self.pods)
        else:
            standing = removal_lines.standing(self.spaces, _by_name(self.spaces), {}, {})
        return {
            "state": {"leaving": self.to_state()},
            "stage": self.stage,
            "partial": True,
            "elapsed": self.current.elapsed,
            "standing": standing,
            "settled": self.settled(),
        }

    # -- between slices -----------------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        return {
            "owners": {name: [list(ref) for ref in refs] for name, refs in self.owners.items()},
            "namespaces": self.namespaces,
            "objects": self.objects.to_state(),
            "spaces": self.spaces.to_state() if self.spaces is not None else None,
            "pods": dict(self.pods),
            "kept": [list(ref) for ref in self.kept],
        }

    @classmethod
    def from_state(cls, client: Client, state: Mapping[str, Any], elapsed: float) -> Leaving:
        owners = {name: [Ref(*ref) for ref in refs] for name, refs in state["owners"].items()}
        objects = Removal.from_state(client, state["objects"], elapsed)
        spaces = Removal.from_state(client, state["spaces"], elapsed) if state["spaces"] is not None else None
        kept = [Ref(*ref) for ref in state["kept"]]
        return cls(client, owners, state["namespaces"], objects, spaces, state["pods"], kept)


def mounted(objects: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(namespace, name) of every claim that the pods of these objects mount."""
    found: set[tuple[str, str]] = set()
    for obj in objects:
        left: list[Any] = [obj]
        while left:
            node = left.pop()
            if isinstance(node, Mapping):
                # Dynamo's compilationCache has a word of its own for it
                names = [node[key] for key in ("claimName", "pvcName") if isinstance(node.get(key), str)]
                found.update((str(obj["metadata"].get("namespace") or ""), name) for name in names)
                left += node.values()
            elif isinstance(node, list):
                left += node
    return found


def _find(client: Client, fleet: FleetPlan, claims: bool) -> dict[str, list[Ref]]:
    names: dict[str, list[str]] = {}
    for workload in fleet.absent:
        names.setdefault(workload.namespace, []).append(workload.name)

    def listed(work: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        return labelled(client, *work, names[work[1]])

    found: dict[str, list[Ref]] = {}
    kinds = [kind for kind in KINDS if claims or kind[1] != KEPT]
    for objects in client.map(listed, [(kind, namespace) for namespace in sorted(names) for kind in kinds]):
        for obj in objects:
            meta = obj["metadata"]
            found.setdefault(f"{meta['namespace']}/{meta['labels'][WORKLOAD_LABEL]}", []).append(Ref.of(obj))
    return found


def _by_name(spaces: Removal) -> dict[str, list[Ref]]:
    return {f"Namespace {ref.name}": [ref] for ref in spaces.refs}
