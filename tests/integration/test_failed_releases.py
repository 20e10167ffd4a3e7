# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""helm runs that fail, and the run after them: LWS's real chart with a hook of ours, which fails until its namespace is
there. kubernetes.core.helm finds nothing to do about a release that failed with what is asked for again.

One small lab goes through it in the order of this file.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.handle import Lab
from tests.integration.test_platform import CLONE, PATIENCE, Platform

HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: announce
  namespace: {{ .Values.announce }}
  annotations: {helm.sh/hook: "ON"}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: announce, image: none}]}
"""
WHERE = "announcements"
REFUSES = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "refuses"},
    "webhooks": [
        {
            "name": "refuses.example.com",
            # Nobody listens there
            "clientConfig": {"url": "https://127.0.0.1:1/validate"},
            "rules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "lws-system"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 2,
        }
    ],
}


@pytest.fixture(scope="module")
def platform(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    one = Platform(make_lab(nodes=1), tmp_path_factory.mktemp("platform"))
    one.run("volcano")
    return one


def hooked(platform: Platform, folder: Path, when: str) -> dict[str, Any]:
    """Variables with LWS's chart and the hook."""
    target = folder / "lws-0.8.0.tgz"
    body = HOOK.replace("ON", when).encode()
    with tarfile.open(platform.lab.chart("lws")) as chart, tarfile.open(target, "w:gz") as made:
        for member in chart.getmembers():
            made.addfile(member, chart.extractfile(member))
        info = tarfile.TarInfo("lws/templates/announce.yaml")
        info.size = len(body)
        made.addfile(info, io.BytesIO(body))
    return {"lws_chart": str(target), "lws_values": {"announce": WHERE}}


def revisions(platform: Platform) -> list[str]:
    """What helm says of each revision, the oldest first."""
    found = platform.client.list("v1", "Secret", label_selector="owner=helm,name=lws")
    labels = sorted((item["metadata"]["labels"] for item in found), key=lambda item: int(item["version"]))
    return [f"{item['version']} {item['status']}" for item in labels]


def changed(output: str) -> int:
    return int(output.rpartition("changed=")[2].split()[0])


def failed_and(action: str, output: str) -> bool:
    """Whether the role says that the release failed although LWS runs, and what it does."""
    words = f"its release is failed, although all of it runs (MN-F62): {action} 0.8.0"
    return words in " ".join(output.split())


def runs(platform: Platform) -> None:
    """LWS does by now, whatever helm has noted."""
    where = ("-n", "lws-system", "deployment/lws-controller-manager")
    platform.lab.kubectl("rollout", "status", *where, f"--timeout={PATIENCE:.0f}s")


def test_f62_a_first_install_whose_hook_failed_is_installed_by_the_next_run(platform: Platform, tmp_path: Path) -> None:
    given = hooked(platform, tmp_path, "post-install")
    output = platform.run("lws", ok=False, **given)
    assert f'namespaces "{WHERE}" not found' in output
    assert revisions(platform) == ["1 failed"]
    was = platform.lab.get("-n", "lws-system", "deployment", "lws-controller-manager")["metadata"]["uid"]

    platform.lab.kubectl("create", "namespace", WHERE)
    runs(platform)
    assert failed_and("install", platform.run("lws", **given))
    assert revisions(platform) == ["1 deployed"]
    # The hook of an install ran, and what was there was taken over
    assert platform.lab.get("-n", WHERE, "job", "announce")
    found = platform.lab.get("-n", "lws-system", "deployment", "lws-controller-manager")
    assert found["metadata"]["uid"] == was
    assert changed(platform.run("lws", **given)) == 0


def test_f62_an_upgrade_whose_hook_failed_is_repeated_by_the_next_run(platform: Platform, tmp_path: Path) -> None:
    given = hooked(platform, tmp_path, "post-upgrade")
    given["lws_values"]["replicaCount"] = 2
    platform.lab.kubectl("delete", "namespace", WHERE)
    platform.run("lws", ok=False, **given)
    assert revisions(platform) == ["1 deployed", "2 failed"]
    platform.lab.kubectl("create", "namespace", WHERE)
    runs(platform)
    assert failed_and("upgrade", platform.run("lws", **given))
    assert revisions(platform) == ["1 superseded", "2 deployed"]
    assert platform.lab.get("-n", WHERE, "job", "announce")
    assert changed(platform.run("lws", **given)) == 0


@pytest.mark.parametrize("there", ["deployed", "none"])
def test_f64_a_webhook_that_does_not_answer_helm_at_first(platform: Platform, tmp_path: Path, there: str) -> None:
    """It goes when helm has given up once: the second attempt has to be one."""
    given = hooked(platform, tmp_path, "post-upgrade")
    given["lws_values"]["replicaCount"] = 1
    if there == "none":
        platform.run("lws", lws_state="absent")
    before = revisions(platform)
    platform.lab.kubectl("delete", "namespace", WHERE, "--ignore-not-found")
    platform.lab.kubectl("create", "namespace", WHERE)
    platform.lab.apply(REFUSES)
    try:
        with (tmp_path / "run.log").open("w", encoding="utf-8") as log:
            run = subprocess.Popen(platform.argv(("lws",), given), cwd=CLONE, stdout=log, stderr=subprocess.STDOUT)
            deadline = time.monotonic() + PATIENCE
            while platform.status("lws") != "failed":
                assert run.poll() is None, (tmp_path / "run.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "helm never failed"
                time.sleep(0.05)
            platform.lab.kubectl("delete", "validatingwebhookconfiguration", "refuses")
            assert run.wait(PATIENCE) == 0, (tmp_path / "run.log").read_text(encoding="utf-8")
    finally:
        platform.lab.kubectl("delete", "validatingwebhookconfiguration", "refuses", "--ignore-not-found")
    assert "failed calling webhook" in (tmp_path / "run.log").read_text(encoding="utf-8")
    assert revisions(platform)[-1] == f"{len(before) + 1} deployed"
    assert not [item for item in revisions(platform) if item.endswith("failed")]
    found = platform.lab.get("-n", "lws-system", "deployment", "lws-controller-manager")
    assert found["spec"]["replicas"] == 1
    assert changed(platform.run("lws", **given)) == 0
