# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that the command line turns into one line."""

from __future__ import annotations


class LabError(Exception):
    """Something the user can act on; the message says what and where."""
