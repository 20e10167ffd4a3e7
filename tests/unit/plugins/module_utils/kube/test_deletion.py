# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order things are deleted; the rest of it against a lab, in tests/integration/test_apply.py."""

from __future__ import annotations

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.deletion import group_of


def test_namespaces_go_last_and_with_them_what_a_killed_run_leaves_for_the_next_one():
    kinds = ["Namespace", "CustomResourceDefinition", "ServiceAccount", "ConfigMap", "Deployment", "LeaderWorkerSet"]
    order = sorted(kinds, key=group_of, reverse=True)
    assert order[-2:] == ["CustomResourceDefinition", "Namespace"]
    assert order.index("ConfigMap") > order.index("Deployment")
