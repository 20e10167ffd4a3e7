# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the module apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.progress import finish_objects
from ansible_collections.dynamo.multinode.plugins.plugin_utils.sliced import SlicedAction


class ActionModule(SlicedAction):
    waits_by_default = False

    def finish(self, result: dict[str, Any], settled: Mapping[str, Mapping[str, Any]]) -> str | None:
        return finish_objects(result, settled)
