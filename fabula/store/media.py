"""Files by their content: pictures and whatever else comes with characters. Knows nothing of what they show.

A file's name is the SHA-256 of its bytes, so the same picture is kept once and never changes under its name.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fabula.store.files import require_space, write_atomic, writing

_DIGEST = re.compile(r"[0-9a-f]{64}")
MARGIN = 64 << 20  # bytes that stay free for the database and the journal


class Media:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Its digest; on the disk when this returns. Raises NoDiskSpace or StoreUnwritable."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if not path.exists():
            require_space(self._folder, len(content) + MARGIN)
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)
        return digest

    def get(self, digest: str) -> bytes | None:
        """None where there is no such file."""
        path = self.path(digest)
        return path.read_bytes() if path.exists() else None

    def path(self, digest: str) -> Path:
        """Raises ValueError for what is no digest: names from outside never become paths."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no SHA-256")
        return self._folder / digest[:2] / digest
