"""What operators have set, kept in a file: it outlives the process, and does not need the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from console.places import write_private


class Kept:
    """A JSON object by sections. Without a path it is kept in memory only."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._data: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            self._data = json.loads(self._path.read_text())

    def section(self, name: str) -> dict[str, Any]:
        """A copy of what was put there last, empty at first."""
        return dict(self._data.get(name, {}))

    def put(self, name: str, values: dict[str, Any]) -> None:
        """Replace a section; the file changes in one step."""
        self._data[name] = dict(values)
        if self._path is not None:
            write_private(self._path, json.dumps(self._data))
