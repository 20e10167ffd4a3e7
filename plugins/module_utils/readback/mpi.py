# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TensorRT-LLM: mpirun over ssh from rank 0, sshd on the others. Source: operator internal/dynamo/backend_trtllm.go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.dynamo.multinode.plugins.module_utils.readback.model import Container
from ansible_collections.dynamo.multinode.plugins.module_utils.readback.quoting import double_quoted

SSH_PORT = 2222
LAUNCHER = "trtllm-llmapi-launch"
_PYTHON = re.compile(r"(.*/)?(python\d*(\.\d+)*)", re.ASCII | re.DOTALL)
# Exported to every rank whether they are set or not.
# fmt: off
COMMON_ENV = (
    "CPATH", "CUDA_VISIBLE_DEVICES", "HF_DATASETS_CACHE", "HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HOME",
    "HUGGING_FACE_HUB_TOKEN", "LD_LIBRARY_PATH", "MODEL_PATH", "NCCL_DEBUG", "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE",
    "PATH", "PYTHONPATH", "TENSORRT_LLM_CACHE_DIR", "TOKENIZERS_PARALLELISM", "TRANSFORMERS_CACHE",
    "TRITON_PTXAS_PATH", "TRTLLM_USE_UCX_KVCACHE", "USER",
)
# What the operator itself puts into a worker's container.
OPERATOR_ENV = (
    "DYN_COMPONENT", "DYN_DISCOVERY_BACKEND", "DYN_FORWARDPASS_METRIC_PORT", "DYN_HEALTH_CHECK_ENABLED",
    "DYN_NAMESPACE", "DYN_NAMESPACE_WORKER_SUFFIX", "DYN_PARENT_DGD_K8S_NAME", "DYN_PARENT_DGD_K8S_NAMESPACE",
    "DYN_SYSTEM_ENABLED", "DYN_SYSTEM_PORT", "DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS", "NIXL_TELEMETRY_ENABLE",
    "NIXL_TELEMETRY_EXPORTER", "NIXL_TELEMETRY_PROMETHEUS_PORT", "OMPI_MCA_orte_keep_fqdn_hostnames", "POD_NAME",
    "POD_NAMESPACE", "POD_UID",
)
# fmt: on
_KEYS = (
    "cp /ssh-pk/private.key $HOME/.ssh/id_rsa",
    "cp /ssh-pk/private.key.pub $HOME/.ssh/id_rsa.pub",
    "cp /ssh-pk/private.key.pub $HOME/.ssh/authorized_keys",
    "chmod 600 $HOME/.ssh/id_rsa $HOME/.ssh/authorized_keys",
    "chmod 644 $HOME/.ssh/id_rsa.pub",
    "printf 'Host *\\nIdentityFile '$HOME'/.ssh/id_rsa\\nStrictHostKeyChecking no\\n"
    f"Port {SSH_PORT}\\n' > $HOME/.ssh/config",
)
_HOST_KEYS = ("rsa", "ecdsa", "ed25519")
WORKER = " && ".join(
    (
        "mkdir -p $HOME/.ssh $HOME/.ssh/host_keys $HOME/.ssh/run",
        "ls -la /ssh-pk/",
        *_KEYS,
        *(f"ssh-keygen -t {kind} -f $HOME/.ssh/host_keys/ssh_host_{kind}_key -N ''" for kind in _HOST_KEYS),
        f"printf 'Port {SSH_PORT}\\n"
        + "".join(f"HostKey '$HOME'/.ssh/host_keys/ssh_host_{kind}_key\\n" for kind in _HOST_KEYS)
        + "PidFile '$HOME'/.ssh/run/sshd.pid\\nStrictModes no\\nPermitRootLogin yes\\nPasswordAuthentication no\\n"
        "PubkeyAuthentication yes\\nAuthorizedKeysFile '$HOME'/.ssh/authorized_keys\\n' > $HOME/.ssh/sshd_config",
        "/usr/sbin/sshd -D -f $HOME/.ssh/sshd_config",
    )
)


def original(container: Container) -> str:
    """What is put behind the launcher: the quoted words of a python command, otherwise the arguments as they are."""
    if container.command and _PYTHON.fullmatch(container.command[0]):
        return " ".join(map(double_quoted, (*container.command, *container.args)))
    return " ".join(container.args or container.command)


def leader(container: Container, env: Iterable[str], processes: int, hosts: Sequence[str]) -> str:
    """The script of rank 0. ``env``: names of all variables of the container."""
    exported = " ".join(f"-x {name}" for name in sorted({*COMMON_ENV, *env}))
    steps = ["mkdir -p $HOME/.ssh", "ls -la /ssh-pk/", *_KEYS]
    # LWS starts all pods at once, before their names resolve.
    if "LWS_LEADER_ADDRESS" in hosts[0]:
        steps.append(_wait(hosts[1:]))
    steps.append(
        'mpirun $([ "$(id -u)" = "0" ] && echo --allow-run-as-root) --oversubscribe '
        f"-n {processes} -H {','.join(hosts)} --mca pml ob1 "
        f'--mca plm_rsh_args "-p {SSH_PORT} -o StrictHostKeyChecking=no -i $HOME/.ssh/id_rsa" '
        f"{exported} bash -c '{LAUNCHER} {original(container)}'"
    )
    return " && ".join(steps)


def _wait(workers: Sequence[str]) -> str:
    return (
        f"TIMEOUT=300; START_TIME=$(date +%s); for worker in {' '.join(workers)}; do "
        'echo "Waiting for DNS: $worker"; until getent hosts $worker >/dev/null 2>&1; do CURRENT_TIME=$(date +%s); '
        "if [ $((CURRENT_TIME - START_TIME)) -gt $TIMEOUT ]; then "
        'echo "ERROR: Timeout waiting for DNS: $worker"; exit 1; fi; '
        'echo "DNS not ready for $worker, retrying..."; sleep 2; done; '
        'echo "\u2713 DNS resolved: $worker"; done; echo "All workers DNS ready"'
    )
