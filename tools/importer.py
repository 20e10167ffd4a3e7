# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run galaxy-importer on the built artifact, as Galaxy and Automation Hub do on upload; errors and warnings fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tools.artifact import build
from tools.bootstrap import LOCAL, BootstrapError, bootstrap
from tools.commands import echoed
from tools.results import Case, finish

FAILED = re.compile(r"^(WARNING|ERROR|CRITICAL): (.*)")
IMPORTER = LOCAL / "importer" / "bin"


def importer_environment() -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env["PATH"] = f"{IMPORTER}{os.pathsep}{env.get('PATH', '')}"
    # What certification switches on. Its ansible-test needs a container engine: `make sanity` does that.
    env["GALAXY_IMPORTER_CHECK_REQUIRED_TAGS"] = "true"
    env["GALAXY_IMPORTER_RUN_ANSIBLE_TEST"] = "false"
    env["NO_COLOR"] = "1"
    return env


def read_cases(output: str, code: int) -> list[Case]:
    """One test for each content that was loaded, one for the whole, and one that failed per warning and error."""
    cases = [Case(line, "passed") for line in output.splitlines() if line.startswith("Loading ")]
    problems = [match for line in output.splitlines() if (match := FAILED.match(line))]
    cases += [Case(match[1].lower(), "failed", match[2]) for match in problems]
    finished = "Collection loading complete" in output
    if code == 0 and finished:
        cases.append(Case("import", "passed"))
    elif not problems:
        cases.append(Case("import", "failed", f"exit code {code}, {'finished' if finished else 'not finished'}"))
    return cases


def run_importer(artifact: Path) -> tuple[str, int]:
    words = [str(IMPORTER / "python"), "-m", "galaxy_importer.main", str(artifact)]
    lines, code = echoed(words, artifact.parent, importer_environment())
    return "".join(lines), code


def main() -> int:
    try:
        bootstrap(importer=True)
        artifact = build(LOCAL / "importer-work")
    except (BootstrapError, subprocess.CalledProcessError) as error:
        return finish("importer", [Case("prepare", "failed", getattr(error, "stderr", None) or str(error))])
    return finish("importer", read_cases(*run_importer(artifact)))


if __name__ == "__main__":
    sys.exit(main())
