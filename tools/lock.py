# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the development requirements anew. The locks name versions and hashes, never the index they came from."""

from __future__ import annotations

import subprocess
import sys

from tools.bootstrap import COLLECTIONS_LOCK, DEV_LOCK, IMPORTER_LOCK, OLDEST_LOCK, ROOT, uv_environment
from tools.commands import BIN

OPTIONS = ("--quiet", "--upgrade", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header")
NO_INDEX = ("--no-emit-index-url", "--no-emit-find-links")


def main() -> int:
    for lock in (DEV_LOCK, IMPORTER_LOCK, OLDEST_LOCK, COLLECTIONS_LOCK):
        source = lock.with_suffix(".in")
        # Of the ansible package only the file itself is used.
        alone = ("--no-deps",) if lock == COLLECTIONS_LOCK else ()
        names = (str(source.relative_to(ROOT)), "--output-file", str(lock.relative_to(ROOT)))
        command = [str(BIN / "uv"), "pip", "compile", *OPTIONS, *NO_INDEX, *alone, *names]
        code = subprocess.run(command, cwd=ROOT, env=uv_environment(sys.executable), check=False).returncode
        if code:
            return code
        print(f"{lock.relative_to(ROOT)}: resolved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
