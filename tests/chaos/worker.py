# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the engine as a module would, each time in a process of its own that may be killed.

A line of JSON in: {"kubeconfig", "objects", "namespace", "patience"}. Lines out: {"pid"} at once, then the run's
outcome, or {"killed": true}. Forked from a process that has everything imported: a run costs no start-up.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube import apply as engine
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import Client, KubeError

WAITED = ("Deployment",)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One run: apply and prune, then wait for what becomes ready."""
    client = Client.from_params({"kubeconfig": job["kubeconfig"]})
    client.transport.patience = job["patience"]
    applyset = {"name": "fleet", "namespace": job["namespace"]}
    try:
        results = engine.apply(client, job["objects"], applyset=applyset, prune=True)
        waited = [result for result in results if result.kind in WAITED]
        outcomes = engine.wait_for(client, waited, timeout=60.0)
    except KubeError as error:
        return {"failed": [str(error)], "changed": None, "requests": client.requests}
    failed = [f"{result.ref}: {result.error}" for result in results if result.error]
    failed += [f"{outcome.ref}: {outcome.reason}" for outcome in outcomes.values() if not outcome.ready]
    changed = sum(result.changed for result in results)
    return {"failed": failed, "changed": changed, "requests": client.requests}


def main() -> None:
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            try:
                answer = run(json.loads(line))
            except BaseException as error:
                answer = {"failed": [f"broke down: {error!r}"], "changed": None, "requests": 0}
            with contextlib.suppress(BrokenPipeError):
                os.write(write, json.dumps(answer).encode())
            os._exit(0)
        os.close(write)
        print(json.dumps({"pid": child}), flush=True)
        with os.fdopen(read, "rb") as stream:
            told = stream.read()
        os.waitpid(child, 0)
        print(told.decode() or '{"killed": true}', flush=True)


if __name__ == "__main__":
    main()
