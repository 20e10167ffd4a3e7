# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page for people: no script, nothing external, light and dark, narrow and wide, on paper too. Pure.

Everything that comes from a cluster or an inventory passes through escape() on its way into the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.occupancy import domain_name
from ansible_collections.dynamo.multinode.plugins.module_utils.report import Promise, Report, hostlist, promises
from ansible_collections.dynamo.multinode.plugins.module_utils.report_style import CSS

# Six hues that stay apart for colour-blind eyes, times three patterns; the codes (A0, B1) carry the meaning anyway.
HUES, PATTERNS = 6, 3

_DOT = " \u00b7 "
_MARKS = {True: ("good", "\u2713"), False: ("bad", "\u2717"), None: ("open", "?")}
_NONE_ASKED = ("quiet", "\u2013")
_VERDICTS = {
    "passed": ("good", "Every promise holds"),
    "failed": ("bad", "A promise is broken"),
    "incomplete": ("open", "Not everything could be checked"),
    "empty": ("quiet", "Nothing to verify yet"),
}
_APIS = {
    "leaderworkerset": "LeaderWorkerSet",
    "podcliqueset": "PodCliqueSet",
    "dynamographdeployment": "DynamoGraphDeployment",
}
_SEVERITIES = {"error": ("bad", "\u2717"), "warning": ("open", "!"), "note": ("quiet", "i")}


def to_html(report: Report) -> str:
    """The whole page."""
    styles = {engine["code"]: _style(index) for index, engine in enumerate(report["engines"])}
    body = [
        _header(report),
        '<main id="main">',
        _figures(report["summary"]),
        _cluster(report, styles),
        _engines(report["engines"], styles),
        _workloads(report["workloads"]),
        _findings(report["findings"], report["notes"]),
        "</main>",
        _footer(report),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_headline(report)[1]} \u00b7 dynamo.multinode</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _style(index: int) -> str:
    return f"h{index % HUES} p{index // HUES % PATTERNS}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _headline(report: Report) -> tuple[str, str]:
    tone, text = _VERDICTS[report["summary"]["verdict"]]
    count = report["summary"]["broken"]
    if count > 1:
        text = f"{count} promises are broken"
    return tone, text


def _header(report: Report) -> str:
    tone, text = _headline(report)
    summary = report["summary"]
    facts = [f'<time datetime="{escape(report["generated"])}">{escape(report["generated"])}</time>']
    if report["cluster"].get("server"):
        facts.append(f"<code>{escape(str(report['cluster']['server']))}</code>")
    if report["versions"].get("kubernetes"):
        facts.append(f"Kubernetes {escape(str(report['versions']['kubernetes']))}")
    scope = f"{_plural(summary['engines'], 'engine')} of {_plural(summary['workloads'], 'workload')}"
    if summary["machines"]:
        scope += f" on {_plural(summary['machines'], 'machine')}"
    mark = {"good": "\u2713", "bad": "\u2717", "open": "?", "quiet": "\u2013"}[tone]
    return (
        f'<header class="top">\n<p class="eyebrow">dynamo.multinode \u00b7 placement report</p>\n'
        f'<h1><span class="seal {tone}" aria-hidden="true">{mark}</span>{text}</h1>\n'
        f'<p class="lead">{scope}</p>\n<p class="meta">{_DOT.join(facts)}</p>\n'
        "</header>"
    )


def _figures(summary: Mapping[str, Any]) -> str:
    """The four numbers that answer most questions."""
    engines = summary["engines"]
    findings = summary["findings"]
    serious = findings["error"] + findings["warning"]
    cards = [
        ("Engines ready", f"{summary['engines_ready']} / {engines}", summary["engines_ready"] == engines),
        ("Gangs honoured", f"{summary['gangs_honoured']} / {engines}", summary["gangs_honoured"] == engines),
        ("GPUs free", f"{summary['gpus_free']} / {summary['gpus']}" if summary["gpus"] else "unknown", None),
        ("Findings", str(serious), serious == 0),
    ]
    items = "\n".join(
        f'<div class="figure{"" if good is None or engines == 0 else " good" if good else " bad"}">'
        f"<dt>{title}</dt><dd>{value}</dd></div>"
        for title, value, good in cards
    )
    return f'<dl class="figures" aria-label="Summary">\n{items}\n</dl>'


# -- the cluster -------------------------------------------------------------------------------------------------


def _cluster(report: Report, styles: Mapping[str, str]) -> str:
    nodes = report["nodes"]
    if not nodes:
        return (
            '<section aria-labelledby="cluster">\n<h2 id="cluster">The cluster</h2>\n'
            '<p class="quiet">No machine with GPUs could be seen.</p>\n</section>'
        )
    levels = report["levels"]
    inner = levels[-1] if levels else "rack"
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for node in nodes:
        groups.setdefault(tuple(node["domains"].get(level, "") for level in levels), []).append(node)
    # Machines without a label come last: they are the exception.
    known = sorted(groups.items(), key=lambda group: (not group[0] or not group[0][-1], group[0]))
    racks = "\n".join(_rack(path, levels, inner, members, styles) for path, members in known)
    return (
        '<section aria-labelledby="cluster">\n<h2 id="cluster">The cluster</h2>\n'
        f"{_legend(report, styles)}\n"
        f'<div class="racks">\n{racks}\n</div>\n'
        '<p class="small">One square is one GPU. Kubernetes tells how many GPUs of a machine a rank holds, not which: '
        "the order of the squares means nothing.</p>\n</section>"
    )


def _legend(report: Report, styles: Mapping[str, str]) -> str:
    items = [
        f'<li><span class="gpu {styles[engine["code"]]}" aria-hidden="true"></span>'
        f'<a href="#engine-{escape(engine["code"])}"><b>{escape(engine["code"])}</b> {_engine_name(engine)}</a></li>'
        for engine in report["engines"]
    ]
    if report["summary"]["gpus_others"]:
        items.append('<li><span class="gpu other" aria-hidden="true"></span>held by others</li>')
    items.append('<li><span class="gpu free" aria-hidden="true"></span>free</li>')
    return f'<ul class="legend" aria-label="Legend">\n{"".join(items)}\n</ul>'


def _engine_name(engine: Mapping[str, Any]) -> str:
    name = f"{engine['namespace']}/{engine['workload']}"
    return f"{escape(name)} {escape(engine['component'])} engine {engine['engine']}"


def _rack(
    path: Sequence[str],
    levels: Sequence[str],
    inner: str,
    nodes: Sequence[Mapping[str, Any]],
    styles: Mapping[str, str],
) -> str:
    name = path[-1] if path and path[-1] else ""
    title = escape(domain_name(inner, name)) if name else f"without a {escape(inner)} label"
    outer = ", ".join(escape(domain_name(level, value)) for level, value in zip(levels[:-1], path[:-1]) if value)
    free, total = sum(node["free"] for node in nodes), sum(node["gpus"] for node in nodes)
    items = "\n".join(_node(node, styles) for node in nodes)
    return (
        '<article class="rack">\n'
        f'<h3>{title}</h3>\n<p class="small">{outer + _DOT if outer else ""}{free} of {total} GPUs free</p>\n'
        f'<ul class="nodes">\n{items}\n</ul>\n</article>'
    )


def _node(node: Mapping[str, Any], styles: Mapping[str, str]) -> str:
    squares, said, chips = [], [], []
    for held in node["held"]:
        style = styles.get(held["engine"] or "", "other")
        squares.append(f'<i class="gpu {style}"></i>' * held["gpus"])
        if held["engine"]:
            chips.append(f"<b>{escape(held['engine'])}</b> rank {held['rank']}")
            said.append(f"{held['gpus']} held by {held['engine']} rank {held['rank']}")
        else:
            chips.append(f"{escape(held['owner'])}")
            said.append(f"{held['gpus']} held by {held['owner']}")
    if node["free"]:
        squares.append('<i class="gpu free"></i>' * node["free"])
        chips.append(f"{node['free']} free")
        said.append(f"{node['free']} free")
    state = "not ready" if not node["ready"] else "cordoned" if node["cordoned"] else ""
    label = f"{node['name']}: {node['gpus']} GPUs, {', '.join(said) or 'none'}{', ' + state if state else ''}"
    badge = f' <span class="badge bad">{state}</span>' if state else ""
    return (
        f'<li class="node{" down" if state else ""}"><h4>{escape(node["name"])}{badge}</h4>'
        f'<div class="gpus" role="img" aria-label="{escape(label)}">{"".join(squares)}</div>'
        f'<p class="chips">{_DOT.join(chips)}</p></li>'
    )


# -- tables ------------------------------------------------------------------------------------------------------


def _engines(engines: Sequence[Mapping[str, Any]], styles: Mapping[str, str]) -> str:
    if not engines:
        return (
            '<section aria-labelledby="engines">\n<h2 id="engines">Engines</h2>\n'
            '<p class="quiet">The plan has no engine in this cluster yet.</p>\n</section>'
        )
    heads = ("Engine", "Machines", "Gang", "One rank per machine", "Topology", "Ready")
    rows = "\n".join(_engine_row(engine, styles[engine["code"]], heads) for engine in engines)
    return '<section aria-labelledby="engines">\n<h2 id="engines">Engines</h2>\n' + _table(heads, rows) + "\n</section>"


def _table(heads: Iterable[str], rows: str) -> str:
    # The roles keep it a table for assistive technology where CSS lays it out as cards.
    cells = "".join(f'<th role="columnheader" scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<table role="table">\n<thead role="rowgroup"><tr role="row">{cells}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}\n</tbody>\n</table>'
    )


def _engine_row(engine: Mapping[str, Any], style: str, heads: Sequence[str]) -> str:
    bound = sum(1 for rank in engine["ranks"] if rank["node"])
    machines = escape(hostlist(engine["nodes"])).replace(",", ",<wbr>") if engine["nodes"] else "none"
    extra = "" if engine["planned"] else ' <span class="badge open">beyond the plan</span>'
    place = ", ".join(escape(domain_name(level, value)) for level, value in engine["domains"].items() if value)
    code = escape(engine["code"])
    cells = [
        f'<span class="gpu {style}" aria-hidden="true"></span> <b>{code}</b> {_engine_name(engine)}{extra}',
        f"<code>{machines}</code><small>{bound} of {engine['node_count']} ranks \u00b7 {engine['gpus']} GPUs"
        f"{_DOT + place if place else ''}</small>",
        *(_promise(promise) for promise in promises(engine)),
    ]
    shown = "".join(
        f'<td role="cell" data-label="{escape(head)}"><div>{cell}</div></td>'
        for head, cell in zip(heads[1:], cells[1:])
    )
    head = f'<th role="rowheader" scope="row">{cells[0]}</th>'
    return f'<tr role="row" id="engine-{code}">{head}{shown}</tr>'


def _promise(promise: Promise) -> str:
    tone, mark = _MARKS[promise.held] if promise.asked else _NONE_ASKED
    return (
        f'<span class="word {tone}"><span aria-hidden="true">{mark}</span> {promise.word}</span>'
        f"<small>{escape(promise.why)}</small>"
    )


def _workloads(workloads: Sequence[Mapping[str, Any]]) -> str:
    if not workloads:
        return ""
    cards = "\n".join(_workload(workload) for workload in workloads)
    return (
        '<section aria-labelledby="workloads">\n<h2 id="workloads">Workloads</h2>\n'
        f'<div class="cards">\n{cards}\n</div>\n</section>'
    )


def _workload(workload: Mapping[str, Any]) -> str:
    engines = [component for component in workload["components"] if component["total_gpus"]]
    sums = "".join(
        f'<li><b>{escape(component["name"])}</b> <span class="sum">{escape(component["arithmetic"])}</span>'
        f"<small>{_plural(component['replicas'], 'engine')}, {component['demand']} GPUs in all</small></li>"
        for component in engines
    )
    topology = workload["topology"]
    facts = [
        ("Model", workload["model"]),
        ("Backend", workload["backend"]),
        ("Scheduler", f"{workload['scheduler']}, by {_APIS.get(workload['api'], workload['api'])}"),
        ("Orchestrator", workload["orchestrator"]),
        ("Queue", workload["queue"] or "the scheduler's default"),
        (
            "Topology",
            f"each engine in one {topology['pack']}, {'required' if topology['required'] else 'preferred'}"
            if topology
            else "any",
        ),
    ]
    rows = "".join(f"<div><dt>{title}</dt><dd>{escape(str(value))}</dd></div>" for title, value in facts)
    return (
        f'<article class="card"><h3>{escape(workload["namespace"])}/{escape(workload["name"])}</h3>\n'
        f'<ul class="sums">{sums}</ul>\n<dl class="facts">{rows}</dl></article>'
    )


def _findings(findings: Sequence[Mapping[str, str]], notes: Sequence[str]) -> str:
    items = "\n".join(
        f'<li><span class="word {_SEVERITIES[finding["severity"]][0]}">'
        f'<span aria-hidden="true">{_SEVERITIES[finding["severity"]][1]}</span> {escape(finding["severity"])}</span>'
        f"<div><p><b>{escape(finding['subject'])}</b> {escape(finding['message'])}</p>"
        f"<small>{escape(finding['id'])} \u00b7 {escape(finding['remedy'])}</small></div></li>"
        for finding in findings
    )
    unseen = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        '<section aria-labelledby="findings">\n<h2 id="findings">Findings</h2>\n'
        + (f'<ul class="findings">\n{items}\n</ul>' if findings else '<p class="quiet">None.</p>')
        + (f'\n<h3>What could not be seen</h3>\n<ul class="notes">{unseen}</ul>' if notes else "")
        + "\n</section>"
    )


def _footer(report: Report) -> str:
    versions = [f"{escape(name)} {escape(str(value))}" for name, value in report["versions"].items()]
    return (
        f"<footer><p>{_DOT.join([*versions, escape(report['schema'])])}</p>"
        "<p>A verdict marked ? could not be checked and is not counted as passed.</p></footer>"
    )
