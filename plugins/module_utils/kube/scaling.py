# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set the number of engines where the applied object is only read for it once: Grove's scaling groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dynamo.multinode.plugins.module_utils.kube.client import FIELD_MANAGER, ApiError, Client
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.conflicts import explain
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.results import Result
from ansible_collections.dynamo.multinode.plugins.module_utils.kube.wait import Ref

# (apiVersion, kind, namespace, name, engines)
Target = tuple[str, str, str, str, int]


def scale(client: Client, targets: Iterable[Target], *, check: bool = False) -> dict[Ref, Result]:
    """Scale those that are there and have another number, through their scale subresource, as an autoscaler does.

    One LIST per kind and namespace. A group that is not there yet will be made with the right number.
    """
    wanted = {Ref(*target[:4]): target[4] for target in targets}
    places = sorted({ref[:3] for ref in wanted}, key=str)
    live: dict[Ref, Mapping[str, Any]] = {}
    unread: dict[Ref, Result] = {}
    for place, found in zip(places, client.map(lambda place: _listed(client, place), places)):
        live.update((Ref.of(obj), obj) for obj in found or [])
        if found is None:
            why = "may not be read: another number of engines may not reach it"
            unread.update((ref, Result(*ref, "unchanged", warnings=[why])) for ref in wanted if ref[:3] == place)

    def write(ref: Ref) -> Result:
        before = int((live[ref].get("spec") or {}).get("replicas") or 0)
        done = Result(*ref, "unchanged")
        if before == wanted[ref]:
            return done
        path = client.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace or "") + "/scale"
        try:
            client.request(
                "PATCH",
                path,
                query={"fieldManager": FIELD_MANAGER, "dryRun": "All" if check else None},
                body={"spec": {"replicas": wanted[ref]}},
                content_type="application/merge-patch+json",
            )
        except ApiError as error:
            done.action, done.error = "failed", explain(error, ref.kind)
            return done
        done.action = "changed"
        done.diff = {"before": {"spec": {"replicas": before}}, "after": {"spec": {"replicas": wanted[ref]}}}
        return done

    there = [ref for ref in wanted if ref in live]
    return {**unread, **dict(zip(there, client.map(write, there)))}


def _listed(client: Client, place: tuple[str, str, str | None]) -> list[dict[str, Any]] | None:
    """The groups of one namespace; None where they may not be listed."""
    try:
        return client.list(*place)
    except ApiError as error:
        if error.status != 403:
            raise
        return None
