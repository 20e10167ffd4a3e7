# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that the manifests may have, and what is none of them: a misspelt or misplaced key is ignored (F15).

The tables hold the kinds' own keys and those of pods as far as people write them by hand; below a ``None`` anything
goes. Compared with upstream's definitions in a test. ``roles`` is newer than those (Dynamo 1.5 and 1.6), and
``multinode.leader`` and ``multinode.worker``, which they have, never shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.manifest_case import Case
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import items, mapping
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import format_path, nearest, shown

# Key -> what is below it: a table, a list of tables ([table]), any key with that table ({"*": table}), or anything.
Table = Mapping[str, Any]


def _keys(names: str, **below: Any) -> dict[str, Any]:
    return {**dict.fromkeys(names.split()), **below}


_PROBE = _keys(
    "exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold tcpSocket "
    "terminationGracePeriodSeconds timeoutSeconds"
)
_CONTAINER = _keys(
    "args command image imagePullPolicy lifecycle name resizePolicy restartPolicy restartPolicyRules securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices workingDir",
    env=[_keys("name value valueFrom")],
    envFrom=[_keys("configMapRef prefix secretRef")],
    ports=[_keys("containerPort hostIP hostPort name protocol")],
    volumeMounts=[_keys("mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr")],
    resources={"limits": None, "requests": None, "claims": [_keys("name request")]},
    livenessProbe=_PROBE,
    readinessProbe=_PROBE,
    startupProbe=_PROBE,
)
_POD_SPEC = _keys(
    "activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks ephemeralContainers "
    "hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets nodeName "
    "nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resources restartPolicy "
    "runtimeClassName schedulerName schedulingGates schedulingGroup securityContext serviceAccount serviceAccountName "
    "setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds topologySpreadConstraints "
    "workloadRef",
    affinity=_keys("nodeAffinity podAffinity podAntiAffinity"),
    containers=[_CONTAINER],
    initContainers=[_CONTAINER],
    resourceClaims=[_keys("name resourceClaimName resourceClaimTemplateName")],
    tolerations=[_keys("effect key operator tolerationSeconds value")],
    volumes=[
        _keys(
            "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc "
            "flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi name nfs "
            "persistentVolumeClaim photonPersistentDisk portworxVolume projected quobyte rbd scaleIO secret storageos "
            "vsphereVolume"
        )
    ],
)
_TEMPLATE = {"metadata": None, "spec": _POD_SPEC}
_ROLES = [_keys("name replicas providerOverride", podTemplate=_TEMPLATE)]
_RESTART = _keys("id", strategy=_keys("order type"))
_BETA = _keys(
    "eppConfig experimental frontendSidecar globalDynamoNamespace minAvailable name providerOverride replicas "
    "runtimeVersionOverride scalingAdapter sharedMemorySize type",
    compilationCache=_keys("mountPath pvcName"),
    modelRef=_keys("name revision"),
    multinode=_keys("nodeCount"),
    podTemplate=_TEMPLATE,
    roles=_ROLES,
    topologyConstraint=_keys("packDomain"),
)
_SHORT = _keys("cpu memory gpu gpuType custom")
_ALPHA = _keys(
    "annotations autoscaling checkpoint componentType dynamoNamespace envFromSecret eppConfig failover frontendSidecar "
    "globalDynamoNamespace gpuMemoryService ingress labels livenessProbe minAvailable providerOverride readinessProbe "
    "replicas runtimeVersionOverride serviceName subComponentType",
    envs=[_keys("name value valueFrom")],
    extraPodMetadata=_keys("annotations labels"),
    extraPodSpec={**_POD_SPEC, "mainContainer": _CONTAINER},
    modelRef=_keys("name revision"),
    multinode=_keys("nodeCount"),
    resources={"limits": _SHORT, "requests": _SHORT, "claims": [_keys("name request")]},
    roles=_ROLES,
    scalingAdapter=_keys("enabled"),
    sharedMemory=_keys("disabled size"),
    topologyConstraint=_keys("packDomain"),
    volumeMounts=[_keys("mountPoint name useAsCompilationCache")],
)
_DEPLOYMENT = "annotations backendFramework experimental labels priorityClassName providerOverride"
_PACK = _keys("packDomain topologyName", pack=_keys("preferred required"))
TABLES: Mapping[tuple[str, str], Table] = {
    ("DynamoGraphDeployment", "v1beta1"): _keys(
        _DEPLOYMENT,
        components=[_BETA],
        env=[_keys("name value valueFrom")],
        restart=_RESTART,
        topologyConstraint=_keys("clusterTopologyName packDomain"),
    ),
    ("DynamoGraphDeployment", "v1alpha1"): _keys(
        _DEPLOYMENT,
        envs=[_keys("name value valueFrom")],
        pvcs=[_keys("create name size storageClass volumeAccessMode")],
        restart=_RESTART,
        services={"*": _ALPHA},
        topologyConstraint=_keys("packDomain topologyProfile"),
    ),
    ("LeaderWorkerSet", "v1"): _keys(
        "replicas startupPolicy",
        leaderWorkerTemplate=_keys(
            "restartPolicy size volumeClaimTemplates",
            leaderTemplate=_TEMPLATE,
            workerTemplate=_TEMPLATE,
            persistentVolumeClaimRetentionPolicy=_keys("whenDeleted whenScaled"),
            subGroupPolicy=_keys("subGroupPolicyType subGroupSize"),
        ),
        networkConfig=_keys("subdomainPolicy"),
        rolloutStrategy=_keys("type", rollingUpdateConfiguration=_keys("maxSurge maxUnavailable partition")),
    ),
    ("PodCliqueSet", "v1alpha1"): _keys(
        "replicas",
        updateStrategy=None,
        template=_keys(
            "cliqueStartupType headlessServiceConfig priorityClassName resourceClaimTemplates resourceSharing "
            "terminationDelay",
            topologyConstraint=_PACK,
            cliques=[
                _keys(
                    "annotations labels name resourceSharing",
                    topologyConstraint=_PACK,
                    spec=_keys("autoScalingConfig minAvailable replicas roleName startsAfter", podSpec=_POD_SPEC),
                )
            ],
            podCliqueScalingGroups=[
                _keys(
                    "annotations cliqueNames minAvailable name replicas resourceSharing scaleConfig",
                    topologyConstraint=_PACK,
                )
            ],
        ),
    ),
}


def f15_unknown_keys(case: Case) -> Iterator[Finding]:
    """F15: a key that nobody reads, with the nearest one, or the place where it belongs."""
    version = str(case.manifest.get("apiVersion") or "").rsplit("/", 1)[-1]
    table = TABLES.get((case.back.kind, version))
    if table is None:
        return
    places: dict[str, str] = {}
    for name, place in _places(table, "spec"):
        places[name] = min(places.get(name, place), place, key=_distance)
    for path, key, known in unknown(table, case.spec, ("spec",)):
        hint = nearest(key, tuple(known))
        if not hint and key in places:
            hint = f" (it belongs under {places[key]})"
        message = f"{format_path((*path, key))} is no key of this kind{hint}; it is ignored"
        yield case.found("MN-F15", "error", message, "correct it, or take it out")


def unknown(
    table: Table, value: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, Table]]:
    """(where, key, the keys that are known there)."""
    for key, inner in value.items():
        name = str(key)
        if "*" in table:
            yield from unknown(table["*"], mapping(inner), (*path, name))
        elif name not in table:
            yield path, name, table
        elif isinstance(table[name], list):
            for index, item in enumerate(inner if isinstance(inner, list) else ()):
                yield from unknown(table[name][0], mapping(item), (*path, name, index))
        elif table[name] is not None:
            yield from unknown(table[name], mapping(inner), (*path, name))


def _distance(place: str) -> int:
    """The shorter, the likelier; v1alpha1's own container before the others of a pod."""
    return len(place.replace("mainContainer", ""))


def _places(table: Table, path: str) -> Iterator[tuple[str, str]]:
    """Every key with the path above it."""
    for key, below in table.items():
        step = f"{path}.<name>" if key == "*" else f"{path}.{key}"
        if isinstance(below, list):
            yield from _places(below[0], f"{step}[]")
        elif below is not None:
            yield from _places(below, step)
    for key in table:
        if key != "*":
            yield key, path


def n10_env_values(case: Case) -> Iterator[Finding]:
    """YAML 1.1 reads ``n``, ``y``, ``on``, ``off`` without quotes as booleans; Kubernetes wants text."""
    for path, env in _env_lists(case.spec, ("spec",)):
        for index, item in enumerate(items(env)):
            value = item.get("value")
            if value is None or isinstance(value, str):
                continue
            message = (
                f"{format_path((*path, index, 'value'))} of {item.get('name')} is {shown(value)}, and must be text"
            )
            if isinstance(value, bool):
                message += " (YAML 1.1 reads y, n, yes, no, on and off without quotes as true or false)"
            yield case.found("MN-N10", "error", message, "put it into quotes")


def _env_lists(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("env", "envs") and isinstance(inner, list):
                yield (*path, str(key)), inner
            else:
                yield from _env_lists(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _env_lists(inner, (*path, index))


KEY_CHECKS = (f15_unknown_keys, n10_env_values)
