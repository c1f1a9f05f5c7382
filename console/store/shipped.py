"""The migrations that come with this program: plain SQL files, applied in the order of their names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OLDER = "run `tradex db upgrade`"
NEWER = "update this program (a newer one has already upgraded the store)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without `.sql`, and its text."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


_FOLDER = Path(__file__).with_name("migrations")


@cache
def names() -> tuple[str, ...]:
    """The names of all of them, oldest first."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.sql")))


@cache
def migrations() -> tuple[Migration, ...]:
    """All of them, oldest first."""
    return tuple(Migration(name, (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")) for name in names())
