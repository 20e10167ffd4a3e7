# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity without containers, on what the artifact holds; arguments name single tests.

ansible-test refuses a symbolic link as the collection's folder, and fetches pip's installer from a fixed address that
closed networks do not have: it gets a copy, and an installer that uses the pip which Python brings along.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.artifact import build
from tools.bootstrap import locked, shared_cache, starts
from tools.results import LOCAL, ROOT, Case, finish, read_junit
from tools.tree import copy_changed, project_files

# The versions that ansible-core 2.19 knows and our modules support: compile and import run on each that is installed.
TARGET_VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
COLLECTIONS = LOCAL / "sanity" / "ansible_collections"
GET_PIP = """\
# Stands in for the get-pip.py that ansible-test would fetch: the pip bundled with Python, then what was asked for.
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
wanted = [word for word in sys.argv[1:] if not word.startswith("--no-")]
if wanted:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
"""


def find_interpreters() -> dict[str, str]:
    """Version -> a Python of it that really starts, from PATH or from pyenv's versions (its shims may lead nowhere)."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {}
    for version in TARGET_VERSIONS:
        candidates = sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python{version}"))
        on_path = shutil.which(f"python{version}")
        for candidate in [*candidates, *([on_path] if on_path else [])]:
            if starts([candidate, "-c", "import ensurepip, venv"]):
                found[version] = candidate
                break
    return found


def prepare_home(home: Path, interpreters: dict[str, str]) -> Path:
    """The home folder of ansible-test, which keeps its environments; gives the folder of interpreters for PATH."""
    installer = home / ".ansible" / "test" / "cache" / "get_pip_24_2.py"
    installer.parent.mkdir(parents=True, exist_ok=True)
    if not installer.exists() or installer.read_text(encoding="utf-8") != GET_PIP:
        installer.write_text(GET_PIP, encoding="utf-8")
    binaries = home / "bin"
    shutil.rmtree(binaries, ignore_errors=True)
    binaries.mkdir()
    for version, interpreter in interpreters.items():
        (binaries / f"python{version}").symlink_to(interpreter)
    return binaries


def prepare_tree() -> Path:
    """The collections for ansible-test: what is in our artifact, and a link to kubernetes.core beside it.

    The artifact is what certification looks at. The lab, the tools and the tests are programs of their own kind: ruff,
    mypy and yamllint read them, and ansible-test's rules for controllers and managed machines do not fit them.
    """
    kubernetes = COLLECTIONS / "kubernetes"
    if not kubernetes.is_symlink():
        COLLECTIONS.mkdir(parents=True, exist_ok=True)
        kubernetes.symlink_to(Path("../../collections/ansible_collections/kubernetes"))
    target = COLLECTIONS / "dynamo" / "multinode"
    shutil.rmtree(target, ignore_errors=True)
    shutil.unpack_archive(build(LOCAL / "sanity"), target)
    for name in project_files():
        if name == "tests/config.yml" or name.startswith("tests/sanity/"):
            copy_changed(ROOT / name, target / name)
    # Outside a repository ansible-test leaves out everything below a folder that starts with a dot, as .cache does.
    subprocess.run(["git", "init", "--quiet", str(target)], check=True)
    return target


def prepare_pip(home: Path) -> None:
    """Give pip under `home` the user's settings: ansible-test passes neither environment nor the user's files on."""
    listed = subprocess.run(
        [str(LOCAL / "venv" / "bin" / "python"), "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.strip().rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[option] = ast.literal_eval(value)
    # Wheels that pip has fetched once are not fetched again, whatever the home folder.
    settings["cache-dir"] = str(shared_cache().parent / "pip")
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        "[global]\n" + "".join(f"{key} = {indent(value)}\n" for key, value in settings.items()), encoding="utf-8"
    )


def indent(value: str) -> str:
    return "\n    ".join(value.splitlines())


def environment(home: Path, binaries: Path) -> dict[str, str]:
    """Ours first on PATH, then the interpreters; no shims, and nothing of Ansible's or Python's own settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON", "PYENV_"))}
    rest = [part for part in env.get("PATH", "").split(os.pathsep) if Path(part).name != "shims"]
    env["PATH"] = os.pathsep.join([str(LOCAL / "venv" / "bin"), str(binaries), *rest])
    env["HOME"] = str(home)
    return env


def read_cases(reports: Path) -> list[Case]:
    """The tests from ansible-test's own reports, without those that have nothing to look at in this collection."""
    cases = []
    for report in sorted(reports.glob("ansible-test-sanity-*.xml")):
        for case in read_junit(report):
            name = case.name.removeprefix("sanity::")
            if not name.startswith(("compile", "import")):
                name = re.sub(r"-python-[\d.]+$", "", name)  # the controller's, which is always the same
            if not (case.outcome == "skipped" and case.reason == "No tests applicable."):
                cases.append(Case(name, case.outcome, case.reason, case.seconds))
    return cases


def main(tests: list[str]) -> int:
    home = shared_cache() / "sanity"
    # Its environments are shared by the clones of a user, and ansible-test does not expect company.
    with locked(shared_cache() / "sanity.lock", "ansible-test sanity"):
        interpreters = find_interpreters()
        binaries = prepare_home(home, interpreters)
        prepare_pip(home)
        tree = prepare_tree()
        reports = tree / "tests" / "output" / "junit"
        shutil.rmtree(reports.parent, ignore_errors=True)
        command = [str(LOCAL / "venv" / "bin" / "ansible-test"), "sanity", "--color", "no", "--junit"]
        for test in tests:
            command += ["--test", test]
        code = subprocess.run(command, cwd=tree, env=environment(home, binaries), check=False).returncode
    cases = read_cases(reports)
    if code and not any(case.outcome == "failed" for case in cases):
        cases.append(Case("ansible-test", "failed", f"exit code {code} without a failed test: see the output"))
    return finish("sanity", cases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
