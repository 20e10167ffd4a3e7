# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of GPU machines, against files and output written after upstream's documentation: no lab has such."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils import (
    host_facts,
    host_fleet,
    host_judge,
    host_runtime,
    host_toml,
)
from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.host_machine import Machine

from tests.unit.plugins.module_utils import recorded_hosts as recorded
from tests.unit.plugins.module_utils.recorded_hosts import BOOT, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def facts(host: Host, **expected: Any) -> dict[str, Any]:
    read = host_facts.facts(Machine(str(host.root), [str(host.commands)]), expected)
    # As it travels from the machine to the controller
    told: dict[str, Any] = json.loads(json.dumps(read))
    return told


def judged(host: Host, **expected: Any) -> list[Finding]:
    return host_judge.judge("gpu-1", facts(host, **expected))


def only(found: list[Finding], kind: str, severity: str = "error") -> Finding:
    assert [(one.id, one.severity) for one in found] == [(kind, severity)], found
    return found[0]


def test_a_healthy_machine_has_no_finding(host: Host) -> None:
    assert judged(host, driver="operator", gpu_count=8) == []
    read = facts(host)
    assert read["driver"] == {
        "loaded": "580.95.05",
        "flavour": "open",
        "packages": [],
        "files": [],
        "container": True,
    }
    assert (len(read["pci"]["gpus"]), len(read["rdma"]), read["memory"]["numa_nodes"]) == (8, 8, 2)
    assert read["skipped"] == []


def test_f30_a_gpu_that_fell_off_the_bus(host: Host) -> None:
    host.remove("/sys/bus/pci/devices/0000:18:00.0")
    assert "7 of the 8 GPUs" in only(judged(host, gpu_count="8"), "MN-F30").message
    assert judged(host) == []


# ---- F38: drivers ---------------------------------------------------------------------------------------------------


def test_f38_nouveau_holds_the_gpus(host: Host) -> None:
    host.modules("nouveau", "drm")
    host.write("/etc/modprobe.d/blacklist.conf", "# blacklist nouveau\n")
    host.remove("/proc/driver/nvidia", "/run/nvidia")
    found = only(judged(host, driver="operator"), "MN-F38")
    assert "nouveau is loaded" in found.message and "gpu_host_fix: {nouveau: true}" in found.remedy


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/modprobe.d/blacklist.conf", "blacklist nouveau\n"),
        ("/usr/lib/modprobe.d/nvidia.conf", "install nouveau /bin/false\n"),
        ("/proc/cmdline", "ro rd.driver.blacklist=nouveau,nova_core quiet\n"),
        ("/proc/cmdline", "ro modprobe.blacklist=nouveau\n"),
    ],
)
def test_f38_nouveau_is_blocked_and_a_reboot_is_due(host: Host, path: str, text: str) -> None:
    host.write("/etc/modprobe.d/blacklist.conf", "")
    host.write(path, text)
    host.modules("nouveau")
    assert only(judged(host), "MN-F38").message == "nouveau is blocked by configuration, and still loaded since before"


def test_f38_nouveau_does_not_matter_without_a_gpu(tmp_path: Path) -> None:
    host = Host(tmp_path / "plain", gpus=0)
    host.modules("nouveau")
    assert judged(host, driver="host") == []


@pytest.mark.parametrize(("driver", "severity"), [("operator", "error"), ("auto", "warning")])
def test_f38_a_package_brings_a_driver_that_the_operator_is_to_install(host: Host, driver: str, severity: str) -> None:
    host.command("dpkg-query", recorded.DPKG["driver"] + recorded.DPKG["toolkit"])
    found = only(judged(host, driver=driver), "MN-F38", severity)
    assert "nvidia-driver-580-server 580.95.05" in found.message
    # removed with its configuration kept, never installed, or no driver at all
    assert not any(name in found.message for name in ("550", "535", "toolkit", "nccl"))
    assert ("its driver pods crash" in found.message) == (driver == "operator")


def test_f38_red_hat(host: Host) -> None:
    (host.commands / "dpkg-query").unlink()
    host.command("rpm", recorded.RPM)
    assert "kmod-nvidia-open-dkms 580.95.05-1.el9" in only(judged(host, driver="operator"), "MN-F38").message


@pytest.mark.parametrize("path", ["/usr/bin/nvidia-uninstall", "/lib/modules/6.8.0-85-generic/modules.dep"])
def test_f38_a_driver_without_a_package(host: Host, path: str) -> None:
    host.write(path, "kernel/drivers/hid/hid-nvidia-shield.ko.zst:\nupdates/dkms/nvidia.ko.zst: kernel/drm.ko\n")
    found = only(judged(host, driver="operator"), "MN-F38").message
    assert "/usr/bin/nvidia-uninstall" in found or "/lib/modules/6.8.0-85-generic/updates/dkms/nvidia.ko.zst" in found


def test_f38_loaded_by_nobody_that_is_known(host: Host) -> None:
    host.remove("/run/nvidia")
    assert "neither a package" in only(judged(host, driver="operator"), "MN-F38", "warning").message


def test_f38_the_machine_is_to_bring_the_driver(host: Host) -> None:
    host.command("dpkg-query", recorded.DPKG["driver"])
    host.remove("/run/nvidia")
    assert judged(host, driver="host") == []
    host.remove("/proc/driver/nvidia")
    assert "is installed (nvidia-driver-580-server" in only(judged(host, driver="host"), "MN-F38").message
    host.command("dpkg-query", "")
    assert "none is installed or loaded" in only(judged(host, driver="host"), "MN-F38").message


def test_f38_an_upgrade_under_a_loaded_driver(host: Host) -> None:
    host.command("dpkg-query", recorded.DPKG["driver"].replace("580.95", "580.105"))
    host.remove("/run/nvidia")
    found = only(judged(host, driver="host"), "MN-F38")
    assert "580.95.05 is loaded" in found.message and "580.105.05" in found.message


def test_driver_versions() -> None:
    assert host_facts.driver_version(recorded.DRIVER_OPEN) == ("580.95.05", "open")
    assert host_facts.driver_version(recorded.DRIVER_PROPRIETARY) == ("570.86.15", "proprietary")
    assert host_facts.driver_version("") == ("", "proprietary")


# ---- F39: the container runtime's configuration ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "drop_in"),
    [(recorded.CONTAINERD_2, recorded.NVIDIA_2), (recorded.CONTAINERD_3, recorded.NVIDIA_3)],
    ids=["version 2", "version 3"],
)
def test_f39_a_drop_in_is_read_where_it_is_imported(host: Host, main: str, drop_in: str) -> None:
    host.write("/etc/containerd/config.toml", main)
    host.write("/etc/containerd/conf.d/99-nvidia.toml", drop_in)
    runtime = facts(host)["runtime"]
    assert sorted(runtime["runtimes"]) == ["nvidia", "runc"]
    assert runtime["default_runtime"] == "runc"
    assert runtime["runtimes"]["nvidia"] == "/usr/local/nvidia/toolkit/nvidia-container-runtime"
    assert judged(host) == []
    host.write("/etc/containerd/config.toml", main.replace("imports", "exports"))
    found = only(judged(host), "MN-F39")
    assert "/etc/containerd/conf.d/99-nvidia.toml; containerd reads /etc/containerd/config.toml" in found.message
    assert 'imports = ["/etc/containerd/conf.d/*.toml"]' in found.remedy


def test_f39_the_misspelt_folder_of_toolkit_1_18_0(host: Host) -> None:
    host.remove("/etc/containerd/conf.d")
    host.write("/etc/containerd/config.d/99-nvidia.toml", recorded.NVIDIA_2)
    assert "/etc/containerd/config.d/99-nvidia.toml" in only(judged(host), "MN-F39").message


def test_f39_a_toolkit_that_configured_nothing(host: Host) -> None:
    host.remove("/etc/containerd/conf.d")
    assert "no file has an nvidia runtime" in only(judged(host), "MN-F39").message
    # By NRI it has nothing to configure
    assert judged(host, nri=True) == []


def test_f39_k3s_beside_docker(host: Host) -> None:
    host.k3s()
    host.write("/etc/containerd/config.toml", recorded.NVIDIA_2)
    found = only(judged(host), "MN-F39")
    base = "/var/lib/rancher/k3s/agent/etc/containerd"
    assert f"/etc/containerd/config.toml; containerd of k3s reads {base}/config.toml" in found.message
    assert "CONTAINERD_SOCKET, value: /run/k3s/containerd/containerd.sock" in found.remedy
    assert "restart k3s-agent.service" in found.remedy
    host.write(f"{base}/config-v3.toml.d/nvidia.toml", recorded.NVIDIA_3)
    assert judged(host) == []


def test_f39_a_template_of_a_format_that_is_not_read(host: Host) -> None:
    """containerd 2 in k3s takes config-v3.toml.tmpl; the older name is ignored beside it."""
    host.k3s()
    host.remove("/etc/containerd")
    template = '{{ template "base" . }}\n' + recorded.NVIDIA_2
    host.write("/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl", template)
    found = only(judged(host), "MN-F39")
    assert "config.toml.tmpl" in found.message
    assert "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl, of which k3s makes" in found.remedy


@pytest.mark.parametrize(
    ("config", "unread", "read", "template"),
    [
        (recorded.K3S_CONFIG, "config.toml.d", "config-v3.toml.d", "config-v3.toml.tmpl"),
        (
            recorded.K3S_CONFIG.replace("config-v3", "config").replace("version = 3", "version = 2"),
            "config-v3.toml.d",
            "config.toml.d",
            "config.toml.tmpl",
        ),
    ],
)
def test_f39_k3s_reads_one_folder_and_writes_its_configuration_itself(
    host: Host, config: str, unread: str, read: str, template: str
) -> None:
    host.k3s()
    host.remove("/etc/containerd")
    base = "/var/lib/rancher/k3s/agent/etc/containerd"
    host.write(f"{base}/config.toml", config)
    host.write(f"{base}/{unread}/99-nvidia.toml", recorded.NVIDIA_2)
    remedy = only(judged(host), "MN-F39").remedy
    assert f"RUNTIME_DROP_IN_CONFIG, value: {base}/{read}/99-nvidia.toml" in remedy
    assert f"{base}/{template}" in remedy
    assert "at the top of" not in remedy


@pytest.mark.parametrize(
    ("socket", "wrong"),
    [("", False), ("/run/containerd/containerd.sock", True), ("unix:///var/run/k3s/containerd/containerd.sock", False)],
)
def test_f39_before_the_toolkit_comes_to_k3s(host: Host, socket: str, wrong: bool) -> None:
    host.k3s()
    host.remove("/etc/containerd", "/usr/local/nvidia")
    found = judged(host, toolkit_socket=socket)
    assert [one.id for one in found] == ["MN-F39"] * wrong
    assert not wrong or "instead of /run/k3s/containerd/containerd.sock" in found[0].message
    assert judged(host, toolkit=False, runtime="containerd") == []
    assert judged(host, runtime="k3s") == []
    assert "set up for containerd, and Kubernetes uses" in only(judged(host, runtime="containerd"), "MN-F39").message


def test_f39_before_the_toolkit_comes_to_a_path_of_ones_own(host: Host) -> None:
    host.remove("/etc/containerd", "/usr/local/nvidia", "/proc/901")
    host.process(901, "containerd", "/usr/bin/containerd", "--config=/opt/k8s/containerd.toml")
    host.write("/opt/k8s/containerd.toml", recorded.CONTAINERD_3)
    default = "/run/containerd/containerd.sock"
    for told in ({}, {"toolkit_socket": default}, {"runtime": "containerd"}):
        found = only(judged(host, **told), "MN-F39")
        assert "/etc/containerd/config.toml instead of /opt/k8s/containerd.toml" in found.message
    assert judged(host, nri=True) == []
    assert judged(host, toolkit_config="/opt/k8s/containerd.toml") == []
    assert judged(host, toolkit_config="/opt/k8s/conf.d/99-nvidia.toml") == []


def test_f39_before_the_toolkit_comes_to_k0s(host: Host) -> None:
    host.remove("/etc/containerd", "/usr/local/nvidia", "/proc/901", "/proc/812")
    host.process(800, "k0s", "/usr/local/bin/k0s", "worker", unit="k0sworker.service")
    config, socket = "/etc/k0s/containerd.toml", "/run/k0s/containerd.sock"
    host.process(901, "containerd", "containerd", f"--address={socket}", f"--config={config}", unit="k0sworker.service")
    host.write(config, 'version = 3\nimports = ["/etc/k0s/containerd.d/*.toml"]\n')
    found = only(judged(host), "MN-F39")
    assert f"socket /run/containerd/containerd.sock instead of {socket}" in found.message
    assert f"CONTAINERD_CONFIG, value: {config}" in found.remedy
    assert judged(host, toolkit_socket=socket, toolkit_config="/etc/k0s/containerd.d/nvidia.toml") == []


def test_f39_what_containerd_says_of_itself_counts(host: Host) -> None:
    """A drop-in that lies in an imported folder, and that containerd leaves out."""
    host.command("containerd", recorded.CONTAINERD_3)
    assert [one.id for one in judged(host)] == ["MN-F39"]
    host.command("containerd", recorded.CONTAINERD_3 + recorded.NVIDIA_3.replace("version = 3", ""))
    assert judged(host) == []


def test_f39_a_configuration_that_containerd_refuses(host: Host) -> None:
    wrong = "containerd: failed to load TOML from /etc/containerd/conf.d/99-nvidia.toml: expected version 2, got 4"
    host.command("containerd", "", 1, wrong)
    assert wrong in only(judged(host), "MN-F39").message


def test_f39_written_after_containerd_started(host: Host) -> None:
    host.write("/etc/containerd/conf.d/99-nvidia.toml", recorded.NVIDIA_2, changed=BOOT + 3600)
    found = only(judged(host), "MN-F39", "warning")
    assert found.remedy == "restart containerd.service"


def test_f39_the_runtimes_program_is_gone(host: Host) -> None:
    host.remove("/usr/local/nvidia")
    assert "/usr/local/nvidia/toolkit/nvidia-container-runtime is not there" in only(judged(host), "MN-F39").message


def test_the_runtime_that_the_kubelet_names_counts(host: Host) -> None:
    words = ("/usr/bin/containerd", "-c", "/etc/other/config.toml", "-a", "/run/other.sock")
    host.process(950, "containerd", *words, unit="other.service")
    skipped = [entry["what"] for entry in facts(host)["skipped"]]
    assert skipped == ["container runtime"]
    found = only(judged(host), "MN-F92", "warning")
    assert "several container runtimes run (containerd 901, containerd 950)" in found.message
    host.write("/etc/other/config.toml", recorded.NVIDIA_3)
    host.process(812, "kubelet", "/usr/bin/kubelet", "--container-runtime-endpoint=unix:///var/run/other.sock")
    runtime = facts(host)["runtime"]
    assert (runtime["config"], runtime["unit"]) == ("/etc/other/config.toml", "other.service")


def test_a_containerd_inside_of_a_pod_does_not_count(host: Host) -> None:
    host.process(4000, "containerd", "containerd", cgroup="0::/kubepods.slice/kubepods-pod1.slice/cri-1.scope\n")
    assert judged(host) == []


def test_cri_o_is_not_judged_and_that_is_said(host: Host) -> None:
    host.remove("/proc/901")
    host.process(901, "crio", "/usr/bin/crio", memlock="65536", unit="crio.service")
    host.unit_limit("65536")
    found = judged(host)
    assert [one.id for one in found] == ["MN-F46", "MN-F92"]
    assert "crio is not containerd" in found[1].message


# ---- F45: CNI plugins ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["/opt/cni/bin", "/var/lib/cni/bin", "/var/lib/rancher/k3s/data/current/bin"])
def test_f45_a_cni_plugin_that_is_not_there(host: Host, folder: str) -> None:
    host.write(f"{folder}/macvlan", "")
    assert judged(host, cni_plugins=["macvlan"]) == []
    found = only(judged(host, cni_plugins=["macvlan", "host-device", "ipoib"]), "MN-F45")
    assert found.message == f"host-device, ipoib is not among its CNI plugins ({folder})"


def test_f45_a_machine_without_any(host: Host) -> None:
    assert judged(host) == []
    assert only(judged(host, cni_plugins=["ipoib"]), "MN-F45").message == "it has no CNI plugins at all"


# ---- F46: locked memory ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bytes_", "said"), [("8388608", "8 MiB"), ("65536", "64 KiB"), ("512", "512 bytes")])
def test_f46_little_memory_may_be_locked(host: Host, bytes_: str, said: str) -> None:
    host.containerd(memlock=bytes_)
    host.unit_limit(bytes_)
    found = only(judged(host), "MN-F46")
    assert (
        f"containers may lock {said} of memory (containerd): in pods that are non-root, or without IPC_LOCK"
        in found.message
    )
    assert "LimitMEMLOCK=infinity for containerd.service" in found.remedy


def test_f46_the_unit_was_mended_and_not_restarted(host: Host) -> None:
    host.containerd(memlock="8388608")
    found = only(judged(host), "MN-F46")
    assert found.remedy.startswith("restart containerd.service")


def test_f46_does_not_matter_without_rdma(tmp_path: Path) -> None:
    host = Host(tmp_path / "tcp", nics=0)
    host.containerd(memlock="8388608")
    assert judged(host) == []


def test_limits() -> None:
    assert host_runtime.limit(recorded.LIMITS.format("8388608")) == "8388608"
    assert host_runtime.limit("") == ""
    assert host_runtime.unit_limit("LimitMEMLOCK=18446744073709551615\n") == "unlimited"
    assert host_runtime.unit_limit("LimitMEMLOCKSoft=1\nLimitMEMLOCK=65536\n") == "65536"
    assert host_runtime.unit_limit("") == ""


# ---- IOMMU, ACS, NICs -----------------------------------------------------------------------------------------------


def test_an_iommu_that_translates(host: Host) -> None:
    host.device("0000:18:00.0", "0x030200", "0x10de", iommu="DMA-FQ")
    host.write("/proc/cmdline", "ro intel_iommu=on\n")
    found = only(judged(host), "MN-N50", "warning")
    assert "0000:18:00.0 (kernel: intel_iommu=on)" in found.message
    host.write("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n")
    assert judged(host) == []


def test_acs_redirects(host: Host) -> None:
    host.bridge("0000:80:01.0", 0x001D)
    found = only(judged(host), "MN-N51", "warning")
    assert "at 1 of 4 PCI bridges (0000:80:01.0)" in found.message
    host.write("/proc/cpuinfo", "flags\t\t: fpu hypervisor lahf_lm\n")
    assert judged(host) == []


def test_f92_without_root_acs_is_not_known(host: Host) -> None:
    host.bridge("0000:80:01.0", 0x001D, size=64)
    found = only(judged(host), "MN-F92", "warning")
    assert found.message == "not checked: ACS, because only root reads the extended configuration space of PCI devices"
    assert "become: true" in found.remedy


def test_f92_files_that_only_root_reads(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        monkeypatch.setattr(Machine, "bytes", denied("/etc/containerd/config.toml", Machine.bytes))
    else:
        host.path("/etc/containerd/config.toml").chmod(0)
    found = only(judged(host), "MN-F92", "warning")
    assert "configuration of the container runtime, because /etc/containerd/config.toml: Perm" in found.message


def denied(path: str, real: Any) -> Any:
    """Root reads everything: what others see is played."""

    def read(self: Machine, asked: str, size: int = -1) -> Any:
        if asked == path:
            raise host_runtime.Unread(f"{path}: Permission denied") from PermissionError()
        return real(self, asked, size)

    return read


def test_f92_nothing_at_all(tmp_path: Path) -> None:
    found = host_judge.judge("m", host_facts.facts(Machine(str(tmp_path)), {"gpu_count": 8}))
    assert {one.id for one in found} == {"MN-F92"}
    whats = [one.message.split(", because")[0].removeprefix("not checked: ") for one in found]
    assert whats == ["PCI devices", "container runtime", "driver packages", "kernel modules"]


def test_no_rdma_port_is_active(host: Host) -> None:
    for number in range(8):
        host.nic(number, state="1: DOWN")
    assert "none of its 8 RDMA ports is active: mlx5_0/1 DOWN" in only(judged(host), "MN-N52").message


def test_a_command_that_hangs_or_fails_is_a_reason(host: Host) -> None:
    (host.commands / "dpkg-query").write_text("no script", encoding="utf-8")
    (host.commands / "systemctl").unlink()
    reasons = {entry["what"]: entry["why"] for entry in facts(host)["skipped"]}
    assert sorted(reasons) == ["driver packages", "memlock of the unit"]
    assert reasons["memlock of the unit"] == "there is no command systemctl"


# ---- a fleet --------------------------------------------------------------------------------------------------------


def fleet(tmp_path: Path, **change: Any) -> list[dict[str, Any]]:
    """Three machines; ``change`` is done to the last."""
    machines = []
    for number in range(1, 4):
        host = Host(tmp_path / f"m{number}")
        for name, words in (change if number == 3 else {}).items():
            getattr(host, name)(*words)
        machines.append({"name": f"gpu-{number}", "facts": facts(host, gpu_product="H100")})
    return machines


def test_machines_that_are_alike(tmp_path: Path) -> None:
    told = host_fleet.report(fleet(tmp_path), [], "2026-11-24")
    assert (told["findings"], told["failing"]) == ([], {})
    assert told["lines"] == [
        "  MACHINE  KERNEL            DRIVER     RUNTIME     MEMLOCK    GPUS  RDMA            FINDINGS",
        *(
            f"  gpu-{number}    6.8.0-85-generic  580.95.05  containerd  unlimited  8     8/8 InfiniBand  0"
            for number in (1, 2, 3)
        ),
    ]


def test_f99_one_port_of_another_fabric(tmp_path: Path) -> None:
    machines = fleet(tmp_path)
    for number, port in enumerate(machines[2]["facts"]["rdma"]):
        port.update(link="Ethernet", mtu=9000 if number else 1500)
    told = host_fleet.report(machines, [], "2026-11-24")
    assert [(one["id"], one["machines"]) for one in told["findings"]] == [("MN-F99", ["gpu-3"])]
    message = told["findings"][0]["message"]
    assert message == "not alike: link type of the RDMA ports: InfiniBand on gpu-1, gpu-2; Ethernet on gpu-3"
    assert list(told["failing"]) == ["gpu-3"]


def test_mtus_are_compared_over_the_whole_fleet(tmp_path: Path) -> None:
    machines = fleet(tmp_path)
    for machine, mtu, product in zip(machines, (9000, 9000, 1500), ("H100", "H200", "H200"), strict=True):
        machine["facts"]["expected"]["gpu_product"] = product
        for port in machine["facts"]["rdma"]:
            port.update(link="Ethernet", mtu=mtu)
    found = host_fleet.report(machines, [], "2026-11-24")["findings"]
    assert [(one["id"], one["subject"], one["severity"]) for one in found] == [("MN-N53", "gpu-3", "warning")]


def test_drivers_are_compared_among_machines_with_the_same_gpus(tmp_path: Path) -> None:
    machines = fleet(tmp_path, write=("/proc/driver/nvidia/version", recorded.DRIVER_PROPRIETARY))
    found = host_fleet.report(machines, [], "2026-11-24")["findings"]
    assert [(one["id"], one["subject"]) for one in found] == [("MN-N54", "gpu-3")]
    assert "580.95.05 (open) on gpu-1, gpu-2; 570.86.15 (proprietary) on gpu-3" in found[0]["message"]
    machines[2]["facts"]["expected"]["gpu_product"] = "H200"
    assert host_fleet.report(machines, [], "2026-11-24")["findings"] == []


def test_no_majority_names_everybody(tmp_path: Path) -> None:
    machines = fleet(tmp_path)[:2]
    machines[0]["facts"]["kernel"] = "5.15.0-1"
    found = host_fleet.report(machines, [], "2026-11-24")["findings"]
    assert [(one["subject"], one["severity"]) for one in found] == [("gpu-1, gpu-2", "note")]


def test_the_same_on_many_machines_is_told_once_and_waived_for_all(tmp_path: Path) -> None:
    machines = fleet(tmp_path)
    for machine in machines:
        machine["facts"]["runtime"].update(memlock="8388608", unit_memlock="8388608")
    told = host_fleet.report(machines, [], "2026-11-24")
    assert [(one["subject"], len(one["machines"])) for one in told["findings"]] == [("gpu-1, gpu-2, gpu-3", 3)]
    assert sorted(told["failing"]) == ["gpu-1", "gpu-2", "gpu-3"]
    waivers = [{"id": "MN-F46", "reason": "all pods have IPC_LOCK", "until": "2026-11-24"}]
    told = host_fleet.report(machines, waivers, "2026-11-24")
    assert told["failing"] == {} and told["findings"][0]["waived"] == "all pods have IPC_LOCK"
    assert told["lines"][-1].startswith("waived (all pods have IPC_LOCK) error MN-F46")
    assert host_fleet.report(machines, waivers, "2026-11-25")["failing"] != {}


def test_f92_a_machine_that_did_not_answer_is_not_left_out(tmp_path: Path) -> None:
    machines = [*fleet(tmp_path)[:1], {"name": "gpu-9", "facts": {}, "unread": "Connection timed out"}]
    told = host_fleet.report(machines, [], "2026-11-24")
    assert list(told["failing"]) == ["gpu-9"]
    assert "not checked at all: Connection timed out" in told["failing"]["gpu-9"][0]
    assert told["lines"][2].split() == ["gpu-9", *"??????", "1"]


# ---- TOML -----------------------------------------------------------------------------------------------------------


def test_toml_of_containerd() -> None:
    text = """
    # a comment
    version = 2
    oom_score = -999
    disabled_plugins = []
    imports = ["/etc/a#b/*.toml", # not the end
      '/etc/c/*.toml',
    ]
    a.b."c.d" = "with \\"quotes\\" = and # signs"
    [plugins."io.containerd.grpc.v1.cri".registry] # a table
      config_path = '/etc/certs'
      limit = 1.5
    [[proxy_plugins]]
      type = "snapshot"
    """
    assert host_toml.read(text) == {
        "version": 2,
        "oom_score": -999,
        "disabled_plugins": [],
        "imports": ["/etc/a#b/*.toml", "/etc/c/*.toml"],
        "a": {"b": {"c.d": 'with \\"quotes\\" = and # signs'}},
        "plugins": {"io.containerd.grpc.v1.cri": {"registry": {"config_path": "/etc/certs", "limit": "1.5"}}},
    }


@pytest.mark.parametrize("text", ["[a", "no value", "a = 1\n[a.b]", "a = [1,\n2", "= 3", "[a..b]", "[a b]"])
def test_what_is_no_toml_is_said_with_its_line(text: str) -> None:
    with pytest.raises(host_toml.BadToml, match="line "):
        host_toml.read(text)


def test_a_broken_configuration_is_no_pass(host: Host) -> None:
    host.write("/etc/containerd/config.toml", "version = 2\n[plugins\n")
    assert "is no TOML: line 2" in only(judged(host), "MN-F92", "warning").message
