# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container runtime of a machine: which configuration it reads, which runtimes are in it, what it may lock.

A machine may run several containerds (Docker brings one of its own); the one that Kubernetes uses counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.host_machine import Machine, Unread
from ansible_collections.dynamo.multinode.plugins.module_utils.host_toml import BadToml, read

DEFAULT_CONFIG = "/etc/containerd/config.toml"
DEFAULT_SOCKET = "/run/containerd/containerd.sock"
TOOLKIT = "/usr/local/nvidia/toolkit"
UNLIMITED = "unlimited"
# Where the toolkit, or a person by its guide, is known to write; 1.18.0 of nvidia-ctk spelled the folder config.d
WRITTEN = (
    DEFAULT_CONFIG,
    "/etc/containerd/conf.d/*.toml",
    "/etc/containerd/config.d/*.toml",
    "/etc/k0s/containerd.d/*.toml",
    "/var/snap/microk8s/current/args/containerd-template.toml",
    "/var/lib/rancher/*/agent/etc/containerd/*.toml",
    "/var/lib/rancher/*/agent/etc/containerd/*.toml.tmpl",
    "/var/lib/rancher/*/agent/etc/containerd/*.toml.d/*.toml",
)
# The table of the runtimes is in another plugin since version 3 of the format (containerd 2)
CRI_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")
RUNTIMES = ("containerd", "crio", "cri-o", "dockerd")
KUBERNETES = ("kubelet", "k3s", "rke2", "k0s", "kubelite")


@dataclass(frozen=True)
class Process:
    """One process of interest. ``started``: seconds since the epoch, 0 where not known."""

    pid: int
    name: str
    words: tuple[str, ...] = ()
    unit: str = ""
    memlock: str = ""
    started: float = 0.0

    def option(self, *names: str) -> str:
        """The value of an option, "" without it."""
        for place, word in enumerate(self.words):
            for name in names:
                if word == name:
                    return self.words[place + 1] if place + 1 < len(self.words) else ""
                if word.startswith(name + "="):
                    return word[len(name) + 1 :]
        return ""


@dataclass
class Config:
    """What a configuration says, with what it imports: ``runtimes`` by name with their programs, ``files`` read."""

    version: int = 0
    runtimes: dict[str, str] = field(default_factory=dict)
    default: str = ""
    imports: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def take(self, tables: Mapping[str, Any]) -> None:
        """Lays one file over what was read before, as containerd does."""
        version = tables.get("version")
        self.version = max(self.version, version if isinstance(version, int) else 1)
        plugins = tables.get("plugins")
        for plugin in CRI_PLUGINS:
            below = plugins.get(plugin) if isinstance(plugins, Mapping) else None
            engine = below.get("containerd") if isinstance(below, Mapping) else None
            if not isinstance(engine, Mapping):
                continue
            self.default = str(engine.get("default_runtime_name") or self.default)
            runtimes = engine.get("runtimes")
            for name, runtime in (runtimes if isinstance(runtimes, Mapping) else {}).items():
                options = runtime.get("options") if isinstance(runtime, Mapping) else None
                self.runtimes[name] = str(options.get("BinaryName") or "") if isinstance(options, Mapping) else ""


def limit(text: str) -> str:
    """The soft limit of locked memory in bytes, or ``unlimited``, of /proc/<pid>/limits; "" where it is not said."""
    match = re.search(r"^Max locked memory\s+(\S+)", text, re.M)
    return match[1] if match else ""


def unit_limit(text: str) -> str:
    """The same of ``systemctl show -p LimitMEMLOCK``."""
    match = re.search(r"^LimitMEMLOCK=(\S+)", text, re.M)
    return "" if match is None else UNLIMITED if match[1] in ("infinity", "18446744073709551615") else match[1]


def unit_of(cgroup: str) -> str:
    """The systemd unit that a process belongs to, by /proc/<pid>/cgroup."""
    units = re.findall(r"([^/\s]+\.service)", cgroup)
    return units[-1] if units else ""


def processes(machine: Machine) -> list[Process]:
    """The container runtimes and kubelets of the machine itself; those that run inside of pods are left out."""
    boot = re.search(r"^btime (\d+)", machine.short("/proc/stat"), re.M)
    found = []
    for folder in machine.find("/proc/[0-9]*"):
        name = machine.short(f"{folder}/comm")
        if name not in RUNTIMES and not name.startswith(KUBERNETES):
            continue
        cgroup = machine.short(f"{folder}/cgroup")
        if "kubepods" in cgroup or "/docker/" in cgroup:
            continue
        try:
            words = machine.text(f"{folder}/cmdline")
            limits = machine.text(f"{folder}/limits")
        except Unread:
            continue
        ticks = machine.short(f"{folder}/stat").rpartition(")")[2].split()
        started = float(boot[1]) + int(ticks[19]) / os.sysconf("SC_CLK_TCK") if boot and len(ticks) > 19 else 0.0
        argv = tuple(word for word in words.split("\0") if word)
        found.append(Process(int(folder[6:]), name, argv, unit_of(cgroup), limit(limits), started))
    return sorted(found, key=lambda one: one.pid)


def flavour(found: list[Process]) -> str:
    """k3s, rke2 or ""; rke2's containerd is started by a k3s inside of it."""
    for name in ("rke2", "k3s"):
        if any(one.name.startswith(name) or f"/rancher/{name}/" in " ".join(one.words) for one in found):
            return name
    return ""


def chosen(found: list[Process]) -> Process:
    """The runtime that Kubernetes uses. Raises Unread with the reason where that cannot be told."""
    runtimes = [one for one in found if one.name in RUNTIMES]
    ours = [one for one in runtimes if "/rancher/" in " ".join(one.words)]
    if ours:
        return ours[0]
    asked = {
        endpoint.replace("unix://", "").replace("/var/run/", "/run/")
        for one in found
        if (endpoint := one.option("--container-runtime-endpoint"))
    }
    if asked and len(runtimes) > 1:
        crio = [one for one in runtimes if one.name in ("crio", "cri-o") and any("crio" in socket for socket in asked)]
        runtimes = crio or [one for one in runtimes if one.name == "containerd" and socket_of(one) in asked]
    plain = [one for one in runtimes if one.name != "dockerd"] or runtimes
    if not plain:
        raise Unread("no container runtime of the machine itself is running, or its processes may not be read")
    if len(plain) > 1:
        names = ", ".join(f"{one.name} {one.pid}" for one in plain)
        raise Unread(f"several container runtimes run ({names}), and no kubelet says which one is Kubernetes's")
    return plain[0]


def socket_of(process: Process) -> str:
    """Where a containerd listens."""
    return (process.option("-a", "--address") or DEFAULT_SOCKET).replace("/var/run/", "/run/")


def config_file(machine: Machine, path: str) -> Config:
    """A configuration and what it imports, read as containerd reads it. Raises Unread."""
    config = Config()
    _take(machine, path, config)
    return config


def _take(machine: Machine, path: str, config: Config) -> None:
    if path in config.files:
        return
    config.files.append(path)
    try:
        tables = read(machine.text(path))
    except BadToml as error:
        raise Unread(f"{path} is no TOML: {error}") from error
    config.take(tables)
    imports = tables.get("imports")
    for pattern in imports if isinstance(imports, list) else []:
        absolute = pattern if pattern.startswith("/") else os.path.join(os.path.dirname(path), pattern)
        config.imports.append(absolute)
        for imported in machine.find(absolute):
            _take(machine, imported, config)


def _template(text: str) -> str:
    """A Go template without its directives, as far as its tables go."""
    return "\n".join("" if "{{" in line else line for line in text.splitlines())


def written(machine: Machine, read_files: list[str]) -> Iterator[str]:
    """The files with an nvidia runtime that the runtime does not read."""
    for pattern in WRITTEN:
        for path in machine.find(pattern):
            if path in read_files:
                continue
            config = Config()
            try:
                config.take(read(_template(machine.text(path))))
            except (BadToml, Unread):
                continue
            if any(name.startswith("nvidia") for name in config.runtimes):
                yield path


def facts(machine: Machine, skip: dict[str, str]) -> dict[str, Any]:
    """What is to be known of the runtime; ``skip`` takes what could not be read, with the reason."""
    found = processes(machine)
    told: dict[str, Any] = {"kind": "", "flavour": flavour(found), "toolkit": machine.has(TOOLKIT)}
    try:
        process = chosen(found)
    except Unread as error:
        skip["container runtime"] = str(error)
        return told
    told |= {"kind": process.name, "unit": process.unit, "memlock": process.memlock, "unit_memlock": ""}
    if process.unit:
        try:
            told["unit_memlock"] = unit_limit(machine.run("systemctl", "show", process.unit, "-p", "LimitMEMLOCK")[1])
        except Unread as error:
            skip["memlock of the unit"] = str(error)
    if process.name != "containerd":
        skip["configuration of the container runtime"] = f"{process.name} is not containerd"
        return told
    path = process.option("-c", "--config") or DEFAULT_CONFIG
    told |= {"config": path, "socket": socket_of(process)}
    try:
        config = config_file(machine, path)
    except Unread as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            skip["configuration of the container runtime"] = str(error)
            return told
        config = Config()
    effective = config
    folders = ("/var/lib/rancher/k3s/data/current/bin", "/var/lib/rancher/rke2/bin")
    try:
        code, dump, wrong = machine.run("containerd", "--config", path, "config", "dump", folders=folders)
        if code == 0:
            effective = Config()
            effective.take(read(dump))
        else:
            told["refused"] = " ".join(wrong.split())[-300:]
    except (Unread, BadToml):
        pass  # the files themselves were read, and say the same
    late = []
    for name in config.files:
        try:
            if process.started and machine.changed(name) > process.started + 1:
                late.append(name)
        except Unread:
            continue
    told |= {
        "version": effective.version,
        "runtimes": dict(sorted(effective.runtimes.items())),
        "default_runtime": effective.default,
        "imports": config.imports,
        "files": config.files,
        "unread": list(written(machine, config.files)),
        "later_than_start": late,
        "missing_programs": sorted(
            program
            for name, program in effective.runtimes.items()
            if name.startswith("nvidia") and program.startswith("/") and not machine.has(program)
        ),
    }
    return told
