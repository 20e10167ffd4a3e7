# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a cluster behind an air gap needs from outside: charts, images, files; as data and as a script.

Pure. What is listed follows the inventory: the version set that it chooses, the components that it does not skip, the
images of its workloads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils import versions
from ansible_collections.dynamo.multinode.plugins.module_utils.components.catalog import COMPONENTS, STACKS
from ansible_collections.dynamo.multinode.plugins.module_utils.components.images import Chart, Image, chart, images
from ansible_collections.dynamo.multinode.plugins.module_utils.components.registry import named
from ansible_collections.dynamo.multinode.plugins.module_utils.mirror import full, image, mirror_of, mirrored

# Dynamo's operator and the roles need nothing newer than Helm 3.
HELM = "3.19.2"
ARCHITECTURES = ("amd64", "arm64")
SYSTEMS = ("ubuntu22.04", "ubuntu24.04")
_SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")


class BadArtifact(ValueError):
    """Something that cannot be listed, with its place and what would be right."""


def artifacts(
    *,
    platform: Mapping[str, Any] | None = None,
    orchestrator: str = "auto",
    scheduler: str = "auto",
    workload_api: str = "auto",
    dynamo_version: str = "",
    kubernetes: str = "",
    workloads: Iterable[Mapping[str, Any]] = (),
    defaults: Mapping[str, Any] | None = None,
    overlays: Mapping[str, Any] | None = None,
    registry: Mapping[str, Any] | None = None,
    systems: Iterable[str] = SYSTEMS,
    archives: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """{"versions": {component: version}, "also": {component: [versions]}, "charts": [...], "images": [...],
    "files": [...], "notes": [sentences]}.

    kubernetes: the cluster's version where it is known; the version set may depend on it. archives: the version in each
    local chart that ``platform`` names, "" where that cannot be told. Raises BadArtifact.
    """
    registry = registry or {}
    asked = (orchestrator, scheduler, workload_api)
    chosen, notes = _chosen(platform or {}, asked, dynamo_version, kubernetes, archives or {})
    found: dict[str, dict[str, Any]] = {}
    os_names = tuple(systems)
    listed = [(component, version) for component, several in chosen.items() for version in several]
    for component, version in listed:
        parts = images(component, version, os_names, (platform or {}).get(component))
        for part in parts:
            _add(found, part, component, registry)
        if any(not part.exact and not part.when for part in parts):
            notes.append(
                f"{component} {version}: some images are those of the nearest version that is known (exact: false); "
                "mirror.sh compares them with what the chart renders"
            )
    for name, path in _of_workloads(workloads, defaults or {}, overlays or {}):
        _add(found, Image(name, "the inventory"), path, registry)
    places: dict[str, str] = {}
    for entry in found.values():
        place = entry["mirror"] or entry["image"].partition("/")[2]
        if places.setdefault(place, entry["image"]) != entry["image"]:
            raise BadArtifact(
                f"{places[place]} and {entry['image']} would be one image in the mirror, {place}: name the one that is "
                "not to be mirrored by the mirror's own name"
            )
        if not _SAFE.match(entry["image"]):
            raise BadArtifact(f"{', '.join(entry['for'])}: {entry['image']!r} is no image name")
    return {
        "versions": {component: several[0] for component, several in chosen.items()},
        "also": {component: several[1:] for component, several in chosen.items() if several[1:]},
        "charts": [_chart(component, chart(component, version)) for component, version in listed],
        "images": sorted(found.values(), key=lambda entry: str(entry["image"])),
        "files": [
            {
                "file": f"helm-v{HELM}-linux-{machine}.tar.gz",
                "url": f"https://get.helm.sh/helm-v{HELM}-linux-{machine}.tar.gz",
                "for": "the machine that runs Ansible",
            }
            for machine in ARCHITECTURES
        ],
        "notes": notes,
    }


def _chosen(
    platform: Mapping[str, Any],
    asked: tuple[str, str, str],
    dynamo_version: str,
    kubernetes: str,
    archives: Mapping[str, str],
) -> tuple[dict[str, list[str]], list[str]]:
    """The components that may be installed, in the order of installation, each with the version that is, and with those
    that may be instead or on the way; and notes about them."""
    chosen, notes = {}, []
    for name in COMPONENTS:
        block = platform.get(name) or {}
        if str(block.get("mode") or "auto") in ("skip", "adopt") or _other(name, *asked):
            continue
        path, archive = f"multinode_platform.{name}", str(block.get("chart") or "")
        named = str(block.get("version") or archives.get(archive) or "")
        if not named and archive in archives:
            notes.append(f"{path}.chart: {archive} is not here, and may hold another version; {path}.version names it")
        several = [named] if named else _of_the_set(name, kubernetes, dynamo_version)
        if not several:
            where = f" for Kubernetes {kubernetes}" if kubernetes else ""
            raise BadArtifact(f"{path}.version: the matrix has none{where}; name one, or mode: skip")
        several = [versions.plain(version) for version in several]
        if several[1:]:
            notes.append(
                f"{name}: {' and '.join(several)}, as either may be installed; multinode_artifacts_kubernetes, the "
                "cluster's version, leaves one"
            )
        way = [versions.plain(str(version)) for version in block.get("charts") or {}]
        way = [version for version in dict.fromkeys(way) if version not in several]
        if way:
            notes.append(f"{name}: {', '.join(way)} too, of {path}.charts")
        chosen[name] = [*several, *way]
    return chosen, notes


def _of_the_set(name: str, kubernetes: str, dynamo_version: str) -> list[str]:
    """What would be installed; without a Kubernetes that is known, all that may be, the likeliest first."""
    first = versions.default(name, kubernetes, dynamo_version)
    whole = versions.version_set(dynamo_version)
    if not first or kubernetes or whole is None or first not in whole.versions[name]:
        return [first] if first else []
    return [first, *(item for item in whole.versions[name] if item != first and not versions.known_bad(name, item))]


def _other(name: str, orchestrator: str, scheduler: str, api: str) -> bool:
    """Whether a component belongs to a stack that the inventory does not choose."""
    if name == "dynamo_platform":
        return api == "native"
    if (name, scheduler) in (("volcano", "volcano"), ("kai_scheduler", "kai")):
        return False
    if name == "kai_scheduler" and scheduler in ("volcano", "default"):
        return True
    stack = next((stack for stack, names in STACKS.items() if name in names), "")
    return bool(stack) and orchestrator not in ("auto", "", stack)


def _of_workloads(
    workloads: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any], overlays: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """(image, place) of every image that the inventory names; merged ones included, and those they replace."""
    places = [(defaults, "multinode_workload_defaults")]
    places += [(over, f"multinode_workload_overlays.{name}") for name, over in overlays.items()]
    for index, workload in enumerate(workloads):
        if str(workload.get("state") or "present") != "absent":
            places.append((workload, f"multinode_workloads[{workload.get('name') or index}]"))
    for source, path in places:
        for name in named(source):
            yield name, path


def _add(found: dict[str, dict[str, Any]], part: Image, wanted_by: str, registry: Mapping[str, Any]) -> None:
    name, source = full(part.reference), part.source
    if mirrored(part.reference, registry):
        # Nobody knows where it came from
        name, source = part.reference, "named in the mirror already: it has to be there"
    entry = found.setdefault(
        name,
        {
            "image": name,
            "mirror": image(part.reference, registry) if mirror_of(registry) else "",
            "digest": part.digest,
            "for": [],
            "when": part.when,
            "exact": part.exact,
            "source": source,
        },
    )
    if wanted_by not in entry["for"]:
        entry["for"].append(wanted_by)
    entry["digest"] = entry["digest"] or part.digest
    # Needed by one always, it is needed always.
    entry["when"] = entry["when"] if part.when else ""


def _chart(component: str, item: Chart) -> dict[str, str]:
    return {
        "component": component,
        "chart": item.reference,
        "repository": item.repository,
        "version": item.version,
        "file": item.file,
    }


def table(found: Mapping[str, Any]) -> list[str]:
    """The list as lines of text."""
    lines = [f"{name} {version}" for name, version in found["versions"].items()]
    optional = [entry for entry in found["images"] if entry["when"]]
    lines.append(
        f"{len(found['charts'])} charts, {len(found['files'])} files, {len(found['images']) - len(optional)} images, "
        f"{len(optional)} more that only some settings need"
    )
    return [*lines, *found["notes"]]


def script(found: Mapping[str, Any], registry: Mapping[str, Any]) -> str:
    """A script that brings it all to the mirror: ``mirror.sh pull | push | copy``; what is done is not done again."""
    lines = []
    for entry in found["images"]:
        if entry["image"] != entry["mirror"]:
            path = entry["image"].partition("/")[2]
            lines.append(f'  "{entry["image"]} {path} {entry["digest"] or "-"} {"optional" if entry["when"] else "-"}"')
    charts = [
        f'  "{item["chart"]} {item["repository"] or "-"} {item["version"]} {item["file"]}"' for item in found["charts"]
    ]
    files = [f'  "{item["url"]} {item["file"]}"' for item in found["files"]]
    return (
        SCRIPT.replace("@IMAGES@", "\n".join(lines))
        .replace("@CHARTS@", "\n".join(charts))
        .replace("@FILES@", "\n".join(files))
        .replace("@MIRROR@", mirror_of(registry))
    )


SCRIPT = r"""#!/usr/bin/env bash
# Written by the playbook artifacts of dynamo.multinode; changes here are overwritten.
#
#   mirror.sh copy [MIRROR]   from upstream straight into the mirror
#   mirror.sh pull            from upstream into the folder of this script (where there is a way out)
#   mirror.sh push [MIRROR]   from that folder into the mirror (behind the gap)
#
# What is done is not done again. ALL=1 takes what only some settings need, too. Log in first: skopeo login, helm
# registry login. Needs skopeo, helm, curl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

action="${1:-}"
mirror="${2:-${MIRROR:-@MIRROR@}}"

# image, path in the mirror, digest where it is known, optional
images=(
@IMAGES@
)
# chart, repository, version, file
charts=(
@CHARTS@
)
# address, file
files=(
@FILES@
)

failed=0
problem() {
  echo "FAILED: $*" >&2
  failed=$((failed + 1))
}

# A name as a folder
folder() {
  echo "images/${1//[\/:@]/_}"
}

# Whether upstream's tag still is what it was when the list was made
unmoved() {
  local image="$1" digest="$2" now
  [[ "$digest" == - ]] && return 0
  now="sha256:$(skopeo inspect --raw "docker://$image" | sha256sum | cut -d ' ' -f 1)" || return 1
  [[ "$now" == "$digest" ]] || { echo "$image is $now, and was $digest" >&2; return 1; }
}

each_image() {
  local line image path digest optional
  for line in "${images[@]}"; do
    read -r image path digest optional <<<"$line"
    [[ "$optional" == optional && "${ALL:-}" != 1 ]] && continue
    "$1" "$image" "$path" "$digest" || problem "$image"
  done
}

copy_image() {
  grep -qxF "$1 $mirror" done-images 2>/dev/null && return 0
  unmoved "$1" "$3" || return 1
  skopeo copy --all --preserve-digests --retry-times 3 "docker://$1" "docker://$mirror/$2" || return 1
  echo "$1 $mirror" >>done-images
}

pull_image() {
  local to
  to="$(folder "$1")"
  [[ -e "$to.complete" ]] && return 0
  unmoved "$1" "$3" || return 1
  rm -rf "$to"
  mkdir -p images
  skopeo copy --all --preserve-digests --retry-times 3 "docker://$1" "dir:$to" || return 1
  touch "$to.complete"
}

push_image() {
  local from
  from="$(folder "$1")"
  grep -qxF "$1 $mirror" done-images 2>/dev/null && return 0
  [[ -e "$from.complete" ]] || { echo "$1 was not pulled" >&2; return 1; }
  skopeo copy --all --preserve-digests --retry-times 3 "dir:$from" "docker://$mirror/$2" || return 1
  echo "$1 $mirror" >>done-images
}

# The images of rendered objects, one a line: of pods as they are, and of custom resources that name one in parts, with
# the word "parts" (the operator may put the machine's system behind the version)
named_images() {
  awk '
    # An entry of a list begins a new map, and a key further to the left ends those below it
    function end(column,   at) {
      for (at = deepest; at >= column; at--) {
        base = image[at] != "" ? image[at] : name[at]
        tag = version[at] != "" ? version[at] : tags[at]
        joint = tag ~ /^sha256:/ ? "@" : ":"
        if (repository[at] != "" && base != "" && tag != "") print repository[at] "/" base joint tag, "parts"
        else if (repository[at] != "" && base == "" && tags[at] != "") print repository[at] joint tags[at], "parts"
        else if (image[at] ~ /[\/:]/ && image[at] !~ /:[^\/]*$/ && version[at] != "") print image[at] joint tag, "parts"
        else if (image[at] != "" && (image[at] ~ /[\/:]/ || !(at in enabled))) print image[at], "-"
        delete image[at]; delete name[at]; delete repository[at]
        delete version[at]; delete tags[at]; delete enabled[at]
      }
      if (deepest >= column) deepest = column - 1
    }
    BEGIN { deepest = -1 }
    /^ *#/ || /^ *$/ { next }
    /^---/ { end(0); next }
    {
      match($0, /^ *(- +)*/)
      column = RLENGTH
      dash = index(substr($0, 1, column), "-")
      end(dash ? dash : column + 1)
      rest = substr($0, column + 1)
      key = rest
      sub(/:.*/, "", key)
      sub(/^[^:]*: */, "", rest)
      sub(/ +#.*$/, "", rest)
      gsub(/["\047]| +$/, "", rest)
      if (rest ~ /[ {[]/) rest = ""
      if (column > deepest) deepest = column
      if (key == "image") image[column] = rest
      else if (key == "name") name[column] = rest
      else if (key == "repository") repository[column] = rest
      else if (key == "version") version[column] = rest
      else if (key == "tag") tags[column] = rest
      else if (key == "enabled") enabled[column] = 1
    }
    END { end(0) }
  ' "$1" | sort -u
}

# A name with its registry
full() {
  case "${1%%/*}" in
    "$1") echo "docker.io/library/$1" ;;
    *.* | *:* | localhost) echo "$1" ;;
    *) echo "docker.io/$1" ;;
  esac
}

# What a chart would pull that is not in the list
compare() {
  local image kind line listed=" "
  helm template compare "charts/$1" --kube-version 1.34.0 >charts/.rendered 2>/dev/null || {
    echo "note: $1 cannot be rendered without a cluster, and was not compared with the list" >&2
    return 0
  }
  for line in "${images[@]}"; do
    listed+="${line%% *} "
  done
  while read -r image kind; do
    image="$(full "$image")"
    [[ "$listed" == *" $image "* ]] && continue
    [[ "$kind" == parts && "$listed" == *" $image-"* ]] && continue
    echo "note: $1 also names $image" >&2
  done < <(named_images charts/.rendered)
}

pull_charts() {
  local line chart repository version file
  mkdir -p charts
  for line in "${charts[@]}"; do
    read -r chart repository version file <<<"$line"
    if [[ ! -e "charts/$file" ]]; then
      rm -rf charts/.new
      local from=("$chart" --version "$version" --destination charts/.new)
      [[ "$repository" == - ]] || from+=(--repo "$repository")
      helm pull "${from[@]}" || { problem "$chart"; continue; }
      mv charts/.new/*.tgz "charts/$file"
      rm -rf charts/.new
    fi
    compare "$file"
  done
}

fetch_file() {
  curl --fail --location --retry 3 --output "files/.$2" "$1" || return 1
  curl --fail --location --retry 3 --output "files/.$2.sum" "$1.sha256sum" || return 1
  sed -i "s, .*,  files/.$2," "files/.$2.sum"
  sha256sum --check --quiet "files/.$2.sum" || return 1
  rm "files/.$2.sum"
  mv "files/.$2" "files/$2"
}

pull_files() {
  local line address file
  mkdir -p files
  for line in "${files[@]}"; do
    read -r address file <<<"$line"
    [[ -e "files/$file" ]] && continue
    fetch_file "$address" "$file" || problem "$address"
  done
}

need_mirror() {
  [[ -n "$mirror" ]] || { echo "name the mirror: $0 $action registry.example:5000/team" >&2; exit 2; }
}

case "$action" in
  copy)
    need_mirror
    pull_charts
    pull_files
    each_image copy_image
    ;;
  pull)
    pull_charts
    pull_files
    each_image pull_image
    ;;
  push)
    need_mirror
    each_image push_image
    ;;
  *)
    sed -n '4,6s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
if ((failed)); then
  echo "$failed failed; run it again to go on" >&2
  exit 1
fi
echo "all done"
"""
