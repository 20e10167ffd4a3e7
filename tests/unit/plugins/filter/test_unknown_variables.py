# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dynamo.multinode.plugins.filter.unknown_variables import unknown_variables
from ansible_collections.dynamo.multinode.plugins.module_utils.inventory_names import VARIABLES


def test_what_is_known_is_not_told() -> None:
    assert unknown_variables(VARIABLES) == []
    assert unknown_variables([]) == []


def test_all_are_told_once_with_what_is_likely_meant() -> None:
    told = "is not a variable of dynamo.multinode"
    assert unknown_variables(["multinode_workload", "multinode_auth", "multinode_prone", "multinode_prone"]) == [
        f"multinode_prone: {told} (did you mean multinode_prune?)",
        f"multinode_workload: {told} (did you mean multinode_workloads?)",
    ]


@pytest.mark.parametrize("given", ["multinode_auth", [1], 7, None])
def test_what_is_no_list_of_names_is_refused(given: Any) -> None:
    with pytest.raises(AnsibleFilterError):
        unknown_variables(given)
