# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.components import Ask
from ansible_collections.dynamo.multinode.plugins.module_utils.forecast import after

EMPTY: dict[str, Any] = {
    "kubernetes": "v1.34.4",
    "components": {"volcano": {"present": False}, "lws": {"present": False}, "grove": {"present": False}},
    "queues": {"volcano": [], "kai": []},
}
GANGS = {"gangSchedulingManagement": {"schedulerProvider": "volcano"}}


def test_what_is_installed_is_there_afterwards() -> None:
    facts = after(EMPTY, {"volcano": ("install", Ask()), "lws": ("upgrade", Ask(values=GANGS))})
    assert facts["components"]["volcano"]["present"]
    assert facts["components"]["lws"] == {"present": True, "details": {"scheduler_provider": "volcano"}}
    assert not facts["components"]["grove"]["present"]
    assert facts["kubernetes"] == "v1.34.4"


def test_volcano_brings_its_queues_beside_those_that_are_there() -> None:
    there = {**EMPTY, "queues": {"volcano": [{"name": "default", "state": "Closed"}], "kai": []}}
    queues = after(there, {"volcano": ("install", Ask())})["queues"]["volcano"]
    assert queues == [{"name": "default", "state": "Closed"}, {"name": "root", "state": "Open"}]


def test_lws_without_a_provider_stays_without_one() -> None:
    assert after(EMPTY, {"lws": ("install", Ask())})["components"]["lws"]["details"] == {"scheduler_provider": None}


def test_what_is_left_alone_stays_and_what_is_removed_goes() -> None:
    there = {**EMPTY, "components": {"volcano": {"present": True}, "lws": {"present": True}}}
    facts = after(there, {"volcano": ("adopt", Ask()), "lws": ("remove", Ask())})
    assert facts["components"] == {"volcano": {"present": True}, "lws": {"present": False}}


def test_the_facts_that_were_given_are_not_touched() -> None:
    before = copy.deepcopy(EMPTY)
    after(EMPTY, {"volcano": ("install", Ask()), "lws": ("install", Ask(values=GANGS))})
    assert before == EMPTY
