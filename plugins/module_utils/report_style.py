# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report's style sheet. A Python module, because Ansible ships only these to where a module runs."""

from __future__ import annotations

CSS = """\
:root {
  --paper: #f6f7f9; --card: #ffffff; --ink: #171a21; --soft: #565e6c; --line: #dde1e8; --empty: #7a8394;
  --good: #0b6b43; --good-bg: #e1f3ea; --bad: #a8201a; --bad-bg: #fbe7e5; --open: #7a5200; --open-bg: #fbf0d5;
  --quiet-bg: #eceef2; --link: #1b5fae; --stroke: rgb(255 255 255 / .5);
  --h0: #1f63b5; --h1: #c2540a; --h2: #0b7d6e; --h3: #a23a83; --h4: #766300; --h5: #5a4bc4;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1217; --card: #171b22; --ink: #e9ecf1; --soft: #a4adbb; --line: #2b323d; --empty: #6d7788;
    --good: #58d39b; --good-bg: #12301f; --bad: #ff9086; --bad-bg: #3b1a18; --open: #f0c35a; --open-bg: #35290d;
    --quiet-bg: #222832; --link: #7db4f5; --stroke: rgb(0 0 0 / .42);
    --h0: #5ba4ef; --h1: #f3955a; --h2: #3fc3ae; --h3: #e38ac6; --h4: #cfb93c; --h5: #a49bff;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 3rem; max-width: 84rem; background: var(--paper);
  color: var(--ink); font: 400 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3, h4, p, ul, dl, dd { margin: 0; padding: 0; }
ul { list-style: none; }
a { color: inherit; text-decoration: underline; text-decoration-color: var(--line); text-underline-offset: .2em; }
a:hover { text-decoration-color: currentColor; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
code { font: 500 .9em/1.4 var(--mono); }
small, .small { display: block; font-size: .8125rem; line-height: 1.45; color: var(--soft); }
.quiet { color: var(--soft); }
section { margin-top: 2.75rem; }
h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 650; margin-bottom: .875rem; letter-spacing: -.005em; }
h3 { font-size: 1rem; font-weight: 650; }

.eyebrow { font-size: .8125rem; font-weight: 600; letter-spacing: .04em; color: var(--soft); }
h1 {
  display: flex; align-items: center; gap: .75rem; margin: .375rem 0 .25rem; font-weight: 700;
  font-size: clamp(1.625rem, 1.2rem + 2vw, 2.375rem); line-height: 1.15; letter-spacing: -.02em;
}
.seal {
  flex: none; display: grid; place-items: center; width: 1.25em; height: 1.25em; border-radius: 50%; font-size: .8em;
}
.lead { font-size: 1.125rem; }
.meta { margin-top: .25rem; font-size: .875rem; color: var(--soft); }
.good { color: var(--good); } .seal.good, .badge.good { background: var(--good-bg); }
.bad { color: var(--bad); } .seal.bad, .badge.bad { background: var(--bad-bg); }
.open { color: var(--open); } .seal.open, .badge.open { background: var(--open-bg); }
.seal.quiet { background: var(--quiet-bg); }
.badge { padding: .05em .5em; border-radius: 1em; font-size: .75rem; font-weight: 600; white-space: nowrap; }

.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; margin-top: 1.75rem; background: var(--line);
  border: 1px solid var(--line); border-radius: .75rem; overflow: hidden; }
.figure { padding: .875rem 1.125rem 1rem; background: var(--card); }
.figure dt { font-size: .8125rem; color: var(--soft); }
.figure dd { font-size: 1.625rem; font-weight: 680; letter-spacing: -.02em; line-height: 1.2; color: var(--ink); }
.figure.good dd { color: var(--good); } .figure.bad dd { color: var(--bad); }

.legend { display: flex; flex-wrap: wrap; gap: .375rem 1.5rem; margin-bottom: 1rem; font-size: .875rem; }
.legend li { display: flex; align-items: center; gap: .5rem; }
.racks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1rem; }
.racks + .small { margin-top: .75rem; }
.rack, .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1.125rem; }
.rack > .small { margin-bottom: .75rem; }
.nodes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14.5rem), 1fr)); gap: .5rem; }
.node { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .625rem .5625rem; min-width: 0; }
.node.down { border: 1px dashed var(--bad); }
.node h4 { font: 600 .8125rem/1.4 var(--mono); }
.gpus { display: flex; flex-wrap: wrap; gap: 3px; margin: .3125rem 0 .25rem; }
.chips { font-size: .8125rem; line-height: 1.4; color: var(--soft); }
.chips b { color: var(--ink); }
.gpu {
  display: inline-block; flex: none; width: 1.25rem; height: 1.25rem; border-radius: 3px; vertical-align: -.25rem;
  background-color: var(--hue, transparent); -webkit-print-color-adjust: exact; print-color-adjust: exact;
}
.gpu.free { border: 1.5px solid var(--empty); }
.gpu.other { background-color: var(--empty);
  background-image: repeating-linear-gradient(45deg, transparent 0 3px, var(--card) 3px 4.5px); }
.h0 { --hue: var(--h0); } .h1 { --hue: var(--h1); } .h2 { --hue: var(--h2); }
.h3 { --hue: var(--h3); } .h4 { --hue: var(--h4); } .h5 { --hue: var(--h5); }
.p1 { background-image: repeating-linear-gradient(135deg, transparent 0 4px, var(--stroke) 4px 6px); }
.p2 { background-image: radial-gradient(circle at 50% 50%, var(--stroke) 0 2.5px, transparent 3px);
  background-size: 50% 50%; }

table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; font-size: .9375rem; }
th, td { padding: .75rem .875rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-size: .8125rem; font-weight: 600; color: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 400; min-width: 13rem; }
td:nth-child(2) { min-width: 10.5rem; }
td code { overflow-wrap: normal; }
tr:target { background: var(--quiet-bg); }
.word { font-weight: 600; white-space: nowrap; }
.word.quiet { font-weight: 400; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1rem; }
.sums { margin: .5rem 0 .875rem; display: grid; gap: .5rem; }
.sum { font: 600 1rem/1.5 var(--mono); }
.facts { display: grid; gap: .25rem; font-size: .875rem; }
.facts div { display: grid; grid-template-columns: 6rem 1fr; gap: .75rem; }
.facts dt { color: var(--soft); }

.findings { display: grid; gap: .5rem; }
.findings li { display: grid; grid-template-columns: 6.5rem 1fr; gap: .75rem; padding: .75rem 1.125rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.findings + h3 { margin-top: 1.25rem; }
.notes { list-style: disc; padding-left: 1.25rem; font-size: .875rem; color: var(--soft); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .8125rem;
  color: var(--soft); }

@media (max-width: 60rem) {
  table, tbody, tr, th, td { display: block; width: 100%; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table { background: none; border: 0; }
  tbody { display: grid; gap: .75rem; }
  tbody tr { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: .375rem 0; }
  tbody th, td { border: 0; padding: .375rem 1.125rem; }
  tbody th { padding-bottom: .25rem; }
  td:nth-child(2) { min-width: 0; }
  td { display: grid; grid-template-columns: 8.5rem 1fr; gap: .75rem; }
  td::before { content: attr(data-label); font-size: .8125rem; line-height: 1.7; color: var(--soft); }
}
@media (max-width: 36rem) {
  body { padding-top: 1.5rem; }
  .figures { grid-template-columns: repeat(2, 1fr); }
  .rack, .card { padding: .875rem; }
  td { grid-template-columns: 6.25rem 1fr; }
  .findings li { grid-template-columns: 1fr; gap: .25rem; }
}
@media print {
  :root { --paper: #fff; --card: #fff; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .rack, .node, .card, tr, .findings li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  a { text-decoration: none; }
}
"""
