# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make everything that developing needs, from nothing but Python and a package index.

`python3 tools/bootstrap.py` makes the virtual environment and .cache/ in this clone; `--importer` makes
galaxy-importer's own environment too. Environments are shared by all clones of a user, named after what they are made
of (locks and Python), and carry a mark once they are whole: a half-made one is made again. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".cache"
COMPLETE = ".complete"
DEV_LOCK = ROOT / "requirements-dev.txt"
IMPORTER_LOCK = ROOT / "tools" / "requirements" / "importer.txt"
OLDEST_LOCK = ROOT / "tools" / "requirements" / "oldest.txt"
COLLECTIONS_LOCK = ROOT / "tools" / "requirements" / "collections.txt"
OLDEST, NEWEST = (3, 11), (3, 13)  # what ansible-core 2.19 runs on
RECIPE = 1  # raised when environments are made differently from the same locks
HEARTBEAT_SECONDS = 5


class BootstrapError(Exception):
    """Why there is no environment, in words for the person who typed make."""


def say(message: str) -> None:
    print(f"[setup] {message}", file=sys.stderr, flush=True)


def shared_cache() -> Path:
    """The folder of this project in the user's cache: environments, collections, the lab's binaries."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "dynamo-multinode"


def supported(version: tuple[int, int]) -> bool:
    return OLDEST <= version <= NEWEST


def starts(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find_python() -> str:
    """A Python of a supported version: the one that runs this, or the first on PATH that really starts."""
    if supported(sys.version_info[:2]):
        return sys.executable
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        candidate = shutil.which(f"python3.{minor}")
        # A version manager's shim may be on PATH for a version that is not enabled.
        if candidate and starts([candidate, "-c", ""]):
            return candidate
    found = ".".join(map(str, sys.version_info[:2]))
    raise BootstrapError(f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed; python3 is {found}, and PATH has no other")


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, so that two clones do not make the same thing at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"{what}: another process is at it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_step(title: str, command: list[str], log: Path, env: dict[str, str] | None = None) -> bool:
    """Run one command, its output in `log`; say when it starts, that it goes on, how it ends. True: it worked."""
    begin = time.monotonic()
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            say(f"{title}: {time.monotonic() - begin:.0f} s")

    say(f"{title} ...")
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        with log.open("a", encoding="utf-8") as output:
            output.write(f"$ {' '.join(command)}\n")
            output.flush()
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, check=False
            )
    except OSError as error:
        say(f"{title}: {error}")
        return False
    finally:
        stop.set()
        thread.join()
    say(f"{title}: {'done' if done.returncode == 0 else 'failed'} in {time.monotonic() - begin:.1f} s")
    return done.returncode == 0


def tail(log: Path, lines: int = 25) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def environment_name(prefix: str, lock: Path, python: str) -> str:
    """What the environment is called: the same locks and the same Python give the same name."""
    version = subprocess.run(
        [python, "-c", "import platform, sys; print(sys.version, platform.machine(), sys.base_prefix)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    digest = hashlib.sha256(lock.read_bytes() + f"{RECIPE} {version}".encode()).hexdigest()[:12]
    return f"{prefix}-{digest}"


def uv_requirement() -> str:
    """The pin of uv in the development lock, e.g. `uv==0.13.9`."""
    for line in DEV_LOCK.read_text(encoding="utf-8").splitlines():
        if line.startswith("uv=="):
            return line.split()[0]
    raise BootstrapError(f"{DEV_LOCK.name} holds no uv: run `make lock`")


def uv_environment(python: str) -> dict[str, str]:
    """The environment for uv, which reads none of pip's settings: the index that pip is told to use is passed on."""
    env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    for option, variable in (("index-url", "UV_DEFAULT_INDEX"), ("extra-index-url", "UV_INDEX")):
        if variable in env:
            continue
        value = env.get("PIP_" + option.replace("-", "_").upper(), "")
        for section in ("install", "global"):
            if value:
                break
            asked = [python, "-m", "pip", "config", "get", f"{section}.{option}"]
            value = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if value:
            env[variable] = value
    env.setdefault("UV_HTTP_TIMEOUT", "120")
    env["UV_NO_CONFIG"] = "1"
    return env


def find_uv(python: str, target: Path, log: Path) -> str | None:
    """uv, which installs an order of magnitude faster than pip: the user's own, or one from the package index."""
    for own in (str(LOCAL / "venv" / "bin" / "uv"), shutil.which("uv")):
        if own and starts([own, "--version"]):
            return own
    command = [python, "-m", "pip", "install", "--quiet", "--target", str(target), uv_requirement()]
    if run_step("install uv", command, log):
        return str(target / "bin" / "uv")
    say("no uv: pip does it, more slowly")
    return None


def make_environment(directory: Path, lock: Path, python: str, what: str) -> None:
    """Make the virtual environment `directory` hold what `lock` lists. Raises BootstrapError with the log's end."""
    work = directory.with_name(directory.name + ".work")
    for leftover in (directory, work):
        shutil.rmtree(leftover, ignore_errors=True)
    work.mkdir(parents=True)
    log = directory.with_name(directory.name + ".log")
    log.write_text("", encoding="utf-8")
    inside = str(directory / "bin" / "python")
    uv = find_uv(python, work / "uv", log)
    made = False
    if uv:
        env = uv_environment(python)
        create = [uv, "venv", "--quiet", "--seed", "--python", python, str(directory)]
        # Compiled once here: where Python is told to write no bytecode, every start of Ansible would compile again.
        install = [uv, "pip", "install", "--compile-bytecode", "--python", inside, "--require-hashes", "-r", str(lock)]
        made = run_step(f"{what}: create", create, log, env) and run_step(f"{what}: install", install, log, env)
    if not made:
        shutil.rmtree(directory, ignore_errors=True)
        create = [python, "-m", "venv", str(directory)]
        install = [inside, "-m", "pip", "install", "--require-hashes", "-r", str(lock)]
        made = run_step(f"{what}: create", create, log) and run_step(f"{what}: install with pip", install, log)
    shutil.rmtree(work, ignore_errors=True)
    if not made:
        raise BootstrapError(f"{what} could not be made; the end of {log}:\n{tail(log)}")
    (directory / COMPLETE).write_text(f"{lock.name}\n", encoding="utf-8")


def ensure_environment(prefix: str, lock: Path, python: str, what: str) -> Path:
    directory = shared_cache() / environment_name(prefix, lock, python)
    if not (directory / COMPLETE).exists():
        with locked(directory.with_name(directory.name + ".lock"), what):
            if not (directory / COMPLETE).exists():
                make_environment(directory, lock, python, what)
    return directory


def ensure_kubernetes_core(python: str) -> Path:
    """kubernetes.core in the shared cache: the folder to be linked as ansible_collections/kubernetes."""
    requirement = next(
        line.split()[0] for line in COLLECTIONS_LOCK.read_text(encoding="utf-8").splitlines() if "==" in line
    )
    directory = shared_cache() / f"collections-{requirement.replace('==', '-')}"
    if (directory / COMPLETE).exists():
        return directory / "kubernetes"
    with locked(directory.with_name(directory.name + ".lock"), "kubernetes.core"):
        if not (directory / COMPLETE).exists():
            make_kubernetes_core(directory, python)
    return directory / "kubernetes"


def make_kubernetes_core(directory: Path, python: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    wheels = directory / "wheels"
    wheels.mkdir(parents=True)
    log = directory.with_name(directory.name + ".log")
    log.write_text("", encoding="utf-8")
    command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--dest", str(wheels), "-r", str(COLLECTIONS_LOCK)]
    if not run_step("kubernetes.core: download", command, log):
        raise BootstrapError(f"kubernetes.core could not be downloaded; the end of {log}:\n{tail(log)}")
    prefix = "ansible_collections/kubernetes/core/"
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(prefix) and not name.endswith("/"):
                target = directory / name.removeprefix("ansible_collections/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(wheel.read(name))
    if not (directory / "kubernetes" / "core" / "MANIFEST.json").exists():
        raise BootstrapError("kubernetes.core is not where it used to be in the ansible wheel")
    shutil.rmtree(wheels)
    (directory / COMPLETE).write_text("", encoding="utf-8")


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, in one step where another stood."""
    if path.is_symlink() and path.readlink() == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(path)


ACTIVATE = """\
# `. .cache/env` from anywhere: this clone's tools first on PATH, its collections for Ansible.
. {activate}
export ANSIBLE_CONFIG={config}
export ANSIBLE_COLLECTIONS_PATH={collections}
"""


def prepare_clone(venv: Path, kubernetes: Path) -> None:
    """What lies in .cache/ of the clone: links to the shared parts, and the file to activate them with."""
    collections = LOCAL / "collections" / "ansible_collections"
    link(LOCAL / "venv", venv)
    link(collections / "kubernetes", kubernetes)
    # Relative, so that a clone may be moved.
    link(collections / "dynamo" / "multinode", Path("../../../.."))
    activate = LOCAL / "env"
    paths = {
        "activate": venv / "bin" / "activate",
        "config": ROOT / "ansible.cfg",
        "collections": LOCAL / "collections",
    }
    text = ACTIVATE.format(**{name: shlex.quote(str(path)) for name, path in paths.items()})
    if not activate.exists() or activate.read_text(encoding="utf-8") != text:
        activate.write_text(text, encoding="utf-8")


def bootstrap(importer: bool = False) -> None:
    python = find_python()
    fresh = not (LOCAL / "venv" / COMPLETE).exists()
    venv = ensure_environment("venv", DEV_LOCK, python, "development environment")
    inside = str(venv / "bin" / "python")
    kubernetes = ensure_kubernetes_core(inside)
    prepare_clone(venv, kubernetes)
    if importer:
        environment = ensure_environment("importer", IMPORTER_LOCK, python, "galaxy-importer")
        link(LOCAL / "importer", environment)
        # It hides all collections but the artifact from its tools; only those of its own Python stay visible.
        for site in environment.glob("lib/python3*/site-packages"):
            link(site / "ansible_collections" / "kubernetes", kubernetes)
    if fresh:
        say("ready: `. .cache/env` puts ansible-playbook and the other tools on your PATH")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--importer", action="store_true", help="galaxy-importer's environment too")
    arguments = parser.parse_args()
    try:
        bootstrap(importer=arguments.importer)
    except BootstrapError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
