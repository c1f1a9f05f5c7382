"""Recurring checklists in the store: how each stands, what people say of its items, what the leading agent finds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from console.domain.book import Done, Mark, Marked, Step
from console.domain.duties import Occurrence, Overdue, Past, Run, Standing
from console.domain.text import lines_of, printable
from console.store.books import steps_read
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers, possible

if TYPE_CHECKING:
    from collections.abc import Iterable

AGENT = "auto"
"""What the agent is called where people are named."""
_RUN = """
    r.id, r.checklist, r.title, r.rhythm, r.owner, r.opens_at, r.due_at, r.late_at, r.items, r.waits, r.ended_at,
    r.missed_at,
    (SELECT jsonb_agg(to_jsonb(m)) FROM console.checklist_mark AS m WHERE m.run_id = r.id) AS marks,
    (
        SELECT jsonb_object_agg(c.place, c.author) FROM (
            SELECT DISTINCT ON (place) place, author, state FROM console.checklist_mark_change
            WHERE run_id = r.id ORDER BY place, id DESC
        ) AS c WHERE c.state IS NULL
    ) AS taken_back
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a list beside its definition: since when it exists, the day of its last run (None: none
    yet), and what comes after that (None: nothing, or it was not worked out yet)."""

    at: datetime
    last_day: date | None
    next: Occurrence | None


# --- what people do ---------------------------------------------------------------------------------------------------


async def mark(store: Store, run_id: int, place: int, state: Done | None, *, note: str = "") -> None:
    """An item (its place from 1) is done, skipped, or with None: not done after all. What is so already changes
    nothing; what is ticked is skipped, or the other way round, only once that was taken back. Raises Refused, StoreAway
    and StoreRefused."""
    (known,) = numbers("run of a checklist", [run_id])
    await asked(
        store,
        "tick checklists",
        "SELECT console.mark_item($1, $2, $3, $4) AS refusal",
        known,
        place if 0 < place < 2**31 else 0,
        None if state is None else str(state),
        lines_of(note, 2000),
    )


async def start(store: Store, name: str) -> int:
    """Open a list's next occurrence before its time; the number of its run, or of the one that is open. Raises Refused,
    StoreAway and StoreRefused."""
    row = await asked(
        store,
        "open checklists",
        "SELECT refusal, id FROM console.start_checklist($1)",
        printable(name, 100),
    )
    return row["id"]


# --- reading ----------------------------------------------------------------------------------------------------------


async def standing(store: Store) -> list[Standing]:
    """How each list stands that is kept now, in the order of their publication."""
    rows = await store.fetch(
        f"""
        SELECT b.name, b.title AS list_title, b.content ->> 'rhythm' AS list_rhythm,
            b.content ->> 'timezone' AS timezone, b.content ->> 'owner' AS list_owner, c.next_due_at, {_RUN}
        FROM console.book AS b LEFT JOIN console.checklist AS c ON c.name = b.name
            LEFT JOIN LATERAL (
                SELECT * FROM console.checklist_run AS q WHERE q.checklist = b.name ORDER BY q.due_at DESC LIMIT 1
            ) AS r ON true
        WHERE b.kind = 'checklist' ORDER BY b.place, b.name
        """  # noqa: S608 - no value from outside
    )
    return [
        Standing(
            name=printable(row["name"], 100),
            title=printable(row["list_title"], 200),
            rhythm=printable(row["list_rhythm"] or "", 20),
            run=None if row["id"] is None else _run(row),
            next_due_at=row["next_due_at"],
            timezone=printable(row["timezone"] or "UTC", 60),
            owner=printable(row["list_owner"] or "", 63),
        )
        for row in rows
    ]


async def one(store: Store, run_id: int) -> Run | None:
    """One run, however old; None when there is none with this number."""
    row = await store.fetchrow(
        f"SELECT {_RUN} FROM console.checklist_run AS r WHERE r.id = $1",  # noqa: S608 - no value from outside
        possible(run_id),
    )
    return None if row is None else _run(row)


async def past(
    store: Store, *, since: datetime, until: datetime | None = None, checklist: str | None = None
) -> list[Past]:
    """Runs that were due in [since, until or now], of all lists or of one, the oldest first."""
    rows = await store.fetch(
        """
        SELECT r.id, r.checklist, r.due_at, r.late_at, r.ended_at, r.missed_at IS NOT NULL AS missed,
            jsonb_array_length(r.items) AS total,
            (SELECT count(*) FROM console.checklist_mark AS m WHERE m.run_id = r.id) AS done
        FROM console.checklist_run AS r
        WHERE r.due_at >= $1 AND r.due_at <= coalesce($2, clock_timestamp()) AND ($3::text IS NULL OR r.checklist = $3)
        ORDER BY r.due_at, r.id
        """,
        since,
        until,
        checklist,
    )
    return [
        Past(
            id=row["id"],
            checklist=printable(row["checklist"], 100),
            due_at=row["due_at"],
            late_at=row["late_at"],
            ended_at=row["ended_at"],
            missed=row["missed"],
            done=row["done"],
            total=row["total"],
        )
        for row in rows
    ]


async def ticked_by(store: Store, *, since: datetime) -> list[tuple[str, int]]:
    """Who ticked or skipped how many items since then that still count, the most first."""
    rows = await store.fetch(
        """
        SELECT CASE WHEN automatic THEN $2 ELSE author END AS who, count(*) AS items
        FROM console.checklist_mark WHERE at >= $1 GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        since,
        AGENT,
    )
    return [(printable(row["who"], 63), row["items"]) for row in rows]


async def overdue(store: Store, *, since: datetime) -> list[Overdue]:
    """What was overdue at any time after `since`, of lists that are kept now; what became so first comes first."""
    rows = await store.fetch(
        """
        SELECT r.title, r.late_at, coalesce(r.ended_at, r.missed_at) AS until FROM console.checklist_run AS r
        WHERE (coalesce(r.ended_at, r.missed_at) IS NULL OR coalesce(r.ended_at, r.missed_at) > $1)
            AND r.late_at < coalesce(r.ended_at, r.missed_at, clock_timestamp())
            AND EXISTS (SELECT FROM console.book AS b WHERE b.kind = 'checklist' AND b.name = r.checklist)
        ORDER BY r.late_at, r.id
        """,
        since,
    )
    return [Overdue(printable(row["title"], 200), row["late_at"], row["until"]) for row in rows]


# --- what the agent reads and writes ----------------------------------------------------------------------------------


async def known(store: Store, lease: Lease, names: Sequence[str], now: datetime) -> dict[str, Known]:
    """What is known of these lists; those that are new exist since `now`. Raises Fenced."""
    found = await _known(store, names)
    if len(found) < len(set(names)):
        await store.execute("SELECT console.know_checklists($1, $2, $3)", lease.fence, now, list(names))
        found = await _known(store, names)
    return found


async def open_runs(
    store: Store, lease: Lease, name: str, come: Sequence[Occurrence], following: Occurrence | None
) -> int:
    """Occurrences whose time to open has come, in their order, and the one after them. Each misses the one before it.
    How many were opened: none for a day that has one. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.open_runs($1, $2, $3, $4)",
        lease.fence,
        name,
        json.dumps([_due_written(each) for each in come]),
        json.dumps({} if following is None else _due_written(following)),
    )


async def opened(store: Store) -> list[Run]:
    """The runs that are open, of lists that are kept now."""
    rows = await store.fetch(
        f"""
        SELECT {_RUN} FROM console.checklist_run AS r
            JOIN console.book AS b ON b.kind = 'checklist' AND b.name = r.checklist
        WHERE r.ended_at IS NULL AND r.missed_at IS NULL ORDER BY r.id
        """  # noqa: S608 - no value from outside
    )
    return [_run(row) for row in rows]


async def tick(
    store: Store,
    lease: Lease,
    run_id: int,
    now: datetime,
    *,
    hold: Mapping[int, str],
    waits: Mapping[int, str],
) -> int:
    """Items of a run that hold, with their evidence, and why others do not, by place. What a person said something of,
    or took a tick back from, is left alone. How many were ticked. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.tick_items($1, $2, $3, $4, $5)",
        lease.fence,
        run_id,
        now,
        json.dumps([{"place": place, "note": printable(note, 500)} for place, note in hold.items()]),
        json.dumps({str(place): printable(words, 500) for place, words in waits.items()}),
    )


async def tell_overdue(store: Store, lease: Lease, now: datetime) -> int:
    """Put on the timeline what has become overdue, once each. How many. Raises Fenced."""
    return await store.fetchval("SELECT console.tell_overdue($1, $2)", lease.fence, now)


async def _known(store: Store, names: Iterable[str]) -> dict[str, Known]:
    rows = await store.fetch(
        """
        SELECT c.*, (
            SELECT r.day FROM console.checklist_run AS r WHERE r.checklist = c.name ORDER BY r.due_at DESC LIMIT 1
        ) AS last_day
        FROM console.checklist AS c WHERE c.name = ANY($1)
        """,
        list(names),
    )
    return {
        row["name"]: Known(
            row["known_at"],
            row["last_day"],
            None
            if row["next_day"] is None
            else Occurrence(row["next_day"], row["next_opens_at"], row["next_due_at"], row["next_late_at"]),
        )
        for row in rows
    }


def _due_written(due: Occurrence) -> dict[str, str]:
    return {
        "day": due.day.isoformat(),
        "opens_at": due.opens_at.isoformat(),
        "due_at": due.due_at.isoformat(),
        "late_at": due.late_at.isoformat(),
    }


def _run(row: Any) -> Run:
    marks = {each["place"]: _mark(each) for each in json.loads(row["marks"] or "[]")}
    waits = json.loads(row["waits"])
    back = json.loads(row["taken_back"] or "{}")
    return Run(
        id=row["id"],
        checklist=printable(row["checklist"], 100),
        title=printable(row["title"], 200),
        rhythm=printable(row["rhythm"], 20),
        opens_at=row["opens_at"],
        due_at=row["due_at"],
        late_at=row["late_at"],
        owner=printable(row["owner"], 63),
        items=tuple(
            _marked(place, step, marks.get(place), waits.get(str(place), ""), back.get(str(place), ""))
            for place, step in enumerate(steps_read(json.loads(row["items"])), 1)
        ),
        ended_at=row["ended_at"],
        missed=row["missed_at"] is not None,
    )


def _mark(content: Mapping[str, Any]) -> Mark:
    return Mark(
        state=Done(content["state"]),
        by=AGENT if content["automatic"] else printable(content["author"], 63),
        at=datetime.fromisoformat(content["at"]),
        note=lines_of(content["note"], 2000),
        automatic=content["automatic"],
    )


def _marked(place: int, step: Step, mark: Mark | None, waits: str, back: str) -> Marked:
    """What the agent said of an item holds until somebody else has said something of it."""
    if mark is not None:
        return Marked(place, step, mark)
    if step.automatic and back:
        by = printable(back, 63)
        return Marked(place, step, waits=f"taken back by {by}: yours to tick", taken_back_by=by)
    return Marked(place, step, waits=printable(waits, 500))
