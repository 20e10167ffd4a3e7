# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what takes long: what, n of m, and for how long, also where there is no terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

BEAT_TERMINAL, BEAT_PLAIN = 0.5, 15.0


def duration(seconds: float) -> str:
    """'8s' or '3m05s'."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


class Progress:
    """Numbered steps; one that lasts says so again and again."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._begin = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def _say(self, text: str, *, end: bool) -> None:
        if self._terminal:
            sys.stderr.write(f"\r\033[K{text}" + ("\n" if end else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def step(self, what: str, *, counted: bool = True) -> Iterator[None]:
        """Announce a step, keep saying that it runs, and say how long it took."""
        label = f"[{self._done + 1}/{self._total}] {what}" if counted else what
        begin = time.monotonic()
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT_TERMINAL if self._terminal else BEAT_PLAIN):
                spent, total = time.monotonic() - begin, time.monotonic() - self._begin
                self._say(f"{label} ... {duration(spent)} ({duration(total)} in all)", end=False)

        self._say(f"{label} ...", end=False)
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        failed = True
        try:
            yield
            failed = False
        finally:
            stop.set()
            thread.join()
            result = "failed after" if failed else "done in"
            self._say(f"{label}: {result} {duration(time.monotonic() - begin)}", end=True)
        if counted:
            self._done += 1
