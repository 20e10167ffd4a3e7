# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check of somebody's manifest is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.readback import ComponentReading, Readback
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.objects import mapping


@dataclass(frozen=True)
class Case:
    """One object with its read-back.

    ``source``: its file, or empty. ``version``: Dynamo's, where it is known. ``facts``: what cluster_info returns under
    ``cluster``, where there is a cluster.
    """

    manifest: Mapping[str, Any]
    back: Readback
    source: str = ""
    version: str | None = None
    facts: Mapping[str, Any] | None = None
    companions: Sequence[Mapping[str, Any]] = ()

    @property
    def subject(self) -> str:
        name = f"{self.back.namespace}/{self.back.name}" if self.back.namespace else self.back.name
        return f"{self.source}: {self.back.kind} {name}" if self.source else f"{self.back.kind} {name}"

    @property
    def dynamo(self) -> bool:
        """Whether the Dynamo operator makes the pods."""
        return self.back.kind in ("DynamoGraphDeployment", "DynamoComponentDeployment")

    @property
    def alpha(self) -> bool:
        return self.dynamo and str(self.manifest.get("apiVersion")).endswith("/v1alpha1")

    @property
    def spec(self) -> Mapping[str, Any]:
        return mapping(self.manifest.get("spec"))

    @property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(mapping(self.manifest.get("metadata")).get("annotations"))

    @property
    def engines(self) -> Iterator[ComponentReading]:
        return (one for one in self.back.components if one.is_engine)

    @property
    def wired(self) -> Iterator[ComponentReading]:
        """Engines of several machines that the operator is to wire."""
        return (
            one
            for one in self.back.components
            if self.dynamo and one.node_count > 1 and not one.errors and not one.part.role_templates
        )

    def before(self, version: str) -> bool:
        """Whether Dynamo is known to be older than ``version``."""
        mine, other = versions.key(self.version or ""), versions.key(version)
        return mine is not None and other is not None and mine < other

    def found(
        self, check: str, severity: str, message: str, remedy: str, component: ComponentReading | None = None
    ) -> Finding:
        subject = f"{self.subject} component {component.name}" if component else self.subject
        return Finding(check, severity, subject, message, remedy, "preflight" if check == "MN-F16" else "spec")
