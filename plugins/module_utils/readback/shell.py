# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell text into simple commands, as far as launch scripts use the language.

Quotes, escapes, continued lines, comments, the operators between commands, and variables whose value is known.
What only a shell could know (``$(...)``, unset variables) becomes UNKNOWN inside the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

# Stands in a word for a part that cannot be known from the text.
UNKNOWN = "\ufffd"
_VARIABLE = re.compile(r"\$(\w+|\{\w+\}|[@*])")
_KUBERNETES = re.compile(r"\$\((\w+)\)")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)


def expand(text: str, env: Mapping[str, str]) -> str:
    """``$(NAME)`` as the kubelet replaces it in command and args; a name that it does not know stays as it is."""
    return _KUBERNETES.sub(lambda found: env.get(found[1], found[0]), text)


def commands(script: str, env: Mapping[str, str], positional: Sequence[str] = ()) -> list[list[str]]:
    """The simple commands of a script, in order, each as its words; assignments on the way are remembered.

    ``positional``: $0, $1, ... ``"$@"`` is all but the first.
    """
    known = dict(env)
    found: list[list[str]] = []
    for words in _Reader(script, known, positional).read():
        assignments = []
        for word in words if words[0] != "export" else words[1:]:
            match = _ASSIGNMENT.fullmatch(word)
            if match is None:
                break
            assignments.append(match)
        known.update({match[1]: match[2] for match in assignments})
        found.append(words)
    return found


class _Reader:
    """One pass over the text. Commands are handed out as they end, so that an assignment counts for the next."""

    def __init__(self, script: str, env: Mapping[str, str], positional: Sequence[str]) -> None:
        self.text, self.env, self.positional = script, env, positional
        self.at = 0
        self.words: list[str] = []
        self.word: str | None = None

    def read(self) -> Iterator[list[str]]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\r":
                self._end_word()
            elif char in "\n;&|(){}" and not (char in "{}" and self.word is not None):
                self._end_word()
                if self.words:
                    yield self.words
                    self.words = []
            elif char == "#" and self.word is None:
                self.at = self._until("\n") - 1
            elif char == "'":
                end = self._until("'", self.at + 1)
                self._add(self.text[self.at + 1 : end])
                self.at = end
            elif char == '"':
                self._double_quoted()
            elif char == "\\":
                self._escape()
            elif char in "$`":
                self._variable(quoted=False)
            else:
                self._add(char)
            self.at += 1
        self._end_word()
        if self.words:
            yield self.words

    def _until(self, mark: str, start: int | None = None) -> int:
        end = self.text.find(mark, self.at if start is None else start)
        return len(self.text) if end < 0 else end

    def _add(self, text: str) -> None:
        self.word = (self.word or "") + text

    def _end_word(self) -> None:
        if self.word is not None:
            self.words.append(self.word)
            self.word = None

    def _escape(self) -> None:
        """A backslash outside quotes; before the end of a line it joins the next one."""
        self.at += 1
        following = self.text[self.at : self.at + 1]
        if following != "\n":
            self._add(following)

    def _double_quoted(self) -> None:
        self._add("")
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in tuple('"\\$`\n'):
                self.at += 1
                self._add("" if self.text[self.at] == "\n" else self.text[self.at])
            elif char in "$`":
                self._variable(quoted=True)
            else:
                self._add(char)
            self.at += 1

    def _variable(self, quoted: bool) -> None:
        """Leaves ``at`` on the last character that it used."""
        if self.text[self.at] == "`":
            self.at = self._until("`", self.at + 1)
            return self._add(UNKNOWN)
        if self.text.startswith("$(", self.at):
            self.at = self._closing() - 1
            return self._add(UNKNOWN)
        match = _VARIABLE.match(self.text, self.at)
        if match is None:
            return self._add("$")
        self.at = match.end() - 1
        name = match[1].strip("{}")
        if name in "@*":
            return self._all_positional()
        if name.isdigit():
            value = self.positional[int(name)] if int(name) < len(self.positional) else ""
        else:
            value = self.env.get(name, UNKNOWN)
        if quoted or value == UNKNOWN:
            return self._add(value)
        pieces = value.split()
        for piece in pieces[:-1]:
            self._add(piece)
            self._end_word()
        if pieces:
            self._add(pieces[-1])
        return None

    def _all_positional(self) -> None:
        rest = list(self.positional[1:])
        for word in rest[:-1]:
            self._add(word)
            self._end_word()
        if rest:
            self._add(rest[-1])
        else:
            self.word = self.word or None

    def _closing(self) -> int:
        """Where the parenthesis that opens at ``at`` + 1 is closed."""
        depth = 0
        for index in range(self.at + 1, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[index], 0)
            if depth == 0:
                return index + 1
        return len(self.text)
