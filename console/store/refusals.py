"""What a person asks of the store and may be refused: the store's functions return their reason, and whoever may
not ask at all, or sits at a read-only console, is told so in words."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from console.domain.errors import Refused, StoreRefused
from console.domain.text import printable
from console.store.pool import Store


async def asked(store: Store, what: str, sql: str, *args: object) -> asyncpg.Record:
    """The row that `sql` returns, whose first column is the reason of a refusal or null. It is sent once.

    `what` completes "may not ...", as in `acknowledge alerts`. Raises Refused, StoreAway and StoreRefused.
    """
    try:
        row = await store.fetchrow(sql, *args, once=True)
    except StoreRefused:
        link = await store.link()
        if link.role in ("viewer", "none"):
            raise Refused(f"{link.user} may not {what}: that is for responders and commanders") from None
        if link.read_only:
            raise Refused(f"this console is read-only: it may not {what}") from None
        raise
    if row is None:
        raise StoreRefused(f"the store at {store.place} gave no answer when asked to {what}")
    if row[0] is not None:
        raise Refused(printable(row[0], 600))
    return row


def numbers(kind: str, ids: Iterable[int]) -> list[int]:
    """`ids` as the store can take them; a number that can't be one of a `kind` there is refused like an unknown one."""
    wanted = list(ids)
    for number in wanted:
        if not 0 < number < 2**63:
            raise Refused(f"there is no {kind} {number}")
    return wanted


def possible(number: int) -> int:
    """`number` as the store can take it to look for: 0, which is nobody's, where it can't be there."""
    return number if 0 < number < 2**63 else 0
