# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain data as YAML text, byte for byte the same on every Python and with every YAML library (it needs none).

Strings stay plain only where no YAML version could read them as something else: ``n``, ``on`` and ``1e3`` are quoted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


def dump_all(documents: Iterable[Mapping[str, Any]]) -> str:
    """One document after another, each begun by ``---``; keys in the order given."""
    return "".join(f"---\n{dump(document)}" for document in documents)


def dump(data: Mapping[str, Any] | list[Any]) -> str:
    """A map or list as block style YAML, indented by two."""
    return "\n".join(_lines(data, "") or [scalar(data)]) + "\n"


def _lines(data: Any, indent: str) -> list[str]:
    lines: list[str] = []
    if isinstance(data, Mapping):
        for key, value in data.items():
            if isinstance(value, (Mapping, list)) and value:
                lines.append(f"{indent}{scalar(key)}:")
                lines += _lines(value, indent + "  ")
            else:
                lines.append(f"{indent}{scalar(key)}: {scalar(value)}")
        return lines
    for item in data:
        if isinstance(item, (Mapping, list)) and item:
            nested = _lines(item, indent + "  ")
            lines.append(f"{indent}- {nested[0][len(indent) + 2 :]}")
            lines += nested[1:]
        else:
            lines.append(f"{indent}- {scalar(item)}")
    return lines


def scalar(value: Any) -> str:
    """One value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, (Mapping, list)):
        return "{}" if isinstance(value, Mapping) else "[]"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "".join(_escaped(char) for char in json.dumps(text, ensure_ascii=False))


def _float(value: float) -> str:
    """YAML 1.1 takes 1e-05 for a string: a number has a point."""
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"


def _escaped(char: str) -> str:
    """What YAML does not take as it is inside double quotes: control characters, separators, lone surrogates."""
    code = ord(char)
    if 0x20 <= code < 0x7F or (0xA0 <= code < 0xD800) or (0xE000 <= code < 0xFFFE and code != 0xFEFF):
        return f"\\u{code:04x}" if code in (0x2028, 0x2029) else char
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
