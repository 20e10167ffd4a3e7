# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No file names the machine it was written on, or an index that only some networks reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tools.tree import project_files

ROOT = Path(__file__).resolve().parents[3]
# Put together here, so that this file does not name them either.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
    )
]
HOST = re.compile("|".join(rf"(?<![\w-]){re.escape(host)}\b" for host in HOSTS))
# An absolute path of one machine; in a URL or behind a variable the same letters are something else. Webhook servers in
# pods keep their certificates in k8s-webhook-server, engines in pods their caches in the others.
MACHINE_PATH = re.compile(
    r"(?<![\w.\-/}~*>])/(?:work|root|home|tmp(?!/(?:k8s-webhook-server|hf_modules|\.triton-cache)))/"
)
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)")


def texts() -> Iterator[tuple[str, str]]:
    for name in project_files():
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def found(pattern: re.Pattern[str], skip: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in texts()
        if name not in skip
        for match in pattern.finditer(text)
    ]


def test_no_package_index_is_named() -> None:
    assert found(HOST) == []


def test_no_path_of_one_machine_is_named() -> None:
    assert found(MACHINE_PATH, skip=("tests/unit/repository/test_hygiene.py",)) == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert HOST.search(f"index-url = https://{HOSTS[0]}/simple")
    assert MACHINE_PATH.search('path: "/tmp/x"') and MACHINE_PATH.search("/work/main")
    assert not MACHINE_PATH.search("https://example.com/work/x") and not MACHINE_PATH.search("${HOME}/tmp/x")


def test_no_link_points_out_of_the_tree() -> None:
    for name in project_files():
        path = ROOT / name
        assert not path.is_symlink() or path.resolve().is_relative_to(ROOT), name


def test_readme_has_absolute_links_only() -> None:
    links = MARKDOWN_LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_readme_has_the_sections_that_certification_asks_for() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for section in ("Requirements", "Installation", "Changelog", "License"):
        assert re.search(rf"(?m)^## {section}\b", text), section
