# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the collection signs what it makes in a cluster."""

from __future__ import annotations

# Field manager of every apply, and value of the label below
MANAGER = "dynamo.multinode"
MANAGED_BY = "app.kubernetes.io/managed-by"
WORKLOAD_LABEL = "dynamo.multinode/workload"
COMPONENT_LABEL = "dynamo.multinode/component"
# On the ConfigMap that says of a platform component whether it was adopted or provisioned
RECORD_LABEL = "dynamo.multinode/record"
