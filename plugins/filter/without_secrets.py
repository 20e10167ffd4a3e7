# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chart values, and what helm says, fit to be shown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: without_secrets
short_description: Hide what looks like a secret in chart values
version_added: "0.1.0"
description:
  - Replaces values whose key looks like one of a secret (C(password), C(token), C(apiKey) and the like) by C(***), and
    the user and password of URLs in any text.
author:
  - dynamo.multinode contributors (@dynamo-multinode)
options:
  _input:
    description: Chart values, or any text.
    type: raw
    required: true
seealso:
  - plugin: dynamo.multinode.with_credentials
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Keep quiet about values only where they hold secrets
  ansible.builtin.debug:
    msg: "{{ (values | dynamo.multinode.without_secrets) != values }}"
"""

RETURN = r"""
_value:
  description: The same data without the secrets.
  type: raw
"""

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.credentials import redacted


def without_secrets(values: Any) -> Any:
    return redacted(values)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"without_secrets": without_secrets}
