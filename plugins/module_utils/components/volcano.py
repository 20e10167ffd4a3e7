# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volcano, the gang scheduler of LeaderWorkerSets: identity, readiness, installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import PROBE, Ask, Component

_WEBHOOK = "volcano-admission-service-"
_WEBHOOKS = (f"{_WEBHOOK}queues-validate", f"{_WEBHOOK}podgroups-validate")
# Volcano's scheduler makes these when it starts (reference: volcano pkg/scheduler/cache/cache.go).
_QUEUES = ("root", "default")

_VOLCANO_QUEUE = {
    "apiVersion": "scheduling.volcano.sh/v1beta1",
    "kind": "Queue",
    "metadata": {"name": PROBE},
    "spec": {"weight": 1, "reclaimable": True},
}
# Volcano's webhooks leave its own namespace and kube-system alone: a probe there would prove nothing.
_VOLCANO_POD_GROUP = {
    "apiVersion": "scheduling.volcano.sh/v1beta1",
    "kind": "PodGroup",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {"minMember": 1, "queue": "default"},
}


def _switched_off(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Webhooks that its admission is not told to serve: volcano-admission-service-queues-validate: /queues/validate."""
    given = (values.get("custom") or {}).get("enabled_admissions")
    if not isinstance(given, str) or not given.strip():
        return ()
    served = {path.strip().strip("/").replace("/", "-") for path in given.split(",")}
    return tuple(name for name in _WEBHOOKS if name[len(_WEBHOOK) :] not in served)


def _forecast(_ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    queues = dict(facts.get("queues") or {})
    there = {queue["name"] for queue in queues.get("volcano") or []}
    made = [{"name": queue, "state": "Open"} for queue in _QUEUES if queue not in there]
    return {**facts, "queues": {**queues, "volcano": [*(queues.get("volcano") or []), *made]}}


COMPONENT = Component(
    name="volcano",
    charts=("volcano",),
    images=("vc-scheduler", "vc-controller-manager", "vc-webhook-manager"),
    required=("vc-scheduler", "vc-controller-manager"),
    crds=(
        "queues.scheduling.volcano.sh",
        "podgroups.scheduling.volcano.sh",
        "jobs.batch.volcano.sh",
        "cronjobs.batch.volcano.sh",
        "commands.bus.volcano.sh",
        "numatopologies.nodeinfo.volcano.sh",
        "hypernodes.topology.volcano.sh",
        "nodeshards.shard.volcano.sh",
        "colocationconfigurations.config.volcano.sh",
        "jobflows.flow.volcano.sh",
        "jobtemplates.flow.volcano.sh",
    ),
    webhooks=_WEBHOOKS,
    switched_off=_switched_off,
    webhook_image="vc-webhook-manager",
    queues=_QUEUES,
    dry_runs=(_VOLCANO_QUEUE, _VOLCANO_POD_GROUP),
    version_value=("basic", "image_tag_version"),
    leftovers=(("v1", "Secret", "volcano-admission-secret"),),
    group="scheduling.volcano.sh",
    workloads=("scheduling.volcano.sh/v1beta1", "PodGroup"),
    namespace="volcano-system",
    release="volcano",
    chart="volcano",
    chart_repo="https://volcano-sh.github.io/helm-charts",
    forecast=_forecast,
)
