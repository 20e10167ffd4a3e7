# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its files, and what it remembers between runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.errors import LabError

CLONE = Path(__file__).resolve().parent.parent
# Unix socket paths end at 107 bytes; what is put under the runtime folder adds less than 60.
RUNTIME_BASE_LIMIT = 40


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` so that no reader, and no kill -9, ever meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The file's object; {} when it is missing or was never finished."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def locked(path: Path, waiting: str | None = None) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if waiting:
                    print(waiting, flush=True)
                fcntl.flock(stream, fcntl.LOCK_EX)
            # Its last holder may have removed the file (``down --purge``): then this lock locks nothing.
            if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                yield
                return


class Layout:
    """The folder of one lab."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self.certs = root / "certs"
        self.config = root / "config"
        self.logs = root / "logs"
        self.etcd = root / "etcd"
        self.bin = root / "bin"
        self.charts = root / "charts"
        self.pods = root / "pods"
        # A link to upstream's definitions, for the stand-ins of operators that bring their own
        self.upstream = root / "upstream"
        self.state_file = root / "state.json"
        self.run_file = root / "run.json"
        self.audit_log = self.logs / "audit.log"
        self.admin_kubeconfig = root / "admin.kubeconfig"
        self.kubeconfig = root / "kubeconfig"
        # Beside the folder, not in it: ``down --purge`` removes the folder while it holds the lock.
        self.lock_file = root.parent / f".{root.name}.lock"

    @classmethod
    def of(cls, name: str, directory: str | None = None) -> Layout:
        """The lab called ``name``, in ``directory`` or in the clone's ``.lab`` folder."""
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", name):
            raise LabError(f"--name: is {name!r}; lower-case letters, digits and '-' (at most 32), e.g. demo")
        root = Path(directory).expanduser().resolve() if directory else CLONE / ".lab" / name
        return cls(name, root)

    def exists(self) -> bool:
        return self.state_file.is_file()

    def require(self) -> None:
        """Raise when there is no such lab, naming those that there are."""
        if self.exists():
            return
        parent = self.root.parent
        known = sorted(path.parent.name for path in parent.glob("*/state.json")) if parent.is_dir() else []
        there_are = f"there are: {', '.join(known)}" if known else "there is none yet; start one with: python -m lab up"
        raise LabError(f"no lab named {self.name!r} in {parent} ({there_are})")

    def state(self) -> dict[str, Any]:
        """What the lab remembers: id, ports, service network. {} before its first ``up``."""
        return read_json(self.state_file)

    def save_state(self, state: dict[str, Any]) -> None:
        write_atomically(self.state_file, json.dumps(state, indent=1, sort_keys=True) + "\n")

    def new_state(self) -> dict[str, Any]:
        return {"id": uuid.uuid4().hex, "name": self.name, "created": int(time.time())}

    def runtime(self, lab_id: str) -> Path:
        """A private folder with a short path, for sockets: the clone's own path may be too long for one."""
        bases = [os.environ.get("XDG_RUNTIME_DIR"), "/tmp"]
        base = next(b for b in bases if b and len(b) <= RUNTIME_BASE_LIMIT and os.access(b, os.W_OK))
        path = Path(base) / f"mnlab-{os.getuid()}-{lab_id[:10]}"
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise LabError(f"{path}: exists and is not ours; remove it")
        path.chmod(0o700)
        return path


def cache_folder() -> Path:
    """Where binaries and charts are kept between labs and clones."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "dynamo-multinode"
