"""The audit: who asked for what, what was refused, planned, approved, done. Read and proved here; it is written by the
store's own functions only."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from console.domain.action import AuditEntry
from console.domain.text import printable
from console.store.pool import Store

_PAGE = 2000
_COLUMNS = "seq, at, actor, verb, subject, action_id, detail::text AS detail, hash"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a verification. `problem` is "" when nobody changed anything; `broken_at` is the first entry that
    does not fit. `seq` and `hash` are the last entry's: an anchor to keep elsewhere."""

    entries: int
    seq: int
    hash: str
    problem: str = ""
    broken_at: int | None = None


async def recent(
    store: Store, *, before: int | None = None, limit: int = 200, action_id: int | None = None
) -> list[AuditEntry]:
    """Entries before `before`, of one action or of all, newest first, made printable."""
    rows = await store.fetch(
        f"""
        SELECT {_COLUMNS} FROM console.audit
        WHERE ($1::bigint IS NULL OR seq < $1) AND ($2::bigint IS NULL OR action_id = $2)
        ORDER BY seq DESC LIMIT $3
        """,  # noqa: S608 - no value from outside
        before,
        action_id,
        limit,
    )
    return [
        AuditEntry(
            r["seq"],
            r["at"],
            printable(r["actor"], 63),
            printable(r["verb"], 50),
            printable(r["subject"], 200),
            r["action_id"],
            printable(r["detail"], 4000),
            r["hash"],
        )
        for r in rows
    ]


async def entries(store: Store) -> AsyncIterator[AuditEntry]:
    """All of them, oldest first, exactly as stored: to be proved or exported, never to be shown."""
    last = -(2**63)
    while True:
        rows = await store.fetch(
            f"SELECT {_COLUMNS} FROM console.audit WHERE seq > $1 ORDER BY seq LIMIT $2",  # noqa: S608
            last,
            _PAGE,
        )
        for r in rows:
            yield AuditEntry(*r.values())
        if len(rows) < _PAGE:
            return
        last = rows[-1]["seq"]


def hash_of(before: str, entry: AuditEntry) -> str:
    """The hash of an entry after the one with the hash `before`: SHA-256 over all its columns, each as
    `LENGTH:TEXT` in bytes of UTF-8. The store computes the same (console.audit_hash)."""
    at = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    action = "" if entry.action_id is None else str(entry.action_id)
    parts = (before, str(entry.seq), at, entry.actor, entry.verb, entry.subject, action, entry.detail)
    raw = [part.encode() for part in parts]
    return hashlib.sha256(b",".join(b"%d:%b" % (len(part), part) for part in raw)).hexdigest()


async def verify(store: Store, anchor: tuple[int, str] | None = None) -> Verdict:
    """Whether every entry is as it was written, none is missing, and (with an `anchor` that was kept elsewhere: number
    and hash of an entry) whether the chain is still the one it was then. Raises StoreAway and StoreRefused."""
    head = await store.fetchrow("SELECT seq, hash FROM console.audit_head")
    before, expected, count = "", 1, 0
    anchored = anchor is None or anchor == (0, "")

    def broken(seq: int, problem: str) -> Verdict:
        return Verdict(count, expected - 1, before, problem, seq)

    async for entry in entries(store):
        if entry.seq != expected:
            return broken(
                expected,
                f"entry {expected} is missing"
                if entry.seq > expected
                else f"entry {entry.seq} is one too many",
            )
        if hash_of(before, entry) != entry.hash:
            return broken(entry.seq, f"entry {entry.seq} is not as it was written")
        if anchor is not None and entry.seq == anchor[0]:
            if entry.hash != anchor[1]:
                return broken(
                    entry.seq, f"entry {entry.seq} is not the one of the anchor: the chain was rewritten"
                )
            anchored = True
        before, expected, count = entry.hash, expected + 1, count + 1
    if head is None:
        return broken(expected, "the head of the audit is gone")
    # Entries may have come while it was read.
    if head["seq"] > expected - 1:
        return broken(expected, f"entries {expected} to {head['seq']} are missing: the tail was cut off")
    if head["seq"] == expected - 1 and head["hash"] != before:
        return broken(expected - 1, "the head does not fit the last entry")
    if not anchored and anchor is not None:
        return broken(expected, f"entry {anchor[0]} of the anchor is missing: the tail was cut off")
    return Verdict(count, expected - 1, before)


async def head(store: Store) -> tuple[int, str, datetime]:
    """Number and hash of the last entry, and the store's clock: what an anchor keeps."""
    row = await store.fetchrow("SELECT seq, hash, clock_timestamp() AS at FROM console.audit_head")
    return (0, "", await store.now()) if row is None else (row["seq"], row["hash"], row["at"])
