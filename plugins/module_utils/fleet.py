# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines as arithmetic: who matches, what they agree on, how many engines fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.spec_model import Machine

ANY_PRODUCT = "any"


class Fleet:
    """Machines with GPUs, indexed by product; every answer is computed once per question."""

    def __init__(self, machines: Iterable[Machine]) -> None:
        self.machines = tuple(machine for machine in machines if machine.gpu_count > 0)
        self._by_product: dict[str, list[Machine]] = {}
        for machine in self.machines:
            self._by_product.setdefault(machine.gpu_product or ANY_PRODUCT, []).append(machine)
        self._best: dict[tuple[Any, ...], tuple[int, str]] = {}
        self._fit: dict[tuple[Any, ...], int] = {}
        self._common: dict[tuple[str | None, int], Mapping[str, int]] = {}
        self._counts: dict[str | None, Counter[int]] = {}
        self._memory: dict[str | None, int] = {}

    @property
    def products(self) -> tuple[str, ...]:
        return tuple(sorted(self._by_product))

    def product(self, wanted: str | None) -> str:
        """The product under which a demand is counted: the one asked for, or the fleet's only one, or ``any``."""
        if wanted:
            return wanted
        return self.products[0] if len(self.products) == 1 else ANY_PRODUCT

    def matching(self, product: str | None) -> Sequence[Machine]:
        """The machines of a product, or all. A machine that does not tell its product matches only who does not ask."""
        return self.machines if product is None else self._by_product.get(product, [])

    def gpu_counts(self, product: str | None) -> Counter[int]:
        """How many matching machines have how many GPUs."""
        if product not in self._counts:
            self._counts[product] = Counter(machine.gpu_count for machine in self.matching(product))
        return self._counts[product]

    def gpu_memory(self, product: str | None) -> int:
        """GiB of the largest matching GPU; 0 where no machine tells."""
        if product not in self._memory:
            self._memory[product] = max((m.gpu_memory_gib or 0 for m in self.matching(product)), default=0)
        return self._memory[product]

    def capacity(self) -> dict[str, int]:
        """GPUs by product."""
        return {product: sum(m.gpu_count for m in found) for product, found in sorted(self._by_product.items())}

    def whole_machine_extras(self, product: str | None, gpus_per_node: int) -> Mapping[str, int]:
        """The extra resources of the matching machines, where a rank takes all GPUs of any of them and all agree."""
        key = (product, gpus_per_node)
        if key not in self._common:
            machines = self.matching(product)
            first = machines[0].extra_resources if machines else {}
            whole = all(m.gpu_count == gpus_per_node and m.extra_resources == first for m in machines)
            self._common[key] = dict(first) if machines and whole else {}
        return self._common[key]

    def best_domain(self, product: str | None, gpus_per_node: int, level: str | None) -> tuple[int, str]:
        """(machines with enough GPUs, domain) of the domain with most of them; level None: the whole fleet."""
        key = (product, gpus_per_node, level)
        if key not in self._best:
            counts: Counter[str] = Counter()
            for machine in self.matching(product):
                if machine.gpu_count >= gpus_per_node and (level is None or level in machine.domains):
                    counts["" if level is None else machine.domains[level]] += 1
            self._best[key] = max(((count, name) for name, count in sorted(counts.items())), default=(0, ""))
        return self._best[key]

    def engines_that_fit(
        self, product: str | None, node_count: int, gpus_per_node: int, level: str | None, spread: bool
    ) -> int:
        """Engines of one shape that an empty fleet holds, each within one domain of ``level`` (None: anywhere)."""
        key = (product, node_count, gpus_per_node, level, spread)
        if key not in self._fit:
            domains: dict[str, list[int]] = {}
            for machine in self.matching(product):
                slots = machine.gpu_count // gpus_per_node
                if slots and (level is None or level in machine.domains):
                    domains.setdefault("" if level is None else machine.domains[level], []).append(slots)
            # Racks are mostly alike.
            alike = Counter(tuple(sorted(slots)) for slots in domains.values())
            self._fit[key] = sum(count * _engines(slots, node_count, spread) for slots, count in alike.items())
        return self._fit[key]


def _engines(slots: Sequence[int], node_count: int, spread: bool) -> int:
    """Engines of ``node_count`` ranks on machines with so many free slots, one rank per machine where ``spread``."""
    total = sum(slots)
    if not spread:
        return total // node_count
    # k engines fit exactly when the machines, each giving at most k ranks, give k * node_count of them.
    low, high = 0, total // node_count
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(count, middle) for count in slots) >= middle * node_count:
            low = middle
        else:
            high = middle - 1
    return low
