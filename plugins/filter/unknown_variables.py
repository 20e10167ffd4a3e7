# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of variables that nobody reads."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Say which of the inventory's variables nobody reads
version_added: "0.1.0"
description:
  - Ansible takes a variable whose name is misspelt for one of somebody else's, and goes on without it. The playbooks of
    this collection ask this filter about every variable whose name begins with C(multinode_).
author:
  - dynamo.multinode contributors (@dynamo-multinode)
options:
  _input:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse variables that nobody reads
  ansible.builtin.fail:
    msg: "{{ problems | join(', ') }}"
  vars:
    problems: "{{ query('ansible.builtin.varnames', '^multinode_') | dynamo.multinode.unknown_variables }}"
  when: problems | length > 0
"""

RETURN = r"""
_value:
  description: A sentence for each that is not known, with the name that is likely meant; none when all are.
  type: list
  elements: str
"""

from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.module_utils.inventory_names import unknown


def unknown_variables(names: Iterable[str]) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise AnsibleFilterError("unknown_variables: takes a list of names")
    return unknown(names)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"unknown_variables": unknown_variables}
