# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a real browser: no sideways scrolling, readable contrast, in light and dark, wide and narrow."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dynamo.multinode.plugins.module_utils.placement import placement
from ansible_collections.dynamo.multinode.plugins.module_utils.report import build
from ansible_collections.dynamo.multinode.plugins.module_utils.report_html import to_html

from tests.unit.plugins.module_utils.recorded import engine_objects, fleet, node, pod, snapshot, workload

BROWSER = os.environ.get("BROWSER_BIN") or next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="not run: no Chromium on PATH (BROWSER_BIN names one)")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
]

# Headless windows cannot be as narrow as a phone; a frame can. What is measured is left in the page for --dump-dom.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><body>
<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
const channels = text => text.match(/[\\d.]+/g).map(Number);
const light = rgb => {{
  const [r, g, b] = rgb.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}};
const ratio = (a, b) => {{
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + .05) / (low + .05);
}};
frame.onload = () => {{
  const page = frame.contentDocument, look = frame.contentWindow.getComputedStyle.bind(frame.contentWindow);
  const ground = element => {{
    for (; element; element = element.parentElement) {{
      const color = channels(look(element).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }}
    return [255, 255, 255];
  }};
  const found = {{scroll: page.documentElement.scrollWidth, poor: [], wide: [], texts: 0, squares: 0}};
  found.background = look(page.body).backgroundColor;
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {{
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("thead") && {width} < 900) continue;
    found.texts++;
    const value = ratio(channels(look(element).color), ground(element));
    if (value < 4.5) found.poor.push([walker.currentNode.data.trim(), value]);
    if (element.getBoundingClientRect().right > {width}) found.wide.push(walker.currentNode.data.trim());
  }}
  for (const square of page.querySelectorAll(".gpu:not(.free)")) {{
    found.squares++;
    const value = ratio(channels(look(square).backgroundColor), ground(square.parentElement));
    if (value < 3) found.poor.push([square.className, value]);
  }}
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
}};
</script>"""


def page() -> str:
    nodes = [node(f"ip-10-0-{i}-17.eu-central-1.compute.internal", rack=f"rack-{i // 4}") for i in range(24)]
    nodes.append(node("spare", rack=None, ready=False))
    names = [one["metadata"]["name"] for one in nodes]
    plans, objects = [], []
    # Enough engines that every colour and pattern is used.
    for index in range(19):
        plans.append(workload(f"a-workload-with-a-long-name-{index}", node_count=1, pack="rack"))
        objects += engine_objects(f"a-workload-with-a-long-name-{index}-worker", [names[index]])
    plans.append(workload("broken", pack="rack"))
    objects += engine_objects("broken-worker", [names[19], names[20]], member=1)
    plans.append(workload("waiting"))
    objects.append(pod("training", namespace="research", on=names[21], gpus=5))
    plan, seen = fleet(*plans), snapshot(*nodes, *objects)
    finding = {
        "id": "MN-F83",
        "severity": "error",
        "subject": "inference/waiting",
        "message": "waits",
        "remedy": "free",
    }
    others = [{**finding, "severity": severity} for severity in ("warning", "note")]
    report = build(
        plan,
        seen,
        placement(plan, seen),
        generated="2026-01-02T03:04:05Z",
        findings=[finding, *others],
        server="https://a-rather-long-name-of-a-cluster.example.org:6443",
        versions={"kubernetes": "v1.34.4"},
    )
    return to_html({**report, "notes": ["Node objects may not be listed"]})


def measured(folder: Path, width: int, dark: bool) -> dict[str, Any]:
    source = folder / "frame.html"
    source.write_text(FRAME.format(width=width, page=html.escape(page())), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [str(BROWSER), *FLAGS, scheme, f"--user-data-dir={folder / 'profile'}", "--dump-dom", source.as_uri()]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="result">(.*?)</pre>', answer.stdout, re.DOTALL)
    assert match, answer.stderr
    found: dict[str, Any] = json.loads(html.unescape(match.group(1)))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_can_be_read(tmp_path: Path, width: int, dark: bool) -> None:
    found = measured(tmp_path, width, dark)
    assert found["texts"] > 200
    assert found["squares"] > 100
    assert found["scroll"] <= width
    assert found["wide"] == []
    assert found["poor"] == []
    assert (found["background"] == "rgb(15, 18, 23)") is dark
