"""The leading agent's duty about books: what is in the files is in the store, from where every console has it; again
whenever a file changes. A broken one is told once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from console.domain.event import Severity
from console.domain.format import counted
from console.runbooks.library import Library, Shelf
from console.runbooks.reading import Vocabulary
from console.store import books, timeline
from console.store.books import Book, kind_of
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.books")

SUBJECT = "books"
"""Of the entries in the timeline."""
_LOOK_S = 2.0


class Publishing:
    """Of one agent. `words` says what steps may name now."""

    def __init__(self, folder: Path | None, words: Callable[[], Vocabulary]) -> None:
        self._library = Library(folder)
        self._words = words

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled. Raises Fenced, StoreAway and StoreRefused."""
        before: Sequence[Book] = await _published(store)
        last = None
        while True:
            # Taken first: what is written while the files are read is seen at the next look.
            seen = self._library.stamp(), self._words()
            if seen == last:
                await asyncio.sleep(_LOOK_S)
                continue
            shelf = self._library.load(seen[1], before)
            changed = await books.publish(store, lease, shelf.books)
            await _tell(store, lease, shelf, changed=bool(changed) and last is not None)
            before, last = shelf.books, seen


async def _published(store: Store) -> Sequence[Book]:
    """What is in force: an agent that begins with a broken file keeps what the one before it had."""
    return [*await books.runbooks(store), *await books.checklists(store), *await books.templates(store)]


async def _tell(store: Store, lease: Lease, shelf: Shelf, *, changed: bool) -> None:
    """One entry of the timeline for each change: what is broken now, or that nothing is any more, or that other books
    are in force. What the last entry says is not said again, by the next agent neither."""
    last = next(iter(await timeline.recent(store, limit=1, subject=SUBJECT)), None)
    was_broken = last is not None and last.severity is not Severity.INFO
    severity, text = (Severity.WARNING, _complaint(shelf)) if shelf.broken else (Severity.INFO, _count(shelf))
    new = last is None or last.text != text if shelf.broken else changed or was_broken
    if not new:
        return
    for problem in shelf.broken:
        log.warning("%s: %s", _of_force(shelf, problem), problem)
    if not shelf.broken:
        log.info("%s", text)
    await timeline.append(store, lease, kind="book", severity=severity, subject=SUBJECT, text=text)


def _complaint(shelf: Shelf) -> str:
    fault, *more = shelf.broken
    first = f"a runbook, checklist or template is broken, {_of_force(shelf, fault)}: {fault}"
    # An entry has 500 characters, of which the first fault says the most.
    return first[:440] + (f" and {len(more)} more: tradex runbook check" if more else "")


def _of_force(shelf: Shelf, fault: str) -> str:
    return "and nothing of it is in force" if fault in shelf.lost else "what was in force stays"


def _count(shelf: Shelf) -> str:
    kinds = Counter(kind_of(book) for book in shelf.books)
    return f"the books were read again: {', '.join(counted(kinds[kind], kind) for kind in kinds)}"
