# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove each check of the collection, one at a time, and see that a unit test misses it.

A check is a function in a tuple named ``..._CHECKS`` of plugins/module_utils/checks. One pytest session collects the
tests once and runs them all, noting in which of them a check had something to say: only these can miss it. Then, check
by check, the tuples are without it, and those tests run until one fails. Prints check -> test; fails where none did.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import wraps
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tools.bootstrap import LOCAL, ROOT
from tools.results import Case, finish

PREFIX = "ansible_collections.dynamo.multinode.plugins.module_utils."
TESTS = ROOT / "tests" / "unit" / "plugins"
# Tests that ask what is wrong; the others cannot miss a check.
ASKING = re.compile(r"MN-[FN]\d|problems\(|findings|SpecError|_CHECKS")
# Thousands of random inputs: they say that what is accepted is right, not that something is refused.
LEFT_OUT = ("test_property_*", "test_parallelism.py")

Check = Callable[..., Any]


def check_modules() -> list[ModuleType]:
    package = importlib.import_module(f"{PREFIX}checks")
    names = [one.name for one in pkgutil.walk_packages(package.__path__, f"{PREFIX}checks.")]
    return [package, *(importlib.import_module(name) for name in names)]


def registered(modules: list[ModuleType]) -> dict[str, Check]:
    """Every check by ``module.function``, in the order of the registries."""
    found: dict[str, Check] = {}
    for module in modules:
        for name, value in vars(module).items():
            if name.endswith("_CHECKS") and isinstance(value, tuple):
                for check in value:
                    found[f"{check.__module__.removeprefix(PREFIX)}.{check.__name__}"] = check
    return found


def holders(wanted: set[int]) -> list[tuple[ModuleType, str, tuple[Any, ...]]]:
    """Every tuple of a module of the collection that holds one of these functions, wherever it was imported to."""
    return [
        (module, name, value)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith(PREFIX)
        for name, value in list(vars(module).items())
        if isinstance(value, tuple) and any(id(one) in wanted for one in value)
    ]


@contextmanager
def replaced(change: Callable[[Check], Check | None], checks: dict[str, Check]) -> Iterator[None]:
    """The registries with each check changed, or without it where ``change`` gives None."""
    mine = {id(check) for check in checks.values()}
    held = holders(mine)
    for module, name, value in held:
        changed = [change(one) if id(one) in mine else one for one in value]
        setattr(module, name, tuple(one for one in changed if one is not None))
    try:
        yield
    finally:
        for module, name, value in held:
            setattr(module, name, value)


@dataclass
class Search:
    """A pytest plugin whose session is the whole search. ``noticed``: check -> the test that misses it, or empty."""

    checks: dict[str, Check]
    spoken: dict[str, dict[str, pytest.Item]] = field(default_factory=dict)
    noticed: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    current: pytest.Item | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.failures.append("the tests cannot be collected")
            return True
        names = {id(check): name for name, check in self.checks.items()}

        def listening(check: Check) -> Check:
            return self.listening(names[id(check)], check)

        seconds: dict[str, float] = {}
        with replaced(listening, self.checks):
            for item in session.items:
                begin = time.monotonic()
                self.current = item
                if not passes(item):
                    self.failures.append(item.nodeid)
                seconds[item.nodeid] = time.monotonic() - begin
        for name, check in self.checks.items():
            # The quickest first: most often it fails at once.
            asked = sorted(self.spoken.get(name, {}).values(), key=lambda item: seconds[item.nodeid])
            self.noticed[name] = next((item.nodeid for item in asked if self.misses(item, check)), "")
        return True

    def misses(self, item: pytest.Item, check: Check) -> bool:
        """Whether the test fails without the check, and passes again with it."""
        with replaced(lambda one: None if one is check else one, self.checks):
            failed = not passes(item)
        return failed and passes(item)

    def listening(self, name: str, check: Check) -> Check:
        @wraps(check)
        def listen(*args: Any, **kwargs: Any) -> Any:
            found = check(*args, **kwargs)
            if isinstance(found, Iterator):
                found = list(found)
            if found and self.current is not None:
                self.spoken.setdefault(name, {})[self.current.nodeid] = self.current
            return iter(found) if isinstance(found, list) else found

        return listen


def passes(item: pytest.Item) -> bool:
    """Run one test, again if need be."""
    if hasattr(item, "_initrequest"):
        item._initrequest()
    reports = runtestprotocol(item, log=False, nextitem=None)
    return not any(report.failed for report in reports)


def asking() -> list[str]:
    """The files of tests that could miss a check."""
    return [
        str(path)
        for path in sorted(TESTS.rglob("test_*.py"))
        if not any(path.match(pattern) for pattern in LEFT_OUT) and ASKING.search(path.read_text(encoding="utf-8"))
    ]


def search() -> Search:
    sys.path.insert(0, str(LOCAL / "collections"))
    found = Search(registered(check_modules()))
    said = StringIO()
    with redirect_stdout(said):
        code = pytest.main(["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", *asking()], plugins=[found])
    if not found.noticed:
        found.failures.append(f"pytest ended with {code!r}: {said.getvalue()[-2000:]}")
    return found


def main() -> int:
    found = search()
    cases = [Case(name, "failed", "fails although no check is removed") for name in found.failures]
    for name in found.checks if found.noticed else ():
        test = found.noticed.get(name, "")
        print(f"{name:<44} {test.removeprefix('tests/unit/plugins/') or 'NO TEST MISSES IT'}")
        spoken = "it speaks in tests, none of which looks" if name in found.spoken else "it speaks in no unit test"
        cases.append(Case(name, "passed" if test else "failed", "" if test else f"no test misses it: {spoken}"))
    return finish("missing_checks", cases)


if __name__ == "__main__":
    sys.exit(main())
