# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for operators that cannot be had here: each plays what its operator was seen to report, nothing more.

A module per operator: ``reconcile(cluster)``, called about three times a second; if it has webhooks ``WEBHOOKS``: path
-> function of the AdmissionReview that gives the response (see webhook.py); if there is something to do before it is
ready ``prepare(cluster)``, called until it succeeds. README of ../standins says what a stand-in proves.
"""

from __future__ import annotations

# The last segments of upstream's image -> the module here; who has no module yet only answers health checks.
MODULES = {
    "gpu-operator": "gpu_operator",
    "network-operator": "network_operator",
    "sriov-network-operator": "sriov",
    "kai-scheduler/operator": "kai_scheduler",
    "grove-operator": "grove",
    "kubernetes-operator": "dynamo",
}
