# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run by the fork server, which the tests give a collection of a few modules that tell what they see."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from ansible_collections.dynamo.multinode.plugins.plugin_utils import forkserver
from ansible_collections.dynamo.multinode.plugins.plugin_utils.forkserver import Ended, ForkServer, read_late

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="not run: the fork server is for Linux")

LAUNCH = Path(forkserver.__file__).with_name("launch.py")
PATIENCE = 60
MODULES = {
    "tell": """
        import atexit, gc, json, os, signal, sys
        from ansible_collections.dynamo.multinode.plugins.module_utils import shared
        from ansible_collections.kubernetes.core import place

        def main():
            atexit.register(lambda: print("at exit"))
            signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
            seen = {
                "given": sys.stdin.read(),
                "environ": dict(os.environ),
                "cwd": os.getcwd(),
                "argv": sys.argv[1:],
                "name": __name__,
                "gc": gc.isenabled(),
                "signals": [getattr(one, "__name__", None) or one.name for one in signals],
                "wakeup": signal.set_wakeup_fd(-1),
                "files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
                "path": [entry for entry in sys.path if "plugin_utils" in entry],
                "shared": shared.PID,
                "parent": os.getppid(),
                "place": place.HERE,
            }
            print(json.dumps(seen))
            print("aside", file=sys.stderr)
            sys.exit(3)

        if __name__ == "__main__":
            main()
    """,
    "echo": """
        import sys
        if __name__ == "__main__":
            print(sys.stdin.read() * 2)
    """,
    "kill": """
        import os, signal
        if __name__ == "__main__":
            print('before', flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """,
    "late": """
        if __name__ == "__main__":
            from ansible_collections.dynamo.multinode.plugins.module_utils import late
            print(late.PID)
    """,
    "broken": "import nowhere_to_be_found",
    "leaves": "import sys; sys.exit(4)",
    "wait": """
        import os, signal, sys
        if __name__ == "__main__":
            with open(sys.stdin.read(), "w") as fifo:
                fifo.write(str(os.getpid()))
            signal.pause()
    """,
}


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    here = tmp_path / "multinode"
    files = {f"plugins/modules/{name}.py": textwrap.dedent(text) for name, text in MODULES.items()}
    files["plugins/module_utils/shared.py"] = "import os\nPID = os.getpid()\n"
    files["plugins/module_utils/late.py"] = files["plugins/module_utils/shared.py"]
    files["../core/place.py"] = "HERE = __name__\n"
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text, encoding="utf-8")
    (here / "plugins" / "plugin_utils").mkdir()
    shutil.copy(LAUNCH, here / "plugins" / "plugin_utils")
    return here


@pytest.fixture
def server(collection: Path, tmp_path: Path) -> Iterator[ForkServer]:
    one = ForkServer(str(collection), str(tmp_path / "core"))
    yield one
    assert one.socket is not None and one.process is not None
    one.socket.close()
    # With the last who could ask it has nothing to do
    assert one.process.wait(PATIENCE) in (0, -signal.SIGKILL)


def pid_of(server: ForkServer) -> int:
    assert server.process is not None
    return server.process.pid


def ran(server: ForkServer, name: str, given: str = "", **environ: str) -> tuple[int, str, str]:
    found = server.run(name, given.encode(), environ)
    assert found is not None
    return found[0], found[1].decode(), found[2].decode()


def test_what_goes_in_and_out(server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOT_GIVEN", "1")
    code, out, err = ran(server, "tell", "given" * 100_000, A="1", ODD="\udcff")
    told, last = out.splitlines()
    seen: dict[str, Any] = json.loads(told)
    assert (code, last, err) == (3, "at exit", "aside\n")
    assert seen.pop("given") == "given" * 100_000
    # and the one by which it tells what it has imported
    *standard, _told = seen.pop("files")
    assert standard == [0, 1, 2]
    assert seen.pop("parent") == seen.pop("shared") == pid_of(server)
    assert seen == {
        "environ": {"A": "1", "ODD": "\udcff"},
        "cwd": str(tmp_path),
        "argv": [],
        "name": "__main__",
        "gc": True,
        "signals": ["default_int_handler", "SIG_DFL", "SIG_DFL"],
        "wakeup": -1,
        "path": [],
        "place": "ansible_collections.kubernetes.core.place",
    }


def test_what_one_imports_as_it_runs_the_next_one_has(server: ForkServer) -> None:
    assert int(ran(server, "late")[1]) != pid_of(server)
    # A copy that is made before the server has read of it has to import it, too
    assert any(int(ran(server, "late")[1]) == pid_of(server) for _ in range(1000))


def test_many_at_once_have_each_their_own(server: ForkServer) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: ran(server, "echo", f"{number} "), range(64)))
    assert found == [(0, f"{number} {number} \n", "") for number in range(64)]


def test_one_that_is_killed_is_told_by_its_signal(server: ForkServer) -> None:
    assert ran(server, "kill") == (-signal.SIGKILL, "before\n", "")


def test_one_that_cannot_be_imported_says_so_itself(server: ForkServer) -> None:
    server.preload("broken")
    for name, problem in (("broken", "nowhere_to_be_found"), ("missing", "missing")):
        code, out, err = ran(server, name)
        assert (code, out) == (1, "")
        assert problem in err.splitlines()[-1]
    assert ran(server, "leaves") == (4, "", "")


ASKS = """
import sys
from ansible_collections.dynamo.multinode.plugins.plugin_utils.forkserver import ForkServer
ForkServer(*sys.argv[1:3]).run("wait", sys.argv[3].encode(), {})
"""


def ended(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(PATIENCE)
    return not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_with_who_asked_ends_what_runs_and_the_server(collection: Path, tmp_path: Path, number: signal.Signals) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    argv = [sys.executable, "-c", ASKS, str(collection), str(tmp_path / "core"), str(fifo)]
    root = forkserver.__file__.partition("/ansible_collections/")[0]
    with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": root}) as process:
        pid = int(fifo.read_text())
        parent = psutil.Process(pid).ppid()
        process.send_signal(number)
    assert ended(pid)
    assert ended(parent)


class Late(Exception):
    pass


def test_one_that_nobody_waits_for_any_more_is_ended(server: ForkServer, tmp_path: Path) -> None:
    """As when a task's time is up: Ansible raises that from the handler of a signal."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pids: list[int] = []

    def late(_number: int, _frame: object) -> None:
        raise Late

    def alarm() -> None:
        pids.append(int(fifo.read_text()))
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, late)
    clock = threading.Thread(target=alarm)
    clock.start()
    try:
        with pytest.raises(Late):
            server.run("wait", str(fifo).encode(), {})
    finally:
        clock.join()
        signal.signal(signal.SIGALRM, before)
    assert ended(pids[0])
    assert ran(server, "echo", "on ") == (0, "on on \n", "")


def test_a_server_that_ends_meanwhile_is_told(server: ForkServer, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pids: list[int] = []

    def kill() -> None:
        pids.append(int(fifo.read_text()))
        os.kill(pid_of(server), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(Ended):
        server.run("wait", str(fifo).encode(), {})
    killer.join()
    os.kill(pids[0], signal.SIGKILL)
    # and nothing is started by it any more
    assert server.run("echo", b"", {}) is None
    server.preload("echo")


def test_a_server_that_could_not_start_is_none(collection: Path) -> None:
    (collection / "plugins" / "plugin_utils" / "launch.py").unlink()
    one = ForkServer(str(collection), "")
    assert one.run("echo", b"", {}) is None
    assert one.run("echo", b"", {}) is None
    assert one.socket is not None
    one.socket.close()


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    one = ForkServer("/nowhere", "/nowhere")
    one.preload("echo")
    assert (one.socket, one.process, one.run("echo", b"", {})) == (None, None, None)


@pytest.mark.parametrize(
    ("names", "late"),
    [
        ((), True),
        (("K8S_AUTH_HOST", "KUBECONFIG", "https_proxy", "NO_PROXY", "SSL_CERT_FILE"), True),
        (("K8S_AUTH_HOST", "PYTHONPATH"), False),
        (("LD_LIBRARY_PATH",), False),
        (("LC_ALL",), False),
        (("TZ",), False),
    ],
)
def test_what_a_process_reads_as_it_starts_is_not_for_a_copy(names: tuple[str, ...], late: bool) -> None:
    assert read_late(names) is late
