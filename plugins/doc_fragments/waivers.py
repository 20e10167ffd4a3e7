# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option of every module that judges."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  waivers:
    description: Findings that were accepted; they are returned as waived, and until the named date only.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Id of the finding, such as V(MN-F32).
        type: str
        required: true
      reason:
        description: Why it was accepted.
        type: str
      until:
        description: Last day on which it is accepted, as V(2027-01-01).
        type: str
"""
