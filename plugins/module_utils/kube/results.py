# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of single objects, and in which order they are written. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.readiness import Verdict
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

# Order of writing; what is not named is a workload and comes last
PHASES: tuple[frozenset[str], ...] = (
    frozenset({"CustomResourceDefinition"}),
    frozenset({"Namespace"}),
    frozenset(
        {
            "APIService",
            "ClusterRole",
            "ClusterRoleBinding",
            "LimitRange",
            "MutatingWebhookConfiguration",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "PriorityClass",
            "ResourceQuota",
            "Role",
            "RoleBinding",
            "RuntimeClass",
            "ServiceAccount",
            "StorageClass",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        }
    ),
    frozenset(
        {
            "ClusterTopologyBinding",
            "ConfigMap",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Queue",
            "Secret",
            "Service",
            "Topology",
        }
    ),
)


@dataclass
class Result:
    """What became of one object.

    ``action``: created, changed, replaced (deleted and created again), unchanged, deleted, kept (a member of the
    ApplySet that is no longer named and not pruned), failed or would_create (check mode: its kind or namespace does not
    exist yet, so that the API server could not be asked; ``validated`` is False).
    ``diff``: {"before", "after"} of our own fields, without values of Secrets. ``written``: the resourceVersion that a
    change of an existing object's spec gave it, for wait(). ``verdict``: its readiness as the last answer showed it,
    which saves the wait. ``anew``: the object of one that is ``replaced``, which the caller deletes and creates again.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    action: str
    validated: bool = True
    diff: dict[str, Any] | None = None
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    written: str | None = None
    verdict: Verdict | None = None
    anew: dict[str, Any] | None = None

    @property
    def changed(self) -> bool:
        return self.action in ("created", "changed", "replaced", "deleted", "would_create")

    @property
    def ref(self) -> Ref:
        return Ref(self.api_version, self.kind, self.namespace, self.name)

    def to_dict(self) -> dict[str, Any]:
        """For a module's return value; the diff travels separately."""
        out = asdict(self)
        for internal in ("diff", "written", "verdict", "anew"):
            out.pop(internal)
        return out


def phase_of(kind: str) -> int:
    """Position in the order of writing, 0 first."""
    return next((number for number, kinds in enumerate(PHASES) if kind in kinds), len(PHASES))
