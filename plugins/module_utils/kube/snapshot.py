# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The live objects that verification and diagnosis look at, read once per kind.

A :class:`Snapshot` is plain data: everything that judges it is pure and is tested on recorded objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.errors import ApiError

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import WorkloadPlan

Object = Mapping[str, Any]
_T = TypeVar("_T")
_R = TypeVar("_R")


class Kind(NamedTuple):
    """apiVersion and kind, as an object spells them."""

    api_version: str
    kind: str


class Log(NamedTuple):
    """The log of one container. ``previous``: of the run before the present one."""

    namespace: str
    pod: str
    container: str
    previous: bool = False


LEADER_WORKER_SET = Kind("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")
VOLCANO_POD_GROUP = Kind("scheduling.volcano.sh/v1beta1", "PodGroup")
VOLCANO_QUEUE = Kind("scheduling.volcano.sh/v1beta1", "Queue")
DYNAMO_DEPLOYMENT = Kind("nvidia.com/v1beta1", "DynamoGraphDeployment")
POD_CLIQUE_SET = Kind("grove.io/v1alpha1", "PodCliqueSet")
POD_GANG = Kind("scheduler.grove.io/v1alpha1", "PodGang")
KAI_POD_GROUP = Kind("scheduling.run.ai/v2alpha2", "PodGroup")
KAI_QUEUE = Kind("scheduling.run.ai/v2", "Queue")
PRIORITY_CLASS = Kind("scheduling.k8s.io/v1", "PriorityClass")
POD = Kind("v1", "Pod")
NODE = Kind("v1", "Node")
EVENT = Kind("v1", "Event")
DEPLOYMENT = Kind("apps/v1", "Deployment")

# The Deployments of Volcano's chart carry no other common label; the namespace is the user's choice.
VOLCANO_PARTS = "app in (volcano-scheduler,volcano-controller,volcano-admission)"

# What was read before anything was known of the workloads, and what LeaderWorkerSets need
LWS_KINDS = (VOLCANO_QUEUE, LEADER_WORKER_SET, VOLCANO_POD_GROUP)
GROVE_KINDS = (POD_CLIQUE_SET, POD_GANG)
KAI_KINDS = (KAI_POD_GROUP, KAI_QUEUE)
# What a workload that is to be gone may have left
OWNERS = (DYNAMO_DEPLOYMENT, POD_CLIQUE_SET, LEADER_WORKER_SET)


class Reader(Protocol):
    """What is needed of the Kubernetes client."""

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, label_selector: str | None = None
    ) -> list[dict[str, Any]]: ...

    def map(self, fn: Callable[[_T], _R], items: Iterable[_T]) -> Sequence[_R]: ...


@dataclass(frozen=True)
class Snapshot:
    """Objects by kind.

    A kind that is absent from ``objects`` is unknown, and ``unread`` says why; an empty tuple means that the cluster
    holds none. ``partial`` names the kinds that could only be read in the workloads' own namespaces, and why.
    ``logs``: the last lines of the containers that were asked for, "" where they could not be read.
    """

    objects: Mapping[Kind, tuple[Object, ...]] = field(default_factory=dict)
    unread: Mapping[Kind, str] = field(default_factory=dict)
    partial: Mapping[Kind, str] = field(default_factory=dict)
    logs: Mapping[Log, str] = field(default_factory=dict)
    # A fleet asks per workload; without an index that is workloads x pods.
    _index: dict[tuple[Kind, str | None], tuple[Object, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _names: dict[tuple[Kind, str | None], dict[str, Object]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def get(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """The objects of a kind, of one namespace if it is named; nothing when the kind is unknown."""
        found = self.objects.get(kind, ())
        if namespace is None:
            return found
        if (kind, None) not in self._index:
            sorted_out: dict[str | None, list[Object]] = {}
            for item in found:
                sorted_out.setdefault(item["metadata"].get("namespace"), []).append(item)
            self._index.update({(kind, space): tuple(items) for space, items in sorted_out.items()})
            self._index[(kind, None)] = found
        return self._index.get((kind, namespace), ())

    def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """One object by name, or None."""
        key = (kind, namespace)
        if key not in self._names:
            self._names[key] = {item["metadata"]["name"]: item for item in self.get(kind, namespace)}
        return self._names[key].get(name)

    def knows(self, kind: Kind) -> bool:
        """Whether the kind was read, at least in the workloads' namespaces."""
        return kind in self.objects

    def why_unknown(self, kind: Kind) -> str:
        """Why a kind is not known, for a person."""
        return self.unread.get(kind, f"{kind.kind} objects were not read")


@dataclass(frozen=True)
class _Job:
    kind: Kind
    # Cluster-wide reads give the whole picture (who else holds GPUs); a tenant may not be allowed to.
    everywhere: bool
    label_selector: str | None = None


def kinds_of(workloads: Iterable[WorkloadPlan]) -> tuple[Kind, ...]:
    """The kinds besides nodes and pods that tell about these workloads, by their targets."""
    found: dict[Kind, None] = {}
    for workload in workloads:
        target = workload.choice
        if workload.api == "dynamographdeployment":
            found[DYNAMO_DEPLOYMENT] = None
        found.update(dict.fromkeys(GROVE_KINDS if target.orchestrator == "grove" else LWS_KINDS))
        if target.scheduler == "kai":
            found.update(dict.fromkeys(KAI_KINDS))
        if target.scheduler == "volcano":
            found.update(dict.fromkeys((VOLCANO_QUEUE, VOLCANO_POD_GROUP)))
    return tuple(found)


def read(
    client: Reader,
    namespaces: Iterable[str],
    *,
    events: bool = True,
    components: bool = False,
    kinds: Iterable[Kind] = LWS_KINDS,
) -> Snapshot:
    """Read what verification and diagnosis need: one LIST per kind, all at once.

    ``kinds``: besides nodes and pods (kinds_of). ``events`` are read per namespace. ``components`` adds the Deployments
    of the schedulers and operators, and with KAI the priority classes (diagnosis only).
    Where a cluster-wide LIST is forbidden the kind is read in ``namespaces`` alone and noted in ``partial``; where that
    is forbidden too, or the kind is cluster-scoped, it is noted in ``unread``. Any other error is raised.
    """
    wanted = sorted(set(namespaces))
    several = len(wanted) != 1
    chosen = list(dict.fromkeys(kinds))
    jobs = [_Job(NODE, everywhere=True), _Job(POD, everywhere=True)]
    # Who holds the GPUs is told by the gangs of all namespaces
    jobs += [_Job(kind, everywhere=several or kind in _CLUSTER_SCOPED or kind == KAI_POD_GROUP) for kind in chosen]
    if events:
        jobs.append(_Job(EVENT, everywhere=several))
    if components:
        # Volcano's parts are known by a label; those of Grove, KAI and Dynamo by their images only
        volcano_only = not {POD_CLIQUE_SET, KAI_POD_GROUP, DYNAMO_DEPLOYMENT} & set(chosen)
        jobs.append(_Job(DEPLOYMENT, everywhere=True, label_selector=VOLCANO_PARTS if volcano_only else None))
        if KAI_POD_GROUP in chosen:
            jobs.append(_Job(PRIORITY_CLASS, everywhere=True))

    objects: dict[Kind, tuple[Object, ...]] = {}
    unread: dict[Kind, str] = {}
    partial: dict[Kind, str] = {}
    for job, (found, note, whole) in zip(jobs, client.map(lambda job: _read_one(client, job, wanted), jobs)):
        if found is None:
            unread[job.kind] = note
            continue
        objects[job.kind] = tuple(found)
        if not whole:
            partial[job.kind] = note
    return Snapshot(objects, unread, partial)


_CLUSTER_SCOPED = {NODE, VOLCANO_QUEUE, KAI_QUEUE, PRIORITY_CLASS}


def _read_one(client: Reader, job: _Job, namespaces: list[str]) -> tuple[list[dict[str, Any]] | None, str, bool]:
    """The objects (None: unknown), a note, and whether it is everything."""
    note = ""
    if job.everywhere:
        try:
            return client.list(*job.kind, label_selector=job.label_selector), "", True
        except ApiError as error:
            if error.status != 403:
                raise
            note = f"{job.kind.kind} objects may not be listed in the whole cluster: {error.message}"
    if job.kind in _CLUSTER_SCOPED or job.kind == DEPLOYMENT:
        return None, note, False
    found: list[dict[str, Any]] = []
    for namespace in namespaces:
        try:
            found += client.list(*job.kind, namespace, label_selector=job.label_selector)
        except ApiError as error:
            if error.status != 403:
                raise
            return None, f"{job.kind.kind} objects may not be listed in {namespace}: {error.message}", False
    return found, note, not job.everywhere
