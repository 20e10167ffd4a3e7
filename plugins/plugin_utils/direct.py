# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules of this collection without Ansible's packing, where they run on the controller in its own Python.

Ansible packs a module with everything that it imports, which takes longer than most of ours need for their work, and
the other side compiles all of it each time. Here it is on the disk already. It is a process of its own all the same,
and what goes in and comes out is the same: arguments on its standard input, the answer on its standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common import json as ansible_json
from ansible.plugins.action import ActionBase
from ansible.vars.clean import remove_internal_keys

COLLECTION = __name__.partition(".plugins.")[0]
# As Ansible names how plain JSON goes to and fro; it has more than one way since ansible-core 2.19
PROFILE = "legacy"


class DirectAction(ActionBase):
    """The controller's half of a module that may run on the controller: the module of the same name."""

    _supports_async = True

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
            return str(next(iter(importlib.import_module("ansible_collections.kubernetes.core").__path__)))
        except (AnsibleError, ImportError, OSError, StopIteration):
            return ""

    def _directly(self, core: str, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        name = type(self).__module__.rpartition(".")[2]
        self._update_module_args(f"dynamo.multinode.{name}", args, task_vars)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        here = str(next(iter(importlib.import_module(COLLECTION).__path__)))
        done = subprocess.run(
            [sys.executable, os.path.join(here, "plugins", "plugin_utils", "launch.py"), name, here, core],
            input=_encoded({"ANSIBLE_MODULE_ARGS": args}),
            env={**os.environ, **{key: str(value) for key, value in environment.items()}},
            capture_output=True,
            check=False,
        )
        told = {
            "rc": done.returncode,
            "stdout": done.stdout.decode("utf-8", "surrogateescape"),
            "stderr": done.stderr.decode("utf-8", "surrogateescape"),
        }
        profiled = hasattr(ansible_json, "get_module_encoder")
        result: dict[str, Any] = self._parse_returned_data(told, *([PROFILE] if profiled else []))
        remove_internal_keys(result)
        return result


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
