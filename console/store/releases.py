"""Releases in the store: what was deployed, and which one is live."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from console.domain.errors import Refused
from console.domain.release import Commit, FunctionVersion, Release, Released, ReleaseState
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store

_SHORTEST = 4
"""So much of a commit names it."""


async def put(store: Store, lease: Lease, action_id: int | None, made: Released) -> int | None:
    """How a deployment or a rollback ended. Without an action: what was found running; None when a live one is known.
    Raises Fenced."""
    return await store.fetchval(
        "SELECT console.put_release($1, $2, $3)",
        lease.fence,
        action_id,
        json.dumps(
            asdict(made)
            | {
                "version": printable(made.version, 60),
                "frontend": printable(made.frontend, 200),
                "words": printable(made.words, 500),
            }
        ),
    )


async def put_candidates(store: Store, lease: Lease, commits: Sequence[Commit]) -> None:
    """The commits that are not live yet, the newest first. Raises Fenced."""
    rows = [asdict(each) | {"at": each.at.isoformat()} for each in commits]
    await store.fetchval("SELECT console.put_candidates($1, $2)", lease.fence, json.dumps(rows))


async def candidates(store: Store) -> list[Commit]:
    """What could be deployed, the newest first. Raises StoreAway and StoreRefused."""
    rows = await store.fetch("SELECT commit FROM console.candidate ORDER BY place")
    return [_commit(json.loads(row["commit"])) for row in rows]


async def recent(store: Store, *, limit: int = 50) -> list[Release]:
    """The latest first. Raises StoreAway and StoreRefused."""
    rows = await store.fetch(
        """
        SELECT id, version, commit, state, at, author, action_id, functions, migrations, frontend, words
        FROM console.release ORDER BY id DESC LIMIT $1
        """,
        limit,
    )
    return [_release(row) for row in rows]


async def named(store: Store, word: str) -> Release:
    """The latest of this version, or whose commit begins so. Raises Refused, StoreAway and StoreRefused."""
    known = await recent(store, limit=1000)
    found = next((each for each in known if _is(word, each.version, each.commit)), None)
    if found is None:
        raise Refused(f"there is no release {printable(word, 60)}: `tradex releases` lists them")
    return found


async def commit_of(store: Store, word: str) -> str:
    """The commit of what was or could be deployed under this name. Raises Refused, StoreAway and StoreRefused."""
    coming = next((c.sha for c in await candidates(store) if _is(word, c.version, c.sha)), None)
    return coming or (await named(store, word)).commit


def _is(word: str, version: str, commit: str) -> bool:
    return word == version or (len(word) >= _SHORTEST and commit.startswith(word))


def _release(row: Any) -> Release:
    return Release(
        id=row["id"],
        version=printable(row["version"], 60),
        commit=printable(row["commit"], 64),
        state=ReleaseState(row["state"]),
        at=row["at"],
        by=printable(row["author"], 63),
        action_id=row["action_id"],
        functions=tuple(
            FunctionVersion(
                printable(f["slug"], 60), int(f["version"]), printable(f["sha"], 100), bool(f["active"])
            )
            for f in json.loads(row["functions"])
        ),
        migrations=tuple(printable(m, 40) for m in row["migrations"]),
        frontend=printable(row["frontend"], 200),
        words=printable(row["words"], 500),
    )


def _commit(data: Mapping[str, Any]) -> Commit:
    return Commit(
        sha=printable(data["sha"], 64),
        at=datetime.fromisoformat(data["at"]),
        author=printable(data["author"], 60),
        subject=printable(data["subject"], 120),
        version=printable(data["version"], 40),
        files=int(data["files"]),
        migrations=tuple(printable(m, 40) for m in data["migrations"]),
        functions=tuple(printable(f, 60) for f in data["functions"]),
    )
