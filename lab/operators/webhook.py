# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks and webhooks of a stand-in, over TLS with a certificate that it makes when it starts.

The configurations stay the chart's: only their caBundle is filled in, as operators with certificates of their own do.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.certs import Authority, pem
from lab.kube import ApiError
from lab.operators.cluster import Cluster

# The AdmissionReview's request, as sent -> what its response consists of, besides the uid
Webhook = Callable[[dict[str, Any]], dict[str, Any]]
CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
API = "admissionregistration.k8s.io/v1"


def allow(*warnings: str) -> dict[str, Any]:
    """Nothing to say against it."""
    return {"allowed": True} | ({"warnings": list(warnings)} if warnings else {})


def deny(message: str, code: int = 403) -> dict[str, Any]:
    """Refused, with the words that kubectl shows."""
    return {"allowed": False, "status": {"code": code, "message": message}}


def patched(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Allowed, and changed by a JSON patch."""
    if not operations:
        return allow()
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


class Server:
    """Serves /healthz, /readyz and the webhooks on one local port, from its start to the end of the process."""

    def __init__(self, cluster: Cluster, port: int, webhooks: Mapping[str, Webhook]) -> None:
        self._cluster, self._webhooks = cluster, webhooks
        self._authority = Authority("stand-in")
        self.ready = threading.Event()
        cert, key = self._authority.issue("stand-in", dns=self._names())
        handler = type("Handler", (_Handler,), {"webhooks": dict(webhooks), "ready": self.ready})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pair.pem"
            path.write_bytes(cert + key)
            context.load_cert_chain(path)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def introduce(self) -> None:
        """Fill in the caBundle of every configuration whose calls come here; ready once that is so."""
        if self._webhooks:
            bundle = base64.b64encode(pem(self._authority.cert)).decode()
            for kind in CONFIGURATIONS:
                for found in self._cluster.list(API, kind):
                    self._fill(found, bundle)
        self.ready.set()

    def _fill(self, found: dict[str, Any], bundle: str) -> None:
        changed = False
        for hook in found.get("webhooks") or []:
            service = hook["clientConfig"].get("service") or {}
            ours = service.get("namespace") == self._cluster.namespace and service.get("path", "/") in self._webhooks
            if ours and hook["clientConfig"].get("caBundle") != bundle:
                hook["clientConfig"]["caBundle"] = bundle
                changed = True
        if changed:
            self._cluster.patch(found, {"webhooks": found["webhooks"]})

    def _names(self) -> tuple[str, ...]:
        """Every name of every Service of the namespace: which of them selects this pod may change."""
        namespace = self._cluster.namespace
        try:
            services = self._cluster.list("v1", "Service", namespace) if self._webhooks else []
        except ApiError:
            services = []
        names = [f"{item['metadata']['name']}.{namespace}.svc" for item in services]
        return ("localhost", *names)


class _Handler(BaseHTTPRequestHandler):
    webhooks: dict[str, Webhook]
    ready: threading.Event
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A health check."""
        self._answer(200 if self.path == "/healthz" or self.ready.is_set() else 503, {})

    def do_POST(self) -> None:
        """An AdmissionReview."""
        review = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        webhook = self.webhooks.get(self.path.partition("?")[0])
        if webhook is None:
            self._answer(404, {})
            return
        try:
            response = webhook(review)
        except Exception as error:  # pylint: disable=broad-except
            print(f"{self.path}: {error!r}", flush=True)
            response = deny(f"stand-in: {error!r}", 500)
        uid = review["request"]["uid"]
        self._answer(200, {**{k: review[k] for k in ("apiVersion", "kind")}, "response": {**response, "uid": uid}})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # pylint: disable=redefined-builtin
        """Health checks would fill the log."""
