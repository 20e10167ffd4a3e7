# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Get the lab's programs and charts ready: a stage of its own, since they take minutes where nothing is cached yet."""

from __future__ import annotations

import sys

from tools.commands import Command, run_commands

if __name__ == "__main__":
    sys.exit(run_commands("lab", [Command("build", ("python", "-m", "lab", "build"))]))
