"""Runs of the checks in the store, result by result, and what people say of those that only they can answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from console.domain.check import (
    CheckResult,
    CheckRun,
    CheckStatus,
    Known,
    Subject,
    Tick,
    occasion_of,
    ticked,
)
from console.domain.text import printable
from console.store.actions import Asked
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, possible

_COLUMNS = (
    "id, occasion, author, asked_at, commit, version, started_at, ended_at, total, action_id, words, "
    "(SELECT jsonb_agg(to_jsonb(r) ORDER BY r.place) FROM console.check_result AS r WHERE r.run_id = c.id) AS results"
)


# --- what people do ---------------------------------------------------------------------------------------------------


async def ask(store: Store, occasion: str, *, commit: str = "", version: str = "") -> Asked:
    """Have the leading agent run the checks of an occasion; whoever asks for an open run joins it. Raises Refused,
    StoreAway and StoreRefused."""
    row = await asked(
        store,
        "have the checks run",
        "SELECT refusal, id, told FROM console.ask_checks($1, $2, $3)",
        printable(occasion, 20),
        printable(commit, 64),
        printable(version, 60),
    )
    return Asked(row["id"], printable(row["told"]))


async def may_keep(store: Store) -> bool:
    """Whether this login may keep runs of its own."""
    return await store.fetchval(
        """
        SELECT (pg_has_role('console_responder', 'USAGE') OR pg_has_role('console_agent', 'USAGE'))
            AND NOT pg_is_in_recovery() AND NOT current_setting('default_transaction_read_only')::boolean
        """
    )


async def keep(
    store: Store,
    occasion: str,
    results: Sequence[CheckResult],
    *,
    took: timedelta,
    commit: str = "",
    version: str = "",
) -> int:
    """A run that this person made by hand, whole. Its number. Raises Refused, StoreAway and StoreRefused."""
    row = await asked(
        store,
        "keep a run of the checks",
        "SELECT refusal, id FROM console.keep_checks($1, $2, $3, $4, $5)",
        printable(occasion, 20),
        printable(commit, 64),
        printable(version, 60),
        took.total_seconds(),
        json.dumps([_written(each) for each in results]),
    )
    return row["id"]


async def tick(
    store: Store, check: str, note: str, *, commit: str = "", length: timedelta | None = None
) -> Tick:
    """This person's word for a check: of the release of `commit`, or for `length` (None: as long as there may be).
    Raises Refused, StoreAway and StoreRefused."""
    row = await asked(
        store,
        "tick a check",
        "SELECT refusal, (made).* FROM console.tick_check($1, $2, $3, $4)",
        printable(check, 60),
        printable(commit, 64),
        printable(note.strip(), 400),
        None if length is None else length.total_seconds(),
    )
    return _tick(row)


# --- what the agent writes --------------------------------------------------------------------------------------------


async def begin(store: Store, lease: Lease, occasion: str, about: Subject) -> int:
    """A run of the agent's own or of a step of an action, the open one where there is one. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.open_checks($1, $2, $3, $4, $5)",
        lease.fence,
        occasion,
        printable(about.commit, 64),
        printable(about.version, 60),
        about.action_id,
    )


async def due(store: Store, lease: Lease) -> CheckRun | None:
    """What was asked for and is not over, the oldest first; also what another agent began. Raises Fenced."""
    number = await store.fetchval("SELECT console.next_checks($1)", lease.fence)
    return None if number is None else await one(store, number)


async def start(store: Store, lease: Lease, run_id: int, total: int) -> bool:
    """It begins now, without what was there of it. False: it is over. Raises Fenced."""
    return bool(await store.fetchval("SELECT console.start_checks($1, $2, $3)", lease.fence, run_id, total))


async def put(store: Store, lease: Lease, run_id: int, place: int, result: CheckResult) -> None:
    """One that is over, the `place`th (from 1) of the list. Raises Fenced."""
    await store.execute(
        "SELECT console.put_check($1, $2, $3, $4)", lease.fence, run_id, place, json.dumps(_written(result))
    )


async def end(store: Store, lease: Lease, run_id: int, words: str = "") -> None:
    """It is over; `words` say why it came to nothing. Raises Fenced."""
    await store.execute("SELECT console.end_checks($1, $2, $3)", lease.fence, run_id, printable(words, 500))


# --- reading ----------------------------------------------------------------------------------------------------------


async def latest(store: Store, occasion: str, *, commit: str | None = None) -> CheckRun | None:
    """The last run of an occasion that no action made, of any commit or of this one, with what was ticked since. Raises
    StoreAway and StoreRefused."""
    row = await store.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM console.check_run AS c WHERE occasion = $1 AND action_id IS NULL
            AND ($2::text IS NULL OR commit = $2)
        ORDER BY id DESC LIMIT 1
        """,  # noqa: S608 - no value from outside
        occasion,
        commit,
    )
    if row is None:
        return None
    run = _run(row)
    if all(each.status is not CheckStatus.MANUAL for each in run.results):
        return run
    known = await ticks(store, commit=run.commit)
    return replace(run, results=tuple(ticked(each, known) for each in run.results))


async def one(store: Store, run_id: int) -> CheckRun | None:
    """A run as it was; None when there is none with this number."""
    row = await store.fetchrow(
        f"SELECT {_COLUMNS} FROM console.check_run AS c WHERE id = $1",  # noqa: S608 - no value from outside
        possible(run_id),
    )
    return None if row is None else _run(row)


async def of_action(store: Store, action_id: int) -> list[CheckRun]:
    """What the steps of an action found, the oldest first."""
    rows = await store.fetch(
        f"SELECT {_COLUMNS} FROM console.check_run AS c WHERE action_id = $1 ORDER BY id",  # noqa: S608
        possible(action_id),
    )
    return [_run(row) for row in rows]


async def ticks(store: Store, *, commit: str = "") -> list[Tick]:
    """Those that hold now, of this commit and of any."""
    rows = await store.fetch(
        """
        SELECT item, commit, author, at, note, until FROM console.check_tick
        WHERE (commit = '' OR commit = $1) AND (until IS NULL OR until > clock_timestamp()) ORDER BY at DESC
        """,
        commit,
    )
    return [_tick(row) for row in rows]


async def last(store: Store, check: str) -> tuple[CheckResult, datetime] | None:
    """What this check found when it ran last, in whatever run, and when that was; None: there is none any more."""
    return (await _last(store, [check])).get(check)


async def _last(store: Store, names: Sequence[str]) -> dict[str, tuple[CheckResult, datetime]]:
    rows = await store.fetch(
        """
        SELECT w.item, found.* FROM unnest($1::text[]) AS w(item) CROSS JOIN LATERAL (
            SELECT to_jsonb(r) AS result, coalesce(c.ended_at, c.started_at, c.asked_at) AS at
            FROM console.check_result AS r JOIN console.check_run AS c ON c.id = r.run_id
            WHERE r.item = w.item ORDER BY r.run_id DESC LIMIT 1
        ) AS found
        """,
        list(names),
    )
    return {row["item"]: (_result(json.loads(row["result"])), row["at"]) for row in rows}


async def known(store: Store, names: Sequence[str]) -> dict[str, Known]:
    """What is known of these checks, by name."""
    runs = {occasion: await latest(store, occasion) for occasion in sorted(set(map(occasion_of, names)))}
    last, said = await _last(store, names), await ticks(store)
    found = {}
    for name in names:
        result, at = last.get(name, (None, None))
        if result is not None and result.status is CheckStatus.MANUAL:
            result = ticked(result, said)
        found[name] = Known(name, result, at, runs[occasion_of(name)])
    return found


def _written(result: CheckResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "title": result.title,
        "group": result.group,
        "status": str(result.status),
        "evidence": printable(result.evidence, 500),
        "duration_ms": result.duration_ms,
    }


def _run(row: Any) -> CheckRun:
    return CheckRun(
        id=row["id"],
        occasion=row["occasion"],
        by=printable(row["author"], 63),
        asked_at=row["asked_at"],
        commit=printable(row["commit"], 64),
        version=printable(row["version"], 60),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        total=row["total"],
        results=tuple(_result(each) for each in json.loads(row["results"] or "[]")),
        action_id=row["action_id"],
        words=printable(row["words"], 500),
    )


def _result(content: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        printable(content["item"], 60),
        printable(content["title"], 100),
        printable(content["part"], 40),
        CheckStatus(content["status"]),
        printable(content["evidence"], 500),
        float(content["duration_ms"]),
    )


def _tick(row: Any) -> Tick:
    return Tick(
        check=printable(row["item"], 60),
        by=printable(row["author"], 63),
        at=row["at"],
        note=printable(row["note"], 400),
        commit=printable(row["commit"], 64),
        until=row["until"],
    )
