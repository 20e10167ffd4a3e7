# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which fault meets which request: by the seed, the request and how often it came, never by the order of threads."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

RATE = 0.1
# Before the request is forwarded, nothing has happened; after it, the write is done and only its answer is lost
BEFORE = ("429", "500", "502", "503", "504", "webhook", "reset-before")
AFTER = ("reset-after", "504-after", "cut", "hang", "delay")
# Only for writes: another hand is faster, or the API server lost an optimistic race
WRITES = ("modified", "hand-edit", "hand-delete")
# Only for reads that go on from somewhere
WATCHES = ("410", "429", "cut", "reset-before", "503", "delay")
ALL = tuple(dict.fromkeys((*BEFORE, *AFTER, *WRITES, *WATCHES)))


@dataclass
class Plan:
    """The faults of one run. ``rate``: share of requests that meet one; ``counts``: what was injected."""

    seed: str
    rate: float = RATE
    counts: Counter[str] = field(default_factory=Counter)
    _seen: Counter[str] = field(default_factory=Counter)

    def fault(self, method: str, path: str) -> str | None:
        """The fault for this request, or None; the same request may meet another one when it is sent again."""
        watch = "watch=true" in path
        known = f"{method} {path.partition('?')[0] if watch else path}"
        self._seen[known] += 1
        dice = random.Random(f"{self.seed}|{known}|{self._seen[known]}")
        if dice.random() >= self.rate:
            return None
        if watch:
            return dice.choice(WATCHES)
        return dice.choice((*BEFORE, *AFTER, *WRITES) if method == "PATCH" else (*BEFORE, *AFTER))
