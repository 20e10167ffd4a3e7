# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with an input, where, and what would be right: the only error type of the pure core."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: ``path`` exists in the input, ``message`` says what would be right.

    ``check`` is the id of the catalogue's failure (``MN-F01``), or empty where the input is simply malformed.
    """

    path: str
    value: object
    message: str
    check: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" [{self.check}]" if self.check else "")

    def to_dict(self) -> dict[str, str]:
        return {"path": self.path, "value": shown(self.value), "message": self.message, "check": self.check}


class SpecError(ValueError):
    """Everything that is wrong, at once: ``problems`` in the order of the input."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(value: object) -> str:
    """A value as an error shows it: like YAML would spell it, cut where it is long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(str.__str__(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def nearest(word: object, known: Sequence[str]) -> str:
    """`` (did you mean X?)`` where one of ``known`` is close to ``word``, otherwise nothing."""
    close = difflib.get_close_matches(str(word).lower(), [name.lower() for name in known], n=1, cutoff=0.6)
    for name in known:
        if close and name.lower() == close[0]:
            return f" (did you mean {name}?)"
    return ""


def format_path(parts: Sequence[str | int]) -> str:
    """``("multinode_workloads", 2, "components", "decode")`` -> ``multinode_workloads[2].components.decode``."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
