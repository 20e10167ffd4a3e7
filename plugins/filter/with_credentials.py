# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passwords that a module hid in its answer, from the variables that the caller gave it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: with_credentials
short_description: Put back the user and password of URLs that a module's answer hides
version_added: "0.1.0"
description:
  - An answer of M(dynamo.multinode.cluster_info) is printed and logged, so that it shows C(http://***@proxy:3128) where
    it was given a proxy with a password. What helm and the cluster get has to have the true one.
  - Only URLs that stand in the given variables are put back; all else stays as it is.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
positional: known
options:
  _input:
    description: Any part of the answer, such as C(values_ours) of a decision.
    type: raw
    required: true
  known:
    description: What the module was given. Anything that holds the URLs, lists and maps included.
    type: raw
    required: true
seealso:
  - plugin: dynamo.multinode.without_secrets
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The values for helm
  ansible.builtin.set_fact:
    values: "{{ found.decisions.gpu_operator.values_ours | dynamo.multinode.with_credentials([multinode_proxy]) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The same data with the true URLs.
  type: raw
"""

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import Credentials


def with_credentials(tree: Any, known: Any) -> Any:
    return Credentials(known).restore(tree)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"with_credentials": with_credentials}
