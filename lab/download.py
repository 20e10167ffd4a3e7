# Copyright: (c) 2026, dynamo.multinode contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published programs, where their sites answer. A closed network costs two seconds once, then everything is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

PROBE_SECONDS = 2.0
READ_SECONDS = 30.0


@dataclass(frozen=True)
class Published:
    """A file at an upstream site, or ``member`` of an archive there; ``{os}`` and ``{arch}`` are filled in."""

    url: str
    checksum_url: str | None = None
    member: str | None = None


class Site:
    """The download sites, as far as they were found to answer in this run."""

    def __init__(self) -> None:
        self._closed = os.environ.get("LAB_DOWNLOAD", "1") in ("0", "no", "false")
        self._open: set[str] = set()

    def answers(self, published: Published) -> bool:
        """Whether the file's site can be reached. One that cannot counts for all: it is the network that is closed."""
        parts = urlsplit(published.url)
        host = f"{parts.scheme}://{parts.netloc}/"
        if self._closed or host in self._open:
            return not self._closed
        reached: list[bool] = []

        def probe() -> None:
            try:
                request = urllib.request.Request(host, method="HEAD")
                with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
                    reached.append(True)
            except urllib.error.HTTPError:
                reached.append(True)
            except (OSError, ValueError):
                pass

        # In a thread, because looking up a name has no time limit of its own.
        thread = threading.Thread(target=probe, daemon=True)
        thread.start()
        thread.join(PROBE_SECONDS)
        if reached:
            self._open.add(host)
        else:
            self._closed = True
        return bool(reached)

    def fetch(self, published: Published, target: Path, system: str, arch: str) -> bool:
        """Put the program at ``target``. False when the site fails; a wrong checksum is an error, never used."""
        url = published.url.format(os=system, arch=arch)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            file = Path(folder) / "file"
            try:
                with urllib.request.urlopen(url, timeout=READ_SECONDS) as source, file.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                wanted = _checksum(published, url, system, arch)
            except (OSError, ValueError):
                return False
            if wanted and _sha256(file) != wanted:
                raise LabError(f"{url}: the checksum is not {wanted}, which upstream publishes; nothing was installed")
            if published.member:
                file = _extract(file, published.member, Path(folder))
            file.chmod(0o755)
            file.replace(target)
        return True


def _checksum(published: Published, url: str, system: str, arch: str) -> str | None:
    """The SHA-256 from a file of one sum, or from a list of sums and names."""
    if not published.checksum_url:
        return None
    with urllib.request.urlopen(published.checksum_url.format(os=system, arch=arch), timeout=READ_SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    name = url.rpartition("/")[2]
    for line in lines:
        words = line.split()
        if words and len(words[0]) == 64 and (len(words) == 1 or words[-1].lstrip("*") == name):
            return str(words[0]).lower()
    raise LabError(f"{published.checksum_url}: has no SHA-256 of {name}")


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _extract(archive: Path, member: str, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        for info in tar:
            if info.isfile() and info.name.rpartition("/")[2] == member:
                source = tar.extractfile(info)
                if source is not None:
                    target = folder / "member"
                    with target.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
                    return target
    raise LabError(f"{archive.name}: holds no {member}")
