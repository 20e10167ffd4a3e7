# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from fractions import Fraction

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.kube import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", 8),
        (8, 8),
        ("1000m", 1),
        ("1.5Gi", Fraction(3, 2) * 1024**3),
        ("1536Mi", Fraction(3, 2) * 1024**3),
        ("2e3", 2000),
        ("1E", 10**18),
        ("100u", Fraction(1, 10000)),
        (".5", Fraction(1, 2)),
        ("-1", -1),
    ],
)
def test_exact_values(text: object, number: object) -> None:
    assert quantity.parse(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "0x10", "1.2.3", "1KI", None, True, [], "1e999999999"])
def test_no_quantity(text: object) -> None:
    assert quantity.parse(text) is None
