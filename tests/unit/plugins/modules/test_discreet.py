# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that are given Secrets: no value leaves the process, however it ends; not even into the machine's log."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import Any

import pytest

# What Ansible runs, with a syslog that is printed
START = """
import sys, runpy, syslog
from ansible.module_utils import basic
syslog.syslog = lambda *said: print(*said, file=sys.stderr)
basic.has_journal = False
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = 'legacy'
runpy.run_module('ansible_collections.dynamo.multinode.plugins.modules.{module}', run_name='__main__')
"""
VALUES = ("hunter2", "line one\nline two", base64.b64encode(b"hidden well").decode())
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "login",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": VALUES[2]})},
    },
    "stringData": {"password": VALUES[0], "key": VALUES[1]},
    "data": {"token": VALUES[2]},
}
OBJECTS = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shown"}, "data": {"a": "not secret"}},
    SECRET,
    {"apiVersion": "v1", "kind": "List", "items": [SECRET]},
    {"apiVersion": "v1", "kind": "SecretList", "items": [{"metadata": {"name": "a"}, "data": SECRET["data"]}]},
]
NOWHERE = {"host": "https://127.0.0.1:1", "api_key": "token"}


@pytest.mark.parametrize(
    ("module", "params", "said"),
    [
        ("apply", {"objects": OBJECTS, **NOWHERE}, "127.0.0.1"),
        ("apply", {"objects": OBJECTS, "prune": True, **NOWHERE}, "prune: needs applyset"),
        ("apply", {"objects": OBJECTS, "state": "gone", **NOWHERE}, "value of state must be one of"),
        ("apply", {"objects": OBJECTS, "state": "absent", **NOWHERE}, "one has no metadata.name"),
        ("preflight_info", {"manifests": OBJECTS}, None),
        ("preflight_info", {"manifests": OBJECTS, "paths": ["/does/not/exist"]}, None),
        ("preflight_info", {"manifests": OBJECTS, "provider": "none"}, "value of provider must be one of"),
    ],
)
def test_no_value_of_a_secret_is_told(module: str, params: dict[str, Any], said: str | None) -> None:
    internal = {"_ansible_remote_tmp": os.environ.get("TMPDIR", "/tmp"), "_ansible_verbosity": 3}
    done = subprocess.run(
        [sys.executable, "-c", START.replace("{module}", module)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**params, **internal}}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert said is None or said in answer["msg"]
    for told in (done.stdout, done.stderr):
        for value in VALUES:
            assert value not in told
            assert json.dumps(value)[1:-1] not in told
        assert "line one" not in told
    given = answer["invocation"]["module_args"]["objects" if module == "apply" else "manifests"]
    assert (given[0]["data"], given[1]["stringData"]) == ({"a": "not secret"}, {"password": "***", "key": "***"})
    if said is None or "must be one of" not in said:  # Ansible logs no options that it refuses
        assert "Invoked with" in done.stderr
        assert "not secret" in done.stderr
