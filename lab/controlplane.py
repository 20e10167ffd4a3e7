# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines and configuration files of etcd, the Kubernetes programs and KWOK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab import certs, programs
from lab.layout import Layout, write_atomically
from lab.processes import Health, Spec

SERVICE_NETWORK = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc.cluster.local"
SYSTEM_NODE = "lab-system-0"
FAKE = "kwok.x-k8s.io/node"
STAGES = Path(__file__).resolve().parent / "stages"
CLIENT_CONFIGS = ("kube-controller-manager", "kube-scheduler", "kwok")

# Everything that anybody writes, with who and what; the lab's own bookkeeping and its controllers' reads would only
# bury it.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {
            "level": "None",
            "users": ["system:apiserver", "lab-kwok", "lab-supervisor", "system:kube-scheduler"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "level": "None",
            "userGroups": ["system:serviceaccounts:kube-system"],
            "verbs": ["get", "list", "watch"],
        },
        {"level": "Metadata"},
    ],
}


def server(ports: dict[str, Any]) -> str:
    """The API server's address."""
    return f"https://127.0.0.1:{ports['kube-apiserver']}"


def egress_socket(layout: Layout, lab_id: str) -> Path:
    return layout.runtime(lab_id) / "egress.sock"


def is_bare(state: dict[str, Any]) -> bool:
    """Whether this lab is etcd and an API server only: nothing acts on what is written to it."""
    return bool(state.get("bare"))


def kwok_stages() -> list[str]:
    """KWOK's stages; what our own kubelet runs is none of KWOK's business."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(STAGES.glob("*.yaml"))]
    return [text.replace("@IMAGES@", programs.IMAGES) for text in texts]


def write_configuration(layout: Layout, state: dict[str, Any]) -> None:
    """Everything that the programs read at start, and the users' kubeconfigs."""
    url = server(state["ports"])
    context = f"lab-{layout.name}"
    for client in CLIENT_CONFIGS:
        certs.write_kubeconfig(layout.config / f"{client}.kubeconfig", layout.certs, client, url, context)
    certs.write_kubeconfig(layout.admin_kubeconfig, layout.certs, "admin", url, context)
    certs.write_kubeconfig(layout.kubeconfig, layout.certs, "dynamo-multinode", url, context)
    egress = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {
                "name": "cluster",
                "connection": {
                    "proxyProtocol": "HTTPConnect",
                    "transport": {"uds": {"udsName": str(egress_socket(layout, state["id"]))}},
                },
            }
        ],
    }
    system_first = {
        "preference": {
            "matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        },
        "weight": 100,
    }
    scheduler = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {
            "kubeconfig": str(layout.config / "kube-scheduler.kubeconfig"),
            "qps": 500,
            "burst": 1000,
        },
        "leaderElection": {"leaderElect": False},
        # Ordinary pods go to the system node while it has room, so that charts never land on a GPU machine by chance.
        "profiles": [
            {
                "schedulerName": "default-scheduler",
                "pluginConfig": [
                    {
                        "name": "NodeAffinity",
                        "args": {
                            "addedAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [system_first]},
                        },
                    }
                ],
            }
        ],
    }
    kwok = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "nodePlayStageParallelism": 16,
            "podPlayStageParallelism": 16,
            "nodeLeaseParallelism": 16,
            "podsOnNodeSyncParallelism": 4,
        },
    }
    stages = kwok_stages()
    files = {
        "egress.yaml": yaml.safe_dump(egress),
        "audit.yaml": yaml.safe_dump(AUDIT_POLICY),
        "scheduler.yaml": yaml.safe_dump(scheduler),
        "kwok.yaml": "---\n".join([yaml.safe_dump(kwok), *stages]),
    }
    for name, text in files.items():
        write_atomically(layout.config / name, text)


def specs(layout: Layout, state: dict[str, Any]) -> list[Spec]:
    """The control plane's processes, in the order of starting; of a bare lab the first two."""
    bare = is_bare(state)
    ports, crt = state["ports"], layout.certs
    serving = [f"--tls-cert-file={crt / 'serving.crt'}", f"--tls-private-key-file={crt / 'serving.key'}"]
    etcd_url = f"https://127.0.0.1:{ports['etcd']}"
    peer_url = f"https://127.0.0.1:{ports['etcd-peer']}"

    def spec(name: str, health: Health, args: list[str], after: tuple[str, ...] = ("kube-apiserver",)) -> Spec:
        return Spec(name, [str(layout.bin / name), *args], health, layout.logs / f"{name}.log", after=after)

    # Without a controller that makes ServiceAccounts no pod would be admitted
    off = ["ServiceAccount", "TaintNodesByCondition"] if bare else ["TaintNodesByCondition"]
    found = [
        spec(
            "etcd",
            Health(ports["etcd"], "/health", client=True),
            [
                f"--name={layout.name}",
                f"--data-dir={layout.etcd}",
                # The lab's data may be lost with the machine, not with a process: that needs no fsync.
                "--unsafe-no-fsync",
                f"--listen-client-urls={etcd_url}",
                f"--advertise-client-urls={etcd_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster={layout.name}={peer_url}",
                f"--cert-file={crt / 'etcd.crt'}",
                f"--key-file={crt / 'etcd.key'}",
                f"--trusted-ca-file={crt / 'ca.crt'}",
                "--client-cert-auth",
                f"--peer-cert-file={crt / 'etcd.crt'}",
                f"--peer-key-file={crt / 'etcd.key'}",
                f"--peer-trusted-ca-file={crt / 'ca.crt'}",
                "--peer-client-cert-auth",
                "--auto-compaction-mode=periodic",
                "--auto-compaction-retention=1h",
                "--log-level=warn",
                # Recorded definitions and whole snapshots are written straight into a bare lab's etcd.
                *(["--max-request-bytes=33554432", "--max-txn-ops=2048"] if bare else []),
            ],
            after=(),
        ),
        spec(
            "kube-apiserver",
            Health(ports["kube-apiserver"], "/readyz", client=True),
            [
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={ports['kube-apiserver']}",
                # 127.0.0.1 can be nobody's endpoint.
                "--endpoint-reconciler-type=none",
                f"--etcd-servers={etcd_url}",
                f"--etcd-cafile={crt / 'ca.crt'}",
                f"--etcd-certfile={crt / 'etcd.crt'}",
                f"--etcd-keyfile={crt / 'etcd.key'}",
                "--authorization-mode=RBAC",
                f"--client-ca-file={crt / 'ca.crt'}",
                f"--tls-cert-file={crt / 'kube-apiserver.crt'}",
                f"--tls-private-key-file={crt / 'kube-apiserver.key'}",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                f"--service-account-issuer={ISSUER}",
                f"--service-account-key-file={crt / 'service-account.pub'}",
                f"--service-account-signing-key-file={crt / 'service-account.key'}",
                *([] if bare else [f"--egress-selector-config-file={layout.config / 'egress.yaml'}"]),
                f"--audit-policy-file={layout.config / 'audit.yaml'}",
                f"--audit-log-path={layout.audit_log}",
                "--audit-log-format=json",
                "--audit-log-maxsize=200",
                "--audit-log-maxbackup=2",
                "--allow-privileged=true",
                # Nodes are made Ready; a taint at birth would only have to be taken away again.
                f"--disable-admission-plugins={','.join(off)}",
                "--profiling=false",
                "--v=1",
            ],
            after=(),
        ),
        spec(
            "kube-controller-manager",
            Health(ports["kube-controller-manager"], "/healthz"),
            [
                f"--kubeconfig={layout.config / 'kube-controller-manager.kubeconfig'}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports['kube-controller-manager']}",
                *serving,
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                f"--root-ca-file={crt / 'ca.crt'}",
                f"--service-account-private-key-file={crt / 'service-account.key'}",
                f"--cluster-signing-cert-file={crt / 'ca.crt'}",
                f"--cluster-signing-key-file={crt / 'ca.key'}",
                # On a busy machine the API server may be away for a minute; no machine of a lab is lost by that.
                "--node-monitor-grace-period=5m",
                "--kube-api-qps=300",
                "--kube-api-burst=600",
                "--profiling=false",
                "--v=1",
            ],
        ),
        spec(
            "kube-scheduler",
            Health(ports["kube-scheduler"], "/healthz"),
            [
                f"--config={layout.config / 'scheduler.yaml'}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports['kube-scheduler']}",
                *serving,
                "--v=1",
            ],
        ),
        spec(
            "kwok",
            Health(ports["kwok"], "/healthz", scheme="http"),
            [
                f"--kubeconfig={layout.config / 'kwok.kubeconfig'}",
                f"--manage-nodes-with-annotation-selector={FAKE}=fake",
                f"--config={layout.config / 'kwok.yaml'}",
                "--cidr=10.128.0.1/9",
                "--node-ip=10.64.0.1",
                "--node-lease-duration-seconds=40",
                f"--server-address=127.0.0.1:{ports['kwok']}",
                "--v=WARN",
            ],
        ),
    ]
    return found[:2] if bare else found
