# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""The collector is off inside, and afterwards as it was."""

from __future__ import annotations

import gc

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.garbage import no_collection


def test_off_inside_and_on_again_even_after_an_error() -> None:
    with pytest.raises(ValueError, match="in the middle"), no_collection():
        assert not gc.isenabled()
        raise ValueError("in the middle")
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
