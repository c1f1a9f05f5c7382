"""Shifts handed over: offered by one, signed by the other. Raises Refused, StoreAway and StoreRefused."""

from __future__ import annotations

from console.domain.handover import Handover
from console.domain.text import lines_of, printable
from console.store.pool import Store
from console.store.refusals import asked, numbers

_TEXT, _NOTE = 20_000, 8_000


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


async def latest(store: Store, *, limit: int = 20) -> list[Handover]:
    """The latest ones, newest first."""
    rows = await store.fetch(
        """
        SELECT id, giver, taker, text, note, at, signed_at FROM console.handover ORDER BY id DESC LIMIT $1
        """,
        limit,
    )
    return [
        Handover(
            id=row["id"],
            giver=printable(row["giver"], 63),
            taker=printable(row["taker"], 63),
            text=lines_of(row["text"], _TEXT),
            note=lines_of(row["note"], _NOTE),
            at=row["at"],
            signed_at=row["signed_at"],
        )
        for row in rows
    ]
