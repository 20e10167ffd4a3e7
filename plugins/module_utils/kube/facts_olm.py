# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenShift's Operator Lifecycle Manager says, and who may use which security context constraint.

No request goes to a cluster that serves neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components import openshift
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.reader import Reader
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER

Object = dict[str, Any]
ALPHA = f"{openshift.OLM}/v1alpha1"
SECURITY = "security.openshift.io/v1"


def read(reader: Reader, apis: Iterable[str], *, everything: bool = True) -> Object:
    """{"olm": {...} or None, "scc": {...} or None}; ``everything`` False: only what OLM says.

    olm: {"subscriptions": [{name, namespace, package, channel, source, source_namespace, approval, starting_csv,
    installed_csv, current_csv, state, install_plan, conditions, ours}], "csvs": {"ns/name": {phase, reason, message,
    version}}, "install_plans": {"ns/name": {phase, approved, csvs, message}}, "operator_groups": [{namespace, name,
    targets, ours}], "nfd": [{namespace, name, ours}]}. scc: {"constraints": {name: {...}}, "bindings": [{namespace,
    constraint}]}; None where the credentials may not read them.
    """
    served = set(apis)
    return {
        "olm": olm(reader, served) if openshift.OLM in served else None,
        "scc": scc(reader) if everything and "security.openshift.io" in served else None,
    }


def olm(reader: Reader, served: set[str]) -> Object:
    """The Subscriptions of the packages that we know, and what belongs to them."""
    packages = {package.name for package in (*openshift.PACKAGES.values(), openshift.NFD)}
    listed = [item for item in reader.list(ALPHA, "Subscription") if item["spec"].get("name") in packages]
    subscriptions = [_subscription(item) for item in listed]
    spaces = sorted({item["namespace"] for item in subscriptions})
    csvs: Object = {}
    plans: Object = {}
    for namespace in spaces:
        for item in reader.list(ALPHA, "ClusterServiceVersion", namespace):
            # Copies of operators that watch every namespace
            if "olm.copiedFrom" not in (item["metadata"].get("labels") or {}):
                csvs[f"{namespace}/{item['metadata']['name']}"] = _csv(item)
        for item in reader.list(ALPHA, "InstallPlan", namespace):
            plans[f"{namespace}/{item['metadata']['name']}"] = _plan(item)
    # Of all namespaces: also of those in which nothing is subscribed to yet
    groups = [_group(item) for item in reader.list(f"{openshift.OLM}/v1", "OperatorGroup")]
    nfd = reader.list(*openshift.NFD_KIND) if openshift.NFD_KIND[0].split("/", maxsplit=1)[0] in served else []
    return {
        "subscriptions": subscriptions,
        "csvs": csvs,
        "install_plans": plans,
        "operator_groups": groups,
        "nfd": [
            {"namespace": item["metadata"]["namespace"], "name": item["metadata"]["name"], "ours": _ours(item)}
            for item in nfd
        ],
    }


def lacks(client: Client, name: str) -> list[str]:
    """What OLM has not done yet for a component that it brings, with the remedy; [] where it has no part in it."""
    if name not in openshift.PACKAGES or not client.serves(ALPHA, "Subscription"):
        return []
    facts = {"olm": olm(Reader(client), set(client.groups()))}
    own = openshift.subscription_of(name, facts)
    if own is None:
        return []
    besides = [
        item
        for item in facts["olm"]["subscriptions"]
        if name == openshift.NFD_COMES_WITH and item["package"] == openshift.NFD.name and item["ours"]
    ]
    told = [trouble for item in (own, *besides) for trouble in openshift.troubles(item, facts["olm"])]
    return [f"{trouble.message} ({trouble.remedy})" for trouble in told]


def scc(reader: Reader) -> Object | None:
    """The security context constraints, and the namespaces whose pods may use them beyond the default."""
    constraints = reader.list(SECURITY, "SecurityContextConstraints")
    bindings = reader.list("rbac.authorization.k8s.io/v1", "RoleBinding")
    if {f"SecurityContextConstraints in {SECURITY}", "RoleBinding in rbac.authorization.k8s.io/v1"} & reader.unreadable:
        return None
    return {
        "constraints": {item["metadata"]["name"]: _constraint(item) for item in constraints},
        "bindings": [
            {
                "namespace": item["metadata"]["namespace"],
                "constraint": item["roleRef"]["name"][len(openshift.SCC_ROLE) :],
            }
            for item in bindings
            if str(item["roleRef"].get("name") or "").startswith(openshift.SCC_ROLE)
        ],
    }


def _subscription(item: Object) -> Object:
    spec, status = item["spec"], item.get("status") or {}
    return {
        "name": item["metadata"]["name"],
        "namespace": item["metadata"]["namespace"],
        "package": spec.get("name"),
        "channel": spec.get("channel"),
        "source": spec.get("source"),
        "source_namespace": spec.get("sourceNamespace"),
        "approval": spec.get("installPlanApproval") or "Automatic",
        "starting_csv": spec.get("startingCSV"),
        "installed_csv": status.get("installedCSV"),
        "current_csv": status.get("currentCSV"),
        "state": status.get("state"),
        "install_plan": (status.get("installPlanRef") or status.get("installplan") or {}).get("name"),
        "conditions": [
            {"type": found["type"], "reason": found.get("reason"), "message": found.get("message")}
            for found in status.get("conditions") or []
            if found.get("status") == "True"
        ],
        "ours": _ours(item),
    }


def _group(item: Object) -> Object:
    return {
        "namespace": item["metadata"]["namespace"],
        "name": item["metadata"]["name"],
        "targets": list((item.get("spec") or {}).get("targetNamespaces") or []),
        "ours": _ours(item),
    }


def _csv(item: Object) -> Object:
    status = item.get("status") or {}
    return {
        "phase": status.get("phase"),
        "reason": status.get("reason") or "",
        "message": status.get("message") or "",
        "version": (item.get("spec") or {}).get("version"),
    }


def _plan(item: Object) -> Object:
    spec, status = item["spec"], item.get("status") or {}
    told = [found.get("message") for found in status.get("conditions") or [] if found.get("status") == "False"]
    return {
        "phase": status.get("phase"),
        "approved": bool(spec.get("approved")),
        "csvs": list(spec.get("clusterServiceVersionNames") or []),
        "message": next((text for text in told if text), status.get("message") or ""),
    }


def _constraint(item: Mapping[str, Any]) -> Object:
    return {
        "privileged": bool(item.get("allowPrivilegedContainer")),
        "capabilities": list(item.get("allowedCapabilities") or []),
        "volumes": list(item.get("volumes") or []),
        "any_user": (item.get("runAsUser") or {}).get("type") in ("RunAsAny", "MustRunAsNonRoot"),
        "subjects": [*(item.get("users") or []), *(item.get("groups") or [])],
        "host": bool(item.get("allowHostNetwork") or item.get("allowHostPID") or item.get("allowHostIPC")),
    }


def _ours(item: Object) -> bool:
    return (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
