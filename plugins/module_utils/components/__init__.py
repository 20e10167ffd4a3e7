# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The components of the platform as data, and what to do about each: adopt, install, upgrade, leave, remove or refuse.

Pure: takes what kube/facts.py found and what the user wants, and gives a decision with its reasons. What a component's
readiness consists of is data too (``COMPONENTS``); ``missing()`` judges it.
"""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.components.asked import (
    Asked,
    of_components,
    of_platform,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import (
    COMPONENTS,
    definition,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.decide import (
    decide,
    same_values,
    version_values,
    waived,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.judge import (
    judge,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.model import (
    MODES,
    PROBE,
    UNFINISHED,
    Ask,
    Component,
    Decision,
    Object,
    Wanted,
    provisioned,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.objects import (
    apply_objects,
    delete_objects,
    namespace_object,
    record_object,
    reference,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.components.ready import (
    crd_problem,
    deployment_problem,
    images_of,
    missing,
    runs,
    split_image,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.merging import merge

__all__ = [
    "COMPONENTS",
    "MODES",
    "PROBE",
    "UNFINISHED",
    "Ask",
    "Asked",
    "Component",
    "Decision",
    "Object",
    "Wanted",
    "apply_objects",
    "crd_problem",
    "decide",
    "definition",
    "delete_objects",
    "deployment_problem",
    "images_of",
    "judge",
    "merge",
    "missing",
    "namespace_object",
    "of_components",
    "of_platform",
    "provisioned",
    "record_object",
    "reference",
    "runs",
    "same_values",
    "split_image",
    "version_values",
    "waived",
]
