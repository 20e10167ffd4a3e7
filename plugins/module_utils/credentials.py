# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets among chart values and objects: hidden in whatever is printed, logged or returned, and put back for helm.

A module's answer is printed at -v, kept by set_fact and logged by AWX. What it holds of passwords is therefore hidden
there; a role puts back what it was given itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_KEY = re.compile(r"passw|secret|token|credential|private|api_?key|auth", re.IGNORECASE)
# What only names a Secret: imagePullSecrets, existingSecret, tokenSecretName, secretKeyRef
_REFERENCE = re.compile(
    r"pull_?secrets?(_?names?)?$|existing_?secret|(secret|token|credential)s?(_?key)?_?(names?|refs?|namespace)$",
    re.IGNORECASE,
)
# Up to the end of the host: scheme://user:password@host:port
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/]*@[^\s/,;'\"]*")
_WHO = re.compile(r"://.*@")


def redacted(values: Any, key: str = "") -> Any:
    """Values without what looks like a secret by its key, or stands before the host of a URL.

    Everything below such a key is one, except switches and the names of Secrets; ``value`` beside such a ``name``, too.
    """
    return _redacted(values, _secret_key(key, below=False))


def _redacted(values: Any, secret: bool) -> Any:
    if isinstance(values, Mapping):
        named = _secret_key(str(values.get("name") or ""), below=False)
        return {
            name: _redacted(value, _secret_key(str(name), below=secret) or (named and name == "value"))
            for name, value in values.items()
        }
    if isinstance(values, (list, tuple)):
        return [_redacted(value, secret) for value in values]
    if secret and values not in (None, "") and not isinstance(values, bool):
        return "***"
    return hidden(values) if isinstance(values, str) else values


def _secret_key(key: str, *, below: bool) -> bool:
    """Whether a secret stands at this key, which is itself below that of one, or not."""
    return not _REFERENCE.search(key) and (below or bool(_KEY.search(key)))


def hidden(tree: Any) -> Any:
    """Any data, the user and password of URLs replaced by ``***``; what is secret by its key stays."""
    return _changed(tree, lambda url: _masked(url, ""))


def covered(tree: Any) -> Any:
    """Any data, the values of the Kubernetes Secrets in it replaced by ``***``; their names stay."""
    if isinstance(tree, (list, tuple)):
        return [covered(value) for value in tree]
    if not isinstance(tree, Mapping):
        return tree
    kind = tree.get("kind")
    if kind == "SecretList":  # its items do not say what they are
        return {name: "***" if name == "items" else value for name, value in tree.items()}
    if kind != "Secret":
        return {name: covered(value) for name, value in tree.items()}
    out = {name: _starred(value) if name in ("data", "stringData") else value for name, value in tree.items()}
    meta = tree.get("metadata")
    if isinstance(meta, Mapping) and meta.get("annotations"):  # in one of them kubectl keeps a copy of all values
        out["metadata"] = {**meta, "annotations": _starred(meta["annotations"])}
    return out


def _starred(part: Any) -> Any:
    return dict.fromkeys(part, "***") if isinstance(part, Mapping) else "***"


class Credentials:
    """The URLs with a user or password in some data that both sides know: a module hides them, a role puts them back.

    Two URLs that would look alike are numbered, in an order that depends on nothing but them.
    """

    def __init__(self, *known: Any) -> None:
        self._hidden: dict[str, str] = {}
        for url in sorted({url for text in _texts(known) for url in _URL.findall(text)}):
            shown, number = _masked(url, ""), 1
            while shown in self._hidden.values():
                number += 1
                shown = _masked(url, str(number))
            self._hidden[url] = shown
        self._true = {shown: url for url, shown in self._hidden.items()}

    def hide(self, tree: Any) -> Any:
        return _changed(tree, lambda url: self._hidden.get(url, url))

    def restore(self, tree: Any) -> Any:
        return _changed(tree, lambda url: self._true.get(url, url))


def _masked(url: str, number: str) -> str:
    return _WHO.sub(f"://***{number}@", url)


def _changed(tree: Any, change: Callable[[str], str]) -> Any:
    if isinstance(tree, Mapping):
        return {name: _changed(value, change) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_changed(value, change) for value in tree]
    if isinstance(tree, str) and "@" in tree:
        return _URL.sub(lambda found: change(found.group()), tree)
    return tree


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _texts(value)
