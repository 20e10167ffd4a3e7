# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the module workload_plan."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.plugin_utils.direct import DirectAction


class ActionModule(DirectAction):
    pass
