# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of TOML as containerd's configuration uses: Python before 3.11 has no reader of its own. Pure.

Dates, multi-line strings and tables in arrays are passed over: nothing that is asked for here is written with them.
"""

from __future__ import annotations

import re
from typing import Any

_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_STRING = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'""")


class BadToml(ValueError):
    """The text is no TOML; the message says the line."""


def read(text: str) -> dict[str, Any]:
    """The tables of a file as nested dicts; values are str, int, bool or lists of str, others their own text."""
    root: dict[str, Any] = {}
    table: dict[str, Any] = root
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        bare = _without_comment(line).strip()
        if not bare:
            continue
        if bare.startswith("[["):
            table = {}
        elif bare.startswith("["):
            if not bare.endswith("]"):
                raise BadToml(f"line {number}: {bare}")
            table = _table(root, _path(bare[1:-1], number), number)
        else:
            path, rest = _assigned(bare, number)
            while rest.startswith("[") and _depth(rest) > 0:
                following = next(lines, None)
                if following is None:
                    raise BadToml(f"line {number}: a list has no end")
                rest += " " + _without_comment(following[1]).strip()
            _table(table, path[:-1], number)[path[-1]] = _value(rest)
    return root


def _without_comment(line: str) -> str:
    quote = ""
    for place, letter in enumerate(line):
        if quote:
            if letter == quote and not (quote == '"' and line[place - 1] == "\\"):
                quote = ""
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return line[:place]
    return line


def _depth(text: str) -> int:
    plain = _STRING.sub("", text)
    return plain.count("[") - plain.count("]")


def _path(text: str, number: int) -> list[str]:
    parts: list[str] = []
    place = 0
    while True:
        match = _KEY.match(text, place)
        if match is None:
            raise BadToml(f"line {number}: {text}")
        parts.append(next(group for group in match.groups() if group is not None))
        place = match.end()
        if place == len(text):
            return parts
        if text[place] != ".":
            raise BadToml(f"line {number}: {text}")
        place += 1


def _assigned(text: str, number: int) -> tuple[list[str], str]:
    place = 0
    while True:
        match = _KEY.match(text, place)
        if match is None or match.end() == len(text) or text[match.end()] not in ".=":
            raise BadToml(f"line {number}: {text}")
        place = match.end() + 1
        if text[match.end()] == "=":
            return _path(text[: match.end()], number), text[place:].strip()


def _table(root: dict[str, Any], path: list[str], number: int) -> dict[str, Any]:
    table = root
    for part in path:
        below = table.setdefault(part, {})
        if not isinstance(below, dict):
            raise BadToml(f"line {number}: {'.'.join(path)} is a value and a table")
        table = below
    return table


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    strings = [match[1] if match[1] is not None else match[2] for match in _STRING.finditer(text)]
    if text.startswith("["):
        return strings
    return strings[0] if strings and text[0] in "\"'" else text
