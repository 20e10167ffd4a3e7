# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m lab.operators NAME [ARGUMENTS]``: one stand-in, as the lab's kubelet starts it for a pod.

NAME is the last segments of the pod's image; the arguments are the container's.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from lab.kube import ApiError
from lab.operators import MODULES
from lab.operators.cluster import Cluster
from lab.operators.webhook import Server

BUSY_SECONDS, IDLE_SECONDS, IDLE_AFTER = 0.3, 1.0, 20


def _module(name: str) -> ModuleType | None:
    wanted = f"lab.operators.{MODULES[name]}"
    try:
        return importlib.import_module(wanted)
    except ModuleNotFoundError as error:
        if error.name != wanted:
            raise
        print(f"{name}: no stand-in of this name yet; it only answers health checks", flush=True)
        return None


def main(name: str, args: tuple[str, ...]) -> None:
    """Until the process is ended."""
    module = _module(name)
    cluster = Cluster(Path(os.environ["KUBECONFIG"]), args)
    server = Server(cluster, int(os.environ["LAB_PORT"]), getattr(module, "WEBHOOKS", {}))
    server.start()
    reconcile: Callable[[Cluster], None] = getattr(module, "reconcile", lambda _cluster: None)
    prepare: Callable[[Cluster], None] | None = getattr(module, "prepare", None)
    still, said = 0, ""
    while True:
        before = cluster.writes
        try:
            if prepare is not None:
                prepare(cluster)
                prepare = None
            server.introduce()
            reconcile(cluster)
            said = ""
        except ApiError as error:
            if str(error) != said:
                said = str(error)
                print(f"{name}: {said}", flush=True)
        still = 0 if cluster.writes != before else still + 1
        time.sleep(BUSY_SECONDS if still < IDLE_AFTER else IDLE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], tuple(sys.argv[2:]))
