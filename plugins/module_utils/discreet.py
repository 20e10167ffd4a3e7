# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For modules that are given Kubernetes objects: the values of Secrets leave them neither in an answer nor in a log."""

from __future__ import annotations

from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.large import invocation


class Discreet:
    """Before AnsibleModule among a class's bases: it shows its options without what is secret in them, however it ends.

    ``no_log`` would not do: Ansible would blot out every word of the objects wherever it stands in the answer.
    """

    params: dict[str, Any]

    def _log_invocation(self) -> None:
        base: Any = super()
        given, self.params = self.params, invocation(self.params)["module_args"]
        try:
            base._log_invocation()
        finally:
            self.params = given

    def exit_json(self, **kwargs: Any) -> None:
        base: Any = super()
        base.exit_json(**{"invocation": invocation(self.params), **kwargs})

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        base: Any = super()
        base.fail_json(msg, **{"invocation": invocation(self.params), **kwargs})
