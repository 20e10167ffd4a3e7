# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's two ways to quote a word for a shell (internal/dynamo/utils.go)."""

from __future__ import annotations

import re


def double_quoted(word: str) -> str:
    """In double quotes where the word has anything that a shell might read; otherwise as it is."""
    if not any(char in word for char in " \t\n'\"\\{}[]$`!"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return '"' + escaped.replace("'", "'\"'\"'") + '"'


def single_quoted(word: str) -> str:
    """In single quotes where the word has anything but letters, digits and ``@%+=:,./_-``."""
    if word and re.fullmatch(r"[A-Za-z0-9@%+=:,./_-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
