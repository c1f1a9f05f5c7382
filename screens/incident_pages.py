"""An incident's timeline as far as it was read: the newest page anew with each hint, older ones as somebody scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from console.domain.incident import Entry
from console.query import Query

PAGE = 200


class Pages:
    """`entries` are newest first, of the incident that was read last; `complete`: there are no older ones."""

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.complete = False
        self._of: int | None = None
        self._older = False

    def want_older(self) -> bool:
        """Have the next reading read an older page, too; False where there is none, or it is asked for already."""
        if self.complete or self._older:
            return False
        self._older = True
        return True

    async def read(self, query: Query, incident: int) -> None:
        """Raises StoreAway; what was known stays."""
        newest = await query.incident_timeline(incident, limit=PAGE)
        if incident != self._of:
            self.entries, self.complete, self._of, self._older = (), False, incident, False
        self.entries, met = merged(newest, self.entries, page=PAGE)
        self.complete = len(newest) < PAGE or (self.complete and met)
        if self._older and self.entries and not self.complete:
            last = self.entries[-1].event
            older = await query.incident_timeline(incident, before=(last.at, last.id), limit=PAGE)
            self.entries = (*self.entries, *older)
            self.complete = len(older) < PAGE
        self._older = False


def merged(newest: Sequence[Entry], known: Sequence[Entry], *, page: int) -> tuple[tuple[Entry, ...], bool]:
    """The newest page before what was known, and whether what lies between them is known: where more came than one
    page holds, the older ones are read again when somebody scrolls there."""
    if not newest or not known:
        return tuple(newest), True
    last = newest[-1].event
    older = [each for each in known if (each.event.at, each.event.id) < (last.at, last.id)]
    met = len(newest) < page or any(each.event.id == last.id for each in known)
    return ((*newest, *older), True) if met else (tuple(newest), False)
