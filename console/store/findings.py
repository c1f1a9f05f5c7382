"""Findings of the security detectors, written by the leading agent, with their history; and what people say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from console.domain.event import Severity
from console.domain.finding import Detector, Finding, FindingChange, FindingPhase, order
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers, possible

_NAME, _TEXT = 100, 500


@dataclass(frozen=True, slots=True)
class Written:
    """A finding as a detector has it: `id` 0 for a new one; what is the store's to set (`at`, `opened_at`, `since`,
    and that it was dismissed) is passed over. `settled` is JSON that only the detector looks into, for its next
    agent."""

    finding: Finding
    settled: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a detector is: how many rounds were written, up to when everything is settled, and what the next one goes
    on from."""

    revision: int
    settled_at: datetime | None
    live: tuple[Written, ...]


async def current(store: Store, *, since: datetime | None = None, limit: int = 500) -> list[Finding]:
    """Everything open or blocked and, with `since`, what changed from then on; at most the last `limit`, in the order
    of a list."""
    rows = await store.fetch(
        f"""
        SELECT {_COLUMNS} FROM console.finding
        WHERE phase IN ('open', 'blocked') AND dismissed_by IS NULL OR at >= $1
        ORDER BY at DESC LIMIT $2
        """,  # noqa: S608 - no value from outside
        since,
        limit,
    )
    return sorted((_finding(row) for row in rows), key=order)


async def show(store: Store, finding_id: int) -> Finding | None:
    """One finding; None where there is none of this number."""
    row = await store.fetchrow(
        f"SELECT {_COLUMNS} FROM console.finding WHERE id = $1",  # noqa: S608 - no value from outside
        possible(finding_id),
    )
    return None if row is None else _finding(row)


async def history(store: Store, finding_id: int, *, limit: int = 100) -> list[FindingChange]:
    """What became of one finding, newest first."""
    rows = await store.fetch(
        """
        SELECT at, finding_id, kind, actor, text, count FROM console.finding_change
        WHERE finding_id = $1 ORDER BY id DESC LIMIT $2
        """,
        possible(finding_id),
        limit,
    )
    return [
        FindingChange(
            at=row["at"],
            finding_id=row["finding_id"],
            kind=printable(row["kind"], 50),
            actor=printable(row["actor"], 63),
            text=printable(row["text"], _TEXT),
            count=row["count"],
        )
        for row in rows
    ]


async def detectors(store: Store) -> list[Detector]:
    """Every detector that ever ran, by name."""
    rows = await store.fetch("SELECT name, ran_at, settled_at, reason FROM console.detector ORDER BY name")
    return [
        Detector(
            printable(row["name"], 50), row["ran_at"], row["settled_at"], printable(row["reason"], _TEXT)
        )
        for row in rows
    ]


async def dismiss(store: Store, finding_id: int, reason: str) -> None:
    """It is none of our business, and why. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "dismiss findings",
        "SELECT console.dismiss_finding($1, $2)",
        *numbers("finding", [finding_id]),
        printable(reason.strip(), _TEXT),
    )


# --- for the agent ----------------------------------------------------------------------------------------------------


async def standing(store: Store, detector: str, *, live_since: datetime | None = None) -> Standing:
    """Where a detector is, with its open and blocked findings and, with `live_since` (platform's clock), those that
    failed after that. For an agent that begins to lead, and after each write that failed or was passed over."""
    rows = await store.fetch(
        f"""
        SELECT d.revision, d.settled_at, f.*
        FROM (SELECT) AS always LEFT JOIN console.detector AS d ON d.name = $1 LEFT JOIN (
            SELECT {_COLUMNS}, settled FROM console.finding
            WHERE kind = $1 AND (phase IN ('open', 'blocked') OR last_at > $2)
        ) AS f ON true
        ORDER BY f.id
        """,  # noqa: S608 - no value from outside
        detector,
        live_since,
    )
    return Standing(
        revision=rows[0]["revision"] or 0,
        settled_at=rows[0]["settled_at"],
        live=tuple(
            Written(_finding(row), json.loads(row["settled"])) for row in rows if row["id"] is not None
        ),
    )


async def write(
    store: Store,
    lease: Lease,
    detector: str,
    *,
    revision: int,
    settled_at: datetime | None,
    changed: Sequence[Written] = (),
    reason: str = "",
) -> list[int] | None:
    """One round: the findings that are new or have changed; returns their ids in the same order.

    None: another round was written since `revision`, perhaps this one at a first try whose answer was lost; read
    `standing` before going on. Raises Fenced, and StoreRefused for what does not fit; then nothing was written.
    """
    return await store.fetchval(
        "SELECT console.write_findings($1, $2)",
        lease.fence,
        json.dumps(
            {
                "detector": printable(detector, 50),
                "revision": revision,
                "settled_at": None if settled_at is None else settled_at.isoformat(),
                "reason": printable(reason, 200),
                "findings": [_json(each) for each in changed],
            },
            allow_nan=False,
        ),
    )


# --- encoding ---------------------------------------------------------------------------------------------------------

_SPANS = {"window": "window_s", "action_for": "action_for_s"}
_NAMES = [_SPANS.get(field.name, field.name) for field in fields(Finding)]
_COLUMNS = ", ".join(_NAMES)


def _json(written: Written) -> dict[str, Any]:
    finding = written.finding
    return {
        "id": finding.id or None,
        "severity": finding.severity.value,
        "source": printable(finding.source, _NAME),
        "phase": finding.phase.value,
        "first_at": finding.first_at.isoformat(),
        "attack_at": finding.attack_at.isoformat(),
        "last_at": finding.last_at.isoformat(),
        "count": finding.count,
        "peak": finding.peak,
        "threshold": finding.threshold,
        "window_s": finding.window.total_seconds(),
        "users": [printable(user, _NAME) for user in finding.users],
        "users_more": finding.users_more,
        "affected": [printable(user, _NAME) for user in finding.affected],
        "affected_more": finding.affected_more,
        "action": printable(finding.action, 50),
        "action_for_s": finding.action_for.total_seconds(),
        "blocked_until": None if finding.blocked_until is None else finding.blocked_until.isoformat(),
        "settled": dict(written.settled),
        "text": printable(finding.summary, _TEXT),
    }


def _finding(row: asyncpg.Record) -> Finding:
    dismissed_by = row["dismissed_by"]
    return Finding(
        id=row["id"],
        kind=printable(row["kind"], 50),
        severity=Severity(row["severity"]),
        source=printable(row["source"], _NAME),
        phase=FindingPhase(row["phase"]),
        at=row["at"],
        opened_at=row["opened_at"],
        since=row["since"],
        first_at=row["first_at"],
        attack_at=row["attack_at"],
        last_at=row["last_at"],
        count=row["count"],
        peak=row["peak"],
        threshold=row["threshold"],
        window=timedelta(seconds=row["window_s"]),
        users=tuple(printable(user, _NAME) for user in row["users"]),
        users_more=row["users_more"],
        affected=tuple(printable(user, _NAME) for user in row["affected"]),
        affected_more=row["affected_more"],
        action=printable(row["action"], 50),
        action_for=timedelta(seconds=row["action_for_s"]),
        blocked_until=row["blocked_until"],
        dismissed_by=None if dismissed_by is None else printable(dismissed_by, 63),
        dismissed_at=row["dismissed_at"],
        dismissed_reason=printable(row["dismissed_reason"], _TEXT),
    )
