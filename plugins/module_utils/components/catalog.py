# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All components, in the order in which they are installed; they are removed in the reverse order."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.dynamo.multinode.plugins.module_utils.components import (
    dynamo_platform,
    gpu_operator,
    grove,
    kai_scheduler,
    lws,
    network_operator,
    volcano,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import Component

COMPONENTS: Mapping[str, Component] = {
    component.name: component
    for component in (
        gpu_operator.COMPONENT,
        network_operator.COMPONENT,
        kai_scheduler.COMPONENT,
        grove.COMPONENT,
        volcano.COMPONENT,
        lws.COMPONENT,
        dynamo_platform.COMPONENT,
    )
}

# What belongs to one orchestrator only
STACKS: Mapping[str, tuple[str, ...]] = {"grove": ("grove", "kai_scheduler"), "lws": ("lws", "volcano")}


def definition(name: str) -> Component:
    """The component of this name; a chart that nobody described here is judged by its Deployments alone."""
    return COMPONENTS.get(name) or Component(name=name, charts=(name,), images=(), required=())
