"""What changes the guards for a while: freeze windows, and a broken glass."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.domain.action import Freeze, Glass
from console.domain.text import printable
from console.store import action_rows
from console.store.pool import Store
from console.store.refusals import asked, numbers


async def add(store: Store, *, start: datetime | None, length: timedelta, reason: str) -> Freeze:
    """Let nothing that minds a freeze be done from `start` (None: now) on. Raises Refused, StoreAway, StoreRefused."""
    row = await asked(
        store,
        "freeze changes",
        "SELECT refusal, (made).* FROM console.add_freeze($1, $2, $3)",
        start,
        length.total_seconds(),
        printable(reason.strip(), 400),
    )
    return action_rows.freeze(row)


async def end(store: Store, freeze_id: int) -> None:
    """End a freeze before its time."""
    await asked(store, "end a freeze", "SELECT console.end_freeze($1)", *numbers("freeze", [freeze_id]))


async def current(store: Store) -> list[Freeze]:
    """Those that hold now or will, the first to begin first."""
    rows = await store.fetch(
        """
        SELECT id, starts_at, ends_at, reason, author, ended_by FROM console.freeze_window
        WHERE ends_at > clock_timestamp() ORDER BY starts_at, id
        """
    )
    return [action_rows.freeze(row) for row in rows]


async def break_glass(store: Store, *, reason: str, length: timedelta) -> Glass:
    """From now on for `length` (at most an hour) this person's actions need no second one."""
    row = await asked(
        store,
        "break the glass",
        "SELECT refusal, (made).* FROM console.break_glass($1, $2)",
        printable(reason.strip(), 400),
        length.total_seconds(),
    )
    return action_rows.glass(row)


async def mend_glass(store: Store, author: str | None = None) -> None:
    """End it before its time: one's own, or as a commander that of `author`."""
    await asked(store, "mend the glass", "SELECT console.mend_glass($1)", author)


async def broken_glass(store: Store, *, since: datetime | None = None) -> list[Glass]:
    """Who may do without a second person now, or could at any time after `since`."""
    rows = await store.fetch(
        """
        SELECT id, author, reason, starts_at, ends_at FROM console.glass
        WHERE ends_at > coalesce($1, clock_timestamp()) ORDER BY id
        """,
        since,
    )
    return [action_rows.glass(row) for row in rows]
