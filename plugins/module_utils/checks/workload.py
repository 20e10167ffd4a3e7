# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a workload as a whole, whatever it is rendered to (stage spec)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Issue
from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Settings, Workload

EXCLUSIVE_TOPOLOGY = "leaderworkerset.sigs.k8s.io/exclusive-topology"
HOSTNAME = "kubernetes.io/hostname"
RESERVED = ("dynamo.multinode/", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of")
DERIVED = {
    "nvidia.com/enable-grove": "orchestrator",
    "nvidia.com/kai-scheduler-queue": "queue",
    "nvidia.com/volcano-queue": "queue",
    "scheduling.volcano.sh/queue-name": "queue",
    "k8s.v1.cni.cncf.io/networks": "network.attachments",
}


def roles_complete(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """Something has to run the model, and prefill hands over to decode."""
    roles = {component.role for component in workload.components}
    if not any(component.engine for component in workload.components):
        yield Issue(("components",), None, "have no worker, prefill or decode: nothing would run the model", "")
    if "prefill" in roles and "decode" not in roles:
        yield Issue(("components",), None, "have prefill without decode: nothing would take over from it", "")


def derived_metadata(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """Labels and annotations that are written from other keys, or by which our objects are found."""
    for where, given in (("labels", workload.labels), ("annotations", workload.annotations)):
        for key, value in given.items():
            if key in DERIVED:
                message = f"is written from `{DERIVED[key]}`: set that instead"
                yield Issue((where, key), value, message, "")
            elif where == "labels" and key.startswith(RESERVED):
                yield Issue((where, key), value, "is how this collection finds its own objects; another key", "")


def f18_exclusive_topology(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F18: with Volcano the workers wait for the leader, and the gang for the workers."""
    if EXCLUSIVE_TOPOLOGY in workload.annotations:
        message = "deadlocks with gang scheduling: use topology.pack"
        value = workload.annotations[EXCLUSIVE_TOPOLOGY]
        yield Issue(("annotations", EXCLUSIVE_TOPOLOGY), value, message, "MN-F18")


def f54_host_level(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """F54: packing into one host contradicts one rank per machine."""
    topology = workload.topology
    if topology is None or settings.topology_levels.get(topology.pack) != HOSTNAME:
        return
    if any(component.multinode for component in workload.components):
        message = f"is {topology.pack!r}, a single machine: an engine of several machines cannot be packed into it"
        yield Issue(("topology", "pack"), topology.pack, message, "MN-F54")


def revision_supported(workload: Workload, settings: Settings) -> Iterator[Issue]:
    """dynamo.trtllm has no flag for a revision; leaving it out quietly would serve another model."""
    if workload.backend == "trtllm" and workload.model_revision:
        message = "cannot be passed to TensorRT-LLM: put that revision into the model cache, and its path as model"
        yield Issue(("model_revision",), workload.model_revision, message, "")
