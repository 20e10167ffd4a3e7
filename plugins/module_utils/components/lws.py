# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LWS, the LeaderWorkerSet controller: identity, readiness, installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components.gang_pods import f35_pods
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import PROBE, Ask, Component

_LEADER_WORKER_SET = {
    "apiVersion": "leaderworkerset.x-k8s.io/v1",
    "kind": "LeaderWorkerSet",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {
        "replicas": 1,
        "leaderWorkerTemplate": {
            "size": 2,
            "workerTemplate": {"spec": {"containers": [{"name": "probe", "image": "probe"}]}},
        },
    },
}


def _values(_ask: Ask) -> Mapping[str, Any]:
    # Without it the groups of a LeaderWorkerSet are no gangs, and the chart does not allow LWS to make PodGroups
    return {"gangSchedulingManagement": {"schedulerProvider": "volcano"}}


def _forecast(ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    there = (facts.get("components") or {}).get("lws") or {}
    provider = (ask.values.get("gangSchedulingManagement") or {}).get("schedulerProvider")
    details = {**(there.get("details") or {}), "scheduler_provider": provider}
    return {**facts, "components": {**facts["components"], "lws": {**there, "details": details}}}


COMPONENT = Component(
    name="lws",
    charts=("lws",),
    images=("lws",),
    required=("lws",),
    crds=("leaderworkersets.leaderworkerset.x-k8s.io",),
    # From 0.9 and 0.10 on
    newer_crds=(
        "disaggregatedsets.disaggregatedset.x-k8s.io",
        "disaggregatedsetrolescalers.disaggregatedset.x-k8s.io",
    ),
    webhooks=("lws-mutating-webhook-configuration", "lws-validating-webhook-configuration"),
    webhook_image="lws",
    scheduler_provider="volcano",
    service_account="lws-controller-manager",
    dry_runs=(_LEADER_WORKER_SET,),
    version_value=("image", "manager", "tag"),
    group="leaderworkerset.x-k8s.io",
    workloads=("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    namespace="lws-system",
    release="lws",
    chart="oci://registry.k8s.io/lws/charts/lws",
    checks=(f35_pods,),
    values=_values,
    forecast=_forecast,
)
