# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the variables alone say about a plan that is no mistake, but should be known (stage spec)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ansible_collections.dynamo.multinode.plugins.module_utils.backends import BACKENDS
from ansible_collections.dynamo.multinode.plugins.module_utils.backends.base import flag_name
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.model import unchecked
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import hub_inside

if TYPE_CHECKING:
    from ansible_collections.dynamo.multinode.plugins.module_utils.plan_model import FleetPlan


def f01_unchecked_model(plan: FleetPlan) -> Iterator[Finding]:
    """F01, F84: the model's numbers were not given, so that nothing is known about heads, experts, layers, memory."""
    for workload in plan.workloads:
        missing = unchecked(workload.workload)
        if missing:
            yield Finding(
                "MN-N03",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                f"whether the model's own numbers allow these degrees is unchecked: model_config has no "
                f"{', '.join(missing)}",
                "set them, or model_config.path to the model's config.json (parameters_b is not in it)",
                "spec",
            )


def f04_unread_files(plan: FleetPlan) -> Iterator[Finding]:
    """F02, F04: a configuration file that is named by hand may say other degrees, and nobody reads it here."""
    for workload in plan.workloads:
        backend = BACKENDS[workload.workload.backend]
        wins = workload.workload.backend == "trtllm"
        for component in workload.workload.components:
            if component.engine and any(flag_name(token) == backend.config_flag for token in component.args):
                yield Finding(
                    "MN-F04" if wins else "MN-F02",
                    "warning",
                    f"{workload.workload.namespace}/{workload.workload.name}/{component.name}",
                    f"names a configuration file with {backend.config_flag}, which is not read here: degrees in it "
                    + ("win over the plan's" if wins else "are not seen by the operator"),
                    "give its content as engine_config, which is checked and rendered",
                    "spec",
                )


def router_without_frontend(plan: FleetPlan) -> Iterator[Finding]:
    """Nobody routes where there is no frontend of ours."""
    for workload in plan.workloads:
        mode = workload.workload.router.mode
        native = workload.choice.workload_api == "native"
        if mode and (native or all(component.role != "frontend" for component in workload.workload.components)):
            reason = "the native API has no frontend" if native else "this workload has no component with role frontend"
            yield Finding(
                "MN-N04",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                f"router.mode {mode} has no effect: {reason}",
                "leave it out, or add a frontend under the Dynamo operator",
                "spec",
            )


def scaled_by_nobody(plan: FleetPlan) -> Iterator[Finding]:
    """A planner is to scale a component, and this workload has none."""
    for workload in plan.workloads:
        components = workload.workload.components
        waiting = [component.name for component in components if component.autoscaling.owner == "planner"]
        if waiting and all(component.role != "planner" for component in components):
            yield Finding(
                "MN-N05",
                "note",
                f"{workload.workload.namespace}/{workload.workload.name}",
                f"{', '.join(waiting)} waits for a planner (autoscaling.owner), and no component here has role planner",
                "add one, unless a planner of another deployment scales it",
                "spec",
            )


def no_hub_in_an_air_gap(plan: FleetPlan) -> Iterator[Finding]:
    """The model is named as the hub does, and there is no way to the hub."""
    for workload in plan.workloads:
        spec = workload.workload
        if not workload.site.airgap or spec.model.startswith("/") or hub_inside(spec):
            continue
        subject = f"{spec.namespace}/{spec.name}"
        if spec.model_cache is None:
            yield Finding(
                "MN-N21",
                "error",
                subject,
                f"model {spec.model} would be downloaded from the hub, and multinode_airgap is on",
                "fill a volume with it and name it as model_cache, give the path of a model inside the image, or set "
                "HF_ENDPOINT in env to a hub of your own",
                "spec",
            )
        else:
            yield Finding(
                "MN-N21",
                "note",
                subject,
                f"HF_HUB_OFFLINE=1 is set: {spec.model} must be in the cache at {spec.model_cache.mount_path} already",
                "fill it before the rollout, as `hf download --cache-dir` does",
                "spec",
            )


NOTES = (f01_unchecked_model, f04_unread_files, router_without_frontend, scaled_by_nobody, no_hub_in_an_air_gap)
