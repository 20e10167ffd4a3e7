# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The components' own settings in multinode_platform: everything that is wrong in them, and defaults for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Settings:
    """Typed access to what the user gave. What is wrong is remembered in ``problems`` and answered with the default.

    problems: (path below the component's block, value, what would be right).
    """

    def __init__(self, component: str, given: Mapping[str, Any]) -> None:
        self.component = component
        self.given = given
        self.problems: list[tuple[str, Any, str]] = []

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of ``choices``."""
        value = self.given.get(key, default)
        text = str(value).strip().lower()
        if text in choices:
            return text
        self.problems.append((key, value, f"one of {', '.join(choices)}"))
        return default

    def flag(self, key: str, default: bool) -> bool:
        """True or false, also as the text that a survey sends."""
        found = as_flag(self.given.get(key, default))
        if found is None:
            self.problems.append((key, self.given[key], "true or false"))
        return default if found is None else found

    def maybe(self, key: str) -> bool | None:
        """True, false, or None for ``auto`` or nothing, which is the default."""
        value = self.given.get(key, "auto")
        if value is None or str(value).strip().lower() in ("", "auto"):
            return None
        found = as_flag(value)
        if found is None:
            self.problems.append((key, value, "true, false or auto"))
        return found

    def text(self, key: str, default: str = "") -> str:
        """A text or a number as text."""
        value = self.given.get(key, default)
        if isinstance(value, (Mapping, list, tuple, bool)):
            self.problems.append((key, value, "a text"))
            return default
        return str(value).strip()

    def texts(self, key: str) -> list[str]:
        """A list of texts; one text is a list of one."""
        value = self.given.get(key)
        found = _texts(value) if value not in (None, "") else []
        if found is None:
            self.problems.append((key, value, _TYPES["texts"][1]))
        return found or []

    def mapping(self, key: str) -> dict[str, Any]:
        """A map."""
        value = self.given.get(key) or {}
        if not isinstance(value, Mapping):
            self.problems.append((key, value, "a map"))
            return {}
        return dict(value)

    def labels(self, key: str) -> dict[str, str]:
        """A map of labels."""
        return labels(self.mapping(key))

    def entries(self, key: str, fields: Mapping[str, tuple[str, Any]]) -> list[dict[str, Any]]:
        """A list of maps. fields: name -> (type, default); a default of ``...`` makes it required, types as in _TYPES.

        An entry with anything wrong in it is left out: what is half right must not reach a cluster.
        """
        value = self.given.get(key) or []
        if not isinstance(value, (list, tuple)):
            self.problems.append((key, value, "a list of maps"))
            return []
        found = []
        for index, item in enumerate(value):
            path, before = f"{key}[{index}]", len(self.problems)
            if not isinstance(item, Mapping):
                self.problems.append((path, item, f"a map of {', '.join(fields)}"))
                continue
            for name in item:
                if name not in fields:
                    self.problems.append(
                        (f"{path}.{name}", item[name], f"not a known key; known are {', '.join(fields)}")
                    )
            read = {name: self._field(f"{path}.{name}", item.get(name), *about) for name, about in fields.items()}
            if len(self.problems) == before:
                found.append(read)
        return found

    def _field(self, path: str, value: Any, kind: str, default: Any) -> Any:
        if value is None or value == "":
            if default is ...:
                self.problems.append((path, value, "required"))
                return None
            return default
        found = _TYPES[kind][0](value)
        if found is None:
            self.problems.append((path, value, _TYPES[kind][1]))
        return found

    def findings(self) -> Iterator[Finding]:
        """MN-N40: each mistake with its path, its value and what would be right; all at once."""
        for path, (value, right) in {path: (value, right) for path, value, right in self.problems}.items():
            where = f"multinode_platform.{self.component}.{path}"
            yield Finding("MN-N40", "error", self.component, f"{where} is {value!r}", f"it has to be: {right}")


def as_flag(value: Any) -> bool | None:
    """True or false out of a boolean or a text; None for anything else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def labels(given: Mapping[str, Any]) -> dict[str, str]:
    """Labels as Kubernetes takes them: as text, also where YAML has read ``true`` or ``1``."""
    return {str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def _text(value: Any) -> str | None:
    return None if isinstance(value, (Mapping, list, tuple, bool)) else str(value).strip()


def _number(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdigit() and not isinstance(value, bool) else None


def _texts(value: Any) -> list[str] | None:
    items = value if isinstance(value, (list, tuple)) else [value]
    found = [_text(item) for item in items]
    return None if None in found else [str(item) for item in found]


def _map(value: Any) -> dict[str, Any] | None:
    return dict(value) if isinstance(value, Mapping) else None


def _address(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else _text(value)


_TYPES: Mapping[str, tuple[Any, str]] = {
    "text": (_text, "a text"),
    "number": (_number, "a whole number"),
    "flag": (as_flag, "true or false"),
    "texts": (_texts, "a list of texts"),
    "map": (_map, "a map"),
    "ipam": (_address, "the name of an entry of ip_pools, or a map as the CNI's ipam takes it"),
}
