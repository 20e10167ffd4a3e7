# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container said last, fit to be shown in one line. Pure."""

from __future__ import annotations

import re

from ansible_collections.dynamo.multinode.plugins.module_utils import credentials

LINES = 200
_LONGEST = 300
# Colours and cursor movements of progress bars
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Interpreters tidy up after the error that ended them: the last line that speaks of one tells more than the last line
_TELLING = re.compile(r"\b\w*(?:Error|Exception)\b(?!s)|\berror:|\bfatal\b|\bpanic\b|\bKilled\b", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\b(?:hf_|nvapi-|sk-|ghp_)[\w-]{8,}"), "***"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(
            r"((?:token|passwd|password|secret|api[_-]?key|credential)s?[\"']?\s*[=:]\s*[\"']?)(?!\d+\b)[^\s\"',;&]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def lines(log: str) -> list[str]:
    """The lines of a log without colours, and of each progress bar its last state."""
    found = (_ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2].strip() for line in log.split("\n"))
    return [line for line in found if line]


def last(log: str) -> str:
    """Of what has ended: the last line that speaks of an error, or else the last line; "" where nothing was said."""
    said = lines(log)
    telling = [line for line in said if _TELLING.search(line)]
    return shown((telling or said)[-1]) if said else ""


def latest(log: str) -> str:
    """The last line of what still runs."""
    said = lines(log)
    return shown(said[-1]) if said else ""


def shown(line: str) -> str:
    """A line of a log without what looks like a secret, and not longer than one can read."""
    text = str(credentials.hidden(line))
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."
