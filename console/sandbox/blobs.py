"""Text files that were handed in, by their digest: kept beside the state they belong to, in memory without a path."""

from __future__ import annotations

import hashlib
from pathlib import Path

from console.places import write_private


class Blobs:
    """`algorithm` is what their names are made with (hashlib's name)."""

    def __init__(self, folder: Path | None, algorithm: str) -> None:
        self._folder = folder
        self._algorithm = algorithm
        self._memory: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Its digest. Raises UnicodeDecodeError for what is not UTF-8."""
        text = content.decode()
        digest = hashlib.new(self._algorithm, content, usedforsecurity=False).hexdigest()
        if self._folder is None:
            self._memory[digest] = content
        elif digest not in self:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._folder / digest, text)
        return digest

    def get(self, digest: str) -> bytes:
        """Raises KeyError."""
        if digest not in self:
            raise KeyError(digest)
        return self._memory[digest] if self._folder is None else (self._folder / digest).read_bytes()

    def __contains__(self, digest: str) -> bool:
        if self._folder is None:
            return digest in self._memory
        return digest.isalnum() and (self._folder / digest).is_file()
