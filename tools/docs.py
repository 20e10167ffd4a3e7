# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint the documentation of plugins and roles, and build it as HTML into .cache/docs/html."""

from __future__ import annotations

import shutil
import subprocess
import sys

from tools.bootstrap import LOCAL
from tools.commands import BIN, Command, run_commands, tool_environment

COLLECTION = LOCAL / "collections" / "ansible_collections" / "dynamo" / "multinode"
SITE = LOCAL / "docs"
PAGES = (str(SITE / "rst"), str(SITE / "html"))


# Links into other collections' pages stay plain: their indexes are on the network.
OFFLINE = """
intersphinx_mapping = {}
nitpicky = False
suppress_warnings = ["ref.ref"]
"""


def prepare_site() -> None:
    """A fresh Sphinx project for this collection."""
    shutil.rmtree(SITE, ignore_errors=True)
    rst = SITE / "rst"
    rst.mkdir(parents=True, mode=0o700)
    rst.chmod(0o700)  # antsibull-docs writes to nothing that others may write to
    command = ["sphinx-init", "--use-current", "--fail-on-error", "--dest-dir", str(SITE), "dynamo.multinode"]
    subprocess.run([str(BIN / "antsibull-docs"), *command], check=True, env=tool_environment())
    with (SITE / "conf.py").open("a", encoding="utf-8") as conf:
        conf.write(OFFLINE)


def commands() -> list[Command]:
    lint = ("lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "dependent", str(COLLECTION))
    settings = ("--config-file", str(SITE / "antsibull-docs.cfg"))
    render = ("collection", "--use-current", "--fail-on-error", "--dest-dir", str(SITE / "rst"), "dynamo.multinode")
    return [
        Command("lint", ("antsibull-docs", *lint)),
        Command("render", ("antsibull-docs", *settings, *render)),
        Command("html", ("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "-c", str(SITE), *PAGES)),
    ]


if __name__ == "__main__":
    prepare_site()
    sys.exit(run_commands("docs", commands()))
