# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines beside each other: what differs between machines that are to be alike, and one report over all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.checks.findings import SEVERITIES, Finding
from ansible_collections.dynamo.multinode.plugins.module_utils.components import waived
from ansible_collections.dynamo.multinode.plugins.module_utils.host_judge import Facts, judge

ACTIVE = "ACTIVE"
_HEAD = ("  MACHINE", "KERNEL", "DRIVER", "RUNTIME", "MEMLOCK", "GPUS", "RDMA", "FINDINGS")


@dataclass(frozen=True)
class Alike:
    """Something that machines are to have in common. ``value`` gives "" where a machine has nothing to compare.

    everywhere: over the whole fleet, instead of among machines with the same GPUs.
    """

    id: str
    severity: str
    what: str
    value: Callable[[Facts], str]
    remedy: str
    everywhere: bool = False


def _links(facts: Facts) -> str:
    """Link types of the active ports. A machine may have both; then all have to."""
    return " and ".join(sorted({port["link"] for port in facts["rdma"] if port["state"] == ACTIVE and port["link"]}))


def _mtus(facts: Facts) -> str:
    """InfiniBand negotiates its own; the interface's MTU is that of IP over it."""
    ethernet = {port["mtu"] for port in facts["rdma"] if port["link"] == "Ethernet" and port["state"] == ACTIVE}
    return ", ".join(str(mtu) for mtu in sorted(ethernet - {0}))


def _ports(facts: Facts) -> str:
    active = [port for port in facts["rdma"] if port["state"] == ACTIVE]
    rates = sorted({port["rate"].split(" (")[0] for port in active})
    return f"{len(active)} ({', '.join(rates)})" if facts["rdma"] else ""


def _firmware(facts: Facts) -> str:
    return ", ".join(sorted({port["firmware"] for port in facts["rdma"] if port["firmware"]}))


def _driver(facts: Facts) -> str:
    driver = facts["driver"]
    return f"{driver['loaded']} ({driver['flavour']})" if driver["loaded"] else ""


def _memory(facts: Facts) -> str:
    memory = facts["memory"]
    pages = f"{memory['huge_pages']} huge pages of {memory['huge_page_kib']} KiB"
    return f"{pages}, {memory['numa_nodes']} NUMA nodes"


ALIKE = (
    Alike(
        "MN-F99", "error", "link type of the RDMA ports", _links, "an engine meets over one fabric: set it alike", True
    ),
    Alike("MN-N53", "warning", "MTU of the RDMA interfaces", _mtus, "set one MTU on machines and switches", True),
    Alike("MN-N54", "warning", "active RDMA ports", _ports, "look at the ports that are down"),
    Alike("MN-N54", "warning", "NVIDIA driver", _driver, "bring them to one version: ranks of one engine share NCCL"),
    Alike("MN-N54", "warning", "memory for huge pages and NUMA", _memory, "set them alike, in firmware and kernel"),
    Alike("MN-N54", "note", "kernel", lambda facts: str(facts["kernel"]), "bring them to one version"),
    Alike("MN-N54", "note", "firmware of the RDMA devices", _firmware, "bring them to one version"),
)


@dataclass(frozen=True)
class Told:
    """A finding and the machines that it is about."""

    finding: Finding
    machines: tuple[str, ...]


def differences(machines: Mapping[str, Facts]) -> Iterator[Told]:
    """What differs; the subject is who differs from most, or everybody where no value is more common."""
    for rule in ALIKE:
        groups: dict[str, dict[str, list[str]]] = {}
        for name, facts in machines.items():
            value = rule.value(facts)
            if value:
                alike = "" if rule.everywhere else str(facts["expected"].get("gpu_product", ""))
                groups.setdefault(alike, {}).setdefault(value, []).append(name)
        for product, values in groups.items():
            if len(values) < 2:
                continue
            ranked = sorted(values.items(), key=lambda item: (-len(item[1]), item[0]))
            tie = len(ranked[0][1]) == len(ranked[1][1])
            odd = tuple(sorted(name for _value, names in (ranked if tie else ranked[1:]) for name in names))
            told = "; ".join(f"{value} on {_names(names)}" for value, names in ranked)
            among = f" among the machines with {product}" if product else ""
            yield Told(
                Finding(
                    rule.id,
                    rule.severity,
                    _names(odd),
                    f"not alike{among}: {rule.what}: {told}",
                    rule.remedy,
                ),
                odd,
            )


def _names(names: Sequence[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")


def findings(machines: Sequence[Mapping[str, Any]]) -> list[Told]:
    """machines: {name, facts} or, where nothing could be read, {name, unread: the reason}. The same thing on several
    machines is told once."""
    known = {str(one["name"]): one["facts"] for one in machines if one.get("facts")}
    same: dict[tuple[str, str, str, str], list[str]] = {}
    for one in machines:
        name = str(one["name"])
        if name in known:
            found = judge(name, known[name])
        else:
            why = str(one.get("unread") or "nothing was read")
            found = [
                Finding("MN-F92", "error", name, f"not checked at all: {why}", "make the machine reachable over SSH")
            ]
        for finding in found:
            same.setdefault((finding.id, finding.severity, finding.message, finding.remedy), []).append(name)
    told = [
        Told(Finding(kind, severity, _names(names), message, remedy), tuple(names))
        for (kind, severity, message, remedy), names in same.items()
    ]
    return sorted([*told, *differences(known)], key=lambda one: SEVERITIES.index(one.finding.severity))


def report(machines: Sequence[Mapping[str, Any]], waivers: Sequence[Mapping[str, Any]], today: str) -> dict[str, Any]:
    """Findings with their machines and waivers, the errors nobody waived by machine, and lines for people."""
    told = findings(machines)
    judged = list(zip(told, waived([one.finding for one in told], waivers, today)))
    failing: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    lines = []
    for one, (finding, reason) in judged:
        lines.append(f"{'waived (' + reason + ') ' if reason else ''}{finding}")
        for name in one.machines:
            counts[name] = counts.get(name, 0) + (reason is None)
            if finding.severity == "error" and reason is None:
                failing.setdefault(name, []).append(f"{finding.id} {finding.message}. {finding.remedy}")
    rows = [_row(one, counts.get(str(one["name"]), 0)) for one in machines]
    return {
        "findings": [
            {**finding.to_dict(), "machines": list(one.machines), "waived": reason or ""}
            for one, (finding, reason) in judged
        ],
        "failing": failing,
        "lines": [*_table(rows), *lines],
    }


def _row(one: Mapping[str, Any], count: int) -> tuple[str, ...]:
    facts = one.get("facts")
    if not facts:
        return (f"  {one['name']}", "?", "?", "?", "?", "?", "?", str(count))
    runtime = facts["runtime"]
    kind = " ".join(filter(None, (runtime.get("flavour"), runtime.get("kind")))) or "?"
    active = sum(port["state"] == ACTIVE for port in facts["rdma"])
    ports = f"{active}/{len(facts['rdma'])} {_links(facts)}".strip() if facts["rdma"] else "none"
    loaded = facts["driver"]["loaded"] or "none"
    return (
        f"  {one['name']}",
        str(facts["kernel"]) or "?",
        loaded,
        kind,
        runtime.get("memlock") or "?",
        str(len(facts["pci"]["gpus"])),
        ports,
        str(count),
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    table = [_HEAD, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
