# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's programs: named by the user, found in the cache, downloaded, or built, in this order."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import download, golang
from lab.errors import LabError
from lab.layout import cache_folder, locked
from lab.progress import Progress

GO_MODULES = Path(__file__).resolve().parent / "go"
KUBERNETES, ETCD, KWOK, HELM, VOLCANO, LWS = "1.34.4", "3.6.5", "0.7.0", "3.19.2", "1.14.1", "0.8.0"
# What is upgraded from: its chart has the definition among its templates, where the next one has none
OLD_LWS = "0.7.0"
_KUBE_FLAGS = (
    f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}"
    f" -X k8s.io/component-base/version.gitMajor={KUBERNETES.split('.')[0]}"
    f" -X k8s.io/component-base/version.gitMinor={KUBERNETES.split('.')[1]}"
    f" -X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}"
)


@dataclass(frozen=True)
class Program:
    """One program: where its source is, and where upstream publishes it (None: nowhere)."""

    name: str
    version: str
    package: str
    ldflags: str = ""
    module: str = "controlplane"
    published: download.Published | None = None


def _kubernetes(name: str) -> Program:
    url = f"https://dl.k8s.io/v{KUBERNETES}/bin/{{os}}/{{arch}}/{name}"
    return Program(
        name,
        KUBERNETES,
        f"k8s.io/kubernetes/cmd/{name}",
        _KUBE_FLAGS,
        published=download.Published(url, url + ".sha256"),
    )


_ETCD_RELEASE = f"https://github.com/etcd-io/etcd/releases/download/v{ETCD}"
_HELM_ARCHIVE = f"https://get.helm.sh/helm-v{HELM}-{{os}}-{{arch}}.tar.gz"
_KWOK_BINARY = f"https://github.com/kubernetes-sigs/kwok/releases/download/v{KWOK}/kwok-{{os}}-{{arch}}"
# In the order of building: what the control plane needs comes first, and later programs share its packages.
PROGRAMS = (
    Program(
        "etcd",
        ETCD,
        "go.etcd.io/etcd/server/v3",
        published=download.Published(
            f"{_ETCD_RELEASE}/etcd-v{ETCD}-{{os}}-{{arch}}.tar.gz", f"{_ETCD_RELEASE}/SHA256SUMS", "etcd"
        ),
    ),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubectl"),
    Program(
        "helm",
        HELM,
        "helm.sh/helm/v3/cmd/helm",
        f"-X helm.sh/helm/v3/internal/version.version=v{HELM}",
        published=download.Published(_HELM_ARCHIVE, _HELM_ARCHIVE + ".sha256sum", "helm"),
    ),
    Program("kwok", KWOK, "sigs.k8s.io/kwok/cmd/kwok", module="kwok", published=download.Published(_KWOK_BINARY)),
    Program("lws", LWS, "sigs.k8s.io/lws/cmd", f"-X sigs.k8s.io/lws/pkg/version.GitVersion=v{LWS}"),
    Program(
        f"lws-{OLD_LWS}",
        OLD_LWS,
        "sigs.k8s.io/lws/cmd",
        f"-X sigs.k8s.io/lws/pkg/version.GitVersion=v{OLD_LWS}",
        module="kwok",
    ),
    Program("vc-scheduler", VOLCANO, "volcano.sh/volcano/cmd/scheduler"),
    Program("vc-controller-manager", VOLCANO, "volcano.sh/volcano/cmd/controller-manager"),
    Program("vc-webhook-manager", VOLCANO, "volcano.sh/volcano/cmd/webhook-manager"),
)


def platform_name() -> tuple[str, str]:
    """(os, architecture) as Go names them."""
    machine = platform.machine().lower()
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)
    return sys.platform.split("-")[0], arch


def cached_path(program: Program) -> Path:
    """Where the cache keeps this very program: any change of source, flags or platform gives another path."""
    system, arch = platform_name()
    digest = hashlib.sha256(f"{program.package} {program.ldflags}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update((GO_MODULES / program.module / name).read_bytes())
    folder = cache_folder() / "bin" / f"{system}-{arch}"
    return folder / f"{program.name}-{program.version}-{digest.hexdigest()[:12]}" / program.name


def _usable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _given(program: Program) -> Path | None:
    """The program in LAB_BIN_DIR, when the user named one."""
    folder = os.environ.get("LAB_BIN_DIR")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise LabError(f"LAB_BIN_DIR: {folder} is no folder")
    path = Path(folder).resolve() / program.name
    return path if _usable(path) else None


def locate() -> dict[str, Path]:
    """What can be used at once: name -> file. Programs that would have to be made are left out."""
    found = {}
    for program in PROGRAMS:
        path = _given(program)
        if path is None and _usable(cached_path(program)):
            path = cached_path(program)
        if path is not None:
            found[program.name] = path
    return found


def ensure() -> dict[str, Path]:
    """Every program, made when it must be: name -> file."""
    found = locate()
    if len(found) == len(PROGRAMS):
        return found
    waiting = "another lab is getting the programs ready; waiting for it"
    with locked(cache_folder() / "bin.lock", waiting):
        found = locate()
        missing = [program for program in PROGRAMS if program.name not in found]
        if missing:
            _make(missing, Progress(len(missing)))
    return locate()


def _make(missing: list[Program], progress: Progress) -> None:
    site = download.Site()
    go: golang.Go | None = None
    for program in missing:
        target = cached_path(program)
        if program.published is not None and site.answers(program.published):
            with progress.step(f"downloading {program.name} {program.version}"):
                if site.fetch(program.published, target, *platform_name()):
                    continue
        if go is None:
            go = golang.find(GO_MODULES / "controlplane" / "go.mod", progress)
        with progress.step(f"building {program.name} {program.version}"):
            golang.build(go, GO_MODULES / program.module, program.package, program.ldflags, target)
