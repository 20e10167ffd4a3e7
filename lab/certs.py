# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificates and kubeconfigs. Elliptic curve keys: made in milliseconds."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import shutil
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.layout import write_atomically

YEARS = datetime.timedelta(days=3650)
# Client identities: file name -> (user, groups)
CLIENTS = {
    "admin": ("lab-admin", ("system:masters",)),
    "dynamo-multinode": ("dynamo-multinode", ()),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kwok": ("lab-kwok", ("system:masters",)),
    "supervisor": ("lab-supervisor", ("system:masters",)),
}
APISERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


class Authority:
    """A certificate authority: key and self-signed certificate."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = _subject(name)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.cert = (
            _builder(self.subject, self.subject, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self, name: str, *, groups: tuple[str, ...] = (), dns: tuple[str, ...] = (), ips: tuple[str, ...] = ()
    ) -> tuple[bytes, bytes]:
        """(certificate, key) in PEM: a server's with ``dns`` or ``ips``, and always good as a client's."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if dns or ips else [])
        builder = (
            _builder(_subject(name, groups), self.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        names: list[x509.GeneralName] = [x509.DNSName(value) for value in dns]
        names += [x509.IPAddress(ipaddress.ip_address(value)) for value in ips]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return pem(builder.sign(self.key, hashes.SHA256())), key_pem(key)


def _subject(name: str, groups: tuple[str, ...] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + YEARS)
    )


def pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # TraditionalOpenSSL: etcd and Kubernetes both read "EC PRIVATE KEY".
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def ensure(folder: Path) -> None:
    """Make the folder of certificates whole, or leave the whole one alone."""
    if folder.is_dir():
        return
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True, mode=0o700)
    authority = Authority("multinode-lab")
    files = {"ca.crt": pem(authority.cert), "ca.key": key_pem(authority.key)}
    servers = {"kube-apiserver": (*APISERVER_NAMES,), "etcd": ("localhost",), "serving": ("localhost",)}
    for name, dns in servers.items():
        ips = ("127.0.0.1", "10.96.0.1") if name == "kube-apiserver" else ("127.0.0.1",)
        files[f"{name}.crt"], files[f"{name}.key"] = authority.issue(name, dns=dns, ips=ips)
    for name, (user, groups) in CLIENTS.items():
        files[f"client-{name}.crt"], files[f"client-{name}.key"] = authority.issue(user, groups=groups)
    account = ec.generate_private_key(ec.SECP256R1())
    files["service-account.key"] = key_pem(account)
    files["service-account.pub"] = account.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for name, content in files.items():
        path = new / name
        path.write_bytes(content)
        path.chmod(0o600)
    new.rename(folder)


def kubeconfig(server: str, ca: bytes, user: dict[str, Any], name: str, context: str) -> str:
    """The text of a kubeconfig with one cluster, one user and one context."""
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": context,
                "clusters": [
                    {
                        "name": context,
                        "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
                    }
                ],
                "contexts": [{"name": context, "context": {"cluster": context, "user": name}}],
                "users": [{"name": name, "user": user}],
            },
            sort_keys=False,
        )
    )


def write_kubeconfig(path: Path, certs: Path, client: str, server: str, context: str) -> None:
    """A self-contained kubeconfig of one of ``CLIENTS``."""
    user = {
        "client-certificate-data": base64.b64encode((certs / f"client-{client}.crt").read_bytes()).decode(),
        "client-key-data": base64.b64encode((certs / f"client-{client}.key").read_bytes()).decode(),
    }
    write_atomically(path, kubeconfig(server, (certs / "ca.crt").read_bytes(), user, CLIENTS[client][0], context))
