# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grove, which makes gangs of PodCliqueSets: identity, readiness, installation, and its webhooks' certificate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    PROBE,
    Ask,
    Component,
    provisioned,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge

SECRET = "grove-webhook-server-cert"
DEFAULT, KAI, VOLCANO = "default-scheduler", "kai-scheduler", "volcano"

# On the default scheduler, which every Grove knows: on KAI's it would have to name a queue
_POD_CLIQUE_SET = {
    "apiVersion": "grove.io/v1alpha1",
    "kind": "PodCliqueSet",
    "metadata": {"name": PROBE, "namespace": "default"},
    "spec": {
        "replicas": 1,
        "template": {
            "cliques": [
                {
                    "name": "probe",
                    "spec": {
                        "roleName": "probe",
                        "replicas": 1,
                        "podSpec": {"schedulerName": DEFAULT, "containers": [{"name": "probe", "image": "probe"}]},
                    },
                }
            ]
        },
    },
}


def _kai(ask: Ask) -> bool:
    """Whether KAI is there, or comes before Grove in this run."""
    present = ((ask.facts.get("components") or {}).get("kai_scheduler") or {}).get("present")
    return bool(present) or "v1alpha1" in ((ask.facts.get("apis") or {}).get("kai.scheduler") or ())


def _values(ask: Ask) -> Mapping[str, Any]:
    """Its schedulers, those that are there, with the gang scheduler as the default: pods that name none are gangs too.

    topologyAwareScheduling needs KAI's Topology definition, without which the operator does not start. The Secret of
    the webhooks' certificate stays the chart's (webhookServerSecret): helm leaves alone what the operator puts into it,
    and would delete it if the chart stopped bringing it.
    """
    kai = _kai(ask) and ask.scheduler in ("auto", "kai", "")
    profiles = [DEFAULT, *([KAI] if kai else []), *([VOLCANO] if ask.scheduler == "volcano" else [])]
    scheduler: dict[str, Any] = {"profiles": [{"name": name} for name in profiles]}
    if len(profiles) > 1:
        scheduler["defaultProfileName"] = profiles[-1]
    return {
        "config": {"scheduler": scheduler, "topologyAwareScheduling": {"enabled": kai}},
        "priorityClass": {"enabled": True},
    }


def _skip(ask: Ask) -> str:
    return "the orchestrator is LeaderWorkerSet" if ask.orchestrator == "lws" else ""


def _forecast(_ask: Ask, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        **facts,
        "apis": {**(facts.get("apis") or {}), "grove.io": ["v1alpha1"], "scheduler.grove.io": ["v1alpha1"]},
    }


def f67_certificate(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F67: whoever applies the rendered chart again empties the certificate, and every PodCliqueSet is refused.

    helm makes the Secret empty, and the operator fills it. Of ours that is not at its end, waiting judges.
    """
    begun = provisioned(found) and not (found.get("release_status") == "deployed" and found.get("ready"))
    if found.get("present") and not begun and (found.get("details") or {}).get("certificate") is False:
        where = f"-n {found.get('namespace')}"
        yield Finding(
            "MN-F67",
            "error",
            "grove",
            f"Secret {SECRET} has no tls.crt: its webhooks have no certificate, and PodCliqueSets are refused. Whoever "
            "applies the rendered chart (helm template, Argo CD) empties it each time",
            f"its owner: webhookServerSecret.enabled=false in the chart's values (the operator then makes the Secret), "
            f"and kubectl rollout restart deployment grove-operator {where}",
        )


def f61_names(_ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F61: a definition that is there, and not served: its short name is still that of its predecessor."""
    problem = str((found.get("details") or {}).get("binding_problem") or "")
    if found.get("present") and problem:
        aware = (found.get("details") or {}).get("topology_aware")
        yield Finding(
            "MN-F61",
            "error" if aware else "warning",
            "grove",
            f"definition clustertopologybindings.grove.io is not served: {problem}",
            "where kubectl get clustertopologies.grove.io shows nothing that is used: kubectl delete "
            "customresourcedefinition clustertopologies.grove.io, whose short name ct it has",
        )


def f35_scheduler(ask: Ask, found: Mapping[str, Any]) -> Iterator[Finding]:
    """F35: KAI is there, and Grove was not told: it refuses pods that name it. Of ours counts what we tell it."""
    schedulers = (found.get("details") or {}).get("schedulers") or ()
    if provisioned(found):
        profiles_given = (merge(_values(ask), ask.values).get("config") or {}).get("scheduler") or {}
        schedulers = tuple(str(profile.get("name")) for profile in profiles_given.get("profiles") or ())
    if found.get("present") and schedulers and _kai(ask) and ask.scheduler in ("auto", "kai") and KAI not in schedulers:
        profiles = ",".join(f"{{name: {name}}}" for name in (*schedulers, KAI))
        whose = "" if provisioned(found) else "its owner: "
        yield Finding(
            "MN-F35",
            "error",
            "grove",
            f"KAI is there, and Grove's configuration lists the schedulers {', '.join(schedulers)} only: it refuses "
            "PodCliqueSets whose pods name KAI",
            f"{whose}config.scheduler.profiles: [{profiles}] in Grove's chart values",
        )


COMPONENT = Component(
    name="grove",
    charts=("grove-charts", "grove"),
    images=("grove-operator",),
    required=("grove-operator",),
    crds=(
        "podcliquesets.grove.io",
        "podcliques.grove.io",
        "podcliquescalinggroups.grove.io",
        "podgangs.scheduler.grove.io",
    ),
    newer_crds=("clustertopologybindings.grove.io",),
    webhooks=("podcliqueset-defaulting-webhook", "podcliqueset-validating-webhook"),
    webhook_image="grove-operator",
    dry_runs=(_POD_CLIQUE_SET,),
    leftovers=(("v1", "Secret", SECRET),),
    group="grove.io",
    workloads=("grove.io/v1alpha1", "PodCliqueSet"),
    namespace="grove-system",
    release="grove",
    chart="oci://ghcr.io/ai-dynamo/grove/grove-charts",
    chart_tag="v",
    checks=(f67_certificate, f35_scheduler, f61_names),
    values=_values,
    skip=_skip,
    forecast=_forecast,
)
