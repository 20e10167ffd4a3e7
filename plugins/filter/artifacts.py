# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Charts, images and files of an inventory, for a mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
name: artifacts
short_description: List every chart, image and file that an inventory needs from outside
version_added: "0.1.0"
description:
  - Lists what the chosen version set and the workloads consist of, as data, as lines of text, and as a script that
    brings it into a mirror.
  - What is told of images comes from upstream's own charts and release files; each entry names its source. Digests are
    there where upstream publishes them.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
options:
  _input:
    description: The workloads, as in C(multinode_workloads).
    type: list
    elements: dict
    required: true
  platform:
    description:
      - By component mode, version, chart and charts, as C(multinode_platform).
      - What is skipped or adopted is not listed.
      - A chart that lies on this machine says its version itself; one that is not there yet says it by its file name.
    type: dict
  orchestrator:
    description: V(grove), V(lws), or V(auto) for the charts of both.
    type: str
    default: auto
  scheduler:
    description: V(kai), V(volcano), V(default) or V(auto).
    type: str
    default: auto
  workload_api:
    description: V(native) leaves the Dynamo platform out.
    type: str
    default: auto
  dynamo_version:
    description: Picks the version set, as C(multinode_dynamo_version).
    type: str
  kubernetes:
    description:
      - The cluster's version, where it is known. Some versions depend on it; without it all that it may be are listed.
    type: str
  defaults:
    description: As C(multinode_workload_defaults).
    type: dict
  overlays:
    description: As C(multinode_workload_overlays).
    type: dict
  registry:
    description: As C(multinode_registry); its C(mirror) tells where each image will be.
    type: dict
  systems:
    description: The GPU machines' operating systems, which the tags of driver images name.
    type: list
    elements: str
    default: [ubuntu22.04, ubuntu24.04]
"""

EXAMPLES = r"""
- name: See what has to be mirrored
  ansible.builtin.debug:
    msg: "{{ (multinode_workloads | dynamo.multinode.artifacts(dynamo_version='1.6.1')).lines }}"
"""

RETURN = r"""
_value:
  description: The list.
  type: dict
  contains:
    artifacts:
      description: C(versions), C(also), C(charts), C(images), C(files) and C(notes).
      type: dict
    script:
      description: A script for bash that pulls and pushes them, and goes on where it was interrupted.
      type: str
    lines:
      description: The list in short, to be shown.
      type: list
      elements: str
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.module_utils.artifacts import SYSTEMS, BadArtifact, script, table
from ansible_collections.dynamo.multinode.plugins.module_utils.artifacts import artifacts as listed
from ansible_collections.dynamo.multinode.plugins.module_utils.charts import BadChart, chart_meta
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import COMPONENTS
from ansible_collections.dynamo.multinode.plugins.module_utils.versions import key


def artifacts(value: Any, **given: Any) -> dict[str, Any]:
    chosen = {name: item for name, item in given.items() if item not in (None, "")}
    try:
        held = dict(_held(chosen.get("platform") or {}))
        found = listed(workloads=value or (), archives=held, **{"systems": SYSTEMS, **chosen})
    except (BadArtifact, BadChart) as error:
        raise AnsibleFilterError(f"dynamo.multinode.artifacts: {error}") from None
    return {"artifacts": found, "script": script(found, given.get("registry") or {}), "lines": table(found)}


def _held(platform: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(chart, version) of each local chart. One that mirror.sh has yet to bring bears its version in its name."""
    for name, block in platform.items():
        chart = str((block or {}).get("chart") or "")
        if chart.endswith(".tgz") and not Path(chart).expanduser().exists() and "://" not in chart:
            titles = COMPONENTS[name].charts if name in COMPONENTS else ()
            stem = Path(chart).name[: -len(".tgz")]
            told = [stem[len(title) + 1 :] for title in titles if stem.startswith(f"{title}-")]
            yield chart, next((version for version in told if key(version)), "")
            continue
        meta = chart_meta(chart)
        if meta is not None:
            yield chart, meta["appVersion"] if key(meta["appVersion"]) else meta["version"]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"artifacts": artifacts}
