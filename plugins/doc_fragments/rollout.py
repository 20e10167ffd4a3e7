# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of what applies objects and waits for them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait_stable_seconds:
    description:
      - Take something for ready only when it has been so for this many seconds without a break, what has not changed
        included. For kinds that flap.
    type: int
    default: 0
  result_file:
    description:
      - A file on the machine where the module runs, to which the whole result is written as JSON. Not written in check
        mode.
      - A result of more than 100 objects, or 64 KiB, is returned without the details of objects in which nothing is
        wrong, and says so in RV(left_out), because AWX cuts large events. This file has them.
    type: path
  _slice:
    description:
      - For the action plugin of the same name, which waits in parts and tells how far the wait is. Not for tasks.
    type: dict
"""
