# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A busy machine is no finding: property tests have no deadline."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("multinode", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("multinode")
