# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check answers: a finding about the plan or the cluster, or an issue with a place in the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

SEVERITIES = ("error", "warning", "note")
# Suboptions of a module's option ``waivers``
WAIVER_OPTIONS = {"id": {"type": "str", "required": True}, "reason": {"type": "str"}, "until": {"type": "str"}}


@dataclass(frozen=True)
class Finding:
    """One thing to know. ``id`` is the catalogue's (``MN-F29``), ``subject`` the workload or object it is about.

    ``stage``: ``spec`` where it follows from the variables alone, ``preflight`` where the cluster or the machines
    say so (a cluster that this very run builds may still change it).
    """

    id: str
    severity: str
    subject: str
    message: str
    remedy: str
    stage: str = "preflight"

    def to_dict(self) -> dict[str, str]:
        return {
            "id": self.id,
            "severity": self.severity,
            "subject": self.subject,
            "message": self.message,
            "remedy": self.remedy,
            "stage": self.stage,
        }

    def __str__(self) -> str:
        return f"{self.severity} {self.id} {self.subject}: {self.message}; {self.remedy}"


class Issue(NamedTuple):
    """Something wrong in the input, ``path`` relative to the component or workload that the check was given."""

    path: tuple[str | int, ...]
    value: object
    message: str
    check: str
