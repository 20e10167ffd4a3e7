# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readers of single values: what Ansible hands over (strings from surveys included) to plain types, or a problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_keys import f15_unknown_key
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model_config import DTYPES, dtype_name
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_problems import Problem, format_path, nearest, shown
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_schema import Field

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_QUANTITY = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_CONTROL = re.compile(r"[\x00-\x1f]")
_REMEMBERED = 4096
_TRUE = ("true", "yes", "on", "1", "y")
_FALSE = ("false", "no", "off", "0", "n")


class Invalid(Exception):
    """A value that cannot be read; the text says what would be right."""


class Reader:
    """Collects every problem of an input while its values are read."""

    def __init__(self) -> None:
        self.found: list[tuple[tuple[str | int, ...], object, str, str]] = []

    def add(self, path: Sequence[str | int], value: object, message: str, check: str = "") -> None:
        self.found.append((tuple(path), value, message, check))

    def problems(self) -> list[Problem]:
        return [Problem(format_path(path), value, message, check) for path, value, message, check in self.found]

    def fields(self, fields: tuple[Field, ...], raw: object, path: tuple[str | int, ...]) -> dict[str, Any]:
        """Reads a map against its table. Absent keys get their default, unreadable ones too (with a problem)."""
        table = _table(fields)
        values = dict(table.defaults)
        if not isinstance(raw, (dict, Mapping)):
            self.add(path, raw, f"is {shown(raw)}; a map with the keys {', '.join(values)}")
            return values
        if not raw.keys() <= values.keys():
            for key in raw:
                if key not in values:
                    self.unknown(key, raw[key], fields, path)
        for name, entry, collection, read in [row for row in table.rows if row[0] in raw or row[1].required]:
            item = raw.get(name)
            if item is None or (not collection and isinstance(item, str) and not item.strip()):
                if entry.required:
                    self.add(path, None, f"`{name}` is required: {_plain(entry.doc)}{_choices(entry)}")
            elif read is None:
                values[name] = self.value(entry, item, (*path, name))
            else:
                try:
                    values[name] = read(entry, item)
                except Invalid as error:
                    self.add((*path, name), item, f"is {shown(item)}; {error}")
        return values

    def unknown(self, key: object, value: object, fields: tuple[Field, ...], path: Sequence[str | int]) -> None:
        self.add((*path, str(key)), value, f15_unknown_key(str(key), fields), "MN-F15")

    def value(self, entry: Field, raw: object, path: tuple[str | int, ...]) -> Any:
        """Reads one value; on a problem, the default."""
        if entry.kind == "map":
            return self.fields(entry.fields, raw, path)
        if entry.kind in _LISTS:
            return self._list(entry, raw, path)
        if entry.kind in _MAPS:
            return self._map(entry, raw, path)
        if entry.kind == "env":
            return self._env(entry, raw, path)
        if entry.kind == "list":
            return self._items(raw, path)
        try:
            return READERS[entry.kind](entry, raw)
        except Invalid as error:
            self.add(path, raw, f"is {shown(raw)}; {error}")
            return entry.default

    def _items(self, raw: object, path: tuple[str | int, ...]) -> list[object]:
        if isinstance(raw, (str, Mapping)) or not isinstance(raw, Sequence):
            self.add(path, raw, f"is {shown(raw)}; a list")
            return []
        return list(raw)

    def _list(self, entry: Field, raw: object, path: tuple[str | int, ...]) -> tuple[Any, ...]:
        values = []
        for index, item in enumerate(self._items(raw, path)):
            try:
                values.append(_LISTS[entry.kind](entry, item))
            except Invalid as error:
                self.add((*path, index), item, f"is {shown(item)}; {error}")
        return tuple(values)

    def _map(self, entry: Field, raw: object, path: tuple[str | int, ...]) -> dict[str, Any]:
        if not isinstance(raw, (dict, Mapping)):
            self.add(path, raw, f"is {shown(raw)}; a map")
            return {}
        values = {}
        read_key, read_value = _MAPS[entry.kind]
        for key, item in raw.items():
            try:
                values[read_key(entry, key)] = read_value(entry, item)
            except Invalid as error:
                self.add((*path, str(key)), item, f"is {shown(item)}; {error}")
        return values

    def _env(self, entry: Field, raw: object, path: tuple[str | int, ...]) -> tuple[dict[str, Any], ...]:
        """Environment as Kubernetes has it: a list of name and value (or valueFrom), later entries win."""
        if isinstance(raw, Mapping):
            pairs = [((*path, str(name)), name, {"value": item}) for name, item in raw.items()]
        elif isinstance(raw, Sequence) and not isinstance(raw, str):
            pairs = []
            for index, item in enumerate(raw):
                if isinstance(item, Mapping) and "name" in item:
                    pairs.append(((*path, index), item["name"], {k: v for k, v in item.items() if k != "name"}))
                else:
                    self.add((*path, index), item, "is no environment entry; a map with name and value or valueFrom")
        else:
            self.add(path, raw, f"is {shown(raw)}; a map of names to values, or a list as Kubernetes has it")
            return ()
        found: dict[str, dict[str, Any]] = {}
        for where, raw_name, rest in pairs:
            try:
                name = _env_name(raw_name)
                unknown = [key for key in rest if key not in ("value", "valueFrom")]
                if unknown:
                    raise Invalid(f"{unknown[0]} is not a known key; name with value or valueFrom")
                if "valueFrom" in rest and rest["valueFrom"] is not None:
                    item = {"name": name, "valueFrom": _object(entry, rest["valueFrom"])}
                else:
                    item = {"name": name, "value": _env_value(rest.get("value"))}
            except Invalid as error:
                # The value itself may be a secret: it is not repeated.
                self.add(where, None, str(error))
                continue
            found.pop(name, None)
            found[name] = item
        return tuple(found.values())


def blank(value: object, entry: Field | None = None) -> bool:
    """Absent in effect: null, or an empty survey answer for a scalar."""
    if value is None:
        return True
    return isinstance(value, str) and not value.strip() and (entry is None or entry.kind not in _COLLECTIONS)


def text(value: object, what: str = "text") -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        raise Invalid(f"{what}, in quotes (YAML reads y, n, yes, no, on and off as true or false)")
    if isinstance(value, int):
        return str(int(value))
    raise Invalid(f"{what}, in quotes" if isinstance(value, float) else what)


def plain(value: object) -> Any:
    """Free data as plain Python types; no type that Ansible wraps around them."""
    if isinstance(value, Mapping):
        return {text(key, "a key"): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise Invalid("plain data")


def seconds(raw: object) -> int:
    """``90``, ``"90"``, ``"10m"``, ``"1h30m"``, ``"2d"`` -> seconds."""
    wanted = "a duration such as 90s, 10m, 2h or 1h30m (a bare number is seconds)"
    word = text(raw, wanted).strip()
    if _INTEGER.fullmatch(word) and not word.startswith("-"):
        return int(word)
    match = _DURATION.fullmatch(word)
    if not word or match is None:
        raise Invalid(wanted)
    return sum(int(part or 0) * unit for part, unit in zip(match.groups(), (86400, 3600, 60, 1)))


def _plain(doc: str) -> str:
    return re.sub(r"[A-Z]\(([^)]*)\)", r"\1", doc).rstrip(".")


def _choices(entry: Field) -> str:
    return f" (one of {', '.join(entry.choices)})" if entry.choices else ""


def _remembered(read: Callable[[Field, object], str]) -> Callable[[Field, object], str]:
    """A fleet says the same few words ten thousand times: what was legal once is."""
    legal: dict[str, str] = {}

    def reader(entry: Field, raw: object) -> str:
        found = legal.get(raw) if isinstance(raw, str) else None
        if found is None:
            found = read(entry, raw)
            if isinstance(raw, str):
                if len(legal) > _REMEMBERED:
                    legal.clear()
                legal[str.__str__(raw)] = found
        return found

    return reader


def _string(entry: Field, raw: object) -> str:
    word = text(raw).strip()
    if not word or _CONTROL.search(word):
        raise Invalid("text on one line")
    return word


def _choice(entry: Field, raw: object) -> str:
    word = str.__str__(raw).strip().lower() if isinstance(raw, str) else ""
    if word in entry.choices:
        return word
    raise Invalid(f"one of {', '.join(entry.choices)}{nearest(raw, entry.choices)}")


def _int(entry: Field, raw: object) -> int:
    number = None
    if isinstance(raw, str):
        if len(raw) < 20 and _INTEGER.fullmatch(raw.strip()):
            number = int(raw)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        number = int(raw)
    if number is not None and entry.minimum <= number <= entry.maximum:
        return number
    limits = f"{entry.minimum} or more" if entry.maximum >= 1_000_000 else f"from {entry.minimum} to {entry.maximum}"
    raise Invalid(f"a whole number, {limits}")


def _number(entry: Field, raw: object) -> float:
    wanted = "a number above 0"
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise Invalid(wanted)
    word = str(raw).strip()
    if not _NUMBER.fullmatch(word) or float(word) <= 0:
        raise Invalid(wanted)
    return float(word)


def _bool(entry: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return bool(raw)
    word = str(raw).strip().lower() if isinstance(raw, (str, int)) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Invalid("true or false")


def _duration(entry: Field, raw: object) -> int:
    found = seconds(raw)
    if found < entry.minimum:
        raise Invalid(f"a duration of at least {entry.minimum}s")
    return found


@_remembered
def _quantity(entry: Field, raw: object) -> str:
    wanted = "a quantity such as 8, 500m or 64Gi"
    word = repr(raw) if isinstance(raw, float) else text(raw, wanted).strip()
    if not _QUANTITY.fullmatch(word):
        raise Invalid(wanted)
    return word


@_remembered
def _dns_label(entry: Field, raw: object) -> str:
    wanted = "a DNS label: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
    word = text(raw, wanted).strip()
    if len(word) > 63 or not _LABEL.fullmatch(word):
        raise Invalid(wanted)
    return word


def _dns_name(entry: Field, raw: object) -> str:
    wanted = "a DNS name: at most 253 of a-z, 0-9, - and ."
    word = text(raw, wanted).strip()
    if len(word) > 253 or not _NAME.fullmatch(word):
        raise Invalid(wanted)
    return word


def _dtype(entry: Field, raw: object) -> str | None:
    word = dtype_name(text(raw, "a data type"))
    if word == "auto":
        return None
    if word not in DTYPES:
        raise Invalid(f"a data type such as bfloat16, fp8 or nvfp4{nearest(word, list(DTYPES))}, or nothing")
    return word


def _abs_path(entry: Field, raw: object) -> str:
    word = text(raw, "an absolute path")
    if not word.startswith("/") or ":" in word or _CONTROL.search(word):
        raise Invalid("an absolute path")
    return word


def _version(entry: Field, raw: object) -> str:
    word = text(raw, "a version X.Y.Z").strip()
    if not _VERSION.fullmatch(word):
        raise Invalid("a version X.Y.Z")
    return word


@_remembered
def _image(entry: Field, raw: object) -> str:
    word = text(raw, "an image reference").strip()
    if not _IMAGE.fullmatch(word):
        raise Invalid("an image reference such as registry/name:tag")
    return word


def label_key(raw: object) -> str:
    """A label, annotation or resource name: ``[prefix/]name``."""
    wanted = "a key such as name or prefix.example/name, the name at most 63 characters"
    word = text(raw, wanted)
    prefix, slash, name = word.rpartition("/")
    if len(name) > 63 or not _QUALIFIED.fullmatch(name) or (slash and not _NAME.fullmatch(prefix)) or len(prefix) > 253:
        raise Invalid(f"its key {shown(word)} is not legal: {wanted}")
    return word


@_remembered
def _label_value(entry: Field, raw: object) -> str:
    wanted = "a label value: at most 63 of letters, digits, -, _ and ."
    word = text(raw, wanted)
    if len(word) > 63 or (word and not _QUALIFIED.fullmatch(word)):
        raise Invalid(wanted)
    return word


@_remembered
def _resource_name(entry: Field, raw: object) -> str:
    word = label_key(raw)
    if "/" not in word:
        raise Invalid("an extended resource such as nvidia.com/gpu")
    return word


def _env_name(raw: object) -> str:
    word = text(raw, "a name of letters, digits, _, - and .")
    if not _ENV_NAME.fullmatch(word):
        raise Invalid(f"the name {shown(word)} is not legal: letters, digits, _, - and ., no digit first")
    return word


def _env_value(raw: object) -> str:
    if raw is None:
        return ""
    if isinstance(raw, float):
        return repr(float(raw))
    return text(raw, "is true or false here; text")


def _argument(entry: Field, raw: object) -> str:
    if isinstance(raw, float):
        return repr(float(raw))
    if isinstance(raw, Mapping) or (isinstance(raw, Sequence) and not isinstance(raw, str)):
        raise Invalid("one argument, as text (quote what contains ': ')")
    return text(raw, "one argument, as text")


def _network(entry: Field, raw: object) -> str:
    word = text(raw, "a network, as name or namespace/name")
    if not all(_NAME.fullmatch(part) for part in word.split("/")) or word.count("/") > 1:
        raise Invalid("a network, as name or namespace/name")
    return word


def _object(entry: Field, raw: object) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise Invalid("a map")
    found = plain(raw)
    return dict(found)


@_remembered
def _key(entry: Field, raw: object) -> str:
    return label_key(raw)


def _level(entry: Field, raw: object) -> str:
    return _dns_label(entry, raw)


def _level_label(entry: Field, raw: object) -> str:
    try:
        return label_key(raw)
    except Invalid:
        raise Invalid("a node label such as topology.kubernetes.io/rack") from None


def _annotation(entry: Field, raw: object) -> str:
    return text(raw, "text")


def _certificates(entry: Field, raw: object) -> str:
    words = text(raw, "text").strip()
    if "-----BEGIN CERTIFICATE-----" not in words:
        raise Invalid("certificates as PEM text, such as lookup('ansible.builtin.file', 'ca.pem')")
    if "PRIVATE KEY-----" in words:
        raise Invalid("certificates only: a private key has no place here")
    return words


READERS: Mapping[str, Callable[[Field, object], Any]] = {
    "string": _string,
    "certificates": _certificates,
    "choice": _choice,
    "int": _int,
    "number": _number,
    "bool": _bool,
    "duration": _duration,
    "quantity": _quantity,
    "dns_label": _dns_label,
    "dns_name": _dns_name,
    "abs_path": _abs_path,
    "dtype": _dtype,
    "version": _version,
    "image": _image,
    "label_value": _label_value,
    "resource_name": _resource_name,
    "object": _object,
}
_LISTS: Mapping[str, Callable[[Field, object], Any]] = {
    "networks": _network,
    "strings": _argument,
    "dns_names": _dns_name,
    "objects": _object,
}
_MAPS: Mapping[str, tuple[Callable[[Field, object], str], Callable[[Field, object], Any]]] = {
    "labels": (_key, _label_value),
    "annotations": (_key, _annotation),
    "levels": (_level, _level_label),
    "counts": (_resource_name, _int),
}
_SCALARS = {kind: read for kind, read in READERS.items() if kind != "object"}
_COLLECTIONS = frozenset({"map", "list", "env", "object", *_LISTS, *_MAPS})


class _Table(NamedTuple):
    """A table of fields as ``Reader.fields`` walks it: what is not said, and a reader for what is (None: by kind)."""

    fields: tuple[Field, ...]
    defaults: Mapping[str, Any]
    rows: tuple[tuple[str, Field, bool, Callable[[Field, object], Any] | None], ...]


# By identity: hashing a nested table costs more than reading with it. The table is kept, so its id stays its own.
_TABLES: dict[int, _Table] = {}


def _table(fields: tuple[Field, ...]) -> _Table:
    found = _TABLES.get(id(fields))
    if found is None:
        defaults = {entry.name: entry.default for entry in fields}
        rows = tuple((e.name, e, e.kind in _COLLECTIONS, _SCALARS.get(e.kind)) for e in fields)
        found = _TABLES[id(fields)] = _Table(fields, defaults, rows)
    return found
