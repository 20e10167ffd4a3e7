# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components on OpenShift: what comes through the Operator Lifecycle Manager, and chart values that its security
context constraints accept.

Pure. Sources: bundle/metadata/annotations.yaml and bundle/manifests of NVIDIA/gpu-operator and of Mellanox/network-
operator (package, channels, install modes); operator-framework/api (what Subscription, InstallPlan and CSV report).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Ask, Object
from ansible_collections.dynamo.multinode.plugins.module_utils.components.nvidia_settings import as_flag
from ansible_collections.dynamo.multinode.plugins.module_utils.names import MANAGED_BY, MANAGER
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import nearest, shown

OLM = "operators.coreos.com"
SCC_ROLE = "system:openshift:scc:"
RDMA_SCC = "dynamo-multinode-rdma"
NFD_KIND = ("nfd.openshift.io/v1", "NodeFeatureDiscovery")
CATALOG_NAMESPACE = "openshift-marketplace"
# Keys of a component's own setting `olm`
OLM_KEYS = ("channel", "source", "source_namespace", "approval", "nfd", "nfd_source", "nfd_channel")


@dataclass(frozen=True)
class Package:
    """An operator in a catalog. channel, csv: with ``{minor}`` and ``{version}`` of the version that is to run."""

    name: str
    source: str
    channel: str
    csv: str = ""


PACKAGES: Mapping[str, Package] = {
    "gpu_operator": Package(
        "gpu-operator-certified", "certified-operators", "v{minor}", "gpu-operator-certified.v{version}"
    ),
    "network_operator": Package(
        "nvidia-network-operator", "certified-operators", "v{minor}", "nvidia-network-operator.v{version}"
    ),
}
GROUP = "dynamo-multinode"
NFD = Package("nfd", "redhat-operators", "stable")
NFD_NAMESPACE = "openshift-nfd"
# One of them brings it, so that it does not go with the other
NFD_COMES_WITH = "gpu_operator"


def by_olm(name: str, ask: Ask) -> bool:
    """Whether a component comes through OLM here; ``olm: false`` in its settings asks for the chart instead."""
    return name in PACKAGES and ask.openshift and as_flag(ask.settings.get("olm", True)) is not False


def mistakes(name: str, ask: Ask) -> list[str]:
    """What cannot be right in a component's setting ``olm``, each with its path."""
    given = _settings(ask)
    path = f"multinode_platform.{name}.olm"
    found = [
        f"{path}.{key}: is not a known key{nearest(key, OLM_KEYS)}; known are {', '.join(OLM_KEYS)}"
        for key in given
        if key not in OLM_KEYS
    ]
    approval = given.get("approval")
    if approval and str(approval).lower() not in ("automatic", "manual"):
        found.append(f"{path}.approval: is {shown(approval)}; Automatic or Manual")
    if as_flag(given.get("nfd", True)) is None:
        found.append(f"{path}.nfd: is {shown(given['nfd'])}; true or false")
    return found


def values(name: str, _ask: Ask) -> dict[str, Any]:
    """Chart values for OpenShift, whose default constraint (restricted-v2) takes no fixed user and no capability.

    None removes a default of the chart. Seen with `helm template`; the constraint itself runs only on OpenShift.
    """
    if name == "volcano":
        container = {"runAsUser": None, "capabilities": {"add": None}}
        return {"custom": {"default_sc": {"seLinuxOptions": None}, "default_csc": container}}
    if name == "kai_scheduler":
        # Found by a look-up in the cluster otherwise, which rendering without one cannot do
        return {"openshift": True}
    if name == "gpu_operator":
        return {"platform": {"openshift": True}}
    return {}


def olm_objects(name: str, ask: Ask) -> tuple[Object, ...]:
    """What is applied instead of a helm release: the OperatorGroup and Subscription, and NFD's where nobody has it."""
    package = PACKAGES[name]
    wanted = _settings(ask)
    found = [
        *_operator_group(ask.namespace, ask),
        _subscription(package, ask.namespace, ask.version, wanted),
    ]
    if nfd_is_ours_to_make(name, ask):
        found += [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NFD_NAMESPACE, "labels": _labels()}},
            *_operator_group(NFD_NAMESPACE, ask),
            _nfd_subscription(ask),
        ]
    return tuple(found)


def late_objects(name: str, ask: Ask) -> tuple[Object, ...]:
    """What is applied once the operators are there, before the component's own custom resources: NFD's."""
    return (node_feature_discovery(),) if nfd_is_ours_to_make(name, ask) else ()


def nfd_is_ours_to_make(name: str, ask: Ask) -> bool:
    """Whether this component brings NFD, and nobody else did: exactly one may run (network-operator #1212).

    ``olm.nfd`` and ``nfd`` both say whether it does; a false of either holds.
    """
    said = [as_flag(value) for value in (_settings(ask).get("nfd"), ask.settings.get("nfd")) if value is not None]
    if False in said or (True not in said and name != NFD_COMES_WITH):
        return False
    if any(item["ours"] for item in _nfd(ask)):
        return True
    return not has_nfd(ask) and not (ask.facts.get("hardware") or {}).get("nfd")


def has_nfd(ask: Ask) -> bool:
    """Whether OLM brings an NFD, or a NodeFeatureDiscovery is there, whosever it is."""
    return bool(_nfd(ask))


def _nfd(ask: Ask) -> list[Mapping[str, Any]]:
    olm = ask.facts.get("olm") or {}
    subscriptions = [item for item in olm.get("subscriptions") or () if item["package"] == NFD.name]
    return [*subscriptions, *(olm.get("nfd") or ())]


def conflicts(name: str, ask: Ask) -> list[str]:
    """OperatorGroups of others that do not suit the operators that are to be subscribed to: a namespace has but one."""
    spaces = [ask.namespace, *([NFD_NAMESPACE] if nfd_is_ours_to_make(name, ask) else [])]
    found = []
    for namespace in spaces:
        groups = _groups(namespace, ask)
        if any(item["ours"] for item in groups) or not groups or _reused(groups):
            continue
        listed = ", ".join(f"{item['name']} for {', '.join(item['targets']) or 'all namespaces'}" for item in groups)
        found.append(f"namespace {namespace} has an OperatorGroup of somebody else ({listed})")
    return found


def _groups(namespace: str, ask: Ask) -> list[Mapping[str, Any]]:
    listed = (ask.facts.get("olm") or {}).get("operator_groups") or ()
    return [item for item in listed if item["namespace"] == namespace]


def _reused(groups: list[Mapping[str, Any]]) -> bool:
    """Whether somebody else's is the one that we would make."""
    return len(groups) == 1 and not groups[0]["ours"] and groups[0]["targets"] == [groups[0]["namespace"]]


def node_feature_discovery() -> dict[str, Any]:
    """The one NFD: it labels GPUs and NICs by their PCI vendor, network classes included."""
    classes = ["0200", "0207", "0300", "0302", "02", "03", "12"]
    listed = "".join(f'      - "{name}"\n' for name in classes)
    config = f"sources:\n  pci:\n    deviceClassWhitelist:\n{listed}    deviceLabelFields:\n      - vendor\n"
    return {
        "apiVersion": NFD_KIND[0],
        "kind": NFD_KIND[1],
        "metadata": {"name": "nfd-instance", "namespace": NFD_NAMESPACE, "labels": _labels()},
        "spec": {"workerConfig": {"configData": config}},
    }


def rdma_objects(namespaces: Iterable[str]) -> tuple[Object, ...]:
    """A constraint like restricted-v2 that also allows IPC_LOCK, and the right to it for these namespaces' pods.

    Only where a platform engineer names the namespaces (network_operator.rdma_namespaces). Nothing in it is privileged.
    """
    named = list(dict.fromkeys(namespaces))
    if not named:
        return ()
    constraint = {
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": {"name": RDMA_SCC, "labels": _labels()},
        "allowHostDirVolumePlugin": False,
        "allowHostIPC": False,
        "allowHostNetwork": False,
        "allowHostPID": False,
        "allowHostPorts": False,
        "allowPrivilegeEscalation": False,
        "allowPrivilegedContainer": False,
        "allowedCapabilities": ["IPC_LOCK"],
        "defaultAddCapabilities": [],
        "requiredDropCapabilities": [],
        "fsGroup": {"type": "MustRunAs"},
        "runAsUser": {"type": "MustRunAsRange"},
        "seLinuxContext": {"type": "MustRunAs"},
        "seccompProfiles": ["runtime/default"],
        "supplementalGroups": {"type": "RunAsAny"},
        "readOnlyRootFilesystem": False,
        "users": [],
        "groups": [],
        "volumes": [
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ],
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{SCC_ROLE}{RDMA_SCC}", "labels": _labels()},
        "rules": [
            {
                "apiGroups": ["security.openshift.io"],
                "resources": ["securitycontextconstraints"],
                "resourceNames": [RDMA_SCC],
                "verbs": ["use"],
            }
        ],
    }
    return (constraint, role, *(scc_binding(namespace, RDMA_SCC) for namespace in named))


def scc_binding(namespace: str, constraint: str) -> dict[str, Any]:
    """The right to a constraint for a namespace's service accounts."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": constraint, "namespace": namespace, "labels": _labels()},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{SCC_ROLE}{constraint}",
        },
        "subjects": [
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": f"system:serviceaccounts:{namespace}",
            }
        ],
    }


def subscription_of(name: str, facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The cluster's Subscription for a component: ours before anybody's."""
    package = PACKAGES.get(name)
    listed = (facts.get("olm") or {}).get("subscriptions") or ()
    found = [item for item in listed if package and item["package"] == package.name]
    return next((item for item in found if item["ours"]), found[0] if found else None)


def same_subscription(name: str, ask: Ask) -> str:
    """What differs between the Subscription that is there and the one that is asked for, as a sentence; "" if nothing.

    startingCSV is where OLM began; afterwards it follows the channel, so it is compared at the first install only.
    """
    there = subscription_of(name, ask.facts)
    if there is None:
        return "it is not there"
    wrong = _differs(there, _subscription(PACKAGES[name], ask.namespace, ask.version, _settings(ask)), "its")
    if there["namespace"] != ask.namespace:
        wrong.insert(0, f"it is in namespace {there['namespace']}, {ask.namespace} is asked for")
    if nfd_is_ours_to_make(name, ask):
        nfd = next((item for item in _nfd(ask) if item.get("package") == NFD.name), None)
        wrong += (
            ["the Subscription of NFD is not there"] if nfd is None else _differs(nfd, _nfd_subscription(ask), "NFD's")
        )
    return "; ".join(wrong)


def _differs(there: Mapping[str, Any], wanted: Mapping[str, Any], whose: str) -> list[str]:
    spec = wanted["spec"]
    pairs = (
        ("channel", "channel", there["channel"]),
        ("source", "source", there["source"]),
        ("source namespace", "sourceNamespace", there["source_namespace"]),
        ("approval", "installPlanApproval", there["approval"]),
    )
    return [f"{whose} {what} is {now}, {spec[key]} is asked for" for what, key, now in pairs if now != spec[key]]


def removal(name: str, facts: Mapping[str, Any]) -> tuple[Object, ...]:
    """References to what a removal deletes: OLM keeps an operator until its ClusterServiceVersion goes."""
    packages = {PACKAGES[name].name, *([NFD.name] if name == NFD_COMES_WITH else [])}
    refs: list[Object] = []
    for there in (facts.get("olm") or {}).get("subscriptions") or ():
        if not there["ours"] or there["package"] not in packages:
            continue
        namespace = str(there["namespace"])
        refs.append(_reference(f"{OLM}/v1alpha1", "Subscription", there["name"], namespace))
        for csv in dict.fromkeys(csv for csv in (there.get("installed_csv"), there.get("current_csv")) if csv):
            refs.append(_reference(f"{OLM}/v1alpha1", "ClusterServiceVersion", str(csv), namespace))
        refs.append(_reference(f"{OLM}/v1", "OperatorGroup", GROUP, namespace))
    return tuple(refs)


def _reference(api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _settings(ask: Ask) -> Mapping[str, Any]:
    given = ask.settings.get("olm")
    return given if isinstance(given, Mapping) else {}


def _labels() -> dict[str, str]:
    return {MANAGED_BY: MANAGER}


def _operator_group(namespace: str, ask: Ask) -> tuple[Object, ...]:
    """Both NVIDIA operators and NFD watch their own namespace only (installModes of their bundles); () where somebody
    else's does for it: with a second one OLM does nothing any more in that namespace."""
    if _reused(_groups(namespace, ask)):
        return ()
    group = {
        "apiVersion": f"{OLM}/v1",
        "kind": "OperatorGroup",
        "metadata": {"name": GROUP, "namespace": namespace, "labels": _labels()},
        "spec": {"targetNamespaces": [namespace]},
    }
    return (group,)


def _nfd_subscription(ask: Ask) -> dict[str, Any]:
    wanted = _settings(ask)
    nfd = {**wanted, "channel": wanted.get("nfd_channel"), "source": wanted.get("nfd_source")}
    return _subscription(NFD, NFD_NAMESPACE, "", nfd)


def _subscription(package: Package, namespace: str, version: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    plain = versions.plain(version)
    minor = versions.minor(plain)
    channel = package.channel.format(minor=".".join(str(part) for part in minor) if minor else "", version=plain)
    approval = str(wanted.get("approval") or "Automatic")
    spec: dict[str, Any] = {
        "name": package.name,
        "channel": str(wanted.get("channel") or channel),
        "source": str(wanted.get("source") or package.source),
        "sourceNamespace": str(wanted.get("source_namespace") or CATALOG_NAMESPACE),
        "installPlanApproval": approval[:1].upper() + approval[1:].lower(),
    }
    if package.csv and plain:
        spec["startingCSV"] = package.csv.format(version=plain)
    metadata = {"name": package.name, "namespace": namespace, "labels": _labels()}
    return {"apiVersion": f"{OLM}/v1alpha1", "kind": "Subscription", "metadata": metadata, "spec": spec}


@dataclass(frozen=True)
class Trouble:
    """What keeps an operator of OLM from running. lasting: waiting does not mend it."""

    message: str
    remedy: str
    lasting: bool = True


_CONDITIONS: Mapping[str, str] = {
    "ResolutionFailed": "check package, channel and source: `oc get packagemanifest {package} -o yaml`; in an air gap "
    "the catalog has to be a mirrored one (olm.source)",
    "CatalogSourcesUnhealthy": "check the catalog: `oc get catalogsource,pods -n {catalogs}`; in an air gap name a "
    "mirrored one (olm.source)",
    "BundleUnpackFailed": "see the job that unpacks it: `oc get jobs -n {catalogs}`; its image has to be pullable",
    "InstallPlanFailed": "see `oc describe installplan {plan} -n {namespace}`; then delete the Subscription and its "
    "ClusterServiceVersion, and run again",
    "InstallPlanMissing": "delete the Subscription, and run again",
}


def troubles(subscription: Mapping[str, Any], olm: Mapping[str, Any]) -> list[Trouble]:
    """What is wrong with one Subscription, its InstallPlan and its ClusterServiceVersion, worst first; [] when it runs.

    subscription: an entry of facts["olm"]["subscriptions"] (see kube/facts_olm.py).
    """
    return sorted(_troubles(subscription, olm), key=lambda found: not found.lasting)


def _troubles(subscription: Mapping[str, Any], olm: Mapping[str, Any]) -> Iterator[Trouble]:
    namespace, name = subscription["namespace"], subscription["name"]
    words = {
        "package": subscription["package"],
        "catalogs": subscription["source_namespace"],
        "namespace": namespace,
        "plan": subscription.get("install_plan") or "",
    }
    what = f"Subscription {namespace}/{name}"
    groups = [item for item in olm.get("operator_groups") or () if item["namespace"] == namespace]
    if len(groups) != 1:
        listed = ", ".join(item["name"] for item in groups) or "none"
        yield Trouble(
            f"namespace {namespace} needs exactly one OperatorGroup for {what}, and has {listed}",
            "delete all but one" if groups else "create one that targets the namespace itself",
        )
    for condition in subscription.get("conditions") or ():
        remedy = _CONDITIONS.get(condition["type"])
        if remedy is not None:
            reason = condition.get("message") or condition.get("reason") or condition["type"]
            yield Trouble(f"{what}: {condition['type']}: {reason}", remedy.format(**words))
    plan = (olm.get("install_plans") or {}).get(f"{namespace}/{subscription.get('install_plan')}") or {}
    if plan.get("phase") == "RequiresApproval" and not subscription.get("installed_csv"):
        yield Trouble(
            f"{what} waits for the approval of InstallPlan {words['plan']} ({', '.join(plan.get('csvs') or ())})",
            f'oc patch installplan {words["plan"]} -n {namespace} --type merge -p \'{{"spec":{{"approved":true}}}}\'',
        )
    elif plan.get("phase") == "Failed":
        yield Trouble(
            f"InstallPlan {namespace}/{words['plan']} failed: {plan.get('message') or 'without a reason'}",
            _CONDITIONS["InstallPlanFailed"].format(**words),
        )
    csv = str(subscription.get("installed_csv") or subscription.get("current_csv") or "")
    found = (olm.get("csvs") or {}).get(f"{namespace}/{csv}") if csv else None
    phase = (found or {}).get("phase") or ""
    if phase == "Failed":
        reason = f"{found['reason']}: {found['message']}" if found else ""
        yield Trouble(
            f"ClusterServiceVersion {namespace}/{csv} failed: {reason}",
            "mend what it names, and OLM tries again; or delete it and the Subscription, and run again",
        )
    elif phase != "Succeeded":
        told = f" ({found['message']})" if found and found.get("message") else ""
        state = subscription.get("state") or "not looked at yet"
        yield Trouble(
            f"{what} is {state}, its ClusterServiceVersion {csv or 'not made yet'} is {phase or 'not there'}{told}",
            f"wait, or see `oc describe csv -n {namespace}`",
            lasting=False,
        )
    elif subscription.get("state") == "UpgradeFailed":
        yield Trouble(f"{what} is UpgradeFailed: {csv} stays", _CONDITIONS["InstallPlanFailed"].format(**words))


def findings(name: str, facts: Mapping[str, Any]) -> tuple[Finding, ...]:
    """MN-N30: what OLM says about a component's operator; MN-N32: more than one NFD."""
    olm = facts.get("olm") or {}
    there = subscription_of(name, facts)
    found = []
    if there is not None:
        severity = "warning" if there["ours"] else "error"
        for trouble in troubles(there, olm):
            worst = severity if trouble.lasting else "warning"
            found.append(Finding("MN-N30", worst, name, trouble.message, trouble.remedy))
        if there.get("state") == "UpgradePending" and there.get("installed_csv"):
            found.append(
                Finding(
                    "MN-N30",
                    "note",
                    name,
                    f"OLM has {there['current_csv']} ready beside {there['installed_csv']}",
                    f"approve InstallPlan {there.get('install_plan')} when you want it",
                )
            )
    instances = [f"{item['namespace']}/{item['name']}" for item in olm.get("nfd") or ()]
    if len(instances) > 1:
        message = f"{len(instances)} NodeFeatureDiscoveries label the nodes: {', '.join(instances)}"
        found.append(
            Finding("MN-N32", "warning", name, message, "delete all but one: each takes the others' labels away")
        )
    return tuple(found)
