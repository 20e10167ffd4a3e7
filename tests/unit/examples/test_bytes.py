# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same bytes in multinode_render_dir, whatever Python renders them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

from ansible_collections.dynamo.multinode.plugins.module_utils.render import files

from tests.unit.examples.catalogue import examples
from tools.bootstrap import LOCAL
from tools.sanity import find_interpreters

# The oldest has no yaml and no ansible: the pure core needs neither.
PROGRAM = """
import hashlib, json, sys
from ansible_collections.dynamo.multinode.plugins.module_utils.render import files
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_args import load
told = [
    {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.texts(load(given)).items()}
    for given in json.load(sys.stdin)
]
print(json.dumps(told))
"""


def test_every_python_renders_the_same_bytes() -> None:
    """Every version that we support and this machine has."""
    given = json.dumps([one.given() for one in examples()])
    ours = [
        {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.texts(one.plan()).items()}
        for one in examples()
    ]
    found = find_interpreters()
    assert found
    # Strings hash differently in every process: an order that comes from a set would show
    env = {**os.environ, "PYTHONPATH": str(LOCAL / "collections"), "PYTHONHASHSEED": "random"}
    for version, python in found.items():
        done = subprocess.run(
            [python, "-c", PROGRAM], input=given, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{version}: {done.stderr}"
        assert json.loads(done.stdout) == ours, version
