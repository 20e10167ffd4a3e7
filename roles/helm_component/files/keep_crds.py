# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""helm post-renderer: tells helm to keep every CustomResourceDefinition when the release goes, and with it everybody's
objects. Manifests on stdin and stdout; works on text, since a YAML library may be missing here and would be slow on
megabytes of schemas."""

from __future__ import annotations

import re
import sys

POLICY = "helm.sh/resource-policy"
IS_CRD = re.compile(r"^kind:[ ]*[\"']?CustomResourceDefinition[\"']?[ ]*(#.*)?$", re.MULTILINE)
METADATA = re.compile(r"^metadata:[ ]*(#.*)?\n", re.MULTILINE)
SEPARATOR = re.compile(r"^(---.*\n)", re.MULTILINE)


def keep(document: str) -> str:
    """One YAML document in block style, with the policy among its annotations if it is a CustomResourceDefinition."""
    if not IS_CRD.search(document) or POLICY in document:
        return document
    found = METADATA.search(document)
    if found is None:
        raise ValueError("a CustomResourceDefinition without a metadata block")
    end = found.end()
    block = re.match(r"(?:[ ]+.*\n|[ ]*#.*\n|[ ]*\n)*", document[end:])
    inside = block.group(0) if block else ""
    first = re.search(r"^([ ]+)\S", inside, re.MULTILINE)
    indent = first.group(1) if first else "  "
    annotations = re.search(rf"^{indent}annotations:[ ]*(\{{\}}|null|~)?[ ]*\n", inside, re.MULTILINE)
    if annotations:
        start, stop = end + annotations.start(), end + annotations.end()
        rest = re.match(r"([ ]+)\S", document[stop:])
        deeper = rest.group(1) if rest and len(rest.group(1)) > len(indent) else indent + "  "
        return document[:start] + f"{indent}annotations:\n{deeper}{POLICY}: keep\n" + document[stop:]
    return document[:end] + f"{indent}annotations:\n{indent}  {POLICY}: keep\n" + document[end:]


def main() -> None:
    """Filter all documents of stdin."""
    text = sys.stdin.read()
    sys.stdout.write("".join(keep(part) for part in SEPARATOR.split(text)))


if __name__ == "__main__":
    main()
