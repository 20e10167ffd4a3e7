# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection's artifact from the project's files into .cache/build."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.results import LOCAL
from tools.tree import copy_project

BUILD = LOCAL / "build"


def build(output: Path = BUILD) -> Path:
    """Build the artifact into `output` and give its path. Raises CalledProcessError with ansible-galaxy's output.

    It is built from a copy of what git knows, so that no leftover of this clone gets into it.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="multinode-build-") as folder:
        source = Path(folder) / "multinode"
        copy_project(source)
        made = Path(folder) / "out"
        subprocess.run(
            [
                str(LOCAL / "venv" / "bin" / "ansible-galaxy"),
                "collection",
                "build",
                str(source),
                "--output-path",
                str(made),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        artifact = next(made.glob("*.tar.gz"))
        return Path(shutil.copy(artifact, output / artifact.name))


def main() -> int:
    try:
        artifact = build()
    except subprocess.CalledProcessError as error:
        print(error.stdout + error.stderr, file=sys.stderr)
        return 1
    print(f"{artifact} ({artifact.stat().st_size / 1024:.0f} KiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
