# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenShift's security context constraints would refuse of a workload's pods (stage preflight).

Nothing that is rendered here is privileged; what ``pod_spec`` brings may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan

# What restricted-v2, the constraint of every namespace, allows (openshift/docs: managing SCCs).
_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected")
VOLUMES = frozenset({*_VOLUMES, "secret"})
CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
RDMA = "IPC_LOCK"
_EVERYBODY = ("system:authenticated", "system:serviceaccounts")


def needs(value: Any) -> list[str]:
    """What the pods in an object ask for beyond the default constraint, each once: ``privileged``, ``capability X``,
    ``host network``, ``volume hostPath``, ``user 0``. [] for a pod that every namespace may run."""
    return list(dict.fromkeys(_needs(value)))


def _needs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("containers"), (list, tuple)):
            yield from _pod(value)
        else:
            for below in value.values():
                yield from _needs(below)
    elif isinstance(value, (list, tuple)):
        for below in value:
            yield from _needs(below)


def _pod(spec: Mapping[str, Any]) -> Iterator[str]:
    for key, told in (("hostNetwork", "host network"), ("hostPID", "host PID"), ("hostIPC", "host IPC")):
        if spec.get(key):
            yield told
    for volume in spec.get("volumes") or ():
        for kind in sorted(set(volume) - {"name"} - VOLUMES):
            yield f"volume {kind}"
    contexts = [spec.get("securityContext") or {}]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        contexts.append(container.get("securityContext") or {})
        if any("hostPort" in port for port in container.get("ports") or ()):
            yield "host ports"
    for context in contexts:
        if context.get("privileged"):
            yield "privileged"
        elif context.get("allowPrivilegeEscalation"):
            yield "privilege escalation"
        for name in (context.get("capabilities") or {}).get("add") or ():
            if name not in CAPABILITIES:
                yield f"capability {name}"
        for key, told in (("runAsUser", "user"), ("runAsGroup", "group"), ("fsGroup", "file group")):
            if context.get(key) is not None:
                yield f"{told} {context[key]}"
        if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
            yield "seccomp Unconfined"


def n31_constraints(plan: FleetPlan, facts: Mapping[str, Any]) -> Iterator[Finding]:
    """N31: the pods would be refused at their creation, long after the objects were accepted."""
    if "config.openshift.io" not in (facts.get("apis") or {}):
        return
    # plan and render know each other; checks come before both
    from ansible_collections.dynamo.multinode.plugins.module_utils.render import render

    scc = facts.get("scc")
    for workload in plan.workloads:
        namespace, name = workload.workload.namespace, workload.workload.name
        asked = needs(render(workload))
        missing = [item for item in asked if not _allowed(item, namespace, scc)]
        if not missing:
            continue
        only_rdma = missing == [f"capability {RDMA}"]
        remedy = (
            "name the namespace in multinode_platform.network_operator.rdma_namespaces, which makes a constraint with "
            "IPC_LOCK and nothing else, and binds it"
            if only_rdma
            else "leave it out of pod_spec, or have a platform engineer bind a constraint with it: a RoleBinding "
            f"to ClusterRole system:openshift:scc:<name> for Group system:serviceaccounts:{namespace}"
        )
        message = f"the pods ask for {', '.join(missing)}, which the default constraint (restricted-v2) refuses"
        if scc is None:
            message += "; which others this namespace may use cannot be read"
        # It may be allowed by ways that are not read here, such as a ClusterRoleBinding
        yield Finding("MN-N31", "note" if scc is None else "warning", f"{namespace}/{name}", message, remedy)


def _allowed(item: str, namespace: str, scc: Mapping[str, Any] | None) -> bool:
    """Whether a constraint that is bound in the namespace allows it."""
    if scc is None:
        return False
    known = scc.get("constraints") or {}
    who = {f"system:serviceaccounts:{namespace}", f"system:serviceaccount:{namespace}:default", *_EVERYBODY}
    bound = [
        known.get(binding["constraint"]) or {}
        for binding in scc.get("bindings") or ()
        if binding["namespace"] == namespace
    ]
    bound += [constraint for constraint in known.values() if who & set(constraint.get("subjects") or ())]
    return any(_allows(constraint, item) for constraint in bound)


def _allows(constraint: Mapping[str, Any], item: str) -> bool:
    if constraint.get("privileged"):
        return True
    kind, _space, name = item.partition(" ")
    if kind == "capability":
        return name in constraint["capabilities"] or "*" in constraint["capabilities"]
    if kind == "volume":
        return name in constraint["volumes"] or "*" in constraint["volumes"]
    if kind in ("user", "group", "file"):
        return bool(constraint["any_user"])
    return kind == "host" and bool(constraint["host"])


OPENSHIFT_CHECKS = (n31_constraints,)
