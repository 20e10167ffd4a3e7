# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.dynamo.multinode.plugins.plugin_utils.direct import same_python


def test_which_programs_are_one_python(tmp_path: Path) -> None:
    for folder in ("usr", "venv", "other"):
        (tmp_path / folder).mkdir()
    system, older = tmp_path / "usr" / "python3.12", tmp_path / "usr" / "python3.9"
    for program in (system, older):
        program.write_text(program.name)
    links = [tmp_path / name for name in ("usr/python3", "venv/python", "venv/python3", "other/python")]
    for link in links:
        link.symlink_to(system)
    usr, venv, venv3, other = map(str, links)
    assert same_python(usr, str(system))
    assert same_python(venv, venv3)
    assert not same_python(usr, str(older))
    assert not same_python(venv, other)
    assert not same_python(venv, usr)
    for nothing in ("", "python3", "auto_silent"):
        with pytest.raises(OSError):
            same_python(nothing, usr)
