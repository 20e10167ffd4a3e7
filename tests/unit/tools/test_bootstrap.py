# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import BootstrapError, ensure_environment, environment_name, link, locked


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dynamo-multinode"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text("x==1\n", encoding="utf-8")
    return path


def test_it_needs_the_standard_library_only() -> None:
    tree = ast.parse(Path(bootstrap.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_an_environment_is_named_after_its_lock(lock: Path) -> None:
    before = environment_name("venv", lock, sys.executable)
    assert before == environment_name("venv", lock, sys.executable)
    lock.write_text("x==2\n", encoding="utf-8")
    assert before != environment_name("venv", lock, sys.executable)


def test_a_half_made_environment_is_made_again(lock: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(directory: Path, *_: object) -> None:
        made.append(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if len(made) > 1:
            (directory / bootstrap.COMPLETE).touch()

    monkeypatch.setattr(bootstrap, "make_environment", make)
    for _ in range(3):
        ensure_environment("venv", lock, sys.executable, "test")
    assert len(made) == 2


def test_a_lock_that_cannot_be_installed_is_said_with_the_end_of_the_log(
    lock: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.write_text("not a requirement\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "find_uv", lambda *_: None)
    with pytest.raises(BootstrapError, match="Invalid requirement"):
        ensure_environment("venv", lock, sys.executable, "test")
    assert not list(cache.glob("*/" + bootstrap.COMPLETE))


def test_a_link_replaces_the_one_that_pointed_elsewhere(tmp_path: Path) -> None:
    for target in ("one", "two", "two"):
        link(tmp_path / "deep" / "link", tmp_path / target)
    assert (tmp_path / "deep" / "link").readlink() == tmp_path / "two"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_the_lock_is_free_again_after_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BootstrapError), locked(tmp_path / "x.lock", "test"):
        raise BootstrapError
    with locked(tmp_path / "x.lock", "test"):
        assert "waiting" not in capsys.readouterr().err
