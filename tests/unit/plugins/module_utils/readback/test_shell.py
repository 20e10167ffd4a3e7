# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell text into words."""

from __future__ import annotations

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.shell import UNKNOWN, commands, expand


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c", [["a", "b", "c"]]),
        ("a \\\n  b", [["a", "b"]]),
        ("a\nb; c && d | e & f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a 'b c' \"d e\"f", [["a", "b c", "d ef"]]),
        ("a '$X' \"$X\" $X ${X}", [["a", "$X", "1 2", "1", "2", "1", "2"]]),
        ('a "\\$X \\"q\\" \\\n\\n"', [["a", '$X "q" \\n']]),
        ("a \\$X \\;", [["a", "$X", ";"]]),
        ("a # b\nc", [["a"], ["c"]]),
        ("# b", []),
        ("a b#c", [["a", "b#c"]]),
        ("a $(echo (x)) `y`", [["a", UNKNOWN, UNKNOWN]]),
        ("a $((1 + 2)) b", [["a", UNKNOWN, "b"]]),
        ("a $(open", [["a", UNKNOWN]]),
        ("a 'open", [["a", "open"]]),
        ('a "open', [["a", "open"]]),
        ("a $NONE$ b", [["a", f"{UNKNOWN}$", "b"]]),
        ("a $EMPTY b", [["a", "b"]]),
        ('a "" b', [["a", "", "b"]]),
        ("{ a; } ; (b)", [["a"], ["b"]]),
        ("a x{1}", [["a", "x{1}"]]),
        ("T=3 U=$T; a $T $U", [["T=3", f"U={UNKNOWN}"], ["a", "3", UNKNOWN]]),
        ("export T=3 V; a $T", [["export", "T=3", "V"], ["a", "3"]]),
        ("a \\", [["a", ""]]),
    ],
)
def test_words(text: str, words: list[list[str]]) -> None:
    assert commands(text, {"X": "1 2", "EMPTY": ""}) == words


def test_positional_words() -> None:
    script = 'exec "$0" "$@" $1 "$9" $@'
    assert commands(script, {}, ("vllm", "a b", "c")) == [["exec", "vllm", "a b", "c", "a", "b", "", "a b", "c"]]
    assert commands('x "$@" y', {}, ("vllm",)) == [["x", "y"]]
    assert commands('x z"$@" y', {}, ("vllm",)) == [["x", "z", "y"]]


def test_what_the_kubelet_expands() -> None:
    assert expand("a-$(X)-$(Y)", {"X": "1"}) == "a-1-$(Y)"
