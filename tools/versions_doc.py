# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/versions.md, from the version matrix: `python -m tools.versions_doc` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tools.bootstrap import LOCAL, ROOT

sys.path.insert(0, str(LOCAL / "collections"))

from ansible_collections.dynamo.multinode.plugins.module_utils import versions

PAGE = ROOT / "docs" / "versions.md"
HEAD = """\
# Versions

<!-- Written by `python -m tools.versions_doc` from plugins/module_utils/versions; a test compares the two. -->

What works with what is data here, with its sources; preflight, `bootstrap`, `upgrade` and `artifacts` read it. What it
does not know is not refused: ignorance is a warning.

`multinode_dynamo_version` picks a set as a whole; without it the newest set is taken. A version in `multinode_platform`
overrides that of its component, and is judged against the others (MN-F26, MN-F27, MN-F36). What runs already is not
upgraded because a set is newer: that is what the playbook [`upgrade`](upgrade.md) is for.
"""


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def sets() -> str:
    names = [name for name in versions.TITLES if name != "dynamo_platform"]
    rows = []
    for item in versions.SETS:
        cells = [", else ".join(item.versions[name]) for name in names]
        rows.append((item.versions["dynamo_platform"][0], *cells, item.source))
    return table(("Dynamo", *[f"`{name}`" for name in names], "source"), rows)


def ranges() -> str:
    rows = []
    for item in versions.MATRIX:
        tested = f", tested to {versions.dotted(item.tested_to)}" if item.tested_to else ""
        span = versions.span(item.kubernetes_min, item.kubernetes_max)
        rows.append((f"`{item.component}`", versions.dotted(item.line), f"{span}{tested}", item.source))
    return table(("component", "release", "Kubernetes", "source"), rows)


def bound(since: str | None, before: str | None) -> str:
    def short(version: str) -> str:
        return version[: -len("-0")] if version.endswith("-0") else version

    parts = [f"{short(since)} and newer"] if since else []
    parts += [f"older than {short(before)}"] if before else []
    return ", ".join(parts) or "any"


def pairs() -> str:
    rows = []
    for rule in versions.PAIRS:
        condition = f" (not where `{rule.unless}` is there)" if rule.unless else ""
        rows.append(
            (
                f"`{rule.component}` {bound(rule.since, rule.before)}{condition}",
                f"`{rule.other}` {bound(rule.at_least, rule.below)}",
                rule.severity,
                rule.reason,
                rule.source,
            )
        )
    return table(("where there is", "there must be", "else", "why", "source"), rows)


def bad() -> str:
    rows = [
        (f"`{item.component}` {bound(item.since, item.before)}", item.reason, item.remedy, item.source)
        for item in versions.KNOWN_BAD
    ]
    return table(("version", "why", "instead", "source"), rows)


def stepwise() -> str:
    rows = [
        (f"`{name}`", ", ".join(versions.dotted(line) for line in lines), versions.STEPWISE_SOURCES[name])
        for name, lines in versions.STEPWISE.items()
    ]
    return table(("component", "releases", "source"), rows)


def page() -> str:
    sections = (
        (
            "Version sets",
            "The first version that fits the cluster's Kubernetes is taken. `nfd`, Node Feature Discovery, comes with\n"
            "the GPU operator's chart. LWS 0.8.0 and Volcano 1.14.1 are what our own lab runs.",
            sets(),
        ),
        ("Kubernetes", "Both ends are checked (MN-F36).", ranges()),
        ("Pairs", "Versions that stand side by side (MN-F26).", pairs()),
        ("Known not to work", "Refused by name (MN-F27; LWS without gangs: MN-F32).", bad()),
        (
            "Minor release by minor release",
            "These are brought from one release to the next in this order, up and down; a step that skips one is\n"
            "refused (MN-F101).",
            stepwise(),
        ),
    )
    return HEAD + "".join(f"\n## {title}\n\n{words}\n\n{content}" for title, words, content in sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
