# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules of this collection without Ansible's packing, where they run on the controller in its own Python.

Ansible packs a module with everything that it imports, which takes longer than most of ours need for their work, and
the other side compiles all of it each time. Here it is on the disk already, and in the memory of a process that has
imported it (``forkserver.py``). It is a process of its own all the same, and what goes in and comes out is the same:
arguments on its standard input, the answer on its standard output.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
from typing import Any, ClassVar

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common import json as ansible_json
from ansible.plugins.action import ActionBase
from ansible.vars.clean import remove_internal_keys
from ansible_collections.dynamo.multinode.plugins.plugin_utils.forkserver import Ended, ForkServer, read_late

COLLECTION = __name__.partition(".plugins.")[0]
CORE = "ansible_collections.kubernetes.core"
# As Ansible names how plain JSON goes to and fro; it has more than one way since ansible-core 2.19
PROFILE = "legacy"


class DirectAction(ActionBase):
    """The controller's half of a module that may run on the controller: the module of the same name."""

    _supports_async = True
    forks: ClassVar[ForkServer | None] = None

    def __init_subclass__(cls, **named: Any) -> None:
        """An action plugin is loaded: by the process whose workers run tasks, before it forks them."""
        super().__init_subclass__(**named)
        if ".plugins.action." not in cls.__module__ or "ansible.executor.task_queue_manager" not in sys.modules:
            return
        if multiprocessing.parent_process() is None:
            core = _folder(CORE)
            if core and DirectAction.forks is None:
                DirectAction.forks = ForkServer(_folder(COLLECTION), core)
            if DirectAction.forks is not None:
                DirectAction.forks.preload(cls.__module__.rpartition(".")[2])

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        wrap = bool(self._task.async_val) and not self._connection.has_native_async
        result.update(self.answer(task_vars, wrap_async=wrap))
        if not wrap:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def answer(self, task_vars: dict[str, Any] | None, *, wrap_async: bool) -> dict[str, Any]:
        """What the task answers: one call of the module."""
        return self.module(task_vars, wrap_async=wrap_async)

    def module(
        self, task_vars: dict[str, Any] | None, args: dict[str, Any] | None = None, *, wrap_async: bool = False
    ) -> dict[str, Any]:
        """The module's answer to these arguments (None: the task's), by the shorter way where there is one."""
        given = dict(self._task.args if args is None else args)
        core = "" if wrap_async else self._beside(task_vars or {})
        if core:
            return self._directly(core, given, task_vars or {})
        found: dict[str, Any] = self._execute_module(module_args=given, task_vars=task_vars, wrap_async=wrap_async)
        return found

    def _beside(self, task_vars: dict[str, Any]) -> str:
        """Where kubernetes.core is, if the module would run here, as this user, in this very Python; else nothing."""
        if (
            self._connection.transport != "local"
            or self._connection.become is not None
            or self._play_context.become
            or C.DEFAULT_KEEP_REMOTE_FILES
        ):
            return ""
        asked = C.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)
        try:
            if not same_python(str(self._templar.template(asked) or ""), sys.executable):
                return ""
        except (AnsibleError, OSError):
            return ""
        return _folder(CORE)

    def _directly(self, core: str, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        name = type(self).__module__.rpartition(".")[2]
        self._update_module_args(f"dynamo.multinode.{name}", args, task_vars)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        code, out, err = self._started(name, core, _encoded({"ANSIBLE_MODULE_ARGS": args}), environment)
        told = {
            "rc": code,
            "stdout": out.decode("utf-8", "surrogateescape"),
            "stderr": err.decode("utf-8", "surrogateescape"),
        }
        profiled = hasattr(ansible_json, "get_module_encoder")
        result: dict[str, Any] = self._parse_returned_data(told, *([PROFILE] if profiled else []))
        remove_internal_keys(result)
        return result

    def _started(self, name: str, core: str, given: bytes, added: dict[str, Any]) -> tuple[int, bytes, bytes]:
        """Exit code, standard output and error of the module: of a copy of what is imported, or of a Python of its
        own."""
        environment = {**os.environ, **{key: str(value) for key, value in added.items()}}
        if self.forks is not None and read_late(added):
            try:
                found = self.forks.run(name, given, environment)
            except Ended:
                return -1, b"", b"the process that ran the module has ended, and nobody knows what became of it"
            if found is not None:
                return found
        here = _folder(COLLECTION)
        argv = [sys.executable, os.path.join(here, "plugins", "plugin_utils", "launch.py"), name, here, core]
        done = subprocess.run(argv, input=given, env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr


def _folder(collection: str) -> str:
    """Where a collection is; "" where it is not."""
    try:
        return str(next(iter(importlib.import_module(collection).__path__)))
    except (ImportError, StopIteration):
        return ""


def same_python(one: str, other: str) -> bool:
    """Whether two programs are one Python with one set of packages: a virtual environment is a folder of links to a
    Python that others link to as well, and /usr/bin has more than one. Raises OSError where there is none."""
    return os.path.samefile(one, other) and os.path.samefile(os.path.dirname(one), os.path.dirname(other))


def _encoded(params: dict[str, Any]) -> bytes:
    """As Ansible sends arguments: strings of a vault in clear."""
    if hasattr(ansible_json, "get_module_encoder"):
        encoder = ansible_json.get_module_encoder(PROFILE, ansible_json.Direction.CONTROLLER_TO_MODULE)
        return json.dumps(params, cls=encoder).encode()
    return json.dumps(params, cls=ansible_json.AnsibleJSONEncoder, vault_to_text=True).encode()
