"""Shifts handed over: offered by one, signed by the other. Raises Refused, StoreAway and StoreRefused."""

from __future__ import annotations

import asyncpg

from console.domain.handover import Handover
from console.domain.text import lines_of, printable
from console.store.pool import Store
from console.store.refusals import asked, numbers

_TEXT, _NOTE = 20_000, 8_000
_MOST_OFFERED = 20


async def offer(store: Store, to: str, text: str, *, note: str = "", key: str = "") -> int:
    """Hand over to somebody who may respond; its number. The same key again is the same one; "": none."""
    row = await asked(
        store,
        "hand over",
        "SELECT refusal, id FROM console.offer_handover($1, $2, $3, $4)",
        printable(to.strip(), 100),
        # One longer than the store takes is refused there, not cut here.
        lines_of(text, 2 * _TEXT),
        lines_of(note, 2 * _NOTE),
        printable(key, 100),
    )
    return row["id"]


async def sign(store: Store, handover: int) -> None:
    """Take over; only who it is for can."""
    await asked(store, "take over", "SELECT console.sign_handover($1)", *numbers("hand-over", [handover]))


_SELECT = "SELECT id, giver, taker, text, note, at, signed_at FROM console.handover"


async def latest(store: Store, *, limit: int = 20) -> list[Handover]:
    """The latest ones, newest first."""
    return [_handover(row) for row in await store.fetch(f"{_SELECT} ORDER BY id DESC LIMIT $1", limit)]


async def one(store: Store, handover: int) -> Handover | None:
    """The one of this number; None: there is none."""
    row = await store.fetchrow(f"{_SELECT} WHERE id = $1", *numbers("hand-over", [handover]))
    return None if row is None else _handover(row)


async def offered(store: Store) -> list[Handover]:
    """Those that wait for this person to sign, newest first."""
    rows = await store.fetch(
        f"{_SELECT} WHERE taker = session_user AND signed_at IS NULL ORDER BY id DESC LIMIT $1", _MOST_OFFERED
    )
    return [_handover(row) for row in rows]


def _handover(row: asyncpg.Record) -> Handover:
    return Handover(
        id=row["id"],
        giver=printable(row["giver"], 63),
        taker=printable(row["taker"], 63),
        text=lines_of(row["text"], _TEXT),
        note=lines_of(row["note"], _NOTE),
        at=row["at"],
        signed_at=row["signed_at"],
    )
