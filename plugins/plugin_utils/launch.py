# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python launch.py NAME COLLECTION KUBERNETES_CORE``: a module, in a process that has these two collections only.

What else is called ``ansible_collections`` on Python's path (the ``ansible`` package brings one) is not asked.
"""

from __future__ import annotations

import os
import runpy
import sys
import types


def package(name: str, *folders: str) -> None:
    """A package that is nothing but a place."""
    made = types.ModuleType(name)
    made.__path__ = list(folders)
    sys.modules[name] = made


def main() -> None:
    name, here, core = sys.argv[1:]
    # Nobody imports from this file's folder, which Python puts first unless it is told not to
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    # Ansible would take what is left for arguments of the module
    sys.argv[1:] = []
    package("ansible_collections")
    package("ansible_collections.dynamo")
    package("ansible_collections.dynamo.multinode", here)
    package("ansible_collections.kubernetes")
    package("ansible_collections.kubernetes.core", core)
    runpy.run_module(
        f"ansible_collections.dynamo.multinode.plugins.modules.{name}", run_name="__main__", alter_sys=True
    )


if __name__ == "__main__":
    main()
