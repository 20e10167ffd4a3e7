# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that reads the sources without running them."""

from __future__ import annotations

import sys

from tools.bootstrap import LOCAL, ROOT, shared_cache
from tools.commands import Command, run_commands
from tools.tree import project_files

# The collection under the name that Python knows it by.
COLLECTION = LOCAL / "collections" / "ansible_collections" / "dynamo" / "multinode"
PLUGINS = COLLECTION / "plugins"
MYPY = ("mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir")
# Of all clones: mypy looks at what a file holds, not at where it lies
KNOWN = shared_cache() / "mypy"


def commands() -> list[Command]:
    files = project_files()
    scripts = [name for name in files if name == ".ci/run" or name.endswith(".sh")]
    python = [name for name in files if name.endswith(".py") and name.startswith(("lab/", "tools/", "tests/"))]
    strict = (*MYPY, str(KNOWN / "strict"), "--strict", str(PLUGINS / "module_utils"))
    return [
        Command("ruff check", ("ruff", "check")),
        Command("ruff format", ("ruff", "format", "--check")),
        Command("mypy --strict plugins/module_utils", strict),
        Command("mypy plugins lab tools tests", (*MYPY, str(KNOWN / "all"), str(PLUGINS), *python)),
        Command("yamllint", ("yamllint", "--strict", ".")),
        Command("shellcheck", ("shellcheck", *scripts)),
        # It looks for galaxy.yml where it stands; the changelog's own checks are those of the released version.
        Command("antsibull-changelog", ("antsibull-changelog", "lint"), COLLECTION),
        Command(
            "antsibull-changelog changelog.yaml",
            ("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml"),
        ),
        Command("ansible-lint", ("ansible-lint", "--profile", "production", "--strict", "--offline")),
    ]


if __name__ == "__main__":
    sys.exit(run_commands("lint", commands()))
